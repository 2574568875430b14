"""A pull: from files that are wanted to a folder that holds them, verified, made and on the disk.

::

    files -> what is missing -> sources -> staging -> workers: SHA-256, decode, resize -> aside
          -> a batch: sync, rename, sync folders, journal

Every part takes no more than the next has room for, and what is in hand is bounded, so memory does not follow the
number of files. A file that did not come is an entry of the report and no exception; what ends a pull early is the disk
or whoever asked for it, and the next pull into the folder goes on from there.

Nothing here chooses sources, resolves a query or writes the lock.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import islice

from tagswarm.imaging.kind import Kind, is_image
from tagswarm.imaging.verdict import Reason
from tagswarm.manifests.errors import DiskFull, StoreError
from tagswarm.manifests.events import Notice, Report, StepAdvanced, StepFinished, StepStarted, silent

from .file import File
from .form import Form
from .journal import PAGE, Row
from .lock import Entry
from .rendering import Task
from .store import Pruned, Store
from .transports.base import Arrived, Failed, Item, Transport
from .transports.compose import Failover, Record, Recording, Retrying
from .verifying import Finished, Unfinished, Verifying, closing
from .workers import Workers, to_end, workers

BATCH_FILES = 180
"""Files that reach the disk as one. One batch is written while the next is filled and `verifying.AHEAD` files wait for
it: together they are less than the 500 that a kill may cost."""
BATCH_BYTES = 64 << 20
SLICE_FILES = 2000
"""Files of one call of the sources. What they staged is removed after it, for until then they may still serve it."""
SLICE_BYTES = 2 << 30
TIGHT = 1 << 20
"""Bytes: a disk with less room than this and the file that could not be written is full."""

Compose = Callable[[Mapping[str, Transport]], Transport]
"""One transport of all sources by their names, each verifying what it brings: who is asked for what, and who next."""


@dataclass(frozen=True, slots=True, order=True)
class Miss:
    """A post without a file, and why."""

    id: int
    reason: str
    """One of `transports.base.Reason` or `imaging.verdict.Reason`, or `animated`, `timeout`, `memory`, `crash`."""
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Brought:
    """What came from one source."""

    source: str
    files: int
    """That were right."""
    bytes: int
    seconds: float
    """In which it was asked."""
    failed: tuple[tuple[str, int], ...]
    """Reasons with their numbers, sorted; `damaged` are wrong bytes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PullReport:
    """What a pull did."""

    wanted: int
    """Files that were asked for."""
    kept: int
    """Of them, those that were here already."""
    fetched: int
    """Files that came and are here now, or are skipped with a reason."""
    bytes: int
    """Of these, as they came."""
    made_bytes: int
    """Of what was made of them."""
    sources: tuple[Brought, ...]
    """In their order."""
    failed: tuple[Miss, ...]
    """Posts whose file did not come, sorted by id; a later pull tries again."""
    skipped: tuple[Miss, ...]
    """Posts that came now and have no image, or never can; sorted by id."""
    damaged: int
    """Files that came with wrong bytes, and were dropped and asked for again."""
    in_the_way: int
    """Files that others had put into the places of ours, and that are in quarantine now."""
    pruned: Pruned
    remade: tuple[int, ...]
    """Posts whose image was lost and has other bytes now, as another engine makes; sorted."""

    @property
    def ok(self) -> bool:
        """Nothing is missing that can come."""
        return not self.failed


def error_lines(failed: Iterable[Miss]) -> bytes:
    r"""The lines of an error file: `id<TAB>reason` of every post that failed."""
    return b"".join(f"{miss.id}\t{miss.reason}\n".encode() for miss in failed)


def one_after_the_other(sources: Mapping[str, Transport]) -> Transport:
    """Ask the sources in their order, and again after a pause for what may heal."""
    return Retrying(Failover(list(sources.values())))


async def pull(
    files: Iterable[File],
    sources: Mapping[str, Transport],
    store: Store,
    *,
    form: Form,
    compose: Compose = one_after_the_other,
    prune: bool = True,
    jobs: int | None = None,
    total: int | None = None,
    report: Report = silent,
) -> PullReport:
    """Bring the folder of a subset to hold these files.

    A cancelled pull ends within moments: what was verified is put in its place first.

    Args:
        files: each post once; taken a few hundred at a time.
        sources: who has them, by names that a report can show.
        store: the folder, open.
        form: what is made of every file, and where it lies.
        compose: how the sources work together.
        prune: remove the posts of the folder that are not among the files.
        jobs: processes that decode, by default one a processor; or threads that hash.
        total: how many files there are, for whoever draws; of a list it is known.
        report: receives the events.

    Raises:
        DiskFull: the disk has no room; all that the journal knows is safe.
        StoreError: the folder cannot be written.
    """
    if total is None and isinstance(files, list | tuple):
        total = len(files)
    run = _Run(store, form, report)
    async with workers(decoding=form.transform is not None, jobs=jobs) as hands:
        await run.all(iter(files), sources, compose, hands, total)
    pruned = await to_end(store.prune) if prune else Pruned(0, ())
    return run.told(pruned)


