"""What the library tells while it works: frozen values, handed to one function.

The library never draws: a command line, a log or a test receives the events and does with them what it likes. A step is
one part of a command with a name, a total and a unit; it starts once, advances often and finishes once.

Nothing here keeps time: rates and the time left belong to whoever draws.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal


@dataclass(frozen=True, slots=True)
class StepStarted:
    """A step begins."""

    step: str
    """What is being done, in words for people: `read files`."""
    total: int | None = None
    """How many units there are, or None where that is not known."""
    unit: str = "files"
    bytes: int | None = None
    """How many bytes there are; it tells the time left where nobody knows how many units there are."""


@dataclass(frozen=True, slots=True)
class StepAdvanced:
    """A step has come further."""

    step: str
    done: int
    """Units done so far, not since the last event."""
    bytes: int = 0
    """Bytes done so far."""
    item: str = ""
    """What was worked on last; a name from outside, to be escaped by whoever draws it."""


@dataclass(frozen=True, slots=True)
class StepFinished:
    """A step is done, or found to need nothing."""

    step: str
    done: int
    bytes: int = 0
    note: str = ""


@dataclass(frozen=True, slots=True)
class Notice:
    """Something a person should know that does not stop the work."""

    message: str
    level: Literal["info", "warning"] = "warning"
    facts: dict[str, str | int] = field(default_factory=dict)


Event = StepStarted | StepAdvanced | StepFinished | Notice
Report = Callable[[Event], None]


def silent(event: Event) -> None:
    """Drop an event: the report of callers who do not listen."""
