"""A tree against a release: what it cannot answer is refused, everything else becomes conditions.

The steps: `order:` and its kind are taken out; aliases and abbreviations are replaced, wherever a tag stands; every
metatag becomes a condition with its values read; `~` becomes `or`. After this a query has an answer, whatever it is.

Nothing here reads a posting list.
"""

from __future__ import annotations

from datetime import UTC, datetime, tzinfo

from tagswarm.manifests.errors import QueryError
from tagswarm.tagindex.store import Store

from . import controls
from .conditions import Checked, Order, Tagged, Test
from .resolve import Resolver
from .suggest import shortened, unknown_tag
from .syntax import Metatag, Node, Nothing, Span, Tag, Wildcard, fold, trimmed, with_parts, without_options
from .values import Clock

__all__ = ["Checked", "Order", "Test", "check", "lenient"]


def check(
    node: Node,
    store: Store,
    *,
    text: str,
    now: datetime,
    tz: tzinfo = UTC,
    allow_unknown: bool = False,
    widest: int | None = None,
) -> Checked:
    """Make a query ready for a store, or say what is wrong with it.

    Args:
        node: the tree of the query.
        store: the collection that is asked.
        text: the query as it was written: its places are those of the tree.
        now: the instant that ages count back from, with a time zone.
        tz: the time zone of days.
        allow_unknown: take tags that no post has for tags of no post, with a note, and do not refuse them.
        widest: how many tags a wildcard may stand for, the most frequent ones; None for all.

    Raises:
        UnknownTag: no post has a tag.
        UnreadableValue: a value is not of its type.
        UnknownWord: a metatag takes words, and this is none of them.
        UnanswerableMetatag: a table or a column is missing, or only a live site knows.
        QueryError: `order:`, `limit:` or `random:` stand where they mean nothing.
    """
    resolver = Resolver(store, Clock(now, tz), text)
    tree, asked = controls.take(trimmed(node), text)
    order = controls.order(asked.order, tree, resolver)
    tags = _Tags(resolver, allow_unknown=allow_unknown, widest=widest)
    limit, random = (controls.number(metatag, text) for metatag in (asked.limit, asked.random))
    return Checked(_resolved(tree, resolver, tags), order, limit, random, tuple(resolver.notes))


def lenient(node: Node, store: Store, *, text: str, now: datetime, tz: tzinfo = UTC) -> Checked:
    """The same as Danbooru has it: what cannot be read or is not known is true of no post, so of all under `-`.

    For comparing with Danbooru only: a download that pulls nothing, or everything, for a typing error is no use.

    Raises:
        QueryError: `order:`, `limit:` or `random:` stand where they mean nothing, which Danbooru refuses too.
    """
    resolver = Resolver(store, Clock(now, tz), text, lenient=True)
    tree, asked = controls.take(trimmed(node), text)
    resolved = _resolved(tree, resolver, _Tags(resolver, allow_unknown=True, widest=None))
    limit = random = None
    try:
        limit, random = (controls.number(metatag, text) for metatag in (asked.limit, asked.random))
        order = controls.order(asked.order, tree, resolver)
    except QueryError:
        order = controls.order(None, tree, resolver)
        if asked.order is None or asked.order.value.lower() == "custom":
            resolved = Nothing()
    return Checked(resolved, order, limit, random, tuple(resolver.notes))


def _resolved(tree: Node, resolver: Resolver, tags: _Tags) -> Node:
    def rewritten(node: Node, parts: tuple[Node, ...]) -> Node:
        match node:
            case Metatag("unaliased", value) if value:
                return tags.exactly(value.lower(), node.span)
            case Metatag():
                return resolver.resolve(node)
            case Tag(name):
                return tags.named(name, node.span)
            case Wildcard(pattern):
                return tags.like(pattern, node.span)
            case _:
                return with_parts(node, parts)

    return trimmed(without_options(fold(tree, rewritten)))


class _Tags:
    """The names of tags in one query: aliases, abbreviations and patterns, and what to say of those that nobody has."""

    def __init__(self, resolver: Resolver, *, allow_unknown: bool, widest: int | None) -> None:
        self.resolver = resolver
        self.store = resolver.store
        self.allow_unknown = allow_unknown
        self.widest = widest

    def named(self, name: str, span: Span) -> Node:
        """The tag that a word stands for."""
        meant = self.store.alias(name)
        if meant is not None:
            self.resolver.note(f"{name} is an alias: it stands for {meant} here.")
        elif name.startswith("/") and len(name) > 1 and (row := self.store.abbreviated(name[1:])):
            meant = row.name
            self.resolver.note(f"{name} is an abbreviation: it stands for {meant} here.")
        return self.exactly(meant or name, span, written=name)

    def exactly(self, name: str, span: Span, written: str | None = None) -> Node:
        """The tag of a name; `written` is how the query calls it."""
        if self.store.tag(name) is None:
            self._unknown(name, span, written=written)
        return Tag(name, span)

    def like(self, pattern: str, span: Span) -> Node:
        """The tags that a pattern matches."""
        rows = self.store.tags_like(pattern)
        if not rows:
            self._unknown(pattern, span, written=pattern)
        elif self.widest is not None and len(rows) > self.widest:
            self.resolver.note(
                f"{shortened(pattern)} is like {len(rows)} tags; the {self.widest} most frequent are taken."
            )
            rows = rows[: self.widest]
        else:
            self.resolver.note(f"{shortened(pattern)} stands for {len(rows)} tag{'s' * (len(rows) != 1)}.")
        return Test(pattern, Tagged(pattern, tuple(rows)), span)

    def _unknown(self, name: str, span: Span, *, written: str | None) -> None:
        if self.resolver.lenient:
            return
        error = unknown_tag(name, self.store, text=self.resolver.text, span=span, written=written)
        if not self.allow_unknown:
            raise error
        meant = f" {error.hint}" if error.suggestions else ""
        self.resolver.note(f"{error.message[:1].upper()}{error.message[1:]}.{meant}")
