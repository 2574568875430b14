"""The index equals the metadata it was written from, and is the same file every time."""

from __future__ import annotations

import os
import subprocess
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pyroaring import BitMap

from tagswarm.manifests import tables
from tagswarm.manifests.errors import InvalidDocument
from tagswarm.manifests.records import Category, RatingScheme
from tagswarm.release.metadata import SourceInput, normalise
from tagswarm.tagindex import annotations as beside
from tagswarm.tagindex import members, pairs, postings, posts, reader, writer
from tagswarm.tagindex.format import CHUNK
from tagswarm.tagindex.reader import Index
from tagswarm.tagindex.store import FLAGS, NUMBERS, PoolRow, TagRow, Text

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)
TIMES = {"created_at", "updated_at", "last_commented_at", "last_comment_bumped_at", "last_noted_at"}
COUNTED = {
    "tag_count_general": Category.GENERAL,
    "tag_count_artist": Category.ARTIST,
    "tag_count_copyright": Category.COPYRIGHT,
    "tag_count_character": Category.CHARACTER,
    "tag_count_meta": Category.META,
}
Row = dict[str, Any]


def put(folder: Path, table: str, rows: Sequence[Mapping[str, Any]]) -> None:
    schema = tables.SCHEMAS[table]
    cells = [{name: row.get(name) for name in schema.names} for row in rows]
    with tables.open_writer(folder / tables.file_name(table), table) as file:
        file.write(pa.Table.from_pylist(cells, schema=schema))


def tag_rows(made: Sequence[Row], categories: Mapping[str, int]) -> list[Row]:
    counts = Counter((post["site"], name) for post in made for name in post["tags"])
    return [
        {"site": site, "name": name, "category": categories.get(name, 0), "post_count": count}
        for (site, name), count in sorted(counts.items())
    ]


def post(number: int, *tags: str, site: str = "danbooru", **more: Any) -> Row:
    fixed = {"rating_scheme": "gsqe-2022", "duplicate_tags": 0}
    return {"site": site, "id": number, **fixed, "tags": sorted(set(tags)), **more}


def write(folder: Path, made: Sequence[Row], categories: Mapping[str, int] | None = None, **others: Any) -> Path:
    metadata = folder / "metadata"
    put(metadata, "posts", made)
    put(metadata, "tags", others.pop("tags", None) or tag_rows(made, categories or {}))
    for table in ("aliases", "implications", "pools"):
        put(metadata, table, others.pop(table, []))
    for table, rows in others.items():
        put(metadata, table, rows)
    writer.write(metadata, folder / "index.sqlite", work=folder / "work")
    return folder / "index.sqlite"


