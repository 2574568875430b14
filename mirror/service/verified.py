"""What was verified before, so that a restart reads no file again: a digest a volume, kept beside the tree.

A volume is known by its manifest. What is kept of it is a fingerprint of all its files as the disk shows them without
being read: path, size, time of the last change, inode. A file that was written, replaced or restored since has another
one, and its volume is read again. Damage that the file system does not notice is not seen by it: `--rehash` reads all.

A state that is damaged or missing costs time and nothing else. Nothing here reads a file of a volume.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from tagswarm.manifests import disk
from tagswarm.manifests.errors import FormatError, StoreError
from tagswarm.manifests.manifest import Manifest, Problem
from tagswarm.manifests.models import Document, Sha256, VolumeEntry

STATE_LIMIT = 64 << 20
"""Bytes of the state, which has 134 a volume."""


class _State(Document):
    """The state on the disk."""

    format: Literal["tagswarm.verified/1"] = "tagswarm.verified/1"
    volumes: dict[Sha256, Sha256]
    """Fingerprints by the SHA-256 of the manifest."""


class Verified:
    """The volumes that were verified, and what their files looked like then."""

    def __init__(self, path: Path | None) -> None:
        """Begin with what a file says; without a file nothing is remembered."""
        self._path = path
        self._volumes: dict[str, str] = {}
        if path is not None:
            with contextlib.suppress(FormatError, StoreError):
                self._volumes = dict(_State.parse(disk.read(path, limit=STATE_LIMIT), limit=STATE_LIMIT).volumes)

    def holds(self, volume: VolumeEntry, fingerprint: str) -> bool:
        """Whether the volume was verified and its files look as they did then."""
        return self._volumes.get(volume.manifest.sha256) == fingerprint

    def note(self, volume: VolumeEntry, fingerprint: str) -> None:
        """Remember a volume all of whose files were found right, and looked so before and after.

        Raises:
            StoreError: it cannot be written.
        """
        self._volumes[volume.manifest.sha256] = fingerprint
        self._write()

    def forget(self, volume: VolumeEntry) -> None:
        """Read the volume again at the next start.

        Raises:
            StoreError: it cannot be written.
        """
        if self._volumes.pop(volume.manifest.sha256, None) is not None:
            self._write()

    def _write(self) -> None:
        if self._path is not None:
            state = _State(volumes=dict(sorted(self._volumes.items())))
            disk.write(self._path, state.render(), sync=False)  # a power cut costs a reading


@dataclass(frozen=True, slots=True)
class Look:
    """A volume as the disk shows it without being read."""

    fingerprint: str
    """64 hex digits."""
    absent: int
    """Files that are not there."""
    problems: tuple[Problem, ...]
    """Files that are not there or cannot be right, in the order of the manifest."""


def look(dataset: Path, volume: VolumeEntry, manifest: Manifest) -> Look:
    """Ask the disk for every file of a volume."""
    hashed = hashlib.blake2b(digest_size=32)
    for torrent in (volume.torrent, volume.compat):  # they were compared with the manifest, too
        hashed.update(f"{torrent.sha256}\n".encode() if torrent else b"")
    problems: list[Problem] = []
    absent = 0
    folder = str(dataset)
    for file in manifest.files:
        try:
            status = os.lstat(f"{folder}/{file.path}")
        except (FileNotFoundError, NotADirectoryError):
            absent += 1
            problems.append(Problem(file.path, "missing"))
            continue
        except OSError as failure:
            problems.append(Problem(file.path, "unreadable", disk.error_of(failure, file.path).message))
            continue
        if not stat.S_ISREG(status.st_mode):
            problems.append(Problem(file.path, "unreadable", "is not a regular file"))
        elif status.st_size != file.size:
            problems.append(Problem(file.path, "size", f"expected {file.size} bytes, found {status.st_size}"))
        hashed.update(f"{file.path}\0{status.st_size} {status.st_mtime_ns} {status.st_ino}\n".encode())
    return Look(hashed.hexdigest(), absent, tuple(problems))
