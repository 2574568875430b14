"""The release in numbers: what its README tells, and what it added over the last one.

Counted from the normalised tables, a batch at a time. Nothing here formats a number or reads an image.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow.compute as pc

from tagswarm.manifests import tables
from tagswarm.manifests.records import Category

TOP = 25
"""Tags in the list of the most frequent ones."""


@dataclass(frozen=True, slots=True)
class TopTag:
    """One of the most frequent tags."""

    site: str
    name: str
    category: Category
    posts: int


@dataclass(frozen=True, slots=True)
class Growth:
    """What a release has more than the one before it."""

    previous: str
    posts: int
    """Posts that the last release did not have."""
    posts_gone: int
    files: int
    bytes: int
    tag_instances: int
    """May be negative: tags are removed from posts too."""
    new_tags: int


@dataclass(frozen=True, slots=True)
class Statistics:
    """What a release holds."""

    posts: int
    tags: int
    """Tags that some post has."""
    tag_instances: int
    ratings: tuple[tuple[str, str, int], ...]
    """Scheme, rating (empty for none) and posts; the schemes in order, their ratings mildest first."""
    categories: tuple[tuple[Category, int, int], ...]
    """Category, tags, instances."""
    top_tags: tuple[TopTag, ...]
    earliest: date | None
    latest: date | None

    @property
    def tags_per_post(self) -> float:
        """Mean number of tags of a post."""
        return self.tag_instances / self.posts if self.posts else 0.0


def count(metadata: Path) -> Statistics:
    """Count the tables in a folder."""
    posts = 0
    ratings: Counter[tuple[str, str]] = Counter()
    earliest, latest = None, None
    for batch in tables.read_batches(metadata / "posts.parquet", columns=["rating_scheme", "rating", "created_at"]):
        posts += batch.num_rows
        pairs = zip(_words(batch["rating_scheme"]), _words(batch["rating"]), strict=True)
        ratings.update(pairs)
        bounds = pc.min_max(batch["created_at"]).as_py()
        if bounds["min"] is not None:
            earliest = bounds["min"] if earliest is None else min(earliest, bounds["min"])
            latest = bounds["max"] if latest is None else max(latest, bounds["max"])
    found = [tag for tag in _tags(metadata) if tag.posts]
    by_category: dict[Category, list[int]] = {}
    for tag in found:
        by_category.setdefault(tag.category, []).append(tag.posts)
    return Statistics(
        posts=posts,
        tags=len(found),
        tag_instances=sum(tag.posts for tag in found),
        ratings=tuple((*key, ratings[key]) for key in sorted(ratings, key=_mildest_first)),
        categories=tuple((category, len(counts), sum(counts)) for category, counts in sorted(by_category.items())),
        top_tags=tuple(sorted(found, key=lambda tag: (-tag.posts, tag.name, tag.site))[:TOP]),
        earliest=None if earliest is None else earliest.date(),
        latest=None if latest is None else latest.date(),
    )


def growth(previous: str, before: Path, now: Path, *, files: int, size: int) -> Growth:
    """Compare the tables of two releases; `files` and `size`, in bytes, are what the new volumes add."""
    old, new = _keys(before), _keys(now)
    old_tags = {(tag.site, tag.name): tag.posts for tag in _tags(before) if tag.posts}
    new_tags = {(tag.site, tag.name): tag.posts for tag in _tags(now) if tag.posts}
    return Growth(
        previous=previous,
        posts=sum(len(np.setdiff1d(ids, old.get(site, _NONE), assume_unique=True)) for site, ids in new.items()),
        posts_gone=sum(len(np.setdiff1d(ids, new.get(site, _NONE), assume_unique=True)) for site, ids in old.items()),
        files=files,
        bytes=size,
        tag_instances=sum(new_tags.values()) - sum(old_tags.values()),
        new_tags=len(new_tags.keys() - old_tags.keys()),
    )


_NONE: npt.NDArray[np.int64] = np.empty(0, np.int64)


def _keys(metadata: Path) -> dict[str, npt.NDArray[np.int64]]:
    """The ids of the posts of each site."""
    parts: dict[str, list[npt.NDArray[np.int64]]] = {}
    for batch in tables.read_batches(metadata / "posts.parquet", columns=["site", "id"]):
        for site in pc.unique(batch["site"]).to_pylist():
            rows = batch.filter(pc.equal(batch["site"], site))
            parts.setdefault(site, []).append(rows["id"].to_numpy(zero_copy_only=False))
    return {site: np.concatenate(arrays) for site, arrays in parts.items()}


def _tags(metadata: Path) -> Iterable[TopTag]:
    columns = ["site", "name", "category", "post_count"]
    for batch in tables.read_batches(metadata / "tags.parquet", columns=columns):
        for site, name, category, posts in zip(*(batch[column].to_pylist() for column in columns), strict=True):
            yield TopTag(site, name, Category(category), posts)


def _words(column: object) -> list[str]:
    words: list[str] = pc.fill_null(pc.cast(column, "string"), "").to_pylist()
    return words


def _mildest_first(key: tuple[str, str]) -> tuple[str, int]:
    scheme, rating = key
    order = ("safe", "g", "s", "q", "e", "")
    return scheme, order.index(rating) if rating in order else len(order)
