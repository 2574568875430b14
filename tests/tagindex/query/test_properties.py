"""The evaluator against the plainest one there is: every post by itself, in Kleene's logic."""

from __future__ import annotations

import random
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyroaring import BitMap

from tagswarm.tagindex.query.check import check
from tagswarm.tagindex.query.conditions import Checked, Compare, Flag, Order, Tagged, Test, Words
from tagswarm.tagindex.query.evaluate import count, evaluate
from tagswarm.tagindex.query.parser import parse
from tagswarm.tagindex.query.printing import infix, spelled
from tagswarm.tagindex.query.syntax import All, And, Node, Not, Nothing, Or, Tag
from tagswarm.tagindex.query.values import AnyOf, Between, Eq, In, IsNull, NotNull, Range
from tests.tagindex.memory import MemoryStore
from tests.tagindex.written import written

Truth = bool | None
"""None is unknown."""

QUERIES = 5_000
TAGS = "abcdef"
METATAGS = "score:>1 score:1 score:0,2 score:none rating:g,s is:deleted parent:1 id:<9,13"
WORDS: list[str] = [*TAGS, "a*", "*", *METATAGS.split()]


def compared(value: int | None, wanted: Range) -> Truth:
    match wanted:
        case IsNull():
            return value is None
        case NotNull():
            return value is not None
        case Eq(value=other):
            return value == other
        case AnyOf(ranges=ranges):
            return either([compared(value, item) for item in ranges])
        case In(values=values):
            return None if value is None else value in values
        case Between(low=low, high=high):
            if value is None:
                return None
            return (low is None or value >= low) and (high is None or value <= high)


def either(truths: list[Truth]) -> Truth:
    return True if True in truths else None if None in truths else False


def truth(node: Node, row: dict[str, Any]) -> Truth:
    match node:
        case All() | Nothing():
            return isinstance(node, All)
        case Tag(name=name):
            return name in row["tags"]
        case Not(child=child):
            inner = truth(child, row)
            return None if inner is None else not inner
        case Or(children=children):
            return either([truth(child, row) for child in children])
        case And(children=children):
            truths = [truth(child, row) for child in children]
            return False if False in truths else None if None in truths else True
        case Test(condition=Compare(column="mpixels", range=wanted)):
            sides = row["width"], row["height"]
            return compared(None if None in sides else sides[0] * sides[1], wanted)
        case Test(condition=Compare(column=column, range=wanted)):
            return compared(row.get(column), wanted)
        case Test(condition=Words(column=column, words=words)):
            return row[column] in words
        case Test(condition=Flag(column=column)):
            return row[column] is True
        case Test(condition=Tagged(tags=tags)):
            return any(tag.name in row["tags"] for tag in tags)
        case _:
            raise AssertionError(node)


def collection(draw: random.Random, size: int) -> MemoryStore:
    def some(*values: Any) -> Any:
        return draw.choice(values)

    rows = [
        {
            "id": at * 2 + 1,
            "tags": [tag for tag in TAGS if draw.random() < 0.4],
            "score": some(None, -1, 0, 1, 2, 3),
            "width": some(None, 1, 2, 3),
            "height": some(None, 1, 2),
            "rating": some(None, "g", "s", "q"),
            "is_deleted": some(None, True, False),
            "parent_id": some(None, 1, 5),
        }
        for at in range(size)
    ]
    return MemoryStore(rows)


def ranges(draw: random.Random, depth: int = 1) -> Range:
    def number() -> int:
        return draw.randint(-2, 5)

    choices: list[Callable[[], Range]] = [
        lambda: Eq(number()),
        lambda: Between(number(), None),
        lambda: Between(None, number()),
        lambda: Between(number(), number()),
        lambda: In(tuple(number() for _ in range(draw.choice((0, 1, 3, 40))))),
        IsNull,
        NotNull,
    ]
    if depth:
        choices.append(lambda: AnyOf(tuple(ranges(draw, 0) for _ in range(draw.randint(1, 3)))))
    return draw.choice(choices)()


