"""Resize to 512px: ours in two processes against ImageMagick under GNU parallel, on the same files in the same run.

Prints CPU seconds, wall seconds and their ratios, the size of the output, and the PSNR of both against a float Lanczos
reference in which orientation, profile and transparency are right. CPU seconds are the trustworthy unit.

    python benchmarks/resize.py [--corpus DIR] [--images 200] [--psnr 60]
"""

from __future__ import annotations

import argparse
import io
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from PIL import Image, ImageCms, ImageOps

from tagswarm.imaging.kind import Kind
from tagswarm.imaging.probe import sniff
from tagswarm.imaging.structure import measure
from tagswarm.imaging.transform import PRESETS

SIDE = 512
PROCESSES = 2
WORKER = Path(__file__).with_name("resize_worker.py")
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
    sources = gather(corpus, images, work / "in")
    megapixels = sum(width * height for _, width, height in sources) / 1e6
    jpegs = sum(path.suffix == ".jpg" for path, _, _ in sources)
    print(f"{len(sources)} images, {jpegs} of them JPEG, {megapixels / len(sources):.1f} megapixels on average")
    results = {"tagswarm": timed(run_ours, work / "in", work / "ours")}
    convert = next((name for name in ("magick", "convert-im6.q16", "convert") if shutil.which(name)), None)
    if convert and shutil.which("parallel"):
        results["ImageMagick + parallel"] = timed(run_magick, work / "in", work / "theirs", convert)
    chosen = [path for path, _, _ in sources][:: max(1, len(sources) // max(1, psnr))]
    for (name, (cpu, wall)), folder in zip(results.items(), (work / "ours", work / "theirs"), strict=False):
        made = list(folder.iterdir())
        decibels = np.array([quality(path, folder / f"{path.stem}.jpg") for path in chosen])
        good = decibels[decibels >= WRONG]
        size = sum(path.stat().st_size for path in made) / len(made) / 1000
        print(
            f"{name:24} cpu {cpu:6.2f} s, {len(made) / cpu:5.1f} images a CPU second, wall {wall:6.2f} s, "
            f"{size:.1f} kB, PSNR {np.median(decibels):.1f} dB median, {good.mean():.1f} dB mean of the right ones, "
            f"{len(decibels) - len(good)} of {len(decibels)} plainly wrong"
        )
    if len(results) == 2:
        (our_cpu, our_wall), (their_cpu, their_wall) = results.values()
        print(f"ratio: {their_cpu / our_cpu:.1f} by CPU seconds, {their_wall / our_wall:.1f} by wall")


def gather(corpus: Path, images: int, folder: Path) -> list[tuple[Path, int, int]]:
    """Copy images of 640 pixels or more; two of three PNG become JPEG, over white, as most originals of a booru are."""
    folder.mkdir()
    found: list[tuple[Path, int, int]] = []
    for path in sorted(p for p in corpus.rglob("*") if p.is_file()):
        data = path.read_bytes()
        kind, size = sniff(data), measure(data)
        if kind in (Kind.PNG, Kind.JPEG, Kind.WEBP) and size is not None and max(size) >= 640:
            found.append((path, *size))
    assert found, f"no image of 640 pixels or more in {corpus}"
    sources = []
    for number in range(images):
        path, width, height = found[number % len(found)]
        data = path.read_bytes()
        if sniff(data) is Kind.PNG and number % 3:
            data = transcode(data, *((85, 2), (92, 0), (95, 0))[number // 3 % 3])
        extension = {Kind.JPEG: "jpg", Kind.PNG: "png"}.get(sniff(data), "webp")
        target = folder / f"{number:05}.{extension}"
        target.write_bytes(data)
        sources.append((target, width, height))
    return sources


def transcode(png: bytes, quality: int, subsampling: int) -> bytes:
    buffer = io.BytesIO()
    with Image.open(io.BytesIO(png)) as image:
        if image.mode.startswith("I"):  # 16-bit grey
            return png
        white = Image.new("RGBA", image.size, "white")
        white.alpha_composite(image.convert("RGBA"))
        profile = image.info.get("icc_profile")
    white.convert("RGB").save(buffer, "JPEG", quality=quality, subsampling=subsampling, icc_profile=profile)
    return buffer.getvalue()


def timed(function, source: Path, target: Path, *more: str) -> tuple[float, float]:  # noqa: ANN001
    target.mkdir()
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    function(source, target, *more)
    after, wall = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter() - start
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, wall


def run_ours(source: Path, target: Path) -> None:
    paths = sorted(source.iterdir())
    workers = []
    for number in range(PROCESSES):
        listing = target.with_name(f"list{number}")
        listing.write_text("\n".join(str(path) for path in paths[number::PROCESSES]))
        workers.append(subprocess.Popen([sys.executable, str(WORKER), str(listing), str(target)]))
    for worker in workers:
        assert worker.wait() == 0


def run_magick(source: Path, target: Path, convert: str) -> None:
    box = f"{SIDE}x{SIDE}"
    options = f"-resize {box}\\> -background white -gravity center -extent {box} -quality 90"
    line = f"{convert} {{}}[0] {options} {target}/{{/.}}.jpg"
    files = "\n".join(str(path) for path in sorted(source.iterdir()))
    quiet = {"text": True, "stderr": subprocess.DEVNULL}  # it warns of profiles
    subprocess.run(["parallel", "-j", str(PROCESSES), line], input=files, check=True, **quiet)


def quality(source: Path, output: Path) -> float:
    """PSNR of an output against the reference, in decibel."""
    expected = reference(source)
    with Image.open(output) as image:
        found = np.asarray(image.convert("RGB"), dtype=np.float64)
    error = float(((expected - found) ** 2).mean())
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
