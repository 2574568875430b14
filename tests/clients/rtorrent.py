"""rtorrent."""

from __future__ import annotations

import re
from pathlib import Path
from typing import ClassVar

from .client import number, said
from .download import Download
from .process import Process


class Rtorrent:
    """rtorrent on a terminal, a process for each download."""

    name: ClassVar[str] = "rtorrent"
    addresses: ClassVar[int] = 4

    def __init__(self, home: Path, addresses: list[str]) -> None:
        self._home, self._addresses = home, addresses
        self._processes: dict[str, Process] = {}

    def version(self) -> str:
        return number(said("rtorrent", "-h"))

    def begin(self, download: Download) -> None:
        address = self._addresses.pop()
        home = self._home / download.name
        (home / "session").mkdir(parents=True)
        (home / "rc").write_text(
            f"directory.default.set = {download.folder}\n"
            f"session.path.set = {home / 'session'}\n"
            f"network.bind_address.set = {address}\n"
            f"network.local_address.set = {address}\n"
            "network.port_range.set = 16302-16302\n"
            "dht.mode.set = disable\nprotocol.pex.set = no\ntrackers.use_udp.set = no\n"
        )
        torrents = [wanted.torrent for wanted in download.wanted]
        words: list[str | Path] = ["rtorrent", "-n", "-o", f"import={home / 'rc'}", *torrents]
        self._processes[download.name] = Process(words, home / "log", terminal=True)

    def done(self, download: Download) -> bool:
        return True  # it has no door to ask at but its screen: the files speak

    def gave_up(self, download: Download) -> str | None:
        return "it ended" if self._processes[download.name].ended else None

    def log(self) -> str:
        return "\n".join(re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", " ", process.tail()) for process in self._processes.values())

    def stop(self) -> None:
        for process in self._processes.values():
            process.stop()
