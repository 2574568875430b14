"""The columns of an open index: numbers of posts, and their sites and ids. Only the chunks that matter are read."""

from __future__ import annotations

from pathlib import Path

import apsw
from pyroaring import BitMap

from tagswarm.manifests.errors import InvalidDocument

from .bitmaps import everything, from_ordinals, to_ordinals
from .columns import Containers, Mask
from .format import CHUNK, CHUNKS_PER_COLUMN
from .late import np
from .opened import Opened, told
from .packing import Directory, Numbers, unpack
from .store import Ordinals

_NULLS = "SELECT nulls FROM number WHERE column = ?"
_TEXT_NULLS = "SELECT posts FROM nulls WHERE column = ?"


class ColumnReader(Opened):
    """The numbers of posts."""

    def __init__(self, path: Path, database: apsw.Connection) -> None:
        """Take an open database."""
        super().__init__(path, database)
        self._nulls: dict[str, BitMap] = {}
        self._directories: dict[str, tuple[int, Directory] | None] = {}

    @property
    @told
    def columns(self) -> frozenset[str]:
        """The columns of numbers, and `source` and `md5` where a post has one."""
        names = {name for (name,) in self.database.execute("SELECT column FROM number")}
        if None in names:  # no table holds one: a damaged page does
            raise InvalidDocument("a column of numbers has no name")
        texts = {name for name in ("source", "md5") if len(self.nulls(name)) < self.size}
        return frozenset(names | texts)

    @told
    def nulls(self, column: str) -> BitMap:
        """The posts without a value in a column of numbers, of `source` or of `md5`."""
        if column not in self._nulls:
            found = self.set_of(_TEXT_NULLS if column in ("source", "md5") else _NULLS, column)
            self._nulls[column] = everything(self.size) if found is None else found
        return self._nulls[column].copy()

    def _directory(self, column: str) -> tuple[int, Directory] | None:
        if column not in self._directories:
            row = self.database.execute("SELECT key, chunks FROM number WHERE column = ?", (column,)).fetchone()
            self._directories[column] = None if row is None else (row[0], self._unpacked(row[1], column))
        return self._directories[column]

    def _unpacked(self, blob: bytes, column: str) -> Directory:
        found = Directory.unpack(memoryview(blob))
        chunks = -(-self.size // CHUNK)
        if not len(found.low) == len(found.high) == len(found.present) == chunks:
            raise InvalidDocument(f"the column {column} does not have {chunks} chunks")
        return found

    def _chunk(self, column: str, key: int, number: int) -> Numbers:
        """The numbers of the posts of a chunk that have one."""
        row = self.database.execute(
            "SELECT data FROM chunk WHERE key = ?", (key * CHUNKS_PER_COLUMN + number,)
        ).fetchone()
        if row is None:
            raise InvalidDocument(f"the column {column} has no chunk {number}")
        return unpack(row[0])

    def _has(self, column: str, number: int, present: int) -> Mask:
        """Which posts of a chunk have a number."""
        first = number * CHUNK
        mask = np.ones(min(CHUNK, self.size - first), np.bool_)
        if present < len(mask):
            self.nulls(column)
            here = self._nulls[column] & BitMap(range(first, first + len(mask)))
            mask[to_ordinals(here) - np.uint32(first)] = False
        if np.count_nonzero(mask) != present:
            raise InvalidDocument(f"chunk {number} of the column {column} has another number of nulls than it says")
        return mask

    @told
    def bounds(self, column: str) -> tuple[int, int] | None:
        """The least and the greatest number of a column."""
        row = self.database.execute("SELECT low, high FROM number WHERE column = ?", (column,)).fetchone()
        return None if row is None or row[0] is None else (row[0], row[1])

    @told
    def between(self, column: str, low: int | None, high: int | None) -> BitMap:
        """The posts whose number is at least `low` and at most `high`; None leaves an end open, nulls are never in."""
        found = self._directory(column)
        if found is None:
            return BitMap()
        key, directory = found
        least = directory.low if low is None else np.full(len(directory.low), _fit(low))
        most = directory.high if high is None else np.full(len(directory.high), _fit(high))
        some = (directory.present > 0) & (directory.low <= most) & (directory.high >= least) & (least <= most)
        whole = (directory.low >= least) & (directory.high <= most)
        out = Containers()
        for number in np.flatnonzero(some).tolist():
            mask = self._has(column, number, int(directory.present[number]))
            if not whole[number]:
                values = self._chunk(column, key, number)
                inside = (values >= least[number]) & (values <= most[number])
                if len(values) == len(mask):
                    mask = inside
                else:
                    mask[mask] = inside
            out.add(number, mask)
        return out.bitmap()

    @told
    def values(self, column: str, posts: BitMap | None = None) -> tuple[Numbers, Mask]:
        """The numbers of these posts, or of all, in the order of ordinals, and where they are null: 0 stands there."""
        chosen = None if posts is None else to_ordinals(posts)
        length = self.size if chosen is None else len(chosen)
        values, nulls = np.zeros(length, np.int64), np.ones(length, np.bool_)
        found = self._directory(column)
        if found is None:
            return values, nulls
        key, directory = found
        borders = np.arange(len(directory.low) + 1) * CHUNK
        ends = np.minimum(borders, self.size) if chosen is None else np.searchsorted(chosen, borders)
        for number in np.flatnonzero((np.diff(ends) > 0) & (directory.present > 0)).tolist():
            part = slice(ends[number], ends[number + 1])
            mask = self._has(column, number, int(directory.present[number]))
            numbers = self._chunk(column, key, number)
            if len(numbers) != int(directory.present[number]):
                raise InvalidDocument(f"chunk {number} of the column {column} has another length than it says")
            if len(numbers) < len(mask):
                spread = np.zeros(len(mask), np.int64)
                spread[mask] = numbers
                numbers = spread
            at = slice(None) if chosen is None else chosen[part] - np.uint32(number * CHUNK)
            values[part] = numbers[at]
            nulls[part] = ~mask[at]
        return values, nulls

    @property
    @told
    def sites(self) -> dict[str, tuple[int, int]]:
        """The first ordinal and the number of posts of each site, in the order of ordinals."""
        rows = self.database.execute("SELECT name, first, posts FROM site ORDER BY first")
        return {name: (first, posts) for name, first, posts in rows}

    def sites_of(self, ordinals: Ordinals) -> list[str]:
        """The site of each of these posts, in their order."""
        sites = self.sites
        firsts = np.array([first for first, _ in sites.values()], np.int64)
        names = list(sites)
        return [names[place] for place in (np.searchsorted(firsts, ordinals, side="right") - 1).tolist()]

    def ids(self, ordinals: Ordinals) -> Numbers:
        """The ids of these posts, in their order."""
        unique, back = np.unique(np.asarray(ordinals, np.uint32), return_inverse=True)
        return self.values("id", from_ordinals(unique))[0][back]

    @told
    def ordinals(self, site: str, ids: Numbers) -> Ordinals:
        """The ordinals of those posts of a site that the release has, ascending."""
        first, posts = self.sites.get(site, (0, 0))
        found = self._directory("id")
        wanted = np.unique(np.asarray(ids, np.int64))
        if found is None or not posts or not len(wanted):
            return np.empty(0, np.uint32)
        key, directory = found
        out = []
        for number in range(first // CHUNK, (first + posts - 1) // CHUNK + 1):
            low, high = directory.low[number], directory.high[number]
            here = wanted[np.searchsorted(wanted, low) : np.searchsorted(wanted, high, side="right")]
            if not len(here):
                continue
            start = max(first - number * CHUNK, 0)
            numbers = self._chunk("id", key, number)[start : first + posts - number * CHUNK]
            at = np.searchsorted(numbers, here)
            known = at < len(numbers)
            known[known] = numbers[at[known]] == here[known]
            out.append(at[known] + number * CHUNK + start)
        return np.concatenate([np.empty(0, np.uint32), *out]).astype(np.uint32)


def _fit(number: int) -> int:
    """A bound as a number of 64 bits; none lies beyond those."""
    return max(-(1 << 63), min(number, (1 << 63) - 1))
