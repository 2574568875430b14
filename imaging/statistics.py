"""The image statistics by which BOORU CHARS ranks the images of a volume.

They are those of ImageMagick, as the dataset's scripts asked for them: `%[entropy]`, `%[fx:standard_deviation]`, `%k`,
and the mean of the second channel after `-colorspace HCL`. Source: MagickCore/statistic.c and the readme of BOORU CHARS
2021.

All sums are integers from histograms, rounded once at the end, so that they are the same on every machine.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Statistics:
    """Of one image, rounded to six digits."""

    entropy: float
    """TENTR, 0 to 1: per channel, the entropy over that of the same number of equally frequent values; mean of
    channels."""
    colours: int
    """TCOLORS: how many different colours there are."""
    standard_deviation: float
    """TSTDDEV, 0 to 1: of the samples of a channel; mean of channels."""
    mean_chroma: float
    """MEANG, 0 to 1: mean of the largest minus the smallest of R, G and B; 0 for a grey image. The dataset's readme
    calls it "mean grey", but its script measures the channel C of HCL."""


def measure(pixels: NDArray[np.uint8]) -> Statistics:
    """Measure an image of shape (height, width, 3), 8-bit RGB, with at least one pixel."""
    histograms = [np.bincount(pixels[..., band].reshape(-1), minlength=256).tolist() for band in range(3)]
    return Statistics(
        entropy=round(math.fsum(_entropy(histogram) for histogram in histograms) / 3, 6),
        colours=_colours(pixels),
        standard_deviation=round(math.fsum(_deviation(histogram) for histogram in histograms) / 3, 6),
        mean_chroma=round(_chroma(pixels), 6),
    )


def _entropy(histogram: list[int]) -> float:
    counts = [count for count in histogram if count]
    if len(counts) < 2:
        return 0.0
    total = sum(counts)
    return -math.fsum(count / total * math.log(count / total) for count in counts) / math.log(len(counts))


def _deviation(histogram: list[int]) -> float:
    total = sum(histogram)
    if total < 2:
        return 0.0
    sums = sum(value * count for value, count in enumerate(histogram))
    squares = sum(value * value * count for value, count in enumerate(histogram))
    return math.sqrt((squares * total - sums * sums) / (total * (total - 1))) / 255


def _colours(pixels: NDArray[np.uint8]) -> int:
    codes = pixels.astype(np.uint32)
    seen = np.zeros(1 << 24, dtype=np.bool_)
    seen[(codes[..., 0] << 16 | codes[..., 1] << 8 | codes[..., 2]).reshape(-1)] = True
    return int(np.count_nonzero(seen))


def _chroma(pixels: NDArray[np.uint8]) -> float:
    spread = pixels.max(axis=2) - pixels.min(axis=2)
    return float(int(spread.sum(dtype=np.int64)) / (spread.size * 255))
