"""One test a trap of the metadata of boorus: each of these broke somebody's script."""

from __future__ import annotations

import json
import locale
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from tagswarm.manifests.records import (
    Alias,
    ArtistCommentary,
    Category,
    Comment,
    Implication,
    Note,
    Pool,
    RatingScheme,
    Tag,
    User,
)

MD5 = "9a0f9e0f08907d12b7d08e46047ae4d8"
LEGACY = {"id": "7", "rating": "s", "tags": [{"id": "1", "name": "1girl", "category": "0"}]}
EXPORT = {"id": 7, "rating": "g", "tag_string": "1girl solo", "tag_string_general": "1girl solo"}


def rows(*values: dict[str, Any]) -> str:
    return "".join(json.dumps(value) + "\n" for value in values)


# Danbooru2017-2020


def test_legacy_numbers_are_texts(read: Any, samples: Path) -> None:
    post = read("danbooru_legacy", samples / "danbooru2017-2020_legacy.jsonl").posts[0]
    assert (post.id, post.score, post.width, post.height, post.file_size) == (263162, 1, 797, 794, 110256)
    assert (post.uploader_id, post.approver_id) == (65792, 1309)


def test_legacy_sentinels_are_no_values(read: Any, samples: Path) -> None:
    post = read("danbooru_legacy", samples / "danbooru2017-2020_legacy.jsonl").posts[0]
    assert (post.parent_id, post.pixiv_id) == (None, None)
    assert (post.last_commented_at, post.last_noted_at, post.source) == (None, None, None)
    assert post.created_at == datetime(2008, 6, 10, 3, 8, 7, 342050, tzinfo=UTC)


@pytest.mark.parametrize(
    ("written", "microsecond"),
    [("07 UTC", 0), ("07.3 UTC", 300000), ("07.34 UTC", 340000), ("07.34205 UTC", 342050), ("07.342051 UTC", 342051)],
)
def test_legacy_times_have_none_to_six_digits_of_a_second(read: Any, written: str, microsecond: int) -> None:
    (post,) = read("danbooru_legacy", rows({**LEGACY, "created_at": f"2008-06-10 03:08:{written}"})).posts
    assert post.created_at == datetime(2008, 6, 10, 3, 8, 7, microsecond, tzinfo=UTC)


def test_legacy_record_may_lack_keys(read: Any, samples: Path) -> None:
    reading = read("danbooru_legacy", samples / "danbooru2017-2020_legacy.jsonl")
    assert reading.rejects == []
    assert (reading.posts[1].md5, reading.posts[1].created_at, reading.posts[1].is_deleted) == (None, None, None)
    assert len(reading.posts[1].tags) == 17


def test_legacy_pools_are_flattened_ids_then_kinds(read: Any) -> None:
    one = {**LEGACY, "pools": ["10152", "4162", "series", "collection"]}
    reading = read("danbooru_legacy", rows(one, {**LEGACY, "id": "5", "pools": ["4162", "collection"]}))
    assert reading.of(Pool) == [
        Pool(site="danbooru", id=4162, category="collection", post_ids=(5, 7)),
        Pool(site="danbooru", id=10152, category="series", post_ids=(7,)),
    ]


@pytest.mark.parametrize("pools", [["1", "2", "series"], ["series", "1"], [1], "1"])
def test_legacy_pools_that_are_neither_are_rejected(read: Any, pools: object) -> None:
    reading = read("danbooru_legacy", rows({**LEGACY, "pools": pools}))
    assert reading.reasons == ["bad-value"]
    assert reading.of(Pool) == []


def test_legacy_duplicate_tag_entries_are_counted(read: Any) -> None:
    entry = {"id": "535673", "name": "solo", "category": "0"}
    (post,) = read("danbooru_legacy", rows({**LEGACY, "id": "931532", "tags": [entry, *LEGACY["tags"], entry]})).posts
    assert post.tags == ("1girl", "solo")
    assert post.duplicate_tags == 1


def test_legacy_favourites_are_counted_and_not_kept(read: Any) -> None:
    (post,) = read("danbooru_legacy", rows({**LEGACY, "favs": ["15115", "159766"]})).posts
    assert post.fav_count == 2
    assert post.extra is None


