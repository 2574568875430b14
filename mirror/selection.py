"""The files that a pull is about: found in the file table of a rendition, compared with a folder, put into an order.

Millions of them are a few arrays; a file with its name and digest is made when somebody asks for it. Nothing here
fetches or chooses a source.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from dataclasses import dataclass, replace
from operator import itemgetter
from pathlib import Path

import numpy as np

from tagswarm.manifests import filetables
from tagswarm.manifests.models import RenditionEntry

from .file import File
from .form import Form
from .plan import Plan
from .store import held
from .wanted import Flags, Ints, Wanted

ANYBODY = ""
"""In the place of the address of a source: all of them, one after the other."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Selection:
    """The files of some posts in one rendition."""

    rendition: RenditionEntry
    found: filetables.Found
    taken_back: frozenset[int]
    """Posts that were withdrawn, by this release or a newer one."""
    here: Flags
    """Of every file that was found, whether the folder has it already."""

    def beside(self, out: Path, form: Form) -> Selection:
        """The same files, where those that a folder has already in this form need not come."""
        wanted = self.found
        codes = {name: code for code, name in enumerate(wanted.names)}
        there = [(entry.id, codes.get(entry.volume, -1)) for entry in held(out, form)]
        ids, volumes = np.array(there, np.int64).reshape(-1, 2).T
        at = np.minimum(np.searchsorted(ids, wanted.ids), max(len(ids) - 1, 0))
        here = (ids[at] == wanted.ids) & (volumes[at] == wanted.volumes) if len(ids) else self.here
        return replace(self, here=here)

    @property
    def absent(self) -> Wanted:
        """What a plan has to bring."""
        found, left = self.found, ~self.here
        return Wanted(
            ids=found.ids[left],
            sizes=found.sizes[left],
            volumes=found.volumes[left],
            names=found.names,
            missing=found.missing,
        )

    @property
    def ids(self) -> Ints:
        """The posts whose files are wanted, sorted."""
        return self.found.ids[self._kept]

    def files(self, plan: Plan) -> Iterator[File]:
        """The files, read as they are asked for; the table is gone through once for each source.

        Those of one source and volume stand together, so that each is opened once. All sources advance evenly: of any
        stretch of the files each has its share, and they work side by side.
        """
        kept, carriers = self._kept, plan.carriers()
        names = sorted({carriers.get(name, ANYBODY) for name in self.found.names})
        source_of = np.array([names.index(carriers.get(name, ANYBODY)) for name in self.found.names], np.intp)
        sources = source_of[self.found.volumes] if len(source_of) else self.found.volumes
        streams = []
        for source in np.unique(sources[kept]).tolist():
            chosen = kept & (sources == source)
            streams.append(zip(np.linspace(0, 1, int(chosen.sum())), self.found.each(File, chosen), strict=True))
        return map(itemgetter(1), heapq.merge(*streams, key=itemgetter(0)))

    @property
    def _kept(self) -> Flags:
        taken = np.fromiter(self.taken_back, np.int64, len(self.taken_back))
        return np.isin(self.found.ids, taken, invert=True)
