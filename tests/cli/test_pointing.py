"""The place in a query that an error points at, in any width and any script."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tagswarm.cli.pointing import columns, point
from tagswarm.manifests.paths import escape


def drawn(text: str, span: tuple[int, int], width: int = 80) -> list[str]:
    pointed = point(text, span, width)
    return [pointed.line, pointed.marks]


def test_a_word_is_underlined() -> None:
    assert drawn("1girl (solo", (6, 7)) == ["1girl (solo", "      ^"]
    assert drawn("1girl blonde_hari", (6, 17)) == ["1girl blonde_hari", "      ^^^^^^^^^^^"]


def test_the_end_of_a_query_is_a_place() -> None:
    assert drawn("a or", (4, 4)) == ["a or", "    ^"]
    assert drawn("", (0, 0)) == ["", "^"]


def test_wide_characters_take_two_columns() -> None:
    assert drawn("東方 solo", (3, 7)) == ["東方 solo", "     ^^^^"]
    assert drawn("a 東方", (2, 4)) == ["a 東方", "  ^^^^"]


def test_nothing_that_a_terminal_obeys_is_shown() -> None:
    line, marks = drawn("a\x1b[2Jb c", (6, 8))
    assert line == r"a\x1b[2Jb c"
    assert marks == " " * len(r"a\x1b[2Jb") + "^^"


def test_a_long_query_is_cut_around_the_place() -> None:
    text = f"{'a ' * 200}here{' b' * 200}"
    line, marks = drawn(text, (400, 404), 60)
    assert line.startswith("...")
    assert line.endswith("...")
    assert line[marks.index("^") : marks.index("^") + 4] == "here"
    assert columns(line) <= 60


def test_a_long_place_is_cut_too() -> None:
    line, marks = drawn("x" * 500, (0, 500), 40)
    assert (len(line) <= 40, set(marks)) == (True, {"^"})


@given(st.text(max_size=200), st.integers(-5, 250), st.integers(-5, 250), st.integers(0, 200))
def test_every_place_of_every_text_fits(text: str, begin: int, end: int, width: int) -> None:
    pointed = point(text, (begin, end), width)
    assert escape(pointed.line) == pointed.line
    assert "^" in pointed.marks
    assert columns(pointed.line) <= max(width, 20)
    assert columns(pointed.marks) <= max(width, 20) + 1
