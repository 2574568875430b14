"""The commands that look into any .torrent: `tagswarm torrent show`, `files`, `verify`.

They read a file that anybody may have made, and write nothing.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from tagswarm.manifests.errors import EXIT_OK, EXIT_PARTIAL, FormatError

from . import formats, options
from .output import Output, facts

if TYPE_CHECKING:
    from tagswarm.manifests.torrentfile import Torrent

# The modules of the library are imported inside the commands: that keeps `--help` and `--version` quick.


@click.group(short_help="Look into a .torrent, and compare it with files.")
@options.spoken
def torrent() -> None:
    """Look into a .torrent, whoever made it, and compare it with what lies on the disk.

    \b
      tagswarm torrent show   FILE        name, infohashes, magnet link, size, trackers, and what clients will refuse
      tagswarm torrent files  FILE        the files in it
      tagswarm torrent verify FILE DIR    is what lies in DIR what the torrent says?

    Torrents of v1, v2 and both are read. Nothing is written, and no tracker or peer is asked.
    """  # noqa: D301 - click's mark for lines that stay as they are is a backspace, not a backslash


def torrent_file(command: options.F) -> options.F:
    """The argument FILE: a .torrent."""
    kind = click.Path(exists=True, dir_okay=False, resolve_path=True, path_type=Path)  # a link to it will do
    return click.argument("file", type=kind)(command)


def read(file: Path) -> tuple[Torrent, int]:
    """A .torrent and its size in bytes."""
    from tagswarm.manifests import bencode, disk, torrentfile  # noqa: PLC0415

    data = disk.read(file, limit=bencode.LIMIT)
    try:
        return torrentfile.parse(data), len(data)
    except FormatError as failure:  # it names the place in the document, not which document
        raise type(failure)(f"{file}: {failure.message}", hint=failure.hint) from failure


@torrent.command(short_help="Show what a .torrent is.")
@torrent_file
@options.spoken
@click.pass_obj
def show(output: Output, file: Path) -> int:
    """Show what a .torrent is: version, infohashes, magnet link, pieces, files, trackers, web seeds.

    Ends with its lints: what is allowed, and what some client will refuse or change all the same.
    """
    from . import torrentpage  # noqa: PLC0415

    found = torrentpage.shown(*read(file))
    output.result(found, lambda console: torrentpage.draw(console, found))
    return EXIT_OK


@torrent.command(short_help="List the files of a .torrent.")
@torrent_file
@click.option("--roots", is_flag=True, help="Add the pieces root of each file, which only v2 and hybrid torrents have.")
@click.option("--pads", is_flag=True, help="List pads too: the zeros that fill up pieces and that nobody stores.")
@options.spoken
@click.pass_obj
def files(output: Output, file: Path, roots: bool, pads: bool) -> int:
    """List the files of a .torrent: a table on a terminal, tab-separated values in a pipe.

    Paths are those below the torrent's own folder.
    """
    from . import torrentpage  # noqa: PLC0415

    found, _ = read(file)
    head, rows = torrentpage.rows(found, roots=roots, pads=pads)
    if output.json:
        listed = [dict(zip(head, row, strict=True)) for row in rows]
        output.result({"name": found.name, "count": len(listed), "files": listed}, lambda _: None)
    elif output.quiet:
        pass
    elif sys.stdout.isatty():
        torrentpage.listing(output.console(), head, rows)
    else:
        sys.stdout.write(formats.tsv_head(head))
        sys.stdout.writelines(formats.tsv_line(row, terminal=False) for row in rows)
    return EXIT_OK


@torrent.command(short_help="Compare the files on the disk with a .torrent.")
@torrent_file
@click.argument("place", metavar="DIR", type=click.Path(exists=True, path_type=Path))
@click.option("--extra", is_flag=True, help="Also list what lies in the torrent's folder and is not in the torrent.")
@options.workers
@options.spoken
@click.pass_obj
def verify(output: Output, file: Path, place: Path, extra: bool, workers: int | None) -> int:
    """Is what lies in DIR what the .torrent says?

    DIR is the folder that holds the torrent's own folder or file, where a client would save it; or that folder or file
    itself. Every file is read; one that differs is read a second time before it is called damaged, and the bytes that
    differ are named. Links are not followed.

    In a v1 torrent without pads a piece runs over the ends of files. Where such a piece differs, the files that share
    it are suspects: the torrent cannot tell which of them is damaged.

    Exit code: 0 when all files are right, 3 when some are not. Files that --extra finds are no fault.
    """
    from tagswarm.mirror import payload  # noqa: PLC0415

    from . import torrentpage  # noqa: PLC0415

    found, _ = read(file)
    with output.progress() as report:
        outcome = payload.verify(found, place, extra=extra, workers=workers, report=report)
    output.result(
        {"ok": outcome.ok, **facts(outcome)},
        lambda console: torrentpage.verified(console, outcome),
        failed=torrentpage.failed(outcome),
    )
    return EXIT_OK if outcome.ok else EXIT_PARTIAL
