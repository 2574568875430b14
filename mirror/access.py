"""Where a dataset is, whom to believe, and which of its sources are used: what a person says before anything is opened.

Nothing here opens anything.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tagswarm.manifests.signing import PublicKey

if TYPE_CHECKING:
    from .swarm import Settings


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """Where a dataset is, whom to believe, and how it may be fetched from."""

    addresses: tuple[str, ...]
    """Of the same dataset: folders, `https://`, `rsync://`, `s3://`."""
    release: str | None = None
    """The newest where it is left out."""
    keys: tuple[PublicKey, ...] = ()
    pin: str | None = None
    offline: bool = False
    strict_freshness: bool = False
    cache: Path | None = None
    """The folder of documents; that of the user where it is left out."""
    trust_file: Path | None = None
    """What was seen before; that of the user where it is left out."""
    limit_rate: int = 0
    """Bytes a second over all sources but the swarms, which have a limit of their own; 0 is none."""
    swarm: Settings | None = None
    """How to join the swarms of a release; they are left alone where it is left out."""
    peers: tuple[tuple[str, int], ...] = ()
    """Host and port of peers that are known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Use:
    """Which of the sources are used, by their kinds or addresses."""

    only: tuple[str, ...] = ()
    """None stands for all."""
    forbid: tuple[str, ...] = ()
    prefer: tuple[str, ...] = ()

    def spelt(self, known: Mapping[str, str]) -> Use:
        """The same with addresses as their sources have them, by how they were typed."""
        only, forbid, prefer = (
            tuple(known.get(word, word) for word in words) for words in (self.only, self.forbid, self.prefer)
        )
        return Use(only=only, forbid=forbid, prefer=prefer)
