"""Typed values out of a row: numbers, times, texts, tags, ratings; a value of another type makes the row malformed.

An absent key, null and an empty text all become None. Numbers may be written as texts, as BigQuery exports them; they
are bounded by the columns they go to. Times get UTC where they name no zone.

Which key holds what, and which values are sentinels, is for the module of a format to say.
"""

from __future__ import annotations

import json
import math
import re
import unicodedata
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from tagswarm.manifests.records import RatingScheme

from .base import Malformed

INT32 = 2**31 - 1
INT64 = 2**63 - 1
TEXT_BYTES = 1 << 15
"""Bytes of a text column, such as the source."""
EXTRA_BYTES = 1 << 18
EXTRA_DEPTH = 32
TAG_BYTES = 1 << 10
TAG_COUNT = 10_000
"""Tags of one post."""

_NUMERAL = re.compile(r"\s*-?[0-9]{1,19}\s*")
_MD5 = re.compile(r"[0-9a-f]{32}")
_EXTENSION = re.compile(r"\.([A-Za-z0-9]{1,8})(?:[?#].*)?$")
_MONTHS = {"JanFebMarAprMayJunJulAugSepOctNovDec"[3 * month : 3 * month + 3]: month + 1 for month in range(12)}
_RUBY_TIME = re.compile(
    r"\s*[A-Z][a-z]{2} ([A-Z][a-z]{2}) ([0-9]{1,2}) ([0-9]{2}:[0-9]{2}:[0-9]{2}) ([+-][0-9]{4}) ([0-9]{4})\s*"
)


def keys(names: str) -> frozenset[str]:
    """Give the keys of a text with white space between them."""
    return frozenset(names.split())


def _bad(key: str, value: object) -> Malformed:
    return Malformed("bad-value", f"{key}: {str(value)[:100]!r}")


def integer(row: Mapping[str, Any], key: str, limit: int = INT64) -> int | None:
    """Give a whole number of at most `limit` either way."""
    value = row.get(key)
    if value is None:
        return None
    if value.__class__ is not int:
        if value.__class__ is not str:
            raise _bad(key, value)
        if not value.strip():
            return None
        if _NUMERAL.fullmatch(value) is None:
            raise _bad(key, value)
        value = int(value)
    if not -limit <= value <= limit:
        raise _bad(key, value)
    return value


def count(row: Mapping[str, Any], key: str) -> int | None:
    """Give a number that fits 32 bits and is not negative, such as a width in pixels."""
    value = integer(row, key, INT32)
    if value is not None and value < 0:
        raise _bad(key, value)
    return value


def size(row: Mapping[str, Any], key: str) -> int | None:
    """Give a number of bytes."""
    value = integer(row, key)
    if value is not None and value < 0:
        raise _bad(key, value)
    return value


def score(row: Mapping[str, Any], key: str) -> int | None:
    """Give a number that fits 32 bits."""
    return integer(row, key, INT32)


def identifier(row: Mapping[str, Any], key: str = "id") -> int:
    """Give the number that names the row.

    Raises:
        Malformed: `no-id` where there is none, as in the rows of banned posts.
    """
    value = integer(row, key)
    if value is None:
        raise Malformed("no-id", f"the key {key} is missing")
    if value <= 0:
        raise _bad(key, value)
    return value


def reference(row: Mapping[str, Any], key: str) -> int | None:
    """Give the id of something else, where 0 stands for none."""
    return integer(row, key) or None


def number(row: Mapping[str, Any], key: str) -> float | None:
    """Give a finite number of any kind."""
    value = row.get(key)
    if value is None or value == "":
        return None
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise _bad(key, value)
    try:
        found = float(value)
    except (ValueError, OverflowError) as failure:
        raise _bad(key, value) from failure
    if not math.isfinite(found):
        raise _bad(key, value)
    return found


_FLAGS = {"true": True, "t": True, "1": True, "false": False, "f": False, "0": False}


