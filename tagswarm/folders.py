"""Folders that were pulled, from Python: pull one by its lock, verify it, repair it.

What each does is decided in `mirror` and `pulling`; here it gets the words of the API.
"""

from __future__ import annotations

import asyncio
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from .exporting import export as write_export
from .exporting import options_of
from .listening import Listening
from .mirror import subset
from .pulling import Job, mended, prepared
from .report import Report
from .running import blocking
from .ways import access

if TYPE_CHECKING:
    from typing import Unpack

    from .listening import Listener
    from .mirror.client import Pulled
    from .ways import Reaching


async def apull_locked(
    lock: Path | str,
    out: Path | str,
    *,
    export: str | None = None,
    jobs: int | None = None,
    report: Listener | None = None,
    **reaching: Unpack[Reaching],
) -> Report:
    """Pull the posts, the release and the form of a tagswarm.lock, and compare the result with it byte by byte.

    Args:
        lock: the file.
        out: the folder.
        export: also write the images in this form into `out/<form>`.
        jobs: processes that decode; one a processor where it is left out.
        report: is called with the events.
        **reaching: `sources`, the addresses of the dataset, and the other keywords of `Ways` and `Trusting`.

    Returns:
        A report whose `reproduced` says how the folder compares with the lock. Posts that were withdrawn since are left
        out and named in its `notes`.

    Raises:
        FormatError: the lock is malformed.
        QueryError: it is of another dataset.
        IntegrityError: the release is not the one of the lock.
        TrustError: the release cannot be believed.
        TransportError: no address is given, or none answers.
        PlanError: there is nothing to pull, no source has it, or the disk is too small.
        StoreError: the folder cannot be written, or another run works on it.
    """
    if export is not None:
        options_of(export, {})  # what is no form is told before anything is fetched
    heard = Listening(report)
    reached, use = access([], **reaching)
    job = Job(access=reached, use=use, lock=Path(lock), jobs=jobs, out=Path(out))
    async with prepared(job, today=_today(), report=heard) as ready:
        done = await ready.pull()
    return await told(done, heard, export)


async def arepair(
    folder: Path | str,
    *,
    jobs: int | None = None,
    report: Listener | None = None,
    **reaching: Unpack[Reaching],
) -> Report:
    """Verify a folder that was pulled, and fetch again exactly what is missing or damaged, and what never came.

    What is bad is moved to `.tagswarm/quarantine` in the folder and never deleted.

    Args:
        folder: of the subset.
        jobs: processes that verify and decode; one a processor where it is left out.
        report: is called with the events.
        **reaching: `sources`, the addresses of the dataset, and the other keywords of `Ways` and `Trusting`.

    Returns:
        A report whose `fetched` counts what came; 0 where nothing was wrong.

    Raises:
        Unreadable: it is no pulled folder.
        TrustError: the release cannot be believed.
        TransportError: no address is given, or none answers.
        PlanError: no source has the files, or the disk is too small.
        StoreError: the folder cannot be written, or another run works on it.
    """
    heard, place = Listening(report), Path(folder)
    found = await asyncio.to_thread(subset.verify, place, workers=jobs, report=heard)
    if found.ok and not found.absent:
        return await asyncio.to_thread(Report.found, place, heard.notes)
    reached, use = access([], **reaching)
    return await told(await mended(place, found, reached, use=use, jobs=jobs, today=_today(), report=heard), heard)


pull_locked = blocking(apull_locked, "pull_locked")
repair = blocking(arepair, "repair")


def verify(
    folder: Path | str,
    *,
    depth: subset.Depth = "full",
    sample: float = 0.01,
    seed: int = 0,
    extra: bool = False,
    resume: bool = False,
    jobs: int | None = None,
    report: Listener | None = None,
) -> subset.SubsetReport:
    """Verify the files of a folder that was pulled, by its own lock: no release and no network is needed.

    Args:
        folder: of the subset.
        depth: `full` reads every file, `fast` compares sizes only, `sample` reads a part.
        sample: that part, from 0 to 1.
        seed: another seed samples other files.
        extra: also list what lies among the files and belongs to no post.
        resume: go on with a full verification that was stopped.
        jobs: processes; one a processor where it is left out.
        report: is called with the events.

    Raises:
        Unreadable: it is no pulled folder.
        FormatError: its lock is malformed.
        DestinationLocked: a pull or another verification works on it.
    """
    return subset.verify(
        Path(folder),
        depth=depth,
        sample=sample,
        seed=seed,
        extra=extra,
        resume=resume,
        workers=jobs,
        report=Listening(report),
    )


async def told(done: Pulled, heard: Listening, export: str | None = None) -> Report:
    """The report of a pull, after the export where one was asked for."""
    made = None
    if export is not None:
        to = done.out / export
        made = await asyncio.to_thread(write_export, done.out, export, to=to, replace=True, report=heard)
    return await asyncio.to_thread(Report.of, done, exported=made, notes=heard.notes)


def _today() -> date:
    return datetime.now(UTC).date()
