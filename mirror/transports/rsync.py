"""Items from an rsync daemon, by the real program: sorted lists of a few thousand files, one run a list.

The peer is not trusted: a run writes to a folder of its own, and of what lies there only regular files that were asked
for, of the right size, reached through no link, are handed on; the rest is removed. Nothing is ever deleted because a
peer says so. Members of archives cannot come: rsync knows whole files only. Nothing here asks twice; wrappers do.
"""

from __future__ import annotations

import asyncio
import os
import re
import tempfile
from collections.abc import AsyncGenerator, Coroutine, Iterable, Iterator
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import unquote

from tagswarm.manifests import disk, paths
from tagswarm.manifests.errors import (
    LimitExceeded,
    StoreError,
    TransportError,
    UnsafePath,
)
from tagswarm.manifests.events import Notice, Report, silent
from tagswarm.manifests.paths import escape

from .base import Arrived, Failed, Item, Reason
from .perfile import Outcome
from .ranged import Limits
from .rate import Rate
from .rsyncfolder import RunFolder
from .rsyncoutput import Output
from .rsyncrun import Order, Program, holes

Why = tuple[Reason, str]
"""A reason, and a sentence about it."""

LINES = 5000
"""Files of a run at most. For every name rsync walks a list of all names (RsyncProject/rsync#695); a run costs a
connection, and an orderly end of it some round trips."""

BYTES = 512 << 20
"""Bytes after which no more files are added to a run: so much may lie in staging before anybody looks at it."""

RUNS = 2
"""Runs at a time; servers count connections."""

_URL = re.compile(
    r"rsync://(?:(?P<user>[^@:/]*)(?::(?P<password>[^/]*))?@)?"
    r"(?P<host>\[[0-9A-Fa-f:.]{2,45}\]|[A-Za-z0-9][A-Za-z0-9.-]*)(?::(?P<port>[0-9]{1,5}))?/+(?P<path>.+)",
    re.IGNORECASE,
)
_MODULE = re.compile(r"(?:(?P<user>[^@:/]*)@)?(?P<host>[A-Za-z0-9][A-Za-z0-9.-]*)::(?P<path>.+)")
_USER = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.+-]*")

_CLOSED: Why = ("unreachable", "the source was closed")

T = TypeVar("T")


