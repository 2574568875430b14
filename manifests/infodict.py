"""The info dictionary of a torrent, made from hashes that are known already.

Hybrid and canonical v1 torrents pad every file to whole pieces (BEP 47), the last one too, so that the hashes of one
file depend on no other. Files and tree stand in the order of `paths.sort_key`. A pad is named after the number of its
file in that order and its size, because clients that know no pads refuse a name that is there twice.

Nothing here depends on a release, a date, a tracker or a machine: the same files give the same infohash for ever.
Nothing here reads a file. Sources: BEP 3, 47, 52.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import pairwise

from . import merkle, paths
from .bencode import Encodable, encode
from .digest import FileDigest
from .errors import InvalidDocument, UnsafePath

PAD = b".pad"
"""The folder of all pads (BEP 47)."""

SHA1 = 20
"""Bytes of the hash of a piece of v1."""

_WRONG = "Report this: its digests were made with another piece length, or are of another file."


@dataclass(frozen=True, slots=True)
class Hashed:
    """A file of a torrent and its digests."""

    path: str
    """Below the name of the torrent, with `/`."""
    digest: FileDigest


@dataclass(frozen=True, slots=True)
class Made:
    """An info dictionary and what belongs to it."""

    info: bytes
    """Bencoded."""
    layers: dict[bytes, bytes]
    """Piece layers by pieces root."""
    infohash_v1: str | None
    infohash_v2: str | None


def numbered_pad(number: int, size: int) -> str:
    """The name of the pad after file `number`, counted from 0, of `size` bytes: no other pad of the torrent has it."""
    return f"{number}-{size}"


def hybrid(
    name: str, piece_length: int, files: Iterable[Hashed], *, pad: Callable[[int, int], str] = numbered_pad
) -> Made:
    """A hybrid torrent of v1 and v2; files in any order, each once; `piece_length` in bytes.

    Raises:
        InvalidDocument: no bytes, a path twice, a single file without a folder, a bad piece length, or a file hashed
            with another one.
        UnsafePath: a path is none.
    """
    ordered = _ordered(name, piece_length, files)
    info = _tree(ordered) | _list(piece_length, ordered, pad)
    return _made(name, piece_length, info, _layers(ordered))


def v2(name: str, piece_length: int, files: Iterable[Hashed]) -> Made:
    """A torrent of v2 only; it raises what `hybrid` does."""
    ordered = _ordered(name, piece_length, files)
    return _made(name, piece_length, _tree(ordered), _layers(ordered))


def v1_canonical(
    name: str, piece_length: int, files: Iterable[Hashed], *, pad: Callable[[int, int], str] = numbered_pad
) -> Made:
    """A v1 torrent with the pads of the hybrid one, and its pieces; it raises what `hybrid` does."""
    ordered = _ordered(name, piece_length, files)
    return _made(name, piece_length, _list(piece_length, ordered, pad), {})


def v1(name: str, piece_length: int, files: Iterable[tuple[str, int]], pieces: bytes) -> Made:
    """A v1 torrent without pads, for clients that know none: (path, size in bytes) and the pieces over all of them.

    The pieces are SHA-1 over the files one after the other in the order of `paths.sort_key`.

    Raises:
        InvalidDocument: what `hybrid` refuses, or there are not as many pieces as the files have.
        UnsafePath: a path is none.
    """
    ordered = sorted(files, key=lambda file: paths.sort_key(file[0]))
    _check(name, piece_length, [path for path, _ in ordered], sum(size for _, size in ordered))
    if len(pieces) != _pieces(sum(size for _, size in ordered), piece_length):
        raise InvalidDocument(f"{len(pieces)} bytes of pieces do not belong to these files", hint=_WRONG)
    listed: list[Encodable] = [{b"length": size, b"path": path.encode().split(b"/")} for path, size in ordered]
    return _made(name, piece_length, {b"files": listed, b"pieces": pieces}, {})


def _ordered(name: str, piece_length: int, files: Iterable[Hashed]) -> list[Hashed]:
    ordered = sorted(files, key=lambda file: paths.sort_key(file.path))
    _check(name, piece_length, [file.path for file in ordered], sum(file.digest.size for file in ordered))
    for file in ordered:
        digest = file.digest
        count = -(-digest.size // piece_length)
        if (
            digest.piece_length != piece_length
            or len(digest.pieces) != SHA1 * count
            or len(digest.layer) != (merkle.NODE * count if count > 1 else 0)
            or (digest.root is None) != (not count)
        ):
            message = f"{paths.escape(file.path)}: its digests are not those of {digest.size} bytes in such pieces"
            raise InvalidDocument(f"{message} ({piece_length} bytes)", hint=_WRONG)
    return ordered


def _check(name: str, piece_length: int, ordered: list[str], size: int) -> None:
    """Refuse what makes no torrent; `ordered` are all paths in order, `size` the bytes of all files."""
    merkle.piece_height(piece_length)
    for path in (name, *ordered):
        paths.check(path)
    if "/" in name:
        raise UnsafePath(f"{paths.escape(name)}: is the name of no folder", hint="A torrent has one folder at its top.")
    for path, following in pairwise(ordered):
        if path == following or following.startswith(f"{path}/"):
            raise InvalidDocument(f"{paths.escape(following)} is there twice, or is a file and a folder at once")
    if not size:
        raise InvalidDocument("a torrent of no bytes", hint="No client loads one; give it a file that is not empty.")
    if len(ordered) == 1 and "/" not in ordered[0]:
        raise InvalidDocument(
            f"{paths.escape(ordered[0])}: a torrent of this file alone",
            hint="A tree of one file has no folder in v2 and has one in v1; put the file into a folder.",
        )


def _tree(ordered: list[Hashed]) -> dict[bytes, Encodable]:
    """The file tree of v2."""
    tree: dict[bytes, Encodable] = {}
    folders = {b"": tree}
    for file in ordered:
        folder, _, name = file.path.encode().rpartition(b"/")
        leaf: dict[bytes, Encodable] = {b"length": file.digest.size}
        if file.digest.root is not None:
            leaf[b"pieces root"] = bytes.fromhex(file.digest.root)
        _folder(folders, folder)[name] = {b"": leaf}
    return {b"file tree": tree, b"meta version": 2}


def _folder(folders: dict[bytes, dict[bytes, Encodable]], path: bytes) -> dict[bytes, Encodable]:
    """The dictionary of a folder, made with those above it where it is not there yet."""
    found = folders.get(path)
    if found is None:
        parent, _, name = path.rpartition(b"/")
        found = folders[path] = {}
        _folder(folders, parent)[name] = found
    return found


def _list(piece_length: int, ordered: list[Hashed], pad: Callable[[int, int], str]) -> dict[bytes, Encodable]:
    """The list of v1 with its pads, and the pieces."""
    listed: list[Encodable] = []
    for number, file in enumerate(ordered):
        size = file.digest.size
        listed.append({b"length": size, b"path": file.path.encode().split(b"/")})
        if missing := -size % piece_length:
            listed.append({b"attr": b"p", b"length": missing, b"path": [PAD, pad(number, missing).encode()]})
    return {b"files": listed, b"pieces": b"".join(file.digest.pieces for file in ordered)}


def _layers(ordered: list[Hashed]) -> dict[bytes, bytes]:
    return {
        bytes.fromhex(file.digest.root): file.digest.layer for file in ordered if file.digest.root and file.digest.layer
    }


def _pieces(size: int, piece_length: int) -> int:
    """Bytes of the pieces of `size` bytes."""
    return SHA1 * -(-size // piece_length)


def _made(name: str, piece_length: int, rest: dict[bytes, Encodable], layers: dict[bytes, bytes]) -> Made:
    info = encode({b"name": name.encode(), b"piece length": piece_length, **rest})
    v1_hash = hashlib.sha1(info, usedforsecurity=False).hexdigest() if b"pieces" in rest else None
    v2_hash = hashlib.sha256(info).hexdigest() if b"file tree" in rest else None
    return Made(info, layers, v1_hash, v2_hash)
