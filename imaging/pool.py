"""A supervised pool of limited worker processes: a worker that dies or hangs costs one task its retry and nothing else.

The pool of the standard library gives up every task when one worker dies; this one knows which task each worker has
in hand, because a worker answers in order. That task is tried once more in a fresh worker, alone to blame if it fails
again; the tasks that were waiting behind it go back to the queue untouched.

Nothing here knows what the tasks are. Results come in the order in which they are done: who needs another order sorts.
"""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, wait
from typing import Any, Literal, TypeVar, cast

from tagswarm.manifests.errors import StoreError

T = TypeVar("T")
R = TypeVar("R")

MEMORY = 1_500_000_000
"""Bytes of address space a worker may have."""
SECONDS = 30.0
"""Seconds a task may take."""
AHEAD = 4
"""Tasks a worker is given ahead, so that it never waits for the supervisor."""

_QUIET = {
    "MALLOC_ARENA_MAX": "1",  # arenas of unused threads would eat the address space that is limited
    "MALLOC_MMAP_THRESHOLD_": str(32 << 20),  # and memory that is kept from one image to the next needs no page faults
    "MALLOC_TRIM_THRESHOLD_": str(128 << 20),
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "VIPS_BLOCK_UNTRUSTED": "1",
    "VIPS_CONCURRENCY": "1",  # one process a core; and one thread gives the same bytes every time
    "VIPS_WARNING": "0",
    "G_MESSAGES_DEBUG": "",
}


@dataclass(frozen=True, slots=True)
class Lost:
    """A task that got no result: its worker was killed by the clock or by memory, or died, twice."""

    reason: Literal["timeout", "memory", "crash"]
    detail: str = ""


class Later:
    """What the iterator of tasks gives where it has none at the moment."""


LATER = Later()


@dataclass(slots=True)
class _Task:
    value: Any
    attempts: int = 0


@dataclass(slots=True)
class _Worker:
    process: subprocess.Popen[bytes]
    connection: Connection[Any, Any]
    given: deque[_Task] = field(default_factory=deque)
    deadline: float = 0.0
    """When the first of the given tasks must be done."""


