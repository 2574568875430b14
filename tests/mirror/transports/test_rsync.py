"""Items from an rsync daemon, and from a program that misbehaves in the place of rsync."""

from __future__ import annotations

import asyncio
import hashlib
import os
import pickle
import random
import re
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterable
from collections.abc import Set as AbstractSet
from contextlib import aclosing
from pathlib import Path

import pytest

from tagswarm.manifests.errors import LimitExceeded, ToolMissing, TransportError
from tagswarm.manifests.events import Event, Notice
from tagswarm.mirror.transports import rsync
from tagswarm.mirror.transports.base import Arrived, Failed, Item
from tagswarm.mirror.transports.compose import Failover
from tagswarm.mirror.transports.ranged import Limits
from tagswarm.mirror.transports.rate import Rate
from tagswarm.mirror.transports.rsync import RsyncSource
from tests.chaos import fakersync
from tests.mirror.transports.conformance import (
    LARGE,
    Opened,
    OpenedSource,
    SourceConformance,
    Tree,
    census,
    close,
    fetched,
    run,
)
from tests.mirror.transports.servers import free_port, rsyncd

SHORT = Limits(connect=2, window=1, least=1_000)


class TestRsync(SourceConformance):
    step = 10

    @pytest.fixture
    def opened(self, daemon: str) -> OpenedSource:
        return lambda: aclosing(RsyncSource(f"rsync://{daemon}/tree"))

    def carried(self, item: Item) -> bool:
        return item.archive is None


class TestShortLists(TestRsync):
    """The same with many runs, from a folder in a module."""

    @pytest.fixture
    def opened(self, daemon: str, tree: Tree, monkeypatch: pytest.MonkeyPatch) -> OpenedSource:
        monkeypatch.setattr(rsync, "LINES", 40)
        return lambda: aclosing(RsyncSource(f"rsync://{daemon}/above/{tree.root.name}"))

    def test_two_thousand_items_in_bounded_memory(self, opened: Opened, tree: Tree, tmp_path: Path) -> None:
        """That many runs take a while; the lists of the usual length say it."""


def right(tree: Tree, outcome: Arrived | Failed) -> bool:
    return isinstance(outcome, Arrived) and (
        hashlib.sha256(outcome.file.read_bytes()).digest() == tree.digests[outcome.item]
    )


def loose(tree: Tree) -> list[Item]:
    return [item for item in tree.small() if item.archive is None]


def large(tree: Tree) -> Item:
    return next(item for item in tree.items if item.size == LARGE and item.archive is None)


async def once(
    address: str, items: Iterable[Item], staging: Path, limits: Limits | None = None
) -> list[Arrived | Failed]:
    async with aclosing(RsyncSource(address, limits=limits)) as source:
        return await fetched(source, items, staging)


async def read(address: str, path: str, *, limit: int) -> bytes | None:
    async with aclosing(RsyncSource(address, limits=SHORT)) as source:
        return await source.read(path, limit=limit)


def reasons(outcomes: Iterable[Arrived | Failed]) -> Counter[str]:
    return Counter("arrived" if isinstance(outcome, Arrived) else outcome.reason for outcome in outcomes)


