"""A cache never gives out a wrong file, whoever wrote into it, and two runs never fetch the same document twice."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import os
import random
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tagswarm.manifests.errors import DigestMismatch, SizeMismatch, StoreError, Unreadable
from tagswarm.manifests.models import Object
from tagswarm.mirror.cache import STAMP, Cache

BODY = b"the index of a release" * 100


def of(data: bytes, path: str = "releases/2026/index.sqlite") -> Object:
    return Object(path=path, size=len(data), sha256=hashlib.sha256(data).hexdigest())


@pytest.fixture
def cache(tmp_path: Path) -> Cache:
    return Cache(tmp_path / "cache")


def staged(tmp_path: Path, data: bytes) -> Path:
    path = tmp_path / "arrived"
    path.unlink(missing_ok=True)
    path.write_bytes(data)
    return path


def test_a_document_is_taken_in_and_found(cache: Cache, tmp_path: Path) -> None:
    item = of(BODY)
    assert cache.find(item) is None
    place = cache.take(item, staged(tmp_path, BODY))
    assert cache.find(item) == place == cache.check(item)
    assert place.read_bytes() == BODY
    assert place.stat().st_mtime_ns == STAMP
    assert cache.read(item.sha256, limit=1 << 20) == BODY
    assert not list((cache.folder / "sha256").rglob(".tmp-*"))


def test_what_is_not_the_document_is_not_taken_in(cache: Cache, tmp_path: Path) -> None:
    item = of(BODY)
    with pytest.raises(DigestMismatch):
        cache.take(item, staged(tmp_path, BODY[:-1] + b"."))
    with pytest.raises(SizeMismatch):
        cache.take(item, staged(tmp_path, BODY + b"."))
    (tmp_path / "link").symlink_to(staged(tmp_path, BODY))
    with pytest.raises(Unreadable):
        cache.take(item, tmp_path / "link")
    assert cache.find(item) is None


def test_a_file_with_another_name_is_copied(cache: Cache, tmp_path: Path) -> None:
    """A source that links gives out the file of a tree: a later change of it must not reach the cache."""
    item = of(BODY)
    tree = tmp_path / "tree"
    tree.write_bytes(BODY)
    os.link(tree, tmp_path / "arrived")
    place = cache.take(item, tmp_path / "arrived")
    tree.write_bytes(b"changed")
    assert place.read_bytes() == BODY
    assert cache.find(item) == place


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_what_writes_into_an_entry_is_found_without_hashing_the_others(
    cache: Cache, tmp_path: Path, data: st.DataObject
) -> None:
    item = of(BODY)
    place = cache.take(item, staged(tmp_path, BODY))
    damaged = bytearray(BODY)
    damaged[data.draw(st.integers(0, len(BODY) - 1))] ^= data.draw(st.integers(1, 255))
    kind = data.draw(st.sampled_from(["flip", "cut", "longer", "empty"]))
    place.write_bytes({"flip": bytes(damaged), "cut": BODY[:-1], "longer": BODY + b"x", "empty": b""}[kind])
    assert cache.find(item) is None
    assert not place.exists()


def test_rot_that_leaves_no_trace_is_found_on_demand(cache: Cache, tmp_path: Path) -> None:
    item = of(BODY)
    place = cache.take(item, staged(tmp_path, BODY))
    place.write_bytes(b"X" + BODY[1:])
    os.utime(place, ns=(STAMP, STAMP))
    assert cache.find(item) == place  # a look at it cannot tell
    assert cache.read(item.sha256, limit=1 << 20) is None
    place = cache.take(item, staged(tmp_path, BODY))
    place.write_bytes(b"X" + BODY[1:])
    os.utime(place, ns=(STAMP, STAMP))
    assert cache.check(item) is None
    assert not place.exists()


def test_an_entry_that_was_only_touched_is_hashed_and_kept(cache: Cache, tmp_path: Path) -> None:
    item = of(BODY)
    place = cache.take(item, staged(tmp_path, BODY))
    os.utime(place)
    assert cache.find(item) == place
    assert place.stat().st_mtime_ns == STAMP


def test_a_link_in_the_place_of_an_entry_is_dropped(cache: Cache, tmp_path: Path) -> None:
    item = of(BODY)
    place = cache.take(item, staged(tmp_path, BODY))
    elsewhere = tmp_path / "elsewhere"
    place.rename(elsewhere)
    place.symlink_to(elsewhere)
    assert cache.find(item) is None
    assert elsewhere.read_bytes() == BODY


def test_small_documents_of_an_address_are_kept_together(cache: Cache) -> None:
    documents = {"latest.json": b"{}", "latest.json.minisig": b"signature"}
    assert cache.documents("https://a.example") is None
    cache.keep("https://a.example", documents)
    assert cache.documents("https://a.example") == documents
    assert cache.documents("https://b.example") is None
    cache.keep("https://a.example", {"latest.json": b"[]"})
    assert cache.documents("https://a.example") == {"latest.json": b"[]"}


def test_a_damaged_or_missing_document_of_an_address_makes_it_unknown(cache: Cache) -> None:
    cache.keep("a", {"latest.json": b"{}", "keys.json": b"[]"})
    [head] = (cache.folder / "heads").iterdir()
    text = head.read_bytes()
    place = cache.folder / "sha256" / (digest := of(b"{}").sha256)[:2] / digest
    place.write_bytes(b"[}")
    assert cache.documents("a") is None
    assert not place.exists()
    cache.add(b"{}")
    assert cache.documents("a") is not None
    for broken in (b"", b"{", text.replace(b"tagswarm.head/1", b"tagswarm.head/2"), b"x" * (2 << 20)):
        head.write_bytes(broken)
        assert cache.documents("a") is None


def test_a_file_elsewhere_is_hashed_once_until_it_is_touched(cache: Cache, tmp_path: Path) -> None:
    item, file = of(BODY), staged(tmp_path, BODY)
    assert not cache.vouched(item, file)
    cache.vouch(item, file)
    assert cache.vouched(item, file)
    times = (file.stat().st_atime_ns, file.stat().st_mtime_ns)
    file.write_bytes(b"X" + BODY[1:])
    os.utime(file, ns=times)  # size and time as before: the time of the inode tells
    assert not cache.vouched(item, file)
    with pytest.raises(DigestMismatch):
        cache.vouch(item, file)
    assert not cache.vouched(item, tmp_path / "other")


def test_pruning_takes_what_was_not_used_for_longest(cache: Cache, tmp_path: Path) -> None:
    items = [of(bytes([number]) * 1000) for number in range(5)]
    for number, item in enumerate(items):
        place = cache.take(item, staged(tmp_path, bytes([number]) * 1000))
        os.utime(place, ns=((1000 + number) * 10**9, STAMP))
    assert cache.find(items[0]) is not None  # used now
    pruned = cache.prune(now=2000.0, most=3000)
    assert (pruned.files, pruned.bytes) == (2, 2000)
    assert [cache.find(item) is not None for item in items] == [True, False, False, True, True]
    os.utime(cache.folder / "sha256" / items[3].sha256[:2] / items[3].sha256, ns=(1000 * 10**9, STAMP))
    assert cache.prune(now=2000.0, age=900.0).files == 1
    assert cache.prune(now=2000.0, age=900.0).files == 0
    assert cache.find(items[3]) is None
    assert cache.find(items[4]) is not None


def test_pruning_sweeps_what_kills_left(cache: Cache) -> None:
    async def killed() -> None:
        async with cache.held("ab" * 32, lambda: None) as staging:
            staging.mkdir()
            (staging / "half").write_bytes(b"half")

    asyncio.run(killed())
    left = sorted((cache.folder / "staging").iterdir())
    assert len(left) == 2
    for path in left:
        os.utime(path, (1000, 1000))
    cache.prune(now=2000.0, age=500.0)
    assert not list((cache.folder / "staging").iterdir())


def test_one_at_a_time_fetches_a_document(cache: Cache) -> None:
    order: list[str] = []

    async def fetch(name: str) -> None:
        async with cache.held("ab" * 32, lambda: order.append(f"{name} waits")):
            order.append(f"{name} begins")
            await asyncio.sleep(0.05)
            order.append(f"{name} ends")

    async def both() -> None:
        await asyncio.gather(fetch("one"), fetch("two"))

    asyncio.run(both())
    assert order == ["one begins", "two waits", "one ends", "two begins", "two ends"]


HAMMER = """
import asyncio, hashlib, random, sys, tempfile
from pathlib import Path
from tagswarm.manifests.models import Object
from tagswarm.mirror.cache import Cache

