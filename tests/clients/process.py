"""A program that runs beside the test, and what it said."""

from __future__ import annotations

import os
import pty
import shutil
import subprocess
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Self

TAIL = 1500
"""Characters of a log that are shown."""
PATH = f"{os.environ.get('PATH', '')}:/usr/sbin"
"""Debian's nginx is where only root looks."""


def found(program: str) -> bool:
    """Whether a program is installed."""
    return shutil.which(program, path=PATH) is not None


class Process:
    """A running program whose output goes to a file."""

    def __init__(self, words: Sequence[str | Path], log: Path, *, terminal: bool = False) -> None:
        """Start a program, on a terminal if it needs one."""
        self.log = log
        log.parent.mkdir(parents=True, exist_ok=True)
        environment = os.environ | {"HOME": str(log.parent), "LC_ALL": "C.UTF-8", "TERM": "xterm", "PATH": PATH}
        arguments = [str(word) for word in words]
        if not terminal:
            with log.open("wb") as output:
                self._process = subprocess.Popen(
                    arguments, stdin=subprocess.DEVNULL, stdout=output, stderr=output, env=environment
                )
            return
        reader, writer = pty.openpty()
        self._process = subprocess.Popen(
            arguments, stdin=writer, stdout=writer, stderr=writer, env=environment, start_new_session=True
        )
        os.close(writer)
        threading.Thread(target=self._copy, args=(reader,), daemon=True).start()

    def _copy(self, reader: int) -> None:
        """A terminal that nobody reads would stop the program."""
        with self.log.open("wb") as output:
            while True:
                try:
                    data = os.read(reader, 1 << 16)
                except OSError:  # the other end is closed
                    return
                output.write(data)
                output.flush()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def ended(self) -> bool:
        """Whether it runs no more."""
        return self._process.poll() is not None

    @property
    def succeeded(self) -> bool:
        """Whether it ended, and well."""
        return self._process.poll() == 0

    def said(self) -> str:
        """All of its output."""
        return self.log.read_text(errors="replace") if self.log.exists() else ""

    def tail(self) -> str:
        """The end of its output."""
        return self.said()[-TAIL:]

    def wait_until(self, ready: Callable[[], bool], seconds: float = 20) -> None:
        """Wait until it is ready.

        Raises:
            RuntimeError: it ended, or it took too long.
        """
        until = time.monotonic() + seconds
        while not ready():
            if self.ended or time.monotonic() > until:
                raise RuntimeError(f"{self._process.args!r} did not start: {self.tail()}")
            time.sleep(0.05)

    def stop(self) -> None:
        """End it, by force if it does not go."""
        if not self.ended:
            self._process.terminate()
            try:
                self._process.wait(5)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait(5)
