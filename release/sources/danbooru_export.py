"""Danbooru's own export of 2021 and later: a table a document, one JSON object a line, often in shards or a tar.

Native numbers and booleans, though BigQuery writes 64-bit numbers as texts; a column that is null may be absent from a
row, and rows of banned posts have no id. The four texts `tag_string_*` give the categories of the tags.

Addresses and counts that follow from other columns are dropped: the raw dump lies beside the release. What else no
column takes stays in `extra`. Source: danbooru/danbooru `bigquery_export_service.rb`; gwern.net/danbooru2021.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from tagswarm.manifests.records import Alias, Category, Implication, Pool, Post, Record, Tag

from . import beside, fields
from .base import Malformed, Reader, Row, TableNames
from .json_rows import json_rows
from .stream import Document

CATEGORIES = (
    (Category.GENERAL, "tag_string_general"),
    (Category.ARTIST, "tag_string_artist"),
    (Category.COPYRIGHT, "tag_string_copyright"),
    (Category.CHARACTER, "tag_string_character"),
    (Category.META, "tag_string_meta"),
)
_COLUMNS = fields.keys(
    "id created_at updated_at uploader_id approver_id score up_score down_score fav_count source md5 rating "
    "image_width image_height file_ext file_size duration tag_string parent_id has_children is_pending "
    "is_flagged is_deleted is_banned pixiv_id bit_flags last_commented_at last_comment_bumped_at last_noted_at"
) | {key for _, key in CATEGORIES}
_DERIVED = fields.keys(
    "tag_count tag_count_general tag_count_artist tag_count_copyright tag_count_character tag_count_meta "
    "has_active_children has_visible_children has_large file_url large_file_url preview_file_url"
)
KNOWN = _COLUMNS | _DERIVED
_EMBEDDED_NOTES = 1


def down_score(row: Mapping[str, Any], key: str = "down_score") -> int | None:
    """Give the score of votes against as a number that is negative or zero, whatever sign it is written with."""
    value = fields.score(row, key)
    return -abs(value) if value is not None else None


def category(number: int | None) -> Category:
    """Give a category of Danbooru by its number."""
    return Category(number) if number in (0, 1, 3, 4, 5) else Category.UNKNOWN


class DanbooruExport(Reader):
    """Reads posts, tags, tag_aliases, tag_implications, pools, and the tables beside the posts by their names."""

    beside = True
    _table: str | None = None
    _beside: str | None = None

    def begin(self, document: Document) -> bool:
        """Learn from the name which table follows; rows alone do not tell aliases from implications."""
        self._table = TableNames.of(document.name)
        self._beside = TableNames.beside(document.name)
        return super().begin(document)

    def rows(self, document: Document) -> Iterator[Row]:
        """Cut JSON of any arrangement."""
        return json_rows(document)

    def records(self, row: Mapping[str, Any]) -> Iterable[Record | Malformed]:
        """Read a row of the table that its keys or the name of the document tell."""
        if self._beside is not None:
            return [beside.READ[self._beside](self.site, row)]
        if "tag_string" in row or "rating" in row:
            return self.post(row)
        if "antecedent_name" in row:
            return [self.relation(row)]
        if "post_ids" in row:
            return [self.pool(row)]
        if "name" in row and ("post_count" in row or "category" in row):
            return [self.tag(row)]
        if self._table == "posts" and ("id" in row or "md5" in row or "file_ext" in row):
            return self.post(row)
        raise Malformed("unknown-table", f"keys {', '.join(sorted(row)[:12])}")

    def post(self, row: Mapping[str, Any]) -> list[Record | Malformed]:
        """Read a post, and the tags whose category it is the first to tell."""
        by_category = [(kind, fields.names(row, key)) for kind, key in CATEGORIES if row.get(key)]
        found = [name for _, names in by_category for name in names]
        tags = fields.tags(found)
        # nearly every row has the tags of its categories, sorted: one comparison tells, and saves a second split
        if len(tags) < len(found) or " ".join(tags) != row.get("tag_string", ""):
            found = fields.names(row, "tag_string") or found
            tags = fields.tags(found)
        rating, finding = fields.rating(row, "rating", self.scheme)
        bits = fields.integer(row, "bit_flags")
        extra = (
            fields.leftover(row, KNOWN) if bits is None or bits <= _EMBEDDED_NOTES else fields.leftover(row, _NO_FLAGS)
        )
        post = Post(
            site=self.site,
            id=fields.identifier(row),
            rating_scheme=self.scheme,
            rating=rating,
            created_at=fields.instant(row, "created_at"),
            updated_at=fields.instant(row, "updated_at"),
            uploader_id=fields.integer(row, "uploader_id"),
            approver_id=fields.integer(row, "approver_id"),
            score=fields.score(row, "score"),
            up_score=fields.score(row, "up_score"),
            down_score=down_score(row),
            fav_count=fields.count(row, "fav_count"),
            source=fields.text(row, "source"),
            md5=fields.md5(row),
            width=fields.count(row, "image_width"),
            height=fields.count(row, "image_height"),
            file_ext=fields.extension(row),
            file_size=fields.size(row, "file_size"),
            duration=fields.number(row, "duration"),
            parent_id=fields.reference(row, "parent_id"),
            has_children=fields.flag(row, "has_children"),
            is_pending=fields.flag(row, "is_pending"),
            is_flagged=fields.flag(row, "is_flagged"),
            is_deleted=fields.flag(row, "is_deleted"),
            is_banned=fields.flag(row, "is_banned"),
            pixiv_id=fields.reference(row, "pixiv_id"),
            has_embedded_notes=bool(bits & _EMBEDDED_NOTES) if bits is not None else None,
            last_commented_at=fields.instant(row, "last_commented_at"),
            last_comment_bumped_at=fields.instant(row, "last_comment_bumped_at"),
            last_noted_at=fields.instant(row, "last_noted_at"),
            tags=tags,
            duplicate_tags=len(found) - len(tags),
            extra=extra,
        )
        # only of a post that could be read: a category told by a rejected row would be told by no record
        records: list[Record | Malformed] = [post]
        for kind, names in by_category:
            records += self.categorise(kind, names)
        if finding is not None:
            records.append(finding)
        return records

    def tag(self, row: Mapping[str, Any]) -> Tag:
        """Read a row of the table of tags; its count is a claim."""
        return Tag(
            site=self.site,
            name=fields.name(row, "name"),
            category=category(fields.integer(row, "category")),
            claimed_count=fields.size(row, "post_count"),
        )

    def relation(self, row: Mapping[str, Any]) -> Alias | Implication:
        """Read an alias or an implication, told apart by the name of the document."""
        if self._table not in ("aliases", "implications"):
            detail = "the name of the file must hold aliases or implications: the rows do not tell which they are"
            raise Malformed("unknown-table", detail)
        make = Alias if self._table == "aliases" else Implication
        return make(
            site=self.site,
            antecedent=fields.name(row, "antecedent_name"),
            consequent=fields.name(row, "consequent_name"),
            status=fields.text(row, "status") or "active",
            created_at=fields.instant(row, "created_at"),
        )

    def pool(self, row: Mapping[str, Any]) -> Pool:
        """Read a pool, whose posts are in order."""
        posts = row["post_ids"]
        if not isinstance(posts, list):
            raise Malformed("bad-value", "post_ids: no list")
        return Pool(
            site=self.site,
            id=fields.identifier(row),
            name=fields.text(row, "name"),
            category=fields.text(row, "category"),
            description=fields.text(row, "description"),
            is_deleted=fields.flag(row, "is_deleted"),
            post_ids=tuple(fields.identifier({"post_ids": post}, "post_ids") for post in posts),
            created_at=fields.instant(row, "created_at"),
            updated_at=fields.instant(row, "updated_at"),
        )


_NO_FLAGS = KNOWN - {"bit_flags"}
