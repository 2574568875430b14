"""A web server that misbehaves on request: the first folder of a path names the fault, the rest the file.

`http://127.0.0.1:PORT/cut/512px/0001/1.jpg` breaks off in the middle of that file; `fine` has no fault. What a fault does
at random follows from `seed`. It speaks HTTP by hand, because no library would say such things.
"""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import random
import re
import socket
import struct
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from typing import Final

PORTAL: Final = b"<!DOCTYPE html><html><body>Welcome to our hotel. Accept the terms to go on.</body></html>\n"
"""What a captive portal sends for every address."""


@dataclass
class Asked:
    """A request."""

    path: str
    """Without the fault."""
    headers: dict[str, str]
    """By their names in small letters."""
    turn: int
    """How often this fault was asked for this path before."""


@dataclass
class Chaos:
    """The server."""

    files: dict[str, bytes]
    seed: int = 0
    port: int = 0
    asked: Counter[str] = field(default_factory=Counter)
    """By fault and path."""
    connections: int = 0

    def __post_init__(self) -> None:
        self._random = random.Random(self.seed)

    def address(self, fault: str) -> str:
        """Where the dataset lies that has this fault."""
        return f"http://127.0.0.1:{self.port}/{fault}"

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[Chaos]:
        """Serve until the block ends, and then end every connection."""
        tasks: set[asyncio.Task[None]] = set()

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            task = asyncio.current_task()
            assert task is not None
            tasks.add(task)
            self.connections += 1
            try:
                with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
                    while await self._answer(reader, writer):
                        pass
            finally:
                tasks.discard(task)
                writer.close()

        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        try:
            yield self
        finally:
            server.close()
            for task in tuple(tasks):
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await server.wait_closed()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """Answer one request; False ends the connection."""
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        first, *lines = head.split("\r\n")
        _, target, _ = first.split(" ")
        fault, _, path = target.removeprefix("/").partition("/")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines) if name}
        asked = Asked(path, headers, self.asked[f"{fault} {path}"])
        self.asked[f"{fault} {path}"] += 1
        again = await FAULTS[fault](self, asked, writer)
        with contextlib.suppress(ConnectionError):
            await writer.drain()
        return again

    def body(self, path: str) -> bytes:
        """The bytes of a file."""
        return self.files.get(path, b"")

    def somewhere(self, data: bytes) -> int:
        """A place in the bytes that is not their end."""
        return self._random.randrange(max(1, len(data)))


Fault = Callable[[Chaos, Asked, asyncio.StreamWriter], Awaitable[bool]]


def head(status: str, length: int | None, *lines: str) -> bytes:
    """A status line and headers."""
    size = [] if length is None else [f"Content-Length: {length}"]
    return "\r\n".join((f"HTTP/1.1 {status}", *size, *lines, "", "")).encode()


def part(server: Chaos, asked: Asked) -> tuple[bytes, bytes]:
    """The head and the bytes that an honest server sends."""
    data = server.body(asked.path)
    if asked.path not in server.files:
        return head("404 Not Found", 0), b""
    wanted = re.fullmatch(r"bytes=(\d+)-(\d+)", asked.headers.get("range", ""))
    tag = 'ETag: "one"'
    if wanted is None or asked.headers.get("if-range", '"one"') != '"one"':
        return head("200 OK", len(data), tag), data
    begin, end = int(wanted[1]), min(int(wanted[2]) + 1, len(data))
    if begin >= len(data):
        return head("416 Range Not Satisfiable", 0), b""
    return head("206 Partial Content", end - begin, tag, f"Content-Range: bytes {begin}-{end - 1}/{len(data)}"), data[
        begin:end
    ]


async def fine(server: Chaos, asked: Asked, writer: asyncio.StreamWriter) -> bool:
    writer.writelines(part(server, asked))
    return True


async def cut(server: Chaos, asked: Asked, writer: asyncio.StreamWriter) -> bool:
    """The connection ends in the middle."""
    start, data = part(server, asked)
    writer.writelines((start, data[: server.somewhere(data)]))
    return False


async def cut_once(server: Chaos, asked: Asked, writer: asyncio.StreamWriter) -> bool:
    """The connection ends in the middle, and never again."""
    return await (fine if asked.turn else cut)(server, asked, writer)


async def reset(server: Chaos, asked: Asked, writer: asyncio.StreamWriter) -> bool:
    """The connection is reset in the middle."""
    start, data = part(server, asked)
    writer.writelines((start, data[: server.somewhere(data)]))
    await writer.drain()
    await asyncio.sleep(0.01)
    writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    return False


async def closed(server: Chaos, asked: Asked, writer: asyncio.StreamWriter) -> bool:
    """The connection ends without a word."""
    return False


