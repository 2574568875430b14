"""The place in a query that an error is about: the query on one line, and `^^^^` under the place.

Pure: the columns that a character takes in a terminal are counted here, control characters are escaped, and of a long
query only what stands around the place is shown.
"""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass

from tagswarm.manifests.paths import escape

LEAST = 20
"""Columns that are used even where the terminal has fewer."""
CUT = "..."


@dataclass(frozen=True, slots=True)
class Pointed:
    """A piece of a query in three parts; the middle one is the place, and may be empty at the end of the query."""

    before: str
    place: str
    after: str

    @property
    def line(self) -> str:
        """The piece as one line."""
        return self.before + self.place + self.after

    @property
    def marks(self) -> str:
        """What stands under it: blanks, then at least one `^`."""
        return " " * columns(self.before) + "^" * max(1, columns(self.place))


def point(text: str, span: tuple[int, int], width: int) -> Pointed:
    """Show a place in a query within `width` columns.

    Args:
        text: the query.
        span: begin and end in it, in characters; what lies outside is cut off.
        width: columns of the terminal.
    """
    width = max(width, LEAST)
    begin = min(max(span[0], 0), len(text))
    end = min(max(span[1], begin), len(text))
    place = _cut_end(escape(text[begin:end]), width - 2 * len(CUT))
    left = width - columns(place)
    after = _cut_end(escape(text[end:]), max(len(CUT), left // 2))
    before = _cut_begin(escape(text[:begin]), max(len(CUT), left - columns(after)))
    return Pointed(before, place, after)


def columns(text: str) -> int:
    """Columns of a terminal that printable text takes (Unicode UAX 11: wide and full-width characters take two)."""
    if text.isascii():
        return len(text)
    return sum(_columns(character) for character in text)


def _columns(character: str) -> int:
    if unicodedata.combining(character):
        return 0
    return 2 if unicodedata.east_asian_width(character) in {"W", "F"} else 1


def _cut_end(text: str, width: int) -> str:
    """The beginning of a text, marked where its end had to go."""
    if columns(text) <= width:
        return text
    kept = text[: width - len(CUT)]
    while columns(kept) > width - len(CUT):
        kept = kept[:-1]
    return kept + CUT


def _cut_begin(text: str, width: int) -> str:
    """The end of a text, marked where its beginning had to go."""
    if columns(text) <= width:
        return text
    kept = text[max(0, len(text) - max(0, width - len(CUT))) :] if width > len(CUT) else ""
    while columns(kept) > width - len(CUT):
        kept = kept[1:]
    return CUT + kept
