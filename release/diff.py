"""Two releases compared: volumes and files from their manifests, posts and tags from their tables, in bounded memory.

Both releases lie in one tree. Volumes that both have are not opened, since their manifests are the same bytes; tables
are read side by side, a window of ids at a time. Documents are checked by the digests of their roots, signatures are
not: that is for `verify`.

Nothing here reads an image.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from tagswarm.manifests import manifest, published, tables
from tagswarm.manifests.errors import IncompleteBuild
from tagswarm.manifests.events import Report, StepAdvanced, StepFinished, StepStarted, silent
from tagswarm.manifests.models import Root, VolumeEntry, Withdrawal, parse_withdrawals

MOST_TAGS = 100
"""Tags that are named in each list of a difference."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """What became of some things from one release to the next."""

    added: int = 0
    removed: int = 0
    changed: int = 0
    carried: int = 0
    """In both, and the same."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RenditionDiff:
    """One tree of images."""

    name: str
    volumes: Counts
    """Changed: reissued after a purge."""
    files: Counts
    """Images, wherever they lie."""
    bytes: Counts
    """Of those; changed images count with their new size."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TagChange:
    """A tag and how many posts of a site have it."""

    site: str
    name: str
    old: int
    new: int


@dataclass(frozen=True, slots=True, kw_only=True)
class TagDiff:
    """The vocabulary of the posts: tags that some post has."""

    counts: Counts
    """Changed: another number of posts."""
    instances: tuple[int, int]
    """Of tags on posts, in the old release and in the new one."""
    new: tuple[TagChange, ...]
    """The most used of the new tags, at most 100."""
    gone: tuple[TagChange, ...]
    moved: tuple[TagChange, ...]
    """Those whose count changed most, at most 100."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReleaseDiff:
    """What a release changed over another one."""

    old: str
    new: str
    old_sequence: int
    new_sequence: int
    posts: Counts
    retagged: int
    """Changed posts whose tags differ."""
    tags: TagDiff
    renditions: tuple[RenditionDiff, ...]
    withdrawn: tuple[Withdrawal, ...]
    """Taken back since the old release."""


def diff(dataset: Path, old: str, new: str, *, report: Report = silent) -> ReleaseDiff:
    """Compare two releases of a dataset; `report` receives the progress.

    Raises:
        IncompleteBuild: one of them, or its table of posts, is not there.
        IntegrityError: a document is not the one its root names.
        FormatError: a document is malformed.
        StoreError: a document cannot be read.
    """
    before, _ = published.read_root(dataset, old)
    after, _ = published.read_root(dataset, new)
    posts, retagged = _posts(dataset, before, after, report)
    gone = set(_withdrawn(dataset, before))
    return ReleaseDiff(
        old=old,
        new=new,
        old_sequence=before.sequence,
        new_sequence=after.sequence,
        posts=posts,
        retagged=retagged,
        tags=_tags(dataset, before, after),
        renditions=tuple(_renditions(dataset, before, after)),
        withdrawn=tuple(item for item in _withdrawn(dataset, after) if item not in gone),
    )


def _withdrawn(dataset: Path, root: Root) -> list[Withdrawal]:
    path = f"{published.folder(root.release)}/withdrawn.jsonl"
    listed = [item for item in root.objects if item.path == path]
    return parse_withdrawals(manifest.read_object(dataset, listed[0])) if listed else []


def _renditions(dataset: Path, before: Root, after: Root) -> Iterator[RenditionDiff]:
    for name in sorted({volume.rendition for volume in (*before.volumes, *after.volumes)}):
        old = {volume.name: volume for volume in before.volumes if volume.rendition == name}
        new = {volume.name: volume for volume in after.volumes if volume.rendition == name}
        both = old.keys() & new.keys()
        same = {volume for volume in both if old[volume].manifest.sha256 == new[volume].manifest.sha256}
        left = [old[volume] for volume in sorted(old.keys() - same)]
        came = [new[volume] for volume in sorted(new.keys() - same)]
        files, sizes = _files(dataset, left, came)
        yield RenditionDiff(
            name=name,
            volumes=Counts(
                added=len(new.keys() - old.keys()),
                removed=len(old.keys() - new.keys()),
                changed=len(both) - len(same),
                carried=len(same),
            ),
            files=_carry(files, sum(new[volume].images for volume in same)),
            bytes=_carry(sizes, sum(new[volume].bytes for volume in same)),
        )


