"""DuckDB as a peer: over the lists of tags in posts.parquet, and over a table of pairs sorted by tag."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import duckdb

from benchmarks.peers import Answer, Tags, between, ordered, quoted, timed
from benchmarks.probes import And, Between, Like, Not, Or, Probe, Tag, Tree, Word, moment


class DuckLists:
    """DuckDB over posts.parquet as the release has it: a list of tags in each row."""

    name = "DuckDB, lists"

    def __init__(self, tables: Path, tags: Tags) -> None:
        self._posts = f"read_parquet({quoted(str(tables / 'posts.parquet'))})"
        self._tags = tags
        self._base = duckdb.connect()

    def answer(self, probe: Probe, first: int | None = None) -> tuple[float, Answer]:
        """Seconds and the answer, from the posts up to an id alone where one is given."""
        where = self._where(probe.tree) + (f" AND id <= {first}" if first is not None else "")
        return _duck(self._base, probe, f"FROM {self._posts} WHERE {where}")

    def _where(self, tree: Tree) -> str:
        match tree:
            case Tag(name):
                return f"list_contains(tags, {quoted(name)})"
            case Like(pattern):
                return f"list_has_any(tags, [{', '.join(map(quoted, self._tags.like(pattern)))}]::VARCHAR[])"
            case Word(column, value):
                return f"{column} = {quoted(value)}"
            case Between(column, low, high):
                return between(column, low, high, _literal)
            case And(children):
                return "(" + " AND ".join(map(self._where, children)) + ")"
            case Or(children):
                return "(" + " OR ".join(map(self._where, children)) + ")"
            case Not(child):
                return f"NOT {self._where(child)}"


def _literal(column: str, number: int) -> str:
    return f"TIMESTAMPTZ '{moment(number):%Y-%m-%d %H:%M:%S+00}'" if column == "created_at" else str(number)


def _duck(base: Any, probe: Probe, body: str) -> tuple[float, Answer]:
    text = f"SELECT count(*) {body}" if probe.order is None else f"SELECT id {body} {ordered(probe.order)}"
    seconds, rows = timed(lambda: base.execute(text).fetchall())
    return seconds, rows[0][0] if probe.order is None else tuple(row[0] for row in rows)


class DuckPairs:
    """DuckDB over a Parquet table of (tag, id) sorted so, and posts.parquet for the other columns."""

    name = "DuckDB, pairs"

    def __init__(self, tables: Path, tags: Tags, work: Path) -> None:
        self._posts = f"read_parquet({quoted(str(tables / 'posts.parquet'))})"
        self._pairs = pairs_table(tables, work)
        self._tags = tags
        self._base = duckdb.connect()

    def answer(self, probe: Probe) -> tuple[float, Answer]:
        """Seconds and the answer."""
        found = self._set(probe.tree)
        if probe.order is not None:
            found = f"SELECT id, {probe.order.column} FROM {self._posts} SEMI JOIN ({found}) USING (id)"
        return _duck(self._base, probe, f"FROM ({found})")

    def _tagged(self, names: Iterable[str]) -> str:
        numbers = ", ".join(str(self._tags.number[name]) for name in names if name in self._tags.number) or "-1"
        some = "DISTINCT " if "," in numbers else ""
        return f"SELECT {some}id FROM read_parquet({quoted(str(self._pairs))}) WHERE tag IN ({numbers})"

    def _set(self, tree: Tree) -> str:
        """A statement that gives the ids, each once."""
        match tree:
            case Tag(name):
                return self._tagged([name])
            case Like(pattern):
                return self._tagged(self._tags.like(pattern))
            case Word(column, value):
                return f"SELECT id FROM {self._posts} WHERE {column} = {quoted(value)}"
            case Between(column, low, high):
                return f"SELECT id FROM {self._posts} WHERE {between(column, low, high, _literal)}"
            case And(children):
                wanted = [child for child in children if not isinstance(child, Not)]
                wanted.sort(key=lambda child: self._tags.total(child) or 1 << 40)
                text = f"({self._set(wanted[0])})" if wanted else f"(SELECT id FROM {self._posts})"
                joins = [f"SEMI JOIN ({self._set(child)}) USING (id)" for child in wanted[1:]]
                joins += [
                    f"ANTI JOIN ({self._set(each.child)}) USING (id)" for each in children if isinstance(each, Not)
                ]
                return f"SELECT id FROM {text} {' '.join(joins)}"
            case Or(children):
                if all(isinstance(child, Tag) for child in children):
                    return self._tagged(child.name for child in children if isinstance(child, Tag))
                return " UNION ".join(map(self._set, children))
            case Not():
                return self._set(And((tree,)))


def pairs_table(tables: Path, work: Path) -> Path:
    """Write the pairs of tag and post, sorted, once."""
    path = work / "pairs.parquet"
    if not path.exists():
        base = duckdb.connect()
        base.execute("SET memory_limit = '3GB'")
        base.execute(f"SET temp_directory = {quoted(str(work / 'spill'))}")
        posts, names = (quoted(str(tables / f"{table}.parquet")) for table in ("posts", "tags"))
        base.execute(
            f"COPY (SELECT number::UINTEGER AS tag, id FROM (SELECT id, unnest(tags) AS name FROM {posts})"
            f" JOIN (SELECT name, row_number() OVER (ORDER BY name) - 1 AS number FROM {names}) USING (name)"
            f" ORDER BY tag, id) TO {quoted(str(path))} (FORMAT parquet, COMPRESSION zstd)"
        )
    return path
