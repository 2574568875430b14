"""The bytes of an answer of a web server, taken as far as they are wanted and no further.

Who slows down because of a limit slows down the server: no more than a buffer is read ahead. Nothing here asks.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Protocol

from tagswarm.manifests import disk

from . import answers
from .answers import Refusal
from .pace import Pace
from .ranges import Request
from .rate import Rate

SKIPPED = 8 << 20
"""Bytes that are read and dropped where a server sends a whole file for a part of it; further on it cannot carry it."""


class Content(Protocol):
    """Bytes as they come from a connection."""

    async def readany(self) -> bytes:
        """Some bytes as soon as there are any; none at the end."""


class Body:
    """The bytes of an answer, taken as far as they are wanted."""

    def __init__(self, status: int, headers: Mapping[str, str], content: Content, pace: Pace, rate: Rate) -> None:
        self.status = status
        self.headers = headers
        self._content = content
        self._pace = pace
        self._rate = rate
        self._rest = b""

    async def begin(self, request: Request, begin: int) -> bool:
        """Come to the first byte that is wanted: `begin` in the part asked for, or in a whole file that of the request.

        Returns:
            whether it is the part.

        Raises:
            Refusal: the bytes that come are others, or lie too far in a whole file.
        """
        if (request.ranged or begin) and answers.check_part(self.status, self.headers, begin, request.end):
            return True
        if not request.ranged:
            answers.check_whole(self.status, self.headers, request.end)
        if request.begin > SKIPPED:
            raise Refusal("unlisted", "the server sends whole files only, and this one is too large for a part of it")
        await self.skip(request.begin)
        return False

    async def some(self, most: int) -> bytes:
        """The next bytes, at most `most`; none at the end."""
        if not self._rest:
            self._rest = await self._content.readany()
            self._pace.received(len(self._rest))
            if pause := self._rate.take(len(self._rest)):
                self._pace.excused(pause)
                await asyncio.sleep(pause)
        data, self._rest = self._rest[:most], self._rest[most:]
        return data

    async def skip(self, count: int) -> None:
        """Drop the next bytes."""
        while count:
            count -= len(await self._next(count))

    async def fill(self, aside: disk.Aside, count: int) -> None:
        """Write the next bytes to a file."""
        while count:
            count -= aside.write(await self._next(count))

    async def check_end(self) -> None:
        """Raise where more bytes follow than the file has."""
        if await self.some(1):
            raise Refusal("damaged", "the server sends more bytes than the file has")

    async def _next(self, most: int) -> bytes:
        data = await self.some(most)
        if not data:
            raise Refusal("cut", f"the body ends {most} bytes early")
        return data
