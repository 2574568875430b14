"""Kinds by content, sizes from headers and missing ends by structure."""

from __future__ import annotations

import io
import struct
import zlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from tagswarm.imaging.decode import admit, inspect
from tagswarm.imaging.kind import Kind, extensions, is_image
from tagswarm.imaging.probe import HEAD, sniff
from tagswarm.imaging.structure import measure, truncation
from tagswarm.imaging.verdict import Limits, Reason, Refusal


def saved(kind: str, size: tuple[int, int] = (37, 23), mode: str = "RGB", **options: object) -> bytes:
    buffer = io.BytesIO()
    image = Image.radial_gradient("L").resize(size).convert(mode)
    image.save(buffer, kind, **options)
    return buffer.getvalue()


MADE = {
    Kind.PNG: saved("PNG"),
    Kind.JPEG: saved("JPEG"),
    Kind.GIF: saved("GIF"),
    Kind.WEBP: saved("WEBP"),
    Kind.BMP: saved("BMP"),
    Kind.TIFF: saved("TIFF"),
    Kind.TGA: saved("TGA"),
    Kind.ICO: saved("ICO"),
    Kind.DDS: saved("DDS"),
    Kind.PNM: saved("PPM"),
    Kind.JP2: saved("JPEG2000"),
    Kind.AVIF: saved("AVIF"),
}

