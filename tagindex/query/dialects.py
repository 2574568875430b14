"""Queries as Gelbooru and e621 spell them, to the same tree: for those who bring theirs along.

Only the spelling is translated; what a word means is still the release's to say, and places are those of the text as it
was written. What the tree cannot say is refused.

**Gelbooru** (and Safebooru): terms stand beside each other, `-` leaves out, `{a ~ b}` are alternatives,
`sort:score:desc` orders. Parentheses are part of names. Not checked against the sites' own parsers.

**e621**: groups have spaces inside, `( a b )`, `-( a b )`, `~( a b )`; `order:` works from within a group and `-order:`
turns it round; deleted posts are left out unless the query speaks of `status:`; a plain `filesize:` allows for 5 %.
Source: e621ng's `TagQuery`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from fractions import Fraction
from math import ceil, floor
from typing import ClassVar

from tagswarm.manifests.errors import QuerySyntaxError, UnanswerableMetatag, UnknownWord

from . import values
from .metatags import NAMES
from .parser import DEEPEST, SPACES, metatag, parse
from .suggest import enumerated
from .syntax import All, And, Metatag, Node, Not, Opt, Or, Span, Tag, Wildcard, joined, walk
from .values import Clock, Eq, Kind, ValueProblem

DIALECTS = ("danbooru", "gelbooru", "e621")

_WORD = re.compile(f"[^{SPACES}]+")
_NAME = re.compile(r"([a-z_0-9]+):(.*)", re.IGNORECASE | re.DOTALL | re.ASCII)


@dataclass(frozen=True, slots=True)
class _Word:
    text: str
    span: Span


@dataclass(slots=True)
class _Group:
    """A group that is still open, or the whole query."""

    opening: _Word | None
    prefix: str = ""
    factors: list[Node] = field(default_factory=list)
    waits: bool = True
    """In Gelbooru's braces: whether a term must come now, for the start or a `~` is all there is before it."""
    hoisted: bool = False
    """In e621's groups: whether something in it went to the whole query."""


def parse_dialect(text: str, dialect: str) -> Node:
    """The tree of a query in one of `DIALECTS`.

    Raises:
        QuerySyntaxError: the text is no query of the dialect.
        UnknownWord: there is no such dialect, or no such order in it.
        UnanswerableMetatag: the dialect has something that no release can answer.
    """
    match dialect:
        case "danbooru":
            return parse(text)
        case "gelbooru":
            return _Gelbooru(text).parse()
        case "e621":
            return _E621(text).parse()
        case _:
            raise UnknownWord(
                f"there is no dialect {dialect!r}", text=text, span=(0, 0), hint=f"Take {enumerated(DIALECTS)}."
            )


class _Dialect:
    """What the dialects share: words between spaces, prefixes, metatags by other names."""

    closing: ClassVar[str]
    synonyms: ClassVar[dict[str, str]]
    """Its names for metatags that have others here."""
    orders: ClassVar[dict[str, str]]
    """What it can order by, and the words for that here."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.groups = [_Group(None)]

    def words(self) -> Iterator[_Word]:
        for match in _WORD.finditer(self.text):
            yield _Word(match[0], match.span())

    def error(self, message: str, span: Span, hint: str) -> QuerySyntaxError:
        return QuerySyntaxError(message, text=self.text, span=span, hint=hint)

    def open(self, word: _Word, prefix: str = "") -> None:
        if len(self.groups) > DEEPEST:
            raise self.error(f"groups lie in each other more than {DEEPEST} deep", word.span, "Write it with fewer.")
        self.groups.append(_Group(word, prefix))

    def close(self, word: _Word) -> _Group:
        if len(self.groups) == 1:
            raise self.error(f"this {word.text} closes nothing", word.span, "Remove it, or open a group before it.")
        group = self.groups.pop()
        if not group.factors:
            assert group.opening is not None, "only the whole query has none"
            span = (group.opening.span[0], word.span[1])
            raise self.error("there is nothing in this group", span, "Remove it.")
        return group

    def end(self) -> Node:
        group = self.groups[-1]
        if group.opening is not None:
            hint = f"Put {self.closing} behind the last term of the group, with a space before it."
            raise self.error("this group is never closed", group.opening.span, hint)
        return joined(And, group.factors) if group.factors else All((0, len(self.text)))

    def term(self, word: str, span: Span) -> Node:
        """A tag, a wildcard or a metatag; the word has no prefix any more."""
        found = _NAME.fullmatch(word)
        name = found[1].lower() if found else ""
        if found and (name in self.synonyms or name in NAMES):
            return self.metatag(self.synonyms.get(name, name), found[2], span)
        return Wildcard(word.lower(), span) if "*" in word else Tag(word.lower(), span)

    def metatag(self, name: str, value: str, span: Span) -> Node:
        quoted = len(value) > 1 and value[0] == value[-1] == '"'
        return metatag(name, value[1:-1] if quoted else value, quoted=quoted, span=span)

    def ordered(self, by: str, span: Span, *, ascending: bool) -> Metatag:
        """`order:` of the tree, from the dialect's word for it."""
        if by not in self.orders:
            hint = f"It takes {', '.join(self.orders)}."
            raise UnknownWord(f"there is no order {by!r}", text=self.text, span=span, hint=hint)
        word = self.orders[by]
        direction = "" if word == "random" else "_asc" if ascending else "_desc"
        return Metatag("order", word + direction, span=span)


