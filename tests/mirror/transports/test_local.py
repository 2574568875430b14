"""Items from a tree on the disk."""

from __future__ import annotations

import asyncio
import os
from contextlib import aclosing
from pathlib import Path

import pytest

from tagswarm.manifests import disk
from tagswarm.manifests.errors import TransportError
from tagswarm.mirror.transports.base import Arrived, Failed, Item
from tagswarm.mirror.transports.local import LocalSource
from tests.mirror.transports.conformance import OpenedSource, SourceConformance, Tree, fetched, run


class TestLocal(SourceConformance):
    @pytest.fixture
    def opened(self, tree: Tree) -> OpenedSource:
        return lambda: aclosing(LocalSource(tree.root))


class TestLinked(SourceConformance):
    @pytest.fixture
    def opened(self, tree: Tree) -> OpenedSource:
        return lambda: aclosing(LocalSource(tree.root, link=True))


def item(path: str, size: int) -> Item:
    return Item(path=path, size=size, volume="original-2026-0000")


def bring(root: Path, wanted: Item, staging: Path, *, link: bool = False) -> Arrived | Failed:
    [outcome] = run(fetched(LocalSource(root, link=link), [wanted], staging))
    return outcome


def test_a_link_is_a_second_name_and_a_copy_is_none(tmp_path: Path) -> None:
    disk.write(tmp_path / "tree/a/file", b"data")
    for link in (True, False):
        outcome = bring(tmp_path / "tree", item("a/file", 4), tmp_path / f"staging{link}", link=link)
        assert isinstance(outcome, Arrived)
        assert outcome.file.samefile(tmp_path / "tree/a/file") is link


def test_where_no_link_can_be_there_is_a_copy(tmp_path: Path) -> None:
    far = Path("/dev/shm")
    if far.stat().st_dev == tmp_path.stat().st_dev:
        pytest.skip("both folders lie on one file system")
    root = far / f"tagswarm-{os.getpid()}"
    try:
        disk.write(root / "file", b"data")
        outcome = bring(root, item("file", 4), tmp_path / "staging", link=True)
        assert isinstance(outcome, Arrived)
        assert outcome.file.read_bytes() == b"data"
    finally:
        (root / "file").unlink()
        root.rmdir()


def test_no_link_in_the_tree_is_followed(tmp_path: Path) -> None:
    disk.write(tmp_path / "outside/file", b"data")
    disk.write(tmp_path / "tree/file", b"data")
    (tmp_path / "tree/folder").symlink_to(tmp_path / "outside")
    (tmp_path / "tree/link").symlink_to(tmp_path / "outside/file")
    (tmp_path / "tree/near").symlink_to("file")
    os.mkfifo(tmp_path / "tree/pipe")
    for path, reason in (
        ("folder/file", "refused"),
        ("link", "refused"),
        ("near", "refused"),
        ("pipe", "missing"),
        ("../outside/file", "refused"),
        ("/etc/passwd", "refused"),
    ):
        for link in (False, True):
            outcome = bring(tmp_path / "tree", item(path, 4), tmp_path / "staging", link=link)
            assert isinstance(outcome, Failed)
            assert outcome.reason == reason, path
    assert not (tmp_path / "staging").exists()


def test_documents_behind_links_are_refused(tmp_path: Path) -> None:
    disk.write(tmp_path / "outside/file", b"data")
    (tmp_path / "tree").mkdir()
    (tmp_path / "tree/folder").symlink_to(tmp_path / "outside")
    with pytest.raises(TransportError, match="symbolic link"):
        run(LocalSource(tmp_path / "tree").read("folder/file", limit=10))


def test_a_disk_that_takes_nothing_is_the_reason(tmp_path: Path) -> None:
    disk.write(tmp_path / "tree/file", b"data")
    (tmp_path / "staging").write_bytes(b"a file, where the folder should be")
    for link in (False, True):
        outcome = bring(tmp_path / "tree", item("file", 4), tmp_path / "staging", link=link)
        assert isinstance(outcome, Failed)
        assert outcome.reason == "disk"


def test_a_large_copy_can_be_given_up(tmp_path: Path) -> None:
    (tmp_path / "tree").mkdir()
    size = 4 << 30  # with no block of its own: it takes no disk, and seconds to copy
    with (tmp_path / "tree/file").open("wb") as file:
        file.truncate(size)

    async def body() -> None:
        outcomes = LocalSource(tmp_path / "tree").fetch([item("file", size)], tmp_path / "staging")
        first = asyncio.create_task(anext(outcomes))
        await asyncio.sleep(0.05)
        first.cancel()
        with pytest.raises(asyncio.CancelledError):
            await first
        await outcomes.aclose()

    run(body(), limit=20)
    assert not any(path.is_file() for path in (tmp_path / "staging").iterdir())
