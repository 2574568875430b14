"""A query as the command line gives it: its words, where the release lies, and how the words are to be read.

A query may be given as one argument or as several, and a word that begins with `-` is a part of it unless it is an
option: `tagswarm count 1girl -comic`. Nothing here answers; `Question.ask` opens the release and hands the query on.
"""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from typing import TYPE_CHECKING, Any, TypeVar

import click

from tagswarm.manifests.errors import TagswarmError
from tagswarm.place import is_address

from .output import Output

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

    from tagswarm.opening import Release, Reply

F = TypeVar("F", bound=Callable[..., Any])

DIALECTS = ("danbooru", "gelbooru", "e621")
VARIABLE = "TAGSWARM_DATASET"
COMPLETIONS = 30
"""Tags that a shell is offered."""


@dataclass(frozen=True, slots=True)
class Question:
    """What was asked, and of what."""

    text: str
    place: str
    release: str | None = None
    offline: bool = False
    dialect: str = "danbooru"
    allow_unknown: bool = False
    now: datetime | None = None
    tz: tzinfo = UTC
    seed: int = 0
    limit: int | None = None

    @contextlib.contextmanager
    def ask(self) -> Iterator[Reply]:
        """Open the release and answer; it closes with the block."""
        with self.opened() as release:
            yield release.ask(
                self.text,
                dialect=self.dialect,
                allow_unknown=self.allow_unknown,
                now=self.now,
                tz=self.tz,
                seed=self.seed,
                limit=self.limit,
            )

    def opened(self) -> Release:
        """The release, open; what is fetched for it is shown."""
        from tagswarm.opening import open_release  # noqa: PLC0415 - help and version need no index

        output = click.get_current_context().find_object(Output)
        if output is None or not is_address(self.place):
            return open_release(self.place, self.release)
        with output.progress() as report:
            return open_release(self.place, self.release, offline=self.offline, report=report)


class Asking(click.Command):
    """A command whose arguments are a query: words like `-comic` are taken for a part of it and not for options."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Put the words of the query behind the options, where none of them is mistaken for one."""
        flags: dict[str, bool] = dict.fromkeys(ctx.help_option_names, False)
        for parameter in self.get_params(ctx):
            if isinstance(parameter, click.Option):
                takes = not (parameter.is_flag or parameter.count)
                flags.update(dict.fromkeys([*parameter.opts, *parameter.secondary_opts], takes))
        options: list[str] = []
        words: list[str] = []
        waiting = iter(args)
        for arg in waiting:
            if arg == "--":
                words.extend(waiting)
            elif arg.startswith("--") and not arg[2:3].isspace():
                options.append(arg)
                if flags.get(arg):
                    options.extend(_next(waiting))
            elif arg in flags:
                options.append(arg)
                if flags[arg]:
                    options.extend(_next(waiting))
            else:
                words.append(arg)
        return super().parse_args(ctx, [*options, "--", *words])

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """Complete options and, behind one `-`, tags."""
        offered = super().shell_complete(ctx, incomplete)
        words = next(parameter for parameter in self.params if parameter.name == "query")
        return offered if incomplete.startswith("--") else [*offered, *complete_query(ctx, words, incomplete)]


def _next(waiting: Iterator[str]) -> list[str]:
    value = next(waiting, None)
    return [] if value is None else [value]


def located(command: F) -> F:
    """The options that say which release is meant."""
    options = (
        click.option(
            "--in",
            "place",
            default=".",
            envvar=VARIABLE,
            type=click.Path(),
            metavar="PLACE",
            help="A dataset (a folder, https://, rsync:// or s3://), the folder of a release or an index.sqlite; "
            f"else {VARIABLE}, else the current folder.",
        ),
        click.option("--release", metavar="NAME", help="Which release of the dataset; the latest."),
        click.option("--offline", is_flag=True, help="Of an address: ask nobody, what is cached must do."),
    )
    for option in reversed(options):
        command = option(command)
    return command


