"""What trackers say of torrents: the scrape over HTTP (BEP 48) and over UDP (BEP 15).

The one module of this room that speaks to a network. An answer comes from a stranger: it is bounded in bytes, in parts
and in time, it is taken only where it belongs to the question, and numbers that nobody can have are refused. A redirect
is followed to another HTTP address and nowhere else.

Nothing here announces, retries a tracker that failed, or knows what is done with the numbers. How long the system takes
to look up a name is the one thing that the deadline of `ask` does not cut short. Sources: BEP 15, BEP 48.
"""

from __future__ import annotations

import io
import secrets
import socket
import ssl
import struct
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException, HTTPResponse, HTTPSConnection
from typing import Self
from urllib.parse import SplitResult, quote_from_bytes, urljoin, urlsplit

from tagswarm.manifests import bencode
from tagswarm.manifests.errors import TagswarmError, TransportError
from tagswarm.manifests.paths import escape
from tagswarm.manifests.version import VERSION

HTTP_HASHES = 50
"""Infohashes of one request over HTTP: at most 3,600 bytes of URL, where servers take 4,096 and trackers 64 hashes."""

UDP_HASHES = 74
"""Infohashes of one request over UDP, as BEP 15 has it: more would not fit into one packet."""

ANSWER_LIMIT = 1 << 20
"""Bytes of an answer over HTTP; an honest one has 5,000, or more where a tracker tells of all that it knows."""

TOKENS = 100_000
"""Parts of a bencoded answer."""

REDIRECTS = 3

COUNT_LIMIT = 10_000_000
"""Peers that no torrent has: a larger number is a mistake or a lie, such as the -1 of some trackers."""

FIRST_WAIT = 3.0
"""Seconds until a packet is sent again, doubled each time. BEP 15 begins with 15; but here a person waits."""

CONNECTION_LIFE = 60.0
"""Seconds for which the connection id of a UDP tracker may be used."""

SHOWN = 200
"""Characters of what a tracker says that a message repeats."""

_MAGIC = bytes.fromhex("0000041727101980")
_CONNECT, _SCRAPE, _ERROR = (number.to_bytes(4) for number in (0, 2, 3))
_PACKET = 4096


@dataclass(frozen=True, slots=True)
class Counts:
    """What a tracker says of one torrent; 0 where it says nothing."""

    seeders: int = 0
    leechers: int = 0
    completed: int = 0
    """How often it was downloaded whole, as far as the tracker remembers."""

    def __or__(self, other: Counts) -> Counts:
        """The larger of each: the same peers stand in the lists of many trackers, and of both infohashes."""
        return Counts(
            max(self.seeders, other.seeders), max(self.leechers, other.leechers), max(self.completed, other.completed)
        )


Ask = Callable[[str, Sequence[bytes], float], dict[bytes, Counts]]
"""A way to ask one tracker, as `ask` does."""


def ask(tracker: str, hashes: Sequence[bytes], seconds: float) -> dict[bytes, Counts]:
    """What one tracker says of torrents; those it does not know are left out.

    Args:
        tracker: its announce URL: http, https or udp.
        hashes: infohashes of 20 bytes; those of v2 are cut to that length (BEP 52).
        seconds: how long all of it may take.

    Raises:
        TransportError: it did not answer, or not with a scrape; the message begins with the tracker.
    """
    deadline = _Deadline(seconds)
    try:
        parts = urlsplit(tracker)
        if parts.scheme in ("http", "https"):
            place = scrape_place(parts)
            return _ask_all(lambda some: _over_http(place, some, deadline), hashes, HTTP_HASHES)
        if parts.scheme == "udp":
            if not parts.hostname or not parts.port:
                raise TransportError("a UDP tracker has a host and a port: udp://host:port")
            with _Udp(parts.hostname, parts.port, deadline) as udp:
                return _ask_all(udp.scrape, hashes, UDP_HASHES)
        raise TransportError("only trackers of http, https and udp can be scraped")
    except TimeoutError as failure:
        raise TransportError(f"{escape(tracker)}: no whole answer within {seconds:g} seconds") from failure
    except TagswarmError as failure:
        raise TransportError(f"{escape(tracker)}: {failure.message}") from failure
    except (OSError, HTTPException, ValueError) as failure:
        said = (failure.strerror if isinstance(failure, OSError) else "") or str(failure) or type(failure).__name__
        raise TransportError(f"{escape(tracker)}: {escape(said[:SHOWN])}") from failure


