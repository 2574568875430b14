"""Where items lie in a staging folder: under names that follow from what they are, never from what they are called.

So no name from outside can leave the folder, be too long, or be a folder for another item, and an item that is asked
for again after a kill finds its own bytes. Nothing here reads or writes.
"""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Iterator
from pathlib import Path

from .base import Item


class Staging:
    """The places of one call in its folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._taken: set[str] = set()

    @contextlib.contextmanager
    def place(self, item: Item) -> Iterator[Path]:
        """A path for the block alone, and the same for the same item unless it is under way twice."""
        name = _name(item)
        copy = 0
        while (taken := f"{name}-{copy}" if copy else name) in self._taken:
            copy += 1
        self._taken.add(taken)
        try:
            yield self._folder / taken
        finally:
            self._taken.remove(taken)


def _name(item: Item) -> str:
    parts = (item.volume, item.archive or "", str(item.offset), str(item.size), item.path)
    return hashlib.blake2b("\0".join(parts).encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()
