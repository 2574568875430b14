"""Writes the index of a release from its tables, in bounded memory: 100 bytes a post, and a partition of pairs.

The same tables give the same bytes: one transaction into a new file, rows in one order, nothing of the clock or the
machine; another version of SQLite or zlib may write other ones. The file is written aside and renamed.
"""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from tagswarm.manifests import disk
from tagswarm.manifests.errors import DiskFull, StoreError, TagswarmError, Unreadable
from tagswarm.manifests.events import Report, StepAdvanced, StepFinished, StepStarted, silent

from . import pages, parts
from .annotations import Annotations, sizes
from .columns import Mask, NumberColumn, bytes_of
from .dictionary import Dictionary, relations, spelling
from .format import APPLICATION_ID, CHUNK, CHUNKS_PER_COLUMN, FORMAT, INDEXES, PAGE, SCHEMA, VERSION
from .packing import Numbers
from .pairs import Pairs
from .postings import Segments, encode
from .posts import NEVER_NULL, Place, Scan, chunks
from .reader import Index

STEP = "write index"

_NEW = (
    f"page_size = {PAGE}",
    "auto_vacuum = NONE",
    "encoding = 'UTF-8'",
    f"application_id = {APPLICATION_ID}",
    f"user_version = {VERSION}",
)
"""What is fixed before the first page of a file is written."""


def write(metadata: Path, out: Path, *, work: Path, report: Report = silent) -> None:
    """Write the index of the tables in a folder.

    Args:
        metadata: the folder of the Parquet tables.
        out: the file to write; one that is there is replaced.
        work: a folder for what does not fit into memory, 8 bytes a pair of post and tag; emptied at the end.
        report: told how far it is.

    Raises:
        FormatError: a table is missing columns, not sorted, or disagrees with another one.
        StoreError: the disk.
    """
    with _aside(out) as aside, _database(aside) as database:
        for setting in _NEW:
            database.execute(f"PRAGMA {setting}")
        database.execute("BEGIN EXCLUSIVE")
        _fill(database, metadata, work, report)
        database.execute("COMMIT")


def add_files(index: Path, out: Path, files: Mapping[str, Iterable[tuple[str, int, int]]]) -> None:
    """Write an index that also knows what renditions weigh: another one with a column `bytes:<rendition>` each.

    Args:
        index: the index to take everything else from.
        out: the file to write; one that is there is replaced.
        files: site, id and bytes of the files of each rendition; posts the release does not have are left out.

    Raises:
        FormatError: the index is damaged.
        StoreError: the disk.
    """
    with Index.open(index) as opened:
        place = Place(opened.sites, opened.values("id")[0])
    with _aside(out) as aside:
        with disk.failures(aside):
            shutil.copyfile(index, aside)
        pages.detach(aside)
        with _database(aside) as database:
            database.execute("BEGIN EXCLUSIVE")
            (last,) = database.execute("SELECT max(key) FROM number").fetchone()
            for key, rendition in enumerate(sorted(files), last + 1):
                _column(database, key, f"bytes:{rendition}", *sizes(place, files[rendition]))
            for table, digest in parts.digests(database, ("number", "chunk")):
                database.execute("UPDATE meta SET value = ? WHERE key = ?", (digest, f"sha256:{table}"))
            database.execute("COMMIT")


