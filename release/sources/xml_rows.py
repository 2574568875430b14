"""Rows of XML: the children of the root element, their attributes and their own children as one mapping.

Read as a stream with expat. A document type declaration is refused, so there are no entities to expand; an element has
at most `Limits.row` bytes. XML that is not well-formed ends the document: what came before stays read.

Nothing here knows what a name means.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from xml.parsers import expat

from .base import Malformed, Row
from .stream import LIMITS, Document

ELEMENT = "@element"
"""The key under which a row has the name of its element."""

_DEPTH = 8
_CHUNK = 1 << 16


class _Handler:
    """Collects rows; what is below a child of a row is its text."""

    def __init__(self) -> None:
        self.parser = expat.ParserCreate()
        self.parser.buffer_text = True
        self.parser.StartElementHandler = self._start
        self.parser.EndElementHandler = self._end
        self.parser.CharacterDataHandler = self._characters
        self.parser.StartDoctypeDeclHandler = self._doctype
        self.ready: list[Row] = []
        self.size = 0
        """Bytes fed since the last row ended."""
        self._depth = 0
        self._line = 0
        self._fields: dict[str, str] = {}
        self._fault: Malformed | None = None
        self._characters_of: list[str] = []

    def feed(self, data: bytes) -> None:
        """Parse the next bytes, or end with none of them."""
        self.size += len(data)
        self.parser.Parse(data, not data)
        if self.size > LIMITS.row:
            raise Malformed("line-too-long", f"more than {LIMITS.row} bytes; the rest is not read")

    def _doctype(self, *_: object) -> None:
        raise Malformed("not-xml", "a document type declaration")

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        self._depth += 1
        if self._depth == 2:
            self._line, self._fault = self.parser.CurrentLineNumber, None
            self._fields = {ELEMENT: name, **attributes}
        elif self._depth == 3:
            if name in self._fields:
                self._fault = Malformed("duplicate-key", name)
            self._characters_of = []
        elif self._depth > _DEPTH:
            raise Malformed("too-deep", name)

    def _characters(self, text: str) -> None:
        if self._depth >= 3:
            self._characters_of.append(text)

    def _end(self, name: str) -> None:
        if self._depth == 3:
            self._fields[name] = "".join(self._characters_of)
        elif self._depth == 2:
            self.ready.append((self._line, json.dumps(self._fields, ensure_ascii=False), self._fault or self._fields))
            self.size = 0
        self._depth -= 1


def xml_rows(document: Document) -> Iterator[Row]:
    """Yield the elements below the root, each with the line it begins on."""
    handler = _Handler()
    fault: Malformed | None = None
    while fault is None:
        data = document.stream.read(_CHUNK)
        try:
            handler.feed(data)
        except Malformed as malformed:
            fault = malformed
        except (expat.ExpatError, LookupError, ValueError) as failure:
            fault = Malformed("not-xml", str(failure))
        yield from handler.ready
        handler.ready = []
        if not data:
            break
    if document.failure is not None:
        fault = Malformed(document.failure.reason, document.failure.detail)
    if fault is not None:
        yield handler.parser.CurrentLineNumber, "", fault
