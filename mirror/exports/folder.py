"""The folder of an export: made aside and renamed once it is whole, so that it is there in full or not at all.

It holds `export.json`, which says what was made and how. A folder that holds one may be replaced; no other ever is.

An export is made of a subset and can be made again, so its many small files are not synced one by one.
"""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tagswarm.manifests import codec, disk
from tagswarm.manifests.errors import TagswarmError, Unreadable

from .sample import Sample, Skipped, place

FORMAT = "tagswarm.export/1"
RECORD = "export.json"
RECORD_LIMIT = 1 << 30
"""Bytes; it names every sample that was skipped."""
_LOCK = ".lock"


class Folder:
    """A folder that is being filled; names are relative to it."""

    def __init__(self, path: Path, home: Path, *, copy: bool) -> None:
        self.path = path
        """Where it is filled."""
        self.home = home
        """Where it will be, absolute."""
        self.files = 0
        self.linked = 0
        """Files that are links to those of the subset."""
        self._copy = copy

    def place(self, sample: Sample, name: str) -> Skipped | None:
        """Put an image in it."""
        placed = place(sample, self.path / name, copy=self._copy)
        if isinstance(placed, Skipped):
            return placed
        self.files += 1
        self.linked += placed
        return None

    def write(self, name: str, data: bytes) -> None:
        """Put a small file in it."""
        disk.write(self.path / name, data, sync=False)
        self.files += 1

    def aside(self, name: str) -> disk.Aside:
        """Begin a large file in it, which whoever asks commits."""
        self.files += 1
        return disk.Aside(self.path / name)

    def record(self, facts: dict[str, Any]) -> None:
        """Write down what was made."""
        disk.write(self.path / RECORD, codec.pretty({"format": FORMAT, **facts}))
        self.files += 1


@contextlib.contextmanager
def making(home: Path, *, replace: bool, copy: bool) -> Iterator[Folder]:
    """Make a folder: it gets its place when the block ends, and is gone when the block fails.

    Args:
        home: its place.
        replace: put it in the place of an earlier export.
        copy: copy images even where they can be linked.

    Raises:
        Unreadable: the place is taken, or cannot be written to.
        DestinationLocked: another run makes the same folder.
    """
    with disk.failures(home):
        home = home.resolve()
        _check_free(home, replace=replace)
    making = home.with_name(f"{disk.TEMPORARY}{home.name}")
    with disk.locked(making / _LOCK):
        try:
            _clear(making)
            yield Folder(making, home, copy=copy)
            _settle(making, home)
        except BaseException:  # an interruption too: half an export is none
            shutil.rmtree(making, ignore_errors=True)
            raise


def _check_free(home: Path, *, replace: bool) -> None:
    if not home.exists() or (home.is_dir() and not any(home.iterdir())):
        return
    if replace and _is_export(home):
        return
    hint = "Name a new folder; only one that an export made can be replaced."
    raise Unreadable(f"{home}: is there already" + (" and no export" if replace else ""), hint=hint)


def _is_export(home: Path) -> bool:
    try:
        found = codec.parse(disk.read(home / RECORD, limit=RECORD_LIMIT), limit=RECORD_LIMIT)
    except TagswarmError:
        return False
    return isinstance(found, dict) and str(found.get("format", "")).startswith("tagswarm.export/")


def _clear(making: Path) -> None:
    """Remove what a kill left of an earlier run."""
    with disk.failures(making):
        for entry in list(making.iterdir()):
            if entry.is_dir() and not entry.is_symlink():
                shutil.rmtree(entry)
            elif entry.name != _LOCK:
                entry.unlink()


def _settle(making: Path, home: Path) -> None:
    disk.remove(making / _LOCK)
    old = home.with_name(f"{disk.TEMPORARY}old-{home.name}")
    with disk.failures(home):
        if home.exists() and any(home.iterdir()):
            shutil.rmtree(old, ignore_errors=True)
            home.replace(old)
        disk.rename(making, home)
    shutil.rmtree(old, ignore_errors=True)  # also what a kill between the two renames left
