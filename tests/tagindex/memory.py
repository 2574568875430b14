"""A store in memory, made of the rows of a conformance fixture: the simplest thing that answers as an index does."""

from __future__ import annotations

import difflib
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import numpy as np
import numpy.typing as npt
from pyroaring import BitMap

from tagswarm.manifests.records import Category, RatingScheme
from tagswarm.tagindex.store import FLAGS, NUMBERS, TABLES, PoolRow, TagRow, Text

SITE = "danbooru"

_FIELDS = ("original_title", "original_description", "translated_title", "translated_description")
_RENAMED = {"image_width": "width", "image_height": "height"}
_PLURALS = {"note": "notes", "comment": "comments", "pool": "pools", "appeal": "appeals"}


def microseconds(text: str) -> int:
    """A time of a fixture, exactly."""
    moment = datetime.fromisoformat(text).astimezone(UTC)
    whole = int(moment.replace(microsecond=0).timestamp())
    return whole * 1_000_000 + moment.microsecond


def _number(column: str, value: Any) -> int | None:
    if value is None:
        return None
    if column.endswith("_at"):
        return microseconds(value)
    return round(value * 1000) if column == "duration" else int(value)


def _category(kind: str | int) -> Category:
    return Category(kind) if isinstance(kind, int) else Category[kind.upper()]


def _initials(name: str) -> str:
    return "".join(word[0] for word in re.split(r"[ _:;()/-]+", name) if word)


def _glob(pattern: str) -> re.Pattern[str]:
    return re.compile(".*".join(re.escape(part) for part in pattern.split("*")), re.DOTALL)


