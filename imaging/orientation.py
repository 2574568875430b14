"""How a picture is to be turned before it is shown: EXIF orientation, one rule a format, whatever the decoder thinks.

| format | rule |
| --- | --- |
| JPEG | the first `APP1` segment that is EXIF |
| PNG, APNG | the `eXIf` chunk, where it stands before the image data (PNG 3rd edition 11.3.2.5; browsers do the same) |
| WebP | the `EXIF` chunk |
| AVIF, JPEG XL | 1: the container says how to turn, and the decoder has done it (ISO 23008-12 makes EXIF informative) |
| TIFF | 1: it is a field of the image itself, and Pillow has turned it, size and all |
| all others | 1: they have none |

The decoders disagree (libvips leaves a PNG as it is, Pillow turns it), so neither is asked. A directory that is broken,
loops or says something else than 1 to 8 means 1. Nothing here turns pixels.
"""

from __future__ import annotations

import struct

from .kind import Kind
from .structure import jpeg_segments, png_chunks

TAG = 0x0112
_EXIF = b"Exif\0\0"


def orientation(data: bytes, kind: Kind) -> int:
    """The EXIF orientation of a file, 1 to 8; 5 to 8 swap width and height (EXIF 2.32, tag 0x0112)."""
    block = exif(data, kind)
    return _orientation(block) if block is not None else 1


def exif(data: bytes, kind: Kind) -> bytes | None:
    """The EXIF block of a file, beginning with its TIFF header, or None."""
    match kind:
        case Kind.JPEG:
            for marker, start, length in jpeg_segments(data):
                if marker == 0xE1 and data.startswith(_EXIF, start):
                    return data[start + len(_EXIF) : start + length]
                if marker == 0xDA:
                    return None
        case Kind.PNG | Kind.APNG:
            for chunk, start, length in png_chunks(data):
                if chunk == b"eXIf":
                    return data[start : start + length].removeprefix(_EXIF)
                if chunk == b"IDAT":
                    return None
        case Kind.WEBP:
            return _webp_exif(data)
    return None


def _webp_exif(data: bytes) -> bytes | None:
    position = 12
    while position + 8 <= len(data):
        length = int.from_bytes(data[position + 4 : position + 8], "little")
        if data[position : position + 4] == b"EXIF":
            return data[position + 8 : position + 8 + length].removeprefix(_EXIF)
        position += 8 + length + (length & 1)
    return None


def _orientation(block: bytes) -> int:
    order = {b"II*\0": "<", b"MM\0*": ">"}.get(block[:4])
    if order is None or len(block) < 8:
        return 1
    (start,) = struct.unpack_from(order + "I", block, 4)
    if start + 2 > len(block):
        return 1
    (count,) = struct.unpack_from(order + "H", block, start)
    for entry in range(start + 2, min(start + 2 + 12 * count, len(block) - 11), 12):
        tag, kind, _, value = struct.unpack_from(order + "HHIH", block, entry)
        if tag == TAG and kind == 3:
            return int(value) if 1 <= value <= 8 else 1
    return 1
