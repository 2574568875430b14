"""An open index file: what is wrong with it is told here, and what it says of itself.

Opening reads the header, the checksums of the pages and one small table. Whatever reading a damaged part raises becomes
one of our errors, with the file and what to do. Nothing here answers a question about posts.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from types import TracebackType
from typing import Concatenate, ParamSpec, Self, TypeVar

import apsw
from pyroaring import BitMap

from tagswarm.manifests import disk
from tagswarm.manifests.errors import DigestMismatch, InvalidDocument, UnsupportedVersion
from tagswarm.manifests.records import RatingScheme

from . import pages
from .format import APPLICATION_ID, FORMAT, VERSION

_HINT = "Fetch the index again, or build the release again; `tagswarm release verify` finds every damaged file."
_MAGIC = b"SQLite format 3\0"
_FOREIGN = (apsw.Error, InvalidDocument, struct.error, ValueError, OverflowError, IndexError, TypeError)
"""What reading a damaged part may raise."""

P = ParamSpec("P")
T = TypeVar("T")
Some = TypeVar("Some", bound="Opened")


def told(method: Callable[Concatenate[Some, P], T]) -> Callable[Concatenate[Some, P], T]:
    """Let every failure of a method name the file and what to do."""

    @wraps(method)
    def wrapped(self: Some, /, *args: P.args, **kwargs: P.kwargs) -> T:
        try:
            return method(self, *args, **kwargs)
        except _FOREIGN as failure:
            raise _damaged(self.path, failure) from failure

    return wrapped


class Opened:
    """An index that is open; a context manager."""

    def __init__(self, path: Path, database: apsw.Connection) -> None:
        """Take an open database; `open` makes one."""
        self.path = path
        self.database = database
        self.facts: dict[str, str] = dict(database.execute("SELECT key, value FROM meta WHERE key NOT GLOB 'sha256:*'"))

    @classmethod
    def open(cls, path: Path) -> Self:
        """Open the index in a file.

        Raises:
            Unreadable: there is no such file.
            UnsupportedVersion: it is no index, or a newer one.
            InvalidDocument: it is cut off or damaged.
        """
        with disk.open_read(path) as file, disk.failures(path):
            header = file.read(100)
            size = file.seek(0, 2)
        _check_header(path, header, size)
        try:
            database = pages.connect(path)
        except _FOREIGN as failure:
            raise _damaged(path, failure) from failure
        try:
            index = cls(path, database)
            index._check_facts()
        except BaseException as failure:
            database.close()
            if isinstance(failure, _FOREIGN):
                raise _damaged(path, failure) from failure
            raise
        return index

    def _check_facts(self) -> None:
        found = self.facts.get("format", "")
        if found != FORMAT:
            raise UnsupportedVersion(f"{self.path}: format {found[:60]!r}, this program reads {FORMAT}")
        try:
            self._size = int(self.facts["posts"])
            self._schemes = frozenset(map(RatingScheme, self.facts["schemes"].split()))
            self._tables = frozenset(self.facts["tables"].split())
        except (KeyError, ValueError) as failure:
            raise InvalidDocument(
                f"{self.path}: the facts of the index are damaged: {failure}", hint=_HINT
            ) from failure

    def close(self) -> None:
        """Close the file."""
        self.database.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    @told
    def check(self) -> None:
        """Read every part and compare its SHA-256 with the one the index holds.

        Raises:
            DigestMismatch: a part is another one.
        """
        from . import parts  # noqa: PLC0415 - queries need no digests

        said = dict(self.database.execute("SELECT key, value FROM meta WHERE key GLOB 'sha256:*'"))
        for table, digest in parts.digests(self.database):
            expected = said.get(f"sha256:{table}", "nothing")
            if digest != expected:
                raise DigestMismatch(f"{self.path} ({table})", expected, digest)

    @property
    def size(self) -> int:
        """How many posts there are."""
        return self._size

    @property
    def schemes(self) -> frozenset[RatingScheme]:
        """The rating schemes of the posts."""
        return self._schemes

    @property
    def tables(self) -> frozenset[str]:
        """Which tables beside the posts the release carries."""
        return self._tables

    @property
    def tag_instances(self) -> int:
        """How many pairs of a post and a tag there are."""
        return int(self.facts.get("tag_instances", "0"))

    def set_of(self, statement: str, *names: str) -> BitMap | None:
        """The set that a statement finds, if there is one."""
        row = self.database.execute(statement, names).fetchone()
        return None if row is None else self._bitmap(row[0], " ".join(names))

    def _bitmap(self, blob: bytes, what: str) -> BitMap:
        try:
            return BitMap.deserialize(blob)
        except (ValueError, TypeError) as failure:
            raise InvalidDocument(f"the set of {what}: {failure}") from failure


def _damaged(path: Path, failure: Exception) -> InvalidDocument:
    """What is told of a failure."""
    if isinstance(failure, InvalidDocument) and failure.hint == _HINT:  # said already
        return failure
    return InvalidDocument(f"{path}: {failure}", hint=_HINT)


def _check_header(path: Path, header: bytes, size: int) -> None:
    """Tell a foreign, newer, cut or empty file from an index by the header of SQLite."""
    if len(header) < 100 or not header.startswith(_MAGIC):
        raise UnsupportedVersion(f"{path}: is no index of a release", hint="Give the file index.sqlite of a release.")
    if int.from_bytes(header[68:72], "big") != APPLICATION_ID:
        raise UnsupportedVersion(
            f"{path}: is a database of another program", hint="Give the file index.sqlite of a release."
        )
    version = int.from_bytes(header[60:64], "big")
    if version != VERSION:
        raise UnsupportedVersion(f"{path}: version {version} of the index, this program reads {VERSION}")
    expected = pages.size_of(header)
    if size != expected:
        raise InvalidDocument(f"{path}: {size} bytes long, but should have {expected}", hint=_HINT)
