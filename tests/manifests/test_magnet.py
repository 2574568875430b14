from __future__ import annotations

from urllib.parse import parse_qsl, urlsplit

import libtorrent
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tagswarm.manifests import infodict, torrentfile
from tagswarm.manifests.digest import digest_bytes
from tagswarm.manifests.infodict import Hashed, Made
from tagswarm.manifests.magnet import magnet
from tagswarm.manifests.torrentfile import Links, Torrent

PIECE = 16_384
HASHED = [Hashed(path, digest_bytes(data, PIECE)) for path, data in {"a/1": b"x" * 20_000, "a/2": b"y"}.items()]
TEXT = st.text(st.characters(exclude_categories=("Cs", "Cc")), min_size=1)


def read(made: Made, links: Links = Links()) -> Torrent:  # noqa: B008 -- frozen
    return torrentfile.parse(torrentfile.render(made.info, made.layers, links))


HYBRID = infodict.hybrid("n", PIECE, HASHED)


def test_a_link_is_always_the_same() -> None:
    links = Links(trackers=(("http://127.0.0.1/a?b=c&d", "udp://127.0.0.1:1"),), web_seeds=("http://127.0.0.1/ü/",))
    torrent = read(HYBRID, links)
    assert torrent.infohash_v1 is not None
    assert torrent.infohash_v2 is not None
    assert magnet(torrent, display_name="danbooru: 512px & more/2026~1") == (
        f"magnet:?xt=urn:btih:{torrent.infohash_v1}&xt=urn:btmh:1220{torrent.infohash_v2}"
        "&dn=danbooru%3A%20512px%20%26%20more%2F2026~1&xl=20001"
        "&tr=http%3A%2F%2F127.0.0.1%2Fa%3Fb%3Dc%26d&tr=udp%3A%2F%2F127.0.0.1%3A1&ws=http%3A%2F%2F127.0.0.1%2F%C3%BC%2F"
    )


@pytest.mark.parametrize(
    ("made", "kinds"),
    [
        (HYBRID, ["urn:btih", "urn:btmh"]),
        (infodict.v2("n", PIECE, HASHED), ["urn:btmh"]),
        (infodict.v1_canonical("n", PIECE, HASHED), ["urn:btih"]),
    ],
)
def test_libtorrent_reads_the_infohashes(made: Made, kinds: list[str]) -> None:
    link = magnet(read(made), display_name="n")
    assert [value.rpartition(":")[0] for key, value in parse_qsl(urlsplit(link).query) if key == "xt"] == kinds
    found = libtorrent.parse_magnet_uri(link).info_hashes
    assert (found.has_v1(), found.has_v2()) == (made.infohash_v1 is not None, made.infohash_v2 is not None)
    assert made.infohash_v1 in (None, str(found.v1))
    assert made.infohash_v2 in (None, str(found.v2))


@given(TEXT, st.lists(TEXT, max_size=3), st.lists(TEXT, max_size=3))
def test_every_reader_gets_back_what_was_said(name: str, trackers: list[str], web_seeds: list[str]) -> None:
    link = magnet(read(HYBRID), display_name=name, trackers=trackers, web_seeds=web_seeds)
    assert link.isascii()
    assert link.isprintable()
    said = parse_qsl(urlsplit(link).query, strict_parsing=True)
    assert [value for key, value in said if key == "dn"] == [name]
    assert [value for key, value in said if key == "tr"] == trackers
    assert [value for key, value in said if key == "ws"] == web_seeds
    assert libtorrent.parse_magnet_uri(link).name == name


def test_libtorrent_reads_trackers_and_web_seeds() -> None:
    trackers, web_seeds = ["http://127.0.0.1/a?b=c&d=%20", "udp://127.0.0.1:1"], ["http://127.0.0.1/a%20b/"]
    found = libtorrent.parse_magnet_uri(magnet(read(HYBRID), display_name="n", trackers=trackers, web_seeds=web_seeds))
    assert list(found.trackers) == trackers
    assert list(found.url_seeds) == web_seeds


def test_what_is_given_stands_in_place_of_what_the_torrent_says() -> None:
    torrent = read(HYBRID, Links(trackers=(("http://127.0.0.1/old",),), web_seeds=("http://127.0.0.1/old/",)))
    assert "old" in magnet(torrent, display_name="n")
    assert "old" not in magnet(torrent, display_name="n", trackers=[], web_seeds=[])


def test_a_name_that_is_no_text_does_not_hurt() -> None:
    assert "dn=a%3F" in magnet(read(HYBRID), display_name="a\udcff")
