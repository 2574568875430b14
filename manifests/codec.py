r"""Bytes to values and back: strict JSON, and zstd that a hostile file cannot blow up.

JSON is read as RFC 8259 has it, and what the usual parsers let pass is refused with line and column: a key twice in one
object, NaN and Infinity, integers of more than 64 bits, numbers that become infinite, lone surrogates, deep nesting. It
is written in one way only: keys in the order given, UTF-8, a newline at the end.

zstd (RFC 8878) is read one block at a time, so that no step makes more than 128 KiB, whatever a header claims; a frame
that ends early and bytes after the frame are errors, which the streaming readers of the binding let pass. It is written
as one frame with a checksum by one thread: the same bytes for the same input, however the input was cut. Another
version of the library may pack differently, so documents state the digest of the plain bytes too.

Nothing here knows what a document means, and nothing here opens a file.
"""

from __future__ import annotations

import io
import json
import math
import re
from collections.abc import Iterable, Iterator
from typing import Any, BinaryIO, NoReturn

import zstandard

from . import disk
from .errors import InvalidDocument, LimitExceeded, TagswarmError
from .paths import escape

DEPTH = 32
"""Levels of arrays and objects in a document, more than any format of ours needs."""

LEVEL = 1
"""Lines of a manifest are mostly digests: level 1 makes 103 bytes of one, levels 3 to 15 make 114 to 117 at a half to a
hundredth of the speed, and level 19 saves 2 % at 1 MB/s."""

WINDOW = 8 << 20
"""Bytes a decompressor remembers at most: RFC 8878 recommends that every decoder support this and nobody need more."""

_MAGIC = b"\x28\xb5\x2f\xfd"
_RUN = 1  # the type of a block that repeats one byte

_TOKEN = re.compile(
    rb"""("(?:[^"\\]++|\\.)*+"?)(\s*+:)?   # a string, and the colon that makes it a key
       | ([\[{]) | ([\]}])
       | (-?[0-9][0-9.eE+-]*+)
       | (NaN|-?Infinity)""",
    re.DOTALL | re.VERBOSE,
)
_SURROGATE = re.compile(
    rb"\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F]|(\\u[dD][89a-fA-F])|\\.",  # a pair | one alone | any other escape
    re.DOTALL,
)
_COMPACT = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":"))
_READABLE = json.JSONEncoder(ensure_ascii=False, allow_nan=False, indent=2)


def parse(data: bytes, *, limit: int, depth: int = DEPTH) -> Any:
    """Read one JSON document of at most `limit` bytes and `depth` levels.

    Raises:
        LimitExceeded: it is larger or deeper, or holds a number too large.
        InvalidDocument: it is no strict JSON; the message names line and column.
    """
    if len(data) > limit:
        raise LimitExceeded(f"the document is {len(data)} bytes long, {limit} are allowed")
    try:
        text = data.decode()
    except UnicodeDecodeError as failure:
        _refuse(data, failure.start, "is not UTF-8")
    _examine(data, depth)
    try:
        return json.loads(text)
    except json.JSONDecodeError as failure:
        raise InvalidDocument(f"line {failure.lineno}, column {failure.colno}: {failure.msg}") from failure


def _refuse(data: bytes, position: int, message: str, error: type[TagswarmError] = InvalidDocument) -> NoReturn:
    start = data.rfind(b"\n", 0, position) + 1
    line = data.count(b"\n", 0, start) + 1
    column = len(data[start:position].decode("utf-8", "replace")) + 1
    raise error(f"line {line}, column {column}: {message}")


def _examine(data: bytes, depth: int) -> None:
    """Refuse what the parser would let pass or stumble over; the grammar itself is left to the parser."""
    keys: list[set[bytes] | None] = []  # of every open object; None for an array
    for token in _TOKEN.finditer(data):
        string, colon, opening, closing, number, constant = token.groups()
        if string is not None:
            for escaped in _SURROGATE.finditer(string) if b"\\u" in string else ():
                if escaped[1] is not None:
                    _refuse(data, token.start() + escaped.start(), "half of a surrogate pair")
            if colon is not None and keys and (seen := keys[-1]) is not None:
                key = _plain(string)
                if key in seen:
                    _refuse(
                        data, token.start(), f"the key {escape(string[:80].decode('utf-8', 'replace'))} is there twice"
                    )
                seen.add(key)
        elif opening is not None:
            if len(keys) == depth:
                _refuse(data, token.start(), f"nested deeper than {depth} levels", LimitExceeded)
            keys.append(set() if opening == b"{" else None)
        elif closing is not None:
            if keys:
                keys.pop()
        elif number is not None:
            _check_number(data, token.start(), number)
        else:
            _refuse(data, token.start(), f"{constant.decode()} is no JSON")


def _plain(string: bytes) -> bytes:
    """The bytes a key stands for, so that an escape cannot hide that it is there twice."""
    if b"\\" not in string:
        return string
    try:
        return f'"{json.loads(string)}"'.encode()
    except ValueError:  # a bad escape: the parser will name it
        return string


