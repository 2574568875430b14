"""Magnet links of torrents: the infohashes, a name, the size, trackers and web seeds in one URI.

A link of a hybrid torrent has both infohashes, so that any client finds its swarm. Piece layers are not in it: clients
ask peers for them, which is why the .torrent files are published too.

Nothing here reads a link. Sources: BEP 9, 19, 52 and RFC 3986.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from urllib.parse import quote

from .torrentfile import Torrent

_SHA2_256 = "1220"
"""What multihash puts before a SHA-256: its kind, and its 32 bytes."""


def magnet(
    torrent: Torrent,
    *,
    display_name: str,
    trackers: Iterable[str] | None = None,
    web_seeds: Iterable[str] | None = None,
) -> str:
    """The magnet link of a torrent; its own trackers and web seeds stand in it where none are given.

    `xl` is the bytes of the files, pads not counted.
    """
    return "magnet:?" + "&".join(
        f"{key}={value}" for key, value in _parameters(torrent, display_name, trackers, web_seeds)
    )


def _parameters(
    torrent: Torrent, display_name: str, trackers: Iterable[str] | None, web_seeds: Iterable[str] | None
) -> Iterator[tuple[str, str]]:
    if torrent.infohash_v1 is not None:
        yield "xt", f"urn:btih:{torrent.infohash_v1}"
    if torrent.infohash_v2 is not None:
        yield "xt", f"urn:btmh:{_SHA2_256}{torrent.infohash_v2}"
    yield "dn", _quoted(display_name)
    yield "xl", str(sum(entry.size for entry in torrent.entries if not entry.pad))
    for url in (url for tier in torrent.links.trackers for url in tier) if trackers is None else trackers:
        yield "tr", _quoted(url)
    for url in torrent.links.web_seeds if web_seeds is None else web_seeds:
        yield "ws", _quoted(url)


def _quoted(text: str) -> str:
    """Percent-encoded but for the unreserved characters of RFC 3986."""
    return quote(text, safe="", errors="replace")
