"""The index of a release on disk: the store that queries are answered from.

Everything is read when it is asked for, and checked then. Neither pyarrow nor the writer is imported here.
"""

from __future__ import annotations

from collections.abc import Iterator

from pyroaring import BitMap

from tagswarm.manifests.errors import InvalidDocument

from .bitmaps import from_ordinals, to_ordinals
from .format import FIELDS, SOURCES
from .late import np, npt
from .members import Members
from .numbers import ColumnReader
from .opened import told
from .packing import Numbers, unpack, unpack_from, unpack_texts
from .store import PoolRow, Text
from .vocabulary import Names, folded


class Index(Names, Members, ColumnReader):
    """An index that is open; a context manager. It implements `store.Store`."""

    @told
    def md5(self, value: str) -> BitMap:
        """The posts whose claimed MD5 is this, 32 lower case hex digits."""
        digest = bytes.fromhex(value)
        row = self.database.execute("SELECT data FROM md5 WHERE first = ?", (digest[0],)).fetchone()
        if row is None:
            return BitMap()
        ordinals, rest = _digests(row[0])
        return from_ordinals(ordinals[(rest == np.frombuffer(digest[1:], np.uint8)).all(axis=1)])

    @told
    def md5s(self, posts: BitMap) -> list[str | None]:
        """The claimed MD5s of these posts in the order of ordinals; every MD5 of the index is looked at."""
        chosen = to_ordinals(posts)
        place = np.full(self.size, -1, np.int32)
        place[chosen] = np.arange(len(chosen), dtype=np.int32)
        found = np.zeros((len(chosen), 16), np.uint8)
        for first, data in self.database.execute("SELECT first, data FROM md5 ORDER BY first"):
            ordinals, rest = _digests(data)
            at = place[ordinals]
            found[at[at >= 0], 0] = first
            found[at[at >= 0], 1:] = rest[at >= 0]
        digits = found.tobytes().hex()
        null = np.isin(chosen, to_ordinals(self.nulls("md5")), assume_unique=True).tolist()
        return [None if none else digits[32 * at : 32 * at + 32] for at, none in enumerate(null)]

    def sources(self, posts: BitMap | None = None) -> Iterator[tuple[int, str]]:
        """Ordinal and source of every post, or of every one of these, that has one, in the order of ordinals."""
        blocks = range(-(-self.size // SOURCES)) if posts is None else np.unique(to_ordinals(posts) // SOURCES).tolist()
        for block in blocks:
            yield from self._sources(block, posts)

    @told
    def _sources(self, block: int, posts: BitMap | None) -> list[tuple[int, str]]:
        row = self.database.execute("SELECT data FROM source WHERE block = ?", (block,)).fetchone()
        if row is None:
            return []
        view = memoryview(row[0])
        places, at = unpack_from(view)
        texts = unpack_texts(view[at:])
        if len(texts) != len(places):
            raise InvalidDocument(f"block {block} of the sources has another length than it says")
        rows = zip((places + block * SOURCES).tolist(), texts, strict=True)
        return list(rows) if posts is None else [row for row in rows if row[0] in posts]

    def pools(self) -> Iterator[PoolRow]:
        """Every pool, sorted by id."""
        yield from map(self._pool, self._numbers("SELECT number FROM pool ORDER BY id, number"))

    @told
    def _pool(self, number: int) -> PoolRow:
        statement = "SELECT id, name, category, deleted, posts FROM pool WHERE number = ?"
        ((key, name, category, deleted, posts),) = self.database.execute(statement, (number,))
        return PoolRow(key, name, category, bool(deleted), unpack(posts).tolist())

    def texts(self, table: str) -> Iterator[Text]:
        """Every text of `notes`, `comments` or `artist_commentaries`, sorted by post."""
        for number in self._numbers("SELECT number FROM text WHERE kind = ? ORDER BY number", table):
            yield from self._block(number, table)

    @told
    def _block(self, number: int, table: str) -> list[Text]:
        ((data,),) = self.database.execute("SELECT data FROM text WHERE number = ?", (number,))
        return list(_texts(data, FIELDS[table], table))

    @told
    def _numbers(self, statement: str, *values: str) -> list[int]:
        return [number for (number,) in self.database.execute(statement, values)]

    @told
    def users(self, column: str, name: str) -> BitMap:
        """The posts whose `uploader` or `approver` has this name, in any case."""
        found = BitMap()
        rows = self.database.execute("SELECT site, id FROM user WHERE folded = ? ORDER BY site, id", (folded(name),))
        for site, number in rows:
            found |= self.between(f"{column}_id", number, number) & self.word("site", site)
        return found


def _digests(data: bytes) -> tuple[Numbers, npt.NDArray[np.uint8]]:
    view = memoryview(data)
    ordinals, at = unpack_from(view)
    rest = np.frombuffer(view[at:], np.uint8)
    if len(rest) != 15 * len(ordinals):
        raise InvalidDocument("the list of MD5s has another length than it says")
    return ordinals, rest.reshape(-1, 15)


def _texts(data: bytes, fields: int, table: str) -> Iterator[Text]:
    view = memoryview(data)
    posts, at = unpack_from(view)
    active, more = unpack_from(view[at:])
    texts = unpack_texts(view[at + more :])
    if len(texts) != fields * len(posts) or len(active) != len(posts):
        raise InvalidDocument(f"a block of {table} has another length than it says")
    groups = zip(*[iter(texts)] * fields, strict=True)
    for post, group, alive in zip(posts.tolist(), groups, active.tolist(), strict=True):
        yield Text(post, group, bool(alive))
