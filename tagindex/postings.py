"""Posting lists: the ordinals of the posts of a tag, and the segments that many lists lie in.

A tag of few posts has a list of gaps, any other one a portable Roaring bitmap; the number of posts, which the
dictionary holds, tells which. A segment holds the lists of consecutive tags: how many there are, then where each ends,
then the lists.

Nothing here opens a file; the layouts are in docs/reference/formats/index.md.
"""

from __future__ import annotations

import struct
from array import array
from collections.abc import Iterator
from itertools import pairwise

from pyroaring import BitMap

from tagswarm.manifests.errors import InvalidDocument

from .bitmaps import from_ordinals
from .format import LISTED, SEGMENT
from .late import np, npt
from .store import Ordinals

NUMBER = struct.Struct("<I")
"""Of the directory of a segment: how many lists there are, and where each ends, counted from the first list."""


def encode(ordinals: Ordinals) -> bytes:
    """Write the ascending ordinals of a tag."""
    if len(ordinals) <= LISTED:
        return _gaps(ordinals)
    posts = from_ordinals(ordinals)
    posts.run_optimize()
    return posts.serialize()


def decode(data: bytes | memoryview, count: int) -> BitMap:
    """Read the list of a tag that `count` posts have.

    Raises:
        InvalidDocument: the list is another one.
    """
    if count <= LISTED:
        return BitMap(_ungapped(data, count))
    try:
        posts = BitMap.deserialize(bytes(data))
    except (ValueError, TypeError) as failure:
        raise InvalidDocument(f"a posting list is no Roaring bitmap: {failure}") from failure
    if len(posts) != count:
        raise InvalidDocument(f"a posting list has {len(posts)} posts, the dictionary says {count}")
    return posts


def _gaps(ordinals: Ordinals) -> bytes:
    """The first ordinal and the differences that follow as unsigned LEB128."""
    gaps = ordinals.astype(np.int64)
    gaps[1:] -= gaps[:-1].copy()
    if gaps.size < 16:  # most tags: no array is worth it
        out = bytearray()
        for gap in gaps.tolist():
            rest = gap
            while rest > 0x7F:
                out.append(rest & 0x7F | 0x80)
                rest >>= 7
            out.append(rest)
        return bytes(out)
    shifts = np.arange(0, 35, 7)
    groups = (gaps[:, None] >> shifts) & 0x7F
    used = np.maximum((gaps[:, None] >> shifts != 0).sum(axis=1), 1)
    position = np.arange(5)
    groups[position < used[:, None] - 1] |= 0x80
    return bytes(groups[position < used[:, None]].astype(np.uint8))


def _ungapped(data: bytes | memoryview, count: int) -> array[int]:
    """The ordinals of one short list, which needs no array of numpy: neither its time nor the time to load it."""
    ordinals = array("I")  # the only type of which pyroaring takes a block
    ordinal = gap = shift = 0
    try:
        for byte in bytes(data):
            gap |= (byte & 0x7F) << shift
            if byte > 0x7F:
                shift += 7
                if shift > 28:
                    raise InvalidDocument("a posting list has a gap of more than 35 bits")
                continue
            ordinal += gap
            ordinals.append(ordinal)
            gap = shift = 0
    except OverflowError as failure:
        raise InvalidDocument("a posting list has a gap of more than 32 bits") from failure
    if shift or len(ordinals) != count:
        raise InvalidDocument("a posting list has another number of posts than the dictionary says")
    return ordinals


def ungap(
    data: bytes | memoryview, counts: npt.NDArray[np.integer], lengths: npt.NDArray[np.integer]
) -> npt.NDArray[np.uint32]:
    """Read lists of gaps that stand one after the other: the ordinals of the first, then those of the second, ...

    Args:
        data: the lists.
        counts: the ordinals of each list.
        lengths: the bytes of each list.

    Raises:
        InvalidDocument: a list does not have its number of ordinals.
    """
    raw = np.frombuffer(data, np.uint8)
    last = np.flatnonzero(raw < 0x80)
    if len(last) != counts.sum() or len(raw) != lengths.sum() or (len(raw) and last[-1] != len(raw) - 1):
        raise InvalidDocument("a posting list has another number of posts than the dictionary says")
    if not len(raw):
        return np.empty(0, np.uint32)
    first = np.empty_like(last)
    first[0] = 0
    first[1:] = last[:-1] + 1
    spans = last - first
    if int(spans.max()) > 4:
        raise InvalidDocument("a posting list has a gap of more than 35 bits")
    gaps = (raw[first] & 0x7F).astype(np.int64)
    for place in range(1, int(spans.max()) + 1):
        more = spans >= place
        gaps[more] |= (raw[first[more] + place].astype(np.int64) & 0x7F) << (7 * place)
    totals = np.cumsum(gaps)
    begins = (np.cumsum(counts) - counts)[counts > 0]
    before = totals[begins] - gaps[begins]
    ordinals: npt.NDArray[np.uint32] = (totals - np.repeat(before, counts[counts > 0])).astype(np.uint32)
    return ordinals


class Segments:
    """Takes the lists of the tags in the order of their keys and yields full segments."""

    def __init__(self, first: int = 1) -> None:
        self._first = self._next = first
        self._lists: list[bytes] = []
        self._size = 0

    def add(self, data: bytes) -> Iterator[tuple[int, bytes]]:
        """Take the list of the next tag; yield the key of the first tag and the bytes of a segment that is full."""
        self._lists.append(data)
        self._size += len(data)
        self._next += 1
        if self._size >= SEGMENT:
            yield from self.flush()

    def flush(self) -> Iterator[tuple[int, bytes]]:
        """Yield what is left."""
        if not self._lists:
            return
        end, directory = 0, [NUMBER.pack(len(self._lists))]
        for data in self._lists:
            end += len(data)
            directory.append(NUMBER.pack(end))
        yield self._first, b"".join((*directory, *self._lists))
        self._first, self._lists, self._size = self._next, [], 0


def read_segment(data: bytes) -> list[memoryview]:
    """Cut a segment into its lists.

    Raises:
        InvalidDocument: the segment is none.
    """
    view = memoryview(data)
    try:
        (count,) = NUMBER.unpack_from(view)
        at = NUMBER.size * (1 + count)
        ends = [end for (end,) in NUMBER.iter_unpack(view[NUMBER.size : at])]
    except struct.error as failure:
        raise InvalidDocument("a segment of posting lists is damaged") from failure
    borders = [0, *ends]
    if len(ends) != count or borders != sorted(borders) or at + borders[-1] != len(view):
        raise InvalidDocument("a segment of posting lists is damaged")
    return [view[at + start : at + end] for start, end in pairwise(borders)]
