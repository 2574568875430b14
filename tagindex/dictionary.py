"""The dictionary of tags: the tags of all sites as one list, the most frequent first, with their other names.

A tag that several sites have is one tag of the index: its posts are those of all sites, its category that of the site
with the most posts that knows one. Only tags that some post has are in it; only active aliases and implications are.

The tables are read here and put into rows; nothing here opens the index.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from tagswarm.manifests import tables
from tagswarm.manifests.errors import InvalidDocument
from tagswarm.manifests.records import Category

from .format import INITIALS, NAMES
from .spelling import initials, signatures

ACTIVE = "active"


class Dictionary:
    """The tags of a release; the key of a tag is its place, from 1 on."""

    def __init__(self, rows: list[tuple[str, int, int]]) -> None:
        """Take names, categories and numbers of posts, ordered by falling number and then by name."""
        self.names = [name for name, _, _ in rows]
        self.categories = np.array([0, *(category for _, category, _ in rows)], np.int8)
        """By key."""
        self.counts = np.array([count for _, _, count in rows], np.int64)
        self._keys = {name: key for key, name in enumerate(self.names, 1)}

    @classmethod
    def read(cls, metadata: Path) -> Dictionary:
        """Read the table of tags."""
        found: dict[str, tuple[int, int, int]] = {}  # category, posts, posts of the site the category is from
        columns = ["name", "category", "post_count"]
        for batch in tables.read_batches(metadata / tables.file_name("tags"), columns, table="tags"):
            rows = zip(*(batch[column].to_pylist() for column in columns), strict=True)
            for name, category, count in rows:
                if count > 0:
                    found[name] = _merged(found[name], category, count) if name in found else (category, count, count)
        return cls(sorted(((name, row[0], row[1]) for name, row in found.items()), key=lambda row: (-row[2], row[0])))

    def rows(self) -> Iterator[tuple[int, str, int, int]]:
        """Key, name, category and number of posts of every tag."""
        categories = self.categories[1:].tolist()
        yield from zip(range(1, len(self.names) + 1), self.names, categories, self.counts.tolist(), strict=True)

    def keys(self, names: Any) -> Any:
        """The keys of an Arrow array of names, as an array of numpy.

        Raises:
            InvalidDocument: a name is none of the dictionary.
        """
        encoded = names if pa.types.is_dictionary(names.type) else pc.dictionary_encode(names)
        words = encoded.dictionary.to_pylist()
        try:
            keys = np.fromiter((self._keys[word] for word in words), np.uint32, len(words))
        except KeyError as failure:
            raise InvalidDocument(
                f"posts.parquet has the tag {failure.args[0]!r}, which tags.parquet does not have",
                hint="Build the release again: both tables are written by one step.",
            ) from failure
        return keys[encoded.indices.to_numpy()]

    def initials(self) -> list[tuple[str, int]]:
        """The initials of tags, sorted, and the key of the most frequent tag that has them."""
        first: dict[str, int] = {}
        for key, name in enumerate(self.names, 1):
            letters = initials(name)
            if 0 < len(letters) <= INITIALS:
                first.setdefault(letters, key)
        return sorted(first.items())


def _merged(known: tuple[int, int, int], category: int, count: int) -> tuple[int, int, int]:
    old, total, strength = known
    unknown = Category.UNKNOWN.value
    better = old == unknown or (category != unknown and (count, -category) > (strength, -old))
    return (category, total + count, count) if better else (old, total + count, strength)


def relations(metadata: Path, table: str) -> list[tuple[str, str]]:
    """The active aliases or implications of all sites, sorted; none of a tag and itself."""
    columns = ["antecedent", "consequent", "status"]
    found = {
        (antecedent, consequent)
        for batch in tables.read_batches(metadata / tables.file_name(table), columns, table=table)
        for antecedent, consequent, status in zip(*(batch[column].to_pylist() for column in columns), strict=True)
        if status == ACTIVE and antecedent != consequent
    }
    return sorted(found)


def spelling(names: list[str]) -> Iterator[tuple[int, bytes]]:
    """The signatures of names in blocks: the place of the first name of each, from 1 on, and the bytes."""
    for start in range(0, len(names), NAMES):
        yield start + 1, signatures(names[start : start + NAMES]).astype("<u8").tobytes()
