"""Selective download by BitTorrent: exactly the files, right when they arrive, whatever the swarm does."""

from __future__ import annotations

import asyncio
import os
import random
import resource
import shutil
import time
from pathlib import Path
from typing import Any, get_args

import pytest

from tagswarm.manifests import torrentfile
from tagswarm.manifests.errors import TransportError
from tagswarm.mirror.swarm import Joined, Settings, Swarm
from tagswarm.mirror.transports import torrentfiles, torrentresume
from tagswarm.mirror.transports.base import Failed, Item
from tagswarm.mirror.transports.torrent import TorrentTransport
from tests.mirror.transports.servers import nginx
from tests.mirror.transports.torrents import (
    NAME,
    PIECE,
    Tree,
    altered,
    choose,
    files_below,
    loopback,
    peer,
    pull,
    pull_from,
    seeding,
)
from tests.mirror.transports.webseeds import Fault, faulty

VOLUME = "512px-2026-0000"


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Tree:
    """200 files of a volume."""
    made = Tree(tmp_path_factory.mktemp("published"))
    made.random_volume(VOLUME, range(200))
    return made


def test_some_files_of_many_come_from_a_peer_at_little_more_than_their_bytes(tmp_path: Path) -> None:
    tree = Tree(tmp_path / "published")
    tree.random_volume(VOLUME, range(2_000))
    paths = choose(tree.volumes[VOLUME], 20)
    with loopback() as seed, loopback() as swarm:
        [joined] = seeding(seed, tree)
        pulled = pull(
            TorrentTransport(swarm, tree.torrents, peers=[peer(seed)]), tree, tree.items(VOLUME, paths), tmp_path / "s"
        )
        uploaded = joined.status().uploaded
    assert len(pulled.arrived) == 20
    assert not pulled.wrong
    assert uploaded <= 1.13 * sum(tree.sizes[path] for path in paths)
    # Nothing of a neighbour is there, and nothing of libtorrent's own.
    assert files_below(tmp_path / "s" / torrentfiles.TREE) == {f"{NAME}/{path}" for path in paths}
    assert {path.split("/")[0] for path in files_below(tmp_path / "s")} == {torrentfiles.TREE, torrentresume.FOLDER}


def test_a_web_seed_is_asked_once_a_file_and_for_no_byte_more(tree: Tree, tmp_path: Path) -> None:
    paths = choose(tree.volumes[VOLUME], 40)
    with nginx(tree.folder, tmp_path / "nginx") as server, loopback() as swarm:
        transport = TorrentTransport(swarm, tree.torrents, web_seeds=[f"{server.address}/"])
        pulled = pull(transport, tree, tree.items(VOLUME, paths), tmp_path / "staging")
        requests = server.lines()
    assert len(pulled.arrived) == 40
    assert not pulled.wrong
    assert sorted(request.path for request in requests) == [f"/{NAME}/{path}" for path in paths]
    assert sum(request.bytes for request in requests) == sum(tree.sizes[path] for path in paths)


@pytest.mark.timeout(1_200)
def test_every_file_is_right_the_moment_it_arrives(request: pytest.FixtureRequest, tmp_path: Path) -> None:
    rounds = request.config.getoption("rounds")
    tree = Tree(tmp_path / "published")
    tree.random_volume(VOLUME, range(250 * rounds))
    items = tree.items(VOLUME)
    with loopback() as seed, loopback() as swarm:
        seeding(seed, tree)
        for number in range(rounds):
            staging = tmp_path / f"staging-{number}"
            pulled = pull(TorrentTransport(swarm, tree.torrents, peers=[peer(seed)]), tree, items, staging)
            assert len(pulled.arrived) == len(items)
            assert not pulled.wrong
            shutil.rmtree(staging)


