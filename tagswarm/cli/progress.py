"""What a command shows while it works: a line that moves on a terminal, plain lines elsewhere, JSON lines for programs.

The three displays receive the events of `manifests.events` and differ in where they write and how often; what there is
to say of a step comes from `steps`. Names from outside are escaped.

Nothing here decides what a command does or what it says at its end.
"""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict
from typing import TYPE_CHECKING, ClassVar, Protocol, TextIO

from tagswarm.manifests.events import Event, Notice, Report, StepAdvanced, StepFinished, StepStarted, silent
from tagswarm.manifests.paths import escape

from .steps import Step, finished, parts

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions, RenderResult

Clock = Callable[[], float]

FRAMES = 10
"""Frames a second on a terminal."""
PLAIN_PAUSE = 10.0
"""Seconds between two lines of one step where lines stay."""
JSON_PAUSE = 1.0
"""Seconds between two `advanced` objects of one step."""


class Display(Protocol):
    """Something that receives events until it is closed."""

    def report(self, event: Event) -> None:
        """Take in one event."""

    def close(self) -> None:
        """Leave the terminal as it was found."""


class Lines:
    """Lines that stay, for logs and pipes: `read files ... 1,940 files`, and one now and then while a step is long."""

    def __init__(self, stream: TextIO, clock: Clock = time.monotonic) -> None:
        self._stream, self._clock = stream, clock
        self._steps: dict[str, Step] = {}
        self._shown: dict[str, float] = {}
        self._open: str | None = None
        """The step whose line has been begun and not ended."""

    def report(self, event: Event) -> None:
        """Write what there is to say of an event."""
        now = self._clock()
        match event:
            case StepStarted():
                self._steps[event.step] = Step(event.step, event.total, event.unit, now, event.bytes)
                self._shown[event.step] = now
                self._end_line()
                self._open = event.step  # before it is written: Ctrl-C may come between the two
                self._write(f"{escape(event.step)} ... ")
            case StepAdvanced() if event.step in self._steps:
                step = self._steps[event.step]
                step.advance(event, now)
                if now - self._shown[event.step] >= PLAIN_PAUSE:
                    self._shown[event.step] = now
                    shown = parts(step, now, 1000, ascii_only=True)
                    self._end_line()
                    self._write(
                        "".join(text for text, style in shown if style not in ("full", "empty")).rstrip() + "\n"
                    )
            case StepFinished():
                said = finished(event, self._steps.pop(event.step, None), now)
                if self._open != event.step:
                    self._end_line()
                    said = f"{escape(event.step)} ... {said}"
                self._open = None
                self._write(f"{said}\n")
            case Notice():
                self._end_line()
                self._write(f"{'warning: ' if event.level == 'warning' else ''}{escape(event.message)}\n")

    def close(self) -> None:
        """End the line that was begun, so that an error stands in its own."""
        self._end_line()

    def _end_line(self) -> None:
        if self._open is not None:
            self._write("\n")
            self._open = None

    def _write(self, text: str) -> None:
        self._stream.write(text)
        self._stream.flush()


class JsonLines:
    """One JSON object a line, for programs; `event` names its kind, the other keys are those of the event."""

    NAMES: ClassVar[dict[type[Event], str]] = {
        StepStarted: "step-started",
        StepAdvanced: "step-advanced",
        StepFinished: "step-finished",
        Notice: "notice",
    }

    def __init__(self, stream: TextIO, clock: Clock = time.monotonic) -> None:
        self._stream, self._clock = stream, clock
        self._shown: dict[str, float] = {}

    def report(self, event: Event) -> None:
        """Write an event; of those of one step that only tell how far it is, one a second."""
        if isinstance(event, StepAdvanced):
            now = self._clock()
            if now - self._shown.get(event.step, now - JSON_PAUSE) < JSON_PAUSE:
                return
            self._shown[event.step] = now
        self._stream.write(json.dumps({"event": self.NAMES[type(event)], **asdict(event)}) + "\n")
        self._stream.flush()

    def close(self) -> None:
        """Nothing to leave behind."""


class Live:
    """The lines of the steps that are under way, redrawn in place at the foot of a terminal."""

    STYLES: ClassVar[dict[str, str]] = {
        "name": "bold",
        "full": "cyan",
        "empty": "bright_black",
        "percent": "cyan",
        "count": "",
        "rate": "green",
        "left": "yellow",
        "item": "bright_black",
        "": "",
    }

    def __init__(self, console: Console, clock: Clock = time.monotonic) -> None:
        from rich.live import Live as Region  # noqa: PLC0415 - rich is loaded only where it is needed

        self._console, self._clock = console, clock
        self._steps: dict[str, Step] = {}
        self._ascii = not console.encoding.lower().startswith("utf")
        self._region = Region(
            self,
            console=console,
            refresh_per_second=FRAMES,
            transient=True,
            redirect_stdout=False,
            redirect_stderr=False,
        )
        self._region.start()

    def report(self, event: Event) -> None:
        """Remember what the next frame shows; what stays on the screen is written above it at once."""
        now = self._clock()
        match event:
            case StepStarted():
                self._steps[event.step] = Step(event.step, event.total, event.unit, now, event.bytes)
            case StepAdvanced() if event.step in self._steps:
                self._steps[event.step].advance(event, now)
            case StepFinished():
                said = finished(event, self._steps.pop(event.step, None), now)
                self._write("* " if self._ascii else "✓ ", "green", f"{escape(event.step)}: {said}")
            case Notice():
                warning = event.level == "warning"
                self._write("warning: " if warning else "", "yellow", escape(event.message))

    def close(self) -> None:
        """Take the moving lines away and show the cursor again."""
        self._region.stop()

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        from rich.text import Text  # noqa: PLC0415 - rich is loaded only where it is needed

        # The last column stays free: a terminal that is made narrower would otherwise fold the line it shows.
        width = max(1, options.max_width - 1)
        now = self._clock()
        for step in list(self._steps.values()):
            pieces = parts(step, now, width, ascii_only=self._ascii)
            line = Text.assemble(*((text, self.STYLES[style]) for text, style in pieces), no_wrap=True)
            line.truncate(width, overflow="ellipsis")
            yield line

    def _write(self, mark: str, style: str, text: str) -> None:
        from rich.text import Text  # noqa: PLC0415 - rich is loaded only where it is needed

        self._console.print(Text.assemble((mark, style), text), soft_wrap=True)


@contextlib.contextmanager
def shown(display: Display | None) -> Iterator[Report]:
    """Give a report to a library function and close its display whatever happens; None shows nothing."""
    if display is None:
        yield silent
        return
    try:
        yield display.report
    finally:
        display.close()
