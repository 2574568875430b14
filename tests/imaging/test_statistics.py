"""The statistics are those of ImageMagick."""

from __future__ import annotations

import math
import subprocess
from pathlib import Path

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from PIL import Image

from tagswarm.imaging.statistics import Statistics, measure


def noise() -> np.ndarray:
    random = np.random.Generator(np.random.PCG64(1))
    pixels = np.zeros((40, 50, 3), np.uint8)
    pixels[..., 0] = random.integers(0, 80, (40, 50))
    pixels[..., 1] = random.integers(100, 255, (40, 50))
    pixels[..., 2] = random.integers(0, 3, (40, 50)) * 100
    return pixels


def test_golden_values_of_imagemagick() -> None:
    """As `identify -format '%[entropy] %k %[fx:standard_deviation]'` and `-colorspace HCL %[fx:mean.g]` of 6.9.11 print."""
    found = measure(noise())
    assert found.colours == 1942
    assert math.isclose(found.entropy, 0.995831, abs_tol=2e-6)
    assert math.isclose(found.standard_deviation, 0.197037, abs_tol=2e-6)
    assert math.isclose(found.mean_chroma, 0.637237, abs_tol=2e-6)


def test_imagemagick_agrees_on_a_real_image(shared: Path, tmp_path: Path) -> None:
    identify = next((n for n in ("identify-im6.q16", "identify") if Path("/usr/bin", n).exists()), None)
    convert = next((n for n in ("convert-im6.q16", "convert") if Path("/usr/bin", n).exists()), None)
    assert identify, "install imagemagick; `make test` does it when run as root"
    assert convert, "install imagemagick; `make test` does it when run as root"
    source = next((shared / "corpus/real/budgie").rglob("*.jpg"))
    with Image.open(source) as image:
        image.thumbnail((300, 300))
        image.save(tmp_path / "a.png")
        pixels = np.asarray(image)
    form = "%[entropy] %k %[fx:standard_deviation]"
    first = subprocess.run(
        [f"/usr/bin/{identify}", "-format", form, tmp_path / "a.png"], capture_output=True, check=True
    )
    chroma = [f"/usr/bin/{convert}", str(tmp_path / "a.png"), "-colorspace", "HCL", "-format", "%[fx:mean.g]", "info:"]
    second = subprocess.run(chroma, capture_output=True, check=True)
    entropy, colours, deviation = first.stdout.split()
    found = measure(pixels)
    assert found.colours == int(colours)
    assert math.isclose(found.entropy, float(entropy), abs_tol=2e-6)
    assert math.isclose(found.standard_deviation, float(deviation), abs_tol=2e-6)
    assert math.isclose(found.mean_chroma, float(second.stdout), abs_tol=2e-5)


def test_one_colour() -> None:
    flat = np.full((5, 7, 3), 90, np.uint8)
    assert measure(flat) == Statistics(entropy=0.0, colours=1, standard_deviation=0.0, mean_chroma=0.0)
    assert measure(flat[:1, :1]) == Statistics(entropy=0.0, colours=1, standard_deviation=0.0, mean_chroma=0.0)


@given(hnp.arrays(np.uint8, st.tuples(st.integers(1, 9), st.integers(1, 9), st.just(3))))
def test_ranges_and_independence_of_order(pixels: np.ndarray) -> None:
    found = measure(pixels)
    assert 0 <= found.entropy <= 1
    assert 0 <= found.standard_deviation <= 0.7072
    assert 0 <= found.mean_chroma <= 1
    assert found.colours == len({tuple(p) for p in pixels.reshape(-1, 3).tolist()})
    assert measure(pixels[::-1, ::-1].copy()) == found