def flag(row: Mapping[str, Any], key: str) -> bool | None:
    """Give a boolean; `true`, `t`, `1` and their opposites may be texts, as Gelbooru and e621 write them."""
    value = row.get(key)
    if value is None or value.__class__ is bool:
        return value
    if value == "":
        return None
    found = _FLAGS.get(str(value).strip().lower())
    if found is None:
        raise _bad(key, value)
    return found


def text(row: Mapping[str, Any], key: str) -> str | None:
    """Give a text without the white space around it, which newer XML answers put there."""
    value = row.get(key)
    if value is None:
        return None
    if value.__class__ is not str:
        raise _bad(key, value)
    value = value.strip()
    if len(value) > TEXT_BYTES // 4 and len(value.encode()) > TEXT_BYTES:
        raise Malformed("bad-value", f"{key}: more than {TEXT_BYTES} bytes")
    return value or None


def md5(row: Mapping[str, Any], key: str = "md5") -> str | None:
    """Give a digest as claimed, in lower case."""
    value = text(row, key)
    if value is None:
        return None
    value = value.lower()
    if _MD5.fullmatch(value) is None:
        raise _bad(key, value)
    return value


def extension(row: Mapping[str, Any], key: str = "file_ext") -> str | None:
    """Give a file extension in lower case without the dot."""
    value = text(row, key)
    return value.lower().removeprefix(".") if value else None


def extension_of(path: str | None) -> str | None:
    """Give the extension of a path or URL, in lower case."""
    found = _EXTENSION.search(path) if path else None
    return found[1].lower() if found else None


def instant(row: Mapping[str, Any], key: str) -> datetime | None:
    """Give a time written as ISO 8601 with or without zone, `2008-06-10 03:08:07.34205 UTC` included."""
    value = row.get(key)
    if value is None or value == "":
        return None
    try:
        if value[4] != "-" or value[7] != "-":  # the parser would take weeks and times without a dash
            raise _bad(key, value)
        found = datetime.fromisoformat(value.removesuffix(" UTC"))
        if found.tzinfo is UTC:
            return found
        return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)
    except (ValueError, TypeError, AttributeError, IndexError, KeyError, OverflowError) as failure:
        raise _bad(key, value) from failure


def epoch(row: Mapping[str, Any], key: str) -> datetime | None:
    """Give a time written as seconds since 1970, where 0 stands for none."""
    value = integer(row, key)
    if not value:
        return None
    try:
        return datetime.fromtimestamp(value, UTC)
    except (ValueError, OverflowError, OSError) as failure:
        raise _bad(key, value) from failure


def ruby_time(row: Mapping[str, Any], key: str) -> datetime | None:
    """Give a time written `Sat Jul 20 06:05:33 -0500 2013`; the names of months do not depend on the locale."""
    value = text(row, key)
    if value is None:
        return None
    found = _RUBY_TIME.fullmatch(value)
    if found is None:
        raise _bad(key, value)
    month, day, clock, zone, year = found.groups()
    if month not in _MONTHS:
        raise _bad(key, value)
    return instant({key: f"{year}-{_MONTHS[month]:02}-{int(day):02}T{clock}{zone[:3]}:{zone[3:]}"}, key)


def dimensions(row: Mapping[str, Any], key: str) -> tuple[int | None, int | None]:
    """Give width and height in pixels, written `WIDTHxHEIGHT`."""
    value = text(row, key)
    if value is None:
        return None, None
    width, separator, height = value.lower().partition("x")
    if not separator:
        raise _bad(key, value)
    return count({key: width}, key), count({key: height}, key)


def names(row: Mapping[str, Any], key: str) -> list[str]:
    """Give the names of a text of tags with white space between them, in NFC, as often as they occur."""
    value = row.get(key)
    if value is None:
        return []
    if value.__class__ is not str:
        raise _bad(key, value)
    found: list[str] = (value if value.isascii() else unicodedata.normalize("NFC", value)).split()
    return found


