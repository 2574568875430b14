"""What is accepted, what is refused and why; the traps of real files."""

from __future__ import annotations

import io
import pickle
import struct
import subprocess
import sys
import zlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image as Pillow

from tagswarm.imaging.decode import inspect
from tagswarm.imaging.icc import Icc
from tagswarm.imaging.kind import Kind
from tagswarm.imaging.verdict import Image, Limits, Reason, Refusal


def saved(image: Pillow.Image, kind: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def gradient(mode: str = "RGB", size: tuple[int, int] = (40, 30)) -> Pillow.Image:
    return Pillow.radial_gradient("L").resize(size).convert(mode)


def image_of(data: bytes, limits: Limits = Limits()) -> Image:  # noqa: B008 - frozen
    verdict = inspect(data, limits)
    assert isinstance(verdict, Image), verdict
    return verdict


def refused(data: bytes, limits: Limits = Limits()) -> Refusal:  # noqa: B008 - frozen
    verdict = inspect(data, limits)
    assert isinstance(verdict, Refusal), verdict
    return verdict


@pytest.mark.parametrize(
    ("kind", "name", "engine"),
    [
        (Kind.PNG, "PNG", "libvips"),
        (Kind.JPEG, "JPEG", "libvips"),
        (Kind.GIF, "GIF", "libvips"),
        (Kind.WEBP, "WEBP", "libvips"),
        (Kind.AVIF, "AVIF", "libvips"),
        (Kind.BMP, "BMP", "pillow"),
        (Kind.TGA, "TGA", "pillow"),
        (Kind.ICO, "ICO", "pillow"),
        (Kind.DDS, "DDS", "pillow"),
        (Kind.TIFF, "TIFF", "pillow"),
        (Kind.PNM, "PPM", "pillow"),
        (Kind.JP2, "JPEG2000", "pillow"),
    ],
)
def test_each_kind_has_its_engine(kind: Kind, name: str, engine: str) -> None:
    """Trap 3: libvips has no loader for BMP, TGA, ICO, DDS."""
    size = (32, 32) if kind is Kind.ICO else (40, 30)
    verdict = image_of(saved(gradient(size=size), name, **({"sizes": [size]} if kind is Kind.ICO else {})))
    assert (verdict.kind, verdict.width, verdict.height, verdict.frames) == (kind, *size, 1)
    assert verdict.engine.startswith(engine)
    assert verdict.depth == 8


def test_colours_depth_and_alpha_are_told() -> None:
    assert image_of(saved(gradient("L"), "PNG")).colour == "grey"
    assert image_of(saved(gradient("CMYK"), "JPEG")).colour == "cmyk"
    assert image_of(saved(gradient("RGBA"), "PNG")).has_alpha
    assert not image_of(saved(gradient("P"), "PNG")).has_alpha
    assert image_of(saved(gradient("I;16"), "PNG")).depth == 16
    assert image_of(saved(gradient("I;16"), "TIFF")).depth == 16
    assert image_of(saved(gradient(), "PNG")).icc is Icc.NONE


def test_size_is_told_as_stored_and_as_displayed() -> None:
    exif = Pillow.Exif()
    exif[0x0112] = 6
    verdict = image_of(saved(gradient(), "JPEG", exif=exif))
    assert (verdict.width, verdict.height, verdict.orientation) == (40, 30, 6)
    assert (verdict.displayed_width, verdict.displayed_height) == (30, 40)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", Reason.EMPTY),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EOF\n", Reason.NOT_AN_IMAGE),
        (b"<svg xmlns='http://www.w3.org/2000/svg' width='9' height='9'/>", Reason.NOT_AN_IMAGE),
        (b"%PDF-1.4\n", Reason.NOT_AN_IMAGE),
        (b"<html><body>Not found</body></html>", Reason.NOT_AN_IMAGE),
        (b"PK\x03\x04" + b"\0" * 40, Reason.NOT_AN_IMAGE),
        (b"\0" * 1000, Reason.NOT_AN_IMAGE),
        (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", Reason.UNSUPPORTED),
        (b"\x89PNG\r\n\x1a\n", Reason.TRUNCATED),
        (b"\xff\xd8\xff\xd9", Reason.CORRUPT),
    ],
    ids=lambda value: str(value)[:24],
)
def test_refusals(data: bytes, reason: Reason) -> None:
    assert refused(data).reason is reason


def test_a_flipped_byte_in_png_data_is_corrupt() -> None:
    """Trap 9: what a lenient decoder lets pass, the strict one refuses."""
    data = bytearray(saved(gradient(), "PNG"))
    data[data.index(b"IDAT") + 40] ^= 0x10
    assert refused(bytes(data)).reason is Reason.CORRUPT


