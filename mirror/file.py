"""A file of a release that is wanted: where it lies, and what its bytes must be.

Which files a query asks for is said by the file table of the release, who carries them by the plan. Nothing here opens
one.
"""

from __future__ import annotations

from dataclasses import dataclass

from .transports.base import Item


@dataclass(frozen=True, slots=True, kw_only=True)
class File:
    """The file of a post in one rendition, as the release describes it."""

    id: int
    """Of the post."""
    path: str
    """Relative to the dataset; of a member its name inside the archive."""
    size: int
    """Bytes."""
    sha256: str
    """Of these bytes, in hexadecimal."""
    volume: str
    """The name of its volume."""
    version: int = 1
    """1 for the first file of the post, more for those that replaced it."""
    kind: str | None = None
    """What the bytes are, whatever the name says: `png`, `jpeg`, `mp4`."""
    width: int | None = None
    """Pixels, as displayed; None where the file shows no image."""
    height: int | None = None
    archive: str | None = None
    """The path of the archive it lies in, relative to the dataset."""
    offset: int = 0
    """Where it begins in the archive, in bytes."""

    def item(self) -> Item:
        """What a transport is asked for."""
        return Item(path=self.path, size=self.size, volume=self.volume, archive=self.archive, offset=self.offset)
