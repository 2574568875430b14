"""Answers of Gelbooru's API (dapi) in JSON: Gelbooru itself, and safebooru.org, whose rows differ.

Pages are `{"@attributes": ..., "post": [...]}` or plain lists. Tags have no categories here, booleans are texts, times
are written as Ruby writes them, and names and sources are escaped for HTML. safebooru.org says `hash` for md5 and lists
ghost rows of posts that are gone, with nothing but an address. The answers in XML are in `gelbooru_xml`.

Source: gelbooru.com/index.php?page=wiki&s=view&id=18780.
"""

from __future__ import annotations

import html
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from tagswarm.manifests.records import Category, Post, Record, Tag

from . import fields
from .base import Malformed, Reader, Row
from .json_rows import json_rows
from .stream import Document

_KNOWN = fields.keys(
    "id created_at score width height md5 hash rating source change creator_id parent_id has_children tags "
    "directory image file_url sample sample_url sample_height sample_width preview_url preview_height preview_width "
    "@element"
)
_CATEGORIES = {
    0: Category.GENERAL,
    1: Category.ARTIST,
    3: Category.COPYRIGHT,
    4: Category.CHARACTER,
    5: Category.META,
    6: Category.DEPRECATED,
}


def status_flags(row: Mapping[str, Any]) -> dict[str, Any]:
    """Give the flags that the word `status` stands for, or none where there is no such word."""
    status = fields.text(row, "status")
    if status is None:
        return {}
    return {f"is_{word}": status.lower() == word for word in ("deleted", "pending", "flagged")}


class Gelbooru(Reader):
    """Reads posts and tags."""

    def rows(self, document: Document) -> Iterator[Row]:
        """Cut JSON of any arrangement, and take the escapes of HTML back."""
        for line, text, value in json_rows(document):
            if isinstance(value, dict):
                for key in ("tags", "source", "name", "title"):
                    if isinstance(value.get(key), str):
                        value[key] = html.unescape(value[key])
            yield line, text, value

    def records(self, row: Mapping[str, Any]) -> Iterable[Record | Malformed]:
        """Read a post or a tag."""
        if "tags" in row or "rating" in row or "file_url" in row:
            return self.post(row)
        if "name" in row and "count" in row:
            return [self.tag(row)]
        raise Malformed("unknown-table", f"keys {', '.join(sorted(row)[:12])}")

    def post(self, row: Mapping[str, Any]) -> list[Record | Malformed]:
        """Read a post.

        Raises:
            Malformed: `ghost-row` for a post that is gone: it has neither digest nor image nor tags.
        """
        digest = "md5" if row.get("md5") else "hash"
        if (
            not any(row.get(key) for key in (digest, "image", "tags"))
            and (fields.text(row, "file_url") or "/")[-1] == "/"
        ):
            raise Malformed("ghost-row", "no digest, no image, no tags")
        found = fields.names(row, "tags")
        tags = fields.tags(found)
        rating, finding = fields.rating(row, "rating", self.scheme)
        claimed = fields.text(row, digest)
        is_md5 = digest == "md5" or len(claimed or "") == 32  # older files of safebooru.org are named by a SHA-1
        post = Post(
            site=self.site,
            id=fields.identifier(row),
            rating_scheme=self.scheme,
            rating=rating,
            created_at=fields.ruby_time(row, "created_at"),
            updated_at=fields.epoch(row, "change"),
            uploader_id=fields.reference(row, "creator_id"),
            score=fields.score(row, "score"),
            source=fields.text(row, "source"),
            md5=fields.md5(row, digest) if is_md5 else None,
            width=fields.count(row, "width"),
            height=fields.count(row, "height"),
            file_ext=fields.extension_of(fields.text(row, "image"))
            or fields.extension_of(fields.text(row, "file_url")),
            parent_id=fields.reference(row, "parent_id"),
            has_children=fields.flag(row, "has_children"),
            tags=tags,
            duplicate_tags=len(found) - len(tags),
            extra=fields.leftover(row, _KNOWN if is_md5 else _KNOWN - {"hash"}),
            **status_flags(row),
        )
        return [post] if finding is None else [post, finding]

    def tag(self, row: Mapping[str, Any]) -> Tag:
        """Read a tag; its count is a claim."""
        number = fields.integer(row, "type")
        return Tag(
            site=self.site,
            name=fields.name(row, "name"),
            category=_CATEGORIES.get(number, Category.UNKNOWN) if number is not None else Category.UNKNOWN,
            claimed_count=fields.size(row, "count"),
        )
