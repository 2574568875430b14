"""libtorrent, driven from the test."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

import libtorrent as lt

from .client import number
from .download import Download


class Libtorrent:
    """A session with libtorrent's defaults but for what would leave the room."""

    name: ClassVar[str] = "libtorrent"
    addresses: ClassVar[int] = 1

    def __init__(self, home: Path, addresses: list[str]) -> None:
        (address,) = addresses
        self._session = lt.session(
            {
                "listen_interfaces": f"{address}:6881",
                "outgoing_interfaces": address,
                "enable_dht": False,
                "enable_lsd": False,
                "enable_upnp": False,
                "enable_natpmp": False,
                "webtorrent_stun_server": "",
                "alert_mask": lt.alert.category_t.error_notification | lt.alert.category_t.tracker_notification,
            }
        )
        self._handles: dict[str, list[Any]] = {}

    def version(self) -> str:
        return number(lt.__version__)

    def begin(self, download: Download) -> None:
        for wanted in download.wanted:
            parameters = lt.load_torrent_file(str(wanted.torrent))
            parameters.save_path = str(download.folder)
            self._handles.setdefault(download.name, []).append(self._session.add_torrent(parameters))

    def done(self, download: Download) -> bool:
        return all(str(handle.status().state) == "seeding" for handle in self._handles[download.name])

    def gave_up(self, download: Download) -> str | None:
        said = [handle.status().errc for handle in self._handles[download.name]]
        return next((code.message() for code in said if code.value()), None)

    def log(self) -> str:
        return "\n".join(alert.message() for alert in self._session.pop_alerts())[-1500:]

    def stop(self) -> None:
        self._session.pause()
