from __future__ import annotations

import itertools
from typing import Any

import pytest
from pyroaring import BitMap

from tagswarm.tagindex.query.conditions import (
    By,
    Checked,
    ChildIs,
    Commented,
    Compare,
    Condition,
    Flag,
    InPool,
    Mentions,
    Order,
    ParentIs,
    Source,
    Tagged,
    Test,
    Words,
)
from tagswarm.tagindex.query.evaluate import Step, count, evaluate
from tagswarm.tagindex.query.syntax import All, And, Node, Not, Nothing, Or, Tag
from tagswarm.tagindex.query.values import AnyOf, Between, Eq, In, IsNull, NotNull
from tagswarm.tagindex.store import TagRow
from tests.tagindex.memory import MemoryStore


def store(*posts: dict[str, Any], **others: Any) -> MemoryStore:
    return MemoryStore([{"id": at, **post} for at, post in enumerate(posts, 1)], **others)


def asks(condition: Condition) -> Node:
    return Test("x", condition)


def ids(node: Node, collection: MemoryStore, **options: Any) -> list[int]:
    """The ids that a tree selects, ascending."""
    matches = evaluate(Checked(node), collection, **options).matches
    return [collection.rows[at]["id"] for at in matches]


ABC = store({"tags": ["a"]}, {"tags": ["a", "b"]}, {"tags": ["b", "c"]}, {"tags": []})
A, B, C, D = (Tag(name) for name in "abcd")


@pytest.mark.parametrize(
    ("node", "expected"),
    [
        (All(), [1, 2, 3, 4]),
        (Nothing(), []),
        (Not(Nothing()), [1, 2, 3, 4]),
        (Not(All()), []),
        (A, [1, 2]),
        (D, []),
        (Not(D), [1, 2, 3, 4]),
        (Not(A), [3, 4]),
        (Not(Not(A)), [1, 2]),
        (And((A, B)), [2]),
        (And((A, Not(B))), [1]),
        (And((Not(A), Not(B))), [4]),
        (And((Not(A), Not(B), C)), []),
        (Not(And((A, B))), [1, 3, 4]),
        (Or((A, C)), [1, 2, 3]),
        (Or((A, Not(B))), [1, 2, 4]),
        (Not(Or((A, Not(B)))), [3]),
        (Or((Not(A), Not(B))), [1, 3, 4]),
        (And((B, Or((A, Not(C))))), [2]),
        (And((B, Not(Or((A, D))))), [3]),
        (And((A, Or((And((B, Not(C))), D)))), [2]),
    ],
)
def test_sets(node: Node, expected: list[int]) -> None:
    assert ids(node, ABC) == expected
    assert ids(node, ABC, whole=True) == expected
    assert count(Checked(node), ABC) == len(expected)


SCORES = store({"score": 5}, {"score": None}, {"score": 9}, {"score": 5})


@pytest.mark.parametrize(
    ("wanted", "true", "false"),
    [
        (Eq(5), [1, 4], [2, 3]),
        (Eq(1 << 70), [], [1, 2, 3, 4]),
        (Between(6, None), [3], [1, 4]),
        (Between(None, 5), [1, 4], [3]),
        (Between(7, 6), [], [1, 3, 4]),
        (Between(None, None), [1, 3, 4], []),
        (In((5, 7)), [1, 4], [3]),
        (In(tuple(range(5, 105))), [1, 3, 4], []),
        (In((1 << 70, *range(6, 105))), [3], [1, 4]),
        (AnyOf((Eq(5), Eq(7))), [1, 4], [2, 3]),
        (AnyOf((Eq(5), Between(8, None))), [1, 3, 4], []),
        (AnyOf((IsNull(), Between(8, None))), [2, 3], [1, 4]),
        (AnyOf((Between(8, 8), NotNull())), [1, 3, 4], []),
        (IsNull(), [2], [1, 3, 4]),
        (NotNull(), [1, 3, 4], [2]),
    ],
)
def test_what_is_absent_is_neither_in_a_range_nor_out_of_it(wanted: Any, true: list[int], false: list[int]) -> None:
    node = asks(Compare("score", wanted))
    assert ids(node, SCORES) == true
    assert ids(Not(node), SCORES) == false
    assert ids(Not(And((node, All()))), SCORES) == false
    assert ids(Or((Not(node), Nothing())), SCORES) == false


def test_a_column_that_the_collection_lacks_is_null() -> None:
    assert ids(asks(Compare("pixiv_id", Between(0, None))), SCORES) == []
    assert ids(Not(asks(Compare("pixiv_id", Between(0, None)))), SCORES) == []
    assert ids(asks(Compare("pixiv_id", IsNull())), SCORES) == [1, 2, 3, 4]


def test_computed_numbers() -> None:
    sized = store(
        {"width": 1000, "height": 670, "down_score": -3},
        {"width": 1600, "height": 900, "down_score": 0},
        {"width": None, "height": 10, "down_score": None},
        {"width": 10, "height": 0, "down_score": 2},
    )
    assert ids(asks(Compare("mpixels", Between(670_000, 670_000))), sized) == [1]
    assert ids(asks(Compare("mpixels", IsNull())), sized) == [3]
    assert ids(asks(Compare("ratio", Eq(149))), sized) == [1]
    assert ids(Not(asks(Compare("ratio", Between(150, None)))), sized) == [1]
    assert ids(asks(Compare("downvotes", Between(2, None))), sized) == [1, 4]


