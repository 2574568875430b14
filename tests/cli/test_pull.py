"""`tagswarm plan` and `tagswarm pull`: a query over every way there is, and what they say to people and programs."""

from __future__ import annotations

import dataclasses
import json
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from PIL import Image

from tagswarm.cli.main import program
from tagswarm.mirror.lock import LOCK, Lock, write
from tagswarm.mirror.store import STATE
from tests.mirror.transports.servers import free_port, nginx
from tests.publisher import key
from tests.released import LONELY, Released, Ways

TAGSWARM = str(Path(sys.executable).with_name("tagswarm"))
KINDS = ("local", "http", "rsync", "s3", "torrent")
QUERY = "transparent_background solo"
SMALL = ("--size", "48", "--fit", "pad")


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the program remembers lies in a folder of the test, and nothing of the environment reaches it."""
    for name in ("TAGSWARM_FROM", "TAGSWARM_DATASET"):
        monkeypatch.delenv(name, raising=False)
    for name in ("XDG_CACHE_HOME", "XDG_DATA_HOME"):
        monkeypatch.setenv(name, str(tmp_path / "home"))


def run(*args: object, stdin: str | None = None) -> Result:
    return CliRunner().invoke(program, list(map(str, args)), input=stdin)


def said(*args: object, code: int = 0, stdin: str | None = None) -> str:
    ended = run(*args, stdin=stdin)
    assert ended.exit_code == code, ended.output
    return ended.output


def told(*args: object, code: int = 0) -> dict[str, Any]:
    """The last object of a command with --json."""
    ended = run(*args, "--json")
    assert (ended.exit_code, ended.stderr) == (code, ""), ended.output
    return [json.loads(line) for line in ended.stdout.splitlines()][-1]  # type: ignore[no-any-return]


def contents(folder: Path) -> dict[str, bytes]:
    """Every file that a user sees, and the lock, by its path."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and STATE not in path.parts
    }


Expected = dict[str, dict[str, bytes]]
Reached = Callable[[str], list[str]]


@pytest.fixture(scope="session")
def reached(ways: Ways, request: pytest.FixtureRequest) -> Reached:
    """Options that reach the release by one kind of source only."""

    def reach(kind: str) -> list[str]:
        swarm = ["--peer", request.getfixturevalue("peer"), *LONELY] if kind == "torrent" else []
        return ["--from", ways.address(kind), "--via", kind, *swarm]

    return reach


@pytest.fixture(scope="session")
def expected(released: Released, tmp_path_factory: pytest.TempPathFactory) -> Expected:
    """The folders that a pull of each rendition makes, as the local tree gives them."""
    made = {}
    for tree in ("original", "96px", "64px", "48px"):
        out = tmp_path_factory.mktemp("expected") / tree
        home = out.with_suffix(".home")
        said("pull", QUERY, "--from", released.root, "-o", out, "--rendition", tree, *SMALL, *remembered(home))
        made[tree] = contents(out)
    return made


def remembered(home: Path) -> tuple[str | Path, ...]:
    return "--cache", home / "cache", "--trust-file", home / "trust.json"


# The same folder by every way.


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("tree", ["original", "64px", "48px"])
def test_every_way_makes_the_same_folder(
    reached: Reached, expected: Expected, tmp_path: Path, kind: str, tree: str
) -> None:
    if (kind, tree) in {("rsync", "64px"), ("rsync", "48px")}:  # rsync knows nothing of members: refused, as planned
        ended = told("pull", QUERY, *reached(kind), "-o", tmp_path / "out", "--rendition", tree, code=13)
        assert ended["error"] == "NoSource"
        return
    done = told("pull", QUERY, *reached(kind), "-o", tmp_path / "out", "--rendition", tree, *SMALL)
    assert contents(tmp_path / "out") == expected[tree]
    assert done["ok"]
    assert len([source for source in done["sources"] if source["files"]]) == 1


