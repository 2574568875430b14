"""A plan covers every file once, adds up, does not depend on the order of anything, and says why it cannot be."""

from __future__ import annotations

import dataclasses
import itertools
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tagswarm.imaging.transform import Transform
from tagswarm.manifests import filerows, filetables
from tagswarm.manifests.errors import DiskTooSmall, NoSource, NothingToPull, PlanError
from tagswarm.manifests.models import FileEntry, Layout, VolumeEntry
from tagswarm.mirror import room
from tagswarm.mirror.file import File
from tagswarm.mirror.mix import WORTH
from tagswarm.mirror.offers import MANNERS, Kind, Offer, Packed
from tagswarm.mirror.plan import Plan, plan
from tagswarm.mirror.wanted import Wanted
from tests.planned import entry, wanted

KIB = 1024
PIECE = 64 * KIB
HTTP = Offer(kind="http", address="https://host/danbooru")
S3 = Offer(kind="s3", address="s3://bucket/danbooru")
RSYNC = Offer(kind="rsync", address="rsync://host/danbooru")
TORRENT = Offer(kind="torrent", address="torrent")
LOCAL = Offer(kind="local", address="/mnt/danbooru")


def only(found: Plan) -> Kind:
    """The kind of the one source of a plan."""
    (share,) = found.shares
    return share.kind


@st.composite
def cases(draw: st.DrawFn) -> tuple[Wanted, list[VolumeEntry], list[Offer]]:
    """Files over some volumes, and up to four offers of which one has everything that can be carried."""
    count = draw(st.integers(1, 6))
    entries = [
        entry(
            f"v{number}",
            files=draw(st.sampled_from((40, 1500, 5000))),
            layout=draw(st.sampled_from(("loose", "tar", "zip"))),
            torrent=draw(st.sampled_from((None, 0, 2000, 600_000))),
        )
        for number in range(count)
    ]
    files = draw(st.lists(st.tuples(st.integers(0, count - 1), st.integers(0, 200_000)), max_size=40))
    names = [one.name for one in entries]
    some = st.frozensets(st.sampled_from(names))
    offers = [Offer(kind=draw(st.sampled_from(("local", "http", "s3"))), address="all")]
    offers += [
        Offer(
            kind=draw(st.sampled_from(tuple(MANNERS))),
            address=draw(st.sampled_from(("https://host", "https://other"))) + f"/{number}",
            volumes=draw(some),
            rate=draw(st.none() | st.floats(1e5, 1e8)),
            request_seconds=draw(st.none() | st.floats(0, 0.1)),
            packed=draw(st.none() | st.sampled_from(("ranges", "archives", "none"))),
        )
        for number in range(draw(st.integers(0, 3)))
    ]
    chosen = Wanted(
        ids=np.array(draw(st.permutations(range(1, len(files) + 1))), np.int64),
        sizes=np.array([size for _, size in files], np.int64),
        volumes=np.array([volume for volume, _ in files], np.int32),
        names=names,
        missing=np.array(draw(st.lists(st.integers(1000, 1050), unique=True, max_size=5)), np.int64),
    )
    return chosen, entries, offers


Case = tuple[Wanted, list[VolumeEntry], list[Offer]]


def cost(found: Plan) -> float:
    sources = [share for share in found.shares if share.kind != "local"]
    return found.seconds * (1 + WORTH * max(len(sources) - 1, 0))


@given(cases(), st.sets(st.integers(1, 1050), max_size=20))
def test_every_file_is_in_exactly_one_part(case: Case, withdrawn: set[int]) -> None:
    chosen, entries, offers = case
    found = plan(chosen, entries, offers, piece_length=PIECE, withdrawn=withdrawn)
    carriers = found.carriers()
    assert len(carriers) == len(found.parts) == found.volumes
    kept = [place for place, post in enumerate(chosen.ids.tolist()) if post not in withdrawn]
    for part in found.parts:
        mine = [place for place in kept if chosen.names[chosen.volumes[place]] == part.volume]
        assert part.files == len(mine) > 0
        assert part.bytes == chosen.sizes[mine].sum() <= part.moved
        offer = next(offer for offer in offers if offer.address == part.source)
        assert offer.volumes is None or part.volume in offer.volumes
    assert found.files == len(kept) == sum(part.files for part in found.parts)
    asked = {*chosen.ids.tolist(), *chosen.missing.tolist()}
    assert found.withdrawn == tuple(sorted(asked & withdrawn))
    assert found.absent_named == tuple(sorted(set(chosen.missing.tolist()) - withdrawn))
    assert found.absent == len(found.absent_named)


