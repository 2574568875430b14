"""Files, compressed files and archives as one stream of documents, in bounded memory and on no one's word.

gzip, xz, zstd and bzip2 are recognised by their first bytes, whatever the name says, as are tar archives inside or
outside of them. Everything is read once, forwards; nothing is extracted. A stream that breaks off, is damaged or grows
out of all proportion ends there: what came before stays read, and `Document.failure` says why there is no more.

Formats: RFC 1952 (gzip), RFC 8878 (zstd), the .xz format 1.2.1, bzip2 1.0. Nothing here looks into a document.
"""

from __future__ import annotations

import bz2
import io
import lzma
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Protocol, cast

import zstandard

from tagswarm.manifests import disk

from . import tar
from .tar import Failure


@dataclass(frozen=True, slots=True)
class Limits:
    """How much of a stream is believed."""

    row: int = 16 << 20
    """Bytes of one row."""
    window: int = 128 << 20
    """Bytes a decompressor may look back, which is the memory it takes; `zstd --long=27`, `xz -9`."""
    ratio: int = 200
    """Bytes out for a byte in, once `slack` is passed; real metadata reach 20."""
    slack: int = 256 << 20
    members: int = 100_000
    """Members of an archive."""


LIMITS = Limits()


class _Codec(Protocol):
    """A decompressor that gives at most about `limit` bytes at a time."""

    @property
    def eof(self) -> bool: ...
    @property
    def unused_data(self) -> bytes: ...
    @property
    def needs_input(self) -> bool: ...
    def decompress(self, data: bytes, limit: int, /) -> bytes: ...


class Layer(Protocol):
    """Something a document is read through that can end before its end."""

    @property
    def failure(self) -> Failure | None:
        """Why it did, or None."""


class _Gzip:
    """zlib keeps its unread input outside; this keeps it inside, as bz2 and lzma do."""

    def __init__(self, _: Limits) -> None:
        self._codec = zlib.decompressobj(wbits=31)
        self.needs_input = True

    @property
    def eof(self) -> bool:
        return self._codec.eof

    @property
    def unused_data(self) -> bytes:
        return self._codec.unused_data

    def decompress(self, data: bytes, limit: int, /) -> bytes:
        out = self._codec.decompress(self._codec.unconsumed_tail + data, limit)
        self.needs_input = not self._codec.unconsumed_tail and len(out) < limit
        return out


class _Zstd:
    """The binding gives all that its input holds, so the input is given in slices of 1 KiB: 32 MiB at the very most."""

    SLICE = 1 << 10

    def __init__(self, limits: Limits) -> None:
        self._codec = zstandard.ZstdDecompressor(max_window_size=limits.window).decompressobj()
        self._input, self._at = b"", 0
        self.needs_input = True

    @property
    def eof(self) -> bool:
        return self._codec.eof

    @property
    def unused_data(self) -> bytes:
        return self._codec.unused_data + self._input[self._at :]

    def decompress(self, data: bytes, limit: int, /) -> bytes:
        self._input, self._at = (data, 0) if self.needs_input else (self._input, self._at)
        out: list[bytes] = []
        size = 0
        while size < limit and self._at < len(self._input) and not self._codec.eof:
            piece = self._input[self._at : self._at + self.SLICE]
            self._at += len(piece)
            out.append(self._codec.decompress(piece))
            size += len(out[-1])
        self.needs_input = self._at >= len(self._input)
        return b"".join(out)


def _xz(limits: Limits) -> _Codec:
    return lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=limits.window)


def _bzip2(_: Limits) -> _Codec:
    return bz2.BZ2Decompressor()


_CODECS: tuple[tuple[bytes, Callable[[Limits], _Codec]], ...] = (
    (b"\x1f\x8b", _Gzip),
    (b"\xfd7zXZ\0", _xz),
    (b"\x28\xb5\x2f\xfd", _Zstd),
    (b"BZh", _bzip2),
)
_CODEC_ERRORS = (zlib.error, lzma.LZMAError, zstandard.ZstdError, OSError, EOFError, ValueError, MemoryError)


