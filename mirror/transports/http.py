"""Items from a web server, over HTTP/1.1 connections that are used again: one request a file, one a range of members.

A body is taken up to the size of its items and never further. Files of more than 8 MiB are gone on with after a cut or
a kill, as long as the server says that they are still the same (If-Range). Redirects are followed by hand, so that
credentials stay with the host they were given for. Nothing here asks twice; wrappers do. Source: RFC 9110, 9112.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import os
import ssl
from collections.abc import AsyncGenerator, AsyncIterator, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import quote

import aiohttp
from yarl import URL

from tagswarm.manifests import disk
from tagswarm.manifests.errors import LimitExceeded, StoreError, TransportError
from tagswarm.manifests.paths import escape
from tagswarm.manifests.version import VERSION

from . import answers
from .answers import Refusal
from .base import Arrived, Item
from .body import Body
from .pace import Pace
from .perfile import Outcome, each
from .ranges import Request, requests
from .rate import Rate
from .staging import Staging

RESUMED = 8 << 20
"""Bytes above which a file that broke off is gone on with."""

MOST_REDIRECTS = 5

_BUFFER = 1 << 18
"""Bytes that wait in a connection before its reading pauses."""

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


class HttpSource:
    """A dataset on a web server.

    Args:
        address: where the dataset begins, `https://host/danbooru`, perhaps with `user:password@`.
        width: requests at a time.
        limits: how long is waited.
        rate: bytes a second, shared with other sources.
        context: what certificates are checked with; None is what the system trusts.

    Raises:
        TransportError: the address is none.
    """

    def __init__(
        self,
        address: str,
        *,
        width: int = 16,
        limits: Limits | None = None,
        rate: Rate | None = None,
        context: ssl.SSLContext | None = None,
    ) -> None:
        self._base, self._credentials = _parsed(address)
        self.address = str(self._base)
        self._root = self.address.rstrip("/") + "/"
        self._width = width
        self._limits = limits or Limits()
        self._rate = rate or Rate()
        self._context = context
        self._slots = asyncio.Semaphore(width)
        self._session: aiohttp.ClientSession | None = None
        self._closed = False

    def fetch(self, items: Iterable[Item], staging: Path) -> AsyncGenerator[Outcome, None]:
        """Carry items into `staging`; members of an archive that follow each other closely come with one request."""
        places = Staging(staging)

        async def work(request: Request) -> Sequence[Outcome]:
            return await self._bring(request, places)

        return each(requests(items), work, width=self._width)

    async def read(self, path: str, *, limit: int) -> bytes | None:
        """The bytes of a file by its path in the dataset, or None where the server answers 404 or 410.

        Raises:
            LimitExceeded: it is larger than `limit` bytes; no more than these were taken.
            TransportError: the server does not answer as it should.
        """
        data = bytearray()
        try:
            async with self._asked(path, {}) as body:
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

    async def aclose(self) -> None:
        """End all connections; what is under way is given up."""
        self._closed = True
        if self._session is not None:
            await self._session.close()

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
        headers = _range(request.begin, request.end) if request.ranged else {}
        async with self._asked(request.path, headers) as body:
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
                await self._go_on(request, aside, note, known)
            aside.commit(sync=False)
            disk.remove(note)
        arrived.append(Arrived(item, place))

    async def _go_on(self, request: Request, aside: disk.Aside, note: Path, known: str) -> None:
        """Bring what a file aside still lacks; `note` keeps what the server calls the state that its bytes are of."""
        begin = request.begin + aside.size
        headers = _range(begin, request.end) if request.ranged or aside.size else {}
        if aside.size:
            headers["If-Range"] = known
        async with self._asked(request.path, headers) as body:
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

    @contextlib.asynccontextmanager
    async def _asked(self, path: str, headers: dict[str, str]) -> AsyncIterator[Body]:
        """The body of a file or a part of it, while the block runs; the block's own waiting counts as the server's."""
        try:
            async with (
                self._slots,
                Pace(self._limits.window, self._limits.least) as pace,
                await self._answer(path, headers) as response,
            ):
                answers.check_status(response.status, response.headers, datetime.now(UTC))
                yield Body(response, pace, self._rate)
        except aiohttp.ClientPayloadError:
            raise Refusal("cut", "the connection broke before all bytes came") from None
        except aiohttp.ClientSSLError:
            raise Refusal(
                "unreachable", "no secure connection: the certificate or the protocol is not accepted"
            ) from None
        except (aiohttp.ClientResponseError, aiohttp.InvalidURL):
            raise Refusal("damaged", "the server does not speak HTTP as it should") from None
        except aiohttp.ClientError as failure:
            raise Refusal("unreachable", _unreachable(failure)) from None
        except TimeoutError:
            raise Refusal("stalled", f"too few bytes came in {self._limits.window:g} seconds") from None
        except OSError as failure:
            raise Refusal("unreachable", _unreachable(failure)) from None
        except RuntimeError:  # what aiohttp says of a connection or session that was closed meanwhile
            raise Refusal("unreachable", "the source was closed") from None

    async def _answer(self, path: str, headers: dict[str, str]) -> aiohttp.ClientResponse:
        """The answer at the end of the redirects."""
        url = URL(self._root + quote(path, safe="/", errors="surrogatepass"), encoded=True)
        for _ in range(MOST_REDIRECTS + 1):
            known = self._credentials is not None and url.origin() == self._base.origin()
            sent = {**headers, "Authorization": self._credentials} if known and self._credentials else headers
            response = await self._connected().get(url, headers=sent, allow_redirects=False)
            if response.status not in answers.REDIRECTS:
                return response
            response.release()
            url = answers.redirected(url, response.headers.get("Location", ""))
        raise Refusal("refused", f"the server redirects more than {MOST_REDIRECTS} times")

    def _connected(self) -> aiohttp.ClientSession:
        if self._closed:
            raise Refusal("unreachable", "the source was closed")
        if self._session is None:  # made here, because it belongs to the loop that runs
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=0, ssl=self._context or True),
                cookie_jar=aiohttp.DummyCookieJar(),
                headers={"Accept-Encoding": "identity", "User-Agent": f"tagswarm/{VERSION}"},
                auto_decompress=False,
                timeout=aiohttp.ClientTimeout(total=None, connect=self._limits.connect),
                read_bufsize=_BUFFER,
            )
        return self._session


def _parsed(address: str) -> tuple[URL, str | None]:
    """An address without its credentials, and these as a header."""
    try:
        url = URL(address)
    except ValueError:
        url = URL()
    if url.scheme not in ("http", "https") or not url.host or url.query_string or url.fragment:
        raise TransportError(
            "the address is not that of a folder on a web server",
            hint="Give it as https://host/folder, without ? and #.",
        )
    if url.user is None and url.password is None:
        return url, None
    credentials = base64.b64encode(f"{url.user or ''}:{url.password or ''}".encode())
    return url.with_user(None), f"Basic {credentials.decode()}"


def _range(begin: int, end: int) -> dict[str, str]:
    return {"Range": f"bytes={begin}-{end - 1}"}


def _noted(note: Path) -> str:
    """What the server called the state that the bytes aside are of; empty where nobody knows."""
    try:
        return disk.read(note, limit=_VALIDATOR_LIMIT).decode("ascii")
    except (StoreError, UnicodeDecodeError):
        return ""


def _unreachable(failure: Exception) -> str:
    number = getattr(failure, "errno", None)
    said = os.strerror(number) if isinstance(number, int) and number > 0 else ""
    return f"no connection: {said}" if said else "no connection, or it broke"
