"""The template of a caption: which kinds of tags stand where, with the words around them.

A template such as `{count}, {character}, by {artist} ||| {general}` is cut at `|||` into sections, a section at commas
into groups, a group at `;;;` into parts, and a part holds at most one field. A part whose field is empty is dropped
with the words around it. The commas, `|||` and `;;;` of a template say where the separators stand, not what they are.

Nothing here knows a post or a tag.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from tagswarm.manifests.errors import InvalidDocument
from tagswarm.manifests.paths import escape
from tagswarm.manifests.records import Category

COUNT, RATING, YEAR = "count", "rating", "year"
FIELDS = (COUNT, RATING, YEAR, *(category.word for category in Category if category is not Category.UNKNOWN))
"""What may stand in braces: `count` for 1girl and the like, the rating and the year of a post, and every category."""

_BRACES = re.compile(r"[{}]")
_PART = re.compile(r"([^{}]*)\{([^{}]*)\}([^{}]*)")


@dataclass(frozen=True, slots=True)
class Part:
    """Words, or a field and the words around it, which are repeated with each of its tags."""

    before: str
    field: str | None
    """One of `FIELDS`, or None of mere words, which stand in `before`."""
    after: str = ""


Group = tuple[Part, ...]
"""Parts that are kept together by the secondary separator; mostly one."""
Section = tuple[Group, ...]


def parse(text: str) -> tuple[Section, ...]:
    """Read a template; it has one to three sections.

    Raises:
        InvalidDocument: a field is unknown, two stand in one part, a brace is alone, or there are too many sections.
    """
    sections = tuple(_section(section) for section in text.split("|||"))
    if len(sections) > 3:
        raise _refusal(text, "has more than two |||", "Trainers know a fixed part, a shuffled part and a fixed end.")
    if not any(sections):
        raise _refusal(text, "is empty", f"Name a field: {_names()}.")
    return sections


def _section(text: str) -> Section:
    groups = (tuple(_part(part.strip()) for part in group.split(";;;") if part.strip()) for group in text.split(","))
    return tuple(group for group in groups if group)


def _part(text: str) -> Part:
    if not _BRACES.search(text):
        return Part(text, None)
    match = _PART.fullmatch(text)
    if match is None:
        raise _refusal(text, "holds more than one field, or a brace alone", "Put a comma between two fields.")
    before, field, after = match.groups()
    if field not in FIELDS:
        raise _refusal(text, f"names the unknown field {escape(field)}", f"The fields are {_names()}.")
    return Part(before, field, after)


def _names() -> str:
    return ", ".join(FIELDS)


def _refusal(text: str, problem: str, hint: str) -> InvalidDocument:
    return InvalidDocument(f"template: {escape(text)!r} {problem}", hint=hint)