def test_many_volumes_come_at_once_and_no_more_than_are_allowed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tree = Tree(tmp_path / "published")
    for number in range(8):
        tree.random_volume(f"512px-2026-{number:04}", range(number * 10, number * 10 + 10))
    items = [item for volume in tree.volumes for item in tree.items(volume, choose(tree.volumes[volume], 4))]
    joined: set[Joined] = set()
    most = 0
    join, leave = Swarm.join, Swarm.leave

    def joining(*args: Any, **kwargs: Any) -> Joined:
        nonlocal most
        added = join(*args, **kwargs)
        joined.add(added)
        most = max(most, len(joined))
        return added

    def leaving(swarm: Swarm, left: Joined) -> bool:
        joined.discard(left)
        return leave(swarm, left)

    with loopback() as seed, loopback() as swarm:
        seeding(seed, tree)
        monkeypatch.setattr(Swarm, "join", joining)
        monkeypatch.setattr(Swarm, "leave", leaving)
        transport = TorrentTransport(swarm, tree.torrents.__getitem__, peers=[peer(seed)], together=3)
        pulled = pull(transport, tree, items, tmp_path / "staging")
        monkeypatch.undo()
    assert len(pulled.arrived) == 32
    assert not pulled.wrong
    assert most == 3
    assert not joined


def test_volumes_that_share_directories_leave_nothing_of_each_other(tmp_path: Path) -> None:
    tree = Tree(tmp_path / "published")
    tree.random_volume("a", range(0, 6_000, 100))
    tree.random_volume("b", range(50, 6_000, 100))
    wanted = {volume: choose(tree.volumes[volume], 20) for volume in ("a", "b")}
    items = [item for volume, paths in wanted.items() for item in tree.items(volume, paths)]
    with loopback() as seed, loopback() as swarm:
        seeding(seed, tree)
        pulled = pull(TorrentTransport(swarm, tree.torrents, peers=[peer(seed)]), tree, items, tmp_path / "staging")
    assert len(pulled.arrived) == 40
    assert not pulled.wrong
    found = files_below(tmp_path / "staging" / torrentfiles.TREE)
    assert found == {f"{NAME}/{path}" for paths in wanted.values() for path in paths}


@pytest.mark.parametrize("source", ["peer", "web-seed"])
def test_members_of_an_archive_come_by_the_pieces_that_carry_them(tmp_path: Path, source: str) -> None:
    tree = Tree(tmp_path / "published")
    numbers = random.Random(1)
    members = {f"{n:09}.jpg": numbers.randbytes(numbers.randint(1, 100_000)) for n in range(100)}
    members["empty.jpg"] = b""
    items = tree.packed_volume("tar", "512px/2026-0000.tar", members)
    wanted = [*items[3:60:19], items[-1]]
    with loopback() as seed, loopback() as swarm, nginx(tree.folder, tmp_path / "nginx") as server:
        [joined] = seeding(seed, tree)
        sources = {"peers": [peer(seed)]} if source == "peer" else {"web_seeds": [f"{server.address}/"]}
        pulled = pull(TorrentTransport(swarm, tree.torrents, **sources), tree, wanted, tmp_path / "staging")
        brought = joined.status().uploaded + sum(request.bytes for request in server.lines())
    assert set(pulled.arrived) == set(wanted)
    assert not pulled.wrong
    assert 0 < brought <= sum(item.size + 2 * PIECE for item in wanted)


def test_an_archive_comes_whole_beside_its_members(tmp_path: Path) -> None:
    tree = Tree(tmp_path / "published")
    members = tree.packed_volume("tar", "512px/2026-0000.tar", {"1.jpg": bytes(200_000), "2.jpg": b"x" * 90_000})
    items = [*members, *tree.items("tar")]
    with loopback() as seed, loopback() as swarm:
        seeding(seed, tree)
        transport = TorrentTransport(swarm, tree.torrents, peers=[peer(seed)])
        assert len(pull(transport, tree, members[:1], tmp_path / "staging").arrived) == 1
        pulled = pull(transport, tree, items, tmp_path / "staging")
    assert len(pulled.arrived) == 3
    assert not pulled.wrong


def test_empty_files_need_nobody(tmp_path: Path) -> None:
    tree = Tree(tmp_path / "published")
    tree.volume("v", {"512px/0000/1000.jpg": b"", "512px/0001/1001.jpg": b"something"})
    with loopback() as swarm:
        items = tree.items("v", ["512px/0000/1000.jpg"])
        pulled = pull(TorrentTransport(swarm, tree.torrents), tree, items, tmp_path / "staging")
    assert set(pulled.arrived) == set(items)
    assert not pulled.wrong


