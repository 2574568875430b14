"""Transmission's daemon, by transmission-remote."""

from __future__ import annotations

import json
from pathlib import Path
from typing import ClassVar

from .client import number, said
from .download import Download
from .process import Process


class Transmission:
    """transmission-daemon, by transmission-remote."""

    name: ClassVar[str] = "Transmission"
    addresses: ClassVar[int] = 1

    def __init__(self, home: Path, addresses: list[str]) -> None:
        (address,) = addresses
        settings = {
            "bind-address-ipv4": address,
            "dht-enabled": False,
            "lpd-enabled": False,
            "pex-enabled": False,
            "utp-enabled": False,
            "port-forwarding-enabled": False,
            "peer-port": 51413,
            "rpc-bind-address": address,
            "rpc-port": 9091,
            "rpc-whitelist-enabled": False,
            "rpc-host-whitelist-enabled": False,
            "download-dir": str(home),
        }
        self._rpc = f"{address}:9091"
        home.mkdir(parents=True)
        (home / "settings.json").write_text(json.dumps(settings))
        self._process = Process(["transmission-daemon", "-f", "-g", home], home / "log")
        self._process.wait_until(lambda: "Daemon version" in self._remote("-si"))

    def _remote(self, *words: str) -> str:
        return said("transmission-remote", self._rpc, *words)

    def version(self) -> str:
        return number(said("transmission-daemon", "--version"))

    def begin(self, download: Download) -> None:
        for wanted in download.wanted:
            answer = self._remote("-a", str(wanted.torrent), "-w", str(download.folder))
            if "success" not in answer:
                download.failure = answer.strip().removeprefix("Error: ")

    def done(self, download: Download) -> bool:
        shown = [self._remote("-t", wanted.infohash, "-i") for wanted in download.wanted]
        return all("Percent Done: 100%" in text for text in shown)

    def gave_up(self, download: Download) -> str | None:
        return download.failure

    def log(self) -> str:
        return f"{self._process.tail()}\n{self._remote('-l')}"

    def stop(self) -> None:
        self._process.stop()