def test_all_ways_together_make_the_same_folder(ways: Ways, peer: str, expected: Expected, tmp_path: Path) -> None:
    sources = [word for kind in ("http", "rsync", "s3") for word in ("--from", ways.address(kind))]
    options = [*sources, "--peer", peer, *LONELY, "-o", tmp_path / "out", *SMALL]
    planned = told("pull", QUERY, *options, "--dry-run")
    assert {share["kind"] for share in planned["alone"]} == {"http", "rsync", "s3", "torrent"}
    assert told("pull", QUERY, *options)["ok"]
    assert contents(tmp_path / "out") == expected["original"]


def test_one_hostile_mirror_of_three_changes_nothing(
    ways: Ways, released: Released, expected: Expected, tmp_path: Path
) -> None:
    bad = released.copy(tmp_path / "bad")
    for path in (bad.root / "original").rglob("*.*"):
        data = path.read_bytes()
        path.unlink()
        path.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    sources = [word for address in (bad.root, ways.http, ways.s3) for word in ("--from", str(address))]
    ended = run("pull", QUERY, *sources, "--prefer", "local", "-o", tmp_path / "out", *SMALL)
    assert ended.exit_code == 0, ended.output
    assert "sent wrong bytes for post" in ended.stderr
    assert contents(tmp_path / "out") == expected["original"]


# What a plan says.


def test_a_plan_is_the_cheapest_mix_and_moves_nothing(ways: Ways, tmp_path: Path) -> None:
    found = told("plan", QUERY, "--from", ways.local, "--from", ways.http)
    assert [share["kind"] for share in found["sources"]] == ["local"]
    assert {share["kind"] for share in found["alone"]} == {"local", "http"}
    assert found["files"] == int(said("count", QUERY, "--in", ways.local))
    assert found["refused"] is None
    text = said("plan", QUERY, "--from", ways.local, "--from", ways.http, "--prefer", "http")
    assert "Each source alone" in text
    assert told("plan", QUERY, "--from", ways.http, "--limit-rate", "200kB")["seconds"] > found["seconds"]
    assert said("plan", QUERY, "--from", ways.http, "-q") == ""


def test_a_dry_run_writes_nothing(ways: Ways, tmp_path: Path) -> None:
    before = sorted(path.name for path in tmp_path.iterdir())
    found = told("pull", QUERY, "--from", ways.local, "-o", tmp_path / "out", "--dry-run")
    assert (found["files"] > 0, found["here"]) == (True, 0)
    assert sorted({path.name for path in tmp_path.iterdir()} - {"home"}) == before
    assert "files" in said("pull", QUERY, "--from", ways.local, "-n")


@pytest.mark.parametrize(
    ("given", "code", "words"),
    [
        (["solo"], 14, "Name one with --from"),
        (["solo", "--from", "LOCAL", "--rendition", "9px"], 16, "It has original, 96px, 64px, 48px."),
        (["solo", "--from", "LOCAL", "--release", "1999"], 16, "1999"),
        (["solo", "--from", "gopher://host/x"], 14, "gopher:// addresses cannot be opened"),
        (["solo", "--from", "LOCAL", "--via", "http"], 13, "none of the sources may be used: there is local"),
        (["solo", "--from", "LOCAL", "--forbid", "pigeon"], 13, "pigeon is no transport and no source"),
        (["(solo", "--from", "LOCAL"], 12, "    (solo\n    ^"),
        (["sollo", "--from", "LOCAL"], 12, "solo"),
        (["solo -solo", "--from", "LOCAL"], 13, "there is nothing to fetch"),
        (["solo", "--from", "LOCAL", "--pin", "0" * 64], 17, "its SHA-256 is"),
        (["solo", "--from", "NOWHERE"], 16, "NOWHERE: there is no release in it"),
        (["solo", "--from", "LOCAL", "--ids", "x"], 2, "only one of them"),
        (["--from", "LOCAL"], 2, "Give a query"),
        (["solo", "--from", "LOCAL", "--fit", "pad"], 2, "--fit pad needs a --size"),
        (["solo", "--from", "LOCAL", "--keep-originals"], 2, "--keep-originals"),
        (["solo", "--from", "LOCAL", "-s", "a=b"], 2, "-s is for --export"),
        (["solo", "--from", "LOCAL", "--export", "cake"], 2, "there are imagefolder, webdataset"),
        (["solo", "--from", "LOCAL", "--peer", "host"], 2, "is no peer"),
    ],
)
def test_what_cannot_be_done_is_said(ways: Ways, tmp_path: Path, given: list[str], code: int, words: str) -> None:
    places = {"LOCAL": ways.local, "NOWHERE": str(tmp_path / "NOWHERE")}
    given = [places.get(word, word) for word in given]
    text = said("pull", *given, "-o", tmp_path / "out", code=code)
    assert words in text
    assert "Traceback" not in text
    assert not (tmp_path / "out").exists()
    assert told("pull", *given, "-o", tmp_path / "out", code=code)["exit_code"] == code