class _Gelbooru(_Dialect):
    closing: ClassVar = "}"
    synonyms: ClassVar = {"sort": "order"}
    orders: ClassVar = {"id": "id", "score": "score", "updated": "change", "random": "random"}

    def parse(self) -> Node:
        for word in self.words():
            self.step(word)
        return self.end()

    def step(self, word: _Word) -> None:
        text, (start, end) = word.text, word.span
        inside = len(self.groups) > 1
        prefix = text[0] if text[0] == "-" and len(text) > 1 else ""
        if text.startswith(f"{prefix}{{"):
            if inside:
                raise self.error("alternatives stand inside of alternatives", word.span, "Gelbooru knows one level.")
            brace = start + len(prefix)
            self.open(_Word("{", (brace, brace + 1)), prefix)
            if brace + 1 < end:
                self.step(_Word(self.text[brace + 1 : end], (brace + 1, end)))
        elif inside and text == "~":
            self.between(word)
        elif inside and text.endswith("}") and text != "}":
            self.step(_Word(text[:-1], (start, end - 1)))
            self.step(_Word("}", (end - 1, end)))
        elif inside and text == "}":
            self.finish(word)
        elif text in {"-", "~", "}"}:
            raise self.error(f"there is nothing that this {text} is for", word.span, "Remove it.")
        else:
            self.add(self.signed(word, prefix))

    def between(self, word: _Word) -> None:
        group = self.groups[-1]
        if group.waits:
            raise self.error("there is nothing before this ~", word.span, "It stands between two alternatives.")
        group.waits = True

    def finish(self, word: _Word) -> None:
        group = self.groups[-1]
        if group.waits and group.factors:
            raise self.error("there is nothing behind the last ~", word.span, "It stands between two alternatives.")
        group = self.close(word)
        either = joined(Or, group.factors)
        assert group.opening is not None, "only the whole query has none"
        span = (group.opening.span[0] - len(group.prefix), word.span[1])
        self.add(Not(either, span) if group.prefix else either)

    def signed(self, word: _Word, prefix: str) -> Node:
        start, end = word.span
        if prefix and word.text[1] in "-~":
            raise self.error("a term takes one - and no more", (start, start + 2), "Remove one of them.")
        if word.text.endswith("~") and len(word.text) > 1:
            hint = "Search the tags that are spelled like it with `tagswarm tags`."
            raise self.error("searches for similar spellings are only on the live site", word.span, hint)
        node = self.term(word.text[len(prefix) :], (start + len(prefix), end))
        return Not(node, word.span) if prefix else node

    def add(self, node: Node) -> None:
        group = self.groups[-1]
        if len(self.groups) > 1 and not group.waits:
            raise self.error("alternatives are separated by ~ with spaces around it", node.span, "As in {a ~ b}.")
        group.waits = False
        group.factors.append(node)

    def metatag(self, name: str, value: str, span: Span) -> Node:
        if name == "order":
            by, _, direction = value.lower().partition(":")
            if direction not in {"", "asc", "desc"}:
                raise UnknownWord(
                    f"sort: has no direction {direction!r}", text=self.text, span=span, hint="It takes asc and desc."
                )
            return self.ordered(by, span, ascending=direction == "asc")
        return super().metatag(name, value, span)


_E621_WORDS = {
    "ischild": ("is", "child"),
    "isparent": ("is", "parent"),
    "hassource": ("has", "source"),
    "inpool": ("pool", "any"),
}
"""Metatags that are true or false, and what is true then."""


