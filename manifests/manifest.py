"""The manifest of a volume, read back from a published dataset, and whether it agrees with all that stands beside it.

The bytes are compared with the digests of the root before anything is parsed. Nothing here reads a file of the volume.
"""

from __future__ import annotations

import hashlib
import io
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Literal

from . import codec, disk, paths, textlists
from .digest import sha256_file
from .errors import DigestMismatch, IncompleteBuild, LimitExceeded, SizeMismatch
from .models import (
    MANIFEST_LIMIT,
    FileEntry,
    Object,
    VolumeEntry,
    VolumeHeader,
    parse_manifest,
)
from .torrentfile import Torrent

Kind = Literal["missing", "size", "digest", "unreadable", "inconsistent", "extra"]


@dataclass(frozen=True, slots=True, order=True)
class Problem:
    """One file that is not what the release says, or says what the release does not."""

    path: str
    """Relative to the dataset; escape it before it is shown."""
    kind: Kind
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Manifest:
    """A volume and its files."""

    header: VolumeHeader
    entries: tuple[FileEntry, ...]
    """Files on the disk, sorted by path; then, where the layout is packed, members by archive and offset."""

    @property
    def files(self) -> list[FileEntry]:
        """The files on the disk: images, or archives and their indexes."""
        return [entry for entry in self.entries if entry.archive is None]

    @property
    def members(self) -> list[FileEntry]:
        """The members inside archives."""
        return [entry for entry in self.entries if entry.archive is not None]

    @property
    def images(self) -> list[FileEntry]:
        """The files of posts, wherever they lie."""
        return self.members or self.files


def check_object(dataset: Path, item: Object) -> int:
    """Read a published file of any size and return its bytes, which are what the root says.

    Raises:
        IncompleteBuild: it is not there.
        IntegrityError: it is not what the root says.
        UnsafePath: its name is none.
        Unreadable: it cannot be read.
    """
    paths.check(item.path)
    if not os.path.lexists(dataset / item.path):
        raise IncompleteBuild(f"{item.path}: the release names this file, and it is not there")
    with disk.open_read(dataset / item.path) as file:
        if (size := os.fstat(file.fileno()).st_size) != item.size:
            raise SizeMismatch(item.path, item.size, size)
        size, digest = sha256_file(file)
    if size != item.size:  # it grew or shrank while it was read
        raise SizeMismatch(item.path, item.size, size)
    if digest != item.sha256:
        raise DigestMismatch(item.path, item.sha256, digest)
    return size


def read_object(dataset: Path, item: Object) -> bytes:
    """The bytes of a published file that is read whole; they are what the root says.

    Raises:
        LimitExceeded: the root says that it is larger than a manifest may be.
        SizeMismatch: it is longer or shorter.
        DigestMismatch: it holds something else.
        UnsafePath: its name is none.
        Unreadable: it is missing or cannot be read.
    """
    paths.check(item.path)
    if item.size > MANIFEST_LIMIT:
        raise LimitExceeded(f"{item.path}: has {item.size} bytes, {MANIFEST_LIMIT} are allowed")
    with disk.open_read(dataset / item.path) as file, disk.failures(item.path):
        data = file.read(item.size + 1)
    if len(data) != item.size:
        raise SizeMismatch(item.path, item.size, (dataset / item.path).stat().st_size)
    if (digest := hashlib.sha256(data).hexdigest()) != item.sha256:
        raise DigestMismatch(item.path, item.sha256, digest)
    return data


def read(dataset: Path, volume: VolumeEntry) -> Manifest:
    """Read the manifest of a volume.

    Raises:
        IntegrityError: it is not the one the root names.
        FormatError: it is malformed; the message names the line.
        Unreadable: it is missing or cannot be read.
    """
    packed = read_object(dataset, volume.manifest)
    plain = b"".join(codec.decompress(io.BytesIO(packed), limit=MANIFEST_LIMIT))
    if (digest := hashlib.sha256(plain).hexdigest()) != volume.manifest.plain_sha256:
        raise DigestMismatch(f"{volume.manifest.path} (plain)", volume.manifest.plain_sha256, digest)
    lines = (line.removesuffix(b"\n") for line in io.BytesIO(plain))
    header, entries = parse_manifest(enumerate(lines, 1))
    return Manifest(header, tuple(entries))


