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
from .facts import Look
from .selection import Selection, Tree, outcome_of, trees
from .stage import Stage
from .volume_files import Ready
from .volumes import VolumeFile, plan

if TYPE_CHECKING:
    from .build import Work


REPORT_EVERY = 10_000
"""Files between two words of how far the planning is."""


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
        ready: dict[str, Ready] = {}
        files = []
        report, step = self._work.report, f"plan volumes of {tree.name}"
        report(StepStarted(step))
        for item, file in self._candidates(tree):
            ready[file.path] = item
            files.append(file)
            if not len(files) % REPORT_EVERY:
                report(StepAdvanced(step, len(files)))
        table = tree.volumes
        plans = plan(files, table, tree=tree.name, generation=self._work.config.release.name)
        report(StepFinished(step, len(files), sum(file.size for file in files)))
        step = f"write volumes of {tree.name}"
        report(StepStarted(step, len(plans), "volumes"))
        done = size = 0
        for planned in plans:
            self.archives += [archive.path for archive in planned.archives]
            self.archives += [archive.index for archive in planned.archives if archive.index is not None]
            entry = volume_files.write(
                planned,
                ready.__getitem__,
                stage=self._stage,
                journal=self._work.journal,
                where=lambda path: tree.place(self._work.dataset, path),
                piece_length=table.piece_length,
            )
            done, size = done + 1, size + entry.bytes
            report(StepAdvanced(step, done, size, planned.name))
            yield entry
        report(StepFinished(step, done, size))

    def _candidates(self, tree: Tree) -> Iterator[tuple[Ready, VolumeFile]]:
        """Every file of a tree that no earlier release has, sorted by id."""
        selection = Selection(self._work, tree.source)
        return self._made(tree, selection) if tree.rendition is not None else self._originals(tree, selection)

    def _originals(self, tree: Tree, selection: Selection) -> Iterator[tuple[Ready, VolumeFile]]:
        posts = selection.posts
        for file in selection.originals():
            if selection.is_published(tree, file.id, file.name):
                continue
            fact, look = file.fact, file.fact.look
            claimed = posts.md5[file.row].decode() or None
            yield (
                Ready(fact, file.id, tree.source.site, naming.by_id(file.name), md5=claimed),
                VolumeFile(
                    path=fact.path,
                    id=file.id,
                    size=fact.stat.size,
                    width=None if look is None else look.width,
                    height=None if look is None else look.height,
                    year=int(posts.years[file.row]) or None,
                ),
            )

    def _made(self, tree: Tree, selection: Selection) -> Iterator[tuple[Ready, VolumeFile]]:
        posts = selection.posts
        for task in selection.renderings(tree):
            name = FilePath.parse(task.path)
            if selection.is_published(tree, task.id, name):
                continue
            outcome = outcome_of(self._work, task)
            if outcome.reason is not None:
                continue
            fact = self._work.journal.fact(task.path)
            row = posts.find(task.id)
            if fact is None or row is None:
                raise IncompleteBuild(f"{task.path}: has not been made")
            look = Look(kind=task.transform.format, width=outcome.width, height=outcome.height)
            member = outcome.name or naming.by_id(name)
            yield (
                Ready(replace(fact, look=look), task.id, tree.source.site, member, engine=outcome.engine),
                VolumeFile(
                    path=task.path,
                    id=task.id,
                    size=fact.stat.size,
                    width=outcome.width,
                    height=outcome.height,
                    year=int(posts.years[row]) or None,
                    statistics=outcome.statistics,
                ),
            )

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
        for volume in before.root.volumes:
            if volume.name not in hit:
                continue
            header, entries = before.manifest(volume)
            kept = [entry for entry in entries if entry.id is None or (header.site, entry.id) not in purged]
            revision = volume.revision + 1
            if volume.layout != "loose":
                kept, archives = volume_files.repack(
                    kept, entries, stage=self._stage, journal=self._work.journal, header=header, revision=revision
                )
                self.archives += archives
                self._repacked += self._retired(header.site, entries, kept, purged)
            if any(entry.id is not None for entry in kept):
                whole = [replace(entry, engine=entry.engine or _engine(entry, header.engine)) for entry in kept]
                draft = header.model_copy(update={"revision": revision})
                yield volume_files.write_entries(draft, whole, self._stage)


def _engine(entry: FileEntry, usual: str | None) -> str | None:
    """A line of a post that names no engine was made by the usual one of its volume."""
    return None if entry.id is None else usual
