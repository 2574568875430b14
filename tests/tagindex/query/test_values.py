"""The values of metatags: the booru's own cases, the edges of every kind, and exact arithmetic."""

from __future__ import annotations

from datetime import UTC, datetime
from fractions import Fraction
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tagswarm.tagindex.query.values import (
    AnyOf,
    Between,
    Clock,
    Eq,
    In,
    IsNull,
    Kind,
    NotNull,
    Range,
    ValueProblem,
    duration,
    hundredths,
    in_units,
    parse,
    timecode,
)
from tests.tagindex.conformance import parametrize

CLOCK = Clock(datetime(2021, 12, 31, 12, tzinfo=UTC))
SECOND = 1_000_000
HOUR = 3600 * SECOND
DAY = 24 * HOUR


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    parametrize(metafunc, ranged="range", length="duration")


def instant(text: str) -> int:
    return int(datetime.fromisoformat(text).timestamp()) * SECOND


def expected(value: Any) -> Any:
    return instant(value) if isinstance(value, str) and value.endswith("Z") else value


def close(ours: Any, theirs: Any) -> bool:
    """Equal, up to the floats of the cases, whose instants are whole seconds."""
    if isinstance(ours, str) or ours is None:
        return bool(ours == theirs)
    if isinstance(theirs, int) and abs(theirs) > DAY:
        return bool(ours // SECOND == theirs // SECOND)
    return float(ours) == pytest.approx(float(theirs), rel=1e-12)


def same(ours: Range, case: dict[str, Any]) -> bool:
    operator = case["op"]
    match ours:
        case IsNull():
            return bool(operator == "eq" and case["value"] is None)
        case NotNull():
            return bool(operator == "not_eq" and case["value"] is None)
        case Eq(value):
            return operator == "eq" and close(value, expected(case["value"]))
        case In(values):
            pairs = zip(values, map(expected, case["values"]), strict=True)
            return operator == "in" and all(close(value, other) for value, other in pairs)
        case AnyOf(ranges):
            (listed,) = [value for value in case.values() if isinstance(value, list)]
            return operator == "union" and all(same(*pair) for pair in zip(ranges, listed, strict=True))
        case Between(None, high, _, inclusive):
            return operator == ("lteq" if inclusive else "lt") and close(high, expected(case["value"]))
        case Between(low, None, inclusive):
            return operator == ("gteq" if inclusive else "gt") and close(low, expected(case["value"]))
        case Between(low, high, inclusive_low, inclusive):
            assert inclusive_low
            ends = close(low, expected(case["lo"])) and close(high, expected(case["hi"]))
            return operator == "between" and ends and inclusive == case["hi_inclusive"]


def test_range(ranged: dict[str, Any]) -> None:
    zone = ZoneInfo(ranged.get("tz", "UTC"))
    clock = Clock(datetime.fromisoformat(ranged.get("now", "2021-12-31T12:00:00Z")), zone)
    kind, text = Kind(ranged["type"]), ranged["input"]
    if "error" in ranged["expect"] or ranged.get("ruby_specific"):
        with pytest.raises(ValueProblem):
            parse(text, kind, clock)
    else:
        assert same(parse(text, kind, clock), ranged["expect"])


def test_duration(length: dict[str, Any]) -> None:
    read = {"parse_duration": duration, "parse_timecode": timecode}.get(
        length["parser"], timecode if ":" in length["input"] else duration
    )
    if "error" in length["expect"] or length.get("ruby_specific"):
        with pytest.raises(ValueProblem):
            read(length["input"])
    else:
        assert float(read(length["input"])) == pytest.approx(length["expect"]["seconds"], abs=1e-9)


@pytest.mark.parametrize(
    ("text", "kind", "read"),
    [
        ("5,7..9,>20", Kind.INTEGER, AnyOf((Eq(5), Between(7, 9), Between(20, None, low_inclusive=False)))),
        ("5, 6,7,", Kind.INTEGER, In((5, 6, 7))),
        ("9..7", Kind.INTEGER, Between(7, 9)),
        ("7...9", Kind.INTEGER, Between(7, 9, high_inclusive=False)),
        ("+5", Kind.INTEGER, Eq(5)),
        ("5..", Kind.INTEGER, Between(5)),
        ("-5..-3", Kind.INTEGER, Between(-5, -3)),
        ("1.5,2", Kind.FLOAT, In((Fraction(3, 2), Fraction(2)))),
        ("-1", Kind.FLOAT, Between(Fraction(-95, 100), Fraction(-105, 100))),
        ("16/9", Kind.RATIO, Eq(Fraction(178, 100))),
        (".149e1", Kind.RATIO, Eq(Fraction(149, 100))),
        ("1b", Kind.FILESIZE, Eq(1)),
        ("2K", Kind.FILESIZE, Between(Fraction(19456, 10), Fraction(21504, 10))),
        ("2k,3k", Kind.FILESIZE, In((2048, 3072))),
        ("PNG, jpg,", Kind.ENUM, In(("png", "jpg"))),
        ("any", Kind.ENUM, In(("any",))),
        ("none", Kind.DATE, IsNull()),
        ("31/12/2021", Kind.DATE, Between(instant("2021-12-31T00:00:00Z"), instant("2022-01-01T00:00:00Z") - 1)),
        ("2021-12-31,2021-12-30", Kind.DATE, In((instant("2021-12-31T00:00:00Z"), instant("2021-12-30T00:00:00Z")))),
        (">=1d", Kind.AGE, Between(None, instant("2021-12-30T12:00:00Z"))),
        ("1d", Kind.AGE, Between(instant("2021-12-30T00:00:00Z"), instant("2021-12-31T00:00:00Z") - 1)),
        ("1:30,2:00", Kind.DURATION, In((90, 120))),
    ],
)
def test_what_values_mean(text: str, kind: Kind, read: Range) -> None:
    assert parse(text, kind, CLOCK) == read


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        *((text, Kind.INTEGER) for text in ("", "0x10", "1_000", "0b11", "\u0665", "1e3", "ANY", "<", "..", ",", " ", "1..2..3", "5 ,x")),
        *((text, Kind.FLOAT) for text in ("5.", "inf", "nan", "1e999999999", "1,,x", "--1", "1..2...3", ">1..2")),
        *((text, Kind.RATIO) for text in ("1:0", "1:-2", "1/2/3", "0/0.0", ":2", "2:")),
        *((text, Kind.FILESIZE) for text in ("1gb", "-5", "5.", "kb", "1kk", "1 k")),
        *((text, Kind.MD5) for text in ("0" * 31, "0" * 33, "g" * 32, ">" + "0" * 32, "0" * 32 + ".." + "1" * 32)),
        *((text, Kind.DATE) for text in ("2017", "2021-02-29", "2021-13-01", "1-1-21", "2021-1/1", "0000-01-01", "today", "9999-12-31T00")),
        *((text, Kind.AGE) for text in ("1:30", "99999999999999y", "1s1s")),
        *((text, Kind.DURATION) for text in ("1:3", "1:60:00", "ms", "5ms", "1 d", "1.5.5s")),
        ("9" * 5000, Kind.INTEGER),
        ("1" * 65, Kind.DURATION),
    ],
)  # fmt: skip
def test_what_no_value_is(text: str, kind: Kind) -> None:
    with pytest.raises(ValueProblem) as caught:
        parse(text, kind, CLOCK)
    assert str(caught.value)