def tree(draw: random.Random, store: MemoryStore, depth: int) -> Node:
    def leaf() -> Node:
        columns = ("score", "mpixels", "id", "parent_id", "pixiv_id", "tag_count")
        choices: list[Callable[[], Node]] = [
            lambda: Tag(draw.choice(TAGS + "z")),
            lambda: Test("score", Compare(draw.choice(columns), ranges(draw))),
            lambda: Test("score", Compare(draw.choice(columns), ranges(draw))),
            lambda: Test("rating", Words("rating", tuple(draw.sample(["g", "s", "q", "e"], draw.randint(0, 3))))),
            lambda: Test("is", Flag("is_deleted")),
            lambda: Test("*", Tagged("*", tuple(store.tags_like(draw.choice(["*", "a*", "z*"]))))),
            lambda: draw.choice([All(), Nothing()]),
        ]
        return draw.choice(choices)()

    if depth == 0 or draw.random() < 0.2:
        return leaf()
    kind = draw.randrange(4)
    if kind < 2:
        return Not(tree(draw, store, depth - 1))
    children = tuple(tree(draw, store, depth - 1) for _ in range(draw.randint(1, 4)))
    return And(children) if kind == 2 else Or(children)


def compare(store: MemoryStore, node: Node) -> None:
    expected = BitMap(at for at, row in enumerate(store.rows) if truth(node, row) is True)
    assert evaluate(Checked(node), store).matches == expected, node
    assert evaluate(Checked(node), store, whole=True).matches == expected, node
    assert count(Checked(node), store) == len(expected)


def test_thousands_of_queries() -> None:
    draw = random.Random(20)
    for _ in range(QUERIES // 50):
        store = collection(draw, draw.choice((0, 1, 7, 20)))
        for _ in range(50):
            compare(store, tree(draw, store, draw.randint(0, 5)))


@settings(max_examples=300, deadline=None)
@given(st.randoms(use_true_random=False), st.integers(0, 12), st.integers(0, 4))
def test_any_query(draw: random.Random, size: int, depth: int) -> None:
    store = collection(draw, size)
    compare(store, tree(draw, store, depth))


@pytest.mark.parametrize("size", [1_000])
def test_few_candidates_of_many_posts(size: int) -> None:
    """Values are read one by one instead of by column: it must make no difference."""
    draw = random.Random(21)
    store = collection(draw, size)
    for row in store.rows:
        row["tags"] = [tag for tag in row["tags"] if tag != "a" or row["id"] % 199 == 0]
    store = MemoryStore(store.rows)
    for _ in range(60):
        node = tree(draw, store, 3)
        compare(store, And((Tag("a"), node)))
        compare(store, And((node, Not(And((Tag("a"), node))))))


def test_an_index_answers_as_the_rows_do(tmp_path: Path) -> None:
    draw = random.Random(23)
    for at in range(8):
        store = collection(draw, draw.choice((1, 9, 40)))
        with written(store, tmp_path / str(at)) as index:
            for _ in range(40):
                node = tree(draw, store, draw.randint(0, 4))
                for order in (Order(), Order("score"), Order("mpixels", descending=False), Order("random")):
                    expected = evaluate(Checked(node, order, limit=7), store, seed=at).ordinals.tolist()
                    found = evaluate(Checked(node, order, limit=7), index, seed=at).ordinals.tolist()
                    assert found == expected, (node, order)


def query(draw: random.Random, depth: int) -> str:
    """A query as somebody might write it."""
    if depth == 0 or draw.random() < 0.2:
        return draw.choice(WORDS)
    match draw.randrange(4):
        case 0:
            inner = query(draw, depth - 1)
            return f"{draw.choice('-~')}({inner})"
        case 1:
            return f"({query(draw, depth - 1)} {draw.choice(['or', 'and', 'OR'])} {query(draw, depth - 1)})"
        case 2:
            return " ".join(f"~({query(draw, depth - 1)})" for _ in range(2))
        case _:
            return " ".join(f"({query(draw, depth - 1)})" for _ in range(draw.randint(1, 3)))


def test_a_query_and_its_printed_tree_select_the_same() -> None:
    draw = random.Random(22)
    now = datetime(2021, 12, 31, tzinfo=UTC)

    def selected(text: str) -> BitMap:
        return evaluate(check(parse(text), store, text=text, now=now, allow_unknown=True), store).posts

    for _ in range(30):
        store = collection(draw, 15)
        for _ in range(30):
            text = query(draw, draw.randint(0, 4))
            assert selected(infix(parse(text))) == selected(text), text
            assert selected(spelled(parse(text))) == selected(text), text
