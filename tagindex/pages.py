"""The pages of an index file and their checksums: no page is believed that is not the one that was written.

SQLite checks little of what it reads, so a flipped bit can hide a row. After the last page, where SQLite does not look,
stand the CRC-32 of each page and the CRC-32 of these. An open index reads its file through `connect`, which compares
each page as it is read, and only those; to open a file of 600 MB takes 0.3 ms.

Nothing here knows what is on a page. A page that was forged, not damaged, is found by its SHA-256 in the release.
"""

from __future__ import annotations

import os
import struct
import zlib
from pathlib import Path
from urllib.parse import quote

import apsw

from tagswarm.manifests import disk
from tagswarm.manifests.errors import InvalidDocument

from .format import PAGE

_VFS = "tagswarm-index"
_CRC = struct.Struct("<I")
_SUM = _CRC.size
_PIECE = 128 * PAGE
_CACHE = 32_768
"""KiB of pages that are kept, each checked once."""


def size_of(header: bytes) -> int:
    """Bytes of the whole file whose first 100 bytes are these: its pages, their checksums and the checksum of those."""
    pages = _count(header)
    return pages * (PAGE + _SUM) + _SUM


def _count(header: bytes) -> int:
    return int.from_bytes(header[28:32], "big")


def detach(path: Path) -> None:
    """Leave only the pages of a file, as whoever changes them must.

    Raises:
        StoreError: the disk.
    """
    with disk.failures(path), path.open("r+b") as file:
        file.truncate(_count(file.read(100)) * PAGE)


def attach(path: Path) -> None:
    """Put the checksums after the pages of a file, in place of any that are there, and make them last.

    Raises:
        StoreError: the disk.
    """
    detach(path)
    with disk.failures(path), path.open("r+b") as file:
        sums = bytearray()
        while piece := memoryview(file.read(_PIECE)):
            for at in range(0, len(piece), PAGE):
                sums += _CRC.pack(zlib.crc32(piece[at : at + PAGE]))
        file.write(sums + _CRC.pack(zlib.crc32(sums)))
        file.flush()
        os.fsync(file.fileno())


def connect(path: Path) -> apsw.Connection:
    """Open the database in a file, which nobody changes, to be read.

    Raises:
        InvalidDocument: the checksums are damaged; reading raises it where a page is.
        apsw.Error: it is no database.
    """
    name = quote(str(path.absolute()), errors="surrogateescape")
    flags = apsw.SQLITE_OPEN_READONLY | apsw.SQLITE_OPEN_URI
    database = apsw.Connection(f"file:{name}?immutable=1", flags=flags, vfs=_VFS)
    database.execute(f"PRAGMA cache_size = -{_CACHE}")
    return database


class _Pages(apsw.VFSFile):
    """The open file, as SQLite reads it."""

    def __init__(self, name: str | apsw.URIFilename | None, flags: list[int]) -> None:
        super().__init__("", name, flags)  # the files of the system
        self._size = super().xFileSize() // (PAGE + _SUM) * PAGE
        sums = super().xRead(self._size // PAGE * _SUM + _SUM, self._size)
        if _CRC.pack(zlib.crc32(sums[:-_SUM])) != sums[-_SUM:]:
            raise InvalidDocument("the checksums of the pages are damaged")
        self._sums = memoryview(sums)

    def xFileSize(self) -> int:  # noqa: N802 - a method of SQLite
        """Bytes of the pages."""
        return self._size

    def xRead(self, amount: int, offset: int) -> bytes:  # noqa: N802 - a method of SQLite
        """Read bytes of a page, which is read whole."""
        page, skipped = divmod(offset, PAGE)
        data = super().xRead(PAGE, offset - skipped)
        (expected,) = _CRC.unpack_from(self._sums, page * _SUM)
        if zlib.crc32(data) != expected:
            raise InvalidDocument(f"page {page + 1} is damaged")
        if amount == PAGE and not skipped:
            return data
        if skipped + amount > PAGE:  # SQLite fills up with zeros what is not given, and never asks for this
            raise InvalidDocument(f"page {page + 1} is shorter than what was asked of it")
        return data[skipped : skipped + amount]


class _Files(apsw.VFS):
    """What SQLite opens an index with."""

    def __init__(self) -> None:
        super().__init__(_VFS, "")

    def xOpen(self, name: str | apsw.URIFilename | None, flags: list[int]) -> _Pages:  # noqa: N802 - a method of SQLite
        """Open a file."""
        return _Pages(name, flags)


_FILES = _Files()
"""SQLite knows it by its name for as long as it lives."""
