"""Full verification of a release against `sha256sum -c` on all processors: the same files, in the same run, in turn.

    python benchmarks/verify.py [--files 5000] [--size 70000] [--runs 3]

The release is made on the fly, of files of random bytes in one volume a thousand. They are in the page cache, so what
is measured is hashing and the price of everything around it, not a disk. Budget: 0.8 of `sha256sum`.
"""

from __future__ import annotations

import argparse
import random
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tagswarm.imaging.pool import cores
from tagswarm.mirror.verify import verify
from tagswarm.release.sign import sign

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from tests.publisher import Publisher

VOLUME = 1_000


def publish(dataset: Path, files: int, size: int) -> int:
    """Write a release of this many files with a mean of `size` bytes; returns the bytes of all."""
    chance = random.Random(0)
    publisher = Publisher(dataset)
    total = 0
    for start in range(0, files, VOLUME):
        entries = []
        for post in range(start, min(start + VOLUME, files)):
            path = f"original/{post % 1000:04}/{post}.jpg"
            publisher.write(path, chance.randbytes(chance.randrange(size // 2, size * 3 // 2)))
            entries.append(publisher.entry(path, post))
        publisher.volume(f"original-2026-{start // VOLUME:04}", "2026", entries)
        total += sum(entry.size for entry in entries)
    publisher.config("2026")
    publisher.release("2026")
    sign(dataset, [])
    return total


def by_us(dataset: Path) -> float:
    """Seconds of a full verification."""
    begun = time.perf_counter()
    if not verify(dataset, release="2026").ok:
        raise SystemExit("the release does not verify")
    return time.perf_counter() - begun


def by_sha256sum(dataset: Path) -> float:
    """Seconds of `sha256sum -c` over all checksum files, one process a processor."""
    begun = time.perf_counter()
    lists = "".join(f"{path}\n" for path in sorted(dataset.glob("volumes/*.sha256")))
    command = ["xargs", "-P", str(cores()), "-n", "1", "sha256sum", "--quiet", "-c"]
    subprocess.run(command, input=lists, text=True, cwd=dataset, check=True)
    return time.perf_counter() - begun


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--files", type=int, default=5_000)
    parser.add_argument("--size", type=int, default=70_000, help="mean bytes of a file")
    parser.add_argument("--runs", type=int, default=3)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        dataset = Path(folder)
        total = publish(dataset, options.files, options.size)
        pairs = [(by_us(dataset), by_sha256sum(dataset)) for _ in range(options.runs)]
    ours, theirs = (statistics.median(side) for side in zip(*pairs, strict=True))
    ratio = statistics.median(other / mine for mine, other in pairs)
    print(f"{options.files} files, {total / 1e6:.0f} MB, {cores()} processors, medians of {options.runs} runs")
    print(f"  tagswarm release verify  {total / ours / 1e6:7.0f} MB/s")
    print(f"  sha256sum -c             {total / theirs / 1e6:7.0f} MB/s")
    print(f"  ratio                    {ratio:7.2f}  (budget 0.8)")


if __name__ == "__main__":
    main()
