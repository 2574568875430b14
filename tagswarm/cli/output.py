"""Where a command speaks and how: results on stdout, progress and errors on stderr, or all as JSON lines on stdout.

One `Output` is made for each run of the program and handed to its commands; tests make their own.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from enum import Enum
from pathlib import PurePath
from typing import TYPE_CHECKING, Any

from tagswarm.manifests.errors import TagswarmError
from tagswarm.manifests.events import Report
from tagswarm.manifests.paths import escape

from .progress import Display, JsonLines, Lines, Live, shown

if TYPE_CHECKING:
    from rich.console import Console

PIPE_WIDTH = 120
"""Columns of a result that goes to a file or a pipe, which has no width of its own."""


@dataclass(slots=True)
class Output:
    """How the program was asked to speak."""

    quiet: bool = False
    json: bool = False
    verbose: bool = False

    def progress(self) -> contextlib.AbstractContextManager[Report]:
        """A report for a library function; what it shows is gone or complete when the block ends."""
        return shown(self._display())

    def result(self, value: object, view: Callable[[Console], None]) -> None:
        """Tell what came of a command: as one object, or as a page for people unless it shall be quiet."""
        if self.json:
            self._line({"event": "result", **facts(value)})
        elif not self.quiet:
            view(self.console())

    def failure(self, message: str, hint: str, *, code: int, kind: str) -> None:
        """Tell that a command cannot go on, and what to do."""
        if self.json:
            self._line({"event": "error", "error": kind, "message": message, "hint": hint, "exit_code": code})
            return
        sys.stderr.write(f"error: {escape(message)}\n")
        if hint:
            sys.stderr.write(f"  what to do: {escape(hint)}\n")
        sys.stderr.flush()

    def error(self, error: TagswarmError) -> int:
        """Tell an error of ours; returns its exit code."""
        self.failure(error.message, error.hint, code=error.exit_code, kind=type(error).__name__)
        return error.exit_code

    def console(self) -> Console:
        """The console of results."""
        return _console(sys.stdout)

    def _display(self) -> Display | None:
        if self.quiet:
            return None
        if self.json:
            return JsonLines(sys.stdout)
        if not sys.stderr.isatty() or os.environ.get("TERM", "dumb") == "dumb":
            return Lines(sys.stderr)
        return Live(_console(sys.stderr))

    def _line(self, value: dict[str, Any]) -> None:
        sys.stdout.write(json.dumps(value, default=_plain) + "\n")
        sys.stdout.flush()


def _console(stream: Any) -> Console:
    from rich.console import Console  # noqa: PLC0415 - rich is loaded only where something is drawn

    width = None if stream.isatty() or "COLUMNS" in os.environ else PIPE_WIDTH
    return Console(file=stream, highlight=False, markup=False, emoji=False, soft_wrap=False, width=width)


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
