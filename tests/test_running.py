"""Asynchronous work that is waited for: in a script, inside a running loop, and when Ctrl-C comes."""

from __future__ import annotations

import asyncio
import inspect
import signal
import threading
import time

import pytest

from tagswarm.running import blocking, run


async def _twice(number: int, *, slow: bool = False) -> int:
    """Double a number."""
    if slow:
        await asyncio.sleep(60)
    return 2 * number


def test_a_result_and_an_error_come_back() -> None:
    assert run(_twice(2)) == 4

    async def fail() -> None:
        raise KeyError("nothing")

    with pytest.raises(KeyError, match="nothing"):
        run(fail())


def test_it_works_inside_a_running_loop() -> None:
    async def notebook() -> int:
        return run(_twice(3))

    assert asyncio.run(notebook()) == 6


def test_the_work_runs_in_a_thread_of_its_own_that_is_gone_afterwards() -> None:
    before = threading.active_count()

    async def where() -> int:
        return threading.get_ident()

    assert run(where()) != threading.get_ident()
    assert threading.active_count() == before


def test_ctrl_c_cancels_the_work_and_waits_for_its_end() -> None:
    ended: list[str] = []

    async def work() -> None:
        try:
            await asyncio.sleep(0.1)  # a person is slower
            signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)
            await asyncio.sleep(60)
        finally:
            await asyncio.sleep(0.05)
            ended.append("clean")

    started = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        run(work())
    assert ended == ["clean"]
    assert time.monotonic() - started < 30


def test_the_plain_function_has_the_arguments_of_the_asynchronous_one() -> None:
    twice = blocking(_twice, "twice")
    assert twice(4) == 8
    assert twice.__name__ == twice.__qualname__ == "twice"
    assert twice.__doc__ == "Double a number."
    assert inspect.signature(twice) == inspect.signature(_twice)
    assert not inspect.iscoroutinefunction(twice)


def test_the_plain_method_belongs_to_its_class() -> None:
    class Number:
        def __init__(self, number: int) -> None:
            self.number = number

        async def atimes(self, factor: int) -> int:
            return self.number * factor

        times = blocking(atimes, "times")

    assert Number(3).times(5) == 15
    assert Number.times.__qualname__.endswith("Number.times")
