"""From a question, or a list of posts, to a plan and a pull: what the command line and Python both do.

::

    async with prepared(job, today=...) as ready:
        ready.plan            # before a byte of a file moves
        await ready.pull()

The parts are in `mirror`; here a query is answered from the index of a release that `mirror` believes. Nothing here
draws.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
from pyroaring import BitMap

from tagswarm.manifests import disk
from tagswarm.manifests.digest import sha256_file
from tagswarm.manifests.errors import DigestMismatch, QueryError
from tagswarm.manifests.events import Notice, Report, silent
from tagswarm.manifests.paths import escape
from tagswarm.mirror.access import Access, Use
from tagswarm.mirror.client import Client, Origin, Pulled, connect
from tagswarm.mirror.form import Form
from tagswarm.mirror.lock import LOCK, Lock
from tagswarm.mirror.plan import Plan
from tagswarm.mirror.selection import Selection
from tagswarm.mirror.subset import SubsetReport
from tagswarm.tagindex.query.conditions import Checked, Order
from tagswarm.tagindex.query.evaluate import evaluate
from tagswarm.tagindex.query.printing import infix
from tagswarm.tagindex.reader import Index

from .asking import Asked, understand

NAMED = 10
"""Posts that a notice names."""
UNDIRECTED = ("custom", "pool", "random")
"""Orders that have no other direction."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Chosen:
    """Posts that were found in an index which nobody vouched for yet."""

    index: Path
    posts: BitMap
    """Ordinals."""
    asked: Asked | None
    """The query that they answer; None where they were put together otherwise."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """What is to be pulled, from where, and what becomes of it."""

    access: Access
    query: str | None = None
    ids: Sequence[int] | None = None
    """Posts by their ids, instead of a query."""
    chosen: Chosen | None = None
    """Posts that were chosen before, instead of a query."""
    asking: dict[str, Any] = field(default_factory=dict)
    """How the query is read: keywords of `Release.ask`."""
    rendition: str | None = None
    """The originals where it is left out."""
    form: Form = field(default_factory=Form)
    use: Use = field(default_factory=Use)
    jobs: int | None = None
    out: Path | None = None
    """The folder that files go to; its disk is asked for room."""
    lock: Path | None = None
    """A lock whose posts are pulled again, instead of a query."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ready:
    """A plan, and all that is needed to carry it out."""

    job: Job
    client: Client
    index: Index
    selection: Selection
    plan: Plan
    origin: Origin
    notes: tuple[str, ...]
    """What a person should know of how the query was understood."""
    lock: Lock | None = None

    @property
    def here(self) -> int:
        """Files that the folder has already."""
        return int(self.selection.here.sum())

    async def pull(self, out: Path | None = None) -> Pulled:
        """Carry the plan out.

        Args:
            out: the folder; that of the job where it is left out.

        Raises:
            PlanError: there is nothing to pull, or no room.
            StoreError: the folder cannot be written.
        """
        place = out or self.job.out
        assert place is not None
        return await self.client.pull(
            self.selection,
            self.plan,
            place,
            form=self.job.form,
            origin=self.origin,
            use=self.job.use,
            jobs=self.job.jobs,
            index=self.index,
            by=self.lock,
        )


@contextlib.asynccontextmanager
async def prepared(job: Job, *, today: date, report: Report = silent) -> AsyncIterator[Ready]:
    """Open the release, find the posts and plan; what was opened is closed with the block.

    Raises:
        TagswarmError: the release cannot be believed or reached, the query cannot be answered, or there is no plan.
    """
    lock = None if job.lock is None else Lock(job.lock)
    job = job if lock is None else _locked(job, lock)
    async with connect(job.access, today=today, report=report) as client:
        path = await client.index()
        index = Index.open(path)
        with contextlib.closing(index):
            notes: tuple[str, ...] = ()
            origin = Origin()
            if lock is not None:
                _same_release(client, lock)
                ids = np.array([entry.id for entry in lock.entries()], np.int64)
                head = lock.header
                origin = Origin(
                    query=head.query,
                    canonical=head.canonical,
                    seed=head.seed,
                    now=head.now,
                    timezone=head.timezone,
                )
            elif job.ids is not None:
                ids = np.unique(np.asarray(job.ids, np.int64))
            elif (chosen := job.chosen) is not None:
                await asyncio.to_thread(_same_index, chosen.index, path, client.trusted.release)
                ids = _ids_of_site(client, index, chosen.posts, job.rendition)
                origin = Origin() if chosen.asked is None else _origin(chosen.asked)
            else:
                asked = understand(index, job.query or "", **job.asking)
                answer = evaluate(asked.checked, index, seed=asked.seed)
                ids = _ids_of_site(client, index, answer.posts, job.rendition)
                origin, notes = _origin(asked), asked.checked.notes
            selection = await client.select(ids, job.rendition)
            if lock is not None:
                _tell_withdrawn(lock, selection, report)
            if job.out is not None:
                selection = await asyncio.to_thread(selection.beside, job.out, job.form)
            plan = client.plan(selection, job.form, out=job.out, use=job.use)
            yield Ready(
                job=job,
                client=client,
                index=index,
                selection=selection,
                plan=plan,
                origin=origin,
                notes=notes,
                lock=lock,
            )


