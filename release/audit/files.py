"""Files against posts: the posts of a site and the files of its tree, walked together in the order of their ids.

Both sides come sorted, so the walk holds one post and its files at a time, whatever the size of the collection.

Nothing here opens a file, and what a file holds is for `contents` to judge. Renditions and archives are the build's own
work; of those, only what could hurt a published volume is looked at.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from itertools import groupby
from operator import itemgetter
from typing import Any

from tagswarm.manifests.errors import UnsafePath
from tagswarm.manifests.paths import FilePath
from tagswarm.release.facts import Facts, FileFact, Stray

from .contents import Claim, Subject, examine
from .findings import EXAMPLES, Finding, found

COLUMNS = ["site", "id", "md5", "file_ext", "file_size", "width", "height"]
"""What is read of a post."""


def claims(batches: Iterable[Any]) -> Iterator[Claim]:
    """The claims of record batches with `COLUMNS`, in their order."""
    for batch in batches:
        columns = [batch[name].to_pylist() for name in COLUMNS[1:]]
        for values in zip(*columns, strict=True):
            yield Claim(*values)


@dataclass(frozen=True, slots=True)
class _File:
    """A file with its name taken apart."""

    name: FilePath
    fact: FileFact

    @property
    def misplaced(self) -> bool:
        return self.name.bucket != self.name.right_bucket


class Walk:
    """Walks the trees of a dataset beside its posts and what was published of it.

    Args:
        facts: what is known of the files.
        published: SHA-256 by path of every file that an earlier release published and nobody took back.
        withdrawn: (site, id) of the posts that are taken back: they need no file and no row.
    """

    def __init__(self, facts: Facts, published: Mapping[str, str], withdrawn: AbstractSet[tuple[str, int]]) -> None:
        self._facts, self._published, self._withdrawn = facts, published, withdrawn

    def originals(self, site: str, tree: str, rows: Iterable[Claim]) -> Iterator[Finding]:
        """The disagreements between the posts of a site, sorted by id, and its tree; sorted by id too."""
        any_file = False
        for post, row, facts in _joined(rows, self._facts.in_tree(tree)):
            files = [_File(FilePath.parse(fact.path), fact) for fact in facts or ()]
            any_file = any_file or bool(files)
            taken_back = (site, post) in self._withdrawn
            versions, surplus = _versions(files, row.ext if row else None)
            if row is not None and not files and not taken_back:
                yield _missing(site, tree, row, past_end=any_file and facts is None)
            for file in files:
                subject = Subject(site, post, file.fact)
                if row is None and not taken_back:
                    yield subject.found("orphan-file", f"there is no post {post}")
                if file.misplaced:
                    right = str(FilePath.of(tree, post, file.name.ext, file.name.version))
                    yield subject.found("wrong-bucket", f"belongs at {right}", right_path=right)
                if file in surplus:
                    other = versions[file.name.version].fact.path
                    yield subject.found("duplicate-file", f"post {post} has {other} already", other=other)
                newest = file is versions[max(versions)]
                yield from self._examined(subject, file.name.ext, row if newest else None)

    def rendition(self, site: str, tree: str) -> Iterator[Finding]:
        """What became of the files of a rendition since they were made or published; sorted by id."""
        for post, fact in self._facts.in_tree(tree):
            yield from self._examined(Subject(site, post, fact), fact.path.rpartition(".")[2], None)

    def _examined(self, subject: Subject, ext: str, row: Claim | None) -> Iterator[Finding]:
        yield from examine(subject, ext, row, self._published.get(subject.fact.path))

    def missing(self, sites: Mapping[str, str]) -> Iterator[Finding]:
        """The published files that are gone, by tree and id; `sites` maps the trees to look at to their sites."""
        gone = []
        for path in self._published:
            name = _loose(path)
            if name is None or name.tree not in sites or (sites[name.tree], name.id) in self._withdrawn:
                continue  # archives, and what is in no tree of this release, are left to the build
            if self._facts.fact(path) is None:
                gone.append(name)
        for name in sorted(gone, key=lambda name: (name.tree, name.id, name.version, name.ext)):
            yield found(
                "published-file-missing",
                "was published and is gone",
                site=sites[name.tree],
                post=name.id,
                path=str(name),
                published=self._published[str(name)],
            )


def _joined(
    rows: Iterable[Claim], files: Iterable[tuple[int, FileFact]]
) -> Iterator[tuple[int, Claim | None, list[FileFact] | None]]:
    """Walk both sides by id; the files of a post are None, not an empty list, once there are no more files at all."""
    groups = ((post, [fact for _, fact in pairs]) for post, pairs in groupby(files, key=itemgetter(0)))
    group = next(groups, None)
    for row in rows:
        while group is not None and group[0] < row.id:
            yield group[0], None, group[1]
            group = next(groups, None)
        if group is None:
            yield row.id, row, None
        elif group[0] > row.id:
            yield row.id, row, []
        else:
            yield row.id, row, group[1]
            group = next(groups, None)
    while group is not None:
        yield group[0], None, group[1]
        group = next(groups, None)


def _versions(files: Sequence[_File], claimed: str | None) -> tuple[dict[int, _File], list[_File]]:
    """The file of each version and those that are one too many: the right bucket goes first, then the claimed type."""
    best: dict[int, _File] = {}
    for file in sorted(files, key=lambda file: (file.misplaced, file.name.ext != claimed, file.fact.path)):
        best.setdefault(file.name.version, file)
    return best, [file for file in files if best[file.name.version] is not file]


def _missing(site: str, tree: str, row: Claim, *, past_end: bool) -> Finding:
    if row.md5 is None and row.ext is None:
        return found("no-file-claimed", "has no file, and neither MD5 nor type are claimed", site=site, post=row.id)
    expected = None if row.ext is None else str(FilePath.of(tree, row.id, row.ext))
    return found(
        "past-end" if past_end else "missing-file",
        f"there is no file {expected or 'of it'}" + (", and no file of any later post" if past_end else ""),
        site=site,
        post=row.id,
        expected=expected,
        claimed_md5=row.md5,
        claimed_size=row.size,
    )


def _loose(path: str) -> FilePath | None:
    try:
        return FilePath.parse(path)
    except UnsafePath:
        return None


def of_strays(strays: Iterable[Stray]) -> Iterator[Finding]:
    """What lies in the trees and is no file of the layout."""
    for stray in strays:
        yield found(stray.reason, stray.detail or "fits no layout", path=stray.path)


def of_duplicates(site: str, shared: Iterable[tuple[str, list[str]]]) -> Iterator[Finding]:
    """The files of a tree that have the same bytes, as `Facts.duplicates` tells them."""
    for sha256, paths in shared:
        more = f" and {len(paths) - 2} more" if len(paths) > 2 else ""
        yield found(
            "duplicate-content",
            f"has the same bytes as {paths[1]}{more}",
            site=site,
            post=FilePath.parse(paths[0]).id,
            path=paths[0],
            sha256=sha256,
            files=len(paths),
            paths=paths[:EXAMPLES],
        )
