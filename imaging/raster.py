"""What the engines give and what they refuse: pixels of one form, or the word that a variant is not decoded.

Nothing here decodes.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Raster:
    """Pixels in sRGB, 8 bits a sample, not turned: RGB or RGB with straight alpha."""

    width: int
    height: int
    bands: int
    """3, or 4 with alpha."""
    pixels: bytes
    """Rows from the top, `width * height * bands` bytes."""


class Unsupported(Exception):
    """A variant that nothing here decodes."""
