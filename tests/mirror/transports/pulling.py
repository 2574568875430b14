"""A process that pulls by torrent and keeps what it verified, until it is done or killed."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import os
from dataclasses import dataclass
from pathlib import Path

from tagswarm.mirror.swarm import Settings, Swarm
from tagswarm.mirror.transports.base import Arrived, Item
from tagswarm.mirror.transports.torrent import TorrentTransport


@dataclass(frozen=True)
class Task:
    torrents: dict[str, bytes]
    wanted: dict[Item, str]
    """The SHA-256 of every item."""
    staging: Path
    store: Path
    """Where what was verified is kept, by its SHA-256."""
    peers: list[tuple[str, int]]
    web_seeds: list[str]
    download_rate: int

    def missing(self) -> dict[Item, str]:
        """What the store does not have."""
        return {item: digest for item, digest in self.wanted.items() if not (self.store / digest).exists()}


def run(task: Task) -> None:
    """Pull what the store does not have."""
    asyncio.run(_run(task))


async def _run(task: Task) -> None:
    with Swarm(Settings.loopback(download_rate=task.download_rate)) as swarm:
        transport = TorrentTransport(
            swarm, task.torrents, peers=task.peers, web_seeds=task.web_seeds, stall=20, save_every=0.1
        )
        async for outcome in transport.fetch(task.missing(), task.staging):
            assert isinstance(outcome, Arrived), outcome
            digest = hashlib.sha256(outcome.file.read_bytes()).hexdigest()
            if digest == task.wanted[outcome.item]:
                with contextlib.suppress(FileExistsError):
                    os.link(outcome.file, task.store / digest)
