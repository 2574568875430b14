"""What is spelled alike: the filter loses nothing, and the distance is the one of the books."""

from __future__ import annotations

from functools import cache

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tagswarm.tagindex import spelling

NAMES = st.text(alphabet="abe_(1x", max_size=9)


def reference(one: str, other: str) -> int:
    """The optimal string alignment distance, as it is defined."""

    @cache
    def away(i: int, j: int) -> int:
        if not i or not j:
            return i + j
        best = min(away(i - 1, j) + 1, away(i, j - 1) + 1, away(i - 1, j - 1) + (one[i - 1] != other[j - 1]))
        if i > 1 and j > 1 and one[i - 1] == other[j - 2] and one[i - 2] == other[j - 1]:
            best = min(best, away(i - 2, j - 2) + 1)
        return best

    return away(len(one), len(other))


@given(NAMES, NAMES, st.integers(1, 3))
def test_distance_is_that_of_the_definition(one: str, other: str, limit: int) -> None:
    expected = reference(one, other)
    assert spelling.distance(one, other, limit) == (expected if expected <= limit else None)


@given(
    st.text(max_size=12), st.lists(st.tuples(st.sampled_from("idrs"), st.integers(0, 20), st.characters()), max_size=3)
)
def test_the_filter_loses_no_name_that_is_near(name: str, edits: list[tuple[str, int, str]]) -> None:
    other = name
    for kind, place, character in edits:
        at = place % (len(other) + 1)
        if kind == "i":
            other = other[:at] + character + other[at:]
        elif kind == "d":
            other = other[:at] + other[at + 1 :]
        elif kind == "r":
            other = other[:at] + character + other[at + 1 :]
        else:
            other = other[:at] + other[at : at + 2][::-1] + other[at + 2 :]
    assert (spelling.signature(name) ^ spelling.signature(other)).bit_count() <= 2 * len(edits)


@pytest.mark.parametrize(
    ("name", "letters"),
    [
        ("long_hair", "lh"),
        ("hakurei_reimu", "hr"),
        ("1girl", "1"),
        ("jeanne_d'arc_(fate)", "jdf"),
        ("re:zero", "rz"),
        ("+_+", "+_+"),
    ],
)
def test_initials_are_the_first_letters_of_the_words(name: str, letters: str) -> None:
    assert spelling.initials(name) == letters


def test_words_in_another_order_are_one_step_away() -> None:
    assert spelling.likeness("hair_long", "long_hair", 2) == 1
    assert spelling.likeness("long_hair", "long_hair", 2) == 0
    assert spelling.likeness("long_hair", "short_hair", 2) is None
