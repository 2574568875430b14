"""The lists of torrents: what a build writes, what `sign` copies to the top, and what is kept over the years."""

from __future__ import annotations

import hashlib
from datetime import date, datetime
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import libtorrent as lt
import pytest

from tagswarm.manifests import published, torrentlist
from tagswarm.manifests.errors import DigestMismatch
from tagswarm.manifests.events import Event, Notice, silent
from tagswarm.manifests.models import Object, Root
from tagswarm.manifests.torrentlist import TorrentRow, parse, render
from tagswarm.release.build import build
from tagswarm.release.sign import sign
from tagswarm.release.torrentlist import added_before, copies, counted
from tests.collection import Collection
from tests.publisher import small
from tests.rows import publish, rewrite, row, unpublished

HOME = "https://example.org/test/"
TRACKER, OTHER = "udp://tracker.example.org:6969/announce", "https://other.example.org/announce"
NOON = datetime.fromisoformat("2026-11-20T12:00:00")
COUNTS: dict[str, Any] = {"seeders": 9, "leechers": 1, "completed": 158, "stats_scraped_at": NOON}


def year(collection: Collection, name: str, torrents: str, *, renditions: list[str]) -> Root:
    """Build and publish the release of a year, issued on its last day."""
    collection.write_config(name=name, renditions=renditions)
    path = collection.root / "release.toml"
    lines = [f"issued = {name}-12-31" if line.startswith("issued") else line for line in path.read_text().splitlines()]
    path.write_text("\n".join([*lines, "[torrents]", torrents, ""]))
    build(collection.root, workers=2)
    sign(collection.root, [])
    return published.read_root(collection.root, name)[0]


@pytest.fixture(scope="module")
def years(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Root, Root]:
    """A dataset with two releases; the second adds a rendition, a URL, a tracker, and compat torrents of old volumes."""
    collection = Collection.make(tmp_path_factory.mktemp("years") / "test", 24, buckets=4)
    first = year(collection, "2026", f'trackers = ["{TRACKER}"]', renditions=[])
    links = f'trackers = ["{TRACKER}", "{OTHER}"]\nweb_seeds = ["{HOME}"]\ncompat = ["original"]'
    return collection.root, first, year(collection, "2027", links, renditions=["512px"])


def rows_of(dataset: Path, release: str) -> list[TorrentRow]:
    return parse((dataset / "releases" / release / "torrents.json").read_bytes())


def test_every_torrent_has_a_row_that_says_what_is_in_it(years: tuple[Path, Root, Root]) -> None:
    dataset, _, root = years
    rows = rows_of(dataset, "2027")
    volumes = {volume.name: volume for volume in root.volumes}
    assert [(found.volume, found.compat) for found in rows] == sorted((found.volume, found.compat) for found in rows)
    assert sorted(found.path for found in rows) == sorted(
        listed.path for volume in root.volumes for listed in (volume.torrent, volume.compat) if listed
    )
    assert {found.rendition for found in rows} == {"original", "512px"}
    for found in rows:
        data = (dataset / found.path).read_bytes()
        assert (found.torrent_size, found.sha256) == (len(data), hashlib.sha256(data).hexdigest())
        loaded = lt.load_torrent_buffer(data)
        assert loaded.ti
        hashes = loaded.ti.info_hashes()
        assert str(hashes.v1) == found.btih
        assert found.btih_v2 == (None if found.compat else str(hashes.v2))
        volume = volumes[found.volume]
        assert (found.num_files, found.data_size) == (volume.files, volume.bytes)
        assert (found.generation, found.revision, found.group_name) == (volume.generation, 1, volume.rendition)
        assert (found.top_level_group_name, found.display_name) == ("test", Path(found.path).name)
        assert {found.obsolete, found.embargo, found.is_metadata, found.partially_broken} == {False}
        assert (found.seeders, found.leechers, found.completed, found.stats_scraped_at) == (None, None, None, None)


def test_magnet_links_lead_to_the_torrents_by_the_trackers_of_the_release(years: tuple[Path, Root, Root]) -> None:
    dataset, *_ = years
    for release, trackers, seeds in (("2026", [TRACKER], []), ("2027", [TRACKER, OTHER], ["https://example.org/"])):
        rows = rows_of(dataset, release)
        for found in rows:
            read = lt.parse_magnet_uri(found.magnet_link)
            assert str(read.info_hashes.v1) == found.btih
            if found.btih_v2:
                assert str(read.info_hashes.v2) == found.btih_v2
            assert (read.name, read.trackers, read.url_seeds) == (f"test-{found.volume}", trackers, seeds)
        lines = (dataset / "releases" / release / "magnets.txt").read_text().splitlines()
        assert lines == [found.magnet_link for found in rows if not found.compat]


def test_urls_are_absolute_where_the_dataset_has_one(years: tuple[Path, Root, Root]) -> None:
    dataset, *_ = years
    assert all(found.url == found.path for found in rows_of(dataset, "2026"))
    assert all(found.url == f"{HOME}{found.path}" for found in rows_of(dataset, "2027"))


def test_a_torrent_was_added_with_the_first_release_that_has_it(years: tuple[Path, Root, Root]) -> None:
    dataset, *_ = years
    added = {
        (found.generation, found.compat, found.added_to_torrents_list_at.isoformat())
        for found in rows_of(dataset, "2027")
    }
    assert added == {
        ("2026", False, "2026-12-31"),
        ("2026", True, "2027-12-31"),
        ("2027", False, "2027-12-31"),
    }


