"""What it costs to find files in the table of a large rendition: time, and memory of a process that does nothing else.

Makes a table of five million posts in volumes of 5,000, by buckets as a release has them, then finds 20,000 posts drawn
by chance, each search in a fresh process and the best of several in the same one.

    python benchmarks/filetable.py [--posts 5000000] [--wanted 20000]
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from tagswarm.manifests import filerows, filetables
from tagswarm.manifests.models import FileEntry
from tagswarm.manifests.paths import FilePath

ROUNDS = 7
VOLUME = 5_000


def synthesise(path: Path, posts: int) -> None:
    """Write the table: ids with gaps, sizes as images have them."""
    chance = np.random.default_rng(5)
    ids = np.sort(chance.choice(posts * 8 // 5, posts, replace=False) + 1)
    ids = ids[np.lexsort((ids.astype("S8"), ids % 1000))]
    with filerows.open_writer(path, rendition="original", site="danbooru") as add:
        for number, start in enumerate(range(0, posts, VOLUME)):
            add(f"original-2026-{number:04}", _entries(ids[start : start + VOLUME], chance))


def _entries(ids: np.ndarray, chance: np.random.Generator) -> Iterator[FileEntry]:
    sizes = np.exp(chance.normal(13, 1, len(ids))).astype(np.int64).tolist()
    sides = chance.integers(300, 5000, (len(ids), 2)).tolist()
    kinds = chance.choice(3, len(ids), p=[0.6, 0.35, 0.05]).tolist()
    for post, size, (width, height), kind in zip(ids.tolist(), sizes, sides, kinds, strict=True):
        extension, what = (("jpg", "jpeg"), ("png", "png"), ("gif", "gif"))[kind]
        yield FileEntry(
            path=str(FilePath.of("original", post, extension)),
            size=size,
            sha256=chance.bytes(32).hex(),
            id=post,
            kind=what,
            width=width,
            height=height,
        )


def search(path: Path, count: int) -> None:
    """Find and read, and print what that took as JSON."""
    from tagswarm.mirror.file import File  # noqa: PLC0415 - a search alone needs no more than the table

    table = filetables.open_files(path)
    drawn = np.random.default_rng(7).integers(1, table.rows * 8 // 5, count * 2)
    wanted = np.append(table.find(drawn[: count * 2]).ids[:count], 0)
    finding, reading = [], []
    for _ in range(ROUNDS):
        began = time.perf_counter()
        found = filetables.open_files(path).find(wanted)
        finding.append(time.perf_counter() - began)
        began = time.perf_counter()
        files = found.files(File)
        reading.append(time.perf_counter() - began)
    told = {
        "files": len(files),
        "find first, ms": 1000 * finding[0],
        "find best, ms": 1000 * min(finding),
        "files first, ms": 1000 * reading[0],
        "files best, ms": 1000 * min(reading),
        "peak memory, MB": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000,
    }
    print(json.dumps(told))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--posts", type=int, default=5_000_000)
    parser.add_argument("--wanted", type=int, default=20_000)
    parser.add_argument("--table", type=Path, help="a table that is there already")
    parser.add_argument("--search", action="store_true", help="only search it")
    options = parser.parse_args()
    if options.search:
        search(options.table, options.wanted)
        return
    with tempfile.TemporaryDirectory() as folder:
        path = options.table or Path(folder, "original.parquet")
        if not path.exists():
            began = time.perf_counter()
            synthesise(path, options.posts)
            print(f"written in {time.perf_counter() - began:.0f} s")
        print(f"{options.posts:,} posts, {path.stat().st_size / 1e6:.0f} MB")
        command = [sys.executable, __file__, "--search", "--table", str(path), "--wanted", str(options.wanted)]
        told = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
        for name, value in told.items():
            print(f"{name:>18}  {value:,.0f}")


if __name__ == "__main__":
    main()