def test_the_folder_must_be_named(ways: Ways) -> None:
    assert "Name the folder with -o" in said("pull", "solo", "--from", ways.local, code=2)


# Whom to believe.


def test_the_first_use_is_told_and_a_rollback_refused(released: Released, tmp_path: Path) -> None:
    mine = released.copy(tmp_path / "mine")
    old = released.copy(tmp_path / "old")
    with nginx(tmp_path, tmp_path / "nginx") as web:
        there = f"{web.address}/mine"
        assert "trusted on first use: key " in said("plan", "solo", "--from", there)
        assert "trusted on first use" not in said("plan", "solo", "--from", there)
        mine.publish("2027")
        assert told("pull", "solo", "--from", there, "-o", tmp_path / "out")["release"] == "2027"
        (tmp_path / "mine").rename(tmp_path / "new")
        old.root.rename(tmp_path / "mine")
        ended = told("pull", "solo", "--from", there, "-o", tmp_path / "out", code=17)
        assert ended["error"] == "Rollback"
        assert told("plan", "solo", "--from", there, "--release", "2026")["files"]


def test_a_key_or_a_pin_from_elsewhere(released: Released, ways: Ways, tmp_path: Path) -> None:
    digest = told("plan", "solo", "--from", ways.http)
    stranger = key(2).public.line
    assert told("plan", "solo", "--from", ways.http, "--key", released.key)["files"] == digest["files"]
    new = ("--trust-file", tmp_path / "other.json")
    assert told("plan", "solo", "--from", ways.http, "--key", stranger, *new, code=17)["exit_code"] == 17
    root = told("pull", "solo", "--from", ways.http, "-o", tmp_path / "out")["root_sha256"]
    assert told("plan", "solo", "--from", ways.http, "--pin", root)["files"] == digest["files"]


def test_offline_nobody_is_asked(released: Released, tmp_path: Path) -> None:
    with nginx(released.root, tmp_path / "nginx") as web:
        there = ("--from", web.address, "-o", tmp_path / "out", *SMALL)
        assert told("pull", "solo", *there, "--offline", code=14)["error"] == "TransportError"
        first = told("pull", "solo", *there)
        before = contents(tmp_path / "out")
        web.forget()
        assert told("pull", "solo", *there)["fetched"] == 0
        assert {line.path for line in web.lines()} == {"/latest.json", "/latest.json.minisig"}
        web.forget()
        assert told("pull", "solo", *there, "--offline")["kept"] == first["wanted"]
        assert not web.lines()
    assert told("pull", "solo", *there, "--offline")["kept"] == first["wanted"]
    assert contents(tmp_path / "out") == before
    assert told("plan", "smile", "--from", web.address, "--offline")["files"]
    ended = told("pull", "smile", *there, "--offline", code=13)
    assert "nobody may be asked" in ended["message"]


# Locks.