def test_what_no_torrent_has_is_unlisted(tree: Tree, tmp_path: Path) -> None:
    path = tree.volumes[VOLUME][0]
    size = tree.sizes[path]

    def torrents(volume: str) -> bytes:
        if volume == "unreachable":
            raise TransportError("nobody answers")
        return {VOLUME: tree.torrents[VOLUME], "hostile": b"d4:infod5:filesle", "none": b""}[volume]

    reasons = {
        Item(path=path, size=size, volume="other"): "unlisted",
        Item(path=path, size=size, volume="hostile"): "unlisted",
        Item(path=path, size=size, volume="none"): "unlisted",
        Item(path=path, size=size, volume="unreachable"): "unreachable",
        Item(path="512px/0000/x.jpg", size=size, volume=VOLUME): "unlisted",
        Item(path=path, size=size + 1, volume=VOLUME): "unlisted",
        Item(path="1.jpg", size=2, volume=VOLUME, archive=path, offset=size - 1): "unlisted",
        Item(path="1.jpg", size=2, volume=VOLUME, archive=path, offset=-1): "unlisted",
        Item(path="1.jpg", size=2, volume=VOLUME, archive="512px/x.tar"): "unlisted",
    }
    with loopback() as swarm:
        pulled = pull(TorrentTransport(swarm, torrents), tree, list(reasons), tmp_path / "staging")
    assert {item: failure.reason for item, failure in pulled.failed.items()} == reasons
    assert all(failure.detail.isprintable() and failure.detail for failure in pulled.failed.values())


def test_a_volume_that_is_in_the_swarm_already_is_refused(tree: Tree, tmp_path: Path) -> None:
    with loopback() as swarm:
        seeding(swarm, tree)
        items = tree.items(VOLUME, tree.volumes[VOLUME][:2])
        assert pull(TorrentTransport(swarm, tree.torrents), tree, items, tmp_path / "staging").reasons == {"refused"}