SIGNED = [
    (b"", Kind.EMPTY),
    (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 1 1\n", Kind.EPS),
    (b"\xc5\xd0\xd3\xc6 binary EPS", Kind.EPS),
    (b"%PDF-1.7\n", Kind.PDF),
    (b"<svg xmlns='http://www.w3.org/2000/svg'/>", Kind.SVG),
    (b"\xef\xbb\xbf<?xml version='1.0'?>\n<!-- x -->\n<svg/>", Kind.SVG),
    (b"<?xml version='1.0'?><posts/>", Kind.XML),
    (b"\n <!DOCTYPE html><title>404</title>", Kind.HTML),
    (b"just words\n", Kind.TEXT),
    ("こんにちは".encode(), Kind.TEXT),
    (b"PK\x03\x04ugoira", Kind.ZIP),
    (b"Rar!\x1a\x07\x00", Kind.RAR),
    (b"7z\xbc\xaf\x27\x1c", Kind.SEVEN_ZIP),
    (b"\x1f\x8b\x08", Kind.GZIP),
    (b"\xfd7zXZ\0", Kind.XZ),
    (b"\x28\xb5\x2f\xfd", Kind.ZSTD),
    (b"CWS\x09", Kind.SWF),
    (b"FLV\x01", Kind.FLV),
    (b"\x1a\x45\xdf\xa3\x9f\x42\x82\x84webm", Kind.WEBM),
    (b"\x1a\x45\xdf\xa3\x9f\x42\x82\x88matroska", Kind.MKV),
    (b"\0\0\0\x18ftypisom\0\0\0\0isommp42", Kind.MP4),
    (b"\0\0\0\x14ftypqt  \0\0\0\0qt  ", Kind.MOV),
    (b"\0\0\0\x18ftypmif1\0\0\0\0mif1avif", Kind.AVIF),
    (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", Kind.HEIF),
    (b"RIFF\0\0\0\0AVI LIST", Kind.AVI),
    (b"RIFF\0\0\0\0WAVEfmt ", Kind.WAV),
    (b"ID3\x04", Kind.MP3),
    (b"\xff\xfb\x90\x00", Kind.MP3),
    (b"OggS\0", Kind.OGG),
    (b"\0\0\x01\xba\x44", Kind.MPEG),
    (b"\x30\x26\xb2\x75\x8e\x66\xcf\x11", Kind.ASF),
    (b"8BPS\0\x01", Kind.PSD),
    (b"\xff\x0a\xfa\x1f", Kind.JXL),
    (b"\x00\x01\x02\x03 nothing known", Kind.UNKNOWN),
]


@pytest.mark.parametrize(("head", "kind"), SIGNED, ids=lambda value: str(value)[:20])
def test_signatures(head: bytes, kind: Kind) -> None:
    assert sniff(head) is kind


@pytest.mark.parametrize("kind", list(MADE))
def test_kinds_that_are_written_are_recognised(kind: Kind) -> None:
    assert sniff(MADE[kind]) is kind
    assert sniff(MADE[kind][:HEAD]) is kind
    assert is_image(kind)


def test_an_animated_png_is_told_from_a_still_one() -> None:
    frames = [Image.new("RGB", (8, 8), colour) for colour in ("red", "blue")]
    buffer = io.BytesIO()
    frames[0].save(buffer, "PNG", save_all=True, append_images=frames[1:])
    assert sniff(buffer.getvalue()) is Kind.APNG
    assert extensions(Kind.APNG) == ("png", "apng")


def test_every_kind_has_extensions_in_lower_case_without_a_dot() -> None:
    for kind in Kind:
        assert all(extension == extension.lower().lstrip(".") for extension in extensions(kind))
        assert extensions(kind) or kind in (Kind.EMPTY, Kind.UNKNOWN)


@pytest.mark.parametrize("kind", [Kind.EPS, Kind.PDF, Kind.SVG, Kind.SWF, Kind.ZIP, Kind.MP4, Kind.TEXT, Kind.UNKNOWN])
def test_what_can_run_or_include_is_never_decoded(kind: Kind) -> None:
    assert not is_image(kind)


@pytest.mark.parametrize("kind", [Kind.PNG, Kind.JPEG, Kind.GIF, Kind.WEBP, Kind.BMP])
def test_measure_agrees_with_what_was_written(kind: Kind) -> None:
    assert measure(MADE[kind]) == (37, 23)


def test_measure_reads_every_form_of_webp_and_a_bottom_up_bitmap() -> None:
    assert measure(saved("WEBP", lossless=True)) == (37, 23)
    assert measure(saved("WEBP", mode="RGBA", exif=b"Exif\0\0MM\0*\0\0\0\x08\0\0")) == (37, 23)
    flipped = bytearray(MADE[Kind.BMP])
    flipped[22:26] = struct.pack("<i", -23)
    assert measure(bytes(flipped)) == (37, 23)


def test_measure_skips_the_thumbnail_in_a_jpeg() -> None:
    thumbnail = saved("JPEG", (5, 5))
    segment = b"\xff\xe1" + struct.pack(">H", len(thumbnail) + 8) + b"Exif\0\0" + thumbnail
    nested = MADE[Kind.JPEG][:2] + segment + MADE[Kind.JPEG][2:]
    assert measure(nested) == (37, 23)
    assert truncation(nested) is None
    assert truncation(nested[:-2]) == "no end marker"


@pytest.mark.parametrize("kind", list(MADE))
def test_whole_files_are_whole_also_with_bytes_behind_the_end(kind: Kind) -> None:
    assert truncation(MADE[kind]) is None
    if kind not in (Kind.TIFF, Kind.AVIF, Kind.JP2):  # there, trailing bytes would be a box
        assert truncation(MADE[kind] + b"trailing") is None


@pytest.mark.parametrize("kind", [Kind.PNG, Kind.JPEG, Kind.GIF, Kind.WEBP, Kind.BMP])
@pytest.mark.parametrize("missing", [1, 2, 3, 4, 5, 6, 100])
def test_short_files_keep_the_reason_truncated(kind: Kind, missing: int) -> None:
    """Trap 10: decoders say many things of a file that is short by a few bytes, or nothing."""
    refusal = inspect(MADE[kind][:-missing])
    assert isinstance(refusal, Refusal)
    assert refusal.reason is Reason.TRUNCATED
    assert "truncated by" in refusal.detail or refusal.detail == "no end marker"


def test_truncation_counts_the_missing_bytes() -> None:
    assert truncation(MADE[Kind.PNG][:-3]) == "truncated by 3 bytes"
    assert truncation(MADE[Kind.PNG][:-12]) == "no end marker"
    assert truncation(MADE[Kind.WEBP][:-1]) == "truncated by 1 byte"
    assert truncation(MADE[Kind.BMP][:-7]) == "truncated by 7 bytes"


def chunk(name: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))


def test_a_bomb_is_refused_from_its_header() -> None:
    """Trap 13: 20 kB that unpack to 169 megapixels."""
    header = struct.pack(">IIBBBBB", 13_000, 13_000, 1, 0, 0, 0, 0)
    rows = zlib.compress(bytes(13_000 * (1 + 13_000 // 8)), 9)
    bomb = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")
    assert len(bomb) < 30_000
    assert admit(bomb, Limits()) == Refusal(Kind.PNG, Reason.TOO_LARGE, "13000 x 13000 pixels, more than 100000000")
    assert admit(bomb, Limits(max_pixels=13_000**2)) is Kind.PNG


@given(st.binary(max_size=400))
def test_any_bytes_have_a_kind(data: bytes) -> None:
    kind = sniff(data)
    measure(data, kind)
    truncation(data, kind)


@given(st.sampled_from(sorted(MADE)), st.integers(0, 2000), st.binary(min_size=1, max_size=8))
def test_damaged_structures_are_walked_without_an_error(kind: Kind, where: int, new: bytes) -> None:
    data = bytearray(MADE[kind])
    data[where : where + len(new)] = new
    for claimed in (kind, sniff(bytes(data))):
        size = measure(bytes(data), claimed)
        assert size is None or min(size) >= 0
        truncation(bytes(data), claimed)


def test_the_real_files_are_what_they_look_like(shared: Path) -> None:
    """Trap 14: one of them is a GIF by the name of a PNG."""
    odd = []
    for path in (shared / "corpus/real").rglob("*.png"):
        kind = sniff(path.read_bytes())
        if path.suffix[1:] not in extensions(kind):
            odd.append(kind)
    assert odd == [Kind.GIF]