def test_a_lock_makes_the_same_folder_on_another_machine(
    ways: Ways, tmp_path: Path, expected: Expected, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / LOCK).write_bytes(expected["96px"][LOCK])
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "another"))
    given = ("pull", "--locked", tmp_path / LOCK, "--from", ways.http)
    assert "the same, to the last byte, as the lock says" in said(*given, "-o", tmp_path / "out")
    assert contents(tmp_path / "out") == expected["96px"]
    done = told(*given, "-o", tmp_path / "out")
    assert (done["fetched"], done["reproduced"]["differing"]) == (0, [])
    assert told("pull", "--locked", tmp_path / "out" / LOCK, "--from", ways.http, "-o", tmp_path / "out")["ok"]
    assert "A lock has its rendition" in said(*given, "-o", tmp_path / "out", *SMALL, code=2)


def test_another_engine_is_named(ways: Ways, tmp_path: Path, expected: Expected) -> None:
    """As where the lock was made by a library that writes other bytes."""
    out = tmp_path / "theirs"
    said("pull", QUERY, "--from", ways.local, "-o", out, *SMALL)
    entries = list(Lock(out / LOCK).entries())
    other = [
        dataclasses.replace(entry, sha256="0" * 64, engine="libvips 1.0") if entry.engine else entry
        for entry in entries
    ]
    write(out / LOCK, Lock(out / LOCK).header, lambda: iter(other))
    text = said("pull", "--locked", out / LOCK, "--from", ways.local, "-o", tmp_path / "out", code=3)
    assert "not as the lock says" in text
    assert "the lock was made by libvips 1.0, this by " in text


def test_a_lock_of_something_else_is_refused(released: Released, ways: Ways, tmp_path: Path) -> None:
    said("pull", "solo", "--from", ways.local, "-o", tmp_path / "mine")
    lock = (tmp_path / "mine" / LOCK).read_bytes()
    for old, new, code in (
        (b'"id":"5a3f1e0c', b'"id":"00000000', 12),
        (b'"root_sha256":"', b'"root_sha256":"%s","_":"' % (b"0" * 64), 10),
        (released_root(tmp_path / "mine"), b"0" * 64, 11),
        (b'"release":"2026"', b'"release":"1999"', 16),
    ):
        (tmp_path / LOCK).write_bytes(lock.replace(old, new, 1))
        given = ("--locked", tmp_path / LOCK, "--from", ways.local, "-o", tmp_path / "out")
        assert told("pull", *given, code=code)["exit_code"] == code
        assert not (tmp_path / "out").exists()


def released_root(out: Path) -> bytes:
    return Lock(out / LOCK).header.root_sha256.encode()


def test_what_was_withdrawn_since_is_listed_and_left_out(released: Released, tmp_path: Path) -> None:
    mine = released.copy(tmp_path / "mine")
    said("pull", "solo", "--from", mine.root, "-o", tmp_path / "out", *SMALL)
    ids = [entry.id for entry in Lock(tmp_path / "out" / LOCK).entries()]
    gone = ids[:2]
    mine.publish("2027", "".join(f"danbooru,{post},withdraw,asked by the artist\n" for post in gone))
    ended = run("pull", "--locked", tmp_path / "out" / LOCK, "--from", mine.root, "-o", tmp_path / "again")
    assert ended.exit_code == 3
    assert f"taken back since the lock was made, and left out: 2 ({gone[0]}, {gone[1]})" in ended.stderr
    assert [entry.id for entry in Lock(tmp_path / "again" / LOCK).entries()] == ids[2:]
    done = told("pull", "solo", "--release", "2026", "--from", mine.root, "-o", tmp_path / "out", *SMALL)
    assert (done["fetched"], done["removed"]) == (0, 2)
    (tmp_path / "ids").write_text("\n".join(map(str, gone)))
    nothing = told("pull", "--ids", tmp_path / "ids", "--from", mine.root, "-o", tmp_path / "none", code=13)
    assert nothing["error"] == "NothingToPull"


# The same folder again.


