"""Renditions: sizes, colours, frames, bytes."""

from __future__ import annotations

import hashlib
import io
import os
import struct
import subprocess
import sys
import zlib
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageFile

from tagswarm.imaging import encode, pool, vips
from tagswarm.imaging.decode import inspect
from tagswarm.imaging.icc import Icc
from tagswarm.imaging.kind import Kind
from tagswarm.imaging.matte import WHITE
from tagswarm.imaging.pillow import PillowSource
from tagswarm.imaging.probe import sniff
from tagswarm.imaging.raster import Raster
from tagswarm.imaging.resize import PRESETS, Rendered, Transform, render
from tagswarm.imaging.statistics import measure
from tagswarm.imaging.verdict import Limits, Reason, Refusal

KEEP = Transform(mode="none", format="png")


def saved(image: Image.Image, kind: str, **options: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def made(data: bytes, transform: Transform = KEEP, **options: Any) -> Rendered:
    rendered = render(data, transform, **options)
    assert isinstance(rendered, Rendered), rendered
    return rendered


def pixels(data: bytes) -> np.ndarray:
    with Image.open(io.BytesIO(data)) as image:
        return np.asarray(image.convert("RGB"), np.float64)


def photo(size: tuple[int, int] = (900, 600)) -> Image.Image:
    ramp = np.linspace(0, 255, size[0])[None, :].repeat(size[1], 0)
    down = np.linspace(0, 255, size[1])[:, None].repeat(size[0], 1)
    waves = 127 + 120 * np.sin(ramp / 9) * np.cos(down / 13)
    return Image.fromarray(np.stack([ramp, down, waves], 2).astype(np.uint8))


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF", "TGA", "JPEG2000", "AVIF"])
def test_both_presets_of_every_format(kind: str) -> None:
    data = saved(photo((1600, 800)), kind)
    small, large = made(data, PRESETS["512px"]), made(data, PRESETS["1280px"])
    assert Image.open(io.BytesIO(small.data)).size == (small.width, small.height) == (512, 512)
    assert Image.open(io.BytesIO(large.data)).size == (large.width, large.height) == (1280, 640)
    assert pixels(small.data)[:120].min() > 245, "a letterbox on white"
    assert small.engine in (f"{vips.ENGINE} + {encode.ENGINE}", encode.ENGINE)


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "BMP"])
def test_small_images_are_not_enlarged_unless_asked(kind: str) -> None:
    data = saved(photo((90, 60)), kind)
    shown = pixels(made(data, replace(PRESETS["512px"], format="png")).data)
    inner = np.argwhere((shown < 250).any(axis=2))
    assert inner.max(0).tolist() <= [226 + 60, 211 + 90]
    assert made(data, PRESETS["1280px"]).width == 90
    assert made(data, replace(PRESETS["1280px"], upscale=True)).width == 1280
    cut = made(data, Transform(mode="crop", width=64, height=128))
    assert (cut.width, cut.height) == (64, 60)


def test_a_crop_is_the_middle() -> None:
    image = Image.new("RGB", (300, 100), "red")
    image.paste("blue", (100, 0, 200, 100))
    found = pixels(made(saved(image, "PNG"), Transform(mode="crop", width=100, format="png")).data)
    assert found.shape == (100, 100, 3)
    assert (found == (0, 0, 255)).all()


def test_formats_subsampling_and_quality_are_what_was_asked_for() -> None:
    data = saved(photo(), "PNG")
    for name, kind in (("jpeg", Kind.JPEG), ("png", Kind.PNG), ("webp", Kind.WEBP)):
        assert sniff(made(data, Transform(mode="fit", width=200, format=name)).data) is kind  # type: ignore[arg-type]
    full = made(data, Transform(mode="fit", width=200)).data
    half = made(data, Transform(mode="fit", width=200, subsampling="4:2:0")).data
    low = made(data, Transform(mode="fit", width=200, quality=40)).data
    assert [Image.open(io.BytesIO(d)).layer[0][1:3] for d in (full, half)] == [(1, 1), (2, 2)]  # type: ignore[attr-defined]
    assert len(low) < len(half) < len(full)