def asked(command: F) -> F:
    """The argument QUERY with the options that say how it is read, handed to the command as one `question`."""

    @functools.wraps(command)
    def gathered(*args: Any, **values: Any) -> Any:
        return command(*args, question=_question(values), **values)

    wrapped: Any = located(asking_options(gathered))
    words = click.argument("query", nargs=-1, metavar="[QUERY]...", shell_complete=complete_query)
    return words(wrapped)  # type: ignore[no-any-return]  # what click returns is typed as its own


_OPTIONS = (
    click.option(
        "--dialect",
        type=click.Choice(DIALECTS),
        default=DIALECTS[0],
        show_default=True,
        help="Whose spelling the query has.",
    ),
    click.option(
        "--allow-unknown", is_flag=True, help="Warn of a tag that no post has, instead of refusing the query."
    ),
    click.option(
        "--now",
        type=click.DateTime(["%Y-%m-%d", "%Y-%m-%dT%H:%M:%S"]),
        metavar="TIME",
        help="What `age:` counts from, such as 2026-11-20; the current time where it is left out.",
    ),
    click.option("--tz", metavar="ZONE", default="UTC", show_default=True, help="The time zone of `date:` and --now."),
    click.option(
        "--seed",
        type=click.IntRange(min=0),
        metavar="N",
        default=0,
        show_default=True,
        help="Of `random:`, `order:random` and `sample`: the same seed picks the same posts.",
    ),
    click.option("--limit", type=click.IntRange(min=0), metavar="N", help="Take only the first N posts of the answer."),
)


def _question(values: dict[str, Any]) -> Question:
    """Take the values of the options out of what click hands to a command."""
    text, asking = asking_values(values)
    where = {name: values.pop(name) for name in ("place", "release", "offline")}
    return Question(text=text, **where, **asking)


def asking_options(command: F) -> F:
    """The options that say how a query is read, for commands that take its text themselves."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def asking_values(values: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    """The text of a query and the keywords of `Release.ask`, taken out of what click hands to a command."""
    zone = _zone(values.pop("tz"))
    now = values.pop("now")
    return " ".join(values.pop("query")), {
        "dialect": values.pop("dialect"),
        "allow_unknown": values.pop("allow_unknown"),
        "now": None if now is None else now.replace(tzinfo=zone),
        "tz": zone,
        "seed": values.pop("seed"),
        "limit": values.pop("limit"),
    }


def _zone(name: str) -> tzinfo:
    if name == "UTC":
        return UTC
    from zoneinfo import ZoneInfo  # noqa: PLC0415 - rarely needed

    try:
        return ZoneInfo(name)
    except (KeyError, OSError, ValueError) as failure:  # not known, a folder of them, outside of their folder
        raise click.BadParameter(f"{name!r} is no time zone; Europe/Berlin is one.", param_hint="'--tz'") from failure


def complete_query(context: click.Context, _: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Complete the last tag of a query from the index, the most frequent first; nothing where there is no index."""
    from click.shell_completion import CompletionItem  # noqa: PLC0415 - only a shell asks for it

    from tagswarm.opening import open_release  # noqa: PLC0415

    kept, prefix = last_word(incomplete)
    if not prefix:
        return []
    try:
        place, named = context.params.get("place") or ".", context.params.get("release")
        with open_release(place, named, offline=True) as release:  # whoever types does not wait for a network
            return [
                CompletionItem(kept + tag.name, help=f"{tag.count:,}")
                for tag in release.index.complete(prefix, COMPLETIONS)
            ]
    except TagswarmError:
        return []


def last_word(query: str) -> tuple[str, str]:
    """Split what was typed into the part that stays and the beginning of a tag."""
    at = len(query)
    while at and not query[at - 1].isspace():
        at -= 1
    while at < len(query) and query[at] in "-~(":
        at += 1
    return query[:at], query[at:].lower()
