"""Which requests bring which items: one a loose file, and one range for members that lie close together in an archive.

Pure: items in, requests out, in their order; members are merged only with those that come right before them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from .base import Item

GAP = 64 << 10
"""Bytes that nobody wants between two members that are asked for together. A further request costs a round trip, 20 ms
or more between continents, in which 64 KiB come at 25 Mbit/s; and a header of a tar is 512 to 1,536 bytes."""

MOST = 8 << 20
"""Bytes of a merged range: enough that its request costs nothing, little enough that other connections have work."""

MEMBERS = 64
"""Members of a merged range: so many files lie aside at most when it breaks."""


@dataclass(frozen=True, slots=True)
class Request:
    """Bytes of one file that are asked for together."""

    items: tuple[Item, ...]
    """By offset, none reaching into the next."""

    @property
    def path(self) -> str:
        """Of the file, relative to the dataset."""
        first = self.items[0]
        return first.path if first.archive is None else first.archive

    @property
    def ranged(self) -> bool:
        """Whether it asks for a part of the file."""
        return self.items[0].archive is not None

    @property
    def begin(self) -> int:
        """The first byte of the file that is wanted."""
        return self.items[0].offset

    @property
    def end(self) -> int:
        """The byte after the last that is wanted."""
        return self.items[-1].offset + self.items[-1].size


def requests(items: Iterable[Item]) -> Iterator[Request]:
    """The requests that bring these items; it looks one item ahead."""
    group: list[Item] = []
    for item in items:
        if group and not _joins(group, item):
            yield Request(tuple(group))
            group = []
        group.append(item)
    if group:
        yield Request(tuple(group))


def _joins(group: list[Item], item: Item) -> bool:
    last = group[-1]
    return (
        item.archive is not None
        and item.archive == last.archive
        and 0 <= item.offset - (last.offset + last.size) <= GAP
        and item.offset + item.size - group[0].offset <= MOST
        and len(group) < MEMBERS
    )
