"""What sd-scripts of kohya-ss trains on: images with captions of their names in one folder, and its configuration.

The folder works with `--dataset_config=dataset.toml`, and where a concept is given also as `--train_data_dir` with
`--caption_extension=.txt`, for the folder of the images is then called `10_concept`. `metadata_cache.json` saves the
trainer from opening every image for its size, which takes hours of large sets; it can be given as `--in_json` too.

A caption ends in a newline, for the trainer refuses a caption file without any line, and there are posts without tags.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from math import isqrt
from pathlib import Path
from typing import Any

from tagswarm.manifests import paths
from tagswarm.manifests.errors import InvalidDocument, UnsafePath

from .captions import Captions
from .folder import Folder
from .sample import Sample, Skipped
from .style import DEFAULT, CaptionStyle
from .table import check_least

CACHE = "metadata_cache.json"
EXTENSIONS = frozenset({"avif", "bmp", "jpg", "jxl", "png", "webp"})
"""What the trainer reads; AVIF and JPEG XL with a plugin."""

_STEP, _SMALLEST, _USUAL = 64, 256, 1024
"""Pixels: what sides of buckets are multiples of, their least, and the side that models of today are trained at."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KohyaOptions:
    """How a training folder is written."""

    captions: CaptionStyle = DEFAULT
    concept: str = ""
    """Of DreamBooth: the images lie in `REPEATS_CONCEPT` then, and otherwise in `images`."""
    repeats: int = 1
    """How often an image is shown in an epoch."""
    resolution: int | None = None
    """Pixels of the side of a square with the area to train at; None takes that of the largest image, at most 1024."""
    batch_size: int = 1
    cache_sizes: bool = True
    """Write `metadata_cache.json` and have it used."""

    def __post_init__(self) -> None:
        if self.concept:
            paths.check(f"{self.repeats}_{self.concept}")
        if "/" in self.concept:
            raise InvalidDocument("concept holds a slash", hint="Name it in words.")
        check_least("repeats", self.repeats, 1)
        check_least("batch_size", self.batch_size, 1)
        if self.resolution is not None:
            check_least("resolution", self.resolution, _SMALLEST)

    @property
    def folder(self) -> str:
        """The name of the folder of the images."""
        return f"{self.repeats}_{self.concept}" if self.concept else "images"


def write(samples: Iterable[Sample], folder: Folder, options: KohyaOptions, captions: Captions) -> Iterator[Skipped]:
    """Write the images, their captions and the configuration, and yield what cannot be in it."""
    images = folder.home / options.folder
    _string(str(images))  # a folder that no configuration can name is refused before anything is written
    largest = 0
    sized = True
    with folder.aside(f"{options.folder}/{CACHE}") as cache:
        cache.write(b"{")
        first = True
        for sample in samples:
            if sample.extension not in EXTENSIONS:
                yield Skipped(sample.id, "unsupported", f"sd-scripts does not read .{sample.extension}")
                continue
            name = f"{sample.id}.{sample.extension}"
            skipped = folder.place(sample, f"{options.folder}/{name}")
            if skipped is not None:
                yield skipped
                continue
            caption = captions.of(sample.post, sample.tags)
            folder.write(f"{options.folder}/{sample.id}.txt", caption.encode() + b"\n")
            width, height = sample.width or 0, sample.height or 0
            largest = max(largest, width * height)
            sized = sized and width * height > 0
            entry = json.dumps({"caption": caption, "resolution": [width, height]}, ensure_ascii=False)
            cache.write(f"{'' if first else ','}\n{_string(str(images / name))}: {entry}".encode())
            first = False
        cache.write(b"\n}\n")
        if sized and options.cache_sizes:
            cache.commit()
        else:
            folder.files -= 1
    folder.write("dataset.toml", _configuration(options, images, largest, sized=sized).encode())


def _configuration(options: KohyaOptions, images: Path, largest: int, *, sized: bool) -> str:
    separator, keep, secondary = options.captions.separators
    side = options.resolution or min(max(isqrt(largest) // _STEP * _STEP, _SMALLEST), _USUAL)
    cached = sized and options.cache_sizes
    sections: list[tuple[str, dict[str, Any]]] = [
        (
            "[general]",
            {
                "caption_extension": ".txt",
                "caption_separator": separator,
                "keep_tokens_separator": keep,
                "secondary_separator": secondary,
                "shuffle_caption": True,
            },
        ),
        (
            "[[datasets]]",
            {
                "batch_size": options.batch_size,
                "enable_bucket": True,
                "bucket_reso_steps": _STEP,
                "min_bucket_reso": _SMALLEST,
                "max_bucket_reso": max(_USUAL, -(-2 * side // _STEP) * _STEP),
                "resolution": side,
            },
        ),
        (
            "[[datasets.subsets]]",
            {"image_dir": str(images), "num_repeats": options.repeats, "cache_info": cached},
        ),
    ]
    lines = ["# For sd-scripts: --dataset_config with the path of this file."]
    if cached:
        lines.append(f"# Captions and sizes are read from {CACHE}: delete it after a change of a caption or an image,")
        lines.append("# or of the place of this folder, which it and image_dir name in full.")
    for head, values in sections:
        lines += ["", head, *(f"{key} = {_value(value)}" for key, value in values.items())]
    return "\n".join(lines) + "\n"


def _value(value: str | int | bool) -> str:
    return _string(value) if isinstance(value, str) else json.dumps(value)


def _string(text: str) -> str:
    """A string of TOML that is one of JSON too."""
    try:
        text.encode()
    except UnicodeEncodeError:
        raise UnsafePath(f"{paths.escape(text)}: is not UTF-8", hint="Export to a folder with another name.") from None
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")
