"""How much room a pull needs on the disk, before anything is fetched: what is under way at the peak, and the result.

The result is an estimate where images are made: how large they become is known only when they are. Nothing here asks a
disk; what is free is handed in.
"""

from __future__ import annotations

from dataclasses import dataclass

from tagswarm.imaging.transform import Transform
from tagswarm.manifests.errors import DiskTooSmall

WINDOW = 512 << 20
"""Bytes of what is under way or waits for a batch to be written, at most."""

FILE = 4096
"""Bytes that a file system takes for a file beside its contents: the rest of its last block, and its name."""

BYTES_A_PIXEL = {"jpeg": 0.3, "webp": 0.15, "png": 0.8}
"""Of the images that are made, at quality 90. The 512px rendition of Danbooru has 0.27; its PNG is 2.7 times, its WebP
half as large, measured on 45 of its originals."""

FINEST = 95
"""The quality above which an image is about twice as large."""

BEYOND = 1.5
"""How much larger than its box an image is that covers it: 2 by 3 is the usual shape."""


@dataclass(frozen=True, slots=True)
class Room:
    """Bytes that a pull takes of a disk."""

    staging: int
    """At the peak, of what lies there for a while."""
    result: int
    """Of what stays, as an estimate where `estimated`."""
    estimated: bool
    free: int | None = None
    """Of the disk; None where nobody has asked."""

    @property
    def needed(self) -> int:
        """Both together."""
        return self.staging + self.result

    def refusal(self) -> DiskTooSmall | None:
        """The error of a disk that is too small."""
        if self.free is None or self.needed <= self.free:
            return None
        about = "about " if self.estimated else ""
        return DiskTooSmall(
            f"{about}{self.needed:,} bytes are needed and the disk has {self.free:,} bytes free",
            needed=self.needed,
            free=self.free,
        )


def result(files: int, size: int, transform: Transform | None, *, keep_originals: bool) -> int:
    """Bytes of what stays of so many files with so many bytes."""
    if transform is None:
        return size + files * FILE
    kept = size + files * FILE if keep_originals else 0
    if transform.mode == "none":
        return kept + size + files * FILE
    pixels = transform.width * (transform.height or transform.width)
    if transform.mode in {"cover", "short"}:
        pixels = round(pixels * BEYOND)
    image = pixels * BYTES_A_PIXEL[transform.format]
    if transform.format != "png" and transform.quality > FINEST:
        image *= 2
    return kept + files * (round(image) + FILE)
