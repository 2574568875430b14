"""Items from web servers: nginx, and one that misbehaves."""

from __future__ import annotations

import asyncio
import dataclasses
import hashlib
import pickle
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import aclosing
from pathlib import Path

import pytest

from tagswarm.manifests import disk
from tagswarm.manifests.errors import LimitExceeded, TransportError
from tagswarm.mirror.transports.base import Arrived, Failed, Item
from tagswarm.mirror.transports.body import SKIPPED
from tagswarm.mirror.transports.compose import Failover, Retrying
from tagswarm.mirror.transports.http import HttpSource
from tagswarm.mirror.transports.ranged import Limits
from tagswarm.mirror.transports.rate import Rate
from tests.chaos.httpd import FAULTS, Chaos
from tests.mirror.transports.conformance import LARGE, OpenedSource, SourceConformance, Tree, close, fetched, run
from tests.mirror.transports.servers import Web, certified, free_port, nginx

SHORT = Limits(connect=2, window=0.5, least=1_000)


class TestHttp(SourceConformance):
    @pytest.fixture
    def opened(self, web: Web) -> OpenedSource:
        return lambda: aclosing(HttpSource(web.address))


class TestWithoutRanges(SourceConformance):
    """The same tree from a server that sends whole files only; members that lie far in their archive cannot come."""

    @pytest.fixture
    def opened(self, web: Web) -> OpenedSource:
        return lambda: aclosing(HttpSource(f"{web.address}/whole/"))

    def carried(self, item: Item) -> bool:
        return item.offset <= SKIPPED


def large(tree: Tree) -> Item:
    return next(item for item in tree.items if item.size == LARGE and item.archive is None)


def large_member(tree: Tree) -> Item:
    return next(item for item in tree.items if item.size == LARGE and item.archive is not None)


def right(tree: Tree, outcome: Arrived | Failed) -> bool:
    return isinstance(outcome, Arrived) and (
        hashlib.sha256(outcome.file.read_bytes()).digest() == tree.digests[outcome.item]
    )


async def once(
    address: str, items: Sequence[Item], staging: Path, limits: Limits | None = None
) -> list[Arrived | Failed]:
    async with aclosing(HttpSource(address, limits=limits)) as source:
        return await fetched(source, items, staging)


def test_one_request_a_file_over_few_connections(web: Web, tree: Tree, tmp_path: Path) -> None:
    items = [item for item in tree.items if item.archive is None]
    web.forget()
    outcomes = run(once(web.address, items, tmp_path))
    assert all(right(tree, outcome) for outcome in outcomes)
    lines = web.lines()
    assert Counter(line.path for line in lines) == {f"/{item.path}": 1 for item in items}
    assert {line.status for line in lines} == {200}
    assert {line.encoding for line in lines} == {"identity"}
    assert {line.range for line in lines} == {""}
    assert len({line.connection for line in lines}) <= 16


def test_members_that_lie_together_come_with_one_request(web: Web, tree: Tree, tmp_path: Path) -> None:
    items = [item for item in tree.items if item.archive == "1280px/2026-0001.tar"]
    web.forget()
    outcomes = run(once(web.address, items, tmp_path))
    assert all(right(tree, outcome) for outcome in outcomes)
    [line] = web.lines()
    assert line.status == 206
    assert line.bytes == items[-1].offset + items[-1].size - items[0].offset


def test_a_missing_file_costs_no_connection(web: Web, tmp_path: Path) -> None:
    web.forget()
    items = [Item(path=f"512px/0000/{number}.none", size=5, volume="v") for number in range(200)]
    assert {outcome.reason for outcome in run(once(web.address, items, tmp_path)) if isinstance(outcome, Failed)} == {
        "missing"
    }
    assert len({line.connection for line in web.lines()}) <= 16


