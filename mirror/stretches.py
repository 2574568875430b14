"""The pieces of a torrent as stretches of files: which bytes of which file make up each, and the hash it must have.

A v1 torrent is one row of all its files, cut into pieces without regard to where files end; in a v2 or hybrid torrent
every file has pieces of its own. Tasks of some megabytes are made of them, so that a file of 16 GiB is shared out among
the processes that check it, and five thousand small ones do not wait for each other.

Pure: nothing here opens a file or hashes. Sources: BEP 3, 47, 52.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from tagswarm.manifests import merkle
from tagswarm.manifests.torrentfile import Torrent

SHA1 = 20
"""Bytes of the hash of a v1 piece."""

TASK_BYTES = 32 << 20
"""Bytes after which a task is full, pads included, because their zeros are hashed too."""
TASK_FILES = 512
TASK_PIECES = 2048
"""As many as 32 MiB have of the shortest length that clients make."""


@dataclass(frozen=True, slots=True)
class Part:
    """Bytes of a file, or of a pad, that pieces are made of."""

    number: int
    """Which entry of the torrent it is of."""
    path: str | None
    """Relative to the folder that is looked at; None of a pad, whose bytes are zeros that nobody reads."""
    size: int
    """Bytes of the whole file."""
    begin: int
    """Where the part begins in the file, in bytes."""
    end: int
    """Where it ends. An empty file is one part that ends where it begins."""


@dataclass(frozen=True, slots=True)
class Piece:
    """A piece and the hash it must have."""

    number: int
    """In the torrent of v1, in the file of v2."""
    parts: tuple[Part, ...]
    levels: int | None
    """As the stretch has it."""
    wanted: bytes


@dataclass(frozen=True, slots=True)
class Stretch:
    """Pieces that lie one after the other, and the parts that make them up."""

    first: int
    """The number of its first piece."""
    piece_length: int
    """Bytes."""
    levels: int | None
    """The height of the hashes above 16 KiB blocks; None where they are the SHA-1 digests of v1."""
    parts: tuple[Part, ...]
    hashes: bytes
    """Those that the pieces must have, one after the other: 20 bytes each of v1, 32 of v2."""

    @property
    def length(self) -> int:
        """Bytes of its parts, pads included."""
        return sum(part.end - part.begin for part in self.parts)

    def pieces(self) -> Iterator[Piece]:
        """One after the other; the last of a file or torrent may be short."""
        width = SHA1 if self.levels is None else merkle.NODE
        for number, parts in enumerate(_cut(self.parts, self.piece_length)):
            wanted = self.hashes[number * width : (number + 1) * width]
            yield Piece(self.first + number, tuple(parts), self.levels, wanted)


@dataclass(frozen=True, slots=True)
class Task:
    """Some pieces for a worker."""

    folder: str
    stretches: tuple[Stretch, ...]

    @property
    def length(self) -> int:
        """Bytes of its parts, pads included."""
        return sum(stretch.length for stretch in self.stretches)

    @property
    def real(self) -> list[Part]:
        """Its parts without the pads."""
        return [part for stretch in self.stretches for part in stretch.parts if part.path is not None]


def tasks(torrent: Torrent, folder: str, inside: str) -> Iterator[Task]:
    """All there is to check of a torrent; what is nothing but pads is left out.

    Args:
        torrent: its entries are numbered in their order.
        folder: the folder that is looked at.
        inside: what comes before the paths of the torrent there; of a torrent of one file the name it has there.
    """
    if torrent.single:
        paths = [None if entry.pad else inside for entry in torrent.entries]
    else:
        before = f"{inside}/" if inside else ""
        paths = [None if entry.pad else before + entry.path for entry in torrent.entries]
    held: list[Stretch] = []
    size = files = 0
    for stretch in _v1(torrent, paths) if torrent.version == "v1" else _v2(torrent, paths):
        if all(part.path is None for part in stretch.parts):
            continue
        held.append(stretch)
        size += stretch.length
        files += len(stretch.parts)
        if size >= TASK_BYTES or files >= TASK_FILES:
            yield Task(folder, tuple(held))
            held, size, files = [], 0, 0
    if held:
        yield Task(folder, tuple(held))


def _v1(torrent: Torrent, paths: list[str | None]) -> Iterator[Stretch]:
    """The row of all files is cut where a piece ends, after some megabytes or many files."""
    length = torrent.piece_length
    most = max(1, min(TASK_PIECES, TASK_BYTES // length)) * length
    parts: list[Part] = []
    first = begun = 0  # the first piece of the stretch, and the bytes that are in it
    for number, (entry, path) in enumerate(zip(torrent.entries, paths, strict=True)):
        if not entry.size and path is not None:
            parts.append(Part(number, path, 0, 0, 0))
        at = 0
        while at < entry.size:
            room = -begun % length or length if len(parts) >= TASK_FILES else most - begun
            end = min(entry.size, at + room)
            parts.append(Part(number, path, entry.size, at, end))
            begun += end - at
            at = end
            if begun == most or (len(parts) >= TASK_FILES and not begun % length):
                yield _of_v1(torrent, first, parts)
                parts, first, begun = [], first + begun // length, 0
    if parts:
        yield _of_v1(torrent, first, parts)


def _of_v1(torrent: Torrent, first: int, parts: list[Part]) -> Stretch:
    count = -(-sum(part.end - part.begin for part in parts) // torrent.piece_length)
    hashes = torrent.pieces[first * SHA1 : (first + count) * SHA1]
    return Stretch(first, torrent.piece_length, None, tuple(parts), hashes)


def _v2(torrent: Torrent, paths: list[str | None]) -> Iterator[Stretch]:
    """Each file stands for itself; a large one is cut where a piece ends."""
    length = torrent.piece_length
    most = max(1, min(TASK_PIECES, TASK_BYTES // length)) * length
    for number, (entry, path) in enumerate(zip(torrent.entries, paths, strict=True)):
        if path is None:
            continue
        if entry.size > length:
            levels, hashes = merkle.piece_height(length), entry.layer
        else:  # its root is that of the smallest tree over its own blocks
            levels, hashes = (max(1, -(-entry.size // merkle.BLOCK)) - 1).bit_length(), entry.root or b""
        for begin in range(0, max(1, entry.size), most):
            end = min(entry.size, begin + most)
            first, last = begin // length, -(-end // length)
            part = Part(number, path, entry.size, begin, end)
            yield Stretch(first, length, levels, (part,), hashes[first * merkle.NODE : last * merkle.NODE])


def _cut(row: Iterable[Part], piece_length: int) -> Iterator[list[Part]]:
    piece: list[Part] = []
    room = piece_length
    for part in row:
        begin = part.begin
        while begin < part.end:
            end = min(part.end, begin + room)
            piece.append(Part(part.number, part.path, part.size, begin, end))
            room -= end - begin
            begin = end
            if not room:
                yield piece
                piece, room = [], piece_length
    if piece:
        yield piece
