"""The rows of a file table: their columns, what they say of the lines of manifests, and how they are written.

One row a file of a post, in the order of volumes by name and, inside of one, of its manifest. The same rows give the
same bytes, as `tables` says. Page: docs/reference/formats/files.md.

Nothing here decides which files belong to a release, or reads a table (`filetables`).
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa

from . import paths, tables
from .errors import InvalidDocument
from .models import FileEntry

FORMAT = "tagswarm.files/1"

ROW_GROUP = 1 << 17
"""Rows of every row group but the last."""

_TEXT = pa.string()
COLUMNS = (
    pa.field("id", pa.int64(), nullable=False),
    pa.field("version", pa.int32(), nullable=False),
    pa.field("extension", _TEXT),
    pa.field("size", pa.int64(), nullable=False),
    pa.field("sha256", pa.binary(32), nullable=False),
    pa.field("volume", _TEXT, nullable=False),
    pa.field("kind", _TEXT),
    pa.field("width", pa.int32()),
    pa.field("height", pa.int32()),
    pa.field("archive", _TEXT),
    pa.field("path", _TEXT),
    pa.field("offset", pa.int64()),
)
_PACKED = {"id": "DELTA_BINARY_PACKED", "size": "DELTA_BINARY_PACKED", "offset": "DELTA_BINARY_PACKED"}
"""Half the bytes of the usual encoding, and half the time to read."""

CODED = ("extension", "volume", "kind", "archive")
"""Texts that come again and again; read as codes they take half the time."""


def file_name(rendition: str) -> str:
    """Where the table of a rendition lies in the folder of its release."""
    return f"files/{rendition}.parquet"


def schema(rendition: str, site: str) -> Any:
    """The Arrow schema of the table of a rendition."""
    return pa.schema(COLUMNS, metadata={"format": FORMAT, "rendition": rendition, "site": site})


def rows_of(rendition: str, volume: str, entries: Iterable[FileEntry]) -> Any:
    """The lines of a manifest as rows of the table; those of no post, which are archives and indexes, are left out.

    Raises:
        InvalidDocument: a number is larger than its column can hold.
    """
    columns = list(zip(*(_row(rendition, volume, entry) for entry in entries if entry.id is not None), strict=True))
    found = pa.schema(COLUMNS)
    if not columns:
        return found.empty_table()
    try:
        return pa.table(
            [pa.array(values, kind.type) for values, kind in zip(columns, found, strict=True)], schema=found
        )
    except (pa.ArrowException, OverflowError) as failure:
        raise InvalidDocument(f"{volume}: a line of its manifest fits no file table: {failure}") from failure


def _row(rendition: str, volume: str, entry: FileEntry) -> tuple[Any, ...]:
    extension: str | None = entry.path.rpartition(".")[2]
    path: str | None = None
    if entry.archive is not None or entry.path != loose_path(rendition, entry.id, extension, entry.version or 1):
        extension, path = None, entry.path
    return (
        entry.id,
        entry.version or 1,
        extension,
        entry.size,
        bytes.fromhex(entry.sha256),
        volume,
        entry.kind,
        entry.width,
        entry.height,
        entry.archive,
        path,
        entry.offset,
    )


def loose_path(rendition: str, post: int | None, extension: str | None, version: int) -> str:
    """What `FilePath.of` gives as text, for millions of rows."""
    return f"{rendition}/{(post or 0) % paths.BUCKETS:04}/{post}{f'.v{version}' if version > 1 else ''}.{extension}"


@contextlib.contextmanager
def open_writer(path: Path, *, rendition: str, site: str) -> Iterator[Callable[[str, Iterable[FileEntry]], None]]:
    """Write a table aside, volume by volume, and put it in its place once the block is left without an error.

    Gives a function that appends the lines of the manifest of a volume; of these it keeps no more than a row group.

    Raises:
        InvalidDocument: a number is larger than its column can hold.
        DiskFull: there is no room.
        Unreadable: the folder cannot be written to.
    """
    names = [column.name for column in COLUMNS]
    with tables.open_parquet_writer(
        path,
        schema(rendition, site),
        group=ROW_GROUP,
        use_dictionary=[*CODED, "version", "width", "height"],
        column_encoding=_PACKED,
        compression={name: "none" if name == "sha256" else "zstd" for name in names},  # digests cannot be compressed
        compression_level={name: 3 for name in names if name != "sha256"},
    ) as writer:
        yield lambda volume, entries: writer.write(rows_of(rendition, volume, entries))
