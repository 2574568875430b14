"""The posts of one site as columns: what a build asks of millions of posts, in a few bytes each.

About 30 bytes a post. Everything else of a post stays in the Parquet table; nothing here reads tags.
"""

from __future__ import annotations

from collections.abc import Iterator
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from tagswarm.manifests import tables
from tagswarm.manifests.records import Category, RatingScheme


@dataclass(frozen=True, slots=True)
class Posts:
    """The posts of a site, sorted by id."""

    ids: npt.NDArray[np.int64]
    ratings: npt.NDArray[np.int8]
    """Places in `RATINGS`."""
    years: npt.NDArray[np.int16]
    """Of the upload; 0 where it is not known."""
    digests: npt.NDArray[np.uint8]
    """Claimed MD5s, 16 bytes a row; zeros where there is none."""

    def find(self, post: int) -> int | None:
        """The row of a post."""
        row = int(np.searchsorted(self.ids, post))
        return row if row < len(self.ids) and self.ids[row] == post else None

    def selected(self, ratings: AbstractSet[str] | None) -> npt.NDArray[np.bool_]:
        """Which rows have one of these ratings; None selects every row."""
        if ratings is None:
            return np.ones(len(self.ids), dtype=np.bool_)
        places = [place for place, rating in enumerate(RATINGS) if rating in ratings]
        return np.isin(self.ratings, np.array(places, dtype=np.int8))

    def md5(self, row: int) -> str | None:
        """The claimed MD5 of a row in lower case hex."""
        digest = self.digests[row].tobytes()
        return digest.hex() if any(digest) else None


RATINGS = ("", *sorted({rating for scheme in RatingScheme for rating in scheme.ratings}))
"""Every rating of every scheme; the empty one stands for none."""


def load(path: Path, site: str) -> Posts:
    """Read the columns of a site's posts from posts.parquet."""
    rows = tables.count_rows(path, "posts")
    posts = Posts(
        np.empty(rows, np.int64), np.empty(rows, np.int8), np.empty(rows, np.int16), np.zeros((rows, 16), np.uint8)
    )
    known = pa.array(RATINGS, pa.string())
    at = 0
    for batch in tables.read_batches(path, columns=["site", "id", "rating", "created_at", "md5"]):
        found = batch.filter(pc.equal(batch["site"], site))
        end = at + found.num_rows
        posts.ids[at:end] = found["id"].to_numpy(zero_copy_only=False)
        places = pc.index_in(pc.fill_null(pc.cast(found["rating"], "string"), ""), value_set=known)
        posts.ratings[at:end] = pc.fill_null(places, 0).to_numpy(zero_copy_only=False)
        posts.years[at:end] = pc.fill_null(pc.year(found["created_at"]), 0).to_numpy(zero_copy_only=False)
        for row, md5 in enumerate(found["md5"].to_pylist(), at):
            if md5 is not None:
                posts.digests[row] = np.frombuffer(bytes.fromhex(md5), np.uint8)
        at = end
    return Posts(posts.ids[:at], posts.ratings[:at], posts.years[:at], posts.digests[:at])


class Words:
    """The tags of posts by category, asked for in the order of ids: the table is read along, never held."""

    def __init__(self, metadata: Path, site: str) -> None:
        self._categories = {
            name: Category(category)
            for batch in tables.read_batches(metadata / "tags.parquet", columns=["site", "name", "category"])
            for of, name, category in zip(*(column.to_pylist() for column in batch.columns), strict=True)
            if of == site and category in _NAMED
        }
        self._rows = self._read(metadata / "posts.parquet", site)
        self._at: tuple[int, list[str]] = (-1, [])

    def of(self, post: int) -> dict[Category, list[str]]:
        """The copyright, character and artist tags of a post; ids must not go down from call to call."""
        while self._at[0] < post and (following := next(self._rows, None)) is not None:
            self._at = following
        found: dict[Category, list[str]] = {}
        for tag in self._at[1] if self._at[0] == post else ():
            if (category := self._categories.get(tag)) is not None:
                found.setdefault(category, []).append(tag)
        return found

    @staticmethod
    def _read(path: Path, site: str) -> Iterator[tuple[int, list[str]]]:
        for batch in tables.read_batches(path, columns=["site", "id", "tags"]):
            rows = batch.filter(pc.equal(batch["site"], site))
            yield from zip(rows["id"].to_pylist(), rows["tags"].to_pylist(), strict=True)


_NAMED = frozenset((Category.COPYRIGHT, Category.CHARACTER, Category.ARTIST))
