"""Torrents of every writer are read, and what is malformed, endless or leaves the tree is refused by name."""

from __future__ import annotations

import os
import posixpath
import random
import shutil
import subprocess
import sys
from hashlib import sha1, sha256
from pathlib import Path
from typing import Any

import libtorrent
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tagswarm.manifests import bencode, infodict, paths, torrentfile
from tagswarm.manifests.bencode import Encodable
from tagswarm.manifests.digest import digest_bytes
from tagswarm.manifests.errors import (
    FormatError,
    InvalidDocument,
    LimitExceeded,
    UnsafePath,
    UnsupportedVersion,
)
from tagswarm.manifests.infodict import Hashed
from tagswarm.manifests.torrentfile import Links, Torrent
from tagswarm.manifests.torrentlint import lint
from tests.manifests import hostile

PIECE = 16_384
FILES = {
    "0000/1000.jpg": b"a" * 40_000,
    "0000/2000.jpg": b"b" * 16_384,
    "0001/1.jpg": b"c",
    "0001/2.jpg": b"",
    "readme.txt": b"d" * 16_385,
}
LT = libtorrent.create_torrent
FLAGS = {
    "v1": int(LT.v1_only),
    "v1-canonical": int(LT.v1_only) | int(LT.canonical_files),
    "v2": int(LT.v2_only),
    "hybrid": 0,
}


def tree(folder: Path, files: dict[str, bytes]) -> Path:
    """A folder with these files."""
    for path, data in files.items():
        target = folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(data)
    return folder


def by_libtorrent(folder: Path, files: list[str], flags: int) -> bytes:
    """The .torrent of some files of a folder, made by libtorrent."""
    entries = [libtorrent.create_file_entry(path, (folder / path).stat().st_size) for path in files]
    torrent = LT(entries, PIECE, flags)
    torrent.add_tracker("http://127.0.0.1/announce", 0)
    torrent.add_tracker("udp://127.0.0.1:1", 1)
    torrent.add_url_seed("http://127.0.0.1/files/")
    torrent.set_comment("said by libtorrent")
    torrent.set_creator("libtorrent")
    libtorrent.set_piece_hashes(torrent, str(folder))
    made: bytes = libtorrent.bencode(torrent.generate())
    return made


def ours(**links: Any) -> bytes:
    """A hybrid torrent of `FILES` of our own."""
    made = infodict.hybrid("n", PIECE, [Hashed(path, digest_bytes(data, PIECE)) for path, data in FILES.items()])
    return torrentfile.render(made.info, made.layers, Links(**links))


def layout(data: bytes) -> list[tuple[str, int, int, bool]]:
    """What libtorrent sees of a torrent: path, size, offset and whether it is a pad."""
    found = libtorrent.load_torrent_buffer(data).ti
    assert found is not None
    files = found.layout()
    return [
        (files.file_path(at), files.file_size(at), files.file_offset(at), bool(int(files.file_flags(at)) & 1))
        for at in range(files.num_files())
    ]


def seen(torrent: Torrent) -> list[tuple[str, int, int, bool]]:
    """The same of ours; libtorrent shows every pad under a name of its own."""
    return [
        (
            entry.path
            if torrent.single and not entry.pad
            else f"{torrent.name}/.pad/{entry.size}"
            if entry.pad
            else f"{torrent.name}/{entry.path}",
            entry.size,
            entry.offset,
            entry.pad,
        )
        for entry in torrent.entries
    ]


def stored(rows: list[tuple[str, int, int, bool]]) -> list[tuple[str, int]]:
    """Path and size of what is no pad."""
    return [(path, size) for path, size, _, is_pad in rows if not is_pad]


