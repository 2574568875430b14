"""`tagswarm verify`, `repair` and `export` of a folder that was pulled."""

from __future__ import annotations

import json
import random
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from tagswarm.cli.main import program
from tagswarm.mirror.lock import LOCK, Lock
from tagswarm.mirror.store import STATE
from tests.mirror.transports.servers import nginx
from tests.released import Released, Ways

Pull = Callable[..., Path]
QUERY = "solo"
IMAGES = "images"


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the program remembers lies in a folder of the test."""
    monkeypatch.delenv("TAGSWARM_FROM", raising=False)
    for name in ("XDG_CACHE_HOME", "XDG_DATA_HOME"):
        monkeypatch.setenv(name, str(tmp_path / "home"))


@pytest.fixture(scope="module")
def whole(pull_sample: Pull, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of resized images."""
    return pull_sample(tmp_path_factory.mktemp("whole") / "out", QUERY, "--size", "48", "--fit", "pad")


@pytest.fixture
def out(whole: Path, tmp_path: Path) -> Path:
    """A copy of it, to be damaged."""
    return Path(shutil.copytree(whole, tmp_path / "out"))


def run(*args: object) -> Result:
    return CliRunner().invoke(program, list(map(str, args)))


def said(*args: object, code: int = 0) -> str:
    ended = run(*args)
    assert ended.exit_code == code, ended.output
    return ended.output


def told(*args: object, code: int = 0) -> dict[str, Any]:
    """The last object of a command with --json."""
    ended = run(*args, "--json")
    assert (ended.exit_code, ended.stderr) == (code, ""), ended.output
    return [json.loads(line) for line in ended.stdout.splitlines()][-1]  # type: ignore[no-any-return]


def images(out: Path) -> list[Path]:
    return sorted((out / IMAGES).rglob("*.jpg"))


def contents(out: Path) -> dict[str, bytes]:
    files = [path for path in sorted(out.rglob("*")) if path.is_file() and STATE not in path.parts]
    return {str(path.relative_to(out)): path.read_bytes() for path in files}


def flip(path: Path, bit: int = 1) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= bit
    path.write_bytes(data)


def test_a_whole_folder_is_right_in_every_depth(whole: Path) -> None:
    count = len(images(whole))
    for options, read in (([], count), (["--fast"], 0), (["--sample", "1"], count), (["--extra"], count)):
        found = told("verify", whole, *options)
        assert (found["ok"], found["files"], found["read"]) == (True, count, read)
    assert "every file that was checked is right" in said("verify", whole)
    assert "contents not read" in said("verify", whole, "--fast")
    assert said("verify", whole, "-q") == ""
    assert "give one of them" in said("verify", whole, "--fast", "--sample", "0.5", code=2)


def test_damage_is_named_and_mended_from_any_source(out: Path, whole: Path, ways: Ways) -> None:
    for kind in ("local", "http", "rsync", "s3"):
        first, second, third, *_ = images(out)
        flip(first)
        second.unlink()
        third.write_bytes(b"")
        found = told("verify", out, code=3)
        assert {problem["kind"] for problem in found["problems"]} == {"digest", "missing", "size"}
        assert len(found["damaged"]) == 3
        text = said("verify", out, code=3)
        assert f"Next: tagswarm repair {out} --from ADDRESS" in text
        assert "3 files are missing or damaged" in said("verify", out, "-q", code=3)
        done = told("repair", out, "--from", ways.address(kind))
        assert (done["ok"], done["fetched"], done["posts"]) == (True, 3, Lock(whole / LOCK).header.posts)
        assert contents(out) == contents(whole)
        assert told("verify", out, "--extra")["extra"] == []
    assert len([*(out / STATE / "quarantine").iterdir()]) == 8


def test_every_flipped_bit_is_found_and_mended(out: Path, whole: Path, ways: Ways, pytestconfig: pytest.Config) -> None:
    chance = random.Random(5)
    for _ in range(int(pytestconfig.getoption("rounds"))):
        victims = chance.sample(images(out), 5)
        for victim in victims:
            flip(victim, 1 << chance.randrange(8))
        found = told("verify", out, code=3)
        assert [problem["path"] for problem in found["problems"]] == sorted(
            str(path.relative_to(out)) for path in victims
        )
        assert told("repair", out, "--from", ways.local)["fetched"] == 5
        assert contents(out) == contents(whole)


def test_nothing_to_mend_asks_nobody(out: Path) -> None:
    assert told("repair", out)["ok"]
    assert "every file that was checked is right" in said("repair", out)
    flip(images(out)[0])
    assert "Name one with --from" in said("repair", out, code=14)


def test_posts_that_never_came_are_fetched_by_a_repair(released: Released, tmp_path: Path) -> None:
    poor = released.copy(tmp_path / "poor")
    (poor.root / "original/0000/1000.png").unlink()
    said("pull", QUERY, "--from", poor.root, "-o", tmp_path / "out", code=3)
    text = said("verify", tmp_path / "out")
    assert "never came  1 post" in text
    assert "Next: tagswarm repair" in text
    assert told("repair", tmp_path / "out", "--from", poor.root, code=3)["failed"][0]["id"] == 1000
    assert told("repair", tmp_path / "out", "--from", released.root)["fetched"] == 1
    assert told("verify", tmp_path / "out")["absent"] == []
    assert said("export", tmp_path / "out", "imagefolder", "--to", tmp_path / "made")