async def silent(server: Chaos, asked: Asked, writer: asyncio.StreamWriter) -> bool:
    """No answer comes."""
    await asyncio.sleep(3600)
    return False


async def stall(server: Chaos, asked: Asked, writer: asyncio.StreamWriter) -> bool:
    """Nothing more comes from the middle on."""
    start, data = part(server, asked)
    writer.writelines((start, data[: server.somewhere(data)]))
    await asyncio.sleep(3600)
    return False


async def drip(server: Chaos, asked: Asked, writer: asyncio.StreamWriter) -> bool:
    """A byte a second comes."""
    start, data = part(server, asked)
    writer.write(start)
    for at in range(len(data)):
        writer.write(data[at : at + 1])
        await writer.drain()
        await asyncio.sleep(1)
    return False


async def drip_header(server: Chaos, asked: Asked, writer: asyncio.StreamWriter) -> bool:
    """A byte a second of a header comes, and it never ends."""
    writer.write(b"HTTP/1.1 200 OK\r\nX-Long: ")
    while True:
        writer.write(b"x")
        await writer.drain()
        await asyncio.sleep(1)


async def endless(server: Chaos, asked: Asked, writer: asyncio.StreamWriter) -> bool:
    """The body has no length and no end."""
    writer.write(head("200 OK", None, "Connection: close") + server.body(asked.path))
    while True:
        writer.write(bytes(65536))
        await writer.drain()


async def endless_chunks(server: Chaos, asked: Asked, writer: asyncio.StreamWriter) -> bool:
    """The body comes in chunks and has no end."""
    writer.write(head("200 OK", None, "Transfer-Encoding: chunked"))
    data = server.body(asked.path) or b"x"
    while True:
        writer.write(b"%x\r\n%b\r\n" % (len(data), data))
        await writer.drain()


async def endless_header(server: Chaos, asked: Asked, writer: asyncio.StreamWriter) -> bool:
    """The headers have no end."""
    writer.write(b"HTTP/1.1 200 OK\r\n")
    while True:
        writer.write(b"X-More: " + b"x" * 1000 + b"\r\n")
        await writer.drain()


async def longer(server: Chaos, asked: Asked, writer: asyncio.StreamWriter) -> bool:
    """The file has bytes that it should not have."""
    data = server.body(asked.path) + b"more"
    writer.write(head("200 OK", len(data)) + data)
    return True


async def shorter(server: Chaos, asked: Asked, writer: asyncio.StreamWriter) -> bool:
    """The file lacks its end."""
    data = server.body(asked.path)
    data = data[: server.somewhere(data)]
    writer.write(head("200 OK", len(data)) + data)
    return True


async def short_chunks(server: Chaos, asked: Asked, writer: asyncio.StreamWriter) -> bool:
    """The file lacks its end, and no length says so."""
    data = server.body(asked.path)
    data = data[: server.somewhere(data)]
    chunk = b"%x\r\n%b\r\n" % (len(data), data) if data else b""
    writer.write(head("200 OK", None, "Transfer-Encoding: chunked") + chunk + b"0\r\n\r\n")
    return True


async def chunks(server: Chaos, asked: Asked, writer: asyncio.StreamWriter) -> bool:
    """The whole file in chunks, which is right."""
    data = server.body(asked.path)
    chunk = b"%x\r\n%b\r\n" % (len(data), data) if data else b""
    writer.write(head("200 OK", None, "Transfer-Encoding: chunked") + chunk + b"0\r\n\r\n")
    return True


async def whole(server: Chaos, asked: Asked, writer: asyncio.StreamWriter) -> bool:
    """Ranges are not known: 200 and the whole file for 206 and a part."""
    data = server.body(asked.path)
    writer.write(head("200 OK", len(data)) + data)
    return True


async def part_for_whole(server: Chaos, asked: Asked, writer: asyncio.StreamWriter) -> bool:
    """206 and a part for a whole file."""
    data = server.body(asked.path)
    writer.write(head("206 Partial Content", len(data), f"Content-Range: bytes 0-{len(data)}/{len(data) + 1}") + data)
    return True


async def other_part(server: Chaos, asked: Asked, writer: asyncio.StreamWriter) -> bool:
    """Another part than was asked for, of the right length."""
    start, data = part(server, asked)
    shifted = re.sub(rb"bytes (\d+)-", lambda found: b"bytes %d-" % (int(found[1]) + 1), start)
    writer.write(shifted + data)
    return True


async def nameless_part(server: Chaos, asked: Asked, writer: asyncio.StreamWriter) -> bool:
    """A part that does not say which."""
    _, data = part(server, asked)
    writer.write(head("206 Partial Content", len(data)) + data)
    return True


