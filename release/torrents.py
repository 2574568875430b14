"""The torrents of a release: a hybrid one for every volume and, on request, a v1 one without pads beside it.

A torrent follows from the manifest of its volume and from piece hashes that the one read pass has left in the journal.
So it has the same infohash in every later release, and once published it keeps its bytes: the trackers and web seeds
of a later release stand in the copies of its `torrents.tar.zst`.

All torrents of a dataset have its name, and the paths in them are its own tree: any set of volumes adds up to the tree
that rsync and HTTP serve. Nothing here hashes a file (`rereading`, `compat`), knows bencode (`manifests.infodict`) or
says which torrents are unfit (`manifests.torrentlint`). Sources: BEP 3, 12, 19, 38, 47, 52.
"""

from __future__ import annotations

import base64
import tarfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from tagswarm.manifests import codec, infodict, manifest, torrentfile, torrentlint
from tagswarm.manifests.errors import FormatError, InvalidDocument, JournalCorrupt
from tagswarm.manifests.events import Notice, StepAdvanced, StepFinished, StepStarted
from tagswarm.manifests.models import Object, VolumeEntry
from tagswarm.manifests.paths import escape
from tagswarm.manifests.torrentfile import Links, Torrent
from tagswarm.manifests.torrentlist import TorrentRow

from . import compat, rereading, torrentlist
from .rereading import Listed
from .stage import Stage

if TYPE_CHECKING:
    from .work import Work

BUNDLE = "torrents.tar.zst"
CREATED_BY = "tagswarm"
"""Without a version: the same release has the same bytes, whichever version builds it again."""


@dataclass(frozen=True, slots=True)
class Linted:
    """What is wrong with a torrent, by the name of the lint."""

    volume: str
    path: str
    name: str
    detail: str


@dataclass(frozen=True, slots=True)
class Bundle:
    """What came of writing all torrents of a release into one archive; each was parsed once for all of it."""

    written: Object
    rows: list[TorrentRow]
    """For the lists of the release."""
    lints: list[Linted]


def read(dataset: Path, entry: VolumeEntry) -> Torrent:
    """The torrent of a volume.

    Raises:
        InvalidDocument: the volume has none.
        IntegrityError: it is not the one the root names.
        FormatError: it is malformed.
        Unreadable: it is missing or cannot be read.
    """
    if entry.torrent is None:
        raise InvalidDocument(f"{entry.name}: has no torrent", hint="Build a new release: its volumes get torrents.")
    return _parsed(dataset, entry.torrent)


