"""Fixtures of every test: the shared corpus where it lies beside the repository, and a corpus given by hand."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from click.testing import CliRunner

from tagswarm.cli.main import program
from tests.released import Released, Ways, release_sample, seeded

ROOT = Path(__file__).resolve().parent.parent


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--corpus",
        type=Path,
        default=None,
        help="also run the audit and the imaging over every file of this folder",
    )
    parser.addoption(
        "--cases",
        type=Path,
        default=None,
        help="also run the conformance cases of queries in every *.jsonl of this folder",
    )
    parser.addoption(
        "--queries",
        type=int,
        default=100_000,
        help="how many random and broken queries the parser is given; the full count is 1000000",
    )
    parser.addoption(
        "--torrents",
        type=int,
        default=3_000,
        help="how many broken torrents the reader is given; the full count is 100000",
    )
    parser.addoption(
        "--kills",
        type=int,
        default=6,
        help="how often a download and a seed are killed at random moments; the full count is 50",
    )
    parser.addoption(
        "--rounds",
        type=int,
        default=2,
        help="how often a download whose every file must be right, and a fault of a server, is repeated; the full count is 25",
    )


@pytest.fixture(scope="session")
def repository() -> Path:
    """The root of the repository."""
    return ROOT


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of shared data beside the repository; tests that need it are skipped where it is not."""
    path = ROOT.parent / "shared"
    if not path.is_dir():
        pytest.skip("no shared data beside the repository")
    return path


@pytest.fixture(scope="session")
def released(repository: Path, tmp_path_factory: pytest.TempPathFactory) -> Released:
    """A signed release of sample/ with torrents; nobody writes to it."""
    return release_sample(repository, tmp_path_factory.mktemp("released") / "pictures")


@pytest.fixture(scope="session")
def ways(released: Released, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ways]:
    """The addresses of real servers of that release, each started when it is asked for first."""
    with ExitStack() as servers:
        yield Ways(released, servers, tmp_path_factory.mktemp("servers"))


@pytest.fixture(scope="session")
def peer(released: Released) -> Iterator[str]:
    """HOST:PORT of a real seed of that release."""
    with seeded(released.root) as port:
        yield f"127.0.0.1:{port}"


@pytest.fixture(scope="session")
def pull_sample(released: Released, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """Pulls a query of that release into a folder by the program, with more options if given, and gives the folder."""
    home = tmp_path_factory.mktemp("home")

    def pull(out: Path, query: str, *options: str) -> Path:
        remembered = ["--cache", str(home / "cache"), "--trust-file", str(home / "trust.json")]
        given = ["pull", query, "--from", str(released.root), "-o", str(out), *options, *remembered, "--quiet"]
        ended = CliRunner().invoke(program, given)
        assert ended.exit_code == 0, ended.output
        return out

    return pull
