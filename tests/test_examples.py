"""The commands in the tutorials, the how-tos and the README are run, and they print what the pages say.

A block of ```console holds commands, each after `$ `, and what they print. In that `...` stands for any text, and alone in a
line for any lines. A block of ```pycon is run by Python's doctest, with the folder served at https://host/. A command that fails must be followed by `$ echo $?`. Every page begins in a folder with `danbooru/`, a copy
of sample/; a page of SIGNED finds a signed release in it, and its key beside it.
"""

from __future__ import annotations

import doctest
import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.mirror.transports.servers import nginx

FENCE = re.compile(r"^( *)```console\n(.*?)^\1```$", re.MULTILINE | re.DOTALL)
FRESH = ("tutorial/first-release.md",)
SIGNED = (
    "tutorial/first-query.md",
    "how-to/publish-a-year-later.md",
    "how-to/fix-audit-findings.md",
    "how-to/sign-and-rotate-keys.md",
    "how-to/verify-without-tagswarm.md",
    "how-to/take-back-a-post.md",
    "how-to/inspect-a-torrent.md",
    "how-to/announce-and-scrape.md",
    "how-to/trust-a-dataset.md",
    "how-to/pull-a-subset.md",
)
PYTHON = ("how-to/query-in-python.md", "how-to/use-from-python.md")


@dataclass
class Example:
    """A command and what it prints."""

    command: str
    expected: list[str] = field(default_factory=list)


def examples(page: str) -> list[Example]:
    found: list[Example] = []
    for indent, block in FENCE.findall(page):
        for line in (line.removeprefix(indent) for line in block.splitlines()):
            if line.startswith("$ "):
                found.append(Example(line[2:]))
            elif line.startswith("> "):
                found[-1].command += f"\n{line[2:]}"
            else:
                found[-1].expected.append(line)
    return found