class RsyncSource:
    """A dataset in a module of an rsync daemon.

    Args:
        address: `rsync://host[:port]/module/path` or `host::module/path`, perhaps with `user@` or `user:password@`.
        rate: bytes a second. The program keeps to it by itself, so it is not shared with other sources.
        limits: how long is waited.
        report: is told when the program has known holes.

    Raises:
        TransportError: the address is none.
        ToolMissing: rsync is not installed, or too old.
    """

    def __init__(
        self, address: str, *, rate: Rate | None = None, limits: Limits | None = None, report: Report = silent
    ) -> None:
        self.address, self._module, self._folder, password = _parsed(address)
        self._rate = rate or Rate()
        self._program = Program(limits or Limits(), password)
        if known := holes(self._program.version):
            report(Notice(known))
        self._slots = asyncio.Semaphore(RUNS)
        self._tasks: set[asyncio.Task[Any]] = set()
        self._closed = False

    async def fetch(self, items: Iterable[Item], staging: Path) -> AsyncGenerator[Outcome, None]:
        """Carry items into `staging`, a list at a time; an outcome comes when its file is complete."""
        for listed in _lists(items):
            wanted: dict[str, list[Item]] = {}
            for item in listed:
                if why := _unlisted(item):
                    yield Failed(item, "unlisted", why)
                else:
                    wanted.setdefault(item.path, []).append(item)
            outcomes: asyncio.Queue[Outcome | None] = asyncio.Queue()  # the list bounds it
            carrying = self._task(self._carry(wanted, staging, outcomes))
            carrying.add_done_callback(partial(_end, outcomes))
            try:
                while (outcome := await outcomes.get()) is not None:
                    yield outcome
                reason, detail = _CLOSED if carrying.cancelled() else carrying.result()
            finally:
                carrying.cancel()
                await asyncio.gather(carrying, return_exceptions=True)
            for item in chain.from_iterable(wanted.values()):
                yield Failed(item, reason, detail)

    async def read(self, path: str, *, limit: int) -> bytes | None:
        """The bytes of a file by its path in the dataset, or None where the server says that it has none.

        Raises:
            LimitExceeded: it is larger than `limit` bytes; no more than these were taken.
            TransportError: the server does not answer as it should.
        """
        reading = self._task(self._read(path, limit))
        try:
            found = await reading
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if task is None or task.cancelling():
                raise
            found = _CLOSED
        if isinstance(found, bytes):
            return found
        reason, detail = found
        if reason == "missing":
            return None
        raise TransportError(f"{self.address}: {escape(path)}: {detail}")

    async def aclose(self) -> None:
        """End every run; what is under way is given up."""
        self._closed = True
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _task(self, work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        if self._closed:
            task.cancel()
        return task

    async def _carry(
        self, wanted: dict[str, list[Item]], staging: Path, outcomes: asyncio.Queue[Outcome | None]
    ) -> Why:
        """Run for a list of items; those that have an outcome leave `wanted`. Returns why the others have none."""
        try:
            if not wanted:
                return _CLOSED
            async with self._slots:
                return await self._bring(wanted, staging, outcomes)
        except StoreError as failure:
            return "disk", escape(failure.message)

    async def _bring(
        self, wanted: dict[str, list[Item]], staging: Path, outcomes: asyncio.Queue[Outcome | None]
    ) -> Why:
        folder = RunFolder.new(staging)
        order = self._order(folder, {path: max(item.size for item in items) for path, items in wanted.items()})
        output = Output(frozenset(wanted), self._folder)
        kept: set[str] = set()

        async def look(said: Iterable[str]) -> None:
            for path in said:
                if path not in wanted or (size := folder.size(path)) is None:
                    continue  # the line may come a moment before the file
                for item in wanted.pop(path):
                    outcomes.put_nowait(outcome := _outcome(item, folder.tree / path, size))
                    if isinstance(outcome, Arrived):
                        kept.add(path)

        why = await self._program.run(order, output, look)
        await look(list(wanted))
        for path in wanted.keys() & output.reasons.keys():
            for item in wanted.pop(path):
                outcomes.put_nowait(Failed(item, *output.reasons[path]))
        sweeping = asyncio.ensure_future(asyncio.to_thread(folder.sweep, kept))
        try:
            await asyncio.shield(sweeping)
        finally:  # a thread cannot be cancelled: it is waited for
            await asyncio.wait([sweeping])
        return why

    async def _read(self, path: str, limit: int) -> bytes | Why:
        if unlisted := _unlisted(Item(path=path, size=limit, volume="")):
            return "unlisted", unlisted
        output = Output((path,), self._folder)
        try:
            with tempfile.TemporaryDirectory(prefix="tagswarm-") as name, disk.failures(name):
                folder = RunFolder(Path(name), Path(name, "partial"))
                async with self._slots:
                    why = await self._program.run(self._order(folder, {path: limit}), output, _ignore)
                if (folder.size(path) or 0) > limit or output.reasons.get(path, why)[0] == "damaged":
                    raise LimitExceeded(f"{self.address}: {escape(path)}: larger than the {limit} bytes it may have")
                if folder.size(path) is not None:
                    return disk.read(folder.tree / path, limit=limit)
        except StoreError as failure:
            return "disk", escape(failure.message)
        return output.reasons.get(path, why)

    def _order(self, folder: RunFolder, sizes: dict[str, int]) -> Order:
        """A run for files of at most these sizes."""
        return Order(
            source=self._module,
            folder=folder,
            files=folder.list(sizes, self._folder),
            largest=max(sizes.values()),
            bytes=sum(sizes.values()),
            rate=self._rate.limit,
        )


def _end(outcomes: asyncio.Queue[Outcome | None], _: asyncio.Task[Why]) -> None:
    outcomes.put_nowait(None)


async def _ignore(said: list[str]) -> None:
    """A document is looked at when the run has ended."""


def _lists(items: Iterable[Item]) -> Iterator[list[Item]]:
    """The items of each run."""
    listed: list[Item] = []
    size = 0
    for item in items:
        listed.append(item)
        size += item.size
        if len(listed) == LINES or size >= BYTES:
            yield listed
            listed, size = [], 0
    if listed:
        yield listed


def _unlisted(item: Item) -> str:
    """Why an item cannot come by rsync; empty where it can."""
    if item.archive is not None:
        return "rsync brings whole files only, and this is a member of an archive"
    try:
        paths.check(item.path)
    except UnsafePath as failure:
        return failure.message
    return ""


def _outcome(item: Item, file: Path, size: int) -> Outcome:
    if size == item.size:
        return Arrived(item, file)
    return Failed(item, "cut" if size < item.size else "damaged", f"the file has {size} bytes, not {item.size}")


def _parsed(address: str) -> tuple[str, str, str, str]:
    """The address without credentials, the module as an argument of rsync, the folder in it, and the password."""
    found = _URL.fullmatch(address) or _MODULE.fullmatch(address)
    parts = found.groupdict() if found else {}
    path = (parts.get("path") or "").rstrip("/")
    user, password = unquote(parts.get("user") or ""), unquote(parts.get("password") or "")
    usual = {"", ".", ".."}.isdisjoint(path.split("/")) and path.isprintable() and not set(path) & set("*?[]\\")
    if not usual or (parts.get("user") is not None and not _USER.fullmatch(user)) or "\0" in password:
        raise TransportError(
            "the address is not that of a folder in a module of an rsync daemon",
            hint="Give it as rsync://host/module/folder or host::module/folder.",
        )
    host = parts["host"] + (f":{parts['port']}" if parts.get("port") else "")
    if user and not password:
        password = os.environ.get("RSYNC_PASSWORD", "")
    module, _, folder = path.partition("/")
    login = f"{user}@" if user else ""
    return f"rsync://{host}/{path}", f"rsync://{login}{host}/{module}/", f"{folder}/" if folder else "", password
