"""Captions: the text that a trainer learns beside an image, made from the tags of a post by a style.

The same post, style and implications give the same text everywhere; a shuffle hangs on the seed and the id alone.
Page: docs/reference/captions.md.

Nothing here reads or writes a file.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from itertools import chain

from tagswarm.manifests.records import Category, Post, RatingScheme

from .style import KAOMOJI, CaptionStyle, one_line
from .template import COUNT, RATING, YEAR, Part, Section, parse

_COUNT = re.compile(r"(?:[1-5]|6\+)(?:girl|boy|other)s?|multiple_(?:girls|boys|others)")
_SERIES = re.compile(r"(.*[^_(])_?\(([^()]+)\)")
_SCALES = {
    RatingScheme.SQE_2021: {"s": "safe", "q": "questionable", "e": "explicit"},
    RatingScheme.GSQE_2022: {"g": "general", "s": "sensitive", "q": "questionable", "e": "explicit"},
    RatingScheme.GELBOORU: {"g": "general", "s": "sensitive", "q": "questionable", "e": "explicit"},
}
_WORDS = {category.word: category for category in Category}


def rating_word(post: Post) -> str | None:
    """The rating of a post as a word of its scheme."""
    return _SCALES[post.rating_scheme].get(post.rating or "", post.rating)


@dataclass(slots=True)
class _Entry:
    """What is shuffled, and left out, as one."""

    texts: list[str]
    tags: int


class Captions:
    """Makes captions of one style, and remembers what was doubtful in them."""

    def __init__(self, style: CaptionStyle, implications: Mapping[str, Collection[str]] | None = None) -> None:
        """Prepare a style.

        Args:
            style: the choices.
            implications: what a tag implies directly; read where `drop_implied` is on.
        """
        self.style = style
        self.doubtful: dict[str, str] = {}
        """Tags that hold what a reader of captions may take for a separator, and which: `comma`, `semicolon`, ..."""
        self.empty = 0
        """How many captions came out empty."""
        self._sections = parse(style.template)
        self._fields = {part.field for section in self._sections for group in section for part in group if part.field}
        self._marks = dict.fromkeys(style.separators, "separator") | {",": "comma", ";": "semicolon"}
        self._implications = implications or {}
        self._excluded = re.compile("|".join(map(_pattern, style.exclude)) or r"(?!)", re.DOTALL)
        self._texts = lru_cache(1 << 17)(self._make)
        self._implied = lru_cache(1 << 17)(self._reached)

    def of(self, post: Post, tags: Mapping[Category, tuple[str, ...]]) -> str:
        """The caption of a post, in one line.

        Args:
            post: of it the id, the rating and the date.
            tags: the names by category, in the order in which they are to stand.
        """
        found = self._chosen(post, tags)
        seen: set[str] = set()
        sections = [list(self._entries(section, found, seen)) for section in self._sections]
        if self.style.shuffle is not None:
            sections[len(sections) > 1].sort(key=lambda entry: self._shuffled(post.id, entry))
        if self.style.max_tags is not None:
            sections = _cut(sections, self.style.max_tags)
        texts = [[self.style.secondary_separator.join(entry.texts) for entry in section] for section in sections]
        if self.style.prefix:
            texts[0].insert(0, self.style.prefix)
        if self.style.suffix:
            texts[-1].append(self.style.suffix)
        caption = self._joined([self.style.separator.join(section) for section in texts])
        self.empty += not caption
        return caption

    def _joined(self, sections: list[str]) -> str:
        """The sections that hold something; an empty one before others keeps its place where there are three."""
        while sections and not sections[-1]:
            sections.pop()
        if len(self._sections) < 3:
            sections = [section for section in sections if section]
        pieces = (piece for section in sections for piece in (self.style.keep_separator, section) if piece)
        return " ".join(list(pieces)[1:])

    def _chosen(self, post: Post, tags: Mapping[Category, tuple[str, ...]]) -> dict[str, list[tuple[str, ...]]]:
        """The texts of every tag that stands in the template, by field."""
        plain = (*tags.get(Category.GENERAL, ()), *tags.get(Category.UNKNOWN, ()))
        names: dict[str, Iterable[str]] = {}
        for field in self._fields - {RATING, YEAR}:
            if field == COUNT:
                names[COUNT] = [name for name in plain if _COUNT.fullmatch(name)]
            elif field == Category.GENERAL.word:
                names[field] = [name for name in plain if COUNT not in self._fields or not _COUNT.fullmatch(name)]
            else:
                names[field] = tags.get(_WORDS[field], ())
        chosen = {
            field: [(name, texts) for name in some if (texts := self._texts(name, field))]
            for field, some in names.items()
        }
        if self.style.drop_implied:
            shown = {name for name, _ in chain.from_iterable(chosen.values())}
            implied = {
                name
                for other in shown
                for name in self._implied(other)
                if name in shown and other not in self._implied(name)
            }
            chosen = {field: [pair for pair in pairs if pair[0] not in implied] for field, pairs in chosen.items()}
        found = {field: [texts for _, texts in pairs] for field, pairs in chosen.items()}
        if RATING in self._fields and (word := rating_word(post)):
            found[RATING] = [(word,)]
        if YEAR in self._fields and post.created_at is not None:
            found[YEAR] = [(str(post.created_at.year),)]
        return found

    def _entries(
        self, section: Section, found: Mapping[str, list[tuple[str, ...]]], seen: set[str]
    ) -> Iterator[_Entry]:
        for group in section:
            kept = [entry for part in group for entry in _of_part(part, found, seen)]
            if len(group) == 1:
                yield from kept
            elif kept:
                yield _Entry([text for entry in kept for text in entry.texts], sum(entry.tags for entry in kept))

    def _shuffled(self, post: int, entry: _Entry) -> bytes:
        text = "\0".join((str(self.style.shuffle), str(post), *entry.texts))
        return hashlib.blake2b(text.encode(), digest_size=16).digest()

    def _make(self, name: str, field: str) -> tuple[str, ...]:
        """The texts of a tag: none of one that is left out, two of one that is expanded."""
        if self._excluded.fullmatch(name):
            return ()
        series = _SERIES.fullmatch(name) if self.style.expand_series and field == Category.CHARACTER.word else None
        texts = tuple(filter(None, (self._text(part) for part in (series.groups() if series else (name,)))))
        for text in texts:
            for mark, reason in self._marks.items():
                if mark in text:
                    self.doubtful.setdefault(name, reason)
        return texts

    def _text(self, name: str) -> str:
        text = one_line(name).strip()
        if self.style.spaces and name not in KAOMOJI:
            text = text.replace("_", " ").strip() or text
        return re.sub(r"([\\()])", r"\\\1", text) if self.style.escape_parens else text

    def _reached(self, name: str) -> frozenset[str]:
        """Everything a tag implies, also by way of others; itself only in a circle."""
        reached: set[str] = set()
        waiting = list(self._implications.get(name, ()))
        while waiting:
            if (other := waiting.pop()) not in reached:
                reached.add(other)
                waiting.extend(self._implications.get(other, ()))
        return frozenset(reached)


def _pattern(name: str) -> str:
    return ".*".join(map(re.escape, name.split("*")))


def _of_part(part: Part, found: Mapping[str, list[tuple[str, ...]]], seen: set[str]) -> Iterator[_Entry]:
    if part.field is None:
        yield _Entry([part.before], 0)
        return
    for texts in found.get(part.field, ()):
        for text in texts:
            whole = f"{part.before}{text}{part.after}"
            if whole not in seen:
                seen.add(whole)
                yield _Entry([whole], 1)


def _cut(sections: list[list[_Entry]], most: int) -> list[list[_Entry]]:
    """The entries whose tags still find room, in their order; words without a tag need none."""
    kept: list[list[_Entry]] = []
    left = most
    for section in sections:
        kept.append([])
        for entry in section:
            if entry.tags <= left:
                left -= entry.tags
                kept[-1].append(entry)
            else:
                left = 0
    return kept
