"""Does what lies on this disk match a torrent, whoever made it? Every file, and the byte ranges that differ.

A v2 or hybrid torrent is checked by the trees of BEP 52, a v1 torrent by its SHA-1 pieces. Where it has pads, each file
is proved on its own; where it has none, a piece runs over the ends of files, and a piece that differs leaves all files
it touches in doubt. The file that is missing or cannot be read is named, the others are suspects.

Nothing here writes, repairs, or opens anything outside the folder that was named. Which bytes make up a piece is in
`stretches`, how they are read in `pieces`.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from tagswarm.imaging import pool
from tagswarm.manifests import disk
from tagswarm.manifests.errors import Unreadable
from tagswarm.manifests.events import Report, StepAdvanced, StepFinished, StepStarted, silent
from tagswarm.manifests.torrentfile import Torrent

from .check import SLOWEST
from .pieces import Bad, Checked, Fault, check
from .stretches import Task, tasks

State = Literal["ok", "missing", "size", "damaged", "suspect", "unreadable"]
"""Of a file. A suspect shares a piece with others, and that piece differs or cannot be made: its bytes are unproved."""

STEP = "verify pieces"
MOST_EXTRA = 100_000
"""Files beside the torrent that are kept one by one; the others are counted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FileState:
    """What was found of a file."""

    path: str
    """As the torrent has it; escape it before it is shown."""
    size: int
    """Bytes, as the torrent says."""
    state: State
    ranges: tuple[tuple[int, int], ...] = ()
    """Where the pieces that differ lie in it: first byte and the one after the last, in bytes."""
    detail: str = ""


@dataclass(frozen=True, slots=True)
class SharedPiece:
    """A piece of a torrent without pads that differs, or cannot be made, and that several files share."""

    piece: int
    """Its number, counted from 0."""
    files: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class PayloadReport:
    """What was checked and what was found."""

    name: str
    """Of the torrent."""
    by: Literal["v1", "v2"]
    """Whose hashes the files were checked against; of a hybrid torrent those of v2."""
    folder: Path
    """Where the files were looked for: the torrent's own folder, or the one that its file lies in."""
    files: tuple[FileState, ...]
    """All, pads not counted, in the order of the torrent."""
    shared: tuple[SharedPiece, ...]
    """By number."""
    pieces: int
    """That were checked."""
    bytes: int
    """That were found right."""
    second: tuple[str, ...]
    """Files that were right only when they were read again."""
    extra: tuple[str, ...]
    """What else lies in the folder, where it was looked for; at most 100,000."""
    extra_count: int

    @property
    def ok(self) -> bool:
        """Every file is there and right. What else lies in the folder is no fault of the files."""
        return all(file.state == "ok" for file in self.files)

    def count(self, state: State) -> int:
        """How many files are in a state."""
        return sum(file.state == state for file in self.files)


def verify(
    torrent: Torrent, place: Path, *, extra: bool = False, workers: int | None = None, report: Report = silent
) -> PayloadReport:
    """Check the payload of a torrent on the disk.

    Args:
        torrent: what must be there.
        place: the folder that holds the folder or file of the torrent, or that folder or file itself.
        extra: also list what lies in the torrent's folder and is not its own.
        workers: processes, by default one a processor.
        report: receives the events.

    Raises:
        Unreadable: the place is not there, or the torrent's folder in it is a link.
    """
    base, inside = locate(torrent, place)
    found = _Found(torrent)
    size = sum(entry.size for entry in torrent.entries if not entry.pad)
    report(StepStarted(STEP, None, "pieces", size))
    read = 0
    for task, outcome in pool.run(check, tasks(torrent, str(base), inside), workers=workers, seconds=_allowed):
        found.add(task, outcome)
        read += sum(part.end - part.begin for part in task.real)
        report(StepAdvanced(STEP, found.pieces, read))
    report(StepFinished(STEP, found.pieces, found.bytes))
    folder = base / inside if not torrent.single else base
    others = _Others(torrent, folder) if extra and not torrent.single else None
    return PayloadReport(
        name=torrent.name,
        by="v1" if torrent.version == "v1" else "v2",
        folder=folder,
        files=tuple(found.states()),
        shared=tuple(found.shared()),
        pieces=found.pieces,
        bytes=found.bytes,
        second=tuple(torrent.entries[number].path for number in sorted(found.second)),
        extra=tuple(others.paths) if others else (),
        extra_count=others.count if others else 0,
    )


def _allowed(task: Task) -> float:
    """Seconds that a task may take."""
    return pool.SECONDS + task.length / SLOWEST


