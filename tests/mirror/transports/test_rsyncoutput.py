"""What rsync says: hints that are taken for no more than that."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tagswarm.mirror.transports.rsyncoutput import Output

WANTED = frozenset(("512px/0000/1000.jpg", "notes/a b.txt", "notes/ñandú/猫.txt"))

SAID = (
    b"\r              0   0%    0.00kB/s    0:00:00  \r           5000   0%    4.77MB/s    0:00:00 (xfr#1, to-chk=10/12)\n"
    b">f+++++++++ 5040 512px/0000/1000.jpg\n"
    b'skipping non-regular file "a/sym.jpg"\n'
    b"cd+++++++++ 0 a/dir.jpg/\n"
    b"\r       39010002  99%    5.90MB/s    0:00:06 (xfr#5, to-chk=2/12)\n"
    b">f+++++++++ 42 notes/\xc3\xb1and\xc3\xba/\xe7\x8c\xab.txt\n"
    b">f+++++++++ 42 notes/unasked.txt\n"
    b"notes/a b.txt is over max-size\n"
    b"notes/unasked.txt is over max-size\n"
)
"""As rsync 3.5.0 says it."""

DONE = ["512px/0000/1000.jpg", "notes/ñandú/猫.txt"]


@given(st.lists(st.integers(0, len(SAID)), max_size=20))
def test_words_mean_the_same_however_they_are_cut(cuts: list[int]) -> None:
    output = Output(WANTED)
    places = [0, *sorted(cuts), len(SAID)]
    pieces = [SAID[begin:end] for begin, end in pairwise(places)]
    assert [path for piece in pieces for path in output.take("out", piece)] == DONE
    assert output.bytes == 39_010_002
    assert {path: reason for path, (reason, _) in output.reasons.items()} == {"notes/a b.txt": "damaged"}


@given(st.binary(max_size=400), st.sampled_from(["out", "err"]), st.integers(-64, 128))
def test_anything_may_be_said(data: bytes, stream: str, code: int) -> None:
    output = Output(WANTED)
    assert set(output.take(stream, data)) <= WANTED
    assert output.reasons.keys() <= WANTED
    _, detail = output.ending(code)
    assert detail.isprintable()


def test_a_line_without_an_end_is_not_kept() -> None:
    output = Output(WANTED)
    for _ in range(100):
        assert output.take("out", b"x" * 65536) == []
    assert output.take("out", b"\n>f+++++++++ 1 notes/a b.txt\n") == ["notes/a b.txt"]
    assert sum(len(rest) for rest in output._rests.values()) < 10_000


@pytest.mark.parametrize("shown", ["/sub/notes/a b.txt", "sub/notes/a b.txt", "notes/a b.txt"])
def test_a_file_that_the_server_may_not_read_is_refused(shown: str) -> None:
    output = Output(WANTED, "sub/")
    line = f'rsync: [sender] send_files failed to open "{shown}" (in tree): Permission denied (13)\n'
    output.take("err", line.encode())
    assert output.reasons["notes/a b.txt"][0] == "refused"


@pytest.mark.parametrize(
    ("said", "code", "reason"),
    [
        ("", 0, "missing"),
        ("", 23, "missing"),
        ('rsync: [sender] link_stat "/x" (in tree) failed: No such file or directory (2)', 23, "missing"),
        ('rsync: [receiver] mkstemp "/s/tree/.1.jpg.aBcDeF" failed: Permission denied (13)', 23, "disk"),
        ('rsync: [generator] recv_generator: mkdir "/s/tree/a" failed: Read-only file system (30)', 3, "disk"),
        ('rsync: [receiver] write failed on "/s/tree/a": No space left on device (28)', 11, "disk"),
        ('rsync: [receiver] write failed on "/s/tree/a": File too large (27)', 11, "damaged"),
        ("rsync: connection unexpectedly closed (0 bytes received so far) [receiver]", 12, "unreachable"),
        ("@ERROR: Unknown module 'x'", 5, "refused"),
        ("@ERROR: auth failed on module x", 5, "refused"),
        ("@ERROR: max connections (30) reached -- try again later", 5, "unreachable"),
        ("rsync: did not see server greeting", 5, "damaged"),
        ("rsync: on remote machine: --bwlimit=1: unknown option", 1, "refused"),
        ("", 10, "unreachable"),
        ("", 30, "unreachable"),
        ("", 35, "unreachable"),
        ("", -9, "unreachable"),
        ("", 77, "unreachable"),
    ],
)
def test_the_end_says_why_files_did_not_come(said: str, code: int, reason: str) -> None:
    output = Output(WANTED)
    output.take("err", f"{said}\n".encode())
    assert output.ending(code)[0] == reason
