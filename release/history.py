"""What the releases before this one have published, read from their own documents.

A volume never changes once it is published, so a new release must know every file that is in one. The maintainer's own
tree is trusted as far as its digests go: every document is checked against the root that names it, and no signature is.

Nothing here decides what a new release takes over.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tagswarm.manifests import codec, disk, models, published
from tagswarm.manifests.errors import ConfigInvalid, DigestMismatch, ReleaseError, SizeMismatch, TagswarmError
from tagswarm.manifests.models import FileEntry, Object, Root, VolumeEntry, VolumeHeader, Withdrawal

from .config import Config
from .facts import PublishedFile
from .journal import Journal


@dataclass(frozen=True, slots=True)
class Release:
    """A published release: its root, and the digest by which the next one names it."""

    root: Root
    sha256: str
    dataset: Path

    @property
    def folder(self) -> Path:
        """Where the files of the release itself lie."""
        return self.dataset / "releases" / self.root.release

    def read(self, listed: Object) -> bytes:
        """Read a file that the root lists, and check it.

        Raises:
            SizeMismatch: it is longer or shorter than the root says.
            DigestMismatch: it is not what the root says.
        """
        with disk.open_read(self.dataset / listed.path) as file, disk.failures(listed.path):
            if (size := os.fstat(file.fileno()).st_size) != listed.size:
                raise SizeMismatch(listed.path, listed.size, size)
            data = file.read(listed.size)
        if (found := hashlib.sha256(data).hexdigest()) != listed.sha256:
            raise DigestMismatch(listed.path, listed.sha256, found)
        return data

    def manifest(self, volume: VolumeEntry) -> tuple[VolumeHeader, list[FileEntry]]:
        """The header and the lines of a volume's manifest."""
        data = self.read(volume.manifest)
        lines = codec.read_lines(data, limit=models.MANIFEST_LIMIT, line_limit=models.LINE_LIMIT)
        try:
            return models.parse_manifest(lines)
        except TagswarmError as failure:
            failure.message = f"{volume.manifest.path}: {failure.message}"
            raise

    def withdrawals(self) -> list[Withdrawal]:
        """Everything that was taken back up to this release."""
        path = f"releases/{self.root.release}/withdrawn.jsonl"
        listed = next((listed for listed in self.root.objects if listed.path == path), None)
        return [] if listed is None else models.parse_withdrawals(self.read(listed))

    def paths(self, volume: VolumeEntry) -> Iterator[str]:
        """The path of every file of a volume; of a packed one its archives and their indexes."""
        for listed in volume.lists:
            yield from self.read(listed).decode().splitlines()

    def archives(self) -> Iterator[str]:
        """The path of every archive and index of the packed volumes."""
        for volume in self.root.volumes:
            if volume.layout != "loose":
                yield from self.paths(volume)

    def files(self) -> Iterator[PublishedFile]:
        """Every file of a post in every volume."""
        for volume in self.root.volumes:
            header, entries = self.manifest(volume)
            for entry in entries:
                if entry.id is not None:
                    yield PublishedFile(
                        tree=volume.rendition,
                        site=header.site,
                        id=entry.id,
                        version=entry.version or 1,
                        path=entry.path,
                        sha256=entry.sha256,
                        volume=volume.name,
                        archive=entry.archive,
                    )


def newest(dataset: Path, dataset_id: str, *, before: str) -> Release | None:
    """The release that the one named `before` follows: the newest; None for the first release of a dataset.

    Raises:
        ReleaseError: another release follows the named one already, or the published one is not here.
        ConfigInvalid: a release in the tree belongs to another dataset.
        DigestMismatch: the root is not the published one.
        FormatError: a root is malformed.
    """
    names = published.releases(dataset)
    latest = published.read_latest(dataset)
    if latest is not None and latest.release not in names:
        raise ReleaseError(
            f"releases/{latest.release}: latest.json names this release, and it is not here",
            hint="Restore the folder from a mirror or a backup: a new release begins where the published one ends.",
        )
    if before in names[:-1]:
        raise ReleaseError(
            f"{before}: the release {names[-1]} follows it already, and stands on its files",
            hint="Set release.name in release.toml to the newest release or to a new one.",
        )
    for name in reversed(names):
        if name == before:
            continue
        root, data = published.read_root(dataset, name)
        if root.dataset.id != dataset_id:
            raise ConfigInvalid(
                f"dataset.id: releases/{name} belongs to the dataset {root.dataset.id}, not to {dataset_id}",
                hint="Put the id of the published releases back into release.toml.",
            )
        sha256 = hashlib.sha256(data).hexdigest()
        if latest is not None and latest.release == name and latest.root.sha256 != sha256:
            raise DigestMismatch(f"releases/{name}/release.json", latest.root.sha256, sha256)
        return Release(root, sha256, dataset)
    return None


def archives(dataset: Path, config: Config, previous: Release | None, journal: Journal) -> set[str]:
    """The archives and indexes that may lie among the originals: of the last release, and of the one being made."""
    found = {path for source in config.sites() for path in journal.archives(source.originals)}
    for release in (previous, _built(dataset, config.release.name)):
        found.update(() if release is None else release.archives())
    return found


def _built(dataset: Path, name: str) -> Release | None:
    """A release that is there already, by its name."""
    if name not in published.releases(dataset):
        return None
    root, data = published.read_root(dataset, name)
    return Release(root, hashlib.sha256(data).hexdigest(), dataset)


def note(release: Release | None, journal: Journal) -> None:
    """List the published files in the journal, unless it lists those of this very root already."""
    sha256 = "" if release is None else release.sha256
    if journal.published_root() != sha256:
        journal.note_published(sha256, iter(()) if release is None else release.files())
