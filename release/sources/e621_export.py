"""The daily exports of e621: tables with commas and a header, `posts-2023-08-01.csv.gz` and so on.

Booleans are `t` and `f`, times have no zone and are UTC, the sources of a post are lines of one field, the posts of a
pool are `{1,2,3}`. Posts have no categories of tags: the table of tags has. Whether relations are aliases or
implications is told by the name of the document only. Source: e621.net/db_export, `db/exports/posts.sql`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from tagswarm.manifests.records import Alias, Category, Implication, Pool, Post, Record, Tag

from . import fields
from .base import Malformed, Reader, Row, TableNames
from .danbooru_export import down_score
from .rows import comma_table
from .stream import Document

CATEGORIES = {
    0: Category.GENERAL,
    1: Category.ARTIST,
    2: Category.CONTRIBUTOR,
    3: Category.COPYRIGHT,
    4: Category.CHARACTER,
    5: Category.SPECIES,
    6: Category.INVALID,
    7: Category.META,
    8: Category.LORE,
}
_KNOWN = fields.keys(
    "id uploader_id created_at md5 source rating image_width image_height tag_string fav_count file_ext parent_id "
    "approver_id file_size duration updated_at is_deleted is_pending is_flagged score up_score down_score "
    "last_noted_at last_commented_at"
)


class E621Export(Reader):
    """Reads posts, tags, tag_aliases, tag_implications and pools."""

    _table: str | None = None

    def begin(self, document: Document) -> bool:
        """Learn from the name which table follows."""
        self._table = TableNames.of(document.name)
        return super().begin(document)

    def rows(self, document: Document) -> Iterator[Row]:
        """Cut a table with commas."""
        return comma_table(document)

    def records(self, row: Mapping[str, Any]) -> Iterable[Record | Malformed]:
        """Read a row of the table that its header or the name of the document tell."""
        if "tag_string" in row:
            return self.post(row)
        if "antecedent_name" in row:
            return [self.relation(row)]
        if "post_ids" in row:
            return [self.pool(row)]
        if "name" in row and "category" in row:
            return [self.tag(row)]
        raise Malformed("unknown-table", f"columns {', '.join(sorted(row)[:12])}")

    def post(self, row: Mapping[str, Any]) -> list[Record | Malformed]:
        """Read a post."""
        found = fields.names(row, "tag_string")
        tags = fields.tags(found)
        rating, finding = fields.rating(row, "rating", self.scheme)
        post = Post(
            site=self.site,
            id=fields.identifier(row),
            rating_scheme=self.scheme,
            rating=rating,
            created_at=fields.instant(row, "created_at"),
            updated_at=fields.instant(row, "updated_at"),
            uploader_id=fields.reference(row, "uploader_id"),
            approver_id=fields.reference(row, "approver_id"),
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
            is_pending=fields.flag(row, "is_pending"),
            is_flagged=fields.flag(row, "is_flagged"),
            is_deleted=fields.flag(row, "is_deleted"),
            last_commented_at=fields.instant(row, "last_commented_at"),
            last_noted_at=fields.instant(row, "last_noted_at"),
            tags=tags,
            duplicate_tags=len(found) - len(tags),
            extra=fields.leftover(row, _KNOWN),
        )
        return [post] if finding is None else [post, finding]

    def tag(self, row: Mapping[str, Any]) -> Tag:
        """Read a tag; its count is a claim."""
        number = fields.integer(row, "category")
        return Tag(
            site=self.site,
            name=fields.name(row, "name"),
            category=CATEGORIES.get(number, Category.UNKNOWN) if number is not None else Category.UNKNOWN,
            claimed_count=fields.size(row, "post_count"),
        )

    def relation(self, row: Mapping[str, Any]) -> Alias | Implication:
        """Read an alias or an implication."""
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
        listed = str(row["post_ids"])
        if not (listed.startswith("{") and listed.endswith("}")):
            raise Malformed("bad-value", "post_ids: no {list}")
        posts = [entry for entry in listed[1:-1].split(",") if entry]
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
