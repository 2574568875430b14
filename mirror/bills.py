"""What an offer would need for every volume: requests, bytes, and the seconds that they take.

Seconds are a sum: of setting up, of requests, of bytes. Requests of a web server overlap with bytes, so the sum is a
little too careful where both are many. Nothing here chooses (`mix`).
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from .offers import Offer
from .wanted import Flags, Ints, Load


@dataclass(frozen=True, slots=True, eq=False)
class Bill:
    """What an offer would need, a place a volume of the load."""

    offer: Offer
    carried: Flags
    """Whether it can carry what is wanted of the volume; what follows means nothing where it cannot."""
    moved: Ints
    """Bytes of the files and of what comes along with them."""
    torrent_bytes: Ints
    """Of the .torrent, where it has to be fetched first."""
    requests: Ints
    """As the source counts them: files, archives, runs of rsync, .torrent files."""
    seconds: npt.NDArray[np.float64]
    """Without the start of the source."""

    @classmethod
    def of(
        cls, offer: Offer, load: Load, *, piece_length: int, torrents: Collection[str] = (), limit: float = 0.0
    ) -> Bill:
        """Reckon for every volume.

        Args:
            offer: the source.
            load: what is wanted.
            piece_length: of the torrents, in bytes.
            torrents: volumes whose .torrent is here already.
            limit: bytes a second of the line; 0 is none.
        """
        manner = offer.manner
        moved = np.maximum(np.where(load.loose, _loose(offer, load), _packed(offer, load, piece_length)), load.bytes)
        torrent_bytes = _torrents(offer, load, torrents)
        runs, requests = _requests(offer, load, torrent_bytes)
        latency = manner.request_seconds if offer.request_seconds is None else offer.request_seconds
        bytes_seconds = (moved + torrent_bytes) * offer.seconds_a_byte(limit)
        return cls(
            offer=offer,
            carried=_carried(offer, load),
            moved=moved,
            torrent_bytes=torrent_bytes,
            requests=requests,
            seconds=runs * manner.volume_seconds + requests * latency + bytes_seconds,
        )


def _carried(offer: Offer, load: Load) -> Flags:
    has = np.array([offer.volumes is None or name in offer.volumes for name in load.names], np.bool_)
    if offer.kind == "torrent":
        has &= np.array([entry.torrent is not None for entry in load.entries], np.bool_)
    return has if offer.members != "none" else has & load.loose


def _loose(offer: Offer, load: Load) -> Ints:
    """Bytes that are moved where files lie loose."""
    return load.bytes if offer.manner.block == 1 else load.rounded(offer.manner.block)


def _packed(offer: Offer, load: Load, piece_length: int) -> Ints:
    """Bytes that are moved where files lie in archives.

    A member begins anywhere in a piece, so on average it touches as much as itself and a piece.
    """
    match offer.members:
        case "ranges" | "none":
            return load.bytes
        case "pieces":
            moved: Ints = load.bytes + load.files * piece_length
        case "archives":
            touched, mean = load.archives()
            moved = touched * mean
    return np.minimum(moved, load.whole, dtype=np.int64)


def _requests(offer: Offer, load: Load, torrent_bytes: Ints) -> tuple[Ints, Ints]:
    """How often something is set up, and how many requests are made."""
    if offer.kind == "torrent":
        return np.ones_like(load.files), np.minimum(torrent_bytes, 1)
    files = load.files
    if offer.members == "archives":
        files = np.where(load.loose, files, load.archives()[0])
    if offer.manner.run_files:
        runs = -(-files // offer.manner.run_files)
        return runs, runs
    return np.ones_like(files), files


def _torrents(offer: Offer, load: Load, torrents: Collection[str]) -> Ints:
    """Bytes of the .torrent files that are not here yet."""
    if offer.kind != "torrent":
        return np.zeros_like(load.files)
    sizes = [0 if entry.torrent is None or entry.name in torrents else entry.torrent.size for entry in load.entries]
    return np.array(sizes, np.int64)
