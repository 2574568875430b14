"""The words for ratings, read by the scheme of the release: `s` was safe until 2022 and is sensitive since.

Danbooru takes the first letter of any word, which turns `rating:safe` into the sensitive posts of newer data. Here a
word is exact or it is refused. Nothing here looks at posts.
"""

from __future__ import annotations

from collections.abc import Collection
from types import MappingProxyType

from tagswarm.manifests.records import RatingScheme

_WORDS = MappingProxyType(
    {
        RatingScheme.SQE_2021: {"s": "safe", "q": "questionable", "e": "explicit"},
        RatingScheme.GSQE_2022: {"g": "general", "s": "sensitive", "q": "questionable", "e": "explicit"},
        RatingScheme.GELBOORU: {
            "safe": "safe",
            "g": "general",
            "s": "sensitive",
            "q": "questionable",
            "e": "explicit",
        },
    }
)
"""The rating that a post is stored with, and the word for it."""

_SFW = MappingProxyType(
    {
        RatingScheme.SQE_2021: ("s",),
        RatingScheme.GSQE_2022: ("g", "s"),
        RatingScheme.GELBOORU: ("safe", "g", "s"),
    }
)


class RatingProblem(Exception):
    """A word is no rating of the release: why, and what to write. `check` adds the place and raises UnknownWord."""

    def __init__(self, message: str, hint: str) -> None:
        super().__init__(message)
        self.hint = hint


def sfw(schemes: Collection[RatingScheme]) -> tuple[str, ...]:
    """The ratings of what is safe to look at, as stored: in newer data general and sensitive, as Danbooru has it."""
    return _sorted({rating for scheme in schemes for rating in _SFW[scheme]})


def nsfw() -> tuple[str, ...]:
    """The other ratings, the same in every scheme."""
    return ("q", "e")


def ratings(word: str, schemes: Collection[RatingScheme]) -> tuple[str, ...]:
    """The ratings, as stored, that a letter or an exact word names.

    Raises:
        RatingProblem: no scheme of the release has it, or two mean different things by it.
    """
    found = {rating for scheme in schemes for rating, name in _WORDS[scheme].items() if word in {rating, name}}
    if not found:
        raise _unknown(word, schemes)
    meanings = {_WORDS[scheme][rating] for rating in found for scheme in schemes if rating in _WORDS[scheme]}
    if len(word) > 1 and meanings != {word}:
        other = next(iter(meanings - {word}))
        raise RatingProblem(
            f"the sites of this release disagree: the same letter is {word} on one and {other} on another",
            "Ask with the letter and the site, as in: rating:s site:danbooru.",
        )
    return _sorted(found)


def meaning(rating: str, schemes: Collection[RatingScheme]) -> tuple[str, ...]:
    """What a stored rating means in the schemes of a release; more than one word where they disagree."""
    return tuple(sorted({_WORDS[scheme][rating] for scheme in schemes if rating in _WORDS[scheme]}))


def known(schemes: Collection[RatingScheme]) -> list[str]:
    """Every letter and word that a release takes."""
    pairs = {pair for scheme in schemes for pair in _WORDS[scheme].items()}
    letters = _sorted({letter for letter, _ in pairs})
    words = [word for letter in letters for word in sorted({word for key, word in pairs if key == letter})]
    return list(dict.fromkeys((*letters, *words)))


def _sorted(found: Collection[str]) -> tuple[str, ...]:
    return tuple(rating for rating in RatingScheme.GELBOORU.ratings if rating in found)


def _unknown(word: str, schemes: Collection[RatingScheme]) -> RatingProblem:
    accepted = ", ".join(known(schemes))
    newer = RatingScheme.SQE_2021 not in schemes
    if newer and word in {"safe", "sfw"}:
        return RatingProblem(
            f"this release has no rating {word}: its s is sensitive",
            "Write rating:g, or rating:g,s to include sensitive.",
        )
    if not newer and word in {"g", "general", "sensitive"}:
        return RatingProblem(
            f"this release has no rating {word}: it is older than the rating general, and its s is safe",
            "Write rating:s for the safe posts.",
        )
    return RatingProblem(f"{word or 'nothing'!r} is no rating of this release", f"It takes {accepted}.")
