"""Make a rendition of an image: decoded whole in strict mode, scaled, turned, in sRGB, flattened, encoded.

Of an animation it takes the first frame. The bytes depend on the file, the transform and the version of the engine, and
on nothing else. It runs in a worker process with limits of memory and time; nothing here starts one (`pool` does).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from . import matte
from .decode import admit, check_size
from .kind import Kind
from .orientation import orientation
from .raster import Raster
from .source import open_source, refusal
from .statistics import Statistics, measure
from .transform import PRESETS, Transform
from .verdict import Limits, Refusal

__all__ = ["PRESETS", "Rendered", "Transform", "render"]

_DEFAULT = Limits()


@dataclass(frozen=True, slots=True)
class Rendered:
    """One file of a rendition."""

    data: bytes
    width: int
    """Pixels, of the file that was made."""
    height: int
    engine: str
    """What decoded and what encoded it: `libvips 8.18.7 + pillow 13.0.0`, or `pillow 13.0.0`."""
    statistics: Statistics | None = None
    """Of the pixels in `data`, where they were asked for."""


def render(
    data: bytes, transform: Transform, limits: Limits = _DEFAULT, *, statistics: bool = False
) -> Rendered | Refusal:
    """Render a file, or say why it is refused; never raises for what the bytes hold."""
    kind = admit(data, limits)
    if isinstance(kind, Refusal):
        return kind
    try:
        from . import encode  # noqa: PLC0415 - the process that supervises the workers must not load a decoder

        source = open_source(data, kind, limits, render=True)
        if refused := check_size(kind, source.width, source.height, source.frames, limits):
            return refused
        turned = orientation(data, kind)
        swapped = turned > 4
        size = (source.height, source.width) if swapped else (source.width, source.height)
        geometry = transform.geometry(*size)
        if refused := check_size(kind, *geometry.scaled, 1, limits):
            return refused
        raster = source.scaled(*(geometry.scaled[::-1] if swapped else geometry.scaled))
        made = encode.encode(raster, turned, geometry, _background(raster, transform.background), transform)
        width, height = geometry.canvas
        return Rendered(
            data=made,
            width=width,
            height=height,
            engine=" + ".join(dict.fromkeys((source.engine, encode.ENGINE))),
            statistics=_statistics(made, geometry.canvas, transform, limits) if statistics else None,
        )
    except Exception as error:
        return refusal(kind, error)


def _statistics(made: bytes, size: tuple[int, int], transform: Transform, limits: Limits) -> Statistics:
    return measure(_array(open_source(made, Kind(transform.format), limits).scaled(*size)))


def _background(raster: Raster, background: str) -> tuple[int, int, int]:
    if background == "auto":
        return matte.choose(_array(raster)) if raster.bands == 4 else matte.WHITE
    if background == "white":
        return matte.WHITE
    red, green, blue = bytes.fromhex(background[1:])
    return red, green, blue


def _array(raster: Raster) -> np.ndarray[tuple[int, int, int], np.dtype[np.uint8]]:
    """The pixels as an array of shape (height, width, bands), without a copy."""
    return np.frombuffer(raster.pixels, dtype=np.uint8).reshape(raster.height, raster.width, raster.bands)
