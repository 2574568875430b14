"""A transport whose items arrive verified and made: the one place where bytes from outside become believed.

It stands between a source and the wrappers, so that wrong bytes are a failure of that source like any other: the next
source is asked for exactly those items, by the same rules. Files that were wrong are removed from staging when the
source has ended, not while it may still serve from them.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from tagswarm.imaging.pool import Lost
from tagswarm.manifests import disk
from tagswarm.manifests.errors import StoreError

from .rendering import Made, Task, Wrong
from .transports.base import Arrived, Failed, Item, Transport
from .workers import Workers

AHEAD = 128
"""Files of a source that are being finished or wait for whoever asked; then nothing more is taken from it."""


@dataclass(frozen=True, slots=True)
class Finished(Arrived):
    """An item whose bytes are the right ones, and what was made of them."""

    made: Made


@dataclass(frozen=True, slots=True)
class Unfinished(Arrived):
    """An item whose worker was lost twice: nobody knows what it holds, and another source would not help."""

    lost: Lost


class Verifying:
    """Gives the items of a transport to workers, and hands on what comes of them.

    Args:
        transport: a source.
        workers: who checks and makes.
        task: what is to be done with the file of an item that arrived.
        wrong: is told of every item whose bytes were wrong.
    """

    def __init__(
        self,
        transport: Transport,
        workers: Workers,
        task: Callable[[Arrived], Task],
        wrong: Callable[[Failed], None],
    ) -> None:
        self._transport = transport
        self._workers = workers
        self._task = task
        self._wrong = wrong

    async def fetch(self, items: Iterable[Item], staging: Path) -> AsyncGenerator[Arrived | Failed, None]:
        """Carry items; each has one outcome, `Finished`, `Unfinished` or `Failed`.

        Raises:
            StoreError: what is made cannot be written.
        """
        room = asyncio.Semaphore(AHEAD)
        outcomes: asyncio.Queue[Arrived | Failed | Exception | None] = asyncio.Queue()
        dropped: list[Path] = []
        checking: set[asyncio.Task[None]] = set()

        async def check(arrived: Arrived) -> None:
            try:
                outcome = await self._check(arrived)
            except Exception as error:  # a bug, too, must end the pull and not lose an item
                outcomes.put_nowait(error)
                return
            if isinstance(outcome, Failed):
                dropped.append(arrived.file)
            outcomes.put_nowait(outcome)

        async def carry() -> None:
            try:
                async with closing(self._transport.fetch(items, staging)) as found:
                    async for outcome in found:
                        await room.acquire()
                        if isinstance(outcome, Failed):
                            outcomes.put_nowait(outcome)
                        else:
                            task = asyncio.create_task(check(outcome))
                            checking.add(task)
                            task.add_done_callback(checking.discard)
                    if checking:
                        await asyncio.wait(checking)
            finally:
                outcomes.put_nowait(None)

        carrying = asyncio.create_task(carry())
        try:
            while (outcome := await outcomes.get()) is not None:
                if isinstance(outcome, Exception):
                    raise outcome
                room.release()
                yield outcome
            await carrying
        finally:
            left = [carrying, *checking]
            for task in left:
                task.cancel()
            await asyncio.gather(*left, return_exceptions=True)
            for path in dropped:
                with contextlib.suppress(StoreError):  # what stays there is wrong again
                    disk.remove(path)

    async def _check(self, arrived: Arrived) -> Arrived | Failed:
        answer = await self._workers.do(self._task(arrived))
        if isinstance(answer, Made):
            return Finished(arrived.item, arrived.file, answer)
        if isinstance(answer, Wrong):
            failed = Failed(arrived.item, "damaged", answer.detail)
            self._wrong(failed)
            return failed
        return Unfinished(arrived.item, arrived.file, answer)


@contextlib.asynccontextmanager
async def closing(outcomes: AsyncIterator[Arrived | Failed]) -> AsyncIterator[AsyncIterator[Arrived | Failed]]:
    """Close an iteration with the block, as the contract says that it can be, and not some time later."""
    try:
        yield outcomes
    finally:
        if isinstance(outcomes, AsyncGenerator):
            await outcomes.aclose()
