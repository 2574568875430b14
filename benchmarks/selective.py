"""A few files of many by torrent: what our hybrid moves for them, beside unpadded v1 torrents of the same files.

    python benchmarks/selective.py [--files 20000] [--wanted 200] [--folder DIR]

All torrents are fetched by the same code and the same libtorrent, on loopback: once from a peer, once from nginx as a
web seed. Bytes are those that the source sent; every file that arrives is compared with its SHA-256. Needs 1.6 GB of
the disk. Bytes and requests do not depend on the machine, seconds do.
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import random
import shutil
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import libtorrent as lt

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from tagswarm.manifests import infodict, torrentfile
from tagswarm.manifests.digest import digest_bytes
from tagswarm.manifests.paths import sort_key
from tagswarm.mirror.swarm import Settings, Swarm
from tagswarm.mirror.transports.base import Arrived, Item
from tagswarm.mirror.transports.torrent import TorrentTransport
from tests.mirror.transports.servers import nginx
from tests.mirror.transports.torrents import silent

NAME = "small"
KIB, MIB = 1 << 10, 1 << 20
PIECE = 64 * KIB
V1 = (256 * KIB, MIB)
"""Piece lengths of the unpadded torrents that are compared."""


@dataclass(frozen=True)
class Published:
    """Files of 10 to 200 KB, 70 KB in the mean, and their torrents."""

    folder: Path
    digests: dict[str, str]
    """SHA-256 by path."""
    sizes: dict[str, int]
    torrents: dict[str, bytes]
    """By what they are called in the table."""


def publish(folder: Path, files: int) -> Published:
    chance = random.Random(files)
    hashed, digests, sizes = [], {}, {}
    for number in range(files):
        path = f"512px/{number % 1000:04}/{number}.jpg"
        data = chance.randbytes(10_000 + round(190_000 * chance.betavariate(1.5, 3.25)))
        target = folder / NAME / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(data)
        hashed.append(infodict.Hashed(path, digest_bytes(data, PIECE)))
        digests[path], sizes[path] = hashed[-1].digest.sha256, len(data)
    made = infodict.hybrid(NAME, PIECE, hashed)
    torrents = {"hybrid 64 KiB": torrentfile.render(made.info, made.layers, torrentfile.Links())}
    for length in V1:
        torrents[f"v1 unpadded {length // KIB} KiB"] = unpadded(folder, sizes, length)
    return Published(folder, digests, sizes, torrents)


def unpadded(folder: Path, sizes: dict[str, int], length: int) -> bytes:
    """The v1 torrent that libtorrent makes of the files."""
    entries = [lt.create_file_entry(f"{NAME}/{path}", sizes[path], 0, 0, "") for path in sorted(sizes, key=sort_key)]
    made = lt.create_torrent(entries, length, lt.create_torrent.v1_only)
    lt.set_piece_hashes(made, str(folder))
    return bytes(lt.bencode(made.generate()))


@dataclass(frozen=True)
class Fetched:
    """What came, and what it took."""

    right: int
    sent: int
    """Bytes that the source sent."""
    requests: int
    left: int
    """Bytes in the folder beside the wanted files."""
    seconds: float


def fetch(published: Published, kind: str, paths: list[str], folder: Path, *, by_peer: bool) -> Fetched:
    torrent = published.torrents[kind]
    items = [Item(path=path, size=published.sizes[path], volume=kind) for path in paths]
    staging = folder / "staging"
    with (
        Swarm(Settings.loopback()) as seed,
        Swarm(Settings.loopback()) as swarm,
        nginx(published.folder, folder / "nginx") as server,
    ):
        server.forget()
        joined = seed.join(torrent, published.folder, silent, seed=True)
        peers, web_seeds = ([("127.0.0.1", seed.port)], []) if by_peer else ([], [f"{server.address}/"])
        transport = TorrentTransport(swarm, {kind: torrent}, peers=peers, web_seeds=web_seeds)

        async def run() -> int:
            right = 0
            async for outcome in transport.fetch(items, staging):
                if not isinstance(outcome, Arrived):
                    raise SystemExit(f"{kind}: {outcome}")
                digest = hashlib.sha256(outcome.file.read_bytes()).hexdigest()
                right += digest == published.digests[outcome.item.path]
            return right

        began = time.perf_counter()
        right = asyncio.run(run())
        seconds = time.perf_counter() - began
        lines = server.lines()
        sent = joined.status().uploaded if by_peer else sum(line.bytes for line in lines)
    wanted = sum(published.sizes[path] for path in paths)
    there = sum(path.stat().st_size for path in (staging / "torrent").rglob("*") if path.is_file())
    shutil.rmtree(staging)
    return Fetched(right, sent, len(lines), there - wanted, seconds)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--files", type=int, default=20_000)
    parser.add_argument("--wanted", type=int, default=200)
    parser.add_argument("--folder", type=Path, help="where the files are made; they are removed at the end")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=options.folder) as made:
        folder = Path(made)
        published = publish(folder / "published", options.files)
        paths = sorted(random.Random(1).sample(sorted(published.sizes), options.wanted))
        wanted = sum(published.sizes[path] for path in paths)
        total = sum(published.sizes.values())
        print(f"{options.wanted} of {options.files} files, {wanted / 1e6:.1f} MB of {total / 1e6:,.0f}")
        heads = f"{'right':>6}{'moved/wanted':>14}{'requests':>10}{'left':>11}{'s':>7}"
        print(f"{'torrent':24}{'.torrent':>10}  {'from':10}{heads}")
        for kind, torrent in published.torrents.items():
            for source in ("peer", "web seed"):
                found = fetch(published, kind, paths, folder, by_peer=source == "peer")
                requests = found.requests or "-"
                print(
                    f"{kind:24}{len(torrent) / 1e6:7.2f} MB  {source:10}{found.right:6}{found.sent / wanted:14.3f}"
                    f"{requests:>10}{found.left / 1e6:8.1f} MB{found.seconds:7.2f}"
                )


if __name__ == "__main__":
    main()
