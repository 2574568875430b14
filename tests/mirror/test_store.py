"""The folder of a subset: one run at a time, batches that are whole or not there, and a journal that cannot lie."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import multiprocessing
import os
import random
import sqlite3
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tagswarm.manifests import disk
from tagswarm.manifests.errors import DestinationLocked, DiskFull, JournalCorrupt, StoreError
from tagswarm.manifests.events import Event, Notice
from tagswarm.mirror import lock
from tagswarm.mirror.file import File
from tagswarm.mirror.form import Form
from tagswarm.mirror.journal import Journal, Row
from tagswarm.mirror.lock import LOCK, Entry
from tagswarm.mirror.pipeline import pull
from tagswarm.mirror.store import JOURNAL, STATE, Store
from tests.mirror.subsets import NATIVE, SMALL, Script, Tree, blobs, check_whole, header, honest, images

COUNT = 60


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Tree:
    return blobs(tmp_path_factory.mktemp("tree"), COUNT, 300)


def fill(out: Path, tree: Tree, files: list[File] | None = None, form: Any = NATIVE) -> list[Entry]:
    with Store(out) as store:
        asyncio.run(pull(tree.files if files is None else files, {"a": Script(honest(tree))}, store, form=form))
        lock.write(out / LOCK, header(form), store.entries)
        return list(store.entries())


def aside(store: Store, tree: Tree, posts: range) -> list[Row]:
    """Rows of posts whose files were put aside."""
    rows = []
    for file in tree.files[posts.start : posts.stop]:
        data = (tree.root / file.path).read_bytes()
        place = NATIVE.place(file)
        Path(store.aside(file.id, place, None)).write_bytes(data)
        entry = replace(Entry.of(file), file=place, size=file.size, sha256=file.sha256)
        rows.append(Row(entry, NATIVE.recipe))
    return rows


def test_a_second_run_is_refused_and_the_first_goes_on(tree: Tree, tmp_path: Path) -> None:
    with Store(tmp_path) as store, pytest.raises(DestinationLocked, match=str(os.getpid())):
        Store(tmp_path).__enter__()
    with Store(tmp_path) as store:
        assert list(store.entries()) == []


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(StoreError):
        Store(tmp_path / "file").__enter__()


# A batch, cut off wherever it can be.


def calls(name: str) -> Any:
    """Where a function is that a batch calls."""
    owners: dict[str, Any] = {"fsync": os, "replace": os, "remove": disk, "intend": Journal, "note": Journal}
    return owners[name], name


def _die(out: Path, tree: Tree, name: str, number: int) -> None:
    """Commit a batch and end without a word at the `number`-th call of one kind."""
    with Store(out) as store:
        rows = aside(store, tree, range(10, 30))
        owner, attribute = calls(name)
        real, left = getattr(owner, attribute), [number]

        def counted(*arguments: Any, **options: Any) -> Any:
            if left[0] == 0:
                os._exit(137)
            left[0] -= 1
            return real(*arguments, **options)

        setattr(owner, attribute, counted)
        store.commit(rows)
    os._exit(0)


@pytest.mark.parametrize(
    ("name", "number"),
    [
        ("fsync", 0),
        ("fsync", 7),
        ("intend", 0),
        ("replace", 0),
        ("replace", 1),
        ("replace", 19),
        ("fsync", 25),
        ("note", 0),
    ],
)
def test_a_batch_that_is_killed_is_whole_or_not_there(tree: Tree, tmp_path: Path, name: str, number: int) -> None:
    first = fill(tmp_path, tree, tree.files[:10])
    process = multiprocessing.get_context("fork").Process(target=_die, args=(tmp_path, tree, name, number))
    process.start()
    process.join(30)
    assert process.exitcode == 137
    with Store(tmp_path) as store:
        entries = list(store.entries())
        assert not list(store.made.iterdir())
    check_whole(tmp_path, entries)
    expected = 10 if (name, number) in {("fsync", 0), ("fsync", 7), ("intend", 0)} else 30
    assert [entry.id for entry in entries] == list(range(1, expected + 1))
    assert entries[:10] == first


def test_what_the_disk_lost_of_a_batch_is_fetched_again(tree: Tree, tmp_path: Path) -> None:
    """After a power cut a renamed file may be empty where the disk lies about having synced it."""
    fill(tmp_path, tree, tree.files[:10])
    with Store(tmp_path) as store:
        rows = aside(store, tree, range(10, 13))
        store._journal.intend(rows)
        for moved, place, _ in store._moves(rows[:2]):
            disk.make_directory((tmp_path / place).parent)
            Path(moved).replace(tmp_path / place)
        (tmp_path / str(rows[0].entry.file)).write_bytes(b"")
    with Store(tmp_path) as store:
        assert [entry.id for entry in store.entries()] == [*range(1, 11), 12, 13]
        assert [file.id for file in store.missing(tree.files[:13], NATIVE)] == [11]


@pytest.mark.parametrize("call", ["intend", "note"])
@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EIO, errno.EROFS])
def test_a_disk_that_fails_in_a_batch_costs_nothing_but_that_batch(
    tree: Tree, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str, number: int
) -> None:
    fill(tmp_path, tree, tree.files[:10])

    def failing(*_: Any) -> None:
        raise disk.error_of(OSError(number, os.strerror(number)), "journal.sqlite")

    with Store(tmp_path) as store:
        rows = aside(store, tree, range(10, 20))
        monkeypatch.setattr(Journal, call, failing)
        with pytest.raises(DiskFull if number == errno.ENOSPC else StoreError):
            store.commit(rows)
        monkeypatch.undo()
    entries = fill(tmp_path, tree)
    assert [entry.id for entry in entries] == list(range(1, COUNT + 1))
    check_whole(tmp_path, entries)


def _die_replacing(out: Path, tree: Tree, name: str, number: int) -> None:
    """End in the middle of the batch that gives every post another file, each after one rename into `made`."""
    owner, attribute = calls(name)
    real, left = getattr(owner, attribute), [number]

    def counted(*arguments: Any, **options: Any) -> Any:
        if left[0] == 0:
            os._exit(137)
        left[0] -= 1
        return real(*arguments, **options)

    with Store(out) as store:
        setattr(owner, attribute, counted)
        asyncio.run(pull(tree.files, {"a": Script(honest(tree))}, store, form=Form(layout="flat")))
    os._exit(0)


@pytest.mark.parametrize(
    ("name", "number"), [("replace", COUNT + 3), ("remove", 0), ("remove", 4), ("note", 0), ("intend", 0)]
)
def test_files_that_are_replaced_leave_nothing_behind(tree: Tree, tmp_path: Path, name: str, number: int) -> None:
    fill(tmp_path, tree)
    process = multiprocessing.get_context("fork").Process(target=_die_replacing, args=(tmp_path, tree, name, number))
    process.start()
    process.join(30)
    assert process.exitcode == 137
    with Store(tmp_path) as store:
        entries = list(store.entries())
    check_whole(tmp_path, entries)
    assert len(entries) == COUNT
    assert {str(entry.file).count("/") for entry in entries} == ({2} if name == "intend" else {1})


# The journal.


def broken(change: Callable[[bytearray], None]) -> Callable[[Path], None]:
    def apply(path: Path) -> None:
        data = bytearray(path.read_bytes())
        change(data)
        path.write_bytes(data)

    return apply


def overwritten(data: bytes) -> Callable[[Path], None]:
    return broken(lambda found: found.__setitem__(slice(None), data))


def cut(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2)


def lose_a_row(path: Path) -> None:
    with sqlite3.connect(path) as database:
        database.execute("DROP TRIGGER posts_out")
        database.execute("DELETE FROM posts WHERE id = 7")
    database.close()


def another_version(path: Path) -> None:
    database = sqlite3.connect(path)
    database.execute("PRAGMA user_version = 9")
    database.close()


DAMAGES: dict[str, Callable[[Path], None]] = {
    "a byte": overwritten(b"x"),
    "gone": Path.unlink,
    "zeros": broken(lambda data: data.__setitem__(slice(0, 4096), bytes(4096))),
    "another file": overwritten(bytes(range(256)) * 40),
    "cut": cut,
    "a digest": broken(
        lambda data: data.__setitem__(data.index(b'"sha256":"') + 12, data[data.index(b'"sha256":"') + 12] ^ 1)
    ),
    "a row lost": lose_a_row,
    "newer": another_version,
}


@pytest.mark.parametrize("name", DAMAGES)
def test_a_damaged_journal_is_made_anew_from_the_lock(tree: Tree, tmp_path: Path, name: str) -> None:
    entries = fill(tmp_path, tree)
    (tmp_path / str(entries[4].file)).write_bytes(b"damaged, too")
    DAMAGES[name](tmp_path / STATE / JOURNAL)
    events: list[Event] = []
    with Store(tmp_path, report=events.append) as store:
        assert list(store.entries()) == [entry for entry in entries if entry.id != 5]
        assert [file.id for file in store.missing(tree.files, NATIVE)] == [5]
        assert (store.quarantined / f"{STATE}_{JOURNAL}").exists() == (name not in {"a byte", "gone"})
    (notice,) = (event for event in events if isinstance(event, Notice))
    assert "made anew, from tagswarm.lock and 59 of its 60 posts" in notice.message
    check_whole(tmp_path, fill(tmp_path, tree))


def test_without_a_lock_a_damaged_journal_costs_fetching_again(tree: Tree, tmp_path: Path) -> None:
    fill(tmp_path, tree)
    (tmp_path / LOCK).unlink()
    (tmp_path / STATE / JOURNAL).write_bytes(b"x" * 5000)
    events: list[Event] = []
    source = Script(honest(tree))
    with Store(tmp_path, report=events.append) as store:
        report = asyncio.run(pull(tree.files, {"a": source}, store, form=NATIVE))
        check_whole(tmp_path, list(store.entries()))
    assert (report.fetched, report.in_the_way) == (COUNT, 0), "what is right is found to be ours"
    assert [event for event in events if isinstance(event, Notice) and f"without {LOCK}" in event.message]


def test_every_flipped_bit_of_a_journal_is_found_or_means_nothing(tree: Tree, tmp_path: Path) -> None:
    """Whatever bit is flipped: the same rows come out, or it is said that they do not."""
    fill(tmp_path, tree, tree.files[:20])
    path = tmp_path / STATE / JOURNAL
    whole = path.read_bytes()
    journal = Journal(path)
    rows = [row.entry for row in journal.unwanted()]
    journal.close()
    chance = random.Random(1)
    found = 0
    for _ in range(400):
        data = bytearray(whole)
        data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
        path.write_bytes(data)
        try:
            journal = Journal(path)
        except (JournalCorrupt, StoreError):
            found += 1
        else:
            assert [row.entry for row in journal.unwanted()] == rows
            journal.close()
        for suffix in ("-wal", "-shm"):
            path.with_name(path.name + suffix).unlink(missing_ok=True)
    assert found > 20


def test_a_journal_remembers_what_was_wanted_and_did_not_come(tree: Tree, tmp_path: Path) -> None:
    journal = Journal(tmp_path / "journal.sqlite")
    first, second, third = (Row(Entry.of(file), "r") for file in tree.files[:3])
    there = replace(first, entry=replace(first.entry, skipped="animated"))
    journal.intend([there], [second, third])
    assert list(journal.intended()) == [there]
    journal.note([there])
    assert list(journal.intended()) == []
    assert list(journal.entries()) == [there.entry, second.entry, third.entry]
    assert journal.find([1, 2, 99]) == {1: there}
    journal.want([2])
    assert list(journal.unwanted()) == [there]
    journal.forget_unwanted()
    assert list(journal.entries()) == [there.entry, second.entry]
    journal.note([replace(second, entry=replace(second.entry, skipped="corrupt"))])
    journal.forget([1])
    assert [(entry.id, entry.skipped) for entry in journal.entries()] == [(2, "corrupt")]
    journal.close()


def test_many_rows_come_page_by_page(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "journal.sqlite")
    file = File(id=1, path="original/0001/1.png", size=1, sha256="aa" * 32, volume="v")
    ids = [*range(0, 3000, 2), *range(1, 3000, 2)]
    journal.note(Row(replace(Entry.of(file), id=post, skipped="corrupt"), "r") for post in ids)
    journal.intend([], [Row(replace(Entry.of(file), id=post), "r") for post in range(2500, 3500)])
    found = list(journal.entries())
    assert [entry.id for entry in found] == list(range(3500))
    assert sum(entry.pending for entry in found) == 1000
    journal.close()
    again = Journal(tmp_path / "journal.sqlite")
    assert list(again.entries()) == found
    again.close()


def test_an_image_and_its_original_get_into_their_places_together(tmp_path: Path) -> None:
    tree = images(tmp_path / "tree", 12)
    form = Form(transform=SMALL.transform, layout="flat", originals=True)
    entries = fill(tmp_path / "out", tree, form=form)
    assert [entry.original for entry in entries] == [f"originals/{Path(file.path).name}" for file in tree.files]
    check_whole(tmp_path / "out", entries)


def test_a_folder_that_an_orphan_still_writes_to_is_waited_for(tmp_path: Path) -> None:
    with Store(tmp_path / "out") as store:
        folder = store.staging / "0"
        folder.mkdir(parents=True)
        ends = time.monotonic() + 0.5

        def orphan() -> None:
            number = 0
            while time.monotonic() < ends:
                number += 1
                with contextlib.suppress(OSError):
                    (folder / str(number)).write_bytes(b"x")

        writing = threading.Thread(target=orphan)
        writing.start()
        store.clear(store.staging)
        writing.join()
        assert not store.staging.exists()
