"""The program rsync, and one run of it: a list of files in, the files below a folder, and why others did not come.

The program is started without a shell, in a process group of its own, and nothing of it is left when the run ends,
however it ends. It is kept from writing files larger than any that is wanted, and ended when more comes than was asked
for or too little for too long. Orphans end too: rsync says every second how far it is, and dies where nobody listens.

Nothing here believes what it says: whoever runs it looks at the disk.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import resource
import shutil
import signal
import subprocess
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass

from tagswarm.manifests.errors import ToolMissing

from .base import Reason
from .pace import Pace
from .ranged import Limits
from .rsyncfolder import RunFolder
from .rsyncoutput import FORMAT, Output

SAFE = (3, 4, 3)
"""The version from which on no hole is known that a hostile server can use."""

OLDEST = (3, 1, 0)
"""The version that has the options used here."""

GRACE = 2.0
"""Seconds that the program has to end by itself when it is told to."""

PER_FILE = 0.01
"""Seconds that a server may look for a file before its bytes are waited for: a seek of a disk."""

PER_BYTE = 2e-8
"""Seconds a byte that lies aside: it is read and compared before anything comes."""

_VERSION = re.compile(r"rsync +version v?(\d{1,9})\.(\d{1,9})\.(\d{1,9})")
_SLACK = 1 << 20
_CHUNK = 1 << 16

Look = Callable[[list[str]], Awaitable[None]]
"""Is called with the paths that are said to be there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What a run is to bring."""

    source: str
    """The module, as an argument of rsync."""
    folder: RunFolder
    """Where the list lies, and where the files go."""
    files: int
    """Lines of the list."""
    largest: int
    """Bytes of the largest file."""
    bytes: int
    """Of all files."""
    rate: float
    """Bytes a second at most; 0 is no limit."""


class Program:
    """The program as it is installed.

    Args:
        limits: how long is waited.
        password: of the user that the source names; without one the program would ask a terminal.

    Raises:
        ToolMissing: it is not installed, or too old.
    """

    def __init__(self, limits: Limits, password: str) -> None:
        self._limits = limits
        self._path, self.version = _found()
        # Settings of a person for other uses of rsync do not hold here.
        self._environment = {name: value for name, value in os.environ.items() if not name.startswith("RSYNC_")}
        self._environment |= {"LC_ALL": "C", "RSYNC_PASSWORD": password}

    def command(self, order: Order) -> list[str]:
        """The program and its arguments.

        Nothing but regular files comes: no links, no devices, no owners, and no folder as a whole for a file.
        """
        off = ("recursive", "links", "devices", "specials", "perms", "owner", "group", "times", "implied-dirs", "motd")
        return [
            self._path,
            f"--files-from={order.folder.names}",
            "--from0",
            "-s",  # arguments travel inside the protocol, where no shell of the server sees them
            *(f"--no-{option}" for option in (*off, "human-readable")),
            "--8-bit-output",
            "--outbuf=L",
            FORMAT,
            "--info=progress2,skip1",
            f"--max-size={max(1, order.largest)}",
            f"--partial-dir={order.folder.partial}",
            f"--timeout={max(1, round(self._limits.window))}",
            f"--contimeout={max(1, round(self._limits.connect))}",
            *([f"--bwlimit={max(1, round(order.rate / 1024))}"] if order.rate else []),
            "--",
            order.source,
            f"{order.folder.tree}/",
        ]

    async def run(self, order: Order, output: Output, look: Look) -> tuple[Reason, str]:
        """Run to the end, and say why any file that is not there is not there."""
        try:
            async with (
                Pace(self._limits.window, self._limits.least) as pace,
                self._started(order) as process,
            ):
                pace.excused(order.files * PER_FILE + order.folder.aside * PER_BYTE)
                errors = asyncio.ensure_future(_follow(process.stderr, lambda data: output.take("err", data)))
                try:
                    await self._listen(process, pace, order, output, look)
                    await errors
                    return output.ending(await process.wait())
                finally:
                    errors.cancel()
                    await asyncio.gather(errors, return_exceptions=True)
        except TimeoutError:
            return "stalled", f"too few bytes came in {self._limits.window:g} seconds"
        except _TooMuch:
            return "damaged", "more bytes came than were asked for"
        except OSError as failure:
            return "unreachable", f"rsync cannot be started: {failure.strerror}"

    async def _listen(
        self, process: asyncio.subprocess.Process, pace: Pace, order: Order, output: Output, look: Look
    ) -> None:
        assert process.stdout is not None
        while data := await process.stdout.read(_CHUNK):
            before = output.bytes
            done = output.take("out", data)
            if output.bytes > 2 * order.bytes + _SLACK:  # a file whose checksum was wrong comes a second time
                raise _TooMuch
            if done:
                await look(done)
            # A file counts at least as much as a second must bring, so that many small ones are no stall.
            pace.received(output.bytes - before + round(len(done) * self._limits.least))

    @contextlib.asynccontextmanager
    async def _started(self, order: Order) -> AsyncIterator[asyncio.subprocess.Process]:
        process = await asyncio.create_subprocess_exec(
            *self.command(order),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env=self._environment,
            start_new_session=True,
        )
        try:
            most = max(order.largest + 1, _SLACK)
            with contextlib.suppress(ProcessLookupError):  # it has ended already
                resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (most, most))
            yield process
        finally:
            await _end(process)


def holes(version: Sequence[int]) -> str:
    """What is known of a version before `SAFE`, in a sentence; empty for those that are safe."""
    if tuple(version) >= SAFE:
        return ""
    known = "a hostile server can end it (CVE-2026-43620)"
    if tuple(version) < (3, 4, 0):
        known = f"a hostile server can read and write other files (CVE-2024-12086, CVE-2024-12087), and {known}"
    return f"rsync {_dotted(version)}: {known}, unless your system mended it; {_dotted(SAFE)} and newer are safe"


class _TooMuch(Exception):
    """More bytes came than the files have together."""


async def _follow(stream: asyncio.StreamReader | None, take: Callable[[bytes], object]) -> None:
    assert stream is not None
    while data := await stream.read(_CHUNK):
        take(data)


async def _end(process: asyncio.subprocess.Process) -> None:
    """End the program and all that it started."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        if process.returncode is not None and _silent(process.stdout) and _silent(process.stderr):
            return
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, number)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(GRACE):  # its pipes must be emptied, or it is not seen to end
                await asyncio.gather(_follow(process.stdout, len), _follow(process.stderr, len), process.wait())


def _silent(stream: asyncio.StreamReader | None) -> bool:
    """Whether nobody can write to it any more: neither the program nor a child that outlives it."""
    return stream is None or stream.at_eof()


def _found() -> tuple[str, tuple[int, ...]]:
    """The path of the program, and its version."""
    path = shutil.which("rsync")
    if path is None:
        raise ToolMissing("rsync is not installed")
    try:
        said = subprocess.run([path, "--version"], capture_output=True, timeout=10, check=False).stdout
    except (OSError, subprocess.SubprocessError):
        said = b""
    match = _VERSION.search(said.decode("utf-8", "replace"))
    version = tuple(map(int, match.groups())) if match else (0, 0, 0)
    if version < OLDEST:
        raise ToolMissing(f"rsync {_dotted(OLDEST)} or newer is needed", hint="Install a newer rsync.")
    return path, version


def _dotted(version: Sequence[int]) -> str:
    return ".".join(map(str, version))