@pytest.mark.parametrize("kind", FLAGS)
def test_torrents_of_libtorrent_are_read(kind: str, tmp_path: Path) -> None:
    tree(tmp_path / "n", FILES)
    data = by_libtorrent(tmp_path, [f"n/{path}" for path in FILES], FLAGS[kind])
    torrent = torrentfile.parse(data)
    loaded = libtorrent.load_torrent_buffer(data)
    assert seen(torrent) == layout(data)
    assert (torrent.name, torrent.version, torrent.piece_length) == ("n", kind.removesuffix("-canonical"), PIECE)
    assert torrent.infohash_v1 == (str(loaded.info_hashes.v1) if loaded.info_hashes.has_v1() else None)
    assert torrent.infohash_v2 == (str(loaded.info_hashes.v2) if loaded.info_hashes.has_v2() else None)
    assert not torrent.single
    assert not torrent.private
    assert torrent.sorted_keys
    assert torrent.links.trackers == (("http://127.0.0.1/announce",), ("udp://127.0.0.1:1",))
    assert torrent.links.web_seeds == ("http://127.0.0.1/files/",)
    assert (torrent.links.comment, torrent.links.created_by) == ("said by libtorrent", "libtorrent")
    assert torrent.links.creation_date is not None
    if torrent.version != "v1":
        for entry in torrent.entries:
            if not entry.pad:
                digest = digest_bytes(FILES[entry.path], PIECE)
                assert entry.root == (bytes.fromhex(digest.root) if digest.root else None)
                assert entry.layer == digest.layer
    if torrent.version != "v2":
        row = b"".join(bytes(entry.size) if entry.pad else FILES[entry.path] for entry in torrent.entries)
        assert torrent.pieces == b"".join(sha1(row[at : at + PIECE]).digest() for at in range(0, len(row), PIECE))
    else:
        assert torrent.pieces == b""


@pytest.mark.parametrize("kind", FLAGS)
def test_torrents_of_a_single_file_have_no_folder(kind: str, tmp_path: Path) -> None:
    (tmp_path / "one.bin").write_bytes(b"x" * 40_000)
    data = by_libtorrent(tmp_path, ["one.bin"], FLAGS[kind])
    torrent = torrentfile.parse(data)
    assert (torrent.name, torrent.single) == ("one.bin", True)
    found = [entry for entry in torrent.entries if not entry.pad]
    assert [(entry.path, entry.size, entry.offset) for entry in found] == [("one.bin", 40_000, 0)]
    assert [size for _, size, _, _ in seen(torrent)] == [size for _, size, _, _ in layout(data)]


def test_torrents_of_mktorrent_are_read(tmp_path: Path) -> None:
    tree(tmp_path / "n", FILES)
    target = tmp_path / "made.torrent"
    options = ["-l", "15", "-p", "-a", "http://127.0.0.1/a,http://127.0.0.1/b", "-a", "http://127.0.0.1/c"]
    command = ["mktorrent", *options, "-w", "http://127.0.0.1/w", "-c", "hello", "-o", str(target), "n"]
    subprocess.run(command, cwd=tmp_path, check=True, capture_output=True)
    torrent = torrentfile.parse(target.read_bytes())
    assert (torrent.version, torrent.piece_length, torrent.private) == ("v1", 32_768, True)
    assert {entry.path: entry.size for entry in torrent.entries} == {path: len(data) for path, data in FILES.items()}
    tiers = (("http://127.0.0.1/a", "http://127.0.0.1/b"), ("http://127.0.0.1/c",))
    assert (torrent.links.trackers, torrent.links.web_seeds) == (tiers, ("http://127.0.0.1/w",))
    assert torrent.links.comment == "hello"
    assert seen(torrent) == layout(target.read_bytes())


def test_torrents_of_transmission_are_read(tmp_path: Path) -> None:
    tree(tmp_path / "n", FILES)
    target = tmp_path / "made.torrent"
    command = ["transmission-create", "-o", str(target), "-s", "32", "-t", "http://127.0.0.1/a", "n"]
    subprocess.run(command, cwd=tmp_path, check=True, capture_output=True)
    torrent = torrentfile.parse(target.read_bytes())
    not_empty = {path: len(data) for path, data in FILES.items() if data}  # it leaves out the others
    assert {entry.path: entry.size for entry in torrent.entries} == not_empty
    assert torrent.links.trackers == (("http://127.0.0.1/a",),)
    assert torrent.links.creation_date is not None


LINKS = st.builds(
    Links,
    trackers=st.lists(st.lists(st.text(min_size=1), min_size=1, max_size=3).map(tuple), max_size=3).map(tuple),
    web_seeds=st.lists(st.text(min_size=1), max_size=3).map(tuple),
    similar=st.lists(st.binary(min_size=20, max_size=20).map(bytes.hex), max_size=3).map(tuple),
    collections=st.lists(st.text(min_size=1), max_size=3).map(tuple),
    comment=st.none() | st.text(min_size=1),
    created_by=st.none() | st.text(min_size=1),
    creation_date=st.none() | st.integers(0, 1 << 40),
)


