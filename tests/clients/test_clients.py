"""Real clients load the torrents of a release, and what they fetch passes the manifest.

What each was seen to do stands in docs/reference/clients.md; a client that does something else fails the test, in either
direction.
"""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from tagswarm.manifests import torrentfile
from tests.publisher import key

from . import arena, edition, process, room
from .arena import Report, Row

COLUMNS = (("hybrid", "peers"), ("compat", "peers"), ("hybrid", "web"), ("compat", "web"))


@pytest.fixture(scope="module")
def volumes(repository: Path, tmp_path_factory: pytest.TempPathFactory) -> list[edition.Volume]:
    """The volumes of a release, in the order of their names."""
    dataset = tmp_path_factory.mktemp("www") / edition.NAME
    return edition.publish(repository / "sample", dataset, tracker=room.TRACKER, url=f"{room.WEB}{edition.NAME}/")


@pytest.fixture(scope="module")
def report(repository: Path, volumes: list[edition.Volume], tmp_path_factory: pytest.TempPathFactory) -> Report:
    """What all clients did with them."""
    missing = [program for program in arena.PROGRAMS if not process.found(program)]
    assert not missing, f"not installed: {', '.join(missing)}; `make test` installs them"
    refusal = room.refusal()
    assert refusal is None, refusal
    home = tmp_path_factory.mktemp("clients")
    job, answer = home / "job.json", home / "report.json"
    job.write_text(json.dumps(_job(home, volumes)))
    words = room.command([sys.executable, "-m", "tests.clients.arena", str(job), str(answer)])
    ran = subprocess.run(words, cwd=repository, capture_output=True, text=True, check=False, timeout=200)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    said = json.loads(answer.read_text())
    return Report([Row(**row) for row in said["rows"]], said["articles"], [tuple(each) for each in said["requests"]])


def _job(home: Path, volumes: list[edition.Volume]) -> dict[str, object]:
    dataset = volumes[0].torrents["hybrid"].parent.parent
    wanted, listed = [], []
    for volume in volumes:
        for kind, path in volume.torrents.items():
            torrent = torrentfile.parse(path.read_bytes())
            wanted.append(
                {
                    "torrent": str(path),
                    "url": _url(path),
                    "files": volume.files,
                    "infohash": torrent.infohash_v1,
                    "kind": kind,
                    "source": volume.source,
                }
            )
            if volume.source == "peers":
                listed += [infohash for infohash in (torrent.infohash_v1, torrent.infohash_v2) if infohash]
    feed = f"{room.WEB}{edition.NAME}/feed.xml"
    trust = key(1).public.line
    return {"home": str(home), "dataset": str(dataset), "key": trust, "feed": feed, "wanted": wanted, "listed": listed}


def _url(torrent: Path) -> str:
    return f"{room.WEB}{edition.NAME}/volumes/{torrent.name}"


def _row(report: Report, client: str, kind: str, source: str) -> Row:
    (row,) = (row for row in report.rows if (row.client, row.kind, row.source) == (client, kind, source))
    return row


def cell(row: Row) -> str:
    """What became of a download, for the table."""
    if row.seconds is None:
        return f"no: {row.failure}"
    notes = [", writes the pads"] * bool(row.pads) + [", makes no empty file"] * bool(row.unmade)
    return "complete" + "".join(notes)


def line(report: Report, client: str) -> str:
    """The line of a client in the table."""
    rows = [_row(report, client, kind, source) for kind, source in COLUMNS]
    return f"| {client} {rows[0].version} | {' | '.join(map(cell, rows))} |"


def test_the_volumes_share_directories_and_have_files_at_the_borders(volumes: list[edition.Volume]) -> None:
    swarm = [volume for volume in volumes if volume.source == "peers"]
    assert len(swarm) == 2
    first, second = ({path.rpartition("/")[0] for path in volume.files} for volume in swarm)
    assert len(first & second) > 20
    torrents = [torrentfile.parse(volume.torrents["hybrid"].read_bytes()) for volume in swarm]
    sizes = {entry.size for torrent in torrents for entry in torrent.entries if not entry.pad}
    assert sizes >= {0, *edition.SIZES}


@pytest.mark.parametrize(
    ("client", "kind"),
    [("libtorrent", "hybrid"), ("qBittorrent", "hybrid"), ("Transmission", "compat"), ("aria2", "compat")],
)
def test_a_client_finishes_from_our_seeder(report: Report, client: str, kind: str) -> None:
    row = _row(report, client, kind, "peers")
    assert row.seconds is not None, f"{row.failure}: {row.whole} of {row.files} files\n{row.log}"
    assert row.whole == row.files
    assert not row.others


@pytest.mark.parametrize("client", [client.name for client in arena.CLIENTS])
def test_the_table_says_what_was_seen(report: Report, repository: Path, client: str) -> None:
    page = (repository / "docs/reference/clients.md").read_text()
    seen = line(report, client)
    logs = "\n".join(row.log for row in report.rows if row.client == client and row.log)
    assert seen in page.splitlines(), f"seen:\n{seen}\n{logs}"


def test_the_feed_gives_qbittorrent_every_volume(report: Report, volumes: list[edition.Volume]) -> None:
    seen = [article["torrentURL"] for article in report.articles]
    assert sorted(seen) == sorted(_url(volume.torrents["hybrid"]) for volume in volumes)
    # The volumes for the web were added by these addresses: nothing else told qBittorrent of them.
    assert _row(report, "qBittorrent", "hybrid", "web").seconds is not None


@pytest.mark.parametrize("client", ["libtorrent", "qBittorrent"])
def test_a_web_seed_is_asked_about_once_for_a_file(report: Report, volumes: list[edition.Volume], client: str) -> None:
    files = [path for volume in volumes if volume.source == "web" for path in volume.files]
    asked = Counter(path for name, status, path in report.requests if (name, status) == (client, 206))
    assert asked.keys() == {f"/{path}" for path in files}
    # Once for the hybrid torrent and once for the compat one, whose pieces run across files: at a border it may ask again.
    assert 2 * len(files) <= asked.total() <= 2 * len(files) + 5


def test_nothing_outlives_the_room() -> None:
    """A killed test leaves no client behind: the pipe that its programs hold ends with the last of them."""
    refusal = room.refusal()
    assert refusal is None, refusal
    reader, writer = os.pipe()
    os.set_inheritable(writer, True)
    program = (
        f"import os, time; pid = os.fork(); pid or os.setsid(); pid and os.write({writer}, b'up'); time.sleep(300)"
    )
    inside = room.command([sys.executable, "-c", program])
    starter = "import subprocess, sys; subprocess.run(sys.argv[1:], close_fds=False)"
    test = subprocess.Popen([sys.executable, "-c", starter, *inside], close_fds=False)
    os.close(writer)
    try:
        assert select.select([reader], [], [], 20)[0]
        assert os.read(reader, 2) == b"up"
        test.send_signal(signal.SIGKILL)
        test.wait(10)
        assert select.select([reader], [], [], 20)[0]
        assert os.read(reader, 1) == b""
    finally:
        test.kill()
        os.close(reader)
