"""Many volumes in one seeding process: the memory and the start time of a volume, and what a thousand would take.

    python benchmarks/seeding.py [--volumes 100] [--files 5000] [--real 2] [--folder DIR]

The torrents and manifests are real and of full size. The files of most volumes are holes of the right size, hard links
of few inodes, and their digests are made up: they are joined as verified before, as after a restart, and nobody asks
for them. A few volumes have real files, which the seeder verifies and a second session downloads and compares with the
manifest. The seeder is the program itself, `tagswarm mirror seed`, on loopback; its memory is what the system says of
the process. Budget: 3 GB for 1,000 volumes of 5,000 files, which take 4 GB of the disk.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tagswarm.manifests import manifest, merkle, published
from tagswarm.manifests.digest import FileDigest
from tagswarm.manifests.infodict import Hashed
from tagswarm.manifests.models import FileEntry, VolumeEntry
from tagswarm.mirror.service.verified import Verified, look
from tagswarm.release.sign import sign

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from tests.leecher import differing, fetch
from tests.publisher import PIECE, Publisher

TREE = "512px"
SIZES = [20_000 + 101 * number for number in range(997)]
"""Bytes of files, 70 KB in the mean; each is one inode, far from the 65,000 links it may have."""
REAL = 20_000
"""Mean bytes of a real file."""
BUDGET = 3e9
PLANNED = 1_000
"""Volumes that the budget is for."""
PATIENCE = 900


def publish(dataset: Path, volumes: int, files: int, real: int) -> None:
    """Write a release of so many volumes of so many files; the last `real` ones have bytes."""
    chance = random.Random(0)
    publisher = Publisher(dataset, torrents=True)
    holes = _holes(dataset / ".holes")
    for bucket in range(volumes):
        folder = dataset / TREE / f"{bucket:04}"
        folder.mkdir(parents=True)
        paths = [f"{TREE}/{bucket:04}/{bucket + 1000 * number}.jpg" for number in range(files)]
        name = f"{TREE}-2026-{bucket:04}"
        if bucket < volumes - real:
            sizes = chance.choices(SIZES, k=files)
            for path, size in zip(paths, sizes, strict=True):
                os.link(holes[size], dataset / path)
            hashed = [_made_up(path, size, chance) for path, size in zip(paths, sizes, strict=True)]
            entries = [FileEntry(path=each.path, size=each.digest.size, sha256=each.digest.sha256) for each in hashed]
            publisher.volume(name, "2026", entries, hashed=hashed)
        else:
            for path in paths:
                publisher.write(path, chance.randbytes(chance.randrange(REAL // 2, REAL * 3 // 2)))
            publisher.volume(name, "2026", [publisher.entry(path, 0) for path in paths])
    publisher.config("2026")
    publisher.release("2026")
    sign(dataset, [])


def _holes(folder: Path) -> dict[int, Path]:
    folder.mkdir()
    for size in SIZES:
        with (folder / str(size)).open("wb") as file:
            file.truncate(size)
    return {size: folder / str(size) for size in SIZES}


def _made_up(path: str, size: int, chance: random.Random) -> Hashed:
    """Digests of a file that nobody ever read; the root is that of the layer, or no client would load them."""
    pieces = -(-size // PIECE)
    layer = chance.randbytes(merkle.NODE * pieces)
    root = merkle.root_of_layer(layer, PIECE) if pieces > 1 else layer
    digest = FileDigest(
        size=size,
        sha256=chance.randbytes(32).hex(),
        md5="",
        root=root.hex(),
        piece_length=PIECE,
        pieces=chance.randbytes(20 * pieces),
        layer=layer if pieces > 1 else b"",
    )
    return Hashed(path, digest)


def believe(dataset: Path, volumes: list[VolumeEntry]) -> None:
    """Let the seeder remember volumes as verified."""
    verified = Verified(dataset / ".tagswarm" / "seed.json")
    for volume in volumes:
        verified.note(volume, look(dataset, volume, manifest.read(dataset, volume)).fingerprint)


@dataclass(frozen=True, slots=True)
class Started:
    """A seeding process."""

    volumes: int
    seconds: float
    """From the start of the process until all volumes were joined that need not be read."""
    memory: int
    """Bytes that are resident a few seconds later."""
    port: int
    process: int

    def now(self) -> int:
        """Bytes that are resident now."""
        return _memory(self.process)


@contextlib.contextmanager
def seeding(dataset: Path, most: int) -> Iterator[Started]:
    """Run the seeder for as long as the block takes."""
    program = str(Path(sys.executable).with_name("tagswarm"))
    quiet = ["--no-dht", "--no-pex", "--no-utp", "--shared-address", "--listen", "127.0.0.1:0", "--every", "1"]
    command = [program, "mirror", "seed", str(dataset), "--max-volumes", str(most), "--json", *quiet]
    begun = time.monotonic()
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        try:
            assert process.stdout is not None
            port, seconds = 0, 0.0
            for line in process.stdout:
                event = json.loads(line)
                port = event.get("facts", {}).get("port", port)
                if event["event"] == "step-finished" and event["step"] == "look for volumes":
                    seconds = time.monotonic() - begun
                elif event.get("facts", {}).get("volumes") == most:
                    break
            else:
                raise SystemExit("the seeder ended by itself")
            drain = threading.Thread(target=process.stdout.read, daemon=True)
            drain.start()
            time.sleep(3)
            yield Started(most, seconds, _memory(process.pid), port, process.pid)
        finally:
            process.send_signal(signal.SIGTERM)
            if process.wait(timeout=60):
                raise SystemExit(f"the seeder ended with {process.returncode}")


def _memory(process: int) -> int:
    return int(Path(f"/proc/{process}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def download(dataset: Path, volumes: list[VolumeEntry], port: int, target: Path) -> tuple[int, float]:
    """Fetch volumes from the seeder and compare every file with the manifest; bytes and seconds."""
    begun = time.monotonic()
    if not all(each.whole for each in fetch(dataset, volumes, port, target, seconds=PATIENCE)):
        raise SystemExit("the download does not end")
    seconds = time.monotonic() - begun
    for volume in volumes:
        if wrong := differing(dataset, volume, target):
            raise SystemExit(f"{min(wrong)}: is not what the manifest says")
    return sum(volume.bytes for volume in volumes), seconds


def fitted(runs: list[Started], what: str) -> tuple[float, float]:
    """Slope a volume and intercept of the line through the runs."""
    slope, intercept = np.polyfit([run.volumes for run in runs], [getattr(run, what) for run in runs], 1)
    return float(slope), float(intercept)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--volumes", type=int, default=100)
    parser.add_argument("--files", type=int, default=5_000)
    parser.add_argument("--real", type=int, default=2, help="volumes with real files")
    parser.add_argument("--folder", type=Path, help="where the temporary folder is made")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        dataset, target = Path(folder) / "tree", Path(folder) / "copy"
        dataset.mkdir()
        target.mkdir()
        begun = time.monotonic()
        publish(dataset, options.volumes, options.files, options.real)
        volumes = published.establish(dataset).root.volumes
        believe(dataset, volumes[: len(volumes) - options.real])
        size = sum(volume.torrent.size for volume in volumes if volume.torrent) / len(volumes)
        made = time.monotonic() - begun
        print(
            f"{options.volumes} volumes of {options.files} files, .torrent of {size / 1e6:.2f} MB; made in {made:.0f} s"
        )
        print("  volumes   start s   memory MB")
        runs = []
        for most in sorted({options.volumes // 4, options.volumes // 2, options.volumes} - {0}):
            with seeding(dataset, most) as started:
                runs.append(started)
                print(f"  {most:7} {started.seconds:9.1f} {started.memory / 1e6:11.0f}", flush=True)
                if most == options.volumes and options.real:
                    moved, seconds = download(dataset, volumes[-options.real :], started.port, target)
                    grown = started.now() - started.memory
                    print(
                        f"  fetched {options.real} volumes, {moved / 1e6:.0f} MB at {moved / seconds / 1e6:.0f} MB/s,"
                    )
                    print(f"  all as the manifest says; the seeder grew by {grown / 1e6:.0f} MB, buffers and all")
        if len(runs) > 2:
            for what, unit, scale in (("seconds", "s", 1.0), ("memory", "MB", 1e-6)):
                slope, rest = (scale * value for value in fitted(runs, what))
                planned = rest + PLANNED * slope
                print(f"  {what}: {slope:.3g} {unit} a volume and {rest:.3g} {unit} besides,", end=" ")
                print(f"so {planned:,.0f} {unit} for {PLANNED:,} volumes")
            print(f"  budget of memory: {BUDGET / 1e6:,.0f} MB")


if __name__ == "__main__":
    main()
