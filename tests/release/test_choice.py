"""Renditions of the posts that a query selects."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from tagswarm.manifests import models
from tagswarm.manifests.errors import ConfigInvalid
from tagswarm.manifests.events import Event, Notice
from tagswarm.manifests.models import Root
from tagswarm.release.build import build
from tests.collection import Collection, Row, timestamp


def configure(collection: Collection, query: str, name: str = "512px") -> None:
    collection.write_config(name="2025", renditions=[name])
    path = collection.root / "release.toml"
    path.write_text(f"{path.read_text()}query = '{query}'\n")


def made(collection: Collection) -> set[int]:
    return {int(path.stem) for path in (collection.root / "512px").rglob("*.jpg")}


def root_of(collection: Collection) -> Root:
    path = collection.root / "releases" / "2025" / "release.json"
    return Root.parse(path.read_bytes(), limit=models.ROOT_LIMIT)


def tagged(row: Row, name: str) -> bool:
    return name in row["tag_string"].split()


@pytest.fixture
def collection(tmp_path: Path) -> Collection:
    return Collection.make(tmp_path / "set", 30, buckets=3)


def test_a_rendition_has_the_posts_of_its_query(collection: Collection) -> None:
    query = "rating:g,s (1girls or smile) -hat"
    configure(collection, query)
    build(collection.root, workers=1)
    wanted = {
        row["id"]
        for row in collection.posts
        if row["rating"] in "gs" and (tagged(row, "1girl") or tagged(row, "smile")) and not tagged(row, "hat")
    }
    assert made(collection) == wanted
    assert 0 < len(wanted) < 30
    root = root_of(collection)
    assert [entry.selection for entry in root.renditions] == [None, query]
    assert root.renditions[1].files == len(wanted)
    readme = (collection.root / "releases" / "2025" / "README.md").read_text()
    assert query in readme
    assert build(collection.root, workers=1).changed is False


def test_the_best_of_a_collection(collection: Collection) -> None:
    configure(collection, "order:score limit:5")
    build(collection.root, workers=1)
    best = sorted(collection.posts, key=lambda row: (row["score"], row["id"]), reverse=True)
    assert made(collection) == {row["id"] for row in best[:5]}


def test_ages_count_from_the_day_of_the_release(collection: Collection) -> None:
    for row, moment in zip(
        collection.posts, (datetime(2025, 6, 29, 12, tzinfo=UTC), datetime(2025, 6, 1, tzinfo=UTC)), strict=False
    ):
        row["created_at"] = timestamp(moment)
    collection.write_metadata()
    configure(collection, "age:<1d")
    build(collection.root, workers=1)
    assert made(collection) == {collection.posts[0]["id"]}


def test_each_site_has_its_own_posts(collection: Collection) -> None:
    """The same ids mean other posts elsewhere; what is counted, is counted among the posts of the tree."""
    other = Collection.make(collection.root / "other", 30, buckets=3, seed=1)
    configure(collection, "order:score limit:4")
    path = collection.root / "release.toml"
    first, second = path.read_text().split("[[renditions]]")
    more = '[[sources]]\nsite = "e621"\nformat = "danbooru_export"\nrating_scheme = "gsqe-2022"\n'
    more += 'originals = "elsewhere"\nmetadata = ["other/metadata/*.json"]\n\n'
    path.write_text(f"{first}{more}[[renditions]]{second}")
    (other.root / "original").rename(collection.root / "elsewhere")
    build(collection.root, workers=1)
    best = sorted(collection.posts, key=lambda row: (row["score"], row["id"]), reverse=True)
    assert made(collection) == {row["id"] for row in best[:4]}


@pytest.mark.parametrize(
    ("query", "said"),
    [("1gril", "1gril"), ("note:a", "notes"), ("rating:safe", "safe"), ("score:many", "many")],
)
def test_a_query_that_cannot_be_answered_is_told_before_files_are_read(
    collection: Collection, query: str, said: str
) -> None:
    configure(collection, query)
    events: list[Event] = []
    with pytest.raises(ConfigInvalid, match=r"renditions: 512px: query: .*" + said) as caught:
        build(collection.root, workers=1, report=events.append)
    assert caught.value.hint
    assert not any("read files" in str(event) for event in events)


def test_a_query_without_posts_is_told(collection: Collection) -> None:
    configure(collection, "1girl -1girl")
    events: list[Event] = []
    build(collection.root, workers=1, report=events.append)
    assert made(collection) == set()
    assert [event.message for event in events if isinstance(event, Notice)] == ["512px: no post matches 1girl -1girl"]
