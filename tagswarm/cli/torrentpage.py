"""What is in a .torrent, and whether files are what it says, drawn for people.

All text that a .torrent holds is from outside: it is escaped here.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from rich.console import Console
from rich.text import Text

from tagswarm.manifests import torrentlint
from tagswarm.manifests.magnet import magnet
from tagswarm.manifests.paths import escape
from tagswarm.manifests.torrentfile import Links, Torrent, Version
from tagswarm.mirror.payload import FileState, PayloadReport, SharedPiece, State

from . import formats
from .page import indented, pairs, say, table
from .steps import amount, units

SHOWN = 200
"""Files that a terminal lists; a pipe gets all."""
PROBLEMS = 20
"""Files, pieces and further files that a page names; `--json` has all."""
RANGES = 4
"""Ranges of damaged bytes that a page names of a file."""


_WORDS: dict[State, str] = {
    "missing": "missing",
    "size": "of a wrong size",
    "damaged": "damaged",
    "suspect": "in doubt",
    "unreadable": "unreadable",
}


@dataclass(frozen=True, slots=True)
class Remark:
    """Something about a .torrent that a client will not like."""

    name: str
    detail: str
    meaning: str
    clients: str
    """Which clients fail, and how."""
    remedy: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """What `torrent show` tells."""

    name: str
    version: Version
    infohash_v1: str | None
    infohash_v2: str | None
    magnet: str
    piece_length: int
    """Bytes."""
    pieces: int
    single: bool
    files: int
    """Pads not counted."""
    bytes: int
    pads: int
    pad_bytes: int
    size: int
    """Bytes of the .torrent."""
    private: bool
    links: Links
    lints: tuple[Remark, ...]


def shown(torrent: Torrent, size: int) -> Shown:
    """What there is to say of a torrent, whose .torrent has `size` bytes."""
    real = [entry.size for entry in torrent.entries if not entry.pad]
    pads = [entry.size for entry in torrent.entries if entry.pad]
    by_files = sum(-(-length // torrent.piece_length) for length in real)
    return Shown(
        name=torrent.name,
        version=torrent.version,
        infohash_v1=torrent.infohash_v1,
        infohash_v2=torrent.infohash_v2,
        magnet=magnet(torrent, display_name=torrent.name),
        piece_length=torrent.piece_length,
        pieces=len(torrent.pieces) // 20 or by_files,
        single=torrent.single,
        files=len(real),
        bytes=sum(real),
        pads=len(pads),
        pad_bytes=sum(pads),
        size=size,
        private=torrent.private,
        links=torrent.links,
        lints=tuple(_remarks(torrent, size)),
    )


def _remarks(torrent: Torrent, size: int) -> Iterable[Remark]:
    for lint in torrentlint.lint(torrent, size):
        said = torrentlint.LINTS[lint.name]
        yield Remark(lint.name, lint.detail, said.text, said.clients, said.remedy)


def draw(console: Console, found: Shown) -> None:
    """After `show`."""
    links = found.links
    say(console, "bold", escape(found.name))
    length = amount(found.piece_length) if found.piece_length % 1024 else _binary(found.piece_length)
    padding = f", and {units(found.pads, 'pads')} of {amount(found.pad_bytes)} that nobody stores" if found.pads else ""
    pairs(
        console,
        [
            ("version", "hybrid: v1 and v2" if found.version == "hybrid" else found.version),
            ("infohash v1", found.infohash_v1 or ""),
            ("infohash v2", found.infohash_v2 or ""),
            ("files", f"{found.files:,}, {amount(found.bytes)}{padding}"),
            ("pieces", f"{found.pieces:,} of {length}"),
            ("the .torrent", f"{found.size:,} bytes"),
            ("private", "yes: peers come from its trackers alone" if found.private else "no"),
            *(
                (f"trackers {tier}" if len(links.trackers) > 1 else "trackers", escape("  ".join(urls)))
                for tier, urls in enumerate(links.trackers, 1)
            ),
            ("web seeds", escape("  ".join(links.web_seeds))),
            ("similar", "  ".join(links.similar)),
            ("collections", escape("  ".join(links.collections))),
            ("comment", escape(links.comment or "")),
            ("created by", escape(links.created_by or "")),
            ("created", _date(links.creation_date)),
        ],
    )
    say(console, "", f"  {found.magnet}")
    for remark in found.lints[:PROBLEMS]:
        console.print(Text.assemble((remark.name, "yellow"), f": {remark.detail}"), soft_wrap=True)
        indented(console, Text(f"{remark.meaning} {remark.clients} {remark.remedy}", "bright_black"), 2)
    if len(found.lints) > PROBLEMS:
        say(console, "yellow", f"and {len(found.lints) - PROBLEMS:,} more; --json lists them")


def _binary(size: int) -> str:
    """A piece length for people: `64 KiB`."""
    return f"{size >> 20:,} MiB" if not size % (1 << 20) else f"{size >> 10:,} KiB"


def _date(seconds: int | None) -> str:
    """A creation date, as far as a calendar has it."""
    if seconds is None:
        return ""
    try:
        return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M:%S} UTC"
    except (OverflowError, ValueError, OSError):
        return f"{seconds} seconds after 1970"


def rows(torrent: Torrent, *, roots: bool, pads: bool) -> tuple[list[str], list[list[object]]]:
    """The heads and the rows of a list of files."""
    head = ["path", "size", *(["root"] if roots else []), *(["pad"] if pads else [])]
    listed: list[list[object]] = []
    for entry in torrent.entries:
        if pads or not entry.pad:
            root = [None if entry.root is None else entry.root.hex()] if roots else []
            listed.append([entry.path, entry.size, *root, *([entry.pad] if pads else [])])
    return head, listed


def listing(console: Console, head: Sequence[str], listed: Sequence[Sequence[object]]) -> None:
    """After `files`, on a terminal."""
    table(console, head, ([escape(formats.cell(value)) for value in row] for row in listed[:SHOWN]), numbers={1})
    if len(listed) > SHOWN:
        say(console, "bright_black", f"  and {len(listed) - SHOWN:,} more; a pipe gets all")


def verified(console: Console, outcome: PayloadReport) -> None:
    """After `verify`: what is wrong first, then what was looked at."""
    wrong = [file for file in outcome.files if file.state != "ok"]
    for file in wrong[:PROBLEMS]:
        said = f": {detail}" if (detail := _detail(file)) else ""
        console.print(Text.assemble((f"{file.state:<11}", "bold red"), escape(file.path), said), soft_wrap=True)
    _more(console, "bold red", len(wrong))
    states = {file.path: file.state for file in wrong}
    for piece in outcome.shared[:PROBLEMS]:
        console.print(Text.assemble((f"piece {piece.piece:<5}", "yellow"), _sharers(piece, states)), soft_wrap=True)
    _more(console, "yellow", len(outcome.shared))
    for path in outcome.extra[:PROBLEMS]:
        console.print(Text.assemble((f"{'extra':<11}", "blue"), escape(path)), soft_wrap=True)
    _more(console, "blue", outcome.extra_count)
    say(console, "green" if outcome.ok else "bold red", _verdict(outcome))
    pairs(
        console,
        [
            ("folder", escape(str(outcome.folder))),
            ("files", f"{outcome.count('ok'):,} of {len(outcome.files):,} are right"),
            ("checked", f"{units(outcome.pieces, 'pieces')}, {_HASHES[outcome.by]}; {amount(outcome.bytes)} are right"),
        ],
    )
    for path in outcome.second[:PROBLEMS]:
        said = f"right only when it was read again, so memory, cable or disk are to be doubted: {escape(path)}"
        indented(console, Text(f"note: {said}", "yellow"), 0)


_HASHES = {"v1": "by the SHA-1 of v1", "v2": "by the SHA-256 trees of v2"}


def _more(console: Console, style: str, count: int) -> None:
    if count > PROBLEMS:
        say(console, style, f"and {count - PROBLEMS:,} more; --json lists them")


def _detail(file: FileState) -> str:
    ranges = [f"{begin:,} to {end:,}" for begin, end in file.ranges[:RANGES]]
    if len(file.ranges) > RANGES:
        ranges.append(f"{len(file.ranges) - RANGES:,} more")
    return escape("; ".join(part for part in (file.detail, f"bytes {', '.join(ranges)}" if ranges else "") if part))


def _sharers(piece: SharedPiece, states: Mapping[str, State]) -> str:
    """The files of a piece, those first of which is known what is wrong with them."""
    known = sorted(piece.files, key=lambda path: states[path] == "suspect")
    named = [escape(path) + ("" if states[path] == "suspect" else f" ({_WORDS[states[path]]})") for path in known]
    further = f" and {len(named) - RANGES:,} more" if len(named) > RANGES else ""
    return f"is shared by {', '.join(named[:RANGES])}{further}"


def _verdict(outcome: PayloadReport) -> str:
    if outcome.ok:
        return f"{escape(outcome.name)}: all files are right"
    counts = [f"{count:,} {word}" for state, word in _WORDS.items() if (count := outcome.count(state))]
    return f"{escape(outcome.name)}: {', '.join(counts)}"


def failed(outcome: PayloadReport) -> str:
    """The sentence of a verification that found something wrong; empty where all is well."""
    first = next((file for file in outcome.files if file.state != "ok"), None)
    return "" if first is None else f"{_verdict(outcome)}; the first: {first.state} {first.path}"
