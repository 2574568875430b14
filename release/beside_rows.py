"""The rows of a table beside the posts: packed into columns as they come, sorted by site and id at the end.

Memory is that of the texts and 100 bytes a row; no booru has more of them than fit. Nothing here decides what to keep
but that the first row of an id stays.
"""

from __future__ import annotations

from collections.abc import Iterator
from operator import attrgetter
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from tagswarm.manifests.records import ArtistCommentary, Beside, Comment, Note, User
from tagswarm.manifests.tables import ROW_GROUP, SCHEMAS

TABLE_OF: dict[type[Beside], str] = {
    Note: "notes",
    Comment: "comments",
    ArtistCommentary: "artist_commentaries",
    User: "users",
}
"""The table of each kind of row."""


class BesideRows:
    """The rows of one table on their way to it."""

    def __init__(self, table: str) -> None:
        self._schema = SCHEMAS[table]
        self._values = attrgetter(*self._schema.names)
        self._seen: dict[str, set[int]] = {}
        self._waiting: list[Beside] = []
        self._packed: list[Any] = []

    def add(self, row: Beside) -> bool:
        """Take a row; False where one with its id came before."""
        seen = self._seen.setdefault(row.site, set())
        if row.id in seen:
            return False
        seen.add(row.id)
        self._waiting.append(row)
        if len(self._waiting) >= ROW_GROUP:
            self._pack()
        return True

    def _pack(self) -> None:
        columns = zip(*map(self._values, self._waiting), strict=True)
        arrays = [pa.array(column, field.type) for column, field in zip(columns, self._schema, strict=True)]
        self._packed.append(pa.table(arrays, schema=self._schema))
        self._waiting = []

    def sorted(self) -> Iterator[Any]:
        """Yield the rows as tables, sorted by site and id."""
        if self._waiting:
            self._pack()
        rows = pa.concat_tables(self._packed)
        order = pc.sort_indices(rows.select(["site", "id"]), [("site", "ascending"), ("id", "ascending")])
        for start in range(0, len(order), ROW_GROUP):
            yield rows.take(order.slice(start, ROW_GROUP))
