"""From addresses to sources."""

from __future__ import annotations

from contextlib import aclosing
from pathlib import Path

import pytest

from tagswarm.manifests.errors import TransportError
from tagswarm.mirror.transports.address import kind_of, open_source
from tagswarm.mirror.transports.base import Source
from tagswarm.mirror.transports.http import HttpSource
from tagswarm.mirror.transports.local import LocalSource
from tagswarm.mirror.transports.rsync import RsyncSource
from tagswarm.mirror.transports.s3 import S3Source
from tests.mirror.transports.conformance import run


@pytest.mark.parametrize(
    ("address", "kind", "shown"),
    [
        ("/srv/danbooru", LocalSource, "/srv/danbooru"),
        ("file:///srv/dan%20booru", LocalSource, "/srv/dan booru"),
        ("/srv/a::b", LocalSource, "/srv/a::b"),
        ("https://user:secret@host/danbooru", HttpSource, "https://host/danbooru"),
        ("HTTP://host/danbooru", HttpSource, "http://host/danbooru"),
        ("rsync://user:secret@host:8730/module/danbooru/", RsyncSource, "rsync://host:8730/module/danbooru"),
        ("host::module/danbooru", RsyncSource, "rsync://host/module/danbooru"),
        ("user@host::module", RsyncSource, "rsync://host/module"),
        ("s3://bucket/danbooru?endpoint=https://host", S3Source, "s3://bucket/danbooru?endpoint=https://host"),
    ],
)
def test_an_address_opens_a_source_of_its_kind(address: str, kind: type[Source], shown: str) -> None:
    async def body() -> None:
        async with aclosing(open_source(address)) as source:
            assert type(source) is kind
            assert source.address == shown

    run(body())


def test_a_relative_path_is_a_folder_of_this_machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    assert kind_of("danbooru") == "local"
    assert open_source("danbooru").address == str(tmp_path / "danbooru")


@pytest.mark.parametrize("address", ["ftp://user:secret@host/a", "gs://bucket", "x-y://\x1b[2J", "magnet://secret"])
def test_an_unknown_kind_is_refused_with_what_is_possible(address: str) -> None:
    with pytest.raises(TransportError) as failure:
        open_source(address)
    assert "secret" not in str(failure.value)
    assert str(failure.value).isprintable()
    assert failure.value.hint is not None
    assert all(word in failure.value.hint for word in ("folder", "https://", "rsync://", "s3://"))