def _ids_of_site(client: Client, index: Index, posts: BitMap, rendition: str | None) -> Any:
    """The ids of those posts that are of the rendition's site, ascending."""
    if len(index.words("site")) > 1:
        posts = posts & index.word("site", client.rendition(rendition).site)
    return index.values("id", posts)[0]  # ordinals ascend by site and id


def _origin(asked: Asked) -> Origin:
    return Origin(
        query=asked.text,
        canonical=_canonical(asked.checked),
        seed=asked.seed,
        now=None if asked.now is None else asked.now.isoformat(),
        timezone=str(asked.tz),
    )


def _canonical(checked: Checked) -> str:
    """A query in one form, with its order where that decides which posts are in."""
    words = [infix(checked.node)]
    if checked.random is not None:
        words.append(f"random:{checked.random}")
    if checked.limit is not None:
        by = checked.order.by
        if checked.order != Order():
            words.append(f"order:{by}" if checked.order.descending or by in UNDIRECTED else f"order:{by}_asc")
        words.append(f"limit:{checked.limit}")
    return " ".join(filter(None, words))


def _same_index(opened: Path, believed: Path, release: str) -> None:
    """See that posts were chosen from the index of the release that is pulled.

    Raises:
        DigestMismatch: they were not.
    """
    with disk.open_read(opened) as one, disk.open_read(believed) as other:
        if os.path.sameopenfile(one.fileno(), other.fileno()):
            return
        ours, theirs = sha256_file(one)[1], sha256_file(other)[1]
    if ours != theirs:
        what = f"{escape(str(opened))}, where the posts were chosen, is not the index of release {escape(release)}"
        raise DigestMismatch(what, theirs, ours)


def _locked(job: Job, lock: Lock) -> Job:
    """The job that a lock describes."""
    head = lock.header
    access = replace(job.access, release=job.access.release or head.release)
    return replace(job, access=access, rendition=head.rendition, form=lock.form)


def _same_release(client: Client, lock: Lock) -> None:
    head, trusted = lock.header, client.trusted
    if head.dataset.id != trusted.dataset_id:
        raise QueryError(
            f"the lock is of the dataset {head.dataset.name}, and this is {trusted.root.dataset.name}",
            hint="Give the address of the dataset that the lock names.",
        )
    if head.root_sha256 != trusted.root_sha256:
        raise DigestMismatch(f"release {head.release}", head.root_sha256, trusted.root_sha256)


def _tell_withdrawn(lock: Lock, selection: Selection, report: Report) -> None:
    """Say which posts of a lock have been taken back since."""
    if taken := [entry.id for entry in lock.entries() if entry.id in selection.taken_back]:
        named = ", ".join(map(str, taken[:NAMED])) + (", ..." if len(taken) > NAMED else "")
        report(Notice(f"taken back since the lock was made, and left out: {len(taken):,} ({named})"))


async def mended(
    folder: Path,
    found: SubsetReport,
    access: Access,
    *,
    use: Use,
    jobs: int | None,
    today: date,
    report: Report = silent,
) -> Pulled:
    """Fetch again what a verification of a folder found missing or damaged, and what never came.

    Args:
        folder: of a subset.
        found: by the verification.
        access: where the release of the folder is.
        use: which of its sources.
        jobs: processes that decode.
        today: what freshness is judged by.
        report: receives the events.

    Raises:
        TagswarmError: the release cannot be believed or reached, or there is no plan.
    """
    lock = Lock(folder / LOCK)
    access = replace(access, release=access.release or lock.header.release)
    async with connect(access, today=today, report=report) as client:
        _same_release(client, lock)
        wanted = sorted({*found.damaged, *found.absent})
        selection = await client.select(np.array(wanted, np.int64), lock.header.rendition)
        plan = client.plan(selection, lock.form, out=folder, use=use)
        return await client.repair(selection, plan, lock, problems=found.problems, use=use, jobs=jobs)
