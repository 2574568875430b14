"""`tagswarm mirror seed` as a process: what it says, what it serves, how it ends, and what a kill at any moment leaves."""

from __future__ import annotations

import json
import os
import pty
import queue
import random
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from click.testing import CliRunner

from tagswarm.cli.main import program
from tagswarm.manifests import manifest, published
from tagswarm.manifests.models import VolumeEntry
from tagswarm.mirror.service.verified import look
from tagswarm.release.sign import sign
from tests.leecher import differing, fetch
from tests.publisher import Publisher, following, key, small

A = key(1)
ALONE = ["--listen", "127.0.0.1:0", "--no-dht", "--no-pex", "--no-utp", "--shared-address", "--workers", "1"]
"""What keeps a seeder on this machine, without announcing anything."""
PATIENCE = 60


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("whole")
    small(path, [A], torrents=True)
    sign(path, [A])
    return path


@pytest.fixture
def tree(whole: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(whole, tmp_path / "tree"))


class Seeding:
    """A seeder that runs as a process of its own and speaks JSON."""

    def __init__(self, tree: Path, *options: str) -> None:
        command = [str(Path(sys.executable).with_name("tagswarm")), "mirror", "seed", str(tree), *ALONE, "--json"]
        self.process = subprocess.Popen(
            [*command, "--every", "1", *options], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE
        )
        self.events: list[dict[str, Any]] = []
        self._lines: queue.SimpleQueue[bytes] = queue.SimpleQueue()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        with self.process.stdout as lines:
            for line in lines:
                self._lines.put(line)
        self._lines.put(b"")

    def kill(self) -> None:
        self.process.kill()
        self.process.wait(PATIENCE)
        self._reader.join(PATIENCE)

    def until(self, name: str, **facts: object) -> dict[str, Any]:
        """The next event of a kind that says this."""
        while line := self._lines.get(timeout=PATIENCE):
            event: dict[str, Any] = json.loads(line)
            self.events.append(event)
            said = event | event.get("facts", {})
            if event["event"] == name and all(said.get(key) == value for key, value in facts.items()):
                return event
        raise AssertionError(f"it ended before {name} {facts}: {self.events[-3:]}")

    def serving(self, volumes: int) -> int:
        """Wait until so many volumes are seeded; the port."""
        self.until("notice", volumes=volumes)
        return int(next(event["facts"]["port"] for event in self.events if "port" in event.get("facts", {})))

    def stop(self, how: signal.Signals = signal.SIGTERM) -> int:
        self.process.send_signal(how)
        return self.process.wait(PATIENCE)


@contextmanager
def seeding(tree: Path, *options: str) -> Iterator[Seeding]:
    found = Seeding(tree, *options)
    try:
        yield found
    finally:
        found.kill()


def volumes(tree: Path) -> list[VolumeEntry]:
    return published.establish(tree).root.volumes


def fetched(tree: Path, port: int, target: Path) -> None:
    """Every volume comes whole from the seeder and is what its manifest says."""
    assert all(each.whole for each in fetch(tree, volumes(tree), port, target))
    assert not any(differing(tree, volume, target) for volume in volumes(tree))


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT])
def test_it_serves_whole_volumes_and_stops_cleanly(tree: Path, tmp_path: Path, how: signal.Signals) -> None:
    with seeding(tree) as found:
        fetched(tree, found.serving(3), tmp_path / "copy")
        served = found.until("notice", volumes=3)
        while not served["facts"]["uploaded"]:
            served = found.until("notice", volumes=3)
        assert found.stop(how) == 0
        last = found.until("result")
    assert last["seeded"] == sorted(volume.name for volume in volumes(tree))
    assert last["uploaded"] >= sum(volume.bytes for volume in volumes(tree))
    assert (last["unseeded"], last["absent"]) == ([], 0)


def test_the_next_start_reads_nothing(tree: Path) -> None:
    for read in (True, False):
        with seeding(tree) as found:
            found.serving(3)
            assert found.stop() == 0
            found.until("result")
        assert any(event.get("step") == "verify" for event in found.events) is read


def test_a_damaged_volume_is_named_and_the_others_are_served(tree: Path, tmp_path: Path) -> None:
    victim = max((tree / "original").rglob("*.png"), key=lambda path: path.stat().st_size)
    data = bytearray(victim.read_bytes())
    data[-1] ^= 1
    victim.write_bytes(data)
    with seeding(tree) as found:
        found.serving(2)
        assert found.stop() == 0
        (left,) = found.until("result")["unseeded"]
    assert (left["volume"], left["reason"]) == ("original-2026-0000", "damaged")
    assert left["problems"][0]["path"] == victim.relative_to(tree).as_posix()
    assert any("original-2026-0000 is not seeded" in event.get("message", "") for event in found.events)


def test_a_limit_of_the_rate_is_kept(tree: Path, tmp_path: Path) -> None:
    chosen = next(volume for volume in volumes(tree) if volume.rendition == "512px")
    rate = chosen.bytes // 4
    with seeding(tree, "--upload-rate", str(rate), "--rendition", "512px") as found:
        port = found.serving(1)
        begun = time.monotonic()
        (came,) = fetch(tree, [chosen], port, tmp_path / "copy")
        assert came.whole
        assert time.monotonic() - begun > 2  # four seconds' worth


