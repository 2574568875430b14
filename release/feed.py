"""feed.xml: what torrent clients subscribe to, so that the volumes of the next release come by themselves.

RSS 2.0 with an item a volume, the newest first, and the .torrent as its enclosure; where nobody knows the URL of the
dataset the enclosure is the magnet link, which clients take as well. Compat torrents have no items: they carry the
same files, and whoever subscribed would fetch everything twice.

Nothing here reads a file or a clock. Sources: RSS 2.0.11 (rssboard.org), BEP 36.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from email.utils import format_datetime
from xml.etree import ElementTree as ET

from tagswarm.manifests.torrentlist import TorrentRow

FEED = "feed.xml"
"""Its name, in the folder of a release and at the top of a dataset."""

TYPE = "application/x-bittorrent"


@dataclass(frozen=True, slots=True, kw_only=True)
class Channel:
    """What the feed says of itself."""

    title: str
    link: str
    """A page about the dataset, or a URN where there is none: RSS wants one."""
    description: str
    issued: date
    """Of the release."""
    url: str | None = None
    """Where the feed is, for as long as the dataset lives; None where nobody knows."""


def render(channel: Channel, rows: Iterable[TorrentRow]) -> bytes:
    """The feed of torrents: those that were added last come first, and those of one day by volume."""
    rss = ET.Element("rss", {"version": "2.0"})
    head = ET.SubElement(rss, "channel")
    _add(head, "title", channel.title)
    _add(head, "link", channel.link)
    _add(head, "description", channel.description)
    if channel.url is not None:
        rss.set("xmlns:atom", "http://www.w3.org/2005/Atom")
        _add(head, "atom:link", href=channel.url, rel="self", type="application/rss+xml")
    _add(head, "pubDate", _day(channel.issued))
    items = sorted((row for row in rows if not row.compat), key=lambda row: row.volume)
    for row in sorted(items, key=lambda row: row.added_to_torrents_list_at, reverse=True):
        _item(head, row)
    ET.indent(rss)
    text: bytes = ET.tostring(rss, encoding="utf-8")
    return b'<?xml version="1.0" encoding="utf-8"?>\n' + text + b"\n"


def _item(channel: ET.Element, row: TorrentRow) -> None:
    item = ET.SubElement(channel, "item")
    url = row.magnet_link if row.url == row.path else row.url
    revision = f", revision {row.revision}" if row.revision > 1 else ""
    _add(item, "title", f"{row.top_level_group_name} {row.volume}{revision}")
    _add(item, "link", url)
    _add(item, "description", f"{row.num_files:,} files of {row.rendition}, {row.data_size:,} bytes")
    _add(item, "category", row.rendition)
    _add(item, "enclosure", url=url, length=str(row.torrent_size), type=TYPE)
    _add(item, "guid", f"urn:btih:{row.btih}", isPermaLink="false")
    _add(item, "pubDate", _day(row.added_to_torrents_list_at))


def _add(parent: ET.Element, name: str, text: str | None = None, **attributes: str) -> None:
    ET.SubElement(parent, name, attributes).text = text


def _day(day: date) -> str:
    """A day as RFC 822 writes it, whatever the locale."""
    return format_datetime(datetime.combine(day, time(), UTC), usegmt=True)
