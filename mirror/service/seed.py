"""Seeding a tree: every volume whose files are what the signed manifest says is put into the swarm as it lies there.

Trust first: the root is established by the caller, every document is read by its digest, the torrent must be that of
the manifest, and every file must have its SHA-256. Only then is the volume joined, in seed mode: libtorrent hashes
nothing at the start and never writes. So a tree that came by rsync, HTTP or a disk in the mail is adopted as it is.
Volumes are taken one by one: the first seeds while the others are read.

A volume with a missing or damaged file is not seeded and is named. Nothing here repairs, fetches or deletes.
"""

from __future__ import annotations

import contextlib
import os
import queue
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from tagswarm.manifests import disk, manifest, torrentfile
from tagswarm.manifests.errors import FormatError, StoreError, TagswarmError
from tagswarm.manifests.events import Notice, Report, StepAdvanced, StepFinished, StepStarted, silent
from tagswarm.manifests.manifest import Manifest, Problem
from tagswarm.manifests.models import Object, Root, VolumeEntry
from tagswarm.manifests.published import Published
from tagswarm.mirror import check, withdrawn
from tagswarm.mirror.check import Task, Wanted
from tagswarm.mirror.swarm import Event, Joined, Swarm, Trouble
from tagswarm.mirror.verify import problem_of
from tagswarm.mirror.withdrawn import Withdrawn

from .choice import Choice
from .place import Place
from .unseeded import Reason, Unseeded
from .verified import Look, Verified, look


@dataclass(frozen=True, slots=True, kw_only=True)
class Serving:
    """Where the seeding stands."""

    volumes: int
    files: int
    bytes: int
    """Of the files of the volumes."""
    peers: int
    upload_rate: int
    """Bytes a second."""
    uploaded: int
    """Bytes since the start."""
    tracker_errors: int
    """How often a tracker did not answer since the start."""


_Seen = tuple[VolumeEntry, Look]


@dataclass(slots=True)
class _Reading:
    """A volume whose files are being read."""

    volume: VolumeEntry
    manifest: Manifest
    before: Look
    left: int
    """Files that no worker has answered for yet."""
    problems: list[Problem] = field(default_factory=list)


