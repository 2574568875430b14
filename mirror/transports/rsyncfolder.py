"""The folder that one run of rsync writes to, and what is believed of it: the list `names`, and below `tree` the files.

Each run has a new one: what earlier runs brought may still be in use, and what a killed one left is not trusted. Only
what broke off outlives a run, in a folder that all runs of a call share.
"""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Iterable
from itertools import count
from pathlib import Path

from tagswarm.manifests import disk, paths
from tagswarm.manifests.errors import FormatError, StoreError


class RunFolder:
    """The folder of one run.

    Args:
        folder: itself, absolute; it exists.
        partial: where rsync keeps what breaks off, and looks for what broke off; absolute.

    Raises:
        StoreError: it cannot be written.
    """

    def __init__(self, folder: Path, partial: Path) -> None:
        self.folder = folder
        self.partial = partial
        self.names = folder / "names"
        self.tree = folder / "tree"
        disk.make_directory(self.tree)
        self.aside = _kept(partial)
        """Bytes that broke off earlier."""

    @classmethod
    def new(cls, staging: Path) -> RunFolder:
        """A new one in a staging folder.

        Raises:
            StoreError: it cannot be made.
        """
        staging = staging.absolute()
        disk.make_directory(staging)
        for number in count():
            folder = staging / f"run-{number}"
            with disk.failures(folder), contextlib.suppress(FileExistsError):
                folder.mkdir()
                break
        return cls(folder, staging / "partial")

    def list(self, names: Iterable[str], above: str) -> int:
        """Write the list of files, sorted, each name followed by a NUL; returns how many they are.

        Args:
            names: the paths in the dataset.
            above: the folder of the dataset in its module; empty, or with a slash at its end. It stands before the
                mark `./` that begins what is kept of a name: a daemon of rsync 3.5.0 without chroot does not find
                the files of a list when the folder is a part of the address.

        Raises:
            StoreError: it cannot be written.
        """
        lines = sorted(names, key=paths.sort_key)
        mark = f"{above}./" if above else ""
        disk.write(self.names, "".join(f"{mark}{line}\0" for line in lines).encode(), sync=False)
        return len(lines)

    def size(self, path: str) -> int | None:
        """Bytes of a regular file of the tree that is reached through no link; None where there is none."""
        try:
            with disk.open_beneath(self.tree, path) as file:
                return os.fstat(file.fileno()).st_size
        except (StoreError, FormatError):
            return None

    def sweep(self, kept: Iterable[str]) -> None:
        """Remove all but these files of the tree, as far as it can be removed; links are removed and not followed."""
        keep = {os.path.join(self.tree, path) for path in kept}  # noqa: PTH118  text: a million may lie here
        for base, folders, files in os.walk(self.folder, topdown=False):
            with contextlib.suppress(OSError):
                for path in (Path(base, name) for name in files if os.path.join(base, name) not in keep):  # noqa: PTH118
                    path.unlink()
            for path in (Path(base, name) for name in folders):
                with contextlib.suppress(OSError):  # one that is not empty stays
                    path.unlink() if path.is_symlink() else path.rmdir()
        with contextlib.suppress(OSError):
            self.folder.rmdir()


def _kept(partial: Path) -> int:
    """Bytes in the folder of files that broke off, from which all that is no file is removed."""
    with disk.failures(partial):
        if partial.is_symlink():
            partial.unlink()
        partial.mkdir(exist_ok=True)
        size = 0
        for entry in list(os.scandir(partial)):
            if entry.is_dir(follow_symlinks=False):
                shutil.rmtree(entry)
            elif entry.is_file(follow_symlinks=False):
                size += entry.stat(follow_symlinks=False).st_size
            else:
                Path(entry).unlink()
        return size
