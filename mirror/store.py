"""The folder of a subset: what lies in it, and how files get in and out of it without one being lost or half there.

::

    tagswarm.lock              what makes it reproducible; whoever pulls writes it at the end
    images/0000/1000.jpg       or images/1000.jpg
    originals/0000/1000.png    where they are kept
    .tagswarm/lock             one run a folder
    .tagswarm/journal.sqlite   what lies here, as lines of the lock
    .tagswarm/staging/         of transports: nobody vouches for what lies there
    .tagswarm/made/            checked and made, on its way to its place
    .tagswarm/quarantine/      what was in the way, or damaged; never deleted

A batch is synced, the journal learns what is about to happen, the files are renamed, their folders synced, and the
journal learns that it is done. So after a kill or a power cut at any moment it names nothing that is not there and
nothing lies there that it does not name; what was not synced yet is fetched again, and that is less than 500 files.
Nothing is overwritten or removed but what the journal says was written here and still has that digest.

Nothing here fetches, verifies against a release or decodes.
"""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import stat
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from tagswarm.manifests import disk
from tagswarm.manifests.digest import sha256_file
from tagswarm.manifests.errors import FormatError, JournalCorrupt, StoreError, Unreadable
from tagswarm.manifests.events import Notice, Report, silent
from tagswarm.manifests.paths import escape

from . import check
from .check import Wanted
from .file import File
from .form import Form
from .journal import PAGE, Journal, Row
from .lock import LOCK, Entry, Lock

STATE = ".tagswarm"
ORPHANS = 10.0
"""Seconds in which the programs of a run that was killed have ended too."""
JOURNAL = "journal.sqlite"
SYNCING = 8
"""Threads that sync a batch: 500 files of 60 KB take 0.05 to 0.08 s with eight or more, 0.2 to 0.8 s with one, because
the file system writes its own journal once for all that wait. syncfs takes 0.02 to 0.8 s: it waits for what other
programs write, too."""


@dataclass(frozen=True, slots=True)
class Committed:
    """What was met when a batch got into its places."""

    in_the_way: int
    """Files of others that lay in the places; they are in quarantine now."""
    remade: tuple[int, ...]
    """Posts that were here, made of the same source by the same recipe, and have other bytes now."""


@dataclass(frozen=True, slots=True)
class Pruned:
    """What became of posts that are not wanted any more."""

    removed: int
    changed: tuple[str, ...]
    """Files that were changed since they were written here, and so were left; relative to the folder."""