@pytest.mark.parametrize(
    ("zone", "day", "start", "hours"),
    [
        ("UTC", "2017-03-26", "2017-03-26T00:00:00Z", 24),
        ("Europe/Berlin", "2017-03-26", "2017-03-25T23:00:00Z", 23),
        ("Europe/Berlin", "2017-10-29", "2017-10-28T22:00:00Z", 25),
        ("America/New_York", "2017-05-15", "2017-05-15T04:00:00Z", 24),
        ("Asia/Tokyo", "2017-05-15", "2017-05-14T15:00:00Z", 24),
    ],
)
def test_days_are_those_of_the_time_zone(zone: str, day: str, start: str, hours: int) -> None:
    low = instant(start)
    assert parse(day, Kind.DATE, Clock(CLOCK.now, ZoneInfo(zone))) == Between(low, low + hours * HOUR - 1)


def test_the_edges_of_the_calendar_are_read_or_refused() -> None:
    for zone in ("UTC", "Asia/Tokyo", "America/New_York"):
        clock = Clock(CLOCK.now, ZoneInfo(zone))
        assert parse(">=0001-01-01", Kind.DATE, clock)
        assert parse("<=9999-12-31", Kind.DATE, clock)
        with pytest.raises(ValueProblem):
            parse("9999-12-31", Kind.DATE, clock)


