"""A foreign peer on loopback: a libtorrent session that fetches whole volumes, and whether they are what they must be."""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tagswarm.manifests import manifest
from tagswarm.manifests.models import VolumeEntry
from tagswarm.mirror.swarm import Event, Flushed, Had, Joined, Settings, Status, Swarm
from tests.publisher import NAME

PATIENCE = 60
"""Seconds after which a download that does not end is a failure."""


@dataclass
class Fetched:
    """Where the download of a volume stood when it was no longer waited for."""

    status: Status | None = None
    had: set[int] = field(default_factory=set)
    """Pieces that were accepted."""
    flushed: threading.Event = field(default_factory=threading.Event)

    def hear(self, event: Event) -> None:
        match event:
            case Had():
                self.had.update(event.pieces)
            case Flushed():
                self.flushed.set()

    @property
    def whole(self) -> bool:
        """Whether everything has come."""
        return self.status is not None and self.status.state in ("finished", "seeding")


def fetch(
    dataset: Path, volumes: Sequence[VolumeEntry], port: int, target: Path, *, seconds: float = PATIENCE
) -> list[Fetched]:
    """Fetch volumes from the peer on a port, until they are whole or the time is over; all is on the disk then."""
    target.mkdir(exist_ok=True)
    fetched = [Fetched() for _ in volumes]
    with Swarm(Settings.loopback()) as swarm:
        joined: list[Joined] = []
        for volume, each in zip(volumes, fetched, strict=True):
            assert volume.torrent is not None
            data = (dataset / volume.torrent.path).read_bytes()
            joined.append(swarm.join(data, target, each.hear, peers=[("127.0.0.1", port)]))
        deadline = time.monotonic() + seconds
        while not all(each.whole for each in fetched) and time.monotonic() < deadline:
            time.sleep(0.05)
            for each, download in zip(fetched, joined, strict=True):
                each.status = download.status()
        for each, download in zip(fetched, joined, strict=True):
            download.flush()
            assert each.flushed.wait(PATIENCE)
    return fetched


def differing(dataset: Path, volume: VolumeEntry, target: Path) -> dict[str, bytes | None]:
    """The files of a volume that did not come as the manifest has them, and what came instead."""
    found: dict[str, bytes | None] = {}
    for file in manifest.read(dataset, volume).files:
        path = target / NAME / file.path
        data = path.read_bytes() if path.exists() else None
        if file.size and (data is None or hashlib.sha256(data).hexdigest() != file.sha256):
            found[file.path] = data
    return found
