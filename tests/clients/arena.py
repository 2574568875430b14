"""All clients at once in a room of their own: `python -m tests.clients.arena JOB REPORT`, started in the room.

Most of the time goes by while clients wait for the tracker, so they wait together. Each client fetches the volumes of the
swarm into one folder, and the volumes of the web into another, once by the hybrid torrents and once by the compat ones.
A download ends when its files are right, when its client gives up, or when nothing has moved for `PATIENCE`.
"""

from __future__ import annotations

import contextlib
import json
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from . import room, services
from .aria2 import Aria2
from .client import Client
from .download import Download, Kind, Source, Wanted
from .libtorrent_session import Libtorrent
from .qbittorrent import QBittorrent
from .rtorrent import Rtorrent
from .transmission import Transmission

LIMIT = 100
"""Seconds for everything."""
PATIENCE = 20
"""Seconds without a new file in any download, after which those that are left are at their end."""
WAIT = 0.5
NOTHING = "nothing comes"

CLIENTS: tuple[type[Client], ...] = (Libtorrent, QBittorrent, Transmission, Aria2, Rtorrent)
PROGRAMS = (
    "aria2c",
    "nginx",
    "opentracker",
    "qbittorrent-nox",
    "rtorrent",
    "transmission-daemon",
    "transmission-remote",
)
"""What must be installed."""

Running = tuple[Client, Download]


@dataclass(frozen=True, slots=True)
class Row:
    """What became of a download."""

    client: str
    version: str
    kind: Kind
    source: Source
    files: int
    """Files of the manifest that have bytes."""
    whole: int
    """Those of them that have the right ones."""
    unmade: list[str]
    """Files without a byte that it did not make."""
    pads: int
    """Pad files in its folder."""
    others: list[str]
    """What else lies in its folder."""
    seconds: float | None
    failure: str | None
    log: str


@dataclass(frozen=True, slots=True)
class Report:
    """What was seen."""

    rows: list[Row]
    articles: list[dict[str, Any]]
    """Of the feed, as qBittorrent has them."""
    requests: list[tuple[str, int, str]]
    """What the web server was asked: the client, its answer, the path."""


def main(job: Path, report: Path) -> None:
    """Run the job that is described in a file and write what was seen into another."""
    room.furnish()
    said = json.loads(job.read_text())
    wanted: dict[tuple[Kind, Source], list[Wanted]] = {}
    for each in said["wanted"]:
        torrent = Wanted(Path(each["torrent"]), each["url"], each["files"], each["infohash"])
        wanted.setdefault((each["kind"], each["source"]), []).append(torrent)
    home = Path(said["home"])
    with contextlib.ExitStack() as stack:
        stack.enter_context(services.tracker(home, said["listed"]))
        web = stack.enter_context(services.web(home, Path(said["dataset"]).parent))
        seeder = stack.enter_context(services.seeder(home, Path(said["dataset"]), said["key"]))
        addresses: dict[str, str] = {}
        clients = list(_clients(home, stack, addresses))
        begun = time.monotonic()
        downloads = list(_begun(home, clients, wanted, said["feed"]))
        _watch(downloads, begun)
        around = f"seeder: {seeder.tail()}\nweb server: {web.tail()}"
        seen = [_row(client, download, around) for client, download in downloads]
        articles = [article for client in clients if isinstance(client, QBittorrent) for article in client.articles()]
    lines = (line.split(" ", 2) for line in (home / "web/requests").read_text().splitlines())
    requests = [(addresses.get(address, address), int(status), path) for address, status, path in lines]
    report.write_text(json.dumps(asdict(Report(seen, articles, requests))))


def _clients(home: Path, stack: contextlib.ExitStack, addresses: dict[str, str]) -> Iterator[Client]:
    """Start the clients, and note whose addresses are whose."""
    free = room.clients()
    for program in CLIENTS:
        own = [next(free) for _ in range(program.addresses)]
        client = program(home / program.__name__, own)
        stack.callback(client.stop)
        addresses |= dict.fromkeys(own, client.name)
        yield client


def _begun(
    home: Path, clients: list[Client], wanted: dict[tuple[Kind, Source], list[Wanted]], feed: str
) -> Iterator[Running]:
    """Give each client its downloads; those of one come by the feed."""
    for client in clients:
        for (kind, source), torrents in wanted.items():
            download = Download(kind, source, torrents, home / "out" / client.name / f"{kind}-{source}")
            download.folder.mkdir(parents=True)
            if isinstance(client, QBittorrent) and download.name == "hybrid-web":
                _subscribe(client, download, feed)
            else:
                client.begin(download)
            yield client, download


def _subscribe(client: QBittorrent, download: Download, feed: str) -> None:
    """Find the torrents in the feed and give the client their addresses."""
    client.subscribe(feed)
    until = time.monotonic() + PATIENCE
    while not (articles := client.articles()):
        if time.monotonic() > until:
            download.failure = "the feed does not load"
            return
        time.sleep(WAIT)
    known = {article.get("torrentURL") for article in articles}
    for wanted in download.wanted:
        if wanted.url in known:
            client.add_url(wanted.url, download.folder)
        else:
            download.failure = f"the feed does not have {wanted.url}"


def _watch(downloads: list[Running], begun: float) -> None:
    """Wait until every download has ended, in one way or the other."""
    running = downloads.copy()
    moved, before = time.monotonic(), 0
    while running and time.monotonic() - begun < LIMIT and time.monotonic() - moved < PATIENCE:
        time.sleep(WAIT)
        for client, download in running.copy():
            failure = client.gave_up(download)  # before the look: what ends meanwhile may have ended well
            if download.look() and client.done(download):
                download.seconds = time.monotonic() - begun
            elif failure is not None:
                download.failure = failure
            else:
                continue
            running.remove((client, download))
        now = sum(len(download.whole) for _, download in downloads)
        if now != before:
            moved, before = time.monotonic(), now
    for _, download in running:
        download.failure = download.failure or NOTHING


def _row(client: Client, download: Download, around: str) -> Row:
    download.look()
    others = download.others()
    pads = [path for path in others if "/.pad/" in path]
    return Row(
        client=client.name,
        version=client.version(),
        kind=download.kind,
        source=download.source,
        whole=len(download.whole),
        files=len(download.filled),
        unmade=download.unmade,
        pads=len(pads),
        others=[path for path in others if path not in pads],
        seconds=download.seconds,
        failure=download.failure,
        log=f"{client.log()}\n{around}" if download.seconds is None else "",
    )


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
