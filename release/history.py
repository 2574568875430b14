"""What the releases before this one have published, read from their own documents.

A volume never changes once it is published, so a new release must know every file that is in one. The maintainer's own
tree is trusted as far as its digests go: every document is checked against the root that names it, and no signature is.

Nothing here decides what a new release takes over.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tagswarm.manifests import codec, disk, models
from tagswarm.manifests.errors import ConfigInvalid, DigestMismatch, TagswarmError
from tagswarm.manifests.models import FileEntry, Object, Root, VolumeEntry, VolumeHeader, Withdrawal

from . import published
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
            DigestMismatch: it is not what the root says.
        """
        data = disk.read(self.dataset / listed.path, limit=listed.size)
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


def newest(dataset: Path, dataset_id: str, *, other_than: str) -> Release | None:
    """The release with the highest sequence, the named one left out; None for the first release of a dataset.

    Raises:
        ConfigInvalid: a release in the tree belongs to another dataset.
        FormatError: a root is malformed.
    """
    for name in reversed(published.releases(dataset)):
        if name == other_than:
            continue
        root, data = published.read_root(dataset, name)
        if root.dataset.id != dataset_id:
            raise ConfigInvalid(
                f"dataset.id: releases/{name} belongs to the dataset {root.dataset.id}, not to {dataset_id}",
                hint="Put the id of the published releases back into release.toml.",
            )
        return Release(root, hashlib.sha256(data).hexdigest(), dataset)
    return None


def note(release: Release | None, journal: Journal) -> None:
    """List the published files in the journal, unless it lists those of this very root already."""
    sha256 = "" if release is None else release.sha256
    if journal.published_root() != sha256:
        journal.note_published(sha256, iter(()) if release is None else release.files())