def scrape_place(announce: SplitResult) -> SplitResult:
    """Where a tracker of HTTP is scraped: its announce URL with the last `announce` made `scrape` (BEP 48).

    Raises:
        TransportError: the last part of its path does not begin with `announce`.
    """
    folder, slash, last = announce.path.rpartition("/")
    if not last.startswith("announce"):
        raise TransportError("cannot be scraped: the last part of its path does not begin with announce")
    return announce._replace(path=f"{folder}{slash}scrape{last.removeprefix('announce')}", fragment="")


def _ask_all(
    request: Callable[[Sequence[bytes]], dict[bytes, Counts]], hashes: Sequence[bytes], size: int
) -> dict[bytes, Counts]:
    """Ask in requests of `size` hashes, and again for what is missing: some trackers tell of a few at a time."""
    found: dict[bytes, Counts] = {}
    for start in range(0, len(hashes), size):
        missing = hashes[start : start + size]
        while missing and (told := request(missing)):
            found |= told
            missing = [infohash for infohash in missing if infohash not in told]
    return found


class _Deadline:
    """A moment by which all must be done."""

    def __init__(self, seconds: float) -> None:
        self.at = time.monotonic() + seconds

    def left(self) -> float:
        """Seconds that are left; a TimeoutError where there are none."""
        if (left := self.at - time.monotonic()) <= 0:
            raise TimeoutError
        return left


def _over_http(place: SplitResult, hashes: Sequence[bytes], deadline: _Deadline) -> dict[bytes, Counts]:
    """One request; what the answer tells of other torrents is dropped."""
    asked = "&".join(f"info_hash={quote_from_bytes(infohash, safe='')}" for infohash in hashes)
    data = _get(place._replace(query=f"{place.query}&{asked}" if place.query else asked).geturl(), deadline)
    match bencode.decode(data, limit=ANSWER_LIMIT, tokens=TOKENS, depth=8):
        case {b"failure reason": bytes() as reason}:
            raise TransportError(f"refuses: {escape(reason[:SHOWN].decode('utf-8', 'replace'))}")
        case {b"files": dict() as files}:
            return {infohash: _of_dictionary(files[infohash]) for infohash in hashes if infohash in files}
    raise TransportError("its answer is no scrape: there are no files in it")


def _of_dictionary(said: bencode.Value) -> Counts:
    if not isinstance(said, dict):
        raise TransportError("its answer is no scrape: a torrent has no counts")
    numbers = [said.get(key, 0) for key in (b"complete", b"incomplete", b"downloaded")]
    return _counted([number if isinstance(number, int) else -1 for number in numbers])


def _counted(numbers: Sequence[int]) -> Counts:
    for number in numbers:
        if not 0 <= number <= COUNT_LIMIT:
            raise TransportError(f"its answer counts {number} peers, which cannot be")
    return Counts(*numbers)


def _get(url: str, deadline: _Deadline) -> bytes:
    """The body that a URL leads to."""
    for _ in range(REDIRECTS + 1):
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise TransportError(f"redirects to {escape(url[:SHOWN])}, which is not http or https")
        with closing(_connection(parts, deadline)) as connection:
            target = parts._replace(scheme="", netloc="").geturl()
            connection.request("GET", target, headers={"User-Agent": f"tagswarm/{VERSION}"})
            with _Response(connection.sock, deadline) as response:
                response.begin()
                location = response.headers.get("Location")
                if response.status == 200:
                    return _body(response)
                if location is None or response.status not in (301, 302, 303, 307, 308):
                    raise TransportError(f"answers with the status {response.status}")
                url = urljoin(url, location)
    raise TransportError(f"redirects more than {REDIRECTS} times")


