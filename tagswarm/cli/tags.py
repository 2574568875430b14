"""The commands `tagswarm tags` and `tagswarm stats`: what is in a release, or in what a query matches."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import click

from tagswarm.manifests.errors import EXIT_OK

from .options import spoken
from .output import Output, facts
from .question import Asking, Question, asked, complete_query, located

if TYPE_CHECKING:
    from tagswarm.tagsearch import FoundTag

CATEGORIES = (
    *("general", "artist", "contributor", "copyright", "character", "meta", "species", "invalid", "lore"),
    *("deprecated", "circle", "style", "unknown"),
)
"""Words of `manifests.records.Category`, which takes longer to load than `--version` to answer."""
COLUMNS = ("tag", "category", "posts", "among", "aliases", "implies")


@click.command(short_help="Search the tags of a release.")
@click.argument("pattern", default="", shell_complete=complete_query)
@click.option("--category", type=click.Choice(CATEGORIES), help="Only tags of this category.")
@click.option("--min-count", type=click.IntRange(min=1), default=1, metavar="N", help="Only tags of so many posts.")
@click.option(
    "--with",
    "query",
    metavar="QUERY",
    shell_complete=complete_query,
    help="Only tags that posts of this query have, the most frequent among these posts first.",
)
@click.option("--limit", type=click.IntRange(min=0), default=25, show_default=True, metavar="N", help="So many tags.")
@located
@spoken
@click.pass_obj
def tags(
    output: Output,
    pattern: str,
    category: str | None,
    min_count: int,
    query: str | None,
    limit: int,
    place: str,
    release: str | None,
    offline: bool,
) -> int:
    """Search the tags of a release: those that begin with PATTERN, or match it where it has a *.

    \b
      tagswarm tags blue_              the most frequent tags that begin so
      tagswarm tags "*_hair" --min-count 100
      tagswarm tags --category character --with "1girl solo rating:g"

    Tags that are found by an alias are shown by their own name. Where stdout is no terminal, the columns are separated
    by tabs.
    """  # noqa: D301 - click's mark for lines that stay as they are is a backspace, not a backslash
    from tagswarm.manifests.records import Category  # noqa: PLC0415

    from . import numbers  # noqa: PLC0415 - drawing takes time to load

    with Question(query or "", place, release, offline=offline).ask() as reply:
        notes = reply.notes_without_order
        output.notes(notes)
        with output.waiting("look at the tags"):
            found = reply.release.tags(
                pattern,
                category=None if category is None else Category[category.upper()],
                min_count=min_count,
                among=None if query is None else reply.subset(),
                limit=limit,
            )
        among = None if query is None else reply.count()
        if output.json or output.quiet or sys.stdout.isatty():
            told = {"pattern": pattern, "query": query, "release": reply.release.name, "notes": notes, "tags": found}
            output.result(told, lambda console: numbers.tags(console, found, among))
        else:
            sys.stdout.writelines(_lines(found))
    return EXIT_OK


def _lines(found: Sequence[FoundTag]) -> Iterator[str]:
    yield "\t".join(COLUMNS) + "\n"
    for tag in found:
        among = "" if tag.among is None else str(tag.among)
        lists = (" ".join(tag.aliases), " ".join(tag.implies))
        yield "\t".join((tag.name, tag.category.word, str(tag.count), among, *lists)) + "\n"


@click.command(cls=Asking, short_help="Show what posts have in common, in numbers.")
@click.option("--top", type=click.IntRange(min=0), default=10, show_default=True, help="Tags of each category.")
@asked
@spoken
@click.pass_obj
def stats(output: Output, question: Question, top: int) -> int:
    """Show what the posts of QUERY, or of the whole release, have in common.

    Ratings, years, kinds of files and sizes as histograms, the bytes of each rendition, and the most frequent tags of
    each category.
    """
    from . import numbers  # noqa: PLC0415 - drawing takes time to load

    with question.ask() as reply:
        notes = reply.notes_without_order
        output.notes(notes)
        with output.waiting("count what the posts have in common"):
            found = reply.subset().stats(top)
        told = {"query": reply.text, "release": reply.release.name, "notes": notes, **facts(found)}
        output.result(told, lambda console: numbers.stats(console, found))
    return EXIT_OK
