"""Small datasets with torrents, and items of them, for whoever fetches by BitTorrent."""

from __future__ import annotations

import asyncio
import hashlib
import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tagswarm.manifests import infodict, torrentfile
from tagswarm.manifests.digest import digest_bytes
from tagswarm.mirror.swarm import Event, Joined, Settings, Swarm
from tagswarm.mirror.transports.base import Arrived, Failed, Item
from tagswarm.mirror.transports.torrent import TorrentTransport

NAME = "small"
"""The name of the dataset: the folder its files lie in."""
PIECE = 65_536


def silent(event: Event) -> None:
    """A listener that does not listen."""


def _size(source: random.Random, mean: int) -> int:
    """From a seventh of the mean to three times as much, as a rendition has them."""
    return round(mean * (1 / 7 + 2.714 * source.betavariate(1.5, 3.25)))


@dataclass
class Tree:
    """A dataset in a folder, with what its manifests would say."""

    folder: Path
    """Where the folder of the dataset lies."""
    piece_length: int = PIECE
    sha256: dict[str, str] = field(default_factory=dict)
    sizes: dict[str, int] = field(default_factory=dict)
    torrents: dict[str, bytes] = field(default_factory=dict)
    """By the name of the volume."""
    volumes: dict[str, list[str]] = field(default_factory=dict)
    """The paths of a volume."""

    @property
    def dataset(self) -> Path:
        return self.folder / NAME

    def volume(self, name: str, contents: dict[str, bytes]) -> None:
        """Write files, and make the torrent of the volume they are."""
        hashed = []
        for path, data in contents.items():
            target = self.dataset / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(data)
            self.sha256[path] = hashlib.sha256(data).hexdigest()
            self.sizes[path] = len(data)
            hashed.append(infodict.Hashed(path, digest_bytes(data, self.piece_length)))
        made = infodict.hybrid(NAME, self.piece_length, hashed)
        self.torrents[name] = torrentfile.render(made.info, made.layers, torrentfile.Links(comment=name))
        self.volumes[name] = list(contents)

    def random_volume(self, name: str, numbers: Iterable[int], *, mean: int = 70_000, tree: str = "512px") -> None:
        """A volume of loose files of random bytes, the same every time."""
        source = random.Random(name)
        self.volume(name, {f"{tree}/{n % 1000:04}/{n}.jpg": source.randbytes(_size(source, mean)) for n in numbers})

    def items(self, volume: str, paths: Iterable[str] | None = None) -> list[Item]:
        """Items of a volume, all of its files where none are named."""
        return [
            Item(path=path, size=self.sizes[path], volume=volume)
            for path in (self.volumes[volume] if paths is None else paths)
        ]

    def packed_volume(self, name: str, archive: str, members: dict[str, bytes]) -> list[Item]:
        """A volume of one archive, here its members one after the other with gaps; gives the items of the members."""
        data, items = b"", []
        for path, body in members.items():
            data += bytes(512)
            items.append(Item(path=path, size=len(body), volume=name, archive=archive, offset=len(data)))
            self.sha256[path] = hashlib.sha256(body).hexdigest()
            data += body
        self.volume(name, {archive: data})
        return items


def choose(paths: Sequence[str], count: int) -> list[str]:
    """Some of them, the same every time."""
    return sorted(random.Random(count).sample(paths, count))


@dataclass
class Pulled:
    """What came of a call."""

    arrived: dict[Item, Arrived] = field(default_factory=dict)
    wrong: list[Item] = field(default_factory=list)
    """Those that arrived and were not right when they were read at once."""
    failed: dict[Item, Failed] = field(default_factory=dict)

    @property
    def reasons(self) -> set[str]:
        return {failure.reason for failure in self.failed.values()}


async def pull_from(transport: TorrentTransport, tree: Tree, items: Sequence[Item], staging: Path) -> Pulled:
    """Fetch, read everything the moment it arrives, and check that every item has one outcome."""
    pulled = Pulled()
    async for outcome in transport.fetch(items, staging):
        assert outcome.item not in pulled.arrived
        assert outcome.item not in pulled.failed
        if isinstance(outcome, Failed):
            pulled.failed[outcome.item] = outcome
            continue
        pulled.arrived[outcome.item] = outcome
        if hashlib.sha256(outcome.file.read_bytes()).hexdigest() != tree.sha256[outcome.item.path]:
            pulled.wrong.append(outcome.item)
    assert {*pulled.arrived, *pulled.failed} == set(items)
    return pulled


def pull(transport: TorrentTransport, tree: Tree, items: Sequence[Item], staging: Path) -> Pulled:
    """Fetch in a loop of its own; what hangs is an error."""

    async def run() -> Pulled:
        async with asyncio.timeout(120):
            return await pull_from(transport, tree, items, staging)

    return asyncio.run(run())


def seeding(swarm: Swarm, tree: Tree, folder: Path | None = None) -> list[Joined]:
    """Seed all volumes of a tree from where it lies, or from another folder, whatever its bytes are."""
    return [swarm.join(torrent, folder or tree.folder, silent, seed=True) for torrent in tree.torrents.values()]


def peer(swarm: Swarm) -> tuple[str, int]:
    return "127.0.0.1", swarm.port


def loopback(**changes: Any) -> Swarm:
    return Swarm(Settings.loopback(**changes))


def files_below(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def altered(tree: Tree, folder: Path) -> Path:
    """A copy of all files, each with one byte that differs."""
    for path in tree.sizes:
        data = bytearray((tree.dataset / path).read_bytes())
        data[len(data) // 2] ^= 1
        target = folder / NAME / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(data)
    return folder
