"""Files against what was promised of them: the part of a verification that runs in worker processes.

A file is first asked for its size, then read; before it is called damaged it is read again, past the cache, because
memory and cables fail more often than disks. A link in the place of a file is not followed.

Nothing here knows releases, volumes or signatures.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Generator, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from tagswarm.imaging import pool
from tagswarm.manifests import disk
from tagswarm.manifests.digest import sha256_file
from tagswarm.manifests.errors import StoreError
from tagswarm.manifests.manifest import Problem

CHUNK_BYTES = 32 << 20
"""Bytes that a task reads before it is full."""
CHUNK_FILES = 512
SLOWEST = 2_000_000
"""Bytes a second of the slowest disk that is waited for."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """A file that must be there."""

    path: str
    size: int
    """Bytes."""
    sha256: str | None
    """None where the contents are not read."""
    withdrawn: bool = False
    """It may be absent."""


@dataclass(frozen=True, slots=True)
class Task:
    """Some files for a worker."""

    dataset: str
    files: tuple[Wanted, ...]
    label: str = ""
    """Whatever tells the caller whose files they are."""


@dataclass(slots=True)
class Checked:
    """What was found; several add up."""

    files: int = 0
    read: int = 0
    """Files whose contents were read."""
    bytes: int = 0
    """Bytes that were read."""
    absent: int = 0
    """Withdrawn files that are not there."""
    problems: list[Problem] = field(default_factory=list)
    second: list[str] = field(default_factory=list)
    """Files that were right only when they were read again."""


def run(dataset: Path, wanted: Iterable[Wanted], *, workers: int | None) -> Iterator[Checked]:
    """Check files in the pool, in the order in which they are done."""
    return (found for _, found in each(tasks(dataset, wanted), workers=workers))


def each(given: Iterable[Task], *, workers: int | None) -> Generator[tuple[Task, Checked], None, None]:
    """Check the files of tasks in the pool; each task comes back with what was found, as they are done."""
    for task, outcome in pool.run(check, given, workers=workers, seconds=_allowed):
        if isinstance(outcome, pool.Lost):
            detail = f"the process that read it was lost: {outcome.reason} {outcome.detail}".rstrip()
            problems = [Problem(file.path, "unreadable", detail) for file in task.files]
            yield task, Checked(files=len(task.files), problems=problems)
        else:
            yield task, outcome


def tasks(dataset: Path, wanted: Iterable[Wanted], *, label: str = "") -> Iterator[Task]:
    """Cut files into pieces of work that are worth a message to a worker."""
    chunk: list[Wanted] = []
    size = 0
    for file in wanted:
        chunk.append(file)
        size += 0 if file.sha256 is None else file.size
        if size >= CHUNK_BYTES or len(chunk) >= CHUNK_FILES:
            yield Task(str(dataset), tuple(chunk), label)
            chunk, size = [], 0
    if chunk:
        yield Task(str(dataset), tuple(chunk), label)


def _allowed(task: Task) -> float:
    return pool.SECONDS + sum(file.size for file in task.files) / SLOWEST


def check(task: Task) -> Checked:
    """Check the files of a task, in a worker."""
    found = Checked(files=len(task.files))
    for file in task.files:
        _check(Path(task.dataset, file.path), file, found)
    return found


def _check(path: Path, file: Wanted, found: Checked) -> None:
    before = found.read
    problem = _look(path, file, found)
    if problem is not None and problem.kind in ("digest", "unreadable"):
        first, problem = problem, _look(path, file, found, again=True)
        if problem is None:
            found.second.append(f"{file.path}: {first.detail}")
        elif problem.detail != first.detail:
            detail = f"{problem.detail}; the first reading: {first.detail}"
            problem = Problem(problem.path, problem.kind, detail)
        found.read = min(found.read, before + 1)
    if problem is not None and problem.kind == "missing" and file.withdrawn:
        found.absent += 1
    elif problem is not None:
        found.problems.append(problem)


def _look(path: Path, file: Wanted, found: Checked, *, again: bool = False) -> Problem | None:
    try:
        if file.sha256 is None:
            with disk.failures(path):
                status = path.lstat()
            if not stat.S_ISREG(status.st_mode):
                return Problem(file.path, "unreadable", "is not a regular file")
            return _size(file, status.st_size)
        with disk.open_read(path) as opened:
            if (problem := _size(file, os.fstat(opened.fileno()).st_size)) is not None:
                return problem
            if again:
                _forget(opened)
            size, digest = sha256_file(opened)
    except StoreError as failure:
        missing = isinstance(failure.__cause__, FileNotFoundError | NotADirectoryError)
        return Problem(file.path, "missing" if missing else "unreadable", "" if missing else str(failure))
    found.read += 1
    found.bytes += size
    if digest != file.sha256:
        return Problem(file.path, "digest", f"expected {file.sha256}, found {digest}")
    return None


def _size(file: Wanted, size: int) -> Problem | None:
    return None if size == file.size else Problem(file.path, "size", f"expected {file.size} bytes, found {size}")


def _forget(opened: BinaryIO) -> None:
    """Drop the pages of a file from the cache, so that the next reading asks the disk."""
    if hasattr(os, "posix_fadvise"):
        os.posix_fadvise(opened.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
