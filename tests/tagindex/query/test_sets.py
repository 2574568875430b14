from __future__ import annotations

from collections.abc import Iterator

from pyroaring import BitMap

from tagswarm.tagindex.query import sets
from tagswarm.tagindex.query.sets import Posts, union


def test_members_and_what_is_lacking() -> None:
    some = BitMap([1, 3])
    assert Posts(some).members(5) == some
    assert Posts(some, rest=True).members(5) == BitMap([0, 2, 4])


def test_a_union_of_more_than_a_batch() -> None:
    many = 2 * sets.BATCH + 3
    assert union(BitMap([at]) for at in range(many)) == BitMap(range(many))
    assert union([]) == BitMap()


def test_a_union_changes_no_set() -> None:
    first, second = BitMap([1]), BitMap([2])
    union([first, second])
    assert (first, second) == (BitMap([1]), BitMap([2]))


def test_a_union_stops_when_every_candidate_is_found() -> None:
    taken = 0

    def endless() -> Iterator[BitMap]:
        nonlocal taken
        while True:
            taken += 1
            yield BitMap([taken % 7, 100])

    assert union(endless(), BitMap(range(7))) == BitMap(range(7))
    assert taken == sets.BATCH
