"""The index that is published: that of the tables, and how many bytes each rendition has of each post.

Nothing here decides which files belong to the release (`selection`).
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from tagswarm.tagindex import writer

from . import index
from .selection import Selection
from .trees import Tree, trees

if TYPE_CHECKING:
    from .work import Work

FILE_NAME = "published.sqlite"


def weighed(work: Work) -> Path:
    """Write the index of a release whose files are all known.

    Raises:
        FormatError: the index is damaged.
        StoreError: the disk.
    """
    path = work.metadata.folder / FILE_NAME
    files = {tree.name: _files(work, tree) for tree in trees(work.config)}
    writer.add_files(index.of(work.metadata, work.report), path, files)
    return path


def _files(work: Work, tree: Tree) -> Iterator[tuple[str, int, int]]:
    """Site, id and bytes of the current file of each post in a tree."""
    selection, site = Selection(work, tree.source), tree.source.site
    if tree.transform is None:
        for file in selection.originals():
            yield site, file.id, file.fact.stat.size
        return
    for file, name in selection.pictures(tree):
        fact = work.journal.fact(str(name))
        if fact is not None:
            yield site, file.id, fact.stat.size
