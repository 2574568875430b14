"""Whole numbers in few bits, and texts: read as they were written, refused where they were changed."""

from __future__ import annotations

from contextlib import suppress

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tagswarm.manifests.errors import InvalidDocument
from tagswarm.tagindex import packing

INTEGERS = st.one_of(st.integers(-(2**63), 2**63 - 1), st.integers(-300, 300), st.sampled_from([0, 1, 1_000_000]))


@given(st.lists(INTEGERS, max_size=60))
def test_numbers_are_read_as_they_were_written(numbers: list[int]) -> None:
    data = packing.pack(np.array(numbers, np.int64))
    assert packing.unpack(data).tolist() == numbers
    values, end = packing.unpack_from(memoryview(data + b"more"))
    assert (values.tolist(), end) == (numbers, len(data))


@given(st.lists(st.integers(0, 1 << 30), min_size=1, max_size=40), st.sampled_from([1, 1_000, 3_600_000_000]))
def test_a_common_step_costs_nothing(numbers: list[int], step: int) -> None:
    plain = packing.pack(np.array(numbers, np.int64))
    stepped = packing.pack(np.array(numbers, np.int64) * step)
    assert len(stepped) == len(plain)
    assert packing.unpack(stepped).tolist() == [number * step for number in numbers]


@pytest.mark.parametrize(
    ("numbers", "bits"),
    [
        (np.zeros(4_096, np.int64), 0),
        (np.arange(4_096), 0),
        (np.arange(4_096) % 2 * 7, 1),
        (np.arange(4_096) * 37 % 4, 2),
        (np.arange(4_096) * 7_919 % 16, 4),
        (np.arange(4_096) * 7_919 % 250, 8),
        (np.arange(4_096) * 7_919 % 60_001, 16),
        (np.arange(4_096) * 7_919_003 % 16_000_057, 24),
    ],
)
def test_numbers_take_the_bits_they_need(numbers: np.ndarray, bits: int) -> None:
    header = len(packing.pack(np.array([], np.int64)))
    noise = np.random.default_rng(1).permutation(numbers) if bits else numbers
    assert len(packing.pack(noise)) - header <= 4_096 * bits / 8
    assert packing.unpack(packing.pack(noise)).tolist() == noise.tolist()


def test_a_few_large_numbers_do_not_widen_the_others() -> None:
    numbers = np.random.default_rng(1).integers(0, 200, 10_000)
    numbers[[7, 500, 9_999]] = [1 << 50, -(1 << 50), 1 << 62]
    numbers[500] = 1 << 49
    data = packing.pack(numbers)
    assert len(data) < 10_000 + 100
    assert packing.unpack(data).tolist() == numbers.tolist()


@given(st.lists(st.text(max_size=20), max_size=12))
def test_texts_are_read_as_they_were_written(texts: list[str]) -> None:
    texts = [text.encode("utf-8", "replace").decode() for text in texts]
    assert packing.unpack_texts(memoryview(packing.pack_texts(texts))) == texts


@settings(max_examples=300)
@given(st.data())
def test_damaged_numbers_and_texts_are_refused_or_read_and_never_crash(data: st.DataObject) -> None:
    texts = data.draw(st.booleans())
    good = bytearray(packing.pack_texts(["abc", "d" * 40, ""]) if texts else packing.pack(np.arange(90) ** 2))
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(good) - 1))
        good[at] = data.draw(st.integers(0, 255))
    cut = bytes(good[: data.draw(st.integers(0, len(good)))])
    with suppress(InvalidDocument):
        packing.unpack_texts(memoryview(cut)) if texts else packing.unpack(cut)