class Torrents:
    """Makes the torrents of one release."""

    def __init__(self, work: Work, stage: Stage) -> None:
        self._work, self._stage = work, stage
        self._table = work.config.torrents
        self._ours = Links(trackers=tuple((url,) for url in self._table.trackers), web_seeds=self._table.parents())
        """What every torrent has that this release hands out."""
        before = work.previous
        self._before = {} if before is None else {volume.name: volume for volume in before.root.volumes}

    def add(self, volumes: Iterable[VolumeEntry]) -> list[VolumeEntry]:
        """Write the torrents that volumes lack, and say which they are.

        Raises:
            ReleaseError: a file of a volume cannot be read, or changed while it was.
            IntegrityError: a file is not what the manifest of its volume says.
        """
        entries = {volume.name: volume for volume in volumes}
        lacking = [volume for volume in entries.values() if volume.torrent is None and volume.bytes]
        if waiting := self._write(entries, lacking):
            self._write(entries, self._read(waiting))
        if wanted := [volume for volume in entries.values() if self._wants_compat(volume)]:
            self._write_compat(entries, wanted)
        return list(entries.values())

    def bundle(self, volumes: Iterable[VolumeEntry]) -> Bundle:
        """Write every torrent, with the trackers and web seeds of this release, into one archive; list, lint them."""
        rows: list[TorrentRow] = []
        lints: list[Linted] = []
        path = f"releases/{self._work.config.release.name}/{BUNDLE}"
        written = self._stage.write(path, codec.compress(_tar(self._linked(volumes, rows, lints))))
        return Bundle(written, rows, lints)

    # The hybrid torrents.

    def _write(self, entries: dict[str, VolumeEntry], volumes: Sequence[VolumeEntry]) -> list[VolumeEntry]:
        """Write the torrents of these volumes; returns those that the journal does not know all piece hashes of."""
        report, step = self._work.report, "write torrents"
        report(StepStarted(step, len(volumes), unit="torrents"))
        waiting: list[VolumeEntry] = []
        done = 0
        for volume in volumes:
            if (made := self._hybrid(volume)) is None:
                waiting.append(volume)
                continue
            entries[volume.name] = made
            done += 1
            report(StepAdvanced(step, done, item=volume.name))
        report(StepFinished(step, done))
        return waiting

    def _hybrid(self, volume: VolumeEntry) -> VolumeEntry | None:
        """The volume with its torrent; None where the journal does not know the piece hashes of every file."""
        files = []
        for listed in self._listed(volume):
            fact = listed.known(self._work.journal)
            if fact is None or fact.digest is None:
                return None
            files.append(infodict.Hashed(listed.entry.path, fact.digest))
        made = infodict.hybrid(self._work.config.dataset.name, files[0].digest.piece_length, files)
        links = replace(
            self._links(volume),
            similar=self._similar(volume),
            collections=(f"{self._work.config.dataset.name}-{volume.name}",),
        )
        data = torrentfile.render(made.info, made.layers, links)
        return volume.model_copy(update={"torrent": self._stage.write(f"{_base(volume)}.torrent", [data])})

    def _links(self, volume: VolumeEntry) -> Links:
        dataset = self._work.config.dataset
        revised = "" if volume.revision == 1 else f", revision {volume.revision}"
        return replace(
            self._ours,
            comment=f"{dataset.title or dataset.name}: {volume.name}{revised}",
            created_by=CREATED_BY,
        )

    def _similar(self, volume: VolumeEntry) -> tuple[str, ...]:
        """The infohashes of the earlier revisions of a volume, the oldest first: clients take their files from them."""
        before = self._before.get(volume.name)
        if before is None or before.torrent is None or before.revision == volume.revision:
            return ()
        torrent = read(self._work.dataset, before)
        return (*torrent.links.similar, *([] if torrent.infohash_v1 is None else [torrent.infohash_v1]))

    # The files of a volume.

    def _listed(self, volume: VolumeEntry) -> list[Listed]:
        home = self._stage.home(volume.manifest.path)
        found = manifest.read(home, volume)
        settled = volume.layout == "loose" or home == self._work.dataset  # no archive of it waits for the release
        return [
            Listed(
                self._work.dataset if settled else self._stage.archive_home(entry.path),
                volume.rendition,
                entry,
                found.header.piece_length,
            )
            for entry in found.files
        ]

    def _read(self, volumes: Iterable[VolumeEntry], *, now: bool = False) -> list[VolumeEntry]:
        """Let the journal know the files of these volumes; returns those volumes of which no file is gone."""
        work = self._work
        whole: list[VolumeEntry] = []

        def unknown() -> Iterator[Listed]:
            for volume in volumes:
                files = self._listed(volume)
                if self._is_there(volume, files):
                    whole.append(volume)
                    yield from (listed for listed in files if listed.known(work.journal, now=now) is None)

        rereading.read(unknown(), work.journal, workers=work.workers, report=work.report)
        return whole

    def _is_there(self, volume: VolumeEntry, files: Iterable[Listed]) -> bool:
        """Whether every file is there to be read; those of posts that were taken back may be gone."""
        for listed in files:
            if not listed.place.is_file():
                self._work.report(
                    Notice(f"{volume.name} gets no torrent: {escape(listed.entry.path)} is no longer here")
                )
                return False
        return True

    # The compat torrents.

    def _wants_compat(self, volume: VolumeEntry) -> bool:
        return volume.rendition in self._table.compat and volume.compat is None and volume.torrent is not None

    def _write_compat(self, entries: dict[str, VolumeEntry], volumes: Sequence[VolumeEntry]) -> None:
        unknown = [volume for volume in volumes if self._pieces(volume) is None]
        if unknown and (whole := self._read(unknown, now=True)):
            self._hash(whole)
        for volume in volumes:
            if (pieces := self._pieces(volume)) is None:
                continue
            listed = self._listed(volume)
            files = [(file.entry.path, file.entry.size) for file in listed]
            made = infodict.v1(self._work.config.dataset.name, listed[0].piece_length, files, pieces)
            data = torrentfile.render(made.info, made.layers, self._links(volume))
            written = self._stage.write(f"{_base(volume)}.compat.torrent", [data])
            entries[volume.name] = volume.model_copy(update={"compat": written})

    def _hash(self, volumes: Sequence[VolumeEntry]) -> None:
        """Hash the pieces of compat torrents into the journal."""
        work, step = self._work, "hash compat torrents"
        work.report(StepStarted(step, len(volumes), unit="volumes"))
        by_name = {volume.name: volume for volume in volumes}
        for done, (name, pieces) in enumerate(compat.pieces(map(self._row, volumes), workers=work.workers), 1):
            work.journal.note_made(*_key(by_name[name]), base64.b64encode(pieces).decode())
            work.report(StepAdvanced(step, done, item=name))
        work.report(StepFinished(step, len(volumes)))

    def _row(self, volume: VolumeEntry) -> compat.Row:
        files = self._listed(volume)
        stored = []
        for listed in files:
            fact = self._work.journal.fact(listed.entry.path)
            if fact is None:
                raise JournalCorrupt(f"{listed.entry.path}: the journal has lost what was read of it")
            stored.append(compat.Stored(str(listed.folder), listed.entry.path, fact.stat))
        return compat.Row(volume.name, stored, files[0].piece_length)

    def _pieces(self, volume: VolumeEntry) -> bytes | None:
        """The pieces of a compat torrent, where the journal knows them."""
        path, recipe = _key(volume)
        noted = self._work.journal.made(path, recipe)
        if noted is None:
            return None
        try:
            return base64.b64decode(noted, validate=True)
        except ValueError as failure:
            raise JournalCorrupt(f"{path}: what the journal says of it cannot be read: {failure}") from failure

    # The bundle.

    def _linked(
        self, volumes: Iterable[VolumeEntry], rows: list[TorrentRow], lints: list[Linted]
    ) -> Iterator[tuple[str, bytes]]:
        """Name and bytes of every torrent as this release hands it out, sorted by name; the lists are filled."""
        work = self._work
        added = torrentlist.added_before(work.dataset, None if work.previous is None else work.previous.root)
        listed = [(item, volume) for volume in volumes for item in (volume.torrent, volume.compat) if item is not None]
        for item, volume in sorted(listed, key=lambda pair: pair[0].path):
            torrent = _parsed(self._stage.home(item.path), item)
            links = replace(torrent.links, trackers=self._ours.trackers, web_seeds=self._ours.web_seeds)
            data = torrentfile.render(torrent.info, _layers(torrent), links)
            rows.append(torrentlist.row(work.config, volume, item, torrent, added))
            found = torrentlint.lint(torrent, max(item.size, len(data)))
            lints += [Linted(volume.name, item.path, lint.name, lint.detail) for lint in found]
            yield item.path.removeprefix("volumes/"), data


