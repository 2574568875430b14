"""The one read pass: a file is read once and gives its digests, its piece hashes and, of an original, a look at it.

The reading runs in the limited processes of `imaging.pool`; what comes of it goes into the journal in batches, so
that a run stopped anywhere goes on there. A file whose decoder hangs, crashes or eats its memory is read again
without a decoder: its digests are known all the same, and the look says what happened.

Nothing here judges: an unreadable or broken file becomes a fact, and the audit names it.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import BinaryIO, TypeVar

from tagswarm.imaging import pool
from tagswarm.imaging.decode import inspect
from tagswarm.imaging.kind import is_image
from tagswarm.imaging.probe import HEAD, sniff
from tagswarm.imaging.verdict import Limits, Refusal
from tagswarm.manifests import disk
from tagswarm.manifests.digest import FileDigest, digest_bytes, digest_file
from tagswarm.manifests.errors import StoreError
from tagswarm.manifests.events import Report, StepAdvanced, StepFinished, StepStarted
from tagswarm.manifests.paths import FilePath

from . import tree
from .facts import FileFact, Look, Stat
from .journal import Journal

T = TypeVar("T")

WHOLE = 256 << 20
"""Bytes of the largest image that is decoded; a larger one is digested in chunks and counts as too large."""
SLOWEST = 2_000_000
"""Bytes a second that the slowest disk gives: it sets the time a large file may take."""
BATCH = 500
"""Files whose facts are written as one."""
SLICE_BYTES, SLICE_FILES = 1 << 20, 64
"""A worker gets files by so many bytes, or so many: of small ones, each would cost as much to hand over as to hash."""


@dataclass(frozen=True, slots=True)
class Reading:
    """A file to be read: the task of a worker."""

    dataset: str
    path: str
    size: int
    """Bytes, when it was listed: they decide how long the reading may take."""
    piece_length: int
    look: bool = True


def read_slice(tasks: tuple[Reading, ...]) -> list[FileFact]:
    """Read some files, in a worker."""
    return [read(task) for task in tasks]


def read(task: Reading) -> FileFact:
    """Read one file once, in a worker; whatever is wrong with it stands in the look."""
    path = Path(task.dataset, task.path)
    nothing = Stat(size=0, mtime_ns=0, inode=0)
    try:
        with disk.open_read(path) as file:
            before = _stat(file)
            with disk.failures(path):
                digest, look = _read(file, before.size, task)
            after = _stat(file)
    except StoreError as failure:
        return FileFact(
            path=task.path, stat=nothing, look=Look(kind="unknown", reason="unreadable", detail=str(failure))
        )
    if before != after or digest.size != before.size:
        detail = f"{before.size} bytes when it was opened, {after.size} when it was read"
        return FileFact(
            path=task.path, stat=after, look=Look(kind="unknown", reason="changed-while-read", detail=detail)
        )
    return FileFact(path=task.path, stat=after, digest=digest, look=look)


def _stat(file: BinaryIO) -> Stat:
    stat = os.fstat(file.fileno())
    return Stat(size=stat.st_size, mtime_ns=stat.st_mtime_ns, inode=stat.st_ino)


def _read(file: BinaryIO, size: int, task: Reading) -> tuple[FileDigest, Look | None]:
    if not task.look:
        return digest_file(file, task.piece_length), None
    kind = sniff(os.pread(file.fileno(), HEAD, 0))
    if is_image(kind) and size <= WHOLE:
        data = file.read()
        return digest_bytes(data, task.piece_length), look_at(data)
    digest = digest_file(file, task.piece_length)
    if is_image(kind):
        return digest, Look(kind=kind, reason="too-large", detail=f"{size} bytes; at most {WHOLE} are decoded")
    reason = "empty" if size == 0 else "not-an-image"
    return digest, Look(kind=kind, reason=reason, detail="" if size == 0 else f"by its content: {kind}")


def look_at(data: bytes) -> Look:
    """Decode bytes whole and say what they show."""
    verdict = inspect(data, Limits())
    if isinstance(verdict, Refusal):
        return Look(kind=verdict.kind, reason=verdict.reason, detail=verdict.detail)
    return Look(
        kind=verdict.kind,
        width=verdict.displayed_width,
        height=verdict.displayed_height,
        turned=verdict.orientation > 4,
        frames=verdict.frames,
        engine=verdict.engine,
    )


def scan(
    dataset: Path,
    name: str,
    journal: Journal,
    *,
    piece_length: int,
    rehash: bool,
    report: Report,
    archives: AbstractSet[str] = frozenset(),
) -> int:
    """List the files of a tree in the journal; those that are new or changed are to be read.

    The `archives`, which releases put into the tree, are passed over. Returns how many files fit the layout.
    """
    step = f"list {name}"
    report(StepStarted(step))
    journal.forget_strays(name)
    files, prefixes = 0, []
    for prefix, found, strays in tree.buckets(dataset, name, archives):
        journal.note_bucket(name, prefix, found, strays, piece_length=piece_length, rehash=rehash)
        prefixes.append(prefix)
        files += len(found)
        report(StepAdvanced(step, files, item=prefix))
    journal.forget_buckets(name, prefixes)
    report(StepFinished(step, files))
    return files


def read_tree(
    dataset: Path, name: str, journal: Journal, *, piece_length: int, workers: int | None, report: Report
) -> int:
    """Read every file of a tree that the journal has no digest of; returns how many that were."""
    total, _ = journal.unread(name)
    step = f"read {name}"
    if not total:
        report(StepFinished(step, 0, note="nothing new"))
        return 0
    report(StepStarted(step, total))
    unread = journal.unread_paths(name)
    tasks = (Reading(str(dataset), path, size, piece_length) for path, size in unread)
    done = done_bytes = 0
    for facts in batched(facts_of(tasks, workers), BATCH):
        with journal.batch():
            for fact in facts:
                journal.note_read(name, FilePath.parse(fact.path).id, fact)
        done += len(facts)
        done_bytes += sum(fact.stat.size for fact in facts)
        report(StepAdvanced(step, done, done_bytes, item=facts[-1].path))
    report(StepFinished(step, done, done_bytes))
    return done


def facts_of(tasks: Iterable[Reading], workers: int | None) -> Iterator[FileFact]:
    """Read files in the pool, in the order in which they are done; every task gives exactly one fact.

    Where a slice is lost, its files are read again one by one, so that only the one to blame is without its look.
    """
    suspects: list[Reading] = []
    for slice_, outcome in pool.run(read_slice, _slices(tasks), workers=workers, seconds=_allowed_slice, retries=0):
        if isinstance(outcome, pool.Lost):
            suspects += slice_
        else:
            yield from outcome
    lost: list[tuple[Reading, pool.Lost]] = []
    for task, found in pool.run(read, suspects, workers=workers, seconds=_allowed):
        if isinstance(found, pool.Lost):
            lost.append((task, found))
        else:
            yield found
    reasons = {task.path: Look(kind="unknown", reason=why.reason, detail=why.detail) for task, why in lost}
    again = (replace(task, look=False) for task, _ in lost)
    for task, found in pool.run(read, again, workers=workers, seconds=_allowed):
        look = reasons[task.path]
        if isinstance(found, pool.Lost):
            nothing = Stat(size=task.size, mtime_ns=0, inode=0)
            yield FileFact(path=task.path, stat=nothing, look=replace(look, reason="unreadable", detail=found.detail))
        else:
            yield replace(found, look=found.look or look)


def _slices(tasks: Iterable[Reading]) -> Iterator[tuple[Reading, ...]]:
    """Cut a stream of files into slices; only a file that is alone may be larger than a slice."""
    part: list[Reading] = []
    size = 0
    for task in tasks:
        if part and (size + task.size > SLICE_BYTES or len(part) == SLICE_FILES):
            yield tuple(part)
            part, size = [], 0
        part.append(task)
        size += task.size
    if part:
        yield tuple(part)


def _allowed_slice(tasks: tuple[Reading, ...]) -> float:
    return pool.SECONDS + sum(task.size for task in tasks) / SLOWEST


def _allowed(task: Reading) -> float:
    return pool.SECONDS + task.size / SLOWEST


def batched(items: Iterable[T], size: int) -> Iterator[list[T]]:
    """Cut a stream into lists of at most `size`."""
    stream = iter(items)
    while batch := list(islice(stream, size)):
        yield batch
