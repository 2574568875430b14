"""Which requests bring which items."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tagswarm.mirror.transports.base import Item
from tagswarm.mirror.transports.ranges import GAP, MEMBERS, MOST, requests


def member(offset: int, size: int, archive: str = "a.tar") -> Item:
    return Item(path=f"{offset}.png", size=size, volume="v", archive=archive, offset=offset)


def loose(number: int) -> Item:
    return Item(path=f"{number}.png", size=10, volume="v")


def shape(items: list[Item]) -> list[tuple[str, bool, int, int, int]]:
    return [(found.path, found.ranged, found.begin, found.end, len(found.items)) for found in requests(items)]


def test_a_loose_file_is_asked_for_as_a_whole() -> None:
    assert shape([loose(1), loose(2)]) == [("1.png", False, 0, 10, 1), ("2.png", False, 0, 10, 1)]


def test_members_are_merged_up_to_the_gap() -> None:
    near = [member(512, 100), member(612 + GAP, 100)]
    assert shape(near) == [("a.tar", True, 512, 712 + GAP, 2)]
    far = [member(512, 100), member(613 + GAP, 100)]
    assert shape(far) == [("a.tar", True, 512, 612, 1), ("a.tar", True, 613 + GAP, 713 + GAP, 1)]


def test_members_are_not_merged_across_archives_or_backwards() -> None:
    assert len(shape([member(0, 10), member(10, 10, "b.tar")])) == 2
    assert len(shape([member(10, 10), member(0, 10)])) == 2
    assert len(shape([member(0, 10), member(5, 10)])) == 2
    assert len(shape([member(0, 10), loose(1), member(10, 10)])) == 3


def test_a_merged_range_is_bounded_and_a_member_is_not() -> None:
    assert len(shape([member(0, MOST - 10), member(MOST - 10, 10)])) == 1
    assert len(shape([member(0, MOST - 10), member(MOST - 10, 11)])) == 2
    assert shape([member(0, 5 * MOST)]) == [("a.tar", True, 0, 5 * MOST, 1)]
    assert [count for *_, count in shape([member(10 * at, 10) for at in range(MEMBERS + 1)])] == [MEMBERS, 1]


ITEM = st.one_of(
    st.builds(loose, st.integers(0, 5)),
    st.builds(member, st.integers(0, 1 << 20), st.integers(0, 1 << 17), st.sampled_from(["a.tar", "b.tar"])),
)


@given(st.lists(ITEM))
def test_every_item_is_asked_for_once_and_in_order(items: list[Item]) -> None:
    found = list(requests(iter(items)))
    assert [item for request in found for item in request.items] == items
    for request in found:
        assert {item.archive or item.path for item in request.items} == {request.path}
        ends = [item.offset + item.size for item in request.items]
        assert all(end <= item.offset for end, item in zip(ends, request.items[1:], strict=False))
        assert (request.begin, request.end) == (request.items[0].offset, ends[-1])
