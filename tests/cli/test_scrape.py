"""`tagswarm release scrape`: what it says, in words and in JSON, and with which code it ends."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from tagswarm.cli.main import program
from tagswarm.manifests.torrentlist import parse
from tagswarm.release.scrape import infohashes
from tagswarm.release.sign import sign
from tests.rows import publish, row, unpublished
from tests.tracker import Tracker, free_port, opentracker

SEEDED, LONELY = row("512px-2026-0000"), row("original-2026-0000")


def run(*args: str | Path) -> Result:
    return CliRunner().invoke(program, ["release", "scrape", *map(str, args)])


@pytest.fixture(scope="module")
def tracker() -> Iterator[Tracker]:
    """opentracker with one seeder of one of two torrents."""
    with opentracker([*infohashes(SEEDED), *infohashes(LONELY)]) as running:
        for infohash in infohashes(SEEDED):
            running.announce(infohash, 1, left=0)
        yield running


@pytest.fixture
def dataset(tmp_path: Path) -> Path:
    publish(unpublished(tmp_path), "2026", [SEEDED, LONELY])
    sign(tmp_path, [])
    return tmp_path


def test_every_tracker_answers(tracker: Tracker, dataset: Path) -> None:
    ended = run(dataset, "--tracker", tracker.http, "--tracker", tracker.udp)
    assert ended.exit_code == 0
    assert "release 2026: 1 of 2 torrents with a seeder" in ended.stdout
    assert f"{tracker.http}  knows 1" in ended.stdout
    assert [found.seeders for found in parse((dataset / "torrents.json").read_bytes())] == [1, 0]


def test_some_do_not(tracker: Tracker, dataset: Path) -> None:
    dead = f"http://127.0.0.1:{free_port()}/announce"
    args = (dataset, "--tracker", tracker.http, "--tracker", dead, "--timeout", "5")
    ended = run(*args)
    assert ended.exit_code == 3
    assert f"no answer: {dead}: Connection refused" in ended.stdout
    assert "1 of 2 torrents" in ended.stdout
    quiet = run(*args, "--quiet")
    assert (quiet.exit_code, quiet.stdout) == (3, "")
    assert quiet.stderr == f"error: {dead}: Connection refused\n"
    said = run(*args, "--json")
    result = json.loads(said.stdout.splitlines()[-1])
    assert (said.exit_code, result["torrents"], result["unseeded"]) == (3, 2, 1)
    assert [answer["tracker"] for answer in result["trackers"]] == [tracker.http, dead]
    assert result["trackers"][1]["error"] == f"{dead}: Connection refused"


def test_none_does(dataset: Path) -> None:
    dead = f"udp://127.0.0.1:{free_port()}"
    ended = run(dataset, "--tracker", dead, "--timeout", "5")
    assert ended.exit_code == 14
    assert f"error: {dead}: Connection refused" in ended.stderr
    assert "what to do:" in ended.stderr


def test_there_is_nobody_to_ask(dataset: Path) -> None:
    ended = run(dataset)
    assert ended.exit_code == 16
    assert "torrents.trackers" in ended.stderr


@pytest.mark.parametrize("seconds", ["0", "-1", "nan", "inf", "4000"])
def test_a_timeout_that_is_none(dataset: Path, seconds: str) -> None:
    assert run(dataset, "--tracker", "udp://127.0.0.1:1", "--timeout", seconds).exit_code == 2
