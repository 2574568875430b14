"""What `verify`, `repair` and `export` tell of a folder that was pulled, and the options of an export as typed."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path
from types import NoneType
from typing import Any, get_args, get_origin, get_type_hints

import click
from pydantic import TypeAdapter, ValidationError
from rich.console import Console

from tagswarm.exporting import options_of
from tagswarm.manifests.errors import InvalidDocument
from tagswarm.manifests.paths import escape
from tagswarm.mirror.exports.registry import EXPORTS, Exported, Options
from tagswarm.mirror.exports.style import CaptionStyle
from tagswarm.mirror.subset import SubsetReport

from .page import pairs, say, table
from .steps import amount, units

SHOWN = 20
"""Problems, or files, that the page names."""


def verified(console: Console, found: SubsetReport, folder: Path) -> None:
    """After `verify`."""
    style = "green" if found.ok else "red"
    say(console, style, "every file that was checked is right" if found.ok else wrong(found))
    pairs(
        console,
        [
            ("files", f"{found.files:,} of {units(found.posts, 'posts')} checked"),
            ("read", f"{units(found.read, 'files')}, {amount(found.bytes)}" if found.read else "none"),
            ("never came", units(len(found.absent), "posts") if found.absent else ""),
            ("extra", units(len(found.extra), "files") if found.extra else ""),
        ],
    )
    rows = [(problem.kind, escape(problem.path), escape(problem.detail)) for problem in found.problems[:SHOWN]]
    table(console, ("problem", "file", "detail"), rows, left=3)
    if len(found.problems) > SHOWN:
        say(console, "", f"  and {len(found.problems) - SHOWN:,} more; --json names all")
    for path in (found.extra or ())[:SHOWN]:
        say(console, "", f"  extra: {escape(path)}")
    for note in found.notes:
        say(console, "bright_black", f"  {escape(note)}")
    if not found.ok or found.absent:
        say(console, "", f"Next: tagswarm repair {shlex.quote(escape(str(folder)))} --from ADDRESS")


def wrong(found: SubsetReport) -> str:
    """A sentence where something is wrong."""
    count = len(found.problems)
    return "" if found.ok else f"{units(count, 'files')} {'is' if count == 1 else 'are'} missing or damaged"


def exported(console: Console, made: Exported) -> None:
    """After `export`."""
    say(console, "bold", f"{units(made.samples, 'images')} as {made.export} in {made.folder}")
    pairs(
        console,
        [
            ("images", amount(made.bytes)),
            (
                "files",
                f"{made.files:,}, {made.linked:,} of them links that take no space"
                if made.linked
                else f"{made.files:,}",
            ),
            ("left out", units(len(made.skipped), "posts") if made.skipped else ""),
            ("empty", units(made.empty_captions, "captions") if made.empty_captions else ""),
            ("doubtful", _doubtful(made)),
        ],
    )


def _doubtful(made: Exported) -> str:
    named = ", ".join(escape(tag) for tag in list(made.doubtful)[:5])
    more = ", ..." if len(made.doubtful) > 5 else ""
    return f"tags that hold a separator: {named}{more}" if made.doubtful else ""


def choices(form: str, given: Sequence[str]) -> Options:
    """The options of an export, from `NAME=VALUE` as they are typed.

    Raises:
        UsageError: there is no such form or option, or the value is none.
    """
    if form not in EXPORTS:
        raise click.UsageError(f"There is no form {escape(form)!r}; there are {', '.join(EXPORTS)}.")
    kind = EXPORTS[form].options
    values: dict[str, Any] = {}
    for pair in given:
        name, equals, text = pair.partition("=")
        if not equals:
            raise click.UsageError(f"{escape(pair)!r} is no option: give NAME=VALUE.")
        table, dot, key = name.rpartition(".")
        if dot and table == "captions" and hasattr(kind, "captions"):
            values.setdefault(table, {})[key] = _read(CaptionStyle, name, key, text)
        else:
            values[name] = _read(kind, name, name, text)
    try:
        return options_of(form, values)
    except InvalidDocument as failure:
        raise click.UsageError(f"{failure.message}.") from failure


def _read(owner: type, name: str, key: str, text: str) -> Any:
    """The value of an option, by the type that it has; a comma stands between the members of a list."""
    types = {field: hint for field, hint in get_type_hints(owner).items() if hint is not CaptionStyle}
    if key not in types:
        more = ", captions.*" if hasattr(owner, "captions") else ""
        raise click.UsageError(f"There is no option {escape(name)!r}; there are {', '.join(types)}{more}.")
    if get_origin(types[key]) is tuple:
        return [part for part in text.split(",") if part]
    if text == "none" and NoneType in get_args(types[key]):
        return None
    try:
        return TypeAdapter(types[key]).validate_python(text)
    except ValidationError as failure:
        what = failure.errors(include_url=False, include_input=False)[0]["msg"]
        raise click.UsageError(f"{escape(name)} is {escape(text)!r}: {what}.") from failure
