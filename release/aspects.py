"""How BOORU CHARS sorts images: classes of aspect ratio, groups of years, and a rank by what the picture looks like.

The classes overlap; an image belongs to the first that takes it, from the narrowest tolerance to the widest:

======== =============================== =====================
class    ratio of width to height        taken, as displayed
======== =============================== =====================
``7x10`` 7:10, 4 % either way            0.672 to 0.728
``3x4``  3:4, 10 %                       the rest of 0.675 to 0.825
``1x1``  1:1, 20 %                       the rest of 0.8 to 1.2
``3x2``  3:2, 40 %                       the rest of 0.9 to 2.1
``1x2``  2:3, 40 %                       the rest of 0.4 to 0.933
``other`` anything                       the rest, and what shows no image
======== =============================== =====================

BOORU CHARS dropped what is narrower or wider; a release drops nothing, hence `other`.

Nothing here computes statistics (`imaging.statistics` does) or forms volumes. Source: aperveyev/booru_processor,
`BC_2021/BC__readme_EN.txt` (classes, archives) and `BC_2021/BCI__readme_EN.txt` (the two ratings).
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Iterable

from tagswarm.imaging.statistics import Statistics

_CLASSES = (("7x10", 7, 10, 4), ("3x4", 3, 4, 10), ("1x1", 1, 1, 20), ("3x2", 3, 2, 40), ("1x2", 2, 3, 40))
"""Name, width, height and tolerance in percent, in the order in which they are tried."""

NAMES = (*(name for name, *_ in _CLASSES), "other")
"""The names of the classes by their number."""


def number(width: int | None, height: int | None) -> int:
    """The number of the class of an image of this size in pixels, as displayed; `NAMES` names it."""
    if width and height:
        for place, (_, wide, high, percent) in enumerate(_CLASSES):
            if abs(width * high - height * wide) * 100 <= percent * height * wide:
                return place
    return len(_CLASSES)


def in_main_list(statistics: Statistics | None) -> bool:
    """Whether an image is rich enough in detail, contrast and colour for the main list; the rest is the reverse."""
    return (
        statistics is not None
        and statistics.colours > 50_000
        and statistics.entropy > 0.5
        and statistics.standard_deviation > 0.15
        and statistics.mean_chroma > 0.1
    )


def rank(statistics: Statistics | None) -> tuple[int, float]:
    """The key that sorts images: the main list from rich to plain, the reverse list from plain on, the unmeasured."""
    if statistics is None:
        return 2, 0.0
    if in_main_list(statistics):
        rating = (
            (statistics.entropy - 0.3) * (math.log10(statistics.colours) - 3) * (statistics.standard_deviation - 0.1)
        )
        return 0, -rating
    return 1, (statistics.entropy + 0.3) * (statistics.mean_chroma + 0.1) * (statistics.standard_deviation + 0.1)


class YearGroups:
    """Groups of years: all up to the first of these years, then up to the next, and the newest, which has no end.

    A group is named by its last year, the newest by the year after the last one given. Without any given years each
    year is a group. Images of no known year are a group of their own, `undated`, which comes last.
    """

    def __init__(self, last_years: Iterable[int]) -> None:
        self._ends = sorted(set(last_years))

    def number(self, year: int | None) -> int:
        """The year that stands for the group of a year: groups sort by it."""
        if year is None:
            return _UNDATED
        if not self._ends:
            return year
        place = bisect_left(self._ends, year)
        return self._ends[place] if place < len(self._ends) else self._ends[-1] + 1

    def name(self, group: int) -> str:
        """The name of a group in the name of a volume."""
        return "undated" if group == _UNDATED else f"{group:04}"


_UNDATED = 10_000
"""Later than any year that a date can have."""
