"""A payload that is whole passes, whoever made the torrent; every damage is found and named, and nothing else is."""

from __future__ import annotations

import dataclasses
import errno
import hashlib
import os
import random
import shutil
import subprocess
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import libtorrent as lt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tagswarm.imaging import pool
from tagswarm.manifests import bencode, infodict, torrentfile
from tagswarm.manifests.digest import digest_bytes
from tagswarm.manifests.errors import Unreadable, UnsafePath
from tagswarm.manifests.events import Event, StepAdvanced, StepFinished, StepStarted
from tagswarm.manifests.torrentfile import Links, Torrent
from tagswarm.mirror import payload, pieces, stretches
from tagswarm.mirror.payload import FileState, PayloadReport, verify
from tests.publisher import Publisher

KIB = 1024
PIECE = 16 * KIB
FLAGS = {
    "v1": lt.create_torrent.v1_only,
    "canonical": lt.create_torrent.v1_only | lt.create_torrent.canonical_files,
    "v2": lt.create_torrent.v2_only,
    "hybrid": 0,
}
SIZES = (0, 1, 5000, PIECE - 1, PIECE, PIECE + 1, 3 * PIECE, 5 * PIECE + 7, 40_000, 0, 100)


def content(size: int, seed: object) -> bytes:
    return random.Random(repr(seed)).randbytes(size)


def payload_of(sizes: Iterable[int]) -> dict[str, bytes]:
    """Files in a few folders, with names that sort in another order than they are made in."""
    return {f"{number % 3}/{number:03}.bin": content(size, number) for number, size in enumerate(sizes)}


def write(folder: Path, files: dict[str, bytes]) -> None:
    for path, data in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(data)


def torrent_of(folder: Path, kind: str, paths: Iterable[str], piece_length: int = PIECE) -> Torrent:
    """What libtorrent makes of files below a folder, whose name is that of the torrent."""
    entries = [
        lt.create_file_entry(f"{folder.name}/{path}", (folder / path).stat().st_size, 0, 0, "")
        for path in sorted(paths, key=lambda path: path.split("/"))
    ]
    made = lt.create_torrent(entries, piece_length, FLAGS[kind])
    lt.set_piece_hashes(made, str(folder.parent))
    return torrentfile.parse(lt.bencode(made.generate()))


def bad(report: PayloadReport) -> dict[str, FileState]:
    return {file.path: file for file in report.files if file.state != "ok"}


def flip(path: Path, at: int) -> None:
    with path.open("r+b") as file:
        file.seek(at)
        byte = file.read(1)[0]
        file.seek(at)
        file.write(bytes([byte ^ 0x40]))


def in_this_process(function: Callable[[Any], Any], tasks: Iterable[Any], **_: object) -> Iterator[tuple[Any, Any]]:
    """What the pool does, without processes that take a third of a second to start."""
    return ((task, function(task)) for task in tasks)


@pytest.fixture
def inline(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pool, "run", in_this_process)


@pytest.fixture
def files() -> dict[str, bytes]:
    return payload_of(SIZES)


@pytest.fixture
def folder(tmp_path: Path, files: dict[str, bytes]) -> Path:
    write(tmp_path / "data", files)
    return tmp_path / "data"


def offsets(torrent: Torrent) -> dict[str, int]:
    return {entry.path: entry.offset for entry in torrent.entries}


