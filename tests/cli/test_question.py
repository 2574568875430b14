"""How a command line becomes a query: its words, its options, and what a shell completes."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import click
import pytest
from click.testing import CliRunner, Result

from tagswarm.cli.options import spoken
from tagswarm.cli.output import Output
from tagswarm.cli.question import Asking, Question, asked, last_word


def asking(*args: str, **extra: Any) -> tuple[Result, list[Question]]:
    heard: list[Question] = []

    @click.command(cls=Asking)
    @click.option("-n", "number", type=int)
    @asked
    @spoken
    def ask(question: Question, number: int | None) -> None:
        heard.append(question)
        print(number)

    return CliRunner().invoke(ask, list(args), obj=Output(), **extra), heard


def heard(*args: str, **extra: Any) -> Question:
    result, questions = asking(*args, **extra)
    assert result.exit_code == 0, result.output
    return questions[0]


@pytest.mark.parametrize(
    ("args", "text"),
    [
        ((), ""),
        (("1girl solo",), "1girl solo"),
        (("1girl", "solo", "-comic"), "1girl solo -comic"),
        (("-comic",), "-comic"),
        (("-comic 1girl", "--limit", "3"), "-comic 1girl"),
        (("--limit", "3", "-long_hair", "-n", "5", "~a"), "-long_hair ~a"),
        (("-(a b)", "--json", "c"), "-(a b) c"),
        (("a", "--", "-v", "--in"), "a -v --in"),
        (("-- b",), "-- b"),
        (("--limit=3", "a"), "a"),
        (("a", "-ob.txt"), "a -ob.txt"),
    ],
)
def test_words_of_a_query_are_no_options(args: tuple[str, ...], text: str) -> None:
    assert heard(*args).text == text


def test_options_are_heard_wherever_they_stand() -> None:
    question = heard("a", "--in", "x", "-b", "--release", "2026", "--seed", "7", "--dialect", "e621", "--allow-unknown")
    assert question == Question(
        "a -b", "x", release="2026", seed=7, dialect="e621", allow_unknown=True, now=None, tz=UTC, limit=None
    )


def test_the_place_comes_from_the_environment() -> None:
    assert heard("a").place == "."
    assert heard("a", env={"TAGSWARM_DATASET": "/data"}).place == "/data"
    assert heard("a", "--in", "/other", env={"TAGSWARM_DATASET": "/data"}).place == "/other"


def test_times_are_of_the_zone() -> None:
    question = heard("--now", "2026-11-20", "--tz", "Asia/Tokyo")
    assert question.now == datetime(2026, 11, 20, tzinfo=ZoneInfo("Asia/Tokyo"))
    assert heard("--now", "2026-11-20T12:00:00").now == datetime(2026, 11, 20, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    "args",
    [
        ("--tz", "Nowhere"),
        ("--tz", "../passwd"),
        ("--tz", "Europe"),
        ("--tz", ""),
        ("--now", "soon"),
        ("--limit", "-1"),
        ("--seed", "x"),
        ("--dialect", "latin"),
        ("--nonsense",),
        ("--limit",),
    ],
)
def test_wrong_options_are_2(args: tuple[str, ...]) -> None:
    result, questions = asking("a", *args)
    assert (result.exit_code, questions) == (2, [])


@pytest.mark.parametrize(
    ("query", "split"),
    [
        ("", ("", "")),
        ("1g", ("", "1g")),
        ("1girl SO", ("1girl ", "so")),
        ("1girl -co", ("1girl -", "co")),
        ("a (~b", ("a (~", "b")),
        ("a ", ("a ", "")),
        ("star_(sy", ("", "star_(sy")),
    ],
)
def test_the_last_word_is_completed(query: str, split: tuple[str, str]) -> None:
    assert last_word(query) == split
