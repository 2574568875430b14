"""Rows of torrents.json, made up, and releases that list them."""

from __future__ import annotations

from datetime import date
from hashlib import sha1, sha256
from pathlib import Path
from typing import Any

from tagswarm.manifests.models import Previous, Root
from tagswarm.manifests.torrentlist import TorrentRow, render
from tests.publisher import Publisher, small


def row(volume: str, added: str = "2026-11-20", *, revision: int = 1, compat: bool = False, **known: Any) -> TorrentRow:
    """The row of a volume's torrent; its infohashes follow from the rest."""
    rendition, generation, _ = volume.split("-")
    suffix = f"{'' if revision == 1 else f'.r{revision}'}{'.compat' if compat else ''}.torrent"
    path = f"volumes/{volume}{suffix}"
    btih = sha1(path.encode()).hexdigest()
    btih_v2 = None if compat else sha256(path.encode()).hexdigest()
    return TorrentRow.model_validate(
        {
            "url": path,
            "top_level_group_name": "small",
            "group_name": rendition,
            "display_name": path.removeprefix("volumes/"),
            "added_to_torrents_list_at": date.fromisoformat(added),
            "btih": btih,
            "magnet_link": f"magnet:?xt=urn:btih:{btih}&dn=small-{volume}",
            "torrent_size": 4321,
            "num_files": 3000,
            "data_size": 210_000_000,
            "btih_v2": btih_v2,
            "volume": volume,
            "rendition": rendition,
            "generation": generation,
            "revision": revision,
            "compat": compat,
            "path": path,
            "sha256": sha256(b"").hexdigest(),
            **known,
        }
    )


def publish(publisher: Publisher, release: str, rows: list[TorrentRow], feed: bytes = b"<rss/>") -> Root:
    """Write a release whose root names these lists."""
    folder = f"releases/{release}"
    lists = [
        publisher.write(f"{folder}/torrents.json", render(rows)),
        publisher.write(f"{folder}/feed.xml", feed),
    ]
    root = publisher.release(release)
    publisher.config(release)
    return rewrite(publisher, root.model_copy(update={"objects": [*root.objects, *lists]}))


def rewrite(publisher: Publisher, root: Root) -> Root:
    """Put this root in the place of the one that was written."""
    written = publisher.write(f"releases/{root.release}/release.json", root.render())
    publisher.previous = Previous(release=root.release, sequence=root.sequence, root_sha256=written.sha256)
    return root


def unpublished(dataset: Path) -> Publisher:
    """A publisher of volumes that no release has yet."""
    publisher = small(dataset)
    publisher.previous = None
    return publisher
