"""A sample: one finished image of a subset with all that is known of it, and the ways to get at its bytes.

Bytes that are read or copied are compared with their SHA-256 on the way; a file that is linked is asked its size alone.
Whoever doubts the files verifies the subset first.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from tagswarm.imaging.kind import Kind, extensions, is_image
from tagswarm.manifests import disk
from tagswarm.manifests.errors import StoreError, Unreadable
from tagswarm.manifests.paths import escape
from tagswarm.manifests.records import Category, Post

KEY_DIGITS = 9
"""Digits of a key at least, so that keys of a booru sort as its ids do."""
LARGEST = 1 << 30
"""Bytes of an image that is packed: it is held in memory."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """A finished image and the post it shows."""

    id: int
    file: Path
    """Where it lies now."""
    sha256: str
    """Of the finished image, in lower case hex."""
    size: int
    """Bytes."""
    width: int | None
    """Pixels of the finished image; None where nobody looked."""
    height: int | None
    kind: str
    """What its bytes are: a word of `imaging.kind.Kind`."""
    post: Post
    tags: Mapping[Category, tuple[str, ...]]
    """The names of the tags by category, the most frequent of the release first."""
    dataset: str
    release: str
    volume: str
    """The volume that the source came from."""
    path: str
    """The path of the source in the dataset, or its name in its archive."""
    source_sha256: str
    """Of the source, as the manifest says; the same as `sha256` where nothing was done to it."""
    transform: Mapping[str, Any] | None = None
    """What was done to it, with the engine and its version; None where nothing was."""

    @property
    def key(self) -> str:
        """The id with leading zeros: no dot and no slash, the same in every subset."""
        return f"{self.id:0{KEY_DIGITS}}"

    @property
    def extension(self) -> str | None:
        """The usual one of its kind, without the dot; None where it is no image."""
        try:
            kind = Kind(self.kind)
        except ValueError:
            return None
        return extensions(kind)[0] if is_image(kind) else None


@dataclass(frozen=True, slots=True)
class Skipped:
    """A sample that is not in an export, and why."""

    id: int
    reason: str
    """A word to be counted by: `no-image`, `same-id`, `unreadable`, `changed`, `too-large`, `unsupported`."""
    detail: str = ""
    """A sentence that is safe to show."""


def read(sample: Sample) -> bytes | Skipped:
    """The bytes of a sample, which are the right ones."""
    if sample.size > LARGEST:
        return Skipped(sample.id, "too-large", f"{sample.size} bytes; {LARGEST} are packed at most")
    file = _opened(sample)
    if isinstance(file, Skipped):
        return file
    with file:
        data = _next(sample, file, sample.size + 1)
    if isinstance(data, Skipped):
        return data
    if len(data) != sample.size or hashlib.sha256(data).hexdigest() != sample.sha256:
        return _changed(sample)
    return data


def place(sample: Sample, target: Path, *, copy: bool) -> bool | Skipped:
    """Put the file of a sample at a path: as a hard link, True, or else as a copy, False.

    A copy is not synced: an export can be made again.

    Raises:
        DiskFull: there is no room.
        Unreadable: the folder cannot be written to.
    """
    file = _opened(sample)
    if isinstance(file, Skipped):
        return file
    with file:
        if not copy and disk.link(file, target):
            return True
        digest = hashlib.sha256()
        with disk.Aside(target) as aside:
            while chunk := _next(sample, file, 1 << 20):
                if isinstance(chunk, Skipped):
                    return chunk
                digest.update(chunk)
                aside.write(chunk)
            if digest.hexdigest() != sample.sha256:
                return _changed(sample)
            aside.commit(sync=False)
    return False


def _opened(sample: Sample) -> BinaryIO | Skipped:
    try:
        file = disk.open_read(sample.file)
    except Unreadable as failure:
        return Skipped(sample.id, "unreadable", escape(failure.message))
    if os.fstat(file.fileno()).st_size != sample.size:
        file.close()
        return _changed(sample)
    return file


def _next(sample: Sample, file: BinaryIO, size: int) -> bytes | Skipped:
    try:
        return file.read(size)
    except OSError as failure:
        return Skipped(sample.id, "unreadable", escape(disk.error_of(failure, sample.file).message))


def _changed(sample: Sample) -> Skipped:
    return Skipped(sample.id, "changed", f"{escape(str(sample.file))}: is not what it was when it was pulled")


def nothing(reasons: Mapping[str, int], home: Path) -> StoreError:
    """The error of an export that has no sample in it."""
    counted = ", ".join(f"{count} {reason}" for reason, count in sorted(reasons.items()))
    message = f"{home}: nothing to export" + (f": {counted}" if counted else "")
    return StoreError(message, hint="Verify the subset and repair it, or pull one that has images.")
