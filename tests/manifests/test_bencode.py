from __future__ import annotations

from typing import Any

import libtorrent
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tagswarm.manifests import bencode
from tagswarm.manifests.bencode import Reader, Value
from tagswarm.manifests.errors import FormatError, InvalidDocument, LimitExceeded

INTEGERS = st.integers(-(1 << 63), (1 << 63) - 1)
VALUES: st.SearchStrategy[Any] = st.recursive(
    INTEGERS | st.binary(max_size=12),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.binary(max_size=6), inner, max_size=4),
    max_leaves=20,
)

GOLDEN: list[tuple[Value, bytes]] = [
    (0, b"i0e"),
    (-3, b"i-3e"),
    ((1 << 63) - 1, b"i9223372036854775807e"),
    (-(1 << 63), b"i-9223372036854775808e"),
    (b"", b"0:"),
    (b"spam", b"4:spam"),
    ([], b"le"),
    ([b"spam", 42], b"l4:spami42ee"),
    ({}, b"de"),
    ({b"spam": [b"a", b"b"], b"cow": b"moo"}, b"d3:cow3:moo4:spaml1:a1:bee"),
    ({b"": {b"": b""}}, b"d0:d0:0:ee"),
    ({b"b": 1, b"\xff": 2, b"B": 3}, b"d1:Bi3e1:bi1e1:\xffi2ee"),
]


@pytest.mark.parametrize(("value", "data"), GOLDEN)
def test_values_are_written_and_read_in_one_way(value: Value, data: bytes) -> None:
    assert bencode.encode(value) == data
    assert bencode.decode(data) == value


@given(VALUES)
def test_what_is_written_is_read_again(value: Value) -> None:
    assert bencode.decode(bencode.encode(value)) == value


@given(st.dictionaries(st.binary(max_size=6), VALUES, max_size=4))
def test_libtorrent_writes_the_same(value: Any) -> None:
    assert libtorrent.bencode(value) == bencode.encode(value)


@given(
    st.binary(max_size=40) | VALUES.map(bencode.encode).flatmap(lambda data: st.sampled_from([data[:-1], data + b"e"]))
)
def test_what_is_read_is_written_the_same_or_is_refused(data: bytes) -> None:
    try:
        value = bencode.decode(data)
    except FormatError:
        return
    assert len(bencode.encode(value)) == len(data)


REFUSED = [
    (b"", "byte 0: the document ends early"),
    (b"i", "byte 1: the document ends early"),
    (b"i1", "byte 2: the document ends early"),
    (b"ie", "byte 0: an integer that is none"),
    (b"i-e", "byte 0: an integer that is none"),
    (b"i+1e", "byte 0: an integer that is none"),
    (b"i 1e", "byte 0: an integer that is none"),
    (b"i1_0e", "byte 0: an integer that is none"),
    (b"i-0e", "minus before zero"),
    (b"i00e", "leading zeros"),
    (b"i01e", "leading zeros"),
    (b"i-01e", "leading zeros"),
    (b"i9223372036854775808e", "more than 64 bits"),
    (b"i-9223372036854775809e", "more than 64 bits"),
    (b"i" + b"9" * 5_000 + b"e", "more than 64 bits"),
    (b"1", "byte 1: the document ends early"),
    (b"1:", "a string of 1 bytes where 0 are left"),
    (b"5:spam", "a string of 5 bytes where 4 are left"),
    (b"04:spam", "leading zeros"),
    (b"00:", "leading zeros"),
    (b"-1:a", "byte 0: a value was expected, - was found"),
    (b"4spam", "byte 0: a string was expected"),
    (b"9999999999999999999:a", "a string of 9999999999999999999 bytes where 1 are left"),
    (b"99999999999999999999999999:a", "byte 0: a string was expected"),
    (b"l", "byte 1: the document ends early"),
    (b"l4:spam", "byte 7: the document ends early"),
    (b"d", "byte 1: the document ends early"),
    (b"d1:a", "byte 4: the document ends early"),
    (b"d1:ae", "the key a has no value"),
    (b"d1:ai1e1:ai2ee", "byte 7: the key a is there twice"),
    (b"d1:bi1e1:ai2e1:bi3ee", "byte 13: the key b is there twice"),
    (b"di1ei2ee", "byte 1: a key was expected, i was found"),
    (b"dlei2ee", "byte 1: a key was expected, l was found"),
    (b"e", "byte 0: a value was expected, e was found"),
    (b"x", "byte 0: a value was expected, x was found"),
    (b"\x1b", r"byte 0: a value was expected, \x1b was found"),
    (b"i1ei2e", "byte 3: bytes follow the end"),
    (b"i1e\n", "byte 3: bytes follow the end"),
]


@pytest.mark.parametrize(("data", "message"), REFUSED)
def test_what_is_no_bencoding_is_refused_with_the_byte(data: bytes, message: str) -> None:
    with pytest.raises(FormatError) as caught:
        bencode.decode(data)
    assert message in caught.value.message


