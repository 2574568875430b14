"""Archives are the same every time, every reader reads them, and a member is one range of bytes."""

from __future__ import annotations

import hashlib
import io
import itertools
import json
import os
import subprocess
import tarfile
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tagswarm.manifests.digest import digest_bytes
from tagswarm.manifests.errors import DiskFull, InvalidDocument, LimitExceeded, SourceChanged, Unreadable, UnsafePath
from tagswarm.release import layouts
from tagswarm.release.layouts import Member, Packed, write_tar, write_zip

PIECE = 16_384
Write = Callable[..., Packed]


def member(name: str, data: bytes) -> Member:
    return Member(name, len(data), hashlib.sha256(data).hexdigest(), lambda: io.BytesIO(data))


def packed(write: Write, files: dict[str, bytes]) -> tuple[bytes, Packed]:
    out = io.BytesIO()
    result = write(out, [member(name, data) for name, data in files.items()], piece_length=PIECE)
    return out.getvalue(), result


SMALL = {
    "000001000.jpg": b"\xff\xd8\xff\xe0 one thousand",
    "000001000.txt": b"1girl solo",
    "000002000.png": b"",
    "000003000.jpg": bytes(range(256)) * 5,
}


@pytest.mark.parametrize(
    ("write", "size", "sha256"),
    [
        (write_tar, 10_240, "5eb4251286031599a0a3d5ab7b4be372189109c3e1da78c973d5053c3a82df7e"),
        (write_zip, 1_737, "a985b38d75ce01dfc73b2b496e9437128167bbfcf810a86fda870c94b8f861ef"),
    ],
)
def test_the_bytes_are_those_of_the_golden_vector(write: Write, size: int, sha256: str) -> None:
    data, result = packed(write, SMALL)
    assert (len(data), result.digest.sha256) == (size, sha256)
    assert hashlib.sha256(data).hexdigest() == sha256


def test_the_index_is_the_one_of_the_format_page(repository: Path) -> None:
    _, result = packed(write_tar, SMALL)
    assert result.index is not None
    page = (repository / "docs/reference/formats/packed.md").read_text()
    shown = page.split("```json\n")[1].split("```")[0]
    assert json.loads(result.index) == json.loads(shown)
    assert list(json.loads(result.index)["files"]) == list(SMALL)


def test_the_index_is_what_hfutils_would_make_of_the_tar() -> None:
    data, result = packed(write_tar, SMALL)
    with tarfile.open(fileobj=io.BytesIO(data), mode="r:") as tar:
        files = {
            info.name: {
                "offset": info.offset_data,
                "size": info.size,
                "sha256": hashlib.sha256(data[info.offset_data : info.offset_data + info.size]).hexdigest(),
            }
            for info in tar
            if info.isreg()
        }
    assert json.loads(result.index or b"") == {
        "filesize": len(data),
        "hash": hashlib.sha1(f"blob {len(data)}\0".encode() + data).hexdigest(),
        "hash_lfs": hashlib.sha256(data).hexdigest(),
        "files": files,
    }


def test_headers_name_no_time_owner_or_machine() -> None:
    data, _ = packed(write_tar, SMALL)
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        for info in tar:
            assert (info.mtime, info.uid, info.gid, info.uname, info.gname, info.mode) == (0, 0, 0, "", "", 0o644)
    data, _ = packed(write_zip, SMALL)
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        for entry in archive.infolist():
            assert entry.date_time == (1980, 1, 1, 0, 0, 0)
            assert (entry.create_system, entry.external_attr >> 16, entry.extra) == (3, 0o100644, b"")
            assert entry.compress_type == zipfile.ZIP_STORED