cache, seed = Cache(Path(sys.argv[1])), int(sys.argv[2])
rand = random.Random(seed)

async def main():
    for turn in range(60):
        data = bytes([rand.randrange(6)]) * 5000
        item = Object(path="x", size=5000, sha256=hashlib.sha256(data).hexdigest())
        async with cache.held(item.sha256, lambda: None) as staging:
            entry = cache.find(item)
            if entry is None:
                staging.mkdir(parents=True, exist_ok=True)
                (staging / "x").write_bytes(data)
                entry = cache.take(item, staging / "x")
        assert entry.read_bytes() == data
        cache.keep("address", {"latest.json": data[:10], "keys.json": data[:20]})
        found = cache.documents("address")
        assert found is None or len({bytes([value[0]]) for value in found.values()}) == 1

asyncio.run(main())
"""


def test_processes_share_it(cache: Cache) -> None:
    runs = [
        subprocess.Popen([sys.executable, "-c", HAMMER, str(cache.folder), str(seed)], stderr=subprocess.PIPE)
        for seed in range(3)
    ]
    for run in runs:
        _, said = run.communicate(timeout=60)
        assert run.returncode == 0, said.decode()
    assert len(list((cache.folder / "sha256").glob("*/*"))) >= 6
    assert not list((cache.folder / "staging").iterdir())


def test_a_kill_at_any_moment_leaves_no_wrong_entry(cache: Cache, request: pytest.FixtureRequest) -> None:
    rand = random.Random(7)
    for seed in range(request.config.getoption("--kills")):
        run = subprocess.Popen([sys.executable, "-c", HAMMER, str(cache.folder), str(seed)], stderr=subprocess.DEVNULL)
        with contextlib.suppress(subprocess.TimeoutExpired):
            run.wait(0.25 + rand.random() * 0.2)
        run.kill()
        run.wait()
    for number in range(6):
        data = bytes([number]) * 5000
        entry = cache.find(of(data))
        assert entry is None or entry.read_bytes() == data


def test_the_usual_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "caches"))
    assert Cache().folder == tmp_path / "caches" / "tagswarm"
    monkeypatch.setenv("HOME", str(tmp_path))
    for value in ("", "relative"):
        monkeypatch.setenv("XDG_CACHE_HOME", value)
        assert Cache().folder == tmp_path / ".cache" / "tagswarm"


def test_backups_are_told_to_leave_it_out(cache: Cache) -> None:
    async def once() -> None:
        async with cache.held("ab" * 32, lambda: None):
            pass

    asyncio.run(once())
    assert (cache.folder / "CACHEDIR.TAG").read_bytes().startswith(b"Signature: 8a477f597d28d172789f06886806bc55")


def test_a_folder_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    cache = Cache(tmp_path / "file" / "cache")
    with pytest.raises(StoreError):
        cache.add(b"data")
