"""What the peers share that answer the same queries: DuckDB in two layouts, SQLite, and grep with jq.

Each makes what it needs from the tables once, in a folder of its own; that is not part of an answer's time. Each is
given its best: tag names are numbers before the clock starts, tables are sorted for the purpose, indexes exist, and of
several plans the fastest counts.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

import pyarrow.parquet as pq

from benchmarks.probes import Like, Or, Order, Probe, Tag, Tree

Answer = int | tuple[int, ...]
"""How many posts, or the ids of the first."""


class Engine(Protocol):
    """Something that answers probes."""

    name: str

    def answer(self, probe: Probe) -> tuple[float, Answer]:
        """Seconds and the answer."""


class Tags:
    """The numbers and counts of the tags, which every engine but ours is told beforehand."""

    def __init__(self, tables: Path) -> None:
        found = pq.read_table(tables / "tags.parquet", columns=["name", "post_count"]).to_pydict()
        self.number = {name: at for at, name in enumerate(found["name"])}
        self.count = dict(zip(found["name"], found["post_count"], strict=True))

    def like(self, pattern: str) -> list[str]:
        """The tags a glob of one star matches."""
        head, _, tail = pattern.partition("*")
        least = len(head) + len(tail)
        return [name for name in self.number if len(name) >= least and name.startswith(head) and name.endswith(tail)]

    def total(self, tree: Tree) -> int | None:
        """At most so many posts match tags; None where it is not about tags that must be there."""
        match tree:
            case Tag(name):
                return int(self.count.get(name, 0))
            case Like(pattern):
                return int(sum(self.count[name] for name in self.like(pattern)))
            case Or(children):
                totals = [self.total(child) for child in children]
                return None if None in totals else sum(total for total in totals if total is not None)
        return None


def timed(work: Callable[[], Any]) -> tuple[float, Any]:
    """Seconds and what the work returned."""
    begun = time.perf_counter()
    found = work()
    return time.perf_counter() - begun, found


def quoted(text: str) -> str:
    """A text of SQL."""
    return "'" + text.replace("'", "''") + "'"


def ordered(order: Order) -> str:
    """The end of a statement that sorts by this."""
    way = "DESC" if order.descending else "ASC"
    return f"ORDER BY {order.column} {way}, id {way} LIMIT {order.limit}"


def between(column: str, low: int | None, high: int | None, value: Callable[[str, int], str]) -> str:
    """A condition of SQL on a column; `value` writes an end of it."""
    ends = [f"{column} >= {value(column, low)}"] if low is not None else []
    ends += [f"{column} <= {value(column, high)}"] if high is not None else []
    return "(" + " AND ".join(ends) + ")"
