"""A real tracker, opentracker, on loopback, and the announces of peers by hand."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path
from urllib.parse import quote_from_bytes


@dataclass(frozen=True)
class Tracker:
    """A running tracker, by HTTP and UDP on one port."""

    port: int

    @property
    def http(self) -> str:
        return f"http://127.0.0.1:{self.port}/announce"

    @property
    def udp(self) -> str:
        return f"udp://127.0.0.1:{self.port}/announce"

    def announce(self, infohash: bytes, peer: int, *, left: int, event: str = "started") -> None:
        """Be a peer of a torrent; a seeder where nothing is left."""
        answer = self.answer(infohash, peer, left=left, event=event)
        assert b"interval" in answer, answer

    def answer(self, infohash: bytes, peer: int, *, left: int, event: str) -> bytes:
        """What the tracker says to an announce."""
        query = f"info_hash={quote_from_bytes(infohash, safe='')}&peer_id={peer:020}&port={7000 + peer}"
        connection = HTTPConnection("127.0.0.1", self.port, timeout=10)
        connection.request("GET", f"/announce?{query}&uploaded=0&downloaded=0&left={left}&compact=1&event={event}")
        said = connection.getresponse().read()
        connection.close()
        return said


def free_port() -> int:
    """A port that nobody listens on, of TCP and of UDP."""
    with socket.socket() as one, socket.socket(type=socket.SOCK_DGRAM) as other:
        one.bind(("127.0.0.1", 0))
        port: int = one.getsockname()[1]
        other.bind(("127.0.0.1", port))
        return port


@contextmanager
def opentracker(infohashes: Iterable[bytes]) -> Iterator[Tracker]:
    """Run opentracker, which serves the torrents of a list only, by v1 infohash or the first 20 bytes of the v2 one."""
    program = shutil.which("opentracker")
    assert program, "the tests need the program opentracker: apt-get install opentracker"
    port, listed = free_port(), list(infohashes)
    with tempfile.TemporaryDirectory(prefix="opentracker-") as name:
        folder = Path(name)
        folder.chmod(0o755)  # it gives up the rights of root and looks for its list from inside this folder
        (folder / "white.txt").write_text("".join(f"{infohash.hex()}\n" for infohash in listed))
        command = [program, "-i", "127.0.0.1", "-p", str(port), "-P", str(port), "-d", name, "-w", "white.txt"]
        if os.geteuid() == 0:
            command += ["-u", "nobody"]
        with subprocess.Popen(command, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
            try:
                tracker = Tracker(port)
                for infohash in listed:
                    _wait(tracker, process, infohash)
                yield tracker
            finally:
                process.terminate()
                process.wait(10)


def _wait(tracker: Tracker, process: subprocess.Popen[bytes], infohash: bytes) -> None:
    """Until it serves a torrent: it reads its list after it began to listen, and uses what it has read so far."""
    until = time.monotonic() + 10
    while True:
        with suppress(OSError):
            if b"interval" in tracker.answer(infohash, 0, left=1, event="stopped"):
                return
        assert process.poll() is None, "opentracker has ended"
        assert time.monotonic() < until, "opentracker does not answer"
        time.sleep(0.02)
