"""Aliases and implications."""

from __future__ import annotations

import csv
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from tagswarm.release.audit.relations import Graph, _circles, of_aliases, of_implications

EDGES = st.sets(st.tuples(st.sampled_from("abcdefg"), st.sampled_from("abcdefg")), max_size=18)


def graph(edges: set[tuple[str, str]]) -> Graph:
    made: Graph = {}
    for antecedent, consequent in sorted(edges):
        made.setdefault(antecedent, []).append(consequent)
    return made


def leads_to(edges: set[tuple[str, str]]) -> set[tuple[str, str]]:
    """The transitive closure, the slow way."""
    closure = set(edges)
    while more := {(a, d) for a, b in closure for c, d in closure if b == c} - closure:
        closure |= more
    return closure


def names(kind: str, edges: set[tuple[str, str]], aliases: set[tuple[str, str]] = frozenset()) -> list[object]:  # type: ignore[assignment]  # an empty set is a set
    findings = of_implications("s", graph(edges), graph(aliases)) if kind != "alias" else of_aliases("s", graph(edges))
    return [(finding.name, finding.evidence["tag"]) for finding in findings]


@given(EDGES)
def test_circles_are_those_of_the_transitive_closure(edges: set[tuple[str, str]]) -> None:
    closure = leads_to(edges)
    expected = {
        a: tuple(sorted({a, *(b for b in "abcdefg" if (a, b) in closure and (b, a) in closure)}))
        for a in "abcdefg"
        if any((a, b) in closure and (b, a) in closure for b in "abcdefg" if b != a)
    }
    assert _circles(graph(edges)) == expected


@given(EDGES)
def test_every_implication_that_follows_from_others_is_named(edges: set[tuple[str, str]]) -> None:
    acyclic = {(a, b) for a, b in edges if a < b}
    expected = {(a, b) for a, b in acyclic if (a, b) in leads_to(acyclic - {(a, b)})}
    found = of_implications("s", graph(acyclic), {})
    assert {(f.evidence["tag"], f.evidence["implies"]) for f in found if f.name == "implication-redundant"} == expected


@given(EDGES, EDGES)
def test_circles_and_selves_are_named_once_each(edges: set[tuple[str, str]], aliases: set[tuple[str, str]]) -> None:
    for kind in ("alias", "implication"):
        found = names(kind, edges, aliases)
        selves = [(f"{kind}-self", a) for a, b in sorted(edges) if a == b]
        circles = [(f"{kind}-cycle", members[0]) for members in sorted(set(_circles(graph(edges)).values()))]
        assert [item for item in found if item in selves] == selves
        assert [item for item in found if str(item[0]).endswith("cycle")] == circles  # type: ignore[index]  # pairs


def test_aliases() -> None:
    assert names("alias", {("a", "b"), ("c", "d")}) == []
    assert names("alias", {("a", "b"), ("b", "c")}) == [("alias-chain", "a")]
    assert names("alias", {("a", "b"), ("b", "a"), ("x", "a")}) == [("alias-chain", "x"), ("alias-cycle", "a")]
    assert names("alias", {("a", "a")}) == [("alias-self", "a")]
    assert names("alias", {("a", "b"), ("a", "c")}) == [("ambiguous-alias", "a")]


def test_the_way_round_a_circle_is_told() -> None:
    (finding,) = of_implications("s", graph({("a", "c"), ("c", "b"), ("b", "a")}), {})
    assert finding.message == "a > c > b > a"
    assert finding.evidence == {"tag": "a", "tags": ["a", "b", "c"], "count": 3}


def test_an_implication_of_an_alias() -> None:
    found = list(of_implications("s", graph({("a", "b"), ("b", "c")}), {"b": ["x"]}))
    assert [finding.message for finding in found] == [
        "a implies b, but b is an alias of x",
        "b implies c, but b is an alias of x",
    ]


def test_a_long_chain_needs_no_recursion() -> None:
    chain = {(f"{at:06}", f"{at + 1:06}") for at in range(50_000)}
    assert list(of_implications("s", graph(chain), {})) == []
    assert len(list(of_aliases("s", graph(chain)))) == 49_999


def test_the_real_implications_hold_together(shared: Path) -> None:
    """53,454 active edges of e621: no circle; 250 are older than the rule against redundant ones."""
    with (shared / "data" / "tags" / "e621_tag_implications.csv").open(encoding="utf-8", newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["status"] == "active"]
    edges = {(row["antecedent_name"], row["consequent_name"]) for row in rows}
    found = [finding.name for finding in of_implications("e621", graph(edges), {})]
    assert len(edges) > 53_000
    assert set(found) == {"implication-redundant"}
    assert len(found) == 250
