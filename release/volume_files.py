"""The files that carry a volume: its archives where it is packed, its manifest, checksum file and rsync lists.

All of it follows from the plan and from digests that are known already; only an archive reads files again, because it
is made of their bytes, and it is not made twice.
"""

from __future__ import annotations

import hashlib
import io
import json
import re
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO

from tagswarm.imaging.kind import Kind
from tagswarm.manifests import codec, disk, textlists
from tagswarm.manifests.digest import FileDigest, digest_bytes
from tagswarm.manifests.errors import JournalCorrupt, ReleaseError
from tagswarm.manifests.models import FileEntry, PackedObject, VolumeEntry, VolumeHeader, render_manifest
from tagswarm.manifests.paths import FilePath, sort_key

from . import layouts
from .facts import FileFact, Look, Stat
from .journal import Journal
from .stage import Stage
from .volumes import ArchivePlan, VolumePlan


@dataclass(frozen=True, slots=True)
class Ready:
    """A file of a post with all that its line in a manifest says."""

    fact: FileFact
    id: int
    site: str
    member: str
    """Its name inside an archive."""
    md5: str | None = None
    engine: str | None = None


def loose_entry(ready: Ready) -> FileEntry:
    """The line of a loose file."""
    digest, look = ready.fact.digest, ready.fact.look
    if digest is None:
        raise ReleaseError(f"{ready.fact.path}: has not been read")
    version = FilePath.parse(ready.fact.path).version
    return FileEntry(
        path=ready.fact.path,
        size=digest.size,
        sha256=digest.sha256,
        root=digest.root,
        id=ready.id,
        version=None if version == 1 else version,
        kind=None if look is None else look.kind,
        width=None if look is None else look.width,
        height=None if look is None else look.height,
        md5=ready.md5,
        engine=ready.engine,
    )


def write(
    plan: VolumePlan,
    ready: Callable[[str], Ready],
    *,
    stage: Stage,
    journal: Journal,
    where: Callable[[str], Path],
    piece_length: int,
) -> VolumeEntry:
    """Write the files of one volume into the stage and say what the root says of it.

    Args:
        plan: the volume.
        ready: what is known of a file by its path.
        stage: where the files go.
        journal: knows the archives that were made before.
        where: the place of a file on the disk by its path.
        piece_length: bytes.
    """
    files = [ready(file.path) for file in plan.files]
    if plan.layout == "loose":
        entries = [loose_entry(file) for file in files]
    else:
        by_path = {file.fact.path: file for file in files}
        entries = []
        for archive in plan.archives:
            members = [by_path[file.path] for file in archive.files]
            entries += _archive(archive, members, stage=stage, journal=journal, where=where, piece_length=piece_length)
    header = VolumeHeader(
        name=plan.name,
        rendition=plan.tree,
        generation=plan.generation,
        layout=plan.layout,
        site=files[0].site,
        piece_length=piece_length,
    )
    return write_entries(header, entries, stage)


def write_entries(draft: VolumeHeader, entries: Sequence[FileEntry], stage: Stage) -> VolumeEntry:
    """Write manifest, checksum file and rsync lists of these entries; counts and engine of the draft are filled in."""
    on_disk = sorted((entry for entry in entries if entry.archive is None), key=lambda entry: sort_key(entry.path))
    members = sorted(
        (entry for entry in entries if entry.archive is not None),
        key=lambda entry: (sort_key(entry.archive or ""), entry.offset),
    )
    engines = Counter(entry.engine for entry in entries if entry.engine is not None)
    engine = min(engines, key=lambda name: (-engines[name], name)) if engines else None
    images = len(members) or len(on_disk)
    size = sum(entry.size for entry in on_disk)
    header = draft.model_copy(update={"engine": engine, "files": len(on_disk), "images": images, "bytes": size})
    plain = hashlib.sha256()

    def hashed(lines: Iterable[bytes]) -> Iterable[bytes]:
        for line in lines:
            plain.update(line)
            yield line

    revised = "" if header.revision == 1 else f".r{header.revision}"
    base = f"volumes/{header.name}{revised}"
    lines = render_manifest(header, (_without(entry, engine) for entry in [*on_disk, *members]))
    manifest = stage.write(f"{base}.jsonl.zst", codec.compress(hashed(lines)))
    checksums = stage.write(
        f"{base}.sha256", [textlists.render_checksums((entry.path, entry.sha256) for entry in on_disk)]
    )
    lists = textlists.split_files(entry.path for entry in on_disk)
    suffixes = ["files"] if len(lists) == 1 else [f"{number:02}.files" for number in range(1, len(lists) + 1)]
    return VolumeEntry(
        name=header.name,
        rendition=header.rendition,
        generation=header.generation,
        revision=header.revision,
        layout=header.layout,
        files=len(on_disk),
        images=images,
        bytes=size,
        manifest=PackedObject(**manifest.model_dump(), plain_sha256=plain.hexdigest()),
        checksums=checksums,
        lists=[stage.write(f"{base}.{suffix}", [block]) for suffix, block in zip(suffixes, lists, strict=True)],
    )


def _without(entry: FileEntry, engine: str | None) -> FileEntry:
    """The line says its engine only where it is another than that of the header."""
    if entry.engine is None or entry.engine != engine:
        return entry
    return replace(entry, engine=None)


