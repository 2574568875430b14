"""The tree of a query: nine kinds of node, each with its place in the text.

Trees can be deeper than Python's stack (`a and b and c and ...` nests to the right before it is trimmed), so everything
that walks one here, equality and hashing included, keeps its own stack: use `fold` and `walk` instead of recursion.

Nothing here knows what a tag or a metatag means.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar

Span = tuple[int, int]
"""Start and end in the text, in characters; the end is the first one that is not part of it."""

T = TypeVar("T")


class Node:
    """A node of a query; two are equal when they mean the same, wherever they stand in their texts."""

    __slots__ = ()

    span: Span

    @property
    def parts(self) -> tuple[Node, ...]:
        """The nodes below this one, from left to right."""
        return ()

    @property
    def label(self) -> Hashable:
        """What tells a node from others of its kind, besides its parts."""
        return None

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Node):
            return NotImplemented
        pairs: list[tuple[Node, Node]] = [(self, other)]
        while pairs:
            left, right = pairs.pop()
            if left is right:
                continue
            if type(left) is not type(right) or len(left.parts) != len(right.parts) or left.label != right.label:
                return False
            pairs.extend(zip(left.parts, right.parts, strict=True))
        return True

    def __hash__(self) -> int:
        return fold(self, lambda node, parts: hash((type(node).__name__, node.label, parts)))

    def __repr__(self) -> str:
        def written(node: Node, parts: tuple[str, ...]) -> str:
            label = node.label
            own = () if label is None else map(repr, label) if isinstance(label, tuple) else (repr(label),)
            return f"{type(node).__name__}({', '.join((*own, *parts))})"

        return fold(self, written)


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class All(Node):
    """Every post: the empty query."""

    span: Span = (0, 0)


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Nothing(Node):
    """No post at all; the parser never makes one."""

    span: Span = (0, 0)


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Tag(Node):
    """The posts that have a tag."""

    name: str
    """In lower case."""
    span: Span = (0, 0)

    @property
    def label(self) -> Hashable:  # noqa: D102 - as in Node
        return self.name


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Wildcard(Node):
    """The posts that have any tag of a pattern."""

    pattern: str
    """In lower case; `*` alone is special."""
    span: Span = (0, 0)

    @property
    def label(self) -> Hashable:  # noqa: D102 - as in Node
        return self.pattern


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Metatag(Node):
    """A question about something other than tags: `name:value`."""

    name: str
    """In lower case, the synonyms of counts replaced."""
    value: str
    """As written, without its quotes and escapes."""
    quoted: bool = False
    span: Span = (0, 0)

    @property
    def label(self) -> Hashable:  # noqa: D102 - as in Node
        return self.name, self.value, self.quoted


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class And(Node):
    """The posts that all children select."""

    children: tuple[Node, ...]
    span: Span = (0, 0)

    @property
    def parts(self) -> tuple[Node, ...]:  # noqa: D102 - as in Node
        return self.children


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Or(Node):
    """The posts that any child selects."""

    children: tuple[Node, ...]
    span: Span = (0, 0)

    @property
    def parts(self) -> tuple[Node, ...]:  # noqa: D102 - as in Node
        return self.children


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Not(Node):
    """The posts that the child does not select."""

    child: Node
    span: Span = (0, 0)

    @property
    def parts(self) -> tuple[Node, ...]:  # noqa: D102 - as in Node
        return (self.child,)


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Opt(Node):
    """`~`: one of the alternatives among its siblings; alone it is its child."""

    child: Node
    span: Span = (0, 0)

    @property
    def parts(self) -> tuple[Node, ...]:  # noqa: D102 - as in Node
        return (self.child,)


def fold(node: Node, function: Callable[[Node, tuple[T, ...]], T]) -> T:
    """Compute a value from the leaves up: `function` gets a node and the values of its parts."""
    results: list[T] = []
    stack: list[tuple[Node, bool]] = [(node, False)]
    while stack:
        current, ready = stack.pop()
        parts = current.parts
        if parts and not ready:
            stack.append((current, True))
            stack.extend((part, False) for part in reversed(parts))
            continue
        cut = len(results) - len(parts)
        values = tuple(results[cut:])
        del results[cut:]
        results.append(function(current, values))
    return results[0]


def walk(node: Node) -> Iterator[Node]:
    """Every node from left to right, each before its parts."""
    stack = [node]
    while stack:
        current = stack.pop()
        yield current
        stack.extend(reversed(current.parts))


def with_parts(node: Node, parts: tuple[Node, ...]) -> Node:
    """The same node over other parts."""
    match node:
        case And():
            return And(parts, node.span)
        case Or():
            return Or(parts, node.span)
        case Not():
            return Not(parts[0], node.span)
        case Opt():
            return Opt(parts[0], node.span)
        case _:
            return node


def joined(kind: type[And | Or], parts: Sequence[Node]) -> Node:
    """A list of parts without needless lists: no list of one, none inside a list of its kind.

    A `~` alone in its list is its child. A list that holds several is not merged into the one around it, for `~` counts
    its siblings.
    """
    if kind is Or or sum(isinstance(part, Opt) for part in parts) == 1:
        parts = [part.child if isinstance(part, Opt) else part for part in parts]
    flat: list[Node] = []
    for part in parts:
        if type(part) is kind and not any(isinstance(child, Opt) for child in part.parts):
            flat.extend(part.parts)
        else:
            flat.append(part)
    return flat[0] if len(flat) == 1 else kind(tuple(flat), (parts[0].span[0], parts[-1].span[1]))


def trimmed(node: Node) -> Node:
    """The same meaning without needless lists, as `joined` makes them."""

    def rewritten(node: Node, parts: tuple[Node, ...]) -> Node:
        return joined(type(node), parts) if isinstance(node, And | Or) else with_parts(node, parts)

    return fold(node, rewritten)


def without_options(node: Node) -> Node:
    """The same meaning without `~`: the alternatives of a list become one `or`, before the rest of the list."""

    def rewritten(node: Node, parts: tuple[Node, ...]) -> Node:
        if not any(isinstance(part, Opt) for part in parts):
            return with_parts(node, parts)
        chosen = tuple(part.child for part in parts if isinstance(part, Opt))
        rest = tuple(part for part in parts if not isinstance(part, Opt))
        either = Or(chosen, (chosen[0].span[0], chosen[-1].span[1]))
        return with_parts(node, (either, *rest))

    tree = fold(node, rewritten)
    return tree.child if isinstance(tree, Opt) else tree
