"""The journal of a dataset: what is known of every file, so that nothing is read twice.

One SQLite file under `.tagswarm/`. A scan lists the files in it; those without a digest are the queue of the read
pass; so a run that was stopped anywhere goes on where it was, and a file whose size, mtime and inode are what they
were is not read again. Everything in it can be found out anew from the tree: to lose it costs time and nothing else.

Nothing here reads an image, and nothing that is published depends on how the journal came to be.
"""

from __future__ import annotations

import contextlib
import json
import re
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Self

from tagswarm.manifests.digest import FileDigest
from tagswarm.manifests.errors import DiskFull, JournalCorrupt, StoreError
from tagswarm.manifests.paths import FilePath, escape

from .facts import FileFact, Look, PublishedFile, Stat, Stray
from .tree import Found

VERSION = 1
CACHE = 64 << 20
"""Bytes of the journal that are kept in memory."""

_SCHEMA = """
CREATE TABLE IF NOT EXISTS files (
    path TEXT PRIMARY KEY, tree TEXT NOT NULL, id INTEGER,
    size INTEGER NOT NULL, mtime_ns INTEGER NOT NULL, inode INTEGER NOT NULL,
    piece_length INTEGER, sha256 TEXT, md5 TEXT, root TEXT, pieces BLOB, layer BLOB,
    look TEXT, formerly TEXT
) WITHOUT ROWID; CREATE INDEX IF NOT EXISTS files_by_id ON files (tree, id, path); CREATE INDEX IF NOT EXISTS
files_to_read ON files (tree, path) WHERE sha256 IS NULL; CREATE INDEX IF NOT EXISTS files_by_digest ON files (tree,
sha256, path); CREATE TABLE IF NOT EXISTS strays (path BLOB PRIMARY KEY, tree TEXT NOT NULL, reason TEXT NOT NULL,
detail TEXT NOT NULL) WITHOUT ROWID; CREATE TABLE IF NOT EXISTS made (
    path TEXT PRIMARY KEY, recipe TEXT NOT NULL, outcome TEXT NOT NULL
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS published (
    tree TEXT NOT NULL, site TEXT NOT NULL, id INTEGER NOT NULL, version INTEGER NOT NULL, path TEXT NOT NULL, sha256
    TEXT NOT NULL, volume TEXT NOT NULL, archive TEXT NOT NULL, PRIMARY KEY (tree, id, version, path)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS published_by_path ON published (path);
CREATE TABLE IF NOT EXISTS meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
"""

_PUBLISHED = "tree, site, id, version, path, sha256, volume, archive"
_FACT = "path, size, mtime_ns, inode, piece_length, sha256, md5, root, pieces, layer, look, formerly"
_DAMAGED = re.compile("malformed|decode")


@contextlib.contextmanager
def _mapped(path: Path) -> Iterator[None]:
    try:
        yield
    except sqlite3.Error as failure:
        message = str(failure)
        if "full" in message:
            raise DiskFull(f"{path}: the disk is full") from failure
        if "readonly" in message:
            raise StoreError(f"{path}: {message}", hint=f"Check the owner and permissions of {path}*.") from failure
        if isinstance(failure, sqlite3.OperationalError) and not _DAMAGED.search(message):
            raise StoreError(f"{path}: {message}") from failure
        raise JournalCorrupt(f"{path}: {message}") from failure
    except UnicodeDecodeError as failure:  # SQLite hands out text as it lies there
        raise JournalCorrupt(f"{path}: {failure}") from failure


