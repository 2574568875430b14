"""Offers that a person lets us use, whatever their order; words that mean none of them are refused."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tagswarm.manifests.errors import NoSource, PlanError
from tagswarm.mirror.offers import MANNERS, Kind, Offer, allowed

LOCAL = Offer(kind="local", address="/mnt/danbooru")
HTTP = Offer(kind="http", address="https://host/danbooru")
OTHER = Offer(kind="http", address="https://other/danbooru")
TORRENT = Offer(kind="torrent", address="torrent")
ALL = (LOCAL, OTHER, HTTP, TORRENT)


@given(st.permutations(ALL))
def test_the_nearest_kind_comes_first_then_the_address(offers: list[Offer]) -> None:
    assert allowed(offers) == (LOCAL, HTTP, OTHER, TORRENT)
    assert allowed([*offers, HTTP, LOCAL]) == (LOCAL, HTTP, OTHER, TORRENT)


def test_words_are_kinds_or_addresses() -> None:
    assert allowed(ALL, transports=["http"]) == (HTTP, OTHER)
    assert allowed(ALL, transports=["http", "torrent"], forbid=[OTHER.address]) == (HTTP, TORRENT)
    assert allowed(ALL, transports=[TORRENT.address]) == (TORRENT,)
    assert allowed(ALL, forbid=["s3"], prefer=["rsync"]) == (LOCAL, HTTP, OTHER, TORRENT)


@pytest.mark.parametrize("option", ["transports", "forbid", "prefer"])
def test_an_unknown_word_is_refused(option: str) -> None:
    with pytest.raises(PlanError, match=r"ht\\x1btp is no transport and no source") as caught:
        allowed(ALL, **{option: ["http", "ht\x1btp"]})
    assert "rsync" in caught.value.hint


def test_none_left_is_said_with_what_there_is() -> None:
    with pytest.raises(NoSource, match="none of the sources may be used: there is local, http, torrent"):
        allowed(ALL, transports=["s3"])
    with pytest.raises(NoSource, match="none of the sources may be used: there is http"):
        allowed([HTTP], forbid=["http"])
    with pytest.raises(NoSource, match="no source is known"):
        allowed([])


def test_an_address_is_of_one_offer() -> None:
    with pytest.raises(PlanError, match="named twice"):
        allowed([HTTP, Offer(kind="http", address=HTTP.address, rate=1e6)])


@pytest.mark.parametrize("rate", [0, 0.5, -1, math.inf, math.nan])
def test_a_rate_is_a_number_of_bytes(rate: float) -> None:
    with pytest.raises(PlanError, match="is no rate"):
        Offer(kind="http", address="https://host", rate=rate)


@pytest.mark.parametrize("seconds", [-0.1, math.inf, math.nan])
def test_seconds_of_a_request_are_a_number(seconds: float) -> None:
    with pytest.raises(PlanError, match="is no seconds of a request"):
        Offer(kind="http", address="https://host", request_seconds=seconds)


def test_a_limit_slows_the_line_and_no_disk() -> None:
    assert HTTP.seconds_a_byte(0) == pytest.approx(1 / MANNERS["http"].rate)
    assert HTTP.seconds_a_byte(1e3) == 1e-3
    assert HTTP.seconds_a_byte(1e12) == HTTP.seconds_a_byte(0)
    assert LOCAL.seconds_a_byte(1e3) == LOCAL.seconds_a_byte(0)


@pytest.mark.parametrize(
    ("kind", "address", "host"),
    [
        ("http", "https://Host:8443/danbooru", "host"),
        ("rsync", "rsync://host/danbooru", "host"),
        ("rsync", "host::danbooru", "host"),
        ("http", "http://[::1]:8080/", "[::1]"),
        ("s3", "s3://bucket/danbooru", "bucket"),
        ("local", "/mnt/host/danbooru", "/mnt/host/danbooru"),
        ("torrent", "torrent", "torrent"),
        ("http", "", ""),
    ],
)
def test_whose_line_a_source_uses(kind: Kind, address: str, host: str) -> None:
    assert Offer(kind=kind, address=address).host == host
