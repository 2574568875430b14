"""A .torrent file: read into a value, whoever made it, and rendered from an info dictionary and links.

Reading takes v1, v2 and hybrid torrents of any writer, refuses what is malformed, endless or leaves the tree by name,
and compares the v1 list with the v2 tree and every piece layer with its root, so that a `Torrent` is never
self-contradictory. The info dictionary is kept as the bytes it came as: the infohashes are theirs.

Nothing here hashes a payload, opens a file or speaks to a peer; who makes an info dictionary is `infodict`.
Sources: BEP 3, 9, 12, 19, 27, 38, 47, 52.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Literal

from . import merkle, paths
from .bencode import Encodable, Reader, Value, encode
from .errors import InvalidDocument, LimitExceeded, UnsupportedVersion
from .filelists import (
    Files,
    attributes_of,
    check_agree,
    check_distinct,
    padded,
    read_list,
    read_tree,
    safe_path,
    size_of,
)

Version = Literal["v1", "v2", "hybrid"]

_MOST_KEYS = 1_000
"""Keys of the .torrent, and of its info dictionary."""

_KEPT_TOKENS, _DROPPED_TOKENS = 10_000, 100_000
"""Tokens of the value of a key that is kept, and of one that nobody needs."""

_LONGEST_V1 = 256 << 20
"""Bytes of a piece of v1 at most, as libtorrent has it; v1 asks for no power of two."""

_SHA1 = 20
"""Bytes of the hash of a piece of v1."""

_INFO_KEYS = frozenset(b"attr,length,meta version,name,name.utf-8,piece length,pieces,private,symlink path".split(b","))
_LINK_KEYS = frozenset(
    b"announce,announce-list,collections,comment,comment.utf-8,created by,creation date,similar,url-list".split(b",")
)


@dataclass(frozen=True, slots=True)
class Links:
    """What a .torrent says outside its info dictionary: it can change without a new infohash."""

    trackers: tuple[tuple[str, ...], ...] = ()
    """Announce URLs in tiers (BEP 12)."""
    web_seeds: tuple[str, ...] = ()
    """URLs of BEP 19: name and path of a file follow them."""
    similar: tuple[str, ...] = ()
    """v1 infohashes, hex, of torrents that share files (BEP 38)."""
    collections: tuple[str, ...] = ()
    """Names that torrents with shared files have in common (BEP 38)."""
    comment: str | None = None
    created_by: str | None = None
    creation_date: int | None = None
    """Seconds since 1970; ours have none, so that the same release gives the same bytes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TorrentEntry:
    """A file of a torrent, pads included."""

    path: str
    """Below the name of the torrent, with `/`; of a torrent of a single file the name itself."""
    size: int
    """Bytes."""
    offset: int
    """Where it begins in the row of all files, pads included, in bytes."""
    pad: bool = False
    """Zeros that nobody stores (BEP 47)."""
    root: bytes | None = None
    """Pieces root of BEP 52, 32 bytes; None in a v1 torrent and of an empty file."""
    layer: bytes = b""
    """Its piece layer; empty where it is no longer than a piece."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Torrent:
    """What a .torrent says."""

    name: str
    """The folder all files lie in, or the file where there is one without a folder."""
    version: Version
    piece_length: int
    """Bytes."""
    entries: tuple[TorrentEntry, ...]
    """In the order of the torrent; v2-only torrents get the pads that BEP 52 implies."""
    pieces: bytes
    """SHA-1 hashes of the pieces, 20 bytes each; empty in a v2 torrent."""
    single: bool
    """One file without a folder."""
    private: bool
    info: bytes
    """The info dictionary as it came."""
    infohash_v1: str | None
    """40 hex digits."""
    infohash_v2: str | None
    """64 hex digits."""
    links: Links = field(default_factory=Links)
    sorted_keys: bool = True
    """Whether all keys stand in order, as BEP 3 has it; clients that write the info dictionary anew depend on it."""


def parse(data: bytes) -> Torrent:
    """Read a .torrent.

    Keys that are unknown are passed over, and so are links that are not of their type: clients do the same.

    Raises:
        LimitExceeded: it is larger, deeper or has more parts than any client loads.
        UnsafePath: a path leaves the tree, or is a symbolic link.
        UnsupportedVersion: its meta version is unknown.
        InvalidDocument: it is no torrent, or contradicts itself; the message names the place.
    """
    reader = Reader(data)
    info: _Info | None = None
    layers: dict[bytes, bytes] = {}
    outside: dict[bytes, Value] = {}
    start = end = 0
    for key in reader.fields(most=_MOST_KEYS):
        if key == b"info":
            start = reader.at
            info = _read_info(reader)
            end = reader.at
        elif key == b"piece layers":
            layers = _read_layers(reader)
        else:
            _read_value(reader, key, _LINK_KEYS, outside)
    reader.finish()
    if info is None:
        raise InvalidDocument("info: is missing", hint="This is no .torrent.")
    return _torrent(info, data[start:end], layers, _links(outside), sorted_keys=reader.unsorted is None)


def render(info: bytes, layers: Mapping[bytes, bytes], links: Links) -> bytes:
    """The .torrent of an info dictionary (bencoded), the piece layers by their root, and links.

    Raises:
        InvalidDocument: an infohash of `links.similar` is none.
    """
    parts = {key: encode(value) for key, value in _outside(links).items()}
    parts[b"info"] = info
    # A name or a hash of v1 can hold these bytes too: then the torrent says that it has no layers, which is true.
    if layers or b"12:meta versioni2e" in info:
        parts[b"piece layers"] = encode(layers)
    return b"d%be" % b"".join(encode(key) + parts[key] for key in sorted(parts))


@dataclass(slots=True)
class _Info:
    """An info dictionary as it is read, key by key in any order."""

    parts: dict[bytes, Value]
    """All but the lists of files."""
    files: Files | None = None
    tree: Files | None = None


def _read_info(reader: Reader) -> _Info:
    info = _Info({})
    for key in reader.fields(most=_MOST_KEYS):
        if key == b"files":
            info.files = read_list(reader)
        elif key == b"file tree":
            info.tree = read_tree(reader)
        else:
            _read_value(reader, key, _INFO_KEYS, info.parts)
    return info


def _read_value(reader: Reader, key: bytes, known: frozenset[bytes], into: dict[bytes, Value]) -> None:
    """Keep the value of a known key; drop that of another."""
    if key in known:
        into[key] = reader.value(tokens=_KEPT_TOKENS)
    else:
        reader.value(tokens=_DROPPED_TOKENS)


def _read_layers(reader: Reader) -> dict[bytes, bytes]:
    layers = {}
    for root in reader.fields():
        layer = reader.string()
        if len(root) != merkle.NODE or not layer or len(layer) % merkle.NODE:
            raise InvalidDocument(f"piece layers: {root.hex()[:64]} is no root with a row of {merkle.NODE}-byte hashes")
        layers[root] = layer
    return layers


def _torrent(info: _Info, raw: bytes, layers: dict[bytes, bytes], links: Links, *, sorted_keys: bool) -> Torrent:
    parts = info.parts
    version = _version(info)
    piece_length = parts.get(b"piece length")
    if not isinstance(piece_length, int) or not 0 < piece_length <= _LONGEST_V1:
        raise InvalidDocument(f"info/piece length: is no number from 1 to {_LONGEST_V1}")
    if version != "v1":
        merkle.piece_height(piece_length)
    name = safe_path([parts.get(b"name.utf-8", parts.get(b"name", b""))], "info/name")
    single = False
    if info.files is None and version != "v2":
        single = True
        info.files = Files()
        attributes_of(parts, "info")
        info.files.add(name, size_of(parts, "info"))
    pieces = parts.get(b"pieces", b"")
    assert isinstance(pieces, bytes)
    tree = info.tree
    if version == "v2":
        assert tree is not None
        if len(tree) == 1 and "/" not in tree.paths[0]:
            single, name = True, tree.paths[0]
        listed = padded(tree, piece_length)
    else:
        assert info.files is not None
        listed = info.files
        if version == "v1":
            check_distinct(listed)
        else:
            assert tree is not None
            check_agree(listed, tree, piece_length)
    total = sum(listed.sizes)
    if not total:
        raise InvalidDocument("info: a torrent of no bytes")
    if total >= 1 << 63:
        raise LimitExceeded("info: the files have more than 2^63 bytes")
    if version != "v2" and len(pieces) != _SHA1 * -(-total // piece_length):
        raise InvalidDocument(f"info/pieces: {len(pieces)} bytes do not belong to files of {total} bytes")
    return Torrent(
        name=name,
        version=version,
        piece_length=piece_length,
        entries=tuple(_entries(listed, tree, layers, piece_length)),
        pieces=pieces,
        single=single,
        private=parts.get(b"private") == 1,
        info=raw,
        infohash_v1=None if version == "v2" else hashlib.sha1(raw, usedforsecurity=False).hexdigest(),
        infohash_v2=None if version == "v1" else hashlib.sha256(raw).hexdigest(),
        links=links,
        sorted_keys=sorted_keys,
    )


def _version(info: _Info) -> Version:
    """Which lists there are, and that they are those of the meta version."""
    parts = info.parts
    meta = parts.get(b"meta version", 1)
    if meta not in (1, 2):
        raise UnsupportedVersion(
            "info/meta version: is neither 1 nor 2", hint="Install a newer tagswarm, or get another torrent."
        )
    pieces = parts.get(b"pieces")
    listed = info.files is not None or b"length" in parts
    if info.files is not None and b"length" in parts:
        raise InvalidDocument("info: has files and a length, so it is a folder and a file at once")
    if listed != isinstance(pieces, bytes):
        raise InvalidDocument("info: has files or a length without pieces, or pieces without them")
    if (meta == 2) != (info.tree is not None):
        raise InvalidDocument("info: has a file tree without meta version 2, or meta version 2 without one")
    if info.tree is None:
        if not listed:
            raise InvalidDocument("info: has no files", hint="This is no .torrent.")
        return "v1"
    return "hybrid" if listed else "v2"


def _entries(
    listed: Files, tree: Files | None, layers: dict[bytes, bytes], piece_length: int
) -> Iterator[TorrentEntry]:
    """The entries, with the roots and layers of the tree; every layer is compared with its root."""
    roots = iter(tree.roots if tree is not None else ())
    compared: set[bytes] = set()
    offset = 0
    for path, size, pad in zip(listed.paths, listed.sizes, listed.pads, strict=True):
        root, layer = None if pad else next(roots, None), b""
        if root is not None and size > piece_length:
            layer = layers.get(root, b"")
            if len(layer) != merkle.NODE * -(-size // piece_length):
                message = f"{paths.escape(path)[:200]} needs a layer of {-(-size // piece_length)} hashes"
                raise InvalidDocument(f"piece layers: {message}")
            if root not in compared:
                if merkle.root_of_layer(layer, piece_length) != root:
                    raise InvalidDocument(f"piece layers: the layer of {paths.escape(path)[:200]} has another root")
                compared.add(root)
        yield TorrentEntry(path=path, size=size, offset=offset, pad=bool(pad), root=root, layer=layer)
        offset += size
    if len(compared) != len(layers):
        raise InvalidDocument("piece layers: a layer of no file")


def _links(outside: dict[bytes, Value]) -> Links:
    tiers = [_texts(tier) for tier in _list(outside.get(b"announce-list"))]
    trackers = tuple(tier for tier in tiers if tier) or tuple((url,) for url in _texts(outside.get(b"announce")))
    date = outside.get(b"creation date")
    return Links(
        trackers=trackers,
        web_seeds=_texts(outside.get(b"url-list")),
        similar=tuple(
            value.hex() for value in _list(outside.get(b"similar")) if isinstance(value, bytes) and len(value) == _SHA1
        ),
        collections=_texts(outside.get(b"collections")),
        comment=next(iter(_texts(outside.get(b"comment.utf-8", outside.get(b"comment")))), None),
        created_by=next(iter(_texts(outside.get(b"created by"))), None),
        creation_date=date if isinstance(date, int) else None,
    )


def _list(value: Value | None) -> list[Value]:
    return value if isinstance(value, list) else [] if value is None else [value]


def _texts(value: Value | None) -> tuple[str, ...]:
    """The strings of a list, or the one string there is; empty ones say nothing."""
    return tuple(text.decode("utf-8", "replace") for text in _list(value) if isinstance(text, bytes) and text)


def _outside(links: Links) -> dict[bytes, Encodable]:
    """What is said outside the info dictionary, without what is not there."""
    trackers = [[url.encode() for url in tier] for tier in links.trackers if tier]
    try:
        similar = [bytes.fromhex(infohash) for infohash in links.similar]
    except ValueError:
        similar = [b""]
    if any(len(infohash) != _SHA1 for infohash in similar):
        raise InvalidDocument("similar: an infohash of v1 is 40 hex digits", hint="Report this: it was made wrongly.")
    said: dict[bytes, Encodable | None] = {
        b"announce": trackers[0][0] if trackers else None,
        b"announce-list": trackers if sum(map(len, trackers)) > 1 else None,
        b"collections": [name.encode() for name in links.collections],
        b"comment": links.comment.encode() if links.comment else None,
        b"created by": links.created_by.encode() if links.created_by else None,
        b"creation date": links.creation_date,
        b"similar": similar,
        b"url-list": [url.encode() for url in links.web_seeds],
    }
    return {key: value for key, value in said.items() if value is not None and value != []}
