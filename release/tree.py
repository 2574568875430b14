"""The tree of originals: what lies in it, in a fixed order, links never followed.

A tree is `<tree>/<bucket>/<file>`; whatever fits that is found, everything else is a stray with its reason. Whether a
file is in its right bucket, has a post or decodes is for the audit to say; nothing here opens a file.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from pathlib import Path

from tagswarm.manifests import paths
from tagswarm.manifests.disk import error_of
from tagswarm.manifests.errors import FormatError

from .facts import Stat, Stray


@dataclass(frozen=True, slots=True)
class Found:
    """A file that fits the layout."""

    path: str
    """Relative to the dataset."""
    id: int
    stat: Stat


def buckets(
    dataset: Path, tree: str, archives: AbstractSet[str] = frozenset()
) -> Iterator[tuple[str, list[Found], list[Stray]]]:
    """Walk a tree folder by folder: `(prefix of the paths, files, strays)`, each sorted by path.

    The first prefix is the tree itself, which should hold folders only, and the archives of packed volumes.

    Args:
        dataset: the folder with release.toml.
        tree: its folder of originals.
        archives: paths of files that a release made and put there: they are neither found nor strays.

    Raises:
        Unreadable: the tree itself is missing or cannot be read.
    """
    root = dataset / tree
    if root.is_symlink():
        yield f"{tree}/", [], [Stray(path=tree, reason="link", detail="the tree itself is a symbolic link")]
        return
    try:
        entries = _sorted(root)
    except OSError as failure:
        raise error_of(failure, root) from failure
    folders, strays = [], []
    homes = {path.rpartition("/")[0] for path in archives}
    for entry in entries:
        path = f"{tree}/{entry.name}"
        if not entry.is_dir(follow_symlinks=False):
            if path not in archives or not entry.is_file(follow_symlinks=False):
                strays.append(_stray(path, entry))
        elif len(entry.name) == 4 and entry.name.isascii() and entry.name.isdecimal():
            folders.append(entry)
        elif path in homes:
            strays += _beside(entry, archives, path)
        else:
            strays.append(Stray(path=path, reason="stray-file", detail="a folder that is no bucket"))
    yield f"{tree}/", [], strays
    for folder in folders:
        yield _bucket(folder, f"{tree}/{folder.name}/")


def _beside(folder: os.DirEntry[str], archives: AbstractSet[str], path: str) -> Iterator[Stray]:
    """What lies in a folder of archives and is none."""
    try:
        entries = _sorted(folder.path)
    except OSError as failure:
        yield Stray(path=path, reason="unreadable", detail=str(failure.strerror))
        return
    for entry in entries:
        if f"{path}/{entry.name}" not in archives or not entry.is_file(follow_symlinks=False):
            yield _stray(f"{path}/{entry.name}", entry)


def _bucket(folder: os.DirEntry[str], prefix: str) -> tuple[str, list[Found], list[Stray]]:
    found: list[Found] = []
    strays: list[Stray] = []
    try:
        entries = _sorted(folder.path)
    except OSError as failure:
        return prefix, [], [Stray(path=prefix.rstrip("/"), reason="unreadable", detail=str(failure.strerror))]
    for entry in entries:
        path = prefix + entry.name
        if not entry.is_file(follow_symlinks=False):
            strays.append(_stray(path, entry))
            continue
        try:
            named = paths.FilePath.parse(path)
        except FormatError as failure:
            strays.append(_unfit(path, failure))
            continue
        try:
            stat = entry.stat(follow_symlinks=False)
        except OSError as failure:
            strays.append(Stray(path=path, reason="unreadable", detail=str(failure.strerror)))
            continue
        found.append(Found(path, named.id, Stat(size=stat.st_size, mtime_ns=stat.st_mtime_ns, inode=stat.st_ino)))
    return prefix, found, strays


def _sorted(folder: str | Path) -> list[os.DirEntry[str]]:
    with os.scandir(folder) as entries:
        return sorted(entries, key=lambda entry: os.fsencode(entry.name))


def _unfit(path: str, failure: FormatError) -> Stray:
    """A name that breaks the grammar is unsafe, or merely not of this layout."""
    try:
        paths.check(path)
    except FormatError as unsafe:
        return Stray(path=path, reason="unsafe-name", detail=str(unsafe))
    return Stray(path=path, reason="stray-file", detail=str(failure))


def _stray(path: str, entry: os.DirEntry[str]) -> Stray:
    if entry.is_symlink():
        return Stray(path=path, reason="link", detail="a symbolic link")
    if entry.is_dir(follow_symlinks=False):
        return Stray(path=path, reason="stray-file", detail="a folder inside a bucket")
    if entry.is_file(follow_symlinks=False):
        return Stray(path=path, reason="stray-file", detail="a file outside the buckets")
    return Stray(path=path, reason="special-file", detail="a device, socket or pipe")
