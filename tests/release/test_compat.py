"""The pieces of torrents without pads: those of one long file, however the files and the parts are cut."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tagswarm.manifests.errors import SourceChanged, Unreadable
from tagswarm.release import compat
from tagswarm.release.compat import Row, Stored
from tagswarm.release.facts import Stat

PIECE = 16_384
SIZES = st.lists(st.sampled_from([0, 1, 700, PIECE - 1, PIECE, PIECE + 1, 3 * PIECE, 5 * PIECE + 7]), max_size=12)


def stored(folder: Path, sizes: Sequence[int]) -> list[Stored]:
    """Files of these sizes on the disk."""
    found = []
    for number, size in enumerate(sizes):
        path = folder / f"{number:04}"
        path.write_bytes(hashlib.shake_128(str(number).encode()).digest(size))
        found.append(Stored(str(folder), path.name, stat_of(path)))
    return found


def stat_of(path: Path) -> Stat:
    stat = path.stat()
    return Stat(size=stat.st_size, mtime_ns=stat.st_mtime_ns, inode=stat.st_ino)


def plain(files: Sequence[Stored], piece_length: int) -> bytes:
    """The pieces of all bytes in memory."""
    data = b"".join(Path(file.folder, file.path).read_bytes() for file in files)
    cut = (data[start : start + piece_length] for start in range(0, len(data), piece_length))
    return b"".join(hashlib.sha1(piece, usedforsecurity=False).digest() for piece in cut)


@given(SIZES, st.integers(1, 4))
@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_the_parts_of_a_row_are_the_row(
    tmp_path_factory: pytest.TempPathFactory, sizes: list[int], pieces_a_part: int
) -> None:
    files = stored(tmp_path_factory.mktemp("files"), sizes)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(compat, "PART", pieces_a_part * PIECE)
        parts = compat.parts(Row("a", files, PIECE))
    assert sum(part.size for part in parts) == sum(sizes)
    assert all(part.size == pieces_a_part * PIECE for part in parts[:-1])
    assert [part.number for part in parts] == list(range(len(parts)))
    assert b"".join(map(compat.hash_part, parts)) == plain(files, PIECE)


@pytest.mark.parametrize("workers", [1, 3])
def test_many_rows_come_whole_whatever_the_number_of_workers(
    tmp_path: Path, workers: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(compat, "PART", 2 * PIECE)
    rows = []
    for number in range(5):
        folder = tmp_path / str(number)
        folder.mkdir()
        rows.append(Row(str(number), stored(folder, [number, PIECE * number, 3 * PIECE + number, 0, 9]), PIECE))
    found = dict(compat.pieces(rows, workers=workers))
    assert found == {row.name: plain(row.files, PIECE) for row in rows}


@pytest.mark.parametrize("change", ["longer", "shorter", "touched", "replaced"])
def test_a_file_that_is_not_the_one_that_was_read_is_named(tmp_path: Path, change: str) -> None:
    files = stored(tmp_path, [PIECE, 100])
    path = tmp_path / "0001"
    if change == "touched":
        os.utime(path, ns=(1, 1))
    elif change == "replaced":
        (tmp_path / "new").write_bytes(path.read_bytes())
        (tmp_path / "new").rename(path)
    else:
        path.write_bytes(bytes(101 if change == "longer" else 99))
    with pytest.raises(SourceChanged, match="0001"):
        list(compat.pieces([Row("a", files, PIECE)], workers=1))


def test_a_file_that_is_gone_or_a_link_is_named(tmp_path: Path) -> None:
    files = stored(tmp_path, [10])
    (tmp_path / "0000").rename(tmp_path / "elsewhere")
    with pytest.raises(Unreadable, match="0000"):
        list(compat.pieces([Row("a", files, PIECE)], workers=1))
    (tmp_path / "0000").symlink_to("elsewhere")
    with pytest.raises(Unreadable, match="0000"):
        list(compat.pieces([Row("a", files, PIECE)], workers=1))