@given(cases())
def test_totals_add_up(case: Case) -> None:
    chosen, entries, offers = case
    found = plan(chosen, entries, offers, piece_length=PIECE)
    for name in ("files", "bytes", "moved", "torrent_bytes", "requests"):
        total = getattr(found, name)
        assert total == sum(getattr(part, name) for part in found.parts)
        assert total == sum(getattr(share, name) for share in found.shares)
    for share in found.shares:
        parts = [part for part in found.parts if part.source == share.source]
        assert share.volumes == len(parts) > 0
        started = MANNERS[share.kind].start_seconds
        assert share.seconds == pytest.approx(started + sum(part.seconds for part in parts))
    hosts: dict[str, float] = {}
    for share in found.shares:
        host = next(offer for offer in offers if offer.address == share.source).host
        hosts[host] = hosts.get(host, 0) + share.seconds
    assert found.seconds == pytest.approx(max(hosts.values(), default=0))


@given(cases())
def test_no_single_source_is_cheaper(case: Case) -> None:
    chosen, entries, offers = case
    found = plan(chosen, entries, offers, piece_length=PIECE)
    for share in found.alone:
        if share.volumes == found.volumes:
            assert found.seconds <= share.seconds * (1 + 1e-9)


@given(cases(), st.data())
def test_the_order_of_files_volumes_and_offers_does_not_matter(case: Case, data: st.DataObject) -> None:
    chosen, entries, offers = case
    files = np.array(data.draw(st.permutations(range(len(chosen.ids)))), np.intp)
    names = data.draw(st.permutations(range(len(chosen.names))))
    shuffled = Wanted(
        ids=chosen.ids[files],
        sizes=chosen.sizes[files],
        volumes=np.argsort(names)[chosen.volumes[files]],
        names=[chosen.names[number] for number in names],
        missing=chosen.missing[::-1],
    )
    assert plan(
        shuffled, data.draw(st.permutations(entries)), data.draw(st.permutations(offers)), piece_length=PIECE
    ) == plan(chosen, entries, offers, piece_length=PIECE)


@given(cases())
def test_an_offer_more_never_makes_it_dearer(case: Case) -> None:
    chosen, entries, offers = case
    costs = [cost(plan(chosen, entries, offers[:count], piece_length=PIECE)) for count in range(1, len(offers) + 1)]
    assert all(later <= earlier * (1 + 1e-9) for earlier, later in itertools.pairwise(costs))


@given(cases(), st.sampled_from(tuple(MANNERS)))
def test_what_is_preferred_carries_all_it_has_and_what_is_forbidden_nothing(case: Case, kind: Kind) -> None:
    chosen, entries, offers = case
    liked = plan(chosen, entries, offers, piece_length=PIECE, prefer=[kind])
    has = {offer.address: offer for offer in offers if offer.kind == kind}
    alone = {share.source: share.volumes for share in liked.alone}
    if any(alone.get(address) == liked.volumes for address in has):
        assert {part.kind for part in liked.parts} <= {kind}
    rest = [offer for offer in offers if offer.kind != kind]
    if any(offer.address == "all" for offer in rest):
        assert plan(chosen, entries, offers, piece_length=PIECE, forbid=[kind]) == plan(
            chosen, entries, rest, piece_length=PIECE
        )


def test_a_file_here_and_there_comes_by_http() -> None:
    names = [f"v{number:02}" for number in range(20)]
    chosen = wanted(*((name, 1) for name in names))
    found = plan(chosen, map(entry, names), [TORRENT, HTTP], piece_length=PIECE)
    assert only(found) == "http"
    assert (found.files, found.requests, found.torrent_bytes, found.overhead) == (20, 20, 0, 1)
    by_torrent = next(share for share in found.alone if share.kind == "torrent")
    assert by_torrent.torrent_bytes == 20 * 575_000 > 8 * found.bytes


