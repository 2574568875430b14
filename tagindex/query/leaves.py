"""The leaves of a query: what each condition selects of a store.

Nothing here walks a tree; the conditions that hold one, of parents and children, are answered by `evaluate`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from pyroaring import BitMap

from tagswarm.tagindex.bitmaps import everything, from_mask
from tagswarm.tagindex.late import np
from tagswarm.tagindex.store import Store

from .conditions import (
    By,
    ChildIs,
    Commented,
    Compare,
    Condition,
    Flag,
    InPool,
    Mentions,
    ParentIs,
    Source,
    Tagged,
    Words,
)
from .derived import between, missing, numbers
from .order import pool_matches
from .sets import Posts, union
from .texts import glob, matcher
from .values import AnyOf, Between, Eq, In, IsNull, NotNull, Number, Range

LISTED = 16
"""Numbers of a list that are looked up one by one; for more, the column is read once."""

ANYWHERE = 1 << 40
"""The guess for what reads every text, source or pool: more than all posts, so that it is done last."""


@dataclass(frozen=True, slots=True)
class Leaves:
    """Answers conditions from a store."""

    store: Store

    def guess(self, condition: Condition) -> int:
        """About how many posts a condition selects, without reading a posting list."""
        match condition:
            case Compare(column="id" | "md5", range=Eq()):
                return 1
            case Compare(column="id" | "md5", range=In(values=values)):
                return len(values)
            case Tagged(tags=tags):
                return min(sum(row.count for row in tags), self.store.size) + len(tags)
            case Words() | Flag():
                return self.store.size // 4
            case Compare():
                return self.store.size  # a column costs more than a posting list: let those narrow it down
            case _:
                return ANYWHERE

    def select(self, condition: Condition, *, negated: bool = False, within: BitMap | None = None) -> Posts:
        """The posts for which a condition is true, or false; right for those `within`."""
        if isinstance(condition, Compare):
            return self._compare(condition, within, negated=negated)
        return Posts(self._condition(condition, within), negated)

    def _compare(self, compare: Compare, within: BitMap | None, *, negated: bool) -> Posts:
        match compare.range:
            case IsNull():
                return Posts(self._missing(compare.column, within), negated)
            case NotNull():
                return Posts(self._missing(compare.column, within), not negated)
        found = self._in_range(compare.column, compare.range, within)
        if negated and _doubtful(compare.range):
            found = found | self._missing(compare.column, within)
        return Posts(found, negated)

    def _missing(self, column: str, within: BitMap | None) -> BitMap:
        return self.store.nulls("md5") if column == "md5" else missing(self.store, column, within)

    def _in_range(self, column: str, wanted: Range, within: BitMap | None) -> BitMap:
        match wanted:
            case Eq(value=str(digest)):
                return self.store.md5(digest)
            case Eq(value=value):
                return between(self.store, column, int(value), int(value), within) if _fits(value) else BitMap()
            case Between(low=low, high=high):
                return between(self.store, column, _whole(low), _whole(high), within)
            case In(values=values) if column == "md5":
                return union(self.store.md5(str(value)) for value in values)
            case In(values=values) if len(values) > LISTED:
                found, nulls = numbers(self.store, column, within)
                listed = np.array([int(value) for value in values if _fits(value)], dtype=np.int64)
                return from_mask(np.isin(found, listed) & ~nulls, within)
            case In(values=values):
                return union(self._in_range(column, Eq(value), within) for value in values)
            case AnyOf(ranges=ranges):
                return union(self._in_range(column, item, within) for item in ranges)
            case IsNull():
                return self._missing(column, within)
        return everything(self.store.size) - self._missing(column, within)

    def _condition(self, condition: Condition, within: BitMap | None) -> BitMap:
        store = self.store
        match condition:
            case Words(column=column, words=words):
                return union(store.word(column, word) for word in words)
            case Flag(column=column):
                return store.flag(column)
            case Tagged(tags=tags):
                return union((store.posting(row) for row in tags), within)
            case Source(pattern=pattern):
                if pattern is None:
                    return store.nulls("source")
                like = glob(pattern)
                return BitMap([post for post, source in store.sources(within) if like(source)])
            case InPool() as wanted:
                return union(BitMap(pool.posts) for pool in store.pools() if pool_matches(pool, wanted))
            case Mentions(table=table, text=text):
                matches = matcher(text)
                return BitMap([text.post for text in store.texts(table) if matches(text.fields)])
            case Commented(kind=kind):
                rows = store.texts("artist_commentaries")
                return BitMap([text.post for text in rows if _COMMENTARIES[kind](text.fields)])
            case By(column=column, name=name):
                return store.users(column, name)
            case Compare() | ParentIs() | ChildIs():
                raise AssertionError(condition)  # answered elsewhere: with its nulls, with the tree


def _whole(end: Number | None) -> int | None:
    return None if end is None else int(end)


def _fits(value: Number | str) -> bool:
    return -(1 << 63) <= int(value) < 1 << 63


def _doubtful(wanted: Range) -> bool:
    """Whether an absent value makes a comparison unknown, and not false."""
    if isinstance(wanted, AnyOf):
        return any(map(_doubtful, wanted.ranges))
    return isinstance(wanted, Between | In)


def _translated(fields: Sequence[str]) -> bool:
    return any(fields[2:])


_COMMENTARIES: dict[str, Callable[[Sequence[str]], bool]] = {
    "any": any,
    "translated": _translated,
    "untranslated": lambda fields: any(fields[:2]) and not _translated(fields),
}
