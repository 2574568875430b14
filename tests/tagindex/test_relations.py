"""What follows from implications."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tagswarm.tagindex.relations import implied


def test_circles_end_and_leave_out_where_they_began() -> None:
    graph = {"a": ["b"], "b": ["c", "a"], "c": ["a"]}
    assert implied("a", lambda name: graph.get(name, [])) == ["b", "c"]
    assert implied("d", lambda name: graph.get(name, [])) == []


@given(st.dictionaries(st.integers(0, 9).map(str), st.lists(st.integers(0, 9).map(str), max_size=4)))
def test_the_closure_is_closed(graph: dict[str, list[str]]) -> None:
    for name in graph:
        found = set(implied(name, lambda tag: graph.get(tag, [])))
        for tag in found | {name}:
            assert set(graph.get(tag, [])) <= found | {name}
