from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tagswarm.manifests import disk
from tagswarm.manifests.errors import DestinationLocked, DiskFull, StoreError, TagswarmError, Unreadable, UnsafePath


def names(folder: Path) -> list[str]:
    return sorted(entry.name for entry in folder.iterdir())


def start(script: str, *arguments: Path) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", script, *map(str, arguments)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def test_a_file_is_written_with_its_folders(tmp_path: Path) -> None:
    disk.write(tmp_path / "a/b/c", b"data")
    assert disk.read(tmp_path / "a/b/c", limit=4) == b"data"
    assert names(tmp_path / "a/b") == ["c"]


def fail_half_way(path: Path) -> None:
    with disk.Aside(path) as aside:
        aside.write(b"new")
        raise StoreError("half way")


def write_to_a_full_disk(path: Path, data: bytes) -> None:
    with disk.Aside(path) as aside:
        full = os.open("/dev/full", os.O_WRONLY)
        os.dup2(full, aside.file.fileno())
        os.close(full)
        aside.write(data)
        aside.commit()


def test_a_file_below_a_folder_is_opened_through_no_link(tmp_path: Path) -> None:
    disk.write(tmp_path / "root/a/b/file", b"data")
    disk.write(tmp_path / "outside/b/file", b"not for you")
    (tmp_path / "root/link").symlink_to(tmp_path / "outside")
    (tmp_path / "root/a/link").symlink_to(tmp_path / "outside/b/file")
    (tmp_path / "root/a/gone").symlink_to("nowhere")
    os.mkfifo(tmp_path / "root/a/pipe")
    (tmp_path / "way").symlink_to("root")
    before = len(names(Path("/proc/self/fd")))
    for root in (tmp_path / "root", tmp_path / "way"):
        with disk.open_beneath(root, "a/b/file") as file:
            assert file.read() == b"data"
    for path, said in (
        ("link/b/file", "symbolic link"),
        ("a/link", "symbolic link"),
        ("a/gone", "symbolic link"),
        ("a/pipe", "not a regular file"),
        ("a/b", "not a regular file"),
        ("a/b/file/c", "Not a directory"),
        ("a/b/none", "no such file"),
        ("none/b", "no such file"),
        ("a/nul\0", "no file can have this name"),
        (f"a/{'x' * 300}", "name too long"),
    ):
        with pytest.raises(Unreadable, match=said):
            disk.open_beneath(tmp_path / "root", path)
    for path in ("", ".", "..", "../outside/b/file", "/etc/passwd", "a//b", "a/./b", "a/../../outside/b/file", "a/"):
        with pytest.raises(UnsafePath):
            disk.open_beneath(tmp_path / "root", path)
    assert len(names(Path("/proc/self/fd"))) == before


def test_nothing_is_seen_before_commit_and_nothing_is_left_without(tmp_path: Path) -> None:
    disk.write(tmp_path / "file", b"old")
    with disk.Aside(tmp_path / "file") as aside:
        aside.write(b"new")
        assert disk.read(tmp_path / "file", limit=10) == b"old"
    assert names(tmp_path) == ["file"]
    with pytest.raises(StoreError):
        fail_half_way(tmp_path / "file")
    assert disk.read(tmp_path / "file", limit=10) == b"old"
    assert names(tmp_path) == ["file"]
    with disk.Aside(tmp_path / "file") as aside:
        aside.write(b"ne")
        aside.write(b"w")
        aside.commit(sync=False)
    assert disk.read(tmp_path / "file", limit=10) == b"new"
    assert names(tmp_path) == ["file"]


WRITER = """
import pathlib, sys
from tagswarm.manifests import disk
path = pathlib.Path(sys.argv[1])
print("ready", flush=True)
while True:
    for letter in b"ab":
        disk.write(path, bytes([letter]) * 300_000, sync=False)
"""


