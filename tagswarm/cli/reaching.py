"""The options of every command that fetches files of a release: from where, whom to believe, by which ways."""

from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from . import options, session

if TYPE_CHECKING:
    from tagswarm.mirror.access import Access, Use

KINDS = ("local", "http", "s3", "rsync", "torrent")
VARIABLE = "TAGSWARM_FROM"


def reaching(command: options.F) -> options.F:
    """All of these options; a command hands what they gave to `access` and `use`."""
    for option in reversed(
        (
            click.option(
                "--from",
                "addresses",
                multiple=True,
                envvar=VARIABLE,
                metavar="ADDRESS",
                help="Where the dataset is: a folder, https://, rsync:// or s3://; may be given several times. "
                f"Else {VARIABLE}.",
            ),
            click.option("--release", metavar="NAME", help="Which release; the newest."),
            click.option("--rendition", metavar="NAME", help="Which tree of images, such as 512px; the originals."),
            click.option(
                "--via",
                "only",
                multiple=True,
                metavar="WAY",
                help=f"Use only this kind of source ({', '.join(KINDS)}) or this address. May be given several times.",
            ),
            click.option("--forbid", multiple=True, metavar="WAY", help="Do not use this kind of source or address."),
            click.option("--prefer", multiple=True, metavar="WAY", help="Use it for all that it has."),
            click.option(
                "--limit-rate",
                type=session.Rate(),
                default=0,
                metavar="RATE",
                help="Bytes a second over the network, such as 5MB; the swarms may take as much again.",
            ),
            click.option(
                "--torrents",
                is_flag=True,
                help="Join the swarms of the release too: strangers see this address there.",
            ),
            click.option(
                "--peer",
                "peers",
                multiple=True,
                metavar="HOST:PORT",
                help="Join the swarms, where this peer is known. May be given several times.",
            ),
        )
    ):
        command = option(command)
    command = session.chosen(command)
    return _believing(command)


def _believing(command: options.F) -> options.F:
    for option in reversed(
        (
            click.option("--offline", is_flag=True, help="Ask nobody for documents: what is cached must do."),
            click.option("--strict-freshness", is_flag=True, help="Refuse a release that was to be renewed by now."),
            click.option(
                "--cache",
                type=click.Path(file_okay=False, path_type=Path),
                metavar="DIR",
                help="Where indexes and tables are kept; tagswarm in XDG_CACHE_HOME or ~/.cache where it is left out.",
            ),
            click.option(
                "--trust-file",
                type=click.Path(dir_okay=False, path_type=Path),
                metavar="FILE",
                help="What was seen before; else tagswarm/trust.json in XDG_DATA_HOME or ~/.local/share.",
            ),
        )
    ):
        command = option(command)
    return options.trust(command)


def access(given: dict[str, Any]) -> tuple[Access, Use, str | None]:
    """What the options gave, taken out of `given`: access, ways, and the rendition."""
    from tagswarm.mirror.access import Access, Use  # noqa: PLC0415 - start-up stays quick

    from .keys import public_key  # noqa: PLC0415

    limit = given.pop("limit_rate")
    torrents = given.pop("torrents")
    values = {name: given.pop(name) for name in session.NAMES}
    swarm = None
    use = Use(only=given.pop("only"), forbid=given.pop("forbid"), prefer=given.pop("prefer"))
    peers = tuple(_peer(peer) for peer in given.pop("peers"))
    if torrents or peers or "torrent" in {*use.only, *use.prefer}:
        values["download_rate"] = values["download_rate"] or limit
        swarm, _ = session.settings(values)
    return (
        Access(
            addresses=tuple(given.pop("addresses")),
            release=given.pop("release"),
            keys=tuple(public_key(key) for key in given.pop("keys")),
            pin=given.pop("pin"),
            offline=given.pop("offline"),
            strict_freshness=given.pop("strict_freshness"),
            cache=given.pop("cache"),
            trust_file=given.pop("trust_file"),
            limit_rate=limit,
            swarm=swarm,
            peers=peers,
        ),
        use,
        given.pop("rendition"),
    )


def today() -> date:
    """The day by the clock, in UTC: what freshness is judged by."""
    return datetime.now(UTC).date()


def _peer(given: str) -> tuple[str, int]:
    host, _, port = given.rpartition(":")
    if not host or not port.isdecimal() or int(port) > 65_535:
        raise click.BadParameter(f"{given!r} is no peer: give HOST:PORT.", param_hint="'--peer'")
    return host.strip("[]"), int(port)
