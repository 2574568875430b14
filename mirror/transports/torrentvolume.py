"""One volume while it is fetched: joined, followed piece by piece, and left again whatever happens.

A piece that is had is not readable yet. An item is handed on after a flush that began when its last piece was had, and
only what such a flush covers is remembered as readable (`torrentresume`): a run that was killed goes on from there
without hashing anything.

The clock of a stall starts anew with every piece. Where none comes for half of the time, the bytes are looked at as
well, so that a large piece on a slow line is no stall; less than a block, or data whose hashes are wrong, do not count.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import ParamSpec, TypeVar

from tagswarm.manifests.errors import InvalidDocument, StoreError, TransportError
from tagswarm.manifests.merkle import BLOCK
from tagswarm.mirror.swarm import Announced, Event, Flushed, Had, Joined, Swarm, Trouble

from . import torrentfiles, torrentresume
from .base import Arrived, Failed, Reason
from .torrentcover import Covered

P = ParamSpec("P")
T = TypeVar("T")


async def to_end(call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Run a blocking call in a thread, and wait for its end even when the task is cancelled meanwhile."""
    work = asyncio.ensure_future(asyncio.to_thread(call, *args, **kwargs))
    try:
        return await asyncio.shield(work)
    except asyncio.CancelledError:
        await asyncio.wait([work])
        work.exception()  # it is nobody's business any more, and asyncio is told so
        raise


@dataclass(frozen=True, slots=True)
class Sources:
    """Where a torrent comes from, beside what it names itself."""

    peers: tuple[tuple[str, int], ...]
    web_seeds: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Ready:
    """A volume before it is joined."""

    torrent: bytes
    infohash: str
    pieces: int
    """How many the torrent has."""
    covered: list[Covered]
    """What is to be fetched; every item lacks a piece."""
    had: set[int]
    """The pieces that can be read already, those of files that are not fetched included."""


