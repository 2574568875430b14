"""What a pull or a repair did, as the Python API tells it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Self

from .mirror.lock import LOCK, Lock

if TYPE_CHECKING:
    from .mirror.client import Pulled
    from .mirror.exports.registry import Exported
    from .mirror.lock import Reproduced
    from .mirror.pipeline import Brought, Miss


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Report:
    """What came of a pull or a repair."""

    folder: Path
    """Of the subset."""
    release: str
    """The name of the release."""
    root_sha256: str
    """Of its release.json, in hexadecimal: what `pin` takes."""
    posts: int
    """Posts of the subset: those with a file, those that were skipped, and those whose file did not come."""
    files: int
    """Files of the subset that are in the folder, whenever they came."""
    bytes: int
    """Of these files."""
    fetched: int = 0
    """Files that came this time and were right."""
    fetched_bytes: int = 0
    """Of these, as they came."""
    kept: int = 0
    """Files that were here already."""
    removed: int = 0
    """Posts that were here and are not wanted any more."""
    damaged: int = 0
    """Files that came with wrong bytes, and were dropped and asked for again."""
    failed: tuple[Miss, ...] = ()
    """Posts whose file did not come, sorted by `id`, each with a `reason` and `detail`; the next pull tries again."""
    skipped: tuple[Miss, ...] = ()
    """Posts that came this time and have no image, sorted by `id`, each with a `reason` and `detail`."""
    sources: tuple[Brought, ...] = ()
    """What came from where: each has `source`, `files`, `bytes` and `seconds`."""
    reproduced: Reproduced | None = None
    """How the folder compares with the lock that it was pulled by, where there was one: how many posts are the `same`,
    and which are `differing` or `absent`."""
    exported: Exported | None = None
    """What was exported after the pull."""
    notes: tuple[str, ...] = ()
    """What a person should know of it."""

    @property
    def ok(self) -> bool:
        """Every file came and, where a lock was followed, is the one of the lock."""
        return not self.failed and (self.reproduced is None or self.reproduced.ok)

    @property
    def lock(self) -> Path:
        """The file that makes the subset again: tagswarm.lock."""
        return self.folder / LOCK

    def __repr__(self) -> str:
        failed = f", {len(self.failed):,} did not come" if self.failed else ""
        return f"<Report: {self.files:,} files, {self.bytes:,} bytes in {self.folder}{failed}>"

    @classmethod
    def of(cls, done: Pulled, *, exported: Exported | None = None, notes: tuple[str, ...] = ()) -> Self:
        """What a pull has left behind; the lock is read."""
        report = done.report
        return replace(
            cls.found(done.out, notes),
            fetched=report.fetched,
            fetched_bytes=report.bytes,
            kept=report.kept,
            removed=report.pruned.removed,
            damaged=report.damaged,
            failed=report.failed,
            skipped=report.skipped,
            sources=tuple(one for one in report.sources if one.files or one.failed),
            reproduced=done.reproduced,
            exported=exported,
        )

    @classmethod
    def found(cls, folder: Path, notes: tuple[str, ...] = ()) -> Self:
        """A folder where nothing had to be done; the lock is read.

        Raises:
            Unreadable: it has none.
            FormatError: it is malformed.
        """
        lock = Lock(folder / LOCK)
        return cls(
            folder=folder,
            release=lock.header.release,
            root_sha256=lock.header.root_sha256,
            posts=lock.header.posts,
            files=sum(entry.file is not None for entry in lock.entries()),
            bytes=lock.header.bytes,
            notes=notes,
        )