@dataclass
class Shell:
    """A shell that keeps its folder and the last exit code between commands."""

    folder: Path
    code: int = 0
    home: Path = field(init=False)
    """Where the programs put what they remember, so that no page reads or changes what a person has."""

    def __post_init__(self) -> None:
        self.home = self.folder / ".home"

    def run(self, command: str) -> str:
        environment = {name: value for name, value in os.environ.items() if name not in ("COLUMNS", "NO_COLOR")}
        environment |= {"XDG_DATA_HOME": str(self.home), "XDG_CACHE_HOME": str(self.home)}
        environment["PATH"] = f"{Path(sys.executable).parent}:{environment['PATH']}"
        script = f'cd "$1" || exit 1\n(exit {self.code})\n{command}\ncode=$?\npwd >"$2"\nexit $code'
        place = self.folder / ".pwd" if self.folder.is_dir() else Path("/dev/null")
        result = subprocess.run(
            ["bash", "-c", script, "bash", str(self.folder), str(place)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env=environment,
            timeout=120,
            check=False,
        )
        self.code = result.returncode
        now = Path(place.read_text().strip())
        place.unlink()
        self.folder = now
        return result.stdout


def agrees(expected: list[str], said: list[str]) -> bool:
    """Whether the lines of a page match those that were printed."""
    if not expected:
        return not said
    if expected[0] == "...":
        return any(agrees(expected[1:], said[count:]) for count in range(len(said) + 1))
    if not said:
        return False
    pattern = ".*".join(re.escape(part) for part in expected[0].rstrip().split("..."))
    return re.fullmatch(pattern, said[0].rstrip()) is not None and agrees(expected[1:], said[1:])


def run_page(page: Path, folder: Path) -> None:
    shell, failed = Shell(folder), ""
    found = examples(page.read_text())
    assert found, f"{page} has no examples"
    for example in found:
        assert not failed or example.command == "echo $?", f"{page.name}: `{failed}` failed"
        said = shell.run(example.command).splitlines()
        shown = "\n".join(said)
        assert agrees(example.expected, said), f"{page.name}: `{example.command}` printed\n{shown}"
        failed = "" if example.command == "echo $?" else example.command if shell.code else ""
        if example.command == "echo $?":
            shell.code = 0
    assert not failed, f"{page.name}: `{failed}` failed:\n{shown}"


@pytest.fixture(scope="session")
def signed(repository: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a signed release of the sample, its key, and what the next year brings."""
    folder = tmp_path_factory.mktemp("signed")
    shutil.copytree(repository / "sample", folder / "danbooru")
    shell = Shell(folder)
    for command in (
        "tagswarm -q release init danbooru --name sample --release 2026 --issued 2026-11-20",
        "tagswarm -q release keygen maintainer.key --no-password",
        'sed -i "s|^keys = .*|keys = [\\"$(tail -1 maintainer.key.pub)\\"]|" danbooru/release.toml',
        "tagswarm -q release build danbooru",
        "tagswarm -q release sign danbooru --key maintainer.key",
        f"python {repository}/demo/next_year.py danbooru new",
    ):
        said = shell.run(command)
        assert shell.code == 0, f"{command}\n{said}"
    return folder


def link_images(source: str, target: str) -> None:
    """Copy a file; link an image, so that its inode says what it is: known already."""
    if {"original", "512px"} & set(Path(source).parts) and "new" not in Path(source).parts:
        os.link(source, target)
    else:
        shutil.copy2(source, target)


@pytest.mark.parametrize("page", FRESH)
def test_page_for_beginners(repository: Path, tmp_path: Path, page: str) -> None:
    shutil.copytree(repository / "sample", tmp_path / "danbooru")
    run_page(repository / "docs" / page, tmp_path)


@pytest.mark.parametrize("page", SIGNED)
def test_page_for_maintainers(repository: Path, tmp_path: Path, signed: Path, page: str) -> None:
    shutil.copytree(signed, tmp_path, dirs_exist_ok=True, copy_function=link_images)
    run_page(repository / "docs" / page, tmp_path)


def test_readme(repository: Path, tmp_path: Path, signed: Path) -> None:
    shutil.copytree(signed, tmp_path, dirs_exist_ok=True, copy_function=link_images)
    run_page(repository / "README.md", tmp_path)


@pytest.mark.parametrize("page", PYTHON)
def test_page_for_python(
    repository: Path, tmp_path: Path, signed: Path, page: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(signed, tmp_path, dirs_exist_ok=True, copy_function=link_images)
    monkeypatch.chdir(tmp_path)
    for name in ("XDG_DATA_HOME", "XDG_CACHE_HOME"):
        monkeypatch.setenv(name, str(tmp_path / ".home"))
    text = (repository / "docs" / page).read_text().replace("\n```\n", "\n\n")  # a fence would belong to an answer
    said: list[str] = []
    with nginx(tmp_path, tmp_path / "nginx") as server:
        text = text.replace("https://host/", f"{server.address}/")
        example = doctest.DocTestParser().get_doctest(text, {}, page, page, 0)
        result = doctest.DocTestRunner().run(example, out=said.append)
    assert result.attempted > 10
    assert result.failed == 0, "".join(said)


def test_every_page_with_commands_is_run(repository: Path) -> None:
    docs = repository / "docs"
    pages = {str(page.relative_to(docs)) for page in docs.rglob("*.md") if FENCE.search(page.read_text())}
    assert pages == {*FRESH, *SIGNED}
    assert {str(page.relative_to(docs)) for page in docs.rglob("*.md") if "```pycon" in page.read_text()} == {*PYTHON}


@pytest.mark.parametrize(
    ("expected", "said", "verdict"),
    [
        ([], [], True),
        ([], ["more"], False),
        (["a"], [], False),
        (["a ... c"], ["a b c"], True),
        (["a ... c"], ["a b d"], False),
        (["...", "end"], ["one", "two", "end"], True),
        (["...", "end"], ["one", "two"], False),
        (["one", "..."], ["one"], True),
        (["one.two"], ["oneXtwo"], False),
    ],
)
def test_comparison_of_lines(expected: list[str], said: list[str], verdict: bool) -> None:
    assert agrees(expected, said) is verdict


def test_demo_runs_to_its_end(repository: Path, tmp_path: Path) -> None:
    """The demo itself, in a copy of what it needs."""
    for name in ("sample", "demo"):
        shutil.copytree(repository / name, tmp_path / name)
    (tmp_path / ".venv").symlink_to(sys.prefix)
    result = subprocess.run(
        ["demo/demo.sh"],
        cwd=tmp_path,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=200,
    )
    assert result.returncode == 0, result.stdout + result.stderr
    for said in (
        "truncated",
        "wrong-extension",
        "missing-file",
        "all files are whole",
        "Signature and comment signature verified",
    ):
        assert said in result.stdout
    assert "holds" in result.stdout
