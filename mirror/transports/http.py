"""Items from a web server, over HTTP/1.1 connections that are used again: one request a file, one a range of members.

A file is gone on with under the condition that it is still the same (If-Range). Redirects are followed by hand, so that
credentials stay with the host they were given for. Nothing here asks twice; wrappers do. Source: RFC 9110, 9112.
"""

from __future__ import annotations

import base64
import contextlib
import os
import ssl
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from urllib.parse import quote

import aiohttp
from yarl import URL

from tagswarm.manifests.errors import TransportError
from tagswarm.manifests.version import VERSION

from . import answers
from .answers import Refusal
from .body import Body
from .pace import Pace
from .ranged import Limits, Part, RangedSource
from .rate import Rate

MOST_REDIRECTS = 5

_BUFFER = 1 << 18
"""Bytes that wait in a connection before its reading pauses."""


class HttpSource(RangedSource):
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
        self._given = address
        self._base, self._credentials = _parsed(address)
        super().__init__(str(self._base), width=width)
        self._root = self.address.rstrip("/") + "/"
        self._limits = limits or Limits()
        self._rate = rate or Rate()
        self._context = context
        self._session: aiohttp.ClientSession | None = None
        self._closed = False

    async def aclose(self) -> None:
        """End all connections; what is under way is given up."""
        self._closed = True
        if self._session is not None:
            await self._session.close()

    @contextlib.asynccontextmanager
    async def _asked(self, path: str, part: Part | None) -> AsyncIterator[Body]:
        """The body of a file or a part of it, while the block runs; the block's own waiting counts as the server's."""
        headers = {} if part is None else {"Range": str(part)}
        if part is not None and part.state:
            headers["If-Range"] = part.state
        try:
            async with (
                self._slots,
                Pace(self._limits.window, self._limits.least) as pace,
                await self._answer(path, headers) as response,
            ):
                answers.check_status(response.status, response.headers, datetime.now(UTC))
                yield Body(response.status, response.headers, response.content, pace, self._rate)
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


def _unreachable(failure: Exception) -> str:
    number = getattr(failure, "errno", None)
    said = os.strerror(number) if isinstance(number, int) and number > 0 else ""
    return f"no connection: {said}" if said else "no connection, or it broke"
