"""The rules for names of tags, as Danbooru keeps them.

Source: Danbooru's `TagNameValidator`. Its further rule about `x_(cosplay)`, whose first part must be a character, needs
the table of tags and is left out; and older exports break some of the rules, so a broken one is worth a word and no
more: queries take every name.
"""

from __future__ import annotations

import re
import unicodedata

from .query.metatags import NAMES
from .query.parser import EMOTICONS, balanced

LIMIT = 170
"""Characters."""

_LEADING = frozenset("-~_`%(){}[]/")
_RESERVED = frozenset(("new", "search", "and", "or", "not"))
_CATEGORIES = ("general", "gen", "artist", "art", "copyright", "copy", "co", "character", "char", "ch", "meta")
_PREFIX = re.compile(rf"(?:{'|'.join(sorted((*NAMES, *_CATEGORIES)))}):.", re.IGNORECASE | re.DOTALL)


def normalised(text: str) -> str:
    """What somebody types as a name, as a name is kept: in lower case, trimmed, its spaces `_`."""
    return re.sub(r"\s+", "_", text.strip().lower())


def problem(name: str) -> str | None:
    """The first rule that a name breaks, as the end of a sentence that begins with the name; None for a good name.

    That a name is not ASCII is `non_ascii`'s to say.
    """
    if not name.strip("_"):
        return "is empty"
    if not name.isprintable() or any(character.isspace() for character in name):
        return "holds a space or a character that cannot be seen"
    if name != name.lower():
        return "is not in lower case, as queries are"
    if not unicodedata.is_normalized("NFC", name):
        return "is not in the normal form NFC"
    if "*" in name or "," in name:
        return "holds * or a comma, which queries take for a wildcard and a separator"
    if name[0] in _LEADING:
        return f"begins with {name[0]}"
    if name.endswith("_") or "__" in name:
        return "ends with _ or holds two of them"
    if len(name) > LIMIT:
        return f"is longer than {LIMIT} characters"
    if name in _RESERVED:
        return "is a reserved word"
    if match := _PREFIX.match(name):
        return f"reads like {match.group().partition(':')[0]}: of a query"
    if name not in EMOTICONS and not balanced(name):
        return "has parentheses that do not balance"
    return None


def non_ascii(name: str) -> bool:
    """Whether a name breaks the rule that names are ASCII, which is younger than many names."""
    return not name.isascii()
