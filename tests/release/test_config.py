"""release.toml: what it may say, and that each mistake is named with its key."""

from __future__ import annotations

import contextlib
import copy
import tomllib
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tagswarm.manifests.errors import ConfigInvalid
from tagswarm.release import config

TEXT = """
format = "tagswarm.config/1"
[dataset]
id = "00112233445566778899aabbccddeeff"
name = "danbooru"
[release]
name = "2026"
issued = 2026-11-20
[[sources]]
site = "danbooru"
metadata = ["metadata/*.json"]
[[renditions]]
name = "512px"
ratings = ["g"]
"""

KEY = "RWQf6LRCGA9i53mlYecO4IzT51TGPpvWucNSCh1CBM0QTaLn73Y7GFO3"


def table() -> dict[str, Any]:
    return copy.deepcopy(tomllib.loads(TEXT))


def test_a_small_file_is_enough() -> None:
    read = config.parse(table())
    assert read.source_of("512px").site == "danbooru"
    assert read.volumes_of("original").piece_length == 1 << 20
    assert read.volumes_of("512px").piece_length == 1 << 16
    assert read.renditions[0].recipe().width == 512


@pytest.mark.parametrize(
    ("where", "value", "said"),
    [
        (("format",), "tagswarm.config/2", "format"),
        (("dataset", "id"), "short", "dataset.id"),
        (("dataset", "name"), "../up", "dataset.name"),
        (("dataset", "colour"), "red", "dataset.colour"),
        (("release", "name"), "2026/../2027", "release.name"),
        (("release", "name"), "", "release.name"),
        (("renditions", 0, "query"), "solo", "not both"),
        (("release", "issued"), "soon", "release.issued"),
        (("sources", 0, "metadata"), [], "sources.0.metadata"),
        (("sources", 0, "format"), "danbooru5000", "danbooru5000"),
        (("sources", 0, "rating_scheme"), "xyz", "sources.0.rating_scheme"),
        (("sources", 0, "originals"), "../etc", "one folder"),
        (("sources", 0, "originals"), "releases", "folder of the release"),
        (("sources",), [], "sources"),
        (("renditions", 0), {"name": "original", "preset": "512px"}, "named twice"),
        (("renditions", 0, "name"), "700px", "no preset"),
        (("renditions", 0, "from"), "512px", "no source has"),
        (("renditions", 0, "preset"), "1px", "no preset"),
        (("renditions", 0, "transform"), {"mode": "stretch"}, "mode"),
        (("renditions", 0, "transform"), {"mode": "fit", "width": 1, "colour": 1}, "colour"),
        (("renditions", 0, "volumes"), {"piece_length": 1000}, "power of two"),
        (("renditions", 0, "volumes"), {"strategy": "aspect-year"}, "layout"),
        (("renditions", 0, "volumes"), {"max_files": 0}, "max_files"),
        (("renditions", 0, "naming"), "booru-chars", "archives"),
        (("release", "name"), "con", "device"),
        (("release", "name"), "2026.", "ends in a dot"),
        (("release", "issued"), "2026-11-20", "release.issued"),
        (("release", "issued"), date.max, "release.issued"),
        (("release", "publish_raw"), 1, "release.publish_raw"),
        (("dataset", "title"), "two\nlines", "dataset.title"),
        (("dataset", "title"), "\x1b[2J", "dataset.title"),
        (("sources", 0, "originals"), "con", "device"),
        (("sources", 0, "volumes"), {"max_files": True}, "max_files"),
        (("sources", 0, "volumes"), {"max_files": "5"}, "max_files"),
        (("renditions", 0, "ratings"), [], "ratings"),
        (("renditions", 0, "ratings"), ["g", "explicit"], "ratings.1"),
        (("waivers",), [{"finding": "truncated", "reason": ""}], "waivers.0.reason"),
        (("waivers",), [{"finding": "truncated", "reason": "a\nb, c"}], "waivers.0.reason"),
        (("waivers",), [{"finding": "truncated", "reason": "why", "site": "danboru"}], "danboru"),
        (("signing",), {"threshold": 2}, "threshold"),
        (("signing",), {"keys": [KEY, KEY], "threshold": 2}, "threshold"),
        (("signing",), {"threshold": 2, "keys": []}, "threshold"),
        (("signing",), {"keys": ["RWx"]}, "signing.keys.0"),
        (("sources", 0, "ratingscheme"), "gsqe-2022", "sources.0.ratingscheme: .*did you mean rating_scheme"),
        (("waivers",), [{"finding": "truncated"}], "waivers.0.reason: is missing"),
        (("waivers",), [{"finding": "truncated", "reason": ""}], "waivers.0.reason: must have a length of at least 3"),
        (("release", "issued"), "2026-11-20", "release.issued: must be a date"),
        (("dataset", "name"), "con", "dataset.name: .*device"),
        (("torrents",), {"tracker": []}, "torrents.tracker: .*did you mean trackers"),
        (("torrents",), {"trackers": "udp://a.example:1"}, "torrents.trackers"),
        (("torrents",), {"trackers": ["wss://a.example/"]}, r"torrents.trackers.0: .*udp:// or https:// or http://"),
        (("torrents",), {"trackers": ["http:///announce"]}, "and a host"),
        (("torrents",), {"trackers": ["udp://a.example/announce"]}, "no port"),
        (("torrents",), {"trackers": ["udp://a.example:99999"]}, r"torrents.trackers.0: [Pp]ort"),
        (("torrents",), {"trackers": ["http://[::1/announce"]}, "torrents.trackers.0"),
        (("torrents",), {"trackers": ["https://me:secret@a.example/announce"]}, "a user"),
        (("torrents",), {"trackers": ["https://a.example/an nounce"]}, "percent-encode"),
        (("torrents",), {"trackers": ["https://ü.example/"]}, "percent-encode"),
        (("torrents",), {"trackers": ["https://a.example/\n"]}, "percent-encode"),
        (("torrents",), {"trackers": ["https://a.example/" + "a" * 500]}, "torrents.trackers.0"),
        (("torrents",), {"trackers": ["udp://a.example:1"] * 2}, "is there twice"),
        (("torrents",), {"trackers": [f"https://{n}.example/{'a' * 400}" for n in range(9)]}, "3000 characters"),
        (("torrents",), {"web_seeds": ["https://a.example/files/"]}, "last folder of .* is not 'danbooru'"),
        (("torrents",), {"web_seeds": ["https://danbooru/"]}, "last folder of .* is not 'danbooru'"),
        (("torrents",), {"web_seeds": ["https://danbooru"]}, "last folder of .* is not 'danbooru'"),
        (("torrents",), {"web_seeds": ["udp://a.example:80/danbooru/"]}, "https://"),
        (("torrents",), {"web_seeds": ["https://a.example/?dir=/danbooru/"]}, "a query"),
        (("torrents",), {"compat": True}, "torrents.compat"),
        (("torrents",), {"compat": ["1280px"]}, "there is no tree '1280px'; there is original, 512px"),
    ],
)
def test_each_mistake_is_named_with_its_key(where: tuple[str | int, ...], value: object, said: str) -> None:
    changed = table()
    inner: Any = changed
    for key in where[:-1]:
        inner = inner[key]
    inner[where[-1]] = value
    with pytest.raises(ConfigInvalid, match=said) as refused:
        config.parse(changed, "release.toml")
    assert str(refused.value).startswith("release.toml: ")
    assert refused.value.hint