class Journal:
    """The journal, open; it implements `facts.Facts`."""

    def __init__(self, path: Path) -> None:
        self.path = path
        with _mapped(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            self._db = sqlite3.connect(path, isolation_level=None)
            self._db.execute("PRAGMA journal_mode = WAL")
            self._db.execute("PRAGMA synchronous = NORMAL")
            self._db.execute(f"PRAGMA cache_size = -{CACHE >> 10}")
            (version,) = self._db.execute("PRAGMA user_version").fetchone()
            if version not in {0, VERSION}:
                raise JournalCorrupt(f"{path}: has version {version}; this program reads version {VERSION}")
            self._db.executescript(_SCHEMA)
            self._db.execute(f"PRAGMA user_version = {VERSION}")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._db.close()

    @contextlib.contextmanager
    def batch(self) -> Iterator[None]:
        """Do several writes as one."""
        with _mapped(self.path):
            self._db.execute("BEGIN")
            try:
                yield
            except BaseException:
                if self._db.in_transaction:  # a full disk may have ended it already
                    self._db.execute("ROLLBACK")
                raise
            self._db.execute("COMMIT")

    # The scan: what lies in the tree now.

    def note_bucket(
        self,
        tree: str,
        prefix: str,
        found: Sequence[Found],
        strays: Iterable[Stray],
        *,
        piece_length: int,
        rehash: bool,
    ) -> None:
        """Take over what a folder holds: new and changed files lose their digest, those that are gone are forgotten."""
        with self.batch():
            rows = self._db.execute(
                "SELECT path, size, mtime_ns, inode, piece_length FROM files WHERE path >= ? AND path < ?",
                (prefix, prefix[:-1] + "0"),  # "0" follows "/": exactly the paths that begin with the prefix
            )
            # Files lie in buckets only: directly in a tree there are strays, and archives that no scan finds.
            known = {} if prefix == f"{tree}/" else {row[0]: row[1:] for row in rows}
            for file in found:
                stat = file.stat
                row = known.pop(file.path, None)
                if row == (stat.size, stat.mtime_ns, stat.inode, piece_length):
                    if rehash:
                        self._db.execute(
                            "UPDATE files SET formerly = coalesce(formerly, sha256), sha256 = NULL WHERE path = ?",
                            (file.path,),
                        )
                    continue
                self._db.execute(
                    "REPLACE INTO files (path, tree, id, size, mtime_ns, inode, piece_length)"
                    " VALUES (?, ?, ?, ?, ?, ?, ?)",
                    (file.path, tree, file.id, stat.size, stat.mtime_ns, stat.inode, piece_length),
                )
            self._db.executemany("DELETE FROM files WHERE path = ?", ((path,) for path in known))
            self._db.executemany(
                "REPLACE INTO strays VALUES (?, ?, ?, ?)", ((_raw(s.path), tree, s.reason, s.detail) for s in strays)
            )

    def forget_strays(self, tree: str) -> None:
        """Forget the strays of a tree, before it is scanned anew."""
        with _mapped(self.path):
            self._db.execute("DELETE FROM strays WHERE tree = ?", (tree,))

    def forget_buckets(self, tree: str, prefixes: Iterable[str]) -> None:
        """Forget the files of every folder that is not one of these."""
        keep = set(prefixes)
        with self.batch():
            rows = self._db.execute(
                "SELECT DISTINCT substr(path, 1, length(tree) + 6) FROM files WHERE tree = ? AND id IS NOT NULL",
                (tree,),
            ).fetchall()
            for (prefix,) in rows:
                if prefix not in keep:
                    self._db.execute(
                        "DELETE FROM files WHERE path >= ? AND path < ? AND id IS NOT NULL", (prefix, prefix[:-1] + "0")
                    )

    # The read pass.

    def unread(self, tree: str) -> tuple[int, int]:
        """How many files of a tree have no digest, and their bytes."""
        with _mapped(self.path):
            count, size = self._db.execute(
                "SELECT count(*), coalesce(sum(size), 0) FROM files WHERE tree = ? AND sha256 IS NULL", (tree,)
            ).fetchone()
        return count, size

    def unread_paths(self, tree: str, *, page: int = 10_000) -> Iterator[tuple[str, int]]:
        """The files of a tree without a digest and their bytes, sorted; in pages, so that writes may come between."""
        last = ""
        while True:
            with _mapped(self.path):
                rows = self._db.execute(
                    "SELECT path, size FROM files WHERE tree = ? AND sha256 IS NULL AND path > ? ORDER BY path LIMIT ?",
                    (tree, last, page),
                ).fetchall()
            if not rows:
                return
            yield from rows
            last = rows[-1][0]

    def note_read(self, tree: str, post: int | None, fact: FileFact) -> None:
        """Take over what was read of a file."""
        digest = fact.digest
        look = fact.look
        with _mapped(self.path):
            self._db.execute(
                "INSERT INTO files (tree, id, " + _FACT + ") VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, NULL)"
                " ON CONFLICT (path) DO UPDATE SET"
                " size = excluded.size, mtime_ns = excluded.mtime_ns, inode = excluded.inode,"
                " piece_length = coalesce(excluded.piece_length, piece_length),"
                " sha256 = excluded.sha256, md5 = excluded.md5,"
                " root = excluded.root, pieces = excluded.pieces, layer = excluded.layer, look = excluded.look,"
                " formerly = CASE WHEN formerly IS NOT excluded.sha256 AND size = excluded.size"
                " AND mtime_ns = excluded.mtime_ns AND inode = excluded.inode THEN formerly END",
                (
                    tree,
                    post,
                    fact.path,
                    fact.stat.size,
                    fact.stat.mtime_ns,
                    fact.stat.inode,
                    digest and digest.piece_length,
                    digest and digest.sha256,
                    digest and digest.md5,
                    digest and digest.root,
                    digest and digest.pieces,
                    digest and digest.layer,
                    look and json.dumps([getattr(look, name) for name in Look.__slots__]),
                ),
            )

    # What was found out.

    def fact(self, path: str) -> FileFact | None:
        """What is known of one file."""
        with _mapped(self.path):
            row = self._db.execute(f"SELECT {_FACT} FROM files WHERE path = ?", (path,)).fetchone()
        return None if row is None else _fact(row)

    def by_path(self, tree: str) -> Iterator[tuple[int, FileFact]]:
        """Every file of a tree with the id in its name, sorted by path; the files of a post stand together."""
        last = f"{tree}/"
        while True:
            with _mapped(self.path):
                rows = self._db.execute(
                    f"SELECT id, {_FACT} FROM files WHERE path > ? AND path < ? AND id IS NOT NULL"
                    " ORDER BY path LIMIT 2000",
                    (last, f"{tree}0"),  # "0" follows "/"
                ).fetchall()
            if not rows:
                return
            for row in rows:
                yield row[0], _fact(row[1:])
            last = rows[-1][1]

    def in_tree(self, tree: str) -> Iterator[tuple[int, FileFact]]:
        """Every file of a tree with the id in its name, sorted by id, then by path."""
        last: tuple[int, str] = (-1, "")
        while True:
            with _mapped(self.path):
                rows = self._db.execute(
                    f"SELECT id, {_FACT} FROM files WHERE tree = ? AND id IS NOT NULL AND (id, path) > (?, ?)"
                    " ORDER BY id, path LIMIT 2000",
                    (tree, *last),
                ).fetchall()
            if not rows:
                return
            for row in rows:
                yield row[0], _fact(row[1:])
            last = (rows[-1][0], rows[-1][1])

    def newest_version(self, tree: str, post: int) -> int:
        """The highest version of a post's files that lie in a tree; 0 where there is none."""
        with _mapped(self.path):
            rows = self._db.execute("SELECT path FROM files WHERE tree = ? AND id = ?", (tree, post)).fetchall()
        return max((FilePath.parse(path).version for (path,) in rows), default=0)

    def strays(self) -> Iterator[Stray]:
        """Everything in the trees that fits no layout, sorted by path."""
        with _mapped(self.path):
            rows = self._db.execute("SELECT path, reason, detail FROM strays ORDER BY path").fetchall()
        for path, reason, detail in rows:
            yield Stray(path=bytes(path).decode("utf-8", "surrogateescape"), reason=reason, detail=detail)

    def duplicates(self, tree: str) -> Iterator[tuple[str, list[str]]]:
        """Every SHA-256 that several files of a tree share, with their paths, sorted."""
        with _mapped(self.path):
            shared = self._db.execute(
                "SELECT sha256 FROM files WHERE tree = ? AND sha256 IS NOT NULL AND id IS NOT NULL"
                " GROUP BY sha256 HAVING count(*) > 1 ORDER BY sha256",
                (tree,),
            ).fetchall()
            for (sha256,) in shared:
                rows = self._db.execute(
                    "SELECT path FROM files WHERE tree = ? AND sha256 = ? ORDER BY path", (tree, sha256)
                ).fetchall()
                yield sha256, [path for (path,) in rows]

    # What the build made: a rendition of a file, an archive of members.

    def made(self, path: str, recipe: str) -> str | None:
        """What came of making `path` by this recipe, or None where it was not made by exactly that."""
        with _mapped(self.path):
            row = self._db.execute("SELECT outcome FROM made WHERE path = ? AND recipe = ?", (path, recipe)).fetchone()
        return None if row is None else str(row[0])

    def last_made(self, path: str) -> str | None:
        """What came of making `path` when it was last made, by whatever recipe."""
        with _mapped(self.path):
            row = self._db.execute("SELECT outcome FROM made WHERE path = ?", (path,)).fetchone()
        return None if row is None else str(row[0])

    def note_made(self, path: str, recipe: str, outcome: str) -> None:
        """Take over what came of making `path`."""
        with _mapped(self.path):
            self._db.execute("REPLACE INTO made VALUES (?, ?, ?)", (path, recipe, outcome))

    def archives(self, tree: str) -> Iterator[str]:
        """The path of every archive of a tree that the build made, with that of the index beside a tar."""
        with _mapped(self.path):
            rows = self._db.execute("SELECT path FROM files WHERE tree = ? AND id IS NULL", (tree,)).fetchall()
        for (path,) in rows:
            yield path
            if path.endswith(".tar"):
                yield f"{path.removesuffix('.tar')}.json"

    # What earlier releases published.

    def published_root(self) -> str | None:
        """SHA-256 of the root whose files are listed as published."""
        with _mapped(self.path):
            row = self._db.execute("SELECT value FROM meta WHERE key = 'published'").fetchone()
        return None if row is None else str(row[0])

    def note_published(self, root_sha256: str, rows: Iterable[PublishedFile]) -> None:
        """Replace the list of published files."""
        with self.batch():
            self._db.execute("DELETE FROM published")
            self._db.executemany(
                "INSERT INTO published VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                ((r.tree, r.site, r.id, r.version, r.path, r.sha256, r.volume, r.archive or "") for r in rows),
            )
            self._db.execute("REPLACE INTO meta VALUES ('published', ?)", (root_sha256,))

    def published_of(self, tree: str, post: int) -> list[PublishedFile]:
        """The published files of a post in a tree, by version."""
        with _mapped(self.path):
            rows = self._db.execute(
                f"SELECT {_PUBLISHED} FROM published WHERE tree = ? AND id = ? ORDER BY version, path", (tree, post)
            ).fetchall()
        return [_published(row) for row in rows]

    def published(self, path: str) -> PublishedFile | None:
        """The published loose file of this path."""
        with _mapped(self.path):
            row = self._db.execute(
                f"SELECT {_PUBLISHED} FROM published WHERE path = ? AND archive = ''", (path,)
            ).fetchone()
        return None if row is None else _published(row)

    def published_files(self) -> Iterator[PublishedFile]:
        """Every published file, sorted by tree, id and version."""
        last: tuple[str, int, int, str] = ("", -1, 0, "")
        while True:
            with _mapped(self.path):
                rows = self._db.execute(
                    f"SELECT {_PUBLISHED} FROM published WHERE (tree, id, version, path) > (?, ?, ?, ?)"
                    " ORDER BY tree, id, version, path LIMIT 2000",
                    last,
                ).fetchall()
            if not rows:
                return
            yield from (_published(row) for row in rows)
            last = (rows[-1][0], rows[-1][2], rows[-1][3], rows[-1][4])


def _published(row: tuple[str, str, int, int, str, str, str, str]) -> PublishedFile:
    tree, site, post, version, path, sha256, volume, archive = row
    return PublishedFile(tree, site, post, version, path, sha256, volume, archive or None)


def _raw(path: str) -> bytes:
    return path.encode("utf-8", "surrogateescape")


def _fact(row: Sequence[Any]) -> FileFact:
    path, size, mtime_ns, inode, piece_length, sha256, md5, root, pieces, layer, look, formerly = row
    digest = None
    if sha256 is not None:
        digest = FileDigest(
            size=size,
            sha256=sha256,
            md5=md5,
            root=root,
            piece_length=piece_length,
            pieces=pieces,
            layer=layer,
        )
    return FileFact(
        path=path,
        stat=Stat(size=size, mtime_ns=mtime_ns, inode=inode),
        digest=digest,
        look=None if look is None else _look(path, look),
        formerly=formerly,
    )


def _look(path: str, text: str) -> Look:
    try:
        return Look(**dict(zip(Look.__slots__, json.loads(text), strict=True)))
    except (ValueError, TypeError) as failure:
        raise JournalCorrupt(f"{escape(path)}: what the journal says of it cannot be read: {failure}") from failure
