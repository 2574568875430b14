from __future__ import annotations

import hashlib
import random
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyroaring import BitMap

from tagswarm.tagindex.query.conditions import InPool, Order
from tagswarm.tagindex.query.order import arrange, random_order, shuffled
from tests.tagindex.memory import MemoryStore


def store(*posts: dict[str, Any], **others: Any) -> MemoryStore:
    return MemoryStore([{"id": at, **post} for at, post in enumerate(posts, 1)], **others)


def ids(collection: MemoryStore, order: Order, posts: BitMap | None = None, **options: Any) -> list[int]:
    chosen = BitMap(range(collection.size)) if posts is None else posts
    return [collection.rows[at]["id"] for at in arrange(chosen, collection, order, **options)]


SCORES = store({"score": 5}, {"score": None}, {"score": 9}, {"score": 5}, {"score": None})


@pytest.mark.parametrize(
    ("order", "expected"),
    [
        (Order(), [5, 4, 3, 2, 1]),
        (Order(descending=False), [1, 2, 3, 4, 5]),
        (Order("score"), [3, 4, 1, 5, 2]),
        (Order("score", descending=False), [1, 4, 3, 2, 5]),
        (Order("score", descending=False, nulls_first=True), [2, 5, 1, 4, 3]),
        (Order("score", drops_nulls=True), [3, 4, 1]),
        (Order("custom", ids=(4, 2, 2, 5, 1, 3)), [4, 2, 5, 1, 3]),
        (Order("pixiv_id"), [5, 4, 3, 2, 1]),
    ],
)
def test_orders(order: Order, expected: list[int]) -> None:
    assert ids(SCORES, order) == expected
    for limit in range(6):
        assert ids(SCORES, order, limit=limit) == expected[:limit]


def test_sizes_are_compared_exactly() -> None:
    sides = [
        (3, 7),
        (7, 3),
        (1, 1),
        (2, 2),
        (65535, 65536),
        (65534, 65535),
        (None, 4),
        (5, 0),
        (1 << 30, (1 << 30) + 1),
    ]
    posts = store(*({"width": width, "height": height} for width, height in sides))
    known = {at: Fraction(w, h) for at, (w, h) in enumerate(sides, 1) if w and h}
    rising = sorted(known, key=lambda at: (known[at], at))
    assert ids(posts, Order("aspect", descending=False)) == [*rising, 7, 8]
    assert ids(posts, Order("aspect")) == [*reversed(rising), 8, 7]
    pixels = {at: w * h for at, (w, h) in enumerate(sides, 1) if w is not None and h is not None}
    assert ids(posts, Order("mpixels")) == [*sorted(pixels, key=lambda at: (pixels[at], at), reverse=True), 7]


@given(st.lists(st.tuples(st.integers(1, 65_535), st.integers(1, 65_535)), min_size=1, max_size=30))
def test_sides_of_real_images_are_compared_exactly(sides: list[tuple[int, int]]) -> None:
    posts = store(*({"width": width, "height": height} for width, height in sides))
    exact = sorted(range(1, len(sides) + 1), key=lambda at: (Fraction(*sides[at - 1]), at))
    assert ids(posts, Order("aspect", descending=False)) == exact


def test_md5() -> None:
    posts = store({"md5": "b" * 32}, {"md5": None}, {"md5": "a" * 32}, {"md5": "b" * 32}, {"md5": None})
    assert ids(posts, Order("md5")) == [4, 1, 3, 5, 2]
    assert ids(posts, Order("md5", descending=False)) == [3, 1, 4, 2, 5]
    assert ids(posts, Order("md5"), limit=2) == [4, 1]


def test_pool() -> None:
    pools = [
        {"id": 7, "name": "a", "category": "series", "post_ids": [3, 1, 4, 9], "is_deleted": False},
        {"id": 8, "name": "ab", "category": "series", "post_ids": [1, 2], "is_deleted": False},
    ]
    posts = store({}, {}, {}, {}, pools=pools)
    assert ids(posts, Order("pool", pool=InPool(id=7))) == [3, 1, 4]
    assert ids(posts, Order("pool", pool=InPool(name="a*")), limit=9) == [3, 1, 4, 2]
    assert ids(posts, Order("pool", pool=InPool(name="a")), BitMap([0, 1, 3])) == [1, 4]


