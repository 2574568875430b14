"""The file tables of a release against its manifests, while these are read one after the other.

What a table says of a volume must be what the manifest says, without what was taken back. Nothing here reads a file of
a volume, or says what is wrong with the bytes of a table: its digest does.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import zip_longest
from pathlib import Path
from typing import Any

from tagswarm.manifests import filerows, filetables, manifest, paths, published
from tagswarm.manifests.errors import FormatError, IncompleteBuild, IntegrityError, InvalidDocument, StoreError
from tagswarm.manifests.manifest import Manifest, Problem
from tagswarm.manifests.models import Object, Root, VolumeEntry

from .withdrawn import Withdrawn

_END: tuple[str, Any] = ("", None)


class FileTables:
    """The file tables of a release, compared with the manifests while these are read."""

    def __init__(self, dataset: Path, root: Root) -> None:
        self._dataset = dataset
        listed = {item.path: item for item in root.objects}
        folder = published.folder(root.release)
        trees = sorted({volume.rendition for volume in root.volumes})
        self._listed = {tree: listed.get(f"{folder}/{filerows.file_name(tree)}") for tree in trees}
        self._open: dict[str, _Comparison | None] = {}

    def compare(self, volume: VolumeEntry, read: Manifest | None, taken: Withdrawn) -> Iterator[Problem]:
        """What the table of a tree says else than the manifest of a volume, which is None where that is damaged."""
        item = self._listed[volume.rendition]
        if item is None:  # a release from before there were tables
            return
        try:
            if volume.rendition not in self._open:
                self._open[volume.rendition] = None
                self._open[volume.rendition] = self._opened(item, volume.rendition)
            comparison = self._open[volume.rendition]
            if comparison is None:
                return
            for detail in comparison.compare(volume.name, read, taken):
                yield Problem(item.path, "inconsistent", detail)
        except FormatError as failure:
            self._open[volume.rendition] = None
            yield Problem(item.path, "inconsistent", failure.message.removeprefix(f"{self._dataset / item.path}: "))
        except (IncompleteBuild, IntegrityError, StoreError):  # the pool names it
            self._open[volume.rendition] = None

    def _opened(self, item: Object, tree: str) -> _Comparison:
        manifest.check_object(self._dataset, item)
        table = filetables.open_files(self._dataset / item.path)
        if table.rendition != tree:
            raise InvalidDocument(f"is the table of {table.rendition}")
        return _Comparison(table)

    def rest(self) -> Iterator[Problem]:
        """What is left of the tables after the last volume."""
        for tree, comparison in self._open.items():
            item = self._listed[tree]
            if comparison is not None and item is not None:
                for detail in comparison.rest():
                    yield Problem(item.path, "inconsistent", detail)


class _Comparison:
    """A table against the manifests of its release, one volume after the other, in the order of the root."""

    def __init__(self, table: filetables.FileTable) -> None:
        self._table = table
        self._rest = table.by_volume()
        self._volume, self._rows = next(self._rest, _END)
        self._differs = False

    def compare(self, volume: str, read: Manifest | None, taken: Withdrawn) -> Iterator[str]:
        """Say in what the rows of a volume differ from the lines of its manifest; only of the first that does.

        Args:
            volume: its name.
            read: its manifest; None where nobody can read it, so that its rows are passed over.
            taken: what was taken back, which is not in the table.

        Raises:
            FormatError: the table is damaged, or a line fits into none.
        """
        if self._differs:
            return
        found = filerows.rows_of(self._table.rendition, volume, ())
        if self._volume == volume:
            found = self._rows
            self._volume, self._rows = next(self._rest, _END)
        if read is None:
            return
        site = read.header.site
        lines = (entry for entry in read.entries if not taken.has(site, entry))
        expected = filerows.rows_of(self._table.rendition, volume, lines)
        if site != self._table.site:
            self._differs = True
            yield f"its posts are of {self._table.site}, those of {volume} of {site}"
        elif not found.equals(expected):
            self._differs = True
            yield f"its rows of {volume} are not the lines of the manifest{_first(expected, found)}"

    def rest(self) -> Iterator[str]:
        """Say whether rows are left after the last volume."""
        if not self._differs and self._rows is not None:
            yield f"has rows of {paths.escape(self._volume)} where no such volume comes"


def _first(expected: Any, found: Any) -> str:
    """The first post of which two tables say something else, as the manifest has it."""
    pairs = zip_longest(expected.to_pylist(), found.to_pylist())
    posts = next(((one, other) for one, other in pairs if one != other), (None, None))
    return next((f", first of post {row['id']}" for row in posts if row is not None), "")
