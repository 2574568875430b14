"""A tree back to text: as a query, as an s-expression, and in the normal form that the conformance cases compare.

The normal form grows without bound for some queries and is for tests; no query is answered by way of it.
"""

from __future__ import annotations

import re

from .conditions import Test
from .parser import EMOTICONS, SPACES, balanced
from .syntax import All, And, Metatag, Node, Not, Nothing, Opt, Or, Tag, Wildcard, fold, with_parts, without_options

_SPACE = re.compile(f"[{SPACES}]")
_ESCAPED_SPACE = "\\ "
_NAMES = {All: "all", And: "and", Metatag: "metatag", Nothing: "none", Not: "not", Opt: "opt", Or: "or", Tag: "tag"}


def infix(node: Node) -> str:
    """The tree as Danbooru writes it: children joined by spaces and by ` or `, groups where they are needed."""
    return _printed(node, parseable=False)


def spelled(node: Node) -> str:
    """The query that parses to this tree again, which `infix` sometimes does not: `a or (b ;()` is never closed.

    Three trees have no spelling: one with a tag such as `foo)`, which closes what it never opened, inside of a group
    and not at its end; a value with a backslash and white space other than blanks; and a tree that no query has, such
    as one with `Nothing`. And a bare value that ends with `)` is quoted inside of a group that goes on.
    """
    return _printed(node, parseable=True)


def _printed(node: Node, *, parseable: bool) -> str:
    pieces: list[str] = []
    stack: list[Node | str] = [node]
    depth, named = 0, False
    while stack:
        current = stack.pop()
        match current:
            case str():
                depth += (current == "(") - (current == ")")
                if parseable and current == ")" and named and _would_close(pieces[-1]):
                    pieces.append(" ")
                if parseable and current[0] == " " and pieces[-1].endswith("\\"):
                    current = f"\t{current[1:]}"  # a backslash would take the blank into its value
                pieces.append(current)
            case And(children) | Or(children):
                between = " or " if isinstance(current, Or) else " "
                for place, child in enumerate(reversed(children)):
                    stack.extend([between] if place else [])
                    stack.extend([")", child, "("] if len(child.parts) > 1 else [child])
            case Not(child) | Opt(child):
                pieces.append("-" if isinstance(current, Not) else "~")
                stack.extend([")", child, "("] if child.parts else [child])
            case Metatag(name, value, quoted) if parseable and not quoted:
                # A parenthesis at the end of a bare value belongs to the groups, unless every one of them ends here.
                risky = depth > 0 and value.endswith(")") and stack[-depth:] != [")"] * depth
                pieces.append(f"{name}:{_value(value, quoted=True) if risky else value.replace(' ', _ESCAPED_SPACE)}")
            case _:
                pieces.append(_leaf(current))
        named = isinstance(current, Tag | Wildcard)
    return "".join(pieces)


def _would_close(word: str) -> bool:
    """Whether a word would keep a parenthesis behind it that belongs to its group, as `;(` and `:` do."""
    return f"{word})" in EMOTICONS or ("(" in word and not word.endswith(")") and not balanced(word))


def _value(value: str, *, quoted: bool) -> str:
    return '"' + value.replace('"', '\\"') + '"' if quoted or _SPACE.search(value) else value


def _leaf(node: Node) -> str:
    match node:
        case All():
            return ""
        case Nothing():
            return "none"
        case Tag(name):
            return name
        case Wildcard(pattern):
            return pattern
        case Metatag(name, value, quoted):
            return f"{name}:{_value(value, quoted=quoted)}"
        case Test(metatag):
            return metatag
        case _:
            raise AssertionError(node)


def sexp(node: Node) -> str:
    """The tree as Danbooru writes it down: `(and a (not b))`."""

    def written(node: Node, parts: tuple[str, ...]) -> str:
        match node:
            case And() | Or() | Not() | Opt():
                return f"({' '.join((_NAMES[type(node)], *parts))})"
            case All():
                return "all"
            case Wildcard(pattern):
                return f"(wildcard {pattern})"
            case _:
                return _leaf(node)

    return fold(node, written)


class TooLarge(Exception):
    """The normal form has more nodes than the limit."""


def cnf(node: Node, limit: int = 20_000) -> Node:
    """The conjunctive normal form, sorted, duplicates kept, for comparing trees in tests.

    Raises:
        TooLarge: it would have more than `limit` nodes.
    """
    tree = without_options(node)
    while True:
        following = _simplified_once(_trimmed_once(tree))
        if following == tree:
            return _sorted(tree)
        tree = following
        if fold(tree, lambda _, parts: 1 + sum(parts)) > limit:
            raise TooLarge


def _trimmed_once(node: Node) -> Node:
    def rewritten(node: Node, parts: tuple[Node, ...]) -> Node:
        if not isinstance(node, And | Or):
            return with_parts(node, parts)
        if len(parts) == 1:
            return parts[0]
        flat = [below for part in parts for below in (part.parts if type(part) is type(node) else (part,))]
        return with_parts(node, tuple(flat))

    return fold(node, rewritten)


def _simplified_once(node: Node) -> Node:
    """One step from the root down; what a step has made is left for the next one."""
    match node:
        case Not(Not(child)):
            return child
        case Not(And(children)):
            return Or(tuple(Not(child) for child in children))
        case Not(Or(children)):
            return And(tuple(Not(child) for child in children))
        case Or(children) if any(isinstance(child, And) for child in children):
            first = next(place for place, child in enumerate(children) if isinstance(child, And))
            rest = children[:first] + children[first + 1 :]
            return And(tuple(Or((child, *rest)) for child in children[first].parts))
        case _:
            return with_parts(node, tuple(map(_simplified_once, node.parts)))


Key = tuple[object, ...]


def _key(node: Node, parts: tuple[Key, ...]) -> Key:
    match node:
        case Tag(name):
            return ("tag", name)
        case Wildcard(pattern):
            return ("wildcard", pattern)
        case Metatag(name, value):
            return ("metatag", name, value)
        case _:
            return (_NAMES[type(node)], *parts)


def _sorted(node: Node) -> Node:
    def rewritten(_node: Node, parts: tuple[tuple[Node, Key], ...]) -> tuple[Node, Key]:
        if isinstance(_node, And | Or):
            parts = tuple(sorted(parts, key=lambda part: part[1]))
        return with_parts(_node, tuple(node for node, _ in parts)), _key(_node, tuple(key for _, key in parts))

    return fold(node, rewritten)[0]
