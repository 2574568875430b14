"""The parts a blob of the index is made of: whole numbers in few bits, and texts.

A reader needs numpy and zlib for it; every layout is in docs/reference/formats/index.md. Nothing here knows what the
numbers and texts mean.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

from tagswarm.manifests.errors import InvalidDocument

from .late import np, npt

Numbers: TypeAlias = "npt.NDArray[np.int64]"
_Bits: TypeAlias = "npt.NDArray[np.uint64]"

_HEADER = struct.Struct("<IBBxxIqqQ")  # count, width, delta, exceptions, base, low, step
_WIDTHS = (0, 1, 2, 4, *range(8, 65, 8))
LEVEL = 6
"""Of zlib for texts."""
MOST = 1 << 26
"""Numbers of a blob, and `MOST_TEXT` bytes of its texts: far more than any has."""
MOST_TEXT = 1 << 30


def pack(numbers: npt.NDArray[np.integer]) -> bytes:
    """Write whole numbers: steps above the least one, or above the one before, whichever is shorter.

    Each takes the same few bits; those that need more are written apart, as exceptions.
    """
    values = np.ascontiguousarray(numbers, dtype=np.int64)
    if not values.size:
        return _HEADER.pack(0, 0, 0, 0, 0, 0, 1)
    plain = _packed(values, int(values.min()), delta=False)
    if values.size < 3:
        return plain
    differences = np.diff(values)  # wraps around where the range is that of all numbers, and so does the sum
    delta = _packed(differences, int(values[0]), delta=True)
    return min(plain, delta, key=len)


def _packed(values: Numbers, base: int, *, delta: bool) -> bytes:
    low = int(values.min())
    above: _Bits = values.view(np.uint64) - np.uint64(low & (1 << 64) - 1)
    step = int(np.gcd.reduce(above)) or 1
    above //= np.uint64(step)
    width, exceptions = _width(above)
    wide = np.flatnonzero(above >> np.uint64(width)) if width < 64 else np.empty(0, np.int64)
    rest = above[wide]
    above[wide] = 0
    header = _HEADER.pack(values.size + delta, width, delta, exceptions, base, low if delta else 0, step)
    return b"".join((header, _bits(above, width), wide.astype("<u4").tobytes(), rest.astype("<u8").tobytes()))


def _width(above: _Bits) -> tuple[int, int]:
    """The width that takes the fewest bytes, and how many numbers do not fit into it."""
    best = (64, 0)
    cost = 8 * above.size
    for width in _WIDTHS[-2::-1]:
        wide = int(np.count_nonzero(above >> np.uint64(width)))
        taken = (above.size * width + 7) // 8 + 12 * wide
        if taken <= cost:
            best, cost = (width, wide), taken
    return best


def _bits(above: _Bits, width: int) -> bytes:
    if width == 0:
        return b""
    if width >= 8:
        return np.ascontiguousarray(above.astype("<u8").view(np.uint8).reshape(-1, 8)[:, : width // 8]).tobytes()
    each = 8 // width
    padded = np.zeros(-(-above.size // each) * each, np.uint8)
    padded[: above.size] = above
    shifted = padded.reshape(-1, each) << np.arange(0, 8, width, dtype=np.uint8)
    return bytes(np.bitwise_or.reduce(shifted, axis=1).astype(np.uint8))


def unpack(data: bytes | memoryview) -> Numbers:
    """Read what `pack` wrote; see also `unpack_from`."""
    return unpack_from(memoryview(data))[0]


def unpack_from(data: memoryview) -> tuple[Numbers, int]:
    """Read the numbers a blob begins with, and tell where they end.

    Raises:
        InvalidDocument: the blob is too short, or says what cannot be.
    """
    try:
        count, width, delta, exceptions, base, low, step = _HEADER.unpack_from(data)
    except struct.error as failure:
        raise InvalidDocument("packed numbers end before their header does") from failure
    stored = max(count - delta, 0)
    body, end = _HEADER.size, _HEADER.size + (stored * width + 7) // 8
    if width not in _WIDTHS or delta > 1 or len(data) < end + 12 * exceptions or exceptions > stored or count > MOST:
        raise InvalidDocument("packed numbers do not fit their header")
    above = _unbits(data[body:end], width, stored)
    if exceptions:
        where = np.frombuffer(data, "<u4", exceptions, end)
        if int(where.max()) >= stored:
            raise InvalidDocument("packed numbers have an exception beyond their end")
        above[where] = np.frombuffer(data, "<u8", exceptions, end + 4 * exceptions)
    if step != 1:
        above *= np.uint64(step)
    if not delta:
        above += np.uint64(base & (1 << 64) - 1)
        return above.view(np.int64), end + 12 * exceptions
    above += np.uint64(low & (1 << 64) - 1)
    values = np.empty(count, np.int64)
    values[:1] = base
    np.cumsum(above.view(np.int64), out=values[1:])
    values[1:] += np.int64(base)
    return values, end + 12 * exceptions


def _unbits(data: memoryview, width: int, count: int) -> _Bits:
    if width == 0:
        return np.zeros(count, np.uint64)
    raw = np.frombuffer(data, np.uint8)
    if width in (8, 16, 32, 64):
        return raw.view(f"<u{width // 8}").astype(np.uint64)
    if width > 8:
        padded = np.zeros((count, 8), np.uint8)
        padded[:, : width // 8] = raw.reshape(count, width // 8)
        return padded.view("<u8").reshape(count).astype(np.uint64, copy=False)
    shifted = raw[:, None] >> np.arange(0, 8, width, dtype=np.uint8)
    return (shifted & np.uint8((1 << width) - 1)).reshape(-1)[:count].astype(np.uint64)


def pack_texts(texts: Sequence[str]) -> bytes:
    """Write texts: the bytes of each, then all of them in UTF-8, compressed by zlib (RFC 1950)."""
    encoded = [text.encode() for text in texts]
    return pack(np.array([len(text) for text in encoded], np.int64)) + zlib.compress(b"".join(encoded), LEVEL)


def unpack_texts(data: memoryview) -> list[str]:
    """Read what `pack_texts` wrote.

    Raises:
        InvalidDocument: it is nothing of that kind.
    """
    lengths, at = unpack_from(data)
    ends = np.cumsum(lengths)
    size = int(ends[-1]) if ends.size else 0
    if (lengths < 0).any() or not 0 <= size < MOST_TEXT:
        raise InvalidDocument("packed texts have lengths that cannot be")
    try:
        joined = zlib.decompressobj().decompress(data[at:], size + 1)
        if len(joined) != size:
            raise InvalidDocument("packed texts have other lengths than they say")
        starts = ends - lengths
        return [joined[a:b].decode() for a, b in zip(starts.tolist(), ends.tolist(), strict=True)]
    except (zlib.error, UnicodeDecodeError) as failure:
        raise InvalidDocument(f"packed texts: {failure}") from failure


@dataclass(frozen=True, slots=True)
class Directory:
    """What is known of the chunks of a column without reading them."""

    low: Numbers
    """The least number of each chunk; 0 where there is none."""
    high: Numbers
    present: Numbers
    """How many posts of each chunk have a number."""

    def pack(self) -> bytes:
        """Write the three one after the other."""
        return pack(self.low) + pack(self.high) + pack(self.present)

    @classmethod
    def unpack(cls, data: memoryview) -> Directory:
        """Read what `pack` wrote."""
        low, at = unpack_from(data)
        high, more = unpack_from(data[at:])
        return cls(low, high, unpack(data[at + more :]))
