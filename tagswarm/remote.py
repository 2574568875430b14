"""A release at an address: who is believed, and its index in the cache of the user.

A second opening of the same release asks for latest.json and its signature, and for nothing else. Files of posts are
no business of this module.
"""

from __future__ import annotations

from contextlib import aclosing
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from .manifests.events import Notice
from .manifests.signing import PublicKey
from .mirror.cache import Cache
from .mirror.catalog import open_release
from .mirror.memory import Memory
from .mirror.transports.address import kind_of, open_source
from .place import Place

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .manifests.events import Report


async def fetched(
    address: str,
    release: str | None = None,
    *,
    keys: Sequence[str] = (),
    pin: str | None = None,
    offline: bool = False,
    strict_freshness: bool = False,
    cache: Path | str | None = None,
    trust_file: Path | str | None = None,
    report: Report,
) -> Place:
    """The index of a release that is believed; the keywords are those of `ways.Trusting`.

    Raises:
        TrustError: the release cannot be believed.
        TransportError: the address is none, or does not answer.
        IncompleteBuild: there is no such release, or it has no index.
        FormatError: a document is malformed.
        StoreError: the cache cannot be used.
    """
    async with aclosing(open_source(address)) as source:
        trusted = await open_release(
            Path(source.address) if kind_of(address) == "local" else source,
            cache=Cache(None if cache is None else Path(cache)),
            memory=Memory(None if trust_file is None else Path(trust_file)),
            release=release,
            keys=[PublicKey.parse(key) for key in keys],
            pin=pin,
            offline=offline,
            strict_freshness=strict_freshness,
            today=datetime.now(UTC).date(),
            report=report,
        )
        for note in trusted.notes:
            report(Notice(note, "info"))
        return Place(await trusted.index(), trusted.release)
