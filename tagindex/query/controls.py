"""The metatags that shape an answer and choose no posts: `order:`, `limit:` and `random:`, taken out of the tree.

Each stands once, for the whole query: not under `-`, not among alternatives. `ordpool:` orders too, and chooses posts
besides, so it stays in the tree. Nothing here sorts.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from tagswarm.manifests.errors import QueryError, UnreadableValue

from . import values
from .conditions import Order
from .metatags import ORDERS, REFUSED_ORDERS
from .resolve import Resolver, place
from .suggest import shortened
from .syntax import All, And, Metatag, Node, Not, fold, walk, with_parts
from .values import Eq, In, Kind, ValueProblem

_ORDERING = ("order", "ordfav", "ordfavgroup", "ordpool")
_TAKEN_OUT = ("order", "limit", "random")
_FREE = frozenset(("id", "random", "custom", "pool", "md5"))
"""Orders that every release has."""
_NUMBER = re.compile(r"[0-9]{1,18}")


@dataclass(frozen=True, slots=True)
class Controls:
    """What a query says about its answer."""

    order: Metatag | None = None
    limit: Metatag | None = None
    random: Metatag | None = None


BY_DATES = "The answer is in the order of its dates, as always with date: or age:."
"""The note on a query without an order; whoever only counts need not hear it."""


def take(tree: Node, text: str) -> tuple[Node, Controls]:
    """The tree without these metatags, and them.

    Raises:
        QueryError: one stands twice, under `-` or among alternatives, or two exclude each other.
    """
    found: dict[str, Metatag] = {}
    stack: list[tuple[Node, str]] = [(tree, "")]
    while stack:
        node, inside = stack.pop()
        if isinstance(node, Metatag) and node.name in (*_ORDERING, *_TAKEN_OUT):
            _admit(node, inside, found, text)
        if not isinstance(node, And):
            inside = inside or ("behind -" if isinstance(node, Not) else "among alternatives")
        # A `~` has siblings of its kind here: one alone was trimmed.
        stack.extend((part, inside) for part in reversed(node.parts))
    ordering = next((found[name] for name in _ORDERING if name in found), None)
    return fold(tree, _without), Controls(ordering, found.get("limit"), found.get("random"))


def _admit(metatag: Metatag, inside: str, found: dict[str, Metatag], text: str) -> None:
    if inside:
        raise QueryError(
            f"{metatag.name}: stands {inside}, where it has no meaning: it is for the whole query",
            text=text,
            span=metatag.span,
            hint=f"Write {metatag.name}:{metatag.value} once, outside of groups.",
        )
    rivals = _ORDERING if metatag.name in _ORDERING else (metatag.name,)
    for rival in rivals:
        earlier = found.get(rival)
        if earlier and (rival != metatag.name or earlier.value.lower() != metatag.value.lower()):
            message = f"{rival}:{earlier.value} and {metatag.name}:{metatag.value} exclude each other"
            raise QueryError(message, text=text, span=metatag.span, hint="Keep one of them.")
    found.setdefault(metatag.name, metatag)


def _without(node: Node, parts: tuple[Node, ...]) -> Node:
    if isinstance(node, Metatag) and node.name in _TAKEN_OUT:
        return All(node.span)
    if isinstance(node, And):
        kept = tuple(part for part in parts if not isinstance(part, All))
        return kept[0] if len(kept) == 1 else And(kept, node.span) if kept else All(node.span)
    return with_parts(node, parts)


def number(metatag: Metatag | None, text: str) -> int | None:
    """The value of `limit:` or `random:`.

    Raises:
        UnreadableValue: it is not one whole number.
    """
    if metatag is None:
        return None
    if _NUMBER.fullmatch(metatag.value) is None:
        raise UnreadableValue(
            f"{metatag.name}: takes one whole number, not {shortened(metatag.value)!r}",
            text=text,
            span=place(metatag, text),
            hint=f"For example {metatag.name}:100.",
        )
    return int(metatag.value)


def order(metatag: Metatag | None, tree: Node, resolver: Resolver) -> Order:
    """The order of the answer: what the query says, or by its dates if it asks for dates, or the newest id first.

    Raises:
        UnknownWord: there is no such order.
        UnanswerableMetatag: the release cannot order so.
        QueryError: `order:custom` without exactly one plain list of ids.
    """
    if metatag is not None and metatag.name == "ordpool":
        return Order("pool", descending=False, pool=resolver.pool(metatag))
    chosen = Order() if metatag is None or metatag.name != "order" else _named(metatag, tree, resolver)
    unordered = metatag is None or metatag.value.lower() != "none"
    dated = any(isinstance(node, Metatag) and node.name in {"date", "age"} for node in walk(tree))
    if dated and chosen.by == "id" and unordered:
        if metatag is None:
            resolver.note(BY_DATES)
        return replace(chosen, by="created_at")
    return chosen


def _named(metatag: Metatag, tree: Node, resolver: Resolver) -> Order:
    word = metatag.value.lower()
    if word in REFUSED_ORDERS:
        raise resolver.unanswerable(metatag, REFUSED_ORDERS[word], "Choose another order, such as order:score.")
    if word not in ORDERS:
        raise resolver.unknown_word(metatag, word, tuple(ORDERS))
    chosen = ORDERS[word]
    if chosen.by == "custom":
        return replace(chosen, ids=_listed(metatag, tree, resolver))
    if chosen.by not in _FREE:
        resolver.require_column(metatag, chosen.by)
    return chosen


def _listed(metatag: Metatag, tree: Node, resolver: Resolver) -> tuple[int, ...]:
    lists = [node for node in walk(tree) if isinstance(node, Metatag) and node.name == "id"]
    if len(lists) == 1:
        try:
            match values.parse(lists[0].value, Kind.INTEGER, resolver.clock):
                case Eq(value):
                    return (int(value),)
                case In(listed):
                    return tuple(int(value) for value in listed)
        except ValueProblem:
            pass  # the list says so itself, with its place
    raise QueryError(
        "order:custom keeps the order of one list of ids, and the query has not exactly one",
        text=resolver.text,
        span=metatag.span,
        hint="For example id:5,3,9 order:custom.",
    )