@pytest.mark.parametrize("quality", [1, 90, 94, 100])
@pytest.mark.parametrize("subsampling", ["4:4:4", "4:2:0"])
def test_noise_is_encoded_too(quality: int, subsampling: Any) -> None:
    """Pillow reserves a byte a pixel for a JPEG with tables of its own, and gives up where it takes more."""
    usual = ImageFile.MAXBLOCK
    noise = np.random.default_rng(0).integers(0, 256, (600, 600, 3), dtype=np.uint8)
    transform = Transform(mode="none", quality=quality, subsampling=subsampling)
    data = made(saved(Image.fromarray(noise), "PNG"), transform).data
    assert Image.open(io.BytesIO(data)).size == (600, 600)
    assert (quality, subsampling) != (90, "4:4:4") or len(data) > 600 * 600
    assert usual == ImageFile.MAXBLOCK


def test_an_alpha_that_is_opaque_changes_nothing() -> None:
    for mode in ("L", "RGB"):
        image = photo().convert(mode)
        plain, opaque = saved(image, "PNG"), saved(image.convert(f"{mode}A"), "PNG")
        for transform in (*PRESETS.values(), KEEP):
            assert made(opaque, transform).data == made(plain, transform).data


def sixteen_bit(samples: np.ndarray) -> bytes:
    """A PNG of 16-bit RGB with alpha, which Pillow does not write."""
    rows = samples.astype(">u2").tobytes()
    stride = samples.shape[1] * 8
    raw = b"".join(b"\0" + rows[at : at + stride] for at in range(0, len(rows), stride))
    header = struct.pack(">IIBBBBB", samples.shape[1], samples.shape[0], 16, 6, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(raw)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body)) for name, body in chunks
    )


def test_an_alpha_of_sixteen_bits_that_is_opaque_changes_nothing() -> None:
    ramp = np.full((600, 900, 4), 65535, np.uint16)
    ramp[..., :3] = (np.asarray(photo(), np.uint16) * 257)[:600]
    found = pixels(made(sixteen_bit(ramp), replace(PRESETS["512px"], format="png")).data)
    expected = pixels(made(saved(photo(), "PNG"), replace(PRESETS["512px"], format="png")).data)
    assert abs(found - expected).max() <= 1


@pytest.mark.parametrize("opaque_rows", [0, 5, 100, 599])
def test_hidden_colours_do_not_bleed(opaque_rows: int) -> None:
    """Also where the image begins opaque: the first rows decide how it is scaled, the result whether that was right."""
    image = Image.new("RGBA", (900, 600), (255, 0, 0, 0))
    image.paste((250, 250, 250, 255), (0, 0, 900, opaque_rows))
    found = pixels(made(saved(image, "PNG"), Transform(mode="fit", width=300, format="png", background="white")).data)
    assert found.min() >= 249


def test_one_transparent_pixel_shows_only_where_it_is() -> None:
    image = photo((2400, 1600)).convert("RGBA")
    hole = image.copy()
    hole.putpixel((1201, 803), (255, 0, 0, 0))
    transform = replace(PRESETS["512px"], format="png", background="white")
    found, expected = (pixels(made(saved(each, "PNG"), transform).data) for each in (hole, image))
    difference = abs(found - expected)
    assert difference.max() > 0, "it is seen"
    assert np.count_nonzero(difference > 1) <= 60, "and only where it is"


def test_nothing_of_the_original_but_its_pixels_is_kept() -> None:
    exif = Image.Exif()
    exif[0x010F] = "a camera with a serial number"
    srgb = Path(__file__).read_bytes()[:200]
    data = saved(photo(), "JPEG", exif=exif, icc_profile=srgb, comment=b"where I live")
    for name in ("jpeg", "png", "webp"):
        out = made(data, Transform(mode="fit", width=100, format=name)).data
        info = Image.open(io.BytesIO(out)).info
        assert not {"exif", "icc_profile", "comment", "xmp"} & set(info)
        assert b"camera" not in out


@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
def test_sixteen_bit_grey_is_scaled_and_not_clipped(kind: str) -> None:
    """Trap 1: Pillow's own conversion makes all of it white."""
    samples = (np.linspace(0, 65535, 4000).reshape(40, 100)).astype(np.uint16)
    found = pixels(made(saved(Image.fromarray(samples), kind)).data)
    assert abs(found[..., 0] - samples / 257).max() <= 1
    assert (found[..., 0] == found[..., 2]).all()


