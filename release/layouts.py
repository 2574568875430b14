"""Archives: images packed into a tar or a zip so that each of them stays one range of bytes.

Both are written in one pass that also makes the digests of the archive, and the same images give the same bytes: no
clock, no owner, no compression. A member is checked against its SHA-256 while it is copied.

- tar: POSIX ustar, in the order of WebDataset (the files of a sample, which share the name up to the first dot, stand
  together), with an index in JSON beside it, as hfutils and cheesechaser read it.
- zip: stored, dated 1980-01-01, names in UTF-8, ZIP64 where it is needed and only there.

Nothing here names or orders members, opens an archive, or unpacks one. Sources: POSIX.1-2017, pax, "ustar Interchange
Format"; PKWARE APPNOTE 6.3.10; deepghs/hfutils, `hfutils/index/make.py`; the page `docs/reference/formats/packed.md`.
"""

from __future__ import annotations

import hashlib
import io
import json
import struct
import tarfile
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO, Protocol

from tagswarm.manifests import disk, paths
from tagswarm.manifests.digest import CHUNK, FileDigest, digest_file
from tagswarm.manifests.errors import InvalidDocument, LimitExceeded, SourceChanged, UnsafePath

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

TAR_NAME_LIMIT = 100
"""Bytes of a name in a ustar header."""
TAR_SIZE_LIMIT = (8 << 30) - 1
"""Bytes of a member in a ustar header."""
HELD = 4 << 20
"""Bytes of a member that is kept in memory between its checksum, which stands before it in a zip, and its copy."""


@dataclass(frozen=True, slots=True)
class Member:
    """A file that is to be packed."""

    name: str
    size: int
    """Bytes."""
    sha256: str
    """Lower case hex; the bytes that are packed have it, or nothing is."""
    open: Callable[[], BinaryIO]
    """Opens the file to be read; a zip opens a large one twice."""


@dataclass(frozen=True, slots=True)
class Placed:
    """Where the bytes of a member lie in the archive: `size` bytes from `offset` on are the file."""

    name: str
    offset: int
    size: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Packed:
    """A finished archive."""

    digest: FileDigest
    members: tuple[Placed, ...]
    """In the order in which they were given."""
    index: bytes | None
    """The index that belongs beside a tar; None of a zip."""


class Sink(Protocol):
    """Where an archive is written, from its first byte to its last: a file, or `disk.Aside`."""

    def write(self, data: bytes, /) -> object:
        """Append bytes, all of them."""


def write_tar(out: Sink, members: Iterable[Member], *, piece_length: int) -> Packed:
    """Write a tar of the members in the order given; `piece_length` in bytes, for the digests.

    Raises:
        UnsafePath: a name is not one component, not safe on every system, has not exactly one dot, or is there twice.
        LimitExceeded: a name or a member is longer than a ustar header can say.
        InvalidDocument: the files of a sample do not stand together.
        SourceChanged: a file is not what its size and SHA-256 say.
        StoreError: a file cannot be read or the archive not written.
    """
    packing = _checked(members)
    _check_samples(packing)
    placed, offset = [], 0
    for member in packing:
        placed.append(Placed(member.name, offset + tarfile.BLOCKSIZE, member.size, member.sha256))
        offset += tarfile.BLOCKSIZE + member.size + _padding(member.size, tarfile.BLOCKSIZE)
    end = 2 * tarfile.BLOCKSIZE
    end += _padding(offset + end, tarfile.RECORDSIZE)
    blob = hashlib.sha1(f"blob {offset + end}\0".encode(), usedforsecurity=False)  # what git calls the file
    digest = _write(out, _tar(packing, end), piece_length, blob.update)
    return Packed(digest, tuple(placed), _index(digest, blob.hexdigest(), placed))


