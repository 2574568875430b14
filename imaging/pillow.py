"""Reading with Pillow: the formats libvips has no loader for, animated PNG, and CMYK.

Pillow is told which format to try, so that a file never reaches another decoder than that of its kind. Its two traps
are closed here: 16-bit grey is divided by 257 where Pillow would clip it, and a bomb is an error where Pillow would
warn. JPEG XL needs the optional package `pillow-jxl-plugin`; without it the file is refused as unsupported.
"""

from __future__ import annotations

import contextlib
import importlib
import io
import os
import warnings
from collections.abc import Iterator
from typing import Any, cast

import numpy as np
import PIL
from PIL import Image, ImageCms

from .icc import Icc, classify
from .kind import Kind
from .raster import Raster, Unsupported
from .verdict import Colour, Limits

ENGINE = f"pillow {PIL.__version__}"

_FORMATS = {
    Kind.PNG: "PNG",
    Kind.APNG: "PNG",
    Kind.JPEG: "JPEG",
    Kind.GIF: "GIF",
    Kind.WEBP: "WEBP",
    Kind.AVIF: "AVIF",
    Kind.BMP: "BMP",
    Kind.TIFF: "TIFF",
    Kind.PSD: "PSD",
    Kind.ICO: "ICO",
    Kind.TGA: "TGA",
    Kind.DDS: "DDS",
    Kind.PNM: "PPM",
    Kind.JP2: "JPEG2000",
    Kind.JXL: "JXL",
}
_PAGED = frozenset({Kind.APNG, Kind.GIF, Kind.WEBP, Kind.AVIF, Kind.TIFF})
"""Of these every frame is a picture; the frames of a PSD are its layers, those of a JPEG its previews."""
_COLOURS: dict[str, Colour] = {"CMYK": "cmyk", "1": "grey", "L": "grey", "LA": "grey", "La": "grey", "F": "grey"}
_PROFILE_MODES: dict[str, Colour] = {"L": "grey", "RGB": "rgb", "CMYK": "cmyk"}


class PillowSource:
    """A file opened by Pillow; implements `source.Source`."""

    engine = ENGINE

    def __init__(self, data: bytes, kind: Kind, limits: Limits) -> None:
        self._data, self._kind, self._limits = data, kind, limits
        with _strict(limits):
            image = self._open()
            self.width, self.height = image.size
            self.frames = int(getattr(image, "n_frames", 1)) if kind in _PAGED else 1
        mode = image.mode
        self.bands = len(image.getbands())
        self.depth = 16 if mode.startswith("I;16") else 32 if mode in ("I", "F") else 8
        self.has_alpha = image.has_transparency_data
        self.colour: Colour = "grey" if mode.startswith("I") else _COLOURS.get(mode, "rgb")
        self.icc = classify(image.info.get("icc_profile"), self.colour)

    def decode(self, frames: int, limits: Limits) -> None:
        """Decode every pixel of the first `frames` frames."""
        with _strict(limits):
            image = self._open()
            for frame in range(frames):
                if frame:
                    image.seek(frame)
                if image.width * image.height > limits.max_pixels:
                    raise Image.DecompressionBombError(f"frame {frame} exceeds limit of {limits.max_pixels} pixels")
                image.load()

    def scaled(self, width: int, height: int) -> Raster:
        """Decode the first frame, scaled to exactly this size, in sRGB."""
        with _strict(self._limits):
            opened = self._open()
            if self._kind is Kind.JPEG:
                opened.draft(None, (2 * width, 2 * height))
            opened.load()
            image = _eight_bit(opened)
            if image.size != (width, height):
                image = image.resize((width, height), Image.Resampling.LANCZOS, reducing_gap=2.0)
            image = _to_srgb(image, opened.info.get("icc_profile"))
        return Raster(width, height, len(image.getbands()), image.tobytes())

    def _open(self) -> Image.Image:
        name = _FORMATS[self._kind]
        if self._kind is Kind.JXL:
            _load_jxl()
        return Image.open(io.BytesIO(self._data), formats=(name,))


def _load_jxl() -> None:
    try:
        plugin: Any = importlib.import_module("pillow_jxl.JpegXLImagePlugin")
    except ImportError as error:
        raise Unsupported("JPEG XL needs the package pillow-jxl-plugin") from error
    plugin.DECODE_THREADS = 0  # the calling thread alone


@contextlib.contextmanager
def _strict(limits: Limits) -> Iterator[None]:
    """A bomb is an error, every other warning is nothing, and libtiff, which writes to stderr, is not heard."""
    with warnings.catch_warnings(), _deaf():
        warnings.simplefilter("ignore")
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        Image.MAX_IMAGE_PIXELS = limits.max_pixels
        yield


@contextlib.contextmanager
def _deaf() -> Iterator[None]:
    """Send what C libraries write to stderr to nowhere; of the whole process, which is a worker with one thread."""
    kept = os.dup(2)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(nowhere)
        os.close(kept)


def _eight_bit(image: Image.Image) -> Image.Image:
    """The same picture in L, LA, RGB, RGBA or CMYK."""
    mode = image.mode
    if mode == "F":
        raise Unsupported("floating point samples have no defined white")
    if mode.startswith("I"):
        samples = np.asarray(image).astype(np.int64)
        if samples.min(initial=0) < 0 or samples.max(initial=0) > 65535:
            raise Unsupported("32-bit samples have no defined white")
        return Image.fromarray(((samples + 128) // 257).astype(np.uint8))
    if image.has_transparency_data:
        return image.convert("LA" if mode == "LA" else "RGBA")
    if mode in ("L", "RGB", "CMYK"):
        return image
    return image.convert("L" if mode == "1" else "RGB")


def _to_srgb(image: Image.Image, profile: bytes | None) -> Image.Image:
    """Convert by the profile where there is one that can be used, and to RGB or RGBA in any case."""
    alpha = image.getchannel("A") if image.mode in ("LA", "RGBA") else None
    colours = image.convert("L" if image.mode == "LA" else "RGB") if alpha is not None else image
    if profile and classify(profile, _PROFILE_MODES[colours.mode]) is Icc.OTHER:
        with contextlib.suppress(ImageCms.PyCMSError, OSError):  # a profile that cannot be applied counts as none
            converted = ImageCms.profileToProfile(
                colours,
                ImageCms.ImageCmsProfile(io.BytesIO(profile)),
                ImageCms.createProfile("sRGB"),
                ImageCms.Intent.RELATIVE_COLORIMETRIC,
                outputMode="RGB",
            )
            colours = cast("Image.Image", converted)
    colours = colours.convert("RGB")
    if alpha is not None:
        colours.putalpha(alpha)
    return colours
