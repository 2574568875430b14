"""Items from a tree on a disk of this machine, also a mounted one: shared blocks, a hard link, or a copy.

No link is followed below the root. Blocking calls run in threads. Nothing here knows whether the bytes are right: a
file of the wrong length is refused because then they cannot be.
"""

from __future__ import annotations

import asyncio
import errno
import os
import threading
from collections.abc import AsyncGenerator, Iterable, Sequence
from pathlib import Path
from typing import BinaryIO

from tagswarm.manifests import disk
from tagswarm.manifests.errors import FormatError, LimitExceeded, StoreError, TransportError
from tagswarm.manifests.paths import escape

from .base import Arrived, Failed, Item, Reason
from .perfile import Outcome, each
from .staging import Staging

CHUNK = 1 << 20
"""Bytes of a step of a copy; between two of them a copy can be given up."""

_ABSENT = (errno.ENOENT, errno.ENOTDIR, errno.ENAMETOOLONG)
_DENIED = (errno.EACCES, errno.EPERM, errno.ELOOP)


class LocalSource:
    """A dataset in a folder.

    Args:
        root: the folder of the dataset.
        link: give loose files a second name instead of a copy where the file system can. Then a later change of the
            file in the tree changes what was pulled from it too.
        width: files that are copied at a time.
    """

    def __init__(self, root: Path, *, link: bool = False, width: int = 4) -> None:
        self.address = str(root)
        self._root = root
        self._link = link
        self._width = width
        self._closed = threading.Event()

    def fetch(self, items: Iterable[Item], staging: Path) -> AsyncGenerator[Outcome, None]:
        """Copy or link items into `staging`."""
        places = Staging(staging)

        async def work(item: Item) -> Sequence[Outcome]:
            stop = threading.Event()
            with places.place(item) as place:
                copying = asyncio.ensure_future(asyncio.to_thread(self._bring, item, place, stop))
                try:
                    return [await asyncio.shield(copying)]
                finally:  # a thread cannot be cancelled: it is told to stop, and waited for
                    stop.set()
                    await asyncio.wait([copying])

        return each(items, work, width=self._width)

    async def read(self, path: str, *, limit: int) -> bytes | None:
        """The bytes of a file by its path in the dataset, or None where it is not there.

        Raises:
            LimitExceeded: it is larger than `limit` bytes.
            TransportError: it cannot be read.
        """
        return await asyncio.to_thread(self._read, path, limit)

    async def aclose(self) -> None:
        """Give up what is under way."""
        self._closed.set()

    def _read(self, path: str, limit: int) -> bytes | None:
        try:
            with disk.open_beneath(self._root, path) as file:
                data = file.read(limit + 1)
        except (OSError, StoreError, FormatError) as failure:
            reason, detail = _reason(failure)
            if reason == "missing":
                return None
            raise TransportError(f"{self.address}: {detail}", hint="Check the folder and its permissions.") from failure
        if len(data) > limit:
            raise LimitExceeded(f"{self.address}: {escape(path)}: larger than the {limit} bytes it may have")
        return data

    def _bring(self, item: Item, place: Path, stop: threading.Event) -> Outcome:
        if self._closed.is_set():
            return Failed(item, "unreachable", "the source was closed")
        path = item.path if item.archive is None else item.archive
        try:
            with disk.open_beneath(self._root, path) as file:
                return self._take(item, file, place, stop)
        except (OSError, StoreError, FormatError) as failure:
            reason, detail = _reason(failure)
            return Failed(item, reason, detail)

    def _take(self, item: Item, file: BinaryIO, place: Path, stop: threading.Event) -> Outcome:
        """Bring an item out of its open file; what is raised is the fault of the source."""
        size = os.fstat(file.fileno()).st_size
        if size < item.offset + item.size:
            return Failed(item, "cut", f"the file has {size} bytes")
        if item.archive is None and size > item.size:
            return Failed(item, "damaged", f"the file has {size} bytes")
        try:
            if item.archive is None and self._link and disk.link(file, place):
                return Arrived(item, place)
            with disk.Aside(place) as aside:
                whole = item.archive is None and aside.clone(file)
                failed = None if whole else self._copy(item, file, aside, stop)
                if failed is not None:
                    return failed
                aside.commit(sync=False)
        except StoreError as failure:
            return Failed(item, "disk", escape(failure.message))
        return Arrived(item, place)

    def _copy(self, item: Item, file: BinaryIO, aside: disk.Aside, stop: threading.Event) -> Failed | None:
        left = item.size
        try:
            file.seek(item.offset)
            while left:
                if stop.is_set() or self._closed.is_set():
                    return Failed(item, "unreachable", "the source was closed")
                data = file.read(min(left, CHUNK))
                if not data:
                    return Failed(item, "cut", f"the file ended {left} bytes early")
                aside.write(data)
                left -= len(data)
        except OSError as failure:
            reason, detail = _reason(failure)
            return Failed(item, reason, detail)
        return None


def _reason(failure: Exception) -> tuple[Reason, str]:
    """Why a source cannot be read, and a sentence about it."""
    cause = failure if isinstance(failure, OSError) else failure.__cause__
    number = cause.errno if isinstance(cause, OSError) else None
    detail = escape(str(failure))
    if number in _ABSENT or (number is None and isinstance(failure, StoreError)):  # nothing there, or no regular file
        return "missing", detail
    if number in _DENIED or isinstance(failure, FormatError):
        return "refused", detail
    return "unreachable", detail
