"""The seam between the two decoders: a file that was opened, can be decoded whole, or scaled down to a raster.

Which engine reads a kind is one rule, without a fallback: what its engine refuses in strict mode is refused. libvips
reads PNG, JPEG, GIF, WebP and AVIF; Pillow the rest, and CMYK where it is rendered. (Of 755 files made to break
decoders both disagree on 20: one has a wrong checksum, the others are animations with broken frame control. None is
worth a second try.)

The engines are imported when a file is opened and not before: whoever only handles the values never loads a decoder.
"""

from __future__ import annotations

import re
from typing import Protocol

from .icc import Icc
from .kind import Kind
from .raster import Raster, Unsupported
from .verdict import Colour, Limits, Reason, Refusal

_LIBVIPS = frozenset({Kind.PNG, Kind.JPEG, Kind.GIF, Kind.WEBP, Kind.AVIF})


class Source(Protocol):
    """A file opened by an engine: header read, no pixel decoded."""

    width: int
    height: int
    frames: int
    bands: int
    depth: int
    has_alpha: bool
    colour: Colour
    icc: Icc
    engine: str

    def decode(self, frames: int, limits: Limits) -> None:
        """Decode every pixel of the first `frames` frames; raises whatever the decoder raises."""

    def scaled(self, width: int, height: int) -> Raster:
        """Decode the first frame whole, scaled to exactly this size in stored orientation, in sRGB."""


def open_source(data: bytes, kind: Kind, limits: Limits, *, render: bool = False) -> Source:
    """Open a file with the engine of its kind; raises whatever the decoder raises.

    With `render`, CMYK goes to Pillow: without a profile it is converted as `R = (255 - C)(255 - K) / 255`, as browsers
    do, where libvips would apply a profile of its own.
    """
    if kind in _LIBVIPS:
        from .vips import VipsSource  # noqa: PLC0415 - see the module's docstring

        source = VipsSource(data, kind)
        if not (render and source.colour == "cmyk"):
            return source
    from .pillow import PillowSource  # noqa: PLC0415 - see the module's docstring

    return PillowSource(data, kind, limits)


_TRUNCATED = re.compile(r"(?i)truncat|premature|end of (file|stream|data)|not enough (image )?data|incomplete")
_MEMORY = re.compile(r"(?i)out of memory|unable to m?alloc|cannot allocate|bomb|exceeds limit")
_UNSUPPORTED = re.compile(r"(?i)unsupported|unimplemented|not supported|unknown (compression|pixel format)")
_NOISE = re.compile(r"<[^<>]* at 0x[0-9a-f]+>|0x[0-9a-f]{9,}|unable to (call \w+|copy to memory)")
"""Addresses, which differ from run to run, and which of our calls met the error."""


def refusal(kind: Kind, error: BaseException) -> Refusal:
    """The typed reason for an exception of a decoder."""
    text = _NOISE.sub("", f"{error}")
    detail = " ".join("".join(c if c.isprintable() else " " for c in text).split())[:200] or "cannot be decoded"
    if isinstance(error, MemoryError) or _MEMORY.search(text):
        return Refusal(kind, Reason.TOO_LARGE, "needs more memory than it may have" if text == "" else detail)
    if isinstance(error, Unsupported | NotImplementedError) or _UNSUPPORTED.search(text):
        return Refusal(kind, Reason.UNSUPPORTED, detail)
    if _TRUNCATED.search(text):
        return Refusal(kind, Reason.TRUNCATED, detail)
    return Refusal(kind, Reason.CORRUPT, detail)
