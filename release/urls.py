"""URLs that are published in torrents: of trackers and of web seeds, in the shape that every client reads.

Nothing here asks a server.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from urllib.parse import urlsplit

_WRITTEN = re.compile(r"(?:[A-Za-z0-9._~:/?#\[\]@!$&'()*+,;=-]|%[0-9A-Fa-f]{2})*")
"""What a URL is written with (RFC 3986)."""


def tracker(value: str) -> str:
    """An announce URL, as it was given.

    Raises:
        ValueError: it is none that every client reads.
    """
    _check(value, ["udp", "https", "http"])
    return value


def web_seed(value: str) -> str:
    """The URL of a folder, with one slash at its end.

    Raises:
        ValueError: it is none.
    """
    if "?" in value:
        raise ValueError(f"{value!r} holds a query; clients append paths to it")
    _check(value, ["https", "http"])
    return value.rstrip("/") + "/"


def folder(seed: str) -> str:
    """The last folder of a web seed; empty where it is the root of a server."""
    return urlsplit(seed).path.split("/")[-2]


def parent(seed: str) -> str:
    """The folder above that of a web seed."""
    return seed.removesuffix("/").rpartition("/")[0] + "/"


def _check(value: str, schemes: Sequence[str]) -> None:
    if _WRITTEN.fullmatch(value) is None:
        raise ValueError(f"{value!r} holds characters that no URL has: percent-encode them")
    parts = urlsplit(value)  # its own ValueError says what is wrong with a host or a port
    if not value.startswith(tuple(f"{scheme}://" for scheme in schemes)) or not parts.hostname:
        raise ValueError(
            f"{value!r} does not begin with {' or '.join(f'{scheme}://' for scheme in schemes)} and a host"
        )
    if "@" in parts.netloc or "#" in value:
        raise ValueError(f"{value!r} holds a user or a fragment; it is published as it stands")
    if parts.port == 0 or parts.netloc.endswith(":"):
        raise ValueError(f"{value!r} names no port that anybody can reach")
    if parts.port is None and parts.scheme == "udp":
        raise ValueError(f"{value!r} names no port; udp trackers have no usual one")
