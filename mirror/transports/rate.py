"""A limit in bytes a second that several transports share (a token bucket).

It limits what is read from sockets and files; whoever is slowed down by it reads later, and TCP slows the sender.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

BURST = 0.25
"""Seconds' worth of bytes that may come at once after a pause."""


class Rate:
    """Bytes a second, shared by everybody who takes from it; 0 is no limit."""

    def __init__(self, limit: float = 0, *, clock: Callable[[], float] = time.monotonic) -> None:
        self.limit = limit
        """Bytes a second; 0 is no limit."""
        self._clock = clock
        self._paid = clock()
        """Until when the bytes taken so far last at this rate; it runs ahead of the clock while somebody waits."""

    def take(self, count: int) -> float:
        """Take `count` bytes and say for how many seconds whoever took them must do nothing."""
        if not self.limit:
            return 0.0
        now = self._clock()
        self._paid = max(self._paid, now - BURST) + count / self.limit
        return max(0.0, self._paid - now)

    async def wait(self, count: int) -> None:
        """Take `count` bytes and sleep as long as that asks for."""
        if pause := self.take(count):
            await asyncio.sleep(pause)
