"""The sets of an open index: the posts of tags, words and flags, and the tags of posts."""

from __future__ import annotations

from collections.abc import Iterator

from pyroaring import BitMap

from tagswarm.manifests.errors import InvalidDocument

from .bitmaps import to_ordinals
from .format import LISTED
from .late import np, npt
from .opened import Opened, told
from .packing import Numbers
from .postings import NUMBER, decode, read_segment, ungap
from .store import Ordinals, TagRow
from .vocabulary import plain


class Members(Opened):
    """The posts that are in something."""

    @told
    def posting(self, tag: TagRow) -> BitMap:
        """The posts that have a tag."""
        row = self.database.execute(
            "SELECT first FROM posting WHERE first <= ? ORDER BY first DESC LIMIT 1", (tag.key,)
        ).fetchone()
        if row is None:
            raise InvalidDocument(f"the index has no posts of the tag {tag.name}")
        place = tag.key - row[0]
        with self.database.blob_open("main", "posting", "data", row[0], writeable=False) as blob:
            (count,) = NUMBER.unpack(blob.read(NUMBER.size))
            if place >= count:
                raise InvalidDocument(f"the index has no posts of the tag {tag.name}")
            skipped = max(place - 1, 0)
            blob.seek(NUMBER.size * (1 + skipped))
            head = blob.read(NUMBER.size * (place - skipped + 1))
            (end,) = NUMBER.unpack_from(head, len(head) - NUMBER.size)
            start = NUMBER.unpack_from(head)[0] if place else 0
            lists = NUMBER.size * (1 + count)
            if not start <= end <= blob.length() - lists:
                raise InvalidDocument(f"the posts of the tag {tag.name} are damaged")
            blob.seek(lists + start)
            data = blob.read(end - start)
        return decode(data, tag.count)

    @told
    def counts_within(self, posts: BitMap, limit: int | None = None) -> tuple[npt.NDArray[np.int64], Numbers]:
        """How many of these posts have each tag: keys and numbers of the tags that any has, by falling number.

        Args:
            posts: a set of posts.
            limit: look at this many tags only, the most frequent of the release.
        """
        member = np.zeros(self.size, np.bool_)
        member[to_ordinals(posts)] = True
        keys: list[Numbers] = [np.empty(0, np.int64)]
        numbers: list[Numbers] = [np.empty(0, np.int64)]
        for first, lists, counts in self._segments(limit):
            found = np.zeros(len(lists), np.int64)
            short = counts <= LISTED
            for place in np.flatnonzero(~short).tolist():
                found[place] = posts.intersection_cardinality(decode(lists[place], int(counts[place])))
            if short.any():
                chosen = [lists[place] for place in np.flatnonzero(short).tolist()]
                inside = member[ungap(b"".join(chosen), counts[short], np.array([len(part) for part in chosen]))]
                starts = np.cumsum(counts[short]) - counts[short]
                found[short] = np.add.reduceat(inside.astype(np.int64), starts)
            some = np.flatnonzero(found)
            keys.append(some + first)
            numbers.append(found[some])
        key, number = np.concatenate(keys), np.concatenate(numbers)
        order = np.lexsort((key, -number))
        return key[order], number[order]

    @told
    def tags_of(self, posts: BitMap) -> tuple[Numbers, Ordinals]:
        """The pairs of a tag and a post of these posts: keys and ordinals, sorted by key and ordinal."""
        member = np.zeros(self.size, np.bool_)
        member[to_ordinals(posts)] = True
        keys: list[Numbers] = [np.empty(0, np.int64)]
        ordinals: list[Ordinals] = [np.empty(0, np.uint32)]
        for first, lists, counts in self._segments(None):
            short = counts <= LISTED
            for place in np.flatnonzero(~short).tolist():
                held = to_ordinals(posts & decode(lists[place], int(counts[place])))
                keys.append(np.full(len(held), first + place, np.int64))
                ordinals.append(held)
            if short.any():
                chosen = [lists[place] for place in np.flatnonzero(short).tolist()]
                every = ungap(b"".join(chosen), counts[short], np.array([len(part) for part in chosen]))
                inside = member[every]
                keys.append(np.repeat(np.flatnonzero(short) + first, counts[short])[inside])
                ordinals.append(every[inside])
        return np.concatenate(keys), np.concatenate(ordinals)

    def _segments(self, limit: int | None) -> Iterator[tuple[int, list[memoryview], Numbers]]:
        """The first key, the lists and the numbers of posts of each segment, up to a number of tags."""
        most = limit if limit is not None else int(self.facts.get("tags", "0"))
        seen = 0
        for first, data in self.database.execute("SELECT first, data FROM posting WHERE first <= ?", (most,)):
            lists = read_segment(data)[: most - first + 1]
            rows = self.database.execute(
                "SELECT count FROM tag WHERE key >= ? AND key < ? ORDER BY key", (first, first + len(lists))
            )
            counts = np.fromiter((count for (count,) in rows), np.int64)
            if len(counts) != len(lists):
                raise InvalidDocument("the index has posts of tags that the dictionary does not have")
            yield first, lists, counts
            seen += len(lists)
        if seen < min(most, int(self.facts.get("tags", "0"))):
            raise InvalidDocument("the index lacks the posts of some tags")

    @told
    def words(self, column: str) -> list[str]:
        """The words that some post has in a column, sorted."""
        rows = self.database.execute("SELECT value FROM word WHERE column = ? ORDER BY value", (column,))
        return [value for (value,) in rows]

    @told
    def word(self, column: str, value: str) -> BitMap:
        """The posts with this word in a column."""
        return self.set_of("SELECT posts FROM word WHERE column = ? AND value = ?", column, plain(value)) or BitMap()

    @told
    def flag(self, column: str) -> BitMap:
        """The posts with a flag."""
        return self.set_of("SELECT posts FROM flag WHERE column = ?", column) or BitMap()
