"""The tags that a search found, and what posts have in common, drawn for people."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rich.console import Console

from tagswarm.manifests.paths import escape
from tagswarm.tagindex.statistics import Statistics
from tagswarm.tagsearch import FoundTag

from .charts import histogram
from .page import pairs, say, table
from .steps import amount, units

RELATED = 3
"""Aliases and implications of a tag that are shown."""
KINDS = 12
"""Kinds of files that are shown; the others are counted together."""


def tags(console: Console, found: Sequence[FoundTag], among: int | None) -> None:
    """After `tags`.

    Args:
        console: where to.
        found: the tags.
        among: how many posts were looked at, where a query was given.
    """
    if not found:
        say(console, "yellow", "no such tag")
        return
    rows = (
        (
            escape(tag.name),
            tag.category.word,
            f"{tag.count:,}",
            *([] if among is None else [f"{tag.among or 0:,}", _share(tag.among or 0, among)]),
            _few(tag.aliases),
            _few(tag.implies),
        )
        for tag in found
    )
    head = ("tag", "category", "posts", *([] if among is None else ["among", "share"]), "aliases", "implies")
    table(console, head, rows, numbers={2} if among is None else {2, 3, 4})


def _few(names: Sequence[str]) -> str:
    shown = ", ".join(map(escape, names[:RELATED]))
    return shown if len(names) <= RELATED else f"{shown} and {len(names) - RELATED:,} more"


def _share(part: int, whole: int) -> str:
    return f"{100 * part / whole:.1f} %" if whole else ""


def stats(console: Console, found: Statistics) -> None:
    """After `stats`."""
    say(console, "bold", units(found.posts, "posts"))
    claimed = "" if found.claimed_bytes is None else amount(found.claimed_bytes)
    pairs(console, [*((name, amount(size)) for name, size in found.renditions.items()), ("claimed", claimed)])
    if len(found.sites) > 1:
        _words(console, "Sites", found.sites, found.posts)
    _words(console, "Ratings", found.ratings, found.posts)
    years = [(str(year), count, f"{count:,}") for year, count in found.years.items()]
    histogram(console, "Years", years, found.posts)
    _words(console, "Files", _most(found.extensions), found.posts)
    longest = [(f"up to {size:,} px", count, f"{count:,}") for size, count in found.sizes.items()]
    histogram(console, "Longer side", longest, found.posts)
    for category, counted in found.tags.items():
        rows = [(tag.name, tag.count, f"{tag.count:,}") for tag in counted]
        histogram(console, f"Tags: {category}", rows, found.posts)


def _words(console: Console, title: str, counts: Mapping[str, int], total: int) -> None:
    rows = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    histogram(console, title, [(name, count, f"{count:,}") for name, count in rows], total)


def _most(counts: Mapping[str, int]) -> dict[str, int]:
    """The most frequent, and the others as one."""
    rows = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    rest = sum(count for _, count in rows[KINDS:])
    return dict(rows[:KINDS]) | ({"others": rest} if rest else {})
