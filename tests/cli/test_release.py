"""`tagswarm release ...`: what each command says, in words and in JSON, and with which code it ends."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from rich.console import Console

from tagswarm.cli import page
from tagswarm.cli.main import program
from tests.collection import Collection

POSTS = 24


def run(*args: str | Path, **extra: Any) -> Result:
    return CliRunner().invoke(program, ["release", *map(str, args)], **extra)


def result(*args: str | Path, code: int = 0) -> dict[str, Any]:
    """The last object of a command with --json."""
    ended = run(*args, "--json")
    assert ended.exit_code == code, ended.output
    assert ended.stderr == ""
    found: dict[str, Any] = json.loads(ended.stdout.splitlines()[-1])
    return found


@pytest.fixture(scope="module")
def signed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a dataset whose release 2026 is signed, and the key."""
    folder = tmp_path_factory.mktemp("cli")
    Collection.make(folder / "data", POSTS, buckets=4)
    assert run("init", folder / "data", "--name", "small", "--release", "2026", "--issued", "2026-11-20").exit_code == 0
    made = result("keygen", folder / "key", "--no-password")
    config = folder / "data" / "release.toml"
    config.write_text(config.read_text().replace("keys = []", f'keys = ["{made["public_key"]}"]'))
    built = result("build", folder / "data", "--workers", "1")
    assert built["changed"] is True
    assert run("sign", folder / "data", "--key", folder / "key").exit_code == 0
    return folder


@pytest.fixture
def copy(signed: Path, tmp_path: Path) -> Path:
    """A copy of it that a test may break."""
    shutil.copytree(signed, tmp_path / "copy")
    return tmp_path / "copy"


def a_file(folder: Path, tree: str) -> Path:
    return next(path for path in sorted((folder / "data" / tree).rglob("*.*")) if path.is_file())


def test_init_writes_once(signed: Path, copy: Path) -> None:
    before = (copy / "data" / "release.toml").read_text()
    refused = run("init", copy / "data")
    assert refused.exit_code == 16
    assert "what to do:" in refused.stderr
    assert (copy / "data" / "release.toml").read_text() == before
    forced = run("init", copy / "data", "--force")
    assert forced.exit_code == 0
    assert "release audit" in forced.stdout


def test_audit_of_a_clean_tree(signed: Path) -> None:
    ended = run("audit", signed / "data")
    assert ended.exit_code == 0
    assert "no findings" in ended.stdout
    assert "compare" in ended.stderr
    found = result("audit", signed / "data")
    assert (found["blocked"], found["errors"], found["groups"]) == (False, 0, [])
    assert Path(found["html_path"]).is_file()


def test_audit_names_a_defect_and_ends_with_its_code(copy: Path) -> None:
    broken = a_file(copy, "original")
    broken.unlink()
    ended = run("audit", copy / "data")
    assert ended.exit_code == 16
    assert "error   missing-file (1)" in ended.stdout
    assert broken.stem in ended.stdout
    assert "what to do:" in ended.stdout
    found = result("audit", copy / "data", code=16)
    assert found["event"] == "result"
    assert {group["finding"]: group["count"] for group in found["groups"] if group["severity"] == "error"}[
        "missing-file"
    ] == 1
    refused = result("build", copy / "data", code=16)
    assert (refused["event"], refused["error"]) == ("error", "AuditFailed")


def test_build_again_changes_nothing(signed: Path) -> None:
    ended = run("build", signed / "data")
    assert ended.exit_code == 0
    assert "nothing has changed" in ended.stdout
    found = result("build", signed / "data")
    assert (found["changed"], found["files_read"], found["images_made"]) == (False, 0, 0)
    assert found["totals"]["posts"] == POSTS
    assert found["audit"]["errors"] == 0


def test_sign_says_who_and_needs_a_key(signed: Path, copy: Path) -> None:
    again = result("sign", signed / "data", "--key", signed / "key")
    assert again["published"] is True
    assert again["written"] == []
    assert "the latest" in run("sign", signed / "data", "--key", signed / "key").stdout
    assert run("sign", copy / "data").exit_code == 17
    other = copy / "other"
    assert run("keygen", other, "--no-password").exit_code == 0
    assert result("sign", copy / "data", "--key", other, code=17)["error"] == "UnknownKey"


