"""Several transports side by side: each has its own items, and what one raises ends all."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Iterable
from contextlib import aclosing, asynccontextmanager
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tagswarm.manifests.errors import DiskFull
from tagswarm.mirror.transports.base import Arrived, Failed, Item, Transport
from tagswarm.mirror.transports.http import HttpSource
from tagswarm.mirror.transports.local import LocalSource
from tagswarm.mirror.transports.parallel import WAITING, Parallel
from tests.mirror.transports.conformance import Conformance, Opened, Tree, fetched, run
from tests.mirror.transports.servers import Web

ITEMS = [Item(path=f"{number}", size=1, volume=f"v{number % 3}") for number in range(300)]


def by_volume(item: Item) -> str:
    return item.volume


class TestParallel(Conformance):
    """Items go by turns to a folder, a server, and the same server without ranges."""

    @pytest.fixture
    def opened(self, web: Web, tree: Tree) -> Opened:
        @asynccontextmanager
        async def opened() -> AsyncIterator[Transport]:
            async with (
                aclosing(HttpSource(web.address)) as first,
                aclosing(HttpSource(f"{web.address}/whole")) as other,
            ):
                sources: list[Transport] = [LocalSource(tree.root), first, other]
                yield Parallel(
                    {str(number): source for number, source in enumerate(sources)},
                    lambda item: str(item.size % 3) if item.archive is None else "1",
                )

        return opened


class Telling:
    """A transport that fails every item, and says what it was asked for and when it was closed."""

    def __init__(self, *, raises: int | None = None, waits: bool = False) -> None:
        self.asked: list[Item] = []
        self.folders: list[Path] = []
        self.told = 0
        self.closed = 0
        self._raises = raises
        self._waits = waits

    async def fetch(self, items: Iterable[Item], staging: Path) -> AsyncGenerator[Arrived | Failed, None]:
        self.folders.append(staging)
        try:
            for number, item in enumerate(items):
                if number == self._raises:
                    raise DiskFull("the disk is full")
                self.asked.append(item)
                if self._waits:
                    await asyncio.Event().wait()
                await asyncio.sleep(0)
                yield Failed(item, "missing")
                self.told += 1
        finally:
            self.closed += 1


@given(st.lists(st.integers(0, 4)))
@settings(max_examples=50)
def test_each_has_its_own_items_in_their_order_and_its_own_folder(owners: list[int]) -> None:
    items = [Item(path=f"{number}", size=1, volume=str(owner)) for number, owner in enumerate(owners)]
    team = {str(number): Telling() for number in range(5)}
    outcomes = run(fetched(Parallel(team, by_volume), items, Path("staging")))
    assert sorted(int(outcome.item.path) for outcome in outcomes) == list(range(len(items)))
    for name, one in team.items():
        assert one.asked == [item for item in items if item.volume == name]
        assert one.closed == len(one.folders) == (1 if one.asked else 0)
    folders = [folder for one in team.values() for folder in one.folders]
    assert len(set(folders)) == len(folders)


def test_they_work_at_the_same_time(tmp_path: Path) -> None:
    team = {"v0": Telling(), "v1": Telling(), "v2": Telling()}
    order = [outcome.item.volume for outcome in run(fetched(Parallel(team, by_volume), ITEMS, tmp_path))]
    assert set(order[:12]) == {"v0", "v1", "v2"}


def test_what_one_raises_comes_out_as_it_is_and_ends_the_others(tmp_path: Path) -> None:
    team = {"v0": Telling(), "v1": Telling(raises=5), "v2": Telling(waits=True)}
    with pytest.raises(DiskFull, match="the disk is full"):
        run(fetched(Parallel(team, by_volume), ITEMS, tmp_path))
    assert [one.closed for one in team.values()] == [1, 1, 1]


def test_who_takes_nothing_holds_them_up_and_can_leave(tmp_path: Path) -> None:
    team = {"v0": Telling(), "v1": Telling()}

    async def body() -> None:
        items = [item for item in ITEMS if item.volume != "v2"]
        async with aclosing(Parallel(team, by_volume).fetch(items, tmp_path)) as outcomes:
            await anext(outcomes)
            for _ in range(1000):
                await asyncio.sleep(0)
            assert WAITING <= sum(len(one.asked) for one in team.values()) <= WAITING + 3
        assert [one.closed for one in team.values()] == [1, 1]

    run(body())