def test_limits_are_held() -> None:
    """Trap 13: too large is an error, whatever the engine; never a warning."""
    small = Limits(max_pixels=1000)
    for kind in ("PNG", "JPEG", "GIF", "WEBP", "AVIF", "BMP", "TIFF", "TGA", "DDS", "JPEG2000", "PPM"):
        assert refused(saved(gradient(), kind), small).reason is Reason.TOO_LARGE, kind
        image_of(saved(gradient(size=(25, 40)), kind), small)


def animation(kind: str, frames: int, size: tuple[int, int] = (20, 10)) -> bytes:
    pictures = [Pillow.new("RGB", size, (9 * n % 256, 200 - n % 150, 30)) for n in range(frames)]
    return saved(pictures[0], kind, save_all=True, append_images=pictures[1:], duration=50, loop=0)


@pytest.mark.parametrize("kind", ["GIF", "WEBP", "PNG"])
def test_every_frame_of_an_animation_is_decoded_up_to_a_limit(kind: str) -> None:
    data = animation(kind, 12)
    verdict = image_of(data)
    assert (verdict.frames, verdict.frames_decoded) == (12, 12)
    assert (verdict.width, verdict.height) == (20, 10)
    assert image_of(data, Limits(max_animation_pixels=1000)).frames_decoded == 5
    assert refused(data, Limits(max_frames=11)).reason is Reason.TOO_MANY_FRAMES


def test_a_damaged_later_frame_is_found() -> None:
    data = bytearray(animation("PNG", 3))
    data[data.rindex(b"fdAT") + 12] ^= 0xFF
    assert refused(bytes(data)).kind is Kind.APNG


def test_an_apng_with_endless_frames_is_refused() -> None:
    data = animation("PNG", 2)
    where = data.index(b"acTL")
    content = struct.pack(">4sII", b"acTL", 100_000, 0)
    data = data[:where] + content + struct.pack(">I", zlib.crc32(content)) + data[where + 16 :]
    assert refused(data).reason is Reason.TOO_MANY_FRAMES


def test_pages_larger_than_the_limit_are_refused() -> None:
    buffer = io.BytesIO()
    gradient(size=(10, 10)).save(buffer, "TIFF", save_all=True, append_images=[gradient(size=(50, 50))])
    assert image_of(buffer.getvalue()).frames == 2
    assert refused(buffer.getvalue(), Limits(max_pixels=1000)).reason is Reason.TOO_LARGE


def test_one_file_one_answer_whatever_came_before() -> None:
    good, bad = saved(gradient(), "PNG"), bytearray(saved(gradient(), "PNG"))
    bad[60] ^= 0xFF
    first = inspect(bytes(bad))
    for _ in range(3):
        image_of(good)
        refused(b"\xff\xd8\xff\xd9")
        assert inspect(bytes(bad)) == first


def test_verdicts_travel_without_a_decoder() -> None:
    verdicts = pickle.dumps([inspect(saved(gradient(), "PNG")), inspect(b"")])
    script = """
import pickle, sys
image, refusal = pickle.loads(sys.stdin.buffer.read())
from tagswarm.imaging import decode, resize
assert (image.width, refusal.reason) == (40, "empty")
assert not {"pyvips", "PIL"} & set(sys.modules), "the process that supervises the workers has loaded a decoder"
"""
    subprocess.run([sys.executable, "-c", script], input=verdicts, check=True)


KINDS = ["PNG", "JPEG", "GIF", "WEBP", "BMP", "TIFF", "TGA", "ICO", "DDS", "PPM", "JPEG2000"]
SAMPLES = {kind: saved(gradient(), kind) for kind in KINDS}


@given(st.sampled_from(KINDS), st.integers(0, 3000), st.binary(min_size=1, max_size=5))
def test_mutated_files_have_an_answer(kind: str, where: int, new: bytes) -> None:
    """Traps 12 and 16: any exception of a decoder becomes a reason, and nearly half of the files still decode."""
    data = bytearray(SAMPLES[kind])
    where %= len(data)
    data[where : where + len(new)] = new
    assert isinstance(inspect(bytes(data)), Image | Refusal)


def test_sixteen_bit_samples_count_as_decoded() -> None:
    samples = (np.arange(1200, dtype=np.uint32) * 54).astype(np.uint16).reshape(30, 40)
    assert image_of(saved(Pillow.fromarray(samples), "PNG")).depth == 16
