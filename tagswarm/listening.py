"""Who hears what a call of the API tells while it works: the function that was given, or else the log.

The log is `logging.getLogger("tagswarm")`, where only notices go: how far a step is, only a function is told.
"""

from __future__ import annotations

import logging
from collections.abc import Callable

from .manifests.events import Event, Notice
from .manifests.paths import escape

Listener = Callable[[Event], object]


class Listening:
    """Hands events on, and keeps the notices.

    Args:
        report: receives the events; the log gets the notices where it is left out.
    """

    def __init__(self, report: Listener | None) -> None:
        self._report = report
        self._notes: list[str] = []

    def __call__(self, event: Event) -> None:
        """Take an event."""
        if isinstance(event, Notice):
            self._notes.append(event.message)
            if self._report is None:
                level = logging.WARNING if event.level == "warning" else logging.INFO
                logging.getLogger("tagswarm").log(level, "%s", escape(event.message))
        if self._report is not None:
            self._report(event)

    @property
    def notes(self) -> tuple[str, ...]:
        """The notices so far, each once."""
        return tuple(dict.fromkeys(self._notes))