def test_legacy_categories_come_with_the_tags(read: Any, samples: Path) -> None:
    tags = {tag.name: tag for tag in read("danbooru_legacy", samples / "danbooru2017-2020_legacy.jsonl").of(Tag)}
    assert tags["kakinouchi_narumi"].category is Category.ARTIST
    assert tags["vampire_princess_miyu"].category is Category.COPYRIGHT
    assert tags["artist_request"].category is Category.META
    assert tags["solo"].claimed_count is None


# Danbooru 2021 and later


def test_export_row_without_id_is_counted_and_costs_itself_only(read: Any) -> None:
    reading = read("danbooru_export", rows({"rating": "q", "tag_string": "secret"}, EXPORT))
    assert reading.reasons == ["no-id"]
    assert (reading.rejects[0].line, reading.rejects[0].source) == (1, "posts.json")
    assert "id" in reading.rejects[0].detail
    assert [post.id for post in reading.posts] == [7]


def test_export_category_told_by_a_rejected_row_is_told_again_by_a_good_one(read: Any) -> None:
    bad = {key: value for key, value in EXPORT.items() if key != "id"}
    assert {tag.name for tag in read("danbooru_export", rows(bad, EXPORT)).of(Tag)} == {"1girl", "solo"}


def test_export_null_columns_may_be_absent(read: Any) -> None:
    (post,) = read("danbooru_export", rows(EXPORT)).posts
    assert (post.md5, post.parent_id, post.is_deleted, post.has_embedded_notes) == (None, None, None, None)


def test_export_numbers_of_64_bits_may_be_texts(read: Any) -> None:
    (post,) = read("danbooru_export", rows({**EXPORT, "id": "9", "file_size": "4320312"})).posts
    assert (post.id, post.file_size) == (9, 4320312)


def test_export_times_have_an_offset_or_none(read: Any) -> None:
    written = {"created_at": "2023-10-26T08:20:14.250-04:00", "updated_at": "2021-12-31 23:59:59 UTC"}
    (post,) = read("danbooru_export", rows({**EXPORT, **written})).posts
    assert post.created_at == datetime(2023, 10, 26, 12, 20, 14, 250000, tzinfo=UTC)
    assert post.updated_at == datetime(2021, 12, 31, 23, 59, 59, tzinfo=UTC)


def test_export_down_score_is_negative_whatever_its_sign(read: Any) -> None:
    posts = read("danbooru_export", rows({**EXPORT, "down_score": -3}, {**EXPORT, "id": 8, "down_score": 3})).posts
    assert [post.down_score for post in posts] == [-3, -3]


def test_export_bit_zero_of_the_flags_means_embedded_notes(read: Any) -> None:
    posts = read("danbooru_export", rows({**EXPORT, "bit_flags": 1}, {**EXPORT, "id": 8, "bit_flags": 6})).posts
    assert [post.has_embedded_notes for post in posts] == [True, False]
    assert [post.extra for post in posts] == [None, '{"bit_flags":6}']


def test_export_aliases_and_implications_are_told_by_the_name_of_the_file(read: Any) -> None:
    row = rows({"id": 1, "antecedent_name": "a", "consequent_name": "b", "status": "deleted"})
    (alias,) = read("danbooru_export", row, name="dump/tag_aliases000000000000.json").records
    (implication,) = read("danbooru_export", row, name="tag_implications.json").records
    assert alias == Alias(site="danbooru", antecedent="a", consequent="b", status="deleted")
    assert isinstance(implication, Implication)
    assert read("danbooru_export", row, name="dump.json").reasons == ["unknown-table"]


def test_export_pools_keep_their_order(read: Any) -> None:
    row = {"id": 3, "name": "a_pool", "post_ids": [9, 2, 5], "category": "series", "is_deleted": False}
    (pool,) = read("danbooru_export", rows(row), name="pools.json").records
    assert pool.post_ids == (9, 2, 5)
    assert (pool.name, pool.category, pool.is_deleted) == ("a_pool", "series", False)


def test_export_tables_without_a_record_are_named_and_not_rejected(read: Any) -> None:
    reading = read("danbooru_export", rows({"id": 1, "name": "x"}), name="artists000000000000.json")
    assert reading.records == []
    assert reading.ignored == ["artists000000000000.json"]