def disagreements(
    volume: VolumeEntry, manifest: Manifest, checksums: bytes, lists: Sequence[bytes]
) -> Iterator[Problem]:
    """Every way in which the root, the manifest, the checksum file and the rsync lists of a volume disagree."""
    where = volume.manifest.path
    files, images = manifest.files, manifest.images
    header = manifest.header
    for key in ("name", "rendition", "generation", "revision", "layout", "files", "images", "bytes"):
        if getattr(header, key) != getattr(volume, key):
            detail = f"{key} is {getattr(header, key)}, the root says {getattr(volume, key)}"
            yield Problem(where, "inconsistent", detail)
    counted = {"files": len(files), "images": len(images), "bytes": sum(entry.size for entry in files)}
    for key, count in counted.items():
        if count != getattr(header, key):
            yield Problem(where, "inconsistent", f"its header says {getattr(header, key)} {key}, its lines {count}")
    names = [entry.path for entry in files]
    if any(not name.startswith(f"{header.rendition}/") for name in names):
        yield Problem(where, "inconsistent", f"a file does not lie in the tree {header.rendition}")
    if any(key >= following for key, following in pairwise(map(paths.sort_key, names))):
        yield Problem(where, "inconsistent", "its files are not sorted by path, or one is there twice")
        return
    if checksums != textlists.render_checksums((entry.path, entry.sha256) for entry in files):
        yield Problem(volume.checksums.path, "inconsistent", "its lines are not those of the manifest")
    if list(lists) != textlists.split_files(names):
        yield Problem(volume.lists[0].path if volume.lists else where, "inconsistent", "the lists are not the files")
    sizes = {entry.path: entry.size for entry in files}
    for member in manifest.members:
        if (member.offset or 0) + member.size > sizes.get(member.archive or "", -1):
            detail = f"its member {paths.escape(member.path)} does not lie inside"
            yield Problem(member.archive or where, "inconsistent", detail)


def torrent_disagreements(
    volume: VolumeEntry, item: Object, torrent: Torrent, manifest: Manifest, *, dataset: str
) -> Iterator[Problem]:
    """Every way in which a torrent of a volume is not that of its manifest.

    Args:
        volume: what the root says.
        item: the torrent or the compat torrent of the volume.
        torrent: what it says.
        manifest: of the volume.
        dataset: its name, which is the folder in the torrent.
    """
    version = "hybrid" if item == volume.torrent else "v1"
    if torrent.version != version:
        yield Problem(item.path, "inconsistent", f"is a {torrent.version} torrent, not a {version} one")
    if torrent.name != dataset:
        yield Problem(item.path, "inconsistent", f"its folder is {paths.escape(torrent.name)}, not {dataset}")
    if torrent.piece_length != manifest.header.piece_length:
        detail = f"its pieces have {torrent.piece_length} bytes, the manifest says {manifest.header.piece_length}"
        yield Problem(item.path, "inconsistent", detail)
    if torrent.private:
        yield Problem(item.path, "inconsistent", "is private: clients would find each other by its trackers only")
    rooted = torrent.infohash_v2 is not None
    said = {
        entry.path: (entry.size, entry.root.hex() if entry.root is not None else None)
        for entry in torrent.entries
        if not entry.pad
    }
    files = {entry.path: (entry.size, entry.root if rooted else None) for entry in manifest.files}
    for path in sorted(files.keys() | said.keys(), key=paths.sort_key):
        if path not in files:
            yield Problem(item.path, "inconsistent", f"{paths.escape(path)} is not in the manifest")
        elif path not in said:
            yield Problem(item.path, "inconsistent", f"{paths.escape(path)} is missing")
        elif files[path] != said[path]:
            detail = f"{paths.escape(path)} has another size or pieces root than in the manifest"
            yield Problem(item.path, "inconsistent", detail)