def _layers(torrent: Torrent) -> dict[bytes, bytes]:
    """The piece layers of a torrent by their roots."""
    return {entry.root: entry.layer for entry in torrent.entries if entry.root is not None and entry.layer}


def _parsed(dataset: Path, item: Object) -> Torrent:
    data = manifest.read_object(dataset, item)
    try:
        return torrentfile.parse(data)
    except FormatError as failure:
        failure.message = f"{item.path}: {failure.message}"
        raise


def _base(volume: VolumeEntry) -> str:
    """What the names of all documents of a volume begin with."""
    return volume.manifest.path.removesuffix(".jsonl.zst")


def _key(volume: VolumeEntry) -> tuple[str, str]:
    """Under what path and recipe the journal keeps the pieces of a compat torrent: the manifest decides them."""
    return f"{_base(volume)}.compat.torrent", volume.manifest.plain_sha256


def _tar(files: Iterable[tuple[str, bytes]]) -> Iterator[bytes]:
    """A ustar archive of these files in one folder, without clock or owner."""
    for name, data in files:
        header = tarfile.TarInfo(f"torrents/{name}")  # mode 0644, and zero or nothing for time, owner and group
        header.size = len(data)
        yield header.tobuf(tarfile.USTAR_FORMAT, "utf-8", "strict")
        yield data
        yield bytes(-len(data) % tarfile.BLOCKSIZE)
    yield bytes(2 * tarfile.BLOCKSIZE)
