"""Fixtures of every test: the shared corpus where it lies beside the repository, and a corpus given by hand."""

from __future__ import annotations

from pathlib import Path

import pytest

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
