"""The files of a subset as numbers: a row a file, and what they amount to in every volume.

A plan needs no more of a file than its post, its size and its volume, so millions of them fit into three arrays. Names
and digests are asked of the file table when something is fetched. Nothing here knows a source.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from tagswarm.manifests.errors import PlanError
from tagswarm.manifests.models import VolumeEntry
from tagswarm.manifests.paths import escape

Ints = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]


class Files(Protocol):
    """The files of a subset in one rendition, as a file table finds them: arrays with a row a file, in any order."""

    @property
    def ids(self) -> Ints:
        """Of the posts."""

    @property
    def sizes(self) -> Ints:
        """Bytes."""

    @property
    def volumes(self) -> npt.NDArray[np.integer[Any]]:
        """Places in `names`."""

    @property
    def names(self) -> Sequence[str]:
        """Of volumes, others too."""

    @property
    def missing(self) -> Ints:
        """Posts of the subset without a file in this rendition."""


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Wanted:
    """Some of such files, for example those that are not here yet."""

    ids: Ints
    sizes: Ints
    volumes: npt.NDArray[np.integer[Any]]
    names: Sequence[str]
    missing: Ints


@dataclass(frozen=True, slots=True, eq=False)
class Load:
    """What is wanted of each volume that is touched, sorted by name."""

    names: tuple[str, ...]
    entries: tuple[VolumeEntry, ...]
    files: Ints
    bytes: Ints
    sizes: Ints
    """Of every file."""
    places: npt.NDArray[np.intp]
    """Of every file its volume, as a place in `names`."""

    @classmethod
    def of(cls, wanted: Files, kept: npt.NDArray[np.bool_], entries: Mapping[str, VolumeEntry]) -> Load:
        """Count files and bytes by volume."""
        sizes, codes = wanted.sizes[kept], wanted.volumes[kept]
        touched = np.flatnonzero(np.bincount(codes, minlength=len(wanted.names)))
        names = sorted(wanted.names[code] for code in touched.tolist())
        if unknown := [name for name in names if name not in entries]:
            raise PlanError(
                f"the release has no volume {escape(unknown[0])}",
                hint="Open the release again: its list of files and its volumes are not of one release.",
            )
        place = {name: number for number, name in enumerate(names)}
        places = np.array([place.get(name, -1) for name in wanted.names], np.intp)[codes]
        return cls(
            tuple(names),
            tuple(entries[name] for name in names),
            np.bincount(places, minlength=len(names)),
            _sums(places, sizes, len(names)),
            sizes,
            places,
        )

    def rounded(self, block: int) -> Ints:
        """Bytes of each volume when every file comes in whole blocks."""
        return _sums(self.places, -(-self.sizes // block) * block, len(self.names))

    @property
    def whole(self) -> Ints:
        """Bytes of each volume, wanted or not."""
        return np.array([entry.bytes for entry in self.entries], np.int64)

    @property
    def loose(self) -> Flags:
        """Which volumes have no archives."""
        return np.array([entry.layout == "loose" for entry in self.entries], np.bool_)

    def archives(self) -> tuple[Ints, Ints]:
        """How many archives of each volume are touched by so many members, drawn by chance, and their mean bytes.

        A tar has its index beside it, which is a file of the volume too.
        """
        count = np.array([max(entry.files // (1 + (entry.layout == "tar")), 1) for entry in self.entries], np.int64)
        touched = np.ceil(count * (1 - (1 - 1 / count) ** self.files) - 1e-9).astype(np.int64)
        return np.clip(touched, 1, count), -(-self.whole // count)


def _sums(places: npt.NDArray[np.intp], sizes: Ints, count: int) -> Ints:
    """Bytes by volume; exact, where floats are not."""
    sums = np.zeros(count, np.int64)
    np.add.at(sums, places, sizes)
    return sums
