"""From an address as a person writes it to a source of that kind.

Nothing here connects: a source does when it is asked for the first time.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Literal
from urllib.parse import unquote, urlsplit

from tagswarm.manifests.errors import TransportError
from tagswarm.manifests.paths import escape

from .rate import Rate

if TYPE_CHECKING:
    from .base import Source

SourceKind = Literal["local", "http", "s3", "rsync"]

_SCHEME = re.compile(r"([a-z][a-z0-9+.-]*)://", re.IGNORECASE)
_MODULE = re.compile(r"[A-Za-z0-9.@_-]+::")
_KINDS: dict[str, SourceKind] = {"file": "local", "http": "http", "https": "http", "s3": "s3", "rsync": "rsync"}


def kind_of(address: str) -> SourceKind:
    """How the source at an address is spoken to.

    Raises:
        TransportError: it is none that this program knows.
    """
    if found := _SCHEME.match(address):
        if kind := _KINDS.get(found[1].lower()):
            return kind
        raise TransportError(
            f"{escape(found[0])} addresses cannot be opened",
            hint="There are folders, https://host/path, rsync://host/module/path and s3://bucket/prefix.",
        )
    return "rsync" if _MODULE.match(address) else "local"


def open_source(address: str, *, rate: Rate | None = None) -> Source:
    """The source at an address: a folder, `file://`, `http(s)://`, `rsync://`, `host::module` or `s3://`.

    Args:
        address: as a person writes it, perhaps with credentials, which no message ever shows.
        rate: bytes a second, shared with other sources.

    Raises:
        TransportError: it is none.
        ToolMissing: the program that it needs is not installed.
    """
    rate = rate or Rate()
    match kind_of(address):
        case "local":
            from .local import LocalSource  # noqa: PLC0415 - only what is used is loaded

            path = unquote(urlsplit(address).path) if _SCHEME.match(address) else address
            return LocalSource(Path(path).absolute())
        case "http":
            from .http import HttpSource  # noqa: PLC0415

            return HttpSource(address, rate=rate)
        case "rsync":
            from .rsync import RsyncSource  # noqa: PLC0415

            return RsyncSource(address, rate=rate)
        case "s3":
            from .s3 import S3Source  # noqa: PLC0415

            return S3Source(address, rate=rate)