@given(LINKS)
def test_links_change_without_a_new_infohash(links: Links) -> None:
    plain = torrentfile.parse(ours())
    layers = {entry.root: entry.layer for entry in plain.entries if entry.root is not None and entry.layer}
    data = torrentfile.render(plain.info, layers, links)
    torrent = torrentfile.parse(data)
    assert torrent.links == links
    assert torrent.sorted_keys
    assert (torrent.infohash_v1, torrent.infohash_v2) == (plain.infohash_v1, plain.infohash_v2)
    assert torrentfile.render(torrent.info, layers, links) == data


@pytest.mark.parametrize("infohash", ["", "00", "zz" * 20, "00" * 32])
def test_a_similar_torrent_is_named_by_an_infohash(infohash: str) -> None:
    with pytest.raises(InvalidDocument, match="40 hex digits"):
        ours(similar=(infohash,))


def file(size: int, *path: bytes, **more: Encodable) -> Encodable:
    """A row of a list of v1."""
    return {b"length": size, b"path": list(path), **{key.encode(): value for key, value in more.items()}}


def pad(size: int) -> Encodable:
    return file(size, b".pad", b"%d" % size, attr=b"p")


def v1(files: list[Encodable], **more: Encodable) -> bytes:
    """A torrent of v1 with one piece a 16 KiB of its files."""
    size = sum(row[b"length"] for row in files)  # type: ignore[call-overload, index, misc]
    info: dict[bytes, Encodable] = {b"files": files, b"pieces": bytes(20 * -(-size // PIECE))}
    return hostile.v1(info | {key.replace("_", " ").encode(): value for key, value in more.items()})


def hybrid(tree: Encodable, files: list[Encodable], **more: Encodable) -> bytes:
    size = sum(row[b"length"] for row in files)  # type: ignore[call-overload, index, misc]
    return hostile.v2(tree, files=files, pieces=bytes(20 * -(-size // PIECE)), **more)


def test_what_other_writers_say_besides_is_read_or_passed_over() -> None:
    torrent = torrentfile.parse(
        bencode.encode(
            {
                b"announce": b"http://127.0.0.1/only",
                b"announce-list": [],
                b"azureus_properties": {b"dht_backup_enable": 1},
                b"comment": b"\xff bytes",
                b"comment.utf-8": "ü".encode(),
                b"creation date": b"yesterday",
                b"encoding": b"UTF-8",
                b"httpseeds": [b"http://127.0.0.1/h"],
                b"info": {
                    b"files": [
                        file(3, b"\xe4", md5sum=b"0" * 32, attr=b"xh", **{"path.utf-8": ["ä".encode()]}),
                        file(2, b"\xff\xfe"),
                    ],
                    b"name": b"\xfc",
                    b"name.utf-8": "ü".encode(),
                    b"piece length": 100,
                    b"pieces": bytes(20),
                    b"private": 0,
                    b"source": b"somewhere",
                },
                b"nodes": [[b"127.0.0.1", 1]],
                b"similar": [b"short", bytes(20)],
                b"url-list": b"http://127.0.0.1/w",
            }
        )
    )
    assert torrent.name == "ü"
    assert [entry.path for entry in torrent.entries] == ["ä", os.fsdecode(b"\xff\xfe")]
    assert torrent.piece_length == 100
    assert torrent.links == Links(
        trackers=(("http://127.0.0.1/only",),),
        web_seeds=("http://127.0.0.1/w",),
        similar=("00" * 20,),
        comment="ü",
    )


@pytest.mark.parametrize("value", [1, b"", [], [1], {b"a": 1}, [[1], b"", [b""], {}]])
def test_links_of_another_type_are_passed_over(value: Encodable) -> None:
    keys = (
        b"announce",
        b"announce-list",
        b"url-list",
        b"similar",
        b"collections",
        b"comment",
        b"created by",
    )
    info = bencode.decode(hostile.v1({b"length": 1}))
    assert isinstance(info, dict)
    assert torrentfile.parse(bencode.encode({**info, **dict.fromkeys(keys, value)})).links == Links()


def test_keys_out_of_order_are_told() -> None:
    info = b"d4:name1:n6:lengthi3e12:piece lengthi16384e6:pieces20:" + bytes(20) + b"e"
    torrent = torrentfile.parse(b"d4:info" + info + b"e")
    assert not torrent.sorted_keys
    assert torrent.infohash_v1 == sha1(info).hexdigest()
    info = b"d6:lengthi3e4:name1:n12:piece lengthi16384e6:pieces20:" + bytes(20) + b"e"
    assert torrentfile.parse(b"d4:info" + info + b"e").sorted_keys
    assert not torrentfile.parse(b"d4:info" + info + b"8:announce3:abce").sorted_keys


@pytest.mark.parametrize(
    "files",
    [
        [file(10, b"a"), pad(16_374), file(3, b"b")],
        [file(10, b"a"), pad(16_374), file(3, b"b"), pad(16_381)],
        [file(10, b"a"), pad(16_374), file(0, b"aa"), file(3, b"b")],
        [file(10, b"a"), file(0, b"aa"), pad(16_374), file(3, b"b"), pad(16_381)],
    ],
)
def test_hybrid_torrents_with_fewer_pads_are_read(files: list[Encodable]) -> None:
    nodes = {b"a": hostile.leaf(10), b"b": hostile.leaf(3)}
    if b"aa" in bencode.encode(files):
        nodes[b"aa"] = {b"": {b"length": 0}}
    data = hybrid(nodes, files)
    torrent = torrentfile.parse(data)
    consistent(torrent)
    assert stored(seen(torrent)) == stored(layout(data))


DEEP = [b"d"] * 100
SIXTEEN = 16 * PIECE
REFUSED: list[tuple[str, bytes, type[FormatError], str]] = [
    ("empty", b"", InvalidDocument, "ends early"),
    ("text", b"<html>", InvalidDocument, "a dictionary was expected"),
    ("list", b"le", InvalidDocument, "a dictionary was expected"),
    ("no-info", b"de", InvalidDocument, "info: is missing"),
    ("info-text", b"d4:info3:abce", InvalidDocument, "a dictionary was expected"),
    ("info-empty", b"d4:infodee", InvalidDocument, "has no files"),
    ("info-twice", b"d4:infode4:infodee", InvalidDocument, "the key info is there twice"),
    ("name-twice", b"d4:infod4:name1:n4:name1:mee", InvalidDocument, "the key name is there twice"),
    ("after", hostile.v1({b"length": 1}) + b"\n", InvalidDocument, "bytes follow the end"),
    ("meta-3", hostile.v1({b"length": 1, b"meta version": 3}), UnsupportedVersion, "neither 1 nor 2"),
    ("meta-text", hostile.v1({b"length": 1, b"meta version": b"2"}), UnsupportedVersion, "neither 1 nor 2"),
    ("meta-without-tree", hostile.v1({b"length": 1, b"meta version": 2}), InvalidDocument, "meta version 2 without"),
    ("tree-without-meta", hostile.v1({b"length": 1, b"file tree": {}}), InvalidDocument, "without meta version 2"),
    ("piece-length-0", hostile.v1({b"length": 1, b"piece length": 0}), InvalidDocument, "piece length"),
    ("piece-length-negative", hostile.v1({b"length": 1, b"piece length": -1}), InvalidDocument, "piece length"),
    ("piece-length-text", hostile.v1({b"length": 1, b"piece length": b"1"}), InvalidDocument, "piece length"),
    ("piece-length-v2", hostile.v2({b"a": hostile.leaf(1)}, piece_length=100), InvalidDocument, "100 bytes"),
    ("length-and-files", v1([file(1, b"a")], length=1), InvalidDocument, "a folder and a file at once"),
    ("length-negative", hostile.v1({b"length": -1}), InvalidDocument, "info: has no length"),
    ("length-text", hostile.v1({b"length": b"1"}), InvalidDocument, "info: has no length"),
    ("no-bytes", hostile.v1({b"length": 0, b"pieces": b""}), InvalidDocument, "no bytes"),
    ("no-files", hostile.v1({b"files": [], b"pieces": b""}), InvalidDocument, "no bytes"),
    ("no-pieces", hostile.v1({b"length": 1, b"pieces": b""}), InvalidDocument, "0 bytes do not belong"),
    ("pieces-text", hostile.v1({b"length": 1, b"pieces": 1}), InvalidDocument, "without pieces"),
    ("too-many-pieces", hostile.v1({b"length": 1, b"pieces": bytes(40)}), InvalidDocument, "40 bytes do not belong"),
    ("broken-pieces", hostile.v1({b"length": 1, b"pieces": bytes(19)}), InvalidDocument, "19 bytes do not belong"),
    ("no-name", bencode.encode({b"info": {b"length": 1, b"piece length": 1, b"pieces": bytes(20)}}), UnsafePath, "name"),
    ("name-number", hostile.v1({b"length": 1, b"name": 1}), InvalidDocument, "info/name: has no path"),
    ("name-up", hostile.v1({b"length": 1, b"name": b".."}), UnsafePath, "info/name"),
    ("name-slash", hostile.v1({b"length": 1, b"name": b"/etc/passwd"}), UnsafePath, "info/name"),
    ("name-utf8", hostile.v1({b"length": 1, b"name.utf-8": b"../n"}), UnsafePath, "info/name"),
    ("single-link", hostile.v1({b"length": 1, b"attr": b"l"}), UnsafePath, "info: is a symbolic link"),
    ("files-dictionary", hostile.v1({b"files": {}}), InvalidDocument, "a list was expected"),
    ("file-number", hostile.v1({b"files": [1]}), InvalidDocument, "info/files/0: is no dictionary"),
    ("file-no-path", hostile.v1({b"files": [{b"length": 1}]}), InvalidDocument, "info/files/0: has no path"),
    ("file-empty-path", v1([file(1)]), InvalidDocument, "info/files/0: has no path"),
    ("file-path-text", hostile.v1({b"files": [{b"length": 1, b"path": b"a"}]}), InvalidDocument, "has no path"),
    ("file-path-number", v1([file(1, b"a"), {b"length": 1, b"path": [b"a", 1]}]), InvalidDocument, "info/files/1"),
    ("file-no-length", hostile.v1({b"files": [{b"path": [b"a"]}]}), InvalidDocument, "has no length"),
    ("file-attr", v1([file(1, b"a", attr=1)]), InvalidDocument, "attr is no string"),
    ("file-link", v1([file(1, b"a", attr=b"lx")]), UnsafePath, "is a symbolic link"),
    ("file-link-path", v1([file(1, b"a", **{"symlink path": [b"b"]})]), UnsafePath, "is a symbolic link"),
    ("file-twice", v1([file(1, b"a"), file(1, b"a")]), InvalidDocument, "info/files: a is there twice"),
    ("file-folder", v1([file(1, b"a", b"b"), file(1, b"a")]), InvalidDocument, "a/b is there twice, or lies under"),
    ("file-deep", v1([file(1, *DEEP, b"e")]), LimitExceeded, "101 components"),
    ("tree-empty", hostile.v2({}), InvalidDocument, "no bytes"),
    ("tree-list", hostile.v2([]), InvalidDocument, "a dictionary was expected"),
    ("tree-text", hostile.v2({b"a": b"b"}), InvalidDocument, "a dictionary was expected"),
    ("tree-is-file", hostile.v2(hostile.leaf(1)), UnsafePath, "leaves the folder"),
    ("tree-file-folder", hostile.v2({b"a": {**hostile.leaf(1), b"b": {}}}), InvalidDocument, "a file and a folder"),
    ("tree-leaf-text", hostile.v2({b"a": {b"": b"x"}}), InvalidDocument, "a file and a folder at once, or neither"),
    ("tree-no-root", hostile.v2({b"a": {b"": {b"length": 1}}}), InvalidDocument, "file tree/a: has no pieces root"),
    ("tree-short-root", hostile.v2({b"a": {b"": {b"length": 1, b"pieces root": b"x"}}}), InvalidDocument, "pieces root"),
    ("tree-zero-root", hostile.v2({b"a": {b"": {b"length": 1, b"pieces root": bytes(32)}}}), InvalidDocument, "all zero"),
    ("tree-pad", hostile.v2({b"a": {b"": {b"length": 0, b"attr": b"p"}}}), InvalidDocument, "a pad in a tree"),
    ("tree-link", hostile.v2({b"a": {b"": {b"length": 0, b"attr": b"l"}}}), UnsafePath, "file tree/a: is a symbolic"),
    ("tree-no-length", hostile.v2({b"a": {b"": {}}}), InvalidDocument, "file tree/a: has no length"),
    (
        "tree-unsorted",
        b"d4:infod9:file treed1:bd0:d6:lengthi0eee1:ad0:d6:lengthi0eeeeee",
        InvalidDocument,
        "the key a is out of order",
    ),
    ("layer-missing", hostile.v2({b"a": hostile.leaf(SIXTEEN)}), InvalidDocument, "a needs a layer of 16 hashes"),
    (
        "layer-short",
        hostile.v2({b"a": hostile.leaf(SIXTEEN)}, {sha256(b"%d" % SIXTEEN).digest(): bytes(32 * 15)}),
        InvalidDocument,
        "a needs a layer of 16 hashes",
    ),
    (
        "layer-wrong",
        hostile.v2({b"a": hostile.leaf(SIXTEEN)}, {sha256(b"%d" % SIXTEEN).digest(): bytes(32 * 16)}),
        InvalidDocument,
        "the layer of a has another root",
    ),
    ("layer-of-none", hostile.v2({b"a": hostile.leaf(1)}, {bytes(32): bytes(64)}), InvalidDocument, "of no file"),
    ("layer-odd", hostile.v2({b"a": hostile.leaf(1)}, {bytes(32): bytes(63)}), InvalidDocument, "is no root with"),
    ("layer-empty", hostile.v2({b"a": hostile.leaf(1)}, {bytes(32): b""}), InvalidDocument, "is no root with"),
    ("layer-key", hostile.v2({b"a": hostile.leaf(1)}, {bytes(31): bytes(64)}), InvalidDocument, "is no root with"),
    ("layers-list", hostile.v2({b"a": hostile.leaf(1)}, [bytes(32)]), InvalidDocument, "a dictionary was expected"),
    ("layer-in-v1", hostile.v1({b"length": 1})[:-1] + b"12:piece layersd32:" + bytes(32) + b"32:" + bytes(32) + b"ee",
     InvalidDocument, "a layer of no file"),
    ("hybrid-path", hybrid({b"a": hostile.leaf(10)}, [file(10, b"b"), pad(16_374)]), InvalidDocument, "files/0: b is"),
    ("hybrid-size", hybrid({b"a": hostile.leaf(10)}, [file(11, b"a"), pad(16_373)]), InvalidDocument, "files/0: a is"),
    ("hybrid-more", hybrid({b"a": hostile.leaf(10)}, [file(10, b"a"), file(0, b"b")]), InvalidDocument, "files/1: b is"),
    ("hybrid-fewer", hybrid({b"a": hostile.leaf(10), b"b": hostile.leaf(1)}, [file(10, b"a")]), InvalidDocument, "has more"),
    ("hybrid-single", hostile.v2({b"m": hostile.leaf(1)}, length=1, pieces=bytes(20)), InvalidDocument, "files/0: n is"),
    ("hybrid-no-pieces", hostile.v2({b"n": hostile.leaf(1)}, length=1), InvalidDocument, "without pieces"),
    *(
        (f"hybrid-pads-{at}", hybrid({b"a": hostile.leaf(10), b"b": hostile.leaf(3)}, files), InvalidDocument, "files/")
        for at, files in enumerate(
            [
                [file(10, b"a"), file(3, b"b")],
                [file(10, b"a"), pad(16_373), file(3, b"b")],
                [file(10, b"a"), pad(16_375), file(3, b"b")],
                [file(10, b"a"), pad(16_370), pad(4), file(3, b"b")],
                [file(10, b"a"), pad(16_374), pad(16_384), file(3, b"b")],
                [pad(16_384), file(10, b"a"), pad(16_374), file(3, b"b")],
                [file(10, b"a"), pad(16_374), file(3, b"b"), pad(16_380)],
                [file(3, b"b"), pad(16_381), file(10, b"a"), pad(16_374)],
            ]
        )
    ),
]  # fmt: skip


@pytest.mark.parametrize(("data", "kind", "message"), [row[1:] for row in REFUSED], ids=[row[0] for row in REFUSED])
def test_what_is_malformed_is_refused_with_its_place(data: bytes, kind: type[FormatError], message: str) -> None:
    with pytest.raises(FormatError) as caught:
        torrentfile.parse(data)
    assert type(caught.value) is kind
    assert message in caught.value.message


UNSAFE = [b"..", b".", b"", b"/", b"/etc", b"a/b", b"../a", b"a\\b", b"..\\a", b"a\0b", b"\0"]


@pytest.mark.parametrize("name", UNSAFE)
@pytest.mark.parametrize("where", ["first", "middle", "last", "only"])
def test_no_path_leaves_the_tree(name: bytes, where: str) -> None:
    parts = {"first": [name, b"x"], "middle": [b"x", name, b"y"], "last": [b"x", name], "only": [name]}[where]
    for data in (v1([file(1, *parts)]), v1([file(1, b"x", **{"path.utf-8": [*parts]})])):
        with pytest.raises(UnsafePath, match="leaves the folder of the torrent"):
            torrentfile.parse(data)
    node: Encodable = hostile.leaf(1)
    for part in reversed(parts):
        node = {part: node}
    with pytest.raises(FormatError) as caught:
        torrentfile.parse(hostile.v2(node))
    assert isinstance(caught.value, UnsafePath) or not name  # a key without a name is what marks a file in a tree


@pytest.mark.parametrize(
    "name", ["...", ".a", "a.", " ", "-rf", "~", "a:b", "con", "a\nb", "\u202egpj.exe", "a\x1b[2J"]
)
def test_strange_names_inside_the_tree_are_read(name: str) -> None:
    torrent = torrentfile.parse(v1([file(1, name.encode(), b"x"), file(1, b"y", name.encode())]))
    assert [entry.path for entry in torrent.entries] == [f"{name}/x", f"y/{name}"]
    torrent = torrentfile.parse(hostile.v2({b"y": {name.encode(): hostile.leaf(1)}}))
    assert [entry.path for entry in torrent.entries if not entry.pad] == [f"y/{name}"]


def test_messages_are_safe_to_show() -> None:
    with pytest.raises(UnsafePath) as caught:
        torrentfile.parse(v1([file(1, b"..", b"\x1b[2J\xff" + "\u202e".encode())]))
    assert caught.value.message.isprintable()
    assert r"\x1b[2J\xff\u202e" in caught.value.message


def test_every_beginning_of_a_torrent_is_refused() -> None:
    data = ours()
    for end in range(len(data)):
        with pytest.raises(FormatError):
            torrentfile.parse(data[:end])


IN_LITTLE_MEMORY = """
import resource, sys
from tagswarm.manifests import torrentfile
from tagswarm.manifests.errors import FormatError

data = sys.stdin.buffer.read()
with open("/proc/self/statm") as file:
    used = int(file.read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (used + (64 << 20), resource.RLIM_INFINITY))
try:
    torrentfile.parse(data)
except FormatError as failure:
    print(type(failure).__name__, failure.message)
"""


@pytest.mark.parametrize("shape", hostile.SHAPES)
def test_hostile_torrents_are_refused_in_64_mb(shape: str) -> None:
    data = hostile.SHAPES[shape]()
    assert len(data) <= bencode.LIMIT
    command = [sys.executable, "-c", IN_LITTLE_MEMORY]
    result = subprocess.run(command, input=data, capture_output=True, check=False, timeout=60)
    assert result.returncode == 0, result.stderr.decode()[-500:]
    assert result.stdout.startswith((b"InvalidDocument ", b"LimitExceeded "))
    assert len(result.stdout) < 400


def test_a_torrent_larger_than_any_is_refused() -> None:
    with pytest.raises(LimitExceeded, match="10000001 bytes long"):
        torrentfile.parse(bytes(bencode.LIMIT + 1))


def test_large_honest_torrents_are_read() -> None:
    count = 100_000
    files: list[Encodable] = [file(70_000, b"512px", b"%04d" % (at % 1_000), b"%d.jpg" % at) for at in range(count)]
    data = hostile.v1(
        {b"files": files, b"piece length": 1 << 20, b"pieces": bytes(20 * -(-count * 70_000 // (1 << 20)))}
    )
    assert len(torrentfile.parse(data).entries) == count


SEEDS = [
    *(torrentfile.render(made.info, made.layers, Links(trackers=(("http://127.0.0.1/",),), comment="c")) for made in (
        infodict.hybrid("n", PIECE, [Hashed(path, digest_bytes(data, PIECE)) for path, data in FILES.items()]),
        infodict.v2("n", PIECE, [Hashed(path, digest_bytes(data, PIECE)) for path, data in FILES.items()]),
        infodict.v1("n", 65_536, [("a/b", 3), ("c", 70_000)], bytes(40)),
    )),
    hostile.v1({b"length": 1}),
]  # fmt: skip
WORDS = [
    b"d",
    b"l",
    b"e",
    b"i",
    b"0:",
    b"i0e",
    b"i-1e",
    b"i9223372036854775807e",
    b"2:..",
    b"1:/",
    b"4:attr1:l",
    b"de",
    b"le",
]


def mutated(rng: random.Random) -> bytes:
    """One of the seeds with up to three changes of bytes, or one of its values."""
    data = bytearray(rng.choice(SEEDS))
    for _ in range(rng.randint(1, 3)):
        at = rng.randrange(len(data))
        end = min(len(data), at + rng.choice([1, 1, 2, 5, 40]))
        match rng.randrange(6):
            case 0:
                data[at] = rng.randrange(256)
            case 1:
                del data[at:end]
            case 2:
                data[at:at] = data[at:end] * rng.randint(1, 3)
            case 3:
                data[at:end] = rng.choice(WORDS)
            case 4:
                digits = [place for place in range(len(data)) if 0x30 <= data[place] <= 0x39]
                data[rng.choice(digits)] = rng.randrange(0x30, 0x3A)
            case _:
                other = rng.choice(SEEDS)
                start = rng.randrange(len(other))
                data[at:end] = other[start : start + rng.randrange(60)]
        if not data:
            return b""
    return bytes(data)


def grafted(rng: random.Random) -> bytes:
    """One of the seeds with one of its values replaced by another one, in sound bencoding."""
    value: Any = bencode.decode(rng.choice(SEEDS))
    places: list[tuple[Any, Any]] = []
    stack = [value]
    while stack:
        node = stack.pop()
        for key in node if isinstance(node, dict) else range(len(node)):
            places.append((node, key))
            if isinstance(node[key], (dict, list)):
                stack.append(node[key])
    node, key = rng.choice(places)
    other, place = rng.choice(places)
    new: list[Any] = [0, -1, 1 << 62, b"", b"..", b"a", bytes(32), [], [b"a"], {}, {b"": {}}, {b"a": 1}]
    match rng.randrange(3):
        case 0 if isinstance(node, dict):
            node[rng.choice([b"", b"..", b"attr", b"length", b"path", b"zz"])] = node.pop(key)
        case 1 if not isinstance(other[place], (dict, list)):
            node[key] = other[place]
        case _:
            node[key] = rng.choice(new)
    return bencode.encode(value)


def test_every_mutation_is_a_torrent_or_refused(request: pytest.FixtureRequest) -> None:
    rng = random.Random(20_261_120)
    read = 0
    for number in range(request.config.getoption("--torrents")):
        data = (grafted if number % 3 == 0 else mutated)(rng)
        found = outcome(data)
        if isinstance(found, Torrent):
            consistent(found)
            if not list(lint(found, len(data))):
                assert stored(seen(found)) == stored(layout(data)), "libtorrent loads what has no lint"
            read += 1
        else:
            assert found.message.isprintable()
    assert read > 0


def outcome(data: bytes) -> Torrent | FormatError:
    try:
        return torrentfile.parse(data)
    except FormatError as failure:
        return failure


def consistent(torrent: Torrent) -> None:
    """Whatever was read holds together."""
    offset = 0
    for entry in torrent.entries:
        assert entry.offset == offset
        assert entry.size >= 0
        offset += entry.size
        inside = f"/root/{torrent.name}/{entry.path}" if not torrent.single else f"/root/{entry.path}"
        assert posixpath.normpath(inside) == inside
        assert "\\" not in inside
        assert "\0" not in inside
        assert len(entry.layer) in (0, 32 * -(-entry.size // torrent.piece_length))
    if torrent.version != "v2":
        assert len(torrent.pieces) == 20 * -(-offset // torrent.piece_length)
    assert (torrent.infohash_v1 is None) == (torrent.version == "v2")
    assert (torrent.infohash_v2 is None) == (torrent.version == "v1")
    assert paths.escape(torrent.name).isprintable()


def test_the_programs_of_these_tests_are_installed() -> None:
    assert shutil.which("mktorrent")
    assert shutil.which("transmission-create")
