"""The commands of the researcher: `tagswarm count`, `query`, `sample`, `explain`.

Each hands a `Question` to the library and writes what answers it. Results go to stdout as they come, so that a pipe
need not wait.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from tagswarm.manifests.errors import EXIT_OK

from .options import spoken
from .output import Output, facts
from .question import Asking, F, Question, asked

if TYPE_CHECKING:
    from .formats import Format


def written(command: F) -> F:
    """The options that say what is written of posts, and where to."""
    options = (
        click.option(
            "--columns",
            metavar="NAMES",
            help="Write these columns of the posts, such as id,rating,tags, instead of their ids alone.",
        ),
        click.option(
            "--format",
            "form",
            type=click.Choice(["ids", "tsv", "jsonl", "table", "parquet"]),
            help="How to write them; else as the name of the file says, else a table on a terminal and tsv in a pipe.",
        ),
        click.option(
            "-o",
            "--output",
            "file",
            type=click.Path(dir_okay=False, path_type=Path),
            metavar="FILE",
            help="Write into a file, which appears when it is complete.",
        ),
    )
    for option in reversed(options):
        command = option(command)
    return command


@click.command(cls=Asking, short_help="Count the posts that a query matches.")
@asked
@spoken
@click.pass_obj
def count(output: Output, question: Question) -> int:
    """Count the posts that QUERY matches.

    \b
      tagswarm count "1girl solo rating:g" --in /data/danbooru
      tagswarm count 1girl solo -comic "score:>=20" "date:>=2015-01-01"
      tagswarm count "(long_hair or twintails) source:*pixiv* order:score limit:100"

    The language is the booru's own: docs/reference/query.md has all of it. Nothing but the index is read. An empty
    query matches every post. A query that cannot be answered as it stands is refused, with the place: 12.
    """  # noqa: D301 - click's mark for lines that stay as they are is a backspace, not a backslash
    with question.ask() as reply:
        found, notes = reply.count(), reply.notes_without_order
        output.notes(notes)
        told = {"query": reply.text, "release": reply.release.name, "notes": notes}
        output.line({**told, "count": found, "posts": len(reply.release)}, str(found))
    return EXIT_OK


@click.command(cls=Asking, short_help="List the posts that a query matches.")
@asked
@written
@spoken
@click.pass_obj
def query(output: Output, question: Question, columns: str | None, form: Format | None, file: Path | None) -> int:
    """List the posts that QUERY matches, in its order: their ids, or any of their columns.

    \b
      tagswarm query "1girl solo order:score limit:20" --columns id,score,rating,tags
      tagswarm query "hatsune_miku rating:g" -o miku.parquet --columns id,md5,tags
      tagswarm query "no_humans scenery" | head

    Columns other than ids are read from the Parquet tables of the release, of which docs/reference/formats/metadata.md
    names all.
    """  # noqa: D301 - see above
    from .writing import Wanted, write  # noqa: PLC0415 - what writes rows takes time to load

    with question.ask() as reply:
        output.notes(reply.notes)
        write(output, reply, reply.answer.ordinals, Wanted(columns, form, file))
    return EXIT_OK


@click.command(cls=Asking, short_help="Pick posts of a query at random.")
@click.option("-n", "number", type=click.IntRange(min=0), default=10, show_default=True, help="How many posts.")
@asked
@written
@spoken
@click.pass_obj
def sample(
    output: Output,
    question: Question,
    number: int,
    columns: str | None,
    form: Format | None,
    file: Path | None,
) -> int:
    """Pick posts of QUERY at random: the same seed picks the same posts of the same release, on every machine.

    \b
      tagswarm sample "1girl solo rating:g" -n 1000 --seed 7 -o thousand.txt
    """  # noqa: D301 - see above
    from .writing import Wanted, write  # noqa: PLC0415

    with question.ask() as reply:
        output.notes(reply.notes_without_order)
        picked = reply.subset().sample(number, seed=question.seed)
        write(output, reply, picked.ordinals, Wanted(columns, form, file))
    return EXIT_OK


@click.command(cls=Asking, short_help="Show how a query is understood.")
@asked
@spoken
@click.pass_obj
def explain(output: Output, question: Question) -> int:
    """Show how QUERY is understood: its parts after aliases, the posts of each, and how long every step took."""
    from . import explained  # noqa: PLC0415 - drawing takes time to load

    with question.ask() as reply:
        output.notes(reply.notes)
        found = explained.explain(reply)
        told = {"query": reply.text, "release": reply.release.name, "notes": reply.notes}
        output.result({**told, **facts(found)}, lambda console: explained.draw(console, reply, found))
    return EXIT_OK
