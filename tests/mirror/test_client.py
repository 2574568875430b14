"""The parts put together: what is selected and in which order, who may be asked, and when a swarm is joined."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tagswarm.manifests import filetables
from tagswarm.manifests.errors import (
    DestinationLocked,
    DiskTooSmall,
    IncompleteBuild,
    NoSource,
    NothingToPull,
    TransportError,
)
from tagswarm.manifests.events import Event, Notice
from tagswarm.manifests.models import FileEntry, RenditionEntry, Withdrawal
from tagswarm.mirror.access import Access, Use
from tagswarm.mirror.client import SWARM, Client, Pulled, connect
from tagswarm.mirror.form import Form
from tagswarm.mirror.lock import LOCK, Lock
from tagswarm.mirror.plan import Part, Plan
from tagswarm.mirror.plan import plan as planned
from tagswarm.mirror.selection import Selection
from tagswarm.mirror.store import Store
from tagswarm.mirror.swarm import Settings
from tagswarm.release.sign import sign
from tests.mirror.transports.servers import answers, free_port
from tests.planned import wanted
from tests.publisher import Publisher, following, key, small

TODAY = date(2026, 11, 20)
A = key(1)
T = TypeVar("T")
AS_IS = Form()


def run(work: Coroutine[Any, Any, T]) -> T:
    return asyncio.run(asyncio.wait_for(work, 60))


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """The release of the small publisher, signed: 30 originals and 20 in 512px loose, 10 in 1280px in an archive."""
    small(tmp_path / "tree", [A], torrents=True)
    sign(tmp_path / "tree", [A])
    return tmp_path / "tree"


@asynccontextmanager
async def connected(
    *addresses: object, home: Path, heard: list[Event] | None = None, **more: Any
) -> AsyncIterator[Client]:
    access = Access(addresses=tuple(map(str, addresses)), cache=home / "cache", trust_file=home / "trust.json", **more)
    async with connect(access, today=TODAY, report=(heard if heard is not None else []).append) as client:
        yield client


def test_files_are_found_and_what_is_withdrawn_is_not(tmp_path: Path) -> None:
    publisher = small(tmp_path / "tree", [A])
    sign(publisher.dataset, [A])
    following(publisher, [A])
    sign(publisher.dataset, [A])
    publisher.config("2028", [A])
    publisher.release(
        "2028", withdrawn=[Withdrawal(site="danbooru", id=3, action="withdrawn", reason="asked", release="2028")]
    )
    sign(publisher.dataset, [A])

    async def body(release: str | None) -> tuple[list[int], tuple[int, ...]]:
        async with connected(publisher.dataset, home=tmp_path, release=release) as client:
            found = await client.select([3, 1, 999, 2, 1])
            plan = client.plan(found, AS_IS)
            assert found.ids.tolist() == [file.id for file in found.files(plan)]
            assert plan.absent_named == (999,)
            return found.ids.tolist(), plan.withdrawn

    assert run(body(None)) == ([1, 2], (3,))
    assert run(body("2026")) == ([1, 2], (3,)), "the newest release takes back what an older one has"


def test_a_rendition_is_the_originals_where_none_is_named(tree: Path, tmp_path: Path) -> None:
    async def body() -> None:
        async with connected(tree, home=tmp_path) as client:
            assert client.rendition("512px").name == "512px"
            assert {entry.name for entry in client.trusted.root.renditions} == {"original", "512px", "1280px"}
            with pytest.raises(IncompleteBuild, match="has no rendition 9px"):
                client.rendition("9px")

    run(body())


# The order of the files.


@pytest.fixture(scope="module")
def volumes(tmp_path_factory: pytest.TempPathFactory) -> filetables.FileTable:
    """A table of files in six volumes of very different sizes."""
    publisher = Publisher(tmp_path_factory.mktemp("volumes"))
    first = 1
    for number, count in enumerate((5, 60, 1, 30, 12, 2)):
        publisher.volume(f"original-2026-{number:04}", "2026", publisher.loose("original", range(first, first + count)))
        first += count
    publisher.release("2026")
    return filetables.open_files(publisher.dataset / "releases/2026/files/original.parquet")


@given(
    carriers=st.lists(st.sampled_from(["a", "b", "c", None]), min_size=6, max_size=6),
    ids=st.lists(st.integers(1, 115)),
    taken=st.frozensets(st.integers(1, 110)),
)
@settings(max_examples=60, deadline=None)
def test_sources_advance_evenly_and_each_volume_stands_together(
    volumes: filetables.FileTable, carriers: list[str | None], ids: list[int], taken: frozenset[int]
) -> None:
    found = volumes.find(ids)
    names = [f"original-2026-{number:04}" for number in range(6)]
    plan = shared_out({name: source for name, source in zip(names, carriers, strict=True) if source is not None})
    files = list(
        Selection(rendition=ANY, found=found, taken_back=taken, here=np.zeros(len(found.ids), np.bool_)).files(plan)
    )
    assert sorted(file.id for file in files) == sorted(set(ids) - taken - set(range(111, 116)))
    source_of = {**dict.fromkeys(names, ""), **plan.carriers()}
    whole = Counter(source_of[file.volume] for file in files)
    for source in whole:
        mine = [file for file in files if source_of[file.volume] == source]
        assert [file.volume for file in mine] == sorted(file.volume for file in mine)
    for length in range(len(files) + 1):
        for source, count in Counter(source_of[file.volume] for file in files[:length]).items():
            assert abs(count - length * whole[source] / len(files)) <= len(whole)


ANY = RenditionEntry(name="original", site="danbooru", piece_length=65536, strategy="bucket", files=0, bytes=0)


def shared_out(carriers: dict[str, str]) -> Plan:
    """A plan that says no more than who carries which volume."""
    parts = tuple(
        Part(
            source=source,
            kind="local",
            volume=volume,
            files=1,
            bytes=1,
            moved=1,
            torrent_bytes=0,
            requests=1,
            seconds=1,
        )
        for volume, source in carriers.items()
    )
    nothing = wanted()
    return replace(planned(nothing, [], [], piece_length=65536), parts=parts)


def test_members_come_in_the_order_of_their_archive(tree: Path, tmp_path: Path) -> None:
    async def body() -> None:
        async with connected(tree, home=tmp_path) as client:
            found = await client.select(list(range(1, 11)), "1280px")
            offsets = [file.offset for file in found.files(client.plan(found, AS_IS))]
            assert offsets == sorted(offsets)
            assert len(offsets) == 10

    run(body())


# A pull, and what it refuses.


async def pulled(
    client: Client, out: Path, ids: list[int], use: Use | None = None, rendition: str | None = None
) -> Pulled:
    selection = (await client.select(ids, rendition)).beside(out, AS_IS)
    return await client.pull(selection, client.plan(selection, AS_IS, out=out, use=use), out, form=AS_IS, use=use)


def test_what_is_there_is_left_out_of_the_plan(tree: Path, tmp_path: Path) -> None:
    async def body() -> None:
        async with connected(tree, home=tmp_path) as client:
            assert (await pulled(client, tmp_path / "out", [1, 2, 3])).report.fetched == 3
            selection = (await client.select([2, 3, 4])).beside(tmp_path / "out", AS_IS)
            assert selection.here.tolist() == [True, True, False]
            assert client.plan(selection, AS_IS).files == 1
            other = (await client.select([2, 3, 4])).beside(tmp_path / "out", Form(layout="flat"))
            assert not other.here.any()
            assert not (await client.select([2, 3, 4], "512px")).beside(tmp_path / "out", AS_IS).here.any()
            done = await pulled(client, tmp_path / "out", [2, 3])
            assert (done.report.fetched, done.report.kept, done.report.pruned.removed) == (0, 2, 1)
            assert [entry.id for entry in Lock(tmp_path / "out" / LOCK).entries()] == [2, 3]
            with pytest.raises(NothingToPull):
                await pulled(client, tmp_path / "out", [999])

    run(body())


def test_a_file_that_vanishes_after_the_plan_comes_all_the_same(tree: Path, tmp_path: Path) -> None:
    async def body() -> None:
        async with connected(tree, home=tmp_path) as client:
            await pulled(client, tmp_path / "out", [1, 2, 3])
            selection = (await client.select([1, 2, 3])).beside(tmp_path / "out", AS_IS)
            plan = client.plan(selection, AS_IS)
            (tmp_path / "out/images/0002/2.png").unlink()
            done = await client.pull(selection, plan, tmp_path / "out", form=AS_IS)
            assert (plan.files, done.report.fetched, done.report.ok) == (0, 1, True)

    run(body())


def test_a_disk_that_is_too_small_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    publisher = Publisher(tmp_path / "tree")
    entry, other = publisher.loose("original", [1, 2])
    petabytes = FileEntry(path=entry.path, size=10**17, sha256=entry.sha256, id=1)
    publisher.volume("original-2026-0000", "2026", [petabytes, other])
    publisher.config("2026", [A])
    publisher.release("2026")
    sign(publisher.dataset, [A])

    async def body() -> None:
        async with connected(publisher.dataset, home=tmp_path) as client:
            with pytest.raises(DiskTooSmall, match="bytes are needed and the disk has"):
                await pulled(client, tmp_path / "out", [1, 2])
            assert not (tmp_path / "out").exists()
            assert (await pulled(client, tmp_path / "out", [2])).report.ok
            with pytest.raises(DiskTooSmall):
                await pulled(client, tmp_path / "out", [1, 2])

    run(body())


def test_a_folder_that_is_being_pulled_into_is_refused(tree: Path, tmp_path: Path) -> None:
    async def body() -> None:
        async with connected(tree, home=tmp_path) as client:
            with Store(tmp_path / "out"), pytest.raises(DestinationLocked):
                await pulled(client, tmp_path / "out", [1, 2])

    run(body())


# Who may be asked.


def test_a_source_that_is_not_believed_carries_only_what_it_is_named_for(tree: Path, tmp_path: Path) -> None:
    bare = tmp_path / "bare"
    (tree / "512px").rename(tmp_path / "512px")
    bare.mkdir()
    (tmp_path / "512px").rename(bare / "512px")
    heard: list[Event] = []

    async def body() -> None:
        async with connected(tree, bare, home=tmp_path, heard=heard) as client:
            assert client.trusted.unheard == {str(bare)}
            assert [offer.address for offer in client.offers(Use())] == [str(tree)]
            assert not (await pulled(client, tmp_path / "one", [1], rendition="512px")).report.ok
            use = Use(prefer=(str(bare),))
            done = await pulled(client, tmp_path / "two", [1], use, "512px")
            assert [one.source for one in done.report.sources if one.files] == [str(bare)]

    run(body())
    assert any(isinstance(event, Notice) and event.message.startswith(f"not used: {bare}") for event in heard)


@pytest.mark.parametrize("word", ["{}/tree", "local"])
def test_offline_folders_may_still_be_read(tree: Path, tmp_path: Path, word: str) -> None:
    async def body() -> None:
        async with connected(tree, home=tmp_path, offline=True, swarm=Settings.loopback()) as client:
            assert (await pulled(client, tmp_path / "out", [1, 2])).report.ok
            with pytest.raises(NoSource, match="nobody may be asked"):
                await pulled(client, tmp_path / "other", [1, 2], Use(forbid=(word.format(tmp_path),)))

    run(body())


def test_an_address_is_needed_and_one_that_answers(tmp_path: Path) -> None:
    async def body(*addresses: str) -> None:
        async with connected(*addresses, home=tmp_path):
            raise AssertionError("it was opened")

    with pytest.raises(TransportError, match="no address"):
        run(body())
    with pytest.raises(TransportError):
        run(body(f"http://127.0.0.1:{free_port()}"))


def test_a_swarm_is_joined_for_a_pull_and_not_for_a_plan(tree: Path, tmp_path: Path) -> None:
    port = free_port()
    swarm = replace(Settings.loopback(), listen=(f"127.0.0.1:{port}",))

    async def body() -> None:
        async with connected(tree, home=tmp_path, swarm=swarm) as client:
            selection = await client.select([1, 2])
            plan = client.plan(selection, AS_IS)
            assert {share.kind for share in plan.alone} == {"local", "torrent"}
            assert not answers(port)
            await client.pull(selection, plan, tmp_path / "out", form=AS_IS, use=Use(forbid=(SWARM,)))
            assert not answers(port)
            await client.pull(selection, plan, tmp_path / "out", form=AS_IS)
            assert answers(port)
        assert not answers(port)

    run(body())
