"""Answers of Gelbooru's API (dapi) in XML: `<posts>` and `<tags>`, of Gelbooru and of safebooru.org.

Older answers put everything into attributes, newer ones into child elements, with white space around values and line
ends between tags; the keys are those of the JSON, so the records are made there.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from tagswarm.manifests.records import Record

from .base import Malformed, Row
from .gelbooru import Gelbooru
from .stream import Document
from .xml_rows import ELEMENT, xml_rows


class GelbooruXml(Gelbooru):
    """Reads posts and tags."""

    def rows(self, document: Document) -> Iterator[Row]:
        """Cut the children of the root element."""
        return xml_rows(document)

    def records(self, row: Mapping[str, Any]) -> Iterable[Record | Malformed]:
        """Read a post or a tag, as its element says."""
        if row[ELEMENT] == "post":
            return self.post(row)
        if row[ELEMENT] == "tag":
            return [self.tag(row)]
        raise Malformed("unknown-table", f"element {row[ELEMENT]}")
