"""The digests of the parts of an index: SHA-256 over the rows of a table, whatever pages they lie on.

Every value is written as its length in decimal, `:`, its bytes and `,`, as a netstring is: numbers in decimal, texts in
UTF-8; an absent value is `~`. Rows follow each other in the order of the primary key.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Protocol

from .format import TABLES

KEYS = {"alias": "name, target", "implication": "antecedent, consequent", "word": "column, value", "user": "site, id"}
"""Where the primary key is more than the first column."""


class Database(Protocol):
    """A connection of whichever library."""

    def execute(self, statement: str, /) -> Iterable[tuple[Any, ...]]:
        """The rows of a statement."""


def digests(database: Database, tables: Sequence[str] = TABLES) -> Iterator[tuple[str, str]]:
    """Yield the name and the SHA-256, in hex, of each part, or of these."""
    for table in tables:
        state = hashlib.sha256()
        for row in database.execute(f"SELECT * FROM {table} ORDER BY {KEYS.get(table, '1')}"):  # noqa: S608 - our names
            state.update(b"".join(map(_netstring, row)))
        yield table, state.hexdigest()


def _netstring(value: int | str | bytes | None) -> bytes:
    if value is None:
        return b"~"
    data = value if isinstance(value, bytes) else str(value).encode()
    return b"%d:%b," % (len(data), data)
