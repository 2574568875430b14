"""Web seeds on loopback that misbehave; one that does not is the nginx of `servers`."""

from __future__ import annotations

import contextlib
import re
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Literal

Fault = Literal["altered", "no-ranges", "drips", "hangs", "missing"]


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    root: Path
    fault: Fault
    ends: threading.Event

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing: clients hang up on servers like these."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def log_message(self, *args: object) -> None:
        """Say nothing."""

    def do_GET(self) -> None:
        fault = self.server.fault
        if fault == "missing":
            self.send_error(404)
            return
        data = (self.server.root / self.path.lstrip("/")).read_bytes()
        match = re.fullmatch(r"bytes=(\d+)-(\d+)", self.headers.get("Range", ""))
        begin, end = (int(match[1]), int(match[2]) + 1) if match else (0, len(data))
        if fault == "no-ranges":
            self.send_response(200)
            begin, end = 0, len(data)
        else:
            self.send_response(206)
            self.send_header("Content-Range", f"bytes {begin}-{end - 1}/{len(data)}")
        self.send_header("Content-Length", str(end - begin))
        self.end_headers()
        body = data[begin:end]
        if fault == "altered":
            body = bytes(byte ^ 1 for byte in body)
        if fault == "hangs":
            self.wfile.write(body[:100])
            self.wfile.flush()
            self.server.ends.wait()
            return
        if fault != "drips":
            self.wfile.write(body)
            return
        for at in range(len(body)):
            if self.server.ends.wait(0.05):
                return
            self.wfile.write(body[at : at + 1])
            self.wfile.flush()


@contextlib.contextmanager
def faulty(root: Path, fault: Fault) -> Iterator[str]:
    """Serve a folder with a fault; gives the URL."""
    server = _Server(("127.0.0.1", 0), _Handler)
    server.root, server.fault, server.ends = root, fault, threading.Event()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/"
    finally:
        server.ends.set()
        server.shutdown()
        thread.join()
        server.server_close()
