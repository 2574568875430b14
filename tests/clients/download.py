"""One download of one client, and what became of it: judged by the files alone, never by what the client says."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

Kind = Literal["hybrid", "compat"]
Source = Literal["peers", "web"]

NO_BYTES = hashlib.sha256().hexdigest()


@dataclass(frozen=True, slots=True)
class Wanted:
    """A torrent and what it must give."""

    torrent: Path
    url: str
    """Where the .torrent is published."""
    files: Mapping[str, str]
    """SHA-256 by path below the folder."""
    infohash: str
    """v1, hex."""


@dataclass(slots=True)
class Download:
    """Torrents that a client fetches into one folder."""

    kind: Kind
    source: Source
    wanted: list[Wanted]
    folder: Path
    whole: set[str] = field(default_factory=set)
    """Paths of the files that have bytes, and the right ones."""
    seconds: float | None = None
    """When it was complete, after the start of all."""
    failure: str | None = None
    """What the client said when it gave up."""

    @property
    def name(self) -> str:
        """Tells the downloads of a client apart."""
        return f"{self.kind}-{self.source}"

    @property
    def files(self) -> dict[str, str]:
        """SHA-256 by path, of all torrents."""
        return {path: digest for wanted in self.wanted for path, digest in wanted.files.items()}

    @property
    def filled(self) -> dict[str, str]:
        """Those of them that have bytes."""
        return {path: digest for path, digest in self.files.items() if digest != NO_BYTES}

    @property
    def unmade(self) -> list[str]:
        """Files without a byte that are not there, sorted: some clients write what comes, and of these nothing comes."""
        return sorted(path for path in self.files.keys() - self.filled.keys() if not (self.folder / path).is_file())

    def look(self) -> bool:
        """Whether every file that has bytes has its own."""
        for path, digest in self.filled.items():
            place = self.folder / path
            if path not in self.whole and place.is_file() and _sha256(place) == digest:
                self.whole.add(path)
        return len(self.whole) == len(self.filled)

    def others(self) -> list[str]:
        """What else lies in the folder, sorted."""
        found = (path.relative_to(self.folder).as_posix() for path in self.folder.rglob("*") if path.is_file())
        return sorted(set(found) - set(self.files))


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