async def changed(server: Chaos, asked: Asked, writer: asyncio.StreamWriter) -> bool:
    """Cut at first; then the file is another one, and the server says so as it should: 200 and all of it."""
    if not asked.turn:
        return await cut(server, asked, writer)
    data = server.body(asked.path)
    writer.write(head("200 OK", len(data), 'ETag: "two"') + data)
    return True


async def changed_unsaid(server: Chaos, asked: Asked, writer: asyncio.StreamWriter) -> bool:
    """Cut at first; then the file is another one, and the server sends the part of that one all the same."""
    if not asked.turn:
        return await cut(server, asked, writer)
    start, data = part(server, Asked(asked.path, {**asked.headers, "if-range": '"one"'}, asked.turn))
    writer.write(start.replace(b'"one"', b'"two"') + bytes(len(data)))
    return True


async def changed_412(server: Chaos, asked: Asked, writer: asyncio.StreamWriter) -> bool:
    """Cut at first; then the file is another one for whoever asks for a part of the first one (If-Match)."""
    if not asked.turn:
        return await cut(server, asked, writer)
    if "if-match" in asked.headers:
        writer.write(head("412 Precondition Failed", 0))
        return True
    return await fine(server, asked, writer)


async def lying(server: Chaos, asked: Asked, writer: asyncio.StreamWriter) -> bool:
    """Wrong bytes of the right length."""
    start, data = part(server, asked)
    writer.write(start + bytes(byte ^ 1 for byte in data))
    return True


async def gzipped(server: Chaos, asked: Asked, writer: asyncio.StreamWriter) -> bool:
    """Compressed, which nobody asked for."""
    data = gzip.compress(server.body(asked.path))
    writer.write(head("200 OK", len(data), "Content-Encoding: gzip") + data)
    return True


async def portal(server: Chaos, asked: Asked, writer: asyncio.StreamWriter) -> bool:
    """A captive portal."""
    writer.write(head("200 OK", len(PORTAL), "Content-Type: text/html") + PORTAL)
    return True


async def busy_once(server: Chaos, asked: Asked, writer: asyncio.StreamWriter) -> bool:
    """503 and a time to wait, and then the file."""
    if asked.turn:
        return await fine(server, asked, writer)
    writer.write(head("503 Service Unavailable", 0, "Retry-After: 7"))
    return True


async def loop(server: Chaos, asked: Asked, writer: asyncio.StreamWriter) -> bool:
    """A redirect to itself."""
    writer.write(head("302 Found", 0, f"Location: /loop/{asked.path}"))
    return True


async def to_file(server: Chaos, asked: Asked, writer: asyncio.StreamWriter) -> bool:
    """A redirect to a file of whoever asks."""
    writer.write(head("302 Found", 0, "Location: file:///etc/passwd"))
    return True


async def nowhere(server: Chaos, asked: Asked, writer: asyncio.StreamWriter) -> bool:
    """A redirect without a place."""
    writer.write(head("301 Moved Permanently", 0))
    return True


async def noise(server: Chaos, asked: Asked, writer: asyncio.StreamWriter) -> bool:
    """No HTTP at all."""
    writer.write(bytes(server.somewhere(bytes(256)) for _ in range(400)) + b"\r\n\r\n")
    return False


async def two_lengths(server: Chaos, asked: Asked, writer: asyncio.StreamWriter) -> bool:
    """Two lengths that differ."""
    data = server.body(asked.path)
    writer.write(head("200 OK", len(data), f"Content-Length: {len(data) + 5}") + data)
    return False


def status(code: int, *lines: str) -> Fault:
    """A status, with words that a terminal would obey."""

    async def answer(server: Chaos, asked: Asked, writer: asyncio.StreamWriter) -> bool:
        text = b"" if code in (204, 304) else b"\x1b[31mno\x1b[0m"
        writer.write(head(f"{code} \x1b[31mNo", len(text), *lines) + text)
        return True

    return answer


FAULTS: dict[str, Fault] = {
    **{
        function.__name__: function
        for function in (
            fine,
            cut,
            cut_once,
            reset,
            closed,
            silent,
            stall,
            drip,
            drip_header,
            endless,
            endless_chunks,
            endless_header,
            longer,
            shorter,
            short_chunks,
            chunks,
            whole,
            part_for_whole,
            other_part,
            nameless_part,
            changed,
            changed_unsaid,
            changed_412,
            lying,
            gzipped,
            portal,
            busy_once,
            loop,
            to_file,
            nowhere,
            noise,
            two_lengths,
        )
    },
    **{str(code): status(code) for code in (204, 300, 304, 400, 401, 403, 404, 407, 410, 500, 502, 504)},
    "429": status(429, "Retry-After: 120"),
    "503": status(503, "Retry-After: Fri, 31 Dec 9999 23:59:59 GMT"),
}
