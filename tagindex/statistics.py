"""What posts have in common, counted.

Only the numbers: nothing here counts or draws.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class TagCount:
    """A tag among some posts."""

    name: str
    count: int
    """How many of the posts have it."""
    everywhere: int
    """How many posts of the whole collection have it."""


@dataclass(frozen=True, slots=True)
class Statistics:
    """The numbers of some posts; a post without a value is in none of the counts by it."""

    posts: int
    sites: Mapping[str, int]
    ratings: Mapping[str, int]
    """By the letter, or word, that the index keeps."""
    extensions: Mapping[str, int]
    years: Mapping[int, int]
    """By the year of creation in UTC, ascending."""
    sizes: Mapping[int, int]
    """By the longer side in pixels: at most 256 and more than 128, at most 512 and more than 256, ..., ascending."""
    claimed_bytes: int | None
    """Of the originals, as the booru claims; None where it claims nothing."""
    renditions: Mapping[str, int]
    """Bytes of the files of these posts in each rendition of the release, where the index knows them."""
    tags: Mapping[str, Sequence[TagCount]]
    """The most frequent tags by the word of their category."""
