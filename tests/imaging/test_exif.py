"""EXIF fields are written without touching the picture, and Pillow reads them back."""

from __future__ import annotations

import io

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from tagswarm.imaging.exif import MAX_BYTES, Fields, read, write
from tagswarm.imaging.kind import Kind
from tagswarm.imaging.orientation import exif as block_of
from tagswarm.imaging.structure import truncation
from tagswarm.manifests.errors import InvalidDocument


def jpeg(**options: object) -> bytes:
    buffer = io.BytesIO()
    Image.radial_gradient("L").resize((64, 48)).convert("RGB").save(buffer, "JPEG", **options)
    return buffer.getvalue()


FIELDS = Fields.of(booru="safebooru", fid="3301234", copyright="touhou", characters="hakurei reimu", artist="zun")


def pixels(data: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(data)))


def test_the_fields_are_those_of_booru_chars() -> None:
    found = Image.open(io.BytesIO(write(jpeg(), FIELDS))).getexif()
    assert dict(found) == {
        0x010F: "touhou [zun]",
        0x0110: "hakurei reimu",
        0x0131: "safebooru - 3301234",
        0x013B: "zun",
        0x8298: "touhou",
    }


def test_no_pixel_and_no_other_byte_changes() -> None:
    plain = jpeg()
    written = write(plain, FIELDS)
    assert np.array_equal(pixels(written), pixels(plain))
    assert written.startswith(plain[:20]), "JFIF stays first"
    assert written.endswith(plain[20:])
    assert truncation(written, Kind.JPEG) is None


def test_writing_twice_is_writing_once_and_replaces_what_was_there() -> None:
    old = Image.Exif()
    old[0x010F] = "a camera"
    old[0x0112] = 6
    before = jpeg(exif=old)
    assert write(write(before, FIELDS), FIELDS) == write(before, FIELDS)
    assert b"a camera" not in write(before, FIELDS)


def test_other_segments_stay() -> None:
    comment = b"\xff\xe1\x00\x0bhttp://x\0"
    with_xmp = jpeg()[:20] + comment + jpeg()[20:]
    assert comment in write(with_xmp, FIELDS)


def test_empty_fields_are_not_written() -> None:
    assert write(jpeg(), Fields()) == jpeg()
    only = write(jpeg(), Fields(artist="zun"))
    assert dict(Image.open(io.BytesIO(only)).getexif()) == {0x013B: "zun"}
    assert Fields.of(booru="b", fid="1", copyright="", characters="", artist="a").make == "[a]"


def test_text_outside_ascii_is_utf_8() -> None:
    fields = Fields(artist="東方 é", copyright="ab")
    data = write(jpeg(), fields)
    assert "東方 é".encode() in data
    assert read(data) == fields


def test_control_characters_and_endless_text_are_tamed() -> None:
    found = read(write(jpeg(), Fields(make="a\0b\nc\x7f", artist="東" * 10_000)))
    assert found.make == "a b c"
    assert len(found.artist.encode()) <= MAX_BYTES
    assert set(found.artist) == {"東"}


def test_only_a_jpeg_takes_exif() -> None:
    with pytest.raises(InvalidDocument, match="JPEG"):
        write(b"\x89PNG\r\n\x1a\n", FIELDS)


TEXT = st.text(st.characters(exclude_categories=("Cc", "Cs", "Z")), max_size=200)


@given(TEXT, TEXT, TEXT, TEXT, TEXT)
def test_any_text_comes_back(make: str, model: str, software: str, artist: str, copyright_: str) -> None:
    fields = Fields(make, model, software, artist, copyright_)
    assert read(write(jpeg(), fields)) == fields


@given(st.integers(0, 400), st.binary(min_size=1, max_size=6))
def test_a_damaged_block_reads_as_something(where: int, new: bytes) -> None:
    data = bytearray(write(jpeg(), FIELDS))
    data[where : where + len(new)] = new
    assert isinstance(read(bytes(data)), Fields)
    assert read(b"\xff\xd8\xff\xd9") == Fields()
    assert block_of(b"\xff\xd8\xff\xd9", Kind.JPEG) is None
