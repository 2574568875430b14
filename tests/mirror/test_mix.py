"""The mix of sources that is chosen is close to the best there is, and no single source is better."""

from __future__ import annotations

import dataclasses
from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tagswarm.mirror.mix import HELP, WORTH, Choice, Costs, choose, duration

Rows = list[list[float]]


def costs(
    seconds: Rows,
    *,
    start: list[float] | None = None,
    moved: list[list[int]] | None = None,
    host: list[int] | None = None,
    limit: float = 0,
) -> Costs:
    """Sources that need so many seconds for each volume, and where nothing else is said are of a host each."""
    shape = np.array(seconds, np.float64)
    return Costs(
        seconds=shape,
        moved=np.zeros(shape.shape, np.int64) if moved is None else np.array(moved, np.int64),
        start=np.array(start or [0.0] * len(seconds)),
        host=np.array(host or range(len(seconds)), np.intp),
        line=np.ones(len(seconds), np.bool_),
        limit=limit,
    )


def cost(of: Costs, choice: Choice) -> float:
    return duration(of, choice) * (1 + WORTH * (len(set(choice.tolist())) - 1))


@st.composite
def tables(draw: st.DrawFn, *, sources: int = 4, volumes: int = 6, hosts: bool = True) -> Costs:
    """Costs in which every volume has a source."""
    width = draw(st.integers(1, volumes))
    height = draw(st.integers(1, sources))
    second = st.floats(0.01, 100, allow_nan=False)
    rows = draw(st.lists(st.lists(second, min_size=width, max_size=width), min_size=height, max_size=height))
    for volume in range(width):
        absent = draw(st.sets(st.integers(0, height - 1), max_size=height - 1))
        for source in absent:
            rows[source][volume] = np.inf
    start = draw(st.lists(st.floats(0, 20), min_size=height, max_size=height))
    host = draw(st.lists(st.integers(0, height), min_size=height, max_size=height)) if hosts else None
    return costs(rows, start=start, host=host)


def assignments(of: Costs) -> list[Choice]:
    """Every assignment of volumes to sources that can carry them."""
    height, width = of.seconds.shape
    every = (np.array(choice, np.intp) for choice in product(range(height), repeat=width))
    return [choice for choice in every if np.isfinite(of.seconds[choice, np.arange(width)]).all()]


@given(tables(sources=2, volumes=7, hosts=False))
def test_of_two_sources_the_best_mix_is_missed_by_less_than_a_volume(of: Costs) -> None:
    best = of.seconds.min(axis=0)
    near = [
        choice
        for choice in assignments(of)
        if (of.seconds[choice, np.arange(len(choice))] <= HELP * best).all() or len(set(choice.tolist())) == 1
    ]
    largest = float(of.seconds[np.isfinite(of.seconds)].max())
    assert cost(of, choose(of)) <= min(cost(of, choice) for choice in near) + largest * (1 + WORTH) + 1e-9


@given(tables())
def test_no_single_source_is_sooner_done(of: Costs) -> None:
    found = choose(of)
    assert np.isfinite(of.seconds[found, np.arange(len(found))]).all()
    for source, row in enumerate(of.seconds):
        if np.isfinite(row).all():
            assert duration(of, found) <= of.start[source] + row.sum() + 1e-9


@given(tables(), st.data())
def test_a_further_source_never_makes_it_dearer(of: Costs, data: st.DataObject) -> None:
    """Up to four sources, of which every mix is tried."""
    keep = sorted(data.draw(st.sets(st.integers(0, len(of.start) - 1), min_size=1)))
    fewer = Costs(of.seconds[keep], of.moved[keep], of.start[keep], of.host[keep], of.line[keep])
    if np.isfinite(fewer.seconds.min(axis=0)).all():
        assert cost(of, choose(of)) <= cost(fewer, choose(fewer)) + 1e-9


@given(tables())
def test_a_volume_comes_from_afar_only_where_nobody_is_near(of: Costs) -> None:
    found = choose(of)
    used = sorted(set(found.tolist()))
    best = of.seconds[used].min(axis=0)
    assert (of.seconds[found, np.arange(len(found))] <= HELP * best + 1e-9).all()


def test_the_best_of_many_mixes_grows() -> None:
    """Three quick sources share the work, and the disk that has one volume of a hundred carries that one all the same."""
    rows = [[1.0] * 100, [1.0] * 100, [1.0] * 100, [0.001, *[np.inf] * 99], [2.5] * 100]
    of = dataclasses.replace(costs(rows), line=np.array([True, True, True, False, True]))
    found = choose(of)
    assert found[0] == 3
    assert np.bincount(found).tolist() == [33, 33, 33, 1]


def test_two_equal_sources_share_the_work() -> None:
    of = costs([[1.0] * 10, [1.0] * 10])
    assert duration(of, choose(of)) == 5


def test_two_sources_of_one_host_do_not_share_the_work() -> None:
    of = costs([[1.0] * 10, [1.0] * 10, [1.4] * 10], host=[7, 7, 2])
    assert set(choose(of).tolist()) == {0, 2}
    assert duration(of, np.array([0, 1], np.intp)[np.arange(10) % 2]) == 10


def test_the_volumes_that_cost_the_helper_least_are_handed_over() -> None:
    of = costs([[4.0, 4.0, 4.0, 4.0], [8.0, 5.0, 8.0, 5.0]])
    assert choose(of).tolist() == [0, 1, 0, 1]


def test_what_lies_next_door_is_not_fetched_from_afar() -> None:
    of = costs([[1.0] * 100, [2.1] * 100])
    assert set(choose(of).tolist()) == {0}


def test_a_source_that_saves_little_is_not_asked() -> None:
    of = costs([[1.0] * 100, [1.0] * 100], start=[0, 98])
    assert set(choose(of).tolist()) == {0}


def test_the_fewest_bytes_decide_where_the_seconds_are_the_same() -> None:
    of = costs([[1.0], [1.0]], moved=[[200], [100]])
    assert choose(of).tolist() == [1]


def test_the_nearer_source_decides_where_all_is_the_same() -> None:
    assert choose(costs([[1.0], [1.0]])).tolist() == [0]


def test_a_narrow_line_is_not_made_wider_by_a_further_source() -> None:
    rows = [[10.0] * 4, [10.0] * 4]
    of = costs(rows, moved=[[1000] * 4, [1000] * 4], limit=100)
    assert duration(of, choose(of)) == 40
    assert set(choose(of).tolist()) == {0}


@pytest.mark.parametrize("count", [5, 7])
def test_many_sources_with_a_part_each_are_all_used(count: int) -> None:
    rows = [[1.0 if source == volume else np.inf for volume in range(count)] for source in range(count)]
    rows.append([50.0] * count)
    assert choose(costs(rows)).tolist() == list(range(count))


def test_volumes_without_a_byte_end_the_search() -> None:
    of = costs([[0.0, 0.0, 1.0, 1.0], [0.0, 0.0, 1.0, 1.0], [0.0, 0.0, 1.0, 1.0]])
    assert duration(of, choose(of)) == 1