def test_other_programs_read_them(tmp_path: Path) -> None:
    names = "\n".join(SMALL) + "\n"
    environment = {**os.environ, "LC_ALL": "C.UTF-8"}

    def run(*command: str) -> bytes:
        return subprocess.run(command, cwd=tmp_path, env=environment, check=True, capture_output=True).stdout

    (tmp_path / "a.tar").write_bytes(packed(write_tar, SMALL)[0])
    assert run("tar", "-tf", "a.tar").decode() == names
    assert run("tar", "-xOf", "a.tar", "000003000.jpg") == SMALL["000003000.jpg"]
    files = {**SMALL, "初音.jpg": b"miku"}
    (tmp_path / "a.zip").write_bytes(packed(write_zip, files)[0])
    run("unzip", "-tq", "a.zip")
    assert run("unzip", "-Z1", "a.zip").decode() == names + "初音.jpg\n"
    assert run("unzip", "-p", "a.zip", "初音.jpg") == b"miku"


def test_a_reader_of_webdataset_finds_samples() -> None:
    data, _ = packed(write_tar, SMALL)
    with tarfile.open(fileobj=io.BytesIO(data), mode="r|") as tar:  # as a stream, the way WebDataset reads
        parts = [(*info.name.split(".", 1), tar.extractfile(info).read()) for info in tar]  # type: ignore[union-attr]
    samples = [
        {"__key__": key, **{extension: data for _, extension, data in group}}
        for key, group in itertools.groupby(parts, key=lambda part: part[0])
    ]
    assert samples == [
        {"__key__": "000001000", "jpg": SMALL["000001000.jpg"], "txt": SMALL["000001000.txt"]},
        {"__key__": "000002000", "png": b""},
        {"__key__": "000003000", "jpg": SMALL["000003000.jpg"]},
    ]


NAMES = st.lists(st.integers(0, 10**9), unique=True, max_size=6).map(lambda ids: [f"{post:09}.jpg" for post in ids])


@given(st.sampled_from((write_tar, write_zip)), NAMES, st.data())
def test_a_member_is_a_range_and_the_digest_is_that_of_the_archive(
    write: Write, names: list[str], data: st.DataObject
) -> None:
    sizes = st.sampled_from((0, 1, 511, 512, 513, PIECE, 300_000)) | st.integers(0, 2_000)
    files = {name: bytes([number]) * data.draw(sizes) for number, name in enumerate(names)}
    archive, result = packed(write, files)
    assert result.digest == digest_bytes(archive, PIECE)
    assert [at.name for at in result.members] == names
    for at in result.members:
        assert archive[at.offset : at.offset + at.size] == files[at.name]
        assert at.sha256 == hashlib.sha256(files[at.name]).hexdigest()
    if write is write_zip:
        with zipfile.ZipFile(io.BytesIO(archive)) as reader:
            assert reader.testzip() is None
            assert {name: reader.read(name) for name in reader.namelist()} == files
    else:
        assert len(archive) % tarfile.RECORDSIZE == 0
        with tarfile.open(fileobj=io.BytesIO(archive), mode="r:") as tar:
            assert {info.name: tar.extractfile(info).read() for info in tar} == files  # type: ignore[union-attr]


def test_a_large_member_of_a_zip_is_read_twice_and_never_held() -> None:
    data = os.urandom(1 << 16) * ((layouts.HELD >> 16) + 1)
    opened = []

    def reopen() -> io.BytesIO:
        opened.append(1)
        return io.BytesIO(data)

    out = io.BytesIO()
    write_zip(out, [Member("1.png", len(data), hashlib.sha256(data).hexdigest(), reopen)], piece_length=PIECE)
    assert len(opened) == 2
    with zipfile.ZipFile(out) as archive:
        assert archive.read("1.png") == data


@pytest.mark.parametrize("write", [write_tar, write_zip])
@pytest.mark.parametrize("found", [b"wrong bytes", b"right byte", b"right bytes and more"])
def test_a_file_that_changed_is_refused(write: Write, found: bytes) -> None:
    right = member("1.jpg", b"right bytes")
    changed = Member(right.name, right.size, right.sha256, lambda: io.BytesIO(found))
    with pytest.raises(SourceChanged, match=r"1\.jpg: 11 bytes"):
        write(io.BytesIO(), [changed], piece_length=PIECE)


