"""The one read pass over many files: every file gives one fact, and one that kills its worker costs only its own look."""

from __future__ import annotations

import hashlib
import io
import random
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from tagswarm.manifests.digest import digest_bytes
from tagswarm.release import hashing
from tagswarm.release.hashing import Reading, facts_of

PIECE = 1 << 16
DEADLY = b"kills the decoder"
SABOTAGE = f"""
import os
from tagswarm.release import hashing
whole = hashing.inspect
def inspect(data, limits):
    if data.endswith({DEADLY!r}):
        os._exit(7)
    return whole(data, limits)
hashing.inspect = inspect
"""
"""Python runs a module `sitecustomize` when a process starts: no decoder is at hand that a file can really kill."""


def readings(folder: Path, contents: dict[str, bytes], *, look: bool) -> list[Reading]:
    for name, data in contents.items():
        (folder / name).write_bytes(data)
    return [Reading(str(folder), name, len(data), PIECE, look) for name, data in contents.items()]


def png(number: int) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (8, 8 + number), (number, 0, 0)).save(buffer, "PNG")
    return buffer.getvalue()


@pytest.mark.parametrize("look", [True, False])
def test_every_file_has_one_fact_with_its_digests(tmp_path: Path, look: bool) -> None:
    source = random.Random(1)
    sizes = [0, 1, 70_000, hashing.SLICE_BYTES, hashing.SLICE_BYTES + 1, 3_000_000, *[100] * 150]
    contents = {f"{number}.bin": b"\0" + source.randbytes(size) for number, size in enumerate(sizes)}
    contents |= {"image.png": png(1), "empty.png": b""}
    facts = {fact.path: fact for fact in facts_of(readings(tmp_path, contents, look=look), workers=2)}
    assert {name: fact.digest for name, fact in facts.items()} == {
        name: digest_bytes(data, PIECE) for name, data in contents.items()
    }
    looks = {name: None if fact.look is None else fact.look.reason for name, fact in facts.items()}
    expected = "not-an-image" if look else None
    assert looks == dict.fromkeys(contents, expected) | {"image.png": None, "empty.png": "empty" if look else None}


def test_a_file_that_kills_its_decoder_is_alone_to_blame(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "sitecustomize.py").write_text(SABOTAGE)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    contents = {f"{number}.png": png(number) for number in range(200)}
    contents |= {f"{number}.png": png(number) + DEADLY for number in (0, 77)}
    facts = {fact.path: fact for fact in facts_of(readings(tmp_path, contents, look=True), workers=2)}
    assert facts.keys() == contents.keys()
    for name, fact in facts.items():
        assert fact.digest is not None
        assert fact.look is not None
        assert fact.digest.sha256 == hashlib.sha256(contents[name]).hexdigest()
        assert fact.look.reason == ("crash" if contents[name].endswith(DEADLY) else None), name
    assert facts["77.png"].look is not None
    assert facts["77.png"].look.detail == "the worker ended with 7"


@given(st.lists(st.integers(0, 3 * hashing.SLICE_BYTES) | st.integers(0, 20_000), max_size=300))
def test_slices_are_the_whole_stream_and_bounded(sizes: list[int]) -> None:
    tasks = [Reading("", str(number), size, PIECE) for number, size in enumerate(sizes)]
    slices = list(hashing._slices(tasks))
    assert [task for part in slices for task in part] == tasks
    for part in slices:
        assert 1 <= len(part) <= hashing.SLICE_FILES
        assert len(part) == 1 or sum(task.size for task in part) <= hashing.SLICE_BYTES
