"""Items by BitTorrent: exactly the pieces that carry them, of many volumes at once, from peers and web seeds.

`Arrived` means no more than the seam says. Fetched pieces have the hashes of the torrent, but what is remembered from
an earlier call or reused from another tree is believed by its size alone. Where such an item is found wrong, remove its
file and ask again, without `reuse` where it came from there; or ask the next source.

Nothing here verifies against a manifest, decides what comes by torrent, or seeds what is complete.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Iterable, Mapping, Sequence
from pathlib import Path

from tagswarm.manifests.errors import StoreError, TagswarmError, TransportError
from tagswarm.manifests.paths import escape
from tagswarm.manifests.torrentfile import parse
from tagswarm.mirror.swarm import Swarm

from . import torrentfiles, torrentresume
from .base import Arrived, Failed, Item, Reason
from .torrentcover import Covered, cover
from .torrentvolume import Ready, Sources, TorrentVolume, to_end

Outcome = Arrived | Failed


class TorrentTransport:
    """A source of items: the swarms of their volumes."""

    def __init__(
        self,
        swarm: Swarm,
        torrents: Mapping[str, bytes] | Callable[[str], bytes],
        *,
        peers: Sequence[tuple[str, int]] = (),
        web_seeds: Sequence[str] = (),
        stall: float = 60,
        reuse: Path | None = None,
        save_every: float = 5,
        together: int = 100,
    ) -> None:
        """Take a session and the .torrent of every volume by the volume's name.

        Args:
            swarm: a session that checks hashes; it is not closed here, and has none of these volumes in it yet.
            torrents: a mapping, or a function that may take its time and raises a `KeyError` where there is none.
            peers: host and port of peers that are known beside those that trackers and the DHT name.
            web_seeds: URLs of BEP 19 beside those of the torrents.
            stall: seconds without progress after which what is missing of a volume is given up.
            reuse: a tree with the same paths, such as last year's. A file of the right size in it is given a second
                name in staging (or copied, where the file system has no links) and handed on at once, a member of an
                archive copied out of it. Nothing is compared: whoever verifies finds out, and asks again without it.
            save_every: seconds between two notes of what can be read; a kill costs what came since the last one.
            together: volumes that are joined at a time.
        """
        self._swarm = swarm
        self._torrents = torrents if callable(torrents) else torrents.__getitem__
        self._sources = Sources(tuple(peers), tuple(web_seeds))
        self._stall = stall
        self._reuse = reuse
        self._save_every = save_every
        self._together = together

    async def fetch(self, items: Iterable[Item], staging: Path) -> AsyncGenerator[Outcome, None]:
        """Fetch items, each with one outcome; see `Transport.fetch`. Outcomes wait in memory for whoever iterates."""
        volumes: dict[str, list[Item]] = {}
        for item in items:
            volumes.setdefault(item.volume, []).append(item)
        outcomes: asyncio.Queue[Outcome | None] = asyncio.Queue()
        fetching = asyncio.create_task(self._fetch_all(volumes, staging, outcomes))
        try:
            while (outcome := await outcomes.get()) is not None:
                yield outcome
            await fetching
        finally:
            fetching.cancel()
            await asyncio.gather(fetching, return_exceptions=True)

    async def _fetch_all(
        self, volumes: dict[str, list[Item]], staging: Path, outcomes: asyncio.Queue[Outcome | None]
    ) -> None:
        pending = iter(sorted(volumes.items()))

        async def work() -> None:
            for name, items in pending:
                await self._fetch_volume(name, items, staging, outcomes.put_nowait)

        try:
            async with asyncio.TaskGroup() as group:
                for _ in range(min(self._together, len(volumes))):
                    group.create_task(work())
        finally:
            outcomes.put_nowait(None)

    async def _fetch_volume(self, name: str, items: list[Item], staging: Path, give: Callable[[Outcome], None]) -> None:
        ready, settled = await to_end(self._prepare, name, items, staging)
        for outcome in settled:
            give(outcome)
        if ready is not None:
            volume = TorrentVolume(self._swarm, ready, staging, give, stall=self._stall, save_every=self._save_every)
            await volume.run(self._sources)

    def _prepare(self, name: str, items: list[Item], staging: Path) -> tuple[Ready | None, list[Outcome]]:
        """Find the items in the torrent of their volume: what is to be fetched, and the outcome of all others."""

        def failed(reason: Reason, detail: str) -> tuple[None, list[Outcome]]:
            return None, [Failed(item, reason, detail) for item in items]

        try:
            data = self._torrents(name)
            torrent = parse(data)
        except KeyError:
            return failed("unlisted", f"the volume {escape(name)} has no torrent")
        except TagswarmError as failure:
            reason: Reason = "unreachable" if isinstance(failure, TransportError) else "unlisted"
            return failed(reason, escape(f"the torrent of the volume {name}: {failure.message}"))
        covered: list[Covered] = []
        settled: list[Outcome] = []
        for outcome in cover(torrent, items):
            if isinstance(outcome, Failed):
                settled.append(outcome)
            elif (found := self._reused(staging, outcome)) is not None:
                settled.append(found)
            else:
                covered.append(outcome)
        infohash = torrent.infohash_v2 or torrent.infohash_v1 or ""
        pieces = -(-(torrent.entries[-1].offset + torrent.entries[-1].size) // torrent.piece_length)
        try:
            had = torrentresume.load(staging, infohash, pieces)
            there = torrentfiles.sift(staging, {one.file for one in covered}, had)
        except StoreError as failure:
            return failed("disk", escape(failure.message))
        complete = [one for one in covered if there.issuperset(one.pieces)]
        missing = [one for one in covered if not there.issuperset(one.pieces)]
        settled += torrentfiles.land(staging, complete)
        return (Ready(data, infohash, pieces, missing, there) if missing else None), settled

    def _reused(self, staging: Path, covered: Covered) -> Arrived | None:
        return (
            torrentfiles.reuse(staging, self._reuse, covered) if self._reuse is not None and covered.item.size else None
        )
