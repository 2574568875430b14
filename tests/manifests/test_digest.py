from __future__ import annotations

import hashlib
import io
import random
import warnings
from pathlib import Path
from typing import Any, BinaryIO

import libtorrent as lt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tagswarm.manifests import digest, disk
from tagswarm.manifests.errors import InvalidDocument, Unreadable

KIB = 1024
SIZES = [0, 1, 16383, 16384, 16385, 64 * KIB - 1, 64 * KIB, 64 * KIB + 1, 5 * 64 * KIB + 1, 1_000_003]


def content(size: int) -> bytes:
    return random.Random(size).randbytes(size)


def naive_pieces(data: bytes, piece_length: int) -> bytes:
    padded = data + bytes(-len(data) % piece_length)
    return b"".join(hashlib.sha1(padded[at : at + piece_length]).digest() for at in range(0, len(padded), piece_length))


@given(
    size=st.integers(0, 700_000),
    piece_length=st.sampled_from([16 * KIB, 64 * KIB, 256 * KIB, 1024 * KIB]),
)
def test_digests_are_those_of_the_definitions(size: int, piece_length: int) -> None:
    data = content(size)
    found = digest.digest_bytes(data, piece_length)
    assert found.size == size
    assert found.piece_length == piece_length
    assert found.sha256 == hashlib.sha256(data).hexdigest()
    assert found.md5 == hashlib.md5(data).hexdigest()
    assert found.pieces == naive_pieces(data, piece_length)
    assert len(found.layer) == (32 * -(-size // piece_length) if size > piece_length else 0)
    assert digest.digest_file(io.BytesIO(data), piece_length) == found


class Trickle(io.BytesIO):
    """A file whose reads are short."""

    def read(self, size: int | None = -1, /) -> bytes:
        return super().read(min(size or 0, 7001))


@pytest.mark.parametrize("size", SIZES)
def test_short_reads_change_nothing(size: int) -> None:
    assert digest.digest_file(Trickle(content(size)), 64 * KIB) == digest.digest_bytes(content(size), 64 * KIB)


def made_by_libtorrent(folder: Path, files: list[tuple[str, int]], piece_length: int, flags: int) -> dict[bytes, Any]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        entries = [lt.create_file_entry(f"tree/{name}", size) for name, size in files]
        torrent = lt.create_torrent(entries, piece_length, flags)
        lt.set_piece_hashes(torrent, str(folder))
        made: dict[bytes, Any] = torrent.generate()
    return made


@pytest.mark.parametrize("piece_length", [16 * KIB, 64 * KIB, 256 * KIB])
def test_a_hybrid_torrent_of_libtorrent_holds_the_same_hashes(tmp_path: Path, piece_length: int) -> None:
    sizes = sorted({*SIZES, piece_length - 1, piece_length, piece_length + 1, 3 * piece_length, 3 * piece_length + 7})
    files = [(f"{number:04}", size) for number, size in enumerate(sizes)]
    (tmp_path / "tree").mkdir()
    for name, size in files:
        (tmp_path / "tree" / name).write_bytes(content(size))
    made = made_by_libtorrent(tmp_path, files, piece_length, 0)
    digests = {}
    for name, _ in files:
        with disk.open_read(tmp_path / "tree" / name) as file:
            digests[name] = digest.digest_file(file, piece_length)
    info = made[b"info"]
    assert info[b"pieces"] == b"".join(digests[name].pieces for name, _ in files)
    leaves = {name.decode(): leaf[b""] for name, leaf in info[b"file tree"].items()}
    assert {name: leaf.get(b"pieces root", b"").hex() for name, leaf in leaves.items()} == {
        name: found.root or "" for name, found in digests.items()
    }
    assert made[b"piece layers"] == {
        bytes.fromhex(found.root): found.layer for found in digests.values() if found.root and found.layer
    }


@pytest.mark.parametrize("size", SIZES[1:])
def test_a_plain_torrent_of_one_file_holds_the_same_pieces(tmp_path: Path, size: int) -> None:
    piece_length = 64 * KIB
    (tmp_path / "tree").mkdir()
    (tmp_path / "tree" / "one").write_bytes(content(size))
    made = made_by_libtorrent(tmp_path, [("one", size)], piece_length, lt.create_torrent.v1_only)
    found = digest.digest_bytes(content(size), piece_length)
    whole = size // piece_length * 20  # the last piece of a torrent without padding ends with the file
    assert made[b"info"][b"pieces"][:whole] == found.pieces[:whole]
    only_v2 = made_by_libtorrent(tmp_path, [("one", size)], piece_length, lt.create_torrent.v2_only)
    assert only_v2[b"info"][b"file tree"][b"one"][b""][b"pieces root"].hex() == found.root


def test_an_empty_file_has_no_root_and_no_pieces() -> None:
    assert digest.digest_bytes(b"", 16 * KIB) == digest.FileDigest(
        0,
        "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        "d41d8cd98f00b204e9800998ecf8427e",
        None,
        16 * KIB,
        b"",
        b"",
    )


def test_a_golden_vector() -> None:
    found = digest.digest_bytes(bytes(range(256)) * 300, 64 * KIB)
    assert found.size == 76_800
    assert found.root == "0a8a2e58d2bb051ea719d64c687d479b60bbf7c3d08e6f3a99d047d9f63afd76"
    assert found.pieces.hex() == "f04977267a391b2c8f7ad8e070f149bc19b0fc25876e984d1683c1c1bb30adb225d0f4e84b8b6a07"
    assert (
        found.layer.hex()
        == "c17a4ad93bc080d6f86b14a831d39266e0964e97524f60091ae49bc0c02d21163f37ea204a0b0bdbac6fb572762a5bba8a9119d400930790111d6dca9cfab6e3"
    )


def test_the_sha256_of_a_file(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(content(600_000))
    with disk.open_read(tmp_path / "a") as file:
        assert digest.sha256_file(file) == (600_000, hashlib.sha256(content(600_000)).hexdigest())


def test_a_piece_length_is_checked_before_a_byte_is_read() -> None:
    file = io.BytesIO(b"data")
    with pytest.raises(InvalidDocument):
        digest.digest_file(file, 1 << 60)
    assert file.tell() == 0


def test_a_failing_read_is_an_error_of_ours(tmp_path: Path) -> None:
    memory: BinaryIO
    with Path("/proc/self/mem").open("rb") as memory:
        with pytest.raises(Unreadable, match="/proc/self/mem"):
            digest.digest_file(memory, 16 * KIB)
        with pytest.raises(Unreadable, match="/proc/self/mem"):
            digest.sha256_file(memory)
