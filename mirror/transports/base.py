"""The one seam of all transports: items in, exactly one outcome an item out.

A transport moves bytes. It never says that they are right, only that they lie in staging: whoever asked verifies them
against the manifest. It does not retry beyond its own protocol, choose between sources or limit rates; wrappers do.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

Reason = Literal[
    "missing",  # the source says that it does not have it
    "refused",  # the source does not let us have it
    "unreachable",  # no answer, or a broken connection
    "stalled",  # nothing came for as long as is waited
    "cut",  # fewer bytes came than the item has
    "damaged",  # what came is not what the protocol itself says it is
    "disk",  # it could not be written
    "unlisted",  # the source cannot carry such an item: another volume, no torrent
]
"""Why an item did not come."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """A file of a volume, or a member inside one of its archives, that is wanted."""

    path: str
    """Relative to the dataset; of a member its name inside the archive."""
    size: int
    """Bytes."""
    volume: str
    """The name of its volume."""
    archive: str | None = None
    """The path of the archive it lies in, relative to the dataset."""
    offset: int = 0
    """Where it begins in the archive, in bytes."""


@dataclass(frozen=True, slots=True)
class Arrived:
    """All bytes of an item lie in staging and can be read; nobody has said yet that they are the right ones."""

    item: Item
    file: Path
    """Where. The caller reads, links or copies it and never changes or moves it: a torrent may still serve from it."""


@dataclass(frozen=True, slots=True)
class Failed:
    """An item did not come from this source."""

    item: Item
    reason: Reason
    detail: str = ""
    """A sentence for people that is safe to show."""
    retry_after: float = 0.0
    """Seconds that the source asked to be left alone before it is asked again (RFC 9110, section 10.2.3)."""


class Transport(Protocol):
    """A source of items."""

    def fetch(self, items: Iterable[Item], staging: Path) -> AsyncGenerator[Arrived | Failed, None]:
        """Carry items into the folder `staging`, which is this call's own, and give each one outcome, in any order.

        When the iteration ends or is closed, nothing is written to `staging` any more. What lies there may be used by
        the next call with the same folder, also after a kill; the caller removes the folder when it needs it no more.
        """


class Source(Transport, Protocol):
    """A transport that also has the documents of a dataset whose size nobody knows yet; torrents have none."""

    address: str
    """Where it is, as a person writes it, without credentials."""

    async def read(self, path: str, *, limit: int) -> bytes | None:
        """The bytes of a file by its path in the dataset, or None where the source says that it has none.

        Raises:
            LimitExceeded: it is larger than `limit` bytes; no more than these were taken.
            TransportError: the source does not answer as it should.
        """

    async def aclose(self) -> None:
        """End connections and programs; what is under way is given up."""
