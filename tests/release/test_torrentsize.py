"""The size that follows from paths and sizes is the size of a real torrent, to the byte."""

from __future__ import annotations

from typing import Any

import libtorrent
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tagswarm.manifests import paths
from tagswarm.manifests.digest import digest_bytes
from tagswarm.release.torrentsize import entry_size, folder_size, folders_of, torrent_size

NAME = "danbooru"
PIECES = (16_384, 65_536, 1 << 20)


def bencode(value: Any) -> bytes:
    match value:
        case int():
            return b"i%de" % value
        case str():
            return bencode(value.encode())
        case bytes():
            return b"%d:%s" % (len(value), value)
        case list():
            return b"l" + b"".join(map(bencode, value)) + b"e"
        case dict():
            keys = sorted((key.encode() if isinstance(key, str) else key, item) for key, item in value.items())
            return b"d" + b"".join(bencode(key) + bencode(item) for key, item in keys) + b"e"
    raise TypeError(value)


def torrent(files: dict[str, bytes], piece_length: int) -> bytes:
    """A hybrid torrent of these files, made the plain way from the text of the BEPs."""
    tree: dict[str, Any] = {}
    listed: list[dict[str, Any]] = []
    layers: dict[bytes, bytes] = {}
    pieces = b""
    for number, path in enumerate(sorted(files, key=paths.sort_key)):
        digest = digest_bytes(files[path], piece_length)
        *folders, name = path.split("/")
        folder = tree
        for component in folders:
            folder = folder.setdefault(component, {})
        leaf: dict[str, Any] = {"length": digest.size}
        if digest.root is not None:
            leaf["pieces root"] = bytes.fromhex(digest.root)
            if digest.layer:
                layers[leaf["pieces root"]] = digest.layer
        folder[name] = {"": leaf}
        listed.append({"length": digest.size, "path": path.split("/")})
        if pad := -digest.size % piece_length:
            listed.append({"attr": "p", "length": pad, "path": [".pad", f"{number}-{pad}"]})
        pieces += digest.pieces
    info = {"file tree": tree, "files": listed, "meta version": 2, "name": NAME, "piece length": piece_length}
    return bencode({"info": {**info, "pieces": pieces}, "piece layers": layers})


def contents(sizes: dict[str, int]) -> dict[str, bytes]:
    """Bytes for files of these sizes, different from file to file."""
    return {path: (path.encode() * (size // len(path) + 1))[:size] for path, size in sizes.items()}


EDGES = st.sampled_from([0, 1, *(piece + off for piece in PIECES for off in (-1, 0, 1)), 5 * 65_536 + 1])
SIZES = st.dictionaries(
    st.builds("512px/{:04}/{}.jpg".format, st.integers(0, 5), st.integers(0, 10**7)),
    EDGES | st.integers(0, 200_000),
    max_size=14,
)


@given(SIZES, st.sampled_from(PIECES))
def test_it_is_the_size_of_the_torrent(sizes: dict[str, int], piece_length: int) -> None:
    made = torrent(contents(sizes), piece_length)
    assert torrent_size(sizes.items(), piece_length, name=NAME) == len(made)


def test_the_torrent_it_is_compared_with_is_a_real_one() -> None:
    sizes = {"512px/0000/1000.jpg": 100_000, "512px/0000/2000.jpg": 65_536, "512px/0001/1.jpg": 5, "a.json": 0}
    made = torrent(contents(sizes), 65_536)
    loaded = libtorrent.load_torrent_buffer(made)
    assert loaded.ti is not None
    layout = loaded.ti.layout()
    found = {
        layout.file_path(number): layout.file_size(number)
        for number in range(layout.num_files())
        if not int(layout.file_flags(number)) & 1
    }
    assert found == {f"{NAME}/{path}": size for path, size in sizes.items()}
    assert torrent_size(sizes.items(), 65_536, name=NAME) == len(made)


@pytest.mark.parametrize("count", [9, 11, 101, 1_001])
def test_the_numbers_of_the_pads_count(count: int) -> None:
    sizes = {f"512px/0000/{number}.jpg": 1 + number % 3 for number in range(count)}
    assert torrent_size(sizes.items(), 16_384, name=NAME) == len(torrent(contents(sizes), 16_384))


def test_files_with_the_same_content_share_their_layers() -> None:
    files = {f"512px/0000/{number}.jpg": b"x" * 40_000 for number in range(2)}
    sizes = {path: len(data) for path, data in files.items()}
    assert torrent_size(sizes.items(), 16_384, name=NAME) > len(torrent(files, 16_384))


@given(SIZES, st.sampled_from(PIECES))
def test_the_sum_of_the_parts_is_a_bound_in_any_order(sizes: dict[str, int], piece_length: int) -> None:
    folders = {folder for path in sizes for folder in folders_of(path)}
    bound = sum(entry_size(path, size, piece_length) for path, size in sizes.items()) + sum(map(folder_size, folders))
    exact = torrent_size(sizes.items(), piece_length, name=NAME)
    frame = torrent_size([], piece_length, name=NAME)
    assert 0 <= bound - (exact - frame) + 8 <= 6 * len(sizes) + 8  # the 8: digits of the length of `pieces`