def test_grey_and_one_bit_and_palette() -> None:
    grey = photo().convert("L")
    assert abs(pixels(made(saved(grey, "PNG")).data)[..., 1] - np.asarray(grey)).max() == 0
    bits = grey.convert("1")
    assert abs(pixels(made(saved(bits, "TIFF")).data)[..., 1] - np.asarray(bits) * 255.0).max() == 0
    palette = photo().quantize(64)
    for kind in ("PNG", "GIF", "BMP", "TIFF"):
        assert abs(pixels(made(saved(palette, kind)).data) - np.asarray(palette.convert("RGB"))).max() == 0, kind


def test_cmyk_without_a_profile_is_converted_as_browsers_do() -> None:
    """Trap 7: `R = (255 - C)(255 - K) / 255`."""
    inks = np.zeros((16, 64, 4), np.uint8)
    inks[..., 0], inks[..., 2], inks[..., 3] = 200, 30, np.linspace(0, 255, 64).astype(np.uint8)
    image = Image.frombytes("CMYK", (64, 16), inks.tobytes())
    rendered = made(saved(image, "JPEG", quality=100, subsampling=0))
    expected = (255.0 - inks[..., :3]) * (255.0 - inks[..., 3:]) / 255
    assert abs(pixels(rendered.data) - expected).max() <= 4
    assert rendered.engine.startswith("pillow")


def test_floating_point_samples_are_refused_with_a_reason() -> None:
    refusal = render(saved(Image.new("F", (9, 9), 0.5), "TIFF"), KEEP)
    assert isinstance(refusal, Refusal)
    assert refusal.reason is Reason.UNSUPPORTED


