"""One piece of work a file, some at a time: what local trees, web servers and buckets have in common.

Work is taken from its iterator only when somebody is free to do it, and as many outcomes wait as there are workers, so
memory does not follow the number of files. Nothing here retries or knows what the work is.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Sequence
from typing import TypeVar

from .base import Arrived, Failed

Outcome = Arrived | Failed

J = TypeVar("J")


async def each(
    jobs: Iterable[J], work: Callable[[J], Awaitable[Sequence[Outcome]]], *, width: int
) -> AsyncGenerator[Outcome, None]:
    """Do the work of every job, `width` at a time, and give what comes of it in the order in which it is done.

    When this ends or is closed, every worker has ended; work that must not be left half done waits for itself when it
    is cancelled. An exception of the jobs or of the work ends it.
    """
    shared = iter(jobs)
    room = asyncio.Semaphore(width)
    done: asyncio.Queue[Outcome | asyncio.Task[None]] = asyncio.Queue()

    async def worker() -> None:
        for job in shared:
            for outcome in await work(job):
                await room.acquire()
                done.put_nowait(outcome)

    workers = [asyncio.create_task(worker()) for _ in range(width)]
    for task in workers:
        task.add_done_callback(done.put_nowait)
    try:
        left = width
        while left:
            found = await done.get()
            if isinstance(found, asyncio.Task):
                found.result()
                left -= 1
            else:
                room.release()
                yield found
    finally:
        for task in workers:
            task.cancel()
        await asyncio.gather(*workers, return_exceptions=True)
