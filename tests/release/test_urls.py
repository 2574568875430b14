"""URLs that are published in torrents: what passes is read by every client, and what is refused is named."""

from __future__ import annotations

import pytest

from tagswarm.release import urls

TRACKERS = [
    "udp://tracker.example.org:6969/announce",
    "udp://[2001:db8::1]:6969",
    "https://tracker.example.net/announce?key=%2Ba&x=1",
    "http://192.0.2.1:80/announce.php",
]

WRONG = [
    ("udp://tracker.example.org/announce", "names no port"),
    ("udp://tracker.example.org:0/announce", "names no port"),
    ("http://tracker.example.org:/announce", "names no port"),
    ("udp://tracker.example.org:99999/announce", "Port"),
    ("udp://[2001:db8::1", "IPv6"),
    ("http://[fe80::1%eth0]/announce", "characters"),
    ("wss://tracker.example.org/announce", "does not begin"),
    ("HTTP://tracker.example.org/announce", "does not begin"),
    ("http:///announce", "does not begin"),
    ("http://me:secret@tracker.example.org/announce", "a user or a fragment"),
    ("http://me@tracker.example.org/announce", "a user or a fragment"),
    ("http://tracker.example.org/announce#here", "a user or a fragment"),
    ("http://tracker.example.org/announce#", "a user or a fragment"),
    ("http://tracker.example.org/%zz", "characters"),
    ("http://tracker.example.org/\\announce", "characters"),
    ('http://tracker.example.org/<b>"', "characters"),
    ("http://tracker.example.org/a b", "characters"),
    ("http://tracker.example.org/\nannounce", "characters"),
    ("http://tracker.example.org/ä", "characters"),
]


@pytest.mark.parametrize("url", TRACKERS)
def test_a_tracker_stays_as_it_was_given(url: str) -> None:
    assert urls.tracker(url) == url


@pytest.mark.parametrize(("url", "why"), WRONG)
def test_what_some_client_does_not_read_is_no_tracker(url: str, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        urls.tracker(url)


@pytest.mark.parametrize(
    ("url", "seed", "folder", "parent"),
    [
        ("https://example.org/danbooru", "https://example.org/danbooru/", "danbooru", "https://example.org/"),
        ("http://example.org/a%20b/danbooru//", "http://example.org/a%20b/danbooru/", "danbooru", None),
        ("http://example.org", "http://example.org/", "", None),
    ],
)
def test_a_web_seed_ends_with_one_slash(url: str, seed: str, folder: str, parent: str | None) -> None:
    assert urls.web_seed(url) == seed
    assert urls.folder(seed) == folder
    assert parent is None or urls.parent(seed) == parent


@pytest.mark.parametrize("url", [url for url, _ in WRONG] + ["http://example.org/?x=1", "udp://example.org:1/danbooru"])
def test_what_no_path_can_follow_is_no_web_seed(url: str) -> None:
    with pytest.raises(ValueError, match=r"\S"):
        urls.web_seed(url)