def _carry(counts: Counts, carried: int) -> Counts:
    return Counts(added=counts.added, removed=counts.removed, changed=counts.changed, carried=counts.carried + carried)


def _files(dataset: Path, left: list[VolumeEntry], came: list[VolumeEntry]) -> tuple[Counts, Counts]:
    """Images, and their bytes, of volumes that only one release has; it remembers those of the old one only."""
    remaining = {
        (entry.archive, entry.path): (entry.sha256, entry.size)
        for volume in left
        for entry in manifest.read(dataset, volume).images
    }
    files, sizes = dict.fromkeys(_KINDS, 0), dict.fromkeys(_KINDS, 0)
    for volume in came:
        for entry in manifest.read(dataset, volume).images:
            former = remaining.pop((entry.archive, entry.path), None)
            kind = "added" if former is None else "carried" if former[0] == entry.sha256 else "changed"
            files[kind] += 1
            sizes[kind] += entry.size
    files["removed"] = len(remaining)
    sizes["removed"] = sum(size for _, size in remaining.values())
    return Counts(**files), Counts(**sizes)


_KINDS = ("added", "removed", "changed", "carried")


def _table(dataset: Path, root: Root, name: str) -> Path:
    path = f"{published.folder(root.release)}/metadata/{tables.file_name(name)}"
    listed = [item for item in root.objects if item.path == path]
    if not listed or not (dataset / path).exists():
        raise IncompleteBuild(
            f"{dataset / path}: there is no such file", hint="Fetch the metadata of the release, or compare other ones."
        )
    manifest.check_object(dataset, listed[0])
    return dataset / path


def _posts(dataset: Path, before: Root, after: Root, report: Report) -> tuple[Counts, int]:
    """Count posts by what became of them, and those whose tags differ."""
    added = removed = changed = carried = retagged = 0
    step = f"compare {before.release} with {after.release}"
    report(StepStarted(step, before.totals.posts + after.totals.posts, "posts"))
    done = 0
    windows = _side_by_side(_table(dataset, before, "posts"), _table(dataset, after, "posts"))
    for old, new in windows:
        done += sum(0 if rows is None else rows.num_rows for rows in (old, new))
        report(StepAdvanced(step, done))
        if old is None or new is None:
            removed += 0 if old is None else old.num_rows
            added += 0 if new is None else new.num_rows
            continue
        old_ids, new_ids = old["id"].to_numpy(), new["id"].to_numpy()
        in_new, in_old = np.isin(old_ids, new_ids), np.isin(new_ids, old_ids)
        removed += int((~in_new).sum())
        added += int((~in_old).sum())
        one, other = old.filter(pa.array(in_new)), new.filter(pa.array(in_old))
        differs = {name: _differs(one[name], other[name]) for name in one.column_names if name not in ("site", "id")}
        any_differs = np.logical_or.reduce(list(differs.values()))
        changed += int(any_differs.sum())
        retagged += int(differs["tags"].sum())
        carried += int((~any_differs).sum())
    report(StepFinished(step, done))
    return Counts(added=added, removed=removed, changed=changed, carried=carried), retagged


def _differs(one: Any, other: Any) -> Any:
    """Where two columns of equal length differ; two absent values do not."""
    if pa.types.is_list(one.type):
        joinable = pa.list_(pa.string())  # the kernel knows no list whose elements must be there
        one, other = (pc.binary_join(column.cast(joinable), "\0") for column in (one, other))
    unequal = pc.fill_null(pc.not_equal(one, other), False)
    absent = pc.xor(pc.is_null(one), pc.is_null(other))
    return pc.or_(unequal, absent).to_numpy(zero_copy_only=False)


