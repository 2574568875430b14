"""What a subset keeps of its posts: all that the metadata says of them, and enough for every export."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tagswarm.manifests import tables
from tagswarm.manifests.errors import FormatError, IncompleteBuild
from tagswarm.mirror import posts
from tagswarm.mirror.exports.kohya import KohyaOptions
from tagswarm.mirror.exports.registry import EXPORTS
from tagswarm.mirror.exports.style import CaptionStyle
from tagswarm.mirror.lock import LOCK, Lock
from tagswarm.mirror.store import STATE
from tagswarm.tagindex.reader import Index
from tagswarm.tagindex.subset import Subset
from tests.mirror.exports.samples import TEXTS, real, rows
from tests.released import Released

Pull = Callable[..., Path]


@pytest.fixture(scope="module")
def subset(pull_sample: Pull, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All posts, as they are."""
    return pull_sample(tmp_path_factory.mktemp("subset") / "out", "")


@pytest.fixture
def copied(subset: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(subset, tmp_path / "out"))


def test_samples_say_what_the_metadata_says(subset: Path, repository: Path) -> None:
    expected = real(repository / "sample")
    found = list(posts.samples(subset))
    assert [one.id for one in found] == [one.id for one in expected]
    for one, other in zip(found, expected, strict=True):
        assert (one.sha256, one.size, one.width, one.height, one.kind) == (
            other.sha256,
            other.size,
            other.width,
            other.height,
            {"apng": "png"}.get(other.kind, other.kind),  # the name of a file does not say that it moves
        )
        assert {key: set(names) for key, names in one.tags.items()} == {
            key: set(names) for key, names in other.tags.items() if names
        }
        for name in ("id", "rating", "created_at", "score", "source", "md5", "width", "height", "tags"):
            assert getattr(one.post, name) == getattr(other.post, name), (one.id, name)
        assert (one.dataset, one.release, one.path) == ("pictures", "2026", other.path)
        assert one.file.is_file()


def test_the_most_frequent_tag_of_a_category_comes_first(subset: Path, repository: Path) -> None:
    counts = {row["name"]: row["post_count"] for row in rows(repository / "sample", "tags")}
    for one in posts.samples(subset):
        for names in one.tags.values():
            assert list(names) == sorted(names, key=lambda name: (-counts[name], name))
    assert set(TEXTS) >= {category for one in posts.samples(subset) for category in one.tags}


def test_it_keeps_what_the_tags_imply(subset: Path, repository: Path) -> None:
    active = {
        (row["antecedent_name"], row["consequent_name"])
        for row in rows(repository / "sample", "tag_implications")
        if row["status"] == "active"
    }
    found = posts.implications(subset)
    assert active
    assert {(name, implied) for name, others in found.items() for implied in others} == active


def test_captions_can_leave_out_what_is_implied(subset: Path, tmp_path: Path) -> None:
    for drop in (False, True):
        style = CaptionStyle(drop_implied=drop, spaces=False)
        posts.export(subset, tmp_path / str(drop), KohyaOptions(captions=style))
    implied = posts.implications(subset)
    shorter = 0
    for text in (tmp_path / "False/images").glob("*.txt"):
        full, short = (
            set(path.read_text().strip().replace(" |||", ",").split(", "))
            for path in (text, tmp_path / "True/images" / text.name)
        )
        reached = {other for name in full for other in implied.get(name, ())}
        assert short == full - reached
        shorter += short != full
    assert shorter


def test_a_post_that_was_skipped_or_did_not_come_is_no_sample(pull_sample: Pull, tmp_path: Path) -> None:
    out = pull_sample(tmp_path / "out", "animated", "--size", "32")
    assert Lock(out / LOCK).header.posts > 0
    assert list(posts.samples(out)) == []


@given(data=st.data())
@settings(max_examples=15, deadline=None)
def test_any_posts_can_be_kept(
    data: st.DataObject, released: Released, tmp_path_factory: pytest.TempPathFactory
) -> None:
    out = tmp_path_factory.mktemp("kept")
    with Index.open(released.root / "releases/2026/index.sqlite") as index:
        every = index.values("id", index.word("site", "danbooru"))[0].tolist()
        ids = data.draw(st.lists(st.sampled_from(every), unique=True))
        posts.keep(out, index, Subset.from_ids(index, ids, "danbooru"))
    kept = [
        row for batch in tables.read_batches(out / STATE / "posts.parquet", table="posts") for row in batch.to_pylist()
    ]
    assert [row["id"] for row in kept] == sorted(ids)
    names = {
        row["name"]
        for batch in tables.read_batches(out / STATE / "tags.parquet", table="tags")
        for row in batch.to_pylist()
    }
    assert names == {tag for row in kept for tag in row["tags"]}


def test_the_same_posts_are_the_same_bytes(released: Released, tmp_path: Path) -> None:
    with Index.open(released.root / "releases/2026/index.sqlite") as index:
        for name, ids in (("one", [1000, 1002, 4001]), ("other", [4001, 1000, 1002])):
            posts.keep(tmp_path / name, index, Subset.from_ids(index, ids, "danbooru"))
    for table in ("posts", "tags", "implications"):
        one, other = ((tmp_path / name / STATE / f"{table}.parquet").read_bytes() for name in ("one", "other"))
        assert one == other


@pytest.mark.parametrize(
    "lost", [LOCK, f"{STATE}/posts.parquet", f"{STATE}/tags.parquet", f"{STATE}/implications.parquet"]
)
@pytest.mark.parametrize("form", sorted(EXPORTS))
def test_what_an_export_needs_and_is_not_there_is_named(copied: Path, tmp_path: Path, lost: str, form: str) -> None:
    (copied / lost).unlink()
    with pytest.raises(IncompleteBuild, match=Path(lost).name):
        posts.export(copied, tmp_path / "made", EXPORTS[form].options())
    assert not (tmp_path / "made").exists()


@pytest.mark.parametrize("table", ["posts", "tags", "implications"])
def test_a_damaged_table_is_an_error_of_ours(copied: Path, tmp_path: Path, table: str) -> None:
    path = copied / STATE / f"{table}.parquet"
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(FormatError, match=table):
        posts.export(copied, tmp_path / "made", KohyaOptions())
    assert not (tmp_path / "made").exists()
