"""Answers of Moebooru's API, `/post.json` and `/tag.json`, as yande.re and konachan give them: lists of objects.

Tags have no categories in a post, times are seconds since 1970, sizes may be null, and rows of deleted posts have no
address of their file. Addresses and sizes of previews, samples and JPEG versions are dropped.

Source: moebooru `app/models/post/api_methods.rb`; yande.re/help/api.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from tagswarm.manifests.records import Category, Post, Record, Tag

from . import fields
from .base import Malformed, Reader, Row
from .gelbooru import status_flags
from .json_rows import json_rows
from .stream import Document

_KNOWN = fields.keys(
    "id tags created_at updated_at creator_id approver_id source score md5 file_size file_ext file_url rating "
    "has_children parent_id status width height preview_url preview_width preview_height actual_preview_width "
    "actual_preview_height sample_url sample_width sample_height sample_file_size jpeg_url jpeg_width jpeg_height "
    "jpeg_file_size frames_pending_string frames_string"
) - {"status"}
_CATEGORIES = {
    0: Category.GENERAL,
    1: Category.ARTIST,
    3: Category.COPYRIGHT,
    4: Category.CHARACTER,
    5: Category.CIRCLE,
}
_OF_KONACHAN = {**_CATEGORIES, 5: Category.STYLE, 6: Category.CIRCLE}


class Moebooru(Reader):
    """Reads posts and tags."""

    def rows(self, document: Document) -> Iterator[Row]:
        """Cut JSON of any arrangement."""
        return json_rows(document)

    def records(self, row: Mapping[str, Any]) -> Iterable[Record | Malformed]:
        """Read a post or a tag."""
        if "tags" in row or "rating" in row:
            return self.post(row)
        if "name" in row and "count" in row:
            return [self.tag(row)]
        raise Malformed("unknown-table", f"keys {', '.join(sorted(row)[:12])}")

    def post(self, row: Mapping[str, Any]) -> list[Record | Malformed]:
        """Read a post."""
        found = fields.names(row, "tags")
        tags = fields.tags(found)
        rating, finding = fields.rating(row, "rating", self.scheme)
        post = Post(
            site=self.site,
            id=fields.identifier(row),
            rating_scheme=self.scheme,
            rating=rating,
            created_at=fields.epoch(row, "created_at"),
            updated_at=fields.epoch(row, "updated_at"),
            uploader_id=fields.reference(row, "creator_id"),
            approver_id=fields.reference(row, "approver_id"),
            score=fields.score(row, "score"),
            source=fields.text(row, "source"),
            md5=fields.md5(row),
            width=fields.count(row, "width"),
            height=fields.count(row, "height"),
            file_ext=fields.extension(row) or fields.extension_of(fields.text(row, "file_url")),
            file_size=fields.size(row, "file_size"),
            parent_id=fields.reference(row, "parent_id"),
            has_children=fields.flag(row, "has_children"),
            tags=tags,
            duplicate_tags=len(found) - len(tags),
            extra=fields.leftover(row, _KNOWN),
            **status_flags(row),
        )
        return [post] if finding is None else [post, finding]

    def tag(self, row: Mapping[str, Any]) -> Tag:
        """Read a tag; the numbers above 4 mean different things on different sites."""
        categories = _OF_KONACHAN if self.site == "konachan" else _CATEGORIES
        number = fields.integer(row, "type")
        return Tag(
            site=self.site,
            name=fields.name(row, "name"),
            category=categories.get(number, Category.UNKNOWN) if number is not None else Category.UNKNOWN,
            claimed_count=fields.size(row, "count"),
        )