class TorrentVolume:
    """A volume while it is fetched."""

    def __init__(
        self,
        swarm: Swarm,
        ready: Ready,
        staging: Path,
        give: Callable[[Arrived | Failed], None],
        *,
        stall: float,
        save_every: float,
    ) -> None:
        self._swarm = swarm
        self._ready = ready
        self._staging = staging
        self._give = give
        self._stall = stall
        self._save_every = save_every
        self._loop = asyncio.get_running_loop()
        self._events: asyncio.Queue[Event] = asyncio.Queue()
        self._joined: Joined | None = None
        self._open = dict(enumerate(ready.covered))
        """Items without an outcome."""
        self._lacking = {number: set(one.pieces) - ready.had for number, one in self._open.items()}
        """The pieces that they lack."""
        self._carried: dict[int, list[int]] = {}
        """The items that lack a piece."""
        for number, pieces in self._lacking.items():
            for piece in pieces:
                self._carried.setdefault(piece, []).append(number)
        self._had = set(ready.had)
        self._readable = set(ready.had)
        self._complete: list[int] = []
        """Items whose pieces were had since the last flush began."""
        self._fresh: list[int] = []
        """Pieces that were had since then."""
        self._flushing: tuple[list[int], list[int]] | None = None
        """Both, of the flush that is under way."""
        self._saved = self._loop.time()
        self._troubles: dict[str, str] = {}
        """The last of every kind."""
        self._hash_failures = 0

    async def run(self, sources: Sources) -> None:
        """Fetch, until every item has its outcome."""
        try:
            await to_end(self._join, sources)
            await self._follow()
        except InvalidDocument as failure:
            self._fail("unlisted", failure.message)
        except TransportError as failure:
            self._fail("refused", failure.message)
        finally:
            await self._leave()

    def _join(self, sources: Sources) -> None:
        files = {one.file for one in self._ready.covered}
        self._joined = self._swarm.join(
            self._ready.torrent,
            self._staging / torrentfiles.TREE,
            self._listen,
            wanted={piece for one in self._ready.covered for piece in one.pieces},
            have={piece for file in files for piece in file.pieces(0, file.size)} & self._ready.had,
            peers=sources.peers,
            web_seeds=sources.web_seeds,
        )

    def _listen(self, event: Event) -> None:
        """Receive an event on the thread of the swarm."""
        with contextlib.suppress(RuntimeError):  # the loop was closed under us: nobody waits any more
            self._loop.call_soon_threadsafe(self._events.put_nowait, event)

    async def _follow(self) -> None:
        measured: tuple[int, int] | None = None
        until = self._loop.time() + self._stall / 2
        while self._open:
            try:
                async with asyncio.timeout_at(until):
                    event = await self._events.get()
            except TimeoutError:
                before, measured = measured, await self._measure()
                if before is not None and (measured[0] < before[0] + BLOCK or measured[1] > before[1]):
                    self._give_up()
                    return
                until = self._loop.time() + self._stall / 2
                continue
            match event:
                case Had(pieces):
                    if self._note(pieces):
                        measured, until = None, self._loop.time() + self._stall / 2
                case Flushed():
                    await self._land()
                case Trouble("disk", detail):
                    self._fail("disk", detail)
                case Trouble("torrent", detail):
                    self._fail("refused", detail)
                case Trouble(kind, detail):
                    self._troubles[kind] = detail
                    self._hash_failures += kind == "hash"
                case Announced(peers):
                    self._troubles["tracker"] = f"the tracker knows {peers} peers"
            self._flush()

    def _note(self, pieces: Iterable[int]) -> bool:
        """Take pieces that were had, and say whether they are news."""
        news = [piece for piece in pieces if piece not in self._had]
        self._had.update(news)
        self._fresh += news
        for piece in news:
            for number in self._carried.pop(piece, ()):
                lacking = self._lacking[number]
                lacking.discard(piece)
                if not lacking:
                    self._complete.append(number)
        return bool(news)

    def _flush(self) -> None:
        """Begin a flush where an item waits for it, or pieces of a large one are worth to be remembered."""
        due = self._fresh and self._loop.time() - self._saved >= self._save_every
        if self._joined is None or self._flushing is not None or not (self._complete or due):
            return
        self._flushing = self._complete, self._fresh
        self._complete, self._fresh = [], []
        self._joined.flush()

    async def _land(self) -> None:
        """Hand on what the flush covered."""
        if self._flushing is None:
            return
        complete, fresh = self._flushing
        self._flushing = None
        self._readable.update(fresh)
        for outcome in await to_end(torrentfiles.land, self._staging, [self._open.pop(number) for number in complete]):
            self._give(outcome)
        if self._loop.time() - self._saved >= self._save_every:
            self._saved = self._loop.time()
            await to_end(self._remember, frozenset(self._readable))

    async def _measure(self) -> tuple[int, int]:
        """Bytes that came in and were of use, and how often hashes were wrong."""
        assert self._joined is not None
        status = await to_end(self._joined.status)
        self._troubles["peers"] = f"{status.peers} peers, {status.seeds} of them complete"
        return status.downloaded - status.wasted, self._hash_failures

    def _give_up(self) -> None:
        """Fail what is missing, with all that is known of the reasons."""
        known = [f"nothing came for {self._stall:g} seconds", self._troubles.get("peers", "no peers")]
        if self._hash_failures:
            known.append(f"{self._hash_failures} pieces had wrong hashes")
        known += [self._troubles[kind] for kind in ("tracker", "web-seed") if kind in self._troubles]
        known += self._swarm.troubles()[-1:]
        self._fail("damaged" if self._hash_failures else "stalled", "; ".join(known))

    def _fail(self, reason: Reason, detail: str) -> None:
        self._troubles[reason] = detail
        for covered in self._open.values():
            self._give(Failed(covered.item, reason, detail))
        self._open.clear()

    async def _leave(self) -> None:
        """Leave the swarm, after which all that was had can be read, and remember it."""
        if self._joined is None:
            return
        written = await to_end(self._swarm.leave, self._joined)
        while not self._events.empty():
            if isinstance(event := self._events.get_nowait(), Had):
                self._note(event.pieces)
        if written and "disk" not in self._troubles:
            self._readable = self._had
        await to_end(self._remember, frozenset(self._readable))

    def _remember(self, readable: frozenset[int]) -> None:
        with contextlib.suppress(StoreError):  # it costs fetching again; a full disk is told by the swarm
            torrentresume.save(self._staging, self._ready.infohash, self._ready.pieces, readable)