def test_the_feed_lists_the_new_volumes_first(years: tuple[Path, Root, Root]) -> None:
    dataset, *_ = years
    feed = ET.parse(dataset / "releases/2027/feed.xml").getroot()
    rows = {f"urn:btih:{found.btih}": found for found in rows_of(dataset, "2027") if not found.compat}
    items = feed.findall("channel/item")
    listed = [rows.pop(item.findtext("guid") or "") for item in items]
    assert not rows
    dates = [found.added_to_torrents_list_at for found in listed]
    assert dates == sorted(dates, reverse=True)
    assert len(set(dates)) == 2
    for item, found in zip(items, listed, strict=True):
        enclosure = item.find("enclosure")
        assert enclosure is not None
        assert (enclosure.get("url"), enclosure.get("length")) == (f"{HOME}{found.path}", str(found.torrent_size))
    assert feed.findtext("channel/link") == HOME
    assert feed.findtext("channel/title") == "test"
    old = ET.parse(dataset / "releases/2026/feed.xml").getroot()
    assert (old.findtext("channel/link") or "").startswith("urn:uuid:")
    enclosures = old.findall("channel/item/enclosure")
    assert enclosures
    assert all((enclosure.get("url") or "").startswith("magnet:?xt=urn:btih:") for enclosure in enclosures)


def test_the_lists_are_objects_of_the_root_and_copied_to_the_top(years: tuple[Path, Root, Root]) -> None:
    dataset, _, root = years
    listed = {item.path for item in root.objects}
    assert {f"releases/2027/{name}" for name in ("torrents.json", "magnets.txt", "feed.xml")} <= listed
    for name in ("torrents.json", "feed.xml"):
        assert (dataset / name).read_bytes() == (dataset / "releases/2027" / name).read_bytes()
    assert not (dataset / "magnets.txt").exists()


# What `sign` copies, with made up lists.


OLD, KEPT, NEW = (row(name) for name in ("512px-2026-0000", "512px-2026-0001", "512px-2027-0000"))


def test_counts_stay_from_release_to_release(tmp_path: Path) -> None:
    publisher = unpublished(tmp_path)
    publish(publisher, "2026", [OLD, KEPT])
    assert sign(tmp_path, []).written == ("latest.json", "feed.xml", "torrents.json")
    (tmp_path / "torrents.json").write_bytes(render(found.model_copy(update=COUNTS) for found in (OLD, KEPT)))
    assert sign(tmp_path, []).written == ()
    publish(publisher, "2027", [KEPT, NEW], b"<rss>2027</rss>")
    sign(tmp_path, [])
    assert parse((tmp_path / "torrents.json").read_bytes()) == [KEPT.model_copy(update=COUNTS), NEW]
    assert (tmp_path / "feed.xml").read_bytes() == b"<rss>2027</rss>"


@pytest.mark.parametrize("lost", [["feed.xml"], ["torrents.json"], ["feed.xml", "torrents.json"]])
def test_an_interrupted_run_is_mended(tmp_path: Path, lost: list[str]) -> None:
    publisher = unpublished(tmp_path)
    publish(publisher, "2026", [OLD])
    sign(tmp_path, [])
    for name in lost:
        (tmp_path / name).unlink()
    assert sign(tmp_path, []).written == tuple(lost)
    assert parse((tmp_path / "torrents.json").read_bytes()) == [OLD]


@pytest.mark.parametrize("damaged", [b"", b"[{]", b"[{}]", b'[{"format": "tagswarm.torrents/9"}]'])
def test_a_damaged_copy_is_written_anew(tmp_path: Path, damaged: bytes) -> None:
    publisher = unpublished(tmp_path)
    publish(publisher, "2026", [OLD])
    (tmp_path / "torrents.json").write_bytes(damaged)
    events: list[Event] = []
    sign(tmp_path, [], report=events.append)
    assert parse((tmp_path / "torrents.json").read_bytes()) == [OLD]
    assert any(isinstance(event, Notice) and "torrents.json: " in event.message for event in events)


def test_a_release_without_torrents_has_no_copies(tmp_path: Path) -> None:
    small(tmp_path)
    assert list(copies(tmp_path, published.read_root(tmp_path, "2026")[0], silent)) == []
    assert sign(tmp_path, []).written == ("latest.json",)


def test_a_list_that_is_not_the_one_of_the_root_is_refused(tmp_path: Path) -> None:
    publisher = unpublished(tmp_path)
    root = publish(publisher, "2026", [OLD])
    publisher.write("releases/2026/torrents.json", render([KEPT]))
    with pytest.raises(DigestMismatch):
        list(copies(tmp_path, root, silent))


def test_days_are_followed_back_as_far_as_the_releases_are_here(tmp_path: Path) -> None:
    def root(year: int, paths: list[str]) -> Root:
        found = publisher.release(str(year))
        torrents = [Object(path=path, size=1, sha256="0" * 64) for path in paths]
        volumes = [found.volumes[0].model_copy(update={"torrent": torrent}) for torrent in torrents]
        return rewrite(publisher, found.model_copy(update={"volumes": volumes}))

    publisher = unpublished(tmp_path)
    root(2026, ["a"])
    root(2027, ["a", "b"])
    newest = root(2028, ["b", "c"])
    assert added_before(tmp_path, newest) == {"a": date(2026, 3, 1), "b": date(2027, 3, 1), "c": date(2028, 3, 1)}
    (tmp_path / "releases/2026/release.json").unlink()
    assert added_before(tmp_path, newest) == {"a": date(2027, 3, 1), "b": date(2027, 3, 1), "c": date(2028, 3, 1)}
    assert added_before(tmp_path, None) == {}


def test_counts_are_taken_by_infohash() -> None:
    known = KEPT.model_copy(update={**COUNTS, "url": "elsewhere"})
    assert counted([OLD, KEPT], {KEPT.btih: known}) == [OLD, KEPT.model_copy(update=COUNTS)]
    assert torrentlist.parse(render(counted([KEPT], {KEPT.btih: known})))[0].seeders == 9
