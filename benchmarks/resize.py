"""Resize to 512px: ours in the pool of two processes against ImageMagick under GNU parallel, on the same files.

Both make the same images in the same run: JPEG of quality 90 without subsampling, white behind. Counted are the CPU
seconds of all processes, the steadiest measure where other programs run. The output of both is held against a float
Lanczos reference in which orientation, profile and transparency are right.

The originals are cut to the measure of Danbooru from the pictures of a corpus: 72 % JPEG and 28 % PNG; three of five
with a side of 1,200 pixels or more and one of five with 2,400, as by the tags `highres` (5.3 of 8 M posts) and
`absurdres` (1.8 M); and one PNG of 16 transparent, as by `transparent_background` (1.7 % of posts).

    python benchmarks/resize.py [--corpus DIR] [--images 200] [--psnr 60]
"""

from __future__ import annotations

import argparse
import io
import os
import resource
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageCms, ImageOps
from resize_worker import resize

from tagswarm.imaging import pool
from tagswarm.imaging.kind import Kind
from tagswarm.imaging.probe import sniff
from tagswarm.imaging.structure import measure
from tagswarm.imaging.transform import PRESETS

SIDE = 512
PROCESSES = 2
SIDES = (800, 1100, 1400, 1800, 2600)
"""The longer sides of the originals in pixels, by turns; a picture is never enlarged."""
SMALLEST = 1900
"""Longer side in pixels of the smallest picture that is used, so that most sides above are reached."""
MIX, PNGS = 18, 5
"""So many of this many originals are PNG: 28 %."""
TRANSPARENT = 16
"""One of so many transparent pictures stays transparent as PNG."""
JPEG = ((85, 2), (92, 0), (95, 0))
"""Quality and subsampling of the originals, by turns."""
TURNS = 4
"""So often each image is made, so that the start of the processes counts as little as it does over a whole release."""
WRONG = 25.0
"""Decibel below which an output is plainly wrong: turned, or in other colours."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--corpus", type=Path, default=Path(__file__).parent.parent.parent / "shared/corpus/real")
    parser.add_argument("--images", type=int, default=200)
    parser.add_argument("--psnr", type=int, default=60, help="compare this many outputs with the reference")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        compare(arguments.corpus, arguments.images, arguments.psnr, Path(folder))


def compare(corpus: Path, images: int, psnr: int, work: Path) -> None:
    megapixels = gather(corpus, images, work / "in") / images
    sources = sorted((work / "in").iterdir())
    jpegs = sum(path.suffix == ".jpg" for path in sources) / images
    size = sum(path.stat().st_size for path in sources) / images / 1000
    print(f"{images} images, {jpegs:.0%} of them JPEG, {megapixels:.1f} megapixels and {size:.0f} kB on average")
    results = {"tagswarm": timed(run_ours, sources, work / "ours")}
    convert = next((name for name in ("magick", "convert-im6.q16", "convert") if shutil.which(name)), None)
    if convert and shutil.which("parallel"):
        results["ImageMagick + parallel"] = timed(run_magick, sources, work / "theirs", convert)
    chosen = sources[:: max(1, images // max(1, psnr))]
    expected = [reference(path) for path in chosen]
    decibels = {
        name: np.array(
            [quality(result.folder / f"{path.stem}.jpg", exact) for path, exact in zip(chosen, expected, strict=True)]
        )
        for name, result in results.items()
    }
    right = np.all([found >= WRONG for found in decibels.values()], axis=0)
    for name, result in results.items():
        size = sum(path.stat().st_size for path in result.folder.iterdir()) / images / 1000
        wrong = int((decibels[name] < WRONG).sum())
        print(
            f"{name:24} cpu {result.cpu:6.2f} s, {TURNS * images / result.cpu:5.1f} images a CPU second, "
            f"wall {result.wall:6.2f} s, {size:.1f} kB; {wrong} of {len(chosen)} plainly wrong, "
            f"PSNR of the {right.sum()} that nobody gets wrong {np.median(decibels[name][right]):.1f} dB"
        )
    if len(results) == 2:
        ours, theirs = results.values()
        print(f"ratio: {theirs.cpu / ours.cpu:.1f} by CPU seconds, {theirs.wall / ours.wall:.1f} by wall")


def gather(corpus: Path, images: int, folder: Path) -> float:
    """Make the originals from the larger pictures of a corpus; returns how many megapixels they have together."""
    folder.mkdir()
    found: list[Path] = []
    for path in sorted(p for p in corpus.rglob("*") if p.is_file()):
        data = path.read_bytes()
        kind, size = sniff(data), measure(data)
        if kind in (Kind.PNG, Kind.JPEG, Kind.WEBP) and size is not None and max(size) >= SMALLEST:
            found.append(path)
    assert found, f"no image of {SMALLEST} pixels or more in {corpus}"
    pixels = 0
    for number in range(images):
        with Image.open(found[number % len(found)]) as opened:
            profile = opened.info.get("icc_profile")
            picture = ImageOps.exif_transpose(opened)
        picture = picture.convert("RGBA" if picture.has_transparency_data else "RGB")
        picture.thumbnail((SIDES[number % len(SIDES)],) * 2, Image.Resampling.LANCZOS)
        png = number % MIX < PNGS
        if picture.mode == "RGBA" and (not png or number % TRANSPARENT):
            picture = Image.alpha_composite(Image.new("RGBA", picture.size, "white"), picture).convert("RGB")
        if png:
            picture.save(folder / f"{number:05}.png", icc_profile=profile)
        else:
            quality, subsampling = JPEG[number % len(JPEG)]
            picture.save(folder / f"{number:05}.jpg", quality=quality, subsampling=subsampling, icc_profile=profile)
        pixels += picture.width * picture.height
    return pixels / 1e6


@dataclass(frozen=True)
class Run:
    """What came of all images, by one of the two."""

    folder: Path
    cpu: float
    """Seconds of this process and its children."""
    wall: float
    """Seconds of the clock."""


def timed(function: Callable[..., None], sources: list[Path], folder: Path, *more: str) -> Run:
    folder.mkdir()
    before, start = cpu_seconds(), time.perf_counter()
    function(sources, folder, *more)
    return Run(folder, cpu_seconds() - before, time.perf_counter() - start)


def cpu_seconds() -> float:
    usages = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)


def run_ours(sources: list[Path], target: Path) -> None:
    os.environ["PYTHONPATH"] = str(Path(__file__).parent)  # where a process of the pool finds what it runs
    tasks = ((str(path), str(target / f"{path.stem}.jpg")) for path in sources * TURNS)
    for task, wrong in pool.run(resize, tasks, workers=PROCESSES):
        assert wrong is None, (task, wrong)


def run_magick(sources: list[Path], target: Path, convert: str) -> None:
    box = f"{SIDE}x{SIDE}"
    options = f"-resize {box}\\> -background white -gravity center -extent {box} -quality 90"
    line = f"{convert} {{}}[0] {options} {target}/{{/.}}.jpg"
    files = "\n".join(map(str, sources * TURNS))
    quiet = {"text": True, "stderr": subprocess.DEVNULL}  # it warns of profiles
    subprocess.run(["parallel", "-j", str(PROCESSES), line], input=files, check=True, **quiet)


def quality(output: Path, exact: np.ndarray) -> float:
    """PSNR of an output against its reference, in decibel."""
    with Image.open(output) as image:
        found = np.asarray(image.convert("RGB"), dtype=np.float64)
    error = float(((exact - found) ** 2).mean())
    return 99.0 if error == 0 else 10 * float(np.log10(255**2 / error))


def reference(path: Path) -> np.ndarray:
    """The letterboxed image with every step in float: premultiplied Lanczos, white behind it."""
    with Image.open(path) as opened:
        image = ImageOps.exif_transpose(opened)
        profile = opened.info.get("icc_profile")
    alpha = np.asarray(image.convert("RGBA").getchannel("A"), np.float64) / 255 if image.has_transparency_data else None
    colours = image.convert("RGB")
    if profile and image.mode in ("RGB", "RGBA", "P"):
        origin = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        converted = ImageCms.profileToProfile(colours, origin, ImageCms.createProfile("sRGB"), renderingIntent=1)
        colours = converted or colours
    pixels = np.asarray(colours, np.float64)
    geometry = PRESETS["512px"].geometry(*image.size)
    (width, height), (x, y) = geometry.scaled, geometry.offset
    flat = pixels if alpha is None else pixels * alpha[..., None] + 255 * (1 - alpha[..., None])
    bands = [
        np.asarray(
            Image.fromarray(flat[..., band].astype(np.float32)).resize((width, height), Image.Resampling.LANCZOS)
        )
        for band in range(3)
    ]
    canvas = np.full((SIDE, SIDE, 3), 255.0)
    canvas[y : y + height, x : x + width] = np.clip(np.stack(bands, axis=2), 0, 255)
    return canvas


if __name__ == "__main__":
    main()