def test_a_kill_leaves_the_old_bytes_or_the_new(tmp_path: Path) -> None:
    whole = {b"a" * 300_000, b"b" * 300_000}
    for delay in range(12):
        process = start(WRITER, tmp_path / "file")
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        while not (tmp_path / "file").exists():
            time.sleep(0.001)
        time.sleep(delay / 1000)
        process.kill()
        process.wait()
        process.stdout.close()
        assert disk.read(tmp_path / "file", limit=300_000) in whole
        disk.clean(tmp_path)
        assert names(tmp_path) == ["file"]


def test_clean_removes_what_was_left_aside_and_nothing_else(tmp_path: Path) -> None:
    for name in (".tmp-a", ".tmp-b.png", "a", ".hidden"):
        (tmp_path / name).touch()
    assert disk.clean(tmp_path) == 2
    assert names(tmp_path) == [".hidden", "a"]
    with pytest.raises(Unreadable):
        disk.clean(tmp_path / "missing")


def test_unchanged_bytes_are_not_written_again(tmp_path: Path) -> None:
    path = tmp_path / "file"
    assert disk.write_if_changed(path, b"one")
    before = path.stat()
    assert not disk.write_if_changed(path, b"one")
    assert path.stat().st_ino == before.st_ino
    for data in (b"two", b"on", b"", b"longer"):
        assert disk.write_if_changed(path, data)
        assert disk.read(path, limit=10) == data


def test_links_are_neither_read_nor_written_through(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.write_bytes(b"safe")
    tree = tmp_path / "tree"
    tree.mkdir()
    (tree / "link").symlink_to(outside)
    with pytest.raises(Unreadable, match="symbolic link"):
        disk.open_read(tree / "link")
    disk.write(tree / "link", b"new")
    assert outside.read_bytes() == b"safe"
    assert not (tree / "link").is_symlink()
    (tree / ".tmp-file").symlink_to(outside)
    disk.write(tree / "file", b"new")
    assert outside.read_bytes() == b"safe"
    assert names(tree) == ["file", "link"]


def test_only_regular_files_are_read(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path, tmp_path / "pipe", Path("/dev/zero")):
        with pytest.raises(Unreadable, match="not a regular file"):
            disk.open_read(path)


def test_nothing_but_a_file_is_replaced(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "folder").mkdir()
    (tmp_path / "link").symlink_to("pipe")  # as /dev/stdout is
    for name in ("pipe", "folder", "link"):
        with pytest.raises(Unreadable, match="not a regular file"):
            disk.write(tmp_path / name, b"data")
    with pytest.raises(Unreadable):
        disk.Aside(Path(""))  # noqa: PTH201 - as `-o ''` gives it
    assert (tmp_path / "pipe").is_fifo()
    assert names(tmp_path) == ["folder", "link", "pipe"]


def test_a_read_is_limited(tmp_path: Path) -> None:
    disk.write(tmp_path / "file", b"12345")
    assert disk.read(tmp_path / "file", limit=5) == b"12345"
    with pytest.raises(Unreadable, match="4 bytes"):
        disk.read(tmp_path / "file", limit=4)


DOORS: dict[str, Callable[[Path], object]] = {
    "open_read": disk.open_read,
    "read": lambda path: disk.read(path, limit=1),
    "write": lambda path: disk.write(path / "file", b""),
    "write_if_changed": lambda path: disk.write_if_changed(path / "file", b""),
    "rename": lambda path: disk.rename(path, path / "other"),
    "make_directory": lambda path: disk.make_directory(path / "folder"),
    "remove": lambda path: disk.remove(path / "file"),
    "sync_directory": disk.sync_directory,
    "clean": disk.clean,
    "locked": lambda path: disk.locked(path / "lock").__enter__(),
}


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize("name", ["a\0b", "a\ud800b", "file/under", "x" * 300])
def test_a_name_that_cannot_be_is_an_error_of_ours(tmp_path: Path, door: str, name: str) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StoreError):
        DOORS[door](tmp_path / name)


