"""Waivers: findings that the maintainer lets pass, by name and with a reason that is published.

A waiver never removes a finding; it marks it. Nothing here decides what the build does about a waived finding.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from tagswarm.manifests.errors import ConfigInvalid
from tagswarm.release.config import WaiverTable

from .catalogue import CATALOGUE
from .findings import EXAMPLES, Finding, found


@dataclass(slots=True)
class _Waiver:
    table: WaiverTable
    ids: frozenset[int] | None
    used: bool = False

    def covers(self, finding: Finding) -> bool:
        if self.table.site not in {None, finding.site}:
            return False
        return self.ids is None or finding.id in self.ids


def check(waivers: Sequence[WaiverTable]) -> None:
    """Refuse waivers of findings that do not exist or cannot be waived.

    Raises:
        ConfigInvalid: there is one; the message names it.
    """
    for number, waiver in enumerate(waivers, 1):
        kind = CATALOGUE.get(waiver.finding)
        if kind is None:
            raise ConfigInvalid(
                f"waivers, number {number}: there is no finding {waiver.finding!r}",
                hint="docs/reference/findings.md lists them all.",
            )
        if not kind.waivable:
            raise ConfigInvalid(
                f"waivers, number {number}: {waiver.finding} cannot be waived: {kind.why}",
                hint=kind.fix,
            )


def waive(findings: Iterable[Finding], waivers: Sequence[WaiverTable]) -> Iterator[Finding]:
    """Mark the findings that a waiver covers, the first that fits; then name the waivers that cover none.

    Raises:
        ConfigInvalid: a waiver names no finding, or one that cannot be waived; at once, before anything is looked for.
    """
    check(waivers)
    return _waived(findings, waivers)


def _waived(findings: Iterable[Finding], waivers: Sequence[WaiverTable]) -> Iterator[Finding]:
    by_name: dict[str, list[_Waiver]] = defaultdict(list)
    for table in waivers:
        by_name[table.finding].append(_Waiver(table, None if table.ids is None else frozenset(table.ids)))
    for finding in findings:
        waiver = next((waiver for waiver in by_name.get(finding.name, ()) if waiver.covers(finding)), None)
        if waiver is None:
            yield finding
        else:
            waiver.used = True
            yield replace(finding, waived=waiver.table.reason)
    for name in sorted(by_name):
        for waiver in by_name[name]:
            if not waiver.used:
                message = f"the waiver of {name} matches nothing"
                ids = None if waiver.table.ids is None else sorted(waiver.table.ids)[:EXAMPLES]
                yield found(
                    "unused-waiver",
                    message,
                    site=waiver.table.site,
                    finding=name,
                    reason=waiver.table.reason,
                    ids=ids,
                )
