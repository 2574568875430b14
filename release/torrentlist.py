"""The lists of a release's torrents: torrents.json, magnets.txt and feed.xml, and the copies at the top of a dataset.

Those in the folder of a release are frozen with it and reached from its root. The copies, `feed.xml` and
`torrents.json`, have the same URL year after year; nothing vouches for them. The copy of torrents.json also has the
numbers of peers: they are kept from release to release for as long as a torrent is listed, and `scrape` renews them.

Nothing here makes a torrent or asks a tracker.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING
from uuid import UUID

from tagswarm.manifests import magnet, manifest, published, torrentlist
from tagswarm.manifests.errors import FormatError, IncompleteBuild
from tagswarm.manifests.events import Notice, Report
from tagswarm.manifests.models import Object, Root, VolumeEntry
from tagswarm.manifests.torrentfile import Torrent
from tagswarm.manifests.torrentlist import LIST_LIMIT, TORRENTS, TorrentRow

from . import feed
from .feed import FEED

if TYPE_CHECKING:
    from .config import Config
    from .stage import Stage
    from .work import Work

MAGNETS = "magnets.txt"
"""A magnet link a line, sorted by volume."""


def write(work: Work, stage: Stage, rows: Iterable[TorrentRow]) -> list[Object]:
    """Write the lists of a release into the stage."""
    ordered = sorted(rows, key=lambda row: (row.volume, row.compat))
    folder = published.folder(work.config.release.name)
    return [
        stage.write(f"{folder}/{TORRENTS}", [torrentlist.render(ordered)]),
        stage.write(f"{folder}/{MAGNETS}", (f"{row.magnet_link}\n".encode() for row in ordered if not row.compat)),
        stage.write(f"{folder}/{FEED}", [feed.render(_channel(work.config), ordered)]),
    ]


def row(config: Config, volume: VolumeEntry, listed: Object, torrent: Torrent, added: Mapping[str, date]) -> TorrentRow:
    """What the lists say of a torrent of a volume, which is `listed` in the root; `added` as of `added_before`."""
    dataset, links = config.dataset.name, config.torrents
    return TorrentRow(
        url=f"{links.web_seeds[0]}{listed.path}" if links.web_seeds else listed.path,
        top_level_group_name=dataset,
        group_name=volume.rendition,
        display_name=PurePosixPath(listed.path).name,
        added_to_torrents_list_at=added.get(listed.path, config.release.issued),
        btih=torrent.infohash_v1 or "",
        magnet_link=magnet.magnet(
            torrent,
            display_name=f"{dataset}-{volume.name}",
            trackers=links.trackers,
            web_seeds=links.parents(),
        ),
        torrent_size=listed.size,
        num_files=volume.files,
        data_size=volume.bytes,
        btih_v2=torrent.infohash_v2,
        volume=volume.name,
        rendition=volume.rendition,
        generation=volume.generation,
        revision=volume.revision,
        compat=listed is volume.compat,
        path=listed.path,
        sha256=listed.sha256,
    )


def added_before(dataset: Path, root: Root | None) -> dict[str, date]:
    """The day on which the first release with a torrent was issued, by the path of the torrent.

    Follows the releases back from the given one for as long as they are here.
    """
    added: dict[str, date] = {}
    while root is not None:
        added |= {listed.path: root.issued for volume in root.volumes for listed in _torrents(volume)}
        try:
            root = published.read_root(dataset, root.previous.release)[0] if root.previous else None
        except IncompleteBuild:  # an old release that is no longer kept
            break
    return added


def copies(dataset: Path, root: Root, report: Report) -> Iterator[tuple[str, bytes]]:
    """What is to lie at the top of a dataset whose newest release is `root`: name and bytes of each copy."""
    if (found := _listed(root, FEED)) is not None:
        yield FEED, manifest.read_object(dataset, found)
    if _listed(root, TORRENTS) is not None:
        yield TORRENTS, torrentlist.render(counted(frozen(dataset, root), living(dataset, report)))


def frozen(dataset: Path, root: Root) -> list[TorrentRow]:
    """The list of a release; empty where the release is older than torrents.

    Raises:
        IntegrityError: it is not the one that the root names.
        FormatError: it is malformed.
        Unreadable: it is missing or cannot be read.
    """
    found = _listed(root, TORRENTS)
    return [] if found is None else torrentlist.parse(manifest.read_object(dataset, found))


def living(dataset: Path, report: Report) -> dict[str, TorrentRow]:
    """The copy at the top of a dataset, by infohash; one that cannot be read is said to begin anew."""
    data = published.read_bytes(dataset / TORRENTS, LIST_LIMIT)
    try:
        return {} if data is None else {row.btih: row for row in torrentlist.parse(data)}
    except FormatError as failure:
        report(Notice(f"{TORRENTS}: {failure.message}; it is written anew, and the peers are counted from nothing"))
        return {}


def counted(rows: Iterable[TorrentRow], by_infohash: Mapping[str, TorrentRow]) -> list[TorrentRow]:
    """The rows of a release with the numbers of peers that are known of them."""
    return [
        row.model_copy(
            update={key: getattr(known, key) for key in ("seeders", "leechers", "completed", "stats_scraped_at")}
        )
        if (known := by_infohash.get(row.btih))
        else row
        for row in rows
    ]


def _channel(config: Config) -> feed.Channel:
    dataset, home = config.dataset, next(iter(config.torrents.web_seeds), None)
    title = dataset.title or dataset.name
    return feed.Channel(
        title=title,
        link=dataset.homepage or home or UUID(dataset.id).urn,
        description=f"The torrents of {title}, release {config.release.name}, one for each volume",
        issued=config.release.issued,
        url=home and home + FEED,
    )


def _torrents(volume: VolumeEntry) -> Sequence[Object]:
    return [listed for listed in (volume.torrent, volume.compat) if listed is not None]


def _listed(root: Root, name: str) -> Object | None:
    path = f"{published.folder(root.release)}/{name}"
    return next((listed for listed in root.objects if listed.path == path), None)
