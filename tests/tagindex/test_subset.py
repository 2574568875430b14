from __future__ import annotations

import random
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pyroaring import BitMap

from tagswarm.manifests.errors import QueryError
from tagswarm.manifests.records import Category
from tagswarm.tagindex import subset as subset_module
from tagswarm.tagindex.query.conditions import Checked, Order
from tagswarm.tagindex.query.evaluate import evaluate
from tagswarm.tagindex.query.syntax import All, Tag
from tagswarm.tagindex.statistics import TagCount
from tagswarm.tagindex.subset import Subset
from tests.tagindex.memory import MemoryStore
from tests.tagindex.written import written

POSTS: list[dict[str, Any]] = [
    {
        "id": 10 * at,
        "created_at": f"20{10 + at}-12-31T23:59:59.999999Z",
        "rating": "g" if at < 4 else "e",
        "file_ext": "png",
        "file_size": 100 * at,
        "width": 256 if at < 3 else 257,
        "height": 1,
        "score": -at,
        "source": f"https://x/{at}" if at % 2 else None,
        "md5": f"{at:032x}" if at != 2 else None,
        "is_deleted": at == 1,
        "duration": at / 2 if at > 4 else None,
        "tags": ["1girl", *(["ann"] if at % 2 else []), *(["solo"] if at < 3 else [])],
        "tag_categories": {"ann": "character"},
    }
    for at in range(1, 6)
]
STORE = MemoryStore(POSTS)


def some(*ids: int) -> Subset:
    return Subset.from_ids(STORE, ids)


def test_a_subset_of_an_answer_has_its_order() -> None:
    answer = evaluate(Checked(Tag("ann"), Order("score", descending=False)), STORE)
    subset = Subset.of(STORE, answer)
    assert len(subset) == 3
    assert list(subset) == [50, 30, 10]
    assert subset.ids().dtype == np.int64
    assert subset.ordinals.dtype == np.uint32
    assert repr(subset) == "<Subset: 3 of 5 posts>"
    assert list(Subset(STORE, answer.posts)) == [50, 30, 10]


def test_the_order_is_not_found_before_it_is_needed() -> None:
    class Answer:
        posts = BitMap([1, 2])

        @property
        def ordinals(self) -> None:
            raise AssertionError("sorted")

    assert len(Subset.of(STORE, Answer())) == 2  # type: ignore[arg-type]


def test_sets() -> None:
    left, right = some(20, 10, 40), some(40, 30, 20)
    assert list(left & right) == [20, 40]
    assert list(left - right) == [10]
    assert list(left | right) == [40, 30, 20, 10]
    assert left & right == right & left
    assert left != right
    assert left != {20, 10, 40}
    with pytest.raises(QueryError, match="different"):
        left & Subset(MemoryStore(POSTS), BitMap())
    with pytest.raises(TypeError):
        hash(left)


def test_from_ids() -> None:
    assert list(some(30, 10)) == [30, 10]
    assert list(some()) == []
    assert list(Subset.from_ids(STORE, np.array([50], dtype=np.uint32), "danbooru")) == [50]
    with pytest.raises(QueryError, match="2 posts are not there, the first is 11"):
        some(10, 11, 99)
    with pytest.raises(QueryError, match="no site 'x'"):
        Subset.from_ids(STORE, [10], "x")
    two = MemoryStore([{"site": "a", "id": 1}, {"site": "b", "id": 1}])
    assert Subset.from_ids(two, [1], "b").posts == BitMap([1])
    with pytest.raises(QueryError, match="2 sites"):
        Subset.from_ids(two, [1])


def test_sample() -> None:
    whole = Subset(STORE, BitMap(range(5)))
    assert list(whole.sample(9, 1)) == list(whole.sample(5, 1))
    assert sorted(whole.sample(5, 1)) == [10, 20, 30, 40, 50]
    assert list(whole.sample(2, 1)) == list(whole.sample(5, 1))[:2]
    assert len({tuple(whole.sample(5, seed)) for seed in range(20)}) > 10
    assert len(whole.sample(0)) == 0


