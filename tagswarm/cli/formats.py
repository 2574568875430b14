"""Rows of posts as text: ids, tab-separated values, JSON lines, a table for people; and as a Parquet file.

Text is made piece by piece, so that a large answer neither fills the memory nor keeps a pipe waiting. What is made for
programs holds the values as they are; what a terminal shows is escaped.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import IO, Any, Literal

from tagswarm.manifests.paths import escape

Format = Literal["ids", "tsv", "jsonl", "table", "parquet"]

SUFFIXES: dict[str, Format] = {".tsv": "tsv", ".jsonl": "jsonl", ".ndjson": "jsonl", ".parquet": "parquet"}
"""What the name of a file says of its format; other names say nothing."""

_TSV = str.maketrans({"\\": "\\\\", "\t": "\\t", "\n": "\\n", "\r": "\\r"})


def format_of(asked: Format | None, file: Path | None, *, columns: bool, terminal: bool) -> Format:
    """The format that is meant: as asked, else as the name of the file says, else what suits the place.

    Args:
        asked: the option, where it was given.
        file: where to, where not to stdout.
        columns: whether columns were asked for.
        terminal: whether a person reads along.
    """
    if asked is not None:
        return asked
    if file is not None and (named := SUFFIXES.get(file.suffix.lower())):
        return named
    if not columns:
        return "ids"
    return "table" if terminal and file is None else "tsv"


def tsv_head(columns: Sequence[str]) -> str:
    r"""The first line: names of columns. Of the values after it, tab, newline and backslash are `\t`, `\n`, `\\`."""
    return "\t".join(columns) + "\n"


def tsv_line(values: Iterable[object], *, terminal: bool) -> str:
    """One line of tab-separated values; a null is empty, and a list has blanks between its elements."""
    clean = escape if terminal else str
    return "\t".join(clean(cell(value).translate(_TSV)) for value in values) + "\n"


def tsv(pieces: Iterable[Any], *, terminal: bool) -> Iterator[str]:
    """Arrow tables as tab-separated lines."""
    for piece in pieces:
        rows = zip(*(column.to_pylist() for column in piece.columns), strict=True)
        yield "".join(tsv_line(row, terminal=terminal) for row in rows)


def json_lines(pieces: Iterable[Any], **more: str) -> Iterator[str]:
    """Arrow tables as one JSON object a line; `more` comes first in each."""
    for piece in pieces:
        yield "".join(json.dumps({**more, **row}, default=_plain) + "\n" for row in piece.to_pylist())


def cell(value: object) -> str:
    """A value as text."""
    match value:
        case None:
            return ""
        case bool():
            return "yes" if value else "no"
        case datetime():
            return _plain(value)
        case list():
            return " ".join(map(cell, value))
        case _:
            return str(value)


def _plain(value: object) -> str:
    if isinstance(value, datetime):
        return value.isoformat().replace("+00:00", "Z")
    raise TypeError(f"{type(value).__name__} has no form in JSON")


def write_parquet(file: IO[bytes], schema: Any, pieces: Iterable[Any]) -> None:
    """Write Arrow tables as one Parquet file, compressed by zstd."""
    import pyarrow.parquet as pq  # noqa: PLC0415 - it takes long to load

    with pq.ParquetWriter(file, schema, compression="zstd") as writer:
        for piece in pieces:
            writer.write_table(piece.cast(schema))
