"""The rows of metadata that could not be taken: every reject becomes a finding, or part of one.

Rows that hide their post on purpose are counted a file; every other reject is a finding of its own, with its place.
Nothing here reads metadata; the rejects hold the text of the row.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from tagswarm.manifests import codec, disk
from tagswarm.manifests.errors import InvalidDocument
from tagswarm.manifests.records import Reject

from .findings import EXAMPLES, Finding, Severity, found

_LIMIT = 1 << 40
"""Bytes of all rejects; they are read as a stream."""
_LINE_LIMIT = 1 << 20

_NAMES = {
    "duplicate-post": "duplicate-post",
    "duplicate-row": "duplicate-post",
    "unknown-rating": "unknown-rating",
    "truncated-stream": "broken-dump",
    "corrupt-stream": "broken-dump",
    "decompression-bomb": "broken-dump",
    "too-many-members": "broken-dump",
}
"""The finding for a reason; every other reason is a `bad-row`."""

_COUNTED = {"ghost-row": ("ghost-row", "without a post"), "no-id": ("rows-without-id", "without an id")}
"""Reasons that are counted a file, with the finding and its words."""

_TEXT_LIMIT = 200
"""Characters of a row that are evidence enough."""

_ID = re.compile(r"""\s*(?:\{\s*"id"\s*:\s*"?|<post\s[^>]*?\bid=["'])(\d{1,18})\b""")
"""The id of a row that tells it in the usual place; a row may be cut, so it is not parsed."""

_AGAIN = re.compile(r"post (\d{1,18}) of (\S+) came first")
"""What the log of rejects says of a post that came again."""


def read(path: Path) -> Iterator[Reject]:
    """The rejects of a release, in their order.

    Raises:
        FormatError: the file is damaged.
        Unreadable: it is missing.
    """
    with disk.open_read(path) as file:
        for number, line in codec.read_lines(file, limit=_LIMIT, line_limit=_LINE_LIMIT):
            value = codec.parse(line, limit=_LINE_LIMIT)
            if number == 1 and "format" in value:
                continue
            try:
                yield Reject(**value)
            except TypeError as failure:
                raise InvalidDocument(f"{path}: line {number}: is no reject: {failure}") from failure


@dataclass(slots=True)
class _Rows:
    count: int = 0
    lines: list[int] = field(default_factory=list)


def of_rejects(rejects: Iterable[Reject], sites: Iterable[str]) -> Iterator[Finding]:
    """The findings of rejects, in their order; the counted ones last.

    Args:
        rejects: of all sources.
        sites: of the release; a reject does not tell its own, which is known where there is one only.
    """
    names = sorted(set(sites))
    site = names[0] if len(names) == 1 else None
    counted: dict[tuple[str, str], _Rows] = {}
    for reject in rejects:
        if reject.reason in _COUNTED:
            rows = counted.setdefault((reject.source, reject.reason), _Rows())
            rows.count += 1
            if len(rows.lines) < EXAMPLES:
                rows.lines.append(reject.line)
            continue
        name = _NAMES.get(reject.reason, "bad-row")
        again = _AGAIN.match(reject.detail) if name == "duplicate-post" else None
        same = reject.reason == "duplicate-row"
        detail = f": {reject.detail}" if reject.detail else ""
        yield found(
            name,
            f"{reject.source}, line {reject.line}: {reject.reason}{detail}",
            site=again[2] if again else site,
            post=int(again[1]) if again else _post(reject),
            severity=Severity.WARNING if same else None,
            source=reject.source,
            line=reject.line,
            reason=reject.reason,
            detail=reject.detail or None,
            text=reject.text[:_TEXT_LIMIT] or None,
        )
    for (source, reason), rows in sorted(counted.items()):
        name, words = _COUNTED[reason]
        yield found(
            name,
            f"{source}: {rows.count} {'row' if rows.count == 1 else 'rows'} {words}",
            site=site,
            source=source,
            rows=rows.count,
            lines=rows.lines,
        )


def _post(reject: Reject) -> int | None:
    match = _ID.match(reject.text)
    return int(match[1]) if match else None