def _column(database: sqlite3.Connection, key: int, name: str, values: Numbers, null: Mask | None) -> None:
    """Write a column whole."""
    column = NumberColumn()
    for number in range(-(-len(values) // CHUNK)):
        part = slice(number * CHUNK, (number + 1) * CHUNK)
        data = column.add(values[part], None if null is None else null[part])
        if data is not None:
            _insert(database, "chunk", [(key * CHUNKS_PER_COLUMN + number, data)])
    _insert(database, "number", [_number(key, name, column)])


def _number(key: int, name: str, column: NumberColumn) -> tuple[Any, ...]:
    return name, key, *column.bounds, column.present, bytes_of(column.nulls), column.directory()


@contextmanager
def _aside(out: Path) -> Iterator[Path]:
    """The path to write at, which is put in its place at the end."""
    aside = out.with_name(f"{disk.TEMPORARY}{out.name}")
    disk.make_directory(out.parent)
    disk.remove(aside)
    try:
        yield aside
        pages.attach(aside)
        disk.rename(aside, out)
    except BaseException:
        disk.remove(aside)
        raise


@contextmanager
def _database(path: Path) -> Iterator[sqlite3.Connection]:
    """A file that nobody else sees yet; what SQLite says of it becomes an error of ours."""
    try:
        with disk.failures(path), closing(sqlite3.connect(path, isolation_level=None)) as database:
            for setting in (
                "journal_mode = OFF",
                "synchronous = FULL",
                "locking_mode = EXCLUSIVE",
                "cache_size = -65536",
            ):
                database.execute(f"PRAGMA {setting}")
            yield database
    except sqlite3.Error as failure:
        raise _refused(path, failure) from failure


def _refused(path: Path, failure: sqlite3.Error) -> TagswarmError:
    if getattr(failure, "sqlite_errorname", "") == "SQLITE_FULL":
        return DiskFull(f"{path}: the disk is full")
    if isinstance(failure, sqlite3.OperationalError):
        return Unreadable(f"{path}: {failure}")
    return StoreError(f"{path}: {failure}")


def _fill(database: sqlite3.Connection, metadata: Path, work: Path, report: Report) -> None:
    for statement in SCHEMA.split(";"):
        database.execute(statement)
    place = Place.read(metadata)
    report(StepStarted(STEP, place.size, unit="posts"))
    _insert(database, "site", ((site, first, posts) for site, (first, posts) in place.sites.items()))
    dictionary = Dictionary.read(metadata)
    _insert(database, "tag", dictionary.rows())
    _insert(database, "initials", dictionary.initials())
    aliases = relations(metadata, "aliases")
    _insert(database, "alias", aliases)
    _insert(database, "implication", relations(metadata, "implications"))
    names = [*dictionary.names, *(name for name, _ in aliases)]
    _insert(database, "spelling", spelling(names))
    beside = Annotations(metadata, place)
    _insert(database, "pool", beside.pools())
    _insert(database, "text", ((number, *block) for number, block in enumerate(beside.texts(), 1)))
    with Pairs(work / "index", dictionary.counts) as pairs:
        scan = _scan(database, metadata, dictionary, pairs, beside, report)
        _insert(database, "posting", _segments(pairs))
    _sets(database, scan)
    _insert(database, "md5", scan.md5s())
    _insert(database, "user", beside.users(scan.users))
    for statement in INDEXES.split(";"):
        database.execute(statement)
    facts = {
        "format": FORMAT,
        "posts": str(scan.size),
        "tags": str(len(dictionary.names)),
        "tag_instances": str(int(dictionary.counts.sum())),
        "schemes": " ".join(sorted(scan.schemes)),
        "tables": " ".join(sorted(beside.tables)),
        **{f"sha256:{table}": digest for table, digest in parts.digests(database)},
    }
    _insert(database, "meta", sorted(facts.items()))
    report(StepFinished(STEP, place.size))


def _insert(database: sqlite3.Connection, table: str, rows: Iterable[tuple[Any, ...]]) -> None:
    iterator = iter(rows)
    first = next(iterator, None)
    if first is None:
        return
    statement = f"INSERT INTO {table} VALUES ({', '.join('?' * len(first))})"  # noqa: S608 - names of our own
    database.execute(statement, first)
    database.executemany(statement, iterator)


def _scan(  # noqa: PLR0917 - the parts of one step
    database: sqlite3.Connection,
    metadata: Path,
    dictionary: Dictionary,
    pairs: Pairs,
    beside: Annotations,
    report: Report,
) -> Scan:
    """Read the posts once and write the chunks of their columns and their sources."""
    scan = Scan()
    keys: dict[str, int] = {}
    for number, rows in enumerate(chunks(metadata)):
        first = scan.size
        made = (
            (keys.setdefault(name, len(keys)) * CHUNKS_PER_COLUMN + number, data)
            for name, data in scan.chunk(rows, dictionary, pairs, beside.columns)
        )
        _insert(database, "chunk", made)
        _insert(database, "source", scan.sources(rows["source"], first))
        report(StepAdvanced(STEP, scan.size))
    for name, column in sorted(scan.numbers.items()):
        if column.present or name in NEVER_NULL or name in beside.columns:
            key = keys.setdefault(name, len(keys))
            _insert(database, "number", [_number(key, name, column)])
    return scan


def _segments(pairs: Pairs) -> Iterator[tuple[int, bytes]]:
    segments = Segments()
    for ordinals in pairs.lists():
        yield from segments.add(encode(ordinals.astype(np.uint32, copy=False)))
    yield from segments.flush()


def _sets(database: sqlite3.Connection, scan: Scan) -> None:
    _insert(database, "word", ((*key, len(posts), bytes_of(posts)) for key, posts in sorted(scan.words.items())))
    _insert(database, "flag", ((name, len(posts), bytes_of(posts)) for name, posts in sorted(scan.flags.items())))
    _insert(database, "nulls", ((name, bytes_of(posts)) for name, posts in sorted(scan.nulls.items())))
