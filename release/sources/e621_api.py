"""Answers of e621's API, `/posts.json` and `/tags.json`: a page, a list or one object, with everything nested.

Tags come by category, sources as a list, which becomes lines as in the export; the pools of a post are ids without an
order. Addresses of previews and samples are dropped. Source: e621.net/help/api; the export is in `e621_export`.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from tagswarm.manifests.records import Category, Post, Record, Tag

from . import fields
from .base import Malformed, Reader, Row
from .danbooru_export import down_score
from .e621_export import CATEGORIES
from .json_rows import json_rows
from .stream import Document

_KNOWN = fields.keys(
    "id created_at updated_at file preview sample score tags rating fav_count sources pools approver_id uploader_id "
    "duration is_favorited"
)


def _nested(row: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    value = row.get(key)
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise Malformed("bad-value", f"{key}: no object")
    return value


def _texts(row: Mapping[str, Any], key: str) -> list[str]:
    value = row.get(key)
    if value is None:
        return []
    if not isinstance(value, list) or not all(isinstance(entry, str) for entry in value):
        raise Malformed("bad-value", f"{key}: no list of texts")
    return [unicodedata.normalize("NFC", entry) for entry in value if entry.strip()]


class E621Api(Reader):
    """Reads posts and tags."""

    def rows(self, document: Document) -> Iterator[Row]:
        """Cut JSON of any arrangement."""
        return json_rows(document)

    def records(self, row: Mapping[str, Any]) -> Iterable[Record | Malformed]:
        """Read a post or a tag."""
        if "tags" in row or "file" in row:
            return self.post(row)
        if "name" in row and "post_count" in row:
            return [self.tag(row)]
        raise Malformed("unknown-table", f"keys {', '.join(sorted(row)[:12])}")

    def post(self, row: Mapping[str, Any]) -> list[Record | Malformed]:
        """Read a post."""
        by_category = {word: _texts(_nested(row, "tags"), word) for word in _nested(row, "tags")}
        found = [name for names in by_category.values() for name in names]
        if any(len(name.split()) != 1 for name in found):
            raise Malformed("bad-value", "tags: a name with white space")
        tags = fields.tags(found)
        file, votes = _nested(row, "file"), _nested(row, "score")
        flags, relations = _nested(row, "flags"), _nested(row, "relationships")
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
            score=fields.score(votes, "total"),
            up_score=fields.score(votes, "up"),
            down_score=down_score(votes, "down"),
            fav_count=fields.count(row, "fav_count"),
            source=fields.text({"sources": "\n".join(_texts(row, "sources"))}, "sources"),
            md5=fields.md5(file),
            width=fields.count(file, "width"),
            height=fields.count(file, "height"),
            file_ext=fields.extension(file, "ext"),
            file_size=fields.size(file, "size"),
            duration=fields.number(row, "duration"),
            parent_id=fields.reference(relations, "parent_id"),
            has_children=fields.flag(relations, "has_children"),
            is_pending=fields.flag(flags, "pending"),
            is_flagged=fields.flag(flags, "flagged"),
            is_deleted=fields.flag(flags, "deleted"),
            tags=tags,
            duplicate_tags=len(found) - len(tags),
            extra=fields.leftover(row, _KNOWN),
        )
        pools = row.get("pools") or []
        if not isinstance(pools, list):
            raise Malformed("bad-value", "pools: no list")
        for pool in [fields.identifier({"pools": pool}, "pools") for pool in pools]:
            self.join_pool(pool, post.id)
        records: list[Record | Malformed] = [post]
        for word, names in by_category.items():
            known = word.upper() in Category.__members__
            records += self.categorise(Category[word.upper()] if known else Category.UNKNOWN, names)
        return records if finding is None else [*records, finding]

    def tag(self, row: Mapping[str, Any]) -> Tag:
        """Read a tag; its count is a claim."""
        number = fields.integer(row, "category")
        return Tag(
            site=self.site,
            name=fields.name(row, "name"),
            category=CATEGORIES.get(number, Category.UNKNOWN) if number is not None else Category.UNKNOWN,
            claimed_count=fields.size(row, "post_count"),
        )
