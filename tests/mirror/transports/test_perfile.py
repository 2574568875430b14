"""Work that is done some at a time."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from tagswarm.mirror.transports.base import Arrived, Item
from tagswarm.mirror.transports.perfile import Outcome, each
from tests.mirror.transports.conformance import run


def outcome(number: int) -> Outcome:
    return Arrived(Item(path=str(number), size=0, volume="v"), Path("nowhere"))


def test_jobs_are_taken_no_faster_than_their_outcomes() -> None:
    taken = 0

    def jobs() -> Iterator[int]:
        nonlocal taken
        while taken < 1000:
            taken += 1
            yield taken

    async def work(job: int) -> list[Outcome]:
        await asyncio.sleep(0)
        return [outcome(job)]

    async def body() -> None:
        outcomes = each(jobs(), work, width=4)
        await anext(outcomes)
        for _ in range(50):
            await asyncio.sleep(0)
        assert taken <= 12
        assert len([found async for found in outcomes]) == 999

    run(body())


def test_so_many_at_a_time_and_no_more() -> None:
    running = most = 0

    async def work(job: int) -> list[Outcome]:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await asyncio.sleep(0.001)
        running -= 1
        return [outcome(job)]

    async def body() -> None:
        assert len([found async for found in each(range(50), work, width=7)]) == 50

    run(body())
    assert most == 7


@pytest.mark.parametrize("where", ["jobs", "work"])
def test_what_nobody_foresaw_is_raised(where: str) -> None:
    def jobs() -> Iterator[int]:
        yield from range(5)
        if where == "jobs":
            raise ZeroDivisionError

    async def work(job: int) -> list[Outcome]:
        await asyncio.sleep(0)
        if where == "work" and job == 3:
            raise ZeroDivisionError
        return [outcome(job)]

    async def body() -> None:
        tasks = len(asyncio.all_tasks())
        with pytest.raises(ZeroDivisionError):
            async for _ in each(jobs(), work, width=2):
                pass
        assert len(asyncio.all_tasks()) == tasks

    run(body())
