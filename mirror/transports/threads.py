"""Blocking calls, each in a thread of its own that holds up neither the loop nor the end of the program.

For calls that wait for a network and cannot be told to stop; what must be waited for belongs in `asyncio.to_thread`.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class Threads:
    """The threads of one owner."""

    def __init__(self) -> None:
        self._running: set[threading.Thread] = set()

    async def call(self, work: Callable[[], T], dropped: Callable[[T], object]) -> T:
        """Run a call; `dropped` is given what it returns when nobody waits any more."""
        call = _Call(work, dropped)
        thread = threading.Thread(target=self._run, args=(call,), daemon=True)
        self._running.add(thread)
        thread.start()
        try:
            return await call.future
        except asyncio.CancelledError:
            call.abandon()
            raise

    def _run(self, call: _Call[T]) -> None:
        try:
            call.run()
        finally:
            self._running.discard(threading.current_thread())

    async def ended(self, seconds: float) -> None:
        """Wait until all calls have ended, but no longer than that."""
        await asyncio.to_thread(self._join, time.monotonic() + seconds)

    def _join(self, deadline: float) -> None:
        for thread in tuple(self._running):
            thread.join(max(0.0, deadline - time.monotonic()))


class _Call(Generic[T]):
    """A call on its way; either its future or `dropped` gets what it returns, whoever is first."""

    def __init__(self, work: Callable[[], T], dropped: Callable[[T], object]) -> None:
        self._work = work
        self._dropped = dropped
        self._loop = asyncio.get_running_loop()
        self._lock = threading.Lock()
        self._abandoned = False
        self._results: list[T] = []
        self.future: asyncio.Future[T] = self._loop.create_future()

    def run(self) -> None:
        """Call, in the thread."""
        try:
            result = self._work()
        except Exception as failure:
            self._settle(self._fail, failure)
            return
        with self._lock:
            self._results.append(result)
            abandoned = self._abandoned
        if abandoned:
            self._dropped(result)
        else:
            self._settle(self._succeed, result)

    def abandon(self) -> None:
        """Say, in the loop, that nobody waits any more."""
        with self._lock:
            self._abandoned = True
            results = self._results
        for result in results:
            self._dropped(result)

    def _settle(self, settle: Callable[..., object], value: object) -> None:
        with contextlib.suppress(RuntimeError):  # the loop was closed
            self._loop.call_soon_threadsafe(settle, value)

    def _succeed(self, result: T) -> None:
        if not self.future.done():
            self.future.set_result(result)

    def _fail(self, failure: Exception) -> None:
        if not self.future.done():
            self.future.set_exception(failure)
