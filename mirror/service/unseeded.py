"""A volume that lies here and is not seeded: why, and what to do about it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Self

from tagswarm.manifests import paths
from tagswarm.manifests.manifest import Problem
from tagswarm.manifests.models import VolumeEntry

MOST_PROBLEMS = 10
"""Problems of a volume that are kept one by one; the others are counted."""

Reason = Literal["incomplete", "withdrawn", "documents", "damaged", "changed", "refused"]

ADVICE: dict[Reason, str] = {
    "incomplete": "fetch what is missing, then start again; {lists} names the files of the volume for rsync",
    "withdrawn": "nothing: a volume without them cannot be seeded whole; who still has them may",
    "documents": "fetch the files of the volume in volumes/ again",
    "damaged": "restore the files from a good copy, then start again",
    "changed": "let nothing write to the tree while it is seeded, then start again",
    "refused": "report this torrent to the maintainer",
}
"""What to do about a volume that is not seeded, by the reason."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Unseeded:
    """A volume that lies here and is not seeded."""

    volume: str
    reason: Reason
    problems: tuple[Problem, ...]
    """The first ten."""
    count: int
    """How many there are."""
    advice: str

    @classmethod
    def of(cls, volume: VolumeEntry, reason: Reason, problems: Sequence[Problem]) -> Self:
        """A volume with all its problems, of which there is at least one."""
        lists = ", ".join(item.path for item in volume.lists) or volume.manifest.path
        return cls(
            volume=volume.name,
            reason=reason,
            problems=tuple(problems[:MOST_PROBLEMS]),
            count=len(problems),
            advice=ADVICE[reason].format(lists=lists),
        )

    def __str__(self) -> str:
        first = self.problems[0]
        detail = f": {first.detail}" if first.detail else ""
        count = f"{self.count} problems" if self.count != 1 else "1 problem"
        said = f"{self.volume} is not seeded ({self.reason}, {count}): {first.kind} {paths.escape(first.path)}{detail}"
        return f"{said}; what to do: {self.advice}"
