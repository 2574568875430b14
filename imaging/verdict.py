"""What is found out about a file: an image, or a refusal with its reason; and the limits that are held.

These values travel between the worker processes and the one that supervises them, so this module imports no decoder.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

from .icc import Icc
from .kind import Kind

Colour = Literal["grey", "rgb", "cmyk", "other"]
"""The colour model of the stored pixels; a palette counts as what its colours are."""


class Reason(StrEnum):
    """Why a file is no image that can be used."""

    EMPTY = "empty"
    NOT_AN_IMAGE = "not-an-image"
    """By its content it is something else: a video, an archive, a page, EPS, PDF or SVG. No decoder is started."""
    UNSUPPORTED = "unsupported"
    """An image of a format or a variant that nothing here decodes."""
    TRUNCATED = "truncated"
    """The end is missing; the detail says by how much, where that is known."""
    CORRUPT = "corrupt"
    TOO_LARGE = "too-large"
    """More pixels than the limit, or more memory than the worker has: a decompression bomb, or nearly one."""
    TOO_MANY_FRAMES = "too-many-frames"


@dataclass(frozen=True, slots=True)
class Limits:
    """What one file may cost."""

    max_pixels: int = 100_000_000
    """Of one frame."""
    max_frames: int = 10_000
    max_animation_pixels: int = 400_000_000
    """Of an animation, frames are decoded until this many pixels are done; the rest counts as read by structure
    only."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """A file that is no usable image."""

    kind: Kind
    reason: Reason
    detail: str = ""
    """One line for people, the same for the same bytes; at most 200 characters."""


@dataclass(frozen=True, slots=True)
class Image:
    """A file that was decoded whole, without an error."""

    kind: Kind
    width: int
    """Pixels, as stored."""
    height: int
    frames: int
    """How many the file has; 1 for a still image."""
    frames_decoded: int
    """Fewer than `frames` only where an animation goes beyond `Limits.max_animation_pixels`."""
    colour: Colour
    bands: int
    """Samples a pixel, the alpha included."""
    depth: int
    """Bits a sample as decoded: 8, 16 or 32."""
    has_alpha: bool
    icc: Icc
    orientation: int
    """EXIF orientation by the rules of `orientation`: 1 to 8."""
    engine: str
    """The decoder with its version: `libvips 8.18.7`."""

    @property
    def displayed_width(self) -> int:
        """Pixels, as seen: after the orientation."""
        return self.height if self.orientation > 4 else self.width

    @property
    def displayed_height(self) -> int:
        """Pixels, as seen: after the orientation."""
        return self.width if self.orientation > 4 else self.height