@pytest.mark.parametrize(
    ("table", "row", "record"),
    [
        (
            "notes",
            {"id": 1, "post_id": 2, "body": " x ", "is_active": False, "x": -3, "width": "40", "version": 2},
            Note(site="danbooru", id=1, post_id=2, body="x", is_active=False, x=-3, width=40),
        ),
        (
            "comments",
            {"id": "5", "post_id": 2, "creator_id": 9, "body": "x", "score": -1, "is_deleted": True},
            Comment(site="danbooru", id=5, post_id=2, creator_id=9, body="x", score=-1, is_deleted=True),
        ),
        (
            "artist_commentaries",
            {"id": 1, "post_id": 2, "original_title": "\u7d75", "translated_description": ""},
            ArtistCommentary(site="danbooru", id=1, post_id=2, original_title="\u7d75"),
        ),
        ("users", {"id": 7, "name": "some_one", "level": 20}, User(site="danbooru", id=7, name="some_one")),
    ],
)
def test_export_tables_beside_the_posts_are_told_by_their_names(read: Any, table: str, row: Any, record: Any) -> None:
    assert read("danbooru_export", rows(row), name=f"{table}000000000000.json").records == [record]
    assert read("danbooru_export", rows({**row, "id": None}), name=f"{table}000000000000.json").reasons == ["no-id"]


def test_other_formats_leave_the_tables_beside_the_posts_alone(read: Any) -> None:
    assert read("e621_export", "id,post_id\n1,2\n", name="notes-2024-01-01.csv").ignored == ["notes-2024-01-01.csv"]


def test_export_unknown_keys_are_kept(read: Any) -> None:
    (post,) = read(
        "danbooru_export", rows({**EXPORT, "zebra": [1, {"b": 2, "a": 1}], "new_key": "x", "none": None})
    ).posts
    assert post.extra == '{"new_key":"x","zebra":[1,{"a":1,"b":2}]}'


def test_export_tags_come_from_the_categories_where_there_is_no_tag_string(read: Any) -> None:
    row = {"id": 7, "rating": "g", "tag_string_general": "solo 1girl", "tag_string_artist": "zun"}
    assert read("danbooru_export", rows(row)).posts[0].tags == ("1girl", "solo", "zun")


def test_export_tag_string_wins_over_the_categories(read: Any) -> None:
    (post,) = read("danbooru_export", rows({**EXPORT, "tag_string": "solo bow 1girl bow"})).posts
    assert post.tags == ("1girl", "bow", "solo")
    assert post.duplicate_tags == 1


def test_export_tags_are_in_nfc(read: Any) -> None:
    (post,) = read("danbooru_export", rows({**EXPORT, "tag_string": "poke\u0301mon"})).posts
    assert post.tags == ("pok\u00e9mon",)


def test_export_md5_is_a_claim_in_lower_case(read: Any) -> None:
    reading = read("danbooru_export", rows({**EXPORT, "md5": MD5.upper()}, {**EXPORT, "id": 8, "md5": "no digest"}))
    assert reading.posts[0].md5 == MD5
    assert reading.reasons == ["bad-value"]
    assert "md5" in reading.rejects[0].detail


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("id", -1), ("id", 0), ("id", 1.5), ("id", True), ("id", 2**63), ("id", "seven"), ("score", 2**31), ("image_width", -1),
        ("created_at", "yesterday"), ("created_at", 5), ("created_at", "2008-W01-1"), ("created_at", "2008-13-01"),
        ("created_at", "0001-01-01T00:00:00+10:00"), ("is_deleted", "maybe"), ("is_deleted", [True]), ("source", 5), ("duration", "1e999"),
        ("tag_string", ["a"]), ("file_size", -5), ("source", "x" * 40_000), ("deep", [[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[0]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]),
    ],
)  # fmt: skip
def test_value_of_another_type_rejects_its_row_only(read: Any, key: str, value: object) -> None:
    reading = read("danbooru_export", rows({**EXPORT, key: value}, {**EXPORT, "id": 8}))
    assert reading.reasons in (["bad-value"], ["too-deep"])
    assert [post.id for post in reading.posts] == [8]


# ratings


