"""The pieces of a torrent that lie readable in a staging folder, remembered there: what a kill does not take away.

One small file a torrent, `.resume/<infohash>`: a digest and a bit a piece. libtorrent's own resume data is not used:
only libtorrent can read it, and what arrives at once must be known before a torrent is joined. What is damaged or of
another torrent names nothing, which costs fetching again.
"""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Iterable
from pathlib import Path

from tagswarm.manifests import disk
from tagswarm.manifests.errors import StoreError

FOLDER = ".resume"
_DIGEST = hashlib.sha256().digest_size


def load(staging: Path, infohash: str, pieces: int) -> frozenset[int]:
    """The pieces that were had; none where nothing is remembered, or nothing that can be believed."""
    data = b""
    with contextlib.suppress(StoreError):
        data = disk.read(_path(staging, infohash), limit=_DIGEST + pieces // 8 + 1)
    digest, bits = data[:_DIGEST], data[_DIGEST:]
    if len(bits) != pieces // 8 + 1 or digest != _digest(infohash, bits):
        return frozenset()
    return frozenset(piece for piece in range(pieces) if bits[piece >> 3] >> (piece & 7) & 1)


def save(staging: Path, infohash: str, pieces: int, had: Iterable[int]) -> None:
    """Remember the pieces that are had and can be read, instead of those that were remembered before.

    Raises:
        StoreError: it cannot be written.
    """
    bits = bytearray(pieces // 8 + 1)
    for piece in had:
        bits[piece >> 3] |= 1 << (piece & 7)
    # Not synced: after a power cut nobody knows which of the pieces reached the disk either.
    disk.write(_path(staging, infohash), _digest(infohash, bytes(bits)) + bits, sync=False)


def _path(staging: Path, infohash: str) -> Path:
    return staging / FOLDER / infohash


def _digest(infohash: str, bits: bytes) -> bytes:
    return hashlib.sha256(infohash.encode("ascii") + bits).digest()
