"""Names that are spelled alike, and the initials of a name.

Every name has a signature of 64 bits: for each of a few classes of characters, as many ones as it has of them, up to a
limit. An insertion or deletion changes at most one bit, a replacement two, so names whose signatures differ in more
than twice the distance are out without being looked at: a scan of all signatures takes milliseconds.

Nothing here reads an index.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import TypeAlias

from .late import np, npt

Signatures: TypeAlias = "npt.NDArray[np.uint64]"

_COMMON = "aeionrstl"
_LETTERS = "bcdfghjkmpquvwxyz"


def _classes() -> dict[str, tuple[int, int]]:
    """Where the bits of a character begin, and how many there are."""
    places: dict[str, tuple[int, int]] = {}
    at = 0
    for characters, width in [*((c, 3) for c in _COMMON), *((c, 1) for c in _LETTERS), ("0123456789", 2), ("_ ", 3)]:
        places.update(dict.fromkeys(characters, (at, width)))
        at += width
    for character in map(chr, range(128)):
        places.setdefault(character, (at + ord(character) % (64 - at), 1))
    return places


_PLACES = _classes()
_OTHER = (63, 1)


def signature(name: str) -> int:
    """The signature of a name."""
    counts: dict[tuple[int, int], int] = {}
    for character in name:
        place = _PLACES.get(character, _OTHER)
        counts[place] = counts.get(place, 0) + 1
    bits = 0
    for (at, width), count in counts.items():
        bits |= ((1 << min(count, width)) - 1) << at
    return bits


def signatures(names: Iterable[str]) -> Signatures:
    """The signatures of many names."""
    return np.fromiter(map(signature, names), np.uint64)


def allowed(name: str) -> int:
    """The distance up to which another name is like this one: about one mistake in four characters, at most three."""
    return min(1 + len(name) // 5, 3)


def distance(one: str, other: str, limit: int) -> int | None:
    """Insertions, deletions, replacements and swaps of neighbours that turn one name into the other.

    The optimal string alignment distance; None where it is more than the limit.
    """
    if abs(len(one) - len(other)) > limit:
        return None
    while one and other and one[0] == other[0]:
        one, other = one[1:], other[1:]
    while one and other and one[-1] == other[-1]:
        one, other = one[:-1], other[:-1]
    beyond = limit + 1
    older: list[int] = []
    old = [min(column, beyond) for column in range(len(other) + 1)]
    for row, mine in enumerate(one, 1):
        new = [min(row, beyond)] + [beyond] * len(other)
        for column in range(max(1, row - limit), min(len(other), row + limit) + 1):
            theirs = other[column - 1]
            best = min(old[column] + 1, new[column - 1] + 1, old[column - 1] + (mine != theirs))
            if row > 1 and column > 1 and mine == other[column - 2] and one[row - 2] == theirs:
                best = min(best, older[column - 2] + 1)
            new[column] = min(best, beyond)
        if min(new) > limit:
            return None
        older, old = old, new
    return old[-1] if old[-1] <= limit else None


def likeness(wanted: str, name: str, limit: int) -> int | None:
    """How far a name is from the wanted one, where the same words in another order are one step away."""
    if len(wanted) == len(name) and wanted != name and sorted(wanted.split("_")) == sorted(name.split("_")):
        return 1
    return distance(wanted, name, limit)


_WORD = re.compile(r"([a-z0-9])[a-z0-9']*(?:$|[^a-z0-9']+)")


def initials(name: str) -> str:
    """The first letter of each word of a name: `lh` of `long_hair`."""
    return _WORD.sub(r"\1", name)
