"""The stage: a release is made aside, whole, and put in its place at the end.

Volumes come first, the folder of the release last and by one rename; so whoever looks at the dataset finds the old
release or the new one, whenever a build is stopped. A release that is signed, or that latest.json names, is never
changed: a build that would is refused.

Nothing here knows what the files mean.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import shutil
from collections.abc import Iterable, Iterator
from collections.abc import Set as AbstractSet
from pathlib import Path

from tagswarm.manifests import disk, published
from tagswarm.manifests.digest import sha256_file
from tagswarm.manifests.errors import ReleaseError, StoreError
from tagswarm.manifests.models import Object
from tagswarm.manifests.paths import escape

STATE = ".tagswarm"
"""The folder of a dataset that is never published."""


def check_places(dataset: Path, moved: Iterable[str], written: Iterable[str]) -> None:
    """See to it, before hours of work, that what will be made can be put in its place.

    Args:
        dataset: the folder with release.toml.
        moved: folders that files are moved to by renaming.
        written: folders of buckets that files are written to.

    Raises:
        StoreError: a folder is on another file system than the state folder.
        Unreadable: a folder is a link: a release never writes outside of its dataset.
    """
    for name in [*moved, *written]:
        place = dataset / name
        with disk.failures(place):
            if place.is_symlink():
                raise disk.error_of(OSError(errno.ELOOP, ""), place)
            with os.scandir(place) if place.is_dir() else contextlib.nullcontext(()) as entries:
                links = sorted(entry.path for entry in entries if entry.is_symlink() and entry.is_dir())
        if links:
            raise disk.error_of(OSError(errno.ELOOP, ""), links[0])
    with disk.failures(dataset):
        home = (dataset / STATE).stat().st_dev
        for place in (dataset, *(dataset / name for name in moved)):
            if place.exists() and place.stat().st_dev != home:
                raise StoreError(
                    f"{place}: is on another file system than {dataset / STATE}",
                    hint="Put both on one: what is finished is moved into its place by renaming.",
                )


def check_release(dataset: Path, release: str) -> None:
    """See to it that the folder of a release holds what an earlier build made, for it is replaced whole.

    Raises:
        ReleaseError: it holds files and no root.
    """
    place = dataset / published.folder(release)
    if release not in published.releases(dataset) and (strange := sorted(_files(place))):
        raise ReleaseError(
            f"{place}: holds files that no build made: {escape(', '.join(strange[:3]))}",
            hint="Move them elsewhere: the folder of a release is replaced whole.",
        )


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
        return self.listed(path)

    def listed(self, path: str) -> Object:
        """What the root says of a file that another writer put into the stage."""
        with disk.open_read(self.folder / path) as file:
            size, digest = sha256_file(file)
        return Object(path=path, size=size, sha256=digest)

    def home(self, path: str) -> Path:
        """The folder below which a document lies: the stage, or the dataset where the document is carried over."""
        return self.folder if (self.folder / path).exists() else self.dataset

    def archive_home(self, path: str) -> Path:
        """The folder below which a file of a volume lies; a new archive waits in one that outlives a stopped build."""
        return self._archives if (self._archives / path).exists() else self.dataset

    def archive(self, path: str) -> Path:
        """Where an archive lies."""
        return self.archive_home(path) / path

    def new_archive(self, path: str) -> Path:
        """Where an archive is written."""
        return self._archives / path

    def commit(self, archives: Iterable[str]) -> bool:
        """Put everything in its place; returns whether anything changed.

        Raises:
            ReleaseError: the release is published, and this build differs from it.
        """
        place = self.dataset / "releases" / self.release
        archives = [path for path in archives if self._is_new(path)]
        staged = [(path, _differs(self.folder / path, self.dataset / path)) for path in sorted(_files(self.folder))]
        kept = {path for path, _ in staged}
        stale = self._stale(kept | self._named_elsewhere())
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

    def _is_new(self, path: str) -> bool:
        """Whether an archive was made that is not in its place; one that was made again, the same, is dropped."""
        made, placed = self._archives / path, self.dataset / path
        if not made.exists() or _differs(made, placed):
            return made.exists()
        with disk.failures(placed):
            os.utime(placed, ns=(made.stat().st_atime_ns, made.stat().st_mtime_ns))  # by which the journal knows it
            made.unlink()
        return False

    def _stale(self, kept: AbstractSet[str]) -> list[str]:
        """What an earlier build of this release left among the volumes, and this one does not make."""
        found = {f"volumes/{path.name}" for path in (self.dataset / "volumes").glob(f"*-{self.release}-*")}
        if self.release in published.releases(self.dataset):  # new revisions and torrents of older volumes
            root, _ = published.read_root(self.dataset, self.release)
            found |= {listed.path for volume in root.volumes for listed in volume.documents()}
        there = (path for path in found if (self.dataset / path).exists() and not path.startswith("volumes/."))
        return sorted(path for path in there if path not in kept)

    def _named_elsewhere(self) -> set[str]:
        """The files of volumes that other releases name."""
        roots = (published.read_root(self.dataset, name)[0] for name in published.releases(self.dataset))
        return {
            listed.path
            for root in roots
            if root.release != self.release
            for volume in root.volumes
            for listed in volume.documents()
        }

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
