"""Reading with libvips: PNG, JPEG, GIF, WebP and AVIF, strict, one thread, shrinking while it loads.

Importing this module sets libvips up for a worker process: no cache, one thread, no loader that libvips itself does not
trust, no messages. Orientation is never applied here (`orientation` decides, `encode` turns).
"""

from __future__ import annotations

import contextlib
import logging
import os

os.environ.update(VIPS_CONCURRENCY="1", VIPS_BLOCK_UNTRUSTED="1", VIPS_WARNING="0", G_MESSAGES_DEBUG="")
# They are read once, when the library is loaded, so they must be set before the import.

import pyvips

from .icc import Icc, classify
from .kind import Kind
from .raster import Raster
from .structure import gif_first_frame
from .verdict import Colour, Limits

pyvips.cache_set_max(0)
logging.getLogger("pyvips").addHandler(logging.NullHandler())

ENGINE = f"libvips {'.'.join(str(pyvips.version(part)) for part in range(3))}"

_LOADERS = {
    Kind.PNG: pyvips.Image.pngload_buffer,
    Kind.JPEG: pyvips.Image.jpegload_buffer,
    Kind.GIF: pyvips.Image.gifload_buffer,
    Kind.WEBP: pyvips.Image.webpload_buffer,
    Kind.AVIF: pyvips.Image.heifload_buffer,
}
_ANIMATED = frozenset({Kind.GIF, Kind.WEBP, Kind.AVIF})
_DEPTHS = {"uchar": 8, "ushort": 16}
_COLOURS: dict[str, Colour] = {"b-w": "grey", "grey16": "grey", "srgb": "rgb", "rgb16": "rgb", "cmyk": "cmyk"}
_MAX_HEIGHT = 9_000_000
"""Rows of a strip of frames: libvips allows 10,000,000."""
_GOOD_FILTER = 2
"""By how much at least a JPEG is scaled with the good filter, after its decoder has shrunk it by 2, 4 or 8, as libvips
does. At 1.5 a JPEG would take 0.9 ms less of 8.4, and detailed ones be up to 2.8 dB further from the exact image."""
_ROWS = 16
"""From the top, that tell transparent art: its margin is transparent."""


class VipsSource:
    """A file opened by libvips; implements `source.Source`."""

    engine = ENGINE

    def __init__(self, data: bytes, kind: Kind) -> None:
        pyvips.vips_lib.vips_error_clear()  # what an earlier file left there would stand in this one's message
        self._data, self._kind = data, kind
        header = _LOADERS[kind](data, access="sequential")
        self.width: int = header.width
        self.height: int = header.height
        fields = header.get_fields()
        self.frames: int = header.get("n-pages") if kind in _ANIMATED and "n-pages" in fields else 1
        self.bands: int = header.bands
        self.depth: int = _DEPTHS.get(header.format, 32)
        self.has_alpha: bool = bool(header.hasalpha())
        self.colour: Colour = _COLOURS.get(header.interpretation, "other")
        profile = header.get("icc-profile-data") if "icc-profile-data" in fields else None
        self.icc: Icc = classify(profile, self.colour)

    def decode(self, frames: int, limits: Limits) -> None:  # noqa: ARG002 - the size was checked from the header
        """Decode every pixel of the first `frames` frames, streaming."""
        pages = {"n": min(frames, max(1, _MAX_HEIGHT // self.height))} if self._kind in _ANIMATED else {}
        self._load(**pages).avg()

    def scaled(self, width: int, height: int) -> Raster:
        """Decode the first frame, scaled to exactly this size, in sRGB."""
        if self.icc is Icc.OTHER:
            with contextlib.suppress(pyvips.Error):  # a profile that cannot be applied counts as none
                return self._raster(width, height, output_profile="srgb", intent="relative")
        return self._raster(width, height)

    def _raster(self, width: int, height: int, **colour: str) -> Raster:
        """Not `thumbnail_buffer`: it chooses a loader by itself and passes `fail_on` to none (8.18.7, PNG)."""
        image = self._opaque(width, height) if self.has_alpha else None
        image = image or self._first_frame(width, height)
        image = image.thumbnail_image(width, height=height, size="force", no_rotate=True, **colour)
        if image.interpretation != "srgb":
            image = image.colourspace("srgb")
        if image.format != "uchar":
            image = image.cast("uchar")
        return Raster(image.width, image.height, image.bands, image.write_to_memory())

    def _opaque(self, width: int, height: int) -> pyvips.Image | None:
        """The scaled image without its alpha, where that is opaque throughout, or None.

        To weigh every pixel by its alpha takes a third of the time of a PNG, and here it would change nothing. Whether
        it would is asked of the first rows, then of the result: alpha that is full there leaves the colours within
        half a level.
        """
        full = 255 if self.depth == 8 else 65535
        if self._first_frame(width, height).crop(0, 0, self.width, min(self.height, _ROWS))[-1].min() < full:
            return None
        image = self._first_frame(width, height)
        image = image.resize(width / image.width, vscale=height / image.height).copy_memory()
        return image.extract_band(0, n=image.bands - 1) if image[-1].min() == full else None

    def _load(self, **options: int) -> pyvips.Image:
        return _LOADERS[self._kind](self._data, access="sequential", fail_on="error", **options)

    def _first_frame(self, width: int, height: int) -> pyvips.Image:
        """The first frame, at least as large as this; of a JPEG shrunk by its decoder, which costs almost nothing."""
        if self._kind is Kind.GIF:
            return _uncover(self._load(), self._data)
        if self._kind is Kind.JPEG:
            least = min(self.width / width, self.height / height) / _GOOD_FILTER
            return self._load(shrink=max(shrink for shrink in (1, 2, 4, 8) if shrink <= max(1, least)))
        return self._load()


def _uncover(image: pyvips.Image, gif: bytes) -> pyvips.Image:
    """Make the canvas around the first frame of a GIF transparent, as browsers do, where libvips leaves it black."""
    frame = gif_first_frame(gif)
    if image.hasalpha() or frame is None:
        return image
    left, top, width, height = frame
    if left == top == 0 and width >= image.width and height >= image.height:
        return image
    alpha = (pyvips.Image.black(width, height) + 255).cast("uchar").embed(left, top, image.width, image.height)
    return image.colourspace("srgb").bandjoin(alpha)
