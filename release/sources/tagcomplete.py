"""The table of tags that tag completion programs ship: name, category, count, "aliases", with commas, without header.

It is the one source of Danbooru's aliases that is easy to get; an alias it lists may have two targets, and may be the
name of a living tag. Both stay as they are written: which one wins is decided where names are resolved.

Source: DominikDoom/a1111-sd-webui-tagcomplete, `tags/danbooru.csv`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from tagswarm.manifests.records import Alias, Category, Record, Tag

from . import fields
from .base import Malformed, Reader, Row
from .danbooru_export import category
from .e621_export import CATEGORIES
from .rows import comma_table
from .stream import Document

HEADER = ("name", "category", "count", "aliases")


class TagComplete(Reader):
    """Reads tags and their aliases."""

    def rows(self, document: Document) -> Iterator[Row]:
        """Cut a table with commas."""
        return comma_table(document, HEADER)

    def records(self, row: Mapping[str, Any]) -> Iterable[Record | Malformed]:
        """Read a tag and its aliases."""
        number = fields.integer(row, "category")
        if self.site == "e621":
            kind = CATEGORIES.get(number, Category.UNKNOWN) if number is not None else Category.UNKNOWN
        else:
            kind = category(number)
        tag = Tag(site=self.site, name=fields.name(row, "name"), category=kind, claimed_count=fields.size(row, "count"))
        names = [alias for alias in str(row["aliases"]).split(",") if alias.strip()]
        aliases = [
            Alias(site=self.site, antecedent=fields.name({"aliases": alias}, "aliases"), consequent=tag.name)
            for alias in names
        ]
        return [tag, *aliases]