def test_a_torrent_gets_the_folder_above_the_dataset_for_a_web_seed() -> None:
    changed = table()
    seeds = ["https://a.example/danbooru", "http://b.example:8080/mirrors/danbooru/"]
    changed["torrents"] = {"web_seeds": seeds, "trackers": ["udp://a.example:6969/announce"], "compat": ["512px"]}
    read = config.parse(changed).torrents
    assert read.web_seeds == ["https://a.example/danbooru/", seeds[1]]
    assert read.parents() == ("https://a.example/", "http://b.example:8080/mirrors/")
    assert read.compat == ["512px"]
    changed["torrents"]["compat"] = False
    assert config.parse(changed).torrents.compat == []


def test_a_site_may_have_sources_of_several_formats_but_one_tree() -> None:
    several = table()
    several["sources"].append({"site": "danbooru", "format": "tagcomplete", "metadata": ["tags.csv"]})
    assert [source.site for source in config.parse(several).sites()] == ["danbooru"]
    several["sources"][1]["originals"] = "other"
    with pytest.raises(ConfigInvalid, match="different originals"):
        config.parse(several)


def test_a_missing_file_says_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(ConfigInvalid, match="no such file") as refused:
        config.load(tmp_path)
    assert "release init" in refused.value.hint


@pytest.mark.parametrize("data", [b"format = ", b"\xff\xfe", b"[dataset]\n[dataset]\n"])
def test_what_is_not_toml_is_said_so(tmp_path: Path, data: bytes) -> None:
    (tmp_path / config.FILE).write_bytes(data)
    with pytest.raises(ConfigInvalid, match="is not TOML"):
        config.load(tmp_path)


def test_what_is_nested_too_deep_is_said_so(tmp_path: Path) -> None:
    (tmp_path / config.FILE).write_text("a = " + "[" * 9000 + "]" * 9000)
    with pytest.raises(ConfigInvalid, match="too deep"):
        config.load(tmp_path)


def test_a_byte_order_mark_does_no_harm(tmp_path: Path) -> None:
    (tmp_path / config.FILE).write_text(TEXT, encoding="utf-8-sig")
    assert config.load(tmp_path).release.name == "2026"


_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8) | st.dates(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


@given(
    st.dictionaries(
        st.sampled_from(["dataset", "release", "sources", "renditions", "torrents", "waivers", "signing", "x"]), _VALUES
    )
)
def test_nothing_but_our_error_leaves(values: dict[str, object]) -> None:
    with contextlib.suppress(ConfigInvalid):
        config.parse({**table(), **values})


@pytest.mark.parametrize("query", ["(", "a or", 'source:"x', "a" * 1001, "a\nb"])
def test_a_query_that_cannot_be_read_is_refused(query: str) -> None:
    changed = table()
    del changed["renditions"][0]["ratings"]
    changed["renditions"][0]["query"] = "solo"
    assert config.parse(changed).renditions[0].query == "solo"
    changed["renditions"][0]["query"] = query
    with pytest.raises(ConfigInvalid, match=r"renditions\.0\.query"):
        config.parse(changed)
