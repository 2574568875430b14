"""The EXIF fields of BOORU CHARS, written into a JPEG without encoding it again.

Text outside ASCII is written as UTF-8 in fields of the type ASCII: EXIF 2.32 has no better type, and it is what
exiftool writes and reads, as the Metadata Working Group advises. Control characters become spaces; a field is cut at
`MAX_BYTES`.

An EXIF segment that is there is replaced; every other byte of the file stays. Sources: EXIF 2.32 section 4.6; TIFF 6.0.
"""

from __future__ import annotations

import struct
from dataclasses import astuple, dataclass
from typing import Self

from tagswarm.manifests.errors import InvalidDocument

from .kind import Kind
from .orientation import exif
from .probe import sniff
from .structure import jpeg_segments

MAX_BYTES = 8_000
"""Of one field in UTF-8: five of them fit into one segment of 65,533 bytes."""

_MAKE, _MODEL, _SOFTWARE, _ARTIST, _COPYRIGHT = 0x010F, 0x0110, 0x0131, 0x013B, 0x8298
_TAGS = (_MAKE, _MODEL, _SOFTWARE, _ARTIST, _COPYRIGHT)
_ASCII = 2
_EXIF = b"Exif\0\0"


@dataclass(frozen=True, slots=True)
class Fields:
    """The five fields, in the order of their tags; an empty one is not written."""

    make: str = ""
    model: str = ""
    software: str = ""
    artist: str = ""
    copyright: str = ""

    @classmethod
    def of(cls, *, booru: str, fid: str, copyright: str, characters: str, artist: str) -> Self:  # noqa: A002 - EXIF's name
        """Fill the fields as BOORU CHARS does: Make is `copyright [artist]`, Software is `BOORU - FID`."""
        make = " ".join(part for part in (copyright, f"[{artist}]" if artist else "") if part)
        return cls(make=make, model=characters, software=f"{booru} - {fid}", artist=artist, copyright=copyright)


def write(jpeg: bytes, fields: Fields) -> bytes:
    """The same JPEG with these fields as its EXIF.

    Raises:
        InvalidDocument: the bytes are no JPEG.
    """
    if sniff(jpeg) is not Kind.JPEG:
        raise InvalidDocument("EXIF is written into JPEG files only", hint="Render as jpeg, or leave EXIF out.")
    end, header, kept = 2, b"", b""
    for marker, start, length in jpeg_segments(jpeg):
        if marker not in (0xE0, 0xE1):
            break
        segment, end = jpeg[end : start + length], start + length
        if marker == 0xE0 and not header + kept:  # JFIF stays where it must be: first
            header = segment
        elif not (marker == 0xE1 and jpeg.startswith(_EXIF, start)):
            kept += segment
    return b"".join((jpeg[:2], header, _segment(fields), kept, jpeg[end:]))


def read(jpeg: bytes) -> Fields:
    """The fields of a JPEG; those that are absent or damaged are empty."""
    block = exif(jpeg, Kind.JPEG) or b""
    order = {b"II*\0": "<", b"MM\0*": ">"}.get(block[:4])
    found = dict.fromkeys(_TAGS, "")
    if order is None:
        return Fields()
    try:
        (start,) = struct.unpack_from(order + "I", block, 4)
        (count,) = struct.unpack_from(order + "H", block, start)
        for at in range(start + 2, start + 2 + 12 * count, 12):
            tag, kind, length, offset = struct.unpack_from(order + "HHII", block, at)
            if tag in found and kind == _ASCII:
                where = at + 8 if length <= 4 else offset
                found[tag] = block[where : where + length].split(b"\0")[0].decode("utf-8", "replace")
    except struct.error:  # a directory that runs beyond its block ends there
        pass
    return Fields(*(found[tag] for tag in _TAGS))


def _segment(fields: Fields) -> bytes:
    texts = [(tag, _clean(text)) for tag, text in zip(_TAGS, astuple(fields), strict=True) if text.strip()]
    if not texts:
        return b""
    entries, values = b"", b""
    start = 8 + 2 + 12 * len(texts) + 4
    for tag, text in texts:
        value = text + b"\0"
        if len(value) <= 4:
            entries += struct.pack(">HHI4s", tag, _ASCII, len(value), value)
        else:
            entries += struct.pack(">HHII", tag, _ASCII, len(value), start + len(values))
            values += value + b"\0" * (len(value) & 1)  # TIFF wants values at even offsets
    block = struct.pack(">2sHIH", b"MM", 42, 8, len(texts)) + entries + b"\0\0\0\0" + values
    return struct.pack(">BBH", 0xFF, 0xE1, 2 + len(_EXIF) + len(block)) + _EXIF + block


def _clean(text: str) -> bytes:
    printable = "".join(" " if ord(c) < 32 or ord(c) == 127 else c for c in text)
    encoded = " ".join(printable.split()).encode("utf-8", "replace")
    return encoded[:MAX_BYTES].decode("utf-8", "ignore").encode()