def locate(torrent: Torrent, place: Path) -> tuple[Path, str]:
    """The folder to look in, and what comes before the path of each file there: the name of the torrent, or nothing.

    A folder in `place` that has the name of the torrent is its folder; where there is none, `place` itself is.

    Raises:
        Unreadable: the place is not there, or a link has the name of the torrent's folder.
    """
    with disk.failures(place):
        if not place.is_dir():
            place.stat()
            if not torrent.single:
                raise Unreadable(f"{place}: is not a folder", hint="Name the folder that holds the torrent's files.")
            return place.parent, place.name
    if torrent.single:
        return place, torrent.name
    own = place / torrent.name
    try:
        mode = own.lstat().st_mode
    except OSError:  # it is not there, or the file system cannot even hold such a name
        return place, ""
    if stat.S_ISLNK(mode):
        raise Unreadable(f"{own}: is a symbolic link", hint="Links are not followed: name the folder it leads to.")
    return place, torrent.name if stat.S_ISDIR(mode) else ""


@dataclass(slots=True)
class _Found:
    """What the tasks found, put together in the order of the torrent."""

    torrent: Torrent
    pieces: int = 0
    bytes: int = 0
    faults: dict[int, Fault] = field(default_factory=dict)
    ranges: dict[int, list[tuple[int, int]]] = field(default_factory=dict)
    """Of files with bad pieces, by the number of the entry."""
    certain: set[int] = field(default_factory=set)
    """Files that have a bad piece to themselves."""
    doubtful: list[Bad] = field(default_factory=list)
    """Bad pieces of several files."""
    second: set[int] = field(default_factory=set)

    def add(self, task: Task, outcome: Checked | pool.Lost) -> None:
        """Take in what came of a task."""
        if isinstance(outcome, pool.Lost):
            fault = Fault(
                "unreadable", f"the process that read it was lost: {outcome.reason} {outcome.detail}".rstrip()
            )
            self.faults |= dict.fromkeys((part.number for part in task.real), fault)
            return
        self.pieces += outcome.pieces
        self.bytes += outcome.bytes
        self.faults |= outcome.faults
        self.second |= {touched.number for piece in outcome.second for touched in piece.touched}
        for piece in outcome.bad:
            for touched in piece.touched:
                self.ranges.setdefault(touched.number, []).append((touched.begin, touched.end))
            if len(piece.touched) == 1:
                self.certain.add(piece.touched[0].number)
            else:
                self.doubtful.append(piece)

    def states(self) -> Iterator[FileState]:
        """What is to be said of every file."""
        for number, entry in enumerate(self.torrent.entries):
            if entry.pad:
                continue
            state, detail, ranges = self._state(number)
            yield FileState(path=entry.path, size=entry.size, state=state, ranges=ranges, detail=detail)

    def _state(self, number: int) -> tuple[State, str, tuple[tuple[int, int], ...]]:
        if (fault := self.faults.get(number)) is not None:
            return fault.state, fault.detail, ()
        ranges = tuple(_merged(sorted(self.ranges.get(number, ()))))
        if number in self.certain:
            return "damaged", "", ranges
        return ("suspect", "shares a bad piece with other files", ranges) if ranges else ("ok", "", ())

    def shared(self) -> Iterator[SharedPiece]:
        """Bad pieces of several files."""
        for bad in sorted(self.doubtful, key=lambda bad: bad.piece):
            yield SharedPiece(bad.piece, tuple(self.torrent.entries[touched.number].path for touched in bad.touched))


def _merged(ranges: list[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    """The same bytes in as few ranges as there can be."""
    begin = end = -1
    for first, last in ranges:
        if first == end:
            end = last
            continue
        if end >= 0:
            yield begin, end
        begin, end = first, last
    if end >= 0:
        yield begin, end


class _Others:
    """What lies in the folder of a torrent and is not in the torrent; links and special files count too."""

    def __init__(self, torrent: Torrent, folder: Path) -> None:
        self._known = {entry.path for entry in torrent.entries}  # pads too: some clients write them
        self._folder = folder
        self.count = 0
        self.paths: list[str] = []
        for place, folders, names in os.walk(folder, onerror=lambda failure: self._add(str(failure.filename))):
            folders.sort()
            links = [name for name in folders if Path(place, name).is_symlink()]
            for name in sorted(names + links):
                self._add(str(Path(place, name)))

    def _add(self, path: str) -> None:
        """Note a file, or a folder that cannot be searched."""
        inside = os.path.relpath(path, self._folder)
        if inside not in self._known:
            self.count += 1
            if len(self.paths) < MOST_EXTRA:
                self.paths.append(inside)