class Store:
    """The folder of a subset, held by this run alone.

    Raises:
        DestinationLocked: another run holds it.
        StoreError: it cannot be read or written.
    """

    def __init__(self, out: Path, *, report: Report = silent) -> None:
        self.out = out
        self.staging = out / STATE / "staging"
        self.quarantined = out / STATE / "quarantine"
        self.made = out / STATE / "made"
        self._report = report
        self._held = contextlib.ExitStack()
        self._syncing = ThreadPoolExecutor(SYNCING, thread_name_prefix="sync")

    def __enter__(self) -> Self:
        with contextlib.ExitStack() as held:
            held.enter_context(disk.locked(self.out / STATE / "lock"))
            held.enter_context(self._syncing)
            self._journal = self._opened()
            held.callback(self._journal.close)
            self._finish()
            self.clear(self.made)
            disk.make_directory(self.made)
            self._held = held.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._held.close()

    def entries(self) -> Iterator[Entry]:
        """Every post that is here or was wanted and did not come, sorted by id: the lines of a lock."""
        return self._journal.entries()

    # What is missing.

    def missing(self, files: Sequence[File], form: Form) -> list[File]:
        """Those of some files, at most 500, that do not lie here in this form; all are wanted from now on."""
        known = self._journal.find([file.id for file in files])
        self._journal.want(file.id for file in files)
        return [file for file in files if not _there(self.out, file, known.get(file.id), form)]

    # What comes in and goes out.

    def aside(self, post: int, place: str, original: str | None) -> str:
        """Where the file of a post is written before it gets into its place."""
        role = "original" if place == original else "image"
        return f"{self.made}/{post}-{role}{place[place.rfind('.') :]}"

    def commit(self, rows: Sequence[Row], pending: Sequence[Row] = ()) -> Committed:
        """Put files that lie aside in their places, as one.

        Args:
            rows: posts with their files, if any, aside.
            pending: posts whose file did not come.

        Raises:
            StoreError: a file cannot be written, or the disk is full; what is not in the journal will be fetched again.
        """
        moves = self._moves(rows)
        self._sync([aside for aside, _, _ in moves])
        self._journal.intend(rows, pending)
        return self._go_on(rows, moves)

    def _go_on(self, rows: Sequence[Row], moves: Sequence[tuple[str, str, Row]]) -> Committed:
        """Put in their places what the journal says is about to get there; a kill in here is gone on with later."""
        before = self._journal.find([row.entry.id for row in rows])
        folders = sorted({place.rpartition("/")[0] for _, place, _ in moves})
        for folder in folders:
            disk.make_directory(self.out / folder)
        in_the_way = 0
        for aside, place, row in moves:
            if os.path.lexists(aside):  # it was renamed before the kill otherwise
                in_the_way += self._clear_the_way(place, row.entry, before.get(row.entry.id))
                with disk.failures(place):
                    os.replace(aside, f"{self.out}/{place}")  # noqa: PTH105 - a Path costs as much as the call
        self._sync([f"{self.out}/{folder}" for folder in folders])
        for row in rows:
            old = before.get(row.entry.id)
            if old is not None:
                now = {row.entry.file, row.entry.original}
                self._remove(item for item in _digests(old.entry).items() if item[0] not in now)
        self._journal.note(rows)
        return Committed(in_the_way, tuple(_remade(rows, before)))

    def _moves(self, rows: Iterable[Row]) -> list[tuple[str, str, Row]]:
        """The files of posts: where each lies aside, its place, and whose it is."""
        return [
            (self.aside(row.entry.id, place, row.entry.original), place, row)
            for row in rows
            for place, _, _ in files_of(row.entry)
        ]

    def _sync(self, paths: Sequence[str]) -> None:
        for _ in self._syncing.map(_synced, (paths[part::SYNCING] for part in range(SYNCING))):
            pass

    def _clear_the_way(self, place: str, entry: Entry, old: Row | None) -> bool:
        """Move away what lies in a place, unless it was written here and nobody changed it."""
        path = self.out / place
        if not os.path.lexists(path):
            return False
        ours = {_digests(entry)[place]} if old is None else {_digests(entry)[place], _digests(old.entry).get(place)}
        found = _digest(path)
        if found is not None and found in ours:
            return False
        self.quarantine(place)
        return True

    def quarantine(self, place: str) -> Path:
        """Move a file out of the way, durably, and say where it is now.

        Raises:
            StoreError: it cannot be moved.
        """
        name = place.replace("/", "_")
        target, number = self.quarantined / name, 0
        while os.path.lexists(target):
            number += 1
            target = self.quarantined / f"{name}.{number}"
        disk.rename(self.out / place, target)
        return target

    def prune(self) -> Pruned:
        """Remove the posts that were not wanted since this folder was opened; what was changed since stays.

        Raises:
            StoreError: a file cannot be removed.
        """
        removed, changed = 0, []
        rows = self._journal.unwanted()
        while page := [row.entry for _, row in zip(range(PAGE), rows, strict=False)]:
            changed += self._remove(item for entry in page for item in _digests(entry).items())
            self._journal.forget(entry.id for entry in page)
            removed += len(page)
        self._journal.forget_unwanted()
        return Pruned(removed, tuple(changed))

    def _remove(self, files: Iterable[tuple[str, str]]) -> list[str]:
        """Remove files that still have their digests, durably, and name those that have not."""
        changed, folders = [], set()
        for place, digest in files:
            path = self.out / place
            if not os.path.lexists(path):
                continue
            if _digest(path) != digest:
                changed.append(place)
                continue
            disk.remove(path)
            folders.add(path.parent)
        for folder in sorted(folders):
            disk.sync_directory(folder)
            with contextlib.suppress(OSError):  # a bucket that others are in
                folder.rmdir()
        return changed

    def clear(self, folder: Path) -> None:
        """Remove one of the folders below `.tagswarm` with all that is in it.

        A program of a run that was killed may write into it for a moment longer: it is waited for.
        """
        patience = time.monotonic() + ORPHANS
        with disk.failures(folder), contextlib.suppress(FileNotFoundError):
            while True:
                try:
                    return shutil.rmtree(folder)
                except OSError as failure:
                    if failure.errno != errno.ENOTEMPTY or time.monotonic() > patience:
                        raise
                time.sleep(0.05)

    # After a kill, and where the journal was damaged.

    def _finish(self) -> None:
        """Go on with a batch that a kill came upon; what of it is gone, because the disk lost it, is fetched again."""
        rows = list(self._journal.intended())
        if not rows:
            return
        moves = self._moves(rows)
        lost = {
            row.entry.id
            for aside, place, row in moves
            if not os.path.lexists(aside) and _digest(self.out / place) != _digests(row.entry)[place]
        }
        whole = [row for row in rows if row.entry.id not in lost]
        self._go_on(whole, [move for move in moves if move[2].entry.id not in lost])
        self._journal.forget_intended()

    def _opened(self) -> Journal:
        """The journal; one that is damaged or gone is made anew from the lock."""
        path = self.out / STATE / JOURNAL
        try:
            journal = Journal(path)
        except JournalCorrupt as failure:
            reason = failure.message
            for suffix in ("-wal", "-shm"):
                disk.remove(path.with_name(path.name + suffix))
            self.quarantine(f"{STATE}/{JOURNAL}")
            journal = Journal(path)
        else:
            if not journal.fresh or not os.path.lexists(self.out / LOCK):
                return journal
            reason = f"{path}: there is no journal"
        found = self._rebuilt(journal)
        self._report(Notice(f"{escape(reason)}: it was made anew, {found}; what is missing now is fetched again"))
        return journal

    def _rebuilt(self, journal: Journal) -> str:
        """Fill a new journal with what the lock names and has the right bytes, and say how many posts that were."""
        try:
            lock = Lock(self.out / LOCK)
            recipe = lock.form.recipe
            entries = {entry.id: entry for entry in lock.entries() if not entry.pending}
        except (Unreadable, FormatError) as failure:
            return f"without {LOCK}, which cannot be read ({escape(failure.message)})"
        wanted = (Wanted(place, size, digest) for entry in entries.values() for place, size, digest in files_of(entry))
        bad = {problem.path for found in check.run(self.out, wanted, workers=None) for problem in found.problems}
        whole = [entry for entry in entries.values() if bad.isdisjoint(_digests(entry))]
        journal.note(Row(entry, recipe) for entry in whole)
        return f"from {LOCK} and {len(whole)} of its {len(entries)} posts, whose files were read"


