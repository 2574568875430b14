"""Members of a tar archive, read as a stream: nothing is extracted, nothing is sought, no header is held in memory.

Names come from the ustar header, GNU long names and pax records of at most 1 MiB; only regular files have content here.
Source: POSIX.1-2024 `pax`, and the GNU tar manual for the types `L` and `S`.

The standard module cannot do this within limits: it reads a pax record of any size whole, remembers every member, and
takes an archive that breaks off between two members for a complete one.
"""

from __future__ import annotations

import io
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

BLOCK = 512
EXTENSION_LIMIT = 1 << 20
"""Bytes of a pax record or a GNU long name."""


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a stream ended before its end: a word to count by, and what was seen."""

    reason: str
    detail: str


class BrokenArchive(Exception):
    """The archive breaks off or is damaged; `stream` turns it into the failure of a document."""

    def __init__(self, detail: str, reason: str = "corrupt-stream") -> None:
        super().__init__(detail)
        self.reason = reason


class Content(io.RawIOBase):
    """The bytes of one member; `missing` are those the archive promised and did not hold."""

    def __init__(self, archive: BinaryIO, size: int) -> None:
        self._archive, self.missing = archive, size
        self.failure: Failure | None = None

    def readable(self) -> bool:
        """Say that bytes can be read."""
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        """Read into a buffer of bytes, and note where the archive ends too early."""
        data = self._archive.read(min(len(buffer), self.missing))
        if self.missing and not data:
            self.failure = Failure("truncated-stream", f"the archive ends {self.missing} bytes early")
        self.missing -= len(data)
        buffer[: len(data)] = data
        return len(data)


@dataclass(frozen=True, slots=True)
class Entry:
    """One member: `content` is None for what is no regular file, and ends early if the archive does."""

    name: str
    content: Content | None


def is_tar(head: bytes) -> bool:
    """Recognise an archive by its first block of 512 bytes."""
    return len(head) >= BLOCK and head[257:262] == b"ustar"


def _skip(archive: BinaryIO, size: int) -> None:
    while size > 0:
        data = archive.read(min(size, 1 << 20))
        if not data:
            raise BrokenArchive("the archive breaks off inside a member", "truncated-stream")
        size -= len(data)


def _padding(size: int) -> int:
    return -size % BLOCK


def _extension(archive: BinaryIO, size: int) -> bytes:
    if size > EXTENSION_LIMIT:
        raise BrokenArchive(f"an extended header of {size} bytes, more than {EXTENSION_LIMIT}")
    data = archive.read(size)
    if len(data) < size:
        raise BrokenArchive("the archive breaks off inside an extended header", "truncated-stream")
    _skip(archive, _padding(size))
    return data


def _pax(data: bytes) -> dict[str, str]:
    records: dict[str, str] = {}
    while data:
        length, separator, _ = data.partition(b" ")
        if not separator or not length.isdigit() or len(length) > 7 or not len(length) + 1 < int(length) <= len(data):
            raise BrokenArchive("a pax record that is none")
        key, _, value = data[len(length) + 1 : int(length) - 1].partition(b"=")
        records[key.decode("utf-8", "replace")] = value.decode("utf-8", "replace")
        data = data[int(length) :]
    return records


def entries(archive: BinaryIO) -> Iterator[Entry]:
    """Yield the members in the order of the archive; each is skipped when the next one is asked for.

    Raises:
        BrokenArchive: the archive breaks off, or has a header that is none.
    """
    extended: dict[str, str] = {}
    while True:
        block = archive.read(BLOCK)
        if len(block) < BLOCK:
            raise BrokenArchive("the archive breaks off without its end mark", "truncated-stream")
        if not block.strip(b"\0"):
            return
        try:
            header = tarfile.TarInfo.frombuf(block, "utf-8", "replace")
        except tarfile.HeaderError as failure:
            raise BrokenArchive(str(failure)) from failure
        if header.type in (tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.SOLARIS_XHDTYPE):
            records = _pax(_extension(archive, header.size))
            extended |= records if header.type != tarfile.XGLTYPE else {}
            continue
        if header.type in (tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK):
            data = _extension(archive, header.size)
            if header.type == tarfile.GNUTYPE_LONGNAME:
                extended["path"] = data.rstrip(b"\0").decode("utf-8", "replace")
            continue
        name, size = extended.get("path", header.name), extended.get("size", str(header.size))
        sparse = any(key.startswith("GNU.sparse") for key in extended)
        extended = {}
        if not size.isdigit() or len(size) > 18:
            raise BrokenArchive(f"{name}: a size that is none")
        regular = header.type in (tarfile.REGTYPE, tarfile.AREGTYPE, tarfile.CONTTYPE) and not sparse
        if header.type == tarfile.DIRTYPE or (header.type == tarfile.AREGTYPE and name.endswith("/")):
            continue
        if not regular:
            if header.type == tarfile.GNUTYPE_SPARSE:
                raise BrokenArchive(f"{name}: sparse members are not read")
            yield Entry(name, None)
            has_content = header.type not in (tarfile.LNKTYPE, tarfile.SYMTYPE, tarfile.CHRTYPE, tarfile.BLKTYPE)
            _skip(archive, int(size) + _padding(int(size)) if has_content else 0)
            continue
        content = Content(archive, int(size))
        yield Entry(name, content)
        _skip(archive, content.missing + _padding(int(size)))
