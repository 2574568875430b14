"""The Parquet tables: one schema, one way to write them, and a clear refusal of what is none."""

from __future__ import annotations

import dataclasses
import hashlib
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tagswarm.manifests import tables
from tagswarm.manifests.errors import FormatError, InvalidDocument, Unreadable, UnsupportedVersion
from tagswarm.manifests.records import (
    Alias,
    ArtistCommentary,
    Comment,
    Implication,
    Note,
    Pool,
    Post,
    Tag,
    User,
)


def rows(count: int) -> Any:
    return pa.table(
        {
            "site": ["danbooru"] * count,
            "name": [f"tag_{n:06}" for n in range(count)],
            "category": [n % 5 for n in range(count)],
            "post_count": [n * n for n in range(count)],
            "claimed_count": [None if n % 7 == 0 else n for n in range(count)],
        },
        schema=tables.SCHEMAS["tags"],
    )


def write(path: Path, content: Any, *cuts: int) -> bytes:
    with tables.open_writer(path, "tags") as writer:
        for start, end in zip((0, *cuts), (*cuts, content.num_rows), strict=True):
            writer.write(content.slice(start, end - start))
    return path.read_bytes()


@pytest.mark.parametrize(
    ("table", "record", "more"),
    [
        ("posts", Post, set()),
        ("tags", Tag, {"post_count"}),
        ("aliases", Alias, set()),
        ("implications", Implication, set()),
        ("pools", Pool, set()),
        ("notes", Note, set()),
        ("comments", Comment, set()),
        ("artist_commentaries", ArtistCommentary, set()),
        ("users", User, set()),
    ],
)
def test_columns_are_the_fields_of_the_records(table: str, record: Any, more: set[str]) -> None:
    assert set(tables.SCHEMAS[table].names) == {field.name for field in dataclasses.fields(record)} | more
    assert tables.SCHEMAS[table].metadata == {b"format": f"tagswarm.{table}/1".encode()}


@settings(max_examples=20, deadline=None)
@given(data=st.data())
def test_bytes_do_not_depend_on_how_the_rows_come(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    folder = tmp_path_factory.mktemp("tables")
    content = rows(2_000)
    cuts = sorted(data.draw(st.lists(st.integers(0, 2_000), max_size=4)))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tables, "ROW_GROUP", 300)
        assert write(folder / "a", content) == write(folder / "b", content, *cuts)
        groups = pq.ParquetFile(folder / "a").metadata
        assert [groups.row_group(n).num_rows for n in range(groups.num_row_groups)] == [300] * 6 + [200]


def test_what_was_written_is_read(tmp_path: Path) -> None:
    content = rows(1_000)
    write(tmp_path / "tags.parquet", content)
    batches = list(tables.read_batches(tmp_path / "tags.parquet", table="tags", rows=300))
    assert [batch.num_rows for batch in batches] == [300, 300, 300, 100]
    assert pa.Table.from_batches(batches).to_pylist() == content.to_pylist()


def test_columns_are_read_in_the_order_asked_for(tmp_path: Path) -> None:
    write(tmp_path / "t", rows(10))
    (batch,) = tables.read_batches(tmp_path / "t", ["post_count", "name"])
    assert batch.schema.names == ["post_count", "name"]


def test_empty_table_has_its_columns(tmp_path: Path) -> None:
    write(tmp_path / "t", rows(0))
    assert list(tables.read_batches(tmp_path / "t")) == []
    with tables.open_table(tmp_path / "t", "tags") as found:
        assert found.schema_arrow.names == tables.SCHEMAS["tags"].names


def test_golden_rows_are_read_from_foreign_programs_alike(tmp_path: Path) -> None:
    write(tmp_path / "t", rows(3))
    assert pq.read_table(tmp_path / "t").to_pylist()[2] == {
        "site": "danbooru", "name": "tag_000002", "category": 2, "post_count": 4, "claimed_count": 2,
    }  # fmt: skip


def test_failure_inside_the_block_leaves_nothing(tmp_path: Path) -> None:
    def interrupted() -> None:
        with tables.open_writer(tmp_path / "t", "tags") as writer:
            writer.write(rows(5))
            raise KeyError

    with pytest.raises(KeyError):
        interrupted()
    assert list(tmp_path.iterdir()) == []


def test_other_tables_and_newer_versions_are_refused(tmp_path: Path) -> None:
    write(tmp_path / "t", rows(3))
    with pytest.raises(UnsupportedVersion, match=r"'tagswarm.tags/1', this program reads tagswarm.posts/1"):
        list(tables.read_batches(tmp_path / "t", table="posts"))
    newer = rows(3).replace_schema_metadata({"format": "tagswarm.tags/2"})
    pq.write_table(newer, tmp_path / "newer")
    pq.write_table(rows(3).replace_schema_metadata(None), tmp_path / "foreign")
    for name in ("newer", "foreign"):
        with pytest.raises(UnsupportedVersion):
            list(tables.read_batches(tmp_path / name))


def test_table_that_lacks_a_column_is_refused(tmp_path: Path) -> None:
    pq.write_table(rows(3).drop_columns(["name"]), tmp_path / "t")
    with pytest.raises(InvalidDocument, match="the column name is missing"):
        list(tables.read_batches(tmp_path / "t"))
    write(tmp_path / "u", rows(3))
    with pytest.raises(FormatError, match="no column colour"):
        list(tables.read_batches(tmp_path / "u", ["colour"]))


def test_missing_file_is_one_clear_error(tmp_path: Path) -> None:
    with pytest.raises(Unreadable, match="no such file"):
        list(tables.read_batches(tmp_path / "missing.parquet"))


@settings(max_examples=60, deadline=None)
@given(at=st.integers(0, 10_000), byte=st.integers(0, 255), cut=st.integers(0, 10_000))
def test_damaged_file_is_refused_or_read_and_never_crashes(
    tmp_path_factory: pytest.TempPathFactory, at: int, byte: int, cut: int
) -> None:
    path = tmp_path_factory.mktemp("tables") / "t"
    data = bytearray(write(path, rows(400)))
    data[at % len(data)] ^= byte
    path.write_bytes(data[: max(len(data) - cut, 0)] if cut < 3 else data)
    digest = hashlib.sha256(path.read_bytes()).digest()
    try:
        read = sum(batch.num_rows for batch in tables.read_batches(path))
    except FormatError:
        read = 400
    assert 0 <= read <= 400
    assert hashlib.sha256(path.read_bytes()).digest() == digest


def test_page_of_the_format_lists_the_columns_in_their_order(repository: Path) -> None:
    page = (repository / "docs" / "reference" / "formats" / "metadata.md").read_text()
    words = {"timestamp[us, tz=UTC]": "timestamp", "double": "float64", "large_string": "large string"}
    sections = {"posts": "Posts", "tags": "Tags", "aliases": "Aliases and implications", "pools": "Pools"}
    for table, title in sections.items():
        section = page.split(f"### {title}\n")[1].split("\n### ")[0]
        listed = [line.split("|")[1:4] for line in section.splitlines() if line.startswith("| `")]
        columns = [(name.strip(" `"), kind.strip(), "required" in what) for name, kind, what in listed]
        expected = []
        for field in tables.SCHEMAS[table]:
            kind = f"list of {field.type.value_type}" if pa.types.is_list(field.type) else str(field.type)
            expected.append((field.name, words.get(kind, kind), not field.nullable))
        assert columns == expected
