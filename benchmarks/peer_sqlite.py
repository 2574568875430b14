"""SQLite as a peer: a table of pairs that is its own index, posts with indexes, and the fastest of several plans."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterable
from functools import partial
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.peer_duckdb import pairs_table
from benchmarks.peers import Answer, Tags, between, ordered, quoted, timed
from benchmarks.probes import And, Between, Like, Not, Or, Probe, Tag, Tree, Word

PATIENCE = 60.0
"""Seconds after which a plan is given up."""


def _late(end: float) -> bool:
    return time.perf_counter() > end


class SQLite:
    """SQLite with a table post_tag that is its own index, posts with indexes, and the fastest of its plans."""

    name = "SQLite"
    _columns = ("id", "score", "fav_count", "width", "height", "created_at", "rating", "file_ext", "file_size")

    def __init__(self, tables: Path, tags: Tags, work: Path) -> None:
        self._tags = tags
        path = work / "peer.sqlite"
        if not path.exists():
            self._build(path, tables, work)
        self._base = sqlite3.connect(path)
        self._base.execute("PRAGMA cache_size = -1000000")
        self._base.execute("PRAGMA mmap_size = 17179869184")
        self._base.execute("PRAGMA temp_store = MEMORY")

    def _build(self, path: Path, tables: Path, work: Path) -> None:
        aside = path.with_suffix(".new")
        aside.unlink(missing_ok=True)
        base = sqlite3.connect(aside)
        base.execute("PRAGMA journal_mode = OFF")
        base.execute("PRAGMA synchronous = OFF")
        base.execute("CREATE TABLE post_tag (tag INTEGER, post INTEGER, PRIMARY KEY (tag, post)) WITHOUT ROWID")
        for batch in pq.ParquetFile(pairs_table(tables, work)).iter_batches(1 << 20):
            rows = zip(batch["tag"].to_pylist(), batch["id"].to_pylist(), strict=True)
            base.executemany("INSERT INTO post_tag VALUES (?, ?)", rows)
        names = ", ".join(self._columns[1:])
        base.execute(f"CREATE TABLE posts (id INTEGER PRIMARY KEY, {names})")
        marks = ", ".join("?" * len(self._columns))
        for batch in pq.ParquetFile(tables / "posts.parquet").iter_batches(1 << 17, columns=list(self._columns)):
            columns = [batch[name] for name in self._columns]
            columns = [one.cast(pa.int64()) if pa.types.is_timestamp(one.type) else one for one in columns]
            rows = zip(*(one.to_pylist() for one in columns), strict=True)
            base.executemany(f"INSERT INTO posts VALUES ({marks})", rows)
        for column in self._columns[1:]:
            base.execute(f"CREATE INDEX posts_{column} ON posts ({column})")
        base.execute("ANALYZE")
        base.commit()
        base.close()
        aside.rename(path)

    def answer(self, probe: Probe) -> tuple[float, Answer]:
        """Seconds of the fastest plan and its answer; a plan slower than the best so far is stopped.

        Raises:
            TimeoutError: none is done within `PATIENCE`.
        """
        best: tuple[float, Answer] | None = None
        for plan in self.plans(probe):
            patience = best[0] if best else PATIENCE
            end = time.perf_counter() + patience
            self._base.set_progress_handler(partial(_late, end), 10_000)
            try:
                seconds, rows = timed(partial(self._rows, plan))
            except sqlite3.OperationalError as failure:
                if "interrupted" not in str(failure):
                    raise
                continue
            answer = rows[0][0] if probe.order is None else tuple(row[0] for row in rows)
            if best is None or seconds < best[0]:
                best = seconds, answer
        if best is None:
            raise TimeoutError
        return best

    def _rows(self, plan: str) -> list[tuple[int, ...]]:
        return self._base.execute(plan).fetchall()

    def plans(self, probe: Probe) -> list[str]:
        """Statements that answer: from the rarest tag on, by sets, and along an index of posts."""
        children = probe.tree.children if isinstance(probe.tree, And) else (probe.tree,)
        totals = [(total, at) for at, child in enumerate(children) if (total := self._tags.total(child)) is not None]
        rows = "SELECT p.id FROM posts p WHERE " + self._where(probe.tree, "p.id")
        plans = [rows, self._set(probe.tree)]
        if totals:
            at = min(totals)[1]
            rest = [self._where(child, "d.post") for other, child in enumerate(children) if other != at]
            plans.append(f"SELECT d.post FROM ({self._set(children[at])}) d WHERE " + " AND ".join(rest or ["1"]))
            plans.reverse()
        if probe.order is None:
            return [f"SELECT count(*) FROM ({plan})" for plan in plans]
        sorting = ordered(probe.order)
        return [f"{rows} {sorting}", *(f"SELECT id FROM posts WHERE id IN ({plan}) {sorting}" for plan in plans)]

    def _numbers(self, names: Iterable[str]) -> str:
        return ", ".join(str(self._tags.number[name]) for name in names if name in self._tags.number) or "-1"

    def _where(self, tree: Tree, post: str) -> str:
        match tree:
            case Tag(name):
                return f"EXISTS (SELECT 1 FROM post_tag WHERE tag = {self._numbers([name])} AND post = {post})"
            case Like(pattern):
                numbers = self._numbers(self._tags.like(pattern))
                return f"EXISTS (SELECT 1 FROM post_tag WHERE tag IN ({numbers}) AND post = {post})"
            case Word() | Between():
                condition = self._condition(tree)
                if post == "p.id":
                    return condition
                return f"EXISTS (SELECT 1 FROM posts WHERE id = {post} AND {condition})"
            case And(children):
                return "(" + " AND ".join(self._where(child, post) for child in children) + ")"
            case Or(children):
                return "(" + " OR ".join(self._where(child, post) for child in children) + ")"
            case Not(child):
                return f"NOT {self._where(child, post)}"

    @staticmethod
    def _condition(tree: Word | Between) -> str:
        if isinstance(tree, Word):
            return f"{tree.column} = {quoted(tree.value)}"
        return between(tree.column, tree.low, tree.high, lambda _, number: str(number))

    def _set(self, tree: Tree) -> str:
        match tree:
            case Tag(name):
                return f"SELECT post FROM post_tag WHERE tag = {self._numbers([name])}"
            case Like(pattern):
                return f"SELECT DISTINCT post FROM post_tag WHERE tag IN ({self._numbers(self._tags.like(pattern))})"
            case Word() | Between():
                return f"SELECT id AS post FROM posts WHERE {self._condition(tree)}"
            case And(children):
                wanted = [child for child in children if not isinstance(child, Not)]
                first = [f"SELECT * FROM ({self._set(child)})" for child in wanted] or ["SELECT id AS post FROM posts"]
                without = [f"SELECT * FROM ({self._set(each.child)})" for each in children if isinstance(each, Not)]
                return " EXCEPT ".join([" INTERSECT ".join(first), *without])
            case Or(children):
                return " UNION ".join(f"SELECT * FROM ({self._set(child)})" for child in children)
            case Not():
                return self._set(And((tree,)))