def _archive(
    plan: ArchivePlan,
    members: Sequence[Ready],
    *,
    stage: Stage,
    journal: Journal,
    where: Callable[[str], Path],
    piece_length: int,
) -> list[FileEntry]:
    """The lines of an archive, its index and its members."""
    packing = [
        layouts.Member(
            ready.member,
            ready.fact.stat.size,
            ready.fact.digest.sha256 if ready.fact.digest is not None else "",
            partial(disk.open_read, where(ready.fact.path)),
        )
        for ready in members
    ]
    packed, fact = _packed(plan.path, packing, stage=stage, journal=journal, piece_length=piece_length)
    entries = [_file(fact)]
    if packed["index"] is not None:
        entries.append(FileEntry(**packed["index"]))
    for ready, offset in zip(members, packed["offsets"], strict=True):
        entries.append(replace(loose_entry(ready), path=ready.member, root=None, archive=plan.path, offset=offset))
    return entries


def _packed(
    path: str, members: Sequence[layouts.Member], *, stage: Stage, journal: Journal, piece_length: int
) -> tuple[dict[str, Any], FileFact]:
    """Index, offsets and digests of an archive of these members; it is written unless it is there."""
    parts = [piece_length, [[member.name, member.sha256] for member in members]]
    recipe = hashlib.sha256(json.dumps(parts).encode()).hexdigest()
    outcome = journal.made(path, recipe)
    fact = journal.fact(path)
    if outcome is None or fact is None or fact.digest is None or not _is_there(stage.archive(path), fact.stat):
        outcome, facts = _pack(path, members, stage, piece_length)
        fact = facts[0]
        with journal.batch():
            for written in facts:
                journal.note_read(written.path.partition("/")[0], None, written)
            journal.note_made(path, recipe, outcome)
    try:
        packed: dict[str, Any] = json.loads(outcome)
    except ValueError as failure:
        raise JournalCorrupt(f"{path}: what the journal says of it cannot be read: {failure}") from failure
    return packed, fact


def _file(fact: FileFact) -> FileEntry:
    if fact.digest is None or fact.look is None:
        raise ReleaseError(f"{fact.path}: has not been read")
    return FileEntry(
        path=fact.path, size=fact.digest.size, sha256=fact.digest.sha256, root=fact.digest.root, kind=fact.look.kind
    )


def _is_there(path: Path, expected: Stat) -> bool:
    if not path.is_file():
        return False
    stat = path.stat()
    return (stat.st_size, stat.st_mtime_ns) == (expected.size, expected.mtime_ns)


def _pack(path: str, members: Sequence[layouts.Member], stage: Stage, piece_length: int) -> tuple[str, list[FileFact]]:
    """Write an archive, and its index where it is a tar, to where it waits for the release.

    Returns what the journal keeps of it, and the digests of what was written, the archive first.
    """
    tar = path.endswith(".tar")
    with disk.Aside(stage.new_archive(path)) as aside:
        write = layouts.write_tar if tar else layouts.write_zip
        packed = write(aside, members, piece_length=piece_length)
        aside.commit()
    facts = [_fact(stage, path, packed.digest, "tar" if tar else Kind.ZIP)]
    index = None
    if packed.index is not None:
        name = f"{path.removesuffix('.tar')}.json"
        disk.write(stage.new_archive(name), packed.index)
        digest = digest_bytes(packed.index, piece_length)
        index = {"path": name, "size": digest.size, "sha256": digest.sha256, "root": digest.root}
        facts.append(_fact(stage, name, digest, "json"))
    return json.dumps({"index": index, "offsets": [placed.offset for placed in packed.members]}), facts


def _fact(stage: Stage, path: str, digest: FileDigest, kind: str) -> FileFact:
    stat = stage.new_archive(path).stat()
    now = Stat(size=stat.st_size, mtime_ns=stat.st_mtime_ns, inode=stat.st_ino)
    return FileFact(path=path, stat=now, digest=digest, look=Look(kind=kind))


def repack(
    kept: Sequence[FileEntry],
    before: Sequence[FileEntry],
    *,
    replaced: AbstractSet[str],
    stage: Stage,
    journal: Journal,
    header: VolumeHeader,
    revision: int,
) -> tuple[list[FileEntry], list[str]]:
    """Write anew every archive that lost a member, under a new name, from the ranges of the old one.

    A new archive holds no member that another version has replaced: `replaced` names those, by the path of the old
    archive and their own. An archive that lost nothing else keeps them, as it keeps its bytes.

    Returns the lines of the volume and the paths of the archives that were written.
    """
    lines, written = [], []
    left = Counter(entry.archive for entry in kept if entry.archive is not None)
    for old in sorted({entry.archive for entry in before if entry.archive is not None}):
        members = sorted((entry for entry in kept if entry.archive == old), key=lambda entry: entry.offset or 0)
        current = [entry for entry in members if f"{old}/{entry.path}" not in replaced]
        whole = sum(1 for entry in before if entry.archive == old)
        index = f"{old.removesuffix('.tar')}.json"
        if left[old] == whole:
            lines += [entry for entry in kept if entry.path in {old, index}] + members
            continue
        if not current:
            continue
        stem, _, suffix = old.rpartition(".")
        path = f"{re.sub(r'-r[0-9]+$', '', stem)}-r{revision}.{suffix}"
        packing = [
            layouts.Member(entry.path, entry.size, entry.sha256, partial(_range, stage.dataset / old, entry))
            for entry in current
        ]
        made, fact = _packed(path, packing, stage=stage, journal=journal, piece_length=header.piece_length)
        lines.append(_file(fact))
        written.append(path)
        if made["index"] is not None:
            lines.append(FileEntry(**made["index"]))
            written.append(made["index"]["path"])
        lines += [
            replace(entry, archive=path, offset=offset) for entry, offset in zip(current, made["offsets"], strict=True)
        ]
    return lines, written


def _range(archive: Path, entry: FileEntry) -> BinaryIO:
    """The bytes of a member, as a file."""
    with disk.open_read(archive) as file, disk.failures(archive):
        file.seek(entry.offset or 0)
        return io.BytesIO(file.read(entry.size))
