"""The audit: metadata, files and earlier releases against each other, every disagreement named.

`audit` finds, `waive` marks what the maintainer lets pass, `lines` and `page` write it down for programs and for
people, and `Tally` sums it up. A clean collection has no findings at all. Nothing here opens a file of the tree.
"""

from __future__ import annotations

from .catalogue import CATALOGUE, Kind, Section, Severity
from .checks import audit
from .findings import Finding, found, reference
from .page import html
from .summary import Group, Summary, Tally, Waived, summarise
from .waivers import waive

__all__ = [
    "CATALOGUE",
    "Finding",
    "Group",
    "Kind",
    "Section",
    "Severity",
    "Summary",
    "Tally",
    "Waived",
    "audit",
    "found",
    "html",
    "reference",
    "summarise",
    "waive",
]
