"""The files of a torrent in a staging folder: what of them can be believed, and items read out of them.

In staging lie `torrent/<name>/...`, written by the swarm and by nobody else; `members/...`, copied out of archives
there; and `reused/...`, taken from another tree. What was handed on may be linked elsewhere, and nothing is written
through a second name: a file that is to be fetched anew is removed first.

Nothing here fetches, and nothing here says that bytes are right.
"""

from __future__ import annotations

import contextlib
import stat
from collections.abc import Collection, Iterable
from pathlib import Path
from typing import BinaryIO

from tagswarm.manifests import disk
from tagswarm.manifests.digest import CHUNK
from tagswarm.manifests.errors import StoreError, Unreadable
from tagswarm.manifests.paths import escape

from .base import Arrived, Failed
from .torrentcover import Covered, Placed, believed

TREE = "torrent"
_MEMBERS = "members"
_REUSED = "reused"


def sift(staging: Path, files: Iterable[Placed], had: Collection[int]) -> set[int]:
    """The pieces of these files that were had and lie there, as far as sizes tell; what else lies there is removed.

    Raises:
        StoreError: a file can neither be used nor removed.
    """
    found: set[int] = set()
    for file in files:
        path = staging / TREE / file.place
        pieces: set[int] = set()
        with disk.failures(path), contextlib.suppress(FileNotFoundError):
            status = path.lstat()
            if stat.S_ISREG(status.st_mode):
                pieces = believed(file, status.st_size, status.st_nlink, had)
        if not pieces and file.size:
            disk.remove(path)
        found |= pieces
    return found


def land(staging: Path, covered: Iterable[Covered]) -> list[Arrived | Failed]:
    """Give the items whose pieces can be read: a file as it lies there, a member as a copy of its range."""
    return [_landed(staging, one) for one in covered]


def _landed(staging: Path, covered: Covered) -> Arrived | Failed:
    file, item = covered.file, covered.item
    path = staging / TREE / file.place
    try:
        if not item.size:
            path = _target(staging / _MEMBERS / file.place, covered)  # nobody fetches what has no pieces
            disk.write(path, b"", sync=False)
        elif covered.whole:
            with disk.failures(path):
                size = path.lstat().st_size
            if size != file.size:
                return Failed(item, "disk", f"{size} of {file.size} bytes lie there after they were written")
        else:
            with disk.open_beneath(staging / TREE, file.place) as archive:
                path = _target(staging / _MEMBERS / file.place, covered)
                _copy(archive, item.offset, item.size, path)
    except StoreError as failure:
        return Failed(item, "disk", escape(failure.message))
    return Arrived(item, path)


def reuse(staging: Path, folder: Path, covered: Covered) -> Arrived | None:
    """Take an item from another tree where its file has the right size; None where it has not, or cannot be read.

    A file gets a second name in staging, or is copied where the file system has no links; a member is copied.
    """
    file, target = covered.file, staging / _REUSED / covered.file.path
    try:
        with disk.open_beneath(folder, file.path) as found:
            with disk.failures(file.path):
                if found.seek(0, 2) != file.size:
                    return None
            if not covered.whole:
                target = _target(target, covered)
                _copy(found, covered.item.offset, covered.item.size, target)
            elif not disk.link(found, target):
                _copy(found, 0, file.size, target)
    except StoreError:
        return None
    return Arrived(covered.item, target)


def _target(folder: Path, covered: Covered) -> Path:
    """Where the copy of a member goes: it is named by its range, for its name is that of a stranger."""
    return folder / f"{covered.item.offset}-{covered.item.size}"


def _copy(source: BinaryIO, begin: int, size: int, target: Path) -> None:
    with disk.Aside(target) as aside, disk.failures(target):
        source.seek(begin)
        while size:
            chunk = source.read(min(CHUNK, size))
            if not chunk:
                raise Unreadable(f"{target.name}: the archive became shorter while it was read")
            size -= aside.write(chunk)
        aside.commit(sync=False)
