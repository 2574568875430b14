"""Files of volumes that are read again, because the journal does not know their piece hashes.

So it is when the journal was lost, and with volumes of releases that were built before there were torrents. What is
read must be what the manifest says. It goes into the journal, so that a run that was stopped does not read it twice.

Nothing here decides which volumes need their files read.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from tagswarm.manifests import disk
from tagswarm.manifests.errors import DigestMismatch, ReleaseError, SizeMismatch, SourceChanged
from tagswarm.manifests.events import Report, StepAdvanced, StepFinished, StepStarted
from tagswarm.manifests.models import FileEntry
from tagswarm.manifests.paths import escape

from .facts import FileFact, Stat
from .hashing import BATCH, Reading, batched, facts_of
from .journal import Journal


@dataclass(frozen=True, slots=True)
class Listed:
    """A file on the disk that a manifest lists, and where it lies."""

    folder: Path
    tree: str
    entry: FileEntry
    piece_length: int
    """Bytes."""

    @property
    def place(self) -> Path:
        """Where it lies."""
        return self.folder / self.entry.path

    def known(self, journal: Journal, *, now: bool = False) -> FileFact | None:
        """What the journal knows of these very bytes; with `now`, of the file as it lies on the disk now.

        Raises:
            Unreadable: `now`, and there is no such file.
        """
        fact = journal.fact(self.entry.path)
        if fact is None or fact.digest is None:
            return None
        digest, entry = fact.digest, self.entry
        if (digest.sha256, digest.size, digest.piece_length) != (entry.sha256, entry.size, self.piece_length):
            return None
        if now:
            with disk.failures(self.place):
                stat = self.place.lstat()
            if fact.stat != Stat(size=stat.st_size, mtime_ns=stat.st_mtime_ns, inode=stat.st_ino):
                return None
        return fact


def read(files: Iterable[Listed], journal: Journal, *, workers: int | None, report: Report) -> int:
    """Read files again and take them over into the journal; returns how many that were.

    Raises:
        SizeMismatch: a file is longer or shorter than its manifest says.
        DigestMismatch: it holds something else.
        SourceChanged: it changed while it was read.
        ReleaseError: it cannot be read.
    """
    step = "read files of older volumes"
    given: dict[str, Listed] = {}

    def tasks() -> Iterator[Reading]:
        for number, listed in enumerate(files):
            if not number:
                report(StepStarted(step))
            given[listed.entry.path] = listed
            yield Reading(str(listed.folder), listed.entry.path, listed.entry.size, listed.piece_length, look=False)

    done = size = 0
    for facts in batched(facts_of(tasks(), workers), BATCH):
        with journal.batch():
            for fact in facts:
                _note(given.pop(fact.path), fact, journal)
        done, size = done + len(facts), size + sum(fact.stat.size for fact in facts)
        report(StepAdvanced(step, done, size, item=facts[-1].path))
    if done:
        report(StepFinished(step, done, size))
    return done


def _note(listed: Listed, fact: FileFact, journal: Journal) -> None:
    entry, digest = listed.entry, fact.digest
    if digest is None:
        why = "" if fact.look is None else fact.look.detail
        if fact.look is not None and fact.look.reason == "changed-while-read":
            raise SourceChanged(f"{escape(fact.path)}: {why}")
        raise ReleaseError(
            f"{escape(fact.path)}: is in a published volume and cannot be read: {why}",
            hint="Restore the file from a mirror or a backup: the torrent of its volume is made from it.",
        )
    if digest.size != entry.size:
        raise SizeMismatch(fact.path, entry.size, digest.size)
    if digest.sha256 != entry.sha256:
        raise DigestMismatch(fact.path, entry.sha256, digest.sha256)
    before = journal.fact(fact.path)
    journal.note_read(listed.tree, entry.id, replace(fact, look=None if before is None else before.look))
