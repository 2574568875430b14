"""torrents.json has the shape that readers of other archives' lists know, and comes back as it was written."""

from __future__ import annotations

import json
from datetime import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tagswarm.manifests.errors import FormatError, InvalidDocument, LimitExceeded, UnsupportedVersion
from tagswarm.manifests.torrentlist import LIST_LIMIT, TorrentRow, parse, render
from tests.rows import row

NOON = datetime.fromisoformat("2026-11-20T12:00:00")

ANNAS_ARCHIVE = {
    "url": str,
    "top_level_group_name": str,
    "group_name": str,
    "display_name": str,
    "added_to_torrents_list_at": str,
    "is_metadata": bool,
    "btih": str,
    "magnet_link": str,
    "torrent_size": int,
    "num_files": int,
    "data_size": int,
    "obsolete": bool,
    "embargo": bool,
    "seeders": int,
    "leechers": int,
    "completed": int,
    "stats_scraped_at": str,
    "partially_broken": bool,
}
"""Keys and types of the list that others read, of a torrent whose peers were counted."""


def test_a_list_is_an_array_of_one_line_a_torrent() -> None:
    rows = [row("512px-2026-0000"), row("512px-2026-0000", compat=True), row("original-2026-0000")]
    data = render(rows)
    assert data.count(b"\n") == len(rows) + 2
    assert [found["volume"] for found in json.loads(data)] == [found.volume for found in rows]
    assert render([]) == b"[]\n"


def test_keys_and_types_are_those_of_other_archives() -> None:
    counted = row("512px-2026-0000", seeders=9, leechers=1, completed=158, stats_scraped_at=NOON)
    (found,) = json.loads(render([counted]))
    assert {key: type(found[key]) for key in ANNAS_ARCHIVE} == ANNAS_ARCHIVE
    assert [key for key in found if key in ANNAS_ARCHIVE] == list(ANNAS_ARCHIVE)
    assert (found["added_to_torrents_list_at"], found["stats_scraped_at"]) == ("2026-11-20", "2026-11-20T12:00:00")


def test_what_is_unknown_is_null() -> None:
    (found,) = json.loads(render([row("512px-2026-0000", compat=True)]))
    assert {key for key, value in found.items() if value is None} == {
        "seeders",
        "leechers",
        "completed",
        "stats_scraped_at",
        "btih_v2",
    }


@given(
    st.lists(
        st.builds(
            row,
            st.sampled_from(["512px-2026-0000", "original-2027-0012"]),
            revision=st.integers(1, 3),
            compat=st.booleans(),
            seeders=st.none() | st.integers(0, 100),
            stats_scraped_at=st.none() | st.datetimes(),
            url=st.text(st.characters(exclude_categories=["Cs"])),
        )
    )
)
def test_a_list_comes_back(rows: list[TorrentRow]) -> None:
    assert parse(render(rows)) == rows


@pytest.mark.parametrize(
    ("change", "error", "said"),
    [
        ({"format": "tagswarm.torrents/2"}, UnsupportedVersion, "newer"),
        ({"format": "tagswarm.volume/1"}, UnsupportedVersion, "tagswarm.torrents/1 was expected"),
        ({"format": 7}, InvalidDocument, "no format"),
        ({"btih": "x"}, InvalidDocument, "0.btih"),
        ({"btih": "A" * 40}, InvalidDocument, "0.btih"),
        ({"seeders": -1}, InvalidDocument, "0.seeders"),
        ({"seeders": "9"}, InvalidDocument, "0.seeders"),
        ({"stats_scraped_at": "yesterday"}, InvalidDocument, "0.stats_scraped_at"),
        ({"aa_currently_seeding": True}, InvalidDocument, "0.aa_currently_seeding"),
    ],
)
def test_a_row_that_is_none(change: dict[str, object], error: type[FormatError], said: str) -> None:
    (found,) = json.loads(render([row("512px-2026-0000")]))
    with pytest.raises(error, match=said):
        parse(json.dumps([{**found, **change}]).encode())


@pytest.mark.parametrize(
    ("data", "error"),
    [
        (b"", InvalidDocument),
        (b"{}", InvalidDocument),
        (b"[1]", InvalidDocument),
        (b"[[]]", InvalidDocument),
        (b"[" * 100, LimitExceeded),
        (b" " * (LIST_LIMIT + 1), LimitExceeded),
    ],
)
def test_what_is_no_list(data: bytes, error: type[FormatError]) -> None:
    with pytest.raises(error):
        parse(data)
