from __future__ import annotations

import functools
import io
import json
import os
import shutil
import subprocess
import sys
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import zstandard
from hypothesis import example, given
from hypothesis import strategies as st

from tagswarm.manifests import codec
from tagswarm.manifests.errors import FormatError, InvalidDocument, LimitExceeded, Unreadable

LIMIT = 1 << 20
values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(1 << 63), (1 << 63) - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)


@given(values)
def test_json_comes_back(value: Any) -> None:
    for data in (codec.pretty(value), codec.line(value)):
        assert codec.parse(data, limit=len(data), depth=64) == value
        assert data.endswith(b"\n")
    assert codec.line(value).count(b"\n") == 1


def test_the_golden_documents() -> None:
    value = {"b": 1, "a": ["é", True, None, 0.5]}
    assert codec.line(value) == '{"b":1,"a":["é",true,null,0.5]}\n'.encode()
    assert codec.pretty(value).decode().splitlines()[:3] == ["{", '  "b": 1,', '  "a": [']


@pytest.mark.parametrize(
    ("data", "place"),
    [
        (b"", "line 1, column 1"),
        (b'{"a": 1,\n "a": 2}', "line 2, column 2"),
        (b'{"a": 1,\n "\\u0061": 2}', "line 2, column 2"),
        ('{"é": 1, "é": 2}'.encode(), "line 1, column 10"),
        (b'[{"a": {"b": 1, "c": [], "b": 2}}]', "line 1, column 26"),
        (b"[1,\nNaN]", "line 2, column 1"),
        (b"[-Infinity]", "line 1, column 2"),
        (b'["a\\ud800"]', "line 1, column 4"),
        (b'["\\udc00\\ud800"]', "line 1, column 3"),
        (b'["\\ud83d\\ude00\\ude00"]', "line 1, column 15"),
        (b'["\\\\\\ud800"]', "line 1, column 5"),
        (b'{"\\ud800": 1}', "line 1, column 3"),
        (b'["a", "\xff"]', "line 1, column 8"),
        (b'["\xed\xa0\x80"]', "line 1, column 3"),
        (b"\xef\xbb\xbf{}", "line 1, column 1"),
        (b"[1,]", "line 1, column 4"),
        (b"{} {}", "line 1, column 4"),
        (b'["a\nb"]', "line 1, column 4"),
        (b'["abc', "line 1, column 2"),
        (b'["\\x"]', "line 1, column 3"),
        (b"[01]", "line 1, column 3"),
        (b"[1.]", "line 1, column 3"),
        (b"[--1]", "line 1, column 2"),
        (b"{'a': 1}", "line 1, column 2"),
        (b"[1] // comment", "line 1, column 5"),
        (b"]", "line 1, column 1"),
        (b"nul", "line 1, column 1"),
    ],
)
def test_what_is_no_strict_json_is_refused_with_its_place(data: bytes, place: str) -> None:
    with pytest.raises(InvalidDocument, match=place):
        codec.parse(data, limit=LIMIT)


@pytest.mark.parametrize(
    ("data", "place"),
    [
        (b"[\n" + b"9" * 1_000_000 + b"]", "line 2, column 1"),
        (b"[9223372036854775808]", "line 1, column 2"),
        (b"[-9223372036854775809]", "line 1, column 2"),
        (b"[1e400]", "line 1, column 2"),
        (b"[-1E+999999]", "line 1, column 2"),
        (b"[" * 100_000, "line 1, column 33"),
        (b"[" * 33 + b"]" * 33, "line 1, column 33"),
        (b'{"a":' * 100_000, "line 1, column 161"),
        (b"[]" * 100_000 + b"[" * 33, "line 1, column 200033"),
    ],
)
def test_what_is_too_large_or_deep_is_refused_with_its_place(data: bytes, place: str) -> None:
    with pytest.raises(LimitExceeded, match=place):
        codec.parse(data, limit=LIMIT)


@pytest.mark.parametrize(
    "data",
    [
        b'["\\\\ud800", "\\\\", "[[[{{{", "\\"[", 0, -0, 1e3, 9223372036854775807, -9223372036854775808]',
        b'[{"a": 1}, {"a": 1}, {"b": {"a": 1}, "a": ["a", "a"]}]',
        b'["\\ud83d\\ude00", "\\u00e9", "NaN", "Infinity"]',
        b"[" * 32 + b"]" * 32,
        b" \r\n\t{}\n",
        b"7",
    ],
)
def test_honest_json_passes(data: bytes) -> None:
    assert codec.parse(data, limit=LIMIT) == json.loads(data)


def test_the_limit_comes_first() -> None:
    assert codec.parse(b"[]", limit=2) == []
    with pytest.raises(LimitExceeded, match="3 bytes long, 2 are"):
        codec.parse(b"\xff[]", limit=2)