def test_bytes_depth_and_parts_are_limited() -> None:
    assert bencode.decode(b"l" * 99 + b"e" * 99)
    with pytest.raises(LimitExceeded, match="byte 99: nested deeper"):
        bencode.decode(b"l" * 100 + b"e" * 100)
    with pytest.raises(LimitExceeded, match="byte 3: nested deeper"):
        bencode.decode(b"d0:d0:lee", depth=1)
    assert bencode.decode(b"l0:0:e", tokens=4, limit=6) == [b"", b""]
    with pytest.raises(LimitExceeded, match="more parts"):
        bencode.decode(b"l0:0:e", tokens=3)
    with pytest.raises(LimitExceeded, match="6 bytes long, 5 are allowed"):
        bencode.decode(b"l0:0:e", limit=5)


@pytest.mark.parametrize("depth", [98, 99, 100])
def test_the_depth_is_that_of_libtorrent(depth: int) -> None:
    info = b"d6:lengthi1e4:name1:n12:piece lengthi16384e6:pieces20:" + bytes(20) + b"e"
    data = b"d4:info" + info + b"1:x" + b"l" * (depth - 1) + b"e" * (depth - 1) + b"e"
    if depth <= bencode.DEPTH:
        assert libtorrent.load_torrent_buffer(data).ti is not None
        assert bencode.decode(data)
        return
    with pytest.raises(LimitExceeded):
        bencode.decode(data)
    with pytest.raises(RuntimeError, match="nesting depth"):
        libtorrent.load_torrent_buffer(data)


def test_keys_out_of_order_are_read_and_told() -> None:
    reader = Reader(b"d1:bi1e1:ai2ee")
    assert reader.value() == {b"b": 1, b"a": 2}
    assert reader.unsorted == 7
    walked = Reader(b"d1:bi1e1:ad1:yi1e1:xi2eee")
    assert [(key, walked.value()) for key in walked.fields()] == [(b"b", 1), (b"a", {b"y": 1, b"x": 2})]
    assert walked.unsorted == 7
    ordered = Reader(b"d1:ai1e1:bi2ee")
    assert [(key, ordered.value()) for key in ordered.fields(ordered=True)] == [(b"a", 1), (b"b", 2)]
    assert ordered.unsorted is None
    refused = Reader(b"d1:bi1e1:ai2ee")
    with pytest.raises(InvalidDocument, match="byte 7: the key a is out of order"):
        [(key, refused.value()) for key in refused.fields(ordered=True)]


def test_a_document_is_walked_through() -> None:
    data = b"d4:infod6:lengthi3ee4:listl1:ai7eee"
    reader = Reader(data)
    spans: dict[bytes, bytes] = {}
    for key in reader.fields():
        start = reader.at
        if key == b"list":
            assert [(number, reader.string() if not number else reader.integer()) for number in reader.items()] == [
                (0, b"a"),
                (1, 7),
            ]
        else:
            reader.value()
        spans[key] = data[start : reader.at]
    reader.finish()
    assert spans == {b"info": b"d6:lengthi3ee", b"list": b"l1:ai7ee"}


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"le", "byte 0: a dictionary was expected, l was found"),
        (b"d1:a", "byte 4: the document ends early"),
        (b"d1:ai1e1:ai2ee", "byte 7: the key a is there twice"),
        (b"d1:bi1e1:ai2e1:bi3ee", "byte 13: the key b is there twice"),
        (b"di1ei1ee", "byte 1: a string was expected, i was found"),
        (b"d1:ai1e", "byte 7: the document ends early"),
    ],
)
def test_what_is_no_dictionary_is_refused_on_the_way(data: bytes, message: str) -> None:
    reader = Reader(data)
    with pytest.raises(InvalidDocument) as caught:
        [(key, reader.value()) for key in reader.fields()]
    assert message in caught.value.message


def test_the_limits_hold_on_the_way() -> None:
    reader = Reader(b"d1:ad1:bleee", depth=2)
    with pytest.raises(LimitExceeded, match="byte 8: nested deeper"):
        [[reader.value() for _ in reader.fields()] for _ in reader.fields()]
    reader = Reader(b"l" + b"0:" * 10 + b"e", tokens=5)
    with pytest.raises(LimitExceeded, match="byte 9: more parts"):
        [reader.string() for _ in reader.items()]
    reader = Reader(b"d1:a0:1:b0:e")
    with pytest.raises(LimitExceeded, match="byte 6: more parts"):
        [reader.value() for _ in reader.fields(most=1)]
    reader = Reader(b"ll0:0:0:ee")
    with pytest.raises(LimitExceeded, match="more parts"):
        [reader.value(tokens=3) for _ in reader.items()]


@pytest.mark.parametrize("data", [b"d", b"l", b"3:abc", b""])
def test_an_integer_is_one(data: bytes) -> None:
    with pytest.raises(InvalidDocument):
        Reader(data).integer()