def test_to_arrow() -> None:
    table = some(20, 50, 10).to_arrow(
        ["site", "id", "created_at", "rating", "score", "is_deleted", "source", "md5", "duration", "tags", "pixiv_id"]
    )
    assert table.to_pylist() == [
        {
            "site": "danbooru",
            "id": 10 * at,
            "created_at": datetime(2010 + at, 12, 31, 23, 59, 59, 999999, tzinfo=UTC),
            "rating": "e" if at == 5 else "g",
            "score": -at,
            "is_deleted": at == 1,
            "source": f"https://x/{at}" if at % 2 else None,
            "md5": f"{at:032x}" if at != 2 else None,
            "duration": 2.5 if at == 5 else None,
            "tags": sorted(POSTS[at - 1]["tags"]),
            "pixiv_id": None,
        }
        for at in (2, 5, 1)
    ]
    assert some().to_arrow().num_rows == 0
    assert some(10, 20).to_arrow(["tags"])["tags"].to_pylist() == [["1girl", "ann", "solo"], ["1girl", "solo"]]
    with pytest.raises(QueryError, match="no column nonsense"):
        some(10).to_arrow(["id", "nonsense"])


def test_an_index_gives_the_same_tables_and_numbers(tmp_path: Path) -> None:
    columns = [name for name in subset_module.COLUMNS if name != "commentary_updated_at"]
    posts = BitMap([0, 2, 3, 4])
    with written(STORE, tmp_path) as index:
        assert Subset(index, posts).to_arrow(columns).equals(Subset(STORE, posts).to_arrow(columns))
        for subset in (posts, BitMap(range(5)), BitMap()):
            assert Subset(index, subset).stats() == Subset(STORE, subset).stats()
        assert list(Subset(index, posts).sample(3, 5)) == list(Subset(STORE, posts).sample(3, 5))


def test_counts_of_tables_are_columns() -> None:
    notes = [{"post_id": 20, "is_active": True, "body": "x"}]
    store = MemoryStore(POSTS, notes=notes)
    assert Subset.from_ids(store, [20, 10]).to_arrow(["note_count"])["note_count"].to_pylist() == [1, 0]


def test_stats() -> None:
    stats = some(10, 20, 30, 50).stats()
    assert stats.posts == 4
    assert stats.sites == {"danbooru": 4}
    assert stats.ratings == {"e": 1, "g": 3}
    assert stats.extensions == {"png": 4}
    assert stats.years == {2011: 1, 2012: 1, 2013: 1, 2015: 1}
    assert stats.claimed_bytes == 1100
    assert stats.sizes == {256: 2, 512: 2}
    assert stats.renditions == {}
    assert stats.tags == {
        "general": [TagCount("1girl", 4, 5), TagCount("solo", 2, 2)],
        "character": [TagCount("ann", 3, 3)],
    }


def test_stats_of_nothing_and_of_bare_posts() -> None:
    bare = MemoryStore([{"id": 1}])
    assert Subset(bare, BitMap([0])).stats().years == {}
    assert Subset(bare, BitMap()).stats().posts == 0
    assert some().stats().tags == {}


class WithRenditions(MemoryStore):
    """Knows the bytes of two renditions."""

    def __init__(self) -> None:
        super().__init__(POSTS)
        self._columns["bytes:512px"] = [7, None, 5, 1, 1]
        self._columns["bytes:original"] = [10, 20, 30, 40, 50]
        self.columns |= {"bytes:512px", "bytes:original"}


def test_bytes_of_renditions() -> None:
    assert Subset.from_ids(WithRenditions(), [10, 20, 30]).stats().renditions == {"512px": 12, "original": 60}


def tagged(draw: random.Random) -> MemoryStore:
    names = [f"t{at:02}" for at in range(40)]
    posts = [
        {"id": at, "tags": [name for n, name in enumerate(names) if draw.random() < 1 / (n + 1)]} for at in range(60)
    ]
    return MemoryStore(posts)


@pytest.mark.parametrize("few", [0, 1_000])
def test_the_most_frequent_tags_are_those_of_a_full_count(few: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(subset_module, "FEW", few)
    draw = random.Random(3)
    for size in (*range(1, 31), 60):
        store = tagged(draw)
        posts = BitMap(draw.sample(range(60), size))
        counts = Counter(name for at in posts for name in store.rows[at]["tags"])
        everywhere = {row.name: row.count for row in store.tags_like("*")}
        ranked = sorted(counts, key=lambda name: (-counts[name], -everywhere[name], name))
        for limit in (1, 5, 100):
            expected = [TagCount(name, counts[name], everywhere[name]) for name in ranked[:limit]]
            assert Subset(store, posts).tags(Category.GENERAL, limit) == expected
        assert Subset(store, posts).tags(Category.GENERAL, 0) == []


def test_everything_is_a_subset() -> None:
    assert list(Subset.of(STORE, evaluate(Checked(All()), STORE))) == [50, 40, 30, 20, 10]
