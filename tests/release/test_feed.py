"""feed.xml is RSS 2.0 that torrent clients subscribe to, and the same bytes for the same release."""

from __future__ import annotations

import time
from datetime import date
from email.utils import parsedate_to_datetime
from typing import Any
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tagswarm.manifests.torrentlist import TorrentRow
from tagswarm.release.feed import Channel, render
from tests.rows import row

HOME = "https://example.org/small/"


def channel(**known: Any) -> Channel:
    said = {"title": "Small", "link": HOME, "description": "All of it", "issued": date(2027, 3, 1), "url": None}
    return Channel(**{**said, **known})


def items(data: bytes) -> list[ET.Element]:
    return ET.fromstring(data).findall("channel/item")


def text(item: ET.Element, name: str) -> str:
    (found,) = item.findall(name)
    assert found.text is not None
    return found.text


GOLDEN = b"""\
<?xml version="1.0" encoding="utf-8"?>
<rss version="2.0" xmlns:atom="http://www.w3.org/2005/Atom">
  <channel>
    <title>Small</title>
    <link>https://example.org/small/</link>
    <description>All of it</description>
    <atom:link href="https://example.org/small/feed.xml" rel="self" type="application/rss+xml" />
    <pubDate>Mon, 01 Mar 2027 00:00:00 GMT</pubDate>
    <item>
      <title>small original-2027-0000</title>
      <link>https://example.org/small/volumes/original-2027-0000.torrent</link>
      <description>3,000 files of original, 210,000,000 bytes</description>
      <category>original</category>
      <enclosure url="https://example.org/small/volumes/original-2027-0000.torrent" length="4321" type="application/x-bittorrent" />
      <guid isPermaLink="false">urn:btih:c2ddfa507d3e7e0acc8f9cbb4d7539e171e572ac</guid>
      <pubDate>Mon, 01 Mar 2027 00:00:00 GMT</pubDate>
    </item>
    <item>
      <title>small 512px-2026-0000, revision 2</title>
      <link>magnet:?xt=urn:btih:337a51e45a9fcf98ac290737799d1dc0acc1278b&amp;dn=small-512px-2026-0000</link>
      <description>3,000 files of 512px, 210,000,000 bytes</description>
      <category>512px</category>
      <enclosure url="magnet:?xt=urn:btih:337a51e45a9fcf98ac290737799d1dc0acc1278b&amp;dn=small-512px-2026-0000" length="4321" type="application/x-bittorrent" />
      <guid isPermaLink="false">urn:btih:337a51e45a9fcf98ac290737799d1dc0acc1278b</guid>
      <pubDate>Fri, 20 Nov 2026 00:00:00 GMT</pubDate>
    </item>
  </channel>
</rss>
"""


def golden_rows() -> list[TorrentRow]:
    new = row("original-2027-0000", "2027-03-01")
    return [row("512px-2026-0000", revision=2), new.model_copy(update={"url": f"{HOME}{new.path}"})]


def test_the_golden_feed() -> None:
    assert render(channel(url=f"{HOME}feed.xml"), golden_rows()).decode() == GOLDEN.decode()


def test_the_newest_come_first_and_then_by_volume() -> None:
    rows = [
        row("original-2026-0001", "2026-01-01"),
        row("512px-2027-0000", "2027-01-01"),
        row("original-2026-0000", "2026-01-01"),
        row("1280px-2027-0000", "2027-01-01"),
    ]
    titles = [text(item, "title") for item in items(render(channel(), rows))]
    assert titles == [
        "small 1280px-2027-0000",
        "small 512px-2027-0000",
        "small original-2026-0000",
        "small original-2026-0001",
    ]
    assert render(channel(), rows) == render(channel(), reversed(rows))


def test_compat_torrents_are_no_items() -> None:
    data = render(channel(), [row("512px-2026-0000"), row("512px-2026-0000", compat=True)])
    assert len(items(data)) == 1


def test_an_empty_feed() -> None:
    assert items(render(channel(), [])) == []


def test_days_are_told_without_a_clock_or_a_zone(monkeypatch: pytest.MonkeyPatch) -> None:
    before = render(channel(), golden_rows())
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    time.tzset()
    try:
        assert render(channel(), golden_rows()) == before
    finally:
        monkeypatch.undo()
        time.tzset()
    assert parsedate_to_datetime(text(items(before)[0], "pubDate")).date() == date(2027, 3, 1)


SHOWN = st.text(st.characters(exclude_categories=["Cc", "Cs", "Cn", "Cf", "Co", "Zl", "Zp"]), min_size=1)


@given(title=SHOWN, link=SHOWN, url=SHOWN)
def test_every_text_comes_back(title: str, link: str, url: str) -> None:
    one = row("512px-2026-0000").model_copy(update={"url": url})
    data = render(channel(title=title, link=link, url=link), [one])
    root = ET.fromstring(data)
    assert root.findtext("channel/title") == title
    assert root.findtext("channel/link") == link
    (item,) = items(data)
    enclosure = item.find("enclosure")
    assert enclosure is not None
    assert enclosure.attrib == {"url": url, "length": "4321", "type": "application/x-bittorrent"}
    assert text(item, "guid") == f"urn:btih:{one.btih}"
