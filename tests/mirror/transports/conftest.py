"""What the tests of transports share: one tree, and the servers over it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.mirror.transports.conformance import Tree, plant
from tests.mirror.transports.servers import Web, nginx


@pytest.fixture(scope="session")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Tree:
    """The dataset of the conformance suite; nobody writes to it."""
    return plant(tmp_path_factory.mktemp("tree"))


@pytest.fixture(scope="session")
def web(tree: Tree, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Web]:
    """nginx over that dataset."""
    with nginx(tree.root, tmp_path_factory.mktemp("nginx")) as server:
        yield server
