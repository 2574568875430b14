"""What every transport must do, whatever its protocol: derive from `Conformance`, or `SourceConformance`, and give `opened`.

::

    class TestHttp(SourceConformance):
        @pytest.fixture
        def opened(self, web: Web) -> Opened:
            return lambda: aclosing(HttpSource(web.address))

`opened()` is a context that gives the transport, connected to a real server of `tree.root`, and closes it at its end. A
transport that cannot carry some kind of item says so in `carried`, and one that names failures otherwise in `reasons`.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import hashlib
import io
import os
import random
import shutil
import tarfile
import tracemalloc
from collections import Counter
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Coroutine, Iterable, Iterator
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import pytest

from tagswarm.manifests import paths
from tagswarm.manifests.errors import LimitExceeded
from tagswarm.mirror.transports.base import Arrived, Failed, Item, Source, Transport

LARGE = (8 << 20) + 12345
"""Bytes of a file that is large for every transport."""

T = TypeVar("T")
Opened = Callable[[], AbstractAsyncContextManager[Transport]]
OpenedSource = Callable[[], AbstractAsyncContextManager[Source]]


@dataclass
class Tree:
    """A dataset on the disk: what can be asked of it, and what the answer is."""

    root: Path
    digests: dict[Item, bytes] = field(default_factory=dict)
    """SHA-256 of every item that is there."""
    odd: dict[str, Item] = field(default_factory=dict)
    """Items that are not there as they are asked for, by what is wrong with them."""

    def put(self, path: str, data: bytes, volume: str = "original-2026-0000") -> None:
        """Write a file and make it an item."""
        place = self.root / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(data)
        self.digests[Item(path=path, size=len(data), volume=volume)] = hashlib.sha256(data).digest()

    def pack(self, path: str, members: Iterable[tuple[str, bytes]], volume: str) -> None:
        """Write a tar and make its members items."""
        place = self.root / path
        place.parent.mkdir(parents=True, exist_ok=True)
        with tarfile.open(place, "w", format=tarfile.USTAR_FORMAT) as archive:
            for name, data in members:
                header = tarfile.TarInfo(name)
                header.size = len(data)
                archive.addfile(header, io.BytesIO(data))
                offset = archive.offset - (len(data) + 511) // 512 * 512
                item = Item(path=name, size=len(data), volume=volume, archive=path, offset=offset)
                self.digests[item] = hashlib.sha256(data).digest()

    @property
    def items(self) -> list[Item]:
        """Every item that is there, in the order of their files."""
        return list(self.digests)

    def small(self) -> list[Item]:
        """The items that are not large."""
        return [item for item in self.digests if item.size < 1 << 20]


def plant(root: Path) -> Tree:
    """A dataset of some hundred files: sizes at the edges, names at the limits of the grammar, archives, and gaps."""
    made = random.Random(7)
    tree = Tree(root)
    for post, size in enumerate((0, 1, 65535, 65536, 65537, 3 << 20, LARGE)):
        tree.put(f"original/{post:04}/{post}.png", made.randbytes(size))
    for post in range(1000, 1200):
        tree.put(f"512px/{post % 1000:04}/{post}.jpg", made.randbytes(made.randrange(20_000)), "512px-2026-0000")
    long = "notes/" + "x" * (paths.PATH_LIMIT - len("notes/.txt")) + ".txt"
    for name in (
        long,
        "notes/a b.txt",
        "notes/50%25 &+,;=@!$'()[]{}^`_.txt",
        "notes/ñandú/猫 絵.txt",
        "notes/a#b.txt",
    ):
        paths.check(name)
        tree.put(name, name.encode(), "notes-2026-0000")
    for number in range(3):
        sizes = (
            [made.choice((0, 1, 511, 512, 513, 7000)) for _ in range(30)] + [LARGE if number == 0 else 300_000] + [40]
        )
        members = ((f"{number}{at:05}.webp", made.randbytes(size)) for at, size in enumerate(sizes))
        tree.pack(f"1280px/2026-{number:04}.tar", members, f"1280px-2026-{number:04}")
    (root / "512px/0000/folder.jpg").mkdir()
    (root / "512px/0000/folder.jpg/inside").write_bytes(b"a folder has the place of a file")
    (root / "512px/0000/short.jpg").write_bytes(b"x" * 900)
    (root / "512px/0000/long.jpg").write_bytes(b"x" * 1100)
    end = (root / "1280px/2026-0001.tar").stat().st_size
    tree.odd = {
        "lacking": Item(path="512px/0000/lacking.jpg", size=1000, volume="512px-2026-0000"),
        "folder": Item(path="512px/0000/folder.jpg", size=1000, volume="512px-2026-0000"),
        "short": Item(path="512px/0000/short.jpg", size=1000, volume="512px-2026-0000"),
        "long": Item(path="512px/0000/long.jpg", size=1000, volume="512px-2026-0000"),
        "beyond": Item(
            path="1.webp", size=50, volume="1280px-2026-0001", archive="1280px/2026-0001.tar", offset=end - 9
        ),
        "orphan": Item(path="2.webp", size=50, volume="1280px-2026-0009", archive="1280px/2026-0009.tar"),
    }
    return tree


REASONS: dict[str, frozenset[str]] = {
    "lacking": frozenset(("missing",)),
    "folder": frozenset(("missing", "refused", "cut", "damaged")),
    "short": frozenset(("cut",)),
    "long": frozenset(("damaged",)),
    "beyond": frozenset(("cut",)),
    "orphan": frozenset(("missing",)),
}


async def fetched(transport: Transport, items: Iterable[Item], staging: Path) -> list[Arrived | Failed]:
    """Every outcome."""
    return [outcome async for outcome in transport.fetch(items, staging)]


def run(coroutine: Coroutine[Any, Any, T], limit: float = 60) -> T:
    """Run to the end, and let nothing hang."""
    return asyncio.run(asyncio.wait_for(coroutine, limit))


def frozen(folder: Path, target: Path) -> Path:
    """What a kill at this moment would leave in a folder."""
    target.mkdir()
    for path in sorted(folder.rglob("*")) if folder.exists() else ():
        with contextlib.suppress(FileNotFoundError):  # another process may be writing there
            if path.is_dir():
                (target / path.relative_to(folder)).mkdir(parents=True, exist_ok=True)
            else:
                shutil.copy2(path, target / path.relative_to(folder))
    return target


def census(folder: Path) -> dict[str, tuple[int, int]]:
    """Every file and folder below, its size and time."""
    stats = {path: path.lstat() for path in folder.rglob("*")}
    return {str(path.relative_to(folder)): (stat.st_size, stat.st_mtime_ns) for path, stat in stats.items()}


def holdings() -> tuple[list[str], list[str]]:
    """What this process has open, and its children; threads of the pool of the loop are none."""
    gc.collect()
    links = []
    for entry in os.scandir("/proc/self/fd"):
        with contextlib.suppress(FileNotFoundError):  # the descriptor of the listing itself
            links.append(str(Path(entry.path).readlink()))
    children = Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()
    return sorted(link.partition(":")[0] for link in links), children


class Conformance:
    """What holds for every transport."""

    reasons: dict[str, frozenset[str]] = REASONS
    """Which reasons are right for the odd items."""

    def carried(self, item: Item) -> bool:
        """Whether the transport can carry such an item at all."""
        return True

    def wanted(self, tree: Tree, items: Iterable[Item] | None = None) -> list[Item]:
        return [item for item in (tree.items if items is None else items) if self.carried(item)]

    def check(self, tree: Tree, outcomes: Iterable[Arrived | Failed], items: Iterable[Item], staging: Path) -> None:
        """Exactly one outcome an item, the right bytes of all that are there, a right reason for the others."""
        outcomes = list(outcomes)
        assert Counter(outcome.item for outcome in outcomes) == Counter(items)
        odd = {item: name for name, item in tree.odd.items()}
        for outcome in outcomes:
            if outcome.item in odd:
                assert isinstance(outcome, Failed), outcome
                assert outcome.reason in self.reasons[odd[outcome.item]], outcome
                assert "\n" not in outcome.detail
                continue
            assert isinstance(outcome, Arrived), outcome
            assert outcome.file.resolve().is_relative_to(staging.resolve())
            assert not outcome.file.is_symlink()
            data = outcome.file.read_bytes()
            assert len(data) == outcome.item.size
            assert hashlib.sha256(data).digest() == tree.digests[outcome.item], outcome.item

    def test_every_item_has_one_outcome_and_right_bytes(self, opened: Opened, tree: Tree, tmp_path: Path) -> None:
        items = [*self.wanted(tree), *self.wanted(tree, tree.odd.values())]
        for shuffled in (False, True):
            if shuffled:
                random.Random(1).shuffle(items)
            staging = tmp_path / f"staging{shuffled}"

            async def body(staging: Path = staging) -> list[Arrived | Failed]:
                async with opened() as transport:
                    return await fetched(transport, (item for item in items), staging)

            self.check(tree, run(body()), items, staging)

    def test_nothing_is_written_outside_staging(self, opened: Opened, tree: Tree, tmp_path: Path) -> None:
        items = [*self.wanted(tree, tree.small()), *self.wanted(tree, tree.odd.values())]
        other = tmp_path / "other"
        other.mkdir()
        (other / "file").write_bytes(b"not yours")
        before = census(tree.root), census(other)

        async def body() -> None:
            async with opened() as transport:
                await fetched(transport, items, tmp_path / "staging")

        run(body())
        assert (census(tree.root), census(other)) == before
        assert sorted(path.name for path in tmp_path.iterdir()) in (["other"], ["other", "staging"])

    def test_no_items_no_outcome(self, opened: Opened, tmp_path: Path) -> None:
        async def body() -> None:
            async with opened() as transport:
                assert await fetched(transport, [], tmp_path / "staging") == []

        run(body())

    def test_the_same_item_twice_has_two_outcomes(self, opened: Opened, tree: Tree, tmp_path: Path) -> None:
        some = self.wanted(tree)[::9]
        large = [item for item in self.wanted(tree) if item.size == LARGE][:1]
        items = [twice for item in (*large, *some) for twice in (item, item)]

        async def body() -> list[Arrived | Failed]:
            async with opened() as transport:
                return await fetched(transport, items, tmp_path / "staging")

        self.check(tree, run(body()), items, tmp_path / "staging")

    @pytest.mark.parametrize("cut", [False, True])
    def test_what_a_kill_left_makes_no_outcome_wrong(
        self, opened: Opened, tree: Tree, tmp_path: Path, cut: bool
    ) -> None:
        items = sorted(self.wanted(tree), key=lambda item: -item.size)[:60]

        async def body(after: int) -> list[Arrived | Failed]:
            async with opened() as transport:
                outcomes = transport.fetch(items, tmp_path / f"killed{after}")
                for _ in range(after):
                    await anext(outcomes)
                left = frozen(tmp_path / f"killed{after}", tmp_path / f"left{after}")
                await close(outcomes)
            for path in left.rglob("*") if cut else ():
                if path.is_file():
                    os.truncate(path, path.stat().st_size // 2)
            async with opened() as transport:
                return await fetched(transport, items, left)

        for after in (1, 20, 55):
            self.check(tree, run(body(after)), items, tmp_path / f"left{after}")

    def test_closing_in_the_middle_leaves_nothing_running(self, opened: Opened, tree: Tree, tmp_path: Path) -> None:
        items = self.wanted(tree)

        async def body(after: int) -> None:
            tasks = len(asyncio.all_tasks())
            async with opened() as transport:
                outcomes = transport.fetch(items, tmp_path / f"staging{after}")
                for _ in range(after):
                    await anext(outcomes)
                await close(outcomes)
                done = census(tmp_path)
                await asyncio.sleep(0.05)
                assert census(tmp_path) == done, "something is still written"
            assert len(asyncio.all_tasks()) == tasks

        run(body(1))  # what is opened once for all is open from here on
        before = holdings()
        for after in (0, 2, 40):
            run(body(after))
            assert holdings() == before

    def test_a_cancelled_task_ends_at_once(self, opened: Opened, tree: Tree, tmp_path: Path) -> None:
        items = self.wanted(tree)

        async def body() -> None:
            async with opened() as transport:
                outcomes = transport.fetch(items, tmp_path / "staging")

                async def take() -> None:
                    async for _ in outcomes:
                        await asyncio.sleep(0.01)

                task = asyncio.create_task(take())
                await asyncio.sleep(0.1)
                task.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await task
                await close(outcomes)

        run(body(), limit=10)

    def test_two_thousand_items_in_bounded_memory(self, opened: Opened, tree: Tree, tmp_path: Path) -> None:
        some = [item for item in self.wanted(tree, tree.small()) if item.archive is None]

        def items() -> Iterator[Item]:
            for number in range(2000):
                yield some[number % len(some)]

        async def body() -> Counter[type]:
            async with opened() as transport:
                found: Counter[type] = Counter()
                async for outcome in transport.fetch(items(), tmp_path / "staging"):
                    found[type(outcome)] += 1
                return found

        tracemalloc.start()
        try:
            assert run(body()) == {Arrived: 2000}
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
        assert peak < 24 << 20


class SourceConformance(Conformance):
    """What holds for those that also read documents and can be closed."""

    step = 1
    """One of so many documents is read; more where each costs a program."""

    def test_documents_are_read_up_to_their_limit(self, opened: OpenedSource, tree: Tree) -> None:
        async def body() -> None:
            async with opened() as source:
                for item in self.wanted(tree)[:: self.step]:
                    if item.archive is None and item.size < 100_000:
                        data = await source.read(item.path, limit=item.size)
                        assert data is not None
                        assert hashlib.sha256(data).digest() == tree.digests[item]
                with pytest.raises(LimitExceeded):
                    await source.read("original/0002/2.png", limit=65534)
                with pytest.raises(LimitExceeded):
                    await source.read("original/0006/6.png", limit=1000)
                assert await source.read("original/none.json", limit=1000) is None
                assert await source.read("none/none.json", limit=1000) is None
                assert await source.read("original/0001/1.png", limit=1000) is not None

        run(body())

    def test_a_closed_source_answers_for_what_is_under_way(
        self, opened: OpenedSource, tree: Tree, tmp_path: Path
    ) -> None:
        items = self.wanted(tree)

        async def body() -> None:
            async with opened() as source:
                outcomes = source.fetch(items, tmp_path / "staging")
                first = await anext(outcomes)
                await source.aclose()
                rest = [outcome async for outcome in outcomes]
                assert Counter(outcome.item for outcome in (first, *rest)) == Counter(items)
                failed = [outcome for outcome in rest if isinstance(outcome, Failed)]
                assert failed
                assert {outcome.reason for outcome in failed} <= {"unreachable", "cut", "stalled"}

        run(body())


async def close(outcomes: AsyncIterator[Any]) -> None:
    """End an iteration now."""
    assert isinstance(outcomes, AsyncGenerator)
    await outcomes.aclose()
