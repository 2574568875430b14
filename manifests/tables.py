"""The Parquet tables of a release, of posts and of what belongs to them: written alike, read in batches.

Each table carries its format and version in the metadata of its schema, `{"format": "tagswarm.posts/1"}`. The same rows
give the same bytes: row groups have a fixed number of rows, and nothing of the clock or the machine goes in; another
version of pyarrow may encode them otherwise. Page: docs/reference/formats/metadata.md.

The rows are sorted by whoever writes them; nothing here sorts or checks that.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from . import disk
from .errors import FormatError, InvalidDocument, UnsupportedVersion

ROW_GROUP = 1 << 15
"""Rows of every row group but the last."""

_TIME = pa.timestamp("us", tz="UTC")
_TEXT = pa.string()
_LONG = pa.large_string()
_NUMBER = pa.int32()
_ID = pa.int64()
_FLAG = pa.bool_()


def _needed(name: str, kind: Any) -> Any:
    return pa.field(name, kind, nullable=False)


def _schema(table: str, *columns: Any) -> Any:
    return pa.schema(list(columns), metadata={"format": f"tagswarm.{table}/1"})


def _relations(table: str) -> Any:
    return _schema(
        table,
        _needed("site", _TEXT),
        _needed("antecedent", _TEXT),
        _needed("consequent", _TEXT),
        _needed("status", _TEXT),
        pa.field("created_at", _TIME),
    )


SCHEMAS: dict[str, Any] = {
    "posts": _schema(
        "posts",
        _needed("site", _TEXT),
        _needed("id", _ID),
        _needed("rating_scheme", _TEXT),
        pa.field("rating", _TEXT),
        pa.field("created_at", _TIME),
        pa.field("updated_at", _TIME),
        pa.field("uploader_id", _ID),
        pa.field("approver_id", _ID),
        pa.field("score", _NUMBER),
        pa.field("up_score", _NUMBER),
        pa.field("down_score", _NUMBER),
        pa.field("fav_count", _NUMBER),
        pa.field("source", _TEXT),
        pa.field("md5", _TEXT),
        pa.field("width", _NUMBER),
        pa.field("height", _NUMBER),
        pa.field("file_ext", _TEXT),
        pa.field("file_size", _ID),
        pa.field("duration", pa.float64()),
        pa.field("parent_id", _ID),
        pa.field("has_children", _FLAG),
        pa.field("is_pending", _FLAG),
        pa.field("is_flagged", _FLAG),
        pa.field("is_deleted", _FLAG),
        pa.field("is_banned", _FLAG),
        pa.field("pixiv_id", _ID),
        pa.field("has_embedded_notes", _FLAG),
        pa.field("last_commented_at", _TIME),
        pa.field("last_comment_bumped_at", _TIME),
        pa.field("last_noted_at", _TIME),
        _needed("tags", pa.list_(_needed("element", _TEXT))),
        _needed("duplicate_tags", _NUMBER),
        pa.field("extra", _LONG),
    ),
    "tags": _schema(
        "tags",
        _needed("site", _TEXT),
        _needed("name", _TEXT),
        _needed("category", pa.int8()),
        _needed("post_count", _ID),
        pa.field("claimed_count", _ID),
    ),
    "aliases": _relations("aliases"),
    "implications": _relations("implications"),
    "pools": _schema(
        "pools",
        _needed("site", _TEXT),
        _needed("id", _ID),
        pa.field("name", _TEXT),
        pa.field("category", _TEXT),
        pa.field("description", _LONG),
        pa.field("is_deleted", _FLAG),
        _needed("post_ids", pa.list_(_needed("element", _ID))),
        pa.field("created_at", _TIME),
        pa.field("updated_at", _TIME),
    ),
    "notes": _schema(
        "notes",
        _needed("site", _TEXT),
        _needed("id", _ID),
        _needed("post_id", _ID),
        pa.field("body", _LONG),
        pa.field("is_active", _FLAG),
        pa.field("x", _NUMBER),
        pa.field("y", _NUMBER),
        pa.field("width", _NUMBER),
        pa.field("height", _NUMBER),
        pa.field("created_at", _TIME),
        pa.field("updated_at", _TIME),
    ),
    "comments": _schema(
        "comments",
        _needed("site", _TEXT),
        _needed("id", _ID),
        _needed("post_id", _ID),
        pa.field("creator_id", _ID),
        pa.field("body", _LONG),
        pa.field("score", _NUMBER),
        pa.field("is_deleted", _FLAG),
        pa.field("created_at", _TIME),
        pa.field("updated_at", _TIME),
    ),
    "artist_commentaries": _schema(
        "artist_commentaries",
        _needed("site", _TEXT),
        _needed("id", _ID),
        _needed("post_id", _ID),
        pa.field("original_title", _LONG),
        pa.field("original_description", _LONG),
        pa.field("translated_title", _LONG),
        pa.field("translated_description", _LONG),
        pa.field("created_at", _TIME),
        pa.field("updated_at", _TIME),
    ),
    "users": _schema("users", _needed("site", _TEXT), _needed("id", _ID), _needed("name", _TEXT)),
}
"""The schema of each table by its name; ids and counts are whole numbers, times UTC in microseconds, sizes bytes."""

OPTIONAL = ("artist_commentaries", "comments", "notes", "users")
"""Tables that a release has only where a source has them."""

_DICTIONARIES = frozenset(
    {"site", "rating_scheme", "rating", "file_ext", "tags.list.element", "category", "status", "duplicate_tags"}
    | {"width", "height", "score", "up_score", "down_score", "fav_count", "uploader_id", "approver_id"}
    | {"antecedent", "consequent"}
)
"""Columns whose values come again and again."""

_CONTAINERS = 10_000_000
_STRINGS = 100_000_000
"""Limits of the Thrift structures of a file from elsewhere: elements, and bytes."""


def file_name(table: str) -> str:
    """Name the file of a table."""
    return f"{table}.parquet"


class TableWriter:
    """Takes rows in pieces of any size and writes row groups of one size."""

    def __init__(self, file: Any, schema: Any, *, group: int | None = None, **options: Any) -> None:
        self.schema = schema
        self.rows = 0
        self._group = ROW_GROUP if group is None else group
        self._waiting: list[Any] = []
        self._waiting_rows = 0
        alike: dict[str, Any] = {
            "version": "2.6",
            "data_page_version": "1.0",
            "compression": "zstd",
            "compression_level": 3,
            "use_dictionary": [column for column in _leaves(schema) if column in _DICTIONARIES],
            "write_statistics": True,
            "write_page_checksum": True,
        }
        self._writer = pq.ParquetWriter(file, schema, **(alike | options))

    def write(self, rows: Any) -> None:
        """Append an Arrow table or record batch with the columns of the schema."""
        piece = pa.table(rows) if isinstance(rows, pa.RecordBatch) else rows
        piece = piece.cast(self.schema)
        self._waiting.append(piece)
        self._waiting_rows += piece.num_rows
        self.rows += piece.num_rows
        if self._waiting_rows >= self._group:
            self._flush(self._group)

    def _flush(self, least: int) -> None:
        waiting = pa.concat_tables(self._waiting)
        at = 0
        while waiting.num_rows - at >= least and waiting.num_rows > at:
            self._writer.write_table(waiting.slice(at, self._group), row_group_size=self._group)
            at += self._group
        self._waiting = [waiting.slice(at)] if at < waiting.num_rows else []
        self._waiting_rows = max(waiting.num_rows - at, 0)

    def close(self) -> None:
        """Write what waits and the footer."""
        if self._waiting:
            self._flush(1)
        self._writer.close()


def _leaves(schema: Any) -> list[str]:
    return [f"{field.name}.list.element" if pa.types.is_list(field.type) else field.name for field in schema]


@contextlib.contextmanager
def open_writer(path: Path, table: str) -> Iterator[TableWriter]:
    """Write a table aside and put it in its place once the block is left without an error.

    Raises:
        DiskFull: there is no room.
        Unreadable: the folder cannot be written to.
    """
    with open_parquet_writer(path, SCHEMAS[table]) as writer:
        yield writer


@contextlib.contextmanager
def open_parquet_writer(path: Path, schema: Any, *, group: int | None = None, **options: Any) -> Iterator[TableWriter]:
    """Write a file of any schema as all tables are written, but for what `options` of `ParquetWriter` say otherwise.

    Args:
        path: its place.
        schema: of Arrow.
        group: rows of every row group but the last.
        options: of `pyarrow.parquet.ParquetWriter`.

    Raises:
        DiskFull: there is no room.
        Unreadable: the folder cannot be written to.
    """
    with disk.Aside(path) as aside, disk.failures(path):
        writer = TableWriter(aside.file, schema, group=group, **options)
        try:
            yield writer
        finally:  # also where the block failed: an open writer would write into a closed file later
            writer.close()
        aside.commit()


@contextlib.contextmanager
def open_table(path: Path, table: str | None = None) -> Iterator[Any]:
    """Open a table and give its `pyarrow.parquet.ParquetFile`.

    Args:
        path: the file.
        table: which table it must be; any of ours where it is left out.

    Raises:
        Unreadable: there is no such file.
        InvalidDocument: it is no Parquet file, damaged, or lacks columns of its format.
        UnsupportedVersion: it is not ours, another table, or of a newer version.
    """
    with open_parquet(path) as found:
        _check(path, found.schema_arrow, table)
        yield found


@contextlib.contextmanager
def open_parquet(path: Path, dictionaries: Sequence[str] = ()) -> Iterator[Any]:
    """Open a Parquet file of any schema, within the limits, and map what Arrow raises while the block runs.

    Args:
        path: the file.
        dictionaries: columns that are read as codes and the values they stand for.

    Raises:
        Unreadable: there is no such file.
        InvalidDocument: it is no Parquet file, or damaged.
    """
    with disk.open_read(path) as file, disk.failures(path), _foreign(path):
        found = pq.ParquetFile(
            file,
            read_dictionary=list(dictionaries),
            thrift_string_size_limit=_STRINGS,
            thrift_container_size_limit=_CONTAINERS,
            page_checksum_verification=True,
        )
        with contextlib.closing(found):
            yield found


@contextlib.contextmanager
def _foreign(path: Path) -> Iterator[None]:
    try:
        yield
    except (pa.ArrowException, UnicodeDecodeError) as failure:
        raise InvalidDocument(f"{path}: {str(failure).splitlines()[0]}") from failure
    except OSError as failure:
        if failure.errno is not None:
            raise
        raise InvalidDocument(f"{path}: {str(failure).splitlines()[0]}") from failure  # Arrow's name for damaged data


def _check(path: Path, schema: Any, table: str | None) -> None:
    found = (schema.metadata or {}).get(b"format", b"").decode("utf-8", "replace")
    expected = [f"tagswarm.{name}/1" for name in ([table] if table else SCHEMAS)]
    if found not in expected:
        raise UnsupportedVersion(f"{path}: format {found!r}, this program reads {', '.join(expected)}")
    for field in SCHEMAS[found.removeprefix("tagswarm.").removesuffix("/1")]:
        at = schema.get_field_index(field.name)
        if at < 0 or schema.field(at).type != field.type:
            raise InvalidDocument(f"{path}: the column {field.name} is missing or is no {field.type}")


def count_rows(path: Path, table: str) -> int:
    """How many rows a table has, from its footer.

    Raises:
        Unreadable: there is no such file.
        FormatError: it is not such a table; see `open_table`.
    """
    with open_table(path, table) as found:
        return int(found.metadata.num_rows)


def read_batches(
    path: Path, columns: Sequence[str] | None = None, *, table: str | None = None, rows: int = ROW_GROUP
) -> Iterator[Any]:
    """Yield the rows of a table as record batches of at most `rows` rows, in the order of the file.

    Args:
        path: the file.
        columns: the names of those to read, in this order; all where it is left out.
        table: which table it must be.
        rows: the most of a batch.

    Raises:
        Unreadable: there is no such file.
        FormatError: it is not such a table; see `open_table`.
    """
    with open_table(path, table) as found:
        unknown = set(columns or ()) - set(found.schema_arrow.names)
        if unknown:
            raise FormatError(f"{path}: no column {', '.join(sorted(unknown))}", hint="Ask for a column of the format.")
        order = list(columns) if columns is not None else None
        for batch in found.iter_batches(batch_size=rows, columns=order, use_threads=False):
            yield batch.select(order) if order is not None else batch
