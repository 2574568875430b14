"""A least rate: who brings too few bytes in a window of time is given up, however slowly the bytes still drip.

So nothing lasts longer than its size at the least rate, and one window. Nothing here limits the rate from above.
"""

from __future__ import annotations

import asyncio
from types import TracebackType
from typing import Self


class Pace:
    """A block that raises `TimeoutError` once `window` seconds have brought fewer than `window * least` bytes."""

    def __init__(self, window: float, least: float) -> None:
        self._window = window
        self._share = window * least
        self._due = self._share
        self._timeout = asyncio.timeout(window)

    async def __aenter__(self) -> Self:
        await self._timeout.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._timeout.__aexit__(kind, error, trace)

    def received(self, count: int) -> None:
        """Say that bytes came; enough of them begin a new window."""
        self._due -= count
        if self._due <= 0:
            self._due = self._share
            self._move(asyncio.get_running_loop().time() + self._window)

    def excused(self, seconds: float) -> None:
        """Say that nothing could come for so long: a limit of our own held it back."""
        deadline = self._timeout.when()
        if seconds and deadline is not None:
            self._move(deadline + seconds)

    def _move(self, deadline: float) -> None:
        if not self._timeout.expired():
            self._timeout.reschedule(deadline)
