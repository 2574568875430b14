"""From a scaled raster to the bytes of a file: turn, flatten, place on the canvas, encode; always by libvips.

One encoder, whatever decoded the image, so that equal pixels are equal bytes. No metadata is written: no clock, no
camera, no profile (the pixels are sRGB). The options are all said, because libvips changes its chroma subsampling with
the quality.
"""

from __future__ import annotations

from typing import cast

import pyvips

from . import vips
from .source import Raster
from .transform import Geometry, Transform

ENGINE = vips.ENGINE

_TURNS = {2: ("fliphor",), 3: ("rot180",), 4: ("flipver",), 5: ("rot90", "fliphor"), 6: ("rot90",)}
_TURNS |= {7: ("rot270", "fliphor"), 8: ("rot270",)}
_DOTS_PER_MM = 72 / 25.4


def encode(
    raster: Raster, orientation: int, geometry: Geometry, background: tuple[int, int, int], transform: Transform
) -> bytes:
    """Turn a raster by its EXIF orientation, put it on its canvas over the background and encode it."""
    image = pyvips.Image.new_from_memory(raster.pixels, raster.width, raster.height, raster.bands, "uchar")
    image = image.copy(interpretation="srgb", xres=_DOTS_PER_MM, yres=_DOTS_PER_MM)
    for turn in _TURNS.get(orientation, ()):
        image = getattr(image, turn)()
    colour = list(background)
    if image.hasalpha():
        image = image.flatten(background=colour)
    (width, height), (x, y) = geometry.canvas, geometry.offset
    if x < 0 or y < 0:
        image = image.crop(-x, -y, width, height)
    elif (image.width, image.height) != (width, height):
        image = image.embed(x, y, width, height, extend="background", background=colour)
    return _save(image, transform)


def pixels_of(data: bytes) -> Raster:
    """The pixels of a file that `encode` made."""
    image = pyvips.Image.new_from_buffer(data, "", access="sequential")
    return Raster(image.width, image.height, image.bands, image.write_to_memory())


def _save(image: pyvips.Image, transform: Transform) -> bytes:
    match transform.format:
        case "jpeg":
            chroma = "off" if transform.subsampling == "4:4:4" else "on"
            saved = image.jpegsave_buffer(
                Q=transform.quality, subsample_mode=chroma, optimize_coding=True, interlace=False, keep="none"
            )
        case "png":
            saved = image.pngsave_buffer(compression=6, filter="all", keep="none")
        case "webp":
            saved = image.webpsave_buffer(Q=transform.quality, effort=4, keep="none")
    return cast("bytes", saved)
