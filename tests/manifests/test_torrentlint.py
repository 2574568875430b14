"""Each lint is found where it is, and a torrent without any is loaded by libtorrent as it stands."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import libtorrent
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tagswarm.manifests import bencode, infodict, torrentfile, torrentlint
from tagswarm.manifests.bencode import Encodable
from tagswarm.manifests.digest import digest_bytes
from tagswarm.manifests.errors import FormatError
from tagswarm.manifests.infodict import Hashed
from tagswarm.manifests.torrentfile import Links, Torrent
from tagswarm.manifests.torrentlint import LINTS, lint
from tests.manifests import hostile

PIECE = 16_384


def v1(*names: str, name: str = "n", pads: bool = False, piece_length: int = PIECE) -> bytes:
    """A torrent of v1 with a byte in each of these files."""
    files: list[Encodable] = []
    for path in names:
        files.append({b"length": 1, b"path": path.encode("utf-8", "surrogateescape").split(b"/")})
        if pads:
            files.append({b"attr": b"p", b"length": piece_length - 1, b"path": [b".pad", b"%d" % (piece_length - 1)]})
    size = len(names) * (piece_length if pads else 1)
    info: dict[bytes, Encodable] = {
        b"files": files,
        b"name": name.encode(),
        b"piece length": piece_length,
        b"pieces": bytes(20 * -(-size // piece_length)),
    }
    return bencode.encode({b"info": info})


def v2(*names: str, name: str = "n") -> bytes:
    """A torrent of v2 with a byte in each of these files."""
    tree: dict[bytes, Any] = {}
    for path in names:
        *folders, last = path.encode().split(b"/")
        node = tree
        for folder in folders:
            node = node.setdefault(folder, {})
        node[last] = {**node.get(last, {}), **hostile.leaf(1)}
    return hostile.v2(tree, name=name.encode())


def names(data: bytes) -> list[str]:
    return [found.name for found in lint(torrentfile.parse(data), len(data))]


def test_our_own_torrents_have_none() -> None:
    files = {"512px/0000/1000.jpg": b"x" * 40_000, "512px/0000/2000.jpg": b"x" * 40_000, "512px/0001/1.jpg": b""}
    hashed = [Hashed(path, digest_bytes(data, PIECE)) for path, data in files.items()]
    for made in (
        infodict.hybrid("danbooru", PIECE, hashed),
        infodict.v2("danbooru", PIECE, hashed),
        infodict.v1_canonical("danbooru", PIECE, hashed),
    ):
        assert names(torrentfile.render(made.info, made.layers, Links())) == []


@pytest.mark.parametrize(
    "name",
    [
        "a\tb",
        "a\nb",
        "\x7f",
        "a\x85",
        "a\u200bb",
        "a\u200fb",
        "\u202egpj.exe",
        "\u2066a",
        "\u061ca",
        "\ufeffa",
        "a\u2060",
        "\udcff",
        "a.",
        "a ",
        "a:b",
        "a?",
        "a" * 241,
        "é" * 121,
        "日" * 81,
    ],
)
def test_names_that_clients_change(name: str) -> None:
    assert names(v1(name, "z")) == ["torrent-sanitised-name"]
    assert names(v1(f"{name}/x", "z")) == ["torrent-sanitised-name"]
    assert names(v1(f"y/{name}/x", "z")) == ["torrent-sanitised-name"]


@pytest.mark.parametrize(
    "name", ["a", " a", ".a", "-a", "é", "e\u0301", "日" * 80, "a" * 240, "~", "a\u00a0b", "\U0001f600"]
)
def test_names_that_clients_keep(name: str) -> None:
    assert names(v1(name, "z")) == []
    assert names(v1("y", "z", name=name)) == []


@pytest.mark.parametrize("name", ["a\tb", "a.", "\u202e", "a" * 241])
def test_the_name_of_the_folder_counts_too(name: str) -> None:
    assert names(v1("y", "z", name=name)) == ["torrent-sanitised-name"]


@pytest.mark.parametrize(
    "twins",
    [
        ("a/A.jpg", "a/a.jpg"),
        ("A/x", "a/x"),
        ("A/x", "a/X"),
        ("É", "é"),
        ("é", "e\u0301"),
        ("ß", "SS"),
        ("a", "A/b"),
        ("a", "b", "A/c/d"),
    ],
)
def test_names_that_some_systems_cannot_tell_apart(twins: tuple[str, ...]) -> None:
    assert names(v1(*twins)) == ["torrent-case-twins"]
    assert names(v1(*reversed(twins))) == ["torrent-case-twins"]


@pytest.mark.parametrize("others", [("a/x", "A/y"), ("a.jpg", "a.png"), ("a", "a-b/c"), ("a/b", "a-b", "a.b")])
def test_names_that_all_systems_tell_apart(others: tuple[str, ...]) -> None:
    assert names(v1(*others)) == []


def test_pads_of_the_same_name() -> None:
    assert names(v1("a", "b", pads=True)) == ["torrent-pad-names"]
    assert names(v1("a", pads=True)) == []
    assert names(hostile.v2({b"a": hostile.leaf(1), b"b": hostile.leaf(1)})) == []  # these pads stand nowhere


def test_keys_out_of_order() -> None:
    data = b"d4:infod4:name1:n6:lengthi3e12:piece lengthi16384e6:pieces20:" + bytes(20) + b"ee"
    assert names(data) == ["torrent-unsorted-keys"]


def test_too_large_too_many_files_too_many_pieces() -> None:
    small = torrentfile.parse(v1("a", "b"))
    assert [found.name for found in lint(small, torrentlint.LARGEST)] == []
    assert [found.name for found in lint(small, torrentlint.LARGEST + 1)] == ["torrent-too-large"]
    most = [f"{number}" for number in range(torrentlint.MOST_FILES)]
    assert names(v1(*most)) == []
    assert names(v1(*most, "more")) == ["torrent-too-many-files"]
    for size, found in ((torrentlint.MOST_PIECES, []), (torrentlint.MOST_PIECES + 1, ["torrent-piece-count"])):
        torrent = torrentfile.parse(hostile.v1({b"length": size, b"piece length": 1, b"pieces": bytes(20 * size)}))
        assert [lint.name for lint in lint_of(torrent)] == found


def lint_of(torrent: Torrent) -> list[torrentlint.Lint]:
    return list(lint(torrent, 1))


def test_all_findings_come_in_the_order_of_the_table_and_safe_to_show() -> None:
    data = v1("\x1b[2J", "A", "a", "b\u202e", pads=True)
    found = list(lint(torrentfile.parse(data), 1 << 30))
    order = list(LINTS)
    assert [one.name for one in found] == sorted((one.name for one in found), key=order.index)
    assert {"torrent-too-large", "torrent-sanitised-name", "torrent-case-twins", "torrent-pad-names"} == {
        one.name for one in found
    }
    assert all(one.detail.isprintable() for one in found)
    details = {one.name: one.detail for one in found}
    assert details["torrent-sanitised-name"] == r"clients change \x1b[2J and 1 more"
    assert details["torrent-case-twins"] == "clients take for another file a"


TAME = st.text("abBzé\u0301É\u0131\u0130\u017f\u212aSß-_ .~日\U0001f600", min_size=1, max_size=5)
WILD = st.text(st.characters(exclude_characters="/\\\0", codec="utf-8"), min_size=1, max_size=4) | st.text(
    "aA.: ?\u200b\u202e\u0085\u00ad\ufeff\u061c\u2065\u206a\x01\x7f", min_size=1, max_size=4
)
LONG = st.sampled_from(["a" * 240, "a" * 241, "é" * 120, "日" * 80, "日" * 81])
NAMES = (
    st.integers(0, 29)
    .flatmap(lambda kind: LONG if kind == 29 else WILD if kind == 28 else TAME)
    .filter(lambda name: name not in (".", ".."))
)
PATHS = st.lists(st.lists(NAMES, min_size=1, max_size=3).map("/".join), min_size=2, max_size=5, unique=True)


@given(PATHS, NAMES)
@settings(max_examples=1_000)
def test_what_has_none_is_loaded_by_libtorrent_as_it_stands(found: list[str], name: str) -> None:
    for data in (v1(*found, name=name), v2(*found, name=name)):
        try:
            torrent = torrentfile.parse(data)
        except FormatError:
            return  # a path under another one
        if list(lint(torrent, len(data))):
            return
        loaded = libtorrent.load_torrent_buffer(data)
        assert loaded.ti is not None
        layout = loaded.ti.layout()
        stored = [layout.file_path(at) for at in range(layout.num_files()) if not int(layout.file_flags(at)) & 1]
        assert stored == [f"{name}/{entry.path}" for entry in torrent.entries if not entry.pad]
        assert sorted(stored) == sorted(f"{name}/{path}" for path in found)
        assert not dict(loaded.renamed_files)


@given(PATHS, NAMES)
@settings(max_examples=300)
def test_what_libtorrent_changes_has_one(found: list[str], name: str) -> None:
    loaded = libtorrent.load_torrent_buffer(v1(*found, name=name))
    assert loaded.ti is not None
    layout = loaded.ti.layout()
    kept = [layout.file_path(at) for at in range(layout.num_files())] == [f"{name}/{path}" for path in found]
    if kept and not dict(loaded.renamed_files):
        return
    try:
        assert names(v1(*found, name=name))
    except FormatError:
        return


def test_the_page_has_every_lint(repository: Path) -> None:
    page = (repository / "docs/reference/formats/torrent.md").read_text()
    rows = dict(re.findall(r"^\| `(torrent-[a-z-]+)` \| (.*) \|$", page, re.MULTILINE))
    assert rows == {name: f"{meaning.text} | {meaning.clients} | {meaning.remedy}" for name, meaning in LINTS.items()}