def _check_number(data: bytes, position: int, number: bytes) -> None:
    if number.removeprefix(b"-").isdigit():
        if len(number) > 20 or not -(1 << 63) <= int(number) < 1 << 63:
            _refuse(data, position, "an integer of more than 64 bits", LimitExceeded)
        return
    try:
        finite = math.isfinite(float(number))
    except ValueError:  # not the grammar of a number: the parser will name it
        return
    if not finite:
        _refuse(data, position, "a number too large for a double", LimitExceeded)


def pretty(value: Any) -> bytes:
    """A document for people and programs: two spaces a level, keys in the order given, a newline at the end.

    Raises:
        InvalidDocument: the value has no strict JSON.
    """
    return _encode(_READABLE, value)


def line(value: Any) -> bytes:
    """One line of JSON without spaces, and its newline.

    Raises:
        InvalidDocument: the value has no strict JSON.
    """
    return _encode(_COMPACT, value)


def _encode(encoder: json.JSONEncoder, value: Any) -> bytes:
    try:
        return encoder.encode(value).encode() + b"\n"
    except (TypeError, ValueError, RecursionError) as failure:
        raise InvalidDocument(
            f"a value has no JSON: {failure}", hint="Report this: a document was made wrongly."
        ) from None


def compress(chunks: Iterable[bytes], *, level: int = LEVEL) -> Iterator[bytes]:
    """The one zstd frame of these bytes, with a checksum and without a size, in chunks as they come."""
    compressor = zstandard.ZstdCompressor(level=level, write_checksum=True, write_content_size=False, threads=0)
    frame = compressor.compressobj()
    for chunk in chunks:
        if packed := frame.compress(chunk):
            yield packed
    yield frame.flush()


def decompress(file: BinaryIO, *, limit: int, window: int = WINDOW) -> Iterator[bytes]:
    """The plain bytes of the one zstd frame that a file is, in chunks of at most 128 KiB; all sizes in bytes.

    What was yielded is known to be right only when the iterator has ended: the checksum stands at the end.

    Raises:
        LimitExceeded: more than `limit` bytes come out, or the frame needs a larger window.
        InvalidDocument: it is no zstd frame, is damaged or cut, or is followed by other bytes.
        Unreadable: a read failed.
    """
    plain = 0
    for chunk in _unpack(file, window):
        plain += len(chunk)
        if plain > limit:
            raise LimitExceeded(f"more than the {limit} bytes allowed come out of the compressed file")
        yield chunk


def _unpack(file: BinaryIO, window: int) -> Iterator[bytes]:
    start = _exactly(file, 5)
    if not start.startswith(_MAGIC):
        raise InvalidDocument("the file is not compressed with zstd")
    header = start + _exactly(file, zstandard.frame_header_size(start) - len(start))
    frame = zstandard.ZstdDecompressor(max_window_size=window).decompressobj()
    try:
        if zstandard.get_frame_parameters(header).window_size > window:
            raise LimitExceeded(f"the compressed file asks for more than {window} bytes of memory")
        frame.decompress(header)
        last = False
        while not last:
            head = _exactly(file, 3)
            fields = int.from_bytes(head, "little")
            last, kind, size = bool(fields & 1), fields >> 1 & 3, fields >> 3
            if chunk := frame.decompress(head + _exactly(file, 1 if kind == _RUN else size)):
                yield chunk
        if start[4] & 4:  # the flag of a checksum
            frame.decompress(_exactly(file, 4))
    except zstandard.ZstdError as failure:
        raise InvalidDocument(f"the compressed file is damaged: {failure}") from failure
    if not frame.eof:
        raise InvalidDocument("the compressed file is damaged: its last block does not end it")
    if _read(file, 1):
        raise InvalidDocument("the compressed file is followed by other bytes")


def _exactly(file: BinaryIO, size: int) -> bytes:
    data = _read(file, size)
    while len(data) < size:
        more = _read(file, size - len(data))
        if not more:
            raise InvalidDocument("the compressed file ends early")
        data += more
    return data


def _read(file: BinaryIO, size: int) -> bytes:
    try:
        return file.read(size)
    except OSError as failure:
        raise disk.error_of(failure, str(getattr(file, "name", "a stream"))) from failure


def read_lines(source: BinaryIO | bytes, *, limit: int, line_limit: int) -> Iterator[tuple[int, bytes]]:
    r"""The lines of a zstd file without their `\n`, numbered from 1; `limit` and `line_limit` in plain bytes.

    Raises:
        LimitExceeded: the whole or a line is longer than allowed.
        InvalidDocument: the file is damaged, or its last line does not end.
        Unreadable: a read failed.
    """
    file = io.BytesIO(source) if isinstance(source, bytes) else source
    ended, rest = 0, b""
    for chunk in decompress(file, limit=limit):
        *lines, rest = (rest + chunk).split(b"\n")
        for number, text in enumerate(lines, ended + 1):
            if len(text) > line_limit:
                raise LimitExceeded(f"line {number}: longer than {line_limit} bytes")
            yield number, text
        ended += len(lines)
        if len(rest) > line_limit:
            raise LimitExceeded(f"line {ended + 1}: longer than {line_limit} bytes")
    if rest:
        raise InvalidDocument(f"line {ended + 1}: is cut off")
