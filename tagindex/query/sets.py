"""Sets of posts while a query is answered: members, or what is lacking; and unions of many.

Nothing here knows a query or a store.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from pyroaring import BitMap

from tagswarm.tagindex.bitmaps import everything

BATCH = 256
"""Sets that are held at a time when many are united."""


@dataclass(frozen=True, slots=True)
class Posts:
    """Some posts, or all but these."""

    posts: BitMap
    rest: bool = False

    def members(self, size: int) -> BitMap:
        """The posts that are meant, of a collection of `size`."""
        return everything(size) - self.posts if self.rest else self.posts


def union(sets: Iterable[BitMap], within: BitMap | None = None) -> BitMap:
    """All of some sets together, a batch at a time; of those `within`, until none is missing."""
    found = BitMap()
    waiting: list[BitMap] = []
    for one in sets:
        waiting.append(one if within is None else one & within)
        if len(waiting) == BATCH:
            found = found.union(*waiting)
            waiting.clear()
            if within is not None and len(found) == len(within):
                return found
    return found.union(*waiting)
