"""Info dictionaries are those that libtorrent makes of the same files, and stay what they are for ever."""

from __future__ import annotations

import hashlib
import tempfile
from pathlib import Path

import libtorrent
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tagswarm.manifests import bencode, infodict, paths, torrentfile
from tagswarm.manifests.digest import FileDigest, digest_bytes
from tagswarm.manifests.errors import InvalidDocument, UnsafePath
from tagswarm.manifests.infodict import Hashed
from tagswarm.manifests.torrentfile import Links
from tagswarm.release.torrentsize import torrent_size

NAME = "danbooru"
PIECES = (16_384, 65_536, 262_144)
CANONICAL = int(libtorrent.create_torrent.v1_only) | int(libtorrent.create_torrent.canonical_files)


def contents(sizes: dict[str, int]) -> dict[str, bytes]:
    """Bytes for files of these sizes, different from file to file."""
    return {path: hashlib.shake_128(path.encode()).digest(size) for path, size in sizes.items()}


def hashed(files: dict[str, bytes], piece_length: int) -> list[Hashed]:
    return [Hashed(path, digest_bytes(data, piece_length)) for path, data in files.items()]


def pieces(files: dict[str, bytes], piece_length: int) -> bytes:
    """The pieces of a torrent without pads, over the files in order."""
    row = b"".join(files[path] for path in sorted(files, key=paths.sort_key))
    return b"".join(hashlib.sha1(row[at : at + piece_length]).digest() for at in range(0, len(row), piece_length))


def by_libtorrent(files: dict[str, bytes], piece_length: int, flags: int) -> bytes:
    """The .torrent that libtorrent makes of these files, sorted."""
    with tempfile.TemporaryDirectory() as folder:
        for path, data in files.items():
            target = Path(folder, NAME, path)
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(data)
        entries = [
            libtorrent.create_file_entry(f"{NAME}/{path}", len(files[path]))
            for path in sorted(files, key=paths.sort_key)
        ]
        torrent = libtorrent.create_torrent(entries, piece_length, flags)
        libtorrent.set_piece_hashes(torrent, folder)
        made: bytes = libtorrent.bencode(torrent.generate())
        return made


def sizes_around(piece_length: int) -> st.SearchStrategy[int]:
    edges = [0, 1, 16_383, 16_384, 16_385, piece_length - 1, piece_length, piece_length + 1, 5 * piece_length + 1]
    return st.sampled_from(edges) | st.integers(0, 3 * piece_length)


@st.composite
def volumes(draw: st.DrawFn) -> tuple[int, dict[str, bytes]]:
    """A piece length and the files of a volume, two of them the same at times."""
    piece_length = draw(st.sampled_from(PIECES))
    names = st.builds("{}/{:04}/{}.jpg".format, st.sampled_from(["a", "b/c"]), st.integers(0, 3), st.integers(0, 99))
    sizes = draw(st.dictionaries(names | st.just("x.json"), sizes_around(piece_length), min_size=2, max_size=7))
    files = contents(sizes)
    if draw(st.booleans()):
        files["a/0000/twin.jpg"] = files[min(files)]
    return piece_length, files


@given(volumes().filter(lambda volume: any(volume[1].values())))
@settings(max_examples=60, deadline=None)
def test_libtorrent_makes_the_same(volume: tuple[int, dict[str, bytes]]) -> None:
    piece_length, files = volume

    def pad(_: int, size: int) -> str:
        return str(size)

    ours = hashed(files, piece_length)
    unpadded = [(path, len(data)) for path, data in files.items()]
    for made, flags in [
        (infodict.hybrid(NAME, piece_length, ours, pad=pad), 0),
        (infodict.v2(NAME, piece_length, ours), int(libtorrent.create_torrent.v2_only)),
        (infodict.v1_canonical(NAME, piece_length, ours, pad=pad), CANONICAL),
        (
            infodict.v1(NAME, piece_length, unpadded, pieces(files, piece_length)),
            int(libtorrent.create_torrent.v1_only),
        ),
    ]:
        theirs = torrentfile.parse(by_libtorrent(files, piece_length, flags))
        assert bencode.decode(made.info) == bencode.decode(theirs.info)
        assert made.info == theirs.info
        assert (made.infohash_v1, made.infohash_v2) == (theirs.infohash_v1, theirs.infohash_v2)
        assert made.layers == {entry.root: entry.layer for entry in theirs.entries if entry.layer}


