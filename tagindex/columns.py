"""Columns of numbers, a chunk of 65,536 posts at a time.

A chunk is what one container of a Roaring bitmap covers, so the posts that a chunk gives become a container as they
are; and one whose bounds leave no doubt is not read. Nothing here opens a file.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from typing import TypeAlias

from pyroaring import BitMap

from .bitmaps import from_ordinals
from .format import CHUNK
from .late import np, npt
from .packing import Directory, pack

Mask: TypeAlias = "npt.NDArray[np.bool_]"

_COOKIE = 12_346
_ARRAY = 4_096
"""Members up to which a container is a sorted array of 16-bit numbers (the Roaring format specification)."""


class Containers:
    """Puts a bitmap together from the chunks in their order, through its portable form: no member is touched alone."""

    def __init__(self) -> None:
        self._heads: list[bytes] = []
        self._bodies: list[bytes] = []

    def add(self, chunk: int, mask: Mask) -> None:
        """Take the posts of a chunk where the mask holds."""
        members = int(np.count_nonzero(mask))
        if not members:
            return
        self._heads.append(struct.pack("<HH", chunk, members - 1))
        if members > _ARRAY:
            bits = np.packbits(mask, bitorder="little").tobytes()
            self._bodies.append(bits.ljust(CHUNK // 8, b"\0"))
        else:
            self._bodies.append(np.flatnonzero(mask).astype("<u2").tobytes())

    def bitmap(self) -> BitMap:
        """What has been taken."""
        at = 8 + 8 * len(self._heads)
        offsets = []
        for body in self._bodies:
            offsets.append(at)
            at += len(body)
        count = len(offsets)
        parts = [struct.pack("<II", _COOKIE, count), *self._heads, struct.pack(f"<{count}I", *offsets), *self._bodies]
        return BitMap.deserialize(b"".join(parts)) if count else BitMap()


def bytes_of(posts: BitMap) -> bytes:
    """The portable form of a set."""
    posts.run_optimize()
    return posts.serialize()


@dataclass(slots=True)
class NumberColumn:
    """A column of numbers that is being written."""

    nulls: BitMap = field(default_factory=BitMap)
    _low: list[int] = field(default_factory=list)
    _high: list[int] = field(default_factory=list)
    _present: list[int] = field(default_factory=list)

    def add(self, values: npt.NDArray[np.int64], null: Mask | None) -> bytes | None:
        """Take the numbers of the next chunk and give its bytes, or None where it has no number."""
        first = len(self._present) * CHUNK
        if null is not None and null.any():
            self.nulls |= from_ordinals(np.flatnonzero(null) + first)
            values = values[~null]
        self._present.append(len(values))
        self._low.append(int(values.min()) if len(values) else 0)
        self._high.append(int(values.max()) if len(values) else 0)
        return pack(values) if len(values) else None

    @property
    def present(self) -> int:
        """How many posts have a number."""
        return sum(self._present)

    @property
    def bounds(self) -> tuple[int, int] | tuple[None, None]:
        """The least and the greatest number."""
        pairs = [pair for pair in zip(self._low, self._high, self._present, strict=True) if pair[2]]
        return (min(low for low, _, _ in pairs), max(high for _, high, _ in pairs)) if pairs else (None, None)

    def directory(self) -> bytes:
        """The directory of the chunks."""
        low, high, present = (np.array(row, np.int64) for row in (self._low, self._high, self._present))
        return Directory(low, high, present).pack()
