"""Those who finish files while others still come: processes with limits where something is decoded, else threads.

A hash and a link need no process of their own; a decoder does. Each task has one answer; what is under way when they
are dismissed is killed or waited for, so that nothing is written afterwards.

Nothing here knows where the files come from or go to.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections import deque
from collections.abc import Callable, Iterator
from multiprocessing import Pipe
from queue import Empty, SimpleQueue
from typing import Protocol, Self, TypeVar

from tagswarm.imaging import pool
from tagswarm.manifests.errors import TagswarmError

from .rendering import Made, Task, Wrong, finish

SLOWEST = 2_000_000
"""Bytes a second of the slowest disk that is waited for."""
HASHING = 4
"""Threads: more than the processors of a small machine, because a disk can be waited for."""

TOGETHER = 16
"""Files that a thread finishes before it tells of them."""

Answer = Made | Wrong | pool.Lost

T = TypeVar("T")


async def to_end(call: Callable[[], T]) -> T:
    """Run a blocking call in a thread, and wait for its end even when the task is cancelled meanwhile."""
    work = asyncio.ensure_future(asyncio.to_thread(call))
    try:
        return await asyncio.shield(work)
    except asyncio.CancelledError:
        await asyncio.wait([work])
        work.exception()  # asyncio is told that nobody asks for it
        raise


class Workers(Protocol):
    """Who does a task; a context that ends them."""

    async def do(self, task: Task) -> Answer:
        """Do a task.

        Raises:
            StoreError: the result cannot be written.
        """

    async def __aenter__(self) -> Self: ...

    async def __aexit__(self, *_: object) -> None: ...


def workers(*, decoding: bool, jobs: int | None) -> Workers:
    """Those that are needed: `jobs` processes, by default one a processor, where something is decoded."""
    return Processes(jobs or pool.cores()) if decoding else Threads(jobs or HASHING)


class Threads:
    """Workers that are threads of this process: for files that are taken as they are.

    Each takes what lies there, some files at a time: to wake a thread and the loop costs as much as a small file.
    """

    def __init__(self, count: int) -> None:
        self._given: SimpleQueue[tuple[Task, asyncio.Future[Answer]] | None] = SimpleQueue()
        self._threads = [threading.Thread(target=self._work, name="finish") for _ in range(count)]
        self._dismissed = threading.Event()

    async def __aenter__(self) -> Self:
        self._loop = asyncio.get_running_loop()
        for thread in self._threads:
            thread.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        self._dismissed.set()
        for _thread in self._threads:
            self._given.put(None)
        for thread in self._threads:
            await to_end(thread.join)

    async def do(self, task: Task) -> Answer:
        """Do a task in the next free thread."""
        answer: asyncio.Future[Answer] = self._loop.create_future()
        self._given.put((task, answer))
        return await answer

    def _work(self) -> None:
        while (first := self._given.get()) is not None:
            done = [(first[1], self._finished(first[0]))]
            while len(done) < TOGETHER and not self._given.empty():
                with contextlib.suppress(Empty):
                    if (more := self._given.get_nowait()) is None:
                        self._given.put(None)  # for the next time round
                        break
                    done.append((more[1], self._finished(more[0])))
            self._loop.call_soon_threadsafe(_settle, done)

    def _finished(self, task: Task) -> Answer | Exception:
        try:
            return finish(task, self._dismissed.is_set)
        except Exception as error:
            return error


def _settle(done: list[tuple[asyncio.Future[Answer], Answer | Exception]]) -> None:
    for asked, answer in done:
        if asked.done():  # nobody waits any more
            continue
        if isinstance(answer, Exception):
            asked.set_exception(answer)
        else:
            asked.set_result(answer)


class _Dismissed(Exception):
    """Ends the supervision of the processes, and them."""


class Processes:
    """Workers that are processes with limits of memory and time, supervised by a thread."""

    def __init__(self, count: int) -> None:
        self._count = count
        self._given: deque[Task] = deque()
        self._asked: dict[Task, asyncio.Future[Answer]] = {}
        self._ended: TagswarmError | None = None
        self._dismissed = False
        self._read, self._wake = Pipe(duplex=False)

    async def __aenter__(self) -> Self:
        self._loop = asyncio.get_running_loop()
        self._thread = threading.Thread(target=self._supervise, name="supervise")
        self._thread.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        self._dismissed = True
        self._wake.send_bytes(b".")
        await to_end(self._thread.join)
        self._read.close()
        self._wake.close()

    async def do(self, task: Task) -> Answer:
        """Do a task in the next free process; an answer to one that was given up is dropped."""
        if self._ended is not None:
            raise self._ended
        answer: asyncio.Future[Answer] = self._loop.create_future()
        self._asked[task] = answer
        self._given.append(task)
        self._wake.send_bytes(b".")
        try:
            return await answer
        finally:
            self._asked.pop(task, None)

    def _supervise(self) -> None:
        answers = pool.run(finish, self._tasks(), workers=self._count, seconds=_allowed, wake=self._read)
        try:
            for task, answer in answers:
                self._loop.call_soon_threadsafe(self._settle, task, answer)
        except _Dismissed:
            pass
        except TagswarmError as error:
            self._loop.call_soon_threadsafe(self._end, error)

    def _tasks(self) -> Iterator[Task | pool.Later]:
        while not self._dismissed:
            yield self._given.popleft() if self._given else pool.LATER
        raise _Dismissed

    def _settle(self, task: Task, answer: Answer) -> None:
        asked = self._asked.get(task)
        if asked is not None and not asked.done():
            asked.set_result(answer)

    def _end(self, error: TagswarmError) -> None:
        self._ended = error
        for asked in self._asked.values():
            if not asked.done():
                asked.set_exception(error)


def _allowed(task: Task) -> float:
    return pool.SECONDS + task.size / SLOWEST
