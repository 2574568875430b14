"""The queries of the benchmarks, on an index of a synthetic booru, against a plain evaluation over its rows."""

from __future__ import annotations

import fnmatch
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from benchmarks.ours import ask
from benchmarks.probes import PROBES, And, Between, Like, Not, Or, Probe, Tag, Tree, Word
from benchmarks.synthesis import write
from tagswarm.tagindex import writer
from tagswarm.tagindex.reader import Index


@pytest.fixture(scope="module")
def tables(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("tables")
    write(out, 8_000, tail=5_000)
    return out


@pytest.fixture(scope="module")
def rows(tables: Path) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = pq.read_table(tables / "posts.parquet").to_pylist()
    for row in found:
        row["tags"] = set(row["tags"])
        row["created_at"] = int(row["created_at"].timestamp() * 1_000_000)
    return found


@pytest.fixture(scope="module")
def index(tables: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("index")
    writer.write(tables, folder / "index.sqlite", work=folder / "work")
    return folder / "index.sqlite"


def holds(tree: Tree, row: dict[str, Any]) -> bool:
    match tree:
        case Tag(name):
            return name in row["tags"]
        case Like(pattern):
            return any(fnmatch.fnmatchcase(name, pattern) for name in row["tags"])
        case Word(column, value):
            return bool(row[column] == value)
        case Between(column, low, high):
            return (low is None or row[column] >= low) and (high is None or row[column] <= high)
        case And(children):
            return all(holds(child, row) for child in children)
        case Or(children):
            return any(holds(child, row) for child in children)
        case Not(child):
            return not holds(child, row)


def test_there_are_fifty_different_ones() -> None:
    assert len({probe.text for probe in PROBES}) == len(PROBES) == 50


@pytest.mark.parametrize("probe", PROBES, ids=lambda probe: probe.text)
def test_the_index_answers_as_the_rows_do(probe: Probe, index: Path, rows: list[dict[str, Any]]) -> None:
    found = [row for row in rows if holds(probe.tree, row)]
    expected: int | tuple[int, ...] = len(found)
    if probe.order is not None:
        column = probe.order.column
        found.sort(key=lambda row: (row[column], row["id"]), reverse=probe.order.descending)
        expected = tuple(row["id"] for row in found[: probe.order.limit])
    with Index.open(index) as opened:
        assert ask(opened, probe) == expected
