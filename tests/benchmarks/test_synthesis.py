"""The synthetic booru of the benchmarks: the same bytes again, the rules of its tags, the statistics of the real set."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from benchmarks.blocks import BLOCK, Generator
from benchmarks.synthesis import Summary, write
from benchmarks.vocabulary import BOYS, GIRLS, Vocabulary, load
from tagswarm.manifests.records import RatingScheme
from tagswarm.release.metadata import SourceInput, normalise

POSTS = 20_000
TAIL = 20_000
TABLES = ("posts", "tags", "aliases", "implications", "pools")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Summary, Vocabulary]:
    """A booru of the built-in words."""
    out = tmp_path_factory.mktemp("made")
    summary, vocabulary = write(out, POSTS, tail=TAIL, export=500)
    return out, summary, vocabulary


@pytest.fixture(scope="module")
def posts(made: tuple[Path, Summary, Vocabulary]) -> pa.Table:
    return pq.read_table(made[0] / "posts.parquet")


def test_the_same_seed_gives_the_same_bytes(made: tuple[Path, Summary, Vocabulary], tmp_path: Path) -> None:
    write(tmp_path / "again", POSTS, tail=TAIL, export=500)
    names = sorted(path.name for path in made[0].iterdir())
    assert names == sorted([*(f"{table}.parquet" for table in TABLES), "posts.jsonl"])
    for name in names:
        assert (tmp_path / "again" / name).read_bytes() == (made[0] / name).read_bytes(), name


def test_another_seed_gives_other_posts(posts: pa.Table, made: tuple[Path, Summary, Vocabulary]) -> None:
    other = Generator(made[2], POSTS, seed=1).block(0).posts
    assert other["tags"] != posts["tags"].combine_chunks().slice(0, BLOCK)


def test_a_block_drawn_alone_is_that_of_the_whole(posts: pa.Table, made: tuple[Path, Summary, Vocabulary]) -> None:
    alone = Generator(made[2], POSTS, seed=0).block(1).posts
    assert alone.num_rows == POSTS - BLOCK
    assert pa.Table.from_batches([alone]).equals(posts.slice(BLOCK).combine_chunks())


def pairs(posts: pa.Table) -> Iterator[set[str]]:
    return map(set, posts["tags"].to_pylist())


def test_tags_are_sorted_and_each_once(posts: pa.Table) -> None:
    assert all(tags == sorted(set(tags)) for tags in posts["tags"].to_pylist())


def test_people_are_counted_once(posts: pa.Table) -> None:
    for tags in pairs(posts):
        girls, boys = tags & set(GIRLS), tags & set(BOYS)
        assert len(girls) <= 1
        assert len(boys) <= 1
        assert ("multiple_girls" in tags) == bool(girls - {"1girl"})
        assert ("multiple_boys" in tags) == bool(boys - {"1boy"})
        if "solo" in tags:
            assert girls | boys in ({"1girl"}, {"1boy"})
        if "no_humans" in tags:
            assert not girls | boys


def test_what_a_tag_implies_is_there(posts: pa.Table, made: tuple[Path, Summary, Vocabulary]) -> None:
    found = [tags for tags in pairs(posts) if "cat_ears" in tags]
    assert len(found) > 100
    assert all("animal_ears" in tags for tags in found)
    assert made[2].implications == [("cat_ears", "animal_ears", "active")]


def test_the_counts_of_the_tags_are_those_of_the_posts(posts: pa.Table, made: tuple[Path, Summary, Vocabulary]) -> None:
    counted = pc.value_counts(posts["tags"].combine_chunks().flatten()).to_pylist()
    table = pq.read_table(made[0] / "tags.parquet").to_pylist()
    assert {row["name"]: row["post_count"] for row in table} == {row["values"]: row["counts"] for row in counted}
    assert [row["name"] for row in table] == sorted(row["name"] for row in table)


def test_ids_rise_with_gaps_and_the_years_pass(posts: pa.Table) -> None:
    ids = posts["id"].to_numpy()
    assert (np.diff(ids) > 0).all()
    assert 1 - len(ids) / ids[-1] == pytest.approx(0.012, abs=0.002)
    created = posts["created_at"].to_pylist()
    assert created[0].year == 2005
    assert created[-1] > datetime(2021, 12, 1, tzinfo=UTC)
    assert sum(one.year == 2020 for one in created) / POSTS == pytest.approx(545_186 / 5_020_995, abs=0.005)


def test_parents_are_posts_and_know_their_children(posts: pa.Table) -> None:
    ids, parents = posts["id"].to_pylist(), posts["parent_id"].to_pylist()
    with_children = {one for one, has in zip(ids, posts["has_children"].to_pylist(), strict=True) if has}
    assert set(parents) - {None} == with_children
    assert sum(one is not None for one in parents) / POSTS == pytest.approx(0.12, abs=0.01)


def test_the_export_is_read_as_the_tables(
    posts: pa.Table, made: tuple[Path, Summary, Vocabulary], tmp_path: Path
) -> None:
    source = SourceInput([made[0] / "posts.jsonl"], site="danbooru", scheme=RatingScheme.GSQE_2022)
    normalise([source], tmp_path / "out", tmp_path / "work")
    read = pq.read_table(tmp_path / "out" / "posts.parquet").drop_columns(["duration"])  # no export tells it
    assert read.equals(posts.slice(0, 500).drop_columns(["duration"]).combine_chunks())


def test_the_statistics_are_those_of_the_real_set(shared: Path) -> None:
    vocabulary = load(shared / "data", 0, tail=TAIL)
    summary = Summary(np.zeros(len(vocabulary.names), np.int64))
    generator = Generator(vocabulary, POSTS, 0)
    for number in range(generator.blocks):
        summary.add(generator.block(number))
    lengths = np.repeat(np.arange(len(summary.lengths)), summary.lengths)
    assert lengths.mean() == pytest.approx(32.1, rel=0.03)
    assert lengths.std() == pytest.approx(14.6, rel=0.05)
    assert np.percentile(lengths, [1, 5, 50, 95, 99]) == pytest.approx([9, 13, 30, 59, 78], rel=0.12)
    ranked = np.cumsum(np.sort(summary.counts)[::-1]) / summary.counts.sum()
    assert ranked[[9, 99, 999, 9_999]] == pytest.approx([0.127, 0.40, 0.75, 0.94], rel=0.03)
    shares = {name: summary.counts[vocabulary.at(name)] / POSTS for name in ("1girl", "solo", "long_hair")}
    assert shares == pytest.approx({"1girl": 0.70, "solo": 0.58, "long_hair": 0.50}, abs=0.02)
    by_category = [
        summary.counts[vocabulary.categories == kind].sum() / summary.counts.sum() for kind in (0, 4, 5, 3, 1)
    ]
    assert by_category == pytest.approx([0.855, 0.043, 0.040, 0.039, 0.023], abs=0.015)
    assert [summary.ratings[word] / POSTS for word in "gsqe"] == pytest.approx([0.137, 0.638, 0.13, 0.095], abs=0.01)
    assert summary.extensions["jpg"] / POSTS == pytest.approx(0.72, abs=0.01)
    assert summary.file_bytes / POSTS == pytest.approx(0.87e6, rel=0.1)