def touched(torrent: Torrent, path: str, at: int) -> dict[str, tuple[int, int]]:
    """By the definition: the bytes of each file that lie in the piece of one byte."""
    length = torrent.piece_length
    if torrent.version != "v1":
        size = next(entry.size for entry in torrent.entries if entry.path == path)
        return {path: (at // length * length, min(size, (at // length + 1) * length))}
    begin = (offsets(torrent)[path] + at) // length * length
    return {
        entry.path: (max(0, begin - entry.offset), min(entry.size, begin + length - entry.offset))
        for entry in torrent.entries
        if not entry.pad and max(begin, entry.offset) < min(begin + length, entry.offset + entry.size)
    }


@pytest.mark.parametrize("kind", FLAGS)
def test_a_whole_payload_passes_in_worker_processes(folder: Path, files: dict[str, bytes], kind: str) -> None:
    torrent = torrent_of(folder, kind, files)
    events: list[Event] = []
    report = verify(torrent, folder.parent, workers=2, report=events.append)
    assert report.ok
    assert {file.path: (file.size, file.state) for file in report.files} == {
        path: (len(data), "ok") for path, data in files.items()
    }
    assert (report.bytes, report.shared, report.second, report.folder) == (sum(SIZES), (), (), folder)
    assert report.by == ("v1" if kind in ("v1", "canonical") else "v2")
    assert verify(torrent, folder, workers=1) == report, "the folder itself will do, and workers change nothing"
    assert events[0] == StepStarted(payload.STEP, None, "pieces", sum(SIZES))
    assert isinstance(events[-2], StepAdvanced)
    assert events[-2].bytes == sum(SIZES)
    assert events[-1] == StepFinished(payload.STEP, report.pieces, sum(SIZES))


@pytest.mark.usefixtures("inline")
@pytest.mark.parametrize("kind", FLAGS)
def test_each_flipped_byte_is_found_in_its_file_and_piece(folder: Path, files: dict[str, bytes], kind: str) -> None:
    torrent = torrent_of(folder, kind, files)
    chance = random.Random(kind)
    for _ in range(50):
        path = chance.choice([path for path, data in files.items() if data])
        at = chance.randrange(len(files[path]))
        flip(folder / path, at)
        report = verify(torrent, folder.parent)
        flip(folder / path, at)
        expected = touched(torrent, path, at)
        assert {name: state.ranges for name, state in bad(report).items()} == {
            name: (between,) for name, between in expected.items()
        }
        alone = len(expected) == 1
        assert {state.state for state in bad(report).values()} == {"damaged" if alone else "suspect"}
        if alone:
            assert report.shared == ()
        else:
            (shared,) = report.shared
            assert shared.piece == (offsets(torrent)[path] + at) // PIECE
            assert set(shared.files) == set(expected)
    assert verify(torrent, folder.parent).ok


@pytest.mark.usefixtures("inline")
@settings(deadline=None, max_examples=60)
@given(data=st.data())
def test_any_damage_of_any_files(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    size = st.sampled_from((0, 1, PIECE - 1, PIECE, PIECE + 1, 2 * PIECE)) | st.integers(0, 4 * PIECE)
    sizes = data.draw(st.lists(size, min_size=1, max_size=8).filter(any))
    kind, piece_length = data.draw(st.sampled_from(list(FLAGS))), data.draw(st.sampled_from((PIECE, 4 * PIECE)))
    files = payload_of(sizes)
    folder = tmp_path_factory.mktemp("any") / "data"
    write(folder, files)
    torrent = torrent_of(folder, kind, files, piece_length)
    place = st.sampled_from([path for path, held in files.items() if held]).flatmap(
        lambda path: st.tuples(st.just(path), st.integers(0, len(files[path]) - 1))
    )
    damage = data.draw(st.sets(place, max_size=6))
    missing = data.draw(st.sets(st.sampled_from(sorted(files)), max_size=2))
    for path, at in damage:
        flip(folder / path, at)
    for path in missing:
        (folder / path).unlink()
    expected: dict[str, set[int]] = {}
    gone = [(name, at) for name in missing for at in range(0, len(files[name]), 1000)]
    for path, at in [*damage, *gone]:
        for name, (begin, end) in touched(torrent, path, at).items():
            expected.setdefault(name, set()).update(range(begin, end))
    for path in missing:
        if files[path] and touched(torrent, path, len(files[path]) - 1):
            for name, (begin, end) in touched(torrent, path, len(files[path]) - 1).items():
                expected.setdefault(name, set()).update(range(begin, end))
    report = verify(torrent, folder.parent)
    assert {state.path for state in report.files if state.state == "missing"} == missing
    found = {
        state.path: {at for begin, end in state.ranges for at in range(begin, end)}
        for state in report.files
        if state.state in ("damaged", "suspect")
    }
    assert found == {name: held for name, held in expected.items() if name not in missing}
    alone = {path for path, at in [*damage, *gone] if len(touched(torrent, path, at)) == 1} - missing
    assert {state.path for state in report.files if state.state == "damaged"} == alone
    for state in report.files:
        assert list(state.ranges) == sorted(state.ranges)
        assert all(first[1] < second[0] for first, second in zip(state.ranges, state.ranges[1:], strict=False))


@pytest.mark.usefixtures("inline")
@pytest.mark.parametrize("kind", FLAGS)
def test_how_the_work_is_cut_changes_nothing(
    folder: Path, files: dict[str, bytes], kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    torrent = torrent_of(folder, kind, files)
    flip(folder / "1/007.bin", 50_000)
    (folder / "2/008.bin").unlink()
    (folder / "0/000.bin").write_bytes(b"not empty")
    whole = verify(torrent, folder.parent)
    for size, count in ((1, 1), (PIECE, 2), (3 * PIECE, 512), (1 << 30, 1)):
        monkeypatch.setattr(stretches, "TASK_BYTES", size)
        monkeypatch.setattr(stretches, "TASK_FILES", count)
        assert verify(torrent, folder.parent) == whole


@pytest.mark.usefixtures("inline")
@pytest.mark.parametrize("kind", FLAGS)
def test_what_a_file_cannot_be(folder: Path, files: dict[str, bytes], kind: str) -> None:
    torrent = torrent_of(folder, kind, files)
    outside = folder.parent / "outside"
    shutil.copytree(folder, outside)
    for path in ("0/000.bin", "2/002.bin", "0/003.bin", "1/004.bin", "2/005.bin", "0/006.bin"):
        (folder / path).unlink()
    (folder / "2/002.bin").write_bytes(files["2/002.bin"] + b"more")
    (folder / "0/003.bin").write_bytes(files["0/003.bin"][:-1])
    (folder / "1/004.bin").symlink_to(outside / "1/004.bin")
    (folder / "2/005.bin").mkdir()
    os.mkfifo(folder / "0/006.bin")
    states = {path: (state.state, state.detail) for path, state in bad(verify(torrent, folder.parent)).items()}
    assert states["0/000.bin"] == ("missing", "")
    assert states["2/002.bin"] == ("size", "expected 5000 bytes, found 5004")
    assert states["0/003.bin"] == ("size", f"expected {PIECE - 1} bytes, found {PIECE - 2}")
    assert states["1/004.bin"] == ("unreadable", "is a symbolic link")
    assert states["2/005.bin"] == states["0/006.bin"] == ("unreadable", "is not a regular file")
    others = {
        state for path, (state, _) in states.items() if path[2:5] not in ("000", "002", "003", "004", "005", "006")
    }
    assert others == ({"suspect"} if kind == "v1" else set())


@pytest.mark.usefixtures("inline")
@pytest.mark.parametrize("kind", FLAGS)
def test_no_folder_is_entered_through_a_link(folder: Path, files: dict[str, bytes], kind: str) -> None:
    torrent = torrent_of(folder, kind, files)
    shutil.move(folder / "1", folder.parent / "elsewhere")
    (folder / "1").symlink_to(folder.parent / "elsewhere")
    states = bad(verify(torrent, folder.parent))
    inside = {path for path in files if path.startswith("1/")}
    assert {path for path, state in states.items() if state.state == "unreadable"} == inside
    assert {states[path].detail for path in inside} == {"is a symbolic link"}


@pytest.mark.usefixtures("inline")
def test_neighbours_of_a_missing_file_are_suspects_in_a_torrent_without_pads(tmp_path: Path) -> None:
    files = {f"{number}.bin": content(10_000, number) for number in range(6)}
    write(tmp_path / "data", files)
    torrent = torrent_of(tmp_path / "data", "v1", files)
    (tmp_path / "data/2.bin").unlink()  # bytes 20,000 to 30,000, in the pieces 1 (from 16,384) and no other
    report = verify(torrent, tmp_path)
    assert {path: (state.state, state.ranges) for path, state in bad(report).items()} == {
        "1.bin": ("suspect", ((6384, 10_000),)),
        "2.bin": ("missing", ()),
        "3.bin": ("suspect", ((0, 2768),)),
    }
    assert [(shared.piece, shared.files) for shared in report.shared] == [(1, ("1.bin", "2.bin", "3.bin"))]


@pytest.mark.usefixtures("inline")
def test_a_piece_that_several_damaged_files_share_and_one_of_its_own(tmp_path: Path) -> None:
    files = {"a.bin": content(3 * PIECE + 10, 1), "b.bin": content(100, 2)}
    write(tmp_path / "data", files)
    torrent = torrent_of(tmp_path / "data", "v1", files)
    flip(tmp_path / "data/a.bin", 0)
    flip(tmp_path / "data/a.bin", PIECE)
    flip(tmp_path / "data/b.bin", 3)
    states = bad(verify(torrent, tmp_path))
    assert (states["a.bin"].state, states["a.bin"].ranges) == ("damaged", ((0, 2 * PIECE), (3 * PIECE, 3 * PIECE + 10)))
    assert (states["b.bin"].state, states["b.bin"].ranges) == ("suspect", ((0, 100),))


@pytest.mark.usefixtures("inline")
@pytest.mark.parametrize("kind", FLAGS)
def test_a_torrent_of_one_file(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "one.bin"
    path.write_bytes(content(100_000, kind))
    made = lt.create_torrent([lt.create_file_entry("one.bin", 100_000, 0, 0, "")], PIECE, FLAGS[kind])
    lt.set_piece_hashes(made, str(tmp_path))
    torrent = torrentfile.parse(lt.bencode(made.generate()))
    (other := tmp_path / "renamed.bin").write_bytes(path.read_bytes())
    assert torrent.single
    for place in (tmp_path, path, other):
        report = verify(torrent, place, extra=True)
        assert report.ok
        assert (report.folder, report.extra) == (tmp_path, ())
    flip(path, 70_000)
    (state,) = bad(verify(torrent, tmp_path)).values()
    assert (state.path, state.state, state.ranges) == ("one.bin", "damaged", ((65536, 81920),))
    path.unlink()
    (state,) = bad(verify(torrent, tmp_path)).values()
    assert state.state == "missing"


@pytest.mark.usefixtures("inline")
def test_what_else_lies_in_the_folder(folder: Path, files: dict[str, bytes], monkeypatch: pytest.MonkeyPatch) -> None:
    torrent = torrent_of(folder, "hybrid", files)
    (folder / "new").mkdir()
    (folder / "new/file").write_bytes(b"")
    (folder / "0/link").symlink_to("/")
    (folder / "b\x1b\udc80").write_bytes(b"")
    pad = next(entry for entry in torrent.entries if entry.pad)
    write(folder, {pad.path: bytes(pad.size)})
    assert verify(torrent, folder).extra == ()
    report = verify(torrent, folder, extra=True)
    assert report.ok
    assert sorted(report.extra) == ["0/link", "b\x1b\udc80", "new/file"]
    monkeypatch.setattr(payload, "MOST_EXTRA", 2)
    report = verify(torrent, folder, extra=True)
    assert (len(report.extra), report.extra_count) == (2, 3)


@pytest.mark.usefixtures("inline")
def test_a_folder_that_cannot_be_searched_is_named(
    folder: Path, files: dict[str, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    torrent = torrent_of(folder, "hybrid", files)
    (folder / "0/closed/inner").mkdir(parents=True)
    scan = os.scandir

    def guarded(path: str) -> Any:
        if str(path).endswith("closed"):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))
        return scan(path)

    monkeypatch.setattr(os, "scandir", guarded)
    report = verify(torrent, folder, extra=True)
    assert (report.ok, report.extra) == (True, ("0/closed",))


@pytest.mark.usefixtures("inline")
def test_a_torrent_whose_name_no_file_system_holds(folder: Path, files: dict[str, bytes]) -> None:
    torrent = dataclasses.replace(torrent_of(folder, "v2", files), name="x" * 300)
    assert verify(torrent, folder).ok, "a client has to give its folder another name"


@pytest.mark.usefixtures("inline")
@pytest.mark.parametrize("kind", FLAGS)
def test_bytes_that_are_right_when_they_are_read_again(
    folder: Path, files: dict[str, bytes], kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    torrent = torrent_of(folder, kind, files)
    read, calls = os.pread, 0

    def doubtful(descriptor: int, size: int, offset: int) -> bytes:
        nonlocal calls
        calls += 1
        if calls == 4:
            return bytes(size)
        if calls == 12:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        return read(descriptor, size, offset)

    monkeypatch.setattr(os, "pread", doubtful)
    report = verify(torrent, folder.parent)
    assert report.ok
    assert report.bytes == sum(SIZES)
    assert len(report.second) >= 2


@pytest.mark.usefixtures("inline")
@pytest.mark.parametrize("kind", FLAGS)
def test_a_file_that_cannot_be_read_twice(
    folder: Path, files: dict[str, bytes], kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    torrent = torrent_of(folder, kind, files)
    read, inode = os.pread, (folder / "1/007.bin").stat().st_ino

    def failing(descriptor: int, size: int, offset: int) -> bytes:
        if os.fstat(descriptor).st_ino == inode and offset >= 2 * PIECE:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        return read(descriptor, size, offset)

    monkeypatch.setattr(os, "pread", failing)
    states = bad(verify(torrent, folder.parent))
    assert (states["1/007.bin"].state, states["1/007.bin"].detail) == ("unreadable", os.strerror(errno.EIO))
    monkeypatch.setattr(os, "pread", lambda descriptor, size, offset: read(descriptor, max(1, size // 2), offset))
    assert verify(torrent, folder.parent).ok, "short reads are put together"
    monkeypatch.setattr(os, "pread", lambda descriptor, size, offset: b"")
    states = bad(verify(torrent, folder.parent))
    assert states["1/007.bin"].detail == "became shorter while it was read"
    assert {state.state for state in states.values()} == {"unreadable"} | ({"suspect"} if kind == "v1" else set())


def test_a_lost_worker_leaves_its_files_unread(
    folder: Path, files: dict[str, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    torrent = torrent_of(folder, "hybrid", files)
    monkeypatch.setattr(pool, "run", lambda function, tasks, **_: ((task, pool.Lost("memory")) for task in tasks))
    report = verify(torrent, folder.parent)
    assert {state.state for state in report.files} == {"unreadable"}
    assert "lost: memory" in report.files[0].detail


def test_places_that_are_none(folder: Path, files: dict[str, bytes], tmp_path: Path) -> None:
    torrent = torrent_of(folder, "v1", files)
    with pytest.raises(Unreadable, match="no such file"):
        verify(torrent, tmp_path / "nowhere")
    with pytest.raises(Unreadable, match="is not a folder"):
        verify(torrent, folder / "1/001.bin")
    (tmp_path / "other").mkdir()
    (tmp_path / "other/data").symlink_to(folder)
    with pytest.raises(Unreadable, match="symbolic link"):
        verify(torrent, tmp_path / "other")
    (tmp_path / "link").symlink_to(tmp_path)
    assert verify(torrent, tmp_path / "link", workers=1).ok, "the place itself is the business of whoever names it"


@pytest.mark.usefixtures("inline")
def test_pads_that_nobody_stores_are_not_read(tmp_path: Path) -> None:
    """A pad that fills pieces of its own, as no client makes it: those pieces prove nothing and need no file."""
    data = content(PIECE, 1)
    hashes = b"".join(hashlib.sha1(block).digest() for block in (data, bytes(PIECE), bytes(PIECE)))
    listed = [
        {b"length": PIECE, b"path": [b"a"]},
        {b"attr": b"p", b"length": 2 * PIECE, b"path": [b".pad", b"0"]},
    ]
    info: dict[bytes, Any] = {b"files": listed, b"name": b"data", b"piece length": PIECE, b"pieces": hashes}
    torrent = torrentfile.parse(bencode.encode({b"info": info}))
    write(tmp_path / "data", {"a": data})
    assert verify(torrent, tmp_path).ok


@pytest.mark.usefixtures("inline")
def test_a_torrent_of_mktorrent(folder: Path, files: dict[str, bytes], tmp_path: Path) -> None:
    subprocess.run(
        ["mktorrent", "-l", "16", "-o", "made.torrent", folder.name],
        cwd=tmp_path,
        check=True,
        capture_output=True,
    )
    torrent = torrentfile.parse((tmp_path / "made.torrent").read_bytes())
    assert torrent.version == "v1"
    report = verify(torrent, tmp_path)
    assert report.ok
    assert {file.path for file in report.files} == set(files)
    flip(folder / "1/007.bin", 2 * PIECE)
    assert bad(verify(torrent, tmp_path))["1/007.bin"].ranges


@pytest.mark.usefixtures("inline")
def test_a_volume_of_a_dataset(tmp_path: Path) -> None:
    dataset = tmp_path / "danbooru"
    publisher = Publisher(dataset)
    entries = publisher.loose("original", range(1, 300))
    length = 4 * PIECE
    hashed = [infodict.Hashed(e.path, digest_bytes((dataset / e.path).read_bytes(), length)) for e in entries]
    made = infodict.hybrid("danbooru", length, hashed)
    torrent = torrentfile.parse(torrentfile.render(made.info, made.layers, Links()))
    assert verify(torrent, tmp_path).ok
    victim = next(e for e in entries if e.size > length)
    flip(dataset / victim.path, length)
    (state,) = bad(verify(torrent, dataset)).values()
    assert (state.path, state.ranges) == (victim.path, ((length, min(2 * length, victim.size)),))


@pytest.mark.parametrize("path", ["", "..", "../a", "a//b", "/etc/passwd", "./a", "a/.", "a/../b"])
def test_no_path_leaves_the_folder(tmp_path: Path, path: str) -> None:
    part = stretches.Part(0, path, 1, 0, 1)
    stretch = stretches.Stretch(0, PIECE, None, (part,), bytes(20))
    with pytest.raises(UnsafePath):
        pieces.check(stretches.Task(str(tmp_path), (stretch,)))
