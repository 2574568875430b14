"""Posts of any number, sorted by site and id in bounded memory: an external merge sort on Arrow files.

Posts come in the order of their sources and are packed into columns at once, their tags as numbers of a vocabulary;
every 100,000 of them are sorted and written as one run a site. To merge, only the ids of a site are held (24 bytes a
post): a stable sort of them says how many rows of which runs follow, and these are read from the runs in small batches.

Of several posts with one id the first that came is kept; the others are told, with what tells them apart.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from operator import attrgetter
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from tagswarm.manifests import disk
from tagswarm.manifests.records import Post
from tagswarm.manifests.tables import ROW_GROUP, SCHEMAS

RUN = 100_000
"""Posts of a run."""
_PACK = 8_192
"""Posts that are objects at a time."""
_BATCH = 2_048
"""Posts of a run that are in memory while it is merged."""

_COLUMNS = [field.name for field in SCHEMAS["posts"] if field.name != "tags"]
_PACKED = pa.schema(
    [field for field in SCHEMAS["posts"] if field.name != "tags"]
    + [
        pa.field("tags", pa.list_(pa.field("element", pa.int32(), nullable=False)), nullable=False),
        pa.field("document", pa.int32(), nullable=False),
        pa.field("line", pa.int64(), nullable=False),
    ]
)
_TAGS = SCHEMAS["posts"].field("tags").type
_values = attrgetter(*_COLUMNS)


@dataclass(frozen=True, slots=True)
class Duplicate:
    """A post that came again: where it came from, and where the one that is kept did."""

    site: str
    id: int
    document: int
    line: int
    kept_document: int
    kept_line: int
    identical: bool
    """Whether all that is known of the post is the same."""


class _Vocabulary(dict[str, int]):
    """Numbers for texts, in the order they are asked for."""

    def __missing__(self, text: str) -> int:
        number = self[text] = len(self)
        return number


class _Run:
    """One sorted file, read from its beginning to its end; it is open only while a batch is read."""

    def __init__(self, path: Path, ids: npt.NDArray[np.int64]) -> None:
        self.path, self.ids = path, ids
        self.taken = 0
        self._batches = 0
        self._rest: Any = pa.table([[] for _ in _PACKED], schema=_PACKED)

    def following(self, count: int) -> list[Any]:
        """Read the next rows, in one or more tables."""
        self.taken += count
        pieces = []
        while count > 0:
            if not self._rest.num_rows:
                with disk.failures(self.path), pa.OSFile(str(self.path)) as file:
                    self._rest = pa.Table.from_batches([pa.ipc.open_file(file).get_batch(self._batches)])
                self._batches += 1
            pieces.append(self._rest.slice(0, count))
            self._rest = self._rest.slice(count)
            count -= pieces[-1].num_rows
        return pieces


class PostRuns:
    """The posts of a release on their way to the table; `folder` must be empty and is the caller's to remove."""

    def __init__(self, folder: Path, run: int = RUN) -> None:
        self._folder, self._run = folder, run
        self._vocabulary = _Vocabulary()
        self._posts: list[Post] = []
        self._tags: list[int] = []
        self._ends: list[int] = [0]
        self._documents: list[int] = []
        self._lines: list[int] = []
        self._packed: list[Any] = []
        self._packed_rows = 0
        self._runs: dict[str, list[_Run]] = {}
        self._written = 0
        self._counts: dict[str, npt.NDArray[np.int64]] = {}
        disk.make_directory(folder)

    def add(self, post: Post, document: int, line: int) -> None:
        """Take a post; `document` and `line` say where it came from."""
        self._posts.append(post)
        self._tags.extend(map(self._vocabulary.__getitem__, post.tags))
        self._ends.append(len(self._tags))
        self._documents.append(document)
        self._lines.append(line)
        if len(self._posts) >= _PACK or len(self._posts) + self._packed_rows >= self._run:
            self._pack()

    def _pack(self) -> None:
        columns = zip(*map(_values, self._posts), strict=True)
        arrays = [
            pa.array(column, field.type) for column, field in zip(columns, list(_PACKED)[: len(_COLUMNS)], strict=True)
        ]
        tags = pa.ListArray.from_arrays(
            pa.array(self._ends, pa.int32()), pa.array(self._tags, pa.int32()), type=_PACKED.field("tags").type
        )
        arrays += [tags, pa.array(self._documents, pa.int32()), pa.array(self._lines, pa.int64())]
        self._packed.append(pa.table(arrays, schema=_PACKED))
        self._packed_rows += len(self._posts)
        self._posts, self._tags, self._ends, self._documents, self._lines = [], [], [0], [], []
        if self._packed_rows >= self._run:
            self._spill()

    def _spill(self) -> None:
        rows = pa.concat_tables(self._packed)
        self._packed, self._packed_rows = [], 0
        sites = rows["site"].dictionary_encode().combine_chunks()
        if isinstance(sites, pa.ChunkedArray):
            sites = sites.chunk(0)
        numbers = sites.indices.to_numpy()
        ids = rows["id"].to_numpy()
        for number, site in enumerate(sites.dictionary.to_pylist()):
            mine = np.flatnonzero(numbers == number)
            mine = mine[np.argsort(ids[mine], kind="stable")]
            path = self._folder / f"{self._written:06}.arrow"
            self._written += 1
            with disk.failures(path), pa.OSFile(str(path), "wb") as file, pa.ipc.new_file(file, _PACKED) as writer:
                writer.write_table(rows.take(mine).combine_chunks(), max_chunksize=_BATCH)
            self._runs.setdefault(site, []).append(_Run(path, ids[mine]))

    @property
    def sites(self) -> list[str]:
        """The sites that posts came from, sorted; to be asked for after the last post."""
        if self._posts:
            self._pack()
        if self._packed:
            self._spill()
        return sorted(self._runs)

    def tag_counts(self, site: str) -> dict[str, int]:
        """How many posts of a site have a tag, counted while it was merged."""
        counts = self._counts.get(site, np.zeros(0, np.int64))
        return {tag: int(count) for tag, count in zip(self._vocabulary, counts, strict=False) if count}

    def merge(self, site: str, told: Callable[[Duplicate], None]) -> Iterator[Any]:
        """Yield the posts of a site as tables like `posts`, sorted by id; `told` hears of those that came again."""
        runs = self._runs[site]
        ids = np.concatenate([run.ids for run in runs])
        starts = np.cumsum([0, *(len(run.ids) for run in runs)])
        order = np.argsort(ids, kind="stable")
        in_order = ids[order]
        first = np.ones(len(ids), dtype=np.bool_)
        first[1:] = in_order[1:] != in_order[:-1]
        words = pa.array(list(self._vocabulary), pa.string())
        counts = np.zeros(len(words), np.int64)
        at = 0
        while at < len(order):
            end = min(at + ROW_GROUP, len(order))
            end += int(np.argmax(first[end:])) if first[end:].any() else len(order) - end
            rows = _gather(runs, starts, order[at:end])
            kept = rows.filter(pa.array(first[at:end]))
            if kept.num_rows < rows.num_rows:
                _tell(rows, first[at:end], told)
            tags = kept["tags"].combine_chunks()
            tags = tags.chunk(0) if isinstance(tags, pa.ChunkedArray) else tags
            numbers = tags.flatten()
            counts += np.bincount(numbers.to_numpy(), minlength=len(words))
            ends = pa.array(np.cumsum(np.concatenate(([0], tags.value_lengths().to_numpy()))), pa.int32())
            named = pa.ListArray.from_arrays(ends, words.take(numbers), type=_TAGS)
            kept = kept.set_column(kept.schema.get_field_index("tags"), SCHEMAS["posts"].field("tags"), named)
            yield kept.select(SCHEMAS["posts"].names).replace_schema_metadata(SCHEMAS["posts"].metadata)
            at = end
        self._counts[site] = counts


