"""What rsync says while it runs, and what the number it ends with means. Pure: bytes and numbers in.

Its words are hints and never proof: a name in them has somebody look at the disk, and nothing of them is shown.
"""

from __future__ import annotations

import re
from collections.abc import Container

from .base import Reason

FORMAT = "--out-format=%i %b %n"
"""A line a file, at its end: what was done, bytes that were moved, name. Without %b it would come before the file."""

_LINE_LIMIT = 4096
"""Bytes of a line; what is longer is no line of rsync's."""

_DONE = re.compile(r">f\S{9,} \d+ (.+)")
_PROGRESS = re.compile(r" *(\d{1,18}) +\d{1,3}%.*")
_TOO_LARGE = re.compile(r"(.+) is over max-size")
_THEIRS = re.compile(r'rsync: (?:\[sender\] )?(?:link_stat|send_files failed to open|readlink_stat) "(.+)" \(in .*')
_OURS = re.compile(r"rsync: \[(?:receiver|generator)\] .*: ([^:]{3,60}) \(\d{1,3}\)")

_CODES: dict[int, tuple[Reason, str]] = {
    1: ("refused", "rsync or the server does not know an option, or refuses it"),
    2: ("refused", "the server speaks another version of the protocol"),
    4: ("refused", "the server refuses what is asked"),
    5: ("damaged", "the server does not speak the protocol of rsync"),
    10: ("unreachable", "no connection, or it broke"),
    11: ("unreachable", "a file could not be read or written"),
    12: ("unreachable", "the connection broke"),
    30: ("unreachable", "the connection stood still for too long"),
    35: ("unreachable", "no connection in time"),
}
_PARTIAL = (0, 3, 23, 24, 25)
"""Ends at which every file was tried."""


class Output:
    """What was said so far.

    Args:
        wanted: the paths that were asked for; of others nothing is remembered.
        folder: of the dataset in its module, with a slash at its end; names come with it and without.
    """

    def __init__(self, wanted: Container[str], folder: str = "") -> None:
        self._wanted = wanted
        self._folder = folder
        self._rests = {"out": b"", "err": b""}
        self.bytes = 0
        """Moved, or found in what lay aside."""
        self.reasons: dict[str, tuple[Reason, str]] = {}
        """Why some of the paths do not come."""
        self._ours = ""
        self._said = ""

    def take(self, stream: str, data: bytes) -> list[str]:
        """Take in bytes of the stream `out` or `err`, and return the wanted paths that are said to be done."""
        *lines, rest = re.split(rb"[\r\n]", self._rests[stream] + data)
        self._rests[stream] = rest[:_LINE_LIMIT]
        done = (self._line(line.decode("utf-8", "replace")) for line in lines if 0 < len(line) <= _LINE_LIMIT)
        return [path for path in done if path is not None]

    def _line(self, line: str) -> str | None:
        if found := _DONE.fullmatch(line):
            return found[1] if found[1] in self._wanted else None
        if found := _PROGRESS.fullmatch(line):
            self.bytes = max(self.bytes, int(found[1]))
        elif found := _TOO_LARGE.fullmatch(line):
            self._remember(found[1], "damaged", "the file at the server is larger")
        elif line.startswith("@ERROR"):
            self._said = line
        elif found := _THEIRS.match(line):
            if "Permission denied" in line:
                self._remember(found[1], "refused", "the server may not read the file")
        elif found := _OURS.match(line):
            self._ours = found[1]
        return None

    def _remember(self, name: str, reason: Reason, detail: str) -> None:
        path = name.lstrip("/").removeprefix(self._folder)
        if path in self._wanted:
            self.reasons[path] = reason, detail

    def ending(self, code: int) -> tuple[Reason, str]:
        """Why a file did not come from a run that ended with `code`; negative is a signal, as Python has it."""
        if code == 5 and "max connections" in self._said:
            return "unreachable", "the server has as many connections as it wants"
        if code == 5 and self._said:
            return "refused", "the server refuses the module, the user or the password"
        if self._ours == "File too large" and code == 11:
            return "damaged", "a file is larger than any that was asked for"
        if self._ours and (code == 11 or code in _PARTIAL):
            return "disk", "rsync cannot write to the staging folder"
        if code in _PARTIAL:
            return "missing", "the server does not have it"
        return _CODES.get(code, ("unreachable", f"rsync ended with {code}"))
