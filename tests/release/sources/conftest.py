"""How the tests of the readers read: bytes in, records out."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tagswarm.manifests.records import Post, RatingScheme, Record, Reject
from tagswarm.release.sources import FORMATS, documents


class Reading:
    """What a reader made of some bytes."""

    def __init__(self, located: list[tuple[int, Record]], ignored: list[str]) -> None:
        self.located, self.ignored = located, ignored
        self.records = [record for _, record in located]

    def of(self, kind: type[Any]) -> list[Any]:
        return [record for record in self.records if isinstance(record, kind)]

    @property
    def posts(self) -> list[Post]:
        return self.of(Post)

    @property
    def rejects(self) -> list[Reject]:
        return self.of(Reject)

    @property
    def reasons(self) -> list[str]:
        return [reject.reason for reject in self.rejects]


Read = Callable[..., Reading]


@pytest.fixture
def read(tmp_path: Path) -> Read:
    """Read bytes, a text or a file as one source of a format."""

    def reading(
        format_name: str,
        content: bytes | str | Path,
        name: str = "posts.json",
        site: str = "danbooru",
        scheme: RatingScheme | None = None,
    ) -> Reading:
        entry = FORMATS[format_name]
        path = content if isinstance(content, Path) else tmp_path / "dump"
        if not isinstance(content, Path):
            path.write_bytes(content if isinstance(content, bytes) else content.encode())
        reader = entry.reader(site, scheme or entry.default_scheme)
        located = [pair for document in documents(path, name) for pair in reader.read(document)]
        return Reading([*located, *reader.finish()], reader.ignored)

    return reading


@pytest.fixture
def samples(shared: Path) -> Path:
    """The folder of real records."""
    return shared / "data" / "format_samples"


@pytest.fixture
def data() -> Path:
    """The folder of our own fixtures."""
    return Path(__file__).parent / "data"
