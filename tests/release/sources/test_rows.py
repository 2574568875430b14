"""Rows out of JSON, tables and XML: a malformed one costs itself only."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tagswarm.release.sources import stream

A, B, C = ({"id": n, "rating": "g", "tag_string": f"t{n}"} for n in (1, 2, 3))


def ids(reading: Any) -> list[int]:
    return [post.id for post in reading.posts]


@pytest.mark.parametrize(
    "text",
    [
        "\n".join(map(json.dumps, (A, B, C))),
        "\r\n\n".join(map(json.dumps, (A, B, C))) + "\r\n",
        "\ufeff" + "\n".join(map(json.dumps, (A, B, C))),
        json.dumps([A, B, C]),
        json.dumps([A, B, C], indent=2),
        "\ufeff" + json.dumps([A, B, C]),
        json.dumps({"posts": [A, B, C]}),
        json.dumps({"posts": [A, B, C]}, indent=4),
        json.dumps({"@attributes": {"limit": 3}, "post": [A, B, C]}, indent=1),
        "".join(json.dumps(row, indent=2) for row in (A, B, C)),
        "[\n" + ",\n".join(map(json.dumps, (A, B, C))) + "\n]\n",
    ],
)
def test_json_of_every_arrangement_is_read(read: Any, text: str) -> None:
    reading = read("danbooru_export", text)
    assert (ids(reading), reading.rejects) == ([1, 2, 3], [])


def test_single_object_over_several_lines_is_one_post(read: Any) -> None:
    assert ids(read("danbooru_export", json.dumps(A, indent=1))) == [1]


def test_list_is_read_in_the_memory_of_one_element(read: Any) -> None:
    rows = [{**A, "id": n, "source": "é" * 3_000} for n in range(1, 200)]
    assert ids(read("danbooru_export", json.dumps(rows, ensure_ascii=False))) == list(range(1, 200))


MALFORMED = [
    ('{"id": 2, "rating": "g",}', "not-json"),
    ('{"id": 2, "id": 3, "rating": "g"}', "duplicate-key"),
    ('{"id": 2, "rating": "g", "x": {"a": 1, "a": 2}}', "duplicate-key"),
    ('{"id": 2, "rating": "g", "score": NaN}', "not-json"),
    ('{"id": 2, "rating": "g", "score": -Infinity}', "not-json"),
    ('{"id": 2, "rating": "g", "score": ' + "9" * 5_000 + "}", "not-json"),
    ('{"id": 2, "rating": "g", "x": ' + "[" * 3_000 + "]" * 3_000 + "}", "too-deep"),
    ('{"id": 2, "rating": "g", "source": "\\ud800"}', "bad-unicode"),
    ('{"id": 2, "rating": "g", "source": "\\x"}', "not-json"),
    ('{"id": 2, "rating" "g"}', "not-json"),
    ("[1, 2]", "not-an-object"),
    ("null", "not-an-object"),
    ("17", "not-an-object"),
    ('"text"', "not-an-object"),
]


@pytest.mark.parametrize(
    ("text", "reason"), MALFORMED, ids=[f"{reason}-{n}" for n, (_, reason) in enumerate(MALFORMED)]
)
def test_malformed_json_costs_itself_only(read: Any, text: str, reason: str) -> None:
    for arranged in (
        f"{json.dumps(A)}\n{text}\n{json.dumps(C)}\n",
        f"[{json.dumps(A)},\n{text},\n{json.dumps(C)}]",
    ):
        reading = read("danbooru_export", arranged)
        assert ids(reading) == [1, 3]
        assert [(reject.line, reject.reason) for reject in reading.rejects] == [(2, reason)]
        assert reading.rejects[0].text.startswith(text[:100])


def test_malformed_first_line_does_not_hide_the_arrangement(read: Any) -> None:
    for first in ('{"id": 2, "rating": "g"', "{]", "nonsense", '{"id": 9,'):
        reading = read("danbooru_export", f"{first}\n{json.dumps(A)}\n{json.dumps(B)}\n")
        assert (ids(reading), reading.reasons) == ([1, 2], ["not-json"])


@pytest.mark.parametrize("arranged", ["%s\n%s\n%s\n", "[%s,\n%s,\n%s]"])
def test_bytes_that_are_no_utf8_cost_their_row_only(read: Any, arranged: str) -> None:
    rows = [json.dumps(row) for row in (A, {**B, "source": "MARK"}, C)]
    reading = read("danbooru_export", (arranged % tuple(rows)).encode().replace(b"MARK", b"\xff\xfe"))
    assert (ids(reading), reading.reasons) == ([1, 3], ["not-text"])


def test_utf16_is_not_guessed(read: Any) -> None:
    reading = read("danbooru_export", json.dumps(A).encode("utf-16-le") + b"\n\0")
    assert reading.posts == []
    assert set(reading.reasons) <= {"not-json", "not-text"}


def test_pairs_of_surrogates_are_one_character(read: Any) -> None:
    (post,) = read("danbooru_export", json.dumps({**A, "source": "\U0001f600"})).posts
    assert post.source == "\U0001f600"


@pytest.mark.parametrize("cut", [1, 20, 60])
def test_list_that_is_not_closed_is_named(read: Any, cut: int) -> None:
    reading = read("danbooru_export", json.dumps([A, B, C])[:-cut])
    assert 1 <= len(ids(reading)) <= 3
    assert reading.reasons == ["not-json"]


def test_what_follows_a_list_is_named(read: Any) -> None:
    reading = read("danbooru_export", json.dumps([A, B]) + json.dumps(C))
    assert (ids(reading), reading.reasons) == ([1, 2], ["not-json"])


def test_element_without_an_end_is_refused(read: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tagswarm.release.sources.json_rows.LIMITS", stream.Limits(row=1 << 17))
    reading = read("danbooru_export", f'[{json.dumps(A)}, {{"id": 2, "x": "' + "y" * (1 << 20))
    assert (ids(reading), reading.reasons) == ([1], ["line-too-long"])


def test_escaped_quotes_without_an_end_take_linear_time(read: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tagswarm.release.sources.json_rows.LIMITS", stream.Limits(row=1 << 19))
    reading = read("danbooru_export", '[{"x": "' + '\\"' * (1 << 19))
    assert reading.reasons == ["line-too-long"]


HEADER = "id,rating,tag_string,change_seq\n"


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ("2,s,a", "bad-columns"),
        ("2,s,a,1,5", "bad-columns"),
        ('2,s,"a"x,1', "not-csv"),
        ('2,s,"a', "unbalanced-quote"),
        ("2,s,\xff,1", "not-text"),
    ],
)
def test_malformed_row_of_a_table_costs_itself_only(read: Any, row: str, reason: str) -> None:
    text = (HEADER + f"1,s,a,1\n{row}\n3,s,b,1\n").encode("latin-1")
    reading = read("e621_export", text, site="e621")
    assert (ids(reading), reading.reasons) == ([1, 3], [reason])
    assert reading.rejects[0].line == 3


def test_table_whose_header_names_a_column_twice_is_refused(read: Any) -> None:
    assert read("e621_export", "id,id\n1,2\n").reasons[0] == "bad-header"
    assert read("booru_chars", "BOORU\tFID\tFID\nx\t1\t2\n").reasons == ["bad-header"]


def test_xml_with_a_document_type_is_refused(read: Any) -> None:
    entities = (
        '<!DOCTYPE posts [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]><posts><post id="1" rating="s" tags="&b;"/></posts>'
    )
    assert read("gelbooru_xml", entities).reasons == ["not-xml"]


def test_xml_that_breaks_off_keeps_what_came_before(read: Any) -> None:
    reading = read("gelbooru_xml", '<posts>\n<post id="1" rating="safe" tags="a"/>\n<post id="2" ')
    assert (ids(reading), reading.reasons) == ([1], ["not-xml"])
    assert reading.rejects[0].line == 3


def test_xml_element_that_says_a_thing_twice_costs_itself_only(read: Any) -> None:
    twice = (
        '<posts><post id="1" tags="a"><id>2</id></post><post><id>3</id><tags>b</tags></post><comment id="4"/></posts>'
    )
    reading = read("gelbooru_xml", twice)
    assert (ids(reading), reading.reasons) == ([3], ["duplicate-key", "unknown-table"])


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("<posts><post>" + "<a>" * 50, "too-deep"),
        ('<?xml version="1.0" encoding="no-such"?><posts/>', "not-xml"),
        ("<posts><post id='1' tags='\x01'/></posts>", "not-xml"),
    ],
)
def test_hostile_xml_is_refused(read: Any, text: str, reason: str) -> None:
    assert read("gelbooru_xml", text).reasons == [reason]


def test_xml_element_without_an_end_is_refused(read: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tagswarm.release.sources.xml_rows.LIMITS", stream.Limits(row=1 << 17))
    reading = read("gelbooru_xml", '<posts><post id="1" tags="' + "a " * (1 << 18))
    assert reading.reasons == ["line-too-long"]
