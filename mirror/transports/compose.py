"""Transports made of transports: ask again, ask somebody else, keep count. Each keeps the contract of `base`.

They decide from outcomes alone: none of them knows what a protocol is, and none looks at bytes. `Failover` gives every
source a folder of its own, so that what one began no other goes on with. The usual order is
`Retrying(Failover([Recording(a, ...), Recording(b, ...)]))`: another source first, and a pause only when all failed.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import time
from collections import Counter
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import TypeVar

from .base import Arrived, Failed, Item, Reason, Transport
from .perfile import Outcome

HEALING: frozenset[Reason] = frozenset(("unreachable", "stalled", "cut", "damaged"))
"""Reasons that may be gone a moment later."""

RETRIED = 10_000
"""Failures that are kept to be asked for again; beyond them the source is down, and they are told at once."""

SLICE = 1000
"""Items that are given to a source before the order of the sources is thought over."""

GIVEN_UP = 16
"""Failures in a row after which a source is dead for the rest of the call: as many as it usually has requests at a
time, so that its time-out is waited for once."""

_DEAD: frozenset[Reason] = frozenset(("unreachable", "stalled"))

T = TypeVar("T")


class Retrying:
    """Asks again for what may heal, in the same staging folder, after pauses that grow.

    Args:
        transport: who is asked.
        attempts: how often an item is asked for at most.
        pause: seconds before the second attempt; each further pause is twice as long.
        longest: seconds of a pause at most. Who asks to be left alone for longer is not asked again.
        sleep: waits for seconds.
        jitter: gives a number from 0 to 1, so that clients who failed together do not come back together.
    """

    def __init__(
        self,
        transport: Transport,
        *,
        attempts: int = 3,
        pause: float = 1.0,
        longest: float = 30.0,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self._transport = transport
        self._attempts = attempts
        self._pause = pause
        self._longest = longest
        self._sleep = sleep
        self._jitter = jitter

    async def fetch(self, items: Iterable[Item], staging: Path) -> AsyncGenerator[Outcome, None]:
        """Carry items; a failure comes only when no attempt is left."""
        for attempt in range(1, self._attempts + 1):
            again: list[Item] = []
            asked_for = 0.0
            async with _closing(self._transport.fetch(items, staging)) as outcomes:
                async for outcome in outcomes:
                    if attempt < self._attempts and len(again) < RETRIED and self._may_heal(outcome):
                        again.append(outcome.item)
                        asked_for = max(asked_for, outcome.retry_after if isinstance(outcome, Failed) else 0.0)
                    else:
                        yield outcome
            if not again:
                return
            usual = self._pause * 2.0 ** (attempt - 1) * (0.5 + self._jitter() / 2)
            await self._sleep(max(min(usual, self._longest), asked_for))
            items = again

    def _may_heal(self, outcome: Outcome) -> bool:
        return isinstance(outcome, Failed) and outcome.reason in HEALING and outcome.retry_after <= self._longest


class Failover:
    """Asks the next source for what one does not have.

    A failure comes only when all were asked, and it is the one that most likely heals. A source that failed for more
    than half of what it was last asked for is asked last. What the disk did is nobody's fault and is told at once.

    Args:
        sources: in the order in which they are asked.
        width: items that are given to a source before the order is thought over.
    """

    def __init__(self, sources: Sequence[Transport], *, width: int = SLICE) -> None:
        self._sources = list(sources)
        self._width = width
        self._failing = [False] * len(self._sources)

    async def fetch(self, items: Iterable[Item], staging: Path) -> AsyncGenerator[Outcome, None]:
        """Carry items, a slice at a time, each source in its own folder of `staging`."""
        rest = iter(items)
        dead: set[int] = set()
        while wanted := list(islice(rest, self._width)):
            failures: dict[Item, Failed] = {}
            for number in sorted(range(len(self._sources)), key=lambda number: (self._failing[number], number)):
                again: list[Item] = []
                async with _closing(self._ask(number, wanted, staging, dead)) as outcomes:
                    async for outcome in outcomes:
                        if isinstance(outcome, Arrived) or outcome.reason == "disk":
                            yield outcome
                            continue
                        again.append(outcome.item)
                        failures[outcome.item] = max(failures.get(outcome.item, outcome), outcome, key=_hope)
                self._failing[number] = 2 * len(again) > len(wanted)
                wanted = again
                if not wanted:
                    break
            for item in wanted:
                yield failures.get(item) or Failed(item, "unlisted", "there is no source")

    def blame(self, arrived: Arrived, staging: Path) -> None:
        """Ask the source of an item in `staging` last from now on: whoever verified its bytes found them wrong."""
        self._failing[int(arrived.file.relative_to(staging).parts[0])] = True

    async def _ask(
        self, number: int, wanted: Sequence[Item], staging: Path, dead: set[int]
    ) -> AsyncGenerator[Outcome, None]:
        """The outcomes of one source; after many failures in a row it is dead, and fails without being asked."""
        missing = Counter(wanted)
        if number not in dead:
            row = 0
            async with _closing(self._sources[number].fetch(wanted, staging / str(number))) as outcomes:
                async for outcome in outcomes:
                    missing[outcome.item] -= 1
                    yield outcome
                    row = row + 1 if isinstance(outcome, Failed) and outcome.reason in _DEAD else 0
                    if row >= GIVEN_UP:
                        dead.add(number)
                        break
        for item in missing.elements():
            yield Failed(item, "unreachable", f"given up after {GIVEN_UP} failures in a row")


@dataclass(slots=True)
class Record:
    """What one source did."""

    source: str
    """As a report names it."""
    arrived: int = 0
    bytes: int = 0
    """Of the items that arrived."""
    seconds: float = 0.0
    """In which fetches ran."""
    failed: Counter[Reason] = field(default_factory=Counter)


class Recording:
    """Counts in `record` what comes of a transport."""

    def __init__(self, transport: Transport, record: Record, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._transport = transport
        self._record = record
        self._clock = clock

    async def fetch(self, items: Iterable[Item], staging: Path) -> AsyncGenerator[Outcome, None]:
        """Carry items and count them."""
        began = self._clock()
        try:
            async with _closing(self._transport.fetch(items, staging)) as outcomes:
                async for outcome in outcomes:
                    if isinstance(outcome, Arrived):
                        self._record.arrived += 1
                        self._record.bytes += outcome.item.size
                    else:
                        self._record.failed[outcome.reason] += 1
                    yield outcome
        finally:
            self._record.seconds += self._clock() - began


@contextlib.asynccontextmanager
async def _closing(outcomes: AsyncIterator[T]) -> AsyncIterator[AsyncIterator[T]]:
    """Close an iteration with the block, as the contract says that it can be, and not some time later."""
    try:
        yield outcomes
    finally:
        if isinstance(outcomes, AsyncGenerator):
            await outcomes.aclose()


def _hope(failure: Failed) -> tuple[bool, bool, float]:
    """How likely another attempt brings the item, to be compared."""
    return failure.reason in HEALING, failure.reason != "unlisted", -failure.retry_after
