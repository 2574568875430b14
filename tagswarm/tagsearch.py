"""Search the tags of a release: by how they begin, by a glob, by category, and by the posts that have them.

Nothing here draws, and nothing here corrects a spelling: the errors of queries do that.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tagswarm.manifests.records import Category

if TYPE_CHECKING:
    from pyroaring import BitMap

    from .tagindex.reader import Index
    from .tagindex.store import TagRow

_ALL = -1
"""Every row, as SQLite says it."""


@dataclass(frozen=True, slots=True)
class FoundTag:
    """A tag that was searched for."""

    name: str
    category: Category
    count: int
    """Posts of the release that have it."""
    among: int | None
    """Posts that have it of those that were given; None where none were."""
    aliases: tuple[str, ...]
    """Names that stand for it."""
    implies: tuple[str, ...]
    """Tags that it brings along, in one step."""
    implied_by: tuple[str, ...]
    """Tags that bring it along, in one step."""


def search(
    index: Index,
    pattern: str = "",
    *,
    category: Category | None = None,
    min_count: int = 1,
    among: BitMap | None = None,
    limit: int | None = None,
) -> list[FoundTag]:
    """The tags that are asked for, the most frequent first: among the posts that are given, else in the release.

    Args:
        index: of the release.
        pattern: how a tag, or an alias of it, begins; a glob for the whole name of a tag where it has a `*`.
        category: of the tags.
        min_count: posts that have it, of those that are counted.
        among: ordinals of some posts: only tags that one of them has.
        limit: the most tags to find.
    """
    found: list[FoundTag] = []
    for tag, count in _counted(index, pattern.lower(), category, among):
        if count < min_count or len(found) == limit:
            break
        if category is None or tag.category is category:
            found.append(_described(index, tag, None if among is None else count))
    return found


def _counted(
    index: Index, pattern: str, category: Category | None, among: BitMap | None
) -> Iterator[tuple[TagRow, int]]:
    """Tags with the number of their posts that counts, by falling number."""
    named = _named(index, pattern) if pattern else None
    if among is None:
        rows = index.frequent(category) if named is None else named
        yield from ((tag, tag.count) for tag in rows)
        return
    by_key = None if named is None else {tag.key: tag for tag in named}
    keys, counts = index.counts_within(among)
    for key, count in zip(keys.tolist(), counts.tolist(), strict=True):
        tag = index.tag_of(key) if by_key is None else by_key.get(key)
        if tag is not None:
            yield tag, count


def _named(index: Index, pattern: str) -> list[TagRow]:
    """The tags of a pattern, the most frequent first; keys fall with frequency."""
    if "*" in pattern:
        return index.tags_like(pattern)
    found = {tag.key: tag for tag in index.complete(pattern, _ALL)}
    for _, target in index.complete_alias(pattern, _ALL):
        if (tag := index.tag(target)) is not None:
            found[tag.key] = tag
    return [found[key] for key in sorted(found)]


def _described(index: Index, tag: TagRow, among: int | None) -> FoundTag:
    return FoundTag(
        name=tag.name,
        category=tag.category,
        count=tag.count,
        among=among,
        aliases=tuple(index.aliases_of(tag.name)),
        implies=tuple(index.implied_by(tag.name)),
        implied_by=tuple(index.implying(tag.name)),
    )