def test_another_query_fetches_and_removes_the_difference(ways: Ways, tmp_path: Path) -> None:
    out = ("-o", tmp_path / "out", *SMALL)
    first = told("pull", "solo", "--from", ways.http, *out)
    planned = told("pull", "smile", "--from", ways.http, *out, "--dry-run")
    done = told("pull", "smile", "--from", ways.http, *out)
    both = int(said("count", "solo smile", "--in", ways.local))
    assert (done["kept"], planned["here"]) == (both, both)
    assert done["fetched"] == planned["files"] == int(said("count", "smile -solo", "--in", ways.local))
    assert done["removed"] == first["wanted"] - both
    said("pull", "smile", "--from", ways.local, "-o", tmp_path / "fresh", *SMALL)
    assert contents(tmp_path / "out") == contents(tmp_path / "fresh")
    other = told("pull", "smile", "--from", ways.local, "-o", tmp_path / "out", "--size", "32")
    assert (other["kept"], other["fetched"]) == (0, done["wanted"])


def test_what_was_lost_is_planned_and_fetched_again(ways: Ways, tmp_path: Path) -> None:
    out = ("--from", ways.http, "-o", tmp_path / "out", *SMALL)
    said("pull", "solo", *out)
    whole = contents(tmp_path / "out")
    for path in [*(tmp_path / "out/images").rglob("*.jpg")][:3]:
        path.unlink()
    assert told("pull", "solo", *out, "--dry-run")["files"] == 3
    assert told("pull", "solo", *out)["fetched"] == 3
    assert contents(tmp_path / "out") == whole


def test_layouts_and_originals(released: Released, ways: Ways, tmp_path: Path) -> None:
    said("pull", "id:1000", "--from", ways.local, "-o", tmp_path / "flat", "--layout", "flat", "--format", "webp")
    assert set(contents(tmp_path / "flat")) == {"images/1000.webp", LOCK}
    said("pull", "id:1000", "--from", ways.local, "-o", tmp_path / "both", "--size", "40x30", "--keep-originals")
    made = contents(tmp_path / "both")
    assert set(made) == {"images/0000/1000.jpg", "originals/0000/1000.png", LOCK}
    assert made["originals/0000/1000.png"] == (released.root / "original/0000/1000.png").read_bytes()
    with Image.open(tmp_path / "both/images/0000/1000.jpg") as image:
        assert image.width <= 40
        assert image.height <= 30
    said("pull", "id:1000", "--from", ways.local, "-o", tmp_path / "as-is")
    assert contents(tmp_path / "as-is")["images/0000/1000.png"] == made["originals/0000/1000.png"]


# Ids and failures.


def test_ids_come_from_a_file_or_stdin(ways: Ways, tmp_path: Path) -> None:
    (tmp_path / "ids").write_text("# chosen by hand\n1002\n1000\trefused\n\n1000\n")
    for given, stdin in ((tmp_path / "ids", None), ("-", "1000\n1002\n")):
        out = tmp_path / ("file" if stdin is None else "stdin")
        said("pull", "--ids", given, "--from", ways.local, "-o", out, stdin=stdin)
        assert [entry.id for entry in Lock(out / LOCK).entries()] == [1000, 1002]
    assert contents(tmp_path / "file") == contents(tmp_path / "stdin")
    unknown = told("plan", "--ids", write_ids(tmp_path, "1000\n77777777\n"), "--from", ways.local)
    assert (unknown["files"], unknown["absent_named"]) == (1, [77777777])
    for bad in ("x\n", "-5\n", "1" * 19):
        ended = told("plan", "--ids", write_ids(tmp_path, bad), "--from", ways.local, code=10)
        assert "line 1: is no id of a post" in ended["message"]
    assert told("plan", "--ids", write_ids(tmp_path, ""), "--from", ways.local)["files"] == 0
    assert told("plan", "--ids", tmp_path / "none", "--from", ways.local, code=15)["exit_code"] == 15


def write_ids(folder: Path, text: str) -> Path:
    (folder / "some.ids").write_text(text)
    return folder / "some.ids"