class MemoryStore:
    """Rows of a fixture as a `Store`: lists and dictionaries, nothing clever.

    Args:
        posts: rows with the keys of a fixture; what is left out is null, and counts of tags are counted.
        tables: more tables that are there though they have no row.
        others: the other keys of a fixture.
    """

    def __init__(
        self,
        posts: Iterable[Mapping[str, Any]],
        *,
        schemes: Iterable[RatingScheme] = (RatingScheme.GSQE_2022,),
        tables: Iterable[str] = (),
        **others: Sequence[Mapping[str, Any]],
    ) -> None:
        self.rows: list[dict[str, Any]] = sorted(
            (self._row(post) for post in posts), key=lambda row: (row["site"], row["id"])
        )
        self.size = len(self.rows)
        self.schemes = frozenset(schemes)
        self._ordinals = {(row["site"], row["id"]): at for at, row in enumerate(self.rows)}
        self._others = {key.removeprefix("post_"): list(rows) for key, rows in others.items()}
        users = any(row.get("uploader") or row.get("approver") for row in self.rows)
        self.tables = frozenset(TABLES) & {*tables, *self._others, *(["users"] if users else [])}
        self._aliases = {
            row["antecedent_name"]: row["consequent_name"]
            for row in self._others.get("tag_aliases", ())
            if row["status"] == "active"
        }
        self._tags = self._dictionary()
        self._columns = {name: [_number(name, row.get(name)) for row in self.rows] for name in NUMBERS}
        self._user_ids()
        self._count_tables()
        self.columns = frozenset(name for name, cells in self._columns.items() if any(v is not None for v in cells))

    @classmethod
    def of(cls, case: Mapping[str, Any]) -> MemoryStore:
        """The store of a conformance case."""
        return cls(**case["fixture"], tables=case["needs"])

    @staticmethod
    def _row(post: Mapping[str, Any]) -> dict[str, Any]:
        row: dict[str, Any] = {"site": SITE, "tags": (), "tag_categories": {}}
        row |= {_RENAMED.get(key, key): value for key, value in post.items()}
        kinds = Counter(_category(row["tag_categories"].get(name, 0)).word for name in row["tags"])
        row.setdefault("tag_count", len(row["tags"]))
        for kind in ("general", "artist", "copyright", "character", "meta"):
            row.setdefault(f"tag_count_{kind}", kinds[kind])
        return row

    def _dictionary(self) -> dict[str, TagRow]:
        counts = Counter(name for row in self.rows for name in row["tags"])
        categories = {name: _category(kind) for row in self.rows for name, kind in row["tag_categories"].items()}
        for row in self._others.get("tags", ()):
            categories[row["name"]] = Category(row["category"])
        return {
            name: TagRow(key, name, categories.get(name, Category.GENERAL), counts[name])
            for key, name in enumerate(
                sorted(counts, key=lambda name: (-counts[name], name)), 1
            )  # as an index has them
        }

    def _user_ids(self) -> None:
        names = sorted({row[role] for row in self.rows for role in ("uploader", "approver") if row.get(role)})
        for role in ("uploader", "approver"):
            if any(row.get(role) for row in self.rows):
                self._columns[f"{role}_id"] = [
                    names.index(row[role]) + 1 if row.get(role) else None for row in self.rows
                ]

    def _posts_of(self, table: str) -> list[tuple[int, Mapping[str, Any]]]:
        rows = []
        for row in self._others.get(table, ()):
            ids = row["post_ids"] if table == "pools" else [row["post_id"]]
            at = (self._ordinals.get((row.get("site", SITE), id_)) for id_ in ids)
            rows += [(post, row) for post in at if post is not None]
        return rows

    def _count_tables(self) -> None:
        for single, table in _PLURALS.items():
            if table not in self.tables:
                continue
            for kind in ("", "active_", "deleted_") if single != "appeal" else ("",):
                self._columns[f"{kind}{single}_count"] = [0] * self.size
            for post, row in self._posts_of(table):
                live = row.get("is_active", True) and not row.get("is_deleted", False)
                self._add(f"{single}_count", post)
                if single != "appeal":
                    self._add(f"{'active' if live else 'deleted'}_{single}_count", post)
        if "pools" in self.tables:
            for kind in ("series", "collection"):
                self._columns[f"{kind}_pool_count"] = [0] * self.size
            for post, row in self._posts_of("pools"):
                self._add(f"{row['category']}_pool_count", post)
        for at, (post, row) in enumerate(self._posts_of("comments")):  # rows of a fixture came one after another
            self._columns["last_commented_at"][post] = at
            if not row.get("do_not_bump_post"):
                self._columns["last_comment_bumped_at"][post] = at
        for at, (post, _) in enumerate(self._posts_of("artist_commentaries")):
            self._columns["commentary_updated_at"][post] = at

    def _add(self, column: str, post: int) -> None:
        self._columns[column][post] = (self._columns[column][post] or 0) + 1

    def _where(self, column: str, value: Any) -> BitMap:
        return BitMap(at for at, row in enumerate(self.rows) if row.get(column) == value)

    def tag(self, name: str) -> TagRow | None:
        return self._tags.get(name)

    def alias(self, name: str) -> str | None:
        return self._aliases.get(name)

    def tags_like(self, pattern: str) -> list[TagRow]:
        matched = [row for row in self._tags.values() if _glob(pattern).fullmatch(row.name)]
        return sorted(matched, key=lambda row: (-row.count, row.name))

    def abbreviated(self, initials: str) -> TagRow | None:
        claimed = {row["name"]: row["post_count"] for row in self._others.get("tags", ())}
        rows = [row for row in self.tags_like("*") if _initials(row.name) == initials]
        return max(rows, key=lambda row: claimed.get(row.name, row.count), default=None)

    def nearest(self, name: str, limit: int = 5) -> list[str]:
        return difflib.get_close_matches(name, sorted({*self._tags, *self._aliases}), limit)

    def posting(self, tag: TagRow) -> BitMap:
        return BitMap(at for at, row in enumerate(self.rows) if tag.name in row["tags"])

    def tag_of(self, key: int) -> TagRow | None:
        return next((row for row in self._tags.values() if row.key == key), None)

    def counts_within(self, posts: BitMap) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
        counts = Counter(self._tags[name].key for at in posts for name in self.rows[at]["tags"])
        return np.array(list(counts), dtype=np.int64), np.array(list(counts.values()), dtype=np.int64)

    def tags_of(self, posts: BitMap) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.uint32]]:
        pairs = sorted((self._tags[name].key, at) for at in posts for name in self.rows[at]["tags"])
        keys, ordinals = ([pair[side] for pair in pairs] for side in (0, 1))
        return np.array(keys, dtype=np.int64), np.array(ordinals, dtype=np.uint32)

    def frequent(self, category: Category) -> Iterator[TagRow]:
        return (row for row in self.tags_like("*") if row.category is category)

    def word(self, column: str, value: str) -> BitMap:
        return self._where(column, value)

    def words(self, column: str) -> list[str]:
        return sorted({row[column] for row in self.rows if row.get(column) is not None})

    def flag(self, column: str) -> BitMap:
        assert column in FLAGS
        return self._where(column, value=True)

    def nulls(self, column: str) -> BitMap:
        if column in {"source", "md5"}:
            return BitMap(at for at, row in enumerate(self.rows) if not row.get(column))
        return BitMap(at for at, value in enumerate(self._cells(column)) if value is None)

    def between(self, column: str, low: int | None, high: int | None) -> BitMap:
        return BitMap(
            at
            for at, value in enumerate(self._cells(column))
            if value is not None and (low is None or value >= low) and (high is None or value <= high)
        )

    def _cells(self, column: str) -> list[int | None]:
        return self._columns.get(column, [None] * self.size)

    def values(self, column: str, posts: BitMap | None = None) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.bool_]]:
        cells = self._cells(column)
        chosen = [cells[at] for at in (range(self.size) if posts is None else posts)]
        nulls = np.array([value is None for value in chosen], dtype=np.bool_)
        return np.array([value or 0 for value in chosen], dtype=np.int64), nulls

    def md5(self, value: str) -> BitMap:
        return self._where("md5", value)

    def md5s(self, posts: BitMap) -> list[str | None]:
        return [self.rows[at].get("md5") for at in posts]

    def sources(self, posts: BitMap | None = None) -> Iterator[tuple[int, str]]:
        for at, row in enumerate(self.rows):
            if row.get("source") and (posts is None or at in posts):
                yield at, row["source"]

    def pools(self) -> Iterator[PoolRow]:
        for row in sorted(self._others.get("pools", ()), key=lambda row: int(row["id"])):
            ids = (self._ordinals.get((row.get("site", SITE), id_)) for id_ in row["post_ids"])
            posts = tuple(at for at in ids if at is not None)
            yield PoolRow(row["id"], row["name"], row["category"], row["is_deleted"], posts)

    def texts(self, table: str) -> Iterator[Text]:
        for post, row in sorted(self._posts_of(table), key=lambda found: found[0]):
            if table == "artist_commentaries":
                yield Text(post, tuple(row[name] for name in _FIELDS))
            else:
                active = bool(row.get("is_active", True)) and not row.get("is_deleted", False)
                yield Text(post, (row["body"],), active)

    def users(self, column: str, name: str) -> BitMap:
        return BitMap(at for at, row in enumerate(self.rows) if (row.get(column) or "").lower() == name.lower())
