"""Is a release on this disk what its maintainer made? Signature, documents, files, each by its own digest.

Trust first, and without it nothing: `published.establish` raises. From there on a failure is a value: every file that
is not as it must be becomes a `Problem`, and the report says what the chosen depth cannot find.

Nothing here repairs, deletes or looks into an image.
"""

from __future__ import annotations

import hashlib
import os
from array import array
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import BinaryIO, Literal

import numpy as np
import numpy.typing as npt

from tagswarm.manifests import disk, manifest, paths, published, torrentfile, torrentlist
from tagswarm.manifests.errors import FormatError, IntegrityError, SizeMismatch, StoreError, TagswarmError
from tagswarm.manifests.events import Report, StepAdvanced, StepFinished, StepStarted, silent
from tagswarm.manifests.manifest import Kind, Manifest, Problem
from tagswarm.manifests.models import Object, VolumeEntry
from tagswarm.manifests.signing import PublicKey
from tagswarm.manifests.statements import KEYS, LATEST
from tagswarm.manifests.torrentlist import TORRENTS

from . import check, withdrawn
from .check import Checked, Wanted
from .tablecheck import FileTables
from .withdrawn import Withdrawn

Depth = Literal["full", "fast", "sample"]

MOST_PROBLEMS = 100_000
"""Problems that are kept one by one; the others are counted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifyReport:
    """What was checked and what was found."""

    release: str
    sequence: int
    root_sha256: str
    depth: Depth
    files: int
    """Files that were checked, in whatever depth."""
    read: int
    """Files whose contents were read and hashed."""
    bytes: int
    """Bytes that were read."""
    absent: int
    """Withdrawn files that are not there, as is their right."""
    problems: tuple[Problem, ...]
    """Sorted by path; at most 100,000."""
    problem_count: int
    signed_by: tuple[str, ...]
    """Key ids; empty where the release is unsigned."""
    trust: published.Trust
    notes: tuple[str, ...]
    """What this check rests on and what it cannot find, in sentences."""

    @property
    def ok(self) -> bool:
        """Nothing is wrong with what was checked."""
        return not self.problem_count


def verify(
    dataset: Path,
    *,
    release: str | None = None,
    keys: Sequence[PublicKey] = (),
    pin: str | None = None,
    depth: Depth = "full",
    sample: float = 0.01,
    seed: int = 0,
    extra: bool = False,
    workers: int | None = None,
    today: date | None = None,
    report: Report = silent,
) -> VerifyReport:
    """Check a release on the disk against its signed root.

    Args:
        dataset: the tree.
        release: its name; the newest where it is left out.
        keys: the keys of the maintainer; without them those of keys.json are believed on first use.
        pin: the SHA-256 of the root, for an unsigned release.
        depth: `full` reads every file, `fast` compares sizes only, `sample` reads a fraction.
        sample: that fraction, from 0 to 1.
        seed: another seed samples other files.
        extra: also list what lies in the trees and belongs to no volume.
        workers: processes, by default one a processor.
        today: what freshness is judged by; the date of the clock where it is left out.
        report: receives the events.

    Raises:
        TrustError: the root cannot be relied on; nothing below it was looked at.
        IncompleteBuild: there is no such release.
        FormatError: one of the signed documents is malformed.
    """
    found = published.establish(dataset, release=release, keys=keys, pin=pin)
    run = _Run(dataset, found, 1.0 if depth == "full" else 0.0 if depth == "fast" else sample, seed)
    run.check(workers, report)
    if extra:
        run.note(run.extra())
    notes = [*found.notes, *_freshness(found, today or datetime.now(UTC).date()), *run.remarks(depth)]
    if not extra:
        notes.append("files that belong to no volume were not looked for")
    return VerifyReport(
        release=found.root.release,
        sequence=found.root.sequence,
        root_sha256=found.root_sha256,
        depth=depth,
        files=run.total.files,
        read=run.total.read,
        bytes=run.total.bytes,
        absent=run.total.absent,
        problems=tuple(sorted(run.problems)),
        problem_count=run.problem_count,
        signed_by=found.signers,
        trust=found.trust,
        notes=tuple(notes),
    )


def _freshness(found: published.Published, today: date) -> Iterator[str]:
    latest = found.latest
    if latest is not None and today > latest.expires:
        yield f"{LATEST} was to be renewed by {latest.expires}: there may be a newer release elsewhere"
    if found.newest is not None and found.root.sequence < found.newest.number:
        yield f"release {found.newest.release} is newer than {found.root.release}"


class _Run:
    """One verification: the volumes are read as documents while the pool reads the files of those before."""

    def __init__(self, dataset: Path, found: published.Published, fraction: float, seed: int) -> None:
        self.dataset, self.found, self.root = dataset, found, found.root
        self.fraction = fraction
        self.seed = hashlib.blake2b(str(seed).encode()).digest()
        self.total = Checked()
        self.problems: list[Problem] = []
        self.problem_count = 0
        self.paths = array("q")
        """A 64-bit hash of every path of the release, to find extra files by: 40 MB for five million."""
        self.packed: dict[str, VolumeEntry] = {}
        """The volume of each archive."""
        self.infohashes: dict[str, tuple[str, str | None]] | None = None
        """What the list of torrents says of each, by path; None where the release has no list, or a damaged one."""
        self.unread = 0
        """Files of volumes whose manifest cannot be relied on."""

    def check(self, workers: int | None, report: Report) -> None:
        step = "verify"
        documents = sum(volume.files + len(list(volume.documents())) for volume in self.root.volumes)
        total = documents + len(self._artefacts())
        report(StepStarted(step, total))
        for found in check.run(self.dataset, self._wanted(), workers=workers):
            self.total.files += found.files
            self.total.read += found.read
            self.total.bytes += found.bytes
            self.total.absent += found.absent
            self.total.second += found.second
            self.note(found.problems)
            for problem in found.problems:
                if problem.kind == "digest" and problem.path in self.packed:
                    self.note(self._members(problem.path))
            report(StepAdvanced(step, self.total.files, self.total.bytes))
        report(StepFinished(step, self.total.files, self.total.bytes))

    def note(self, problems: Iterable[Problem]) -> None:
        for problem in problems:
            self.problem_count += 1
            if len(self.problems) < MOST_PROBLEMS:
                self.problems.append(problem)

    def remarks(self, depth: Depth) -> Iterator[str]:
        """What this depth has not found and could not."""
        total = self.total
        if depth == "fast":
            yield f"contents not read: {total.files - total.read} files were compared by size only"
            yield "damage that keeps the size of a file is not found at this depth"
        elif depth == "sample":
            yield (
                f"{total.read} of {total.files} files were read, the others compared by size only: "
                f"a single damaged file is found with a probability of {self.fraction:.3g}"
            )
        if self.packed:
            yield "members were not hashed one by one: the digest of an archive vouches for all of its members"
        if self.unread:
            yield f"{self.unread} files were not checked: the manifests that list them are missing or damaged"
        if total.absent:
            yield f"{total.absent} withdrawn files are absent, as they may be"
        for path in total.second:
            yield f"right only when it was read again, so memory, cable or disk are to be doubted: {path}"

    def _artefacts(self) -> list[Object]:
        """What the root vouches for beside the documents of volumes."""
        return [*self.root.objects, *(item for source in self.root.sources for item in source.objects)]

    def _wanted(self) -> Iterator[Wanted]:
        if self.found.latest is None:
            self.note([Problem(LATEST, "missing", "nothing says that this release is the newest")])
        if self.found.keys is None and self.found.trust == "given":
            self.note([Problem(KEYS, "missing", "every signed dataset has its list of keys")])
        taken = self._withdrawn()
        for item in self._artefacts():
            try:
                paths.check(item.path)
            except FormatError as failure:
                self.note([Problem(item.path, "inconsistent", str(failure))])
            else:
                yield Wanted(item.path, item.size, item.sha256 if self.fraction else None)
        self.infohashes = self._infohashes()
        tables = FileTables(self.dataset, self.root)
        for volume in self.root.volumes:
            read = self._volume(volume)
            self.note(tables.compare(volume, read, taken))
            if read is None:
                self.unread += volume.files
                continue
            site = read.header.site
            for entry in read.files:
                self.paths.append(hash(entry.path))
                digest = entry.sha256 if self._chosen(entry.path) else None
                yield Wanted(entry.path, entry.size, digest, taken.has(site, entry))
        self.note(tables.rest())

    def _chosen(self, path: str) -> bool:
        if self.fraction in (0.0, 1.0):
            return bool(self.fraction)
        digest = hashlib.blake2b(path.encode(), digest_size=8, key=self.seed).digest()
        return int.from_bytes(digest, "big") < self.fraction * 2**64

    def _withdrawn(self) -> Withdrawn:
        """What was taken back; where the list is damaged, the pool names it and nothing may be absent."""
        try:
            return withdrawn.read(self.dataset, self.root)
        except FormatError as failure:
            path = f"{published.folder(self.root.release)}/{withdrawn.WITHDRAWN}"
            self.note([Problem(path, "inconsistent", str(failure))])
        except (IntegrityError, StoreError):
            pass
        return Withdrawn()

    def _infohashes(self) -> dict[str, tuple[str, str | None]] | None:
        for item in self.root.objects:
            if item.path == f"{published.folder(self.root.release)}/{TORRENTS}":
                try:
                    rows = torrentlist.parse(manifest.read_object(self.dataset, item))
                except FormatError as failure:
                    self.note([Problem(item.path, "inconsistent", str(failure))])
                except (IntegrityError, StoreError):  # the pool names it
                    pass
                else:
                    return {row.path: (row.btih, row.btih_v2) for row in rows}
        return None

    def _volume(self, volume: VolumeEntry) -> Manifest | None:
        """The manifest of a volume, checked with all that stands beside it; None where it cannot be relied on."""
        texts: list[bytes] = []
        read: Manifest | None = None
        documents = len(list(volume.documents()))
        self.total.files += documents
        self.total.read += documents
        try:
            read = manifest.read(self.dataset, volume)
        except TagswarmError as failure:
            self.note([problem_of(volume.manifest.path, failure)])
        for item in (volume.checksums, *volume.lists):
            try:
                texts.append(manifest.read_object(self.dataset, item))
            except TagswarmError as failure:
                self.note([problem_of(item.path, failure)])
        if read is not None and len(texts) == 1 + len(volume.lists):
            self.note(manifest.disagreements(volume, read, texts[0], texts[1:]))
        for torrent in (volume.torrent, volume.compat):
            if torrent is not None:
                self.note(self._torrent(volume, torrent, read))
        if read is not None and volume.layout != "loose":
            self.packed |= {str(member.archive): volume for member in read.members}
        return read

    def _torrent(self, volume: VolumeEntry, item: Object, read: Manifest | None) -> Iterator[Problem]:
        """What is wrong with a torrent, in itself and against the manifest of its volume."""
        try:
            torrent = torrentfile.parse(manifest.read_object(self.dataset, item))
        except TagswarmError as failure:
            yield problem_of(item.path, failure)
            return
        infohashes = (torrent.infohash_v1 or "", torrent.infohash_v2)
        if self.infohashes is not None and self.infohashes.get(item.path) != infohashes:
            yield Problem(item.path, "inconsistent", f"{TORRENTS} has another infohash, or none")
        if read is not None:
            yield from manifest.torrent_disagreements(volume, item, torrent, read, dataset=self.root.dataset.name)

    def _members(self, archive: str) -> Iterator[Problem]:
        """Which members of a damaged archive are damaged: each is one range of it."""
        members = [
            member for member in manifest.read(self.dataset, self.packed[archive]).members if member.archive == archive
        ]
        with disk.open_read(self.dataset / archive) as file, disk.failures(archive):
            end = os.fstat(file.fileno()).st_size
            inside = [member for member in members if (member.offset or 0) + member.size <= end]
            for member in inside:  # those that are not were named with the manifest
                if _digest(file, member.offset or 0, member.size) != member.sha256:
                    detail = f"its member {paths.escape(member.path)} of post {member.id} is damaged"
                    yield Problem(archive, "digest", detail)

    def extra(self) -> Iterator[Problem]:
        """Everything in the trees that no volume lists, folder by folder."""
        known = np.sort(np.frombuffer(self.paths, dtype=np.int64)) if self.paths else np.empty(0, dtype=np.int64)
        for tree in sorted({volume.rendition for volume in self.root.volumes}):
            for folder, folders, names in os.walk(self.dataset / tree):
                folders.sort()
                links = [name for name in folders if Path(folder, name).is_symlink()]
                inside = Path(folder).relative_to(self.dataset).as_posix()
                for path in _unknown([f"{inside}/{name}" for name in sorted(names + links)], known):
                    yield Problem(path, "extra", "no volume of this release lists it")


def _digest(file: BinaryIO, offset: int, size: int) -> str:
    """SHA-256 of a range of a file, as much of it as there is."""
    hashed = hashlib.sha256()
    file.seek(offset)
    while size and (chunk := file.read(min(size, 1 << 20))):
        hashed.update(chunk)
        size -= len(chunk)
    return hashed.hexdigest()


def _unknown(found: list[str], known: npt.NDArray[np.int64]) -> list[str]:
    if not len(known):
        return found
    hashes = np.array([hash(path) for path in found], dtype=np.int64)
    places = np.minimum(np.searchsorted(known, hashes), len(known) - 1)
    return [path for path, same in zip(found, known[places] == hashes, strict=True) if not same]


def problem_of(path: str, failure: TagswarmError) -> Problem:
    """An error about a document as a problem of it."""
    kind: Kind = "inconsistent"
    if isinstance(failure, StoreError):
        kind = "missing" if isinstance(failure.__cause__, FileNotFoundError) else "unreadable"
    elif isinstance(failure, IntegrityError):
        kind = "size" if isinstance(failure, SizeMismatch) else "digest"
    return Problem(path, kind, failure.message.removeprefix(f"{path}: "))
