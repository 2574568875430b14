"""qBittorrent without a window, by its Web API."""

from __future__ import annotations

import json
import urllib.parse
import urllib.request
import uuid
from pathlib import Path
from typing import Any, ClassVar

from .client import number
from .download import Download
from .process import Process


class QBittorrent:
    """qbittorrent-nox, by its Web API."""

    name: ClassVar[str] = "qBittorrent"
    addresses: ClassVar[int] = 1

    def __init__(self, home: Path, addresses: list[str]) -> None:
        (address,) = addresses
        self._api = f"http://{address}:8090/api/v2/"
        keys = {
            "LegalNotice": {"Accepted": "true"},
            "BitTorrent": {
                r"Session\DHTEnabled": "false",
                r"Session\LSDEnabled": "false",
                r"Session\PeXEnabled": "false",
                r"Session\Port": "6881",
                r"Session\Interface": "lo",
                r"Session\InterfaceName": "lo",
                r"Session\InterfaceAddress": address,
                r"Session\QueueingSystemEnabled": "false",
            },
            "Preferences": {
                r"WebUI\Enabled": "true",
                r"WebUI\Address": address,
                r"WebUI\Port": "8090",
                r"WebUI\LocalHostAuth": "false",
                r"WebUI\AuthSubnetWhitelistEnabled": "true",
                r"WebUI\AuthSubnetWhitelist": "10.99.0.0/24",
            },
            "RSS": {r"Session\EnableProcessing": "true"},
        }
        text = "".join(f"[{part}]\n" + "".join(f"{k}={v}\n" for k, v in table.items()) for part, table in keys.items())
        config = home / "profile/qBittorrent/config/qBittorrent.conf"
        config.parent.mkdir(parents=True)
        config.write_text(text)
        self._process = Process(["qbittorrent-nox", f"--profile={home / 'profile'}"], home / "log")
        self._process.wait_until(self._answers)

    def _answers(self) -> bool:
        try:
            return bool(self._get("app/version"))
        except OSError:
            return False

    def _get(self, path: str, **query: str) -> str:
        with urllib.request.urlopen(f"{self._api}{path}?{urllib.parse.urlencode(query)}", timeout=10) as answer:
            return str(answer.read().decode())

    def _post(self, path: str, fields: dict[str, str], torrent: Path | None = None) -> str:
        border = uuid.uuid4().hex
        part = f"--{border}\r\nContent-Disposition: form-data; "
        lines = [f'{part}name="{name}"\r\n\r\n{value}\r\n'.encode() for name, value in fields.items()]
        if torrent is not None:
            described = (
                f'{part}name="torrents"; filename="{torrent.name}"\r\nContent-Type: application/x-bittorrent\r\n\r\n'
            )
            lines += [described.encode(), torrent.read_bytes(), b"\r\n"]
        body = b"".join([*lines, f"--{border}--\r\n".encode()])
        head = {"Content-Type": f"multipart/form-data; boundary={border}"}
        with urllib.request.urlopen(urllib.request.Request(self._api + path, body, head), timeout=10) as answer:
            return str(answer.read().decode())

    def version(self) -> str:
        built = json.loads(self._get("app/buildInfo"))
        return f"{number(self._get('app/version'))} (libtorrent {number(built['libtorrent'])})"

    def begin(self, download: Download) -> None:
        for wanted in download.wanted:
            fields = {"savepath": str(download.folder), "autoTMM": "false"}
            answer = self._post("torrents/add", fields, wanted.torrent)
            if answer.strip() != "Ok.":
                download.failure = answer.strip()

    def subscribe(self, url: str) -> None:
        """Add a feed."""
        self._post("rss/addFeed", {"url": url, "path": "feed"})

    def articles(self) -> list[dict[str, Any]]:
        """What the feed holds, once it is loaded."""
        feed = json.loads(self._get("rss/items", withData="true")).get("feed", {})
        articles: list[dict[str, Any]] = feed.get("articles", [])
        return articles

    def add_url(self, url: str, folder: Path) -> None:
        """Add a torrent by its address, as somebody does who clicks an article."""
        self._post("torrents/add", {"urls": url, "savepath": str(folder), "autoTMM": "false"})

    def _states(self, download: Download) -> list[str]:
        """Of the torrents that it knows."""
        hashes = {wanted.infohash for wanted in download.wanted}
        known = json.loads(self._get("torrents/info"))
        return [each["state"] for each in known if each.get("infohash_v1", each["hash"]) in hashes]

    def done(self, download: Download) -> bool:
        states = self._states(download)
        return len(states) == len(download.wanted) and all(
            state.endswith("UP") or state == "uploading" for state in states
        )

    def gave_up(self, download: Download) -> str | None:
        bad = [state for state in self._states(download) if state in {"error", "missingFiles"}]
        return bad[0] if bad else download.failure

    def log(self) -> str:
        return f"{self._process.tail()}\n{self._get('torrents/info')[-1500:]}"

    def stop(self) -> None:
        self._process.stop()