NAMES = st.sampled_from(["1girl", "solo", "long_hair", "ab", "a*b", "[x]", "pokémon", "/lh", "x:y", "_", "o'b", "日本"])
NUMBER = st.one_of(st.none(), st.integers(-5, 5), st.integers(-(2**31), 2**31 - 1))
LARGE = st.one_of(st.none(), st.integers(0, 3), st.integers(0, 2**63 - 1))
MOMENT = st.one_of(
    st.none(),
    st.datetimes(datetime(1969, 1, 1), datetime(2200, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001 - bounds have none
)
CELLS: dict[str, Any] = {
    **dict.fromkeys(["score", "up_score", "down_score", "fav_count", "width", "height"], NUMBER),
    **dict.fromkeys(["file_size", "parent_id", "pixiv_id", "uploader_id", "approver_id"], LARGE),
    **dict.fromkeys(sorted(TIMES), MOMENT),
    **dict.fromkeys(FLAGS, st.sampled_from([None, False, True])),
    "rating": st.sampled_from([None, "g", "e"]),
    "file_ext": st.sampled_from([None, "jpg", "png"]),
    "source": st.one_of(st.none(), st.text(max_size=8).filter(lambda text: text.isprintable())),
    "md5": st.one_of(st.none(), st.binary(min_size=16, max_size=16).map(bytes.hex), st.just("00" * 16)),
    "duration": st.one_of(st.none(), st.integers(0, 10**7).map(lambda number: number / 1_000)),
}
POSTS = st.lists(
    st.tuples(
        st.sampled_from(["danbooru", "gelbooru"]),
        st.integers(1, 400),
        st.sets(NAMES, max_size=6),
        st.fixed_dictionaries({}, optional=CELLS),
    ),
    max_size=25,
    unique_by=lambda row: row[:2],
).map(lambda rows: [post(number, *tags, site=site, **cells) for site, number, tags, cells in sorted(rows, key=str_key)])


def str_key(row: tuple[str, int, Any, Any]) -> tuple[str, int]:
    return row[0], row[1]


def whole(name: str, value: Any) -> int | None:
    if value is None:
        return None
    if name in TIMES:
        return int((value - EPOCH) // MICROSECOND)
    return round(value * 1_000) if name == "duration" else int(value)


def expected_numbers(made: Sequence[Row], name: str, categories: Mapping[str, int]) -> list[int | None]:
    if name == "tag_count":
        return [len(row["tags"]) for row in made]
    if name in COUNTED:
        return [sum(categories.get(tag, 0) == COUNTED[name] for tag in row["tags"]) for row in made]
    return [whole(name, row.get(name)) for row in made]


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Chunks, blocks, segments and partitions of a few posts, so that a few posts make several of each."""
    for module in (posts, reader):
        monkeypatch.setattr(module, "SOURCES", 4)
    monkeypatch.setattr(beside, "TEXTS", 2)
    monkeypatch.setattr(pairs, "PARTITION", 5)
    monkeypatch.setattr(postings, "SEGMENT", 6)
    for module in (postings, members):
        monkeypatch.setattr(module, "LISTED", 3)


@pytest.mark.usefixtures("small")
@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(POSTS, st.dictionaries(NAMES, st.sampled_from([-1, 0, 1, 3, 4, 5]), max_size=8), st.data())
def test_the_index_equals_its_metadata(
    tmp_path_factory: pytest.TempPathFactory, made: list[Row], categories: dict[str, int], data: st.DataObject
) -> None:
    folder = tmp_path_factory.mktemp("index")
    with Index.open(write(folder, made, categories)) as index:
        index.check()
        assert index.size == len(made)
        everyone = BitMap(range(len(made)))
        sites = sorted({row["site"] for row in made})
        assert list(index.sites) == sites
        assert index.sites_of(np.arange(len(made), dtype=np.uint32)) == [row["site"] for row in made]
        assert index.ids(np.arange(len(made), dtype=np.uint32)[::-1]).tolist() == [row["id"] for row in made][::-1]
        for site in sites:
            wanted = np.arange(0, 402)
            assert index.ordinals(site, wanted).tolist() == [n for n, row in enumerate(made) if row["site"] == site]

        used = Counter(name for row in made for name in row["tags"])
        assert [(row.name, row.count) for row in index.frequent()] == sorted(
            used.items(), key=lambda item: (-item[1], item[0])
        )
        for name, count in used.items():
            row = index.tag(name)
            assert row is not None
            assert (row.count, row.category) == (count, Category(categories.get(name, 0)))
            assert set(index.posting(row)) == {n for n, entry in enumerate(made) if name in entry["tags"]}
        some = BitMap(data.draw(st.sets(st.integers(0, max(len(made) - 1, 0)))) if made else [])
        keys, numbers = index.counts_within(some)
        within = {index.tag_of(int(key)).name: int(number) for key, number in zip(keys, numbers, strict=True)}  # type: ignore[union-attr]
        assert within == Counter(name for n in some for name in made[n]["tags"])
        keys, ordinals = index.tags_of(some)
        found = {(index.tag_of(int(key)).name, int(n)) for key, n in zip(keys, ordinals, strict=True)}  # type: ignore[union-attr]
        assert found == {(name, n) for n in some for name in made[n]["tags"]}

        for column in ("site", "rating", "file_ext"):
            words = Counter(row.get(column) for row in made)
            assert index.words(column) == sorted(word for word in words if word is not None)
            for word in index.words(column):
                assert set(index.word(column, word)) == {n for n, row in enumerate(made) if row.get(column) == word}
        for name in FLAGS:
            assert set(index.flag(name)) == {n for n, row in enumerate(made) if row.get(name)}
        for name in NUMBERS:
            expected = expected_numbers(made, name, categories)
            nulls = {n for n, value in enumerate(expected) if value is None}
            assert set(index.nulls(name)) == nulls
            values, null = index.values(name)
            assert [None if none else value for value, none in zip(values.tolist(), null, strict=True)] == expected
            values, null = index.values(name, some)
            assert values.tolist() == [expected[n] or 0 for n in sorted(some)]
            assert null.tolist() == [expected[n] is None for n in sorted(some)]
            low, high = (data.draw(st.one_of(st.none(), st.integers(-10, 10), LARGE)) for _ in range(2))
            assert set(index.between(name, low, high)) == {
                n
                for n, value in enumerate(expected)
                if value is not None and (low is None or value >= low) and (high is None or value <= high)
            }
        digests = [row.get("md5") for row in made]
        assert index.md5s(everyone) == digests
        assert index.md5s(some) == [digests[n] for n in sorted(some)]
        for digest in {*digests, "ff" * 16} - {None}:
            assert set(index.md5(digest)) == {n for n, other in enumerate(digests) if other == digest}
        sources = [(n, row["source"]) for n, row in enumerate(made) if row.get("source") is not None]
        assert list(index.sources()) == sources
        assert list(index.sources(some)) == [row for row in sources if row[0] in some]


def test_chunks_of_columns_are_read_where_they_matter(tmp_path: Path) -> None:
    noise = np.random.default_rng(3)
    size = 2 * CHUNK + 1_000
    score = noise.integers(-50, 3_000, size)
    score[:CHUNK] = 7
    held = noise.random(size) < 0.3
    metadata = tmp_path / "metadata"
    schema = tables.SCHEMAS["posts"]
    cells = {
        "site": ["danbooru"] * size,
        "id": np.arange(size) * 2 + 1,
        "rating_scheme": ["sqe-2021"] * size,
        "score": pa.array(score, pa.int32()),
        "parent_id": pa.array(noise.integers(1, size, size), mask=~held),
        "tags": [["a"] if n % 3 else [] for n in range(size)],
        "duplicate_tags": pa.array([0] * size, pa.int32()),
    }
    arrays = [
        pa.array(cells[field.name], field.type) if field.name in cells else pa.nulls(size, field.type)
        for field in schema
    ]
    with tables.open_writer(metadata / "posts.parquet", "posts") as file:
        file.write(pa.table(arrays, schema=schema))
    count = sum(n % 3 > 0 for n in range(size))
    put(metadata, "tags", [{"site": "danbooru", "name": "a", "category": 0, "post_count": count}])
    for table in ("aliases", "implications", "pools"):
        put(metadata, table, [])
    writer.write(metadata, tmp_path / "index.sqlite", work=tmp_path / "work")
    with Index.open(tmp_path / "index.sqlite") as index:
        tag = index.tag("a")
        assert tag is not None
        assert len(index.posting(tag)) == tag.count == count
        for low, high in ((7, 7), (8, None), (None, -1), (2_000, 2_100), (None, None)):
            inside = (score >= (-99 if low is None else low)) & (score <= (9_999 if high is None else high))
            assert index.between("score", low, high) == BitMap(np.flatnonzero(inside).tolist())
        assert index.nulls("parent_id") == BitMap(np.flatnonzero(~held).tolist())
        few = BitMap([5, CHUNK - 1, CHUNK, size - 1])
        assert index.values("score", few)[0].tolist() == score[list(few)].tolist()
        values, null = index.values("parent_id")
        assert (null == ~held).all()
        assert (values[held] == np.array(cells["parent_id"].to_pylist(), object)[held]).all()
        assert index.between("parent_id", None, None) == BitMap(np.flatnonzero(held).tolist())
        assert index.ids(np.array([CHUNK, 0], np.uint32)).tolist() == [2 * CHUNK + 1, 1]
        assert index.ordinals("danbooru", np.array([1, 2, 2 * size - 1])).tolist() == [0, size - 1]


ALIASES = [
    {"site": "danbooru", "antecedent": "longhair", "consequent": "long_hair", "status": "active"},
    {"site": "danbooru", "antecedent": "miku", "consequent": "hatsune_miku", "status": "active"},
    {"site": "danbooru", "antecedent": "miku", "consequent": "miku_(other)", "status": "active"},
    {"site": "danbooru", "antecedent": "old", "consequent": "solo", "status": "deleted"},
]
IMPLICATIONS = [
    {"site": "danbooru", "antecedent": "long_hair", "consequent": "hair", "status": "active"},
    {"site": "danbooru", "antecedent": "solo", "consequent": "hair", "status": "pending"},
]


@pytest.fixture
def dictionary(tmp_path: Path) -> Path:
    made = [
        post(1, "long_hair", "hair", "solo", "hatsune_miku"),
        post(2, "long_hair", "solo", "lace_hat"),
        post(3, "long_hair", "a[b]?", "miku_(other)"),
        post(4, "long_hair"),
    ]
    return write(tmp_path, made, aliases=ALIASES, implications=IMPLICATIONS)


def test_names_are_found_by_prefix_glob_initials_and_alias(dictionary: Path) -> None:
    with Index.open(dictionary) as index:
        assert [row.name for row in index.complete("l")] == ["long_hair", "lace_hat"]
        assert [row.name for row in index.complete("", 2)] == ["long_hair", "solo"]
        assert [row.name for row in index.tags_like("*ha*")] == ["long_hair", "hair", "hatsune_miku", "lace_hat"]
        assert [row.name for row in index.tags_like("a[b]?")] == ["a[b]?"]
        assert index.tags_like("a?b]?") == index.tags_like("*" * 60_000 + "Q") == index.tags_like("x" * 60_000) == []
        assert len(index.tags_like("**")) == 7
        row = index.abbreviated("lh")
        assert row is not None
        assert row.name == "long_hair"
        assert index.abbreviated("zz") is None
        assert (index.alias("longhair"), index.alias("old"), index.alias("solo")) == ("long_hair", None, None)
        assert (index.alias("miku"), index.targets("miku")) == (None, ["hatsune_miku", "miku_(other)"])
        assert index.aliases_of("long_hair") == ["longhair"]
        assert index.complete_alias("m") == [("miku", "hatsune_miku"), ("miku", "miku_(other)")]
        assert (index.implied_by("long_hair"), index.implying("hair")) == (["hair"], ["long_hair"])
        assert index.implied_by("solo") == []


@pytest.mark.parametrize(
    ("typed", "found"),
    [
        ("long_hiar", ["long_hair", "longhair"]),
        ("hair_long", ["long_hair"]),
        ("longhai", ["longhair", "long_hair"]),
        ("miku", ["hatsune_miku", "miku_(other)"]),
        ("hatsune", ["hatsune_miku"]),
        ("zzzzzzzzzz", []),
    ],
)
def test_names_that_are_spelled_alike_are_offered(dictionary: Path, typed: str, found: list[str]) -> None:
    with Index.open(dictionary) as index:
        assert index.nearest(typed)[: len(found)] == found
        assert found or not index.nearest(typed)
        assert len(index.nearest(typed, 1)) <= 1


def test_half_of_a_surrogate_pair_is_in_no_name(dictionary: Path) -> None:
    with Index.open(dictionary) as index:
        for name in ("\ud800", "a\udfff*"):
            asked = (index.tag, index.alias, index.abbreviated, index.tags_like, index.complete, index.nearest)
            assert [bool(question(name)) for question in asked] == [False] * 6
            assert not index.word("rating", name)
            assert not index.users("uploader", name)


def test_tags_of_several_sites_are_one(tmp_path: Path) -> None:
    made = [post(1, "a", "b"), post(1, "a", site="gelbooru", rating_scheme="gelbooru"), post(2, "a", site="gelbooru")]
    rows = [
        {"site": "danbooru", "name": "a", "category": 4, "post_count": 1},
        {"site": "danbooru", "name": "b", "category": 0, "post_count": 1},
        {"site": "gelbooru", "name": "a", "category": -1, "post_count": 2},
        {"site": "gelbooru", "name": "unused", "category": 0, "post_count": 0},
    ]
    with Index.open(write(tmp_path, made, tags=rows)) as index:
        assert index.tag("a") == TagRow(1, "a", Category.CHARACTER, 3)
        assert index.tag("unused") is None
        assert index.schemes == {RatingScheme.GSQE_2022, RatingScheme.GELBOORU}
        assert set(index.word("site", "gelbooru")) == {1, 2}


def test_what_stands_beside_the_posts(tmp_path: Path) -> None:
    made = [post(number, "a", uploader_id=1 if number == 3 else 2, approver_id=7) for number in (1, 3, 5)]
    changed = datetime(2020, 2, 3, 4, 5, 6, 789_000, UTC)
    commentary = {"site": "danbooru", "post_id": 3, "original_title": "題", "translated_title": "title"}
    folder = {"site": "danbooru"}
    out = write(
        tmp_path,
        made,
        pools=[
            {**folder, "id": 4, "name": "one", "category": "series", "is_deleted": False, "post_ids": [5, 9, 1, 5]},
            {**folder, "id": 8, "name": None, "category": None, "is_deleted": True, "post_ids": [1]},
        ],
        notes=[
            {**folder, "id": 1, "post_id": 5, "body": "first", "is_active": True},
            {**folder, "id": 2, "post_id": 2, "body": "of no post", "is_active": True},
            {**folder, "id": 3, "post_id": 1, "body": None, "is_active": False},
            {**folder, "id": 4, "post_id": 5, "body": "second", "is_active": None},
        ],
        comments=[{**folder, "id": 1, "post_id": 3, "body": "gone", "is_deleted": True}],
        artist_commentaries=[{**commentary, "id": 1, "updated_at": changed}],
        users=[
            {**folder, "id": 1, "name": "Some One"},
            {**folder, "id": 2, "name": "b"},
            {**folder, "id": 3, "name": "c"},
        ],
    )
    with Index.open(out) as index:
        index.check()
        assert index.tables == {"pools", "notes", "comments", "artist_commentaries", "users"}
        assert list(index.pools()) == [
            PoolRow(4, "one", "series", False, [2, 0, 2]),
            PoolRow(8, "", "", True, [0]),
        ]
        assert list(index.texts("notes")) == [
            Text(0, ("",), active=False),
            Text(2, ("first",)),
            Text(2, ("second",)),
        ]
        assert list(index.texts("comments")) == [Text(1, ("gone",), active=False)]
        assert list(index.texts("artist_commentaries")) == [Text(1, ("題", "", "title", ""))]
        counts = {
            "pool_count": [2, 0, 1],
            "active_pool_count": [1, 0, 1],
            "deleted_pool_count": [1, 0, 0],
            "series_pool_count": [1, 0, 1],
            "collection_pool_count": [0, 0, 0],
            "note_count": [1, 0, 2],
            "active_note_count": [0, 0, 2],
            "deleted_note_count": [1, 0, 0],
            "comment_count": [0, 1, 0],
            "active_comment_count": [0, 0, 0],
            "deleted_comment_count": [0, 1, 0],
        }
        for name, values in counts.items():
            assert name in index.columns
            assert index.values(name)[0].tolist() == values
            assert not index.nulls(name)
        assert index.values("commentary_updated_at")[0].tolist() == [0, (changed - EPOCH) // MICROSECOND, 0]
        assert set(index.nulls("commentary_updated_at")) == {0, 2}
        assert set(index.users("uploader", "SOME_one")) == set(index.users("uploader", "some one")) == {1}
        assert set(index.users("uploader", "B")) == {0, 2}
        assert not index.users("approver", "c")


def test_the_weight_of_renditions_is_added(tmp_path: Path) -> None:
    path = write(tmp_path, [post(1, "a"), post(2, "a"), post(1, "a", site="gelbooru"), post(5, site="gelbooru")])
    files = {
        "512px": [("danbooru", 1, 100), ("gelbooru", 99, 1), ("gelbooru", 5, 70)],
        "original": [("danbooru", 2, 1 << 40)],
    }
    writer.add_files(path, tmp_path / "one", files)
    writer.add_files(path, tmp_path / "two", dict(reversed(files.items())))
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()
    with Index.open(tmp_path / "one") as index:
        index.check()
        assert {"bytes:512px", "bytes:original"} < index.columns
        assert index.values("bytes:512px")[0].tolist() == [100, 0, 0, 70]
        assert set(index.nulls("bytes:512px")) == {1, 2}
        assert index.values("bytes:original")[0].tolist() == [0, 1 << 40, 0, 0]
        assert set(index.between("id", 1, 1)) == {0, 2}
    with Index.open(path) as index:
        assert "bytes:512px" not in index.columns


def test_the_sample_is_indexed_whole_and_alike(repository: Path, tmp_path: Path) -> None:
    source = SourceInput(sorted((repository / "sample/metadata").iterdir()))
    normalise([source], tmp_path / "metadata", tmp_path / "work")
    script = (
        "import sys; from pathlib import Path; from tagswarm.tagindex.writer import write; "
        "write(Path(sys.argv[1]), Path(sys.argv[2]), work=Path(sys.argv[3]))"
    )
    made = []
    for number, environment in enumerate(({"TZ": "Asia/Tokyo", "LC_ALL": "C"}, {"PYTHONHASHSEED": "7"})):
        out = tmp_path / f"{number}.sqlite"
        subprocess.run(
            [sys.executable, "-c", script, str(tmp_path / "metadata"), str(out), str(tmp_path / f"work{number}")],
            env={**os.environ, **environment},
            check=True,
        )
        made.append(out.read_bytes())
    assert made[0] == made[1]
    with Index.open(tmp_path / "0.sqlite") as index:
        index.check()
        for batch in tables.read_batches(tmp_path / "metadata/posts.parquet", ["id", "tags", "source", "score"]):
            for ordinal, row in enumerate(batch.to_pylist()):
                chosen = BitMap([ordinal])
                assert index.ids(np.array([ordinal], np.uint32)).tolist() == [row["id"]]
                keys, _ = index.tags_of(chosen)
                assert sorted(index.tag_of(int(key)).name for key in keys) == row["tags"]  # type: ignore[union-attr]
                assert dict(index.sources(chosen)).get(ordinal) == row["source"]
                assert index.values("score", chosen)[0].tolist() == [row["score"]]


def test_tables_that_contradict_each_other_are_refused(tmp_path: Path) -> None:
    one = {"site": "danbooru", "name": "a", "category": 0, "post_count": 1}
    with pytest.raises(InvalidDocument, match="has the tag 'b'"):
        write(tmp_path / "1", [post(1, "a", "b")], tags=[one])
    with pytest.raises(InvalidDocument, match="disagree"):
        write(tmp_path / "2", [post(1, "a"), post(2, "a")], tags=[one])
    with pytest.raises(InvalidDocument, match="danbooru 1 is out of order"):
        write(tmp_path / "3", [post(2, "a"), post(1)], tags=[one])
    with pytest.raises(InvalidDocument, match="MD5"):
        write(tmp_path / "4", [post(1, "a", md5="xyz")], tags=[one])
    for number in "1234":
        assert not list((tmp_path / number).glob("*.sqlite"))
        assert not list((tmp_path / number).glob(".tmp*"))


def test_a_query_loads_neither_the_writer_nor_pyarrow(dictionary: Path) -> None:
    script = (
        "import sys; from pathlib import Path; from tagswarm.tagindex.reader import Index; "
        "i = Index.open(Path(sys.argv[1])); i.posting(i.tag('solo')); i.between('id', 1, 2); i.nearest('sola'); "
        "sys.exit(bool({'pyarrow', 'zstandard', 'hashlib', 'tagswarm.tagindex.writer'} & sys.modules.keys()))"
    )
    subprocess.run([sys.executable, "-c", script, str(dictionary)], check=True)
