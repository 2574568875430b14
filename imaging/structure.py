"""The outer structure of image files: the size their header claims, and whether their end is there.

Everything here is cheap and safe on hostile input: it walks chunks, segments, blocks and boxes and never allocates by
what a file claims. It does not prove that a file decodes: `decode` does.

Sources: PNG 3rd edition section 5; ITU T.81 annex B (JPEG); GIF89a; RFC 9649 (WebP); ISO 14496-12 (boxes).
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from .kind import Kind
from .probe import sniff

_PNG_HEADER = 8
_BOXED = frozenset({Kind.AVIF, Kind.HEIF, Kind.MP4, Kind.MOV, Kind.JP2})
_JPEG_MARKER = re.compile(rb"\xff[^\0\xff\xd0-\xd7]")


def measure(data: bytes, kind: Kind | None = None) -> tuple[int, int] | None:
    """Width and height in pixels as the header of a PNG, JPEG, GIF, WebP or BMP claims them, or None.

    They are the stored ones, before any orientation; the pixel limit is held against them before a decoder runs.
    """
    match kind or sniff(data):
        case Kind.PNG | Kind.APNG if data[12:16] == b"IHDR" and len(data) >= 24:
            return _big(data, 16, 4), _big(data, 20, 4)
        case Kind.GIF if len(data) >= 10:
            return _little(data, 6, 2), _little(data, 8, 2)
        case Kind.BMP if len(data) >= 26:
            if data[14] == 12:
                return _little(data, 18, 2), _little(data, 20, 2)
            height = int.from_bytes(data[22:26], "little", signed=True)
            return _little(data, 18, 4), abs(height)
        case Kind.JPEG:
            return _measure_jpeg(data)
        case Kind.WEBP:
            return _measure_webp(data)
    return None


def truncation(data: bytes, kind: Kind | None = None) -> str | None:
    """Say by how much a file is too short or that its end marker is missing; None where its structure reaches the end.

    Bytes behind the end are no fault. A structure that is broken in another way is left to the decoder: None.
    """
    match kind or sniff(data):
        case Kind.PNG | Kind.APNG:
            return _truncation_png(data)
        case Kind.JPEG:
            return None if any(marker == 0xD9 for marker, _, _ in jpeg_segments(data)) else "no end marker"
        case Kind.GIF:
            return _truncation_gif(data)
        case Kind.WEBP | Kind.WAV | Kind.AVI:
            return _short(8 + _little(data, 4, 4) - len(data))
        case Kind.BMP:
            return _truncation_bmp(data)
        case boxed if boxed in _BOXED and data[:2] != b"\xff\x4f":
            return _truncation_boxes(data)
    return None


def png_chunks(data: bytes) -> Iterator[tuple[bytes, int, int]]:
    """Walk a PNG: `(type, start, length)` of each chunk's content, whether or not the content is all there."""
    position = _PNG_HEADER
    while position + 8 <= len(data):
        length = _big(data, position, 4)
        yield data[position + 4 : position + 8], position + 8, length
        position += 12 + length


def jpeg_segments(data: bytes) -> Iterator[tuple[int, int, int]]:
    """Walk a JPEG: `(marker, start, length)` of each segment's content, up to the end marker where there is one."""
    position = 2
    while found := _JPEG_MARKER.search(data, position):
        marker, position = data[found.start() + 1], found.end()
        if marker in (0x01, 0xD8):
            continue
        if marker == 0xD9:
            yield marker, position, 0
            return
        length = _big(data, position, 2)
        if position + 2 > len(data) or length < 2:
            return
        yield marker, position + 2, length - 2
        position += length  # what follows a scan header is searched for the next marker: its data hides every 0xFF


def gif_first_frame(data: bytes) -> tuple[int, int, int, int] | None:
    """Left, top, width and height in pixels of the first frame of a GIF on its canvas, or None."""
    for position in _gif_blocks(data):
        if data[position : position + 1] == b"," and position + 9 <= len(data):
            left, top, width, height = (_little(data, position + at, 2) for at in (1, 3, 5, 7))
            return left, top, width, height
    return None


def _big(data: bytes, start: int, length: int) -> int:
    return int.from_bytes(data[start : start + length], "big")


def _little(data: bytes, start: int, length: int) -> int:
    return int.from_bytes(data[start : start + length], "little")


def _short(missing: int) -> str | None:
    return f"truncated by {missing} byte{'s' if missing > 1 else ''}" if missing > 0 else None


def _measure_jpeg(data: bytes) -> tuple[int, int] | None:
    for marker, start, length in jpeg_segments(data):
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
            if length < 6 or start + 5 > len(data):
                return None
            return _big(data, start + 3, 2), _big(data, start + 1, 2)
        if marker == 0xDA:
            return None
    return None


def _measure_webp(data: bytes) -> tuple[int, int] | None:
    if len(data) < 30:
        return None
    match data[12:16]:
        case b"VP8X":
            return _little(data, 24, 3) + 1, _little(data, 27, 3) + 1
        case b"VP8L":
            bits = _little(data, 21, 4)
            return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
        case b"VP8 ":
            return _little(data, 26, 2) & 0x3FFF, _little(data, 28, 2) & 0x3FFF
    return None


def _truncation_png(data: bytes) -> str | None:
    end = _PNG_HEADER
    for kind, start, length in png_chunks(data):
        if not kind.isalpha() or length > 0x7FFFFFFF:
            return None
        end = start + length + 4
        if end > len(data):
            return _short(end - len(data))
        if kind == b"IEND":
            return None
    return "no end marker" if end == len(data) else _short(end + 12 - len(data))


def _truncation_gif(data: bytes) -> str | None:
    end = len(data)
    for end in _gif_blocks(data):
        if end < len(data) and data[end] not in (0x21, 0x2C):
            return None  # the trailer; or no block at all, where decoders stop too
    return _short(end - len(data)) or "no end marker"


def _gif_blocks(data: bytes) -> Iterator[int]:
    """Where each block of a GIF begins, up to the first that is neither an extension nor an image, or up to the end."""
    position = 13 + (_colours(data[10]) if len(data) > 10 else 0)
    yield position
    while position < len(data) and data[position] in (0x21, 0x2C):
        if data[position] == 0x21:
            position += 2
        else:
            position += 11 + (_colours(data[position + 9]) if position + 9 < len(data) else 0)
        while position < len(data) and data[position]:
            position += 1 + data[position]
        position += 1
        yield position


def _colours(flags: int) -> int:
    """Bytes of the colour table that the flags announce."""
    return 3 << ((flags & 7) + 1) if flags & 0x80 else 0


def _truncation_bmp(data: bytes) -> str | None:
    size = measure(data, Kind.BMP)
    if size is None:
        return _short(26 - len(data))
    short_header = data[14] == 12
    bits = _little(data, 24 if short_header else 28, 2)
    compression = 0 if short_header else _little(data, 30, 4)
    if compression not in (0, 3) or bits not in (1, 4, 8, 16, 24, 32):
        return None
    return _short(_little(data, 10, 4) + (size[0] * bits + 31) // 32 * 4 * size[1] - len(data))


def _truncation_boxes(data: bytes) -> str | None:
    position = 0
    while position + 8 <= len(data):
        size = _big(data, position, 4)
        if size == 1:
            size = _big(data, position + 8, 8)
        if size == 0:  # up to the end of the file
            return None
        if size < 8 or not data[position + 4 : position + 8].isascii():
            return None
        position += size
    return _short(position - len(data))
