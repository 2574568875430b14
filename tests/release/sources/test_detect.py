"""Which format, which site: told by content, and never guessed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tagswarm.manifests.errors import ConfigInvalid
from tagswarm.manifests.records import RatingScheme
from tagswarm.manifests.tables import SCHEMAS
from tagswarm.release.sources import FORMATS, Sighting, detect, documents


def sight(tmp_path: Path, content: bytes | str, name: str = "dump") -> Sighting | None:
    path = tmp_path / "dump"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    (found,) = [detect(document) for document in documents(path, name)]
    return found


@pytest.mark.parametrize(
    ("content", "name"),
    [
        ('{"id": 1, "tag_string": "a"}\n', "danbooru_export"),
        ('{"id": 1, "tag_string": "a", "media_asset": {}}\n', "danbooru_api"),
        ('[{"id": 1, "tag_string": "a"}]', "danbooru_api"),
        ('{"id": "1", "tags": [{"id": "1", "name": "a", "category": "0"}]}\n', "danbooru_legacy"),
        ('{"rating": "q"}\n{"broken\n{"id": 1, "tag_string": "a"}\n', "danbooru_export"),
        ('{"id": 1, "name": "a", "post_count": 1, "category": 0}\n', "danbooru_export"),
        ('{"id": 1, "antecedent_name": "a", "consequent_name": "b"}\n', "danbooru_export"),
        ('{"id": 1, "name": "a", "post_ids": []}\n', "danbooru_export"),
        ('[{"id": 1, "hash": null, "directory": "1", "image": null, "tags": null}]', "gelbooru"),
        ('[{"id": 1, "tags": "a", "created_at": 5}]', "moebooru"),
        ("id,antecedent_name,consequent_name,created_at,status\n", "e621_export"),
        ("id,name,category,post_count\n", "e621_export"),
        ('1girl,0,6008644,"1girls,sole_female"\n', "tagcomplete"),
        ("FID\tX\tBOORU\n", "booru_chars"),
        ("<posts><post id='1'/></posts>", "gelbooru_xml"),
        ("id,created_at,rating,score,sample_url,sample_width,sample_height,preview_url,tags\n", "safebooru_kaggle"),
    ],
)
def test_format_is_told_by_its_signs(tmp_path: Path, content: str, name: str) -> None:
    found = sight(tmp_path, content)
    assert found is not None
    assert found.format == name


@pytest.mark.parametrize(
    "content", ['{"a": 1}\n', "[]", "{", "a,b,c\n1,2,3\n", "<html><body/></html>", "PK\x03\x04", "\0" * 50, "[1, 2]"]
)
def test_unknown_content_is_refused_with_what_was_seen(tmp_path: Path, content: str) -> None:
    with pytest.raises(ConfigInvalid, match=r"^dump: ") as caught:
        sight(tmp_path, content)
    assert "format" in caught.value.hint


def test_empty_file_and_unread_table_tell_nothing(tmp_path: Path) -> None:
    assert sight(tmp_path, "") is None
    assert sight(tmp_path, '{"id": 1, "body": "x"}\n', name="dump/comments000000000000.json") is None


@pytest.mark.parametrize(
    ("url", "site"),
    [
        ("https://img3.gelbooru.com/a.jpg", "gelbooru"),
        ("https://safebooru.org/a.jpg", "safebooru"),
        ("https://notsafebooru.org/a.jpg", None),
        ("https://files.yande.re/a.jpg", "yandere"),
        ("not a url", None),
    ],
)
def test_site_is_told_by_the_addresses(tmp_path: Path, url: str, site: str | None) -> None:
    row = {"id": 1, "md5": "x", "directory": "1", "image": "a.jpg", "tags": "a", "file_url": url}
    found = sight(tmp_path, json.dumps([row]))
    assert found is not None
    assert found.site == site


def test_formats_say_what_they_hold() -> None:
    for name, entry in FORMATS.items():
        assert entry.name == name
        assert entry.title
        assert set(entry.tables) <= set(SCHEMAS)
    assert FORMATS["danbooru_legacy"].default_scheme is RatingScheme.SQE_2021
    assert FORMATS["danbooru_export"].default_scheme is RatingScheme.GSQE_2022