def test_sighup_adds_a_new_release(tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    publisher = small(tree, [A], torrents=True)
    sign(tree, [A])
    with seeding(tree, "--key", A.public.line) as found:
        found.serving(3)
        following(publisher, [A])
        found.process.send_signal(signal.SIGHUP)  # built and not signed: there is no new release yet
        found.until("step-finished", step="look for volumes", done=3)
        sign(tree, [A])
        found.process.send_signal(signal.SIGHUP)
        fetched(tree, found.serving(4), tmp_path / "copy")
        (tree / "releases/2027/release.json").write_bytes(b"{}")
        found.process.send_signal(signal.SIGHUP)
        while "stay those that they are" not in found.until("notice", level="warning")["message"]:
            pass
        found.until("notice", volumes=4)
        assert found.stop() == 0


def test_one_seeder_a_tree(tree: Path) -> None:
    with seeding(tree) as found:
        found.serving(3)
        ended = CliRunner().invoke(program, ["mirror", "seed", str(tree), *ALONE])
        assert ended.exit_code == 15
        assert f"(process {found.process.pid})" in ended.stderr


def test_an_address_that_cannot_be_listened_on_is_told(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(globals(), "ALONE", ["--listen", "nodevice:0", *ALONE[2:]])
    with seeding(tree) as found:
        told = found.until("notice", level="warning")["message"]
        assert told.startswith("no peer can connect: nodevice:0 cannot be listened on")
        found.until("notice", volumes=3)
        assert found.stop() == 0


def test_nothing_that_can_be_seeded_is_an_end(tree: Path) -> None:
    shutil.rmtree(tree / "original")
    for path in [*(tree / "512px").rglob("*.png")][:3]:
        path.unlink()
    shutil.rmtree(tree / "1280px")
    ended = CliRunner().invoke(program, ["mirror", "seed", str(tree), *ALONE])
    assert ended.exit_code == 3
    assert "nothing can be seeded" in ended.stdout
    assert "512px-2026-0000 (incomplete)" in ended.stdout
    assert "not here" in ended.stdout
    assert "512px-2026-0000 is not seeded" in ended.stderr
    assert "\x1b" not in ended.output


def test_a_root_that_cannot_be_trusted_seeds_nothing(tree: Path) -> None:
    ended = CliRunner().invoke(program, ["mirror", "seed", str(tree), *ALONE, "--key", key(2).public.line])
    assert ended.exit_code == 17
    assert not (tree / ".tagswarm/swarm/small").exists()


@pytest.mark.parametrize(
    "wrong",
    [
        ("--listen", "6881"),
        ("--listen", "127.0.0.1:70000"),
        ("--tracker", "ftp://host/announce"),
        ("--upload-rate", "fast"),
        ("--upload-rate", "-1"),
        ("--max-volumes", "0"),
    ],
)
def test_wrong_options_are_named(tree: Path, wrong: tuple[str, str]) -> None:
    ended = CliRunner().invoke(program, ["mirror", "seed", str(tree), *wrong])
    assert ended.exit_code == 2
    assert wrong[0] in ended.stderr


@pytest.mark.parametrize(
    ("text", "rate"), [("5MB", 5_000_000), ("800kB", 800_000), ("1.5MiB", 1_572_864), ("77", 77), ("1 GB/s", 10**9)]
)
def test_rates(text: str, rate: int) -> None:
    from tagswarm.cli.session import Rate

    assert Rate().convert(text, None, None) == rate


@contextmanager
def tracker(told: list[dict[str, str]], *, hold: str = "") -> Iterator[str]:
    """A tracker that remembers what it was told, knows no peers, and does not answer to one kind of event."""
    ended = threading.Event()

    class Announces(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            query = parse_qs(urlsplit(self.path).query, encoding="latin-1")
            told.append({name: values[0] for name, values in query.items()})
            if hold and told[-1].get("event") == hold:
                ended.wait(PATIENCE)
                return
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"d8:intervali1800e5:peers0:e")

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Announces) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/announce"
        finally:
            ended.set()
            server.shutdown()


def wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_trackers_hear_of_the_start_and_of_the_end(tree: Path) -> None:
    told: list[dict[str, str]] = []
    with tracker(told) as url, seeding(tree, "--tracker", url, "--rendition", "512px") as found:
        port = found.serving(1)
        wait_for(lambda: len({each["info_hash"] for each in told}) == 2)  # v1 and v2
        assert found.stop() == 0
    assert {each["info_hash"] for each in told if each.get("event") == "stopped"} == {
        each["info_hash"] for each in told
    }
    assert {int(each["port"]) for each in told} == {port}
    assert {each["left"] for each in told} == {"0"}


def test_no_tracker_is_told_when_none_shall_be(tmp_path: Path) -> None:
    told: list[dict[str, str]] = []
    publisher = small(tmp_path, torrents=True)
    sign(tmp_path, [])
    with tracker(told) as url:
        publisher.trackers = (url,)
        following(publisher)
        sign(tmp_path, [])
        with seeding(tmp_path, "--no-trackers") as found:
            found.serving(4)
            found.until("notice", volumes=4)
            assert found.stop() == 0
        assert told == []
        with seeding(tmp_path) as found:
            found.serving(4)
            wait_for(lambda: bool(told))
            assert found.stop() == 0


def test_a_dead_tracker_is_named(tree: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        url = f"http://127.0.0.1:{closed.getsockname()[1]}/announce"
    with seeding(tree, "--tracker", url) as found:
        while "a tracker did not answer" not in found.until("notice", level="warning")["message"]:
            pass
        while not found.until("notice", volumes=3)["facts"]["tracker_errors"]:
            pass
        assert found.stop() == 0


def test_a_tracker_that_hangs_is_not_waited_for_when_a_second_signal_comes(tree: Path) -> None:
    told: list[dict[str, str]] = []
    with tracker(told, hold="stopped") as url, seeding(tree, "--tracker", url, "--rendition", "512px") as found:
        found.serving(1)
        wait_for(lambda: len({each["info_hash"] for each in told}) == 2)
        found.process.send_signal(signal.SIGINT)
        wait_for(lambda: any(each.get("event") == "stopped" for each in told))
        assert found.stop(signal.SIGINT) == -signal.SIGINT


def test_a_tracker_that_hangs_is_not_waited_for_for_ever(tree: Path) -> None:
    told: list[dict[str, str]] = []
    with tracker(told, hold="stopped") as url, seeding(tree, "--tracker", url, "--rendition", "512px") as found:
        found.serving(1)
        wait_for(lambda: len({each["info_hash"] for each in told}) == 2)
        assert found.stop() == 0


def test_a_terminal_shows_one_line_that_moves(tree: Path) -> None:
    ours, theirs = pty.openpty()
    command = [str(Path(sys.executable).with_name("tagswarm")), "mirror", "seed", str(tree), *ALONE]
    environment = {**os.environ, "TERM": "xterm-256color", "COLUMNS": "100"}
    with subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=theirs, env=environment) as process:
        os.close(theirs)
        said, deadline, stopped = b"", time.monotonic() + PATIENCE, False
        while time.monotonic() < deadline:
            try:
                chunk = os.read(ours, 65536)
            except OSError:  # the child has closed its end
                break
            said += chunk
            if not stopped and b"0 peers" in said and b"3 volumes" in said:
                process.send_signal(signal.SIGINT)
                stopped = True
        os.close(ours)
        assert process.wait(PATIENCE) == 0
    text = said.decode()
    assert stopped
    assert "the seeding was stopped" in text
    assert text.rindex("\x1b[?25h") > text.rindex("\x1b[?25l")  # the cursor is shown again


def remembered(tree: Path) -> set[str]:
    """The volumes of which the state says that they look as they did when they were verified."""
    state = tree / ".tagswarm/seed.json"
    if not state.exists():
        return set()
    known = json.loads(state.read_bytes())["volumes"]
    return {
        volume.name
        for volume in volumes(tree)
        if known.get(volume.manifest.sha256) == look(tree, volume, manifest.read(tree, volume)).fingerprint
    }


def test_a_kill_at_any_moment_leaves_a_tree_that_seeds(tmp_path: Path, request: pytest.FixtureRequest) -> None:
    """Verification and serving are killed; what was never right is never remembered, and the next start seeds."""
    dice = random.Random(4)
    tree = tmp_path / "tree"
    publisher = Publisher(tree, torrents=True)
    for number in range(8):
        ids = range(40 * number + 1, 40 * number + 41)
        publisher.volume(f"original-2026-{number:04}", "2026", publisher.loose("original", ids))
    publisher.config("2026")
    publisher.release("2026")
    sign(tree, [])
    bad = "original-2026-0003"
    victim = tree / max(manifest.read(tree, publisher.volumes[3]).files, key=lambda file: file.size).path
    victim.write_bytes(victim.read_bytes()[:-1] + b"\0")
    for _ in range(request.config.getoption("--kills")):
        with seeding(tree, "--rehash") as found:
            time.sleep(dice.uniform(0.3, 1.6))
        assert bad not in remembered(tree)
    with seeding(tree) as found:
        found.serving(7)
        assert found.stop() == 0
        (left,) = found.until("result")["unseeded"]
    assert left["volume"] == bad
    assert remembered(tree) == {volume.name for volume in volumes(tree)} - {bad}
    assert not [path for path in (tree / ".tagswarm").iterdir() if path.name.startswith(".tmp-")]
    good = [volume for volume in volumes(tree) if volume.name != bad]
    with seeding(tree) as found:
        came = fetch(tree, good, found.serving(7), tmp_path / "copy")
    assert all(each.whole for each in came)
    assert not any(differing(tree, volume, tmp_path / "copy") for volume in good)
    assert not any(event.get("step") == "verify" and event["event"] == "step-started" for event in found.events[:4])
