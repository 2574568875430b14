"""Compressed files and archives: read as a stream, in bounded memory, and never believed."""

from __future__ import annotations

import bz2
import gzip
import io
import json
import lzma
import random
import tarfile
import zlib
from pathlib import Path
from typing import Any

import pytest
import zstandard

from tagswarm.manifests.errors import Unreadable
from tagswarm.release.sources import documents, stream

POSTS = 300
ROWS = b"".join(
    json.dumps({"id": n, "rating": "g", "tag_string": f"solo tag_{n}"}).encode() + b"\n" for n in range(1, POSTS + 1)
)


def xz(data: bytes) -> bytes:
    return lzma.compress(data, preset=6)


def zst(data: bytes) -> bytes:
    return zstandard.ZstdCompressor(write_checksum=True).compress(data)


CODECS = [
    pytest.param(gzip.compress, id="gz"),
    pytest.param(bz2.compress, id="bz2"),
    pytest.param(xz, id="xz"),
    pytest.param(zst, id="zst"),
]


def tar(*members: tuple[str, bytes], pax: bool = False) -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w", format=tarfile.PAX_FORMAT if pax else tarfile.GNU_FORMAT) as archive:
        for name, content in members:
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return file.getvalue()


def plain(data: bytes) -> bytes:
    return data


def member(data: bytes) -> bytes:
    return tar(("posts.json", data))


def ids(reading: Any) -> list[int]:
    return [post.id for post in reading.posts]


@pytest.mark.parametrize("pack", [plain, *CODECS])
@pytest.mark.parametrize("inside", [plain, *CODECS])
def test_every_compression_in_and_around_an_archive(read: Any, pack: Any, inside: Any) -> None:
    half = ROWS.find(b'{"id": 150,')
    members = (("posts0.json", inside(ROWS[:half])), ("posts1.json", inside(ROWS[half:])))
    for archive in (tar(*members), tar(*members, pax=True)):
        assert ids(read("danbooru_export", pack(archive))) == list(range(1, POSTS + 1))
    assert ids(read("danbooru_export", pack(ROWS))) == list(range(1, POSTS + 1))


def test_members_are_read_in_the_order_of_the_archive_and_named(read: Any) -> None:
    archive = tar(("b/posts1.json", b'{"id": 1, "rating": "z"}'), ("a/posts0.json", b'{"id": 2, "rating": "z"}'))
    reading = read("danbooru_export", archive, name="dump.tar")
    assert [reject.source for reject in reading.rejects] == ["dump.tar/b/posts1.json", "dump.tar/a/posts0.json"]


@pytest.mark.parametrize("pax", [False, True])
def test_long_member_names_are_read_whole(read: Any, pax: bool) -> None:
    name = "a" * 150 + "/" + "b" * 120 + ".json"
    reading = read("danbooru_export", tar((name, b'{"id": 2, "rating": "z"}'), pax=pax), name="d")
    assert reading.rejects[0].source == f"d/{name}"


@pytest.mark.parametrize("pack", CODECS)
@pytest.mark.parametrize("wrap", [plain, member])
def test_several_frames_one_after_the_other_are_one_stream(read: Any, pack: Any, wrap: Any) -> None:
    half = ROWS.find(b'{"id": 150,')
    assert len(ids(read("danbooru_export", wrap(pack(ROWS[:half]) + pack(ROWS[half:]))))) == POSTS


