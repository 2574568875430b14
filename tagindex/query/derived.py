"""Numbers of posts: those of columns, and those that are computed: pixels, ratio, downvotes, counts of children.

All arithmetic is on whole numbers, so a boundary is never a matter of rounding twice. Nothing here reads a value of a
query.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

from pyroaring import BitMap

from tagswarm.tagindex.bitmaps import from_mask, from_ordinals, to_ordinals
from tagswarm.tagindex.late import np, npt
from tagswarm.tagindex.store import Store

Numbers: TypeAlias = "tuple[npt.NDArray[np.int64], npt.NDArray[np.bool_]]"
"""Values, and where they are null: what stands there means nothing."""

SPARSE = 64
"""Where less than one post in so many matters, their values are read, and the column is not searched."""


def _pixels(store: Store, posts: BitMap | None = None) -> Numbers:
    """Width times height."""
    width, no_width = store.values("width", posts)
    height, no_height = store.values("height", posts)
    return width * height, no_width | no_height


def _ratio(store: Store, posts: BitMap | None = None) -> Numbers:
    """Width by height in hundredths, rounded half up."""
    width, no_width = store.values("width", posts)
    height, no_height = store.values("height", posts)
    nulls = no_width | no_height | (height <= 0)
    height = np.where(nulls, 1, height)
    return (200 * width + height) // (2 * height), nulls


def _aspect(store: Store, posts: BitMap | None = None) -> Numbers:
    """A number that is ordered as width by height is, exactly, for sides below 2^31 pixels."""
    width, no_width = store.values("width", posts)
    height, no_height = store.values("height", posts)
    nulls = no_width | no_height | (height <= 0)
    height = np.where(nulls, 1, height)
    high, rest = np.divmod(width << 32, height)
    if not height.size or height.max() <= 1 << 16:  # two such ratios differ by 2^-32 or more: these digits decide
        return high, nulls
    low = (rest << 32) // height
    order = np.lexsort((low, high))
    steps = (np.diff(high[order]) != 0) | (np.diff(low[order]) != 0)
    ranks = np.zeros(len(order), dtype=np.int64)
    ranks[order[1:]] = np.cumsum(steps)
    return ranks, nulls


def _downvotes(store: Store, posts: BitMap | None = None) -> Numbers:
    """The absolute value of the score from below."""
    values, nulls = store.values("down_score", posts)
    return np.abs(values), nulls


def parents(store: Store, children: BitMap) -> npt.NDArray[np.int64]:
    """The ordinal of the parent of each of these posts, in the order of ordinals; -1 where the release lacks it."""
    found = np.full(len(children), -1, dtype=np.int64)
    members = to_ordinals(children)
    for site in store.words("site"):
        family = store.word("site", site)
        ours = np.isin(members, to_ordinals(family & children), assume_unique=True)
        wanted, orphans = store.values("parent_id", family & children)
        ids, _ = store.values("id", family)  # ascending, as ordinals are
        at = np.minimum(np.searchsorted(ids, wanted), len(ids) - 1)
        found[ours] = np.where(~orphans & (ids[at] == wanted), to_ordinals(family)[at].astype(np.int64), -1)
    return found


def with_parent(store: Store) -> BitMap:
    """The posts that have a parent, in the release or not."""
    return store.between("parent_id", None, None)


def children_of(store: Store, chosen: BitMap) -> BitMap:
    """The posts whose parent is one of these."""
    children = with_parent(store)
    at = parents(store, children)
    return from_mask(np.isin(at, to_ordinals(chosen)), children)


def parents_of(store: Store, chosen: BitMap) -> BitMap:
    """The posts that are the parent of one of these."""
    at = parents(store, chosen & with_parent(store))
    return from_ordinals(np.unique(at[at >= 0]))


def _children(kind: str) -> Callable[[Store, BitMap | None], Numbers]:
    def count(store: Store, posts: BitMap | None = None) -> Numbers:
        children = with_parent(store)
        if kind:
            deleted = store.flag("is_deleted")
            children = children & deleted if kind == "deleted" else children - deleted
        at = parents(store, children)
        counts = np.bincount(at[at >= 0], minlength=store.size).astype(np.int64)
        chosen = counts if posts is None else counts[to_ordinals(posts)]
        return chosen, np.zeros(len(chosen), dtype=np.bool_)

    return count


_DERIVED: dict[str, Callable[[Store, BitMap | None], Numbers]] = {
    "mpixels": _pixels,
    "ratio": _ratio,
    "aspect": _aspect,
    "downvotes": _downvotes,
    "child_count": _children(""),
    "active_child_count": _children("active"),
    "deleted_child_count": _children("deleted"),
}


def numbers(store: Store, column: str, posts: BitMap | None = None) -> Numbers:
    """The numbers of these posts, or of all, of a column or of one of those made here."""
    return _DERIVED[column](store, posts) if _derived(store, column) else store.values(column, posts)


def between(store: Store, column: str, low: int | None, high: int | None, within: BitMap | None = None) -> BitMap:
    """The posts whose number is in a range, ends included; right for those `within`, whatever is said of others."""
    if not _derived(store, column) and (within is None or len(within) * SPARSE >= store.size):
        return store.between(column, low, high)
    values, nulls = numbers(store, column, within)
    mask = ~nulls
    if low is not None:
        mask &= values >= low
    if high is not None:
        mask &= values <= high
    return from_mask(mask, within)


def missing(store: Store, column: str, within: BitMap | None = None) -> BitMap:
    """The posts that have no such number; right for those `within`."""
    return from_mask(numbers(store, column, within)[1], within) if _derived(store, column) else store.nulls(column)


def _derived(store: Store, column: str) -> bool:
    return column in _DERIVED and column not in store.columns
