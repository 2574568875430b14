"""audit.jsonl: the findings for programs, a header line and then one line each.

The same findings give the same bytes. Nothing here compresses or opens a file. Page: docs/reference/formats/audit.md.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from tagswarm.manifests import codec
from tagswarm.manifests.errors import InvalidDocument
from tagswarm.manifests.models import check_format

from .catalogue import CATALOGUE, Severity
from .findings import Finding

FORMAT = "tagswarm.audit/1"
LINE_LIMIT = 1 << 20
"""Bytes of a line; longer ones are refused."""

_KEYS = ("finding", "severity", "site", "id", "path", "message", "evidence", "waived")


def render(findings: Iterable[Finding]) -> Iterator[bytes]:
    """The lines of the findings in the order given, the header first."""
    yield codec.line({"format": FORMAT})
    for finding in findings:
        values: tuple[Any, ...] = (
            finding.name,
            finding.severity.value,
            finding.site,
            finding.id,
            finding.path,
            finding.message,
            finding.evidence or None,
            finding.waived,
        )
        yield codec.line({key: value for key, value in zip(_KEYS, values, strict=True) if value is not None})


def parse(lines: Iterable[tuple[int, bytes]]) -> Iterator[Finding]:
    """Read numbered lines, as `codec.read_lines` gives them.

    Raises:
        FormatError: they are no findings; the message names the line.
    """
    numbered = iter(lines)
    _, first = next(numbered, (1, b""))
    check_format(codec.parse(first, limit=LINE_LIMIT), FORMAT)
    for number, line in numbered:
        value = codec.parse(line, limit=LINE_LIMIT)
        try:
            yield _finding(value)
        except (KeyError, TypeError, ValueError, AttributeError) as failure:
            raise InvalidDocument(f"line {number}: is no finding: {failure!r}") from failure


def _finding(value: dict[str, Any]) -> Finding:
    if value["finding"] not in CATALOGUE or not value.keys() <= set(_KEYS):
        raise ValueError("an unknown name or key")
    return Finding(
        name=value["finding"],
        severity=Severity(value["severity"]),
        message=value["message"],
        site=value.get("site"),
        id=value.get("id"),
        path=value.get("path"),
        evidence=value.get("evidence", {}),
        waived=value.get("waived"),
    )
