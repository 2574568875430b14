"""The file table of a rendition: for each post its file, over all volumes of a release, in one Parquet file.

A manifest tells the files of a volume, this table the volume of a file: who wants some posts of a release reads this
and no manifest. Ids, sizes and volumes are found without touching a digest or a name; these are read of the rows that
are asked for. What was taken back or replaced is not in it. Page: docs/reference/formats/files.md.

Nothing here fetches, hashes, or writes a table (`filerows`).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from . import paths, tables
from .errors import FormatError, InvalidDocument, LimitExceeded
from .filerows import CODED, COLUMNS, FORMAT, ROW_GROUP, loose_path
from .models import MANIFEST_LINES, check_format
from .paths import FilePath

DENSE = 1 << 26
"""Ids below this are looked up in an array of bytes, others by bisection."""

PIECE = 8192
"""Rows that are made into values at a time."""

Ints = npt.NDArray[np.int64]
F = TypeVar("F")

_REQUIRED = frozenset(column.name for column in COLUMNS if not column.nullable)
_EXTENSION = re.compile(r"[a-z0-9]{2,4}")
_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")


@dataclass(frozen=True, slots=True, eq=False)
class Found:
    """The files of some posts: arrays with a row a file, sorted by id."""

    ids: Ints
    """Of the posts, each once."""
    sizes: Ints
    """Bytes."""
    volumes: npt.NDArray[np.intp]
    """Places in `names`."""
    names: tuple[str, ...]
    """Of volumes, in the order of the table."""
    missing: Ints
    """Posts that were asked for and have no file here, sorted."""
    _table: FileTable
    _places: Ints
    """Rows of the table."""

    def files(self, make: Callable[..., F]) -> list[F]:
        """Every file, by id, as what `make` makes of its row.

        Args:
            make: called with the keywords id, path, size, sha256 (in hexadecimal), volume, version, kind, width,
                height, archive and offset; kind, width, height and archive may be None.

        Raises:
            UnsafePath: a path leaves the tree, or some system cannot hold it.
            InvalidDocument: the table is damaged, or is not the one any more that was searched.
            Unreadable: it is not there any more.
        """
        order = np.argsort(self._places)
        made = list(self._table.read_rows(self._places[order], make))
        return [made[at] for at in np.argsort(order).tolist()]

    def each(self, make: Callable[..., F], chosen: npt.NDArray[np.bool_]) -> Iterator[F]:
        """Yield some of the files in the order of the table, by volume; a few thousand are in memory at a time.

        Args:
            make: as for `files`.
            chosen: a flag a file.

        Raises:
            As `files`, when the iteration gets there.
        """
        return self._table.read_rows(np.sort(self._places[chosen]), make)


@dataclass(frozen=True, slots=True, eq=False)
class FileTable:
    """A table that lies on this disk; it is opened anew for each question, so there is nothing to close."""

    path: Path
    rendition: str
    site: str
    """Of all posts in it."""
    rows: int
    _footer: Any = field(repr=False)
    """By which the file is known again."""

    def find(self, ids: npt.ArrayLike) -> Found:
        """Find the files of posts, in any order and as often as they come.

        A post that has several rows is shown by that of the highest version, and of those by the last.

        Raises:
            InvalidDocument: the table is damaged.
            Unreadable: it is not there any more.
        """
        wanted = np.unique(np.asarray(ids, np.int64))
        hits = _finder(wanted)
        names: dict[str, int] = {}
        parts: list[tuple[Ints, ...]] = []
        for start, group in self._groups(["id", "size", "volume"]):
            known = _numbers(group, "id")
            at = hits(known)
            codes = [names.setdefault(name, len(names)) for name in group.column("volume").dictionary.to_pylist()]
            volumes = np.array(codes, np.int64)[np.from_dlpack(group.column("volume").indices)[at]]
            parts.append((known[at], _numbers(group, "size")[at], volumes, at + start))
        none = np.zeros(0, np.int64)
        found, sizes, volumes, places = (np.concatenate(part) for part in zip((none,) * 4, *parts, strict=True))
        self._check(names, found, sizes)
        kept = self._latest(found, places)
        found = found[kept]
        return Found(
            ids=found,
            sizes=sizes[kept],
            volumes=volumes[kept].astype(np.intp),
            names=tuple(names),
            missing=np.setdiff1d(wanted, found, assume_unique=True),
            _table=self,
            _places=places[kept],
        )

    def _latest(self, ids: Ints, places: Ints) -> npt.NDArray[np.intp]:
        """The order by id, of every id only its file."""
        order = np.argsort(ids, kind="stable")
        if len(ids) == 0 or np.diff(ids[order]).all():
            return order
        versions = np.zeros(len(ids), np.int64)
        for start, group in self._groups(["version"]):
            inside = (places >= start) & (places < start + group.num_rows)
            versions[inside] = _numbers(group, "version")[places[inside] - start]
        order = np.lexsort((places, versions, ids))
        last = np.append(np.diff(ids[order]) != 0, True)
        kept: npt.NDArray[np.intp] = order[last]
        return kept

    def _check(self, volumes: Iterable[str], ids: Ints, sizes: Ints) -> None:
        for name in volumes:
            if not _NAME.fullmatch(name):
                raise InvalidDocument(f"{self.path}: {paths.escape(name)[:100]!r} is not the name of a volume")
        if (ids < 0).any() or (sizes < 0).any():
            raise InvalidDocument(f"{self.path}: an id or a size is negative")

    def read_rows(self, places: Ints, make: Callable[..., F]) -> Iterator[F]:
        """Yield the files of some rows, which are sorted, as what `make` makes of them; see `Found.files`."""
        for start, group in self._groups([column.name for column in COLUMNS], wanted=places):
            first, last = np.searchsorted(places, (start, start + group.num_rows)).tolist()
            for at in range(first, last, PIECE):
                yield from self._made(group, np.ascontiguousarray(places[at : min(at + PIECE, last)] - start), make)

    def _made(self, group: Any, chosen: Ints, make: Callable[..., F]) -> Iterator[F]:
        picked = group.take(pa.Array.from_buffers(pa.int64(), len(chosen), [None, pa.py_buffer(chosen)]))
        columns = (picked.column(column.name).to_pylist() for column in COLUMNS)
        for post, version, extension, size, sha256, volume, kind, width, height, archive, path, offset in zip(
            *columns, strict=True
        ):
            if post < 0 or size < 0 or version < 1 or (offset or 0) < 0:
                raise InvalidDocument(f"{self.path}: the row of post {post} has a number that cannot be")
            yield make(
                id=post,
                path=self._path(post, version, extension, archive=archive, path=path, offset=offset),
                size=size,
                sha256=sha256.hex(),
                volume=volume,
                version=version,
                kind=kind,
                width=width,
                height=height,
                archive=archive,
                offset=offset or 0,
            )

    def _path(
        self,
        post: int,
        version: int,
        extension: str | None,
        *,
        archive: str | None,
        path: str | None,
        offset: int | None,
    ) -> str:
        """The path of a row, after a look at all that says where its file lies."""
        if (archive is None) != (offset is None) or (path is None and archive is not None):
            raise InvalidDocument(f"{self.path}: the row of post {post} tells no place in an archive")
        if path is None:
            if extension is None or not _EXTENSION.fullmatch(extension):
                raise InvalidDocument(f"{self.path}: the row of post {post} tells no path")
            return loose_path(self.rendition, post, extension, version)
        paths.check(path)
        if archive is not None:
            paths.check(archive)
        return path

    def by_volume(self) -> Iterator[tuple[str, Any]]:
        """Yield the rows of each volume as an Arrow table, one volume after the other.

        Raises:
            LimitExceeded: a volume has more rows than a manifest may have lines.
            InvalidDocument: the table is damaged.
            Unreadable: it is not there any more.
        """
        name, count = "", 0
        pieces: list[Any] = []
        for _, group in self._groups([column.name for column in COLUMNS], coded=()):
            for volume, piece in _runs(group):
                if volume != name:
                    if pieces:
                        yield name, pa.Table.from_batches(pieces)
                    name, pieces, count = volume, [], 0
                pieces.append(piece)
                count += piece.num_rows
                if count > MANIFEST_LINES:
                    raise LimitExceeded(f"{self.path}: has more than {MANIFEST_LINES} rows of one volume")
        if pieces:
            yield name, pa.Table.from_batches(pieces)

    def _groups(
        self, columns: Sequence[str], *, coded: Sequence[str] = CODED, wanted: Ints | None = None
    ) -> Iterator[tuple[int, Any]]:
        """Yield the row groups, or those with wanted rows, each with the number of its first row."""
        with tables.open_parquet(self.path, coded) as opened:
            if not opened.metadata.equals(self._footer):
                raise InvalidDocument(f"{self.path}: is another file than a moment ago")
            start = 0
            for number in range(opened.num_row_groups):
                count = opened.metadata.row_group(number).num_rows
                if wanted is None or np.diff(np.searchsorted(wanted, (start, start + count)))[0]:
                    group = opened.read_row_group(number, columns=list(columns), use_threads=False)
                    for batch in group.unify_dictionaries().combine_chunks().to_batches():
                        batch.validate(full=True)
                        if any(batch.column(name).null_count for name in _REQUIRED.intersection(columns)):
                            raise InvalidDocument(f"{self.path}: a row lacks a value that every row has")
                        yield start, batch
                start += count


def _runs(group: Any) -> Iterator[tuple[str, Any]]:
    """The stretches of rows of the same volume."""
    import pyarrow.compute as pc  # noqa: PLC0415 - it takes as long to load as a search

    runs = pc.run_end_encode(group.column("volume"))
    start = 0
    for volume, end in zip(runs.values.to_pylist(), runs.run_ends.to_pylist(), strict=True):
        yield volume, group.slice(start, end - start)
        start = end


def _numbers(group: Any, column: str) -> npt.NDArray[Any]:
    """A column without nulls; `to_numpy` loads pandas where that is installed, which takes longer than a search."""
    return np.from_dlpack(group.column(column))


def _finder(wanted: Ints) -> Callable[[Ints], npt.NDArray[np.intp]]:
    """A function that gives the places of the wanted ids, which are sorted, among others."""
    wanted = wanted[wanted >= 0]
    if not len(wanted):
        return lambda _: np.zeros(0, np.intp)
    if wanted[-1] < DENSE:
        flags = np.zeros(int(wanted[-1]) + 2, np.bool_)
        flags[wanted] = True
        return lambda ids: np.flatnonzero(flags.take(ids, mode="clip"))

    def bisect(ids: Ints) -> npt.NDArray[np.intp]:
        at = np.minimum(np.searchsorted(wanted, ids), len(wanted) - 1)
        return np.flatnonzero(wanted[at] == ids)

    return bisect


def open_files(path: Path) -> FileTable:
    """Open the file table of a rendition.

    Raises:
        Unreadable: there is no such file.
        UnsupportedVersion: it is another table, or of a newer version.
        LimitExceeded: a row group is larger than the format allows.
        InvalidDocument: it is no Parquet file, damaged, or lacks columns of its format.
    """
    with tables.open_parquet(path) as found:
        said = {key.decode("utf-8", "replace"): value.decode("utf-8", "replace") for key, value in _metadata(found)}
        try:
            check_format(said, FORMAT)
            FilePath.parse(f"{said.get('rendition', '')}/0000/1000.png")
        except FormatError as failure:
            raise type(failure)(f"{path}: {failure.message}", hint=failure.hint) from failure
        if not _NAME.fullmatch(said.get("site", "")):
            raise InvalidDocument(f"{path}: does not say of which site its posts are")
        for column in COLUMNS:
            at = found.schema_arrow.get_field_index(column.name)
            if at < 0 or found.schema_arrow.field(at).type != column.type:
                raise InvalidDocument(f"{path}: the column {column.name} is missing or is no {column.type}")
        groups = range(found.num_row_groups)
        if any(found.metadata.row_group(number).num_rows > ROW_GROUP for number in groups):
            raise LimitExceeded(f"{path}: has a row group of more than {ROW_GROUP} rows")
        return FileTable(path, said["rendition"], said["site"], found.metadata.num_rows, found.metadata)


def _metadata(found: Any) -> Iterable[tuple[bytes, bytes]]:
    return (found.schema_arrow.metadata or {}).items()