def _connection(parts: SplitResult, deadline: _Deadline) -> HTTPConnection:
    host = parts.hostname or ""
    if parts.scheme == "http":
        return HTTPConnection(host, parts.port, timeout=deadline.left())
    return HTTPSConnection(host, parts.port, timeout=deadline.left(), context=ssl.create_default_context())


def _body(response: HTTPResponse) -> bytes:
    data = bytearray()  # it may come byte by byte
    while chunk := response.read1(ANSWER_LIMIT):
        data += chunk
        if len(data) > ANSWER_LIMIT:
            raise TransportError(f"answers with more than {ANSWER_LIMIT} bytes")
    return bytes(data)


class _Paced(io.RawIOBase):
    """The bytes of a socket, until a deadline: each read alone may be short, and there may be many."""

    def __init__(self, source: socket.socket, deadline: _Deadline) -> None:
        self._socket, self._deadline = source, deadline

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        self._socket.settimeout(self._deadline.left())
        return self._socket.recv_into(buffer)


class _Response(HTTPResponse):
    """An answer that must be there by a deadline, head and body, however slowly it drips in."""

    def __init__(self, source: socket.socket, deadline: _Deadline) -> None:
        super().__init__(source)
        self.fp.close()
        self.fp = io.BufferedReader(_Paced(source, deadline))


class _Udp:
    """A UDP tracker, and the connection id that it gave."""

    def __init__(self, host: str, port: int, deadline: _Deadline) -> None:
        self._deadline = deadline
        self._socket = _reached(host, port)
        self._id, self._id_until = b"", 0.0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def scrape(self, hashes: Sequence[bytes]) -> dict[bytes, Counts]:
        """One request; a tracker that tells of fewer than were asked for tells of the first ones."""
        told = self._exchange(_SCRAPE, b"".join(hashes), 12)
        known = min(len(told) // 12, len(hashes))
        numbers = struct.iter_unpack(">III", told[: 12 * known])
        return {
            infohash: _counted((seeders, leechers, completed))
            for infohash, (seeders, completed, leechers) in zip(hashes, numbers, strict=False)
        }

    def _connected(self) -> bytes:
        if time.monotonic() >= self._id_until:
            self._id = self._exchange(_CONNECT, b"", 8)[:8]
            self._id_until = time.monotonic() + CONNECTION_LIFE
        return self._id

    def _exchange(self, action: bytes, body: bytes, least: int) -> bytes:
        """Send a request until it is answered with `least` bytes or more; every other packet is dropped."""
        transaction, wait = secrets.token_bytes(4), FIRST_WAIT
        while True:
            connection = _MAGIC if action == _CONNECT else self._connected()
            self._socket.send(connection + action + transaction + body)
            if (answer := self._answer(action, transaction, least, wait)) is not None:
                return answer
            wait *= 2

    def _answer(self, action: bytes, transaction: bytes, least: int, wait: float) -> bytes | None:
        """What follows action and transaction id in the answer; None where none came within `wait` seconds."""
        until = time.monotonic() + wait
        while (left := min(until - time.monotonic(), self._deadline.left())) > 0:
            self._socket.settimeout(left)
            try:
                packet = self._socket.recv(_PACKET)
            except TimeoutError:
                continue
            if packet[4:8] != transaction:
                continue
            if packet[:4] == _ERROR:
                raise TransportError(f"refuses: {escape(packet[8 : 8 + SHOWN].decode('utf-8', 'replace'))}")
            if packet[:4] == action and len(packet) >= 8 + least:
                return packet[8:]
        return None


def _reached(host: str, port: int) -> socket.socket:
    """A socket that takes packets of this one address only; the first one of the host that has a route."""
    refused: OSError | None = None
    for family, kind, protocol, _, address in socket.getaddrinfo(host, port, type=socket.SOCK_DGRAM):
        one = socket.socket(family, kind, protocol)
        try:
            one.connect(address)
        except OSError as failure:
            one.close()
            refused = failure
        else:
            return one
    raise refused or OSError(f"{host} has no address")