@pytest.mark.parametrize(
    ("number", "expected", "words"),
    [
        (errno.ENOSPC, DiskFull, "full"),
        (errno.EDQUOT, DiskFull, "full"),
        (errno.ENOENT, Unreadable, "no such file"),
        (errno.EACCES, Unreadable, "permission"),
        (errno.ELOOP, Unreadable, "symbolic link"),
        (errno.EIO, Unreadable, "Input/output error"),
        (errno.EROFS, Unreadable, "Read-only"),
        (errno.EMFILE, Unreadable, "Too many open files"),
    ],
)
def test_every_failure_has_its_error(number: int, expected: type[StoreError], words: str) -> None:
    found = disk.error_of(OSError(number, os.strerror(number)), "some/path")
    assert type(found) is expected
    assert found.message.startswith("some/path: ")
    assert words in found.message


def test_a_full_disk_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "file"
    disk.write(path, b"old")
    with pytest.raises(DiskFull, match="file"):
        write_to_a_full_disk(path, b"new" * 100_000)
    assert disk.read(path, limit=10) == b"old"
    assert names(tmp_path) == ["file"]


def test_a_full_disk_at_the_flush_is_found_too(tmp_path: Path) -> None:
    with pytest.raises(DiskFull):
        write_to_a_full_disk(tmp_path / "file", b"few bytes, held in the buffer")
    assert names(tmp_path) == []


def test_a_file_larger_than_the_process_may_write_fails_cleanly(tmp_path: Path) -> None:
    script = """
import pathlib, resource, signal, sys
from tagswarm.manifests import disk
from tagswarm.manifests.errors import StoreError
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
try:
    disk.write(pathlib.Path(sys.argv[1]), bytes(200_000))
except StoreError as error:
    print(error)
"""
    process = start(script, tmp_path / "file")
    assert "too large" in process.communicate(timeout=60)[0]
    assert process.returncode == 0
    assert names(tmp_path) == []


def test_a_rename_moves_a_folder(tmp_path: Path) -> None:
    disk.write(tmp_path / "a/b/file", b"data")
    disk.rename(tmp_path / "a/b", tmp_path / "x/y")
    assert disk.read(tmp_path / "x/y/file", limit=10) == b"data"
    assert names(tmp_path / "a") == []
    disk.write(tmp_path / "full/file", b"")
    with pytest.raises(StoreError):
        disk.rename(tmp_path / "x/y", tmp_path / "full")


def test_removing_what_is_gone_is_no_error(tmp_path: Path) -> None:
    disk.write(tmp_path / "file", b"")
    disk.remove(tmp_path / "file")
    disk.remove(tmp_path / "file")
    assert names(tmp_path) == []


def test_a_foreign_writer_fails_with_our_error(tmp_path: Path) -> None:
    with pytest.raises(DiskFull), disk.failures(tmp_path / "table"):
        raise OSError(errno.ENOSPC, "no space")
    with pytest.raises(TagswarmError, match="ours"), disk.failures(tmp_path / "table"):
        raise Unreadable("ours")


HOLDER = """
import pathlib, sys, time
from tagswarm.manifests import disk
with disk.locked(pathlib.Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(60)
"""


def test_one_run_at_a_time_and_a_dead_one_holds_nothing(tmp_path: Path) -> None:
    lock = tmp_path / "state/lock"
    process = start(HOLDER, lock)
    assert process.stdout is not None
    try:
        assert process.stdout.readline() == "held\n"
        with pytest.raises(DestinationLocked, match=f"process {process.pid}"), disk.locked(lock):
            pytest.fail("two hold the lock")
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
        process.stdout.close()
    with disk.locked(lock):
        assert lock.read_text() == f"{os.getpid()}\n"
        with pytest.raises(DestinationLocked), disk.locked(lock):
            pytest.fail("two hold the lock")
    with disk.locked(lock):
        pass


NO_ROOM = """
import pathlib, resource, sys
from tagswarm.manifests import disk
resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
with disk.locked(pathlib.Path(sys.argv[1])):
    print("held", flush=True)
"""


