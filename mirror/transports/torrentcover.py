"""Which pieces of a torrent carry which items, and which of the pieces that were had can still be believed.

Nothing here fetches, reads or writes: torrents, items and what is known of files go in, values come out.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass

from tagswarm.manifests.paths import escape
from tagswarm.manifests.torrentfile import Torrent, TorrentEntry

from .base import Failed, Item


@dataclass(frozen=True, slots=True)
class Placed:
    """A file of a torrent that carries items."""

    path: str
    """Relative to the dataset."""
    place: str
    """Relative to the folder that the torrent is fetched into."""
    size: int
    """Bytes."""
    offset: int
    """Where it begins in the row of all files, in bytes."""
    piece_length: int

    def pieces(self, begin: int, end: int) -> range:
        """The pieces that carry these bytes of the file."""
        if begin == end:
            return range(0)
        return range((self.offset + begin) // self.piece_length, (self.offset + end - 1) // self.piece_length + 1)

    def end(self, piece: int) -> int:
        """Where the bytes of a piece end in the file."""
        return min(self.size, (piece + 1) * self.piece_length - self.offset)


@dataclass(frozen=True, slots=True)
class Covered:
    """An item, the file it lies in, and the pieces that carry it."""

    item: Item
    file: Placed
    pieces: range

    @property
    def whole(self) -> bool:
        """The item is the file itself, no member in it."""
        return self.item.archive is None


def cover(torrent: Torrent, items: Iterable[Item]) -> Iterator[Covered | Failed]:
    """Find every item in a torrent, or say why it is not in it; an item in, an outcome out, in the same order.

    The paths of the torrent are those of the dataset: its name is the dataset's own folder.
    """
    entries = {entry.path: entry for entry in torrent.entries if not entry.pad}
    for item in items:
        path = item.path if item.archive is None else item.archive
        entry = entries.get(path)
        if entry is None:
            yield Failed(item, "unlisted", f"the torrent of the volume {escape(item.volume)} has no {escape(path)}")
        elif item.archive is None and item.size != entry.size:
            yield Failed(item, "unlisted", f"the torrent has {entry.size} bytes of it, {item.size} are wanted")
        elif item.offset < 0 or item.size < 0 or item.offset + item.size > entry.size:
            detail = f"bytes {item.offset} to {item.offset + item.size} do not lie in the {entry.size} of its archive"
            yield Failed(item, "unlisted", detail)
        else:
            yield _covered(torrent, entry, item)


def _covered(torrent: Torrent, entry: TorrentEntry, item: Item) -> Covered:
    place = entry.path if torrent.single else f"{torrent.name}/{entry.path}"
    file = Placed(entry.path, place, entry.size, entry.offset, torrent.piece_length)
    begin = 0 if item.archive is None else item.offset
    return Covered(item, file, file.pieces(begin, begin + item.size))


def believed(file: Placed, size: int, links: int, had: Collection[int]) -> set[int]:
    """The pieces among those that were had of a file, as it lies on the disk now, that can be believed.

    None where the file is longer than it should be, or where it is not complete but linked elsewhere: it was handed on
    then, and whoever has it must not see it written to.

    Args:
        file: the file.
        size: the bytes it has on the disk; what a piece says of bytes beyond them is not so.
        links: the names it has on the disk.
        had: the pieces that were had, those of other files too.
    """
    wanted = file.pieces(0, file.size)
    found = {piece for piece in wanted if piece in had and file.end(piece) <= size}
    if size > file.size or (links > 1 and len(found) < len(wanted)):
        return set()
    return found
