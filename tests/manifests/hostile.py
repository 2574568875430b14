"""Torrents that no honest program writes, each of a shape of its own and as large as a .torrent may be."""

from __future__ import annotations

from collections.abc import Callable
from hashlib import sha256

from tagswarm.manifests.bencode import LIMIT, Encodable, encode

PIECE = 16_384


def fill(head: bytes, unit: bytes, tail: bytes = b"") -> bytes:
    """As many units between head and tail as the limit allows."""
    return head + unit * ((LIMIT - len(head) - len(tail)) // len(unit)) + tail


def v1(info: dict[bytes, Encodable]) -> bytes:
    """A .torrent of v1, of one byte where nothing else is said."""
    return encode({b"info": {b"name": b"n", b"piece length": PIECE, b"pieces": bytes(20), **info}})


def v2(tree: Encodable, layers: Encodable | None = None, **more: Encodable) -> bytes:
    """A .torrent of v2."""
    rest = {key.replace("_", " ").encode(): value for key, value in more.items()}
    info = {b"file tree": tree, b"meta version": 2, b"name": b"n", b"piece length": PIECE, **rest}
    return encode({b"info": info, b"piece layers": layers or {}})


def leaf(size: int) -> dict[bytes, Encodable]:
    """A file of a tree, with a root of its own size."""
    return {b"": {b"length": size, b"pieces root": sha256(b"%d" % size).digest()}}


def many_files(count: int, folder: bytes = b"") -> bytes:
    """A tree of empty files and a broken one behind them, so that all of them are read first."""
    names = [b"%06d" % number for number in range(count)]
    tree: dict[bytes, Encodable] = {name: {b"": {b"length": 0}} for name in names}
    tree[b"z"] = {b"": {b"length": 1 << 62}}
    return v2({folder: tree} if folder else tree)


def many_rows(count: int) -> bytes:
    """A list of empty files, which are no torrent together."""
    rows = b"".join(b"d6:lengthi0e4:pathl6:%06dee" % number for number in range(count))
    return b"d4:infod5:filesl" + rows + b"e4:name1:n12:piece lengthi16384e6:pieces0:ee"


def chains(count: int, depth: int) -> bytes:
    """Folders in folders, with an empty file at each end, and a broken one behind them."""
    inner: Encodable = {b"f": {b"": {b"length": 0}}}
    for _ in range(depth):
        inner = {b"d": inner}
    chain = encode(inner)
    tree = b"d" + b"".join(b"6:%06d" % number + chain for number in range(count)) + b"1:zd0:d6:lengthi-1eeee"
    return b"d4:infod9:file tree" + tree


def deep(depth: int) -> Encodable:
    """A file below this many folders."""
    node: Encodable = leaf(1)
    for _ in range(depth):
        node = {b"d": node}
    return node


def layers(count: int) -> dict[bytes, Encodable]:
    """Layers of roots that no file has."""
    return {sha256(b"%d" % number).digest(): bytes(64) for number in range(count)}


def keys(count: int) -> bytes:
    """Keys nobody knows."""
    return b"".join(b"7:%07d0:" % number for number in range(count))


LINKS = (b"announce", b"announce-list", b"collections", b"comment", b"created by", b"similar", b"url-list")
LONG = 310_000 * PIECE

SHAPES: dict[str, Callable[[], bytes]] = {
    "nothing": lambda: b"",
    "lists": lambda: fill(b"", b"l"),
    "empty-lists": lambda: fill(b"l", b"le", b"e"),
    "empty-lists-inside": lambda: fill(b"d1:al", b"le", b"ee"),
    "empty-strings-inside": lambda: fill(b"d1:al", b"0:", b"ee"),
    "dictionaries": lambda: fill(b"", b"d0:"),
    "small-dictionaries": lambda: fill(b"d1:al", b"d0:i300ee", b"ee"),
    "small-dictionaries-in-files": lambda: fill(b"d4:infod5:filesl", b"d0:i300ee", b"eee"),
    "one-file-of-many-parts": lambda: fill(b"d4:infod5:filesld1:al", b"de", b"eeeee"),
    "one-file-of-many-keys": lambda: b"d4:infod5:filesld" + keys(900_000) + b"eeee",
    "unknown-parts": lambda: fill(b"d4:infod1:al", b"2:xx", b"eee"),
    "unknown-keys": lambda: b"d" + keys(900_000) + b"e",
    "unknown-keys-of-info": lambda: b"d4:infod" + keys(900_000) + b"ee",
    "many-large-keys": lambda: b"d" + b"".join(b"2:%02dl" % at + b"d0:i300ee" * 24_000 + b"e" for at in range(40)),
    "links-of-many-parts": lambda: b"d" + b"".join(encode(key) + b"l" + b"d0:i300ee" * 24_000 + b"e" for key in LINKS),
    "digits": lambda: fill(b"d4:infod6:lengthi", b"9", b"eee"),
    "digits-of-a-length": lambda: fill(b"d", b"9", b":ae"),
    "long-name": lambda: v1({b"name": b"n" * (LIMIT - 200), b"length": 1}),
    "long-component": lambda: v1({b"files": [{b"length": 1, b"path": [b"n" * (LIMIT - 200)]}]}),
    "long-component-of-a-tree": lambda: v2({b"n" * (LIMIT - 200): leaf(1)}),
    "long-path": lambda: v1({b"files": [{b"length": 1, b"path": [b"n"] * 400_000}]}),
    "long-size": lambda: v1({b"length": (1 << 63) - 1}),
    "long-sizes": lambda: v1({b"files": [{b"length": (1 << 63) - 1, b"path": [b"%d" % at]} for at in range(9)]}),
    "long-pieces": lambda: v1({b"length": 1, b"piece length": 1 << 62}),
    "long-pieces-of-v2": lambda: v2({b"a": leaf(1)}, piece_length=1 << 62),
    "many-pieces": lambda: v1({b"length": 1, b"pieces": bytes(LIMIT - 200)}),
    "many-files": lambda: many_rows(140_000),
    "many-files-of-a-tree": lambda: many_files(130_000),
    "many-files-in-a-long-folder": lambda: many_files(100_000, b"n" * 4_000),
    "many-files-in-a-long-wide-folder": lambda: many_files(100_000, "\U0001f600".encode() + b"n" * 40),
    "chains-of-folders": lambda: chains(4_000, 90),
    "deep-tree": lambda: v2(deep(120)),
    "size-without-a-layer": lambda: v2({b"a": leaf((1 << 63) - 1)}),
    "layers-of-no-file": lambda: v2({b"a": leaf(1)}, layers(90_000)),
    "layer-with-another-root": lambda: v2({b"a": leaf(LONG)}, {sha256(b"%d" % LONG).digest(): bytes(32) * 310_000}),
}
"""Every shape by a name."""