def test_the_ratio_is_rounded_half_up_exactly() -> None:
    # 1.005 and 2.675 are below the half as binary fractions, and round to 1.01 and 2.68 as they are written.
    sized = store({"width": 1005, "height": 1000}, {"width": 2675, "height": 1000}, {"width": 1004, "height": 1000})
    assert [ids(asks(Compare("ratio", Eq(value))), sized) for value in (100, 101, 268)] == [[3], [1], [2]]


def test_md5() -> None:
    first, second = "0" * 32, "f" * 32
    posts = store({"md5": first}, {"md5": None}, {"md5": second})
    assert ids(asks(Compare("md5", Eq(first))), posts) == [1]
    assert ids(Not(asks(Compare("md5", Eq(first)))), posts) == [2, 3]
    assert ids(asks(Compare("md5", In((first, second)))), posts) == [1, 3]
    assert ids(Not(asks(Compare("md5", In((first,))))), posts) == [3]
    assert ids(asks(Compare("md5", IsNull())), posts) == [2]


def test_words_flags_and_wildcards() -> None:
    posts = store(
        {"rating": "g", "is_deleted": True, "tags": ["aa"]},
        {"rating": "s", "tags": ["ab", "aa"]},
        {"rating": None, "is_deleted": None, "tags": ["b"]},
    )
    assert ids(asks(Words("rating", ("g", "s"))), posts) == [1, 2]
    assert ids(Not(asks(Words("rating", ("g",)))), posts) == [2, 3]
    assert ids(asks(Words("rating", ())), posts) == []
    assert ids(asks(Flag("is_deleted")), posts) == [1]
    assert ids(Not(asks(Flag("is_deleted"))), posts) == [2, 3]
    wildcard = asks(Tagged("a*", tuple(posts.tags_like("a*"))))
    assert ids(wildcard, posts) == [1, 2]
    assert ids(And((Tag("b"), Not(wildcard))), posts) == [3]


def test_source() -> None:
    posts = store({"source": "http://X.net/1"}, {"source": ""}, {"source": None}, {"source": "none"})
    assert ids(asks(Source("http://x.net/*")), posts) == [1]
    assert ids(asks(Source(None)), posts) == [2, 3]
    assert ids(Not(asks(Source("none*"))), posts) == [1, 2, 3]


def pool(id_: int, name: str, posts: list[int], category: str = "series") -> dict[str, Any]:
    return {"id": id_, "name": name, "category": category, "post_ids": posts, "is_deleted": False}


def test_pools() -> None:
    posts = store({}, {}, {}, {}, pools=[pool(1, "Test_A", [3, 1, 99]), pool(2, "b", [2], "collection")])
    assert ids(asks(InPool()), posts) == [1, 2, 3]
    assert ids(asks(InPool(id=1)), posts) == [1, 3]
    assert ids(asks(InPool(name="test_a")), posts) == [1, 3]
    assert ids(asks(InPool(name="te*")), posts) == [1, 3]
    assert ids(asks(InPool(category="collection")), posts) == [2]
    assert ids(Not(asks(InPool())), posts) == [4]


def test_texts() -> None:
    notes = [
        {"post_id": 1, "is_active": True, "body": "Petting the cats"},
        {"post_id": 2, "is_active": False, "body": "walking dogs"},
    ]
    fields = ("original_title", "original_description", "translated_title", "translated_description")
    commentaries = [
        {"post_id": post, **dict(zip(fields, texts, strict=True))}
        for post, texts in ((1, ("a", "", "", "")), (2, ("a", "b", "", "azur lane")), (3, ("", "", "", "")))
    ]
    posts = store({}, {}, {}, notes=notes, artist_commentaries=commentaries)
    assert ids(asks(Mentions("notes", "cat pet")), posts) == [1]
    assert ids(asks(Mentions("notes", "*ing*")), posts) == [1, 2]
    assert ids(asks(Mentions("notes", "the")), posts) == []
    assert ids(asks(Mentions("artist_commentaries", "lane azur")), posts) == [2]
    assert [ids(asks(Commented(kind)), posts) for kind in ("any", "translated", "untranslated")] == [[1, 2], [2], [1]]


def test_users() -> None:
    posts = store({"uploader": "Ann", "approver": "bob"}, {"uploader": "bob"})
    assert ids(asks(By("uploader", "ann")), posts) == [1]
    assert ids(Not(asks(By("approver", "BOB"))), posts) == [2]


