"""The digests of a file, all from one read: SHA-256, MD5, the SHA-1 pieces of BEP 3 and the tree of BEP 52.

Pieces are those of a canonical torrent (BEP 47): every file starts a piece, and its last piece is hashed over its bytes
and zeros up to the piece length. So files hash on their own, in any order and in any process.

Nothing here compares, caches or runs in parallel; whoever asks says which files. MD5 and SHA-1 are what boorus and
BitTorrent v1 speak, they protect nothing here.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

from . import disk, merkle

CHUNK = 256 * 1024
"""Bytes of a read: one that the second-level cache holds while four hashes go over it."""

_ZEROS = memoryview(bytes(CHUNK))


@dataclass(frozen=True, slots=True)
class FileDigest:
    """All that a manifest, a checksum list and a torrent need to know of a file's bytes."""

    size: int
    """Bytes that were read."""
    sha256: str
    """Lower case hex."""
    md5: str
    """Lower case hex."""
    root: str | None
    """The pieces root of BEP 52 in lower case hex; None of an empty file."""
    piece_length: int
    """Bytes."""
    pieces: bytes
    """SHA-1 digests of the pieces, 20 bytes each, the last one over the data and zeros up to the piece length."""
    layer: bytes
    """The piece layer of BEP 52, 32 bytes a piece; empty where the file is no longer than a piece."""


def digest_bytes(data: bytes | memoryview, piece_length: int) -> FileDigest:
    """The digests of bytes in memory; `piece_length` in bytes.

    Raises:
        InvalidDocument: the piece length is none.
    """
    return _digest([memoryview(data)] if len(data) else [], piece_length)


def digest_file(file: BinaryIO, piece_length: int) -> FileDigest:
    """The digests of an open file from where it stands to its end; `piece_length` in bytes.

    Holds one chunk of 256 KiB, or one piece where that is longer. The caller compares the size with the one he expects.

    Raises:
        InvalidDocument: the piece length is none.
        Unreadable: a read failed.
    """
    merkle.piece_height(piece_length)  # before a chunk of that length is asked for
    with disk.failures(str(getattr(file, "name", "a stream"))):
        return _digest(_chunks(file, max(CHUNK, piece_length)), piece_length)


def sha256_file(file: BinaryIO) -> tuple[int, str]:
    """The size in bytes and the SHA-256 in lower case hex of an open file from where it stands to its end.

    Raises:
        Unreadable: a read failed.
    """
    size, digest = 0, hashlib.sha256()
    with disk.failures(str(getattr(file, "name", "a stream"))):
        while chunk := file.read(CHUNK):
            size += len(chunk)
            digest.update(chunk)
    return size, digest.hexdigest()


def _chunks(file: BinaryIO, size: int) -> Iterator[bytes]:
    """Full chunks and a last one, whatever short reads the file gives."""
    while chunk := file.read(size):
        while len(chunk) < size and (more := file.read(size - len(chunk))):
            chunk += more
        yield chunk


def _digest(chunks: Iterator[bytes] | list[memoryview], piece_length: int) -> FileDigest:
    """Hash chunks that are multiples of the piece length, all but the last."""
    tree = merkle.Hasher(piece_length)
    sha256, md5, sha1 = hashlib.sha256(), hashlib.md5(usedforsecurity=False), hashlib.sha1
    size, pieces = 0, []
    for chunk in chunks:
        view = memoryview(chunk)
        sha256.update(view)
        md5.update(view)
        tree.update(view)
        for start in range(0, len(view), piece_length):
            piece = sha1(view[start : start + piece_length], usedforsecurity=False)
            missing = start + piece_length - len(view)
            while missing > 0:
                piece.update(_ZEROS[:missing])
                missing -= len(_ZEROS)
            pieces.append(piece.digest())
        size += len(view)
    found = tree.finish()
    root = None if found.root is None else found.root.hex()
    return FileDigest(size, sha256.hexdigest(), md5.hexdigest(), root, piece_length, b"".join(pieces), found.layer)
