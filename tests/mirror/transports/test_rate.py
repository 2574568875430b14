"""The limit from above, and the one from below."""

from __future__ import annotations

import asyncio

from hypothesis import given
from hypothesis import strategies as st

from tagswarm.mirror.transports.pace import Pace
from tagswarm.mirror.transports.rate import BURST, Rate
from tests.mirror.transports.conformance import run


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def test_no_limit_makes_nobody_wait() -> None:
    rate = Rate(0, clock=Clock())
    assert [rate.take(1 << 40) for _ in range(3)] == [0.0, 0.0, 0.0]


def test_each_waits_until_what_was_taken_before_is_paid() -> None:
    clock = Clock()
    rate = Rate(1000, clock=clock)
    assert [round(rate.take(1000), 9) for _ in range(3)] == [1.0, 2.0, 3.0]
    clock.now += 3
    assert round(rate.take(500), 9) == 0.5


def test_a_long_pause_saves_up_no_more_than_a_burst() -> None:
    clock = Clock()
    rate = Rate(1000, clock=clock)
    clock.now += 3600
    assert round(rate.take(1000), 9) == 1 - BURST


@given(
    st.integers(1, 1_000_000),
    st.lists(st.tuples(st.integers(0, 1 << 20), st.floats(0, 10)), min_size=1, max_size=50),
)
def test_no_stretch_of_time_gets_more_than_the_rate_and_a_burst(limit: int, takes: list[tuple[int, float]]) -> None:
    clock = Clock()
    rate = Rate(limit, clock=clock)
    began, taken = clock.now, 0
    for count, idle in takes:
        clock.now += idle
        clock.now += rate.take(count)
        taken += count
        assert taken <= limit * (clock.now - began + BURST) * (1 + 1e-9)


def test_who_shares_a_rate_shares_its_bytes() -> None:
    async def body() -> float:
        rate = Rate(100_000)
        loop = asyncio.get_running_loop()
        began = loop.time()
        await asyncio.gather(*(rate.wait(10_000) for _ in range(4)))
        return loop.time() - began

    assert run(body()) >= 0.4 - BURST


def test_too_few_bytes_in_a_window_end_the_block() -> None:
    async def body() -> int:
        seen = 0
        try:
            async with Pace(0.1, 1000) as pace:
                while True:
                    await asyncio.sleep(0.02)
                    pace.received(1)
                    seen += 1
        except TimeoutError:
            return seen

    assert 1 <= run(body()) <= 6


def test_enough_bytes_begin_a_new_window() -> None:
    async def body() -> None:
        async with Pace(0.3, 100) as pace:
            for _ in range(10):
                await asyncio.sleep(0.05)
                pace.received(10)

    run(body())


def test_time_that_was_our_own_is_excused() -> None:
    async def body() -> None:
        async with Pace(0.1, 1000) as pace:
            for _ in range(3):
                pace.excused(0.1)
                await asyncio.sleep(0.1)

    run(body())