@pytest.mark.parametrize("pack", CODECS)
def test_truncated_stream_keeps_what_came_before_and_is_named(read: Any, pack: Any) -> None:
    noise = random.Random(1)
    long = b"".join(
        json.dumps({"id": n, "rating": "g", "tag_string": f"t{noise.getrandbits(900):x}"}).encode() + b"\n"
        for n in range(1, 9_001)
    )
    packed = pack(long)
    for cut in (len(packed) // 2, len(packed) - 1):
        reading = read("danbooru_export", packed[:cut])
        assert reading.reasons == ["truncated-stream"]
        assert 0 < len(ids(reading)) <= 9_000
        assert ids(reading) == list(range(1, len(ids(reading)) + 1))
        assert reading.rejects[0].line == len(ids(reading)) + 1


@pytest.mark.parametrize("pack", CODECS)
def test_damaged_stream_is_named(read: Any, pack: Any) -> None:
    packed = bytearray(pack(random.Random(1).randbytes(200_000) + b"\n"))
    packed[len(packed) // 2 : len(packed) // 2 + 40] = b"\xff" * 40
    reading = read("danbooru_export", bytes(packed))
    assert reading.reasons[-1] in ("corrupt-stream", "truncated-stream")


@pytest.mark.parametrize("pack", CODECS)
def test_bytes_after_the_stream_are_named(read: Any, pack: Any) -> None:
    reading = read("danbooru_export", pack(ROWS) + b"garbage that is no frame")
    assert len(ids(reading)) == POSTS
    assert reading.reasons == ["corrupt-stream"]


@pytest.mark.parametrize("cut", [1, 700, 513, 2_000])
def test_truncated_archive_is_named(read: Any, cut: int) -> None:
    archive = tar(("posts0.json", ROWS[:400]), ("posts1.json", ROWS))
    reading = read("danbooru_export", archive[: 512 * 5 - cut])
    assert "truncated-stream" in reading.reasons


def test_archive_that_ends_between_members_is_named(read: Any) -> None:
    archive = tar(("posts0.json", ROWS))
    reading = read("danbooru_export", archive[: 512 + -(-len(ROWS) // 512) * 512])
    assert len(ids(reading)) == POSTS
    assert reading.reasons == ["truncated-stream"]


@pytest.mark.parametrize("pack", CODECS)
def test_decompression_bomb_is_refused(read: Any, pack: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    limits = stream.Limits(slack=1 << 20)
    monkeypatch.setattr("tagswarm.release.sources.stream.documents.__defaults__", (limits,))
    bomb = pack(ROWS + b" " * (80 << 20))
    assert len(bomb) * limits.ratio < 80 << 20
    reading = read("danbooru_export", bomb)
    assert reading.reasons == ["decompression-bomb"]
    assert len(ids(reading)) == POSTS


def test_stream_that_needs_more_memory_than_the_window_is_refused(read: Any) -> None:
    parameters = zstandard.ZstdCompressionParameters(window_log=28, compression_level=1)
    huge = zstandard.ZstdCompressor(compression_params=parameters).compressobj()
    assert read("danbooru_export", huge.compress(ROWS) + huge.flush()).reasons == ["corrupt-stream"]
    packed = bytearray(xz(ROWS))
    # the dictionary size is a byte of the block header (.xz format 3.1.1 and 5.3.1): 40 is 4 GiB - 1; its CRC32 follows
    assert packed[12:16] == b"\x02\x00\x21\x01"
    packed[16] = 40
    packed[20:24] = zlib.crc32(packed[12:20]).to_bytes(4, "little")
    assert read("danbooru_export", bytes(packed)).reasons == ["corrupt-stream"]


def test_line_that_is_too_long_is_skipped_in_bounded_memory(read: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tagswarm.release.sources.rows.LIMITS", stream.Limits(row=1_000))
    reading = read(
        "danbooru_export", b'{"id":1,"rating":"g"}\n{"id":2,"x":"' + b"y" * 5_000 + b'"}\n{"id":3,"rating":"g"}\n'
    )
    assert ids(reading) == [1, 3]
    assert [(reject.line, reject.reason) for reject in reading.rejects] == [(2, "line-too-long")]
    assert len(reading.rejects[0].text) == 1_001


def test_links_in_an_archive_are_named_and_never_followed(read: Any) -> None:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as archive:
        link = tarfile.TarInfo("posts1.json")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        archive.addfile(link)
        folder = tarfile.TarInfo("folder")
        folder.type = tarfile.DIRTYPE
        archive.addfile(folder)
        info = tarfile.TarInfo("../../posts.json")
        info.size = len(ROWS)
        archive.addfile(info, io.BytesIO(ROWS))
    reading = read("danbooru_export", file.getvalue(), name="d")
    assert [(reject.source, reject.reason) for reject in reading.rejects] == [("d/posts1.json", "not-a-file")]
    assert len(ids(reading)) == POSTS


def test_pax_record_of_any_size_is_refused(read: Any) -> None:
    header = tarfile.TarInfo("pax")
    header.type, header.size = tarfile.XHDTYPE, 1 << 40
    reading = read("danbooru_export", header.tobuf(tarfile.GNU_FORMAT) + b"x" * 5_000)
    assert reading.reasons == ["corrupt-stream"]


def test_archive_of_too_many_members_is_refused(read: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tagswarm.release.sources.stream.documents.__defaults__", (stream.Limits(members=2),))
    row = b'{"id": 1, "rating": "g"}'
    reading = read("danbooru_export", tar(*((f"posts{n}.json", row) for n in range(5))))
    assert len(ids(reading)) == 2
    assert reading.reasons == ["too-many-members"]


def test_missing_file_and_link_are_one_clear_error(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("/etc/passwd")
    for name in ("missing", "link", "."):
        with pytest.raises(Unreadable):
            list(documents(tmp_path / name, name))


def test_empty_file_holds_nothing(read: Any) -> None:
    for nothing in (b"", gzip.compress(b""), b"\n\n", b"\xef\xbb\xbf"):
        assert read("danbooru_export", nothing).records == []
