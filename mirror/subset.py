"""Is a pulled folder still what was pulled, and the way back where it is not.

A verification believes the journal of the folder, or the lock where there is no journal that can be read: a folder that
was copied elsewhere, or burnt on a disk, is verified by its lock. A repair moves what is bad into quarantine and pulls
exactly those posts again; nothing is deleted.

Nothing here knows a release: `mirror.verify` checks one.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Literal

from tagswarm.manifests import codec, disk
from tagswarm.manifests.errors import FormatError, InvalidDocument, JournalCorrupt, StoreError, Unreadable
from tagswarm.manifests.events import Report, StepAdvanced, StepFinished, StepStarted, silent
from tagswarm.manifests.manifest import Problem
from tagswarm.manifests.paths import escape

from . import check
from .check import Checked, Task, Wanted
from .file import File
from .form import IMAGES, ORIGINALS, Form, post_of
from .journal import Journal
from .lock import LOCK, Entry, Lock
from .pipeline import Compose, PullReport, one_after_the_other, pull
from .store import JOURNAL, STATE, Store, files_of
from .transports.base import Transport
from .workers import to_end

Depth = Literal["full", "fast", "sample"]

PROGRESS = "verify.json"
"""How far a full verification had come, below `.tagswarm`."""
_PROGRESS_LIMIT = 256 << 20
_PROGRESS_FORMAT = "tagswarm.verify-progress/1"
_BESIDE = frozenset({"txt", "json", "npz"})
"""What exports and training tools write beside an image, under its name: captions, metadata, latents."""
_EVERY = 64
"""Pieces of work between two notes of the progress: 2 GiB or 32,768 files."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SubsetReport:
    """What was checked and what was found."""

    depth: Depth
    believed: Literal["journal", "lock"]
    """Which of the two said what must be there."""
    posts: int
    files: int
    """Files that were checked, in whatever depth."""
    read: int
    """Files whose contents were read and hashed."""
    bytes: int
    """Bytes that were read."""
    problems: tuple[Problem, ...]
    """Files that are not as they must be, sorted; paths relative to the folder."""
    extra: tuple[str, ...] | None
    """Files that belong to no post, sorted; None where nobody looked for them."""
    absent: tuple[int, ...]
    """Posts that were wanted and never came, sorted."""
    notes: tuple[str, ...]
    """What this check rests on and what it cannot find, in sentences."""

    @property
    def ok(self) -> bool:
        """Nothing is wrong with what was checked; posts that never came are not wrong."""
        return not self.problems

    @property
    def damaged(self) -> tuple[int, ...]:
        """The posts whose files are not as they must be, sorted: what `repair` is for."""
        return tuple(sorted({post for problem in self.problems if (post := post_of(problem.path)) is not None}))

    def to_dict(self) -> dict[str, Any]:
        """Every field by its name, for JSON."""
        return {**asdict(self), "ok": self.ok, "damaged": self.damaged}


def verify(
    out: Path,
    *,
    depth: Depth = "full",
    sample: float = 0.01,
    seed: int = 0,
    extra: bool = False,
    resume: bool = False,
    workers: int | None = None,
    report: Report = silent,
) -> SubsetReport:
    """Check the files of a pulled folder.

    Args:
        out: the folder.
        depth: `full` reads every file, `fast` compares sizes only, `sample` reads a fraction.
        sample: that fraction, from 0 to 1.
        seed: another seed samples other files.
        extra: also list what lies among the files and belongs to no post.
        resume: go on with a full verification that was stopped.
        workers: processes, by default one a processor.
        report: receives the events.

    Raises:
        DestinationLocked: a pull or another verification works on it.
        Unreadable: it is no pulled folder.
        FormatError: there is no journal, and the lock is malformed.
    """
    with ExitStack() as held:
        writable = os.access(out / STATE, os.W_OK)
        if writable:
            held.enter_context(disk.locked(out / STATE / "lock"))
        run = _Run(out, depth, {"full": 1.0, "fast": 0.0, "sample": sample}[depth], seed, writable=writable)
        run.begin(held, resume=resume)
        run.check(workers, report)
        found = tuple(sorted(run.extra())) if extra else None
    return SubsetReport(
        depth=depth,
        believed=run.believed,
        posts=run.posts,
        files=run.files,
        read=run.read,
        bytes=run.bytes,
        problems=tuple(sorted(run.problems)),
        extra=found,
        absent=tuple(run.absent),
        notes=tuple(run.remarks(looked=extra)),
    )