def gif(frame: tuple[int, int, int, int], canvas: tuple[int, int] = (20, 10)) -> bytes:
    """A GIF of one red frame somewhere on its canvas, with blue as its background colour."""
    codes = [code for _ in range(frame[2] * frame[3]) for code in (4, 0)] + [5]
    bits = sum(code << (3 * number) for number, code in enumerate(codes))
    body = bits.to_bytes(len(codes) * 3 // 8 + 1, "little")
    blocks = b"".join(bytes([len(part)]) + part for part in (body[i : i + 255] for i in range(0, len(body), 255)))
    colours = bytes([255, 0, 0, 0, 0, 255, 0, 255, 0, 0, 0, 0])
    head = b"GIF89a" + struct.pack("<HHBBB", *canvas, 0x81, 1, 0) + colours
    return head + b"," + struct.pack("<HHHHB", *frame, 0) + b"\2" + blocks + b"\0;"


@pytest.mark.parametrize("frame", [(3, 2, 5, 5), (0, 0, 20, 5), (0, 0, 20, 10), (15, 5, 5, 5)])
def test_the_canvas_around_the_first_frame_of_a_gif_is_transparent(frame: tuple[int, int, int, int]) -> None:
    """Trap 8: libvips leaves it black, Pillow fills it with the first colour, browsers show what is behind."""
    found = pixels(made(gif(frame)).data)
    assert found.shape == (10, 20, 3)
    left, top, width, height = frame
    expected = np.full((10, 20, 3), 255.0)
    expected[top : top + height, left : left + width] = (255, 0, 0)
    assert np.array_equal(found, expected)


@pytest.mark.parametrize("kind", ["GIF", "WEBP", "PNG"])
def test_an_animation_renders_as_its_first_frame(kind: str) -> None:
    frames = [Image.new("RGB", (30, 20), colour) for colour in ("red", "lime", "blue")]
    data = saved(frames[0], kind, save_all=True, append_images=frames[1:], lossless=True)
    assert abs(pixels(made(data).data) - (255, 0, 0)).max() <= 2


def boxes(data: bytes, start: int, end: int) -> dict[bytes, tuple[int, int]]:
    found = {}
    while start + 8 <= end:
        size = int.from_bytes(data[start : start + 4], "big")
        found[data[start + 4 : start + 8]] = (start, start + size)
        start += size
    return found


def with_clean_aperture(avif: bytes, width: int, height: int) -> bytes:
    """Add a `clap` property to every item of an AVIF, the crop in the middle, and move what it moves."""
    clap = struct.pack(">I4s8I", 40, b"clap", width, 1, height, 1, 0, 1, 0, 1)
    meta, meta_end = boxes(avif, 0, len(avif))[b"meta"]
    inner = boxes(avif, meta + 12, meta_end)
    iprp = inner[b"iprp"][0]
    properties = boxes(avif, iprp + 8, inner[b"iprp"][1])
    (ipco, ipco_end), (ipma, ipma_end) = properties[b"ipco"], properties[b"ipma"]
    index = len(boxes_in_order(avif, ipco + 8, ipco_end)) + 1
    association = bytearray(avif[ipma:ipma_end])
    assert association[8:12] == b"\0\0\0\0"
    assert struct.unpack_from(">I", association, 12) == (1,)
    association[18] += 1
    association += bytes([0x80 | index])
    association[:4] = len(association).to_bytes(4, "big")
    grown = len(clap) + 1
    out = bytearray(avif[:ipco_end] + clap + avif[ipco_end:ipma] + bytes(association) + avif[ipma_end:])
    for box, extra in ((meta, grown), (iprp, grown), (ipco, len(clap))):
        out[box : box + 4] = (int.from_bytes(out[box : box + 4], "big") + extra).to_bytes(4, "big")
    iloc, iloc_end = inner[b"iloc"]
    offset = boxes(avif, 0, len(avif))[b"mdat"][0] + 8
    where = bytes(out).index(offset.to_bytes(4, "big"), iloc, iloc_end)
    out[where : where + 4] = (offset + grown).to_bytes(4, "big")
    return bytes(out)


def boxes_in_order(data: bytes, start: int, end: int) -> list[bytes]:
    found = []
    while start + 8 <= end:
        found.append(data[start + 4 : start + 8])
        start += int.from_bytes(data[start : start + 4], "big")
    return found


def test_the_clean_aperture_of_an_avif_is_applied() -> None:
    """Trap 6: Pillow shows what the crop hides."""
    image = Image.new("RGB", (64, 48), "red")
    image.paste("lime", (16, 12, 48, 36))
    data = with_clean_aperture(saved(image, "AVIF", quality=100, subsampling="4:4:4"), 32, 24)
    assert Image.open(io.BytesIO(data)).size == (64, 48)
    rendered = made(data)
    assert (rendered.width, rendered.height) == (32, 24)
    assert abs(pixels(rendered.data) - (0, 255, 0)).max() <= 12


def test_jpeg_xl_is_read_where_its_package_is_installed(tmp_path: Path) -> None:
    """Trap 4: without it there is a typed reason."""
    import pillow_jxl  # noqa: F401 - it registers itself

    data = saved(photo(), "JXL", lossless=True)
    assert sniff(data) is Kind.JXL
    assert np.array_equal(pixels(made(data).data), np.asarray(photo()))
    (tmp_path / "pillow_jxl").mkdir()
    (tmp_path / "pillow_jxl/__init__.py").write_text("raise ImportError\n")
    script = "import sys; from tagswarm.imaging.decode import inspect; print(inspect(sys.stdin.buffer.read()).reason)"
    environment = os.environ | {"PYTHONPATH": str(tmp_path)}
    run = subprocess.run([sys.executable, "-c", script], input=data, capture_output=True, env=environment, check=True)
    assert run.stdout.decode().strip() == Reason.UNSUPPORTED


def test_what_a_lenient_decoder_lets_pass_is_not_rendered() -> None:
    """Trap 9, and `thumbnail_buffer` of libvips is lenient even where it is told not to be."""
    data = bytearray(saved(photo(), "PNG"))
    data[data.index(b"IDAT") + 4000] ^= 0x10
    for transform in (KEEP, *PRESETS.values()):
        refusal = render(bytes(data), transform)
        assert isinstance(refusal, Refusal)
        assert refusal.reason is Reason.CORRUPT


def test_enlarging_beyond_the_limit_is_refused() -> None:
    transform = Transform(mode="fit", width=20_000, upscale=True)
    refusal = render(saved(photo((100, 100)), "PNG"), transform)
    assert isinstance(refusal, Refusal)
    assert refusal.reason is Reason.TOO_LARGE


def test_statistics_are_those_of_the_bytes_that_were_made() -> None:
    rendered = made(saved(photo(), "PNG"), PRESETS["512px"], statistics=True)
    assert rendered.statistics == measure(pixels(rendered.data).astype(np.uint8))
    assert made(saved(photo(), "PNG"), PRESETS["512px"]).statistics is None
    grey = made(saved(photo().convert("L"), "PNG"), PRESETS["512px"], statistics=True)
    assert grey.statistics is not None
    assert grey.statistics.mean_chroma == 0


def test_same_bytes_in_another_process_time_zone_and_locale() -> None:
    files = {kind: saved(photo(), kind) for kind in ("PNG", "JPEG", "WEBP", "BMP")}
    script = (
        "import hashlib, sys; from tagswarm.imaging.resize import PRESETS, render; data = sys.stdin.buffer.read();"
        "print(*(hashlib.sha256(render(data, t).data).hexdigest() for t in PRESETS.values()))"
    )
    other = os.environ | {"TZ": "Asia/Tokyo", "LC_ALL": "C", "VIPS_CONCURRENCY": "7", "PYTHONHASHSEED": "1"}
    for kind, data in files.items():
        here = [hashlib.sha256(made(data, transform).data).hexdigest() for transform in PRESETS.values()]
        run = subprocess.run([sys.executable, "-c", script], input=data, capture_output=True, env=other, check=True)
        assert run.stdout.decode().split() == here, kind


def test_in_a_limited_worker(shared: Path) -> None:
    paths = sorted((shared / "corpus/real/sachi").rglob("*.png"))[:3]
    answers = dict(pool.run(inspect, [path.read_bytes() for path in paths], workers=1))
    assert len(answers) == len(paths)
    assert all(answer == inspect(data) for data, answer in answers.items())


def over_white(raster: Raster) -> np.ndarray:
    array = np.frombuffer(raster.pixels, np.uint8).reshape(raster.height, raster.width, raster.bands).astype(np.float64)
    return array if raster.bands == 3 else array[..., :3] * array[..., 3:] / 255 + 255 - array[..., 3:]


def test_two_engines_see_the_same_picture(shared: Path) -> None:
    """A decoder that misreads a format would be alone with it. At full size, so that no filter blurs the difference."""
    compared = 0
    for path in sorted((shared / "corpus/real").rglob("*"))[::10]:
        data = path.read_bytes() if path.is_file() and path.stat().st_size < 1_000_000 else b""
        if (kind := sniff(data)) not in (Kind.PNG, Kind.JPEG, Kind.WEBP, Kind.GIF):
            continue
        ours, other = vips.VipsSource(data, kind), PillowSource(data, kind, Limits())
        assert (ours.width, ours.height, ours.icc) == (other.width, other.height, other.icc), path.name
        size = (ours.width, ours.height)
        difference = abs(over_white(ours.scaled(*size)) - over_white(other.scaled(*size))).mean()
        # Pillow halves 16-bit colours to 8 before it converts them, which shows in the shadows of a linear profile.
        assert difference <= (3 if ours.icc is Icc.OTHER and ours.depth == 16 else 0.6), path.name
        compared += 1
    assert compared > 35


def test_two_engines_make_nearly_the_same_rendition(shared: Path) -> None:
    preset = PRESETS["512px"]
    paths = sorted(p for p in (shared / "corpus/real").rglob("*.jpg") if p.stat().st_size < 1_000_000)[:8]
    assert len(paths) == 8
    for path in paths:
        data = path.read_bytes()
        ours, other = vips.VipsSource(data, Kind.JPEG), PillowSource(data, Kind.JPEG, Limits())
        geometry = preset.geometry(ours.width, ours.height)
        rasters = [source.scaled(*geometry.scaled) for source in (ours, other)]
        shown = [pixels(encode.encode(raster, 1, geometry, WHITE, preset)) for raster in rasters]
        assert abs(shown[0] - shown[1]).mean() < 1, path.name
