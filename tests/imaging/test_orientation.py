"""One rule a format for EXIF orientation, whatever the decoders think (traps 2 and 5)."""

from __future__ import annotations

import io
import re
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageOps

from tagswarm.imaging.kind import Kind
from tagswarm.imaging.orientation import orientation
from tagswarm.imaging.resize import Rendered, Transform, render

KEEP = Transform(mode="none", format="png")


def exif(value: int) -> bytes:
    block = Image.Exif()
    block[0x0112] = value
    return block.tobytes()


def arrow() -> Image.Image:
    """An image of which no turn or mirror image is the same."""
    image = Image.new("RGB", (30, 20), "white")
    image.paste("red", (0, 0, 10, 8))
    image.paste("blue", (20, 12, 30, 20))
    return image


def saved(kind: str, value: int) -> bytes:
    buffer = io.BytesIO()
    options: dict[str, int] = {"JPEG": {"quality": 100, "subsampling": 0}, "WEBP": {"lossless": 1}}.get(kind, {})
    arrow().save(buffer, kind, exif=exif(value), **options)
    return buffer.getvalue()


def pixels(rendered: object) -> np.ndarray:
    assert isinstance(rendered, Rendered)
    with Image.open(io.BytesIO(rendered.data)) as image:
        return np.asarray(image.convert("RGB"), np.int16)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF"])
@pytest.mark.parametrize("value", range(1, 9))
def test_every_orientation_of_every_format_is_shown_upright(kind: str, value: int) -> None:
    data = saved(kind, value)
    assert orientation(data, Kind(kind.lower())) == (1 if kind == "TIFF" else value), "Pillow has turned a TIFF"
    turned = arrow()
    turned.getexif()[0x0112] = value
    expected = np.asarray(ImageOps.exif_transpose(turned), np.int16)
    found = pixels(render(data, KEEP))
    assert found.shape == expected.shape
    assert abs(found - expected).mean() < 2


def test_an_exif_chunk_behind_the_image_data_of_a_png_says_nothing() -> None:
    buffer = io.BytesIO()
    arrow().save(buffer, "PNG")
    data = buffer.getvalue()
    block = exif(6).removeprefix(b"Exif\0\0")
    late = struct.pack(">I", len(block)) + b"eXIf" + block + struct.pack(">I", zlib.crc32(b"eXIf" + block))
    assert orientation(data[:-12] + late + data[-12:], Kind.PNG) == 1
    assert orientation(data[:33] + late + data[33:], Kind.PNG) == 6


@pytest.mark.parametrize("value", [0, 9, 255, 65535])
def test_an_orientation_that_does_not_exist_is_upright(value: int) -> None:
    assert orientation(saved("JPEG", value), Kind.JPEG) == 1


def test_the_container_of_an_avif_has_the_word() -> None:
    buffer = io.BytesIO()
    arrow().save(buffer, "AVIF", exif=exif(6), quality=100)
    assert orientation(buffer.getvalue(), Kind.AVIF) == 1
    assert pixels(render(buffer.getvalue(), KEEP)).shape == (30, 20, 3), "Pillow writes irot for it, and libheif turns"


@given(st.integers(0, 2000), st.binary(min_size=1, max_size=6))
def test_a_damaged_block_is_no_error(where: int, new: bytes) -> None:
    data = bytearray(saved("JPEG", 6))
    data[where : where + len(new)] = new
    assert 1 <= orientation(bytes(data), Kind.JPEG) <= 8


def test_a_directory_that_points_nowhere_is_upright() -> None:
    for block in (b"MM\0*\xff\xff\xff\xff", b"II*\0", b"MM\0*\0\0\0\x08\xff\xff", b"XX", b""):
        assert (
            orientation(b"\xff\xd8\xff\xe1" + struct.pack(">H", 8 + len(block)) + b"Exif\0\0" + block, Kind.JPEG) == 1
        )


def test_the_examples_all_look_the_same(shared: Path) -> None:
    folder = shared / "corpus/torture/exif-orientation"
    small = Transform(mode="fit", width=150, height=150, format="png")
    for shape in ("Landscape", "Portrait"):
        paths = sorted(p for p in folder.rglob(f"{shape}_*.jpg") if re.search(r"_[1-8]\.jpg$", p.name))
        assert len(paths) == 8
        first, *others = [pixels(render(path.read_bytes(), small)) for path in paths]
        for path, other in zip(paths[1:], others, strict=True):
            assert other.shape == first.shape, path.name
            # The files differ in a large digit that tells their orientation; the photograph behind it does not.
            assert np.median(abs(other - first)) <= 3, path.name