def test_a_second_call_goes_on_where_the_first_was_closed(tree: Tree, tmp_path: Path) -> None:
    items, staging = tree.items(VOLUME), tmp_path / "staging"

    async def some(swarm: Swarm, peers: list[tuple[str, int]]) -> set[Item]:
        found = set()
        outcomes = TorrentTransport(swarm, tree.torrents, peers=peers).fetch(items, staging)
        async for outcome in outcomes:
            found.add(outcome.item)
            if len(found) == 30:
                break
        await outcomes.aclose()
        assert not swarm.statuses()
        return found

    with loopback(upload_rate=4_000_000) as seed:
        [joined] = seeding(seed, tree)
        with loopback() as swarm:
            first = asyncio.run(some(swarm, [peer(seed)]))
        with loopback() as swarm:  # nobody is asked for what is there
            pulled = pull(TorrentTransport(swarm, tree.torrents, stall=0.2), tree, items, staging)
            assert first <= set(pulled.arrived)
            assert pulled.reasons == {"stalled"}
            assert not pulled.wrong
        seed.limit(upload_rate=0, download_rate=0)
        with loopback() as swarm:
            pulled = pull(TorrentTransport(swarm, tree.torrents, peers=[peer(seed)]), tree, items, staging)
        uploaded = joined.status().uploaded
    assert len(pulled.arrived) == len(items)
    assert not pulled.wrong
    # The pieces that were under way when the first call was closed came twice, nothing else.
    assert uploaded <= sum(-(-item.size // 16_384) * 16_384 for item in items) + 100 * PIECE


@pytest.mark.parametrize("damage", ["note-altered", "note-cut", "note-missing", "gone", "cut", "grown"])
def test_damage_in_staging_costs_bytes_and_never_an_answer(tree: Tree, tmp_path: Path, damage: str) -> None:
    items, staging = tree.items(VOLUME, tree.volumes[VOLUME][:10]), tmp_path / "staging"
    with loopback() as seed, loopback() as swarm:
        seeding(seed, tree)
        transport = TorrentTransport(swarm, tree.torrents, peers=[peer(seed)])
        pulled = pull(transport, tree, items, staging)
        [note] = (staging / torrentresume.FOLDER).iterdir()
        saved = note.read_bytes()
        match damage:
            case "note-altered":
                note.write_bytes(saved[:-3] + bytes([saved[-3] ^ 1]) + saved[-2:])
            case "note-cut":
                note.write_bytes(saved[:-1])
            case "note-missing":
                note.unlink()
            case _:
                file = pulled.arrived[items[3]].file
                data = file.read_bytes()
                file.unlink()
                if damage != "gone":
                    file.write_bytes(data[:-1] if damage == "cut" else data + b"\0")
        again = pull(transport, tree, items, staging)
    assert len(again.arrived) == 10
    assert not again.wrong


def test_a_file_that_was_handed_on_is_never_written_to(tree: Tree, tmp_path: Path) -> None:
    path = max(tree.volumes[VOLUME], key=tree.sizes.__getitem__)
    items, staging = tree.items(VOLUME, [path]), tmp_path / "staging"
    kept = tmp_path / "kept.jpg"
    with loopback() as seed, loopback() as swarm:
        seeding(seed, tree)
        transport = TorrentTransport(swarm, tree.torrents, peers=[peer(seed)])
        [arrived] = pull(transport, tree, items, staging).arrived.values()
        os.link(arrived.file, kept)
        kept.write_bytes(b"the same inode, other bytes".ljust(tree.sizes[path]))
        # A note that lacks a piece, as a kill leaves it: the file must come anew, in another inode.
        infohash = torrentfile.parse(tree.torrents[VOLUME]).infohash_v2
        [note] = (staging / torrentresume.FOLDER).iterdir()
        assert note.name == infohash
        pieces = sum(-(-size // PIECE) for size in tree.sizes.values())
        had = torrentresume.load(staging, infohash, pieces)
        torrentresume.save(staging, infohash, pieces, sorted(had)[1:])
        pulled = pull(transport, tree, items, staging)
    assert len(pulled.arrived) == 1
    assert not pulled.wrong
    assert kept.read_bytes().startswith(b"the same inode")


def test_what_lies_in_another_tree_is_not_fetched(tree: Tree, tmp_path: Path) -> None:
    items, staging, older = tree.items(VOLUME, tree.volumes[VOLUME][:20]), tmp_path / "staging", tmp_path / "older"
    for number, item in enumerate(items[:12]):
        target = older / item.path
        target.parent.mkdir(parents=True, exist_ok=True)
        data = (tree.dataset / item.path).read_bytes()
        target.write_bytes(bytes(len(data)) if number < 3 else data[:-1] if number < 6 else data)
    before = {path: (older / path).read_bytes() for path in files_below(older)}
    with loopback() as seed, loopback() as swarm:
        [joined] = seeding(seed, tree)
        pulled = pull(TorrentTransport(swarm, tree.torrents, peers=[peer(seed)], reuse=older), tree, items, staging)
        assert len(pulled.arrived) == 20
        assert set(pulled.wrong) == set(items[:3])  # of the right size: the caller finds out
        assert all((older / item.path).samefile(pulled.arrived[item].file) for item in [*items[:3], *items[6:12]])
        fetched = [*items[3:6], *items[12:]]
        assert joined.status().uploaded <= sum(item.size + 16_384 for item in fetched)
        again = pull(TorrentTransport(swarm, tree.torrents, peers=[peer(seed)]), tree, pulled.wrong, staging)
    assert len(again.arrived) == 3
    assert not again.wrong
    assert before == {path: (older / path).read_bytes() for path in files_below(older)}


def test_members_are_taken_from_an_archive_of_another_tree(tmp_path: Path) -> None:
    tree = Tree(tmp_path / "published")
    items = tree.packed_volume("tar", "512px/2026-0000.tar", {"1.jpg": b"1" * 200_000, "../2.jpg": b"2" * 90_000})
    with loopback() as swarm:
        transport = TorrentTransport(swarm, tree.torrents, reuse=tree.dataset)
        pulled = pull(transport, tree, items, tmp_path / "staging")
    assert len(pulled.arrived) == 2
    assert not pulled.wrong
    assert all(one.file.is_relative_to(tmp_path / "staging") for one in pulled.arrived.values())


def test_nobody_who_has_it_is_a_stall(tree: Tree, tmp_path: Path) -> None:
    items = tree.items(VOLUME, tree.volumes[VOLUME][:3])
    with loopback() as swarm:
        pulled = pull(TorrentTransport(swarm, tree.torrents, stall=0.5), tree, items, tmp_path / "staging")
        assert not swarm.statuses()
    assert pulled.reasons == {"stalled"}
    assert "0 peers" in pulled.failed[items[0]].detail


def test_a_dead_tracker_is_named(tree: Tree, tmp_path: Path) -> None:
    torrent = torrentfile.parse(tree.torrents[VOLUME])
    layers = {entry.root: entry.layer for entry in torrent.entries if entry.root and entry.layer}
    links = torrentfile.Links(trackers=(("http://127.0.0.1:9/announce",),))
    named = torrentfile.render(torrent.info, layers, links)
    items = tree.items(VOLUME, tree.volumes[VOLUME][:3])
    with loopback() as swarm:
        pulled = pull(TorrentTransport(swarm, {VOLUME: named}, stall=2), tree, items, tmp_path / "staging")
    assert pulled.reasons == {"stalled"}
    assert "http://127.0.0.1:9/announce" in pulled.failed[items[0]].detail


_REASONS: dict[Fault, str] = {"altered": "damaged", "drips": "stalled", "hangs": "stalled", "missing": "stalled"}


@pytest.mark.parametrize("fault", get_args(Fault))
def test_a_web_seed_with_a_fault_ends_in_its_name_or_in_right_files(tree: Tree, tmp_path: Path, fault: Fault) -> None:
    items = tree.items(VOLUME, choose(tree.volumes[VOLUME], 20))
    with faulty(tree.folder, fault) as url, loopback() as swarm:
        transport = TorrentTransport(swarm, tree.torrents, web_seeds=[url], stall=1.5)
        pulled = pull(transport, tree, items, tmp_path / "staging")
    assert not pulled.wrong
    if fault == "no-ranges":  # the answer is the whole file, which is what was wanted
        assert len(pulled.arrived) == 20
    else:
        assert not pulled.arrived
        assert pulled.reasons == {_REASONS[fault]}
        failure = pulled.failed[items[0]]
        assert fault != "missing" or "Not Found" in failure.detail
        assert fault != "altered" or "wrong hashes" in failure.detail


@pytest.mark.parametrize("honest", [False, True])
def test_poisoned_data_never_arrive(tree: Tree, tmp_path: Path, honest: bool) -> None:
    items = tree.items(VOLUME, choose(tree.volumes[VOLUME], 20))
    pieces = len(torrentfile.parse(tree.torrents[VOLUME]).pieces) // 20
    with loopback() as poisoner, loopback() as seed, loopback() as swarm:
        # Seed mode would compare with the hashes before it sends anything.
        poisoner.join(tree.torrents[VOLUME], altered(tree, tmp_path / "altered"), lambda _: None, have=range(pieces))
        seeding(seed, tree)
        peers = [peer(poisoner), *([peer(seed)] if honest else [])]
        transport = TorrentTransport(swarm, tree.torrents, peers=peers, stall=3)
        pulled = pull(transport, tree, items, tmp_path / "staging")
    assert not pulled.wrong
    assert (len(pulled.arrived), pulled.reasons) == ((20, set()) if honest else (0, {"damaged"}))


def test_a_disk_that_cannot_be_written_is_named(tree: Tree, tmp_path: Path) -> None:
    items = tree.items(VOLUME, choose(tree.volumes[VOLUME], 5))
    blocked = tmp_path / "staging" / torrentfiles.TREE / NAME
    blocked.mkdir(parents=True)
    (blocked / "512px").write_text("a file where a folder must be")
    with loopback() as seed, loopback() as swarm:
        seeding(seed, tree)
        transport = TorrentTransport(swarm, tree.torrents, peers=[peer(seed)])
        pulled = pull(transport, tree, items, tmp_path / "staging")
    assert pulled.reasons == {"disk"}
    assert not pulled.arrived


def test_a_disk_that_is_full_is_named_and_goes_on_when_it_has_room(tree: Tree, tmp_path: Path) -> None:
    items = tree.items(VOLUME, choose(tree.volumes[VOLUME], 30))
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    with loopback() as seed, loopback() as swarm:
        seeding(seed, tree)
        transport = TorrentTransport(swarm, tree.torrents, peers=[peer(seed)])
        resource.setrlimit(resource.RLIMIT_FSIZE, (30_000, before[1]))  # a write beyond it fails as on a full disk
        try:
            full = pull(transport, tree, items, tmp_path / "staging")
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)
        pulled = pull(transport, tree, items, tmp_path / "staging")
    assert full.reasons == {"disk"}
    assert not full.wrong
    assert len(pulled.arrived) == 30
    assert not pulled.wrong


def test_a_large_piece_on_a_slow_line_is_no_stall(tmp_path: Path) -> None:
    tree = Tree(tmp_path / "published", piece_length=1 << 20)
    tree.volume("v", {"original/0000/1000.png": random.Random(1).randbytes(1 << 20)})
    with loopback(upload_rate=400_000) as seed, loopback() as swarm:
        seeding(seed, tree)
        transport = TorrentTransport(swarm, tree.torrents, peers=[peer(seed)], stall=2)
        pulled = pull(transport, tree, tree.items("v"), tmp_path / "staging")
    assert len(pulled.arrived) == 1
    assert not pulled.wrong


def test_closing_leaves_the_swarm_and_writes_nothing_more(tree: Tree, tmp_path: Path) -> None:
    staging = tmp_path / "staging"

    async def close_after(outcomes: int, swarm: Swarm, seed: Swarm) -> None:
        transport = TorrentTransport(swarm, tree.torrents, peers=[peer(seed)])
        fetching = transport.fetch(tree.items(VOLUME), staging)
        for _ in range(outcomes):
            await anext(fetching)
        await fetching.aclose()

    with loopback() as seed, loopback() as swarm:
        seeding(seed, tree)
        for outcomes in (0, 1, 50):
            asyncio.run(close_after(outcomes, swarm, seed))
            assert not swarm.statuses()
            before = {path: (staging / path).stat() for path in files_below(staging)}
            time.sleep(0.3)
            assert {path: (staging / path).stat() for path in files_below(staging)} == before


def test_a_task_that_is_cancelled_leaves_the_swarm(tree: Tree, tmp_path: Path) -> None:
    async def run(swarm: Swarm) -> None:
        transport = TorrentTransport(swarm, tree.torrents)
        for delay in (0, 0.001, 0.01, 0.05, 0.2):
            task = asyncio.create_task(pull_from(transport, tree, tree.items(VOLUME), tmp_path / "staging"))
            await asyncio.sleep(delay)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
        await asyncio.sleep(0.2)
        assert not swarm._joined

    with Swarm(Settings.loopback()) as swarm:
        asyncio.run(run(swarm))


def test_the_same_item_twice_has_two_outcomes(tree: Tree, tmp_path: Path) -> None:
    item = tree.items(VOLUME)[0]

    async def run(swarm: Swarm, seed: Swarm) -> list[object]:
        transport = TorrentTransport(swarm, tree.torrents, peers=[peer(seed)])
        return [outcome async for outcome in transport.fetch([item, item], tmp_path / "staging")]

    with loopback() as seed, loopback() as swarm:
        seeding(seed, tree)
        outcomes = asyncio.run(run(swarm, seed))
    assert len(outcomes) == 2
    assert not any(isinstance(outcome, Failed) for outcome in outcomes)


def test_a_session_that_ends_fails_what_is_missing(tree: Tree, tmp_path: Path) -> None:
    items = tree.items(VOLUME)

    async def run(swarm: Swarm, seed: Swarm) -> list[object]:
        transport = TorrentTransport(swarm, tree.torrents, peers=[peer(seed)], stall=4)
        outcomes = transport.fetch(items, tmp_path / "staging")
        first = await anext(outcomes)
        await asyncio.to_thread(swarm.close)
        return [first, *[outcome async for outcome in outcomes]]

    with loopback(upload_rate=1_000_000) as seed, loopback() as swarm:
        seeding(seed, tree)
        outcomes = asyncio.run(run(swarm, seed))
        assert len(outcomes) == len(items)
        assert {outcome.reason for outcome in outcomes if isinstance(outcome, Failed)} == {"refused"}
        assert pull(TorrentTransport(swarm, tree.torrents), tree, items[-1:], tmp_path / "other").reasons == {"refused"}
