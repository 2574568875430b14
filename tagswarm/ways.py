"""How a dataset is reached, as the keywords of the API say it: whom to believe, from where, by which ways.

Light to load: what `mirror` needs of it is made when something is fetched.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypedDict

from .manifests.errors import TransportError

if TYPE_CHECKING:
    from .mirror.access import Access, Use
    from .mirror.swarm import Settings


class Trusting(TypedDict, total=False):
    """Keywords of everything that opens a dataset: whom to believe."""

    keys: Sequence[str]
    """Public keys of the maintainer, got elsewhere: the line that begins with RW, or the text of a .pub file."""
    pin: str | None
    """The SHA-256 of release.json, got elsewhere, for a dataset that is not signed."""
    offline: bool
    """Ask nobody for documents: what is cached must do."""
    strict_freshness: bool
    """Refuse a release that was to be renewed by now."""
    cache: Path | str | None
    """The folder of indexes and tables; `tagswarm` in XDG_CACHE_HOME or `~/.cache` where it is left out."""
    trust_file: Path | str | None
    """What was seen before; `tagswarm/trust.json` in XDG_DATA_HOME or `~/.local/share` where it is left out."""


class Ways(TypedDict, total=False):
    """Keywords of everything that fetches files: from where, and by which ways."""

    sources: Sequence[Path | str]
    """Further addresses of the same dataset: folders, `https://`, `rsync://`, `s3://`."""
    via: Sequence[str]
    """Use only these kinds of sources (`local`, `http`, `s3`, `rsync`, `torrent`) or addresses; none stands for all."""
    forbid: Sequence[str]
    """Kinds or addresses that are not used."""
    prefer: Sequence[str]
    """Kinds or addresses that carry all that they have."""
    limit_rate: int
    """Bytes a second from all sources together; 0 is no limit."""
    torrents: bool | Settings
    """Join the swarms of the release too, where strangers see this address; with `SwarmSettings` as these say."""
    peers: Sequence[tuple[str, int]]
    """Peers that are known, each a host and a port; where there are some, the swarms are joined."""


class Reaching(Trusting, Ways, total=False):
    """Keywords of what reaches a dataset without having it open: those of `Trusting` and `Ways`."""

    release: str | None
    """Its name; the one that the lock names where it is left out."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reach:
    """Where a release was opened, to reach its files by the same address and trust."""

    index: Path
    """The index that was opened."""
    address: str | None
    """Of the dataset; None of an index that lies by itself."""
    release: str | None
    """Its name; None where the newest was meant, or nobody knows."""
    trusting: Trusting


def access(
    addresses: Sequence[Path | str],
    *,
    release: str | None = None,
    keys: Sequence[str] = (),
    pin: str | None = None,
    offline: bool = False,
    strict_freshness: bool = False,
    cache: Path | str | None = None,
    trust_file: Path | str | None = None,
    limit_rate: int = 0,
    torrents: bool | Settings = False,
    peers: Sequence[tuple[str, int]] = (),
    sources: Sequence[Path | str] = (),
    via: Sequence[str] = (),
    forbid: Sequence[str] = (),
    prefer: Sequence[str] = (),
) -> tuple[Access, Use]:
    """What `mirror` needs to reach a dataset; the keywords are those of `Reaching`.

    Raises:
        TransportError: there is no address.
        InvalidDocument: a key is none.
    """
    from .manifests.signing import PublicKey  # noqa: PLC0415 - light to load, as the head says
    from .mirror.access import Access, Use  # noqa: PLC0415

    places = [*addresses, *sources]
    if not places:
        raise TransportError("nobody knows where the files are", hint="Name the dataset: sources=[...].")
    return (
        Access(
            addresses=tuple(map(str, places)),
            release=release,
            keys=tuple(PublicKey.parse(key) for key in keys),
            pin=pin,
            offline=offline,
            strict_freshness=strict_freshness,
            cache=None if cache is None else Path(cache),
            trust_file=None if trust_file is None else Path(trust_file),
            limit_rate=limit_rate,
            swarm=_swarm(torrents or bool(peers) or "torrent" in {*via, *prefer}, limit_rate),
            peers=tuple(peers),
        ),
        Use(only=tuple(via), forbid=tuple(forbid), prefer=tuple(prefer)),
    )


def _swarm(torrents: bool | Settings, limit_rate: int) -> Settings | None:
    if not torrents:
        return None
    from .mirror.swarm import Settings  # noqa: PLC0415

    settings = Settings() if torrents is True else torrents
    return dataclasses.replace(settings, download_rate=settings.download_rate or limit_rate)
