"""Items from whoever sends files and parts of files when asked for one: what web servers and buckets have in common.

A body is taken up to the size of its items and never further. Files of more than 8 MiB are gone on with after a cut or
a kill, as long as the server says that they are still the same. Nothing here knows how a server is asked.
"""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, Iterable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from pathlib import Path

from tagswarm.manifests import disk
from tagswarm.manifests.errors import LimitExceeded, StoreError, TransportError
from tagswarm.manifests.paths import escape

from . import answers
from .answers import Refusal
from .base import Arrived, Item
from .body import Body
from .perfile import Outcome, each
from .ranges import Request, requests
from .staging import Staging

RESUMED = 8 << 20
"""Bytes above which a file that broke off is gone on with."""

_VALIDATOR_LIMIT = 256


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How long is waited, and for how much."""

    connect: float = 20.0
    """Seconds until a connection stands."""
    window: float = 30.0
    """Seconds in which at least `window * least` bytes must come; a file lasts `size / least` and a window at most.
    Three attempts at a server that says nothing are over in two minutes."""
    least: float = 1000.0
    """Bytes a second."""


@dataclass(frozen=True, slots=True)
class Part:
    """Bytes of a file."""

    begin: int
    end: int
    """After the last byte; larger than `begin`."""
    state: str = ""
    """What the server called the state of the file that they must be of; empty where any will do."""

    def __str__(self) -> str:
        """As the header Range has it (RFC 9110, section 14.2)."""
        return f"bytes={self.begin}-{self.end - 1}"


class Changed(Exception):
    """The file at the server is not in the state that was asked for."""


class RangedSource(ABC):
    """A dataset at a server that can be asked for files and parts of them.

    Args:
        address: where it is, without credentials.
        width: requests at a time.
    """

    def __init__(self, address: str, *, width: int) -> None:
        self.address = address
        self._width = width
        self._slots = asyncio.Semaphore(width)

    @abstractmethod
    def _asked(self, path: str, part: Part | None) -> AbstractAsyncContextManager[Body]:
        """The body of a file or a part of it, while the block runs; the block's own waiting counts as the server's.

        Raises:
            Changed: the server says so before it sends a byte, and does not send the whole file instead.
            Refusal: there is none; everything else that goes wrong with the server inside the block becomes one too.
        """

    def fetch(self, items: Iterable[Item], staging: Path) -> AsyncGenerator[Outcome, None]:
        """Carry items into `staging`; members of an archive that follow each other closely come with one request."""
        places = Staging(staging)

        async def work(request: Request) -> Sequence[Outcome]:
            return await self._bring(request, places)

        return each(requests(items), work, width=self._width)

    async def read(self, path: str, *, limit: int) -> bytes | None:
        """The bytes of a file by its path in the dataset, or None where the server says that there is none.

        Raises:
            LimitExceeded: it is larger than `limit` bytes; no more than these were taken.
            TransportError: the server does not answer as it should.
        """
        data = bytearray()
        try:
            async with self._asked(path, None) as body:
                answers.check_whole(body.status, body.headers, None)
                if (answers.length(body.headers) or 0) <= limit:
                    while len(data) <= limit and (chunk := await body.some(limit + 1 - len(data))):
                        data += chunk
                    if len(data) <= limit:
                        return bytes(data)
        except Refusal as refusal:
            if refusal.reason == "missing":
                return None
            raise TransportError(f"{self.address}: {escape(path)}: {refusal.detail}") from refusal
        raise LimitExceeded(f"{self.address}: {escape(path)}: larger than the {limit} bytes it may have")

    async def _bring(self, request: Request, places: Staging) -> list[Outcome]:
        arrived: list[Outcome] = []
        try:
            if request.ranged and request.begin == request.end:
                self._make_empty(request, places, arrived)
            elif len(request.items) == 1 and request.items[0].size > RESUMED:
                await self._bring_large(request, places, arrived)
            else:
                await self._bring_small(request, places, arrived)
        except Refusal as refusal:
            why = refusal
        except StoreError as failure:
            why = Refusal("disk", escape(failure.message))
        else:
            return arrived
        return arrived + [why.failed(item) for item in request.items[len(arrived) :]]

    def _make_empty(self, request: Request, places: Staging, arrived: list[Outcome]) -> None:
        """Members without a byte, which no range can ask for."""
        for item in request.items:
            with places.place(item) as place:
                disk.write(place, b"", sync=False)
            arrived.append(Arrived(item, place))

    async def _bring_small(self, request: Request, places: Staging, arrived: list[Outcome]) -> None:
        """A file, or the members of one range; each is begun anew."""
        part = Part(request.begin, request.end) if request.ranged else None
        async with self._asked(request.path, part) as body:
            await body.begin(request, request.begin)
            position = request.begin
            for item in request.items:
                with places.place(item) as place, disk.Aside(place) as aside:
                    await body.skip(item.offset - position)
                    await body.fill(aside, item.size)
                    if not request.ranged:
                        await body.check_end()
                    aside.commit(sync=False)
                position = item.offset + item.size
                arrived.append(Arrived(item, place))

    async def _bring_large(self, request: Request, places: Staging, arrived: list[Outcome]) -> None:
        """A file or member whose bytes stay aside when it breaks off."""
        [item] = request.items
        with places.place(item) as place, disk.Aside(place, keep=True) as aside:
            note = place.with_name(f"{place.name}.validator")
            known = _noted(note) if aside.size else ""
            if not known or aside.size > item.size:
                aside.restart()
            if aside.size < item.size:
                try:
                    await self._go_on(request, aside, note, known)
                except Changed:
                    aside.restart()
                    await self._go_on(request, aside, note, "")
            aside.commit(sync=False)
            disk.remove(note)
        arrived.append(Arrived(item, place))

    async def _go_on(self, request: Request, aside: disk.Aside, note: Path, known: str) -> None:
        """Bring what a file aside still lacks; `note` keeps what the server calls the state that its bytes are of."""
        begin = request.begin + aside.size
        part = Part(begin, request.end, known if aside.size else "") if request.ranged or aside.size else None
        async with self._asked(request.path, part) as body:
            state = answers.validator(body.headers)
            if not await body.begin(request, begin):
                aside.restart()
            elif aside.size and state not in ("", known):
                aside.restart()
                raise Refusal("damaged", "the file at the server changed while it was fetched")
            if not aside.size:
                disk.write(note, state.encode(), sync=False)
            await body.fill(aside, request.end - request.begin - aside.size)
            if not request.ranged:
                try:
                    await body.check_end()
                except Refusal:
                    aside.restart()
                    raise


def _noted(note: Path) -> str:
    """What the server called the state that the bytes aside are of; empty where nobody knows."""
    try:
        return disk.read(note, limit=_VALIDATOR_LIMIT).decode("ascii")
    except (StoreError, UnicodeDecodeError):
        return ""