def test_relatives() -> None:
    posts = store(
        {"is_deleted": True, "has_children": True, "tags": ["a"]},
        {"parent_id": 1},
        {"parent_id": 1, "is_deleted": True},
        {"parent_id": 99, "is_deleted": True},
        {},
    )
    gone = asks(Flag("is_deleted"))
    assert ids(asks(ParentIs(gone)), posts) == [2, 3]
    assert ids(asks(ChildIs(gone)), posts) == [1]
    assert ids(Not(asks(ChildIs(gone))), posts) == [2, 3, 4, 5]
    assert ids(asks(ParentIs(Not(And((gone, Tag("a")))))), posts) == []
    for column, count_of_first in (("child_count", 2), ("deleted_child_count", 1), ("active_child_count", 1)):
        assert ids(asks(Compare(column, Eq(count_of_first))), posts) == [1]


def test_a_parent_is_of_the_same_site() -> None:
    posts = store(
        {"site": "a", "id": 1, "is_deleted": True},
        {"site": "a", "id": 2, "parent_id": 7},
        {"site": "b", "id": 1},
        {"site": "b", "id": 3, "parent_id": 1},
        {"site": "b", "id": 7, "is_deleted": True},
    )
    assert ids(asks(ParentIs(asks(Flag("is_deleted")))), posts) == []
    assert ids(asks(ParentIs(Not(asks(Flag("is_deleted"))))), posts) == [3]


def test_random_and_limit() -> None:
    posts = store(*({"score": at % 7} for at in range(40)))
    by_score = Order("score")
    drawn = evaluate(Checked(All(), by_score, random=10), posts, seed=3)
    assert len(drawn) == len(drawn.posts) == len(drawn.ordinals) == 10
    assert drawn.posts == evaluate(Checked(All(), random=10), posts, seed=3).posts
    assert drawn.posts != evaluate(Checked(All(), random=10), posts, seed=4).posts
    assert BitMap(drawn.ordinals) == drawn.posts
    first = evaluate(Checked(All(), by_score, random=10, limit=4), posts, seed=3)
    assert first.ordinals.tolist() == drawn.ordinals[:4].tolist()
    assert BitMap(first.ordinals) == first.posts
    assert len(first) == count(Checked(All(), limit=4), posts) == 4
    assert len(evaluate(Checked(All(), limit=0), posts).posts) == 0


def test_posts_without_a_key_drop_out_where_the_order_says_so() -> None:
    answer = evaluate(Checked(All(), Order("score", drops_nulls=True)), SCORES)
    assert answer.ordinals.tolist() == [2, 3, 0]
    assert answer.posts == BitMap([0, 2, 3])
    assert len(answer) == count(Checked(All(), Order("score", drops_nulls=True)), SCORES) == 3


class Counting(MemoryStore):
    """Remembers whose posting lists were read, and which columns were searched."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.read: list[str] = []

    def posting(self, tag: TagRow) -> BitMap:
        self.read.append(tag.name)
        return super().posting(tag)

    def between(self, column: str, low: int | None, high: int | None) -> BitMap:
        self.read.append(column)
        return super().between(column, low, high)


COUNTING = [
    {"id": at, "score": at, "tags": ["a", *(["b"] if at < 5 else []), *(["c"] if at > 8 else [])]} for at in range(9999)
]


def test_the_rarest_comes_first_and_nothing_is_read_once_nothing_is_left() -> None:
    posts = Counting(COUNTING)
    assert ids(And((A, C, B)), posts) == []
    assert posts.read == ["b", "c"]


def test_few_candidates_are_looked_at_one_by_one() -> None:
    posts = Counting(COUNTING)
    assert ids(And((asks(Compare("score", Between(3, None))), B)), posts) == [3, 4]
    assert posts.read == ["b"]


def test_the_count_of_a_tag_reads_no_posting_list() -> None:
    posts = Counting(COUNTING)
    assert count(Checked(B), posts) == 5
    assert posts.read == []


def test_steps_tell_sizes_and_times() -> None:
    ticks = itertools.count()
    answer = evaluate(Checked(And((A, Not(C)))), ABC, clock=lambda: float(next(ticks)))
    assert [(step.node, step.negated, step.size, step.candidates) for step in answer.steps] == [
        (A, False, 2, None),
        (C, True, 2, 2),
        (And((A, Not(C))), False, 2, None),
    ]
    assert all(step.seconds > 0 for step in answer.steps)
    whole = evaluate(Checked(And((A, Not(C)))), ABC, whole=True).steps
    assert [step.size for step in whole] == [2, 3, 2]
    assert isinstance(whole[0], Step)


@pytest.mark.parametrize(
    "wrapped", [lambda node: Not(And((node, A))), lambda node: Or((And((node, A)), B))], ids=["not", "or"]
)
def test_no_depth_is_too_deep(wrapped: Any) -> None:
    node: Node = A
    for _ in range(5_000):
        node = wrapped(node)
    assert set(ids(node, ABC)) <= {1, 2, 3, 4}


def test_many_alternatives_are_no_normal_form() -> None:
    posts = store(*({"tags": [f"a{at}", f"b{at}"]} for at in range(200)), {"tags": ["a0", "b1"]})
    pairs = tuple(And((Tag(f"a{at}"), Tag(f"b{at}"))) for at in range(200))
    answer = evaluate(Checked(Or(pairs)), posts)
    assert len(answer) == 200
    assert len(answer.steps) == 601
