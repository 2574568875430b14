"""Renditions: a tree of images made from the originals that a rating selects.

Every image is made in a limited worker from the very bytes whose digest is known, written aside and renamed; the
journal learns of it only after the disk has it. What was made by the same recipe from the same bytes is not made
again, and what was published is never made again at all.

Nothing here decides what a file is called in an archive or which volume it goes to.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from tagswarm.imaging import exif, pool
from tagswarm.imaging.resize import render
from tagswarm.imaging.statistics import Statistics
from tagswarm.imaging.transform import Transform
from tagswarm.imaging.verdict import Refusal
from tagswarm.manifests import disk
from tagswarm.manifests.digest import FileDigest, digest_bytes
from tagswarm.manifests.errors import JournalCorrupt, ReleaseError, SourceChanged
from tagswarm.manifests.events import Report, StepAdvanced, StepFinished, StepStarted

from .facts import FileFact, Stat
from .hashing import WHOLE, batched
from .journal import Journal

BATCH = 200
"""Images that reach the disk as one."""


@dataclass(frozen=True, slots=True)
class Rendering:
    """One image to be made: the task of a worker."""

    path: str
    """Of the rendition, relative to the dataset."""
    id: int
    source: str
    """Absolute path of the original."""
    source_sha256: str
    target: str
    """Absolute path to be written."""
    transform: Transform
    piece_length: int
    name: str | None = None
    """Inside an archive, where it is not the post id."""
    fields: exif.Fields | None = None
    measure: bool = False
    """Take the image statistics that rank the archives of aspect-year."""

    def recipe(self) -> str:
        """A digest of everything the result depends on, the engine left out: a newer engine does not make all anew."""
        parts = [
            self.source_sha256,
            self.transform.to_dict(),
            None if self.fields is None else asdict(self.fields),
            self.name,
            self.measure,
            self.piece_length,
        ]
        return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Made:
    """What came of a rendering: a file with its digests, or the reason why there is none."""

    stat: Stat | None
    digest: FileDigest | None
    width: int = 0
    height: int = 0
    engine: str = ""
    statistics: Statistics | None = None
    reason: str | None = None
    detail: str = ""
    name: str | None = None

    def outcome(self) -> str:
        """What the journal keeps beside the digests."""
        measured = None if self.statistics is None else asdict(self.statistics)
        return json.dumps([self.width, self.height, self.engine, measured, self.reason, self.detail, self.name])


@dataclass(frozen=True, slots=True)
class Outcome:
    """What the journal says came of a rendering."""

    width: int
    height: int
    engine: str
    statistics: Statistics | None
    reason: str | None
    detail: str
    name: str | None

    @classmethod
    def parse(cls, text: str) -> Outcome:
        """Read what `Made.outcome` wrote.

        Raises:
            JournalCorrupt: it did not write this.
        """
        try:
            width, height, engine, measured, reason, detail, name = json.loads(text)
            measures = None if measured is None else Statistics(**measured)
        except (ValueError, TypeError) as failure:
            raise JournalCorrupt(f"what the journal says of a rendition cannot be read: {failure}") from failure
        return cls(width, height, engine, measures, reason, detail, name)


def make(task: Rendering) -> Made:
    """Make one image, in a worker.

    Raises:
        SourceChanged: the original is not the file that was read.
        StoreError: the original cannot be read or the image not be written.
    """
    data = disk.read(Path(task.source), limit=WHOLE)
    if hashlib.sha256(data).hexdigest() != task.source_sha256:
        raise SourceChanged(f"{task.source}: changed after it was read")
    rendered = render(data, task.transform, statistics=task.measure)
    if isinstance(rendered, Refusal):
        return Made(None, None, reason=rendered.reason, detail=rendered.detail)
    image = rendered.data if task.fields is None else exif.write(rendered.data, task.fields)
    target = Path(task.target)
    disk.write(target, image, sync=False)
    stat = target.stat()
    return Made(
        Stat(size=stat.st_size, mtime_ns=stat.st_mtime_ns, inode=stat.st_ino),
        digest_bytes(image, task.piece_length),
        rendered.width,
        rendered.height,
        rendered.engine,
        rendered.statistics,
        name=task.name,
    )


def known(task: Rendering, journal: Journal) -> Outcome | None:
    """What came of the image, where it lies on the disk as this recipe made it or is known to be impossible."""
    noted = journal.made(task.path, task.recipe())
    if noted is None:
        return None
    outcome = Outcome.parse(noted)
    if outcome.reason is not None:
        return outcome
    fact = journal.fact(task.path)
    try:
        stat = Path(task.target).lstat()
    except OSError:
        return None
    now = Stat(size=stat.st_size, mtime_ns=stat.st_mtime_ns, inode=stat.st_ino)
    return outcome if fact is not None and fact.digest is not None and fact.stat == now else None


def make_tree(
    name: str, tasks: Iterable[Rendering], total: int, journal: Journal, *, workers: int | None, report: Report
) -> Iterator[tuple[Rendering, Made]]:
    """Make images of a rendition, and yield what came of each once the disk and the journal have it."""
    step = f"render {name}"
    if not total:
        report(StepFinished(step, 0, note="nothing new"))
        return
    report(StepStarted(step, total, "images"))
    done = done_bytes = 0
    for batch in batched(_made(tasks, workers), BATCH):
        os.sync()  # what the journal says is there survives a power cut
        with journal.batch():
            for task, made in batch:
                _note(name, task, made, journal)
        done += len(batch)
        done_bytes += sum(made.digest.size for _, made in batch if made.digest is not None)
        report(StepAdvanced(step, done, done_bytes, item=batch[-1][0].path))
        yield from batch
    report(StepFinished(step, done, done_bytes))


def _made(tasks: Iterable[Rendering], workers: int | None) -> Iterator[tuple[Rendering, Made]]:
    for task, outcome in pool.run(make, tasks, workers=workers):
        if isinstance(outcome, pool.Lost):
            yield task, Made(None, None, reason=outcome.reason, detail=outcome.detail)
        else:
            yield task, outcome


def _note(name: str, task: Rendering, made: Made, journal: Journal) -> None:
    published = journal.published(task.path)
    if published is not None and made.digest is not None and made.digest.sha256 != published.sha256:
        raise ReleaseError(
            f"{task.path}: was published as {published.sha256}, and is now made as {made.digest.sha256}",
            hint="Restore the published file from a mirror: published files never change, and the image engine has.",
        )
    if made.stat is not None:
        journal.note_read(name, task.id, FileFact(path=task.path, stat=made.stat, digest=made.digest))
    journal.note_made(task.path, task.recipe(), made.outcome())
