"""The images of a pulled folder with what is known of their posts, for a loop in Python."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from .manifests.records import Post
from .mirror import posts
from .mirror.exports.captions import Captions
from .mirror.exports.style import DEFAULT, CaptionStyle


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """A finished image of a subset."""

    id: int
    """Of the post."""
    path: Path
    """Of the image."""
    size: int
    """Bytes."""
    sha256: str
    """Of the image, in hexadecimal."""
    width: int | None
    """Pixels; None where the file shows no image."""
    height: int | None
    tags: Mapping[str, tuple[str, ...]]
    """By the word of their category, such as `character`; the most frequent of the release first."""
    caption: str
    """The tags as a text, in the style that was asked for."""
    post: Post
    """What the release says of the post: rating, score, source and so on."""


def samples(folder: Path | str, captions: CaptionStyle | None = None) -> Iterator[Sample]:
    """Every image of a folder that was pulled, sorted by id; the images themselves are not opened.

    Args:
        folder: of the subset.
        captions: how captions are made; in the default style where it is left out.

    Raises:
        IncompleteBuild: the folder has no lock, or nothing of its posts.
        FormatError: one of these is malformed.
        StoreError: one of these cannot be read.
    """
    style = Captions(captions or DEFAULT, posts.implications(Path(folder)))
    for found in posts.samples(Path(folder)):
        yield Sample(
            id=found.id,
            path=found.file,
            size=found.size,
            sha256=found.sha256,
            width=found.width,
            height=found.height,
            tags={category.word: names for category, names in found.tags.items()},
            caption=style.of(found.post, found.tags),
            post=found.post,
        )
