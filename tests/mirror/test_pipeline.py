"""A pull brings exactly what is wanted, whatever sources, disks and people do meanwhile."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import hashlib
import io
import os
import random
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from tagswarm.imaging.transform import Transform
from tagswarm.manifests import disk
from tagswarm.manifests.errors import DiskFull, StoreError
from tagswarm.manifests.events import Event, Notice, StepAdvanced, StepFinished, StepStarted
from tagswarm.mirror import pipeline, workers
from tagswarm.mirror.file import File
from tagswarm.mirror.form import Form
from tagswarm.mirror.lock import Entry
from tagswarm.mirror.pipeline import Miss, PullReport, error_lines, pull
from tagswarm.mirror.store import Store
from tagswarm.mirror.transports.base import Item, Reason, Transport
from tagswarm.mirror.transports.compose import Failover, Retrying
from tagswarm.mirror.transports.local import LocalSource
from tagswarm.mirror.transports.torrent import TorrentTransport
from tests.mirror.subsets import NATIVE, SMALL, Bring, Script, Tree, below, blobs, check_whole, honest, images
from tests.mirror.transports import torrents
from tests.mirror.transports.servers import nginx

ROOT = Path(__file__).resolve().parents[2]
KEEPING = Form(transform=SMALL.transform, originals=True)


def quick(sources: Mapping[str, Transport]) -> Transport:
    return Retrying(Failover(list(sources.values())), pause=0.001)


def pulled(
    out: Path, files: Iterable[File], sources: Mapping[str, Transport], form: Form = NATIVE, **options: Any
) -> tuple[PullReport, list[Entry]]:
    async def run() -> PullReport:
        return await pull(files, sources, store, form=form, compose=quick, **options)

    with Store(out) as store:
        report = asyncio.run(run())
        assert not store.staging.exists()
        assert not list(store.made.iterdir())
        return report, list(store.entries())


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Tree:
    return images(tmp_path_factory.mktemp("tree"), 60)


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Tree:
    return blobs(tmp_path_factory.mktemp("plain"), 700, 500)


@pytest.mark.parametrize("form", [NATIVE, SMALL, Form(layout="flat"), KEEPING])
def test_a_pull_brings_everything_once(tree: Tree, tmp_path: Path, form: Form) -> None:
    source = Script(honest(tree))
    report, entries = pulled(tmp_path, tree.files, {"a": source}, form)
    assert report.ok
    assert (report.wanted, report.kept, report.fetched, report.damaged) == (60, 0, 60, 0)
    assert report.bytes == sum(file.size for file in tree.files)
    assert [(found.source, found.files, found.bytes) for found in report.sources] == [("a", 60, report.bytes)]
    assert len(source.asked) == 60
    assert [entry.id for entry in entries] == [file.id for file in tree.files]
    check_whole(tmp_path, entries)
    again, same = pulled(tmp_path, tree.files, {"a": source}, form)
    assert (again.kept, again.fetched, len(source.asked)) == (60, 0, 60)
    assert same == entries


def test_images_are_what_the_transform_says(tree: Tree, tmp_path: Path) -> None:
    _, entries = pulled(tmp_path, tree.files, {"local": LocalSource(tree.root)}, KEEPING)
    for entry in entries:
        with Image.open(tmp_path / str(entry.file)) as image:
            assert image.size == (entry.width, entry.height) == (32, 32)
            assert image.format == "JPEG"
        assert entry.engine is not None
        assert entry.original is not None
        assert (tmp_path / entry.original).read_bytes() == (tree.root / entry.path).read_bytes()


def test_the_same_bytes_whatever_the_workers(tree: Tree, tmp_path: Path) -> None:
    _, one = pulled(tmp_path / "one", tree.files, {"a": LocalSource(tree.root)}, SMALL, jobs=1)
    _, two = pulled(tmp_path / "two", reversed(tree.files), {"a": LocalSource(tree.root)}, SMALL, jobs=2)
    assert one == two


def test_a_file_as_it_is_keeps_what_the_release_says_of_it(tmp_path: Path) -> None:
    tree = Tree(tmp_path / "tree")
    file = tree.add(1, b"film", "mp4")
    file = File(**{**{name: getattr(file, name) for name in File.__slots__}, "width": 640, "height": 480, "version": 2})
    _, (entry,) = pulled(tmp_path / "out", [file], {"a": Script(honest(tree))})
    assert (entry.file, entry.width, entry.height, entry.version) == ("images/0001/1.mp4", 640, 480, 2)


def test_nothing_wanted(tmp_path: Path) -> None:
    report, entries = pulled(tmp_path, [], {"a": Script(lambda _: b"")})
    assert (report.wanted, report.ok, entries) == (0, True, [])


# Sources that lie, fail or lack.


def hostile(tree: Tree) -> Bring:
    """Every item with its right size and wrong bytes, in all the ways there are."""

    def bring(item: Item) -> bytes:
        data = bytearray((tree.root / item.path).read_bytes())
        match int(hashlib.sha256(item.path.encode()).hexdigest(), 16) % 4:
            case 0:
                data[len(data) // 2] ^= 1
            case 1:
                data = data[:-1]
            case 2:
                data += b"more"
            case _:
                data = bytearray(len(data))
        return bytes(data)

    return bring


@pytest.mark.parametrize("place", [0, 1, 2])
@pytest.mark.parametrize("form", [NATIVE, SMALL])
def test_one_hostile_mirror_of_three_changes_nothing(tree: Tree, tmp_path: Path, place: int, form: Form) -> None:
    clean, expected = pulled(tmp_path / "clean", tree.files, {"a": Script(honest(tree))}, form)
    lacking: Bring = lambda item: "missing" if item.size % 2 else honest(tree)(item)  # noqa: E731
    sources = [Script(honest(tree)), Script(lacking)]
    sources.insert(place, Script(hostile(tree)))
    events: list[Event] = []
    named = {f"mirror-{number}": source for number, source in enumerate(sources)}
    report, entries = pulled(tmp_path / "out", tree.files, named, form, report=events.append)
    assert entries == expected
    assert report.ok
    assert (report.fetched, report.made_bytes) == (clean.fetched, clean.made_bytes)
    check_whole(tmp_path / "out", entries)
    bad = report.sources[place]
    assert bad.files == 0
    assert report.damaged == len(sources[place].asked) == dict(bad.failed).get("damaged", 0)
    told = [event.message for event in events if isinstance(event, Notice)]
    assert [message.startswith(f"mirror-{place} sent wrong bytes for post") for message in told] == [True] * len(told)
    assert bool(told) == bool(sources[place].asked)
    assert len(told) <= 1
    if place == 0:
        assert report.damaged == 60


def test_only_wrong_bytes_are_a_failure_with_a_name(tree: Tree, tmp_path: Path) -> None:
    report, entries = pulled(tmp_path, tree.files, {"a": Script(hostile(tree))}, SMALL)
    assert [(miss.id, miss.reason) for miss in report.failed] == [(file.id, "damaged") for file in tree.files]
    assert report.damaged == 3 * 60, "each of three attempts"
    assert all(entry.pending for entry in entries)
    assert below(tmp_path) == []


REASONS: list[Reason] = ["missing", "refused", "unreachable", "stalled", "cut", "damaged", "unlisted"]


@pytest.mark.parametrize("reason", REASONS)
def test_what_does_not_come_is_data(tree: Tree, tmp_path: Path, reason: Reason) -> None:
    report, entries = pulled(
        tmp_path, tree.files, {"a": Script(lambda item: reason if item.path.endswith("7.jpg") else honest(tree)(item))}
    )
    expected = [file.id for file in tree.files if file.path.endswith("7.jpg")]
    assert expected
    assert report.failed == tuple(Miss(post, reason, "as the script says") for post in expected)
    assert [entry.id for entry in entries if entry.pending] == expected
    assert error_lines(report.failed) == b"".join(b"%d\t%s\n" % (post, reason.encode()) for post in expected)
    later, whole = pulled(tmp_path, tree.files, {"b": Script(honest(tree))})
    assert (later.ok, later.fetched) == (True, len(expected))
    check_whole(tmp_path, whole)


def test_a_file_that_cannot_be_written_ends_the_pull(tree: Tree, tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="as the script says"):
        pulled(tmp_path, tree.files, {"a": Script(lambda _: "disk")})


@pytest.mark.timeout(120)
def test_a_swarm_is_a_source_like_any_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In slices, each of which joins its volumes anew; what a tree of last year has wrong comes from elsewhere."""
    monkeypatch.setattr(pipeline, "SLICE_FILES", 25)
    tree = torrents.Tree(tmp_path / "published")
    tree.random_volume("a", range(1, 41), mean=20_000)
    tree.random_volume("b", range(41, 81), mean=20_000)
    files = [
        File(id=int(Path(path).stem), path=path, size=tree.sizes[path], sha256=tree.sha256[path], volume=volume)
        for volume, paths in tree.volumes.items()
        for path in paths
    ]
    with torrents.loopback() as seed, torrents.loopback() as swarm:
        torrents.seeding(seed, tree)
        transport = TorrentTransport(swarm, tree.torrents, peers=[torrents.peer(seed)], stall=20)
        report, entries = pulled(tmp_path / "out", files, {"swarm": transport})
        assert (report.ok, report.fetched, report.damaged) == (True, 80, 0)
        check_whole(tmp_path / "out", entries)
        last_year = torrents.altered(tree, tmp_path / "last year") / torrents.NAME
        stale = TorrentTransport(swarm, tree.torrents, peers=[torrents.peer(seed)], stall=20, reuse=last_year)
        sources: dict[str, Transport] = {"swarm": stale, "local": LocalSource(tree.dataset)}
        report, again = pulled(tmp_path / "again", files, sources)
    assert again == entries
    assert (report.ok, report.damaged) == (True, dict(report.sources[0].failed)["damaged"])
    assert report.damaged >= 25
    check_whole(tmp_path / "again", again)