def test_unsigned_release_is_said_to_be_one(copy: Path) -> None:
    config = copy / "data" / "release.toml"
    lines = [line for line in config.read_text().splitlines() if not line.startswith("keys = ")]
    config.write_text("\n".join([*lines, ""]))
    for path in [*(copy / "data").glob("*.json*"), *(copy / "data").glob("releases/*/*.minisig")]:
        path.unlink()
    assert run("build", copy / "data").exit_code == 0
    ended = run("sign", copy / "data")
    assert ended.exit_code == 0, ended.output
    assert "UNSIGNED" in ended.stdout
    assert "UNSIGNED" in run("show", copy / "data").stdout
    assert "UNSIGNED" in run("verify", copy / "data").stdout


def test_verify_holds_and_says_what_it_rests_on(signed: Path) -> None:
    ended = run("verify", signed / "data", "--key", signed / "key.pub")
    assert ended.exit_code == 0
    assert "holds" in ended.stdout
    assert "first use" not in ended.stdout
    assert "first use" in run("verify", signed / "data").stdout
    found = result("verify", signed / "data", "--key", (signed / "key.pub").read_text().splitlines()[1])
    assert (found["ok"], found["problems"], found["depth"]) == (True, [], "full")
    assert result("verify", signed / "data", "--fast")["read"] <= found["read"]
    assert result("verify", signed / "data", "--sample", "0.5")["depth"] == "sample"
    pinned = result("verify", signed / "data", "--pin", found["root_sha256"])
    assert pinned["ok"] is True
    assert run("verify", signed / "data", "--fast", "--sample", "0.5").exit_code == 2