def test_whole_volumes_come_by_torrent() -> None:
    chosen = wanted(("a", 5000), ("b", 5000))
    found = plan(chosen, [entry("a"), entry("b")], [HTTP, TORRENT], piece_length=PIECE)
    assert only(found) == "torrent"
    assert found.overhead == pytest.approx(1.17, abs=0.01)


@pytest.mark.parametrize(
    ("files", "kinds"), [(4, ["http"]), (5, ["http", "torrent"]), (100, ["http", "torrent"]), (110, ["torrent"])]
)
def test_in_between_both_work_side_by_side(files: int, kinds: list[Kind]) -> None:
    names = [f"v{number:04}" for number in range(1000)]
    chosen = wanted(*((name, files) for name in names))
    found = plan(chosen, map(entry, names), [HTTP, TORRENT], piece_length=PIECE)
    assert [share.kind for share in found.shares] == kinds


def test_a_torrent_that_is_here_already_costs_nothing() -> None:
    chosen = wanted(("a", 50), ("b", 50))
    found = plan(chosen, [entry("a"), entry("b")], [TORRENT], piece_length=PIECE, torrents={"b"})
    assert [part.torrent_bytes for part in found.parts] == [575_000, 0]
    assert found.requests == 1


def test_a_torrent_moves_whole_blocks() -> None:
    for size, moved in ((0, 0), (1, 16 * KIB), (16 * KIB, 16 * KIB), (16 * KIB + 1, 32 * KIB)):
        found = plan(wanted(("a", 3), size=size), [entry("a")], [TORRENT], piece_length=PIECE)
        assert found.moved == 3 * moved


@pytest.mark.parametrize(
    ("offer", "packed", "files", "moved", "requests"),
    [
        (HTTP, None, 10, 700_000, 10),
        (TORRENT, None, 10, 700_000 + 10 * PIECE, 1),
        (TORRENT, None, 4990, 350_000_000, 1),
        (HTTP, "archives", 1, 70_000_000, 1),
        (HTTP, "archives", 2, 140_000_000, 2),
        (HTTP, "archives", 5000, 350_000_000, 5),
    ],
)
@pytest.mark.parametrize("layout", ["tar", "zip"])
def test_members_of_archives(
    *, offer: Offer, packed: Packed | None, files: int, moved: int, requests: int, layout: Layout
) -> None:
    offer = dataclasses.replace(offer, packed=packed)
    found = plan(wanted(("a", files)), [entry("a", layout=layout)], [offer], piece_length=PIECE)
    assert (found.bytes, found.moved, found.requests) == (files * 70_000, moved, requests)


def test_rsync_carries_lists_of_loose_files_and_no_members() -> None:
    found = plan(wanted(("a", 5001), ("b", 1)), [entry("a"), entry("b")], [RSYNC], piece_length=PIECE)
    assert [part.requests for part in found.parts] == [2, 1]
    with pytest.raises(NoSource, match="1 of 2 volumes have no source") as caught:
        plan(wanted(("a", 5), ("b", 1)), [entry("a"), entry("b", layout="tar")], [RSYNC], piece_length=PIECE)
    assert caught.value.volumes == ("b",)


def test_volumes_without_a_torrent_come_another_way() -> None:
    found = plan(wanted(("a", 9), ("b", 9)), [entry("a"), entry("b", torrent=None)], [HTTP, TORRENT], piece_length=1)
    assert found.carriers()["b"] == HTTP.address


def test_a_tree_nearby_carries_what_it_has() -> None:
    near = dataclasses.replace(LOCAL, volumes=frozenset("ac"))
    found = plan(wanted(("a", 100), ("b", 1), ("c", 100)), map(entry, "abc"), [HTTP, near], piece_length=PIECE)
    assert found.carriers() == {"a": near.address, "b": HTTP.address, "c": near.address}
    assert [share.kind for share in found.shares] == ["local", "http"]
    assert [share.volumes for share in found.alone] == [2, 3]


def test_a_limit_of_the_line_holds_for_all_sources_but_not_for_a_disk() -> None:
    chosen, entries = wanted(("a", 500), ("b", 500), size=700_000), [entry("a"), entry("b")]
    found = plan(chosen, entries, [HTTP, S3], piece_length=PIECE, limit=1e6)
    assert found.seconds >= chosen.sizes.sum() / 1e6
    assert len(found.shares) == 1
    assert plan(chosen, entries, [LOCAL], piece_length=PIECE, limit=1e6).seconds < 10