class Seeder:
    """The volumes of one tree in a swarm."""

    def __init__(
        self,
        dataset: Path,
        swarm: Swarm,
        place: Place,
        *,
        workers: int | None = None,
        trackers: tuple[str, ...] = (),
        report: Report = silent,
    ) -> None:
        """Begin with no volume.

        Args:
            dataset: the tree.
            swarm: where the volumes are joined.
            place: of this tree.
            workers: processes that read, by default one a processor.
            trackers: URLs to announce to, beside those in the torrents.
            report: receives the events.
        """
        self._dataset, self._swarm, self._place = dataset, swarm, place
        self._workers, self._trackers, self._report = workers, trackers, report
        self._verified = Verified(place.state)
        self._name = ""
        self._taken = Withdrawn()
        self._joined: dict[str, tuple[VolumeEntry, list[Joined]]] = {}
        """The volumes that are seeded, each with its torrents: that for old clients is another swarm."""
        self._changed: queue.SimpleQueue[tuple[str, Trouble]] = queue.SimpleQueue()
        self._distrusted: set[str] = set()
        """Volumes that libtorrent found changed: where they are read again and found right, it is not tried twice."""
        self._sent = 0
        """Bytes that volumes have sent which were left since."""
        self._tracker_errors = 0
        self._troubles = 0
        self.unseeded: dict[str, Unseeded] = {}
        """Volumes that lie here and are not seeded, by name."""
        self.absent = 0
        """Chosen volumes none of whose files are here."""
        self.without = 0
        """Chosen volumes that have no torrent."""

    @property
    def volumes(self) -> list[str]:
        """The names of the volumes that are seeded, sorted."""
        return sorted(self._joined)

    def adopt(self, found: Published, choice: Choice, *, rehash: bool = False) -> None:
        """Seed the chosen volumes of a release; those that are seeded already go on, those that left it are left.

        Args:
            found: the release.
            choice: which of its volumes.
            rehash: read also what was verified before and looks as it did.

        Raises:
            StoreError: the link to the dataset cannot be made.
        """
        self._name = found.root.dataset.name
        self._link()
        self._taken = self._withdrawn(found.root)
        self._distrusted.clear()
        self.unseeded.clear()
        self.absent = self.without = 0
        chosen = choice.of(found.root)
        kept = {(volume.name, *_torrents(volume)) for volume in chosen}
        for name, (volume, joined) in list(self._joined.items()):
            if (name, *_torrents(volume)) not in kept:
                self._leave(joined)
                del self._joined[name]
        self._read(list(self._unread(chosen, choice.most, rehash=rehash)))

    def _unread(self, chosen: list[VolumeEntry], most: int | None, *, rehash: bool) -> Iterator[_Seen]:
        """The volumes whose files must be read; those that were verified before are joined on the way."""
        self._report(StepStarted(step := "look for volumes", len(chosen), "volumes"))
        here = 0
        for done, volume in enumerate(chosen):
            self._report(StepAdvanced(step, done, item=volume.name))
            if most is not None and here >= most:
                break
            if volume.name in self._joined:
                here += 1
            elif volume.torrent is None:
                self.without += 1
            elif (seen := self._look(volume)) is not None:
                here += 1
                if rehash or not self._verified.holds(volume, seen.fingerprint):
                    yield volume, seen
                else:
                    self._join(volume)
        self._report(StepFinished(step, here))

    def _look(self, volume: VolumeEntry) -> Look | None:
        """A volume that lies here whole as far as can be told without reading it."""
        try:
            read = manifest.read(self._dataset, volume)
        except TagswarmError as failure:
            if isinstance(failure.__cause__, FileNotFoundError) and not self._has(volume.torrent):
                self.absent += 1
            else:
                self._leave_out(volume, "documents", [problem_of(volume.manifest.path, failure)])
            return None
        seen = look(self._dataset, volume, read)
        if seen.absent == len(read.files):
            self.absent += 1
        elif seen.problems:
            kept = {problem.path for problem in seen.problems if problem.kind == "missing"}
            gone = {file.path for file in read.files if file.path in kept and self._taken.has(read.header.site, file)}
            honest = all(problem.path in gone for problem in seen.problems)
            self._leave_out(volume, "withdrawn" if honest else "incomplete", seen.problems)
        else:
            return seen
        return None

    def _has(self, item: Object | None) -> bool:
        return item is not None and os.path.lexists(self._dataset / item.path)

    def _read(self, volumes: list[_Seen]) -> None:
        """Verify volumes file by file and join each as soon as it is whole."""
        if not volumes:
            return
        total = sum(volume.files for volume, _ in volumes)
        self._report(StepStarted(step := "verify", total, bytes=sum(volume.bytes for volume, _ in volumes)))
        reading: dict[str, _Reading] = {}
        done = size = 0
        with contextlib.closing(check.each(self._tasks(volumes, reading), workers=self._workers)) as results:
            for task, found in results:
                done, size = done + found.files, size + found.bytes
                now = reading[task.label]
                now.left -= found.files
                now.problems += found.problems
                if not now.left:
                    self._finish(reading.pop(task.label))
                self._report(StepAdvanced(step, done, size, task.label))
        self._report(StepFinished(step, done, size))

    def _tasks(self, volumes: list[_Seen], reading: dict[str, _Reading]) -> Iterator[Task]:
        for volume, seen in volumes:
            if (read := self._agreeing(volume)) is not None:
                reading[volume.name] = _Reading(volume, read, seen, len(read.files))
                wanted = (Wanted(file.path, file.size, file.sha256) for file in read.files)
                yield from check.tasks(self._dataset, wanted, label=volume.name)

    def _agreeing(self, volume: VolumeEntry) -> Manifest | None:
        """The manifest of a volume whose torrent says the same."""
        read: Manifest | None = None
        for item in _torrents(volume):
            try:
                read = manifest.read(self._dataset, volume)
                torrent = torrentfile.parse(manifest.read_object(self._dataset, item))
            except TagswarmError as failure:
                self._leave_out(volume, "documents", [problem_of(item.path, failure)])
                return None
            if problems := list(manifest.torrent_disagreements(volume, item, torrent, read, dataset=self._name)):
                self._leave_out(volume, "refused", problems)
                return None
        return read

    def _finish(self, reading: _Reading) -> None:
        """Seed a volume all of whose files were read, where all are right and nobody wrote to them meanwhile."""
        volume = reading.volume
        if reading.problems:
            self._leave_out(volume, "damaged", sorted(reading.problems))
            return
        after = look(self._dataset, volume, reading.manifest)
        if after != reading.before:
            detail = "one of its files was written while it was read"
            problems = after.problems or (Problem(volume.manifest.path, "inconsistent", detail),)
            self._leave_out(volume, "changed", problems)
            return
        self._remember(partial(self._verified.note, volume, after.fingerprint))
        self._join(volume)

    def _join(self, volume: VolumeEntry) -> None:
        """Put a verified volume into the swarm."""
        _, joined = self._joined[volume.name] = volume, []
        for item in _torrents(volume):
            try:
                data = manifest.read_object(self._dataset, item)
                listener = partial(self._hear, volume.name)
                joined.append(self._swarm.join(data, self._place.links, listener, seed=True, trackers=self._trackers))
            except TagswarmError as failure:
                self._leave(self._joined.pop(volume.name)[1])
                documents = isinstance(failure, StoreError | FormatError)
                self._leave_out(volume, "documents" if documents else "refused", [problem_of(item.path, failure)])
                return

    def _leave_out(self, volume: VolumeEntry, reason: Reason, problems: Iterable[Problem]) -> None:
        left = self.unseeded[volume.name] = Unseeded.of(volume, reason, list(problems))
        self._report(Notice(str(left)))

    def _hear(self, name: str, event: Event) -> None:
        """Take in what happens to a volume; on the thread of the swarm."""
        if isinstance(event, Trouble):
            if event.kind in ("changed", "disk", "torrent"):
                self._changed.put((name, event))
            elif event.kind == "tracker":
                self._tracker_errors += 1
                if self._tracker_errors == 1:
                    self._changed.put(("", event))

    def tend(self) -> None:
        """Look after what is seeded: a volume that is no longer what it was is left, read again, and named."""
        for said in self._swarm.troubles()[self._troubles :]:
            self._troubles += 1
            self._report(Notice(said))
        again: list[_Seen] = []
        while not self._changed.empty():
            name, trouble = self._changed.get_nowait()
            if not name:
                self._report(Notice(f"a tracker did not answer; it is asked again: {trouble.detail}"))
            elif name in self._joined:
                again += self._drop(name, trouble)
        self._read(again)

    def _drop(self, name: str, trouble: Trouble) -> Iterator[_Seen]:
        volume, joined = self._joined.pop(name)
        self._leave(joined)
        self._remember(partial(self._verified.forget, volume))
        if name in self._distrusted:
            problem = Problem(volume.torrent.path if volume.torrent else name, "inconsistent", trouble.detail)
            self._leave_out(volume, "changed", [problem])
            return
        self._distrusted.add(name)
        self._report(Notice(f"{name} is taken out and read again: {trouble.detail}"))
        if (seen := self._look(volume)) is not None:
            yield volume, seen

    def _leave(self, joined: Iterable[Joined]) -> None:
        for torrent in joined:
            self._sent += torrent.status().uploaded
            self._swarm.leave(torrent)

    def serving(self) -> Serving:
        """Where the seeding stands."""
        statuses = self._swarm.statuses()
        volumes = [volume for volume, _ in self._joined.values()]
        return Serving(
            volumes=len(volumes),
            files=sum(volume.files for volume in volumes),
            bytes=sum(volume.bytes for volume in volumes),
            peers=sum(status.peers for status in statuses),
            upload_rate=sum(status.upload_rate for status in statuses),
            uploaded=self._sent + sum(status.uploaded for status in statuses),
            tracker_errors=self._tracker_errors,
        )

    def _remember(self, change: partial[None]) -> None:
        try:
            change()
        except StoreError as failure:  # a full disk is no reason not to seed
            self._verified = Verified(None)
            self._report(Notice(f"what is verified is no longer remembered: {failure.message}"))

    def _withdrawn(self, root: Root) -> Withdrawn:
        try:
            return withdrawn.read(self._dataset, root)
        except TagswarmError as failure:
            self._report(Notice(f"the list of withdrawn posts cannot be used: {failure.message}"))
            return Withdrawn()

    def _link(self) -> None:
        """Make the dataset appear under the name that its torrents give their folder."""
        link, target = self._place.links / self._name, self._dataset.resolve()
        with disk.failures(link):
            if not link.is_symlink() or link.readlink() != target:
                link.unlink(missing_ok=True)
                link.symlink_to(target)


def _torrents(volume: VolumeEntry) -> list[Object]:
    """The torrents of a volume: the hybrid one, and the one for old clients where there is one."""
    return [item for item in (volume.torrent, volume.compat) if item is not None]