def test_an_unclosed_string_of_escapes_takes_no_quadratic_time() -> None:
    for piece in (b'\\"', b"\\\\", b"a", b'"a', b'"\\"'):
        with pytest.raises(InvalidDocument):
            codec.parse(b'["' + piece * (LIMIT // 4), limit=LIMIT)


@given(st.binary(max_size=200) | st.text(alphabet='[]{}",:\\u0dDcC8eE+-.19aN \n', max_size=60).map(str.encode))
@example(b'"\\ud8')
@example(b'{"a\\')
def test_only_our_error_leaves_the_parser_and_it_knows_no_more_than_the_usual_one(data: bytes) -> None:
    try:
        value = codec.parse(data, limit=LIMIT)
    except FormatError:
        return
    assert value == json.loads(data)
    assert codec.parse(codec.line(value), limit=LIMIT) == value


@pytest.mark.parametrize("value", [float("nan"), float("inf"), {1, 2}, b"bytes", "\ud800", object()])
def test_a_value_without_json_is_not_written(value: Any) -> None:
    for encode in (codec.pretty, codec.line):
        with pytest.raises(InvalidDocument):
            encode({"a": [value]})


def test_a_value_that_holds_itself_is_not_written() -> None:
    circle: list[Any] = []
    circle.append(circle)
    with pytest.raises(InvalidDocument):
        codec.line(circle)


def unpack(data: bytes, limit: int = LIMIT) -> bytes:
    return b"".join(codec.decompress(io.BytesIO(data), limit=limit))


def pack(data: bytes) -> bytes:
    return b"".join(codec.compress([data]))


texts = st.binary(max_size=2000) | st.builds(
    lambda seed, times: (seed * times)[:600_000], st.binary(min_size=1, max_size=100), st.integers(1, 100_000)
)


@given(texts)
def test_zstd_comes_back(data: bytes) -> None:
    packed = pack(data)
    assert unpack(packed, limit=len(data)) == data
    assert packed[4] & 4, "no checksum"
    if data:
        with pytest.raises(LimitExceeded):
            unpack(packed, limit=len(data) - 1)


@given(texts, st.lists(st.integers(0, 600_000), max_size=6), st.sampled_from([1, 3, 12]))
def test_the_same_bytes_come_out_however_the_input_was_cut(data: bytes, cuts: list[int], level: int) -> None:
    ends = sorted({0, len(data), *(cut % (len(data) + 1) for cut in cuts)})
    pieces = [data[start:end] for start, end in pairwise(ends)]
    assert b"".join(codec.compress(pieces, level=level)) == b"".join(codec.compress([data], level=level))


def test_lines_cut_in_many_ways_make_the_same_frame() -> None:
    lines = [codec.line({"path": f"original/{post % 1000:04}/{post}.png", "id": post}) for post in range(20_000)]
    assert b"".join(codec.compress(lines)) == pack(b"".join(lines))


def test_the_zstd_program_reads_ours_and_we_read_its(tmp_path: Path) -> None:
    assert shutil.which("zstd"), "the zstd program must be installed: apt-get install zstd"
    data = os.urandom(300_000) + b"line\n" * 100_000
    run = subprocess.run(["zstd", "-dc"], input=pack(data), capture_output=True, check=True)
    assert run.stdout == data
    for options in (["-1"], ["-19"], ["--no-check"], ["-T2"]):
        made = subprocess.run(["zstd", "-c", *options], input=data, capture_output=True, check=True).stdout
        assert unpack(made) == data
    (tmp_path / "sized").write_bytes(data)
    sized = subprocess.run(["zstd", "-c", tmp_path / "sized"], capture_output=True, check=True).stdout
    assert unpack(sized) == data


class Trickle(io.BytesIO):
    """A file whose reads are short."""

    def read(self, size: int | None = -1, /) -> bytes:
        return super().read(min(size or 0, 3))


def test_short_reads_change_nothing() -> None:
    data = os.urandom(1000) + bytes(10_000)
    assert b"".join(codec.decompress(Trickle(pack(data)), limit=LIMIT)) == data


WHOLE = pack(os.urandom(3000) + b"a line\n" * 50_000)


def test_every_truncation_is_found() -> None:
    for size in range(len(WHOLE)):
        with pytest.raises(InvalidDocument):
            unpack(WHOLE[:size])


def test_every_flipped_bit_is_found() -> None:
    plain = unpack(WHOLE)
    for bit in range(0, len(WHOLE) * 8, 7):
        damaged = bytearray(WHOLE)
        damaged[bit // 8] ^= 1 << bit % 8
        try:
            found = unpack(bytes(damaged))
        except FormatError:
            continue
        assert found == plain, "damage went through"  # unused bits of the header change nothing


@pytest.mark.parametrize("tail", [b"\0", b"garbage", WHOLE, b"\x50\x2a\x4d\x18\0\0\0\0"])
def test_what_follows_the_frame_is_refused(tail: bytes) -> None:
    with pytest.raises(InvalidDocument, match="followed"):
        unpack(WHOLE + tail)


@pytest.mark.parametrize("data", [b"", b"(", b"\x1f\x8b\x08\x00\x00", b"plain text", b"\x50\x2a\x4d\x18\0\0\0\0"])
def test_what_is_not_zstd_is_refused(data: bytes) -> None:
    with pytest.raises(InvalidDocument):
        unpack(data)


@functools.cache
def bombs() -> dict[str, bytes]:
    magic = b"\x28\xb5\x2f\xfd"
    zeros = zstandard.ZstdCompressor(level=19, write_content_size=True).compress(bytes(256 << 20))
    run = (128 << 10 << 3 | 1 << 1).to_bytes(3, "little") + b"\0"  # a block of 128 KiB that repeats one byte
    return {
        "256 MiB of zeros": zeros,
        "a forged size of 1 TiB": magic + bytes([0xC0, 0x58]) + (1 << 40).to_bytes(8, "little") + run * 1000,
        "one segment of 1 TiB": magic + bytes([0xE0]) + (1 << 40).to_bytes(8, "little") + run * 1000,
        "a window of 1 GiB": magic + bytes([0x00, 20 << 3]) + run * 1000,
        "endless runs": magic + bytes([0x00, 0x58]) + run * 100_000,
        "a block of 2 MiB": magic + bytes([0x00, 0x58]) + ((1 << 21) - 1 << 3 | 1 << 1).to_bytes(3, "little") + b"\0",
        "a dictionary": magic + bytes([0x03, 0x58]) + b"\1\2\3\4" + run,
        "a reserved block": magic + bytes([0x00, 0x58]) + b"\x07\x00\x00",
    }


@pytest.mark.parametrize("name", bombs())
def test_a_bomb_is_refused(name: str) -> None:
    with pytest.raises(FormatError):
        unpack(bombs()[name], limit=8 << 20)


def test_bombs_cost_little_memory(tmp_path: Path) -> None:
    for number, bomb in enumerate(bombs().values()):
        (tmp_path / str(number)).write_bytes(bomb)
    script = """
import pathlib, resource, sys
from tagswarm.manifests import codec
from tagswarm.manifests.errors import FormatError

def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

before = peak()
for path in sorted(pathlib.Path(sys.argv[1]).iterdir()):
    with path.open("rb") as file:
        try:
            for chunk in codec.decompress(file, limit=1 << 30 if path.name == "0" else 64 << 20):
                assert len(chunk) <= 128 << 10
        except FormatError:
            pass
for document in (b"[" * (16 << 20), b"9" * (16 << 20), b'"' + b"a" * (16 << 20)):
    try:
        codec.parse(document, limit=16 << 20)
    except FormatError:
        pass
    del document
print(peak() - before)
"""
    run = subprocess.run([sys.executable, "-c", script, tmp_path], capture_output=True, check=True, text=True)
    assert int(run.stdout) <= 64 << 10, "more than 64 MiB"


def test_lines_are_numbered() -> None:
    lines = [b"one", b"", b"three" * 1000, b"four"]
    packed = pack(b"\n".join(lines) + b"\n")
    expected = list(enumerate(lines, 1))
    assert list(codec.read_lines(packed, limit=LIMIT, line_limit=5000)) == expected
    assert list(codec.read_lines(io.BytesIO(packed), limit=LIMIT, line_limit=5000)) == expected
    assert list(codec.read_lines(pack(b""), limit=LIMIT, line_limit=10)) == []


@given(st.lists(st.binary(max_size=400).map(lambda text: text.replace(b"\n", b"")), max_size=20), st.integers(1, 2000))
def test_lines_come_back_across_chunks(lines: list[bytes], times: int) -> None:
    many = lines * (times if lines else 0)
    packed = pack(b"".join(line + b"\n" for line in many))
    found = list(codec.read_lines(packed, limit=1 << 30, line_limit=400))
    assert found == list(enumerate(many, 1))


@pytest.mark.parametrize(
    ("text", "place"),
    [
        (b"a\nbcdefg\n", "line 2"),
        (b"a\nbcdefg", "line 2"),
        (b"a\n" + b"b" * 900_000, "line 2"),
        (b"abcdef\n", "line 1"),
    ],
)
def test_a_long_line_is_refused_with_its_number(text: bytes, place: str) -> None:
    with pytest.raises(LimitExceeded, match=place):
        list(codec.read_lines(pack(text), limit=LIMIT, line_limit=5))


def test_a_cut_line_is_refused_with_its_number() -> None:
    with pytest.raises(InvalidDocument, match="line 3: is cut"):
        list(codec.read_lines(pack(b"a\nb\nc"), limit=LIMIT, line_limit=5))


def test_a_failing_read_is_an_error_of_ours() -> None:
    with Path("/proc/self/mem").open("rb") as memory, pytest.raises(Unreadable, match="/proc/self/mem"):
        list(codec.decompress(memory, limit=LIMIT))
