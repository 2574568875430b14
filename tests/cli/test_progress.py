"""Progress: what is said in which width, on a terminal, in a log, to a program."""

from __future__ import annotations

import contextlib
import fcntl
import io
import json
import os
import pty
import select
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len
from rich.console import Console

from tagswarm.cli.progress import JsonLines, Lines, Live, shown
from tagswarm.cli.steps import Step, amount, duration, finished, parts, units
from tagswarm.manifests.events import Notice, StepAdvanced, StepFinished, StepStarted

HOSTILE = "0000/1\x1b[31m[bold red]\u202egnp.1.png"


class Clock:
    """A clock that tests set."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def step(done: int = 50, total: int | None = 100, *, seconds: float = 10.0) -> Step:
    """A step that has run at an even rate: 5 files and 5 MB a second."""
    value = Step("read files", total, "files", began=0.0)
    for tick in range(11):
        now = seconds * tick / 10
        value.advance(StepAdvanced("read files", done * tick // 10, done * tick * 100_000, HOSTILE), now)
    return value


def text(pieces: list[tuple[str, str]]) -> str:
    return "".join(piece for piece, _ in pieces)


def test_wide_line_says_what_how_far_how_fast_and_how_long() -> None:
    said = text(parts(step(), 10.0, 200))
    for part in ("read files", "50%", "50/100 files", "50.0 MB", "5.0 MB/s", "0:10 left"):
        assert part in said


def test_units_are_the_rate_where_no_bytes_are_known() -> None:
    value = Step("read rows", 1000, "rows", began=0.0)
    value.advance(StepAdvanced("read rows", 0), 0.0)
    value.advance(StepAdvanced("read rows", 500), 10.0)
    assert "50 rows/s" in text(parts(value, 10.0, 200))


def test_unknown_total_shows_count_and_time_passed_but_no_bar() -> None:
    said = text(parts(step(total=None), 10.0, 200))
    assert "%" not in said
    assert "left" not in said
    assert "50 files" in said
    assert "0:10" in said


def test_work_of_an_earlier_run_does_not_count_as_speed() -> None:
    value = Step("read files", 1000, "files", began=0.0)
    value.advance(StepAdvanced("read files", 900, 9_000_000), 0.1)
    value.advance(StepAdvanced("read files", 910, 9_100_000), 10.1)
    rate, speed = value.rate(10.1)
    assert rate == pytest.approx(1.0)
    assert speed == pytest.approx(10_000)
    assert value.left(10.1) == pytest.approx(90)


def test_rate_follows_a_change_and_keeps_few_samples() -> None:
    value = Step("read files", None, "files", began=0.0)
    done = 0
    for tick in range(2000):
        now = tick / 10
        done += 100 if now < 150 else 1
        value.advance(StepAdvanced("read files", done), now)
    assert value.rate(200.0)[0] == pytest.approx(10, rel=0.05)
    assert len(value.samples) < 60


@given(
    width=st.integers(1, 250),
    done=st.integers(0, 10**9),
    total=st.none() | st.integers(0, 10**9),
    item=st.text(max_size=80),
    now=st.floats(0, 1e6),
)
def test_parts_fit_the_width_or_are_the_name_alone(
    width: int, done: int, total: int | None, item: str, now: float
) -> None:
    value = Step("step", total, "files", began=0.0)
    value.advance(StepAdvanced("step", 0, 0), 0.0)
    value.advance(StepAdvanced("step", done, done * 3, item), now)
    pieces = parts(value, now, width)
    assert cell_len(text(pieces)) <= width or [style for _, style in pieces] == ["name"]
    assert "\x1b" not in text(pieces)
    assert "\n" not in text(pieces)


@given(st.integers(0, 10**15))
def test_amounts_stay_short(count: int) -> None:
    assert len(amount(count)) <= 9


@pytest.mark.parametrize(
    ("count", "said"),
    [
        (0, "0 bytes"),
        (999, "999 bytes"),
        (1000, "1.0 kB"),
        (99_940, "99.9 kB"),
        (123_456, "123 kB"),
        (3_200_000_000, "3.2 GB"),
    ],
)
def test_amounts(count: int, said: str) -> None:
    assert amount(count) == said


@pytest.mark.parametrize(("seconds", "said"), [(0, "0:00"), (9.4, "0:09"), (61, "1:01"), (3723, "1:02:03")])
def test_durations(seconds: float, said: str) -> None:
    assert duration(seconds) == said


def test_a_step_that_needs_nothing_says_so() -> None:
    assert finished(StepFinished("read files", 0), None, 0.0) == "nothing to do"
    value = Step("read files", 10, "files", began=0.0)
    said = finished(StepFinished("read files", 1234, 5_000_000, "2 tried again"), value, 65.0)
    assert said == "1,234 files, 5.0 MB, in 1:05, 2 tried again"


def test_one_of_a_kind_is_not_called_many() -> None:
    assert [units(1, "files"), units(2, "files"), units(1, "entries"), units(1, "of it")] == [
        "1 file",
        "2 files",
        "1 entry",
        "1 of it",
    ]


def test_lines_are_few_plain_and_escaped() -> None:
    stream, clock = io.StringIO(), Clock()
    display = Lines(stream, clock)
    display.report(StepStarted("read files", 1000))
    for done in range(1000):
        clock.now += 0.025
        display.report(StepAdvanced("read files", done, done * 1000, HOSTILE))
    display.report(StepFinished("read files", 1000, 1_000_000))
    display.report(Notice("odd \x1b[2J name"))
    lines = stream.getvalue().splitlines()
    assert len(lines) == 5  # begun, two in 25 seconds, done, notice
    assert lines[0] == "read files ... "
    assert "files/s" not in lines[1]  # bytes a second say more
    assert "kB/s" in lines[1]
    assert "left" in lines[1]
    assert lines[-2] == "read files ... 1,000 files, 1.0 MB, in 0:25"
    assert lines[-1] == r"warning: odd \x1b[2J name"
    assert "\x1b" not in stream.getvalue()


def test_a_quick_step_is_one_line_and_an_error_stands_in_its_own() -> None:
    stream = io.StringIO()
    with contextlib.suppress(ValueError), shown(Lines(stream)) as report:
        report(StepStarted("list files"))
        report(StepFinished("list files", 3))
        report(StepStarted("read files"))
        report(Notice("odd", "info"))
        report(StepStarted("read rows"))
        raise ValueError("seven")
    assert stream.getvalue() == "list files ... 3 files\nread files ... \nodd\nread rows ... \n"


def test_json_lines_keep_every_turn_and_few_advances() -> None:
    stream, clock = io.StringIO(), Clock()
    display = JsonLines(stream, clock)
    display.report(StepStarted("read files", 100, "files"))
    for done in range(100):
        clock.now += 0.1
        display.report(StepAdvanced("read files", done, item=HOSTILE))
    display.report(StepFinished("read files", 100))
    display.report(Notice("said", "info", {"posts": 3}))
    events = [json.loads(line) for line in stream.getvalue().splitlines()]
    kinds = [event["event"] for event in events]
    assert kinds[0] == "step-started"
    assert kinds[-2:] == ["step-finished", "notice"]
    assert 9 <= kinds.count("step-advanced") <= 11
    assert events[1]["item"] == HOSTILE
    assert events[-1] == {"event": "notice", "message": "said", "level": "info", "facts": {"posts": 3}}


@pytest.mark.parametrize("width", [1, 2, 7, 20, 40, 80, 200])
def test_live_line_never_folds(width: int) -> None:
    stream, clock = io.StringIO(), Clock()
    console = Console(file=stream, force_terminal=True, width=width, height=10, markup=False, highlight=False)
    display = Live(console, clock)
    with contextlib.closing(display):
        display.report(StepStarted("read files", 100))
        clock.now += 5
        display.report(StepAdvanced("read files", 40, 4_000_000, HOSTILE))
        frame = console.render_lines(display, pad=False)
    assert len(frame) == 1
    assert sum(segment.cell_length for segment in frame[0]) < max(2, width)


def test_live_keeps_what_is_done_and_never_takes_a_name_for_markup() -> None:
    stream = io.StringIO()
    console = Console(file=stream, force_terminal=True, width=100, height=10, markup=False, highlight=False)
    with shown(Live(console)) as report:
        report(StepStarted("read [bold]files[/bold]", 3))
        report(StepFinished("read [bold]files[/bold]", 3))
        report(Notice("name \x1b[31mred"))
    assert "read [bold]files[/bold]: 3 files" in stream.getvalue()
    assert r"name \x1b[31mred" in stream.getvalue()


def test_without_a_display_nothing_is_said() -> None:
    with shown(None) as report:
        report(Notice("said"))


PROGRAM = """
import time
from tagswarm.cli.output import Output
from tagswarm.manifests.events import StepAdvanced, StepFinished, StepStarted
with Output().progress() as report:
    report(StepStarted("read files", 12))
    for done in range(12):
        time.sleep(0.1)
        report(StepAdvanced("read files", done + 1, (done + 1) * 1000, "original/0000/%d.png" % done))
    report(StepFinished("read files", 12, 12000))
