"""The values of metatags: text to comparisons of exact numbers.

Every number is an integer or a fraction, never a float, so no value lies on the wrong side of a bound. The units are
those of the text: pixels, bytes, seconds; instants are microseconds since 1970 UTC. `in_units` turns a comparison into
closed integer ranges of a column.

Two leniences of the Ruby language are refused: `0x10`, `1_000`, and a time of day behind a date.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, tzinfo
from enum import StrEnum
from fractions import Fraction
from math import ceil, floor
from typing import TypeVar

Number = int | Fraction

T = TypeVar("T")

_EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001 - arithmetic of clock faces
_MICROSECOND = timedelta(microseconds=1)
_DAY = 86_400_000_000
"""Microseconds."""
_LONGEST = 64
"""Characters of a number: more is no number of pixels, posts or seconds, and costs time."""
_LOWEST, _HIGHEST = -(2**63), 2**63 - 1
"""What a column of 64-bit integers can hold."""


class ValueProblem(Exception):
    """A value is not of its kind; the message says which part. `check` adds the place and raises UnreadableValue."""


class Kind(StrEnum):
    """What a metatag compares."""

    INTEGER = "integer"
    FLOAT = "float"
    RATIO = "ratio"
    FILESIZE = "filesize"
    MD5 = "md5"
    ENUM = "enum"
    DATE = "date"
    AGE = "age"
    DURATION = "duration"
    INTERVAL = "interval"
    """A duration without a colon and without a tolerance; no metatag has it."""

    @property
    def article(self) -> str:
        """What to call one value of it."""
        return _CALLED[self]

    @property
    def example(self) -> str:
        """Values that are read."""
        return _EXAMPLES[self]


_CALLED = {
    Kind.INTEGER: "a whole number",
    Kind.FLOAT: "a number",
    Kind.RATIO: "a ratio",
    Kind.FILESIZE: "a size",
    Kind.MD5: "an MD5",
    Kind.ENUM: "a list of words",
    Kind.DATE: "a date",
    Kind.AGE: "an age",
    Kind.DURATION: "a duration",
    Kind.INTERVAL: "a duration",
}
_EXAMPLES = {
    Kind.INTEGER: "42, >=10, 5..9, 1,2,3",
    Kind.FLOAT: "1.5, >2, 0.5..1",
    Kind.RATIO: "16:9, 1.78, >1",
    Kind.FILESIZE: "200kb, >1.5mb, 28086",
    Kind.MD5: "ecef68c44edb8a0d6a3070b5f8e8ee76",
    Kind.ENUM: "png,jpg",
    Kind.DATE: "2017-05-15, >=2017-01-01, 2017-01-01...2018-01-01",
    Kind.AGE: "<1w, 1y..2y, >6mo",
    Kind.DURATION: "30s, >1m30s, 1:30, 1min..2min",
    Kind.INTERVAL: "30s, >1m30s",
}


@dataclass(frozen=True, slots=True)
class Eq:
    """Equal to a number or an MD5."""

    value: Number | str


@dataclass(frozen=True, slots=True)
class Between:
    """From `low` to `high`; None leaves an end open."""

    low: Number | None = None
    high: Number | None = None
    low_inclusive: bool = True
    high_inclusive: bool = True


@dataclass(frozen=True, slots=True)
class In:
    """Equal to one of some values."""

    values: tuple[Number | str, ...]


@dataclass(frozen=True, slots=True)
class AnyOf:
    """Inside any of some ranges."""

    ranges: tuple[Range, ...]


@dataclass(frozen=True, slots=True)
class IsNull:
    """Without a value."""


@dataclass(frozen=True, slots=True)
class NotNull:
    """With a value, whichever."""


Range = Eq | Between | In | AnyOf | IsNull | NotNull


@dataclass(frozen=True, slots=True)
class Clock:
    """The instant and the time zone that dates and ages are read by."""

    now: datetime
    """With a time zone."""
    tz: tzinfo = UTC


def parse(text: str, kind: Kind, clock: Clock) -> Range:
    """Read the value of a metatag.

    Raises:
        ValueProblem: it is not of its kind.
    """
    if kind is Kind.ENUM:
        return In(tuple(_items(text.lower())))
    listed = "," in text or " " in text
    if listed and ("<" in text or ">" in text or ".." in text):
        return AnyOf(tuple(_single(item, kind, clock) for item in _listed(text)))
    if listed:
        return In(tuple(_value(item, kind, clock) for item in _listed(text)))
    return _single(text, kind, clock)


def _items(text: str) -> list[str]:
    items = re.split("[, ]+", text)
    return items[:-1] if items[-1] == "" else items


def _listed(text: str) -> list[str]:
    if items := _items(text):
        return items
    raise ValueProblem("it lists nothing")


_PREFIXES = (("<=", "le"), ("..", "le"), ("<", "lt"), (">=", "ge"), (">", "gt"))
_MIRRORED = {"le": "ge", "lt": "gt", "ge": "le", "gt": "lt"}


def _single(text: str, kind: Kind, clock: Clock) -> Range:
    # Three dots are looked for before two, wherever they stand: `1..2...3` is `1..2` and `3`, neither a number.
    for dots in ("...", ".."):
        at = text.find(dots, 1)
        if 0 < at < len(text) - len(dots):
            low, high = _value(text[:at], kind, clock), _value(text[at + len(dots) :], kind, clock)
            if isinstance(low, str) or isinstance(high, str):
                raise ValueProblem("an MD5 has no ranges")
            return Between(min(low, high), max(low, high), high_inclusive=dots == "..")
    for prefix, operator in _PREFIXES:
        if text.startswith(prefix) and len(text) > len(prefix):
            return _open(_value(text[len(prefix) :], kind, clock), operator, kind)
        if operator == "lt" and text.endswith("..") and len(text) > 2:
            return _open(_value(text[:-2], kind, clock), "ge", kind)
    if text == "any":
        return NotNull()
    if text == "none":
        return IsNull()
    return _plain(text, kind, clock)


def _open(value: Number | str, operator: str, kind: Kind) -> Range:
    if isinstance(value, str):
        raise ValueProblem("an MD5 has no ranges")
    if kind is Kind.AGE:
        operator = _MIRRORED[operator]
    match operator:
        case "le":
            return Between(high=value)
        case "lt":
            return Between(high=value, high_inclusive=False)
        case "ge":
            return Between(low=value)
        case _:
            return Between(low=value, low_inclusive=False)


def _plain(text: str, kind: Kind, clock: Clock) -> Range:
    value = _value(text, kind, clock)
    if isinstance(value, str):
        return Eq(value)
    if kind in {Kind.DATE, Kind.AGE}:
        low, high = _day(int(value), clock.tz)
        return Between(low, high - 1)
    rough = kind is Kind.FILESIZE and text.lower().endswith(("k", "m", "kb", "mb"))
    if rough or kind in {Kind.FLOAT, Kind.DURATION}:
        return Between(value * Fraction(95, 100), value * Fraction(105, 100))
    return Eq(value)


def _value(text: str, kind: Kind, clock: Clock) -> Number | str:
    if len(text) > _LONGEST:
        raise ValueProblem(f"it is longer than {_LONGEST} characters")
    match kind:
        case Kind.INTEGER:
            return _integer(text)
        case Kind.FLOAT:
            return _decimal(text)
        case Kind.RATIO:
            return _ratio(text)
        case Kind.FILESIZE:
            return _filesize(text)
        case Kind.MD5:
            return _md5(text)
        case Kind.DATE:
            return _midnight(_date(text), clock.tz)
        case Kind.AGE:
            return _instant(clock.now) - floor(duration(text) * 1_000_000)
        case Kind.DURATION:
            return timecode(text) if ":" in text else duration(text)
        case _:
            return duration(text)


_INTEGER = re.compile(r"[+-]?[0-9]+")
_DECIMAL = re.compile(r"([+-]?)([0-9]+(?:\.[0-9]+)?|\.[0-9]+)(?:[eE]([+-]?[0-9]+))?")
_FILESIZE = re.compile(r"([0-9]+(?:\.[0-9]+)?|\.[0-9]+)([km]?)b?", re.IGNORECASE | re.ASCII)
_MD5 = re.compile(r"[0-9a-fA-F]{32}")
_LARGEST_EXPONENT = 300


def _integer(text: str) -> int:
    if _INTEGER.fullmatch(text) is None:
        raise ValueProblem(f"{_shown(text)} is no whole number")
    return int(text)


def _decimal(text: str) -> Fraction:
    match = _DECIMAL.fullmatch(text)
    if match is None:
        raise ValueProblem(f"{_shown(text)} is no number")
    if match[3] and abs(int(match[3])) > _LARGEST_EXPONENT:
        raise ValueProblem(f"the exponent of {_shown(text)} is beyond {_LARGEST_EXPONENT}")
    return Fraction(text)


def _ratio(text: str) -> Fraction:
    above, separator, below = text.replace(":", "/").partition("/")
    value = _decimal(above)
    if separator:
        if not below[:1].isdigit() and not below.startswith("."):
            raise ValueProblem(f"the second part of {_shown(text)} is no positive number")
        divisor = _decimal(below)
        if not divisor:
            raise ValueProblem(f"the second part of {_shown(text)} is 0")
        value /= divisor
    return Fraction(hundredths(value), 100)


def hundredths(value: Fraction) -> int:
    """A ratio in hundredths, rounded half away from zero."""
    size = floor(abs(value) * 100 + Fraction(1, 2))
    return size if value >= 0 else -size


def _filesize(text: str) -> int:
    match = _FILESIZE.fullmatch(text)
    if match is None:
        raise ValueProblem(f"{_shown(text)} is no size in bytes, k or m")
    return floor(Fraction(match[1]) * {"": 1, "k": 1024, "m": 1024 * 1024}[match[2].lower()])


def _md5(text: str) -> str:
    if _MD5.fullmatch(text) is None:
        raise ValueProblem(f"{_shown(text)} is not 32 hex digits")
    return text.lower()


def _shown(text: str) -> str:
    return repr(text) if text else "nothing"


_DURATION_PART = re.compile(r"((?:[0-9]*\.)?[0-9]+) ?([a-z]*) ?", re.IGNORECASE | re.ASCII)
_TIMECODE = re.compile(r"(?:([0-9]{1,2}):([0-5][0-9])|([0-9]{1,2})):([0-5][0-9](?:\.[0-9]+)?)")
_UNITS = {
    "seconds": Fraction(1),
    "minutes": Fraction(60),
    "hours": Fraction(3600),
    "days": Fraction(86400),
    "weeks": Fraction(7 * 86400),
    "months": Fraction(36525 * 864, 12),
    "years": Fraction(36525 * 864),
}
"""In seconds: a year has 365.25 days, a month a twelfth of them."""
_SHORT = {"m": "minutes", "hr": "hours", "wk": "weeks", "yr": "years"}
_PLURALS = {"secs": "seconds", "mins": "minutes", "hrs": "hours", "wks": "weeks", "mos": "months", "yrs": "years"}


def _unit(word: str) -> Fraction:
    word = word.lower()
    name = "seconds" if not word else _SHORT.get(word) or _PLURALS.get(word)
    names = [name] if name else [unit for unit in _UNITS if unit.startswith(word)]
    if len(names) != 1:
        raise ValueProblem(f"{_shown(word)} is no unit of time")
    return _UNITS[names[0]]


def duration(text: str) -> Fraction:
    """Seconds of `1d2h3m4s` and its like; the units descend, and one that is left out is seconds.

    Raises:
        ValueProblem: it is no duration.
    """
    total, last, at = Fraction(0), None, 0
    while at < len(text) or last is None:
        match = _DURATION_PART.match(text, at)
        if match is None:
            raise ValueProblem(f"{_shown(text)} is no duration")
        unit = _unit(match[2])
        if last is not None and unit >= last:
            raise ValueProblem(f"the units of {_shown(text)} do not descend")
        total += Fraction(match[1]) * unit
        last, at = unit, match.end()
    return total


def timecode(text: str) -> Fraction:
    """Seconds of `H:MM:SS`, `M:SS`, both with a fraction if need be, or of plain seconds.

    Raises:
        ValueProblem: it is no timecode.
    """
    if re.fullmatch(r"(?:[0-9]*\.)?[0-9]+", text):
        return Fraction(text)
    match = _TIMECODE.fullmatch(text)
    if match is None:
        raise ValueProblem(f"{_shown(text)} is no time like 1:30 or 1:02:03")
    hours, minutes = (match[1], match[2]) if match[1] else ("0", match[3])
    return int(hours) * 3600 + int(minutes) * 60 + Fraction(match[4])


_DATE = re.compile(r"(?:([0-9]{4})([-/.])([0-9]{1,2})\2([0-9]{1,2}))|(?:([0-9]{1,2})([-/.])([0-9]{1,2})\6([0-9]{4}))")


def _date(text: str) -> date:
    match = _DATE.fullmatch(text)
    if match is None:
        raise ValueProblem(f"{_shown(text)} is no day like 2017-05-15")
    year, month, day = (match[1], match[3], match[4]) if match[1] else (match[8], match[7], match[5])
    try:
        return date(int(year), int(month), int(day))
    except ValueError:
        raise ValueProblem(f"{_shown(text)} is in no calendar") from None


def _midnight(day: date, tz: tzinfo) -> int:
    """The instant a day begins, in microseconds since 1970 UTC."""
    face = datetime(day.year, day.month, day.day)  # noqa: DTZ001 - the zone is taken off below, without its overflows
    try:
        offset = face.replace(tzinfo=tz).utcoffset()
    except (OverflowError, ValueError):
        raise ValueProblem(f"{day} lies outside of the calendar") from None
    return (face - _EPOCH - (offset or timedelta())) // _MICROSECOND


def _instant(moment: datetime) -> int:
    return (moment.astimezone(UTC).replace(tzinfo=None) - _EPOCH) // _MICROSECOND


def _day(instant: int, tz: tzinfo) -> tuple[int, int]:
    """The local day that an instant lies in: its first microsecond, and the first of the next."""
    try:
        here = (_EPOCH + timedelta(microseconds=instant)).replace(tzinfo=UTC).astimezone(tz).date()
        return _midnight(here, tz), _midnight(here + timedelta(days=1), tz)
    except (OverflowError, ValueError):
        raise ValueProblem("it lies outside of the calendar") from None


def in_units(comparison: Range, scale: int = 1) -> Range:
    """The same comparison of a column that holds `scale` times the number: integers only, every end closed."""
    match comparison:
        case Eq(value):
            whole = isinstance(value, str) or (value * scale).denominator == 1
            return Eq(_scaled(value, scale)) if whole else In(())
        case Between(low, high, low_inclusive, high_inclusive):
            first = None if low is None else _bound(low * scale, ceil, 0 if low_inclusive else 1)
            last = None if high is None else _bound(high * scale, floor, 0 if high_inclusive else -1)
            return Between(first, last)
        case In(values):
            exact = [value for value in values if isinstance(value, str) or (value * scale).denominator == 1]
            return In(tuple(_scaled(value, scale) for value in exact))
        case AnyOf(ranges):
            return AnyOf(tuple(in_units(each, scale) for each in ranges))
        case _:
            return comparison


def _scaled(value: Number | str, scale: int) -> Number | str:
    return value if isinstance(value, str) else int(value * scale)


def _bound(value: Number, rounded: Callable[[Number], int], step: int) -> int:
    """The nearest integer inside an end; `step` leads away from an end that is open and falls on one."""
    inside = rounded(value)
    if inside == value:
        inside += step
    return min(max(inside, _LOWEST), _HIGHEST)
