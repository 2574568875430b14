from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tagswarm.tagindex.query.texts import glob, matcher, stems


@pytest.mark.parametrize(
    ("pattern", "text", "expected"),
    [
        ("", "", True),
        ("", "a", False),
        ("*", "", True),
        ("*", "any\nthing", True),
        ("a*b", "ab", True),
        ("a*b", "axxb", True),
        ("a*a", "a", False),
        ("*at*", "CATS", True),
        ("ÄB*", "äbc", True),
        ("a_%", "a_%", True),
        ("a_%", "ab%", False),
        (r"a\*", "a*", True),
        (r"a\*", "ab", False),
        (r"a\\*", "a\\b", True),
        (r"a\b", r"a\b", True),
        ("*ab*ab*", "ab", False),
    ],
)
def test_glob(pattern: str, text: str, expected: bool) -> None:
    assert glob(pattern)(text) is expected


@given(st.text("ab*", max_size=8), st.text("ab", max_size=10))
def test_a_glob_is_the_regular_expression_it_looks_like(pattern: str, text: str) -> None:
    expression = ".*".join(re.escape(part) for part in pattern.split("*"))
    assert glob(pattern)(text) is (re.fullmatch(expression, text) is not None)


def test_many_stars_cost_no_more_than_few() -> None:
    assert not glob("*a" * 500 + "b")("a" * 100_000)


def test_stems() -> None:
    assert stems("Petting the cats, walking") == {"pet", "cat", "walk"}
    assert stems("the and of") == frozenset()


@pytest.mark.parametrize(
    ("value", "texts", "expected"),
    [
        ("cats", ["a cat"], True),
        ("cat dog", ["dogs"], False),
        ("cat dog", ["dogs", "Cats"], True),
        ("the", ["the"], False),
        ("", [""], False),
        ("*ing*", ["x", "petting cats"], True),
        ("ing*", ["petting"], False),
    ],
)
def test_matcher(value: str, texts: list[str], expected: bool) -> None:
    assert matcher(value)(texts) is expected
