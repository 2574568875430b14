"""The text of a query to its tree.

The grammar is Danbooru's, whose own parser tries and goes back; it never needs to, so this one reads the text once from
left to right, keeps its groups on a stack of its own, and knows where and why a text is no query::

    or_clause   = and_clause [ "or" or_clause ]      "or" and "and" need white space after them
    and_clause  = factor_list [ "and" and_clause ]
    factor_list = factor { factor }                  binds tighter than both
    factor      = "-" expr | "~" expr | expr
    expr        = "(" or_clause ")" | tag | metatag | wildcard

Nothing here knows which tags exist or what a value means.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from tagswarm.manifests.errors import QuerySyntaxError

from .metatags import COUNT_SYNONYMS, NAMES
from .syntax import All, And, Metatag, Node, Not, Opt, Or, Span, Tag, Wildcard, joined

DEEPEST = 200
"""Groups inside each other."""

SPACES = "\t-\r \x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000"
"""White space of queries, as the inside of a class of a regular expression."""

EMOTICONS = frozenset((":)", ":(", ";)", ";(", ">:)", ">:("))
"""Words whose parentheses need not balance."""

_SPACE = re.compile(f"[{SPACES}]*")
_WORD = re.compile(f"[^{SPACES}]+")
_METATAG = re.compile(f"({'|'.join(sorted(NAMES, key=len, reverse=True))}):", re.IGNORECASE | re.ASCII)
_VALUE = re.compile(rf"(?:\\ |[^{SPACES}])*")
_QUOTED = {quote: re.compile(rf"{quote}((?:[^{quote}\\]|\\{quote})*){quote}") for quote in "\"'"}
_DIRECTION = re.compile(r"(.*?)(_asc|_desc)?", re.DOTALL)


def parse(text: str) -> Node:
    """The tree of a query, trimmed: no list of one, no list inside a list of its kind.

    Raises:
        QuerySyntaxError: the text is no query; the span is the place.
    """
    return _Parser(text).parse()


def parse_raw(text: str) -> Node:
    """The tree as the grammar builds it: every list of factors is an `And`, and `and` and `or` nest to the right.

    Raises:
        QuerySyntaxError: the text is no query; the span is the place.
    """
    return _Parser(text, raw=True).parse()


def _nested(kind: type[And | Or], parts: list[Node]) -> Node:
    """A chain of `and` or `or`, as the grammar nests it."""
    tree = parts[-1]
    for part in reversed(parts[:-1]):
        tree = kind((part, tree), (part.span[0], tree.span[1]))
    return tree


def metatag(name: str, value: str, *, quoted: bool = False, span: Span = (0, 0)) -> Metatag:
    """A metatag in lower case, the synonyms of counts replaced in its name and, for `order:`, in its value."""
    name = name.lower()
    name = COUNT_SYNONYMS.get(name, name)
    if name == "order" and (match := _DIRECTION.fullmatch(value.lower())) and match[1] in COUNT_SYNONYMS:
        value = COUNT_SYNONYMS[match[1]] + (match[2] or "")
    return Metatag(name, value, quoted, span)


def balanced(word: str) -> bool:
    """Whether every parenthesis of a word is closed, and none that was not opened."""
    depth = 0
    for character in word:
        depth += (character == "(") - (character == ")")
        if depth < 0:
            return False
    return depth == 0


@dataclass(slots=True)
class _Group:
    """A group that is still open, or the whole query."""

    start: int
    prefix: tuple[str, int] | None = None
    """`-` or `~` before its parenthesis, and where."""
    clauses: list[list[list[Node]]] = field(default_factory=lambda: [[[]]])
    """Factors in factor lists between `and`, in clauses between `or`."""
    operator: Span | None = None
    """The last `and` or `or`, as long as nothing stands behind it."""

    @property
    def factors(self) -> list[Node]:
        return self.clauses[-1][-1]


class _Parser:
    def __init__(self, text: str, *, raw: bool = False) -> None:
        self.text = text
        self.raw = raw
        self.at = 0
        self.groups = [_Group(0)]
        self.prefix: tuple[str, int] | None = None

    def parse(self) -> Node:
        while self._skip_space():
            self._step()
        return self._end()

    def _skip_space(self) -> bool:
        match = _SPACE.match(self.text, self.at)
        assert match is not None, "it matches nothing at all too"
        self.at = match.end()
        return self.at < len(self.text)

    def _step(self) -> None:
        character = self.text[self.at]
        if character == ")":
            self._close()
        elif character in "-~":
            self._take_prefix(character)
        elif character == "(":
            self._open()
        else:
            self._word()

    def _take_prefix(self, character: str) -> None:
        if self.prefix is not None:
            message = f"{self.prefix[0]} and {character} stand one behind the other; a term takes one of them"
            hint = f"Put the rest in parentheses: {self.prefix[0]}({character}...)."
            raise self._error(message, (self.prefix[1], self.at + 1), hint)
        self.prefix = (character, self.at)
        self.at += 1

    def _open(self) -> None:
        if len(self.groups) > DEEPEST:
            hint = "Write the query with fewer parentheses; they are only needed around or, and behind - and ~."
            raise self._error(f"groups lie in each other more than {DEEPEST} deep", (self.at, self.at + 1), hint)
        self.groups.append(_Group(self.at, self.prefix))
        self.prefix = None
        self.at += 1

    def _close(self) -> None:
        here = (self.at, self.at + 1)
        if self.prefix is not None:
            raise self._nothing_behind(self.prefix)
        if len(self.groups) == 1:
            raise self._error("this parenthesis closes nothing", here, "Remove it, or open one before it with (.")
        group = self.groups[-1]
        if group.operator is not None:
            raise self._operator_alone(group.operator)
        if not group.factors:
            raise self._error("there is nothing between these parentheses", (group.start, here[1]), "Remove them.")
        self.groups.pop()
        self.at += 1
        self.prefix = group.prefix
        self._add(self._tree(group))

    def _add(self, node: Node) -> None:
        group = self.groups[-1]
        if self.prefix is not None:
            kind = Not if self.prefix[0] == "-" else Opt
            node = kind(node, (self.prefix[1], self.at))
            self.prefix = None
        group.operator = None
        group.factors.append(node)

    def _tree(self, group: _Group) -> Node:
        join = _nested if self.raw else joined
        return join(Or, [join(And, [self._list(factors) for factors in clause]) for clause in group.clauses])

    def _list(self, factors: list[Node]) -> Node:
        if not self.raw:
            return joined(And, factors)
        return And(tuple(factors), (factors[0].span[0], factors[-1].span[1]))

    def _word(self) -> None:
        found = _METATAG.match(self.text, self.at)
        if found is not None:
            self._metatag(found[1], found.end())
            return
        start = self.at
        match = _WORD.match(self.text, start)
        assert match is not None, "white space was skipped"
        end = match.end()
        word = match[0]
        if word.lower() in {"and", "or"} and end < len(self.text):
            self._operator(word, (start, end))
            return
        opened = len(self.groups) - 1
        while opened and word.endswith(")") and not balanced(word) and word not in EMOTICONS:
            word = word[:-1]
            opened -= 1
        span = (start, start + len(word))
        if word.lower() in {"and", "or"}:
            raise self._operator_alone(span)
        self.at = span[1]
        name = word.lower()
        self._add(Wildcard(name, span) if "*" in name else Tag(name, span))

    def _operator(self, word: str, span: Span) -> None:
        group = self.groups[-1]
        if self.prefix is not None:
            raise self._reserved(word, (self.prefix[1], span[1]))
        if group.operator is not None:
            message = f"there is nothing between {word} and the operator before it"
            raise self._error(message, (group.operator[0], span[1]), f"Write a term between them, or remove {word}.")
        if not group.factors:
            raise self._reserved(word, span)
        if word.lower() == "or":
            group.clauses.append([[]])
        else:
            group.clauses[-1].append([])
        group.operator = span
        self.at = span[1]

    def _metatag(self, name: str, at: int) -> None:
        start = self.at
        quote = self.text[at : at + 1]
        if quote in _QUOTED:
            match = _QUOTED[quote].match(self.text, at)
            if match is None:
                raise self._unclosed_quote(quote, at)
            value, end = match[1].replace(f"\\{quote}", quote), match.end()
        else:
            match = _VALUE.match(self.text, at)
            assert match is not None, "it matches nothing at all too"
            opened = len(self.groups) - 1
            written = match[0]
            kept = max(len(written.rstrip(")")), len(written) - opened)
            value, end = written[:kept].replace("\\ ", " "), at + kept
        self.at = end
        self._add(metatag(name, value, quoted=quote in _QUOTED, span=(start, end)))

    def _unclosed_quote(self, quote: str, at: int) -> QuerySyntaxError:
        lone = re.compile(rf"(?:[^{quote}\\]|\\{quote})*\\").match(self.text, at + 1)
        if lone is not None:
            where = (lone.end() - 1, lone.end())
            hint = f"Inside of quotes \\{quote} is the only escape; without quotes it is an ordinary character."
            return self._error("this backslash stands inside of quotes, but before no quote", where, hint)
        return self._error("this quote is never closed", (at, len(self.text)), f"Put {quote} behind the value.")

    def _end(self) -> Node:
        if self.prefix is not None:
            raise self._nothing_behind(self.prefix)
        group = self.groups[-1]
        if group.operator is not None:
            raise self._operator_alone(group.operator)
        if len(self.groups) > 1:
            hint = "Put ) behind the last term of the group."
            if self.text[group.start + 1 : group.start + 2] == "":
                hint = "Remove it, or write a group behind it."
            raise self._error("this parenthesis is never closed", (group.start, group.start + 1), hint)
        if not group.factors:
            return All((0, len(self.text)))
        return self._tree(group)

    def _error(self, message: str, span: Span, hint: str | None = None) -> QuerySyntaxError:
        return QuerySyntaxError(message, text=self.text, span=span, hint=hint)

    def _nothing_behind(self, prefix: tuple[str, int]) -> QuerySyntaxError:
        character, at = prefix
        hint = f"Write the term that {character} is for, or remove it."
        return self._error(f"there is nothing behind {character}", (at, at + 1), hint)

    def _operator_alone(self, span: Span) -> QuerySyntaxError:
        word = self.text[slice(*span)]
        group = self.groups[-1]
        if self.prefix is not None or (not group.factors and group.operator is None):
            return self._reserved(word, span)
        return self._error(f"there is nothing behind {word}", span, f"Write what comes after {word}, or remove it.")

    def _reserved(self, word: str, span: Span) -> QuerySyntaxError:
        hint = f"It stands between two terms, as in: a {word.lower()} b."
        return self._error(f"{word} is a reserved word, no tag", span, hint)
