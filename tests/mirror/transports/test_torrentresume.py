"""What is remembered of pieces: all of it or nothing."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tagswarm.mirror.transports import torrentresume

HASH = "ab" * 32


@given(st.integers(1, 200).flatmap(lambda count: st.tuples(st.just(count), st.sets(st.integers(0, count - 1)))))
def test_what_was_saved_is_loaded(tmp_path_factory: pytest.TempPathFactory, case: tuple[int, set[int]]) -> None:
    count, pieces = case
    staging = tmp_path_factory.mktemp("staging")
    torrentresume.save(staging, HASH, count, pieces)
    assert torrentresume.load(staging, HASH, count) == pieces
    assert torrentresume.load(staging, HASH, count + 8) == frozenset()


def test_nothing_is_remembered_of_what_is_damaged_or_of_another_torrent(tmp_path: Path) -> None:
    assert torrentresume.load(tmp_path, HASH, 40) == frozenset()
    torrentresume.save(tmp_path, HASH, 40, range(0, 40, 3))
    note = tmp_path / torrentresume.FOLDER / HASH
    data = note.read_bytes()
    for at in range(len(data)):
        note.write_bytes(data[:at] + bytes([data[at] ^ 4]) + data[at + 1 :])
        assert torrentresume.load(tmp_path, HASH, 40) == frozenset()
        note.write_bytes(data[:at])
        assert torrentresume.load(tmp_path, HASH, 40) == frozenset()
    note.write_bytes(data + b"\0")
    assert torrentresume.load(tmp_path, HASH, 40) == frozenset()
    note.with_name("cd" * 32).write_bytes(data)
    assert torrentresume.load(tmp_path, "cd" * 32, 40) == frozenset()


def test_the_bytes_are_fixed(tmp_path: Path) -> None:
    """A staging folder of an older version goes on."""
    torrentresume.save(tmp_path, HASH, 12, [0, 3, 11])
    note = (tmp_path / torrentresume.FOLDER / HASH).read_bytes()
    assert note[-2:] == bytes([0b0000_1001, 0b0000_1000])
    assert len(note) == 34
