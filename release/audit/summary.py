"""The findings of an audit in numbers, with the first of each, taken while they pass by.

Nothing here draws: the terminal and the HTML page are made from this.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from .catalogue import CATALOGUE, Kind, Severity
from .findings import Finding

EXAMPLES = 200
"""Findings of one name and severity that are kept."""

_RANK = {severity: rank for rank, severity in enumerate(Severity)}
_ORDER = {name: place for place, name in enumerate(CATALOGUE)}


@dataclass(frozen=True, slots=True)
class Group:
    """The findings of one name and severity."""

    name: str
    severity: Severity
    count: int
    """All of them, the waived ones included."""
    waived: int
    examples: tuple[Finding, ...]
    """The first of them, those that are not waived before the others."""

    @property
    def kind(self) -> Kind:
        """What is known of findings of this name."""
        return CATALOGUE[self.name]

    @property
    def blocks(self) -> bool:
        """Whether some of them stand in the way of a build."""
        return self.severity is Severity.ERROR and self.waived < self.count


@dataclass(frozen=True, slots=True)
class Waived:
    """What one reason lets pass."""

    name: str
    reason: str
    count: int


@dataclass(frozen=True, slots=True)
class Summary:
    """An audit in numbers."""

    groups: tuple[Group, ...]
    """Errors first, then by the order of the reference page."""
    passed: tuple[Waived, ...]
    """What waivers let pass, by name and reason."""

    @property
    def errors(self) -> int:
        """Error findings that nobody waived."""
        return self._standing(Severity.ERROR)

    @property
    def warnings(self) -> int:
        """Warnings that nobody waived."""
        return self._standing(Severity.WARNING)

    @property
    def infos(self) -> int:
        """Infos that nobody waived."""
        return self._standing(Severity.INFO)

    @property
    def waived(self) -> int:
        """Findings that a waiver lets pass."""
        return sum(group.waived for group in self.groups)

    @property
    def total(self) -> int:
        """All findings."""
        return sum(group.count for group in self.groups)

    @property
    def clean(self) -> bool:
        """Whether there are none at all."""
        return not self.groups

    @property
    def blocked(self) -> bool:
        """Whether an error stands that nobody waived."""
        return self.errors > 0

    def blocking(self) -> dict[str, int]:
        """The names of the errors that nobody waived, with how many there are."""
        return {group.name: group.count - group.waived for group in self.groups if group.blocks}

    def waivers(self) -> tuple[Waived, ...]:
        """What waivers let pass, by name and reason; published with the release."""
        return self.passed

    def _standing(self, severity: Severity) -> int:
        return sum(group.count - group.waived for group in self.groups if group.severity is severity)


@dataclass(slots=True)
class _Open:
    count: int = 0
    waived: int = 0
    standing: list[Finding] = field(default_factory=list)
    passed: list[Finding] = field(default_factory=list)


class Tally:
    """Counts findings while they pass by: `for finding in tally.watch(findings): write(finding)`."""

    def __init__(self, examples: int = EXAMPLES) -> None:
        self._examples = examples
        self._groups: dict[tuple[str, Severity], _Open] = {}
        self._reasons: dict[tuple[str, str], int] = {}

    def watch(self, findings: Iterable[Finding]) -> Iterator[Finding]:
        """Yield the findings as they come, counted."""
        for finding in findings:
            self.add(finding)
            yield finding

    def add(self, finding: Finding) -> None:
        """Count one finding."""
        group = self._groups.setdefault((finding.name, finding.severity), _Open())
        group.count += 1
        kept = group.standing
        if finding.waived is not None:
            group.waived += 1
            kept = group.passed
            key = (finding.name, finding.waived)
            self._reasons[key] = self._reasons.get(key, 0) + 1
        if len(kept) < self._examples:
            kept.append(finding)

    def summary(self) -> Summary:
        """What was counted so far."""
        groups = (
            Group(name, severity, group.count, group.waived, tuple([*group.standing, *group.passed][: self._examples]))
            for (name, severity), group in self._groups.items()
        )
        ordered = sorted(groups, key=lambda group: (_RANK[group.severity], _ORDER[group.name]))
        passed = (Waived(name, reason, count) for (name, reason), count in self._reasons.items())
        return Summary(tuple(ordered), tuple(sorted(passed, key=lambda waived: (_ORDER[waived.name], waived.reason))))


def summarise(findings: Iterable[Finding]) -> Summary:
    """The summary of findings that nothing else is done with."""
    tally = Tally()
    for finding in findings:
        tally.add(finding)
    return tally.summary()