def test_verify_names_damage_and_is_partial(copy: Path) -> None:
    damaged = a_file(copy, "512px")
    data = bytearray(damaged.read_bytes())
    data[len(data) // 2] ^= 1
    damaged.write_bytes(data)
    a_file(copy, "original").unlink()
    ended = run("verify", copy / "data")
    assert ended.exit_code == 3
    assert "digest" in ended.stdout
    assert "missing" in ended.stdout
    assert "2 problems" in ended.stdout
    found = result("verify", copy / "data", code=3)
    assert found["ok"] is False
    assert sorted(problem["kind"] for problem in found["problems"]) == ["digest", "missing"]


def test_verify_refuses_a_forged_root(copy: Path) -> None:
    root = copy / "data" / "releases" / "2026" / "release.json"
    root.write_text(root.read_text().replace('"posts": ', '"posts": 1'))
    assert run("verify", copy / "data").exit_code == 17


def test_show_and_diff(copy: Path) -> None:
    ended = run("show", copy / "data")
    assert ended.exit_code == 0
    for said in ("release 2026, the latest", "signed by", "original-2026-0000", "danbooru"):
        assert said in ended.stdout
    assert result("show", copy / "data", "--release", "2026")["totals"]["posts"] == POSTS
    assert run("show", copy / "data", "--release", "1999").exit_code == 16
    config = copy / "data" / "release.toml"
    config.write_text(config.read_text().replace('name = "2026"', 'name = "2027"'))
    assert run("build", copy / "data").exit_code == 0
    ended = run("diff", copy / "data", "2026", "2027")
    assert ended.exit_code == 0, ended.output
    assert "from release 2026 to release 2027" in ended.stdout
    found = result("diff", copy / "data", "2026", "2027")
    assert found["posts"] == {"added": 0, "removed": 0, "changed": 0, "carried": POSTS}


def test_keygen_with_a_password(tmp_path: Path) -> None:
    (tmp_path / "password").write_text("open sesame\n")
    key = tmp_path / "key"
    assert run("keygen", key, "--password-file", tmp_path / "password").exit_code == 0
    assert key.stat().st_mode & 0o777 == 0o600
    assert run("keygen", key, "--password-file", tmp_path / "password").exit_code == 15  # never overwritten
    nobody = result("keygen", tmp_path / "other", code=17)
    assert nobody["error"] == "KeyLocked"
    assert not (tmp_path / "other").exists()


def test_locked_key_opens_with_its_password_only(copy: Path) -> None:
    (copy / "right").write_text("open sesame\n")
    (copy / "wrong").write_text("close sesame\n")
    made = result("keygen", copy / "locked", "--password-file", copy / "right")
    config = copy / "data" / "release.toml"
    text = config.read_text().replace('name = "2026"', 'name = "2027"')
    config.write_text(text.replace("keys = [", f'keys = ["{made["public_key"]}", '))
    assert run("build", copy / "data").exit_code == 0
    sign = ("sign", copy / "data", "--key", copy / "locked")
    assert result(*sign, code=17)["error"] == "KeyLocked"
    assert result(*sign, "--password-file", copy / "wrong", code=17)["error"] == "KeyLocked"
    assert run(*sign, "--password-file", copy / "right", "--key", copy / "key").exit_code == 0


@pytest.mark.parametrize("command", ["audit", "build", "sign", "verify"])
def test_a_folder_without_a_dataset_is_told_what_to_do(tmp_path: Path, command: str) -> None:
    ended = run(command, tmp_path)
    assert ended.exit_code == 16
    assert ended.stderr.count("error: ") == 1
    assert "what to do: " in ended.stderr
    assert ended.stdout == ""


@pytest.mark.parametrize("width", ["12", "40", "300"])
@pytest.mark.parametrize("command", ["show", "audit", "build", "verify"])
def test_pages_fit_any_terminal(signed: Path, command: str, width: str) -> None:
    ended = run(command, signed / "data", env={"COLUMNS": width})
    assert ended.exit_code == 0
    assert all(line == line.rstrip() for line in ended.stdout.splitlines())


def test_interrupted_build_says_so_and_goes_on(tmp_path: Path) -> None:
    Collection.make(tmp_path / "data", 300, buckets=4)  # so many that the signal comes before the end
    assert (
        run("init", tmp_path / "data", "--name", "small", "--release", "2026", "--issued", "2026-11-20").exit_code == 0
    )
    command = [str(Path(sys.executable).with_name("tagswarm")), "release", "build", str(tmp_path / "data")]
    with subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stderr is not None
        said = process.stderr.read(8)
        process.send_signal(signal.SIGINT)
        said += process.stderr.read()
        assert process.wait(timeout=60) == 130
    assert b"\nerror: interrupted\n  what to do: Nothing is half-written. Run the same command again" in said
    assert b"Traceback" not in said
    assert result("build", tmp_path / "data")["changed"] is True


def test_quiet_says_nothing_at_all(signed: Path) -> None:
    for command in ("audit", "build", "verify", "show"):
        ended = run(command, signed / "data", "--quiet")
        assert (ended.exit_code, ended.output) == (0, "")


def test_shapes_read_no_markup() -> None:
    with (console := Console(width=60, markup=False)).capture() as captured:
        page.say(console, "", "[bold]say[/bold]")
    assert "[bold]say[/bold]" in captured.get()


def test_quiet_says_what_went_wrong(copy: Path) -> None:
    a_file(copy, "original").unlink()
    a_file(copy, "512px").unlink()
    checked = run("verify", copy / "data", "--quiet")
    assert (checked.exit_code, checked.stdout) == (3, "")
    assert checked.stderr.startswith("error: release 2026 has 2 problems, the first: missing 512px/")
    audited = run("audit", copy / "data", "--quiet")
    assert (audited.exit_code, audited.stdout) == (16, "")
    assert audited.stderr.startswith("error: the audit found ")
    assert audited.stderr.count("\n") == 1


def test_a_page_whose_reader_leaves_ends_as_a_closed_pipe_does(signed: Path) -> None:
    command = [str(Path(sys.executable).with_name("tagswarm")), "release", "show", str(signed / "data")]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert process.stdout is not None
    process.stdout.close()
    _, said = process.communicate(timeout=60)
    assert (process.returncode, said) == (141, b"")


def test_the_wrong_half_of_a_key_is_told_from_the_right_one(signed: Path) -> None:
    with_public = run("sign", signed / "data", "--key", signed / "key.pub")
    assert with_public.exit_code == 10
    assert "key.pub: the secret key" in with_public.stderr
    assert ".pub is the other half" in with_public.stderr
    with_secret = run("verify", signed / "data", "--key", signed / "key")
    assert with_secret.exit_code == 10
    assert "begins with RW" in with_secret.stderr


def test_a_key_is_not_left_unprotected_by_mistake(tmp_path: Path) -> None:
    (tmp_path / "empty").write_text("\n")
    (tmp_path / "password").write_text("open sesame\n")
    key = tmp_path / "key"
    assert run("keygen", key, "--no-password", "--password-file", tmp_path / "password").exit_code == 2
    assert run("keygen", key, "--password-file", tmp_path / "empty").exit_code == 17
    assert not key.exists()


def test_a_name_that_is_none_says_which_option_to_change(copy: Path) -> None:
    refused = run("init", copy / "data", "--force", "--release", "../2026")
    assert refused.exit_code == 16
    assert "release.name: must be a name" in refused.stderr
    assert "--release" in refused.stderr
