"""The commands `tagswarm plan` and `tagswarm pull`: the files that answer a query, how they come, and fetching them."""

from __future__ import annotations

import dataclasses
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from tagswarm.manifests import disk
from tagswarm.manifests.errors import EXIT_OK, EXIT_PARTIAL, InvalidDocument

from . import options
from .options import spoken
from .output import Output
from .question import Asking, asking_options, asking_values, complete_query
from .reaching import access, reaching, today
from .shaping import form, shaping

if TYPE_CHECKING:
    from tagswarm.manifests.events import Report
    from tagswarm.mirror.client import Pulled
    from tagswarm.pulling import Job

IDS_LIMIT = 256 << 20
"""Bytes of a file of ids."""


def wanting(command: Any) -> Any:
    """The argument QUERY, the options that say how it is read, and --ids and --locked in its place."""
    for option in reversed(
        (
            click.option(
                "--ids",
                metavar="FILE",
                help="Take these posts instead of a query: a file with one id a line, or - for standard input.",
            ),
            click.option(
                "--locked",
                "lock",
                type=click.Path(exists=True, dir_okay=False, path_type=Path),
                metavar="FILE",
                help="Take the posts, the release and the form of a tagswarm.lock, and compare with it at the end.",
            ),
        )
    ):
        command = option(command)
    command = asking_options(command)
    return click.argument("query", nargs=-1, metavar="[QUERY]...", shell_complete=complete_query)(command)


@click.command(cls=Asking, short_help="Plan how the files of a query would come.")
@wanting
@reaching
@shaping
@spoken
@click.pass_obj
def plan(output: Output, /, **given: Any) -> int:
    """Tell how the files of QUERY would come: files, bytes, requests and time by source, before a byte of them moves.

    \b
      tagswarm plan "1girl solo -comic score:>=20" --from https://host/danbooru
      tagswarm plan --ids ids.txt --from /data/danbooru --from s3://bucket/danbooru --rendition 512px

    Only the documents of the release are fetched, and kept for the next time.
    """  # noqa: D301 - click's mark for lines that stay as they are is a backspace, not a backslash
    from . import plans  # noqa: PLC0415

    job = _job(given)

    async def show() -> int:
        from tagswarm.pulling import prepared  # noqa: PLC0415

        with output.progress() as report:
            async with prepared(job, today=today(), report=report) as ready:
                found, notes = ready.plan, ready.notes
        output.notes(notes)
        output.result({**plans.facts(found), "notes": notes}, lambda console: plans.plan(console, found))
        return EXIT_OK

    import asyncio  # noqa: PLC0415 - a third of the start-up of commands that need none of it

    return asyncio.run(show())


@click.command(cls=Asking, short_help="Pull the files of a query, verified and resized.")
@wanting
@click.option(
    "-o",
    "--output",
    "out",
    type=click.Path(file_okay=False, path_type=Path),
    metavar="DIR",
    help="The folder of the subset; pulling another query into it fetches and removes the difference.",
)
@reaching
@shaping
@click.option("--jobs", type=click.IntRange(min=1), metavar="N", help="Processes that decode; one a processor.")
@click.option("-n", "--dry-run", is_flag=True, help="Show the plan and stop.")
@click.option(
    "-e",
    "--error-file",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Write the posts that failed here, an id and the reason a line, as --ids takes them.",
)
@click.option(
    "--export", "export_form", metavar="FORM", help="Also write the images in this form, into DIR/FORM: see `export`."
)
@options.choices
@spoken
@click.pass_obj
def pull(output: Output, /, **given: Any) -> int:
    """Pull the files of QUERY into a folder: each verified by SHA-256, and resized on this machine if asked.

    \b
      tagswarm pull "1girl solo rating:g" --from https://host/danbooru -o subset --size 512 --fit pad
      tagswarm pull --locked subset/tagswarm.lock --from rsync://host/danbooru -o again

    Stop it at any moment and run it again: what was verified is never fetched twice. tagswarm.lock in the folder says
    exactly what was pulled, and makes it again years later.

    Exit code: 0 when every file came, 3 when some did not (the report says which), 13 when it cannot be planned.
    """  # noqa: D301 - as above
    from tagswarm.mirror import posts  # noqa: PLC0415 - start-up stays quick
    from tagswarm.mirror.pipeline import error_lines  # noqa: PLC0415

    from . import plans, pulled, subsets  # noqa: PLC0415

    out, dry, errors = given.pop("out"), given.pop("dry_run"), given.pop("error_file")
    if out is None and not dry:
        raise click.UsageError("Name the folder with -o.")
    if not given["query"] and given["ids"] is None and given["lock"] is None:
        raise click.UsageError('Give a query, --ids or --locked; "" is a query that every post answers.')
    export_form, choices = given.pop("export_form"), given.pop("choices")
    if choices and export_form is None:
        raise click.UsageError("-s is for --export.")
    chosen = None if export_form is None else subsets.choices(export_form, choices)
    job = dataclasses.replace(_job(given), out=out)

    async def run(report: Report) -> Pulled | None:
        from tagswarm.pulling import prepared  # noqa: PLC0415

        async with prepared(job, today=today(), report=report) as ready:
            output.notes(ready.notes)
            if dry or not output.json:
                output.result(
                    {**plans.facts(ready.plan), "here": ready.here, "notes": ready.notes},
                    lambda console: plans.plan(console, ready.plan, here=ready.here),
                )
            return None if dry else await ready.pull()

    made = None
    with output.progress() as report:
        import asyncio  # noqa: PLC0415 - a third of the start-up of commands that need none of it

        done = asyncio.run(run(report))
        if done is None:
            return EXIT_OK
        if errors is not None:
            disk.write(errors, error_lines(done.report.failed))
        if chosen is not None and done.header.bytes:
            made = posts.export(done.out, done.out / export_form, chosen, replace=True, report=report)
    output.result(
        {**pulled.facts(done), "exported": made},
        lambda console: pulled.pulled(console, done, made),
        failed=pulled.failed(done),
    )
    return EXIT_OK if pulled.is_whole(done) else EXIT_PARTIAL


def _job(given: dict[str, Any]) -> Job:
    from tagswarm.mirror.form import Form  # noqa: PLC0415 - start-up stays quick
    from tagswarm.pulling import Job  # noqa: PLC0415

    reach, use, rendition = access(given)
    shape = form(given)
    text, asking = asking_values(given)
    ids, lock = given.pop("ids"), given.pop("lock")
    if sum((bool(text), ids is not None, lock is not None)) > 1:
        raise click.UsageError("Give a query, --ids or --locked, and only one of them.")
    if lock is not None and (rendition is not None or shape != Form()):
        raise click.UsageError("A lock has its rendition and its form: leave out --rendition, --size and their like.")
    return Job(
        access=reach,
        query=text,
        ids=None if ids is None else _read_ids(ids),
        asking=asking,
        rendition=rendition,
        form=shape,
        use=use,
        jobs=given.pop("jobs", None),
        lock=lock,
    )


def _read_ids(name: str) -> list[int]:
    """The ids in a file, one a line; what follows a tab or a blank is passed over, as in an error file."""
    data = sys.stdin.buffer.read(IDS_LIMIT + 1) if name == "-" else disk.read(Path(name), limit=IDS_LIMIT)
    ids = []
    for number, line in enumerate(data.splitlines(), 1):
        words = line.split(None, 1)
        if not words or words[0].startswith(b"#"):
            continue
        if not words[0].isdigit() or len(words[0]) > 18:
            raise InvalidDocument(f"{name}: line {number}: is no id of a post", hint="Give one number a line.")
        ids.append(int(words[0]))
    return ids
