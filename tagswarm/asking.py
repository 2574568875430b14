"""How a query is understood, from its text and what comes with it: the one place that asks a clock for `age:`.

Nothing of the language is loaded before it is needed. What answers a query is found by `tagindex.query.evaluate`.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .tagindex.query.conditions import Checked
    from .tagindex.query.syntax import Node
    from .tagindex.reader import Index


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A query that was understood."""

    text: str
    checked: Checked
    """How it was understood."""
    seed: int
    """Of `random:` and `order:random`."""
    now: datetime | None
    """What `age:` counts from, where that was said."""
    tz: tzinfo
    """The time zone of `date:`."""


def understand(
    index: Index,
    text: str = "",
    *,
    dialect: str = "danbooru",
    allow_unknown: bool = False,
    now: datetime | None = None,
    tz: tzinfo = UTC,
    seed: int = 0,
    limit: int | None = None,
) -> Asked:
    """Understand a query of a release; the arguments are those of `Release.ask`.

    Raises:
        QueryError: the query cannot be answered as it stands; the error knows the place.
        IntegrityError: the index is damaged.
    """
    from .tagindex.query.check import check  # noqa: PLC0415

    tree = _parsed(text, dialect)
    moment = datetime.now(UTC) if now is None else now
    checked = check(tree, index, text=text, now=moment, tz=tz, allow_unknown=allow_unknown)
    if limit is not None:
        least = limit if checked.limit is None else min(limit, checked.limit)
        checked = dataclasses.replace(checked, limit=least)
    return Asked(text=text, checked=checked, seed=seed, now=now, tz=tz)


def _parsed(text: str, dialect: str) -> Node:
    if dialect == "danbooru":
        from .tagindex.query.parser import parse  # noqa: PLC0415

        return parse(text)
    from .tagindex.query.dialects import parse_dialect  # noqa: PLC0415

    return parse_dialect(text, dialect)
