"""Documents by their SHA-256 in one folder, shared by all projects and processes of a user.

What is taken in is measured and hashed first, written aside and renamed. An entry that was checked carries a fixed time
of modification; whoever writes into it changes that, so a look at size and time is enough to use it, and everything
else is hashed again before it is used. A damaged entry is dropped, never given out. Of documents that are used where
they lie, in a dataset on this machine, it is remembered that they were hashed, and hashed again once they were touched.

Beside them lies, by address, which small signed documents a source had when it was last believed. Nothing here trusts
them: they are judged again each time. Nothing here fetches.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import os
import shutil
import stat
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Literal

from tagswarm.manifests import disk
from tagswarm.manifests.digest import CHUNK, sha256_file
from tagswarm.manifests.errors import (
    DestinationLocked,
    DigestMismatch,
    FormatError,
    SizeMismatch,
    StoreError,
    Unreadable,
)
from tagswarm.manifests.models import ROOT_LIMIT, Document, Object

STAMP = 1_000_000_000 * 10**9
"""Nanoseconds since 1970: the time of modification of every entry that was checked and synced."""

HEAD_LIMIT = 1 << 20
"""Bytes of a list of the documents of one address."""

_WAIT = 0.1
"""Seconds between two looks at a lock that another run holds."""

_TAG = b"Signature: 8a477f597d28d172789f06886806bc55\n# A cache of tagswarm: all of it can be fetched again.\n"
"""What tells programs that make backups to leave the folder out (bford.info/cachedir)."""


class Head(Document):
    """The small documents that a source had, by path and digest."""

    format: Literal["tagswarm.head/1"] = "tagswarm.head/1"
    address: str
    documents: list[Object]


@dataclass(frozen=True, slots=True)
class Pruned:
    """What was removed."""

    files: int
    bytes: int


def default_folder(variable: str, usual: str) -> Path:
    """The folder `tagswarm` in one of the places of the XDG Base Directory Specification.

    Args:
        variable: the variable of the environment that names the place; one that is not absolute counts for nothing.
        usual: the place below the home folder where the variable says nothing.

    Raises:
        Unreadable: there is no home folder.
    """
    given = Path(os.environ.get(variable, ""))
    try:
        return (given if given.is_absolute() else Path.home() / usual) / "tagswarm"
    except RuntimeError as failure:
        raise Unreadable(
            "there is no home folder", hint=f"Set {variable} to a folder that can be written."
        ) from failure


class Cache:
    """The folder and what lies in it.

    Args:
        folder: by default `tagswarm` in XDG_CACHE_HOME, or in `~/.cache`.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self.folder = folder or default_folder("XDG_CACHE_HOME", ".cache")

    def find(self, item: Object) -> Path | None:
        """The entry of a document, or None where there is none; it is to be read and never to be changed.

        Raises:
            StoreError: the entry can neither be read nor dropped.
        """
        place = self._place(item.sha256)
        with disk.failures(place):
            try:
                state = place.lstat()
            except FileNotFoundError:
                return None
            whole = stat.S_ISREG(state.st_mode) and (state.st_size, state.st_mtime_ns) == (item.size, STAMP)
            if whole:
                _used(place)
        return place if whole else self.check(item)

    def check(self, item: Object) -> Path | None:
        """The entry of a document after all of it was hashed; a damaged one is dropped.

        Raises:
            StoreError: the entry can neither be read nor dropped.
        """
        place = self._place(item.sha256)
        try:
            with disk.open_read(place) as file:
                if sha256_file(file) == (item.size, item.sha256):
                    _stamp(file)
                    return place
        except Unreadable as failure:
            if isinstance(failure.__cause__, FileNotFoundError):
                return None
        disk.remove(place)
        return None

    def read(self, sha256: str, *, limit: int) -> bytes | None:
        """The bytes of a small document, hashed, or None where they are not there; a damaged entry is dropped.

        Raises:
            StoreError: the entry cannot be dropped.
        """
        place = self._place(sha256)
        try:
            data = disk.read(place, limit=limit)
        except Unreadable as failure:
            if isinstance(failure.__cause__, FileNotFoundError):
                return None
            data = b""
        if hashlib.sha256(data).hexdigest() == sha256:
            return data
        disk.remove(place)
        return None

    def add(self, data: bytes) -> str:
        """Keep the bytes of a small document; returns their SHA-256.

        Raises:
            StoreError: the cache cannot be written.
        """
        digest = hashlib.sha256(data).hexdigest()
        self._put(self._place(digest), data)
        return digest

    def take(self, item: Object, file: Path) -> Path:
        """Keep a file if it is the document; returns the entry.

        A file that has one name only gets a second one, any other is copied: nobody shall change an entry through it.

        Raises:
            SizeMismatch: it is longer or shorter.
            DigestMismatch: it holds something else.
            StoreError: it cannot be read, or the cache not be written.
        """
        place = self._place(item.sha256)
        with disk.open_read(file) as source:
            _compare(item, source)
            if os.fstat(source.fileno()).st_nlink == 1 and disk.link(source, place):
                _stamp(source)
                disk.sync_directory(place.parent)
                return place
            self._copy(source, place, item)
        return place

    def _copy(self, source: BinaryIO, place: Path, item: Object) -> None:
        source.seek(0)
        digest = hashlib.sha256()
        with disk.Aside(place) as aside:
            while data := source.read(CHUNK):
                digest.update(data)
                aside.write(data)
            if digest.hexdigest() != item.sha256:  # it was changed after it was hashed
                raise DigestMismatch(item.path, item.sha256, digest.hexdigest())
            _stamp(aside.file)
            aside.commit()

    @contextlib.asynccontextmanager
    async def held(self, sha256: str, waits: Callable[[], None]) -> AsyncIterator[Path]:
        """Be the only one who fetches a document, and get the folder to fetch it into.

        The folder outlives a kill; once the document is taken in it is removed.

        Args:
            sha256: of the document.
            waits: is called once where another run is at it.

        Raises:
            StoreError: the cache cannot be written.
        """
        lock = self._staging / f"{sha256}.lock"
        self._begin()
        with contextlib.ExitStack() as stack:
            told = False
            while True:
                try:
                    stack.enter_context(disk.locked(lock))
                    break
                except DestinationLocked:
                    if not told:
                        waits()
                        told = True
                    await asyncio.sleep(_WAIT)
            try:
                yield self._staging / sha256
            finally:
                if self._place(sha256).exists():  # whoever comes to hold the lock under another name finds it too
                    shutil.rmtree(self._staging / sha256, ignore_errors=True)
                    disk.remove(lock)

    def documents(self, address: str) -> dict[str, bytes] | None:
        """The small documents that a source had when it was last believed, by path; None where they are not all here.

        Raises:
            StoreError: a damaged entry cannot be dropped.
        """
        try:
            head = Head.parse(disk.read(self._head(address), limit=HEAD_LIMIT), limit=HEAD_LIMIT)
        except (FormatError, Unreadable):  # none, or damaged: the source is asked again
            return None
        found = {item.path: self.read(item.sha256, limit=ROOT_LIMIT) for item in head.documents}
        whole = {path: data for path, data in found.items() if data is not None}
        return whole if len(whole) == len(found) and head.address == address else None

    def keep(self, address: str, documents: Mapping[str, bytes]) -> None:
        """Remember which small documents a source had.

        Raises:
            StoreError: the cache cannot be written.
        """
        items = [Object(path=path, size=len(data), sha256=self.add(data)) for path, data in sorted(documents.items())]
        self._put(self._head(address), Head(address=address, documents=items).render())

    def vouched(self, item: Object, file: Path) -> bool:
        """Whether a file outside of the cache was hashed before, and nobody has touched it since."""
        with contextlib.suppress(StoreError):
            return disk.read(self._mark(item), limit=HEAD_LIMIT) == _identity(file)
        return False

    def vouch(self, item: Object, file: Path) -> None:
        """Hash a file outside of the cache, and remember that it is the document.

        Raises:
            SizeMismatch: it is longer or shorter.
            DigestMismatch: it holds something else.
            StoreError: it cannot be read.
        """
        before = _identity(file)
        with disk.open_read(file) as source:
            _compare(item, source)
        if _identity(file) == before:
            with contextlib.suppress(StoreError):  # a cache that cannot be written makes this slower, not wrong
                self._put(self._mark(item), before)

    def prune(self, *, now: float, age: float | None = None, most: int | None = None) -> Pruned:
        """Remove what was not used for a time, then what was not used for longest.

        Args:
            now: seconds since 1970.
            age: seconds without use after which an entry goes; None keeps all.
            most: bytes that entries may have together; None keeps all.

        Raises:
            StoreError: something cannot be removed.
        """
        files = removed = 0
        entries = sorted(self._entries())
        total = sum(size for _, size, _ in entries)
        for used, size, path in entries:
            if (age is not None and now - used > age) or (most is not None and total > most):
                disk.remove(path)
                files, removed, total = files + 1, removed + size, total - size
        if age is not None:
            self._sweep(now - age)
        return Pruned(files, removed)

    def _entries(self) -> Iterator[tuple[float, int, Path]]:
        """When each document was last used, its size and its place."""
        for path in (self.folder / "sha256").glob("*/*"):
            with contextlib.suppress(FileNotFoundError), disk.failures(path):  # another run removes as well
                state = path.lstat()
                yield state.st_atime, state.st_size, path

    def _sweep(self, before: float) -> None:
        """Remove heads and what kills left in staging, where nobody touched them since."""
        for folder in ("heads", "staging", "vouched"):
            for path in sorted((self.folder / folder).glob("*")):
                with contextlib.suppress(FileNotFoundError), disk.failures(path):
                    if path.lstat().st_mtime < before:
                        shutil.rmtree(path) if path.is_dir() else path.unlink()

    @property
    def _staging(self) -> Path:
        return self.folder / "staging"

    def _place(self, sha256: str) -> Path:
        return self.folder / "sha256" / sha256[:2] / sha256

    def _head(self, address: str) -> Path:
        name = hashlib.sha256(address.encode("utf-8", "surrogatepass")).hexdigest()
        return self.folder / "heads" / f"{name}.json"

    def _mark(self, item: Object) -> Path:
        return self.folder / "vouched" / item.sha256

    def _begin(self) -> None:
        disk.make_directory(self._staging)
        tag = self.folder / "CACHEDIR.TAG"
        if not tag.exists():
            self._put(tag, _TAG)

    def _put(self, place: Path, data: bytes) -> None:
        """Put a whole file in its place, whoever else does the same at this moment."""
        disk.make_directory(self._staging)
        disk.make_directory(place.parent)
        with disk.failures(place), tempfile.TemporaryDirectory(dir=self._staging) as aside:
            written = Path(aside) / place.name
            disk.write(written, data, sync=False)
            written.replace(place)


def _compare(item: Object, file: BinaryIO) -> None:
    """Raise where an open file is not the document."""
    size, digest = sha256_file(file)
    if size != item.size:
        raise SizeMismatch(item.path, item.size, size)
    if digest != item.sha256:
        raise DigestMismatch(item.path, item.sha256, digest)


def _identity(file: Path) -> bytes:
    """What changes when somebody writes to a file, or puts another one in its place."""
    with disk.failures(file):
        state = file.lstat()
    numbers = (state.st_dev, state.st_ino, state.st_size, state.st_mtime_ns, state.st_ctime_ns)
    return f"{' '.join(map(str, numbers))} {file.absolute()}\n".encode("utf-8", "surrogateescape")


def _stamp(file: BinaryIO) -> None:
    """Mark an open entry as checked, once its bytes have reached the disk."""
    with disk.failures(str(file.name)):
        file.flush()
        os.fsync(file.fileno())
        os.utime(file.fileno(), ns=(time.time_ns(), STAMP))


def _used(place: Path) -> None:
    """Note that an entry was used, where its owner and the disk allow it."""
    with contextlib.suppress(PermissionError, OSError):
        os.utime(place, ns=(time.time_ns(), STAMP))