@pytest.mark.parametrize("kind", [large, large_member])
def test_a_large_file_goes_on_where_it_broke_off(web: Web, tree: Tree, tmp_path: Path, kind: object) -> None:
    assert callable(kind)
    item: Item = kind(tree)

    async def broken_off() -> None:
        async with aclosing(HttpSource(f"{web.address}/slow")) as source:
            outcomes = source.fetch([item], tmp_path)
            task = asyncio.ensure_future(anext(outcomes))
            await asyncio.sleep(0.4)
            task.cancel()
            await asyncio.wait([task])
            await close(outcomes)

    run(broken_off())
    [part] = [path for path in tmp_path.iterdir() if path.name.startswith(disk.TEMPORARY)]
    have = part.stat().st_size
    assert 0 < have < LARGE
    web.forget()
    [outcome] = run(once(f"{web.address}/slow", [item], tmp_path))
    assert isinstance(outcome, Arrived)
    assert right(tree, outcome)
    [line] = web.lines()
    assert (line.status, line.bytes) == (206, LARGE - have)
    assert [path.name for path in tmp_path.iterdir()] == [outcome.file.name]
    web.forget()
    assert right(tree, run(once(web.address, [item], tmp_path))[0])
    assert web.lines()[0].bytes == LARGE, "who asks again found it wrong"


def test_a_large_file_that_lies_aside_whole_is_not_asked_for(web: Web, tree: Tree, tmp_path: Path) -> None:
    item = large(tree)
    [outcome] = run(once(web.address, [item], tmp_path))
    assert isinstance(outcome, Arrived)
    outcome.file.rename(outcome.file.with_name(disk.TEMPORARY + outcome.file.name))
    outcome.file.with_name(f"{outcome.file.name}.validator").write_text('"any"')
    web.forget()
    assert right(tree, run(once(web.address, [item], tmp_path))[0])
    assert web.lines() == []


PULL = """
import asyncio, pickle, sys
from pathlib import Path
from tagswarm.mirror.transports.http import HttpSource

async def pull():
    source = HttpSource(sys.argv[1])
    async for outcome in source.fetch(pickle.loads(sys.stdin.buffer.read()), Path(sys.argv[2])):
        print(".", flush=True)
    await source.aclose()

asyncio.run(pull())
"""


