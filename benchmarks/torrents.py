"""Making the .torrents of many small files, beside libtorrent, mktorrent and torf.

Each makes torrents of the same 20,000 files of 70 KB on average, as 512px renditions are, in the page cache: ours in
volumes of 5,000 files, as they are published, with as many processes as there are processors; libtorrent, mktorrent and
torf one torrent of all of them, the only way to use them. Ours is the read pass of a build and the writing, so it has
MD5 and SHA-256 of each file too: the table says what each pass gives. Times are of the clock, the best of some turns.

Run as `python benchmarks/torrents.py [--files N]`; torf is given a part of the files, once. No test asserts this.
"""

from __future__ import annotations

import argparse
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import libtorrent as lt
import torf
from hashing import KB, KIB, make

from tagswarm.imaging import pool
from tagswarm.manifests import infodict, torrentfile
from tagswarm.manifests.torrentfile import Links
from tagswarm.release.hashing import Reading, facts_of

MEAN = 70 * KB
VOLUME = 5_000
"""Files of a torrent of ours."""
TORF_FILES = 5_000
"""torf's time grows with the square of the files: 20,000 would take minutes."""
TURNS = 3


def ours(folder: Path, files: list[Path], piece_length: int) -> int:
    """Bytes of all .torrents."""
    tasks = [
        Reading(str(folder), path.relative_to(folder).as_posix(), path.stat().st_size, piece_length, look=False)
        for path in files
    ]
    size, volume = 0, []
    for number, fact in enumerate(facts_of(tasks, None), 1):
        if fact.digest is None:
            raise SystemExit(f"{fact.path}: {fact.look}")
        volume.append(infodict.Hashed(fact.path, fact.digest))
        if len(volume) == VOLUME or number == len(files):
            made = infodict.hybrid("danbooru", piece_length, volume)
            size += len(torrentfile.render(made.info, made.layers, Links(trackers=(("udp://tracker.example:6969",),))))
            volume = []
    return size


def libtorrent(folder: Path, files: list[Path], piece_length: int, flags: int = 0) -> int:
    """Bytes of the .torrent; hybrid where no flag says otherwise."""
    entries = [
        lt.create_file_entry(f"{folder.name}/{path.relative_to(folder).as_posix()}", path.stat().st_size, 0, 0, "")
        for path in files
    ]
    torrent = lt.create_torrent(entries, piece_length, flags)
    lt.set_piece_hashes(torrent, str(folder.parent))
    return len(lt.bencode(torrent.generate()))


def mktorrent(folder: Path, piece_length: int) -> int:
    with tempfile.TemporaryDirectory() as name:
        out = Path(name) / "made.torrent"
        exponent = str(piece_length.bit_length() - 1)
        command = ["mktorrent", "-l", exponent, "-t", str(pool.cores()), "-a", "udp://tracker.example:6969", "-o", out]
        subprocess.run([*command, folder], check=True, stdout=subprocess.DEVNULL)
        return out.stat().st_size


def by_torf(files: list[Path], piece_length: int) -> int:
    torrent = torf.Torrent(piece_size=piece_length, name="danbooru", creation_date=None)
    torrent.filepaths = files
    torrent.generate(threads=pool.cores())
    return len(torrent.dump())


def best(make_torrent: Callable[[], int]) -> tuple[float, int]:
    """Seconds, and bytes of the .torrents."""
    seconds, size = float("inf"), 0
    for _ in range(TURNS):
        began = time.perf_counter()
        size = make_torrent()
        seconds = min(seconds, time.perf_counter() - began)
    return seconds, size


def row(name: str, gives: str, seconds: float, size: int, *, payload: float, base: float) -> None:
    """One maker; `payload` in bytes, `base` the seconds of ours for it."""
    rate, ratio = payload / seconds / 1e6, seconds / base
    print(f"| {name} | {gives} | {seconds:.2f} | {rate:,.0f} | {size / 1e6:.2f} | {ratio:.2f} |")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--files", type=int, default=20_000, help="how many files")
    options = parser.parse_args()
    version = subprocess.run(["mktorrent", "-h"], capture_output=True, text=True, check=False).stdout.split("\n")[0]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "danbooru"
        files = sorted(make(folder, MEAN, options.files * MEAN))
        payload = sum(path.stat().st_size for path in files)
        print(f"{len(files):,} files, {payload / 1e9:.2f} GB, {pool.cores()} processors; libtorrent {lt.__version__},")
        print(f"{version}, torf {torf.__version__}; ratio: seconds of the peer for a second of ours\n")
        print("| maker | what one pass gives | s | MB/s | .torrents MB | ratio |")
        print("| --- | --- | --- | --- | --- | --- |")
        base, size = best(lambda: ours(folder, files, 64 * KIB))
        row("tagswarm 64 KiB", "hybrid, SHA-256 and MD5 of each file", base, size, payload=payload, base=base)
        v1 = int(lt.create_torrent.v1_only)
        for title, gives, make_torrent in (
            ("libtorrent 64 KiB", "hybrid", lambda: libtorrent(folder, files, 64 * KIB)),
            ("libtorrent 64 KiB", "v1 without pads", lambda: libtorrent(folder, files, 64 * KIB, v1)),
            ("mktorrent 64 KiB", "v1 without pads", lambda: mktorrent(folder, 64 * KIB)),
            ("mktorrent 256 KiB", "v1 without pads", lambda: mktorrent(folder, 256 * KIB)),
        ):
            seconds, size = best(make_torrent)
            row(title, gives, seconds, size, payload=payload, base=base)
        few = files[:TORF_FILES]
        began = time.perf_counter()
        size = by_torf(few, 64 * KIB)
        seconds = time.perf_counter() - began
        share = sum(path.stat().st_size for path in few) / payload
        row(
            f"torf 64 KiB, {len(few):,} of them",
            "v1 without pads",
            seconds,
            size,
            payload=payload * share,
            base=base * share,
        )


if __name__ == "__main__":
    main()
