"""The one read pass over many files, beside what the two cores can hash and beside sha256sum.

A pass makes SHA-256, MD5, the SHA-1 pieces and the SHA-256 tree of a hybrid torrent. The bound is what openssl does
with blocks of 16 KiB in as many processes: a byte costs an MD5, two SHA-256, and a SHA-1 of itself and its share of the
zeros that fill up the last piece. Files lie in the page cache; the processes of the pool start before the clock does.
Seconds of the CPU are the steadier measure where other programs run: they are compared with one openssl alone.

Run as `python benchmarks/hashing.py [--bytes N] [--workers N]`. No test asserts any of this.
"""

from __future__ import annotations

import argparse
import random
import re
import resource
import subprocess
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from tagswarm.imaging import pool
from tagswarm.release.hashing import Reading, facts_of

KB, KIB, MIB = 1_000, 1 << 10, 1 << 20
SPREAD = 0.8
"""Sizes lie between this share below the mean and this share above it."""
TURNS = 3
"""Each is measured so often, by turns, and the best is taken: other programs only ever slow one down."""
WARMING = 8
"""Files a process reads before the clock starts."""


@dataclass(frozen=True)
class Case:
    """Files of one kind."""

    name: str
    mean: int
    """Bytes of a file."""
    piece_length: int


CASES = (
    Case("512px: 70 KB, pieces of 64 KiB", 70 * KB, 64 * KIB),
    Case("512px: 70 KB, pieces of 256 KiB", 70 * KB, 256 * KIB),
    Case("originals: 800 KB, pieces of 256 KiB", 800 * KB, 256 * KIB),
    Case("originals: 800 KB, pieces of 1 MiB", 800 * KB, MIB),
)


def openssl(digest: str, workers: int | None = None) -> float:
    """Bytes that openssl hashes in blocks of 16 KiB: a second of the clock in these processes, or of the CPU in one."""
    several = ["-multi", str(workers)] if workers is not None else []
    command = ["openssl", "speed", "-mr", "-seconds", "1", "-bytes", "16384", *several, digest]
    output = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return float(re.findall(rf"^\+F:\d+:{digest}:([0-9.]+)$", output, re.MULTILINE)[-1])


def bound(rates: dict[str, float], padded: float) -> float:
    """Bytes a second that could have all the digests; SHA-1 goes over `padded` times as many."""
    return 1 / (1 / rates["md5"] + 2 / rates["sha256"] + padded / rates["sha1"])


def make(folder: Path, mean: int, total: int) -> list[Path]:
    """Files of random bytes in folders of 100, the same every time."""
    source, files = random.Random(mean), []
    for number in range(max(1, total // mean)):
        path = folder / f"{number // 100:04}" / f"{number}.bin"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(source.randbytes(round(mean * (1 + SPREAD * (2 * source.random() - 1)))))
        files.append(path)
    return files


def one_pass(folder: Path, warming: list[Path], files: list[Path], case: Case, workers: int) -> tuple[float, float]:
    """Seconds of the clock and of the CPU; those of the CPU include the start of the processes."""
    tasks = [
        Reading(str(folder), str(path.relative_to(folder)), path.stat().st_size, case.piece_length, look=False)
        for path in (*warming, *files)
    ]
    cpu = cpu_of_children()
    began = 0.0
    for done, fact in enumerate(facts_of(tasks, workers), 1):
        if fact.digest is None:
            raise SystemExit(f"{fact.path}: {fact.look}")
        if done == len(warming):
            began = time.perf_counter()
    return time.perf_counter() - began, cpu_of_children() - cpu


def cpu_of_children() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def sha256sum(files: list[Path], workers: int) -> float:
    """Seconds of sha256sum in as many processes, 100 files each."""
    names = "\0".join(map(str, files)).encode()
    began = time.perf_counter()
    command = ["xargs", "-0", "-n", "100", "-P", str(workers), "sha256sum", "--"]
    subprocess.run(command, input=names, stdout=subprocess.DEVNULL, check=True)
    return time.perf_counter() - began


def measure(case: Case, total: int, workers: int) -> None:
    names = ("md5", "sha1", "sha256")
    clock, cpu = dict.fromkeys(names, 0.0), dict.fromkeys(names, 0.0)
    ours, ours_cpu, peer = 0.0, 0.0, 0.0
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        files = make(folder, case.mean, total)
        sizes = [path.stat().st_size for path in files]
        size = sum(sizes)
        warming = files[: WARMING * workers]
        for _ in range(TURNS):
            clock = {digest: max(rate, openssl(digest, workers)) for digest, rate in clock.items()}
            cpu = {digest: max(rate, openssl(digest)) for digest, rate in cpu.items()}
            _, started = one_pass(folder, warming, [], case, workers)
            seconds, cpu_seconds = one_pass(folder, warming, files, case, workers)
            ours, ours_cpu = max(ours, size / seconds), max(ours_cpu, size / (cpu_seconds - started))
            peer = max(peer, size / sha256sum(files, workers))
    padded = sum(-(-one // case.piece_length) * case.piece_length for one in sizes) / size
    best, best_cpu = bound(clock, padded), bound(cpu, padded)
    print(f"{case.name}: {len(files)} files, {size / 1e6:.0f} MB, SHA-1 over {padded:.2f} times the bytes")
    print(f"  openssl, {workers} processes: " + ", ".join(f"{k} {v / 1e6:.0f}" for k, v in clock.items()) + " MB/s")
    print(f"  read pass {ours / 1e6:6.0f} MB/s: {ours / best:.2f} of the bound of {best / 1e6:.0f} MB/s;", end=" ")
    print(f"by CPU {ours_cpu / 1e6:.0f} MB/s: {ours_cpu / best_cpu:.2f} of {best_cpu / 1e6:.0f} MB/s")
    print(
        f"  sha256sum {peer / 1e6:6.0f} MB/s: the read pass, with four digests, has {ours / peer:.2f} of it", flush=True
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--bytes", type=int, default=700_000_000, help="bytes of files of each case")
    parser.add_argument("--workers", type=int, default=pool.cores())
    arguments = parser.parse_args()
    for case in CASES:
        measure(case, arguments.bytes, arguments.workers)


if __name__ == "__main__":
    main()