def test_a_file_that_nobody_has_is_a_failure_that_can_be_tried_again(released: Released, tmp_path: Path) -> None:
    mine = released.copy(tmp_path / "mine")
    (mine.root / "original/0000/1000.png").unlink()
    given = ("--from", mine.root, "--error-file", tmp_path / "errors")
    text = said("pull", "solo", *given, "-o", tmp_path / "out", code=3)
    assert "failed: 1 missing: 1000" in text
    assert "1 file did not come" in said("pull", "solo", *given, "-o", tmp_path / "out", "-q", code=3)
    assert (tmp_path / "errors").read_text() == "1000\tmissing\n"
    done = told("pull", "solo", *given, "-o", tmp_path / "out", code=3)
    assert (done["ok"], done["fetched"], done["failed"][0]["id"]) == (False, 0, 1000)
    again = ("pull", "--ids", tmp_path / "errors", "--from", released.root, "-o", tmp_path / "rest")
    assert told(*again)["fetched"] == 1
    assert told("repair", tmp_path / "out", "--from", released.root)["fetched"] == 1
    said("pull", "solo", "--from", released.root, "-o", tmp_path / "whole")
    assert contents(tmp_path / "out") == contents(tmp_path / "whole")
    said("pull", "solo", "--from", released.root, "-o", tmp_path / "whole", "-e", tmp_path / "errors")
    assert (tmp_path / "errors").read_bytes() == b""


# Several sources, of which some are poor.


def test_a_source_that_is_down_is_told_and_the_others_work(ways: Ways, expected: Expected, tmp_path: Path) -> None:
    down = f"http://127.0.0.1:{free_port()}"
    text = said("pull", QUERY, "--from", down, "--from", ways.http, "-o", tmp_path / "out", *SMALL)
    assert f"not used: {down}" in text
    assert contents(tmp_path / "out") == expected["original"]
    assert told("plan", QUERY, "--from", down, "--from", tmp_path, code=14)["exit_code"] == 14


def test_what_a_partial_mirror_lacks_comes_from_the_others(
    released: Released, ways: Ways, expected: Expected, tmp_path: Path
) -> None:
    part = released.copy(tmp_path / "part")
    for line in (part.root / "volumes/original-2026-0001.files").read_text().splitlines():
        (part.root / line).unlink()
    done = told("pull", QUERY, "--from", part.root, "--from", ways.http, "-o", tmp_path / "out", *SMALL)
    assert contents(tmp_path / "out") == expected["original"]
    assert all(source["files"] for source in done["sources"])


def test_a_bare_tree_carries_files_where_it_is_named(
    released: Released, ways: Ways, expected: Expected, tmp_path: Path
) -> None:
    bare = tmp_path / "bare"
    shutil.copytree(released.root / "original", bare / "original")
    given = ("--from", ways.http, "--from", bare, "-o", tmp_path / "out", *SMALL)
    assert [one["source"] for one in told("pull", QUERY, *given, "-n")["sources"]] == [ways.http]
    done = told("pull", QUERY, *given, "--prefer", bare)
    assert {one["source"] for one in done["sources"] if one["files"]} == {str(bare)}
    assert contents(tmp_path / "out") == expected["original"]


