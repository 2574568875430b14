"""What the clients meet in the room: a tracker, a web server and our seeder."""

from __future__ import annotations

import socket
import sys
from collections.abc import Iterable
from pathlib import Path

from .process import Process
from .room import HERE

NGINX = """\
daemon off;
master_process off;
pid {home}/pid;
error_log stderr warn;
events {{}}
http {{
    log_not_found off;
    types {{ application/x-bittorrent torrent; application/rss+xml xml; image/png png; image/jpeg jpg; }}
    log_format requests '$remote_addr $status $request_uri';
    access_log {home}/requests requests;
    client_body_temp_path {home}/body; proxy_temp_path {home}/proxy; fastcgi_temp_path {home}/fastcgi;
    uwsgi_temp_path {home}/uwsgi; scgi_temp_path {home}/scgi;
    server {{
        listen {here}:8080;
        root {root};
        location ~ ^/[^/]+/original/ {{ return 404; }}
    }}
}}
"""
"""All that is published but one tree, which is for the swarm; one process, which runs as whoever runs the test."""


def tracker(home: Path, infohashes: Iterable[str]) -> Process:
    """opentracker, which knows these infohashes; of one of v2 it takes the first 40 digits."""
    folder = home / "tracker"
    folder.mkdir(parents=True)
    folder.chmod(0o755)  # it is read by nobody
    listed = folder / "listed"
    listed.write_text("".join(f"{infohash[:40]}\n" for infohash in infohashes))
    listed.chmod(0o644)
    options: list[str | Path] = ["-i", HERE, "-p", "6969", "-P", "6969", "-u", "nobody"]
    words = ["opentracker", *options, "-d", folder, "-w", "listed"]
    return _listening(Process(words, home / "tracker.log"), 6969)


def web(home: Path, root: Path) -> Process:
    """nginx, which serves the folder that the dataset lies in."""
    folder = home / "web"
    folder.mkdir(parents=True)
    (folder / "conf").write_text(NGINX.format(home=folder, root=root, here=HERE))
    return _listening(Process(["nginx", "-p", folder, "-e", "stderr", "-c", folder / "conf"], home / "web.log"), 8080)


def seeder(home: Path, dataset: Path, key: str) -> Process:
    """`tagswarm mirror seed` of the volumes that are for the swarm."""
    program = Path(sys.executable).with_name("tagswarm")
    words: list[str | Path] = [program, "mirror", "seed", dataset, "--key", key, "--rendition", "original"]
    local = ["--listen", f"{HERE}:6881", "--no-dht", "--no-pex", "--no-utp"]
    process = Process([*words, *local], home / "seeder.log")
    return _listening(process, 6881)


def _listening(process: Process, port: int) -> Process:
    def answers() -> bool:
        try:
            socket.create_connection((HERE, port), 1).close()
        except OSError:
            return False
        return True

    process.wait_until(answers)
    return process
