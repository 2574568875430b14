"""Bencode (BEP 3): values to bytes, and bytes to values that a hostile file cannot blow up.

There is one way to write a value, and only that way is read: no leading zeros, no `-0`, no bytes after the value, no
integer of more than 64 bits, no key twice in a dictionary. Keys out of order are read, because real clients read them,
and `Reader.unsorted` says so. Bytes, depth and tokens are limited, and no step recurses. A token is what libtorrent
counts as one: an integer, a string, a key, the beginning or the end of a list or dictionary.

`decode` makes a value of everything. `Reader` walks through a document and makes only what is asked for, so that a
.torrent of 10 MB costs what is kept of it and not what is in it.

Nothing here knows what a value means.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import NoReturn, TypeAlias

from .errors import FormatError, InvalidDocument, LimitExceeded
from .paths import escape

Value: TypeAlias = "int | bytes | list[Value] | dict[bytes, Value]"
"""What is read."""

Encodable: TypeAlias = "int | bytes | Sequence[Encodable] | Mapping[bytes, Encodable]"
"""What is written."""

LIMIT = 10_000_000
"""Bytes of a document, as libtorrent has it."""

TOKENS = 1_200_000
"""Tokens of a document that is walked through: what a v1 torrent of 100,000 files has, and 40 % of what libtorrent
takes, so that half a second is enough."""

VALUE_TOKENS = 500_000
"""Tokens of one value, at 65 bytes of memory each at the worst."""

DEPTH = 99
"""Levels of lists and dictionaries: what passes libtorrent, whose limit is called 100."""

_INTEGER, _LIST, _DICTIONARY, _END, _COLON, _ZERO, _NINE = b"ilde:09"
_DIGITS = 20
"""Characters of a number of 64 bits."""


def encode(value: Encodable) -> bytes:
    """The bencoding of a value; keys of dictionaries are sorted as raw bytes."""
    parts: list[bytes] = []
    _encode(value, parts)
    return b"".join(parts)


def _encode(value: Encodable, parts: list[bytes]) -> None:
    if isinstance(value, bytes):
        parts.append(b"%d:%b" % (len(value), value))
    elif isinstance(value, int):
        parts.append(b"i%de" % value)
    elif isinstance(value, Mapping):
        parts.append(b"d")
        for key in sorted(value):
            parts.append(b"%d:%b" % (len(key), key))
            _encode(value[key], parts)
        parts.append(b"e")
    else:
        parts.append(b"l")
        for item in value:
            _encode(item, parts)
        parts.append(b"e")


def decode(data: bytes, *, limit: int = LIMIT, tokens: int = VALUE_TOKENS, depth: int = DEPTH) -> Value:
    """The value of a bencoded document of at most `limit` bytes.

    Raises:
        LimitExceeded: it is larger or deeper, or has more tokens, or an integer of more than 64 bits.
        InvalidDocument: it is no bencoding; the message names the byte.
    """
    reader = Reader(data, limit=limit, tokens=tokens, depth=depth)
    value = reader.value()
    reader.finish()
    return value


class Reader:
    """Walks through a bencoded document.

    Whoever asks for `fields` or `items` reads each value, with `value` or by walking on, before the next key or item.
    Every method raises `LimitExceeded` and `InvalidDocument` as `decode` does.
    """

    def __init__(self, data: bytes, *, limit: int = LIMIT, tokens: int = TOKENS, depth: int = DEPTH) -> None:
        """Begin at the first byte.

        Raises:
            LimitExceeded: there are more than `limit` bytes.
        """
        if len(data) > limit:
            raise LimitExceeded(f"the document is {len(data)} bytes long, {limit} are allowed")
        self.data = data
        self.at = 0
        """The byte that is read next, from 0."""
        self.unsorted: int | None = None
        """The byte of the first key that is out of order."""
        self._left = tokens
        self._depth = depth

    def finish(self) -> None:
        """Refuse what follows the document."""
        if self.at != len(self.data):
            self.refuse("bytes follow the end")

    def fields(self, *, ordered: bool = False, most: int = TOKENS) -> Iterator[bytes]:
        """The keys of the dictionary that is next, `most` at most; with `ordered`, keys out of order are refused."""
        self._open(_DICTIONARY, "a dictionary")
        seen: set[bytes] = set()
        last: bytes | None = None
        while not self._close():
            at = self.at
            key = self.string()
            if key == last or key in seen:
                self.refuse(f"the key {shown(key)} is there twice", at)
            if last is not None and key < last:
                if ordered:
                    self.refuse(f"the key {shown(key)} is out of order", at)
                self._note(at)
            last = key
            if not ordered:
                seen.add(key)
                if len(seen) > most:
                    self._too_many(at)
            yield key

    def items(self) -> Iterator[int]:
        """The numbers, from 0, of the items of the list that is next."""
        self._open(_LIST, "a list")
        number = 0
        while not self._close():
            yield number
            number += 1

    def string(self) -> bytes:
        """The string that is next."""
        self._take()
        start, self.at = self._string(self.at)
        return self.data[start : self.at]

    def integer(self) -> int:
        """The integer that is next."""
        self._take()
        if not self.data.startswith(b"i", self.at):
            self._unexpected("an integer")
        value, self.at = self._integer(self.at)
        return value

    def value(self, *, tokens: int = VALUE_TOKENS) -> Value:
        """The value that is next, of at most `tokens` tokens."""
        data, at = self.data, self.at
        left = min(self._left, tokens)
        before = left
        room = self._depth
        stack: list[tuple[list[Value] | dict[bytes, Value], bytes | None]] = []
        holder: list[Value] | dict[bytes, Value] | None = None
        named = False  # the holder is a dictionary
        key: bytes | None = None
        value: Value
        end = len(data)
        while True:
            left -= 1
            if left < 0:
                self._too_many(at)
            byte = data[at] if at < end else -1
            if _ZERO <= byte <= _NINE:
                start, following = self._string(at)
                value = data[start:following]
                if named and key is None:
                    assert isinstance(holder, dict)
                    if value in holder:
                        self.refuse(f"the key {shown(value)} is there twice", at)
                    if holder and value < next(reversed(holder)):
                        self._note(at)
                    key, at = value, following
                    continue
                at = following
            elif byte == _END and holder is not None:
                if key is not None:
                    self.refuse(f"the key {shown(key)} has no value", at)
                value = holder
                holder, key = stack.pop() if stack else (None, None)
                at += 1
                named = isinstance(holder, dict)
            elif named and key is None:
                self._unexpected("a key", at)
            elif byte == _INTEGER:
                value, at = self._integer(at)
            elif byte in (_LIST, _DICTIONARY):
                if len(stack) + (holder is not None) == room:
                    self._too_deep(at)
                if holder is not None:
                    stack.append((holder, key))
                named, key = byte == _DICTIONARY, None
                holder = {} if named else []
                at += 1
                continue
            else:
                self._unexpected("a value", at)
            if holder is None:
                self.at = at
                self._left -= before - left
                return value
            if isinstance(holder, list):
                holder.append(value)
            else:
                assert key is not None
                holder[key] = value
                key = None

    def refuse(self, message: str, at: int | None = None, error: type[FormatError] = InvalidDocument) -> NoReturn:
        """Refuse the document at a byte, or where the reader stands."""
        raise error(f"byte {self.at if at is None else at}: {message}")

    def _open(self, kind: int, name: str) -> None:
        self._take()
        if self.at >= len(self.data) or self.data[self.at] != kind:
            self._unexpected(name)
        if not self._depth:
            self._too_deep(self.at)
        self._depth -= 1
        self.at += 1

    def _close(self) -> bool:
        """Whether the list or dictionary ends here."""
        if not self.data.startswith(b"e", self.at):
            return False
        self._take()
        self._depth += 1
        self.at += 1
        return True

    def _take(self) -> None:
        self._left -= 1
        if self._left < 0:
            self._too_many(self.at)

    def _note(self, at: int) -> None:
        if self.unsorted is None:
            self.unsorted = at

    def _string(self, at: int) -> tuple[int, int]:
        """Where the string at this byte begins and ends, without its length."""
        data = self.data
        colon = data.find(_COLON, at, at + _DIGITS)
        digits = data[at:colon]
        if colon < 0 or not digits.isdigit():
            self._unexpected("a string", at if at + _DIGITS < len(data) or not data[at:].isdigit() else len(data))
        if digits[0] == _ZERO and len(digits) > 1:
            self.refuse("a length with leading zeros", at)
        end = colon + 1 + int(digits)
        if end > len(data):
            self.refuse(f"a string of {int(digits)} bytes where {len(data) - colon - 1} are left", at)
        return colon + 1, end

    def _integer(self, at: int) -> tuple[int, int]:
        """The integer at this byte, and where it ends."""
        last = at + 2 + _DIGITS
        end = self.data.find(_END, at + 1, last)
        text = self.data[at + 1 : end if end >= 0 else last]
        digits = text.removeprefix(b"-")
        if end < 0 and len(text) > _DIGITS and digits.isdigit():
            self.refuse("an integer of more than 64 bits", at, LimitExceeded)
        if end < 0 and last > len(self.data):
            self._unexpected("the end of an integer", len(self.data))
        if end < 0 or not digits.isdigit():
            self.refuse("an integer that is none", at)
        if digits[0] == _ZERO and len(text) > 1:
            self.refuse("an integer with leading zeros or a minus before zero", at)
        value = int(text)
        if not -(1 << 63) <= value < 1 << 63:
            self.refuse("an integer of more than 64 bits", at, LimitExceeded)
        return value, end + 1

    def _unexpected(self, wanted: str, at: int | None = None) -> NoReturn:
        at = self.at if at is None else at
        if at >= len(self.data):
            self.refuse("the document ends early", len(self.data))
        self.refuse(f"{wanted} was expected, {shown(self.data[at : at + 1])} was found", at)

    def _too_many(self, at: int) -> NoReturn:
        self.refuse("more parts than any client loads", at, LimitExceeded)

    def _too_deep(self, at: int) -> NoReturn:
        self.refuse("nested deeper than any client loads", at, LimitExceeded)


def shown(text: bytes) -> str:
    """The beginning of a string, safe to show in a message."""
    return escape(text[:60].decode("utf-8", "backslashreplace"))
