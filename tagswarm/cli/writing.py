"""Write posts to stdout or into a file, as they come: a pipe need not wait, and a file appears when it is complete.

What reads tables and draws is loaded only where it is needed: ids need neither.
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
import numpy as np
import numpy.typing as npt

from tagswarm.manifests import disk
from tagswarm.manifests.events import Report, StepAdvanced, StepFinished, StepStarted
from tagswarm.manifests.paths import escape
from tagswarm.opening import Release, Reply

from . import formats
from .formats import Format
from .output import Output
from .steps import units

Ordinals = npt.NDArray[np.uint32]

STEP = "write posts"
PIECE = 1 << 15
"""Posts that are in memory at a time."""
SHOWN = 200
"""Rows of a table on a terminal; a file or a pipe gets all."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the options say of how posts are written."""

    columns: str | None = None
    form: Format | None = None
    file: Path | None = None


def write(output: Output, reply: Reply, ordinals: Ordinals, wanted: Wanted) -> None:
    """Write posts in the order of their ordinals, and tell the result where a program or a file asked for it."""
    terminal = wanted.file is None and sys.stdout.isatty()
    form = formats.format_of(wanted.form, wanted.file, columns=wanted.columns is not None, terminal=terminal)
    if form == "ids" and wanted.columns is not None:
        raise click.UsageError("--columns names columns, and --format ids writes ids alone: give one of them.")
    if form == "ids" and len(reply.release.index.sites) > 1:
        output.notes(["the release has several sites: --columns site,id tells their posts apart"])
    found = {"query": reply.text, "release": reply.release.name, "notes": reply.notes, "count": len(ordinals)}
    if wanted.file is not None:
        file = wanted.file
        with output.progress() as report:
            _into(file, reply.release, _counted(ordinals, report), wanted.columns, form)
        said = f"written: {file}, {units(len(ordinals), 'posts')}"
        output.line({**found, "path": file}, said)
        return
    if form == "parquet":
        raise click.UsageError("Parquet is written into a file: name it with -o.")
    if output.json:
        with _rows(reply.release, [ordinals], _names(reply.release, wanted.columns)) as pieces:
            _out(formats.json_lines(pieces, event="post"))
        output.result(found, lambda _: None)
    elif output.quiet:
        return
    elif form == "table":
        _page(output, reply.release, ordinals, _names(reply.release, wanted.columns))
    else:
        with _text(reply.release, [ordinals], wanted.columns, form, terminal=terminal) as text:
            _out(text)


def _into(file: Path, release: Release, ordinals: Iterable[Ordinals], columns: str | None, form: Format) -> None:
    """Write a file aside and put it in its place."""
    with disk.Aside(file) as aside:
        if form == "parquet":
            from tagswarm import rows  # noqa: PLC0415 - see above

            names = _names(release, columns)
            with rows.reading(release, names) as read, disk.failures(file):
                schema = read(np.empty(0, np.uint32)).schema
                pieces = (read(piece) for found in ordinals for piece in _pieces(found))
                formats.write_parquet(aside.file, schema, pieces)
        else:
            with _text(release, ordinals, columns, form, terminal=False) as text:
                for part in text:
                    aside.write(part.encode())
        aside.commit()


@contextlib.contextmanager
def _text(
    release: Release, ordinals: Iterable[Ordinals], columns: str | None, form: Format, *, terminal: bool
) -> Iterator[Iterator[str]]:
    if form == "ids":
        pieces = (part for found in ordinals for part in _pieces(found))
        yield ("".join(f"{post}\n" for post in release.index.ids(piece).tolist()) for piece in pieces)
        return
    names = _names(release, columns)
    with _rows(release, ordinals, names) as found:
        if form == "jsonl":
            yield formats.json_lines(found)
        else:
            yield _headed(names, formats.tsv(found, terminal=terminal))


def _headed(names: list[str], lines: Iterator[str]) -> Iterator[str]:
    yield formats.tsv_head(names)
    yield from lines


def _page(output: Output, release: Release, ordinals: Ordinals, names: list[str]) -> None:
    """A table for people; it is cut where nobody would read on."""
    from .page import say, table  # noqa: PLC0415 - see above

    with _rows(release, [ordinals[:SHOWN]], names) as pieces:
        shown = [row for piece in pieces for row in zip(*(column.to_pylist() for column in piece.columns), strict=True)]
    numbers = {place for row in shown for place, value in enumerate(row) if isinstance(value, (int, float))}
    console = output.console()
    table(console, names, ([escape(formats.cell(value)) for value in row] for row in shown), numbers=numbers)
    if len(ordinals) > SHOWN:
        say(console, "bright_black", f"  and {len(ordinals) - SHOWN:,} more; a file (-o) or a pipe gets all")


def _names(release: Release, columns: str | None) -> list[str]:
    """The columns that are asked for; the key of a post where none is."""
    if columns is None:
        return ["id"] if len(release.index.sites) == 1 else ["site", "id"]
    from tagswarm import rows  # noqa: PLC0415 - see above

    known = rows.columns(release)
    names = [name.strip() for name in columns.split(",")]
    for name in names:
        if name not in known:
            raise click.BadParameter(
                f"there is no column {name!r}. The columns are {', '.join(known)}.", param_hint="'--columns'"
            )
    return list(dict.fromkeys(names))


@contextlib.contextmanager
def _rows(release: Release, ordinals: Iterable[Ordinals], names: list[str]) -> Iterator[Iterator[Any]]:
    """Columns of posts as Arrow tables."""
    from tagswarm import rows  # noqa: PLC0415 - see above

    with rows.reading(release, names) as read:
        yield (read(piece) for found in ordinals for piece in _pieces(found))


def _pieces(ordinals: Ordinals) -> Iterator[Ordinals]:
    for begin in range(0, len(ordinals), PIECE):
        yield ordinals[begin : begin + PIECE]


def _counted(ordinals: Ordinals, report: Report) -> Iterator[Ordinals]:
    """The same, telling how far it is."""
    report(StepStarted(STEP, len(ordinals), "posts"))
    done = 0
    for piece in _pieces(ordinals):
        yield piece
        done += len(piece)
        report(StepAdvanced(STEP, done))
    report(StepFinished(STEP, done))


def _out(text: Iterable[str]) -> None:
    for part in text:
        sys.stdout.write(part)
    sys.stdout.flush()
