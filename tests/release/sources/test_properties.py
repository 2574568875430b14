"""Whatever the bytes are, a reader answers with records and rejects, and loses no row."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tagswarm.manifests.errors import ConfigInvalid
from tagswarm.manifests.records import Post, Reject
from tagswarm.release.sources import FORMATS, detect, documents

SEEDS = {
    "danbooru_legacy": b'{"id":"7","rating":"s","created_at":"2008-06-10 03:08:07.3 UTC","tags":[{"id":"1","name":"1girl",'
    b'"category":"0"}],"pools":["1","series"],"favs":["1"]}\n{"id":"8","tags":[]}\n',
    "danbooru_export": b'{"id":7,"rating":"g","tag_string":"1girl \xc3\xa9","bit_flags":1,"x":{"y":[1.5,null]}}\n'
    b'{"id":8,"name":"a","post_ids":[1,2]}\n{"name":"b","category":1,"post_count":5}\n',
    "danbooru_api": b'[{"id":7,"rating":"s","tag_string":"solo","media_asset":{"md5":null,"variants":[{}]}},{"id":8}]',
    "gelbooru": b'{"@attributes":{"count":1},"post":[{"id":1,"created_at":"Sat Jul 20 06:05:33 -0500 2013","image":"a.jpg",'
    b'"rating":"safe","tags":"a &#039;b","parent_id":0}]}',
    "gelbooru_xml": b'<?xml version="1.0"?><posts count="1"><post id="1" rating="s" tags=" a b"/><post><id>2</id><tags>c</tags></post></posts>',
    "moebooru": b'[{"id":1,"tags":"a b","created_at":1686855123,"rating":"s"},{"id":2,"name":"x","count":1,"type":5}]',
    "e621_export": b'id,created_at,source,rating,tag_string,change_seq\n1,2007-02-10 03:24:06,"a\nb",s,x y,5\n2,,,q,,\n',
    "e621_api": b'{"posts":[{"id":1,"file":{"width":1},"score":{"up":1},"tags":{"general":["a"],"lore":[]},"pools":[3]}]}',
    "safebooru_kaggle": b"id,created_at,rating,score,sample_url,sample_width,sample_height,preview_url,tags\n1,1264804440,s,0,,,,,a\n",
    "booru_chars": b"BOORU\tFID\tRATING\tPOST_DT\tORIG_ISIZE\tTAGS_GEN\nDanbooru\t5_001\ts\t2018-01-31\t1x2\t\xea\xee\xf2\n",
    "tagcomplete": b'1girl,0,6008644,"1girls,sole_female"\nhighres,5,5256195,"high_res"\n',
}


@st.composite
def mutated(draw: st.DrawFn, seed: bytes) -> bytes:
    """A few bytes replaced, inserted, removed or repeated."""
    data = bytearray(seed)
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, len(data)))
        end = min(len(data), at + draw(st.integers(0, 12)))
        piece = draw(
            st.one_of(
                st.binary(max_size=6),
                st.sampled_from(
                    [b'"', b"\n", b"\\ud800", b"{", b"]", b"1e999", b"-1", b"\0", b"\t", b",", b"<", b"&", b"9" * 30]
                ),
                st.just(bytes(data[at:end]) * 2),
            )
        )
        data[at:end] = piece
    return bytes(data)


@pytest.mark.parametrize("name", sorted(FORMATS))
def test_every_format_has_a_seed_that_reads(read: Any, name: str) -> None:
    reading = read(name, SEEDS[name])
    assert reading.records
    assert {reject.reason for reject in reading.rejects} <= {"unknown-rating", "unknown-table"}


@pytest.mark.parametrize("name", sorted(FORMATS))
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_no_bytes_stop_a_reader(read: Any, name: str, data: st.DataObject) -> None:
    reading = read(name, data.draw(mutated(SEEDS[name])))
    for record in reading.records:
        if isinstance(record, Reject):
            assert len(record.text) <= 2_000
            assert record.reason
            json.dumps([record.text, record.detail], ensure_ascii=False).encode()
        if isinstance(record, Post):
            assert record.id > 0
            assert record.rating is None or record.rating in record.rating_scheme.ratings
            "".join((*record.tags, record.source or "", record.extra or "")).encode()


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.one_of(st.binary(max_size=300), st.sampled_from(sorted(SEEDS.values())).flatmap(mutated)))
def test_no_bytes_stop_the_recognition(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "dump"
    path.write_bytes(data)
    for document in documents(path, "dump"):
        with contextlib.suppress(ConfigInvalid):
            sighting = detect(document)
            assert sighting is None or sighting.format in FORMATS


ROW = st.fixed_dictionaries(
    {"rating": st.sampled_from(["g", "s", "q", "e", "x", None, 5])},
    optional={
        "id": st.one_of(st.integers(-5, 20), st.none(), st.text(max_size=3), st.just(2**70)),
        "score": st.one_of(st.integers(), st.text(max_size=3), st.booleans()),
        "tag_string": st.one_of(st.text("ab \u00e9\u3000", max_size=12), st.integers()),
        "created_at": st.one_of(st.datetimes().map(str), st.text(max_size=12)),
        "md5": st.text("0aF", min_size=31, max_size=33),
    },
)  # fmt: skip


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=st.lists(ROW, max_size=6), as_list=st.booleans())
def test_every_row_is_a_post_or_a_reject_and_its_neighbours_do_not_matter(
    read: Any, rows: list[dict[str, Any]], as_list: bool
) -> None:
    text = json.dumps(rows, indent=1) if as_list else "".join(json.dumps(row) + "\n" for row in rows)
    together = read("danbooru_export", text)
    alone = [read("danbooru_export", json.dumps(row) + "\n") for row in rows]
    assert together.posts == [post for reading in alone for post in reading.posts]
    assert together.reasons == [reason for reading in alone for reason in reading.reasons]
    for reading in alone:
        assert len(reading.posts) + sum(reason != "unknown-rating" for reason in reading.reasons) == 1
