"""The volumes of a release: those of earlier releases, carried over as they are, and new ones for the new files.

A purge is the only thing that changes a published volume: it is reissued, as a new revision, without what was purged.

Nothing here decides which files belong to the release (`selection`) or how they are grouped (`volumes`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import replace
from typing import TYPE_CHECKING

from tagswarm.manifests.errors import IncompleteBuild
from tagswarm.manifests.events import StepAdvanced, StepFinished, StepStarted
from tagswarm.manifests.models import FileEntry, VolumeEntry, Withdrawal
from tagswarm.manifests.paths import FilePath

from . import naming, volume_files
from .facts import FileFact, Look
from .renditions import Outcome
from .selection import Selection
from .stage import Stage
from .trees import Tree, trees
from .volume_files import Ready
from .volumes import VolumeFile, plan_in_order

if TYPE_CHECKING:
    from .work import Work


class Assembly:
    """Makes the volumes of one release."""

    def __init__(self, work: Work, stage: Stage) -> None:
        self._work = work
        self._stage = stage
        self.archives: list[str] = []
        """Paths of the archives of this release."""
        self._repacked: list[Withdrawal] = []

    def write(self) -> list[VolumeEntry]:
        """Write the files of every volume that this release makes or reissues."""
        made: list[VolumeEntry] = []
        for tree in trees(self._work.config):
            made += self._new(tree)
        return made + list(self._reissued())

    def carried(self) -> list[VolumeEntry]:
        """The volumes that stay as they are."""
        purged = self._purged_volumes()
        before = self._work.previous
        return [] if before is None else [entry for entry in before.root.volumes if entry.name not in purged]

    def taken_back(self) -> Iterator[Withdrawal]:
        """Published files that this release takes back by their paths: replaced ones, and archives of purged posts."""
        yield from self._repacked
        yield from self._replaced()

    def purged_bytes(self) -> list[str]:
        """Published files that still lie in the dataset and hold a purged post; sorted."""
        known = self._work.journal.published_of
        found = {
            file.archive or file.path
            for tree in trees(self._work.config)
            for site, post in self._purged()
            if site == tree.source.site
            for file in known(tree.name, post)
        }
        return sorted(path for path in found if (self._work.dataset / path).exists())

    def _replaced(self) -> Iterator[Withdrawal]:
        release = self._work.config.release.name
        for tree in [] if self._work.previous is None else trees(self._work.config):
            selection = Selection(self._work, tree.source)
            for file in selection.originals():
                if file.name.version == 1:
                    continue
                by = (
                    file.fact.path
                    if tree.transform is None
                    else str(FilePath.of(tree.name, file.id, tree.transform.extension, file.name.version))
                )
                for known in self._work.journal.published_of(tree.name, file.id):
                    if known.version < file.name.version:
                        path = known.path if known.archive is None else f"{known.archive}/{known.path}"
                        yield Withdrawal(
                            site=tree.source.site,
                            id=file.id,
                            action="replaced",
                            reason=f"replaced by version {file.name.version}",
                            release=release,
                            path=path,
                            replaced_by=by if known.archive is None else None,
                        )

    def _retired(
        self, site: str, before: Sequence[FileEntry], now: Sequence[FileEntry], purged: AbstractSet[tuple[str, int]]
    ) -> Iterator[Withdrawal]:
        """The archives that were written anew, or dropped, because of a purged post; the first such post names each."""
        stays = {entry.path for entry in now}
        told: set[str] = set()
        for entry in before:
            path = entry.archive
            if path is None or path in stays or path in told or entry.id is None or (site, entry.id) not in purged:
                continue
            told.add(path)
            yield Withdrawal(
                site=site,
                id=entry.id,
                action="purged",
                reason="held a purged post",
                release=self._work.config.release.name,
                path=path,
            )

    def _new(self, tree: Tree) -> Iterator[VolumeEntry]:
        """The volumes of the files of a tree that no earlier release has, made one after the other."""
        made = _Made(self._work, tree) if tree.rendition is not None else _Originals(self._work, tree)
        report, step = self._work.report, f"write volumes of {tree.name}"
        report(StepStarted(step))
        files = size = 0
        generation = self._work.config.release.name
        for planned in plan_in_order(made.files(), tree.volumes, tree=tree.name, generation=generation):
            self.archives += [archive.path for archive in planned.archives]
            self.archives += [archive.index for archive in planned.archives if archive.index is not None]
            entry = volume_files.write(
                planned,
                made.ready,
                stage=self._stage,
                journal=self._work.journal,
                where=lambda path: tree.place(self._work.dataset, path),
                piece_length=tree.volumes.piece_length,
            )
            files, size = files + entry.images, size + entry.bytes
            report(StepAdvanced(step, files, size, planned.name))
            yield entry
        report(StepFinished(step, files, size))

    def _purged(self) -> set[tuple[str, int]]:
        return {(w.site, w.id) for w in self._work.taken if w.action == "purged"}

    def _purged_volumes(self) -> set[str]:
        """The published volumes that still hold a purged post."""
        known = self._work.journal.published_of
        return {
            file.volume
            for tree in trees(self._work.config)
            for site, post in self._purged()
            if site == tree.source.site
            for file in known(tree.name, post)
        }

    def _reissued(self) -> Iterator[VolumeEntry]:
        before = self._work.previous
        hit = self._purged_volumes()
        if before is None or not hit:
            return
        purged = self._purged()
        replaced = {w.path for w in (*self._work.taken, *self._replaced()) if w.path and w.action == "replaced"}
        for volume in before.root.volumes:
            if volume.name not in hit:
                continue
            header, entries = before.manifest(volume)
            kept = [entry for entry in entries if entry.id is None or (header.site, entry.id) not in purged]
            revision = volume.revision + 1
            if volume.layout != "loose":
                kept, archives = volume_files.repack(
                    kept,
                    entries,
                    replaced=replaced,
                    stage=self._stage,
                    journal=self._work.journal,
                    header=header,
                    revision=revision,
                )
                self.archives += archives
                self._repacked += self._retired(header.site, entries, kept, purged)
            if any(entry.id is not None for entry in kept):
                whole = [replace(entry, engine=entry.engine or _engine(entry, header.engine)) for entry in kept]
                draft = header.model_copy(update={"revision": revision})
                yield volume_files.write_entries(draft, whole, self._stage)


class _Originals:
    """The originals of a tree that no earlier release has: in order for the plan, one by one for the manifests."""

    def __init__(self, work: Work, tree: Tree) -> None:
        self._work, self._tree = work, tree
        self._selection = Selection(work, tree.source)

    def files(self) -> Iterator[VolumeFile]:
        """All of them, sorted by path."""
        years = self._selection.posts.years
        for file in self._selection.originals("path"):
            if self._selection.is_published(self._tree, file.id, file.name):
                continue
            look = file.fact.look
            yield VolumeFile(
                path=file.fact.path,
                id=file.id,
                size=file.fact.stat.size,
                width=None if look is None else look.width,
                height=None if look is None else look.height,
                year=int(years[file.row]) or None,
            )

    def ready(self, path: str) -> Ready:
        """What the line of a manifest says of one."""
        name = FilePath.parse(path)
        fact, row = self._work.journal.fact(path), self._selection.posts.find(name.id)
        if fact is None or row is None:
            raise IncompleteBuild(f"{path}: has not been read")
        md5 = self._selection.posts.md5(row)
        return Ready(fact, name.id, self._tree.source.site, naming.by_id(name), md5=md5)


class _Made:
    """The images of a rendition that no earlier release has: in order for the plan, one by one for the manifests."""

    def __init__(self, work: Work, tree: Tree) -> None:
        self._work, self._tree = work, tree
        self._selection = Selection(work, tree.source)

    def files(self) -> Iterator[VolumeFile]:
        """All of them, sorted by path; what could not be made is left out."""
        years = self._selection.posts.years
        for file, name in self._selection.pictures(self._tree, "path"):
            if self._selection.is_published(self._tree, file.id, name):
                continue
            outcome = self._outcome(str(name))
            if outcome.reason is None:
                yield VolumeFile(
                    path=str(name),
                    id=file.id,
                    size=self._fact(str(name)).stat.size,
                    width=outcome.width,
                    height=outcome.height,
                    year=int(years[file.row]) or None,
                    statistics=outcome.statistics,
                )

    def ready(self, path: str) -> Ready:
        """What the line of a manifest says of one."""
        name, outcome = FilePath.parse(path), self._outcome(path)
        kind = "" if self._tree.transform is None else self._tree.transform.format
        fact = replace(self._fact(path), look=Look(kind=kind, width=outcome.width, height=outcome.height))
        member = outcome.name or naming.by_id(name)
        return Ready(fact, name.id, self._tree.source.site, member, engine=outcome.engine)

    def _outcome(self, path: str) -> Outcome:
        noted = self._work.journal.last_made(path)
        if noted is None:
            raise IncompleteBuild(f"{path}: has not been made")
        return Outcome.parse(noted)

    def _fact(self, path: str) -> FileFact:
        fact = self._work.journal.fact(path)
        if fact is None:
            raise IncompleteBuild(f"{path}: has not been made")
        return fact


def _engine(entry: FileEntry, usual: str | None) -> str | None:
    """A line of a post that names no engine was made by the usual one of its volume."""
    return None if entry.id is None else usual
