"""What a torrent has that some client cannot load, or loads under another name: each finding has a name.

A torrent without findings is loaded by libtorrent at its default limits, every file under the path it has here.
Findings that have to do with other clients say which; `LINTS` has the meaning of each and what to do.

Nothing here reads a file or decides: whoever publishes refuses what nobody waived.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import pairwise

from . import paths
from .paths import escape
from .torrentfile import Torrent

LARGEST = 2_000_000
"""Bytes of a .torrent."""

MOST_FILES = 20_000
"""Files without pads: twice what a volume has at most by default."""

MOST_PIECES = 100_000

LONGEST_NAME = 240
"""Bytes of a component, where libtorrent cuts."""

_SANITISED = re.compile(
    r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]"  # control characters and what is no UTF-8 become an underscore
    r"|[\u061c\u200b-\u200f\u202a-\u202e\u2060-\u2064\u2066-\u2069\ufeff]"  # invisible ones are dropped
    r"|[\\<>:\"|?*]"  # dropped or replaced, the backslash everywhere and the others on Windows
    r"|[. ](?=/|\Z)"  # dropped at the end of a name on Windows
)


@dataclass(frozen=True, slots=True)
class Lint:
    """A finding."""

    name: str
    """A key of `LINTS`."""
    detail: str
    """A sentence that is safe to show."""


@dataclass(frozen=True, slots=True)
class Meaning:
    """What a lint means."""

    text: str
    """What is wrong."""
    clients: str
    """Which clients fail, and how."""
    remedy: str
    """What to do."""


LINTS = {
    "torrent-too-large": Meaning(
        f"The .torrent is larger than {LARGEST} bytes.",
        "Trackers and web front ends refuse it, and libtorrent refuses more than 10,000,000 bytes.",
        "Make volumes of fewer files, or pieces longer in a new tree.",
    ),
    "torrent-too-many-files": Meaning(
        f"There are more than {MOST_FILES} files.",
        "libtorrent refuses about 39,000 files of a hybrid torrent by default; aria2 takes 8 KB of memory a file.",
        "Make volumes of fewer files.",
    ),
    "torrent-sanitised-name": Meaning(
        "A name has characters that clients drop or replace, or is too long.",
        "libtorrent drops marks that nobody sees, replaces control characters, and more than these on Windows, and cuts"
        f" names after {LONGEST_NAME} bytes. The files then have other names than those of the manifest.",
        "Rename the file before it is published.",
    ),
    "torrent-case-twins": Meaning(
        "Two paths differ in case or normal form only.",
        "libtorrent renames one of them on every system, and a seeder of such a torrent never reaches 100 %.",
        "Rename one of the files before it is published.",
    ),
    "torrent-pad-names": Meaning(
        "Two pads have the same name.",
        "rtorrent 0.9.8 refuses the torrent: it knows no pads and sees a file twice.",
        "Make the torrent with tagswarm, which numbers its pads.",
    ),
    "torrent-unsorted-keys": Meaning(
        "Keys of a dictionary are out of order.",
        "aria2 1.36 and Transmission 3.00 write the info dictionary anew: they get another infohash and find no peer.",
        "Make the torrent anew with a program that sorts them.",
    ),
    "torrent-piece-count": Meaning(
        f"There are more than {MOST_PIECES} pieces.",
        "Every client keeps a bit a piece and peer and grows slow; libtorrent refuses more than 2,097,152.",
        "Make smaller volumes, or pieces longer in a new tree.",
    ),
}
"""What each name means, who fails, and what to do."""


def lint(torrent: Torrent, size: int) -> Iterator[Lint]:
    """The findings of a torrent whose .torrent has `size` bytes, each name at most once, in the order of `LINTS`."""
    if size > LARGEST:
        yield Lint("torrent-too-large", f"the .torrent has {size} bytes, {LARGEST} are allowed")
    files = [entry.path for entry in torrent.entries if not entry.pad]
    if len(files) > MOST_FILES:
        yield Lint("torrent-too-many-files", f"it has {len(files)} files, {MOST_FILES} are allowed")
    names = files if torrent.single else [torrent.name, *files]
    if detail := _some(name for name in names if _is_sanitised(name)):
        yield Lint("torrent-sanitised-name", f"clients change {detail}")
    if detail := _some(_twins(files)):
        yield Lint("torrent-case-twins", f"clients take for another file {detail}")
    pads = Counter(entry.path for entry in torrent.entries if entry.pad) if torrent.version != "v2" else Counter[str]()
    if detail := _some(pad for pad, count in pads.items() if count > 1):
        yield Lint("torrent-pad-names", f"more than one pad is named {detail}")
    if not torrent.sorted_keys:
        yield Lint("torrent-unsorted-keys", "its keys are out of order")
    last = torrent.entries[-1]
    pieces = -(-(last.offset + last.size) // torrent.piece_length)
    if pieces > MOST_PIECES:
        yield Lint("torrent-piece-count", f"it has {pieces} pieces, {MOST_PIECES} are allowed")


def _is_sanitised(path: str) -> bool:
    if _SANITISED.search(path):
        return True
    return len(path) * 4 > LONGEST_NAME and any(len(part.encode()) > LONGEST_NAME for part in path.split("/"))


def _twins(files: Iterable[str]) -> Iterator[str]:
    """The paths that are, case and normal form aside, those of other files or of folders."""
    ordered = sorted((paths.sort_key(paths.folded(path)), path) for path in files)
    for (key, _), (following, path) in pairwise(ordered):
        if key == following or following.startswith(key + b"\0"):
            yield path


def _some(found: Iterable[str]) -> str:
    """The first of the names, and how many there are in all; empty where there is none."""
    first, count = "", 0
    for name in found:
        first, count = first or escape(name[:200]), count + 1
    return f"{first} and {count - 1} more" if count > 1 else first
