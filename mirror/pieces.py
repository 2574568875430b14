"""The pieces of a torrent against the files on the disk: the part of `payload` that runs in worker processes.

A piece that differs is read again, past the cache, before it is called bad, because memory and cables fail more often
than disks. No link is followed, neither to a file nor to a folder above it, and nothing but regular files is read. A
worker holds one chunk of 256 KiB and the hashes of the piece in hand, whatever the length of pieces and files.

Nothing here knows what a torrent is: it gets parts of files and the hashes they must have (`stretches`).
"""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, Literal, Self

from tagswarm.manifests import disk, merkle
from tagswarm.manifests.digest import CHUNK
from tagswarm.manifests.errors import StoreError, Unreadable

from .stretches import Part, Piece, Task

_ZEROS = memoryview(bytes(CHUNK))


@dataclass(frozen=True, slots=True)
class Fault:
    """Why a file cannot have the bytes it should have."""

    state: Literal["missing", "size", "unreadable"]
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Touched:
    """The bytes of a file that lie in a bad piece."""

    number: int
    """Which entry of the torrent it is."""
    begin: int
    end: int


@dataclass(frozen=True, slots=True)
class Bad:
    """A piece that is not what its hash says, or that lacks bytes of a file with a fault."""

    piece: int
    touched: tuple[Touched, ...]


@dataclass(slots=True)
class Checked:
    """What a task found."""

    pieces: int = 0
    """Pieces that were looked at."""
    bytes: int = 0
    """Bytes of files that were read and hashed, those of a second reading not counted."""
    faults: dict[int, Fault] = field(default_factory=dict)
    """By the number of the entry."""
    bad: list[Bad] = field(default_factory=list)
    """Pieces of which at least one file has no fault."""
    second: list[Bad] = field(default_factory=list)
    """Pieces that were right only when they were read again."""


def check(task: Task) -> Checked:
    """Check the pieces of a task, in a worker."""
    found = Checked()
    with _Files(Path(task.folder), found.faults) as files:
        for stretch in task.stretches:
            for part in stretch.parts:
                if part.begin == part.end:
                    files.holds(part)
            for piece in stretch.pieces():
                _check(piece, files, found)
    return found


def _check(piece: Piece, files: _Files, found: Checked) -> None:
    real = [part for part in piece.parts if part.path is not None]
    bad = Bad(piece.number, tuple(Touched(part.number, part.begin, part.end) for part in real))
    found.pieces += 1
    held = [files.holds(part) for part in real]  # of every file, also behind one that is missing
    if all(held):
        right = files.digest(piece) == piece.wanted
        if not right:
            files.forget(real)
            if right := files.digest(piece) == piece.wanted:
                found.second.append(bad)
        if right:
            found.bytes += sum(part.end - part.begin for part in real)
            return
    if any(part.number not in found.faults for part in real):
        found.bad.append(bad)


class _Files:
    """The files below a folder, one of them open at a time; what cannot be read is noted as a fault of its file."""

    def __init__(self, folder: Path, faults: dict[int, Fault]) -> None:
        self._folder, self._faults = folder, faults
        self._seen: set[int] = set()
        self._file: BinaryIO | None = None
        self._number: int | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._close()

    def holds(self, part: Part) -> bool:
        """Whether the file of a part is there, regular, of its size, and could be read so far."""
        if part.number not in self._seen:
            self._seen.add(part.number)
            with contextlib.suppress(StoreError), self._noting(part):
                size = os.fstat(self._open(part)).st_size
                if size != part.size:
                    self._faults[part.number] = Fault("size", f"expected {part.size} bytes, found {size}")
        return part.number not in self._faults

    def digest(self, piece: Piece) -> bytes | None:
        """The hash of a piece; None where a file of it could not be read."""
        with contextlib.suppress(StoreError):
            if piece.levels is None:
                sha1 = hashlib.sha1(usedforsecurity=False)
                for chunk in self._chunks(piece.parts):
                    sha1.update(chunk)
                return sha1.digest()
            leaves: list[bytes] = []
            for chunk in self._chunks(piece.parts):
                blocks = range(0, len(chunk), merkle.BLOCK)
                leaves += [hashlib.sha256(chunk[start : start + merkle.BLOCK]).digest() for start in blocks]
            return merkle.climb(leaves, piece.levels)[0]
        return None

    def forget(self, parts: list[Part]) -> None:
        """Drop what the cache holds of parts and what was noted of their files: the next reading asks the disk."""
        for part in parts:
            self._faults.pop(part.number, None)
            with contextlib.suppress(StoreError):
                descriptor = self._open(part)
                if hasattr(os, "posix_fadvise"):
                    os.posix_fadvise(descriptor, part.begin, part.end - part.begin, os.POSIX_FADV_DONTNEED)

    def _chunks(self, parts: Iterable[Part]) -> Iterator[memoryview]:
        for part in parts:
            left, at = part.end - part.begin, part.begin
            while left:
                if part.path is None:
                    chunk = _ZEROS[:left]
                else:
                    with self._noting(part):
                        chunk = memoryview(self._read(part, at, min(left, CHUNK)))
                yield chunk
                left -= len(chunk)
                at += len(chunk)

    def _read(self, part: Part, at: int, size: int) -> bytes:
        """Exactly `size` bytes, so that blocks begin where they must."""
        descriptor, place = self._open(part), self._place(part)
        with disk.failures(place):
            data = os.pread(descriptor, size, at)
            while len(data) < size:
                more = os.pread(descriptor, size - len(data), at + len(data))
                if not more:
                    raise Unreadable(f"{place}: became shorter while it was read")
                data += more
        return data

    @contextlib.contextmanager
    def _noting(self, part: Part) -> Iterator[None]:
        try:
            yield
        except StoreError as failure:
            missing = isinstance(failure.__cause__, FileNotFoundError | NotADirectoryError)
            detail = "" if missing else failure.message.removeprefix(f"{self._place(part)}: ")
            self._faults[part.number] = Fault("missing" if missing else "unreadable", detail)
            raise

    def _place(self, part: Part) -> Path:
        return self._folder / str(part.path)

    def _open(self, part: Part) -> int:
        if self._file is None or self._number != part.number:
            self._close()
            self._file, self._number = disk.open_beneath(self._folder, str(part.path)), part.number
        return self._file.fileno()

    def _close(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None