@given(st.integers(1, 10**5), st.integers(1, 10**5))
def test_ratios_round_half_away_from_zero(width: int, height: int) -> None:
    ratio = hundredths(Fraction(width, height))
    assert abs(Fraction(ratio, 100) - Fraction(width, height)) <= Fraction(1, 200)
    assert ratio == (200 * width + height) // (2 * height)
    assert parse(f"{width}:{height}", Kind.RATIO, CLOCK) == Eq(Fraction(ratio, 100))


@given(st.integers(-(10**6), 10**6), st.integers(-(10**6), 10**6), st.integers(-(10**6), 10**6))
def test_ranges_hold_what_lies_between(low: int, high: int, value: int) -> None:
    def inside(read: Range) -> bool:
        assert isinstance(read, Between)
        return all(
            (bound is None or (value - bound) * sign > 0 or (value == bound and inclusive))
            for bound, sign, inclusive in ((read.low, 1, read.low_inclusive), (read.high, -1, read.high_inclusive))
        )

    least, most = sorted((low, high))
    assert inside(parse(f"{low}..{high}", Kind.INTEGER, CLOCK)) == (least <= value <= most)
    assert inside(parse(f"{low}...{high}", Kind.INTEGER, CLOCK)) == (least <= value < most)
    for text, holds in ((f"<{low}", value < low), (f">={low}", value >= low), (f"..{low}", value <= low)):
        read = parse(text, Kind.INTEGER, CLOCK)
        assert inside(read) is holds
        closed = in_units(read)
        assert isinstance(closed, Between)
        assert closed.low_inclusive
        assert closed.high_inclusive
        assert inside(closed) is holds


@pytest.mark.parametrize(
    ("comparison", "scale", "integers"),
    [
        (Between(Fraction(1, 3), Fraction(2, 3)), 100, Between(34, 66)),
        (Between(Fraction(1, 2), None, low_inclusive=False), 100, Between(51)),
        (Between(None, Fraction(1, 2), high_inclusive=False), 100, Between(None, 49)),
        (Eq(Fraction(133, 100)), 100, Eq(133)),
        (In((Fraction(1, 2), Fraction(1, 3))), 100, In((50,))),
        (AnyOf((Eq(2), IsNull())), 10, AnyOf((Eq(20), IsNull()))),
        (Between(10**30), 1, Between(2**63 - 1)),
        (Eq("0" * 32), 1, Eq("0" * 32)),
        (NotNull(), 1000, NotNull()),
    ],
)
def test_comparisons_of_columns_are_of_integers(comparison: Range, scale: int, integers: Range) -> None:
    assert in_units(comparison, scale) == integers


@given(st.text(max_size=40), st.sampled_from(Kind))
def test_any_text_is_read_or_refused(text: str, kind: Kind) -> None:
    try:
        read = parse(text, kind, CLOCK)
    except ValueProblem:
        return
    assert in_units(read, 1000)
