"""One pass over the table of posts: everything of a post that the index holds, a chunk of 65,536 posts at a time.

Nothing here writes: chunks and pairs are handed on as they come, the sets of posts are kept until the end.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from pyroaring import BitMap

from tagswarm.manifests import tables
from tagswarm.manifests.errors import InvalidDocument
from tagswarm.manifests.records import Category

from .bitmaps import from_ordinals
from .columns import Mask, NumberColumn
from .dictionary import Dictionary
from .format import CHUNK, SOURCES
from .packing import Numbers, pack, pack_texts
from .pairs import Pairs
from .store import FLAGS, NUMBERS, WORDS

_COUNTED = {
    "tag_count_general": Category.GENERAL,
    "tag_count_artist": Category.ARTIST,
    "tag_count_copyright": Category.COPYRIGHT,
    "tag_count_character": Category.CHARACTER,
    "tag_count_meta": Category.META,
}
NEVER_NULL = frozenset({"id", "tag_count", *_COUNTED})
_TIMES = frozenset(
    {"created_at", "updated_at", "last_commented_at", "last_comment_bumped_at", "last_noted_at"} & set(NUMBERS)
)
_STORED = [name for name in NUMBERS if name in set(tables.SCHEMAS["posts"].names)]
_READ = [*dict.fromkeys([*WORDS, "rating_scheme", *_STORED, *FLAGS, "source", "md5", "tags"])]
_MOST_DURATION = 1 << 53
"""Milliseconds; a longer one is none."""


class Place:
    """Where the posts of a release are: (site, id) to ordinals. 8 bytes a post."""

    def __init__(self, sites: dict[str, tuple[int, int]], ids: Numbers) -> None:
        self.sites, self.ids = sites, ids
        """First ordinal and number of posts of each site; the ids of all posts."""

    @classmethod
    def read(cls, metadata: Path) -> Place:
        """Read the names of all posts.

        Raises:
            InvalidDocument: they are not sorted by site and id.
        """
        parts: list[Numbers] = [np.empty(0, np.int64)]
        sites: dict[str, tuple[int, int]] = {}
        size = 0
        path = metadata / tables.file_name("posts")
        for batch in tables.read_batches(path, ["site", "id"], table="posts", rows=CHUNK):
            ids = batch["id"].to_numpy()
            runs = pc.run_end_encode(batch["site"])
            start = 0
            for site, end in zip(runs.values.to_pylist(), runs.run_ends.to_pylist(), strict=True):
                if site not in sites and sites and site < next(reversed(sites)):
                    raise _unsorted(path, site, int(ids[start]))
                if site in sites and site != next(reversed(sites)):
                    raise _unsorted(path, site, int(ids[start]))
                first, posts = sites.get(site, (size + start, 0))
                sites[site] = first, posts + end - start
                start = end
            parts.append(ids)
            size += len(ids)
        place = cls(sites, np.concatenate(parts))
        for site, (first, posts) in sites.items():
            steps = np.diff(place.ids[first : first + posts]) > 0
            if not steps.all():
                raise _unsorted(path, site, int(place.ids[first + 1 + int(np.argmin(steps))]))
        return place

    @property
    def size(self) -> int:
        """How many posts there are."""
        return len(self.ids)

    def ordinals(self, site: str, ids: Numbers) -> tuple[npt.NDArray[np.int64], Mask]:
        """The ordinals of posts of a site, and which of them the release has."""
        first, posts = self.sites.get(site, (0, 0))
        mine = self.ids[first : first + posts]
        at = np.searchsorted(mine, ids)
        known = at < posts
        known[known] = mine[at[known]] == ids[known]
        return first + at, known


def _unsorted(path: Path, site: str, number: int) -> InvalidDocument:
    return InvalidDocument(
        f"{path}: {site} {number} is out of order", hint="Build the release again: the table is written sorted."
    )


@dataclass(slots=True)
class Scan:
    """What one pass has found: sets by column, and the MD5s."""

    size: int = 0
    schemes: set[str] = field(default_factory=set)
    words: dict[tuple[str, str], BitMap] = field(default_factory=dict)
    flags: dict[str, BitMap] = field(default_factory=lambda: {name: BitMap() for name in FLAGS})
    nulls: dict[str, BitMap] = field(default_factory=lambda: {"source": BitMap(), "md5": BitMap()})
    numbers: dict[str, NumberColumn] = field(default_factory=dict)
    users: dict[str, set[int]] = field(default_factory=dict)
    """Ids of uploaders and approvers, by site."""
    digests: list[bytes] = field(default_factory=list)
    holders: list[npt.NDArray[np.uint32]] = field(default_factory=list)
    """Ordinals of the posts the digests belong to."""

    def chunk(
        self, rows: Any, dictionary: Dictionary, pairs: Pairs, more: Mapping[str, tuple[Numbers, Mask | None]]
    ) -> Iterator[tuple[str, bytes]]:
        """Take the next chunk of posts; yield the name and the bytes of each column that has numbers in it.

        Args:
            rows: a table of the columns of `_READ`.
            dictionary: the tags.
            pairs: receives the tags of the posts.
            more: columns that do not come from the posts, whole.
        """
        first, self.size = self.size, self.size + len(rows)
        self._sets(rows, first)
        self._digests(rows["md5"], first)
        counts = self._tags(rows["tags"], first, dictionary, pairs)
        for name in _STORED:
            yield from self._number(name, *_numbers(name, rows[name]))
        for name, numbers in counts.items():
            yield from self._number(name, numbers, None)
        for name, (values, null) in more.items():
            part = slice(first, self.size)
            yield from self._number(name, values[part], None if null is None else null[part])

    def _number(self, name: str, values: Numbers, null: Mask | None) -> Iterator[tuple[str, bytes]]:
        data = self.numbers.setdefault(name, NumberColumn()).add(values, null)
        if data is not None:
            yield name, data

    def _sets(self, rows: Any, first: int) -> None:
        self.schemes.update(pc.unique(rows["rating_scheme"]).to_pylist())
        for column in WORDS:
            encoded = pc.dictionary_encode(rows[column])
            numbers = pc.fill_null(encoded.indices, -1).to_numpy(zero_copy_only=False)
            for number, value in enumerate(encoded.dictionary.to_pylist()):
                found = from_ordinals(np.flatnonzero(numbers == number) + first)
                self.words[column, value] = self.words.get((column, value), BitMap()) | found
        for column in FLAGS:
            yes = pc.fill_null(rows[column], False).to_numpy(zero_copy_only=False)
            self.flags[column] |= from_ordinals(np.flatnonzero(yes) + first)
        for site in pc.unique(rows["site"]).to_pylist():
            mine = rows.filter(pc.equal(rows["site"], site))
            known = self.users.setdefault(site, set())
            for column in ("uploader_id", "approver_id"):
                known.update(pc.unique(mine[column].drop_null()).to_pylist())

    def _digests(self, column: Any, first: int) -> None:
        held = np.flatnonzero(pc.is_valid(column).to_numpy(zero_copy_only=False))
        null = np.flatnonzero(pc.is_null(column).to_numpy(zero_copy_only=False))
        self.nulls["md5"] |= from_ordinals(null + first)
        texts = column.drop_null().to_pylist()
        try:
            data = bytes.fromhex("".join(texts))
        except ValueError as failure:
            raise InvalidDocument(f"posts.parquet: an MD5 of the posts {first} to {self.size} is no MD5") from failure
        if len(data) != 16 * len(texts) or any(len(text) != 32 for text in texts):
            raise InvalidDocument(f"posts.parquet: an MD5 of the posts {first} to {self.size} is no MD5")
        self.digests.append(data)
        self.holders.append((held + first).astype(np.uint32))

    def _tags(self, column: Any, first: int, dictionary: Dictionary, pairs: Pairs) -> dict[str, Numbers]:
        lengths = pc.list_value_length(column).to_numpy()
        keys = dictionary.keys(column.flatten())
        rows = np.repeat(np.arange(len(lengths), dtype=np.uint32), lengths)
        pairs.add(keys, rows + np.uint32(first))
        categories = dictionary.categories[keys]
        counts = {
            name: np.bincount(rows[categories == category.value], minlength=len(lengths)).astype(np.int64)
            for name, category in _COUNTED.items()
        }
        return {**counts, "tag_count": lengths.astype(np.int64)}

    def sources(self, column: Any, first: int) -> Iterator[tuple[int, bytes]]:
        """Take the sources of a chunk; yield the number and the bytes of each block that has one."""
        null = pc.is_null(column).to_numpy(zero_copy_only=False)
        self.nulls["source"] |= from_ordinals(np.flatnonzero(null) + first)
        for start in range(0, len(column), SOURCES):
            part = column.slice(start, SOURCES)
            held = np.flatnonzero(~null[start : start + SOURCES])
            if len(held):
                texts = part.drop_null().to_pylist()
                yield (first + start) // SOURCES, pack(held) + pack_texts(texts)

    def md5s(self) -> Iterator[tuple[int, bytes]]:
        """Yield the MD5s by their first byte, sorted: the ordinals of the posts, and the other 15 bytes of each."""
        digests = np.frombuffer(b"".join(self.digests), ">u8").reshape(-1, 2)
        holders = np.concatenate([np.empty(0, np.uint32), *self.holders])
        self.digests.clear()
        self.holders.clear()
        order = np.lexsort((digests[:, 1].astype(np.uint64), digests[:, 0].astype(np.uint64)))
        firsts = (digests[order, 0] >> np.uint64(56)).astype(np.uint8)
        for first, mine in zip(*_groups(firsts, order), strict=True):
            rest = np.ascontiguousarray(digests[mine]).view(np.uint8).reshape(-1, 16)[:, 1:]
            yield int(first), pack(holders[mine]) + rest.tobytes()


def _groups(
    sorted_keys: npt.NDArray[np.uint8], values: npt.NDArray[np.intp]
) -> tuple[list[int], list[npt.NDArray[np.intp]]]:
    keys, starts = np.unique(sorted_keys, return_index=True)
    return keys.tolist(), np.split(values, starts[1:]) if len(keys) else []


def _numbers(name: str, column: Any) -> tuple[Numbers, Mask | None]:
    """The numbers of a column of the table, and where there are none."""
    if name == "duration":
        seconds = pc.fill_null(column, np.inf).to_numpy(zero_copy_only=False)
        null = ~(np.abs(seconds) < _MOST_DURATION / 1_000)
        return np.rint(np.where(null, 0, seconds) * 1_000).astype(np.int64), null
    null = pc.is_null(column).to_numpy(zero_copy_only=False)
    whole = column.cast(pa.int64()) if name not in _TIMES else column.cast(pa.timestamp("us")).cast(pa.int64())
    return pc.fill_null(whole, 0).to_numpy(zero_copy_only=False), null


def chunks(metadata: Path) -> Iterator[Any]:
    """Yield the posts of a release in tables of 65,536, each column one array; the last one is shorter."""
    waiting: list[Any] = []
    rows = 0
    path = metadata / tables.file_name("posts")
    for batch in tables.read_batches(path, _READ, table="posts", rows=CHUNK):
        waiting.append(pa.table(batch))
        rows += batch.num_rows
        while rows >= CHUNK:
            table = pa.concat_tables(waiting)
            yield _whole(table.slice(0, CHUNK))
            waiting, rows = [table.slice(CHUNK)], rows - CHUNK
    if rows:
        yield _whole(pa.concat_tables(waiting))


def _whole(table: Any) -> Any:
    return table.combine_chunks().to_batches()[0]