def test_a_measured_rate_counts_more_than_an_assumption() -> None:
    quick = dataclasses.replace(HTTP, rate=100e6)
    found = plan(wanted(("a", 50)), [entry("a")], [quick, S3], piece_length=PIECE)
    assert only(found) == "http"
    assert found.shares[0].measured
    assert found.alone[1].measured is False


def test_nothing_to_pull_is_a_plan_that_says_so() -> None:
    found = plan(wanted(("a", 0), missing=(7, 8, 9)), [entry("a")], [], piece_length=PIECE, withdrawn=[9])
    assert (found.parts, found.files, found.seconds, found.overhead) == ((), 0, 0, 1)
    refusal = found.refusal()
    assert isinstance(refusal, NothingToPull)
    assert refusal.message.endswith("nothing to fetch: posts without a file in this rendition: 2, posts taken back: 1")
    empty = plan(wanted(), [], [HTTP], piece_length=PIECE).refusal()
    assert empty is not None
    assert empty.message == "there is nothing to fetch: no post was asked for"


def test_a_volume_that_the_release_does_not_have_is_an_error() -> None:
    with pytest.raises(PlanError, match=r"no volume b\\x1b"):
        plan(wanted(("a", 1), ("b\x1b", 1)), [entry("a")], [HTTP], piece_length=PIECE)


def test_a_disk_that_is_too_small_is_refused_with_what_is_missing() -> None:
    chosen = wanted(("a", 1000))
    needed = plan(chosen, [entry("a")], [HTTP], piece_length=PIECE).room.needed
    assert needed == 70_000_000 + 1000 * room.FILE + 70_000_000
    assert plan(chosen, [entry("a")], [HTTP], piece_length=PIECE, free=needed).refusal() is None
    refusal = plan(chosen, [entry("a")], [HTTP], piece_length=PIECE, free=needed - 1).refusal()
    assert isinstance(refusal, DiskTooSmall)
    assert (refusal.needed, refusal.free) == (needed, needed - 1)
    assert refusal.message == "144,096,000 bytes are needed and the disk has 144,095,999 bytes free"


def test_what_lies_in_staging_depends_on_who_carries_it() -> None:
    chosen, entries = wanted(("a", 5000), ("b", 5000)), [entry("a"), entry("b")]
    moved = {}
    for offer in (HTTP, RSYNC, TORRENT):
        made = plan(chosen, entries, [offer], piece_length=PIECE, transform=Transform(mode="fit", width=64))
        kept = plan(chosen, entries, [offer], piece_length=PIECE)
        moved[offer.kind] = (made.room.staging - room.WINDOW, kept.room.staging - room.WINDOW)
    swarm = 10_000 * 5 * 16 * KIB
    assert moved == {"http": (0, 0), "rsync": (350_000_000, 0), "torrent": (swarm, swarm - 700_000_000)}


def test_what_a_file_table_finds_is_planned_as_it_is(tmp_path: Path) -> None:
    """From ids to items: the table, the plan, and the files that each source is asked for."""
    table = tmp_path / "original.parquet"
    lines = {
        volume: [
            FileEntry(path=f"original/{post % 1000:04}/{post}.png", size=70_000, sha256=f"{post:064x}", id=post)
            for post in range(first, 3000, 2)
        ]
        for volume, first in (("a", 2), ("b", 1))
    }
    with filerows.open_writer(table, rendition="original", site="danbooru") as add:
        for volume, rows in lines.items():
            add(volume, rows)
    found = filetables.open_files(table).find(np.arange(2990, 3010, dtype=np.int64))
    near = dataclasses.replace(LOCAL, volumes=frozenset("b"))
    made = plan(found, map(entry, "ab"), [HTTP, near], piece_length=PIECE, withdrawn=[2991, 3005])
    assert (made.files, made.withdrawn, made.absent, made.volumes) == (9, (2991, 3005), 9, 2)
    carriers = made.carriers()
    items = [(carriers[file.volume], file.item()) for file in found.files(File) if file.id not in made.withdrawn]
    assert len(items) == made.files
    assert sum(item.size for _, item in items) == made.bytes
    assert {item.path for address, item in items if address == near.address} == {
        f"original/{post % 1000:04}/{post}.png" for post in range(2993, 3000, 2)
    }
