"""The trees of a release: the originals of each site, and the renditions that are made from them.

Values from release.toml; which files of a tree are published is for `selection`.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from tagswarm.imaging.transform import Transform

from .config import Config, RenditionTable, SourceTable, VolumesTable
from .stage import STATE


@dataclass(frozen=True, slots=True)
class Tree:
    """A tree of the release: the originals of a site, or a rendition of them."""

    name: str
    source: SourceTable
    volumes: VolumesTable
    rendition: RenditionTable | None = None
    transform: Transform | None = None

    @property
    def ratings(self) -> frozenset[str] | None:
        """The ratings that are selected; None means every post."""
        if self.rendition is None or self.rendition.ratings is None:
            return None
        return frozenset(self.rendition.ratings)

    @property
    def query(self) -> str | None:
        """The query that selects instead."""
        return None if self.rendition is None else self.rendition.query

    def place(self, dataset: Path, path: str) -> Path:
        """Where a file of this tree lies: images that only exist inside archives are kept under the state folder."""
        if self.rendition is not None and self.volumes.layout != "loose":
            return dataset / STATE / "renditions" / path
        return dataset / path


def trees(config: Config) -> list[Tree]:
    """Every tree of the release: originals first, then renditions, in the order of release.toml."""
    originals = [Tree(source.originals, source, source.volumes) for source in config.sites()]
    made = [
        Tree(table.name, config.source_of(table.name), table.volumes, table, table.recipe())
        for table in config.renditions
    ]
    return originals + made
