"""How a query was understood, drawn for people: its parts with their sizes, then the steps with their times.

The tree is the one that was answered: aliases are replaced, and a `-` stands before the single parts it was carried to.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from rich.console import Console

from tagswarm.manifests.paths import escape
from tagswarm.opening import Reply
from tagswarm.tagindex.query.conditions import Order
from tagswarm.tagindex.query.evaluate import Step, evaluate
from tagswarm.tagindex.query.printing import infix
from tagswarm.tagindex.query.syntax import And, Node, Not, Or

from .page import pairs, say, table
from .steps import units

WIDEST = 60
"""Characters of a part that are shown; its own parts follow below it."""


@dataclass(frozen=True, slots=True)
class Part:
    """A part of the query."""

    query: str
    depth: int
    """0 is the whole query."""
    posts: int
    """Posts of the release that match it, whatever the other parts say."""


@dataclass(frozen=True, slots=True)
class Explained:
    """How a query was understood, and what it took to answer it."""

    understood: str
    order: str
    matches: int
    """Before `random:` and `limit:`."""
    count: int
    parts: tuple[Part, ...]
    steps: tuple[dict[str, Any], ...]
    """In the order in which they were done: `query`, `posts` found, `of` how many candidates, `seconds`."""
    seconds: float
    """All steps and the sorting."""


def explain(reply: Reply) -> Explained:
    """Answer a query twice: once as it is always done, for the times, and once with every part on its own."""
    started = time.perf_counter()
    answer = reply.answer
    count = len(answer.ordinals)
    seconds = time.perf_counter() - started
    apart = evaluate(reply.checked, reply.release.index, seed=reply.seed, whole=True)
    return Explained(
        understood=infix(reply.checked.node),
        order=_order(reply.checked.order),
        matches=len(answer.matches),
        count=count,
        parts=tuple(_parts(reply.checked.node, {(id(step.node), step.negated): step.size for step in apart.steps})),
        steps=tuple(_step(step, len(reply.release)) for step in answer.steps),
        seconds=seconds,
    )


def _step(step: Step, posts: int) -> dict[str, Any]:
    of = posts if step.candidates is None else step.candidates
    return {"query": _label(step.node, step.negated), "posts": step.size, "of": of, "seconds": step.seconds}


def _parts(node: Node, sizes: dict[tuple[int, bool], int]) -> Iterator[Part]:
    """The parts from the whole to the leaves; a part that was never needed, for nothing could be left, has no posts."""
    stack: list[tuple[Node, bool, int]] = [(node, False, 0)]
    while stack:
        current, negated, depth = stack.pop()
        if isinstance(current, Not):
            stack.append((current.child, not negated, depth))
            continue
        yield Part(_label(current, negated), depth, sizes.get((id(current), negated), 0))
        if isinstance(current, (And, Or)):
            stack.extend((child, negated, depth + 1) for child in reversed(current.children))


def _label(node: Node, negated: bool) -> str:
    """A part as a query; groups are named by what they do, for their parts stand below them."""
    if isinstance(node, (And, Or)):
        return "all of" if isinstance(node, And) is not negated else "any of"
    return f"{'-' if negated else ''}{infix(node) or 'every post'}"


def _order(order: Order) -> str:
    if order.by in {"custom", "random"}:
        return order.by
    if order.by == "pool":
        return "position in the pool"
    return f"{order.by}, {'largest' if order.descending else 'smallest'} first"


def draw(console: Console, reply: Reply, explained: Explained) -> None:
    """Show it."""
    checked = reply.checked
    pairs(
        console,
        [
            ("query", escape(reply.text)),
            ("understood", escape(explained.understood) or "every post"),
            ("order", explained.order),
            ("random", "" if checked.random is None else f"{checked.random:,} of the matches, seed {reply.seed}"),
            ("limit", "" if checked.limit is None else f"{checked.limit:,}"),
        ],
    )
    say(console, "bold", "Parts")
    table(console, ("part", "posts"), ((_indented(part), f"{part.posts:,}") for part in explained.parts))
    say(console, "bold", "Steps")
    steps = (
        (_cut(step["query"]), f"{step['posts']:,}", f"{step['of']:,}", f"{1000 * step['seconds']:.2f} ms")
        for step in explained.steps
    )
    table(console, ("step", "found", "among", "time"), steps)
    found = units(explained.count, "posts")
    whole = "" if explained.count == explained.matches else f" of {explained.matches:,} matches"
    say(console, "green", f"{found}{whole} in {1000 * explained.seconds:.2f} ms")


def _indented(part: Part) -> str:
    return "  " * min(part.depth, WIDEST // 4) + _cut(part.query)


def _cut(text: str) -> str:
    shown = escape(text)
    return shown if len(shown) <= WIDEST else shown[: WIDEST - 3] + "..."