async def repair(
    files: Iterable[File],
    sources: Mapping[str, Transport],
    store: Store,
    problems: Iterable[Problem],
    *,
    form: Form,
    compose: Compose = one_after_the_other,
    jobs: int | None = None,
    report: Report = silent,
) -> PullReport:
    """Fetch what a verification found missing or damaged; what is bad goes into quarantine first.

    Args:
        files: of the damaged posts, as the release lists them.
        sources: who has them, by name.
        store: the folder, open.
        problems: of the verification.
        form: of the folder, as its lock has it.
        compose: how the sources work together.
        jobs: as of a pull.
        report: receives the events.

    Raises:
        StoreError: a file cannot be moved or written, or the disk is full.
    """
    await to_end(partial(_set_aside, store, [problem.path for problem in problems]))
    return await pull(files, sources, store, form=form, compose=compose, prune=False, jobs=jobs, report=report)


def _set_aside(store: Store, places: Iterable[str]) -> None:
    for place in places:
        if post_of(place) is None:
            raise InvalidDocument(f"{escape(place)}: is no file of a subset")
        if os.path.lexists(store.out / place):
            store.quarantine(place)


@dataclass(slots=True)
class _Run:
    """One verification."""

    out: Path
    depth: Depth
    fraction: float
    seed: int
    writable: bool
    believed: Literal["journal", "lock"] = "journal"
    notes: list[str] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    second: list[str] = field(default_factory=list)
    absent: list[int] = field(default_factory=list)
    posts: int = 0
    files: int = 0
    read: int = 0
    bytes: int = 0
    state: str = ""
    """A digest of all that must be there: a pull in between begins a verification anew."""
    after: int = -1
    """The post after which this run goes on."""
    journal: Journal | None = None
    lock: Lock | None = None

    def begin(self, held: ExitStack, *, resume: bool) -> None:
        """Find out what must be there."""
        path = self.out / STATE / JOURNAL
        if self.writable and path.exists():
            try:
                journal = Journal(path)
                held.callback(journal.close)
                self.journal = None if journal.fresh else journal
            except JournalCorrupt as failure:
                self.notes.append(f"the journal is damaged, so the lock was believed: {escape(failure.message)}")
        if self.journal is None:
            self.believed = "lock"
            self.lock = Lock(self.out / LOCK)
        digest = hashlib.sha256()
        for entry in self.entries():  # of a lock: all of it is right before any of it is believed
            digest.update(entry.line())
        self.state = digest.hexdigest()
        if self.journal is not None and not self._same_lock():
            self.notes.append(
                f"{LOCK} is not that of the files here: the last pull did not end, or the lock was changed"
            )
        if resume:
            self._resume()

    def _same_lock(self) -> bool:
        try:
            return Lock(self.out / LOCK).header.sha256 == self.state
        except (Unreadable, FormatError):
            return False

    def entries(self) -> Iterator[Entry]:
        if self.journal is not None:
            return self.journal.entries()
        assert self.lock is not None
        return self.lock.entries()

    def check(self, workers: int | None, report: Report) -> None:
        """Check every file, and note now and then how far that is."""
        step = "verify"
        report(StepStarted(step))
        under_way: dict[int, Checked | None] = {}
        """Pieces of work by the last post in them, in order, and what was found; they are added up in order, too."""
        for number, (task, found) in enumerate(check.each(self._tasks(under_way), workers=workers), 1):
            under_way[int(task.label)] = found
            while under_way and (next_found := under_way[first := next(iter(under_way))]) is not None:
                self._add(next_found)
                self.after = first
                del under_way[first]
            if number % _EVERY == 0:
                self._remember()
            report(StepAdvanced(step, self.files, self.bytes))
        if self.writable:
            disk.remove(self.out / STATE / PROGRESS)
        report(StepFinished(step, self.files, self.bytes))

    def _add(self, found: Checked) -> None:
        self.files += found.files
        self.read += found.read
        self.bytes += found.bytes
        self.problems += found.problems
        self.second += found.second

    def _tasks(self, under_way: dict[int, Checked | None]) -> Iterator[Task]:
        """Pieces of work that end with a post, whose id is their label."""
        wanted: list[Wanted] = []
        last, size = -1, 0
        for entry in self.entries():
            self.posts += 1
            if entry.pending:
                self.absent.append(entry.id)
            if entry.id <= self.after:
                continue
            for place, length, digest in files_of(entry):
                chosen = self._chosen(entry.id)
                wanted.append(Wanted(place, length, digest if chosen else None))
                size += length if chosen else 0
            last = entry.id
            if size >= check.CHUNK_BYTES or len(wanted) >= check.CHUNK_FILES:
                under_way[last] = None
                yield Task(str(self.out), tuple(wanted), str(last))
                wanted, size = [], 0
        if wanted:
            under_way[last] = None
            yield Task(str(self.out), tuple(wanted), str(last))

    def _chosen(self, post: int) -> bool:
        if self.fraction in {0.0, 1.0}:
            return bool(self.fraction)
        digest = hashlib.blake2b(f"{self.seed} {post}".encode(), digest_size=8).digest()
        return int.from_bytes(digest, "big") < self.fraction * 2**64

    # How far it is.

    def _remember(self) -> None:
        if self.depth != "full" or not self.writable:
            return
        state = {
            "format": _PROGRESS_FORMAT,
            "state": self.state,
            "after": self.after,
            "files": self.files,
            "read": self.read,
            "bytes": self.bytes,
            "problems": [[problem.path, problem.kind, problem.detail] for problem in self.problems],
            "second": self.second,
        }
        disk.write(self.out / STATE / PROGRESS, codec.line(state))

    def _resume(self) -> None:
        try:
            state = codec.parse(disk.read(self.out / STATE / PROGRESS, limit=_PROGRESS_LIMIT), limit=_PROGRESS_LIMIT)
            if state["format"] != _PROGRESS_FORMAT or state["state"] != self.state or self.depth != "full":
                return
            problems = [Problem(*values) for values in state["problems"]]
            self.after, self.files, self.read, self.bytes = (
                int(state[key]) for key in ("after", "files", "read", "bytes")
            )
            self.problems, self.second = problems, [str(text) for text in state["second"]]
        except (StoreError, FormatError, KeyError, TypeError, ValueError):
            return  # there is none, or not one of this program: from the beginning
        self.notes.append(f"this verification went on with an earlier one behind post {self.after}")

    # What else there is.

    def extra(self) -> Iterator[str]:
        """Files among the images and originals that belong to no post; what stands beside one, as captions, does."""
        known = {place for entry in self.entries() for place, _, _ in files_of(entry)}
        stems = {place.rpartition(".")[0] for place in known}
        for tree in (IMAGES, ORIGINALS):
            for folder, folders, names in os.walk(self.out / tree):
                inside = Path(folder).relative_to(self.out).as_posix()
                links = [name for name in folders if Path(folder, name).is_symlink()]
                for place in (f"{inside}/{name}" for name in [*names, *links]):
                    stem, _, extension = place.rpartition(".")
                    beside = extension in _BESIDE and (stem in stems or stem in known)
                    if place not in known and not beside:
                        yield place

    def remarks(self, *, looked: bool) -> Iterator[str]:
        """What this depth has not found and could not."""
        yield from self.notes
        if self.depth == "fast":
            yield f"contents not read: {self.files - self.read} files were compared by size only"
            yield "damage that keeps the size of a file is not found at this depth"
        elif self.depth == "sample":
            yield (
                f"{self.read} of {self.files} files were read, the others compared by size only: "
                f"a single damaged file is found with a probability of {self.fraction:.3g}"
            )
        if self.absent:
            yield f"{len(self.absent)} posts were wanted and never came; the next pull tries again"
        if not looked:
            yield "files that belong to no post were not looked for"
        for path in self.second:
            yield f"right only when it was read again, so memory, cable or disk are to be doubted: {path}"