"""


@contextlib.contextmanager
def terminal(columns: int) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    """A pseudo terminal with a child in it that runs PROGRAM: the child and our end."""
    ours, theirs = pty.openpty()
    resize(ours, columns)
    environment = {name: value for name, value in os.environ.items() if name not in ("COLUMNS", "NO_COLOR")}
    environment |= {"TERM": "xterm-256color", "PYTHONUTF8": "1"}
    with subprocess.Popen(
        [sys.executable, "-c", PROGRAM], stdin=theirs, stdout=theirs, stderr=theirs, env=environment
    ) as child:
        os.close(theirs)
        try:
            yield child, ours
        finally:
            os.close(ours)


def resize(ours: int, columns: int) -> None:
    fcntl.ioctl(ours, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))


def test_real_terminal_redraws_in_place_and_survives_a_resize() -> None:
    said, narrowed, deadline = b"", False, time.monotonic() + 60
    with terminal(120) as (child, ours):
        while time.monotonic() < deadline:
            if not select.select([ours], [], [], 1)[0]:
                continue
            try:
                chunk = os.read(ours, 65536)
            except OSError:  # the child has closed its end
                break
            if not chunk:
                break
            said += chunk
            if not narrowed and b"read files" in said:
                resize(ours, 20)
                narrowed = True
        assert child.wait(timeout=60) == 0
    shown_text = said.decode()
    assert narrowed
    assert "read files: 12 files" in shown_text  # what stays
    assert "%" in shown_text
    assert "\x1b[?25l" in shown_text  # the cursor is hidden while the line moves
    assert shown_text.rindex("\x1b[?25h") > shown_text.rindex("\x1b[?25l")  # and shown again at the end
    assert "\x1b[2K" in shown_text