class _Rows:
    """A table sorted by (site, id), of which rows are taken from the front."""

    def __init__(self, path: Path) -> None:
        self._batches = tables.read_batches(path, table="posts")
        self._waiting: Any = None
        self.advance()

    def advance(self) -> None:
        """Have at least one row waiting, unless there is none left."""
        while self._waiting is None or not self._waiting.num_rows:
            if (batch := next(self._batches, None)) is None:
                self._waiting = None
                return
            self._waiting = pa.table(batch)

    @property
    def site(self) -> str | None:
        """Of the first row that waits; None at the end."""
        return None if self._waiting is None else str(self._waiting["site"][0].as_py())

    def last_id(self) -> int:
        """The highest id of that site that waits."""
        return int(self._waiting["id"][self._rows_of_site() - 1].as_py())

    def take(self, last: int | None) -> Any:
        """Take the rows of the first site with ids up to `last`, or all that wait; None where there are none."""
        rows = self._rows_of_site()
        if last is not None:
            rows = int(np.searchsorted(self._waiting["id"].to_numpy()[:rows], last, side="right"))
        taken = self._waiting.slice(0, rows)
        self._waiting = self._waiting.slice(rows)
        self.advance()
        return taken if rows else None

    def _rows_of_site(self) -> int:
        return int(pc.sum(pc.equal(self._waiting["site"], self.site)).as_py())


def _side_by_side(old: Path, new: Path) -> Iterator[tuple[Any, Any]]:
    """Windows of two tables that cover the same ids of the same site; None where one has nothing there."""
    one, other = _Rows(old), _Rows(new)
    while one.site is not None or other.site is not None:
        if other.site is None or (one.site is not None and one.site < other.site):
            yield one.take(None), None
        elif one.site is None or other.site < one.site:
            yield None, other.take(None)
        else:
            last = min(one.last_id(), other.last_id())
            yield one.take(last), other.take(last)


def _tags(dataset: Path, before: Root, after: Root) -> TagDiff:
    """Compare the vocabularies; the old one is held in memory, as the number of tags is in the hundred thousands."""
    remaining = dict(_counted(dataset, before))
    old_instances = sum(remaining.values())
    new_instances = changed = carried = 0
    came: list[TagChange] = []
    moved: list[TagChange] = []
    for (site, name), count in _counted(dataset, after):
        new_instances += count
        former = remaining.pop((site, name), 0)
        if not former:
            came.append(TagChange(site=site, name=name, old=0, new=count))
        elif former != count:
            changed += 1
            moved.append(TagChange(site=site, name=name, old=former, new=count))
        else:
            carried += 1
    gone = [TagChange(site=site, name=name, old=count, new=0) for (site, name), count in remaining.items()]
    return TagDiff(
        counts=Counts(added=len(came), removed=len(gone), changed=changed, carried=carried),
        instances=(old_instances, new_instances),
        new=_largest(came),
        gone=_largest(gone),
        moved=_largest(moved),
    )


def _counted(dataset: Path, root: Root) -> Iterator[tuple[tuple[str, str], int]]:
    """The tags that some post has, with the number of those posts."""
    columns = ["site", "name", "post_count"]
    for batch in tables.read_batches(_table(dataset, root, "tags"), columns, table="tags"):
        for site, name, count in zip(*(batch[column].to_pylist() for column in columns), strict=True):
            if count:
                yield (site, name), count


def _largest(changes: list[TagChange]) -> tuple[TagChange, ...]:
    ordered = sorted(changes, key=lambda tag: (-abs(tag.new - tag.old), tag.site, tag.name))
    return tuple(ordered[:MOST_TAGS])
