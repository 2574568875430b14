"""Rows of posts as text and as Parquet."""

from __future__ import annotations

import io
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tagswarm.cli import formats

TIME = datetime(2026, 11, 20, 1, 2, 3, tzinfo=UTC)


def rows() -> Any:
    return pa.table(
        {
            "id": pa.array([1, 2], pa.int64()),
            "source": ["a\tb\\c\nd\x1b[2J", None],
            "created_at": pa.array([TIME, None], pa.timestamp("us", tz="UTC")),
            "tags": [["1girl", "solo"], []],
            "is_deleted": [True, False],
        }
    )


def test_tsv_keeps_a_post_on_its_line() -> None:
    lines = "".join(formats.tsv([rows(), rows()], terminal=False)).splitlines()
    assert lines[0] == "1\ta\\tb\\\\c\\nd\x1b[2J\t2026-11-20T01:02:03Z\t1girl solo\tyes"
    assert lines[1] == "2\t\t\t\tno"
    assert len(lines) == 4
    assert formats.tsv_head(["id", "tags"]) == "id\ttags\n"


def test_a_terminal_is_not_obeyed() -> None:
    assert "\x1b" not in "".join(formats.tsv([rows()], terminal=True))


def test_json_lines_hold_the_values() -> None:
    first, second = ("".join(formats.json_lines([rows()], event="post"))).splitlines()
    assert json.loads(first) == {
        "event": "post",
        "id": 1,
        "source": "a\tb\\c\nd\x1b[2J",
        "created_at": "2026-11-20T01:02:03Z",
        "tags": ["1girl", "solo"],
        "is_deleted": True,
    }
    assert json.loads(second)["source"] is None


def test_parquet_holds_the_rows() -> None:
    file = io.BytesIO()
    formats.write_parquet(file, rows().schema, [rows(), rows()])
    assert pq.read_table(file).equals(pa.concat_tables([rows(), rows()]))


@pytest.mark.parametrize(
    ("asked", "file", "columns", "terminal", "expected"),
    [
        (None, None, False, True, "ids"),
        (None, None, True, True, "table"),
        (None, None, True, False, "tsv"),
        (None, "a.tsv", False, False, "tsv"),
        (None, "a.JSONL", True, False, "jsonl"),
        (None, "a.parquet", False, False, "parquet"),
        (None, "a.txt", False, True, "ids"),
        (None, "a.txt", True, True, "tsv"),
        ("jsonl", "a.tsv", True, True, "jsonl"),
    ],
)
def test_the_format_that_is_meant(asked: Any, file: str | None, columns: bool, terminal: bool, expected: str) -> None:
    path = None if file is None else Path(file)
    assert formats.format_of(asked, path, columns=columns, terminal=terminal) == expected
