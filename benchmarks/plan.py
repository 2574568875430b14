"""A plan for some thousand files over all volumes of a release: how long it takes, and what it chooses.

    python benchmarks/plan.py [--posts 5000000] [--volumes 1000] [--files 20000] [--runs 21]

The files of a rendition of 70 KB a file are made up, and a random subset of them is planned for a local tree with some
of the volumes, a web server, a bucket and the swarms; then for more and more sources. The budget of a plan is 50 ms of
the 300 ms that a query may take from its matches to its plan.
"""

from __future__ import annotations

import argparse
import statistics
import time

import numpy as np

from tagswarm.manifests.models import Object, PackedObject, VolumeEntry
from tagswarm.mirror.offers import Offer
from tagswarm.mirror.plan import Plan, plan
from tagswarm.mirror.wanted import Wanted

MEAN = 70_000
"""Bytes of a file."""
TORRENT = 115
"""Bytes of a .torrent for each of its files: hybrid, pieces of 64 KiB, compressed."""
PIECE = 65_536
BUDGET = 0.050


def entry(name: str, files: int) -> VolumeEntry:
    zeros = "0" * 64
    other = Object(path=f"volumes/{name}.sha256", size=files * 90, sha256=zeros)
    return VolumeEntry(
        name=name,
        rendition="512px",
        generation="2026",
        layout="loose",
        files=files,
        images=files,
        bytes=files * MEAN,
        manifest=PackedObject(path=f"volumes/{name}.jsonl.zst", size=1, sha256=zeros, plain_sha256=zeros),
        checksums=other,
        lists=[],
        torrent=Object(path=f"volumes/{name}.torrent", size=files * TORRENT, sha256=zeros),
    )


def subset(posts: int, volumes: int, files: int) -> Wanted:
    chance = np.random.default_rng(1)
    ids = chance.choice(posts, files, replace=False).astype(np.int64)
    return Wanted(
        ids=ids,
        sizes=chance.lognormal(np.log(MEAN), 0.5, files).astype(np.int64),
        volumes=(ids % volumes).astype(np.int32),
        names=[f"512px-2026-{number:04}" for number in range(volumes)],
        missing=np.zeros(0, np.int64),
    )


def offers(count: int, names: list[str]) -> list[Offer]:
    """A few usual sources, then further web servers, each a little slower than the one before."""
    usual = [
        Offer(kind="http", address="https://host/danbooru"),
        Offer(kind="local", address="/mnt/danbooru", volumes=frozenset(names[::10])),
        Offer(kind="s3", address="s3://bucket/danbooru"),
        Offer(kind="torrent", address="torrent"),
    ]
    further = [
        Offer(kind="http", address=f"https://mirror{number}/danbooru", rate=4e6 - 1e5 * number) for number in range(20)
    ]
    return [*usual, *further][:count]


def described(found: Plan) -> str:
    return ", ".join(f"{share.volumes:,} volumes by {share.kind}" for share in found.shares)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--posts", type=int, default=5_000_000)
    parser.add_argument("--volumes", type=int, default=1_000)
    parser.add_argument("--files", type=int, default=20_000)
    parser.add_argument("--runs", type=int, default=21)
    asked = parser.parse_args()
    wanted = subset(asked.posts, asked.volumes, asked.files)
    entries = [entry(name, asked.posts // asked.volumes) for name in wanted.names]
    withdrawn = range(0, asked.posts, 5_000)
    print(f"{asked.files:,} of {asked.posts:,} files, {asked.volumes:,} volumes; median of {asked.runs} runs")
    for count in (1, 2, 4, 6, 8, 12):
        sources = offers(count, list(wanted.names))
        times = []
        for _ in range(asked.runs):
            began = time.perf_counter()
            found = plan(wanted, entries, sources, piece_length=PIECE, withdrawn=withdrawn)
            times.append(time.perf_counter() - began)
        median = statistics.median(times)
        said = f"{1000 * median:6.1f} ms ({1000 * min(times):.1f} at best), {median / BUDGET:4.0%} of the budget"
        print(f"{count:2} sources: {said}: {found.seconds:,.0f} s, {described(found)}")


if __name__ == "__main__":
    main()
