"""Aliases and implications: each leads in one step to a tag that is its own name, and none in a circle.

Danbooru's rules: an alias that makes a chain is refused, and so is an implication that is circular, follows from
others, or has an end that is aliased. Only active relations count. A site has some ten thousand of them, which are held
as a graph.

Nothing here looks at posts: implications were applied to them by the booru.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from .findings import EXAMPLES, Finding, found

COLUMNS = ["site", "antecedent", "consequent", "status"]
"""What is read of an alias or an implication."""

Graph = dict[str, list[str]]
"""The consequents of each antecedent, both sorted."""


def active(batches: Iterable[Any]) -> Graph:
    """The active relations of record batches with `COLUMNS`."""
    pairs: set[tuple[str, str]] = set()
    for batch in batches:
        rows = batch.filter(pc.equal(pc.cast(batch["status"], pa.string()), "active"))
        pairs.update(zip(rows["antecedent"].to_pylist(), rows["consequent"].to_pylist(), strict=True))
    graph: Graph = {}
    for antecedent, consequent in sorted(pairs):
        graph.setdefault(antecedent, []).append(consequent)
    return graph


def of_aliases(site: str, aliases: Graph) -> Iterator[Finding]:
    """The disagreements of a site's active aliases, by name."""
    circles = _circles(aliases)
    for name, targets in aliases.items():
        if name in targets:
            yield found("alias-self", f"{name} is an alias of itself", site=site, tag=name)
        others = [target for target in targets if target != name]
        if len(others) > 1:
            message = f"{name} is an alias of {len(others)} tags: {_list(others)}"
            yield found("ambiguous-alias", message, site=site, tag=name, alias_of=others[:EXAMPLES])
        for target in others:
            following = [end for end in aliases.get(target, ()) if end != target]
            if following and circles.get(name) != circles.get(target, ()):
                chain = [name, target, following[0]]
                yield found("alias-chain", " > ".join(chain), site=site, tag=name, chain=chain)
    yield from _of_circles("alias-cycle", site, aliases, circles)


def of_implications(site: str, implications: Graph, aliases: Graph) -> Iterator[Finding]:
    """The disagreements of a site's active implications, by name, where `aliases` are its active aliases."""
    circles = _circles(implications)
    for name, consequents in implications.items():
        for other in consequents:
            if other == name:
                yield found("implication-self", f"{name} implies itself", site=site, tag=name)
                continue
            for end in (name, other):
                if end in aliases:
                    message = f"{name} implies {other}, but {end} is an alias of {aliases[end][0]}"
                    yield found(
                        "implication-of-alias", message, site=site, tag=name, implies=other, alias_of=aliases[end]
                    )
        if len(consequents) > 1 and name not in circles:
            implied = _reached(implications, consequents)
            for other in consequents:
                if other in implied and other not in circles:
                    message = f"that {name} implies {other} follows from its other implications"
                    yield found("implication-redundant", message, site=site, tag=name, implies=other)
    yield from _of_circles("implication-cycle", site, implications, circles)


def _list(names: Sequence[str]) -> str:
    return ", ".join(names[:EXAMPLES]) + (", ..." if len(names) > EXAMPLES else "")


def _reached(graph: Mapping[str, Sequence[str]], starts: Iterable[str]) -> set[str]:
    """Everything that some start leads to, in one step or more."""
    reached: set[str] = set()
    open_ends = list(starts)
    while open_ends:
        name = open_ends.pop()
        fresh = [end for end in graph.get(name, ()) if end not in reached and end != name]
        reached.update(fresh)
        open_ends.extend(fresh)
    return reached


def _of_circles(kind: str, site: str, graph: Graph, circles: Mapping[str, tuple[str, ...]]) -> Iterator[Finding]:
    for members in sorted(set(circles.values())):
        way = _way_round(graph, set(members), members[0])
        message = " > ".join([*way[:EXAMPLES], *(["..."] if len(way) > EXAMPLES else []), way[0]])
        yield found(kind, message, site=site, tag=members[0], tags=list(members[:EXAMPLES]), count=len(members))


def _way_round(graph: Graph, members: set[str], start: str) -> list[str]:
    """A shortest circle through `start` that stays within the members."""
    before: dict[str, str] = {}
    queue = [start]
    for name in queue:
        for end in graph.get(name, ()):
            if end == start and name != start:
                way = [name]
                while way[-1] != start:
                    way.append(before[way[-1]])
                return way[::-1]
            if end in members and end not in before and end != start:
                before[end] = name
                queue.append(end)
    raise AssertionError(f"{start} is on no circle")


def _circles(graph: Graph) -> dict[str, tuple[str, ...]]:
    """The members of its circle for every name on one: the strongly connected components of two names or more.

    Tarjan's algorithm (Depth-first search and linear graph algorithms, 1972) without recursion.
    """
    order: dict[str, int] = {}
    low: dict[str, int] = {}
    path: list[str] = []
    on_path: set[str] = set()
    circles: dict[str, tuple[str, ...]] = {}
    for root in graph:
        if root in order:
            continue
        work: list[tuple[str, Iterator[str]]] = []
        entering: str | None = root
        while work or entering is not None:
            if entering is not None:
                order[entering] = low[entering] = len(order)
                path.append(entering)
                on_path.add(entering)
                work.append((entering, iter(graph.get(entering, ()))))
                entering = None
            name, ends = work[-1]
            for end in ends:
                if end not in order:
                    entering = end
                    break
                if end in on_path:
                    low[name] = min(low[name], order[end])
            if entering is not None:
                continue
            work.pop()
            if work:
                low[work[-1][0]] = min(low[work[-1][0]], low[name])
            if low[name] == order[name]:
                component = [path.pop()]
                while component[-1] != name:
                    component.append(path.pop())
                members = tuple(sorted(component))
                on_path.difference_update(members)
                if len(members) > 1:
                    circles.update(dict.fromkeys(members, members))
    return circles