def name(row: Mapping[str, Any], key: str) -> str:
    """Give the one name of a tag, in NFC.

    Raises:
        Malformed: `no-name` where there is none.
    """
    value = text(row, key)
    if value is None:
        raise Malformed("no-name", f"the key {key} is missing")
    if len(value.encode()) > TAG_BYTES or value.split() != [value]:
        raise _bad(key, value)
    return unicodedata.normalize("NFC", value)


def tags(found: list[str]) -> tuple[str, ...]:
    """Give the tags of a post without duplicates, sorted."""
    if len(found) > TAG_COUNT:
        raise Malformed("bad-value", f"{len(found)} tags, more than {TAG_COUNT}")
    unique = sorted(dict.fromkeys(found))  # a set would lose the order they are mostly in already
    if len(max(unique, key=len, default="")) > TAG_BYTES // 4 and max(len(tag.encode()) for tag in unique) > TAG_BYTES:
        raise Malformed("bad-value", f"a tag of more than {TAG_BYTES} bytes")
    return tuple(unique)


def leftover(row: Mapping[str, Any], known: frozenset[str]) -> str | None:
    """Give the keys that no column takes as canonical JSON: sorted, without those that hold nothing."""
    unknown = row.keys() - known
    if not unknown:
        return None
    kept = {key: row[key] for key in unknown if row[key] not in (None, "", [], {})}
    return canonical(kept) if kept else None


def canonical(value: dict[str, Any]) -> str:
    """Write JSON with sorted keys and no white space."""
    if _depth(value.values()) > EXTRA_DEPTH:
        raise Malformed("too-deep", f"more than {EXTRA_DEPTH} levels")
    try:
        written = json.dumps(value, ensure_ascii=False, allow_nan=False, sort_keys=True, separators=(",", ":"))
    except ValueError as failure:
        raise Malformed("bad-value", str(failure)) from failure
    if len(written) > EXTRA_BYTES // 4 and len(written.encode()) > EXTRA_BYTES:
        raise Malformed("bad-value", f"more than {EXTRA_BYTES} bytes in keys that no column takes")
    return written


def _depth(values: Iterable[Any]) -> int:
    level, found = list(values), 0
    while level and found <= EXTRA_DEPTH:
        found += 1
        level = [
            inner
            for value in level
            if isinstance(value, dict | list)
            for inner in (value.values() if isinstance(value, dict) else value)
        ]
    return found


_WORDS = {
    RatingScheme.SQE_2021: {"safe": "s", "questionable": "q", "explicit": "e"},
    RatingScheme.GSQE_2022: {"general": "g", "sensitive": "s", "questionable": "q", "explicit": "e"},
    RatingScheme.GELBOORU: {"general": "g", "sensitive": "s", "questionable": "q", "explicit": "e", "safe": "safe"},
}
# the letters of Gelbooru are older than its words: its `s` was safe, never sensitive
_LETTERS = {
    RatingScheme.SQE_2021: {"s": "s", "q": "q", "e": "e"},
    RatingScheme.GSQE_2022: {"g": "g", "s": "s", "q": "q", "e": "e"},
    RatingScheme.GELBOORU: {"s": "safe", "q": "q", "e": "e"},
}
_RATINGS = {scheme: {**_WORDS[scheme], **_LETTERS[scheme]} for scheme in RatingScheme}


def rating(row: Mapping[str, Any], key: str, scheme: RatingScheme) -> tuple[str | None, Malformed | None]:
    """Give the rating in its scheme; one that the scheme does not know is None, with the finding that says so."""
    value = row.get(key)
    known = _RATINGS[scheme].get(value) if value.__class__ is str else None
    if known is not None or value is None:
        return known, None
    value = str(value).strip().lower()
    known = _RATINGS[scheme].get(value)
    if known is not None or not value:
        return known, None
    return None, Malformed("unknown-rating", f"{value[:40]!r} is no rating of {scheme}: the post is kept without one")