def running(word: str) -> list[int]:
    """The processes that have a word in their arguments."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                said = (entry / "cmdline").read_bytes()
            except OSError:
                continue
            if word.encode() in said:
                found.append(int(entry.name))
    return found


def test_members_of_archives_and_odd_names_are_unlisted(daemon: str, tree: Tree, tmp_path: Path) -> None:
    names = ("../a.jpg", "/etc/passwd", "a//b", "-a", "a\nb", "", "a/./b", "\udc80", "x" * 300)
    items = [item for item in tree.items if item.archive][:20]
    items += [Item(path=name, size=1, volume="v") for name in names]
    assert reasons(run(once(f"rsync://{daemon}/tree", items, tmp_path))) == {"unlisted": len(items)}
    assert list(tmp_path.iterdir()) == []


def test_a_double_colon_is_an_address_too(daemon: str, tree: Tree) -> None:
    source = RsyncSource("host.example::tree/sub/")
    assert source.address == "rsync://host.example/tree/sub"
    item = loose(tree)[3]
    assert run(read(f"rsync://{daemon}/tree/", item.path, limit=item.size)) is not None


def test_a_folder_that_is_a_link_at_the_server_is_a_folder_here(tmp_path: Path) -> None:
    (tmp_path / "root/pool").mkdir(parents=True)
    (tmp_path / "root/pool/1.jpg").write_bytes(b"one")
    (tmp_path / "root/512px").symlink_to("pool")
    (tmp_path / "root/pool/2.jpg").symlink_to("1.jpg")
    items = [Item(path=f"512px/{number}.jpg", size=3, volume="v") for number in (1, 2)]
    with rsyncd(tmp_path / "root", tmp_path / "rsyncd") as host:
        first, second = run(once(f"rsync://{host}/tree", items, tmp_path / "staging"))
    assert isinstance(first, Arrived)
    assert first.file.read_bytes() == b"one"
    assert isinstance(second, Failed)
    assert second.reason == "missing"


def test_a_password_is_sent_and_never_shown(daemon: str, tree: Tree, tmp_path: Path) -> None:
    item = loose(tree)[3]
    source = RsyncSource(f"rsync://user:secret@{daemon}/hidden")
    assert source.address == f"rsync://{daemon}/hidden"
    assert right(tree, run(once(f"rsync://user:secret@{daemon}/hidden", [item], tmp_path / "a"))[0])
    for known in ("", "user@", "user:secret2@", "other:secret@"):
        [outcome] = run(once(f"rsync://{known}{daemon}/hidden", [item], tmp_path / "b"))
        assert isinstance(outcome, Failed)
        assert outcome.reason == "refused"
        assert "secret" not in outcome.detail


def test_the_password_of_the_environment_goes_to_a_named_user_only(
    daemon: str, tree: Tree, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RSYNC_PASSWORD", "secret")
    monkeypatch.setenv("RSYNC_PROXY", "127.0.0.1:1")
    item = loose(tree)[3]
    assert right(tree, run(once(f"rsync://user@{daemon}/hidden", [item], tmp_path / "a"))[0])
    monkeypatch.setenv("USER", "user")
    assert reasons(run(once(f"rsync://{daemon}/hidden", [item], tmp_path / "b"))) == {"refused": 1}


def test_what_is_no_module_is_refused(daemon: str, tree: Tree, tmp_path: Path) -> None:
    items = loose(tree)
    assert reasons(run(once(f"rsync://{daemon}/none", items, tmp_path / "a"))) == {"refused": len(items)}
    assert reasons(run(once(f"rsync://{daemon}/tree/none", items, tmp_path / "b"))) == {"missing": len(items)}
    with pytest.raises(TransportError, match="refuses"):
        run(read(f"rsync://{daemon}/none", "latest.json", limit=10))


def test_nobody_answers(tree: Tree, tmp_path: Path) -> None:
    address = f"rsync://127.0.0.1:{free_port()}/tree"
    assert reasons(run(once(address, loose(tree), tmp_path))) == {"unreachable": len(loose(tree))}
    with pytest.raises(TransportError, match="no connection"):
        run(read(address, "latest.json", limit=10))


def test_a_web_server_does_not_speak_rsync(tree: Tree, tmp_path: Path, web: object) -> None:
    host = str(getattr(web, "address", "")).removeprefix("http://")
    items = loose(tree)[:5]
    assert reasons(run(once(f"rsync://{host}/tree", items, tmp_path, SHORT))).keys() <= {"damaged", "unreachable"}


@pytest.mark.parametrize(
    "address",
    [
        "",
        "host",
        "rsync://",
        "rsync://host",
        "rsync://host/",
        "rsync://-host/a",
        "-e::a",
        "-esh -c id::a",
        "rsync://user:secret@/a",
        "rsync://us er:secret@host/a",
        "rsync://-u:secret@host/a",
        "rsync://host/a/../b",
        "rsync://host/a//b",
        "rsync://host/a*",
        "rsync://host/a\nb",
        "rsync://ho;st/a",
        "rsync://host:port/a",
        "rsync://[x]/a",
        "host:a",
        "host::",
        "user@::a",
    ],
)
def test_what_is_no_address_is_refused(address: str) -> None:
    with pytest.raises(TransportError) as failure:
        RsyncSource(address)
    assert "secret" not in str(failure.value)


def test_a_large_file_goes_on_where_it_broke_off(tree: Tree, tmp_path: Path) -> None:
    item = large(tree)

    async def broken_off(address: str) -> None:
        async with aclosing(RsyncSource(address, rate=Rate(3 << 20))) as source:
            outcomes = source.fetch([item], tmp_path / "staging")
            task = asyncio.ensure_future(anext(outcomes))
            await asyncio.sleep(1.5)
            task.cancel()
            await asyncio.wait([task])
            await close(outcomes)

    with rsyncd(tree.root, tmp_path / "rsyncd") as host:
        run(broken_off(f"rsync://{host}/tree"))
        [part] = (tmp_path / "staging/partial").iterdir()
        have = part.stat().st_size
        assert 1 << 20 < have < LARGE
        [outcome] = run(once(f"rsync://{host}/tree", [item], tmp_path / "staging"))
        assert right(tree, outcome)
        sent = re.findall(r"sent (\d+) bytes", (tmp_path / "rsyncd/rsyncd.log").read_text())
    assert int(sent[-1]) < LARGE - have + 100_000
    assert list((tmp_path / "staging/partial").iterdir()) == []


def test_a_rate_is_kept(daemon: str, tree: Tree, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = RsyncSource(f"rsync://{daemon}/tree", rate=Rate(100_000))
    seen: list[str] = []
    start = asyncio.create_subprocess_exec

    async def watched(*words: str, **options: object) -> asyncio.subprocess.Process:
        seen.extend(words)
        return await start(*words, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(asyncio, "create_subprocess_exec", watched)

    async def body() -> list[Arrived | Failed]:
        async with aclosing(source):
            return await fetched(source, loose(tree)[:3], tmp_path)

    assert reasons(run(body())) == {"arrived": 3}
    assert "--bwlimit=98" in seen


PULL = """
import asyncio, pickle, sys
from pathlib import Path
from tagswarm.mirror.transports.rate import Rate
from tagswarm.mirror.transports.rsync import RsyncSource

