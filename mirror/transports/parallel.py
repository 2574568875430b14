"""Several transports at work side by side, each with the items that are its own.

What one of them lacks is not asked of another: that is what `compose.Failover` is for, and each may be one.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Iterable, Mapping
from contextlib import aclosing
from pathlib import Path

from .base import Arrived, Failed, Item, Transport

WAITING = 64
"""Outcomes that may wait for whoever iterates before a transport is held up."""


class Parallel:
    """Carry items by several transports at once.

    Args:
        transports: by any key.
        share: the key of the transport that carries an item.
    """

    def __init__(self, transports: Mapping[str, Transport], share: Callable[[Item], str]) -> None:
        self._transports = dict(sorted(transports.items()))
        self._share = share

    async def fetch(self, items: Iterable[Item], staging: Path) -> AsyncGenerator[Arrived | Failed, None]:
        """Carry items, each transport into its own folder of `staging`; what one of them raises ends all."""
        shares: dict[str, list[Item]] = {}
        for item in items:
            shares.setdefault(self._share(item), []).append(item)
        outcomes: asyncio.Queue[Arrived | Failed | Exception | None] = asyncio.Queue()
        room = asyncio.Semaphore(WAITING)

        async def carry(transport: Transport, share: Iterable[Item], place: Path) -> None:
            end: Exception | None = None
            try:
                async with aclosing(transport.fetch(share, place)) as found:
                    async for outcome in found:
                        await room.acquire()
                        outcomes.put_nowait(outcome)
            except Exception as error:
                end = error
            finally:
                outcomes.put_nowait(end)

        carrying = [
            asyncio.create_task(carry(transport, shares[key], staging / f"{number:02}"))
            for number, (key, transport) in enumerate(self._transports.items())
            if key in shares
        ]
        try:
            running = len(carrying)
            while running:
                match await outcomes.get():
                    case None:
                        running -= 1
                    case Exception() as error:
                        raise error
                    case outcome:
                        room.release()
                        yield outcome
        finally:
            for task in carrying:
                task.cancel()
            await asyncio.gather(*carrying, return_exceptions=True)