def held(out: Path, form: Form) -> Iterator[Entry]:
    """The posts that lie in a folder in this form, sorted by id, as far as a look at its journal and at sizes can tell.

    Another run may work on the folder meanwhile.
    """
    path = out / STATE / JOURNAL
    if not path.is_file():
        return
    try:
        with contextlib.closing(Journal(path)) as journal:
            for row in journal.rows():
                if _there(out, row.entry.source(), row, form):
                    yield row.entry
    except JournalCorrupt:  # whoever opens the folder rebuilds it
        return


def _there(out: Path, file: File, row: Row | None, form: Form) -> bool:
    """Whether a file lies in a folder in this form, by what the journal knows of its post."""
    if row is None or row.recipe != form.recipe or row.entry.source_sha256 != file.sha256:
        return False
    entry = row.entry
    original = form.original(file)
    if original is not None and not (original == entry.original and _has(out, original, file.size)):
        return False
    if entry.skipped is not None:
        return True
    return entry.file == form.place(file) and _has(out, entry.file, entry.size)


def _has(out: Path, place: str, size: int | None) -> bool:
    """Whether a file of this size lies there; its contents are `subset.verify`'s business."""
    try:
        status = (out / place).lstat()
    except OSError:
        return False
    return stat.S_ISREG(status.st_mode) and status.st_size == size


def files_of(entry: Entry) -> Iterator[tuple[str, int, str]]:
    """The files of a post in a subset: place, bytes and SHA-256."""
    if entry.file is not None and entry.size is not None and entry.sha256 is not None:
        yield entry.file, entry.size, entry.sha256
    if entry.original is not None:
        yield entry.original, entry.source_size, entry.source_sha256


def _remade(rows: Iterable[Row], before: Mapping[int, Row]) -> Iterator[int]:
    for row in rows:
        old = before.get(row.entry.id)
        if old is None or (old.recipe, old.entry.source_sha256) != (row.recipe, row.entry.source_sha256):
            continue
        if old.entry.sha256 != row.entry.sha256:
            yield row.entry.id


def _digests(entry: Entry) -> dict[str, str]:
    return {place: digest for place, _, digest in files_of(entry)}


def _digest(path: Path) -> str | None:
    """The SHA-256 of what lies there; None of what is no file that can be read."""
    try:
        with disk.open_read(path) as file:
            return sha256_file(file)[1]
    except StoreError:
        return None


def _synced(paths: Sequence[str]) -> None:
    for path in paths:
        with disk.failures(path):
            descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