# What is no image.


def animation(format_: str, frames: int = 3) -> bytes:
    pictures = [Image.new("RGB", (20, 20), (number * 80, 0, 0)) for number in range(frames)]
    file = io.BytesIO()
    pictures[0].save(file, format_, save_all=True, append_images=pictures[1:], duration=100)
    return file.getvalue()


@pytest.mark.parametrize("originals", [False, True])
def test_what_gives_no_image_is_skipped_with_a_reason(tree: Tree, tmp_path: Path, originals: bool) -> None:
    whole = (tree.root / next(file for file in tree.files if file.path.endswith("jpg")).path).read_bytes()
    odd = Tree(tmp_path / "tree")
    odd.add(1, b"\x1a\x45\xdf\xa3 webm of some sort", "webm")
    odd.add(2, animation("GIF"), "gif")
    odd.add(3, animation("PNG"), "png")
    odd.add(4, animation("WEBP"), "webp")
    odd.add(5, whole[: len(whole) // 2], "jpg")
    odd.add(6, b"", "jpg")
    odd.add(7, animation("GIF", 1), "gif")
    odd.add(8, b"%PDF-1.7", "png")
    form = Form(transform=SMALL.transform, originals=originals)
    report, entries = pulled(tmp_path / "out", odd.files, {"a": Script(honest(odd))}, form)
    assert report.ok
    found = {miss.id: miss.reason for miss in report.skipped}
    expected = {1: "not-an-image", 2: "animated", 3: "animated", 4: "animated", 5: "truncated", 6: "empty"}
    assert found == {**expected, 8: "not-an-image"}
    assert {entry.id: entry.skipped for entry in entries if entry.skipped} == found
    assert [entry.id for entry in entries if entry.file] == [7]
    assert [entry.id for entry in entries if entry.original] == (list(range(1, 9)) if originals else [])
    check_whole(tmp_path / "out", entries)
    again, _ = pulled(tmp_path / "out", odd.files, {"a": Script(honest(odd))}, form)
    assert (again.kept, again.fetched) == (8, 0)


def test_what_the_release_calls_a_film_is_not_fetched_for_an_image(tmp_path: Path) -> None:
    odd = Tree(tmp_path / "tree")
    odd.add(1, b"film", "mp4", kind="mp4")
    odd.add(2, b"image", "png", kind="png")
    source = Script(honest(odd))
    report, entries = pulled(tmp_path / "out", odd.files, {"a": source}, SMALL)
    assert [item.path for item in source.asked] == ["original/0002/2.png"]
    assert [(miss.id, miss.reason) for miss in report.skipped] == [(1, "not-an-image"), (2, "not-an-image")]
    assert entries[0].detail == "the content is mp4"
    kept, _ = pulled(tmp_path / "kept", odd.files, {"a": source}, KEEPING)
    assert (kept.fetched, below(tmp_path / "kept")) == (2, ["originals/0001/1.mp4", "originals/0002/2.png"])


def test_a_file_too_large_to_decode_is_hashed_and_skipped(
    tree: Tree, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tagswarm.mirror import rendering

    monkeypatch.setattr(rendering, "WHOLE", 10)
    file = tree.files[0]
    for staged, size, wrong in ((tree.root / file.path, file.size, False), (tree.root / tree.files[1].path, 11, True)):
        task = rendering.Task(
            staged=str(staged), size=size, sha256=file.sha256, transform=SMALL.transform, image=str(tmp_path / "image")
        )
        made = rendering.finish(task)
        assert isinstance(made, rendering.Wrong) == wrong
        assert wrong or made == rendering.Made(skipped="too-large", detail=f"{file.size} bytes; at most 10 are decoded")
    assert not (tmp_path / "image").exists()


def test_a_worker_that_is_lost_is_a_failure_of_its_post(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tree = images(tmp_path / "tree", 8)
    file = io.BytesIO()
    Image.new("1", (9000, 9000)).save(file, "PNG")
    tree.add(9, file.getvalue(), "png")  # a few kilobytes that take a second
    monkeypatch.setattr(workers, "_allowed", lambda task: 0.02 if task.size == len(file.getvalue()) else 30.0)
    report, entries = pulled(tmp_path / "out", tree.files, {"a": Script(honest(tree))}, SMALL)
    assert [(miss.id, miss.reason) for miss in report.failed] == [(9, "timeout")]
    assert [entry.id for entry in entries if entry.pending] == [9]


# Another query, another form.


def test_a_changed_query_fetches_and_removes_the_difference(plain: Tree, tmp_path: Path) -> None:
    source = Script(honest(plain))
    pulled(tmp_path, plain.files[:600], {"a": source})
    source.asked.clear()
    report, entries = pulled(tmp_path, plain.files[100:], {"a": source})
    assert (report.kept, report.fetched, report.pruned.removed) == (500, 100, 100)
    assert [item.path for item in source.asked] == [file.path for file in plain.files[600:]]
    assert [entry.id for entry in entries] == [file.id for file in plain.files[100:]]
    check_whole(tmp_path, entries)


def test_what_somebody_changed_is_not_removed(plain: Tree, tmp_path: Path) -> None:
    pulled(tmp_path, plain.files[:10], {"a": Script(honest(plain))})
    mine = tmp_path / "images/0001/1.bin"
    mine.write_bytes(b"painted over")
    (tmp_path / "images/0001/1.txt").write_text("my caption")
    report, entries = pulled(tmp_path, plain.files[5:10], {"a": Script(honest(plain))})
    assert (report.pruned.removed, report.pruned.changed) == (5, ("images/0001/1.bin",))
    assert mine.read_bytes() == b"painted over"
    assert [entry.id for entry in entries] == [6, 7, 8, 9, 10]


def test_what_is_in_the_way_is_moved_to_quarantine(plain: Tree, tmp_path: Path) -> None:
    (tmp_path / "images/0001").mkdir(parents=True)
    (tmp_path / "images/0001/1.bin").write_bytes(b"mine")
    (tmp_path / "images/0002").mkdir()
    (tmp_path / "images/0002/2.bin").symlink_to("/etc/passwd")
    (tmp_path / "images/0003/3.bin").mkdir(parents=True)
    report, entries = pulled(tmp_path, plain.files[:3], {"a": Script(honest(plain))})
    assert report.in_the_way == 3
    check_whole(tmp_path, entries)
    kept = tmp_path / ".tagswarm/quarantine"
    assert (kept / "images_0001_1.bin").read_bytes() == b"mine"
    assert (kept / "images_0002_2.bin").readlink() == Path("/etc/passwd")


def test_a_file_that_was_deleted_comes_again(plain: Tree, tmp_path: Path) -> None:
    source = Script(honest(plain))
    pulled(tmp_path, plain.files[:10], {"a": source})
    (tmp_path / "images/0004/4.bin").unlink()
    (tmp_path / "images/0005/5.bin").write_bytes(b"short")
    report, entries = pulled(tmp_path, plain.files[:10], {"a": source})
    assert (report.kept, report.fetched, report.in_the_way, report.remade) == (8, 2, 1, ())
    check_whole(tmp_path, entries)


def test_another_form_makes_all_anew_and_leaves_nothing_of_the_old(tree: Tree, tmp_path: Path) -> None:
    source = Script(honest(tree))
    forms = [SMALL, Form(transform=Transform(mode="long", width=20, format="webp"), layout="flat"), NATIVE, KEEPING]
    for form in forms:
        source.asked.clear()
        report, entries = pulled(tmp_path, tree.files, {"a": source}, form)
        assert (report.fetched, len(source.asked)) == (60, 60)
        assert report.remade == ()
        check_whole(tmp_path, entries)
    without, _ = pulled(tmp_path, tree.files, {"a": source}, SMALL)
    assert (without.kept, without.fetched) == (60, 0), "originals that are there do no harm"


def test_a_replaced_file_comes_in_place_of_the_old(plain: Tree, tmp_path: Path) -> None:
    pulled(tmp_path / "out", plain.files[:5], {"a": Script(honest(plain))})
    newer = Tree(tmp_path / "newer")
    file = newer.add(3, b"the second version", "png")
    files = [*plain.files[:2], file, *plain.files[3:5]]
    report, entries = pulled(tmp_path / "out", files, {"a": Script(honest(newer))})
    assert (report.kept, report.fetched) == (4, 1)
    assert entries[2].file == "images/0003/3.png"
    check_whole(tmp_path / "out", entries)


def test_another_engine_is_said(tree: Tree, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from dataclasses import replace

    pulled(tmp_path, tree.files[:5], {"a": Script(honest(tree))}, SMALL)
    with Store(tmp_path) as store:
        rows = list(store._journal.find([1, 2]).values())
        store._journal.note(replace(row, entry=replace(row.entry, sha256="00" * 32)) for row in rows)
    for row in rows:
        (tmp_path / str(row.entry.file)).unlink()
    report, entries = pulled(tmp_path, tree.files[:5], {"a": Script(honest(tree))}, SMALL)
    assert report.remade == (1, 2)
    check_whole(tmp_path, entries)


# Ends before the end.


def test_a_full_disk_ends_the_pull_and_the_next_one_goes_on(
    plain: Tree, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pipeline, "BATCH_FILES", 100)
    link = disk.link
    room = iter(range(250))

    def full(file: Any, target: Path) -> bool:
        if next(room, None) is None:
            raise disk.error_of(OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)), target)
        return link(file, target)

    source = Script(honest(plain))
    with monkeypatch.context() as patched:
        patched.setattr(disk, "link", full)
        with pytest.raises(DiskFull), Store(tmp_path) as store:
            asyncio.run(pull(plain.files, {"a": source}, store, form=NATIVE, compose=quick))
    assert source.open == 0
    with Store(tmp_path) as store:
        before = list(store.entries())
    assert len(before) >= 200
    check_whole(tmp_path, before)
    report, entries = pulled(tmp_path, plain.files, {"a": source})
    assert (report.kept, report.ok) == (len(before), True)
    check_whole(tmp_path, entries)


@pytest.mark.parametrize("form", [NATIVE, SMALL])
@pytest.mark.parametrize("moment", [0.0, 0.05, 0.4, 0.9])
def test_a_cancelled_pull_ends_at_once_and_goes_on_later(tree: Tree, tmp_path: Path, form: Form, moment: float) -> None:
    source = Script(honest(tree), pause=0.02)

    async def run(store: Store) -> float:
        pulling = asyncio.create_task(pull(tree.files, {"a": source}, store, form=form, compose=quick))
        await asyncio.sleep(moment)
        began = time.monotonic()
        pulling.cancel()
        with pytest.raises(asyncio.CancelledError):
            await pulling
        assert {task for task in asyncio.all_tasks() if task is not asyncio.current_task()} == set()
        return time.monotonic() - began

    with Store(tmp_path) as store:
        assert asyncio.run(run(store)) < 10
        before = list(store.entries())
    assert source.open == 0
    check_whole(tmp_path, before)
    sent = source.sent
    report, entries = pulled(tmp_path, tree.files, {"a": source}, form)
    assert report.kept == len(before)
    assert source.sent - sent == 60 - len(before)
    check_whole(tmp_path, entries)


def test_a_bug_of_a_source_ends_the_pull_and_leaves_nothing_behind(tree: Tree, tmp_path: Path) -> None:
    def bring(item: Item) -> bytes | Reason:
        if item.path == tree.files[30].path:
            raise ZeroDivisionError
        return honest(tree)(item)

    source = Script(bring)
    with pytest.raises(ZeroDivisionError):
        pulled(tmp_path, tree.files, {"a": source}, SMALL)
    assert source.open == 0


PULLING = textwrap.dedent("""
    import asyncio, sys
    from pathlib import Path
    from tagswarm.mirror.pipeline import pull
    from tagswarm.mirror.store import Store
    from tagswarm.mirror.transports.http import HttpSource
    from tagswarm.mirror.transports.local import LocalSource
    from tests.mirror import subsets
    root, out, log, form, pause, count, kind, source = sys.argv[1:]
    tree = getattr(subsets, kind)(Path(root), int(count))
    served = open(log, "a", buffering=1)

    def bring(item):
        data = (tree.root / item.path).read_bytes()
        print(item.path, file=served)
        return data

    def opened():
        if source == "script":
            return subsets.Script(bring, pause=float(pause))
        return LocalSource(tree.root) if source == "local" else HttpSource(source)

    async def main():
        transport = opened()
        try:
            return await pull(tree.files, {"a": transport}, store, form=getattr(subsets, form))
        finally:
            if isinstance(transport, HttpSource):
                await transport.aclose()

    with Store(Path(out)) as store:
        print("begun", flush=True)
        try:
            report = asyncio.run(main())
        except KeyboardInterrupt:
            sys.exit(130)
    sys.exit(0 if report.ok else 3)
""")


def begin(*arguments: object) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", PULLING, *map(str, arguments)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )


def held(out: Path) -> list[Entry]:
    with Store(out) as store:
        return list(store.entries())


def moments(kills: int) -> Iterator[float]:
    chance = random.Random(kills)
    return (chance.uniform(0, 1.2) for _ in range(kills))


@pytest.mark.timeout(900)
@pytest.mark.parametrize(
    ("form", "kind", "source"),
    [
        ("NATIVE", "blobs", "script"),
        ("SMALL", "images", "script"),
        ("NATIVE", "blobs", "local"),
        ("SMALL", "images", "http"),
    ],
)
def test_a_pull_that_is_killed_at_any_moment(
    request: pytest.FixtureRequest, tmp_path: Path, form: str, kind: str, source: str
) -> None:
    kills = max(1, request.config.getoption("kills") // 2)
    count = 1200 if kind == "blobs" else 250
    tree = blobs(tmp_path / "tree", count) if kind == "blobs" else images(tmp_path / "tree", count)
    out, log = tmp_path / "out", tmp_path / "log"
    log.touch()
    with contextlib.ExitStack() as servers:
        web = servers.enter_context(nginx(tree.root, tmp_path / "nginx")) if source == "http" else None
        pause = 0.0003 if kind == "blobs" else 0.003
        arguments = (tree.root, out, log, form, pause, count, kind, web.address if web else source)

        def served() -> int:
            return len(web.lines()) if web else len(log.read_text().splitlines())

        kept = total = 0
        for moment in moments(kills):
            process = begin(*arguments)
            assert process.stdout is not None
            process.stdout.readline()
            time.sleep(moment)
            process.kill()
            process.wait(20)
            process.stdout.close()
            entries = held(out)
            check_whole(out, entries)  # also: nothing lies in the tree that the journal does not know
            assert served() - total <= count - kept, "what was there was fetched again"
            assert served() - total <= len(entries) - kept + 500, "more than a batch is lost"
            kept, total = len(entries), served()
        process = begin(*arguments)
        assert process.stdout is not None
        assert process.wait(60) == 0
        process.stdout.close()
        assert served() - total <= count - kept
    entries = held(out)
    assert [entry.id for entry in entries] == list(range(1, count + 1))
    assert not any(entry.pending for entry in entries)
    check_whole(out, entries)


@pytest.mark.parametrize(("form", "kind"), [("NATIVE", "blobs"), ("SMALL", "images")])
def test_an_interrupted_pull_says_so_and_keeps_what_came(tmp_path: Path, form: str, kind: str) -> None:
    out, log = tmp_path / "out", tmp_path / "log"
    process = begin(tmp_path / "tree", out, log, form, 0.01, 200, kind, "script")
    assert process.stdout is not None
    process.stdout.readline()
    while not log.exists() or len(log.read_text().splitlines()) < 40:
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    assert process.wait(20) == 130
    process.stdout.close()
    entries = held(out)
    assert 0 < len(entries) < 200
    check_whole(out, entries)
    assert not list((out / ".tagswarm").glob("journal.sqlite-wal"))


# How much it takes.


def test_memory_does_not_follow_the_number_of_files(tmp_path: Path) -> None:
    """What Python holds at most while 2,000 and while 8,000 files are pulled: queues are bounded, nothing is kept."""
    import tracemalloc

    def peak(count: int) -> int:
        data = b"x" * 100
        digest = hashlib.sha256(data).hexdigest()

        def files() -> Iterator[File]:
            for post in range(1, count + 1):
                yield File(id=post, path=f"original/{post % 1000:04}/{post}.bin", size=100, sha256=digest, volume="v")

        with Store(tmp_path / f"{count}") as store:
            source = Script(lambda _: data)
            tracemalloc.start()
            report = asyncio.run(pull(files(), {"a": Forgetting(source)}, store, form=Form(layout="flat"), total=count))
            _, top = tracemalloc.get_traced_memory()
            tracemalloc.stop()
        assert report.fetched == count
        return top

    class Forgetting:
        def __init__(self, source: Script) -> None:
            self.source = source

        def fetch(self, items: Iterable[Item], staging: Path) -> Any:
            self.source.asked.clear()
            return self.source.fetch(items, staging)

    few, many = peak(2_000), peak(8_000)
    assert many < few + 2_400_000, (few, many)  # the names that Python interned are 1.9 MB of it now and then


def test_events_begin_advance_and_finish(tree: Tree, tmp_path: Path) -> None:
    events: list[Event] = []
    pulled(tmp_path, tree.files, {"a": Script(honest(tree))}, report=events.append)
    assert events[0] == StepStarted("pull", 60)
    advances = [event for event in events if isinstance(event, StepAdvanced)]
    assert [event.done for event in advances] == sorted(event.done for event in advances)
    assert events[-1] == StepFinished("pull", 60, sum(file.size for file in tree.files))
