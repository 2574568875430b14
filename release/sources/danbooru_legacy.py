"""The Danbooru2017 to 2020 dumps: one JSON object a line in which every number is a text.

What is not known stands as `"0"` or `1970-01-01 00:00:00 UTC`; tags are objects with a category; the pools of a post
are one list, first their ids, then their kinds; favourites are the ids of users, of which the number is kept.
Ratings are of the scheme sqe-2021: `s` is safe. Source: gwern.net/danbooru2021; fire-eggs/Danbooru2021 `makedb.py`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from tagswarm.manifests.records import Category, Post, Record

from . import fields
from .base import Malformed, Reader, Row
from .danbooru_export import category, down_score
from .json_rows import json_rows
from .stream import Document

_KNOWN = fields.keys(
    "id created_at uploader_id score source md5 last_commented_at rating image_width image_height file_ext "
    "last_noted_at parent_id has_children approver_id file_size up_score down_score is_pending is_flagged is_deleted "
    "updated_at is_banned pixiv_id tags pools favs"
)
_NEVER = "1970-01-01 00:00:00 UTC"


def _time(row: Mapping[str, Any], key: str) -> datetime | None:
    return None if row.get(key) == _NEVER else fields.instant(row, key)


def _list(row: Mapping[str, Any], key: str) -> list[Any]:
    value = row.get(key)
    if value is None:
        return []
    if not isinstance(value, list):
        raise Malformed("bad-value", f"{key}: no list")
    return value


class DanbooruLegacy(Reader):
    """Reads posts with their tags and pools."""

    def rows(self, document: Document) -> Iterator[Row]:
        """Cut JSON of any arrangement."""
        return json_rows(document)

    def records(self, row: Mapping[str, Any]) -> list[Record | Malformed]:
        """Read a post; its pools are put together when all posts are read."""
        post_id = fields.identifier(row)
        by_category: dict[Category, list[str]] = {}
        found: list[str] = []
        for entry in _list(row, "tags"):
            if not isinstance(entry, dict):
                raise Malformed("bad-value", "tags: an entry that is no object")
            name = fields.name(entry, "name")
            found.append(name)
            by_category.setdefault(category(fields.integer(entry, "category")), []).append(name)
        tags = fields.tags(found)
        rating, finding = fields.rating(row, "rating", self.scheme)
        favourites = _list(row, "favs") if "favs" in row else None
        post = Post(
            site=self.site,
            id=post_id,
            rating_scheme=self.scheme,
            rating=rating,
            created_at=_time(row, "created_at"),
            updated_at=_time(row, "updated_at"),
            uploader_id=fields.reference(row, "uploader_id"),
            approver_id=fields.reference(row, "approver_id"),
            score=fields.score(row, "score"),
            up_score=fields.score(row, "up_score"),
            down_score=down_score(row),
            fav_count=len(favourites) if favourites is not None else None,
            source=fields.text(row, "source"),
            md5=fields.md5(row),
            width=fields.count(row, "image_width"),
            height=fields.count(row, "image_height"),
            file_ext=fields.extension(row),
            file_size=fields.size(row, "file_size"),
            parent_id=fields.reference(row, "parent_id"),
            has_children=fields.flag(row, "has_children"),
            is_pending=fields.flag(row, "is_pending"),
            is_flagged=fields.flag(row, "is_flagged"),
            is_deleted=fields.flag(row, "is_deleted"),
            is_banned=fields.flag(row, "is_banned"),
            pixiv_id=fields.reference(row, "pixiv_id"),
            last_commented_at=_time(row, "last_commented_at"),
            last_noted_at=_time(row, "last_noted_at"),
            tags=tags,
            duplicate_tags=len(found) - len(tags),
            extra=fields.leftover(row, _KNOWN),
        )
        for pool, series in pools(_list(row, "pools")):
            self.join_pool(pool, post_id, series)
        fresh: list[Record | Malformed] = []
        for kind, names in sorted(by_category.items()):
            fresh += self.categorise(kind, names)
        return [*fresh, post] if finding is None else [*fresh, post, finding]


def pools(flattened: list[Any]) -> list[tuple[int, str | None]]:
    """Unflatten the pools of a post: `["10152", "4162", "series", "collection"]` are two pools and their two kinds."""
    ids = [entry for entry in flattened if isinstance(entry, str) and entry.isascii() and entry.isdigit()]
    kinds: list[Any] = flattened[len(ids) :]
    if flattened[: len(ids)] != ids or not all(isinstance(kind, str) for kind in kinds):
        raise Malformed("bad-value", "pools: neither ids nor ids and kinds")
    if len(kinds) not in (0, len(ids)):
        raise Malformed("bad-value", f"pools: {len(ids)} ids and {len(kinds)} kinds")
    return [
        (fields.identifier({"pools": number}, "pools"), kind)
        for number, kind in zip(ids, kinds or [None] * len(ids), strict=True)
    ]
