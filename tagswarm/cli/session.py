"""The options of a BitTorrent session, which every command that joins a swarm has: what it does towards the outside."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import click

from . import options

if TYPE_CHECKING:
    from tagswarm.mirror.swarm import Settings

_UNITS = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9, "ki": 1 << 10, "mi": 1 << 20, "gi": 1 << 30}
_RATE = re.compile(r"([0-9]+(?:\.[0-9]+)?) ?([kmg]i?|)(?:b|b/s)?", re.IGNORECASE)
_ADDRESS = re.compile(r"(?:\[[0-9A-Fa-f:.]+\]|[^\s\[\]:,]+):([0-9]{1,5})")
_TRACKER = re.compile(r"(?:https?|udp)://[!-~]+", re.IGNORECASE)


NAMES = (
    "listen",
    "upload_rate",
    "download_rate",
    "connections",
    "dht",
    "pex",
    "lsd",
    "port_mapping",
    "utp",
    "no_trackers",
    "trackers",
    "shared_address",
)
"""What the options of `chosen` are called in a command."""


class Rate(click.ParamType):  # type: ignore[type-arg]  # generic for type checkers only
    """Bytes a second, with a unit or without."""

    name = "rate"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Bytes a second."""
        if isinstance(value, int):
            return value
        match = _RATE.fullmatch(value)
        if match is None:
            self.fail(f"{value!r} is no rate: give bytes a second, such as 5MB, 800kB or 1.5MiB.", param, ctx)
        return round(float(match[1]) * _UNITS[match[2].lower()])


def _addresses(_: click.Context, __: click.Parameter, values: tuple[str, ...]) -> tuple[str, ...]:
    for value in values:
        match = _ADDRESS.fullmatch(value)
        if match is None or int(match[1]) > 65_535:
            raise click.BadParameter(f"{value!r} is no address: give ADDR:PORT, such as 0.0.0.0:6881 or [::]:6881.")
    return values


def _trackers(_: click.Context, __: click.Parameter, values: tuple[str, ...]) -> tuple[str, ...]:
    for value in values:
        if not _TRACKER.fullmatch(value):
            raise click.BadParameter(f"{value!r} is no tracker: its URL begins with http://, https:// or udp://.")
    return values


def chosen(command: options.F) -> options.F:
    """All options of a session; a command hands what they gave to `settings`."""
    for option in reversed(
        (
            click.option(
                "--listen",
                multiple=True,
                callback=_addresses,
                metavar="ADDR:PORT",
                help="Where peers connect to; the port 0 is any. May be given several times. "
                "[default: 0.0.0.0:6881 and [::]:6881]",
            ),
            click.option(
                "--upload-rate",
                type=Rate(),
                default=0,
                metavar="RATE",
                help="Bytes a second to all peers, such as 5MB or 800kB; no limit where it is left out.",
            ),
            click.option(
                "--download-rate", type=Rate(), default=0, metavar="RATE", help="Bytes a second from all peers."
            ),
            click.option(
                "--connections",
                type=click.IntRange(min=2),
                default=1_000,
                show_default=True,
                metavar="N",
                help="Peers over all volumes.",
            ),
            click.option("--dht/--no-dht", default=True, show_default=True, help="Find peers by the DHT."),
            click.option("--pex/--no-pex", default=True, show_default=True, help="Find peers by other peers."),
            click.option("--lsd/--no-lsd", default=False, show_default=True, help="Call for peers on this network."),
            click.option(
                "--port-mapping/--no-port-mapping",
                default=False,
                show_default=True,
                help="Ask the router for a port, by UPnP and NAT-PMP.",
            ),
            click.option("--utp/--no-utp", default=True, show_default=True, help="Speak uTP beside TCP."),
            click.option("--no-trackers", is_flag=True, help="Announce to none of the trackers of the torrents."),
            click.option(
                "--tracker",
                "trackers",
                multiple=True,
                callback=_trackers,
                metavar="URL",
                help="Announce to this tracker too. May be given several times.",
            ),
            click.option(
                "--shared-address",
                is_flag=True,
                help="Take several peers from one address, as behind a common router.",
            ),
        )
    ):
        command = option(command)
    return command


def settings(given: dict[str, Any], **more: Any) -> tuple[Settings, tuple[str, ...]]:
    """The settings of a session and the trackers that are announced to besides.

    Args:
        given: what the options gave.
        more: settings that the command decides.
    """
    from tagswarm.mirror.swarm import Settings  # noqa: PLC0415 - start-up stays quick

    values = dict(given)
    trackers: tuple[str, ...] = values.pop("trackers")
    announced = not values.pop("no_trackers")
    listen = values.pop("listen") or Settings().listen
    return Settings(**values, listen=listen, trackers=announced, **more), trackers
