"""What holds for the repository as a whole: walls between the rooms, packaging, pins, what lies in it."""

from __future__ import annotations

import ast
import importlib
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest

ROOMS = ("imaging", "manifests", "mirror", "release", "tagindex")
LARGEST = 1 << 20
"""Bytes of a file in the repository."""


@pytest.fixture(scope="session")
def project(repository: Path) -> dict[str, Any]:
    return tomllib.loads((repository / "pyproject.toml").read_text())


@pytest.fixture(scope="session")
def tracked(repository: Path) -> list[Path]:
    """Every file that is committed, or would be."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(command, cwd=repository, capture_output=True, check=True).stdout.decode().split("\0")
    return [repository / name for name in names if name and (repository / name).is_file()]


def sources(tracked: list[Path], repository: Path) -> list[Path]:
    return [
        path
        for path in tracked
        if path.suffix == ".py" and path.relative_to(repository).parts[0] in (*ROOMS, "tagswarm")
    ]


def house(repository: Path, target: Path) -> Path:
    """The installed package as one folder, and the configuration beside it."""
    skip = shutil.ignore_patterns("__pycache__")
    shutil.copytree(repository / "tagswarm", target / "tagswarm", ignore=skip)
    for room in ROOMS:
        shutil.copytree(repository / room, target / "tagswarm" / room, ignore=skip)
    shutil.copy(repository / "pyproject.toml", target)
    return target


def lint_imports(folder: Path) -> subprocess.CompletedProcess[str]:
    command = [str(Path(sys.executable).with_name("lint-imports")), "--no-logo", "--no-cache"]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


def test_the_walls_between_the_rooms_hold(repository: Path, tmp_path: Path) -> None:
    result = lint_imports(house(repository, tmp_path))
    assert result.returncode == 0, result.stdout + result.stderr
    assert " 0 broken" in result.stdout


@pytest.mark.parametrize(
    ("module", "line"),
    [
        ("manifests/codec.py", "from tagswarm.release import config"),
        ("manifests/paths.py", "from tagswarm.cli import output"),
        ("imaging/probe.py", "from tagswarm import tagindex"),
        ("release/config.py", "from tagswarm import mirror"),
        ("mirror/__init__.py", "from tagswarm.release import config"),
        ("release/config.py", "from tagswarm.cli import output"),
        ("release/config.py", "import rich"),
        ("release/choice.py", "from tagswarm import opening"),
        ("tagindex/query/parser.py", "from tagswarm import place"),
        ("imaging/decode.py", "import click"),
        ("manifests/digest.py", "import threading"),
        ("manifests/signing.py", "import socket"),
        ("manifests/models.py", "import subprocess"),
        ("release/volumes.py", "import asyncio"),
    ],
)
def test_a_hole_in_a_wall_is_found(repository: Path, tmp_path: Path, module: str, line: str) -> None:
    folder = house(repository, tmp_path)
    path = folder / "tagswarm" / module
    path.write_text(f"{path.read_text()}\n{line}\n")
    result = lint_imports(folder)
    assert result.returncode != 0
    assert "BROKEN" in result.stdout


def test_rooms_are_imported_as_one_package(tracked: list[Path], repository: Path) -> None:
    for path in sources(tracked, repository):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom) and node.level == 0:
                names = [node.module or ""]
            else:
                continue
            for name in names:
                assert name.partition(".")[0] not in ROOMS, f"{path}:{node.lineno}: import tagswarm.{name} instead"


def test_packages_of_pyproject_are_those_on_the_disk(project: dict[str, Any], repository: Path) -> None:
    found = set()
    for top in ("tagswarm", *ROOMS):
        for init in (repository / top).rglob("__init__.py"):
            parts = init.parent.relative_to(repository).parts
            found.add(".".join(parts if top == "tagswarm" else ("tagswarm", *parts)))
    assert sorted(found) == project["tool"]["setuptools"]["packages"]


def test_every_module_is_in_a_package(tracked: list[Path], repository: Path) -> None:
    for path in sources(tracked, repository):
        assert (path.parent / "__init__.py").exists(), f"{path.parent} has no __init__.py"


def test_every_module_can_be_imported(tracked: list[Path], repository: Path) -> None:
    names = []
    for path in sources(tracked, repository):
        parts = path.relative_to(repository).with_suffix("").parts
        parts = parts[:-1] if parts[-1] == "__init__" else parts
        names.append(".".join(parts if parts[0] == "tagswarm" else ("tagswarm", *parts)))
    for name in names:
        importlib.import_module(name)
    assert len(names) > 30


def test_exported_names_are_sorted_and_there() -> None:
    import tagswarm

    assert tagswarm.__all__ == sorted(tagswarm.__all__, key=str)
    for name in tagswarm.__all__:
        assert hasattr(tagswarm, name)


def test_everything_needed_is_pinned(project: dict[str, Any], repository: Path) -> None:
    pinned = {}
    for line in (repository / "constraints.txt").read_text().splitlines():
        if line and not line.startswith("#"):
            name, _, version = line.partition("==")
            assert re.fullmatch(r"[0-9][0-9A-Za-z.]*", version), line
            pinned[_normal(name)] = version
    needed = (
        project["project"]["dependencies"] + project["dependency-groups"]["dev"] + project["build-system"]["requires"]
    )
    for requirement in needed:
        name = _normal(re.split(r"[\[<>=~!; ]", requirement)[0])
        assert name in pinned, f"{name} is not in constraints.txt"


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def test_readme_opens_with_the_two_commands(repository: Path) -> None:
    head = "\n".join((repository / "README.md").read_text().splitlines()[:40])
    assert "make demo" in head
    assert "make test" in head
    assert re.search(r"!\[[^\]]+\]\(docs/images/[^)]+\)", head)


def test_no_large_file(tracked: list[Path]) -> None:
    for path in tracked:
        assert path.stat().st_size <= LARGEST, f"{path} is larger than {LARGEST} bytes"


def test_no_leftovers(tracked: list[Path], repository: Path) -> None:
    leftover = re.compile(r"\b(TODO|FIXME|XXX|HACK)\b|breakpoint\(\)|^<{7} |^>{7} ", re.MULTILINE)
    for path in tracked:
        if (
            path.suffix in (".py", ".md", ".toml", ".sh", "")
            and path != Path(__file__).resolve()
            and "sample" not in path.parts
        ):
            text = path.read_text()
            assert not (found := leftover.search(text)), f"{path}: {found}"
            assert f"{repository.parent}/" not in text or repository.parent == Path("/"), (
                f"{path} names a folder of this machine"
            )


def test_scripts_are_executable(repository: Path) -> None:
    for name in (".ci/run", ".ci/system", "demo/demo.sh"):
        assert (repository / name).stat().st_mode & 0o111, name
