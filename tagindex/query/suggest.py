"""What somebody probably meant: the errors for tags and words that nobody has.

Nothing here decides whether a tag or a word is known.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable

from tagswarm.manifests.errors import UnknownTag
from tagswarm.manifests.records import Category
from tagswarm.tagindex.store import Store

from .metatags import NAMES
from .parser import SPACES
from .syntax import Span

_CATEGORIES = frozenset(category.word for category in Category) | {"gen", "art", "copy", "co", "char", "ch"}
_WORD = re.compile(f"[^{SPACES}]+")
_LONGEST = 200
"""Characters of a name that is compared with others: spelling takes time with length, and no tag is longer."""


def enumerated(words: Iterable[str], last: str = "or") -> str:
    """`a, b or c`."""
    *first, final = words
    return f"{', '.join(first)} {last} {final}" if first else final


def shortened(text: str) -> str:
    """A piece of a query as a sentence quotes it: the beginning, where it is longer than any tag."""
    return text if len(text) <= _LONGEST else text[:_LONGEST] + "..."


def close(word: str, known: Iterable[str]) -> str | None:
    """The known word that is spelled most like one, if any is."""
    found = difflib.get_close_matches(word[:_LONGEST].lower(), list(known), 1, 0.6)
    return found[0] if found else None


def unknown_tag(name: str, store: Store, *, text: str, span: Span, written: str | None) -> UnknownTag:
    """The error for a tag, or a pattern, that no post has, with what is spelled like it and what else it may be.

    Args:
        name: the tag that is missing, after aliases.
        store: the collection.
        text: the query.
        span: the place in it.
        written: how the query calls the tag; None where it says that it means exactly this one.
    """
    called = written or name
    near = (store.nearest(name) or store.nearest(called)) if len(called) <= _LONGEST else []
    suggestions = [suggestion for suggestion in near if suggestion != written]
    said = shortened(name)
    message = f"no tag is like {said}" if "*" in name else f"no post has the tag {said}"
    hint = _misread(name, store, text, span) if written == name else None
    if called != name:
        message = f"{written} is an alias of {said}, and no post has that tag"
        if row := store.tag(called):
            hint = f"Write unaliased:{written} for posts that have it by that name: there are {row.count}."
    if hint is None and suggestions:
        hint = f"Did you mean {enumerated(suggestions)}?"
    if hint is None:
        hint = "Search the tags with `tagswarm tags`, or take unknown tags for tags of no post with --allow-unknown."
    return UnknownTag(message, text=text, span=span, suggestions=suggestions, hint=hint)


def _misread(name: str, store: Store, text: str, span: Span) -> str | None:
    """A hint for a term that was meant as something other than a tag."""
    if name == "not":
        return "Posts are left out with a minus before a term, as in: -solo."
    if name in {"|", "||", "&", "&&", ","}:
        return "Alternatives are written: a or b. Terms that all must hold just stand beside each other."
    if joined := _joined(store, text, span):
        return f"Did you mean {joined}? The words of one tag are joined by _."
    if name.endswith((",", ";")) and store.tag(name.rstrip(",;")):
        return f"Did you mean {name.rstrip(',;')}? Terms stand beside each other without commas."
    prefix, colon, rest = name.partition(":")
    if not colon:
        return None
    if prefix in _CATEGORIES:
        known = rest and (store.tag(rest) or store.alias(rest))
        return f"Tags are written without their category{f': {rest}' if known else ''}."
    metatag = close(prefix, NAMES)
    return f"Did you mean the metatag {metatag}:{rest}?" if metatag else None


def _joined(store: Store, text: str, span: Span) -> str | None:
    """The tag that a word makes with the one before or behind it, for those who write `long hair`."""
    word = text[slice(*span)].lower()
    before = text[max(0, span[0] - _LONGEST) : span[0]]
    behind = _WORD.findall(text[span[1] : span[1] + _LONGEST])
    ahead = _WORD.findall(before)
    pairs = [f"{ahead[-1]}_{word}" if ahead else "", f"{word}_{behind[0]}" if behind else ""]
    return next((pair.lower() for pair in pairs if pair and store.tag(pair.lower())), None)