def _gather(runs: list[_Run], starts: npt.NDArray[np.int64], positions: npt.NDArray[np.int64]) -> Any:
    """Take the rows at these positions, which are the next ones of every run that has any."""
    belongs = np.searchsorted(starts, positions, side="right") - 1
    pieces, where, taken = [], np.empty(len(positions), np.int64), 0
    for number in np.unique(belongs):
        mine = belongs == number
        local = positions[mine] - starts[number]
        where[mine] = local - runs[number].taken + taken
        pieces += runs[number].following(len(local))
        taken += len(local)
    return pa.concat_tables(pieces).combine_chunks().take(pa.array(where))


def _tell(rows: Any, first: npt.NDArray[np.bool_], told: Callable[[Duplicate], None]) -> None:
    again = np.flatnonzero(~first)
    kept = np.maximum.accumulate(np.where(first, np.arange(len(first)), 0))[again]
    for original, copy in zip(_rows(rows, kept), _rows(rows, again), strict=True):
        origin = {key: (original.pop(key), copy.pop(key)) for key in ("document", "line")}
        told(
            Duplicate(
                site=copy["site"],
                id=copy["id"],
                document=origin["document"][1],
                line=origin["line"][1],
                kept_document=origin["document"][0],
                kept_line=origin["line"][0],
                identical=original == copy,
            )
        )


def _rows(rows: Any, numbers: npt.NDArray[np.int64]) -> Iterator[dict[str, Any]]:
    for start in range(0, len(numbers), 1_024):
        yield from rows.take(pa.array(numbers[start : start + 1_024])).to_pylist()
