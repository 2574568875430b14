"""Blocking calls in threads of their own."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading
from functools import partial

import pytest

from tagswarm.mirror.transports.threads import Threads
from tests.mirror.transports.conformance import run


def test_a_call_gives_what_it_returns_and_raises() -> None:
    def fails() -> int:
        raise ValueError("no")

    async def body() -> None:
        threads = Threads()
        assert await asyncio.gather(*(threads.call(partial(pow, at, 2), id) for at in range(50))) == [
            at**2 for at in range(50)
        ]
        with pytest.raises(ValueError, match="no"):
            await threads.call(fails, id)

    run(body())


def test_what_nobody_waits_for_is_dropped_once() -> None:
    dropped: list[str] = []
    go = threading.Event()

    def late() -> str:
        go.wait(10)
        return "late"

    async def body() -> None:
        threads = Threads()
        task = asyncio.create_task(threads.call(late, dropped.append))
        await asyncio.sleep(0.05)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await threads.ended(0.05)
        assert dropped == []
        go.set()
        await threads.ended(10)
        assert dropped == ["late"]

    run(body())


def test_what_comes_after_the_loop_was_closed_is_dropped_too() -> None:
    dropped: list[str] = []
    go = threading.Event()
    there = threading.Event()

    def late() -> str:
        go.wait(10)
        return "late"

    def drop(result: str) -> None:
        dropped.append(result)
        there.set()

    async def body() -> None:
        task = asyncio.create_task(Threads().call(late, drop))
        await asyncio.sleep(0.05)
        task.cancel()
        await asyncio.wait([task])

    run(body())
    go.set()
    assert there.wait(10)
    assert dropped == ["late"]


def test_a_call_does_not_hold_up_the_end_of_the_program() -> None:
    program = """
import asyncio, time
from tagswarm.mirror.transports.threads import Threads

async def body():
    await asyncio.wait([asyncio.create_task(Threads().call(lambda: time.sleep(60), print))], timeout=0.1)

asyncio.run(body())
"""
    subprocess.run([sys.executable, "-c", program], check=True, timeout=30)