def test_a_lock_needs_no_room_on_the_disk(tmp_path: Path) -> None:
    process = start(NO_ROOM, tmp_path / "lock")
    said, _ = process.communicate(timeout=60)
    assert (said, process.returncode) == ("held\n", 0)


def test_a_lock_is_never_written_through_a_link(tmp_path: Path) -> None:
    precious, lock = tmp_path / "precious", tmp_path / "tree/lock"
    precious.write_bytes(b"data")
    lock.parent.mkdir()
    for target in (precious, tmp_path / "nothing"):
        lock.symlink_to(target)
        with pytest.raises(Unreadable, match="is a symbolic link"), disk.locked(lock):
            pytest.fail("the lock is a link")
        lock.unlink()
    assert precious.read_bytes() == b"data"
    assert not (tmp_path / "nothing").exists()


def test_an_error_inside_a_lock_is_left_as_it_is(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="inner"), disk.locked(tmp_path / "lock"):
        raise OSError("inner")
    with disk.locked(tmp_path / "lock"):
        pass


def test_a_file_is_gone_on_with_where_it_was_left(tmp_path: Path) -> None:
    path = tmp_path / "folder/file"
    for number in range(3):
        with disk.Aside(path, keep=True) as aside:
            assert aside.size == 4 * number
            aside.write(b"data")
        assert names(tmp_path / "folder") == [".tmp-file"]
    with disk.Aside(path, keep=True) as aside:
        aside.commit(sync=False)
    assert path.read_bytes() == b"data" * 3
    assert names(tmp_path / "folder") == ["file"]


def test_what_was_left_can_be_dropped(tmp_path: Path) -> None:
    path = tmp_path / "file"
    with disk.Aside(path, keep=True) as aside:
        aside.write(b"old old old")
    with disk.Aside(path, keep=True) as aside:
        aside.restart()
        assert aside.size == 0
        aside.write(b"new")
        aside.commit()
    assert path.read_bytes() == b"new"
    (tmp_path / ".tmp-file").write_bytes(b"left by a kill")
    with disk.Aside(path) as aside:
        assert aside.size == 0
    assert names(tmp_path) == ["file"]


def test_a_planted_link_is_not_gone_on_with(tmp_path: Path) -> None:
    (tmp_path / "target").write_bytes(b"precious")
    (tmp_path / ".tmp-file").symlink_to("target")
    with pytest.raises(Unreadable, match="symbolic link"):
        disk.Aside(tmp_path / "file", keep=True)
    assert (tmp_path / "target").read_bytes() == b"precious"


def test_a_clone_has_all_bytes_or_is_refused(tmp_path: Path) -> None:
    disk.write(tmp_path / "source", b"data" * 10_000)
    with disk.open_read(tmp_path / "source") as source, disk.Aside(tmp_path / "file") as aside:
        if not aside.clone(source):  # most file systems share no blocks
            aside.write(source.read())
        aside.commit()
    assert (tmp_path / "file").read_bytes() == b"data" * 10_000
    assert not (tmp_path / "file").samefile(tmp_path / "source")


def test_a_link_is_another_name_of_the_file_that_was_opened(tmp_path: Path) -> None:
    disk.write(tmp_path / "source", b"data")
    disk.write(tmp_path / "folder/file", b"old")
    with disk.open_read(tmp_path / "source") as source:
        (tmp_path / "source").rename(tmp_path / "moved")
        disk.write(tmp_path / "source", b"planted")
        for _ in range(2):  # the second time it has that name already
            assert disk.link(source, tmp_path / "folder/file")
            assert (tmp_path / "folder/file").samefile(tmp_path / "moved")
            assert names(tmp_path / "folder") == ["file"]


def test_there_is_no_link_to_another_file_system(tmp_path: Path) -> None:
    with disk.open_read(Path("/proc/self/status")) as source:
        assert not disk.link(source, tmp_path / "file")
    assert names(tmp_path) == []
