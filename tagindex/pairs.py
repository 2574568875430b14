"""From the tags of posts to the posts of tags: an external sort of (tag, post) pairs.

The posts come in the order of their ordinals. Their pairs are dealt out to partitions by ranges of tags, each of a size
that is sorted in memory, and appended to one file a partition, 8 bytes a pair. How many pairs a tag has is known
beforehand: the ranges follow from it, and a tag with another number of pairs is an error of the tables.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self

import numpy as np
import numpy.typing as npt

from tagswarm.manifests import disk
from tagswarm.manifests.errors import InvalidDocument

from .store import Ordinals

PARTITION = 1 << 23
"""Pairs that are sorted at a time."""


class Pairs:
    """Sorts the pairs of all posts; a context that removes its files."""

    def __init__(self, folder: Path, counts: npt.NDArray[np.int64], partition: int = PARTITION) -> None:
        """Prepare for tags with the keys 1, 2, ... that this many posts have each."""
        self._counts = counts
        self._part = np.concatenate(([0], (np.cumsum(counts) - counts) // partition)).astype(np.uint16)
        self._folder = folder
        self._files: dict[int, BinaryIO] = {}

    def __enter__(self) -> Self:
        disk.make_directory(self._folder)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        for part, file in self._files.items():
            file.close()
            disk.remove(self._path(part))

    def _path(self, part: int) -> Path:
        return self._folder / f"{part:05}.pairs"

    def add(self, keys: npt.NDArray[np.uint32], posts: Ordinals) -> None:
        """Take pairs: the key of a tag and the ordinal of a post each, the posts ascending."""
        if not len(keys):
            return
        pairs = keys.astype(np.uint64) << np.uint64(32) | posts
        parts = self._part[keys]
        order = np.argsort(parts, kind="stable")
        present, starts = np.unique(parts[order], return_index=True)
        for part, mine in zip(present.tolist(), np.split(order, starts[1:]), strict=True):
            path = self._path(part)
            with disk.failures(path):
                if part not in self._files:
                    self._files[part] = path.open("w+b")
                self._files[part].write(pairs[mine].data)

    def lists(self) -> Iterator[Ordinals]:
        """Yield the ordinals of each tag, ascending, in the order of the keys.

        Raises:
            InvalidDocument: a tag has another number of posts.
        """
        key = 0
        for part in range(int(self._part[-1]) + 1 if len(self._counts) else 0):
            last = int(np.searchsorted(self._part[1:], part, side="right"))
            counts = self._counts[key:last]
            pairs = self._sorted(part)
            ends = np.cumsum(counts)
            expected = np.repeat(np.arange(key + 1, last + 1, dtype=np.uint64), counts)
            if len(pairs) != len(expected) or not np.array_equal(pairs >> np.uint64(32), expected):
                raise InvalidDocument(
                    "posts.parquet and tags.parquet disagree about how many posts a tag has",
                    hint="Build the release again: both tables are written by one step.",
                )
            posts = pairs.astype(np.uint32)
            yield from np.split(posts, ends[:-1]) if len(ends) else ()
            key = last

    def _sorted(self, part: int) -> npt.NDArray[np.uint64]:
        file = self._files.pop(part, None)
        if file is None:
            return np.empty(0, np.uint64)
        path = self._path(part)
        with file, disk.failures(path):
            file.seek(0)
            pairs = np.frombuffer(bytearray(file.read()), np.uint64)
        disk.remove(path)
        pairs.sort()
        return pairs