def cores() -> int:
    """How many processors this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def run(
    function: Callable[[T], R],
    tasks: Iterable[T | Later],
    *,
    workers: int | None = None,
    seconds: float | Callable[[T], float] = SECONDS,
    memory: int = MEMORY,
    retries: int = 1,
    wake: Connection[Any, Any] | None = None,
) -> Iterator[tuple[T, R | Lost]]:
    """Run a function of a module on every task and yield `(task, result)` as they are done.

    Args:
        function: importable by name; its tasks and results are pickled. An error of `manifests.errors` that it raises
            ends the run and is raised here; any other exception is a `crash` of that task.
        tasks: pulled lazily, a few ahead of the workers.
        workers: processes, by default one a processor.
        seconds: a task may take this long before its worker is killed; or a function that says how long this one may.
        memory: bytes of address space of a worker.
        retries: how often a task is tried again after its worker was lost.
        wake: receives a message whenever there is a task again after `LATER`, for tasks that are made while others are
            worked on; the iterator is asked again then.

    Closing the iterator early kills the workers.

    Raises:
        StoreError: the system has no room for another process.
    """
    name = f"{function.__module__}:{function.__qualname__}"
    allowed = seconds if callable(seconds) else lambda _: seconds
    supervisor = _Supervisor(name, workers or cores(), allowed, memory, retries)
    try:
        for task, outcome in supervisor.run(iter(tasks), wake):
            yield cast("T", task), cast("R | Lost", outcome)
    finally:
        supervisor.close()


class _Supervisor:
    def __init__(self, name: str, size: int, allowed: Callable[[Any], float], memory: int, retries: int) -> None:
        self.name, self.size, self.allowed, self.memory, self.retries = name, size, allowed, memory, retries
        self.workers: list[_Worker] = []
        self.again: deque[_Task] = deque()

    def run(self, tasks: Iterator[Any], wake: Connection[Any, Any] | None) -> Iterator[tuple[Any, Any]]:
        exhausted = False
        wakers = [] if wake is None else [wake]
        while True:
            exhausted = self._give(tasks, exhausted=exhausted)
            busy = [worker for worker in self.workers if worker.given]
            if not busy and (exhausted or wake is None):
                return
            nearest = max(0.0, min(worker.deadline for worker in busy) - time.monotonic()) if busy else None
            ready = wait([worker.connection for worker in busy] + wakers, timeout=nearest)
            if wake is not None and wake in ready:
                wake.recv_bytes()
            for worker in busy:
                if worker.connection in ready:
                    yield from self._receive(worker)
                elif time.monotonic() > worker.deadline:
                    allowed = self.allowed(worker.given[0].value)
                    yield from self._lose(worker, Lost("timeout", f"more than {allowed:.3g} s"))

    def close(self) -> None:
        for worker in self.workers:
            _kill(worker)
        self.workers.clear()

    def _give(self, tasks: Iterator[Any], *, exhausted: bool) -> bool:
        """Fill the workers evenly, the tasks to be tried again first; start workers only while there is work."""
        for depth in range(1, AHEAD + 1):
            for number in range(self.size):
                if number < len(self.workers) and len(self.workers[number].given) >= depth:
                    continue
                if self.again:
                    task = self.again.popleft()
                elif exhausted:
                    return True
                else:
                    try:
                        value = next(tasks)
                    except StopIteration:
                        return True
                    if value is LATER:
                        return False
                    task = _Task(value)
                if number >= len(self.workers):
                    self.workers.append(self._start())
                self._hand(self.workers[min(number, len(self.workers) - 1)], task)
        return exhausted

    def _hand(self, worker: _Worker, task: _Task) -> None:
        worker.given.append(task)
        if len(worker.given) == 1:
            self._begin(worker)
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):  # it died: the next receive says so
            worker.connection.send(task.value)

    def _begin(self, worker: _Worker) -> None:
        worker.deadline = time.monotonic() + self.allowed(worker.given[0].value)

    def _receive(self, worker: _Worker) -> Iterator[tuple[Any, Any]]:
        try:
            kind, value = worker.connection.recv()
        except (EOFError, OSError):
            worker.process.wait()
            yield from self._lose(worker, Lost("crash", f"the worker ended with {worker.process.returncode}"))
            return
        task = worker.given.popleft()
        if worker.given:
            self._begin(worker)
        if kind == "raised":
            raise value
        yield task.value, value if kind == "done" else Lost(kind, value)

    def _lose(self, worker: _Worker, lost: Lost) -> Iterator[tuple[Any, Any]]:
        """Bury a worker: its first task is to blame, the others were only waiting."""
        _kill(worker)
        self.workers.remove(worker)
        if not worker.given:
            return
        blamed = worker.given.popleft()
        self.again.extendleft(reversed(worker.given))
        blamed.attempts += 1
        if blamed.attempts > self.retries:
            yield blamed.value, lost
        else:
            self.again.append(blamed)

    def _start(self) -> _Worker:
        try:
            ours, theirs = socket.socketpair()
            with ours, theirs:
                process = subprocess.Popen(
                    [
                        sys.executable,
                        "-P",
                        "-m",
                        "tagswarm.imaging.worker",
                        str(theirs.fileno()),
                        str(self.memory),
                        self.name,
                    ],
                    pass_fds=(theirs.fileno(),),
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.DEVNULL,  # decoders complain there; the reasons come as values
                    env={**os.environ, **_QUIET},
                )
                return _Worker(process, Connection(ours.detach()))
        except OSError as failure:  # too many files or processes, or no memory for one
            raise StoreError(
                f"no worker process can be started: {failure.strerror}",
                hint="Raise the limits of open files and processes (`ulimit -n`, `ulimit -u`), or take fewer workers.",
            ) from failure


def _kill(worker: _Worker) -> None:
    worker.process.kill()
    worker.process.wait()
    worker.connection.close()
