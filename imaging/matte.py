"""The colour behind transparent art: white, or black where the art itself is white.

JPEG has no transparency. Flattened on black, black line art becomes a black square: the known fault of the older
releases. Flattened on white, white line art becomes a white square. So the ink is looked at: every pixel counts by its
alpha, a fully transparent one not at all, whatever colour it hides. Where the mean luma of the ink is at least
`WHITE_INK`, the art would vanish on white and gets black; everything else gets white, also art of black and white
lines, as on paper.

An image that is opaque but for a margin (`COVERED`) gets white: rounded corners of a scan are not worth a black frame.
All sums are integers, so the decision is the same on every machine. Nothing here flattens: `encode` does.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

WHITE = (255, 255, 255)
BLACK = (0, 0, 0)

WHITE_INK = 0.9
"""Mean luma of the ink, 0 to 1 (Rec. 709 weights on sRGB values), from which on art counts as white."""
COVERED = 0.9
"""Mean alpha, 0 to 1, from which on the background hardly shows."""

_ROWS = 256
"""Rows that are summed at once, so that the sums of a huge image need little memory."""


def choose(pixels: NDArray[np.uint8]) -> tuple[int, int, int]:
    """Choose the background of an image of shape (height, width, 4): RGB and straight alpha."""
    total = ink = 0
    for row in range(0, pixels.shape[0], _ROWS):
        part = pixels[row : row + _ROWS].astype(np.int64)
        luma = part[..., 0] * 2126 + part[..., 1] * 7152 + part[..., 2] * 722
        total += int(part[..., 3].sum())
        ink += int((luma * part[..., 3]).sum())
    if total == 0 or total >= COVERED * 255 * pixels.shape[0] * pixels.shape[1]:
        return WHITE
    return BLACK if ink >= WHITE_INK * 2_550_000 * total else WHITE