async def pull():
    source = RsyncSource(sys.argv[1], rate=Rate(5 << 20))
    async for outcome in source.fetch(pickle.loads(sys.stdin.buffer.read()), Path(sys.argv[2])):
        print(".", flush=True)
    await source.aclose()

asyncio.run(pull())
"""


def test_a_pull_that_is_killed_at_any_moment_leaves_nothing_wrong_and_nobody(
    daemon: str, tree: Tree, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    moments = random.Random(3)
    address = f"rsync://{daemon}/tree"
    items = [*moments.sample(loose(tree), 60), large(tree)]
    ends = []
    for _ in range(request.config.getoption("--kills")):
        command = [sys.executable, "-c", PULL, address, str(tmp_path / "staging")]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
            assert process.stdin is not None
            assert process.stdout is not None
            process.stdin.write(pickle.dumps(items))
            process.stdin.close()
            for _ in range(moments.randrange(62)):
                process.stdout.readline()
            time.sleep(moments.random() * 0.4)
            process.kill()
        ends.append(process.returncode)
    assert -signal.SIGKILL in ends
    outcomes = run(once(address, items, tmp_path / "staging"))
    assert Counter(outcome.item for outcome in outcomes) == Counter(items)
    assert all(right(tree, outcome) for outcome in outcomes)
    until = time.monotonic() + 15
    while running(str(tmp_path / "staging")) and time.monotonic() < until:
        time.sleep(0.1)
    assert running(str(tmp_path / "staging")) == [], "an orphan still writes"


# What follows starts a program that misbehaves.

ADDRESS = "rsync://127.0.0.1:1/tree"

EXPECTED: dict[str, AbstractSet[str]] = {
    **dict.fromkeys(
        ("fine", "extra", "outside", "wrong", "modes", "backwards", "silent", "straggler"), frozenset({"arrived"})
    ),
    **dict.fromkeys(("links", "hard", "nothing", "code3", "code23", "code24"), frozenset({"missing"})),
    **dict.fromkeys(("half", "half_partial"), frozenset({"arrived", "missing"})),
    "short": {"arrived", "cut"},  # of a file without bytes nothing can be cut
    "long": {"damaged"},
    "hang": {"arrived", "stalled"},
    **dict.fromkeys(("deaf", "flood", "flood_errors"), frozenset({"stalled"})),
    "ansi": {"refused"},
    "endless": {"damaged"},
    "much": {"damaged"},
    "killed": {"arrived", "unreachable"},
    "planted": {"unreachable"},
    **dict.fromkeys(("code1", "code2"), frozenset({"refused"})),
    "code5": {"damaged"},
    **dict.fromkeys((f"code{number}" for number in (10, 11, 12, 13, 20, 30, 35, 99)), frozenset({"unreachable"})),
}
"""What comes of each fault."""


@pytest.fixture(params=sorted(fakersync.FAULTS))
def broken(request: pytest.FixtureRequest, tree: Tree, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    fault = str(request.param)
    folder = fakersync.install(tmp_path / "bin", tree.root, fault)
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    return fault


def asked(tree: Tree) -> list[Item]:
    """Some that are there and some that are not."""
    return [*loose(tree)[:40], *loose(tree)[-5:], tree.odd["lacking"]]


def test_every_fault_ends_in_files_that_were_asked_for_or_a_named_failure(
    broken: str, rounds: int, tree: Tree, tmp_path: Path
) -> None:
    items = asked(tree)
    there = [item for item in items if item in tree.digests]
    before = census(tree.root)
    (tmp_path / "place").mkdir()
    for number in range(rounds):
        staging = tmp_path / f"place/{number}"
        outcomes = run(once(ADDRESS, items, staging, SHORT), limit=20)
        assert Counter(outcome.item for outcome in outcomes) == Counter(items)
        assert set(reasons(outcome for outcome in outcomes if outcome.item in there)) <= EXPECTED[broken], broken
        for outcome in outcomes:
            if isinstance(outcome, Arrived):
                assert outcome.file.stat().st_size == outcome.item.size
                assert outcome.file.resolve() == outcome.file.absolute()
                assert outcome.file.is_relative_to(staging)
                assert broken == "wrong" or right(tree, outcome)
            else:
                assert outcome.detail.isprintable()
        arrived = {outcome.file for outcome in outcomes if isinstance(outcome, Arrived)}
        left = {path for path in staging.rglob("*") if path.is_symlink() or not path.is_dir()}
        planted = {path for path in left if path.is_relative_to(staging / "partial")}
        assert left - planted == arrived, "what nobody asked for stays"
        assert running(str(staging)) == []
    assert census(tree.root) == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["bin", "place"]
    assert sorted(path.name for path in (tmp_path / "place").iterdir()) == [f"{number}" for number in range(rounds)]


def test_another_source_mends_every_fault(
    broken: str, daemon: str, tree: Tree, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def body() -> list[Arrived | Failed]:
        async with aclosing(RsyncSource(ADDRESS, limits=SHORT)) as bad:
            monkeypatch.setenv("PATH", os.environ["PATH"].partition(":")[2])
            async with aclosing(RsyncSource(f"rsync://{daemon}/tree")) as good:
                return await fetched(Failover([bad, good]), items, tmp_path / "place")

    items = loose(tree)[:30]
    outcomes = run(body(), limit=20)
    assert reasons(outcomes) == {"arrived": len(items)}


def test_documents_come_right_or_not_at_all(broken: str, tree: Tree) -> None:
    item = next(item for item in loose(tree) if item.size > 1000)
    try:
        found = run(read(ADDRESS, item.path, limit=item.size), limit=20)
    except (TransportError, LimitExceeded) as failure:
        assert str(failure).isprintable()  # noqa: PT017  whether it fails is not what is asked
        return
    if found is not None and broken not in ("wrong", "short"):  # nobody knows a better length than the file's
        assert hashlib.sha256(found).digest() == tree.digests[item]


def test_what_breaks_off_is_never_followed(
    tree: Tree, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, daemon: str
) -> None:
    path = os.environ["PATH"]
    before = census(tree.root)
    for number in range(6):
        folder = fakersync.install(tmp_path / f"bin{number}", tree.root, "planted")
        monkeypatch.setenv("PATH", f"{folder}:{path}")
        run(once(ADDRESS, loose(tree)[:10], tmp_path / "staging", SHORT))
        monkeypatch.setenv("PATH", path)
        outcomes = run(once(f"rsync://{daemon}/tree", loose(tree)[:10], tmp_path / "staging"))
        assert all(right(tree, outcome) for outcome in outcomes)
    assert census(tree.root) == before


@pytest.mark.parametrize(
    ("version", "words"),
    [
        ("3.5.0", ()),
        ("3.4.3", ()),
        ("3.4.1", ("3.4.1", "CVE-2026-43620", "3.4.3")),
        ("3.2.7", ("3.2.7", "CVE-2024-12086", "CVE-2024-12087", "CVE-2026-43620")),
    ],
)
def test_a_version_with_holes_is_told(
    version: str, words: tuple[str, ...], tree: Tree, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = fakersync.install(tmp_path / "bin", tree.root, "fine", version=version)
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    events: list[Event] = []
    RsyncSource(ADDRESS, report=events.append)
    said = [event.message for event in events if isinstance(event, Notice) and event.level == "warning"]
    assert len(said) == len(events) == bool(words)
    assert all(word in said[0] for word in words)


@pytest.mark.parametrize("version", ["2.6.9", "3.0.9", "new"])
def test_a_program_that_is_too_old_is_refused(
    version: str, tree: Tree, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = fakersync.install(tmp_path / "bin", tree.root, "fine", version=version)
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    with pytest.raises(ToolMissing, match=r"3\.1\.0"):
        RsyncSource(ADDRESS)


def test_without_the_program_there_is_no_source(tree: Tree, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = fakersync.install(tmp_path / "bin", tree.root, "fine")
    monkeypatch.setenv("PATH", str(folder))
    source = RsyncSource(ADDRESS)
    (folder / "rsync").unlink()
    assert reasons(run(fetched(source, loose(tree)[:5], tmp_path / "staging"))) == {"unreachable": 5}
    with pytest.raises(ToolMissing, match="not installed"):
        RsyncSource(ADDRESS)


def test_a_full_disk_is_the_disk(daemon: str, tree: Tree, tmp_path: Path) -> None:
    (tmp_path / "staging").write_bytes(b"a file, where the folder should be")
    assert reasons(run(once(f"rsync://{daemon}/tree", loose(tree)[:5], tmp_path / "staging"))) == {"disk": 5}
