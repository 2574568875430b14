"""The file table of a rendition: what is written is found again, whatever is asked, and nothing else is believed."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tagswarm.manifests import filerows, filetables
from tagswarm.manifests.errors import (
    FormatError,
    InvalidDocument,
    LimitExceeded,
    Unreadable,
    UnsafePath,
    UnsupportedVersion,
)
from tagswarm.manifests.filetables import open_files
from tagswarm.manifests.models import FileEntry
from tagswarm.manifests.paths import FilePath
from tagswarm.mirror.file import File


def loose(post: int, extension: str = "png", version: int | None = None, tree: str = "original") -> FileEntry:
    path = str(FilePath.of(tree, post, extension, version or 1))
    digest = hashlib.sha256(path.encode()).hexdigest()
    kind = {"png": "png", "jpg": "jpeg"}.get(extension)
    side = None if kind is None else post % 4000 + 1
    return FileEntry(
        path=path, size=post * 7, sha256=digest, id=post, version=version, kind=kind, width=side, height=side
    )


def member(post: int, archive: str, offset: int) -> FileEntry:
    digest = hashlib.sha256(f"{post}".encode()).hexdigest()
    return FileEntry(
        path=f"{post:09}.jpg", size=post, sha256=digest, id=post, kind="jpeg", archive=archive, offset=offset
    )


def write(path: Path, volumes: Mapping[str, Iterable[FileEntry]], tree: str = "original") -> Path:
    with filerows.open_writer(path, rendition=tree, site="danbooru") as add:
        for name, entries in volumes.items():
            add(name, entries)
    return path


def file_of(volume: str, entry: FileEntry) -> File:
    """What the line of a manifest means, said without the table."""
    assert entry.id is not None
    return File(
        id=entry.id,
        path=entry.path,
        size=entry.size,
        sha256=entry.sha256,
        volume=volume,
        version=entry.version or 1,
        kind=entry.kind,
        width=entry.width,
        height=entry.height,
        archive=entry.archive,
        offset=entry.offset or 0,
    )


SMALL: dict[str, Sequence[FileEntry]] = {
    "original-2025-0000": [loose(1000), loose(2000, "jpg"), loose(1), loose(7001, "mp4")],
    "original-2026-0000": [
        FileEntry(path="original/2026-0000.zip", size=99, sha256="ab" * 32),
        member(3, "original/2026-0000.zip", 40),
        member(4, "original/2026-0000.zip", 70),
    ],
    "original-2026-0001": [loose(5, "jpg", 2), FileEntry(path="original/odd/6.png", size=0, sha256="cd" * 32, id=6)],
}


@pytest.fixture
def small(tmp_path: Path) -> Path:
    return write(tmp_path / "files.parquet", SMALL)


def test_files_are_found_with_all_that_their_manifests_say(small: Path) -> None:
    table = open_files(small)
    assert (table.rendition, table.site, table.rows) == ("original", "danbooru", 8)
    found = table.find([7001, 4, 1, 99, 1000, 5, 3, 6, 2000, 4, -1])
    assert found.ids.tolist() == [1, 3, 4, 5, 6, 1000, 2000, 7001]
    assert found.missing.tolist() == [-1, 99]
    expected = {
        entry.id: file_of(volume, entry)
        for volume, entries in SMALL.items()
        for entry in entries
        if entry.id is not None
    }
    assert found.files(File) == [expected[post] for post in found.ids.tolist()]
    assert found.sizes.tolist() == [expected[post].size for post in found.ids.tolist()]
    assert [found.names[code] for code in found.volumes] == [expected[post].volume for post in found.ids.tolist()]


def test_the_same_rows_give_the_same_bytes_and_these(small: Path, tmp_path: Path) -> None:
    again = write(tmp_path / "again", {name: iter(entries) for name, entries in SMALL.items()})
    assert again.read_bytes() == small.read_bytes()
    rows = pq.read_table(small)
    assert rows.schema.metadata == {b"format": b"tagswarm.files/1", b"rendition": b"original", b"site": b"danbooru"}
    assert rows.to_pylist()[4] == {
        "id": 3, "version": 1, "extension": None, "size": 3, "sha256": hashlib.sha256(b"3").digest(),
        "volume": "original-2026-0000", "kind": "jpeg", "width": None, "height": None,
        "archive": "original/2026-0000.zip", "path": "000000003.jpg", "offset": 40,
    }  # fmt: skip
    assert rows.column("path").to_pylist() == [None] * 4 + [
        "000000003.jpg",
        "000000004.jpg",
        None,
        "original/odd/6.png",
    ]


def test_the_golden_table_is_read_and_written_alike(small: Path, repository: Path) -> None:
    """The table as its first version was written; another pyarrow may encode the same rows otherwise."""
    golden = repository / "tests/manifests/data/files-1.parquet"
    every = [entry.id for entries in SMALL.values() for entry in entries if entry.id is not None]
    assert open_files(golden).find(every).files(File) == open_files(small).find(every).files(File)
    old, new = pq.ParquetFile(golden), pq.ParquetFile(small)
    assert new.schema_arrow.equals(old.schema_arrow, check_metadata=True)
    for column in range(old.metadata.num_columns):
        one, other = (file.metadata.row_group(0).column(column) for file in (old, new))
        assert (one.encodings, one.compression) == (other.encodings, other.compression)


posts = st.integers(0, 60) | st.integers(0, 10**17)


@settings(max_examples=60, deadline=None)
@given(data=st.data(), group=st.integers(1, 9), dense=st.sampled_from([1, 50, 1 << 26]))
def test_whatever_is_asked_is_answered_as_by_a_list(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject, group: int, dense: int
) -> None:
    """Rows in any order, ids that come again, row groups of any size, both ways to look an id up."""
    entries = data.draw(
        st.lists(
            st.builds(
                loose,
                posts,
                st.sampled_from(["png", "jpg", "mp4"]),
                st.sampled_from([None, None, None, 2, 3]),
            ),
            max_size=40,
        )
    )
    cuts = sorted(data.draw(st.lists(st.integers(0, len(entries)), max_size=3)))
    volumes = {
        f"original-2026-{number:04}": entries[start:end]
        for number, (start, end) in enumerate(zip((0, *cuts), (*cuts, len(entries)), strict=True))
    }
    asked = data.draw(st.lists(posts | st.sampled_from([entry.id or 0 for entry in entries] or [1]), max_size=30))
    piece = data.draw(st.integers(1, 9))
    path = tmp_path_factory.mktemp("tables") / "t"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(filerows, "ROW_GROUP", group)
        patch.setattr(filetables, "DENSE", dense)
        patch.setattr(filetables, "PIECE", piece)
        write(path, volumes)
        found = open_files(path).find(np.array(asked, np.int64))
        listed = [file_of(volume, entry) for volume, lines in volumes.items() for entry in lines]
        best: dict[int, File] = {}
        for file in listed:
            if file.id in asked and file.version >= best.get(file.id, file).version:
                best[file.id] = file
        files = found.files(File)
        assert files == [best[post] for post in sorted(best)]
        chosen = np.array([file.id % 2 == 0 for file in files], np.bool_)
        in_order = [
            file for number, file in enumerate(listed) if best.get(file.id) == file and file not in listed[number + 1 :]
        ]
        assert list(found.each(File, chosen)) == [file for file in in_order if file.id % 2 == 0]
        assert found.missing.tolist() == sorted(set(asked) - best.keys())
        assert found.sizes.tolist() == [file.size for file in files]
        assert [found.names[code] for code in found.volumes] == [file.volume for file in files]
        by_volume = [(name, rows.num_rows) for name, rows in open_files(path).by_volume()]
        assert by_volume == [(name, len(lines)) for name, lines in volumes.items() if lines]


def test_row_groups_have_a_fixed_size_however_the_rows_come(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(filerows, "ROW_GROUP", 300)
    entries = [loose(post) for post in range(1000)]
    one = write(tmp_path / "one", {"original-2026-0000": entries})
    with filerows.open_writer(tmp_path / "many", rendition="original", site="danbooru") as add:
        for start in range(0, 1000, 7):
            add("original-2026-0000", entries[start : start + 7])
    assert (tmp_path / "many").read_bytes() == one.read_bytes()
    groups = pq.ParquetFile(one).metadata
    assert [groups.row_group(n).num_rows for n in range(groups.num_row_groups)] == [300] * 3 + [100]


def test_an_empty_table_has_no_file(tmp_path: Path) -> None:
    table = open_files(write(tmp_path / "t", {}))
    found = table.find([1, 2])
    assert (table.rows, found.files(File), found.missing.tolist(), found.names) == (0, [], [1, 2], ())
    assert open_files(write(tmp_path / "u", SMALL)).find([]).files(File) == []


def test_a_search_reads_neither_digests_nor_paths(small: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[str] = []
    original = pq.ParquetFile.read_row_group

    def spied(self: Any, number: int, columns: list[str], **options: Any) -> Any:
        read.extend(columns)
        return original(self, number, columns, **options)

    monkeypatch.setattr(pq.ParquetFile, "read_row_group", spied)
    open_files(small).find([1, 5])
    assert set(read) == {"id", "size", "volume"}


def test_a_search_does_not_load_pandas(small: Path) -> None:
    """It takes longer to load than a table of five million files to search."""
    code = (
        "import sys, pathlib; from tagswarm.manifests.filetables import open_files;"
        f"found = open_files(pathlib.Path({str(small)!r})).find([1, 5]); found.files(dict);"
        "sys.exit('pandas' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


def replaced(small: Path, metadata: dict[str, str] | None = None, **columns: Any) -> Path:
    """The small table as somebody else might write it."""
    rows = pq.read_table(small)
    for name, values in columns.items():
        at = rows.schema.get_field_index(name)
        kind = rows.schema.field(at).type
        rows = rows.set_column(at, pa.field(name, kind), pa.array(values, kind))
    said = {key.encode(): value.encode() for key, value in (metadata or {}).items()}
    path = small.with_name("foreign.parquet")
    pq.write_table(rows.replace_schema_metadata(rows.schema.metadata | said), path)
    return path


def test_newer_and_other_tables_are_refused_with_a_sentence(small: Path, tmp_path: Path) -> None:
    newer = replaced(small, {"format": "tagswarm.files/2"})
    sentence = "foreign.parquet: tagswarm.files/2 is newer than tagswarm.files/1, the newest this program reads"
    with pytest.raises(UnsupportedVersion, match=sentence):
        open_files(newer)
    with pytest.raises(UnsupportedVersion, match=r"tagswarm.posts/1 was found"):
        open_files(replaced(small, {"format": "tagswarm.posts/1"}))
    pq.write_table(pq.read_table(small).replace_schema_metadata(None), tmp_path / "bare")
    with pytest.raises(InvalidDocument, match="no format is stated"):
        open_files(tmp_path / "bare")


@pytest.mark.parametrize("name", [column.name for column in filerows.COLUMNS])
def test_a_table_without_a_column_or_with_another_type_is_refused(small: Path, tmp_path: Path, name: str) -> None:
    rows = pq.read_table(small)
    pq.write_table(rows.drop_columns([name]), tmp_path / "t")
    with pytest.raises(InvalidDocument, match=f"the column {name} is missing"):
        open_files(tmp_path / "t")
    at = rows.schema.get_field_index(name)
    pq.write_table(rows.set_column(at, name, pa.array([0.5] * rows.num_rows)), tmp_path / "t")
    with pytest.raises(InvalidDocument, match=f"the column {name} is missing or is no"):
        open_files(tmp_path / "t")


def test_columns_that_are_not_of_the_format_are_passed_over(small: Path, tmp_path: Path) -> None:
    rows = pq.read_table(small)
    pq.write_table(rows.append_column("more", pa.array([1] * rows.num_rows)), tmp_path / "t")
    assert len(open_files(tmp_path / "t").find([1, 3, 5]).files(File)) == 3


@pytest.mark.parametrize(
    ("metadata", "error"),
    [
        ({"rendition": "../etc"}, UnsafePath),
        ({"rendition": ""}, UnsafePath),
        ({"rendition": "con"}, UnsafePath),
        ({"site": ""}, InvalidDocument),
        ({"site": "a b"}, InvalidDocument),
    ],
)
def test_a_rendition_or_site_that_is_none_is_refused(
    small: Path, metadata: dict[str, str], error: type[FormatError]
) -> None:
    with pytest.raises(error):
        open_files(replaced(small, metadata))


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"id": [None, 1, 2, 3, 4, 5, 6, 7]}, "lacks a value"),
        ({"size": [-1] * 8}, "negative"),
        ({"size": [None] * 8}, "lacks a value"),
        ({"volume": ["../x"] * 8}, "is not the name of a volume"),
        ({"volume": ["a"] * 7 + [None]}, "lacks a value"),
    ],
)
def test_rows_that_cannot_be_are_refused_when_searched(small: Path, columns: dict[str, Any], message: str) -> None:
    table = open_files(replaced(small, **columns))
    with pytest.raises(InvalidDocument, match=message):
        table.find([1, 2, 3, 4, 5, 6, 1000, 2000, 7001])


@pytest.mark.parametrize(
    ("columns", "error"),
    [
        ({"version": [0] * 8}, InvalidDocument),
        ({"version": [None] * 8}, InvalidDocument),
        ({"sha256": [None] * 8}, InvalidDocument),
        ({"extension": [None] * 8}, InvalidDocument),
        ({"extension": ["png/../x"] * 8}, InvalidDocument),
        ({"extension": ["PNG"] * 8}, InvalidDocument),
        ({"offset": [None] * 8}, InvalidDocument),
        ({"offset": [-1] * 8}, InvalidDocument),
        ({"archive": [None] * 8}, InvalidDocument),
        ({"archive": ["/etc/passwd"] * 8, "path": ["x"] * 8, "offset": [1] * 8}, UnsafePath),
        ({"path": ["../../x"] * 8}, UnsafePath),
        ({"path": ["/etc/passwd"] * 8}, UnsafePath),
        ({"path": [None] * 8}, InvalidDocument),
    ],
)
def test_rows_that_cannot_be_are_refused_when_read(
    small: Path, columns: dict[str, Any], error: type[FormatError]
) -> None:
    found = open_files(replaced(small, **columns)).find([1, 2, 3, 4, 5, 6, 1000, 2000, 7001])
    with pytest.raises(error):
        found.files(File)


def test_texts_that_are_no_utf8_are_refused(small: Path) -> None:
    rows = pq.read_table(small)
    at = rows.schema.get_field_index("path")
    broken = pa.array([b"\xff\xfe"] * rows.num_rows).view(pa.string())
    pq.write_table(rows.set_column(at, "path", broken), small.with_name("t"))
    found = open_files(small.with_name("t")).find([1])
    with pytest.raises(InvalidDocument):
        found.files(File)


def test_row_groups_and_volumes_have_limits(small: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(filetables, "MANIFEST_LINES", 2)
    with pytest.raises(LimitExceeded, match="more than 2 rows of one volume"):
        list(open_files(small).by_volume())
    monkeypatch.setattr(filetables, "ROW_GROUP", 7)
    with pytest.raises(LimitExceeded, match="a row group of more than 7 rows"):
        open_files(small)


def test_a_number_that_no_column_holds_is_refused_when_written(tmp_path: Path) -> None:
    for entry in (
        FileEntry(path="original/0001/1.png", size=1, sha256="00" * 32, id=1, width=1 << 40),
        FileEntry(path="original/0001/1.png", size=1 << 70, sha256="00" * 32, id=1),
    ):
        with pytest.raises(InvalidDocument, match="original-2026-0000: a line of its manifest fits no file table"):
            write(tmp_path / "t", {"original-2026-0000": [entry]})
    assert list(tmp_path.iterdir()) == []


def test_missing_and_foreign_files_are_one_clear_error(tmp_path: Path) -> None:
    with pytest.raises(Unreadable, match="no such file"):
        open_files(tmp_path / "none.parquet")
    (tmp_path / "t").write_bytes(b"PAR1" + bytes(100) + b"PAR1")
    with pytest.raises(InvalidDocument, match="/t: "):
        open_files(tmp_path / "t")


def test_a_table_that_was_put_in_the_place_of_another_is_not_read_as_that_one(small: Path) -> None:
    table = open_files(small)
    found = table.find([1, 3])
    write(small, {"original-2025-0000": [loose(post) for post in range(1, 9)]})
    with pytest.raises(InvalidDocument, match="is another file than a moment ago"):
        found.files(File)
    with pytest.raises(InvalidDocument, match="is another file than a moment ago"):
        table.find([1])


@settings(max_examples=150, deadline=None)
@given(at=st.integers(0, 100_000), byte=st.integers(1, 255), cut=st.sampled_from([0, 0, 0, 1, 8, 500]))
def test_a_damaged_table_is_refused_or_read_and_never_crashes(
    tmp_path_factory: pytest.TempPathFactory, at: int, byte: int, cut: int
) -> None:
    """What is damaged outside of the footer is found by the checksums of the pages; the footer has none."""
    entries = [loose(post) for post in range(200)]
    path = tmp_path_factory.mktemp("tables") / "t"
    data = bytearray(write(path, {"original-2026-0000": entries}).read_bytes())
    at %= len(data)
    footer = len(data) - 8 - int.from_bytes(data[-8:-4], "little")
    data[at] ^= byte
    path.write_bytes(data[: len(data) - cut])
    try:
        table = open_files(path)
        files = table.find(range(200)).files(File)
        rows = sum(group.num_rows for _, group in table.by_volume())
    except FormatError:
        return
    assert len(files) <= 200
    if at < footer:
        assert (files, rows) == ([file_of("original-2026-0000", entry) for entry in entries], 200)


def test_page_of_the_format_lists_the_columns_in_their_order(repository: Path) -> None:
    page = (repository / "docs" / "reference" / "formats" / "files.md").read_text()
    listed = [line.split("|")[1:4] for line in page.splitlines() if line.startswith("| `")]
    columns = [(name.strip(" `"), kind.strip(), "required" in what) for name, kind, what in listed]
    assert columns[:12] == [(column.name, str(column.type), not column.nullable) for column in filerows.COLUMNS]