TWO_SITES = MemoryStore(
    [{"site": site, "id": at, "score": at % 2} for site, numbers in (("a", (1, 3, 5)), ("b", (2, 3))) for at in numbers]
)


def test_posts_of_two_sites_are_ordered_by_id_and_then_by_site() -> None:
    everything = BitMap(range(5))
    named = [(row["site"], row["id"]) for row in TWO_SITES.rows]
    rising = [named[at] for at in arrange(everything, TWO_SITES, Order(descending=False))]
    assert rising == [("a", 1), ("b", 2), ("a", 3), ("b", 3), ("a", 5)]
    assert [named[at] for at in arrange(everything, TWO_SITES, Order())] == rising[::-1]
    best = [("a", 5), ("b", 3), ("a", 3), ("a", 1), ("b", 2)]
    assert [named[at] for at in arrange(everything, TWO_SITES, Order("score"))] == best
    assert [named[at] for at in arrange(everything, TWO_SITES, Order("score"), limit=1)] == best[:1]


def test_the_places_of_a_random_order_are_the_same_everywhere() -> None:
    whole = (1 << 64) - 1

    def finalised(number: int) -> int:
        number = (number ^ number >> 30) * 0xBF58476D1CE4E5B9 & whole
        number = (number ^ number >> 27) * 0x94D049BB133111EB & whole
        return number ^ number >> 31

    golden = 0x9E3779B97F4A7C15
    start = finalised((int(hashlib.sha256(b"danbooru").hexdigest()[:16], 16) ^ 7) + golden & whole)
    ids = [1, 2, 3_000_000_000]
    places = shuffled(7, "danbooru", np.array(ids, dtype=np.int64)).tolist()
    assert places == [finalised(number * golden + start & whole) for number in ids]
    assert places[0] == 9717839096204105544


def test_a_random_order_is_a_permutation_that_the_seed_and_the_site_decide() -> None:
    posts = BitMap(range(5))
    for collection in (SCORES, TWO_SITES):
        orders = {tuple(random_order(posts, collection, seed).tolist()) for seed in range(60)}
        assert len(orders) > 30
        assert all(sorted(order) == list(range(5)) for order in orders)
    assert list(random_order(posts, TWO_SITES, 1)) == list(arrange(posts, TWO_SITES, Order("random"), seed=1))


def test_more_posts_shuffle_in_and_leave_the_rest_in_order() -> None:
    many, few = BitMap(range(300)), BitMap(range(0, 300, 3))
    posts = store(*({} for _ in range(300)))
    drawn = random_order(many, posts, 5).tolist()
    assert random_order(few, posts, 5).tolist() == [post for post in drawn if post in few]
    assert random_order(many, posts, 5, 20).tolist() == drawn[:20]


def test_a_random_order_has_no_favourites() -> None:
    posts = store(*({} for _ in range(50)))
    first = [random_order(BitMap(range(50)), posts, seed, 1)[0] for seed in range(2_000)]
    counts = np.bincount(first, minlength=50)
    chi_squared = float(((counts - 40) ** 2 / 40).sum())
    assert chi_squared < 100  # 49 degrees of freedom: more than this once in 25,000 times; the seeds are fixed


def test_every_order_is_total_and_its_beginning_is_that_of_the_whole() -> None:
    chance = random.Random(4)
    posts = store(*({"score": chance.choice([None, -1, 0, 0, 3]), "md5": None} for _ in range(200)))
    for by in ("id", "score", "md5", "random", "tag_count", "mpixels"):
        for descending in (True, False):
            for nulls_first in (True, False):
                order = Order(by, descending=descending, nulls_first=nulls_first)
                whole = ids(posts, order)
                assert sorted(whole) == list(range(1, 201))
                assert whole == ids(posts, order)
                assert all(ids(posts, order, limit=limit) == whole[:limit] for limit in (0, 1, 7, 45, 120, 500))