@pytest.mark.parametrize("write", [write_tar, write_zip])
@pytest.mark.parametrize(
    "names", [["../1.jpg"], ["a/1.jpg"], ["con.jpg"], ["a\nb.jpg"], ["1.jpg", "1.jpg"], ["a.jpg", "A.jpg"], [""]]
)
def test_hostile_and_ambiguous_names_are_refused(write: Write, names: list[str]) -> None:
    with pytest.raises(UnsafePath):
        write(io.BytesIO(), [member(name, b"") for name in names], piece_length=PIECE)


@pytest.mark.parametrize("name", ["yande.re - 1.jpg", "noextension"])
def test_a_tar_refuses_names_that_webdataset_would_cut(name: str) -> None:
    with pytest.raises(UnsafePath, match="one dot"):
        packed(write_tar, {name: b""})


def test_a_tar_refuses_a_sample_torn_apart() -> None:
    with pytest.raises(InvalidDocument, match="stands apart"):
        packed(write_tar, {"1.jpg": b"", "2.jpg": b"", "1.txt": b""})


def test_a_tar_refuses_what_a_ustar_header_cannot_say() -> None:
    name = "1" * 96 + ".jpg"
    data, _ = packed(write_tar, {name: b"x"})
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        assert tar.getnames() == [name]
    for refused in (Member(f"1{name}", 0, "", io.BytesIO), Member("1.mp4", 8 << 30, "", io.BytesIO)):
        with pytest.raises(LimitExceeded, match="a tar holds"):
            write_tar(io.BytesIO(), [refused], piece_length=PIECE)


def test_failures_of_the_disk_are_ours() -> None:
    def absent() -> io.BufferedReader:
        return Path("/nowhere/1.jpg").open("rb")

    with pytest.raises(Unreadable, match=r"1\.jpg: no such file"):
        write_zip(io.BytesIO(), [Member("1.jpg", 1, "", absent)], piece_length=PIECE)
    with Path("/dev/full").open("wb", buffering=0) as full, pytest.raises(DiskFull):
        write_tar(full, [member("1.jpg", b"data")], piece_length=PIECE)


def test_a_zip_of_more_than_65535_members_is_read(tmp_path: Path) -> None:
    path = tmp_path / "many.zip"
    count = 65_536
    nothing = hashlib.sha256().hexdigest()
    with path.open("wb") as out:
        write_zip(out, (Member(f"{post}.jpg", 0, nothing, io.BytesIO) for post in range(count)), piece_length=PIECE)
    with zipfile.ZipFile(path) as archive:
        assert len(archive.infolist()) == count
    listed = subprocess.run(["unzip", "-Z1", str(path)], check=True, capture_output=True).stdout
    assert listed.count(b"\n") == count


def test_a_zip_beyond_4_gib_is_read(tmp_path: Path) -> None:
    path = tmp_path / "large.zip"  # sparse: the large member is a hole, its CRC is not looked at
    large, small = Member("1.mp4", 5 << 30, "", io.BytesIO), member("2.jpg", b"behind the hole")
    head, first = layouts._zip_headers(large, 0, 0)
    offset = len(head) + large.size
    local, second = layouts._zip_headers(small, zlib.crc32(b"behind the hole"), offset)
    tail = local + b"behind the hole"
    directory = first + second
    with path.open("wb") as out:
        out.write(head)
        out.seek(offset)
        out.write(tail + directory + layouts._zip_end(2, len(directory), offset + len(tail)))
    with zipfile.ZipFile(path) as archive:
        assert [(entry.file_size, entry.header_offset) for entry in archive.infolist()] == [(5 << 30, 0), (15, offset)]
        assert archive.read("2.jpg") == b"behind the hole"
    shown = subprocess.run(["unzip", "-p", str(path), "2.jpg"], check=True, capture_output=True).stdout
    assert shown == b"behind the hole"
