"""Options that several commands share."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

F = TypeVar("F", bound=Callable[..., Any])


def _set(name: str) -> Callable[[click.Context, click.Parameter, bool], None]:
    def remember(context: click.Context, _: click.Parameter, value: bool) -> None:
        if value:
            setattr(context.obj, name, True)

    return remember


def spoken(command: F) -> F:
    """The options that say how to speak; they may stand before or after the name of a command."""
    for flags, name, text in (
        (("-v", "--verbose"), "verbose", "Show where an error comes from."),
        (("--json",), "json", "Write progress, result and error as JSON lines to stdout."),
        (("-q", "--quiet"), "quiet", "Show nothing but errors."),
    ):
        option = click.option(*flags, is_flag=True, expose_value=False, is_eager=True, callback=_set(name), help=text)
        command = option(command)
    return command


def dataset(command: F) -> F:
    """The argument DATASET: the folder of a dataset."""
    kind = click.Path(exists=True, file_okay=False, path_type=Path)
    return click.argument("dataset", type=kind)(command)


def trust(command: F) -> F:
    """The options --key and --pin: what the signatures of a release are held against."""
    command = click.option(
        "--pin", metavar="SHA256", help="The SHA-256 that release.json must have: trust without a signature."
    )(command)
    return click.option(
        "--key",
        "keys",
        multiple=True,
        metavar="KEY",
        help="A public key that is trusted: the line that begins with RW, or a .pub file. May be given several times.",
    )(command)


def workers(command: F) -> F:
    """The option --workers."""
    text = "Worker processes; one a processor where it is left out. The result is the same for any number."
    return click.option("--workers", type=click.IntRange(min=1), metavar="N", help=text)(command)


def rehash(command: F) -> F:
    """The option --rehash."""
    text = "Read every file again, also those whose size, time and inode have not changed."
    return click.option("--rehash", is_flag=True, help=text)(command)


def choices(command: F) -> F:
    """The option -s: the options of an export."""
    text = "An option of the form or of its captions, such as captions.spaces=false. May be given several times."
    return click.option("-s", "--set", "choices", multiple=True, metavar="NAME=VALUE", help=text)(command)
