"""What is known of one file of the tree after it was read once.

The values pass from the one read pass to the audit, the renditions, the volumes and the manifests; nothing here reads.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

from tagswarm.manifests.digest import FileDigest


@dataclass(frozen=True, slots=True, kw_only=True)
class Stat:
    """What the file system says of a file: while none of it changes, the bytes are taken to be the same."""

    size: int
    """Bytes."""
    mtime_ns: int
    inode: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """What a decoder said of the bytes: an image with its measures, or the reason why it is none."""

    kind: str
    """By content, a word of `imaging.probe.Kind`."""
    width: int | None = None
    """Pixels, as displayed: after the EXIF orientation."""
    height: int | None = None
    turned: bool = False
    """The stored image lies on its side: stored width and height are the displayed ones swapped."""
    frames: int = 1
    reason: str | None = None
    """A word of `imaging.decode.Reason`, or `timeout`, `memory`, `crash`; None for a whole image."""
    detail: str = ""
    engine: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class FileFact:
    """One file of the tree: where it lies, what it holds, what it shows."""

    path: str
    """Relative to the dataset, with `/`."""
    stat: Stat
    digest: FileDigest | None = None
    """None where the file could not be read; `look` says why."""
    look: Look | None = None
    """None for files that are not looked at: renditions and archives, which the build itself wrote."""
    formerly: str | None = None
    """SHA-256 of an earlier reading of the same file with the same size, mtime and inode, where it differs: bit rot."""


@dataclass(frozen=True, slots=True)
class PublishedFile:
    """A file of a post that an earlier release published."""

    tree: str
    site: str
    id: int
    version: int
    path: str
    """Of the file, or the name of the member inside its archive."""
    sha256: str
    volume: str
    archive: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Stray:
    """Something in a tree that is not a file of the release."""

    path: str
    """As bytes decoded with surrogateescape: it may be anything; escape it before it is shown."""
    reason: str
    """A finding of the audit: `stray-file`, `unsafe-name`, `link`, `special-file`, `unreadable`."""
    detail: str = ""


class Facts(Protocol):
    """The facts of a whole dataset, in the orders in which they are asked for."""

    def in_tree(self, tree: str) -> Iterator[tuple[int, FileFact]]:
        """Every file of a tree with the id in its name, sorted by id, then by path."""

    def fact(self, path: str) -> FileFact | None:
        """What is known of one file, None where there is none."""

    def strays(self) -> Iterator[Stray]:
        """Everything in the trees that fits no layout, sorted by path."""

    def duplicates(self, tree: str) -> Iterator[tuple[str, list[str]]]:
        """Every SHA-256 that several files of a tree share, with their paths, sorted."""
