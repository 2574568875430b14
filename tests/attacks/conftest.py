"""The honest histories of every attack, made once."""

from __future__ import annotations

import pytest

from tests.attacks import upstream
from tests.attacks.upstream import History


@pytest.fixture(scope="session")
def histories(tmp_path_factory: pytest.TempPathFactory) -> dict[str, History]:
    """Each history by the name of the function that makes it."""
    makers = (upstream.simple, upstream.spared, upstream.hurried, upstream.guarded, upstream.unsigned)
    return {maker.__name__: maker(tmp_path_factory.mktemp(maker.__name__) / "data") for maker in makers}
