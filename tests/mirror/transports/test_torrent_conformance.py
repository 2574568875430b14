"""Items by BitTorrent do what all transports must do."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Iterator

import pytest

from tagswarm.manifests import infodict, torrentfile
from tagswarm.manifests.digest import digest_bytes
from tagswarm.mirror.swarm import Settings, Swarm
from tagswarm.mirror.transports.base import Transport
from tagswarm.mirror.transports.torrent import TorrentTransport
from tests.mirror.transports.conformance import REASONS, Conformance, Opened, Tree
from tests.mirror.transports.torrents import PIECE, silent


@pytest.fixture(scope="module")
def torrents(tree: Tree) -> dict[str, bytes]:
    """The torrents of the volumes of the dataset."""
    files: dict[str, set[str]] = {}
    for item in tree.items:
        files.setdefault(item.volume, set()).add(item.archive or item.path)
    made = {}
    for volume, paths in files.items():
        hashed = [infodict.Hashed(path, digest_bytes((tree.root / path).read_bytes(), PIECE)) for path in paths]
        info = infodict.hybrid(tree.root.name, PIECE, hashed)
        made[volume] = torrentfile.render(info.info, info.layers, torrentfile.Links())
    return made


@pytest.fixture(scope="module")
def seed(tree: Tree, torrents: dict[str, bytes]) -> Iterator[Swarm]:
    with Swarm(Settings.loopback()) as swarm:
        for torrent in torrents.values():
            swarm.join(torrent, tree.root.parent, silent, seed=True)
        yield swarm


class TestTorrent(Conformance):
    reasons = dict.fromkeys(REASONS, frozenset(("unlisted",)))

    @pytest.fixture
    def opened(self, seed: Swarm, torrents: dict[str, bytes]) -> Opened:
        @contextlib.asynccontextmanager
        async def opening() -> AsyncIterator[Transport]:
            with Swarm(Settings.loopback()) as swarm:
                yield TorrentTransport(swarm, torrents, peers=[("127.0.0.1", seed.port)])

        return opening
