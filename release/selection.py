"""Which files a release publishes: its trees, the current file of every post, what is new and what is carried over.

A post shows its newest version; older ones that were published stay in their volumes and are withdrawn by path. What
an earlier release published is never rendered, planned or read again. Files of posts that are gone or unknown are
left out.

Nothing here groups files (`volumes`), makes an image (`renditions`) or writes a list (`volume_files`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import groupby
from typing import TYPE_CHECKING, Literal

import numpy as np

from tagswarm.manifests.errors import IncompleteBuild
from tagswarm.manifests.paths import FilePath
from tagswarm.manifests.records import Category

from . import choice, naming, renditions
from .config import RenditionTable, SourceTable
from .facts import FileFact
from .posts import Posts, Words, load
from .renditions import Rendering
from .trees import Tree, trees

if TYPE_CHECKING:
    from .work import Work


CONVERTED = frozenset({"png", "apng"})
"""Kinds whose images BOORU CHARS marks with [PNG] when it has made JPEG of them."""


@dataclass(frozen=True, slots=True)
class Current:
    """The current file of a post."""

    id: int
    row: int
    """In `Posts`."""
    fact: FileFact
    name: FilePath


class Selection:
    """The posts of one site with their current originals."""

    def __init__(self, work: Work, source: SourceTable) -> None:
        self._work = work
        self._source = source
        self._gone = {post for site, post in work.gone if site == source.site}

    @cached_property
    def posts(self) -> Posts:
        """The columns of the posts."""
        return load(self._work.metadata.folder / "posts.parquet", self._source.site)

    def originals(self, order: Literal["id", "path"] = "id") -> Iterator[Current]:
        """The current original of every post that has one, sorted by id or by path."""
        journal, tree = self._work.journal, self._source.originals
        files = journal.in_tree(tree) if order == "id" else journal.by_path(tree)
        for post, group in groupby(files, key=lambda item: item[0]):
            row = None if post in self._gone else self.posts.find(post)
            if row is None:
                continue
            found = [
                Current(post, row, fact, FilePath.parse(fact.path)) for _, fact in group if fact.digest is not None
            ]
            if found:
                yield max(
                    found,
                    key=lambda file: (file.name.version, file.name.bucket == file.name.right_bucket, file.name.ext),
                )

    def is_published(self, tree: Tree, post: int, name: FilePath) -> bool:
        """Whether an earlier release has this file of the post in this tree."""
        if self._work.previous is None:
            return False
        known = self._work.journal.published_of(tree.name, post)
        return any(
            file.version == name.version and (file.archive is not None or file.path == str(name)) for file in known
        )

    def pictures(self, tree: Tree, order: Literal["id", "path"] = "id") -> Iterator[tuple[Current, FilePath]]:
        """Every original of which a rendition has an image, with the path of the image, sorted by id or by path."""
        if tree.transform is None:
            return
        if tree.query is None:
            wanted = self.posts.selected(tree.ratings)
        else:
            wanted = np.isin(self.posts.ids, choice.ids(self._work, tree), assume_unique=True)
        for file in self.originals(order):
            look = file.fact.look
            if wanted[file.row] and look is not None and look.reason is None:
                yield file, FilePath.of(tree.name, file.id, tree.transform.extension, file.name.version)

    def renderings(self, tree: Tree) -> Iterator[Rendering]:
        """Every image of a rendition that no earlier release has, or that is lost, sorted by id."""
        table, transform = tree.rendition, tree.transform
        if table is None or transform is None:
            return
        measure = tree.volumes.strategy == "aspect-year"
        words = self._words() if table.exif or table.naming == "booru-chars" else None
        for file, name in self.pictures(tree):
            look, digest = file.fact.look, file.fact.digest
            if self.is_published(tree, file.id, name) and not self._is_lost(tree, name):
                continue
            if look is None or digest is None:
                raise IncompleteBuild(f"{file.fact.path}: has not been read")
            tags = {} if words is None else words.of(file.id)
            yield Rendering(
                path=str(name),
                id=file.id,
                source=str(self._work.dataset / file.fact.path),
                source_sha256=digest.sha256,
                target=str(tree.place(self._work.dataset, str(name))),
                transform=transform,
                piece_length=tree.volumes.piece_length,
                name=_member(table, self._source.site, name, tags, converted=look.kind in CONVERTED),
                fields=naming.exif_fields(self._source.site, file.id, tags) if table.exif else None,
                measure=measure,
            )

    def _words(self) -> Words:
        return Words(self._work.metadata.folder, self._source.site)

    def _is_lost(self, tree: Tree, name: FilePath) -> bool:
        """A published loose image that is no longer on the disk is made again, and must come out the same."""
        return tree.volumes.layout == "loose" and not tree.place(self._work.dataset, str(name)).exists()


def _member(
    table: RenditionTable, site: str, name: FilePath, tags: Mapping[Category, Sequence[str]], *, converted: bool
) -> str | None:
    """The name inside an archive that tells what is in the picture; None where it is the post id."""
    if table.naming == "id":
        return None
    return str(naming.ImageName.of(site, name, tags, converted=converted and name.ext == "jpg"))


@dataclass(frozen=True, slots=True)
class Failure:
    """An original that is whole, and of which no image could be made."""

    site: str
    id: int
    path: str
    reason: str
    detail: str


def make_renditions(work: Work) -> tuple[int, list[Failure]]:
    """Make every image that is not there yet; returns how many that were, and what could not be made."""
    made, failures = 0, []
    for tree in trees(work.config):
        if tree.rendition is None:
            continue
        selection = Selection(work, tree.source)
        site = tree.source.site
        total = 0
        for task in selection.renderings(tree):
            known = renditions.known(task, work.journal)
            if known is None:
                total += 1
            elif known.reason is not None:
                failures.append(Failure(site, task.id, task.path, known.reason, known.detail))
        missing = (task for task in selection.renderings(tree) if renditions.known(task, work.journal) is None)
        for task, result in renditions.make_tree(
            tree.name, missing if total else (), total, work.journal, workers=work.workers, report=work.report
        ):
            made += 1
            if result.reason is not None:
                failures.append(Failure(site, task.id, task.path, result.reason, result.detail))
    return made, sorted(failures, key=lambda failure: (failure.path, failure.id))
