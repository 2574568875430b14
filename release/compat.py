"""The pieces of v1 torrents without pads: SHA-1 over the files of a volume, one after the other.

A piece runs from one file into the next, so it can be hashed only when the volume is known, and that is after the one
read pass: these torrents cost a second one (`docs/adr/0007-compat-second-read.md`). The files of a volume are cut at
multiples of the piece length, so that several processes work on one volume and a large file is read by parts.

A file must have the size, the time and the inode with which it was read before; its SHA-256 is not taken again.
Nothing here makes a torrent or remembers what was hashed. Source: BEP 3.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

from tagswarm.imaging import pool
from tagswarm.manifests import disk
from tagswarm.manifests.digest import CHUNK
from tagswarm.manifests.errors import ReleaseError, SourceChanged
from tagswarm.manifests.paths import escape

from .facts import Stat

PART = 64 << 20
"""Bytes that a worker hashes at a time, or one piece where that is longer."""
SLOWEST = 2_000_000
"""Bytes a second that the slowest disk gives."""


@dataclass(frozen=True, slots=True)
class Stored:
    """A file of a volume and where it lies."""

    folder: str
    path: str
    stat: Stat
    """What the file system said of it when its digests were taken."""


@dataclass(frozen=True, slots=True)
class Row:
    """The files of a volume in the order of its torrent."""

    name: str
    """Of the volume."""
    files: Sequence[Stored]
    piece_length: int
    """Bytes."""


@dataclass(frozen=True, slots=True)
class Part:
    """A stretch of a row, of whole pieces but for the last one of the row: the task of a worker."""

    volume: str
    number: int
    of: int
    """Parts of the row."""
    files: tuple[Stored, ...]
    skip: int
    """Bytes of the first file that belong to the part before."""
    size: int
    piece_length: int


def pieces(rows: Iterable[Row], *, workers: int | None) -> Iterator[tuple[str, bytes]]:
    """The name of each row and the SHA-1 digests of its pieces, 20 bytes each; in the order in which they are done.

    Raises:
        SourceChanged: a file is not the one that was read.
        Unreadable: a file cannot be read.
        ReleaseError: the process that read a file was lost, twice.
    """
    open_: dict[str, dict[int, bytes]] = {}
    for part, found in pool.run(hash_part, chain.from_iterable(map(parts, rows)), workers=workers, seconds=_allowed):
        if isinstance(found, pool.Lost):
            raise ReleaseError(
                f"{part.volume}: the process that hashed its files from {escape(part.files[0].path)} on was lost:"
                f" {found.reason} {found.detail}".rstrip(),
                hint="Check the disk and the memory of this machine, then run the same command again.",
            )
        done = open_.setdefault(part.volume, {})
        done[part.number] = found
        if len(done) == part.of:
            del open_[part.volume]
            yield part.volume, b"".join(done[number] for number in range(part.of))


def parts(row: Row) -> list[Part]:
    """Cut a row into parts; one without a byte has none."""
    length = max(PART // row.piece_length, 1) * row.piece_length
    total = sum(file.stat.size for file in row.files)
    cut, first, offset = [], 0, 0  # `offset` is where the file `first` begins
    count = -(-total // length)
    for number in range(count):
        begin, end = number * length, min((number + 1) * length, total)
        while offset + row.files[first].stat.size <= begin:
            offset += row.files[first].stat.size
            first += 1
        last, reached = first, offset
        while reached < end:
            reached += row.files[last].stat.size
            last += 1
        files = tuple(row.files[first:last])
        cut.append(Part(row.name, number, count, files, begin - offset, end - begin, row.piece_length))
    return cut


def hash_part(part: Part) -> bytes:
    """The digests of the pieces of a part, in a worker.

    Raises:
        SourceChanged: a file is not the one that was read.
        Unreadable: a file cannot be read.
    """
    found: list[bytes] = []
    piece, room = hashlib.sha1(usedforsecurity=False), part.piece_length
    for chunk in _chunks(part):
        rest = memoryview(chunk)
        while rest:
            piece.update(rest[:room])
            taken = min(room, len(rest))
            rest, room = rest[taken:], room - taken
            if not room:
                found.append(piece.digest())
                piece, room = hashlib.sha1(usedforsecurity=False), part.piece_length
    if room < part.piece_length:
        found.append(piece.digest())
    return b"".join(found)


def _chunks(part: Part) -> Iterator[bytes]:
    """The bytes of a part."""
    skip, left = part.skip, part.size
    for file in part.files:
        path = Path(file.folder, file.path)
        with disk.open_read(path) as opened, disk.failures(path):
            _check(file, opened.fileno())
            opened.seek(skip)
            wanted = min(file.stat.size - skip, left)
            skip, left = 0, left - wanted
            while wanted and (chunk := opened.read(min(wanted, CHUNK))):
                wanted -= len(chunk)
                yield chunk
            _check(file, opened.fileno())


def _check(file: Stored, descriptor: int) -> None:
    stat = os.fstat(descriptor)
    if Stat(size=stat.st_size, mtime_ns=stat.st_mtime_ns, inode=stat.st_ino) != file.stat:
        raise SourceChanged(f"{escape(file.path)}: changed after it was read")


def _allowed(part: Part) -> float:
    return pool.SECONDS + part.size / SLOWEST