@given(volumes().filter(lambda volume: any(volume[1].values())))
@settings(max_examples=60, deadline=None)
def test_libtorrent_loads_it_with_the_same_paths(volume: tuple[int, dict[str, bytes]]) -> None:
    piece_length, files = volume
    ours = hashed(files, piece_length)
    for made in (
        infodict.hybrid(NAME, piece_length, ours),
        infodict.v2(NAME, piece_length, ours),
        infodict.v1_canonical(NAME, piece_length, ours),
        infodict.v1(
            NAME, piece_length, [(path, len(data)) for path, data in files.items()], pieces(files, piece_length)
        ),
    ):
        loaded = libtorrent.load_torrent_buffer(torrentfile.render(made.info, made.layers, Links()))
        assert loaded.ti is not None
        layout = loaded.ti.layout()
        found = {
            layout.file_path(number): layout.file_size(number)
            for number in range(layout.num_files())
            if not int(layout.file_flags(number)) & 1
        }
        assert found == {f"{NAME}/{path}": len(data) for path, data in files.items()}
        assert not dict(loaded.renamed_files)
        assert loaded.info_hashes.has_v1() == (made.infohash_v1 is not None)
        assert loaded.info_hashes.has_v2() == (made.infohash_v2 is not None)
        assert made.infohash_v1 in (None, str(loaded.info_hashes.v1))
        assert made.infohash_v2 in (None, str(loaded.info_hashes.v2))


@given(volumes().filter(lambda volume: any(volume[1].values())), st.randoms())
@settings(max_examples=60, deadline=None)
def test_the_torrent_has_the_size_that_was_foreseen(volume: tuple[int, dict[str, bytes]], random: object) -> None:
    piece_length, files = volume
    made = infodict.hybrid(NAME, piece_length, hashed(files, piece_length))
    data = torrentfile.render(made.info, made.layers, Links())
    foreseen = torrent_size(((path, len(data)) for path, data in files.items()), piece_length, name=NAME)
    layers = [digest_bytes(data, piece_length).layer for data in files.values()]
    shared = len(set(layers) - {b""}) < len([layer for layer in layers if layer])
    assert len(data) < foreseen if shared else len(data) == foreseen


def test_the_order_of_the_files_does_not_count() -> None:
    files = hashed(contents({"a-x/1": 5, "a/1": 6, "a.json": 7, "a/b/c": 0, "é/1": 8, "Z/1": 9}), 16_384)
    assert infodict.hybrid(NAME, 16_384, files) == infodict.hybrid(NAME, 16_384, reversed(files))
    torrent = torrentfile.parse(
        torrentfile.render(infodict.hybrid(NAME, 16_384, files).info, {}, Links(trackers=(("http://127.0.0.1/",),)))
    )
    found = [entry.path for entry in torrent.entries if not entry.pad]
    assert found == ["Z/1", "a/1", "a/b/c", "a-x/1", "a.json", "é/1"]
    assert [entry.path for entry in torrent.entries if entry.pad] == [
        ".pad/0-16375",
        ".pad/1-16378",
        ".pad/3-16379",
        ".pad/4-16377",
        ".pad/5-16376",
    ]


def test_siblings_that_libtorrent_itself_puts_in_the_wrong_order_load() -> None:
    files = contents({"metadata/1.json": 5, "metadata.json": 70_000, "metadata-x/1": 16_384, "metadata/b/c": 1})
    made = infodict.hybrid(NAME, 16_384, hashed(files, 16_384))
    loaded = libtorrent.load_torrent_buffer(torrentfile.render(made.info, made.layers, Links()))
    assert loaded.ti is not None
    assert loaded.ti.num_files() == 7


def test_files_with_the_same_bytes_share_a_layer() -> None:
    files = {"a/1": b"x" * 40_000, "a/2": b"x" * 40_000, "a/3": b"x" * 50_000, "a/4": b"y"}
    made = infodict.hybrid(NAME, 16_384, hashed(files, 16_384))
    assert sorted(map(len, made.layers.values())) == [3 * 32, 4 * 32]
    torrent = torrentfile.parse(torrentfile.render(made.info, made.layers, Links()))
    entries = {entry.path: entry for entry in torrent.entries}
    assert entries["a/1"].root == entries["a/2"].root
    assert entries["a/1"].layer == entries["a/2"].layer != entries["a/3"].layer
    assert entries["a/4"].layer == b""


GOLDEN_FILES = {
    "512px/0000/1000.jpg": 70_001,
    "512px/0000/2000.jpg": 65_536,
    "512px/0001/1.jpg": 1,
    "512px/0001/1001.png": 5 * 65_536 + 1,
    "512px/0001/2001.png": 0,
}

GOLDEN: dict[str, tuple[str, str | None, str | None]] = {
    # the SHA-256 of the .torrent, the infohash of v1, the infohash of v2
    "hybrid": (
        "80d9a801673d6d8551e61c787d4edbbb95790c1484ebe18c564831c25341ce63",
        "c22d62c65b0fe0f0b7d2c177f2556c70d4c8ad75",
        "1e05d968e96256018c105050510b93171b9602914d46948fd9a3e0b7d4fef580",
    ),
    "v2": (
        "ddda0619bcba111b1f03dc4918bec2123ac8875792c6be05c14f724accea491c",
        None,
        "0df2cfd73da098cbca36e512cb73481c60abc4715d35d49555f1c9082f41293e",
    ),
    "v1-canonical": (
        "58d0a71f821d0c5cf7278c617892af5c20dcdd8dbf7a1952f585a40693f54a5e",
        "e8a2270f726512961f25eb3a1193960e9a9994f5",
        None,
    ),
    "v1": (
        "51dec22cd4bd65391d543216a4f9e7edf53f6b5c3cb6284695b1a255bffb9e7f",
        "8bd725d18d7412fc0bd23e01d032d743a86fe709",
        None,
    ),
}


