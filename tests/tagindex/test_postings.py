"""Posting lists and the sort that makes them."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyroaring import BitMap

from tagswarm.manifests.errors import InvalidDocument
from tagswarm.tagindex import postings
from tagswarm.tagindex.columns import Containers
from tagswarm.tagindex.format import CHUNK, LISTED
from tagswarm.tagindex.pairs import Pairs

SETS = st.sets(st.one_of(st.integers(0, 300), st.integers(0, 2**32 - 1)), min_size=1, max_size=40)


@given(SETS)
def test_a_list_of_gaps_is_read_as_it_was_written(members: set[int]) -> None:
    data = postings.encode(np.array(sorted(members), np.uint32))
    assert set(postings.decode(data, len(members))) == members


@pytest.mark.parametrize("count", [LISTED, LISTED + 1, 70_000])
def test_frequent_tags_have_a_portable_roaring_bitmap(count: int) -> None:
    ordinals = np.arange(count, dtype=np.uint32) * 3
    data = postings.encode(ordinals)
    assert postings.decode(data, count) == BitMap(ordinals.tolist())
    if count > LISTED:
        assert BitMap.deserialize(data) == BitMap(ordinals.tolist())
    with pytest.raises(InvalidDocument):
        postings.decode(data, count - 1 if count > LISTED else count + 1)


@given(st.lists(SETS, min_size=1, max_size=12))
def test_many_lists_are_read_at_once(sets: list[set[int]]) -> None:
    lists = [postings.encode(np.array(sorted(members), np.uint32)) for members in sets]
    counts, lengths = np.array([len(members) for members in sets]), np.array([len(data) for data in lists])
    found = postings.ungap(b"".join(lists), counts, lengths)
    assert found.tolist() == [member for members in sets for member in sorted(members)]


@given(st.binary(max_size=30), st.integers(1, 10))
def test_no_bytes_stop_the_reader_of_gaps(data: bytes, count: int) -> None:
    with suppress(InvalidDocument):
        assert len(postings.decode(data, count)) <= count


def test_segments_hold_the_lists_in_order(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(postings, "SEGMENT", 10)
    segments = postings.Segments()
    lists = [b"abc", b"", b"defghij", b"k"]
    made = [piece for data in lists for piece in segments.add(data)] + list(segments.flush())
    assert [first for first, _ in made] == [1, 4]
    assert [bytes(part) for _, data in made for part in postings.read_segment(data)] == lists
    whole = made[0][1]
    for damaged in (*(whole[:size] for size in range(len(whole))), whole + b"x", whole[:4] + b"\xff" + whole[5:]):
        with pytest.raises(InvalidDocument):
            postings.read_segment(damaged)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.sets(st.integers(1, 9)), max_size=60), st.integers(1, 40), st.integers(1, 20))
def test_the_external_sort_inverts_the_tags(
    tmp_path_factory: pytest.TempPathFactory, posts: list[set[int]], partition: int, batch: int
) -> None:
    expected = [[post for post, tags in enumerate(posts) if key in tags] for key in range(1, 10)]
    counts = np.array([len(found) for found in expected])
    folder = tmp_path_factory.mktemp("pairs")
    with Pairs(folder, counts, partition) as pairs:
        for start in range(0, len(posts), batch):
            rows = [(key, post) for post in range(start, min(start + batch, len(posts))) for key in sorted(posts[post])]
            keys, ordinals = np.array(rows, np.uint32).reshape(-1, 2).T
            pairs.add(keys, ordinals)
        assert [found.tolist() for found in pairs.lists()] == expected
    assert not list(folder.iterdir())


def test_a_count_that_is_not_true_is_refused(tmp_path: Path) -> None:
    with Pairs(tmp_path / "pairs", np.array([2, 1])) as pairs:
        pairs.add(np.array([1, 2, 2], np.uint32), np.array([0, 0, 1], np.uint32))
        with pytest.raises(InvalidDocument, match=r"tags\.parquet"):
            list(pairs.lists())
    assert not list((tmp_path / "pairs").iterdir())


@settings(max_examples=40, deadline=None)
@given(st.dictionaries(st.integers(0, 65_535), st.sampled_from([0, 1, 4_096, 4_097, CHUNK]), max_size=4), st.data())
def test_masks_become_containers(chunks: dict[int, int], data: st.DataObject) -> None:
    containers, expected = Containers(), BitMap()
    for chunk, members in sorted(chunks.items()):
        length = data.draw(st.sampled_from([CHUNK, max(members, 1)]))
        mask = np.zeros(length, np.bool_)
        mask[np.random.default_rng(chunk).permutation(length)[:members]] = True
        containers.add(chunk, mask)
        expected |= BitMap((np.flatnonzero(mask) + chunk * CHUNK).tolist())
    found = containers.bitmap()
    assert found == expected
    assert found.to_array() == expected.to_array()
