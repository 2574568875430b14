"""BOORU CHARS 2021: tables with tabs, read by their header, for the orders of their columns differ between editions.

`BC_posts.tsv` has a post a row, keyed by BOORU and FID; a FID may carry the number of a frame (`123456_001`), which
goes to `extra`. ORIG_* describe the file that was fetched, POST_* the post where it says something else; what the
booru claims is the latter. `BC_tags.tsv` has a tag instance a row and is read for the categories of tags only. There is
no quoting, an empty field is null, and text that is not UTF-8 is cp1251.

Source: aperveyev/booru_processor `BC_2021/BC__readme_EN.txt`. Paths and statistics of its own files stay in `extra`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from tagswarm.manifests.records import Category, Post, Record, Tag

from . import fields
from .base import Malformed, Reader, Row
from .danbooru_export import category
from .rows import tab_table
from .stream import Document

_CATEGORIES = (
    (Category.COPYRIGHT, "TAGS_COPYR"),
    (Category.CHARACTER, "TAGS_CHARS"),
    (Category.ARTIST, "TAGS_ART"),
    (Category.GENERAL, "TAGS_GEN"),
    (Category.META, "TAGS_ETC"),
)
_KNOWN = fields.keys(
    "BOORU FID ORIG_FSIZE ORIG_ISIZE ORIG_MD5 POST_DT RATING SCORE FAVS POST_EXT POST_FSIZE POST_ISIZE POST_MD5"
) | {column for _, column in _CATEGORIES}
_FID = re.compile(r"([0-9]{1,18})(?:[ _-]([0-9]{3}))?")


def _either(row: Mapping[str, Any], *columns: str) -> str:
    return next((column for column in columns if row.get(column)), columns[-1])


class BooruChars(Reader):
    """Reads posts and the categories of tags; the site is the column BOORU, or the given one where that is empty."""

    def __init__(self, *options: Any) -> None:
        super().__init__(*options)
        self._told: set[tuple[str, Category, str]] = set()

    def rows(self, document: Document) -> Iterator[Row]:
        """Cut a table with tabs."""
        return tab_table(document, ("utf-8", "cp1251"))

    def records(self, row: Mapping[str, Any]) -> Iterable[Record | Malformed]:
        """Read a post or a tag instance."""
        if "BOORU" not in row or "FID" not in row:
            raise Malformed("unknown-table", f"columns {', '.join(sorted(row)[:12])}")
        site = (fields.text(row, "BOORU") or self.site).lower()
        if "TAG" in row:
            kind = category(fields.integer(row, "TAG_CAT"))
            return self._tell(site, kind, [fields.name(row, "TAG")])
        if "RATING" not in row and "TAGS_GEN" not in row:
            raise Malformed("unknown-table", f"columns {', '.join(sorted(row)[:12])}")
        return self.post(row, site)

    def _tell(self, site: str, kind: Category, names: Iterable[str]) -> list[Record | Malformed]:
        fresh = sorted({name for name in names if (site, kind, name) not in self._told})
        self._told.update((site, kind, name) for name in fresh)
        return [Tag(site=site, name=name, category=kind) for name in fresh]

    def post(self, row: Mapping[str, Any], site: str) -> list[Record | Malformed]:
        """Read a post."""
        key = _FID.fullmatch(fields.text(row, "FID") or "")
        if key is None:
            raise Malformed("no-id", f"FID: {row.get('FID')!r}")
        by_category = [(kind, fields.names(row, column)) for kind, column in _CATEGORIES]
        found = [name for _, names in by_category for name in names]
        tags = fields.tags(found)
        rating, finding = fields.rating(row, "RATING", self.scheme)
        width, height = fields.dimensions(row, _either(row, "POST_ISIZE", "ORIG_ISIZE"))
        rest = {column.lower(): value for column, value in row.items() if column not in _KNOWN}
        if key[2]:
            rest["frame"] = int(key[2])
        post = Post(
            site=site,
            id=fields.identifier({"FID": key[1]}, "FID"),
            rating_scheme=self.scheme,
            rating=rating,
            created_at=fields.instant(row, "POST_DT"),
            score=fields.score(row, "SCORE"),
            fav_count=fields.count(row, "FAVS"),
            md5=fields.md5(row, _either(row, "POST_MD5", "ORIG_MD5")),
            width=width,
            height=height,
            file_ext=fields.extension(row, "POST_EXT"),
            file_size=fields.size(row, _either(row, "POST_FSIZE", "ORIG_FSIZE")),
            tags=tags,
            duplicate_tags=len(found) - len(tags),
            extra=fields.leftover(rest, frozenset()),
        )
        records: list[Record | Malformed] = [post]
        for kind, names in by_category:
            records += self._tell(site, kind, names)
        return records if finding is None else [*records, finding]