def test_the_release_of_the_lock_is_the_one_that_mends(
    out: Path, released: Released, tmp_path: Path, whole: Path
) -> None:
    newer = released.copy(tmp_path / "newer")
    newer.publish("2027")
    flip(images(out)[0])
    with nginx(newer.root, tmp_path / "nginx") as web:
        assert told("repair", out, "--from", web.address)["release"] == "2026"
    assert contents(out) == contents(whole)
    assert told("repair", out, "--from", newer.root, "--release", "2027")["ok"]
    flip(images(out)[0])
    assert told("repair", out, "--from", newer.root, "--release", "2027", code=11)["exit_code"] == 11


@pytest.mark.parametrize("command", ["verify", "repair"])
def test_a_folder_that_was_never_pulled_is_refused(tmp_path: Path, command: str) -> None:
    (tmp_path / "empty").mkdir()
    assert LOCK in said(command, tmp_path / "empty", code=15)
    assert "does not exist" in said(command, tmp_path / "none", code=2)
    (tmp_path / "empty" / LOCK).write_text("no lock\n")
    assert told(command, tmp_path / "empty", code=10)["exit_code"] == 10


# Exports.


FORMS = {
    "imagefolder": ["-s", "split=validation"],
    "webdataset": ["-s", "samples_per_shard=9", "-s", "name=cats"],
    "parquet": ["-s", "images=true"],
    "kohya": ["-s", "repeats=3", "-s", "concept=cat", "-s", "resolution=none", "-s", "captions.template={general}"],
    "sidecars": ["-s", "namespaces=false"],
}
EXPECTED = {
    "imagefolder": "validation/metadata.jsonl",
    "webdataset": "cats-000000.tar",
    "parquet": "samples-000000.parquet",
    "kohya": "dataset.toml",
    "sidecars": "0000/1000.jpg.txt",
}


@pytest.mark.parametrize("form", FORMS)
def test_every_form_with_its_options(whole: Path, tmp_path: Path, form: str) -> None:
    made = told("export", whole, form, "--to", tmp_path / "made", *FORMS[form])
    assert made["samples"] == len(images(whole))
    assert (tmp_path / "made" / EXPECTED[form]).is_file()
    assert told("export", whole, form, "--to", tmp_path / "made", *FORMS[form], code=15)["exit_code"] == 15
    assert f"as {form} in" in said("export", whole, form, "--to", tmp_path / "made", *FORMS[form], "--replace")
    assert said("export", whole, form, "--to", tmp_path / "again", *FORMS[form], "-q", "--copy") == ""
    assert contents(tmp_path / "made").keys() == contents(tmp_path / "again").keys()


@pytest.mark.parametrize(
    ("form", "option", "words"),
    [
        ("cake", "a=b", "There is no form 'cake'; there are imagefolder, webdataset, parquet, kohya, sidecars."),
        ("kohya", "repeats", "'repeats' is no option: give NAME=VALUE."),
        ("kohya", "repeats=x", "repeats is 'x': "),
        ("kohya", "repeats=0", "repeats is 0, expected 1 or more"),
        ("kohya", "repeats=none", "repeats is 'none': "),
        ("kohya", "cache_sizes=perhaps", "cache_sizes is 'perhaps': "),
        ("kohya", "colour=red", "There is no option 'colour'; there are concept, repeats, "),
        ("kohya", "captions=short", "There is no option 'captions'; "),
        ("kohya", "captions.colour=red", "There is no option 'captions.colour'; there are template, "),
        ("kohya", "captions.template={", "emplate: '{' holds more than one field"),
        ("kohya", "captions.max_tags=-1", "expected 1 or more"),
        ("kohya", "captions.separator=|||", "three separators that differ"),
        ("sidecars", "captions.spaces=true", "There is no option 'captions.spaces'; there are namespaces, spaces."),
        ("webdataset", "name=../x", "name is '../x', expected small letters"),
        ("webdataset", "\x1b[31m=1", "There is no option"),
    ],
)
def test_options_that_are_none_are_usage_errors(
    whole: Path, tmp_path: Path, form: str, option: str, words: str
) -> None:
    text = said("export", whole, form, "--to", tmp_path / "made", "-s", option, code=2)
    assert words in " ".join(text.split())
    assert "\x1b" not in text
    assert not (tmp_path / "made").exists()
    assert told("export", whole, form, "--to", tmp_path / "made", "-s", option, code=2)["error"] == "UsageError"


def test_options_of_captions_reach_them(whole: Path, tmp_path: Path) -> None:
    options = ("-s", "captions.exclude=solo,1girl", "-s", "captions.max_tags=none", "-s", "captions.separator= + ")
    said("export", whole, "kohya", "--to", tmp_path / "made", *options, "-s", "captions.spaces=false")
    for caption in (tmp_path / "made/images").glob("*.txt"):
        text = caption.read_text()
        assert " + " in text
        assert "_" in text
        assert "solo" not in text.replace("|||", "+").strip().split(" + ")