class _E621(_Dialect):
    closing: ClassVar = ")"
    synonyms: ClassVar = {
        "type": "filetype",
        "uploader": "user",
        "favoritedby": "fav",
        "votedup": "upvote",
        "voteddown": "downvote",
    }
    orders: ClassVar = {
        **{name: name for name in ("id", "score", "favcount", "tagcount", "change", "comment", "comment_bumped")},
        **{name: name for name in ("note", "md5", "mpixels", "filesize", "duration", "created_at", "random")},
        "created": "created_at",
        "updated": "change",
        "updated_at": "change",
        "size": "filesize",
    }

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.controls: list[Node] = []

    def parse(self) -> Node:
        for word in self.words():
            self.step(word)
        tree = self.end()
        spoken = any(isinstance(node, Metatag) and node.name == "status" for node in walk(tree))
        hidden = Not(Metatag("status", "deleted"))
        tree = tree if spoken else joined(And, [tree, hidden]) if not isinstance(tree, All) else hidden
        return joined(And, [tree, *self.controls]) if self.controls else tree

    def step(self, word: _Word) -> None:
        text, start = word.text, word.span[0]
        prefix = text[0] if text[0] in "-~" else ""
        rest = text[len(prefix) :]
        if not rest:
            raise self.error(f"there is nothing behind {text}", word.span, "Write the term without a space between.")
        if rest == "(":
            self.open(word, prefix)
        elif rest == ")" and not prefix:
            self.close_group(word)
        elif rest[0] in "-~" and prefix:
            raise self.error("a term takes one - or one ~", (start, start + 2), "Remove one of them.")
        else:
            self.place(rest, prefix, word.span)

    def close_group(self, word: _Word) -> None:
        opened = self.groups[-1]
        if opened.opening is not None and not opened.factors and opened.hoisted:
            self.groups.pop()  # it held nothing but what works for the whole query
            return
        group = self.close(word)
        assert group.opening is not None, "only the whole query has none"
        self.add(joined(And, group.factors), group.prefix, (group.opening.span[0], word.span[1]))

    def place(self, rest: str, prefix: str, span: Span) -> None:
        name, colon, value = rest.partition(":")
        if colon and name.lower() == "order":
            self.control(self.order(value.lower(), span, turned=prefix == "-"))
        elif colon and name.lower() == "limit":
            self.control(metatag("limit", value, span=span))
        elif colon and name.lower() == "randseed":
            hint = "Give the seed with --seed instead."
            raise UnanswerableMetatag("randseed: is no part of the query here", text=self.text, span=span, hint=hint)
        else:
            self.add(self.term(rest, (span[0] + len(prefix), span[1])), prefix, span)

    def control(self, node: Node) -> None:
        self.controls.append(node)
        self.groups[-1].hoisted = True

    def add(self, node: Node, prefix: str, span: Span) -> None:
        node = Not(node, span) if prefix == "-" else Opt(node, span) if prefix == "~" else node
        self.groups[-1].factors.append(node)

    def order(self, value: str, span: Span, *, turned: bool) -> Metatag:
        if value in {"portrait", "landscape", "aspect_ratio"}:
            narrow = (value == "portrait") is not turned
            return Metatag("order", "portrait" if narrow else "landscape", span=span)
        by, separator, direction = value.rpartition("_")
        if not separator or direction not in {"asc", "desc"}:
            by, direction = value, "asc" if value == "id" else "desc"
        return self.ordered(by, span, ascending=(direction == "asc") is not turned)

    def term(self, word: str, span: Span) -> Node:
        name, _, value = word.partition(":")
        if name.lower() not in _E621_WORDS:
            return super().term(word, span)
        if value.lower() not in {"true", "false"}:
            hint = f"It takes {name}:true and {name}:false."
            raise UnknownWord(f"{name}: has no word {value!r}", text=self.text, span=span, hint=hint)
        node = Metatag(*_E621_WORDS[name.lower()], span=span)
        return node if value.lower() == "true" else Not(node, span)

    def metatag(self, name: str, value: str, span: Span) -> Node:
        if name == "filesize":
            value = _roughly(value)
        return super().metatag(name, value, span)


def _roughly(value: str) -> str:
    """A plain size as the range of 5 % around it that e621 allows for; anything else as it is."""
    try:
        size = values.parse(value, Kind.FILESIZE, Clock(datetime.fromtimestamp(0, UTC)))
    except ValueProblem:
        return value  # `check` says what is wrong with it
    if not isinstance(size, Eq) or isinstance(size.value, str):
        return value
    return f"{ceil(Fraction(size.value) * 95 / 100)}..{floor(Fraction(size.value) * 105 / 100)}"