@pytest.mark.parametrize(
    ("scheme", "written", "read_as"),
    [
        (RatingScheme.SQE_2021, "s", "s"), (RatingScheme.SQE_2021, "safe", "s"), (RatingScheme.SQE_2021, "g", None),
        (RatingScheme.SQE_2021, "general", None), (RatingScheme.SQE_2021, "sensitive", None),
        (RatingScheme.GSQE_2022, "g", "g"), (RatingScheme.GSQE_2022, "sensitive", "s"), (RatingScheme.GSQE_2022, "safe", None),
        (RatingScheme.GELBOORU, "general", "g"), (RatingScheme.GELBOORU, "sensitive", "s"), (RatingScheme.GELBOORU, "safe", "safe"),
        (RatingScheme.GELBOORU, "s", "safe"), (RatingScheme.GELBOORU, "g", None), (RatingScheme.GSQE_2022, "z", None),
        (RatingScheme.GSQE_2022, 5, None),
    ],
)  # fmt: skip
def test_rating_is_read_in_its_scheme_and_never_guessed(
    read: Any, scheme: RatingScheme, written: object, read_as: str | None
) -> None:
    reading = read("danbooru_export", rows({**EXPORT, "rating": written}), scheme=scheme)
    (post,) = reading.posts
    assert (post.rating, post.rating_scheme) == (read_as, scheme)
    assert reading.reasons == ([] if read_as else ["unknown-rating"])


# Gelbooru and safebooru.org


def test_gelbooru_booleans_are_texts(read: Any, samples: Path) -> None:
    assert read("gelbooru", samples / "gelbooru_dapi.json", site="gelbooru").posts[0].has_children is False


def test_gelbooru_names_are_escaped_for_html(read: Any, samples: Path) -> None:
    posts = read("gelbooru", samples / "gelbooru_dapi.json", site="gelbooru").posts
    assert "rubik's_cube" in posts[0].tags
    assert posts[1].source == "http://www.pixiv.net/member_illust.php?mode=medium&illust_id=28700131"


def test_gelbooru_parent_zero_is_none_and_extension_comes_from_the_image(read: Any, samples: Path) -> None:
    posts = read("gelbooru", samples / "gelbooru_dapi.json", site="gelbooru").posts
    assert [post.parent_id for post in posts[:3]] == [None, None, None]
    assert [post.file_ext for post in posts[:3]] == ["jpg", "png", "jpeg"]


