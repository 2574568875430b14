"""Transparent art never disappears in its background (trap 15)."""

from __future__ import annotations

import io
from collections.abc import Callable

import numpy as np
import pytest
from PIL import Image, ImageDraw

from tagswarm.imaging import matte
from tagswarm.imaging.matte import BLACK, WHITE
from tagswarm.imaging.resize import PRESETS, Rendered, Transform, render

Colour = tuple[int, int, int]


def line_art(*colours: Colour, width: int = 4, size: tuple[int, int] = (800, 600)) -> Image.Image:
    """Circles and lines in these colours on nothing; the hidden colour of nothing is black, as painting programs leave it."""
    image = Image.new("RGBA", size, (0, 0, 0, 0))
    draw = ImageDraw.Draw(image)
    for number in range(12):
        colour = (*colours[number % len(colours)], 255)
        x, y = 20 + 60 * number, 40 + 37 * (number % 5)
        draw.ellipse((x, y, x + 120, y + 240), outline=colour, width=width)
        draw.line((0, y, size[0], size[1] - y), fill=colour, width=width)
    return image


def png(image: Image.Image) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return buffer.getvalue()


def chosen(image: Image.Image) -> Colour:
    return matte.choose(np.asarray(image))


@pytest.mark.parametrize(
    ("colours", "expected"),
    [
        ([(0, 0, 0)], WHITE),
        ([(255, 255, 255)], BLACK),
        ([(250, 250, 245)], BLACK),
        ([(128, 128, 128)], WHITE),
        ([(70, 70, 70)], WHITE),
        ([(255, 0, 0)], WHITE),
        ([(0, 0, 255)], WHITE),
        ([(0, 160, 60)], WHITE),
        ([(255, 255, 0)], BLACK),
        ([(0, 0, 0), (255, 255, 255)], WHITE),
        ([(255, 255, 255), (240, 240, 240)], BLACK),
        ([(255, 220, 200), (90, 60, 40), (255, 255, 255)], WHITE),
    ],
    ids=str,
)
@pytest.mark.parametrize("width", [1, 4, 9])
def test_art_stands_out_from_its_background(colours: list[Colour], expected: Colour, width: int) -> None:
    image = line_art(*colours, width=width)
    assert chosen(image) == expected
    made = render(png(image), PRESETS["512px"])
    assert isinstance(made, Rendered)
    grey = np.asarray(Image.open(io.BytesIO(made.data)).convert("L"), np.float64)
    assert grey.std() > 3, "the art has vanished"
    assert abs(grey[0, 0] - expected[0]) < 4, "the letterbox has the colour of the background"
    assert abs(np.median(grey) - expected[0]) < 4


def test_half_transparent_ink_counts_by_its_alpha() -> None:
    image = line_art((0, 0, 0))
    image.putalpha(image.getchannel("A").point(lambda alpha: alpha // 3))
    assert chosen(image) == WHITE
    faint_black = Image.new("RGBA", (100, 100), (0, 0, 0, 1))
    faint_black.paste((255, 255, 255, 255), (40, 40, 60, 60))
    assert chosen(faint_black) == BLACK


def test_hidden_colours_do_not_count() -> None:
    pixels = np.asarray(line_art((0, 0, 0))).copy()
    pixels[pixels[..., 3] == 0] = (255, 255, 255, 0)
    assert matte.choose(pixels) == WHITE
    pixels = np.asarray(line_art((255, 255, 255))).copy()
    assert matte.choose(pixels) == BLACK


def test_nothing_at_all_is_white() -> None:
    assert chosen(Image.new("RGBA", (64, 64), (0, 0, 0, 0))) == WHITE
    made = render(png(Image.new("RGBA", (64, 64), (0, 0, 0, 0))), PRESETS["512px"])
    assert isinstance(made, Rendered)
    assert np.asarray(Image.open(io.BytesIO(made.data))).min() == 255


def test_rounded_corners_of_white_paper_stay_white() -> None:
    paper = Image.new("RGBA", (300, 300), (0, 0, 0, 0))
    ImageDraw.Draw(paper).rounded_rectangle((0, 0, 299, 299), 40, fill=(255, 255, 255, 255))
    assert chosen(paper) == WHITE


def test_the_choice_does_not_depend_on_how_rows_are_summed(monkeypatch: pytest.MonkeyPatch) -> None:
    image = line_art((255, 255, 255), (30, 30, 30))
    whole = chosen(image)
    monkeypatch.setattr(matte, "_ROWS", 7)
    assert chosen(image) == whole


@pytest.mark.parametrize(("background", "expected"), [("white", (255, 255, 255)), ("#1020f0", (0x10, 0x20, 0xF0))])
def test_a_background_that_is_given_is_used(background: str, expected: Colour) -> None:
    transform = Transform(mode="pad", width=100, format="png", background=background)
    made = render(png(line_art((255, 255, 255))), transform)
    assert isinstance(made, Rendered)
    assert Image.open(io.BytesIO(made.data)).getpixel((0, 0)) == expected


@pytest.mark.parametrize("save", [lambda i: i.quantize(8), lambda i: i.convert("LA")], ids=["palette", "grey-alpha"])
def test_transparency_of_every_sort_is_seen(save: Callable[[Image.Image], Image.Image]) -> None:
    made = render(png(save(line_art((0, 0, 0)))), PRESETS["512px"])
    assert isinstance(made, Rendered)
    assert np.median(np.asarray(Image.open(io.BytesIO(made.data)).convert("L"))) > 250
