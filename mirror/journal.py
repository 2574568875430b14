"""The journal of a subset folder: which posts lie in it, one line of the lock each, with a checksum.

One SQLite file. What it says is there has reached the disk before. Every row carries a CRC-32 and every table the sum
of them, because a flipped bit in a row, or one that hides rows, is nothing that SQLite would notice.

Nothing here looks at the files themselves.
"""

from __future__ import annotations

import contextlib
import sqlite3
import zlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from tagswarm.manifests import disk
from tagswarm.manifests.errors import DiskFull, FormatError, JournalCorrupt, StoreError

from .lock import Entry, parse_entry

VERSION = 1
PAGE = 500
"""Rows of a query, so that writes may come between."""
_HINT = "Run the same command again: the journal is rebuilt from tagswarm.lock and the files."

_TABLE = """
CREATE TABLE IF NOT EXISTS {0} (id INTEGER PRIMARY KEY, recipe TEXT NOT NULL, line BLOB NOT NULL, crc INTEGER NOT NULL);
CREATE TRIGGER IF NOT EXISTS {0}_in AFTER INSERT ON {0} BEGIN
    UPDATE sums SET count = count + 1, crcs = crcs + new.crc WHERE name = '{0}'; END;
CREATE TRIGGER IF NOT EXISTS {0}_out AFTER DELETE ON {0} BEGIN
    UPDATE sums SET count = count - 1, crcs = crcs - old.crc WHERE name = '{0}'; END;
INSERT OR IGNORE INTO sums VALUES ('{0}', 0, 0);
"""
_TABLES = ("posts", "placing", "pending")
_SCHEMA = f"""
CREATE TABLE IF NOT EXISTS sums (name TEXT PRIMARY KEY, count INTEGER NOT NULL, crcs INTEGER NOT NULL);
{"".join(_TABLE.format(name) for name in _TABLES)}
CREATE TEMPORARY TABLE wanted (id INTEGER PRIMARY KEY);
"""


@dataclass(frozen=True, slots=True)
class Row:
    """What the journal knows of a post."""

    entry: Entry
    recipe: str
    """`Form.recipe` by which it was made."""

    @property
    def crc(self) -> int:
        """CRC-32 of the row."""
        return _crc(self.recipe, self.entry.line())


@contextlib.contextmanager
def _mapped(path: Path) -> Iterator[None]:
    try:
        yield
    except sqlite3.Error as failure:
        message = str(failure)
        if "full" in message:
            raise DiskFull(f"{path}: the disk is full") from failure
        damaged = not isinstance(failure, sqlite3.OperationalError) or "malformed" in message or "no such" in message
        if damaged:
            raise JournalCorrupt(f"{path}: {message}", hint=_HINT) from failure
        raise StoreError(f"{path}: {message}") from failure