def test_gelbooru_times_do_not_depend_on_the_locale(read: Any, samples: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = locale.setlocale(locale.LC_TIME)
    available = [name for name in ("de_DE.UTF-8", "ja_JP.UTF-8", "C.UTF-8", "C") if _can(name)]
    try:
        locale.setlocale(locale.LC_TIME, available[0])
        monkeypatch.setenv("TZ", "Asia/Tokyo")
        post = read("gelbooru", samples / "gelbooru_dapi.json", site="gelbooru").posts[0]
    finally:
        locale.setlocale(locale.LC_TIME, before)
    assert post.created_at == datetime(2013, 7, 20, 11, 5, 33, tzinfo=UTC)
    assert post.updated_at == datetime(2023, 4, 10, 8, 50, 58, tzinfo=UTC)


def _can(name: str) -> bool:
    before = locale.setlocale(locale.LC_TIME)
    try:
        locale.setlocale(locale.LC_TIME, name)
    except locale.Error:
        return False
    locale.setlocale(locale.LC_TIME, before)
    return True


def test_gelbooru_xml_values_carry_white_space(read: Any, samples: Path) -> None:
    post = read("gelbooru_xml", samples / "gelbooru_dapi.xml", site="gelbooru").posts[0]
    assert post.source is not None
    assert post.source.startswith("http://24.media.tumblr.com/")
    assert "commission" in post.tags
    assert not any(tag != tag.strip() for tag in post.tags)


def test_safebooru_xml_has_empty_scores_and_parents(read: Any, samples: Path) -> None:
    post = read("gelbooru_xml", samples / "safebooru_dapi.xml", site="safebooru", scheme=RatingScheme.SQE_2021).posts[0]
    assert (post.score, post.parent_id, post.rating) == (None, None, "s")
    assert post.id == 4401125


def test_safebooru_json_has_hash_and_ghost_rows(read: Any) -> None:
    ghost = {
        "directory": "1", "hash": None, "height": 0, "id": 5, "image": None, "tags": None, "score": None, "rating": "safe",
        "file_url": "https://safebooru.org/images//",
    }  # fmt: skip
    good = {**ghost, "id": 6, "hash": MD5, "image": MD5 + ".png", "tags": "1girl", "file_url": "https://x/y.png"}
    reading = read("gelbooru", json.dumps([ghost, good]), site="safebooru", scheme=RatingScheme.SQE_2021)
    assert reading.reasons == ["ghost-row"]
    (post,) = reading.posts
    assert (post.id, post.md5, post.created_at, post.score, post.rating) == (6, MD5, None, None, "s")


# Moebooru


def test_moebooru_times_are_seconds_and_deleted_rows_have_no_address(read: Any) -> None:
    row = {
        "id": 1,
        "tags": "a b",
        "created_at": 1686855123,
        "rating": "s",
        "width": None,
        "height": None,
        "status": "deleted",
    }
    (post,) = read("moebooru", json.dumps([row]), site="yandere").posts
    assert post.created_at == datetime(2023, 6, 15, 18, 52, 3, tzinfo=UTC)
    assert (post.width, post.height, post.file_ext, post.is_deleted) == (None, None, None, True)


def test_moebooru_extension_comes_from_the_address_where_the_site_does_not_tell(read: Any, samples: Path) -> None:
    assert {post.file_ext for post in read("moebooru", samples / "moebooru.json", site="konachan").posts} <= {
        "png",
        "jpg",
    }


@pytest.mark.parametrize(("site", "kind"), [("konachan", Category.STYLE), ("yandere", Category.CIRCLE)])
def test_moebooru_categories_above_four_differ_by_site(read: Any, site: str, kind: Category) -> None:
    row = {"id": 1, "name": "x", "count": 3, "type": 5, "ambiguous": False}
    assert read("moebooru", json.dumps([row]), site=site).of(Tag)[0].category is kind


# e621


POSTS_HEADER = (
    "id,uploader_id,created_at,md5,source,rating,image_width,image_height,tag_string,change_seq,is_deleted,down_score\n"
)


def test_e621_sources_are_lines_inside_a_field(read: Any) -> None:
    text = (
        POSTS_HEADER
        + f'5,1,2007-02-10 03:24:06.1,{MD5},"https://a\nhttps://b ""q""",s,10,20,a b,9,f,-2\n6,1,,,,q,1,1,c,1,t,\n'
    )
    reading = read("e621_export", text, name="posts-2023-08-01.csv", site="e621")
    assert reading.rejects == []
    one, two = reading.posts
    assert one.source == 'https://a\nhttps://b "q"'
    assert one.created_at == datetime(2007, 2, 10, 3, 24, 6, 100000, tzinfo=UTC)
    assert (one.is_deleted, two.is_deleted, one.down_score) == (False, True, -2)
    assert one.extra == '{"change_seq":"9"}'
    assert [line for line, record in reading.located if record in reading.posts] == [2, 4]


def test_e621_stray_quote_costs_its_own_row_only(read: Any) -> None:
    good = [f"{number},1,,,,s,1,1,tag{number},1,f,\n" for number in range(1, 7)]
    bad = '2,1,,,"https://a,s,1,1,x,1,f,\n'
    also_bad = '5,1,,,https://b",s,1,1,x,1,f,\n'
    reading = read("e621_export", POSTS_HEADER + good[0] + bad + good[2] + good[3] + also_bad + good[5], site="e621")
    assert [post.id for post in reading.posts] == [1, 3, 4, 6]
    assert [(reject.line, reject.reason) for reject in reading.rejects] == [
        (3, "unbalanced-quote"),
        (6, "unbalanced-quote"),
    ]


def test_e621_categories_have_their_own_numbers(read: Any) -> None:
    text = "id,name,category,post_count\n1,wolf,5,100\n2,hi_res,7,3\n3,someone,2,1\n4,old,6,0\n5,story,8,1\n"
    kinds = [tag.category.word for tag in read("e621_export", text, name="tags.csv", site="e621").of(Tag)]
    assert kinds == ["species", "meta", "contributor", "invalid", "lore"]


def test_e621_pools_are_in_braces(read: Any) -> None:
    text = 'id,name,created_at,updated_at,creator_id,description,is_active,category,post_ids\n4,p,,,1,"a\nb",t,series,"{3,1,2}"\n'
    (pool,) = read("e621_export", text, name="pools.csv", site="e621").of(Pool)
    assert (pool.post_ids, pool.description) == ((3, 1, 2), "a\nb")


def test_e621_api_is_nested(read: Any, samples: Path) -> None:
    reading = read("e621_api", samples / "e621_api.json", site="e621")
    post = reading.posts[0]
    assert (post.width, post.file_ext, post.score) == (2127, "png", 1)
    assert post.source is not None
    assert post.source.split("\n")[1:] == [
        "https://www.furaffinity.net/view/38293642/",
        "https://www.deviantart.com/zenfry/art/855671501",
    ]
    assert {tag.name: tag.category for tag in reading.of(Tag)}["dragon"] is Category.SPECIES


# Kaggle


def test_kaggle_digest_is_in_the_address_only(read: Any) -> None:
    header = "id,created_at,rating,score,sample_url,sample_width,sample_height,preview_url,tags\n"
    one = f"1,1264804440,s,0,//safebooru.org/images/1/{MD5}.jpg,800,600,//x,1girl solo\n"
    two = f"2,1264804440,s,,//safebooru.org/images/1/{MD5}abcdef01.jpg,8,6,//x,solo\n"
    first, second = read("safebooru_kaggle", header + one + two, site="safebooru").posts
    assert (first.md5, first.width, first.file_ext) == (MD5, None, None)
    assert first.created_at == datetime(2010, 1, 29, 22, 34, tzinfo=UTC)
    assert second.md5 is None  # named by a SHA-1


# BOORU CHARS


@pytest.mark.parametrize("file", ["BC_posts.tsv", "BC_posts_readme_order.tsv"])
def test_booru_chars_is_read_by_header(read: Any, data: Path, file: str) -> None:
    reading = read("booru_chars", data / file, name=file)
    assert reading.rejects == []
    one, two, three = reading.posts
    assert (one.site, one.id, one.width, one.height, one.file_size) == ("danbooru", 3010101, 1400, 2000, 1203344)
    assert one.tags == ("1girl", "bow", "hakurei_reimu", "highres", "solo", "touhou", "zun")
    assert one.created_at == datetime(2018, 1, 31, tzinfo=UTC)
    assert (two.width, two.height, two.file_size) == (800, 600, 111)  # POST_* where it says something else
    assert two.md5 == "4a8a08f09d37b73795649038408b5f33"
    assert (three.site, three.id, three.extra) == ("sankaku", 77, '{"frame":2}')
    assert '"torr_path":"2018-7x10/M01"' in (one.extra or "")


def test_booru_chars_tags_tell_categories_once(read: Any, data: Path) -> None:
    tags = read("booru_chars", data / "BC_tags.tsv", name="BC_tags.tsv").of(Tag)
    assert [(tag.site, tag.name, tag.category.word) for tag in tags] == [
        ("danbooru", "hakurei_reimu", "character"), ("danbooru", "bow", "general"), ("sankaku", "strange", "unknown"),
    ]  # fmt: skip


def test_booru_chars_text_may_be_cp1251_and_has_no_quoting(read: Any) -> None:
    text = 'BOORU\tFID\tRATING\tTAGS_GEN\nX\t1\ts\t"кот solo\nX\t2\ts\n'.encode("cp1251") + b"X\t3\ts\t\x98\n"
    reading = read("booru_chars", text, name="BC_posts.tsv")
    assert reading.posts[0].tags == ('"кот', "solo")
    assert reading.reasons == ["bad-columns", "not-text"]


# tables of tags


def test_tag_names_hold_quotes_commas_and_colons(read: Any) -> None:
    text = '"don\'t_say_""lazy""",3,35,"a,/lh,:d"\nid:foo,0,1,\n'
    reading = read("tagcomplete", text, name="danbooru.csv")
    assert [tag.name for tag in reading.of(Tag)] == ['don\'t_say_"lazy"', "id:foo"]
    assert [alias.antecedent for alias in reading.of(Alias)] == ["a", "/lh", ":d"]


def test_non_ascii_older_tags_are_accepted(read: Any) -> None:
    (post,) = read("danbooru_export", rows({**EXPORT, "tag_string": "pokémon_champion"})).posts
    assert post.tags == ("pokémon_champion",)
