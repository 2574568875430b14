"""The Kaggle data set "Safebooru - Anime Image Metadata": one table with commas, `all_data.csv`.

It has no size, extension or digest of the original: the digest is read from the address of the sample, whose extension
and size are those of the sample and dropped. Times are seconds since 1970; other copies have ISO times.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from tagswarm.manifests.records import Post, Record

from . import fields
from .base import Malformed, Reader, Row
from .rows import comma_table
from .stream import Document

_KNOWN = fields.keys("id created_at rating score sample_url sample_width sample_height preview_url tags")
# a longer run of digits is a SHA-1, by which older files of the site are named
_DIGEST = re.compile(r"(?<![0-9a-f])[0-9a-f]{32}(?![0-9a-f])")


class SafebooruKaggle(Reader):
    """Reads posts."""

    def rows(self, document: Document) -> Iterator[Row]:
        """Cut a table with commas."""
        return comma_table(document)

    def records(self, row: Mapping[str, Any]) -> Iterable[Record | Malformed]:
        """Read a post."""
        found = fields.names(row, "tags")
        tags = fields.tags(found)
        rating, finding = fields.rating(row, "rating", self.scheme)
        digest = next(filter(None, (_DIGEST.search(row.get(key) or "") for key in ("sample_url", "preview_url"))), None)
        written = fields.text(row, "created_at")
        seconds = written is not None and "-" not in written
        post = Post(
            site=self.site,
            id=fields.identifier(row),
            rating_scheme=self.scheme,
            rating=rating,
            created_at=fields.epoch(row, "created_at") if seconds else fields.instant(row, "created_at"),
            score=fields.score(row, "score"),
            md5=digest[0] if digest else None,
            tags=tags,
            duplicate_tags=len(found) - len(tags),
            extra=fields.leftover(row, _KNOWN),
        )
        return [post] if finding is None else [post, finding]
