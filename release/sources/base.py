"""What every reader of a metadata format shares: rows in, records out, and a malformed row costs itself only.

A row is what a text format holds one of a post: a line of JSON, an element of a list, a line of a table. A reader turns
the rows of documents into the records of `manifests.records`, with the line each of them came from; a row that cannot
be read becomes a `Reject` that names the reason, the file, the line and the text.

Nothing here knows a format, and nothing here decides between two records that say different things: `release.metadata`
does.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

from tagswarm.manifests.errors import InvalidDocument
from tagswarm.manifests.records import Category, Pool, RatingScheme, Record, Reject, Tag

from .stream import Document

TEXT_LIMIT = 2_000
"""Characters of a row that a reject keeps."""

Located = tuple[int, Record]
"""A record and its line, counted from 1; line 0 belongs to records that were put together from several rows."""


class Malformed(InvalidDocument):
    """A row cannot be read: `reason` is one of a few words to count by. It never leaves a reader."""

    def __init__(self, reason: str, detail: str = "") -> None:
        super().__init__(f"{reason}: {detail}" if detail else reason)
        self.reason, self.detail = reason, detail


Row = tuple[int, str, Any]
"""The line, the text, and either the value of a row or the `Malformed` that says why there is none."""


def reject(source: str, line: int, malformed: Malformed, text: str) -> Reject:
    """Make the reject of a row; lone surrogates of its text become `?` so that every reject can be written."""
    cut = text[:TEXT_LIMIT].encode("utf-8", "replace").decode()
    detail = malformed.detail[:TEXT_LIMIT].encode("utf-8", "replace").decode()
    return Reject(source=source, line=line, reason=malformed.reason, detail=detail, text=cut)


class Reader(ABC):
    """Reads the documents of one source in one format; it lives as long as the source, so it can see across documents.

    Attributes:
        ignored: names of documents that hold a table no record exists for, such as artists.
    """

    def __init__(self, site: str, scheme: RatingScheme) -> None:
        self.site, self.scheme = site, scheme
        self.ignored: list[str] = []
        self._categorised: dict[Category, set[str]] = {category: set() for category in Category}
        self._pools: dict[int, tuple[str | None, list[int]]] = {}

    @abstractmethod
    def rows(self, document: Document) -> Iterator[Row]:
        """Cut a document into rows."""

    @abstractmethod
    def records(self, row: Any) -> Iterable[Record | Malformed]:
        """Turn one row into records; a `Malformed` among them is a finding that does not cost the row.

        Raises:
            Malformed: the row cannot be read.
        """

    beside: ClassVar[bool] = False
    """Whether the reader knows the tables beside the posts: notes, comments, commentaries and users."""

    def begin(self, document: Document) -> bool:
        """Look at the name of a document before it is read; False where it holds nothing for us."""
        return not TableNames.ignored(document.name) and (self.beside or TableNames.beside(document.name) is None)

    def read(self, document: Document) -> Iterator[Located]:
        """Yield the records of a document, each with its line."""
        if not self.begin(document):
            self.ignored.append(document.name)
            return
        for line, text, value in self.rows(document):
            try:
                if value.__class__ is Malformed:
                    raise value
                records = self.records(value)
            except Malformed as malformed:
                yield line, reject(document.name, line, malformed, text)
                continue
            except RecursionError:
                yield line, reject(document.name, line, Malformed("too-deep"), text)
                continue
            for record in records:
                if isinstance(record, Malformed):
                    yield line, reject(document.name, line, record, text)
                else:
                    yield line, record

    def finish(self) -> Iterator[Located]:
        """Yield what only the whole source could tell, once every document is read."""
        for number, (category, posts) in sorted(self._pools.items()):
            yield 0, Pool(site=self.site, id=number, category=category, post_ids=tuple(sorted(set(posts))))

    def categorise(self, category: Category, names: Iterable[str]) -> list[Tag]:
        """Make a tag of each name not yet seen in this category; its claimed count is None, as a post claims none."""
        seen = self._categorised[category]
        if seen.issuperset(names):
            return []
        fresh = sorted(set(names) - seen)
        seen.update(fresh)
        return [Tag(site=self.site, name=name, category=category) for name in fresh]

    def join_pool(self, pool: int, post: int, category: str | None = None) -> None:
        """Note that a post says it is in a pool, for formats without a table of pools: its order is not known."""
        known, posts = self._pools.setdefault(pool, (category, []))
        if known is None and category is not None:
            self._pools[pool] = (category, posts)
        posts.append(post)


@dataclass(frozen=True, slots=True)
class Format:
    """A metadata format: its name in `release.toml`, what it can hold and what it means where nothing else is said."""

    name: str
    title: str
    tables: tuple[str, ...]
    """Of `posts tags aliases implications pools`, and of those beside them."""
    default_site: str | None
    """None where the format does not tell the site: it is then read from the records or must be given."""
    default_scheme: RatingScheme
    reader: type[Reader]


class TableNames:
    """Which table a document holds, by its name: `tag_aliases000000000000.json`, `posts-2023-08-01.csv.gz`."""

    _TABLES: ClassVar[tuple[tuple[str, str], ...]] = (
        ("aliases", "aliases"),
        ("implications", "implications"),
        ("pools", "pools"),
        ("posts", "posts"),
        ("tags", "tags"),
    )
    _BESIDE = re.compile(r"(artist_commentaries|comments|notes|users)[-_\d.]")
    _OTHERS = re.compile(
        r"(artist_urls|artists|bulk_update_requests|dmails|favorite_groups|forum_posts|forum_topics|mod_actions"
        r"|note_versions|pool_versions|wiki_pages)[-_\d.]"
    )

    @classmethod
    def of(cls, name: str) -> str | None:
        """Name the table, or None where the name does not say."""
        base = name.rsplit("/", 1)[-1].lower()
        return next((table for word, table in cls._TABLES if word in base), None)

    @classmethod
    def beside(cls, name: str) -> str | None:
        """Name the table beside the posts that the document holds: notes, comments, commentaries or users."""
        found = cls._BESIDE.match(name.rsplit("/", 1)[-1].lower())
        return None if found is None else found[1]

    @classmethod
    def ignored(cls, name: str) -> bool:
        """Tell whether the document holds a table that no record exists for."""
        return cls._OTHERS.match(name.rsplit("/", 1)[-1].lower()) is not None
