"""Search in the texts beside the posts: words by their English stems, or a glob over the whole text.

The site searches with the text search of Postgres; this is close to it and not the same: words are runs of letters and
digits, a word is compared by its Snowball stem ("cats" is "cat", "petting" is "pet"), the commonest words are left out
on both sides, and all the words of the query must stand in the texts of one row, anywhere. Links, hyphens and numbers
are split plainly, where Postgres has rules of its own.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from functools import cache

_WORD = re.compile(r"[^\W_]+")
_PIECE = re.compile(r"\\[*\\]|.", re.DOTALL)

_COMMON = (
    "a about above after again against all am an and any are as at be because been before being below between "
    "both but by can did do does doing don down during each few for from further had has have having he her here "
    "hers herself him himself his how i if in into is it its itself just me more most my myself no nor not now of "
    "off on once only or other our ours ourselves out over own s same she should so some such t than that the "
    "their theirs them themselves then there these they this those through to too under until up very was we were "
    "what when where which while who whom why will with you your yours yourself yourselves"
)
STOP_WORDS = frozenset(_COMMON.split())
"""The words that Postgres leaves out of English text."""

Matcher = Callable[[Sequence[str]], bool]
"""Whether the texts of a row match."""


@cache
def _stemmer() -> Callable[[str], str]:
    # Most queries search no text.
    from snowballstemmer.english_stemmer import EnglishStemmer  # type: ignore[import-untyped] # noqa: PLC0415

    return cache(EnglishStemmer().stemWord)


def stems(text: str) -> frozenset[str]:
    """The stems of the words of a text, without the commonest words."""
    stem = _stemmer()
    return frozenset(stem(word) for word in _WORD.findall(text.lower()) if word not in STOP_WORDS)


def glob(pattern: str) -> Callable[[str], bool]:
    r"""Whether a whole text is like a glob, in any case: `*` is any text, `\*` a star, `\\` a backslash, else itself.

    The parts between the stars are looked for from left to right, each at its first place: one pass, whatever the
    pattern.
    """
    parts = [""]
    for piece in _PIECE.findall(pattern.lower()):
        if piece == "*":
            parts.append("")
        else:
            parts[-1] += piece[1] if len(piece) == 2 else piece
    if len(parts) == 1:
        return lambda text: text.lower() == parts[0]
    first, *middle, last = parts

    def matches(text: str) -> bool:
        text = text.lower()
        at, end = len(first), len(text) - len(last)
        if end < at or not text.startswith(first) or not text.endswith(last):
            return False
        for part in middle:
            at = text.find(part, at, end)
            if at < 0:
                return False
            at += len(part)
        return True

    return matches


def matcher(value: str) -> Matcher:
    """What a value of `note:`, `comment:` or `commentary:` asks of the texts of a row.

    With a `*` in it the value is a glob that one of the texts must match from end to end, in any case. Otherwise every
    word of it must be in one of them; a value without any word, or of the commonest only, matches nothing.
    """
    if "*" in value:
        pattern = glob(value)
        return lambda texts: any(map(pattern, texts))
    wanted = stems(value)
    return lambda texts: bool(wanted) and wanted <= frozenset().union(*map(stems, texts))
