"""What a file is, by its content and without a decoder, whatever its name says.

The first bytes are compared with the magic numbers of the formats; where a format has none (Targa, text), every field
must make sense. Nothing here proves that a file is whole (`structure`) or decodes (`decode`).
"""

from __future__ import annotations

import re

from .kind import Kind

HEAD = 4096
"""Bytes from the beginning of a file that are enough for `sniff`."""

_MAGIC: tuple[tuple[bytes, Kind], ...] = (
    (b"\xff\xd8\xff", Kind.JPEG),
    (b"GIF87a", Kind.GIF),
    (b"GIF89a", Kind.GIF),
    (b"8BPS", Kind.PSD),
    (b"DDS ", Kind.DDS),
    (b"II*\0", Kind.TIFF),
    (b"MM\0*", Kind.TIFF),
    (b"II+\0", Kind.TIFF),
    (b"MM\0+", Kind.TIFF),
    (b"\0\0\0\x0cjP  \r\n\x87\n", Kind.JP2),
    (b"\xff\x4f\xff\x51", Kind.JP2),
    (b"\0\0\0\x0cJXL \r\n\x87\n", Kind.JXL),
    (b"\xff\x0a", Kind.JXL),
    (b"%PDF", Kind.PDF),
    (b"%!", Kind.EPS),
    (b"\xc5\xd0\xd3\xc6", Kind.EPS),
    (b"FWS", Kind.SWF),
    (b"CWS", Kind.SWF),
    (b"ZWS", Kind.SWF),
    (b"FLV\x01", Kind.FLV),
    (b"\0\0\x01\xba", Kind.MPEG),
    (b"\0\0\x01\xb3", Kind.MPEG),
    (b"\x30\x26\xb2\x75\x8e\x66\xcf\x11", Kind.ASF),
    (b"ID3", Kind.MP3),
    (b"\xff\xfb", Kind.MP3),
    (b"\xff\xfa", Kind.MP3),
    (b"\xff\xf3", Kind.MP3),
    (b"\xff\xf2", Kind.MP3),
    (b"OggS", Kind.OGG),
    (b"PK\x03\x04", Kind.ZIP),
    (b"PK\x05\x06", Kind.ZIP),
    (b"Rar!\x1a\x07", Kind.RAR),
    (b"7z\xbc\xaf\x27\x1c", Kind.SEVEN_ZIP),
    (b"\x1f\x8b", Kind.GZIP),
    (b"\xfd7zXZ\0", Kind.XZ),
    (b"\x28\xb5\x2f\xfd", Kind.ZSTD),
)
_PNG = b"\x89PNG\r\n\x1a\n"
_RIFF = {b"WEBP": Kind.WEBP, b"AVI ": Kind.AVI, b"WAVE": Kind.WAV}
_AVIF_BRANDS = frozenset({b"avif", b"avis"})
_HEIF_BRANDS = frozenset({b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1"})
_CONTROL = re.compile(rb"[\0-\x08\x0e-\x1a\x1c-\x1f]")


def sniff(head: bytes) -> Kind:
    """What a file is, from its first `HEAD` bytes or all of it.

    An animated PNG is told from a still one only where its `acTL` chunk lies in the bytes given.
    """
    if not head:
        return Kind.EMPTY
    if head.startswith(_PNG):
        return Kind.APNG if _is_animated_png(head) else Kind.PNG
    for magic, kind in _MAGIC:
        if head.startswith(magic):
            return kind
    if head[:4] == b"RIFF":
        return _RIFF.get(head[8:12], Kind.UNKNOWN)
    if head[4:8] == b"ftyp":
        return _sniff_boxes(head)
    if head[4:8] in (b"moov", b"mdat", b"wide", b"skip", b"free") and len(head) >= 16:
        return Kind.MOV
    if head[:4] == b"\x1a\x45\xdf\xa3":
        return Kind.WEBM if b"webm" in head[:64] else Kind.MKV
    if head[:2] == b"BM" and len(head) >= 18 and head[14] in (12, 16, 40, 52, 56, 64, 108, 124):
        return Kind.BMP
    if head[0:1] == b"P" and head[1:2] in b"123456" and head[2:3] in (b" ", b"\t", b"\r", b"\n", b"#"):
        return Kind.PNM
    if head[:4] == b"\0\0\x01\0" and len(head) >= 22 and head[4:6] != b"\0\0" and head[9] == 0:
        return Kind.ICO
    if _is_targa(head):
        return Kind.TGA
    return _sniff_text(head)


def _is_animated_png(head: bytes) -> bool:
    position = len(_PNG)
    while position + 8 <= len(head):
        if (name := head[position + 4 : position + 8]) in (b"acTL", b"IDAT"):
            return name == b"acTL"
        position += 12 + _big(head, position)
    return False


def _is_targa(head: bytes) -> bool:
    """Targa has no magic number: every field of the header must make sense."""
    if len(head) < 18 or head[1] > 1 or head[2] not in (1, 2, 3, 9, 10, 11):
        return False
    depths = {1: (8, 16), 2: (15, 16, 24, 32), 3: (8, 16)}[head[2] & 7]
    mapped = head[1] == 1 and head[7] in (15, 16, 24, 32) and _little(head, 5) > 0
    unmapped = head[1] == 0 and head[3:8] == b"\0" * 5
    sized = _little(head, 12) > 0 and _little(head, 14) > 0
    return head[16] in depths and sized and (mapped or (unmapped and head[2] & 7 != 1)) and head[17] & 0xC0 == 0


def _sniff_boxes(head: bytes) -> Kind:
    size = min(max(_big(head, 0), 16), len(head), 256)
    brands = {head[8:12], *(head[at : at + 4] for at in range(16, size, 4))}
    if brands & _AVIF_BRANDS:
        return Kind.AVIF
    if brands & _HEIF_BRANDS:
        return Kind.HEIF
    return Kind.MOV if head[8:12] == b"qt  " else Kind.MP4


def _sniff_text(head: bytes) -> Kind:
    if head.startswith((b"\xff\xfe", b"\xfe\xff")):
        return Kind.TEXT
    if _CONTROL.search(head):
        return Kind.UNKNOWN
    try:
        head[:-3].decode("utf-8") if len(head) > 3 else head.decode("utf-8")
    except UnicodeDecodeError as error:
        if error.start < len(head) - 8:  # a character cut in two at the end is no sign
            return Kind.UNKNOWN
    start = head.removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    if start.startswith((b"<!doctype html", b"<html", b"<head", b"<body")):
        return Kind.HTML
    if start.startswith(b"<svg") or (start.startswith((b"<?xml", b"<!--", b"<!doctype svg")) and b"<svg" in start):
        return Kind.SVG
    if start.startswith((b"<?xml", b"<!doctype")):
        return Kind.HTML if b"<html" in start else Kind.XML
    return Kind.TEXT


def _big(data: bytes, start: int) -> int:
    return int.from_bytes(data[start : start + 4], "big")


def _little(data: bytes, start: int) -> int:
    return int.from_bytes(data[start : start + 2], "little")
