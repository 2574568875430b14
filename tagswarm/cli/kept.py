"""The commands of a folder that was pulled: `tagswarm verify`, `repair` and `export`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from tagswarm.manifests.errors import EXIT_OK, EXIT_PARTIAL

from . import options
from .options import spoken
from .output import Output
from .reaching import access, reaching, today

folder = click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path))


@click.command(short_help="Verify the files of a folder that was pulled.")
@folder
@click.option("--fast", is_flag=True, help="Compare sizes only; the bytes of the files are not read.")
@click.option(
    "--sample", type=click.FloatRange(0, 1, min_open=True), metavar="FRACTION", help="Read this part of the files."
)
@click.option("--extra", is_flag=True, help="Also list files that belong to no post.")
@click.option("--resume", is_flag=True, help="Go on with a verification that was stopped.")
@options.workers
@spoken
@click.pass_obj
def verify(output: Output, /, folder: Path, **given: Any) -> int:
    """Verify the files of a folder that `pull` made, by its own lock: no release and no network is needed.

    A whole release is verified by `tagswarm release verify`, and the payload of any torrent by `tagswarm torrent
    verify`. A file that differs is read a second time before it is called damaged.

    Exit code: 0 when everything holds, 3 when files are missing or damaged.
    """
    from tagswarm.mirror.subset import verify as read_back  # noqa: PLC0415

    fast, sample = given.pop("fast"), given.pop("sample")
    if fast and sample is not None:
        raise click.UsageError("--fast reads no file and --sample reads some: give one of them.")
    with output.progress() as report:
        found = read_back(
            folder,
            depth="fast" if fast else "full" if sample is None else "sample",
            sample=0.01 if sample is None else sample,
            report=report,
            **given,
        )
    from . import subsets  # noqa: PLC0415

    output.result(
        found.to_dict(), lambda console: subsets.verified(console, found, folder), failed=subsets.wrong(found)
    )
    return EXIT_OK if found.ok else EXIT_PARTIAL


@click.command(short_help="Fetch again what is missing or damaged in a folder that was pulled.")
@folder
@reaching
@options.workers
@spoken
@click.pass_obj
def repair(output: Output, /, folder: Path, **given: Any) -> int:
    """Verify a folder that `pull` made, and fetch again exactly what is missing or damaged, from any source.

    \b
      tagswarm repair subset --from https://host/danbooru

    What is bad is moved to .tagswarm/quarantine in the folder and never deleted. Posts that never came are fetched too.

    Exit code: 0 when the folder is whole again, 3 when something could not be fetched.
    """  # noqa: D301 - click's mark for lines that stay as they are is a backspace, not a backslash
    from tagswarm.mirror.subset import verify as read_back  # noqa: PLC0415
    from tagswarm.pulling import mended  # noqa: PLC0415

    from . import pulled, subsets  # noqa: PLC0415

    workers = given.pop("workers")
    reach, use, _ = access(given)
    with output.progress() as report:
        found = read_back(folder, workers=workers, report=report)
        if found.ok and not found.absent:
            done = None
        else:
            import asyncio  # noqa: PLC0415 - a third of the start-up of commands that need none of it

            done = asyncio.run(mended(folder, found, reach, use=use, jobs=workers, today=today(), report=report))
    if done is None:
        output.result(found.to_dict(), lambda console: subsets.verified(console, found, folder))
        return EXIT_OK
    output.result(pulled.facts(done), lambda console: pulled.pulled(console, done), failed=pulled.failed(done))
    return EXIT_OK if done.report.ok else EXIT_PARTIAL


@click.command(short_help="Write a pulled folder in the form a trainer reads.")
@folder
@click.argument("form", metavar="FORM")
@click.option(
    "--to", type=click.Path(file_okay=False, path_type=Path), required=True, metavar="DIR", help="The folder to make."
)
@options.choices
@click.option("--replace", is_flag=True, help="Put it in the place of an earlier export.")
@click.option("--copy", is_flag=True, help="Copy images where they could be linked.")
@spoken
@click.pass_obj
def export(output: Output, /, folder: Path, form: str, to: Path, choices: tuple[str, ...], **given: Any) -> int:
    """Write the images of a folder that `pull` made in a FORM: imagefolder, webdataset, parquet, kohya, sidecars.

    \b
      tagswarm export subset kohya --to train -s repeats=10 -s captions.template="{count}, {character} ||| {general}"
      tagswarm export subset webdataset --to shards
      tagswarm export subset imagefolder --to hf

    Nothing is fetched. docs/how-to/export-for-training.md has every form with its options.
    """  # noqa: D301 - as above
    from tagswarm.mirror.posts import export as write  # noqa: PLC0415

    from . import subsets  # noqa: PLC0415

    chosen = subsets.choices(form, choices)
    with output.progress() as report:
        made = write(folder, to, chosen, report=report, **given)
    output.result(made, lambda console: subsets.exported(console, made))
    return EXIT_OK
