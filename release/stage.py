"""The stage: a release is made aside, whole, and put in its place at the end.

Volumes come first, the folder of the release last and by one rename; so whoever looks at the dataset finds the old
release or the new one, whenever a build is stopped. A release that is signed, or that latest.json names, is never
changed: a build that would is refused.

Nothing here knows what the files mean.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path

from tagswarm.manifests import disk
from tagswarm.manifests.digest import sha256_file
from tagswarm.manifests.errors import ReleaseError
from tagswarm.manifests.models import Object

from . import published

STATE = ".tagswarm"
"""The folder of a dataset that is never published."""


class Stage:
    """The files of one release before they are in their place."""

    def __init__(self, dataset: Path, release: str) -> None:
        self.dataset = dataset
        self.release = release
        self.folder = dataset / STATE / "stage"
        self._archives = dataset / STATE / "archives"
        with disk.failures(self.folder):
            if self.folder.exists():
                shutil.rmtree(self.folder)
        disk.make_directory(self.folder / "releases" / release)

    def write(self, path: str, chunks: Iterable[bytes]) -> Object:
        """Write a file of the release; `path` is relative to the dataset."""
        size, digest = 0, hashlib.sha256()
        with disk.Aside(self.folder / path) as aside:
            for chunk in chunks:
                digest.update(chunk)
                size += len(chunk)
                aside.write(chunk)
            aside.commit(sync=False)
        return Object(path=path, size=size, sha256=digest.hexdigest())

    def adopt(self, path: str, source: Path) -> Object:
        """Take over a file that lies elsewhere under the state folder, by a link where the disk allows it."""
        target = self.folder / path
        disk.make_directory(target.parent)
        with disk.failures(target):
            try:
                target.hardlink_to(source)
            except OSError:
                shutil.copyfile(source, target)
        with disk.open_read(target) as file:
            size, digest = sha256_file(file)
        return Object(path=path, size=size, sha256=digest)

    def archive(self, path: str) -> Path:
        """Where an archive lies until the release is in its place: it outlives a stopped build."""
        published = self.dataset / path
        return published if published.exists() else self._archives / path

    def new_archive(self, path: str) -> Path:
        """Where an archive is written."""
        return self._archives / path

    def commit(self, archives: Iterable[str]) -> bool:
        """Put everything in its place; returns whether anything changed.

        Raises:
            ReleaseError: the release is published, and this build differs from it.
        """
        place = self.dataset / "releases" / self.release
        archives = [path for path in archives if (self._archives / path).exists()]
        staged = [(path, _differs(self.folder / path, self.dataset / path)) for path in sorted(_files(self.folder))]
        mine = f"-{self.release}-"
        kept = {path for path, _ in staged}
        stale = [
            f"volumes/{entry.name}"
            for entry in sorted((self.dataset / "volumes").glob(f"*{mine}*"))
            if f"volumes/{entry.name}" not in kept and not entry.name.startswith(disk.TEMPORARY)
        ]
        unsigned = {f"releases/{self.release}/{name}" for name in _files(place) if not name.endswith(".minisig")}
        if not archives and not any(differs for _, differs in staged) and not stale and unsigned <= kept:
            shutil.rmtree(self.folder)
            return False
        if self._is_published(place):
            changed = [path for path, differs in staged if differs] + stale + sorted(unsigned - kept)
            raise ReleaseError(
                f"{self.release} is published, and this build would change it: {', '.join([*changed, *archives][:3])}",
                hint="Set release.name in release.toml to a new release; a published one stays as it is.",
            )
        self._put(place, staged, stale, archives)
        return True

    def _is_published(self, place: Path) -> bool:
        """Whether a release has a signature, by whatever key, or is the newest of an unsigned dataset."""
        latest = published.read_latest(self.dataset)
        return any(place.glob("release.json*.minisig")) or (latest is not None and latest.release == self.release)

    def _put(self, place: Path, staged: list[tuple[str, bool]], stale: list[str], archives: list[str]) -> None:
        """Move everything: what is in the way first, the volumes next, the folder of the release last."""
        os.sync()  # what is renamed below is on the disk
        trash = self.dataset / STATE / "trash"
        with disk.failures(self.dataset):
            if trash.exists():
                shutil.rmtree(trash)
            if place.exists():
                disk.rename(place, trash)
            for path in stale:
                disk.remove(self.dataset / path)
            for path in archives:
                disk.rename(self._archives / path, self.dataset / path)
            for path, differs in staged:
                if differs and path.startswith("volumes/"):
                    disk.rename(self.folder / path, self.dataset / path)
            disk.rename(self.folder / "releases" / self.release, place)
            shutil.rmtree(self.folder)
            if trash.exists():
                shutil.rmtree(trash)


def _files(folder: Path) -> Iterator[str]:
    for path, _, names in os.walk(folder):
        for name in names:
            yield Path(path, name).relative_to(folder).as_posix()


def _differs(staged: Path, placed: Path) -> bool:
    if not placed.is_file() or placed.stat().st_size != staged.stat().st_size:
        return True
    with disk.open_read(staged) as one, disk.open_read(placed) as other:
        return sha256_file(one) != sha256_file(other)
