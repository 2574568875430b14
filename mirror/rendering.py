"""One file that came, from staging to what is kept of it: the part of a pull that runs in worker processes.

First the digest, then, and only where it is right, a decoder. What is made lies aside, neither synced nor in its place:
`store` does both for many files at once. Of what is not to be made an image, the file is taken as it is.

Nothing here knows releases, sources or the folder of a subset.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from tagswarm.imaging.kind import Kind
from tagswarm.imaging.probe import sniff
from tagswarm.imaging.resize import render
from tagswarm.imaging.source import open_source
from tagswarm.imaging.transform import Transform
from tagswarm.imaging.verdict import Limits, Reason, Refusal
from tagswarm.manifests import disk
from tagswarm.manifests.errors import StoreError

WHOLE = 256 << 20
"""Bytes of a file beyond which it is not decoded: it is read at once, in a process with limited memory."""
ANIMATED = "animated"
"""The reason of those that have several frames: one of them would stand for a film."""

_MOVING = frozenset({Kind.APNG, Kind.GIF, Kind.WEBP, Kind.AVIF})
_CHUNK = 1 << 20
"""Bytes of a read."""
_LIMITS = Limits()


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """A file in staging, and what is to be made of it."""

    staged: str
    size: int
    """Bytes it must have."""
    sha256: str
    """Of these."""
    transform: Transform | None
    """None takes the file as it is."""
    image: str
    """Where the result is written aside."""
    original: str | None = None
    """Where the file itself is put aside, too."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """What lies aside: a file, or the reason why there is none."""

    size: int = 0
    """Bytes."""
    sha256: str = ""
    width: int | None = None
    """Pixels, of an image that was made."""
    height: int | None = None
    engine: str | None = None
    skipped: str | None = None
    detail: str | None = None


@dataclass(frozen=True, slots=True)
class Wrong:
    """The bytes in staging are not those that are wanted; nothing was made of them."""

    detail: str


def finish(task: Task, stopped: Callable[[], bool] = bool) -> Made | Wrong:
    """Check one file and make of it what is wanted.

    Args:
        task: what is to be done.
        stopped: asked now and then whether nobody waits for the answer any more.

    Raises:
        StoreError: the result cannot be written.
    """
    try:
        file = disk.open_read(Path(task.staged))
    except StoreError as failure:
        return Wrong(failure.message)
    with file:
        whole = task.transform is not None and task.size <= WHOLE
        try:
            data, size, digest = _read(file, stopped, whole=whole)
        except StoreError as failure:
            return Wrong(failure.message)
        if size != task.size:
            return Wrong(f"expected {task.size} bytes, found {size}")
        if digest != task.sha256:
            return Wrong(f"expected {task.sha256}, found {digest}")
        if task.transform is None:
            _keep(file, Path(task.image))
            return Made(size=size, sha256=digest)
        if task.original is not None:
            _keep(file, Path(task.original))
    return _render(data, task.transform, Path(task.image), size)


def _read(file: BinaryIO, stopped: Callable[[], bool], *, whole: bool) -> tuple[bytes, int, str]:
    """All bytes where they are wanted, their number and their SHA-256."""
    with disk.failures("staging"):
        if whole and os.fstat(file.fileno()).st_size <= WHOLE:
            data = file.read()
            return data, len(data), hashlib.sha256(data).hexdigest()
        size, digest = 0, hashlib.sha256()
        while not stopped() and (chunk := file.read(_CHUNK)):
            size += len(chunk)
            digest.update(chunk)
    return b"", size, digest.hexdigest()


def _keep(file: BinaryIO, target: Path) -> None:
    """Give a file another name, or copy it where the file system cannot."""
    if disk.link(file, target):
        return
    with disk.Aside(target) as aside:
        if not aside.clone(file):
            with disk.failures(target):
                file.seek(0)
                while chunk := file.read(_CHUNK):
                    aside.write(chunk)
        aside.commit(sync=False)


def _render(data: bytes, transform: Transform, target: Path, size: int) -> Made:
    if size > WHOLE:
        return Made(skipped=Reason.TOO_LARGE, detail=f"{size} bytes; at most {WHOLE} are decoded")
    if moving := _frames(data):
        return Made(skipped=ANIMATED, detail=f"{moving} frames")
    rendered = render(data, transform)
    if isinstance(rendered, Refusal):
        return Made(skipped=rendered.reason.value, detail=rendered.detail or None)
    disk.write(target, rendered.data, sync=False)
    return Made(
        size=len(rendered.data),
        sha256=hashlib.sha256(rendered.data).hexdigest(),
        width=rendered.width,
        height=rendered.height,
        engine=rendered.engine,
    )


def _frames(data: bytes) -> int:
    """How many frames an animation has; 0 of a still image, and of what no decoder opens: `render` says why."""
    kind = sniff(data)
    if kind not in _MOVING:
        return 0
    try:
        frames = open_source(data, kind, _LIMITS).frames
    except Exception:
        return 0
    return frames if frames > 1 else 0
