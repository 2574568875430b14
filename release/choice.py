"""Which posts a query of release.toml selects for a rendition.

The query is answered by the index of the normalised metadata, the one that is published. The answer depends on
nothing else: `age:` counts from the day of the release, times are UTC, and what is random has the
seed 0.

Nothing here reads an image.
"""

from __future__ import annotations

from datetime import UTC, datetime, time
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from tagswarm.manifests.errors import ConfigInvalid, QueryError
from tagswarm.manifests.events import Notice, silent
from tagswarm.manifests.paths import escape
from tagswarm.tagindex.query.check import check as understand
from tagswarm.tagindex.query.evaluate import Answer, evaluate
from tagswarm.tagindex.query.parser import parse
from tagswarm.tagindex.query.syntax import And, Metatag
from tagswarm.tagindex.reader import Index

from . import index

if TYPE_CHECKING:
    from .trees import Tree
    from .work import Work


def check(work: Work, trees: list[Tree]) -> None:
    """Try every query, so that a misspelt one is told before any file is read.

    Raises:
        ConfigInvalid: a query cannot be answered as it stands.
    """
    asked = [tree for tree in trees if tree.query is not None]
    if asked:
        index.of(work.metadata, work.report)
    for tree in asked:
        if not len(ids(work, tree)):
            work.report(Notice(f"{tree.name}: no post matches {escape(tree.query or '')}"))


def ids(work: Work, tree: Tree) -> npt.NDArray[np.int64]:
    """The ids of the posts that the query of a tree selects, ascending.

    Raises:
        ConfigInvalid: the query cannot be answered as it stands.
    """
    moment = datetime.combine(work.config.release.issued, time(), UTC)
    with Index.open(index.of(work.metadata, silent)) as opened:
        try:
            answer = _answer(opened, tree, moment)
        except QueryError as failure:
            raise ConfigInvalid(f"renditions: {tree.name}: query: {failure.message}", hint=failure.hint) from failure
        return np.sort(opened.values("id", answer.posts)[0])


def _answer(opened: Index, tree: Tree, moment: datetime) -> Answer:
    text = tree.query or ""
    query = parse(text)
    if len(opened.sites) > 1:  # before `limit:` and `random:`: they are about the posts of this tree
        query = And((query, Metatag("site", tree.source.site)))
    return evaluate(understand(query, opened, text=text, now=moment, tz=UTC), opened)