def test_a_pull_that_is_killed_at_any_moment_leaves_nothing_wrong(
    web: Web, tree: Tree, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    moments = random.Random(3)
    items = [large(tree), large_member(tree), *moments.sample(tree.small(), 60)]
    ends = []
    for _ in range(request.config.getoption("--kills")):
        command = [sys.executable, "-c", PULL, f"{web.address}/slow", str(tmp_path / "staging")]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
            assert process.stdin is not None
            assert process.stdout is not None
            process.stdin.write(pickle.dumps(items))
            process.stdin.close()
            for _ in range(moments.randrange(1, 61)):
                process.stdout.readline()
            time.sleep(moments.random() * 0.3)
            process.kill()
        ends.append(process.returncode)
    assert -signal.SIGKILL in ends  # the later ones may be done sooner: they go on with what is there
    outcomes = run(once(web.address, items, tmp_path / "staging"))
    assert len(outcomes) == len(items)
    assert all(right(tree, outcome) for outcome in outcomes)


def test_credentials_stay_with_their_host(tree: Tree, tmp_path: Path) -> None:
    item = tree.small()[5]
    with nginx(tree.root, tmp_path / "there") as there, nginx(tree.root, tmp_path / "here", away=there.address) as here:
        known = here.address.replace("//", "//user:secret@")
        source = HttpSource(f"{known}/hidden")
        assert source.address == f"{here.address}/hidden"
        assert right(tree, run(once(f"{known}/hidden", [item], tmp_path / "a"))[0])
        [line] = here.lines()
        assert line.authorization.startswith("Basic ")
        for address in (f"{here.address}/hidden", f"{here.address.replace('//', '//user:wrong@')}/hidden"):
            [outcome] = run(once(address, [item], tmp_path / "b"))
            assert isinstance(outcome, Failed)
            assert outcome.reason == "refused"
            assert "wrong" not in outcome.detail
        assert right(tree, run(once(f"{known}/away", [item], tmp_path / "c"))[0])
        assert [line.authorization for line in there.lines()] == [""]
        with pytest.raises(TransportError) as failure:
            run(read(f"{here.address.replace('//', '//user:wrong@')}/hidden", item.path))
        assert "wrong" not in str(failure.value)


async def read(address: str, path: str, limit: int = 1 << 20, limits: Limits | None = None) -> bytes | None:
    async with aclosing(HttpSource(address, limits=limits)) as source:
        return await source.read(path, limit=limit)


def test_certificates_are_checked(tree: Tree, tmp_path: Path) -> None:
    item = tree.small()[5]
    certificate, key, context = certified(tmp_path / "tls")
    with nginx(tree.root, tmp_path / "nginx", certificate=(certificate, key)) as web:
        [outcome] = run(once(web.address, [item], tmp_path / "a"))
        assert isinstance(outcome, Failed)
        assert outcome.reason == "unreachable"
        assert "certificate" in outcome.detail

        async def trusting() -> list[Arrived | Failed]:
            async with aclosing(HttpSource(web.address, context=context)) as source:
                return await fetched(source, [item], tmp_path / "b")

        assert right(tree, run(trusting())[0])


def test_nobody_answers(tree: Tree, tmp_path: Path) -> None:
    address = f"http://127.0.0.1:{free_port()}"
    outcomes = run(once(address, tree.small(), tmp_path))
    assert {(outcome.reason, outcome.detail) for outcome in outcomes if isinstance(outcome, Failed)} == {
        ("unreachable", "no connection: Connection refused")
    }
    with pytest.raises(TransportError, match="Connection refused"):
        run(read(address, "latest.json"))


@pytest.mark.parametrize(
    "address",
    [
        "",
        "host",
        "ftp://host/a",
        "http://",
        "http:///a",
        "https://user:secret@/a",
        "http://h/?q",
        "http://h/a#b",
        "http://[/",
    ],
)
def test_what_is_no_address_is_refused(address: str) -> None:
    with pytest.raises(TransportError) as failure:
        HttpSource(address)
    assert "secret" not in str(failure.value)


def test_a_rate_slower_than_the_least_is_no_stall(web: Web, tree: Tree, tmp_path: Path) -> None:
    item = next(item for item in tree.items if item.size == 65537)

    async def body() -> list[Arrived | Failed]:
        limits = Limits(window=0.2, least=1_000_000)
        async with aclosing(HttpSource(web.address, limits=limits, rate=Rate(50_000))) as source:
            return await fetched(source, [item], tmp_path)

    assert right(tree, run(body())[0])


# What follows asks the server that misbehaves.

MEMBERS = (("a.webp", 100, 5000), ("b.webp", 6000, 0), ("c.webp", 6000, 20_000), ("d.webp", 200_000, 999))

REASONS: dict[str, tuple[str, ...]] = {
    "cut": ("cut",),
    "cut_once": ("cut",),
    "changed": ("cut",),
    "changed_unsaid": ("cut",),
    "changed_412": ("cut",),
    "nameless_part": ("damaged",),
    "reset": ("unreachable", "cut"),
    "closed": ("unreachable",),
    "silent": ("stalled",),
    "stall": ("stalled",),
    "drip": ("stalled",),
    "drip_header": ("stalled",),
    "endless": ("damaged",),
    "endless_chunks": ("damaged",),
    "endless_header": ("damaged",),
    "longer": ("damaged",),
    "shorter": ("cut",),
    "short_chunks": ("cut",),
    "part_for_whole": ("damaged",),
    "gzipped": ("damaged",),
    "portal": ("cut", "damaged"),
    "loop": ("refused",),
    "to_file": ("refused",),
    "nowhere": ("refused",),
    "noise": ("damaged", "unreachable"),
    "two_lengths": ("damaged",),
    "busy_once": ("unreachable",),
    **dict.fromkeys(("204", "300", "304"), ("damaged",)),
    **dict.fromkeys(("400", "401", "403", "407"), ("refused",)),
    **dict.fromkeys(("404", "410"), ("missing",)),
    **dict.fromkeys(("429", "500", "502", "503", "504"), ("unreachable",)),
}
"""What the faults are for a file as a whole; those that are not here are none for it."""


@dataclasses.dataclass(frozen=True)
class World:
    """Files that a server has, and the items in them."""

    files: dict[str, bytes]
    items: tuple[Item, ...]
    members: tuple[Item, ...]

    def right(self, outcome: Arrived) -> bool:
        item = outcome.item
        data = self.files[item.archive or item.path][item.offset : item.offset + item.size]
        return outcome.file.read_bytes() == data


def world(seed: int) -> World:
    made = random.Random(seed)
    files = {f"512px/0000/{number}000.jpg": made.randbytes(made.randrange(2, 200_000)) for number in range(1, 6)}
    files["1280px/2026-0000.tar"] = made.randbytes(300_000)
    files["large.png"] = made.randbytes((8 << 20) + made.randrange(1, 100_000))
    items = tuple(Item(path=path, size=len(data), volume="v") for path, data in files.items() if path.endswith(".jpg"))
    members = tuple(
        Item(path=name, size=size, volume="p", archive="1280px/2026-0000.tar", offset=offset)
        for name, offset, size in MEMBERS
    )
    return World(files, items, members)


@pytest.fixture
def rounds(request: pytest.FixtureRequest) -> Iterator[int]:
    yield from [int(request.config.getoption("--rounds"))]


LYING = ("lying", "changed_unsaid")
"""Faults that make wrong bytes of the right length: only who knows their digests can tell."""


@pytest.fixture(params=sorted(FAULTS))
def broken(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def checked(
    world: World, outcomes: Iterable[Arrived | Failed], items: Sequence[Item], *, lying: bool = False
) -> Counter[str]:
    """The reasons; no byte may be wrong unless the whole file is, in its right length."""
    found = list(outcomes)
    assert Counter(outcome.item for outcome in found) == Counter(items)
    for outcome in found:
        if isinstance(outcome, Arrived):
            assert outcome.file.stat().st_size == outcome.item.size
            assert world.right(outcome) or (lying and outcome.item.size)
        else:
            assert outcome.detail.isprintable()
            assert "\x1b" not in outcome.detail
    return Counter("arrived" if isinstance(outcome, Arrived) else outcome.reason for outcome in found)


def test_every_fault_ends_in_right_bytes_or_a_named_failure(broken: str, rounds: int, tmp_path: Path) -> None:
    async def body(number: int) -> None:
        made = world(number)
        async with Chaos(made.files, seed=number).running() as server:
            address = server.address(broken)
            outcomes = await once(address, made.items, tmp_path / f"{number}", SHORT)
            reasons = checked(made, outcomes, made.items, lying=broken in LYING)
            assert set(reasons) <= set(REASONS.get(broken, ("arrived",))), reasons
            outcomes = await once(address, made.members, tmp_path / f"{number}m", SHORT)
            checked(made, outcomes, made.members, lying=broken in LYING)

    for number in range(rounds):
        run(body(number), limit=20)


@pytest.mark.parametrize("broken", sorted(FAULTS.keys() - set(LYING)))
def test_another_source_mends_every_fault(broken: str, rounds: int, tmp_path: Path) -> None:
    async def body(number: int) -> None:
        made = world(number)
        items = (*made.items, *made.members)
        async with (
            Chaos(made.files, seed=number).running() as server,
            aclosing(HttpSource(server.address(broken), limits=SHORT)) as bad,
            aclosing(HttpSource(server.address("fine"), limits=SHORT)) as good,
        ):
            outcomes = await fetched(Failover([bad, good]), items, tmp_path / f"{number}")
            assert checked(made, outcomes, items) == {"arrived": len(items)}

    for number in range(rounds):
        run(body(number), limit=20)


def test_documents_come_right_or_not_at_all(broken: str, tmp_path: Path) -> None:
    async def body() -> None:
        made = world(0)
        item = made.items[0]
        async with Chaos(made.files).running() as server:
            address = server.address(broken)
            found: bytes | TransportError | LimitExceeded | None
            try:
                found = await read(address, item.path, limit=item.size, limits=SHORT)
            except (TransportError, LimitExceeded) as failure:
                found = failure
            if found is None:
                assert broken in ("404", "410")
            elif not isinstance(found, bytes):
                assert str(found).isprintable()
            elif broken not in (
                "lying",
                "portal",
                "shorter",
                "short_chunks",
            ):  # these know no better length than theirs
                assert found == made.files[item.path]

    run(body(), limit=20)


@pytest.mark.parametrize(("broken", "wait"), [("429", 120), ("503", 8_000 * 365 * 86_400)])
def test_a_server_that_asks_to_be_left_alone_is_heard(broken: str, wait: float, tmp_path: Path) -> None:
    async def body() -> None:
        made = world(0)
        async with Chaos(made.files).running() as server:
            [outcome] = await once(server.address(broken), made.items[:1], tmp_path, SHORT)
            assert isinstance(outcome, Failed)
            assert wait * 0.9 < outcome.retry_after < wait * 1.1

    run(body())


@pytest.mark.parametrize("broken", ["cut_once", "changed", "changed_unsaid", "whole", "busy_once"])
def test_a_large_file_is_gone_on_with_or_begun_anew(broken: str, rounds: int, tmp_path: Path) -> None:
    async def body(number: int) -> None:
        made = world(number)
        item = Item(path="large.png", size=len(made.files["large.png"]), volume="v")
        staging = tmp_path / f"{number}"
        pauses: list[float] = []

        async def sleep(seconds: float) -> None:
            pauses.append(seconds)

        async with (
            Chaos(made.files, seed=number).running() as server,
            aclosing(HttpSource(server.address(broken), limits=SHORT)) as source,
        ):
            [outcome] = await fetched(Retrying(source, sleep=sleep), [item], staging)
            if broken == "changed_unsaid":  # the third attempt has all bytes of the other file
                assert isinstance(outcome, Arrived)
                assert outcome.file.read_bytes() == bytes(item.size)
            else:
                assert checked(made, [outcome], [item]) == {"arrived": 1}
            if broken == "busy_once":
                assert pauses == [7.0]

    for number in range(rounds):
        run(body(number), limit=20)


def test_what_is_aside_is_of_one_state_only(tmp_path: Path) -> None:
    async def body() -> None:
        made = world(0)
        item = Item(path="large.png", size=len(made.files["large.png"]), volume="v")
        async with Chaos(made.files).running() as server:
            [first] = await once(server.address("changed_unsaid"), [item], tmp_path, SHORT)
            [second] = await once(server.address("changed_unsaid"), [item], tmp_path, SHORT)
        assert isinstance(first, Failed)
        assert isinstance(second, Failed)
        assert (first.reason, second.reason) == ("cut", "damaged")
        assert "changed" in second.detail

    run(body())


def test_never_more_bytes_than_were_asked_for(tmp_path: Path) -> None:
    async def body() -> None:
        made = world(0)
        async with Chaos(made.files).running() as server:
            for fault in ("endless", "endless_chunks"):
                with pytest.raises(LimitExceeded):
                    await read(server.address(fault), made.items[0].path, limit=1000)
                await once(server.address(fault), made.items, tmp_path)

    run(body())
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_is_the_disk(web: Web, tree: Tree, tmp_path: Path) -> None:
    (tmp_path / "staging").write_bytes(b"a file, where the folder should be")
    items = [*tree.small()[:3], large(tree), *[item for item in tree.items if item.archive][:5]]
    outcomes = run(once(web.address, items, tmp_path / "staging"))
    assert {outcome.reason for outcome in outcomes if isinstance(outcome, Failed)} == {"disk"}
    assert len(outcomes) == len(items)
