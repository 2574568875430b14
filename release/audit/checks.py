"""All checks of the audit in their order: what a release says against what lies there.

Tables and files are walked in the order in which they lie on the disk, so memory does not grow with them beyond some 30
bytes a post. The same input gives the same findings in the same order, whatever the number of workers.

Nothing here waives, writes or judges the whole: see `waivers`, `lines` and `summary`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import pyarrow.compute as pc

from tagswarm.manifests import tables
from tagswarm.manifests.errors import IncompleteBuild
from tagswarm.manifests.events import Report, StepAdvanced, StepFinished, StepStarted, silent
from tagswarm.release import reject_log
from tagswarm.release.config import Config
from tagswarm.release.facts import Facts

from . import files, posts, relations, rows, tags
from .findings import Finding

T = TypeVar("T")


def audit(
    config: Config,
    metadata: Path,
    facts: Facts,
    *,
    published: Mapping[str, str],
    withdrawn: AbstractSet[tuple[str, int]],
    report: Report = silent,
) -> Iterator[Finding]:
    """Every disagreement between metadata, files and earlier releases.

    They come check by check, and within a check by site, then by post, tag, path or line.

    Args:
        config: names the sites, their trees and the day of the release.
        metadata: the folder of the normalised tables and rejects.
        facts: what was read of the files.
        published: SHA-256 by path of the files that earlier releases published and nobody replaced or took back.
        withdrawn: (site, id) of the posts that are taken back.
        report: receives the progress.

    Raises:
        FormatError: a table is damaged.
        Unreadable: a table is missing.
        IncompleteBuild: a table holds rows of a site that no source has.
    """
    yield from rows.of_rejects(rows.read(metadata / reject_log.FILE_NAME), (source.site for source in config.sites()))
    walk = files.Walk(facts, published, withdrawn)
    reader = _Reader(metadata, tuple(sorted(source.site for source in config.sites())), report)
    yield from _files(config, reader, facts, walk)
    yield from _tables(config, reader, withdrawn)


def _files(config: Config, reader: _Reader, facts: Facts, walk: files.Walk) -> Iterator[Finding]:
    """Files against posts, then everything that is in the trees besides."""
    trees = {source.site: source.originals for source in config.sources}
    for site, batches in reader.by_site("posts", files.COLUMNS, "compare posts and files"):
        yield from walk.originals(site, trees[site], files.claims(batches))
    owners = {tree: site for site, tree in trees.items()}
    for rendition in sorted(config.renditions, key=lambda table: table.name):
        owners[rendition.name] = owners[rendition.made_from]
        yield from walk.rendition(owners[rendition.name], rendition.name)
    yield from walk.missing(owners)
    yield from files.of_strays(facts.strays())
    for site, tree in sorted(trees.items()):
        yield from files.of_duplicates(site, facts.duplicates(tree))


def _tables(config: Config, reader: _Reader, withdrawn: AbstractSet[tuple[str, int]]) -> Iterator[Finding]:
    """The tables among themselves."""
    ids: dict[str, posts.Ids] = {}
    gone = {
        site: np.array(sorted(post for owner, post in withdrawn if owner == site), dtype=np.int64)
        for site in reader.sites
    }
    for site, batches in reader.by_site("posts", posts.COLUMNS, "check posts"):
        ids[site] = yield from posts.of_site(site, batches, config.release.issued, gone[site])
    for site, batches in reader.by_site("pools", posts.POOL_COLUMNS, "check pools"):
        yield from posts.of_pools(site, batches, np.concatenate([ids[site], gone[site]]))
    aliases = reader.per_site("aliases", relations.COLUMNS, relations.active)
    implications = reader.per_site("implications", relations.COLUMNS, relations.active)
    for site in reader.sites:
        yield from relations.of_aliases(site, aliases[site])
        yield from relations.of_implications(site, implications[site], aliases[site])
    given = reader.per_site("tags", tags.TABLE_COLUMNS, tags.table)
    for site, batches in reader.by_site("posts", tags.COLUMNS, "check tags of posts"):
        yield from tags.of_site(site, batches, given[site], aliases[site])


@dataclass(frozen=True, slots=True)
class _Reader:
    """Reads the tables of a release site by site."""

    metadata: Path
    sites: tuple[str, ...]
    """Of the sources, sorted."""
    report: Report

    def by_site(self, table: str, columns: Sequence[str], step: str) -> Iterator[tuple[str, Iterator[Any]]]:
        """The record batches of each site, as they lie in the table; sites without a row come last, with none.

        Raises:
            IncompleteBuild: a row is of a site that no source has.
        """
        self.report(StepStarted(step, tables.count_rows(self.metadata / tables.file_name(table), table), "rows"))
        seen = dict.fromkeys(self.sites, False)
        for site, pairs in groupby(self._runs(table, columns, step), key=itemgetter(0)):
            if site not in seen:
                path = self.metadata / tables.file_name(table)
                raise IncompleteBuild(f"{path}: holds rows of {site}, which no source of release.toml has")
            seen[site] = True
            yield site, (batch for _, batch in pairs)
        for site in self.sites:
            if not seen[site]:
                yield site, iter(())

    def per_site(self, table: str, columns: Sequence[str], read: Callable[[Iterable[Any]], T]) -> dict[str, T]:
        """What is read of each site's rows."""
        return {site: read(batches) for site, batches in self.by_site(table, columns, f"check {table}")}

    def _runs(self, table: str, columns: Sequence[str], step: str) -> Iterator[tuple[str, Any]]:
        done = 0
        for batch in tables.read_batches(self.metadata / tables.file_name(table), columns, table=table):
            start = 0
            encoded = pc.run_end_encode(batch["site"])
            for site, end in zip(encoded.values.to_pylist(), encoded.run_ends.to_pylist(), strict=True):
                yield site, batch.slice(start, end - start)
                start = end
            done += batch.num_rows
            self.report(StepAdvanced(step, done))
        self.report(StepFinished(step, done))
