"""What the tests of transports share: one tree, and the servers over it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.mirror.transports.conformance import Tree, plant
from tests.mirror.transports.servers import Web, buckets, nginx, rsyncd


@pytest.fixture(scope="session")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Tree:
    """The dataset of the conformance suite; nobody writes to it."""
    return plant(tmp_path_factory.mktemp("tree"))


@pytest.fixture(scope="session")
def web(tree: Tree, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Web]:
    """nginx over that dataset."""
    with nginx(tree.root, tmp_path_factory.mktemp("nginx")) as server:
        yield server


@pytest.fixture(scope="session")
def daemon(tree: Tree, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The host and port of an rsync daemon over that dataset."""
    with rsyncd(tree.root, tmp_path_factory.mktemp("rsyncd")) as host:
        yield host


@pytest.fixture(scope="session")
def storage(tree: Tree, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of an S3 server that has that dataset as a bucket."""
    with buckets(tree.root.parent, tmp_path_factory.mktemp("buckets")) as address:
        yield address


@pytest.fixture
def rounds(request: pytest.FixtureRequest) -> int:
    """How often a fault is tried."""
    return int(request.config.getoption("--rounds"))