def write_zip(out: Sink, members: Iterable[Member], *, piece_length: int) -> Packed:
    """Write a stored zip of the members in the order given; `piece_length` in bytes, for the digests.

    Raises:
        UnsafePath: a name is not one component, not safe on every system, or is there twice.
        SourceChanged: a file is not what its size and SHA-256 say.
        StoreError: a file cannot be read or the archive not written.
    """
    packing = _checked(members)
    placed: list[Placed] = []
    digest = _write(out, _zip(packing, placed), piece_length)
    return Packed(digest, tuple(placed), None)


def _checked(members: Iterable[Member]) -> Sequence[Member]:
    packing = list(members)
    for problem in paths.lint(member.name for member in packing):
        raise UnsafePath(f"{paths.escape(problem.path)}: {problem.detail}")
    for member in packing:
        if "/" in member.name:
            raise UnsafePath(f"{paths.escape(member.name)}: a member of an archive lies in no folder")
    return packing


def _check_samples(members: Iterable[Member]) -> None:
    """What a tar asks of its members beyond what every archive does."""
    seen: set[str] = set()
    last = ""
    for member in members:
        key, *extensions = member.name.split(".")
        if len(extensions) != 1:
            raise UnsafePath(f"{paths.escape(member.name)}: WebDataset cuts a name at its first dot; it needs one dot")
        if key != last and key in seen:
            raise InvalidDocument(
                f"{paths.escape(member.name)}: stands apart from the other files of its sample",
                hint="Order the members of a tar by their names up to the dot.",
            )
        if len(member.name.encode()) > TAR_NAME_LIMIT or member.size > TAR_SIZE_LIMIT:
            raise LimitExceeded(
                f"{paths.escape(member.name)}: {member.size} bytes; a tar holds names of {TAR_NAME_LIMIT} bytes"
                f" and files of {TAR_SIZE_LIMIT} bytes",
                hint="Use the layout loose or zip for such files.",
            )
        seen.add(key)
        last = key


class _Pass(io.RawIOBase):
    """The archive as a stream to be digested; what is read from it has been written out."""

    def __init__(self, out: Sink, chunks: Iterator[bytes], also: Callable[[bytes], None] | None) -> None:
        self.name = str(getattr(out, "name", "the archive"))
        self._out = out
        self._chunks = chunks
        self._also = also
        self._rest = memoryview(b"")

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: WriteableBuffer, /) -> int:
        while not self._rest:
            chunk = next(self._chunks, None)
            if chunk is None:
                return 0
            self._out.write(chunk)
            if self._also is not None:
                self._also(chunk)
            self._rest = memoryview(chunk)
        target = memoryview(buffer)
        count = min(len(target), len(self._rest))
        target[:count] = self._rest[:count]
        self._rest = self._rest[count:]
        return count


def _write(
    out: Sink, chunks: Iterator[bytes], piece_length: int, also: Callable[[bytes], None] | None = None
) -> FileDigest:
    """Write the chunks and make the digests of them on the way."""
    return digest_file(io.BufferedReader(_Pass(out, chunks, also), CHUNK), piece_length)


def _bytes(member: Member) -> Iterator[bytes]:
    """The bytes of a member, and the certainty at their end that they are the right ones."""
    size, digest = 0, hashlib.sha256()
    with disk.failures(member.name), member.open() as file:
        while size <= member.size and (chunk := file.read(CHUNK)):
            size += len(chunk)
            digest.update(chunk)
            yield chunk
    if size != member.size or digest.hexdigest() != member.sha256:
        raise SourceChanged(
            f"{paths.escape(member.name)}: {member.size} bytes with SHA-256 {member.sha256} were to be packed, the file"
            f" has {'more' if size > member.size else size} with {digest.hexdigest()}"
        )


def _padding(size: int, block: int) -> int:
    return -size % block


def _tar(members: Iterable[Member], end: int) -> Iterator[bytes]:
    for member in members:
        header = tarfile.TarInfo(member.name)  # mode 0644, and zero or nothing for time, owner and group
        header.size = member.size
        yield header.tobuf(tarfile.USTAR_FORMAT, "utf-8", "strict")
        yield from _bytes(member)
        yield bytes(_padding(member.size, tarfile.BLOCKSIZE))
    yield bytes(end)


