"""Volumes: which files of a tree are published, seeded and mirrored together.

Three strategies, pure functions from files to volumes. The order of the input never matters, every file is in exactly
one volume, and a volume keeps three limits: images, bytes, and a .torrent of at most 2 MB, since that is what makes
torrents of millions of files unusable. A volume of a single file is the one exception: a file is never cut.

- `bucket`: consecutive buckets (id modulo 1000) until a volume is full; a bucket too large for one is cut in the order
  of paths.
- `id-range`: consecutive ids until a volume is full.
- `aspect-year`: as BOORU CHARS does, a class of aspect ratio and a group of years (`aspects`), ranked by the statistics
  of the images; what is too much for one volume goes on in `-02`, `-03`, ...

Packed layouts cut each volume into archives of `archive_files` images. Nothing here reads a file, names the members of
an archive or knows volumes of earlier releases: those are carried over by whoever asks, who gives new files only.
Source of aspect-year: aperveyev/booru_processor, `BC_2021/BC__readme_EN.txt` and `BCI__readme_EN.txt`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from operator import attrgetter

from tagswarm.imaging.statistics import Statistics
from tagswarm.manifests import paths
from tagswarm.manifests.errors import ConfigInvalid
from tagswarm.manifests.models import Layout

from . import aspects, torrentsize
from .config import VolumesTable

TORRENT_LIMIT = 2_000_000
"""Bytes of the .torrent of a volume, whatever its trackers and web seeds."""
NAME_LIMIT = 64
"""Characters of the name of a volume in its manifest."""
MEMBER_LIMIT = 2_048
"""Bytes a member of an archive needs beside its own: header, padding, directory, and its line in the index."""
ARCHIVE_LIMIT = 12_288
"""Bytes an archive needs beside its members: a tar ends in zeros up to a multiple of 10,240 bytes."""


@dataclass(frozen=True, slots=True)
class VolumeFile:
    """What the strategies need to know of a file."""

    path: str
    id: int
    size: int
    """Bytes."""
    width: int | None = None
    """Pixels, as displayed; None where the file shows no image."""
    height: int | None = None
    year: int | None = None
    """When it was posted, in UTC."""
    statistics: Statistics | None = None


@dataclass(frozen=True, slots=True)
class ArchivePlan:
    """An archive and its images in the order of its members."""

    path: str
    files: tuple[VolumeFile, ...]

    @property
    def index(self) -> str | None:
        """The path of the index beside a tar; a zip has its own."""
        return f"{self.path.removesuffix('.tar')}.json" if self.path.endswith(".tar") else None


@dataclass(frozen=True, slots=True)
class VolumePlan:
    """A volume that is to be made."""

    name: str
    tree: str
    generation: str
    layout: Layout
    files: tuple[VolumeFile, ...]
    """Sorted by path."""
    archives: tuple[ArchivePlan, ...]
    """Empty where the layout is loose."""


def plan(files: Iterable[VolumeFile], table: VolumesTable, *, tree: str, generation: str) -> list[VolumePlan]:
    """Group the files that a release adds to a tree into volumes, sorted as they are numbered.

    Args:
        files: in any order, each once.
        table: strategy, layout and limits.
        tree: the folder of all files.
        generation: the release that makes the volumes.

    Raises:
        ConfigInvalid: tree and generation are too long for the name of a volume.
        UnsafePath: they are too long, or unfit, for the path of an archive.
    """
    return list(plan_in_order(sorted(files, key=_path_order), table, tree=tree, generation=generation))


def plan_in_order(
    files: Iterable[VolumeFile], table: VolumesTable, *, tree: str, generation: str
) -> Iterator[VolumePlan]:
    """The same for files that come sorted by path: `bucket` holds those of one volume at a time, the others hold all.

    Raises:
        ConfigInvalid: tree and generation are too long for the name of a volume.
        UnsafePath: they are too long, or unfit, for the path of an archive.
    """
    planner = _Planner(table, tree, generation)
    match table.strategy:
        case "bucket":
            return planner.by_bucket(files)
        case "id-range":
            return planner.by_id(files)
        case "aspect-year":
            return planner.by_aspect_year(files)


@dataclass(frozen=True, slots=True)
class _Planner:
    """The strategies, for one tree and generation."""

    table: VolumesTable
    tree: str
    generation: str

    def by_bucket(self, files: Iterable[VolumeFile]) -> Iterator[VolumePlan]:
        return self._numbered(list(bucket) for _, bucket in groupby(files, key=lambda file: file.id % paths.BUCKETS))

    def by_id(self, files: Iterable[VolumeFile]) -> Iterator[VolumePlan]:
        return self._numbered([file] for file in sorted(files, key=attrgetter("id", "path")))

    def by_aspect_year(self, files: Iterable[VolumeFile]) -> Iterator[VolumePlan]:
        years = aspects.YearGroups(self.table.year_groups)
        groups: defaultdict[tuple[int, int], list[VolumeFile]] = defaultdict(list)
        for file in files:
            groups[years.number(file.year), aspects.number(file.width, file.height)].append(file)
        for year, aspect in sorted(groups):
            ranked = sorted(groups[year, aspect], key=lambda file: (aspects.rank(file.statistics), _path_order(file)))
            for number, run in enumerate(_fill(([file] for file in ranked), self.table), 1):
                label = f"{years.name(year)}-{aspects.NAMES[aspect]}" + (f"-{number:02}" if number > 1 else "")
                yield self._volume(label, run, list(self._lists(run, label)))

    def _numbered(self, units: Iterable[Sequence[VolumeFile]]) -> Iterator[VolumePlan]:
        for number, files in enumerate(_fill(units, self.table)):
            label = f"{number:04}"
            runs = [] if self.table.layout == "loose" else list(_cut(files, self.table.archive_files))
            names = [label] if len(runs) == 1 else [f"{label}-{run:02}" for run in range(len(runs))]
            yield self._volume(label, files, [self._archive(*pair) for pair in zip(names, runs, strict=True)])

    def _lists(self, files: Sequence[VolumeFile], label: str) -> Iterator[ArchivePlan]:
        """The archives of the main list, M00 and on, then those of the reverse list, R00 and on."""
        for letter, is_main in (("M", True), ("R", False)):
            listed = [file for file in files if aspects.in_main_list(file.statistics) == is_main]
            for number, run in enumerate(_cut(listed, self.table.archive_files)):
                yield self._archive(f"{label}/{letter}{number:02}", run)

    def _archive(self, label: str, files: Sequence[VolumeFile]) -> ArchivePlan:
        path = f"{self.tree}/{self.generation}-{label}.{self.table.layout}"
        paths.check(path)
        return ArchivePlan(path, tuple(files))

    def _volume(self, label: str, files: Sequence[VolumeFile], archives: Sequence[ArchivePlan]) -> VolumePlan:
        name = f"{self.tree}-{self.generation}-{label}"
        if len(name) > NAME_LIMIT:
            raise ConfigInvalid(
                f"release.name: {name}, the name of a volume, has more than {NAME_LIMIT} characters",
                hint="Give the release or the tree a shorter name in release.toml.",
            )
        ordered = tuple(sorted(files, key=_path_order))
        return VolumePlan(name, self.tree, self.generation, self.table.layout, ordered, tuple(archives))


def _path_order(file: VolumeFile) -> bytes:
    return paths.sort_key(file.path)


def _cut(files: Sequence[VolumeFile], count: int) -> Iterator[Sequence[VolumeFile]]:
    return (files[start : start + count] for start in range(0, len(files), count))


def _fill(units: Iterable[Sequence[VolumeFile]], table: VolumesTable) -> Iterator[list[VolumeFile]]:
    """Put units into volumes in the order they come; only a unit too large for a volume of its own is cut."""
    room = _Room(table)
    for unit in units:
        if room.take(unit):
            continue
        if room.files:
            yield room.files
            room = _Room(table)
        if room.take(unit):
            continue
        for file in unit:
            if not room.take([file]):
                yield room.files
                room = _Room(table)
                room.take([file])
    if room.files:
        yield room.files


class _Room:
    """A volume that is being filled, and what it holds against each of its limits."""

    def __init__(self, table: VolumesTable) -> None:
        self.files: list[VolumeFile] = []
        self._table = table
        self._bytes = 0
        self._torrent = 0
        self._folders: set[str] = set()

    def take(self, unit: Sequence[VolumeFile]) -> bool:
        """Take all of the files, or none and say False; the first file of a volume is always taken."""
        table = self._table
        count = len(self.files) + len(unit)
        size = self._bytes + sum(file.size for file in unit)
        folders: set[str] = set()
        if table.layout == "loose":
            folders.update(*(torrentsize.folders_of(file.path) for file in unit))
            folders -= self._folders
            torrent = self._torrent + sum(map(torrentsize.folder_size, folders))
            torrent += sum(torrentsize.entry_size(file.path, file.size, table.piece_length) for file in unit)
        else:
            torrent = _archives_size(count, size, table)
        full = count > table.max_files or size > table.max_bytes
        if (full or torrent + torrentsize.FRAME_LIMIT > TORRENT_LIMIT) and count > 1:
            return False
        self.files.extend(unit)
        self._folders |= folders
        self._bytes, self._torrent = size, torrent
        return True


_ARCHIVE = "x" * paths.PATH_LIMIT
"""A path as long as any."""


def _archives_size(images: int, size: int, table: VolumesTable) -> int:
    """At most so many bytes do the archives of a volume, with their indexes, add to its torrent.

    There is an archive for every full `archive_files` images and one more for each list that does not come out even.
    """
    archives = -(-images // table.archive_files) + 1
    largest = size + images * MEMBER_LIMIT + archives * ARCHIVE_LIMIT
    pieces = largest // table.piece_length
    entry = torrentsize.entry_size(_ARCHIVE, largest, largest) + torrentsize.folder_size(_ARCHIVE)
    # Beyond its share of the pieces an archive or an index has a last piece, a root in the layers, and a pad.
    each = entry + torrentsize.V1 + 2 * torrentsize.V2 + 64
    return 2 * archives * each + pieces * (torrentsize.V1 + torrentsize.V2)