def test_addresses_are_named_as_they_were_typed(
    released: Released, ways: Ways, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(released.root.parent)
    given = ("plan", "solo", "--from", "pictures", "--from", f"{ways.http}/")
    assert [one["kind"] for one in told(*given, "--via", f"{ways.http}/")["sources"]] == ["http"]
    assert [one["kind"] for one in told(*given, "--forbid", "pictures")["sources"]] == ["http"]
    assert [one["kind"] for one in told(*given, "--prefer", f"{ways.http}/")["sources"]] == ["http"]


def test_the_address_comes_from_the_environment(ways: Ways, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TAGSWARM_FROM", f"{ways.local} {ways.http}")
    assert len(told("plan", "solo")["alone"]) == 2


# Exports with a pull.


def test_a_pull_can_export_too(ways: Ways, tmp_path: Path) -> None:
    given = ("pull", QUERY, "--from", ways.local, "-o", tmp_path / "out", *SMALL)
    done = told(*given, "--export", "webdataset", "-s", "samples_per_shard=7")
    assert done["exported"]["samples"] == done["wanted"] - len(done["skipped"])
    assert (tmp_path / "out/webdataset/samples-000000.tar").is_file()
    assert "images as sidecars, " in said(*given, "--export", "sidecars")
    assert told("verify", tmp_path / "out", "--extra")["extra"] == []
    assert told(*given, "--export", "webdataset")["exported"]["files"]
    (tmp_path / "out/kohya").mkdir()
    (tmp_path / "out/kohya/mine.txt").write_text("not an export")
    assert told(*given, "--export", "kohya", code=15)["exit_code"] == 15


# Stopping, killing, two at once, hostile names.


@contextmanager
def started(*args: object) -> Iterator[subprocess.Popen[str]]:
    """The real program, which the end of the block kills if it still runs: a hang is a failure."""
    command = [TAGSWARM, *map(str, args)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


def until_files_came(process: subprocess.Popen[str], count: int) -> None:
    assert process.stdout is not None
    event: dict[str, Any] = {}
    for line in process.stdout:
        event = json.loads(line)
        if event["event"] == "step-advanced" and event["step"] == "pull" and event["done"] >= count:
            return
    raise AssertionError(f"it ended before: {event} {process.communicate()}")


@pytest.mark.parametrize("kind", ["http", "rsync", "torrent"])
def test_ctrl_c_ends_it_and_it_goes_on(reached: Reached, expected: Expected, tmp_path: Path, kind: str) -> None:
    given = ("pull", QUERY, *reached(kind), "-o", tmp_path / "out", *SMALL)
    with started(*given, "--limit-rate", "500kB", "--json") as process:
        until_files_came(process, 1)
        process.send_signal(signal.SIGINT)
        rest, errors = process.communicate(timeout=20)
    assert (process.returncode, errors) == (130, "")
    assert json.loads(rest.splitlines()[-1])["error"] == "Interrupted"
    done = told(*given)
    assert done["kept"] > 0
    assert contents(tmp_path / "out") == expected["original"]


@pytest.mark.parametrize("kind", KINDS)
def test_a_kill_at_any_moment_loses_nothing(
    reached: Reached, expected: Expected, tmp_path: Path, kind: str, pytestconfig: pytest.Config
) -> None:
    chance = random.Random(kind)
    given = ("pull", QUERY, *reached(kind), "-o", tmp_path / "out", *SMALL)
    kept = 0
    for _ in range(int(pytestconfig.getoption("kills")) // 3):
        with started(*given, "--limit-rate", "1MB") as process:
            time.sleep(0.3 + chance.random() * 2)
            process.kill()
        found = told(*given, "--dry-run")
        assert found["here"] >= kept, "what was there is lost"
        kept = found["here"]
    assert told(*given)["kept"] == kept
    assert contents(tmp_path / "out") == expected["original"]
    assert told("verify", tmp_path / "out", "--extra")["extra"] == []


def test_two_pulls_into_one_folder_are_one_too_many(ways: Ways, tmp_path: Path) -> None:
    given = ("pull", QUERY, "--from", ways.http, "-o", tmp_path / "out", *SMALL)
    with started(*given, "--limit-rate", "300kB", "--json") as process:
        until_files_came(process, 1)
        ended = told(*given, code=15)
        assert ended["error"] == "DestinationLocked"
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=20)
    assert told(*given)["ok"]


def test_names_from_outside_are_escaped(ways: Ways, tmp_path: Path) -> None:
    for given in (
        ("solo \x1b]0;x\x07", "--from", ways.local),
        ("solo", "--from", "http://ho\x1b[31mst/"),
        ("solo", "--from", str(tmp_path / "a\x1b[31mb")),
        ("solo", "--from", ways.local, "--via", "\x1b[31mred"),
        ("solo", "--from", ways.local, "--rendition", "\x1b[31mred"),
        ("solo", "--from", ways.local, "--export", "\x1b[31mred"),
        ("solo", "--from", ways.local, "--export", "kohya", "-s", "\x1b[31mred"),
    ):
        ended = run("pull", *given, "-o", tmp_path / "out")
        assert ended.exit_code not in (0, 1)
        assert "\x1b" not in ended.output
        assert "\x07" not in ended.output
