"""What stands beside the posts: pools, notes, comments, commentaries and users, as rows of the index and as counts.

The tables are read here; nothing here opens the index. Rows about posts that the release does not have are left out.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import groupby, islice
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from tagswarm.manifests import tables

from .columns import Mask
from .format import FIELDS, TEXTS
from .packing import Numbers, pack, pack_texts
from .posts import Place
from .vocabulary import folded

_POOL = ("site", "id", "name", "category", "is_deleted", "post_ids")
_POOL_COUNTS = (
    "pool_count",
    "active_pool_count",
    "deleted_pool_count",
    "series_pool_count",
    "collection_pool_count",
)
_TEXT = {
    "notes": ("body",),
    "comments": ("body",),
    "artist_commentaries": ("original_title", "original_description", "translated_title", "translated_description"),
}
_FLAG = {"notes": "is_active", "comments": "is_deleted"}
_COUNT = {"notes": "note_count", "comments": "comment_count"}
_FILES = 1 << 16
"""Files whose posts are looked for at a time."""
COMMENTARY_UPDATED = "commentary_updated_at"
"""Microseconds since 1970 UTC at which the commentary of a post changed last."""

Column: TypeAlias = "tuple[Numbers, Mask | None]"
Counts = npt.NDArray[np.int64]


class Annotations:
    """Reads the tables beside the posts, each once; `columns` holds the counts of those that were read."""

    def __init__(self, metadata: Path, place: Place) -> None:
        self._metadata, self._place = metadata, place
        self.columns: dict[str, Column] = {}
        self.tables: list[str] = []
        """Which of the tables the release has."""

    def _path(self, table: str) -> Path:
        return self._metadata / tables.file_name(table)

    def _has(self, table: str) -> bool:
        return self._path(table).exists()

    def pools(self) -> Iterator[tuple[int, str, int, str, str, bool, bytes]]:
        """Yield number, site, id, name, category, whether it is deleted, and the ordinals of every pool."""
        if not tables.count_rows(self._path("pools"), "pools"):
            return
        self.tables.append("pools")
        counts = {name: np.zeros(self._place.size, np.int64) for name in _POOL_COUNTS}
        number = 0
        for batch in tables.read_batches(self._path("pools"), _POOL, table="pools"):
            for row in zip(*(batch[column].to_pylist() for column in _POOL), strict=True):
                site, key, name, category, deleted, post_ids = row
                at, known = self._place.ordinals(site, np.array(post_ids, np.int64))
                posts = at[known]
                own = np.unique(posts)
                kinds = ["pool_count", "deleted_pool_count" if deleted else "active_pool_count"]
                kinds += [f"{category}_pool_count"] if category in ("series", "collection") else []
                for kind in kinds:
                    counts[kind][own] += 1
                number += 1
                yield number, site, key, name or "", category or "", bool(deleted), pack(posts)
        self.columns.update((name, (values, None)) for name, values in counts.items())

    def texts(self) -> Iterator[tuple[str, bytes]]:
        """Yield the table and the bytes of each block of texts, table by table, sorted by post and then by id."""
        for table in FIELDS:
            if self._has(table):
                self.tables.append(table)
                yield from ((table, block) for block in self._blocks(table))

    def _blocks(self, table: str) -> Iterator[bytes]:
        columns = ["site", "post_id", *_TEXT[table], *([_FLAG[table]] if table in _FLAG else ["updated_at"])]
        batches = list(tables.read_batches(self._path(table), columns, table=table))
        if not batches:
            self._count(table, np.empty(0, np.int64), np.empty(0, np.bool_))
            return
        rows = pa.Table.from_batches(batches)
        texts = rows.select(_TEXT[table])
        posts, kept = self._posts(rows)
        order = kept[np.argsort(posts, kind="stable")]
        posts = np.sort(posts, kind="stable")
        active = np.ones(len(posts), np.bool_)
        if table in _FLAG:
            said = pc.fill_null(rows[_FLAG[table]], table == "notes").to_numpy()
            active = (said if table == "notes" else ~said)[order]
        self._count(table, posts, active)
        if table == "artist_commentaries":
            self._changed(posts, rows["updated_at"].take(pa.array(order)))
        for start in range(0, len(posts), TEXTS):
            part = slice(start, start + TEXTS)
            taken = texts.take(pa.array(order[part]))
            fields = zip(*(pc.fill_null(column, "").to_pylist() for column in taken.columns), strict=True)
            flat = [text for row in fields for text in row]
            yield pack(posts[part]) + pack(active[part].astype(np.int64)) + pack_texts(flat)

    def _posts(self, rows: Any) -> tuple[Numbers, npt.NDArray[np.intp]]:
        """The ordinals of the rows whose posts the release has, and which rows these are."""
        found = np.full(len(rows), -1, np.int64)
        sites, ids = rows["site"].combine_chunks(), rows["post_id"].to_numpy()
        for site in self._place.sites:
            mine = np.flatnonzero(pc.equal(sites, site).to_numpy(zero_copy_only=False))
            at, known = self._place.ordinals(site, ids[mine])
            found[mine[known]] = at[known]
        kept = np.flatnonzero(found >= 0)
        return found[kept], kept

    def _count(self, table: str, posts: Numbers, active: Mask) -> None:
        if table not in _COUNT:
            return
        size, name = self._place.size, _COUNT[table]
        for prefix, chosen in (("", posts), ("active_", posts[active]), ("deleted_", posts[~active])):
            self.columns[prefix + name] = np.bincount(chosen, minlength=size).astype(np.int64), None

    def _changed(self, posts: Numbers, times: Any) -> None:
        held = pc.is_valid(times).to_numpy()
        values = np.full(self._place.size, np.iinfo(np.int64).min, np.int64)
        moments = pc.fill_null(times.cast(pa.int64()), 0).to_numpy()
        np.maximum.at(values, posts[held], moments[held])
        null = values == np.iinfo(np.int64).min
        values[null] = 0
        self.columns[COMMENTARY_UPDATED] = values, null

    def users(self, needed: Mapping[str, set[int]]) -> Iterator[tuple[str, int, str, str]]:
        """Yield site, id, name, and the name as it is searched for, of the users that posts name."""
        if not self._has("users"):
            return
        self.tables.append("users")
        columns = ["site", "id", "name"]
        for batch in tables.read_batches(self._path("users"), columns, table="users"):
            for site, number, name in zip(*(batch[column].to_pylist() for column in columns), strict=True):
                if number in needed.get(site, ()):
                    yield site, number, name, folded(name)


def sizes(place: Place, files: Iterable[tuple[str, int, int]]) -> Column:
    """The bytes of the files of each post, of site, id and bytes of each file; null where a post has none."""
    values = np.zeros(place.size, np.int64)
    null = np.ones(place.size, np.bool_)
    for site, rows in groupby(files, key=lambda row: row[0]):
        while block := list(islice(rows, _FILES)):
            numbers = np.array([row[1:] for row in block], np.int64)
            at, known = place.ordinals(site, numbers[:, 0])
            np.add.at(values, at[known], numbers[known, 1])
            null[at[known]] = False
    return values, null
