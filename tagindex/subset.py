"""A subset: posts of a collection, in an order, and what they have in common.

Two subsets of one collection are put together with `&`, `|` and `-`. The order of an answer, the ids and everything
else are read from the index when they are asked for.

Nothing here understands a query, and nothing draws.
"""

from __future__ import annotations

import heapq
import sys
from collections.abc import Callable, Iterator, Sequence
from functools import cached_property
from itertools import islice
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import numpy.typing as npt
from pyroaring import BitMap

from tagswarm.manifests.errors import QueryError
from tagswarm.manifests.records import Category

from .bitmaps import from_ordinals, to_ordinals
from .query.conditions import Order
from .query.order import arrange, random_order
from .statistics import Statistics, TagCount
from .store import FLAGS, NUMBERS, WORDS, Ordinals, Store

if TYPE_CHECKING:
    from .query.evaluate import Answer

FEW = 20_000
"""Tags that are looked up one by one; for more, the dictionary is read from its most frequent tag down."""

COLUMNS = (*WORDS, *NUMBERS, *FLAGS, "source", "md5", "tags")
"""What `to_arrow` can give of every collection; the counts of its other tables come on top."""


class Subset:
    """Posts of a collection in an order.

    Args:
        store: the collection.
        posts: ordinals of the posts.
        ordinals: the same posts in their order; the newest ids first where it is left out.
    """

    def __init__(self, store: Store, posts: BitMap, ordinals: Ordinals | None = None) -> None:
        self._store = store
        self.posts = posts
        self._arranged: Callable[[], Ordinals] = (
            (lambda: arrange(posts, store, Order())) if ordinals is None else lambda: ordinals
        )

    @classmethod
    def of(cls, store: Store, answer: Answer) -> Self:
        """The posts that a query selects, in its order, which is not found before it is needed."""
        subset = cls(store, answer.posts)
        subset._arranged = lambda: answer.ordinals
        return subset

    @classmethod
    def from_ids(cls, store: Store, ids: npt.ArrayLike, site: str | None = None) -> Self:
        """The posts of these ids, in this order; `site` may be left out where there is one.

        Raises:
            QueryError: the collection has no such site or post.
        """
        sites = store.words("site")
        if site is None and len(sites) != 1:
            raise QueryError(f"an id names no post by itself, for there are {len(sites)} sites", hint="Name the site.")
        if site is not None and site not in sites:
            raise QueryError(f"there is no site {site!r}", hint=f"The sites are {', '.join(sites)}.")
        family = store.word("site", site or sites[0])
        known, _ = store.values("id", family)
        wanted = np.asarray(ids, dtype=np.int64)
        at = np.minimum(np.searchsorted(known, wanted), len(known) - 1)
        strange = wanted[known[at] != wanted]
        if len(strange):
            raise QueryError(f"{len(strange):,} posts are not there, the first is {strange[0]}", hint="Leave them out.")
        ordinals = to_ordinals(family)[at]
        return cls(store, from_ordinals(ordinals), ordinals)

    @cached_property
    def ordinals(self) -> Ordinals:
        """Ordinals of the posts in their order."""
        return self._arranged()

    def __len__(self) -> int:
        return len(self.posts)

    def __iter__(self) -> Iterator[int]:
        return iter(self.ids().tolist())

    def __repr__(self) -> str:
        return f"<Subset: {len(self):,} of {self._store.size:,} posts>"

    def __eq__(self, other: object) -> bool:
        """Whether the posts are the same, whatever their order."""
        if not isinstance(other, Subset):
            return NotImplemented
        return self._store is other._store and self.posts == other.posts

    __hash__ = None  # type: ignore[assignment] # as sets have none

    def __and__(self, other: Subset) -> Self:
        """The posts of both, in the order of the left."""
        return self._kept(self.posts & self._own(other).posts)

    def __sub__(self, other: Subset) -> Self:
        """The posts of the left that the right lacks, in the order of the left."""
        return self._kept(self.posts - self._own(other).posts)

    def __or__(self, other: Subset) -> Self:
        """The posts of either, the newest ids first."""
        return self._made(self.posts | self._own(other).posts)

    def _own(self, other: Subset) -> Subset:
        if other._store is not self._store:
            raise QueryError("two subsets of different collections have nothing in common", hint="Open one release.")
        return other

    def _made(self, posts: BitMap, ordinals: Ordinals | None = None) -> Self:
        """Other posts of the same collection."""
        return type(self)(self._store, posts, ordinals)

    def _kept(self, posts: BitMap) -> Self:
        kept = self._made(posts)
        kept._arranged = lambda: self.ordinals[np.isin(self.ordinals, to_ordinals(posts))]  # noqa: SLF001 - one of these
        return kept

    def _in_order(self, values: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """What goes along the ordinals, put in the order of the subset."""
        return values[np.searchsorted(to_ordinals(self.posts), self.ordinals)]

    def ids(self) -> npt.NDArray[np.int64]:
        """Ids of the posts in their order."""
        return self._in_order(self._store.values("id", self.posts)[0])

    def sample(self, n: int, seed: int = 0) -> Self:
        """At most `n` posts drawn at random, in the order of the draw.

        The same seed draws the same posts of the same subset on every machine, and fewer are the first of more.
        """
        ordinals = random_order(self.posts, self._store, seed, n)
        return self._made(from_ordinals(ordinals), ordinals)

    def to_arrow(self, columns: Sequence[str] = ("site", "id")) -> Any:
        """Columns of the posts as an Arrow table, in the order of the subset.

        Types are those of posts.parquet; counts of tables are 64-bit integers. `tags` are put together from the posting
        lists of all tags, which reads the whole index.

        Raises:
            QueryError: the index holds no such column.
        """
        from .arrow import table  # noqa: PLC0415 - pyarrow takes longer to load than most queries

        known = {*COLUMNS, *self._store.columns}
        if unknown := [name for name in columns if name not in known]:
            raise QueryError(f"no column {', '.join(unknown)}", hint=f"The columns are {', '.join(sorted(known))}.")
        return table(self._store, self.posts, self._in_order, columns)

    def tags(self, category: Category, limit: int = 20) -> list[TagCount]:
        """The most frequent tags of a category among these posts, then by their frequency everywhere, then by name."""
        if len(self) == self._store.size:
            rows = islice(self._store.frequent(category), min(limit, sys.maxsize))
            return [TagCount(row.name, row.count, row.count) for row in rows]
        if self._few is not None:
            return self._few.get(category, [])[:limit]
        counts = dict(zip(*(part.tolist() for part in self._counts), strict=True))
        best: list[tuple[int, int, TagCount]] = []
        for at, row in enumerate(self._store.frequent(category)):
            if len(best) == limit and (not best or row.count <= best[0][0]):
                break  # none that is left is more frequent here than it is everywhere
            entry = (counts.get(row.key, 0), -at, TagCount(row.name, counts.get(row.key, 0), row.count))
            if entry[0] and len(best) < limit:
                heapq.heappush(best, entry)
            elif entry[0] and entry > best[0]:
                heapq.heapreplace(best, entry)
        return [tag for *_, tag in sorted(best, reverse=True)]

    @cached_property
    def _counts(self) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
        return self._store.counts_within(self.posts)

    @cached_property
    def _few(self) -> dict[Category, list[TagCount]] | None:
        """All tags of these posts by category, where they are few enough to look up each."""
        keys, counts = self._counts
        if len(keys) > FEW:
            return None
        found: dict[Category, list[TagCount]] = {}
        for key, count in zip(keys.tolist(), counts.tolist(), strict=True):
            if row := self._store.tag_of(key):
                found.setdefault(row.category, []).append(TagCount(row.name, count, row.count))
        for tags in found.values():
            tags.sort(key=lambda tag: (-tag.count, -tag.everywhere, tag.name))
        return found

    def stats(self, top: int = 10) -> Statistics:
        """What the posts have in common: words, years, sizes, and the `top` tags of each category."""
        store = self._store

        def words(column: str) -> dict[str, int]:
            counts = {
                word: store.word(column, word).intersection_cardinality(self.posts) for word in store.words(column)
            }
            return {word: count for word, count in counts.items() if count}

        def total(column: str) -> int:
            values, nulls = store.values(column, self.posts)
            return int(values[~nulls].sum())

        renditions = sorted(name for name in store.columns if name.startswith("bytes:"))
        tags = {category.word: self.tags(category, top) for category in Category}
        return Statistics(
            posts=len(self),
            sites=words("site"),
            ratings=words("rating"),
            extensions=words("file_ext"),
            years=self._years(),
            claimed_bytes=total("file_size") if "file_size" in store.columns else None,
            sizes=self._sizes(),
            renditions={name.removeprefix("bytes:"): total(name) for name in renditions},
            tags={word: found for word, found in tags.items() if found},
        )

    def _years(self) -> dict[int, int]:
        if "created_at" not in self._store.columns:
            return {}
        values, nulls = self._store.values("created_at", self.posts)
        years = values[~nulls].astype("datetime64[us]").astype("datetime64[Y]").astype(np.int64) + 1970
        return dict(zip(*(part.tolist() for part in np.unique(years, return_counts=True)), strict=True))

    def _sizes(self) -> dict[int, int]:
        if not {"width", "height"} <= self._store.columns:
            return {}
        width, no_width = self._store.values("width", self.posts)
        height, no_height = self._store.values("height", self.posts)
        longer = np.maximum(width, height)[~(no_width | no_height)]
        powers = np.ceil(np.log2(np.maximum(longer, 1))).astype(np.int64)  # exact: these are small whole numbers
        return {1 << power: count for power, count in enumerate(np.bincount(powers).tolist()) if count}
