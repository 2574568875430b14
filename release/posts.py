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
import pyarrow.compute as pc

from tagswarm.manifests import tables
from tagswarm.manifests.records import Category


@dataclass(frozen=True, slots=True)
class Posts:
    """The posts of a site, sorted by id."""

    ids: npt.NDArray[np.int64]
    ratings: npt.NDArray[np.str_]
    """As in the table; empty where there is none."""
    years: npt.NDArray[np.int16]
    """Of the upload; 0 where it is not known."""
    md5: npt.NDArray[np.bytes_]
    """Claimed, 32 hex digits; empty where there is none."""

    def find(self, post: int) -> int | None:
        """The row of a post."""
        row = int(np.searchsorted(self.ids, post))
        return row if row < len(self.ids) and self.ids[row] == post else None

    def selected(self, ratings: AbstractSet[str] | None) -> npt.NDArray[np.bool_]:
        """Which rows have one of these ratings; None selects every row."""
        if ratings is None:
            return np.ones(len(self.ids), dtype=np.bool_)
        return np.isin(self.ratings, sorted(ratings))


def load(path: Path, site: str) -> Posts:
    """Read the columns of a site's posts from posts.parquet."""
    ids, ratings, years, md5 = [], [], [], []
    for batch in tables.read_batches(path, columns=["site", "id", "rating", "created_at", "md5"]):
        rows = batch.filter(pc.equal(batch["site"], site))
        if not rows.num_rows:
            continue
        ids.append(rows["id"].to_numpy(zero_copy_only=False).astype(np.int64))
        ratings.append(_text(rows["rating"], "U4"))
        years.append(pc.fill_null(pc.year(rows["created_at"]), 0).to_numpy(zero_copy_only=False).astype(np.int16))
        md5.append(_text(rows["md5"], "S32"))
    if not ids:
        return Posts(np.empty(0, np.int64), np.empty(0, "U4"), np.empty(0, np.int16), np.empty(0, "S32"))
    return Posts(np.concatenate(ids), np.concatenate(ratings), np.concatenate(years), np.concatenate(md5))


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


def _text(column: object, dtype: str) -> npt.NDArray[np.generic]:
    plain = pc.fill_null(pc.cast(column, "string"), "")
    return np.asarray(plain.to_pylist(), dtype=dtype)
