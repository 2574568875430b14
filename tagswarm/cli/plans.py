"""A plan, drawn for people and told to programs.

A row a source that carries something, then a row a source for what it would need alone. Nothing here plans.
"""

from __future__ import annotations

from collections.abc import Iterable

from rich.console import Console

from tagswarm.manifests.paths import escape
from tagswarm.mirror.plan import Plan, Share

from .page import pairs, say, table
from .steps import amount, duration, units

HEAD = ("source", "volumes", "files", "wanted", "moved", ".torrent", "requests", "time")
SHOWN = 10
"""Posts of a list that the terminal names; `--json` has more."""

ASSUMED = "*"
"""Behind a time that rests on an assumed speed."""


def plan(console: Console, found: Plan, *, here: int = 0) -> None:
    """After `plan`, and before a pull begins into a folder where some files are already."""
    say(console, "bold", _headline(found))
    table(console, HEAD, _rows(found.shares, found.volumes))
    if len(found.alone) > 1:
        say(console, "bold", "Each source alone")
        table(console, HEAD, _rows(found.alone, found.volumes))
    if any(not share.measured for share in found.alone):
        say(console, "bright_black", f"  {ASSUMED} at a speed that is assumed: nobody has measured this source yet")
    room = found.room
    about = "about " if room.estimated else ""
    free = "" if room.free is None else f"; {amount(room.free)} are free"
    pairs(
        console,
        [
            ("over-fetch", f"{100 * (found.overhead - 1):.1f} % of the bytes wanted"),
            ("disk", f"{about}{amount(room.result)}, and {amount(room.staging)} on the way{free}"),
            ("here", f"{units(here, 'files')} already, which need not come" if here else ""),
            ("left out", _posts(len(found.withdrawn), found.withdrawn, "taken back")),
            ("no file", _posts(found.absent, found.absent_named, "without one in this rendition")),
        ],
    )


def facts(found: Plan) -> dict[str, object]:
    """What `--json` tells of a plan: its fields, and what follows from them."""
    refusal = found.refusal()
    return {
        "files": found.files,
        "bytes": found.bytes,
        "volumes": found.volumes,
        "moved": found.moved,
        "torrent_bytes": found.torrent_bytes,
        "requests": found.requests,
        "overhead": round(found.overhead, 4),
        "seconds": round(found.seconds, 1),
        "sources": [_share(share) for share in found.shares],
        "alone": [_share(share) for share in found.alone],
        "parts": [
            {
                "volume": part.volume,
                "source": part.source,
                "files": part.files,
                "bytes": part.bytes,
                "moved": part.moved,
                "torrent_bytes": part.torrent_bytes,
                "requests": part.requests,
                "seconds": round(part.seconds, 3),
            }
            for part in found.parts
        ],
        "withdrawn": found.withdrawn,
        "absent": found.absent,
        "absent_named": found.absent_named,
        "disk": {
            "staging": found.room.staging,
            "result": found.room.result,
            "estimated": found.room.estimated,
            "needed": found.room.needed,
            "free": found.room.free,
        },
        "refused": None if refusal is None else {"error": type(refusal).__name__, "message": refusal.message},
    }


def _headline(found: Plan) -> str:
    if not found.files:
        return "nothing to fetch"
    where = f"in {units(found.volumes, 'volumes')}"
    return f"{units(found.files, 'files')}, {amount(found.bytes)}, {where}; {_about(found.seconds)}"


def _about(seconds: float) -> str:
    """A time, which is an estimate."""
    return f"about {duration(seconds)}" if seconds >= 1 else "less than a second"


def _rows(shares: Iterable[Share], volumes: int) -> Iterable[tuple[str, ...]]:
    for share in shares:
        carried = f"{share.volumes:,}" if share.volumes == volumes else f"{share.volumes:,} of {volumes:,}"
        yield (
            escape(share.source),
            carried,
            f"{share.files:,}",
            amount(share.bytes),
            amount(share.moved),
            amount(share.torrent_bytes) if share.torrent_bytes else "",
            f"{share.requests:,}",
            f"{duration(share.seconds)}{'' if share.measured else ASSUMED}",
        )


def _share(share: Share) -> dict[str, object]:
    return {
        "source": share.source,
        "kind": share.kind,
        "measured": share.measured,
        "volumes": share.volumes,
        "files": share.files,
        "bytes": share.bytes,
        "moved": share.moved,
        "torrent_bytes": share.torrent_bytes,
        "requests": share.requests,
        "seconds": round(share.seconds, 1),
    }


def _posts(count: int, named: tuple[int, ...], what: str) -> str:
    """Posts, counted, and the first of them by their numbers."""
    if not count:
        return ""
    shown = ", ".join(map(str, named[:SHOWN]))
    more = "" if count <= SHOWN else ", ..."
    return f"{units(count, 'posts')} {what}: {shown}{more}"
