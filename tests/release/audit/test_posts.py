"""Posts among themselves."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tagswarm.manifests.records import Pool, RatingScheme
from tagswarm.release.audit.posts import _circles
from tests.release.audit.world import SITE, World

ISSUED = datetime(2020, 1, 1, tzinfo=UTC)


@given(st.integers(1, 12).flatmap(lambda n: st.lists(st.integers(0, n), min_size=n, max_size=n)))
def test_circles_are_those_that_a_walk_meets_again(step: list[int]) -> None:
    """`len(step)` stands for an end; a point is on a circle if walking from it comes back to it."""
    expected = set()
    for start in range(len(step)):
        at, seen = start, set()
        while at != len(step) and at not in seen:
            seen.add(at)
            at = step[at]
        if at == start and seen:
            expected.add(start)
    found = list(_circles(np.asarray(step, dtype=np.int64)))
    assert sorted(point for circle in found for point in circle) == sorted(expected)
    for circle in found:
        assert circle[0] == min(circle)
        assert [step[point] for point in circle] == [*circle[1:], circle[0]]
    assert [circle[0] for circle in found] == sorted(circle[0] for circle in found)


@pytest.mark.parametrize(
    ("moment", "fits"),
    [
        (datetime(2000, 1, 1, tzinfo=UTC), True),
        (datetime(2000, 1, 1, tzinfo=UTC) - timedelta(microseconds=1), False),
        (datetime(1970, 1, 1, tzinfo=UTC), False),
        (ISSUED + timedelta(days=2) - timedelta(microseconds=1), True),
        (ISSUED + timedelta(days=2), False),
    ],
)
def test_dates(moment: datetime, fits: bool, tmp_path: Path) -> None:
    world = World.clean((7, 8))
    world.change(0, created_at=moment)
    assert world.names(tmp_path) == ([] if fits else ["date-out-of-range"])


def test_few_posts_are_named_each_and_many_are_counted(tmp_path: Path) -> None:
    world = World.clean(range(1, 31))
    for at in range(10):
        world.change(at, rating=None)
    findings = world.findings(tmp_path)
    assert [(finding.name, finding.id) for finding in findings] == [("no-rating", post) for post in range(1, 11)]
    for at in range(10, 25):
        world.change(at, rating=None)
    (finding,) = world.findings(tmp_path)
    assert (finding.name, finding.id) == ("no-rating", None)
    assert finding.evidence == {"posts": 25, "ids": list(range(1, 11))}


def test_a_rating_belongs_to_its_scheme(tmp_path: Path) -> None:
    """g is a rating since 2022 and none before; `safe` is only Gelbooru's."""
    world = World.clean((7, 8, 9))
    world.change(0, rating="g", rating_scheme=RatingScheme.SQE_2021)
    world.change(1, rating="safe", rating_scheme=RatingScheme.GELBOORU)
    world.change(2, rating="safe")
    found = [(finding.name, finding.id) for finding in world.findings(tmp_path)]
    assert found == [("unknown-rating", 7), ("unknown-rating", 9)]


def test_parents(tmp_path: Path) -> None:
    world = World.clean((1, 2, 3, 4, 5, 6, 7))
    for post, parent in ((1, 2), (2, 3), (3, 1), (4, 1), (5, 5), (6, 99), (7, 6)):
        world.change(post - 1, parent_id=parent)
    found = {(finding.name, finding.id): finding for finding in world.findings(tmp_path)}
    assert list(found) == [("dangling-parent", 6), ("parent-self", 5), ("parent-cycle", 1)]
    assert found["parent-cycle", 1].message == "is its own ancestor: 1 > 2 > 3 > 1"
    assert found["dangling-parent", 6].evidence == {"parent": 99}


def test_parents_are_looked_for_beyond_a_batch_and_within_the_site(tmp_path: Path) -> None:
    world = World.clean((1, 40_000))
    world.change(0, parent_id=40_000)
    world.change(1, parent_id=0)
    found = [(finding.name, finding.id) for finding in world.findings(tmp_path)]
    assert found == [("dangling-parent", 40_000)]


def test_pools(tmp_path: Path) -> None:
    world = World.clean((1, 2, 3))
    world.pools = [
        Pool(site=SITE, id=1, name="whole", post_ids=(3, 1, 2)),
        Pool(site=SITE, id=2, name="holes", post_ids=(3, 8, 9, 9)),
        Pool(site=SITE, id=3, post_ids=()),
    ]
    first, second = world.findings(tmp_path)
    assert first.name == "dangling-pool-post"
    assert first.message == "the pool 2 (holes) names 2 posts that are not here"
    assert first.evidence == {"pool": 2, "pool_name": "holes", "posts": 2, "ids": [8, 9]}
    assert (second.name, second.evidence["ids"]) == ("duplicate-pool-post", [9])


def test_single_rows(tmp_path: Path) -> None:
    world = World.clean((1, 2, 3))
    world.change(0, tags=())
    world.change(1, duplicate_tags=3)
    world.recount()
    assert [(finding.name, finding.id) for finding in world.findings(tmp_path)] == [
        ("no-tags", 1),
        ("duplicate-tag", 2),
    ]
    world.posts = [replace(post, tags=()) for post in world.posts]
    world.recount()
    assert world.names(tmp_path).count("no-tags") == 3
