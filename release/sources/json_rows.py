"""Rows of JSON: an object a line, a list of objects, pages of an API, or objects one after the other.

All of them are read as a stream: a list of any length takes the memory of one element. Duplicate keys, NaN and numbers
without end are no JSON here (RFC 8259 leaves them open). An element that is none costs itself, as long as the quotes
and brackets after it can still be paired.

Nothing here knows what a key means.
"""

from __future__ import annotations

import codecs
import json
import re
from collections.abc import Iterator
from typing import Any, NoReturn

from .base import Malformed, Row
from .rows import lines
from .stream import LIMITS, Document


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) != len(pairs):
        names = [name for name, _ in pairs]
        raise Malformed("duplicate-key", next(name for name in names if names.count(name) > 1))
    return value


def _constant(name: str) -> NoReturn:
    raise Malformed("not-json", f"{name} is no number")


_decode = json.JSONDecoder(object_pairs_hook=_object, parse_constant=_constant).raw_decode


def _well_formed(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def scan(text: str, at: int = 0) -> tuple[dict[str, Any], int]:
    """Read the one JSON object that begins at `at`; give it and where it ends.

    Raises:
        Malformed: `not-json`, `not-an-object`, `duplicate-key`, `too-deep` or `bad-unicode`.
    """
    try:
        value, end = _decode(text, at)
    except RecursionError as failure:
        raise Malformed("too-deep") from failure
    except ValueError as failure:
        raise Malformed("not-json", str(failure)) from failure
    if value.__class__ is not dict:
        raise Malformed("not-an-object", f"a JSON {type(value).__name__}")
    # an escape can spell half of a surrogate pair, which no file can hold
    if text.find("\\u", at, end) >= 0 and not _well_formed(json.dumps(value, ensure_ascii=False)):
        raise Malformed("bad-unicode", "half of a surrogate pair")
    return value, end


def json_rows(document: Document) -> Iterator[Row]:
    """Yield the objects of a document, whatever their arrangement; the line is the element's number in a list.

    Understood are: an object a line; a list; `{"posts": [...]}` and `{"@attributes": {...}, "post": [...]}`, the pages
    of an API; and objects over several lines, one after the other.
    """
    # the longest look ahead that a buffered stream gives without reading twice
    head = document.stream.peek(1 << 16) if hasattr(document.stream, "peek") else b""
    if _one_a_line(head):
        yield from json_lines(document)
    else:
        yield from _Elements(document).rows()


def _one_a_line(head: bytes) -> bool:
    text = head.removeprefix(b"\xef\xbb\xbf").lstrip()
    if not text.startswith(b"{"):
        return not text.startswith(b"[")
    if _PAGE.match(text.decode("utf-8", "replace")):
        return False
    first, _, second = text.partition(b"\n")
    if not second.strip():
        return True
    try:
        scan(first.decode("utf-8", "replace"))
    except Malformed:
        # an object over several lines breaks its first line after a bracket or a comma, and goes on with a key
        return not first.rstrip().endswith((b"{", b"[", b",")) or second.lstrip().startswith(b"{")
    return True


def _only(text: str) -> dict[str, Any]:
    value, end = scan(text)
    if end != len(text):
        raise Malformed("not-json", f"something follows the object at character {end + 1}")
    return value


def json_lines(document: Document) -> Iterator[Row]:
    """Yield the object of each line (NDJSON); empty lines are no rows."""
    for number, line, fault in lines(document):
        try:
            if fault is not None:
                raise fault
            text = line.decode().strip()
            if not text:
                continue
            value = _only(text)
        except Malformed as malformed:
            yield number, line.decode("utf-8", "replace"), malformed
        except UnicodeDecodeError as failure:
            yield number, line.decode("utf-8", "replace"), Malformed("not-text", str(failure))
        else:
            yield number, text, value


_PAGE = re.compile(r'\s*\{\s*(?:"@attributes"\s*:\s*\{[^{}]*\}\s*,\s*)?"(?:posts?|tags?)"\s*:\s*\[\s*(?=[{\]])')
_BETWEEN = re.compile(r"[\s,]*")
_BARE = re.compile(r"[^\n,\]}]+[\n,]|[\]}]")
# strings are told apart in `_closing`: a pattern for a whole one would begin again at every quote of one without end
_TOKEN = re.compile(r'\\.|["\[\]{}]', re.DOTALL)


class _Elements:
    """A window on the text of a document that is moved over it, element by element."""

    CHUNK = 1 << 16

    def __init__(self, document: Document) -> None:
        self._document = document
        self._decoder = codecs.getincrementaldecoder("utf-8")("surrogateescape")
        self._text, self._at, self._ended = "", 0, False

    def rows(self) -> Iterator[Row]:
        self._fill()
        self._text = self._text.removeprefix("\ufeff")
        page = _PAGE.match(self._text)
        inside = page is not None or self._peek() == "["
        self._at = page.end() if page else self._at + inside
        number = 0
        while (following := self._peek()) and not (inside and following == "]"):
            number += 1
            value, end = self._element()
            text = self._text[self._at : end]
            if not _well_formed(text):
                value = Malformed("not-text", "bytes that are no UTF-8")
            yield number, text, value
            if end is None:  # neither can the beginning of the next one be found
                return
            self._at = end
        yield from self._end(number + 1, inside=inside, following=following)

    def _end(self, number: int, *, inside: bool, following: str) -> Iterator[Row]:
        failure = self._document.failure
        if failure is not None:
            yield number, self._text[self._at :], Malformed(failure.reason, failure.detail)
        elif inside and not following:
            yield number, "", Malformed("not-json", "the list is not closed")
        elif inside:
            self._at += 1
            while self._peek() == "}":
                self._at += 1
            if self._peek():
                yield number, self._text[self._at :], Malformed("not-json", "something follows the list")

    def _fill(self) -> bool:
        if self._ended:
            return False
        rest = self._text[self._at :]
        data = self._document.stream.read(max(self.CHUNK, len(rest)))
        self._ended = not data
        self._text, self._at = rest + self._decoder.decode(data, final=self._ended), 0
        return True

    def _peek(self) -> str:
        """Go to the next thing and give its first character, or nothing at the end."""
        while True:
            between = _BETWEEN.match(self._text, self._at)
            self._at = between.end() if between else self._at
            if self._at < len(self._text):
                return self._text[self._at]
            if not self._fill():
                return ""

    def _element(self) -> tuple[dict[str, Any] | Malformed, int | None]:
        """Read the element here, and find where it ends if that can be found."""
        while True:
            try:
                return scan(self._text, self._at)
            except Malformed as malformed:
                end = self._closing()
                if end is not None:
                    return malformed, end
                if len(self._text) - self._at > LIMITS.row:
                    return Malformed("line-too-long", f"more than {LIMITS.row} characters; the rest is not read"), None
                if not self._fill():
                    failure = self._document.failure
                    return Malformed(failure.reason, failure.detail) if failure else malformed, None

    def _closing(self) -> int | None:
        """Find the end of an element by its brackets, or of a bare value by the next comma or line."""
        if self._text[self._at] not in "{[":
            bare = _BARE.match(self._text, self._at)
            return bare.end() if bare else None
        depth, quoted = 0, False
        for token in _TOKEN.finditer(self._text, self._at):
            first = token[0][0]
            if first == '"':
                quoted = not quoted
            elif not quoted and first != "\\":
                depth += 1 if first in "{[" else -1
                if depth == 0:
                    return token.end()
        return None
