"""What every step of a build is handed: the dataset, its configuration, and what is known so far.

Nothing here does anything; `build` opens it, the steps read it.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from tagswarm.manifests.events import Report
from tagswarm.manifests.models import Withdrawal

from .config import Config
from .dumps import Metadata
from .history import Release
from .journal import Journal


@dataclass(frozen=True, slots=True)
class Work:
    """A dataset that is being worked on."""

    dataset: Path
    config: Config
    journal: Journal
    previous: Release | None
    taken: list[Withdrawal]
    """Everything that is taken back, up to and with this release."""
    metadata: Metadata
    workers: int | None
    report: Report

    @property
    def gone(self) -> set[tuple[str, int]]:
        """The posts that are taken back as a whole."""
        return {(withdrawal.site, withdrawal.id) for withdrawal in self.taken if withdrawal.path is None}