def golden() -> list[Hashed]:
    return hashed(contents(GOLDEN_FILES), 65_536)


@pytest.mark.parametrize("kind", GOLDEN)
def test_the_same_files_give_the_same_bytes_for_ever(kind: str) -> None:
    sha256, infohash_v1, infohash_v2 = GOLDEN[kind]
    made = {
        "hybrid": lambda: infodict.hybrid(NAME, 65_536, golden()),
        "v2": lambda: infodict.v2(NAME, 65_536, golden()),
        "v1-canonical": lambda: infodict.v1_canonical(NAME, 65_536, golden()),
        "v1": lambda: infodict.v1(NAME, 65_536, GOLDEN_FILES.items(), pieces(contents(GOLDEN_FILES), 65_536)),
    }[kind]()
    links = Links(
        trackers=(("http://127.0.0.1:6969/announce",), ("udp://127.0.0.1:6969",)),
        web_seeds=("http://127.0.0.1/",),
        similar=("00" * 20,),
        collections=("danbooru-512px-2026-0000",),
        comment="danbooru: 512px-2026-0000",
        created_by="tagswarm",
    )
    data = torrentfile.render(made.info, made.layers, links)
    assert (hashlib.sha256(data).hexdigest(), made.infohash_v1, made.infohash_v2) == (sha256, infohash_v1, infohash_v2)
    assert torrentfile.parse(data).links == links
    loaded = libtorrent.load_torrent_buffer(data)
    assert infohash_v1 in (None, str(loaded.info_hashes.v1))
    assert infohash_v2 in (None, str(loaded.info_hashes.v2))
    assert [(url,) for url in loaded.trackers] == list(links.trackers)
    assert list(loaded.url_seeds) == list(links.web_seeds)


def altered(digest: FileDigest, **changes: object) -> list[Hashed]:
    fields = {name: getattr(digest, name) for name in FileDigest.__slots__}
    return [Hashed("a/1", FileDigest(**{**fields, **changes}))]


@pytest.mark.parametrize(
    ("changes", "piece_length"),
    [
        ({}, 32_768),
        ({"piece_length": 32_768}, 16_384),
        ({"size": 20_000}, 16_384),
        ({"size": 0}, 16_384),
        ({"pieces": b""}, 16_384),
        ({"layer": b""}, 16_384),
        ({"root": None}, 16_384),
    ],
)
def test_digests_of_another_file_are_refused(changes: dict[str, object], piece_length: int) -> None:
    files = [*altered(digest_bytes(b"x" * 40_000, 16_384), **changes), Hashed("a/2", digest_bytes(b"y", piece_length))]
    with pytest.raises(InvalidDocument, match="a/1: its digests are not those"):
        infodict.hybrid(NAME, piece_length, files)


@pytest.mark.parametrize(
    ("name", "piece_length", "files", "message"),
    [
        (NAME, 16_384, [], "no bytes"),
        (NAME, 16_384, [("a/1", 0)], "no bytes"),
        (NAME, 16_384, [("a/1", 1), ("a/1", 1)], "a/1 is there twice"),
        (NAME, 16_384, [("a/1/2", 1), ("a/1", 1)], "a/1/2 is there twice, or is a file and a folder"),
        (NAME, 16_384, [("1", 1)], "1: a torrent of this file alone"),
        (NAME, 16_385, [("a/1", 1)], "16385 bytes"),
        (NAME, 0, [("a/1", 1)], "0 bytes"),
        (NAME, 16_384, [("../1", 1)], r"\.\./1: holds the component"),
        (NAME, 16_384, [("a/1", 1), ("", 1)], "is empty"),
        ("a/b", 16_384, [("a/1", 1)], "a/b: is the name of no folder"),
        ("..", 16_384, [("a/1", 1)], r"holds the component \.\."),
        ("", 16_384, [("a/1", 1)], "is empty"),
    ],
)
def test_what_makes_no_torrent_is_refused(
    name: str, piece_length: int, files: list[tuple[str, int]], message: str
) -> None:
    digests = [
        Hashed(path, digest_bytes(bytes(size), piece_length if piece_length == 16_384 else 16_384))
        for path, size in files
    ]
    for make in (infodict.hybrid, infodict.v2, infodict.v1_canonical):
        with pytest.raises((InvalidDocument, UnsafePath), match=message):
            make(name, piece_length, digests)
    with pytest.raises((InvalidDocument, UnsafePath), match=message):
        infodict.v1(name, piece_length, files, bytes(20))


@pytest.mark.parametrize("count", [0, 19, 20, 60])
def test_pieces_of_other_files_are_refused(count: int) -> None:
    with pytest.raises(InvalidDocument, match=f"{count} bytes of pieces"):
        infodict.v1(NAME, 16_384, [("a/1", 16_385)], bytes(count))