class Journal:
    """The journal, open; one thread uses it at a time.

    Raises:
        JournalCorrupt: it is damaged, as a whole or in one row.
        StoreError: it cannot be opened.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        disk.make_directory(path.parent)
        with _mapped(path):
            self._db = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
            try:
                self._open()
            except BaseException:
                self._db.close()
                raise

    def _open(self) -> None:
        with _mapped(self.path):
            self._db.execute("PRAGMA journal_mode = WAL")
            self._db.execute("PRAGMA recursive_triggers = ON")  # REPLACE is a deletion, too
            self._db.execute("PRAGMA synchronous = FULL")  # a commit a batch: what it says survives a power cut
            (version,) = self._db.execute("PRAGMA user_version").fetchone()
            self.fresh = version == 0
            """Whether nobody ever wrote to it."""
            if version not in {0, VERSION}:
                raise JournalCorrupt(f"{self.path}: has version {version}; this program reads {VERSION}", hint=_HINT)
            self._db.executescript(_SCHEMA)
            self._db.execute(f"PRAGMA user_version = {VERSION}")
            sums = {name: (count, crcs) for name, count, crcs in self._db.execute("SELECT * FROM sums").fetchall()}
        for name in _TABLES:
            count = crcs = 0
            for row in self._pages(f"SELECT id, recipe, line, crc FROM {name} WHERE id > ? ORDER BY id LIMIT ?"):  # noqa: S608 - one of our names
                count += 1
                crcs += row.crc
            if sums.get(name) != (count, crcs):
                raise JournalCorrupt(f"{self.path}: rows of it are lost", hint=_HINT)

    def close(self) -> None:
        """Close it."""
        self._db.close()

    @contextlib.contextmanager
    def _batch(self) -> Iterator[None]:
        with _mapped(self.path):
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield
                self._db.execute("COMMIT")
            except BaseException:
                if self._db.in_transaction:  # a full disk may have ended it already
                    self._db.execute("ROLLBACK")
                raise

    def intend(self, rows: Iterable[Row], pending: Iterable[Row] = ()) -> None:
        """Remember posts that are about to get into their places, and others that were wanted and did not come."""
        with self._batch():
            self._db.executemany("REPLACE INTO placing VALUES (?, ?, ?, ?)", map(_packed, rows))
            self._db.executemany("REPLACE INTO pending VALUES (?, ?, ?, ?)", map(_packed, pending))

    def intended(self) -> Iterator[Row]:
        """The posts that were about to get into their places, sorted by id."""
        return self._pages("SELECT id, recipe, line, crc FROM placing WHERE id > ? ORDER BY id LIMIT ?")

    def note(self, rows: Iterable[Row]) -> None:
        """Take over posts that are in their places."""
        with self._batch():
            there = [_packed(row) for row in rows]
            self._db.executemany("REPLACE INTO posts VALUES (?, ?, ?, ?)", there)
            for table in ("pending", "placing"):
                self._db.executemany(f"DELETE FROM {table} WHERE id = ?", [values[:1] for values in there])  # noqa: S608 - our own names

    def forget_intended(self) -> None:
        """Forget the posts that were about to get into their places."""
        with self._batch():
            self._db.execute("DELETE FROM placing")

    def forget(self, posts: Iterable[int]) -> None:
        """Take posts out, whether they are there or pending."""
        ids = [(post,) for post in posts]
        with self._batch():
            self._db.executemany("DELETE FROM posts WHERE id = ?", ids)
            self._db.executemany("DELETE FROM pending WHERE id = ?", ids)

    def find(self, posts: Sequence[int]) -> dict[int, Row]:
        """What is known of some posts, by id."""
        marks = ",".join("?" * len(posts))
        with _mapped(self.path):
            found = self._db.execute(f"SELECT id, recipe, line, crc FROM posts WHERE id IN ({marks})", posts).fetchall()  # noqa: S608 - question marks
        return {values[0]: self._row(*values) for values in found}

    def rows(self) -> Iterator[Row]:
        """Every post that is there, sorted by id."""
        return self._pages("SELECT id, recipe, line, crc FROM posts WHERE id > ? ORDER BY id LIMIT ?")

    def entries(self) -> Iterator[Entry]:
        """Every post that was wanted, sorted by id: as it is there, or as it is pending."""
        for row in self._pages(
            "SELECT id, recipe, line, crc FROM (SELECT * FROM posts WHERE id NOT IN (SELECT id FROM pending)"
            " UNION ALL SELECT * FROM pending) WHERE id > ? ORDER BY id LIMIT ?"
        ):
            yield row.entry

    def want(self, posts: Iterable[int]) -> None:
        """Remember for this session that posts are wanted."""
        with self._batch():
            self._db.executemany("INSERT OR IGNORE INTO wanted VALUES (?)", ((post,) for post in posts))

    def unwanted(self) -> Iterator[Row]:
        """The posts that are there and were not wanted in this session, sorted by id."""
        return self._pages(
            "SELECT id, recipe, line, crc FROM posts WHERE id > ? AND id NOT IN (SELECT id FROM wanted)"
            " ORDER BY id LIMIT ?"
        )

    def forget_unwanted(self) -> None:
        """Take out what is pending and was not wanted in this session."""
        with self._batch():
            self._db.execute("DELETE FROM pending WHERE id NOT IN (SELECT id FROM wanted)")

    def _pages(self, query: str) -> Iterator[Row]:
        last = -1
        while True:
            with _mapped(self.path):
                found = self._db.execute(query, (last, PAGE)).fetchall()
            for values in found:
                yield self._row(*values)
            if len(found) < PAGE:
                return
            last = found[-1][0]

    def _row(self, post: int, recipe: str, line: bytes, crc: int) -> Row:
        try:
            if crc == _crc(recipe, line):
                entry = parse_entry(line)
                if entry.id == post:
                    return Row(entry, recipe)
        except (FormatError, TypeError, AttributeError):  # SQLite hands out whatever type lies there
            pass
        raise JournalCorrupt(f"{self.path}: what it says of post {post} is damaged", hint=_HINT)


def _packed(row: Row) -> tuple[int, str, bytes, int]:
    line = row.entry.line()
    return row.entry.id, row.recipe, line, _crc(row.recipe, line)


def _crc(recipe: str, line: bytes) -> int:
    return zlib.crc32(line, zlib.crc32(recipe.encode()))
