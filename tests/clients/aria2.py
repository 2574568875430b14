"""aria2."""

from __future__ import annotations

import re
from pathlib import Path
from typing import ClassVar

from .client import number, said
from .download import Download
from .process import Process


class Aria2:
    """aria2c, a process for each download."""

    name: ClassVar[str] = "aria2"
    addresses: ClassVar[int] = 1
    PATIENCE: ClassVar[int] = 15
    """Seconds after which it gives up where nothing comes."""

    def __init__(self, home: Path, addresses: list[str]) -> None:
        (address,) = addresses
        self._home, self._address = home, address
        self._processes: dict[str, Process] = {}

    def version(self) -> str:
        return number(said("aria2c", "--version"))

    def begin(self, download: Download) -> None:
        for wanted in download.wanted:
            shown = re.search(r"Info Hash: (\w{40})", said("aria2c", "--show-files", str(wanted.torrent)))
            if shown is None or shown[1] != wanted.infohash:
                download.failure = "computes another infohash"
        words = [
            "aria2c",
            f"--dir={download.folder}",
            f"--interface={self._address}",
            f"--listen-port={16301 + len(self._processes)}",
            "--enable-dht=false",
            "--enable-dht6=false",
            "--bt-enable-lpd=false",
            "--enable-peer-exchange=false",
            "--seed-time=0",
            "--file-allocation=none",
            f"--bt-stop-timeout={self.PATIENCE}",
            "--summary-interval=0",
            "--max-concurrent-downloads=9",
            *(str(wanted.torrent) for wanted in download.wanted),
        ]
        self._processes[download.name] = Process(words, self._home / f"{download.name}.log")

    def done(self, download: Download) -> bool:
        return self._processes[download.name].succeeded

    def gave_up(self, download: Download) -> str | None:
        process = self._processes[download.name]
        return download.failure or "it ended" if process.ended else None

    def log(self) -> str:
        return "\n".join(process.tail() for process in self._processes.values())

    def stop(self) -> None:
        for process in self._processes.values():
            process.stop()
