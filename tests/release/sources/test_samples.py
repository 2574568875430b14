"""Every real record that is at hand is recognised and read, whole."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from tagswarm.manifests.errors import ConfigInvalid
from tagswarm.manifests.records import Category, Tag
from tagswarm.release.sources import detect, documents

FIXTURES = "boorusphere_fixtures/"

Sample = tuple[str, str, str | None, int | None, int | None]

SAMPLES: list[Sample] = [
    # file, format, site told, posts, tags with a claimed count
    ("danbooru2017-2020_legacy.jsonl", "danbooru_legacy", None, 2, 0),
    ("danbooru_api_2023.json", "danbooru_api", "danbooru", 1, 0),
    (FIXTURES + "danbooru_posts.json", "danbooru_api", "danbooru", None, 0),
    (FIXTURES + "danbooru_tags.json", "danbooru_api", None, 0, None),
    ("e621_api.json", "e621_api", None, None, 0),
    (FIXTURES + "e621_posts.json", "e621_api", None, None, 0),
    (FIXTURES + "e621_tags.json", "e621_api", None, 0, None),
    ("gelbooru_dapi.json", "gelbooru", "gelbooru", 5, 0),
    ("gelbooru_dapi.xml", "gelbooru_xml", "gelbooru", 5, 0),
    (FIXTURES + "gelbooru_tags.json", "gelbooru", None, 0, 20),
    (FIXTURES + "gelbooru_tags.xml", "gelbooru_xml", None, 0, 20),
    ("moebooru.json", "moebooru", "konachan", None, 0),
    (FIXTURES + "konachan_tags.json", "moebooru", None, 0, None),
    ("safebooru_dapi.xml", "gelbooru_xml", "safebooru", None, 0),
    (FIXTURES + "safebooru_tags.xml", "gelbooru_xml", None, 0, None),
]


@pytest.mark.parametrize("sample", SAMPLES, ids=[entry[0] for entry in SAMPLES])
def test_real_sample_is_recognised_and_read_whole(read: Any, samples: Path, sample: Sample) -> None:
    file, format_name, site, posts, tags = sample
    path = samples / file
    (sighting,) = [detect(document) for document in documents(path, file)]
    assert sighting is not None
    assert (sighting.format, sighting.site) == (format_name, site)
    reading = read(format_name, path, name=file, site=site or "danbooru")
    assert reading.rejects == []
    counted = [tag for tag in reading.of(Tag) if tag.claimed_count is not None]
    assert len(reading.posts) == (posts if posts is not None else _rows(path))
    assert len(counted) == (tags if tags is not None else _rows(path))
    for post in reading.posts:
        assert post.tags == tuple(sorted(set(post.tags)))
        assert post.rating is not None
        assert post.width


def _rows(path: Path) -> int:
    """Rows counted without the reader: each has one id at the shallowest level that has any."""
    text = path.read_text()
    if path.suffix == ".xml":
        return len(re.findall(r"<(?:post|tag)\s", text))
    found = re.findall(r'^( *)"id":', text, re.MULTILINE)
    return sum(len(indent) == min(map(len, found)) for indent in found)


def test_unknown_sample_is_refused_with_what_was_seen(samples: Path) -> None:
    with pytest.raises(ConfigInvalid, match="keys limit, offset, query, results, total"):
        [detect(document) for document in documents(samples / FIXTURES / "szurubooru_posts.json", "posts.json")]


def test_danbooru_api_record_in_full(read: Any, samples: Path) -> None:
    reading = read("danbooru_api", samples / "danbooru_api_2023.json")
    (post,) = reading.posts
    assert post.id == 6814120
    assert post.created_at == datetime(2023, 10, 26, 12, 20, 14, 250000, tzinfo=UTC)
    assert (post.rating, post.rating_scheme) == ("s", "gsqe-2022")
    assert (post.width, post.height, post.file_ext, post.file_size) == (4586, 3758, "jpg", 4320312)
    assert (post.score, post.up_score, post.down_score, post.fav_count) == (16, 16, 0, 13)
    assert (post.pixiv_id, post.parent_id, post.approver_id) == (112868915, None, None)
    assert post.has_embedded_notes is False
    assert len(post.tags) == 47
    assert post.duplicate_tags == 0
    assert post.duration is None
    assert '"pixel_hash":"1e09de6748794e2fb1138a4a30ec905a"' in (post.extra or "")
    assert "variants" not in (post.extra or "")
    categories = {tag.name: tag.category for tag in reading.of(Tag)}
    assert categories["amiya_(arknights)"] is Category.CHARACTER
    assert categories["ganet_p"] is Category.ARTIST
    assert categories["highres"] is Category.META
    assert len(categories) == 47


def test_gelbooru_json_and_xml_say_the_same(read: Any, samples: Path) -> None:
    from_json = read("gelbooru", samples / "gelbooru_dapi.json", site="gelbooru").posts
    from_xml = read("gelbooru_xml", samples / "gelbooru_dapi.xml", site="gelbooru").posts
    assert from_json
    for one, other in zip(from_json, from_xml, strict=True):
        for field in (
            "id",
            "created_at",
            "updated_at",
            "rating",
            "md5",
            "source",
            "width",
            "height",
            "tags",
            "file_ext",
        ):
            assert getattr(one, field) == getattr(other, field), field


def test_tag_table_of_tag_completion_in_full(read: Any, shared: Path) -> None:
    reading = read("tagcomplete", shared / "data" / "tags" / "danbooru.csv", name="danbooru.csv")
    assert reading.rejects == []
    tags = reading.of(Tag)
    assert len(tags) == 140_782
    assert sum(tag.claimed_count for tag in tags) == 297_161_992
    aliases = [record for record in reading.records if not isinstance(record, Tag)]
    assert ("/lh", "long_hair") in {(alias.antecedent, alias.consequent) for alias in aliases}


def test_implication_table_of_e621_in_full(read: Any, shared: Path) -> None:
    reading = read("e621_export", shared / "data" / "tags" / "e621_tag_implications.csv", "e621_tag_implications.csv")
    assert reading.rejects == []
    assert len(reading.records) == 59_023
    assert sum(record.status == "active" for record in reading.records) == 53_454
