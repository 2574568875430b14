"""What an audit and a build tell of themselves when they are done."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from tagswarm.manifests.models import Totals

from .audit.summary import Summary


@dataclass(frozen=True, slots=True)
class AuditOutcome:
    """What an audit found and where it is written down."""

    summary: Summary
    findings_path: Path
    """JSON lines, zstd."""
    html_path: Path
    blocked: bool
    """Whether an error stands that nobody waived."""


@dataclass(frozen=True, slots=True)
class BuildOutcome:
    """What a build did."""

    release: str
    sequence: int
    root_path: Path
    root_sha256: str
    changed: bool
    """Whether anything was put in its place: False where the release was there already."""
    files_read: int
    images_made: int
    volumes_new: int
    volumes_carried: int
    totals: Totals
    audit: AuditOutcome
