"""The plain lists beside a volume: checksums for `sha256sum -c`, names for `rsync --files-from`.

Both are lines of UTF-8 sorted by path. Neither program is asked to quote anything: a path that one of them would treat
specially does not pass `paths.check`, and is refused here when written as when read. For every name rsync walks a list
of all names, which is quadratic in its length and worst where the folder changes with each line: hence the order and
the cut (RsyncProject/rsync#695).

Nothing here reads a file.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from itertools import pairwise

from . import paths
from .errors import InvalidDocument

LIST_LINES = 20_000
"""Lines of one rsync list at most."""

_CHECKSUM = re.compile(r"([0-9a-f]{64}) [ *](.+)")


def render_checksums(entries: Iterable[tuple[str, str]]) -> bytes:
    """The file for `sha256sum -c` of (path, SHA-256 in lower case hex) pairs, sorted by path.

    Raises:
        UnsafePath: a path does not pass `paths.check`.
        InvalidDocument: a path is there twice, or a digest is none.
    """
    digests = dict(pairs := list(entries))
    lines = [f"{digests[path]}  {path}" for path in _sorted(path for path, _ in pairs)]
    for line in lines:
        if not _CHECKSUM.fullmatch(line):
            raise InvalidDocument(f"{paths.escape(line)}: is not a SHA-256 in lower case hex and a path")
    return "".join(f"{line}\n" for line in lines).encode()


def parse_checksums(data: bytes) -> list[tuple[str, str]]:
    """Read a file of `sha256sum` into (path, SHA-256 in lower case hex) pairs, in the order of the file.

    Raises:
        UnsafePath: a path does not pass `paths.check`; names that sha256sum escapes never do.
        InvalidDocument: a line is malformed or a path is there twice; the message names the line.
    """
    entries: dict[str, str] = {}
    for number, line in enumerate(data.removesuffix(b"\n").split(b"\n") if data else (), 1):
        match = _CHECKSUM.fullmatch(line.decode("utf-8", "surrogateescape"))
        if match is None:
            raise InvalidDocument(f"line {number}: is not a SHA-256 in lower case hex, two spaces and a path")
        digest, path = match.groups()
        paths.check(path)
        if path in entries:
            raise InvalidDocument(f"line {number}: {paths.escape(path)} is there twice")
        entries[path] = digest
    return list(entries.items())


def split_files(names: Iterable[str], *, lines: int = LIST_LINES) -> list[bytes]:
    """The lists for `rsync --files-from` of these paths: sorted by path, at most `lines` lines each.

    Raises:
        UnsafePath: a path does not pass `paths.check`.
        InvalidDocument: a path is there twice.
    """
    ordered = _sorted(names)
    starts = range(0, len(ordered), lines)
    return ["".join(f"{path}\n" for path in ordered[start : start + lines]).encode() for start in starts]


def _sorted(names: Iterable[str]) -> list[str]:
    ordered = sorted(names, key=paths.sort_key)
    for path in ordered:
        paths.check(path)
    for path, following in pairwise(ordered):
        if path == following:
            raise InvalidDocument(f"{paths.escape(path)} is in the list twice")
    return ordered
