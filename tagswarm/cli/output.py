"""Where a command speaks and how: results on stdout, progress and errors on stderr, or all as JSON lines on stdout.

One `Output` is made for each run of the program and handed to its commands; tests make their own.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import shutil
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from enum import Enum
from pathlib import PurePath
from typing import TYPE_CHECKING, Any

from tagswarm.manifests.errors import QueryError, TagswarmError
from tagswarm.manifests.events import Report, StepStarted
from tagswarm.manifests.paths import escape

from .progress import Display, JsonLines, Lines, Live, shown

if TYPE_CHECKING:
    from rich.console import Console

PIPE_WIDTH = 120
"""Columns of a result that goes to a file or a pipe, which has no width of its own."""
INDENT = "    "
"""Before a query that an error shows."""


@dataclass(slots=True)
class Output:
    """How the program was asked to speak."""

    quiet: bool = False
    json: bool = False
    verbose: bool = False

    def progress(self) -> contextlib.AbstractContextManager[Report]:
        """A report for a library function; what it shows is gone or complete when the block ends."""
        return shown(self._display())

    @contextlib.contextmanager
    def waiting(self, step: str) -> Iterator[None]:
        """Show on a terminal that something is under way, for as long as the block takes, and leave nothing behind."""
        with shown(display if isinstance(display := self._display(), Live) else None) as report:
            report(StepStarted(step))
            yield

    def result(self, value: object, view: Callable[[Console], None], *, failed: str = "") -> None:
        """Tell what came of a command: as one object, or as a page for people unless it shall be quiet.

        Args:
            value: a dataclass or a mapping.
            view: draws the page.
            failed: a sentence where all is not well, which a quiet run says as well.
        """
        if self.json:
            self._line({"event": "result", **facts(value)})
        elif not self.quiet:
            view(self.console())
        elif failed:
            sys.stderr.write(f"error: {escape(failed)}\n")
            sys.stderr.flush()

    def line(self, value: object, text: str) -> None:
        """Tell a result that is one line for people and programs alike, without loading what draws pages."""
        if self.json:
            self.result(value, lambda _: None)
        elif not self.quiet:
            sys.stdout.write(f"{escape(text)}\n")

    def notes(self, notes: Iterable[str]) -> None:
        """Say what a person should know of an answer; as JSON it is a part of the result."""
        if self.json or self.quiet:
            return
        for note in notes:
            sys.stderr.write(f"note: {escape(note)}\n")
        sys.stderr.flush()

    def failure(self, message: str, hint: str, *, code: int, kind: str) -> None:
        """Tell that a command cannot go on, and what to do."""
        self._failure(message, hint, {"error": kind, "exit_code": code})

    def error(self, error: TagswarmError) -> int:
        """Tell an error of ours; returns its exit code."""
        known: dict[str, Any] = {"error": type(error).__name__, "exit_code": error.exit_code}
        if isinstance(error, QueryError) and error.text:
            known |= {"query": error.text, "span": error.span}
        if suggestions := getattr(error, "suggestions", ()):
            known["suggestions"] = suggestions
        self._failure(error.message, error.hint, known)
        return error.exit_code

    def _failure(self, message: str, hint: str, known: dict[str, Any]) -> None:
        if self.json:
            self._line({"event": "error", "message": message, "hint": hint, **known})
            return
        sys.stderr.write(f"error: {escape(message)}\n")
        if "span" in known:
            self._point(known["query"], known["span"])
        if further := [name for name in known.get("suggestions", ()) if name not in hint]:
            sys.stderr.write(f"  spelled like it: {escape(', '.join(further))}\n")
        if hint:
            sys.stderr.write(f"  what to do: {escape(hint)}\n")
        sys.stderr.flush()

    def _point(self, query: str, span: tuple[int, int]) -> None:
        """Show the query with the place marked: in red on a terminal, and with a line of `^` everywhere."""
        from .pointing import point  # noqa: PLC0415 - loaded only where a query was refused

        width = _width(sys.stderr)
        pointed = point(query, span, width - 2 * len(INDENT))
        if not sys.stderr.isatty():
            sys.stderr.write(f"{INDENT}{pointed.line}\n{INDENT}{pointed.marks}\n")
            return
        from rich.text import Text  # noqa: PLC0415 - rich is loaded only where something is drawn

        line = Text.assemble(INDENT, pointed.before, (pointed.place, "bold red"), pointed.after)
        console = _console(sys.stderr)
        console.print(line, soft_wrap=True)
        console.print(Text(INDENT + pointed.marks, "bold red"), soft_wrap=True)

    def console(self) -> Console:
        """The console of results."""
        return _console(sys.stdout)

    @property
    def moves(self) -> bool:
        """Whether progress is drawn in place, on a terminal that can do that."""
        alive = sys.stderr.isatty() and os.environ.get("TERM", "dumb") != "dumb"
        return alive and not self.quiet and not self.json

    def _display(self) -> Display | None:
        if self.quiet:
            return None
        if self.json:
            return JsonLines(sys.stdout)
        return Live(_console(sys.stderr)) if self.moves else Lines(sys.stderr)

    def _line(self, value: dict[str, Any]) -> None:
        sys.stdout.write(json.dumps(value, default=_plain) + "\n")
        sys.stdout.flush()


def _width(stream: Any) -> int:
    """Columns of a terminal, as `COLUMNS` or the terminal itself says; of a pipe, the same every time."""
    if stream.isatty() or "COLUMNS" in os.environ:
        return shutil.get_terminal_size((PIPE_WIDTH, 24)).columns
    return PIPE_WIDTH


def _console(stream: Any) -> Console:
    from rich.console import Console as RichConsole  # noqa: PLC0415 - rich is loaded only where something is drawn

    class Piped(RichConsole):
        def on_broken_pipe(self) -> None:
            raise BrokenPipeError  # rich would end the program here, with a code of its own

    width = None if stream.isatty() or "COLUMNS" in os.environ else PIPE_WIDTH
    return Piped(file=stream, highlight=False, markup=False, emoji=False, soft_wrap=False, width=width)


def facts(value: object) -> dict[str, Any]:
    """The fields of a dataclass, or a copy of a mapping, as `result` writes them."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(f"{type(value).__name__} cannot be written as JSON")


def _plain(value: object) -> Any:
    """What JSON has no word for: dates, paths, words of an enumeration, sets, documents and dataclasses."""
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, PurePath):
        return str(value)
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, (set, frozenset)):
        return sorted(value)
    if isinstance(value, bytes):
        return value.hex()
    if dump := getattr(value, "model_dump", None):
        return dump(mode="json", exclude_none=True)
    return facts(value)