@dataclass(slots=True)
class _Run:
    store: Store
    form: Form
    report: Report
    wanted: dict[Item, File] = field(default_factory=dict)
    """The slice that is under way."""
    rows: list[Row] = field(default_factory=list)
    """The batch that is being filled."""
    pending: list[Row] = field(default_factory=list)
    held: int = 0
    """Bytes of the batch."""
    writing: asyncio.Future[None] | None = None
    """The batch before, which is on its way to the disk."""
    disk: threading.Lock = field(default_factory=threading.Lock)
    records: dict[str, Record] = field(default_factory=dict)
    asked: int = 0
    kept: int = 0
    hopeless: int = 0
    """Files that were skipped unfetched."""
    fetched: int = 0
    bytes: int = 0
    made_bytes: int = 0
    damaged: int = 0
    told_of: set[str] = field(default_factory=set)
    """Sources that sent wrong bytes."""
    in_the_way: int = 0
    failed: list[Miss] = field(default_factory=list)
    skipped: list[Miss] = field(default_factory=list)
    remade: list[int] = field(default_factory=list)

    async def all(
        self,
        files: Iterator[File],
        sources: Mapping[str, Transport],
        compose: Compose,
        hands: Workers,
        total: int | None,
    ) -> None:
        self.report(StepStarted("pull", total))
        transport = compose({name: self._verified(name, source, hands) for name, source in sources.items()})
        missing = self._missing(files)
        while await to_end(partial(self._take, missing)):
            try:
                async with closing(transport.fetch(list(self.wanted), self.store.staging)) as outcomes:
                    async for outcome in outcomes:
                        self._note(outcome)
                        if len(self.rows) >= BATCH_FILES or self.held >= BATCH_BYTES:
                            await self._hand_over()
                await self._written()
            finally:
                # Cancelled or not, and here, where nobody can cancel it: what was verified is not fetched twice.
                self._write(*self._batch())
            await to_end(partial(self.store.clear, self.store.staging))
        self.report(StepFinished("pull", self._done(), self.bytes))

    def _verified(self, name: str, source: Transport, hands: Workers) -> Transport:
        self.records[name] = record = Record(name)

        def wrong(failed: Failed) -> None:
            self.damaged += 1
            if name not in self.told_of:
                self.told_of.add(name)
                post = self.wanted[failed.item].id
                self.report(
                    Notice(f"{name} sent wrong bytes for post {post}: they are dropped and asked for elsewhere")
                )

        return Recording(Verifying(source, hands, self._task, wrong), record)

    # What is to be fetched.

    def _take(self, missing: Iterator[File]) -> bool:
        """Take the next slice."""
        self.wanted.clear()
        size = 0
        for file in islice(missing, SLICE_FILES):
            self.wanted[file.item()] = file
            size += file.size
            if size >= SLICE_BYTES:
                break
        self._advance()
        return bool(self.wanted)

    def _missing(self, files: Iterator[File]) -> Iterator[File]:
        """What has to be fetched; what never can become an image is skipped without."""
        while page := list(islice(files, PAGE)):
            self.asked += len(page)
            absent = self.store.missing(page, self.form)
            self.kept += len(page) - len(absent)
            hopeless = [file for file in absent if self._hopeless(file)]
            self.hopeless += len(hopeless)
            for file in hopeless:
                self._skip(file, Reason.NOT_AN_IMAGE.value, f"the content is {file.kind}")
            if hopeless:
                self._write(*self._batch())
            yield from (file for file in absent if not self._hopeless(file))

    def _hopeless(self, file: File) -> bool:
        """Whether the release says that no image can be made of a file that is not kept either."""
        if self.form.transform is None or self.form.originals or file.kind is None:
            return False
        return file.kind in Kind.__members__.values() and not is_image(Kind(file.kind))

    def _task(self, arrived: Arrived) -> Task:
        file = self.wanted[arrived.item]
        place, original = self.form.place(file), self.form.original(file)
        return Task(
            staged=str(arrived.file),
            size=file.size,
            sha256=file.sha256,
            transform=self.form.transform,
            image=self.store.aside(file.id, place, original),
            original=None if original is None else self.store.aside(file.id, original, original),
        )

    # What came.

    def _note(self, outcome: Arrived | Failed) -> None:
        file = self.wanted[outcome.item]
        match outcome:
            case Finished(made=made) if made.skipped is not None:
                self.fetched += 1
                self.bytes += file.size
                self._skip(file, made.skipped, made.detail or "")
            case Finished(made=made):
                self.fetched += 1
                self.bytes += file.size
                self.made_bytes += made.size
                native = self.form.transform is None
                self._place(
                    file,
                    file=self.form.place(file),
                    size=made.size,
                    sha256=made.sha256,
                    width=file.width if native else made.width,
                    height=file.height if native else made.height,
                    engine=made.engine,
                )
            case Unfinished(lost=lost):
                self._fail(file, lost.reason, lost.detail)
            case Failed(reason="disk", detail=detail):
                raise self._disk_error(file, detail)
            case Failed(reason=reason, detail=detail):
                self._fail(file, reason, detail)
            case Arrived():
                raise AssertionError("a source was composed that is not one of those given")
        self._advance()

    def _skip(self, file: File, reason: str, detail: str) -> None:
        self.skipped.append(Miss(file.id, reason, detail))
        self._place(file, skipped=reason, detail=detail[:255] or None)

    def _fail(self, file: File, reason: str, detail: str) -> None:
        self.failed.append(Miss(file.id, reason, detail))
        self.pending.append(Row(Entry.of(file), self.form.recipe))

    def _place(self, source: File, /, **made: str | int | None) -> None:
        """Add a post to the batch, with whatever of it lies aside."""
        original = self.form.original(source)
        entry = replace(Entry.of(source), original=original, **made)  # type: ignore[arg-type]  # keys of Entry
        self.rows.append(Row(entry, self.form.recipe))
        self.held += (entry.size or 0) + (0 if original is None else source.size)

    # The batch.

    async def _hand_over(self) -> None:
        """Let a thread write the batch while the next one is filled; one at a time."""
        await self._written()
        self.writing = asyncio.get_running_loop().run_in_executor(None, self._write, *self._batch())
        self.writing.add_done_callback(lambda done: done.exception())  # seen, also where a cancelled pull asks no more

    async def _written(self) -> None:
        if self.writing is not None:
            writing, self.writing = self.writing, None
            await asyncio.wait([writing])
            writing.result()

    def _batch(self) -> tuple[list[Row], list[Row]]:
        """Take the batch, and begin another."""
        batch = self.rows, self.pending
        self.rows, self.pending, self.held = [], [], 0
        return batch

    def _write(self, rows: list[Row], pending: list[Row]) -> None:
        """Bring a batch to the disk, after one that is on its way there."""
        with self.disk:
            if rows or pending:
                done = self.store.commit(rows, pending)
                self.in_the_way += done.in_the_way
                self.remade += done.remade

    def _disk_error(self, file: File, detail: str) -> StoreError:
        """What it means that a source could not write: the disk is full, or something else is wrong with it."""
        with contextlib.suppress(OSError):
            status = os.statvfs(self.store.out)
            if status.f_bavail * status.f_frsize < file.size + TIGHT:
                return DiskFull(f"{self.store.out}: the disk is full: {detail}")
        return StoreError(f"{self.store.out}: {detail}")

    # What is told.

    def _done(self) -> int:
        return self.kept + self.hopeless + self.fetched + len(self.failed)

    def _advance(self) -> None:
        self.report(StepAdvanced("pull", self._done(), self.bytes))

    def told(self, pruned: Pruned) -> PullReport:
        return PullReport(
            wanted=self.asked,
            kept=self.kept,
            fetched=self.fetched,
            bytes=self.bytes,
            made_bytes=self.made_bytes,
            sources=tuple(
                Brought(name, record.arrived, record.bytes, record.seconds, tuple(sorted(record.failed.items())))
                for name, record in self.records.items()
            ),
            failed=tuple(sorted(self.failed)),
            skipped=tuple(sorted(self.skipped)),
            damaged=self.damaged,
            in_the_way=self.in_the_way,
            pruned=pruned,
            remade=tuple(sorted(self.remade)),
        )