def _index(digest: FileDigest, blob: str, placed: Iterable[Placed]) -> bytes:
    """The index of hfutils; in ASCII, for readers that open it in the encoding of their locale."""
    files = {at.name: {"offset": at.offset, "size": at.size, "sha256": at.sha256} for at in placed}
    index = {"filesize": digest.size, "hash": blob, "hash_lfs": digest.sha256, "files": files}
    return json.dumps(index, separators=(",", ":")).encode() + b"\n"


def _zip(members: Iterable[Member], placed: list[Placed]) -> Iterator[bytes]:
    """The bytes of a zip; says in `placed` where the members came to lie."""
    directory, offset = [], 0
    for member in members:
        held = list(_bytes(member)) if member.size <= HELD else None
        checksum = 0
        for chunk in _bytes(member) if held is None else held:
            checksum = zlib.crc32(chunk, checksum)
        local, central = _zip_headers(member, checksum, offset)
        directory.append(central)
        placed.append(Placed(member.name, offset + len(local), member.size, member.sha256))
        yield local
        yield from _bytes(member) if held is None else held
        offset += len(local) + member.size
    yield b"".join(directory)
    yield _zip_end(len(directory), sum(map(len, directory)), offset)


_CLASSIC, _ZIP64 = 20, 45  # versions needed to extract: 2.0 and 4.5
_UNIX, _FILE = 3, 0o100644 << 16  # made by, and the mode in the external attributes
_UTF8 = 1 << 11
_FULL, _FULL_COUNT = 0xFFFFFFFF, 0xFFFF  # "see the ZIP64 field"
_1980 = (1 << 5) | 1  # 1 January, in the date format of DOS


def _zip_headers(member: Member, checksum: int, offset: int) -> tuple[bytes, bytes]:
    """The local header of a member and its entry in the central directory."""
    name = member.name.encode()
    flags = 0 if name.isascii() else _UTF8
    sizes = [member.size, member.size] if member.size >= _FULL else []
    offsets = [offset] if offset >= _FULL else []
    size, at = min(member.size, _FULL), min(offset, _FULL)

    def fields(wide: list[int]) -> tuple[bytes, bytes]:
        """What both begin with, and the ZIP64 field that both end with, where it is needed."""
        extra = struct.pack(f"<HH{len(wide)}Q", 1, 8 * len(wide), *wide) if wide else b""
        version = _ZIP64 if wide else _CLASSIC
        common = struct.pack("<HHHHHIII", version, flags, 0, 0, _1980, checksum, size, size)
        return common + struct.pack("<HH", len(name), len(extra)), extra

    common, extra = fields(sizes)
    local = b"PK\3\4" + common + name + extra
    common, extra = fields(sizes + offsets)
    made_by = bytes((_ZIP64 if extra else _CLASSIC, _UNIX))
    attributes = struct.pack("<HHHII", 0, 0, 0, _FILE, at)
    return local, b"PK\1\2" + made_by + common + attributes + name + extra


def _zip_end(count: int, size: int, offset: int) -> bytes:
    """The end of the central directory, which has `count` entries and `size` bytes from `offset` on."""
    end = b""
    if count >= _FULL_COUNT or size >= _FULL or offset >= _FULL:
        record = struct.pack("<QBBHIIQQQQ", 44, _ZIP64, _UNIX, _ZIP64, 0, 0, count, count, size, offset)
        end = b"PK\6\6" + record + b"PK\6\7" + struct.pack("<IQI", 0, offset + size, 1)
    few, small, near = min(count, _FULL_COUNT), min(size, _FULL), min(offset, _FULL)
    return end + b"PK\5\6" + struct.pack("<HHHHIIH", 0, 0, few, few, small, near, 0)
