"""Lines of text and rows of tables: each line of a document once, each malformed one by itself.

The functions that cut documents yield (line, text, value); a row that is none has a `Malformed` for its value, and the
next row is read as if nothing had happened. A document whose stream broke off ends with one such row.

A line has at most `Limits.row` bytes.

Nothing here knows what a column means. JSON is in `json_rows`, XML in `xml_rows`.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from itertools import chain

from .base import Malformed, Row
from .stream import LIMITS, Document

Line = tuple[int, bytes, Malformed | None]
"""Its number, counted from 1, its bytes with the line end, and what is wrong with it as a line."""

QUOTED_LIMIT = 1 << 20
"""Bytes of a row that goes over several lines because of a quoted field."""

_BOM = b"\xef\xbb\xbf"


def lines(document: Document) -> Iterator[Line]:
    """Yield the lines of a document; of one that is too long the beginning only, in bounded memory."""
    stream, limit = document.stream, LIMITS.row
    number = 0
    line = stream.readline(limit + 1).removeprefix(_BOM)
    while line:
        number += 1
        if len(line) > limit:
            yield number, line[:8_000], Malformed("line-too-long", f"more than {limit} bytes")
            while line and not line.endswith(b"\n"):
                line = stream.readline(limit)
        elif line.endswith(b"\n") or document.failure is None:
            yield number, line, None
        else:
            yield number, line, Malformed(document.failure.reason, document.failure.detail)
            return
        line = stream.readline(limit + 1)
    if document.failure is not None:
        yield number + 1, b"", Malformed(document.failure.reason, document.failure.detail)


def _decoded(line: bytes, encodings: tuple[str, ...]) -> str:
    for encoding in encodings:
        try:
            return line.decode(encoding)
        except UnicodeDecodeError:
            continue
    raise Malformed("not-text", f"neither valid in {' nor in '.join(encodings)}")


def tab_table(document: Document, encodings: tuple[str, ...]) -> Iterator[Row]:
    """Rows of a table with tabs and without quotes, as a mapping from its header, which is in upper case here."""
    header: list[str] | None = None
    for number, line, malformed in lines(document):
        try:
            if malformed is not None:
                raise malformed
            text = _decoded(line, encodings).rstrip("\r\n")
        except Malformed as fault:
            yield number, line.decode("utf-8", "replace"), fault
            continue
        cells = text.split("\t")
        if header is None:
            header = [cell.strip().upper() for cell in cells]
            if len(set(header)) != len(header):
                yield number, text, Malformed("bad-header", "a column is named twice")
                return
        elif len(cells) == len(header):
            yield number, text, dict(zip(header, cells, strict=True))
        elif text:
            yield number, text, Malformed("bad-columns", f"{len(cells)} fields, the header has {len(header)}")


def _is_row(line: bytes, header: tuple[str, ...]) -> bool:
    """Tell whether a line in the middle of a quoted field looks like a row: a stray quote before it would hide it."""
    if header[0] != "id" or not line[:1].isdigit() or line.count(b'"') % 2:
        return False
    try:
        return comma_cells(line.decode(), header)[0].isdigit()
    except (Malformed, UnicodeDecodeError):
        return False


def comma_cells(text: str, header: tuple[str, ...] | None = None) -> list[str]:
    """Cut one row with commas into as many fields as the header has.

    Raises:
        Malformed: `not-csv`, `bad-columns` or `bad-header`.
    """
    try:
        found = list(csv.reader([text], strict=True))
    except csv.Error as failure:
        raise Malformed("not-csv", str(failure)) from failure
    if len(found) != 1:
        raise Malformed("not-csv", "a row that goes over several lines without quotes")
    if header is not None and len(found[0]) != len(header):
        raise Malformed("bad-columns", f"{len(found[0])} fields, the header has {len(header)}")
    if header is None and len(set(found[0])) != len(found[0]):
        raise Malformed("bad-header", "a column is named twice")
    return found[0]


def comma_table(document: Document, header: tuple[str, ...] | None = None) -> Iterator[Row]:
    """Rows of a table with commas (RFC 4180), as a mapping from its header.

    A quoted field may hold line ends. Where quotes do not balance, or a row of several lines has another number of
    fields than the header, or one of its lines is a row with an id by itself, its first line alone is the malformed
    row: the damage of one stray quote ends there.

    Args:
        document: what to read.
        header: the names of the fields where the document does not begin with them.
    """
    waiting: list[Line] = []
    source = lines(document)

    def following() -> Line | None:
        return waiting.pop() if waiting else next(source, None)

    while (found := following()) is not None:
        number, line, malformed = found
        more: list[Line] = []
        try:
            if malformed is not None:
                raise malformed
            quotes, size = line.count(b'"'), len(line)
            while quotes % 2 and size < QUOTED_LIMIT and (extra := following()) is not None:
                more.append(extra)
                if extra[2] is not None:
                    break
                quotes += extra[1].count(b'"')
                size += len(extra[1])
            text = _decoded(b"".join(chain((line,), (extra[1] for extra in more))), ("utf-8",))
            if not text.strip():
                continue
            if quotes % 2 or (header is not None and any(_is_row(extra[1], header) for extra in more)):
                raise Malformed("unbalanced-quote")  # noqa: TRY301 - every fault of a row goes one way
            cells = comma_cells(text, header)
            if header is None:
                header = tuple(cell.strip() for cell in cells)
                continue
        except Malformed as fault:
            waiting.extend(reversed(more))
            yield number, line.decode("utf-8", "replace"), fault
            continue
        yield number, text, dict(zip(header, cells, strict=True))
