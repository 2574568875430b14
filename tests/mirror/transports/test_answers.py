"""What answers of web servers mean."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from yarl import URL

from tagswarm.mirror.transports import answers
from tagswarm.mirror.transports.answers import Refusal

NOW = datetime(2026, 11, 20, 12, 0, 0, tzinfo=UTC)
HEADERS = st.dictionaries(
    st.sampled_from(["Content-Length", "Content-Range", "Content-Encoding", "Retry-After", "ETag", "Last-Modified"]),
    st.one_of(
        st.text(max_size=40),
        st.from_regex(r"bytes [0-9]{1,3}-[0-9]{1,3}/([0-9]{1,3}|\*)", fullmatch=True),
        st.integers(0, 300).map(str),
    ),
)


@pytest.mark.parametrize(
    ("value", "wait"),
    [
        ("120", 120.0),
        ("0", 0.0),
        ("Fri, 20 Nov 2026 12:00:30 GMT", 30.0),
        ("Fri, 20 Nov 2026 11:00:00 GMT", 0.0),
        ("Friday, 20-Nov-26 12:00:30 GMT", 30.0),
        ("", 0.0),
        ("-5", 0.0),
        ("soon", 0.0),
        ("1e9", 0.0),
        ("٣", 0.0),
        ("9" * 400, 0.0),
    ],
)
def test_retry_after_is_a_number_or_a_date(value: str, wait: float) -> None:
    assert answers.retry_after(value, NOW) == wait


@pytest.mark.parametrize(
    ("status", "headers", "part"),
    [
        (206, {"Content-Range": "bytes 10-19/100"}, True),
        (206, {"Content-Range": "bytes 10-19/*", "Content-Length": "10"}, True),
        (200, {"Content-Range": "bytes 10-19/100", "Content-Length": "10"}, True),
        (200, {"Content-Length": "100"}, False),
        (200, {}, False),
        (200, {"Content-Length": "19"}, "cut"),
        (206, {}, "damaged"),
        (206, {"Content-Range": "bytes 10-18/19"}, "cut"),
        (206, {"Content-Range": "bytes 10-20/100"}, "damaged"),
        (206, {"Content-Range": "bytes 11-19/100"}, "damaged"),
        (206, {"Content-Range": "bytes 10-19/100", "Content-Length": "11"}, "damaged"),
        (206, {"Content-Range": "bytes */100"}, "damaged"),
        (206, {"Content-Range": "rows 10-19/100"}, "damaged"),
    ],
)
def test_a_part_is_the_one_that_was_asked_for(status: int, headers: dict[str, str], part: bool | str) -> None:
    if isinstance(part, bool):
        assert answers.check_part(status, headers, 10, 20) is part
        return
    with pytest.raises(Refusal) as refusal:
        answers.check_part(status, headers, 10, 20)
    assert refusal.value.reason == part


@given(st.integers(100, 599), HEADERS, st.integers(0, 200), st.integers(1, 200))
def test_an_answer_passes_or_is_refused_with_a_sentence(
    status: int, headers: dict[str, str], begin: int, size: int
) -> None:
    for check in (
        lambda: answers.check_status(status, headers, NOW),
        lambda: answers.check_whole(status, headers, size),
        lambda: answers.check_part(status, headers, begin, begin + size),
    ):
        refusal = None
        try:
            check()
        except Refusal as found:
            refusal = found
        assert refusal is None or (refusal.detail.isprintable() and refusal.retry_after >= 0)
    state = answers.validator(headers)
    assert state.isascii()
    assert state.isprintable()


@pytest.mark.parametrize(
    ("headers", "state"),
    [
        ({"ETag": '"abc"', "Last-Modified": "Fri, 20 Nov 2026 12:00:30 GMT"}, '"abc"'),
        ({"ETag": 'W/"abc"', "Last-Modified": "Fri, 20 Nov 2026 12:00:30 GMT"}, "Fri, 20 Nov 2026 12:00:30 GMT"),
        ({"ETag": 'W/"abc"'}, ""),
        ({"ETag": '"a"\r\nX: 1'}, ""),
        ({"ETag": "abc"}, ""),
        ({}, ""),
    ],
)
def test_a_state_is_named_by_a_strong_tag_or_a_date(headers: dict[str, str], state: str) -> None:
    assert answers.validator(headers) == state


@pytest.mark.parametrize(
    ("url", "location", "target"),
    [
        ("http://a/x/y", "/z", "http://a/z"),
        ("http://a/x/y", "z", "http://a/x/z"),
        ("http://a/x", "https://b/y", "https://b/y"),
        ("https://a/x", "https://b/y#part", "https://b/y"),
        ("http://a/x", "http://user:secret@b/y", "http://b/y"),
        ("http://a/x", "//b/y", "http://b/y"),
        ("https://a/x", "http://a/x", None),
        ("http://a/x", "file:///etc/passwd", None),
        ("http://a/x", "ftp://b/y", None),
        ("http://a/x", "javascript:alert(1)", None),
        ("http://a/x", "http://[", None),
        ("http://a/x", "", None),
    ],
)
def test_redirects_lead_to_web_servers_only(url: str, location: str, target: str | None) -> None:
    if target is None:
        with pytest.raises(Refusal) as refusal:
            answers.redirected(URL(url), location)
        assert refusal.value.reason == "refused"
    else:
        assert str(answers.redirected(URL(url), location)) == target
