"""Columns of posts by their ordinals: from the index where it holds them, else from posts.parquet.

Numbers and words are quicker to have from the index. Everything else is read from the table of the release, which is
sorted by site and id as ordinals are, so that the ordinal of a post is the number of its row; only the row groups and
the columns that are needed are read. Where the index was fetched alone, it gives what it has.

Nothing here formats. Whoever asks for many posts asks piece by piece: what is asked for is in memory as a whole.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from tagswarm.manifests import tables
from tagswarm.manifests.errors import InvalidDocument
from tagswarm.manifests.paths import escape
from tagswarm.tagindex.bitmaps import from_ordinals
from tagswarm.tagindex.store import NUMBERS, WORDS
from tagswarm.tagindex.subset import COLUMNS, Subset

from .opening import Release

Ordinals = npt.NDArray[np.uint32]
Read = Callable[[Ordinals], Any]
"""Gives the columns of some posts as an Arrow table, in the order of the ordinals."""


def columns(release: Release) -> list[str]:
    """The columns that posts of a release have: those of posts.parquet, then the counts that the index holds."""
    table = tables.SCHEMAS["posts"].names if _table(release).exists() else sorted(COLUMNS)
    return [*table, *sorted(release.index.columns.difference(table))]


@contextlib.contextmanager
def reading(release: Release, names: Sequence[str]) -> Iterator[Read]:
    """A way to read these columns.

    Raises:
        FormatError: the table is malformed, or of another release than the index.
        StoreError: it cannot be read.
    """
    path = _table(release)
    known = tables.SCHEMAS["posts"].names
    quick = {*NUMBERS, *WORDS, *release.index.columns.difference(known)}
    if quick.issuperset(names) or not path.exists():
        yield lambda ordinals: Subset(release.index, from_ordinals(ordinals), ordinals).to_arrow(names)
        return
    stored = [name for name in names if name in known]
    counted = [name for name in names if name not in known]
    opened = contextlib.ExitStack()
    try:
        table = _Table(path, opened.enter_context(tables.open_table(path, "posts")))
        if table.rows != len(release):
            raise InvalidDocument(
                f"{escape(str(path))}: has {table.rows:,} posts, and the index {len(release):,}",
                hint="Index and table are of different releases; fetch both again.",
            )

        def read(ordinals: Ordinals) -> Any:
            found = table.read(ordinals, stored)
            if counted:
                more = Subset(release.index, from_ordinals(ordinals), ordinals).to_arrow(counted)
                for name in counted:
                    found = found.append_column(more.schema.field(name), more[name])
            return found.select(list(names))

        yield read
    finally:
        opened.close()  # and is not told what the reader of the rows has met: a closed pipe is no failure of the table


def _table(release: Release) -> Path:
    return release.tables / tables.file_name("posts")


class _Table:
    """posts.parquet, open."""

    def __init__(self, path: Path, file: Any) -> None:
        self._path, self._file = path, file
        groups = file.metadata
        self.rows: int = groups.num_rows
        self._starts = np.cumsum([0, *(groups.row_group(number).num_rows for number in range(groups.num_row_groups))])

    def read(self, ordinals: Ordinals, names: Sequence[str]) -> Any:
        """Columns of these rows, in their order."""
        schema = pa.schema([tables.SCHEMAS["posts"].field(name) for name in names])
        sorting = np.argsort(ordinals, kind="stable")
        ascending = ordinals[sorting].astype(np.int64)
        groups = np.searchsorted(self._starts, ascending, side="right") - 1
        parts = []
        for group in np.unique(groups).tolist():
            inside = pa.array(ascending[groups == group] - self._starts[group])
            parts.append(self._group(group, names).take(inside))
        places = np.empty(len(ordinals), np.int64)
        places[sorting] = np.arange(len(ordinals))
        found = pa.concat_tables(parts) if parts else schema.empty_table()
        return found.select(list(names)).cast(schema).take(pa.array(places))

    def _group(self, group: int, names: Sequence[str]) -> Any:
        try:
            return self._file.read_row_group(group, columns=list(names))
        except (pa.ArrowException, OSError) as failure:
            raise InvalidDocument(f"{escape(str(self._path))}: {str(failure).splitlines()[0]}") from failure
