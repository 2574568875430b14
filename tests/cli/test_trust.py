"""`tagswarm trust ...`: what is known is shown, changed by hand, and never without being asked."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from tagswarm.cli.main import program
from tagswarm.manifests.models import Keys
from tagswarm.mirror.memory import Known, KnownKeys, KnownRoot, Memory
from tests.publisher import key

A, B = key(1).public, key(2).public
ONE, TWO = "0123456789abcdef0123456789abcdef", "fedcba9876543210fedcba9876543210"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """What is remembered of a signed dataset and of an unsigned one with a name that a terminal would obey."""
    listed = Keys(dataset_id=ONE, version=3, keys=[A.line]).render().decode()
    signed = Known(
        id=ONE,
        name="danbooru",
        keys=KnownKeys(document=listed, signatures={}),
        roots=[KnownRoot(release="2026", sequence=4, sha256="a" * 64, signers=[A.name])],
        addresses=["https://a.example/danbooru"],
        first_seen=date(2026, 11, 20),
        last_seen=date(2027, 1, 2),
    )
    bare = Known(
        id=TWO, name="[red]x\x1b[31m", roots=[KnownRoot(release="2025", sequence=1, sha256="b" * 64, signers=[])]
    )
    Memory(tmp_path / "trust.json").change(lambda now: now.with_known(signed).with_known(bare))
    return tmp_path / "trust.json"


def run(file: Path, *args: str | Path) -> Result:
    return CliRunner().invoke(program, ["trust", *map(str, args), "--trust-file", str(file)])


def result(file: Path, *args: str | Path) -> dict[str, Any]:
    ended = run(file, *args, "--json")
    assert ended.exit_code == 0, ended.output
    found: dict[str, Any] = json.loads(ended.stdout.splitlines()[-1])
    return found


def test_nothing_is_known_at_first(tmp_path: Path) -> None:
    ended = run(tmp_path / "none.json", "list")
    assert (ended.exit_code, ended.stdout) == (
        0,
        "nothing is known yet: a dataset becomes known when it is first opened\n",
    )
    assert not (tmp_path / "none.json").exists()


def test_the_list_names_every_dataset_safely(file: Path) -> None:
    said = run(file, "list").stdout
    assert "danbooru" in said
    assert "keys of first use" in said
    assert "UNSIGNED, releases pinned" in said
    assert "[red]x\\x1b[31m" in said
    assert "\x1b" not in said
    found = result(file, "list")
    assert [dataset["id"] for dataset in found["datasets"]] == [ONE, TWO]


@pytest.mark.parametrize("named", [ONE, "0123", "danbooru", "https://a.example/danbooru/"])
def test_a_dataset_is_shown_by_what_people_call_it(file: Path, named: str) -> None:
    said = run(file, "show", named).stdout
    for part in (ONE, A.line, A.name, "2026-11-20", "https://a.example/danbooru", "a" * 64, "1 of 1 key"):
        assert part in said
    found = result(file, "show", named)
    assert found["keys"] == [{"key_id": A.name, "public_key": A.line}]
    assert (found["keys_version"], found["releases"][0]["sequence"]) == (3, 4)


def test_what_is_not_known_is_told(file: Path) -> None:
    for command in ("show", "remove", "reset"):
        ended = run(file, command, "nobody", *(() if command == "show" else ("--yes",)))
        assert ended.exit_code == 17
        assert "no such dataset is known" in ended.stderr
        assert "what to do:" in ended.stderr


def test_a_key_is_added_and_its_fingerprint_printed(file: Path, tmp_path: Path) -> None:
    (tmp_path / "key.pub").write_bytes(B.render())
    for given in (tmp_path / "key.pub", B.line):
        said = run(file, "add", "danbooru", given).stdout
        assert B.name in said
        assert B.line in said
    assert [one["public_key"] for one in result(file, "show", "danbooru")["added"]] == [B.line]
    assert "keys added by hand" in run(file, "list").stdout
    assert result(file, "add", "danbooru", B.line)["key_id"] == B.name


def test_a_key_is_added_before_the_first_use(file: Path, tmp_path: Path) -> None:
    (tmp_path / "tree").mkdir()
    for where in ("https://new.example/x", "ab" * 16, str(tmp_path / "tree")):
        assert run(file, "add", where, B.line).exit_code == 0
    assert "https://new.example/x: never opened; 1 key added" in run(file, "list").stdout
    assert "(never seen)" in run(file, "list").stdout
    assert set(Memory(file).read().addresses) == {"https://new.example/x", str(tmp_path / "tree")}
    assert run(file, "remove", "https://new.example/x", "--yes").exit_code == 0
    assert set(Memory(file).read().addresses) == {str(tmp_path / "tree")}


def test_what_is_no_key_is_refused(file: Path, tmp_path: Path) -> None:
    (tmp_path / "not.pub").write_text("hello\n")
    for given in ("RWnothing", tmp_path / "not.pub", tmp_path / "missing.pub"):
        ended = run(file, "add", "danbooru", given)
        assert ended.exit_code in (10, 15)
        assert "error: " in ended.stderr
    assert run(file, "add", "unknown-name", B.line).exit_code == 17


@pytest.mark.parametrize("command", [("remove", "danbooru"), ("reset", "danbooru"), ("remove", "danbooru", B.line)])
def test_nothing_is_forgotten_without_being_asked(file: Path, command: tuple[str, ...]) -> None:
    assert run(file, "add", "danbooru", B.line).exit_code == 0
    before = file.read_bytes()
    refused = run(file, *command)
    assert refused.exit_code == 2
    assert "--yes" in refused.stderr
    assert run(file, *command, "--json").exit_code == 2
    assert file.read_bytes() == before
    assert run(file, *command, "--yes").exit_code == 0
    assert file.read_bytes() != before


def test_a_person_is_asked(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tagswarm.cli.trust._nobody", lambda: False)
    runner = CliRunner()
    command = ["trust", "remove", "danbooru", "--trust-file", str(file)]
    refused = runner.invoke(program, command, input="n\n")
    assert refused.exit_code == 130
    assert "Forget all that is known of danbooru?" in refused.stderr
    assert Memory(file).read().of(ONE) is not None
    assert runner.invoke(program, command, input="y\n").exit_code == 0
    assert Memory(file).read().of(ONE) is None


def test_a_reset_keeps_what_a_person_said(file: Path) -> None:
    run(file, "add", "danbooru", B.line)
    assert "trusted on first use again" in run(file, "reset", "danbooru", "--yes").stdout
    found = result(file, "show", "danbooru")
    assert (found["keys"], found["releases"]) == ([], [])
    assert [one["public_key"] for one in found["added"]] == [B.line]


def test_a_damaged_file_is_told(file: Path) -> None:
    file.write_text("{")
    ended = run(file, "list")
    assert ended.exit_code == 10
    assert "move it away" in ended.stderr