class _Decompressed(io.RawIOBase):
    """The bytes inside a compressed stream of one or more frames; it ends at the first fault and says so."""

    CHUNK = 1 << 16

    def __init__(self, file: BinaryIO, make: Callable[[Limits], _Codec], limits: Limits) -> None:
        self._file, self._make, self._limits = file, make, limits
        self._codec = make(limits)
        self._out, self._at = b"", 0
        self._read = self._given = 0
        self._done = False
        self.failure: Failure | None = None

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        filled = 0
        while filled < len(buffer):
            if self._at >= len(self._out):
                if self._done:
                    break
                self._out, self._at = self._step(), 0
                continue
            piece = memoryview(self._out)[self._at : self._at + len(buffer) - filled]
            buffer[filled : filled + len(piece)] = piece
            self._at += len(piece)
            filled += len(piece)
        return filled

    def _fail(self, reason: str, detail: str) -> bytes:
        self.failure, self._done = Failure(reason, detail), True
        return b""

    def _input(self) -> bytes:
        data = self._file.read(self.CHUNK)
        self._read += len(data)
        return data

    def _step(self) -> bytes:
        data = b""
        if self._codec.eof:
            data = self._codec.unused_data.lstrip(b"\0")  # zero bytes between frames are padding
            while not data:
                more = self._input()
                if not more:
                    self._done = True
                    return b""
                data = more.lstrip(b"\0")
            self._codec = self._make(self._limits)
        elif self._codec.needs_input:
            data = self._input()
            if not data:
                return self._fail("truncated-stream", f"the compressed stream ends after {self._read} bytes")
        try:
            out = self._codec.decompress(data, 1 << 20)
        except _CODEC_ERRORS as failure:
            return self._fail("corrupt-stream", str(failure) or type(failure).__name__)
        self._given += len(out)
        if self._given > self._limits.slack and self._given > self._limits.ratio * self._read:
            self._fail("decompression-bomb", f"{self._given} bytes out of {self._read}")
        return out


class Document:
    """One text of a source: a file, what is inside a compressed file, or a member of an archive."""

    def __init__(self, name: str, stream: BinaryIO, *layers: Layer, failure: Failure | None = None) -> None:
        self.name, self.stream = name, stream
        self.position: Callable[[], int] = lambda: 0
        """How many bytes of the file that holds it have been read."""
        self.layers, self._failure = layers, failure

    @property
    def failure(self) -> Failure | None:
        """Why the stream ended before its end; to be asked once it has ended."""
        return self._failure or next((layer.failure for layer in self.layers if layer.failure), None)

    def fail(self, reason: str, detail: str) -> None:
        """Note that the stream is not whole for a reason that lies outside of it."""
        self._failure = self._failure or Failure(reason, detail)


def _inside(name: str, file: io.BufferedReader, limits: Limits, *outer: Layer) -> Document:
    head = file.peek(8)
    make = next((make for magic, make in _CODECS if head.startswith(magic)), None)
    if make is None:
        return Document(name, cast("BinaryIO", file), *outer)
    layer = _Decompressed(cast("BinaryIO", file), make, limits)
    return Document(name, cast("BinaryIO", io.BufferedReader(layer, 1 << 20)), layer, *outer)


def documents(path: Path, name: str, limits: Limits = LIMITS) -> Iterator[Document]:
    """Yield the documents of a file, each to be read before the next is asked for.

    Args:
        path: the file.
        name: what it is called in records; members of an archive are called `name/member`.
        limits: how much of it is believed.

    Raises:
        Unreadable: the file is missing, a link or not a regular file, or the disk fails.
    """
    with disk.open_read(path) as file, disk.failures(path):
        outer = _inside(name, cast("io.BufferedReader", file), limits)
        stream = cast("io.BufferedReader", outer.stream)
        if not tar.is_tar(stream.peek(tar.BLOCK)):
            outer.position = file.tell
            yield outer
            return
        count = 0
        current: Document | None = None
        try:
            for entry in tar.entries(outer.stream):
                count += 1
                if count > limits.members:
                    yield _broken(outer, "too-many-members", f"more than {limits.members}")
                    return
                label = f"{name}/{entry.name}"
                if entry.content is None:
                    yield Document(label, io.BytesIO(), failure=Failure("not-a-file", "a link or device"))
                    continue
                current = _inside(
                    label, io.BufferedReader(entry.content, 1 << 20), limits, entry.content, *outer.layers
                )
                current.position = file.tell
                yield current
        except tar.BrokenArchive as failure:
            if current is None or current.failure is None:  # otherwise the member has said it
                yield _broken(outer, failure.reason, str(failure))


def _broken(outer: Document, reason: str, detail: str) -> Document:
    failure = outer.failure or Failure(reason, detail)
    return Document(outer.name, io.BytesIO(), failure=failure)
