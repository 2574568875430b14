from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from pyroaring import BitMap

from tagswarm.tagindex.bitmaps import everything, from_mask, from_ordinals, to_ordinals

ORDINALS = st.sets(st.integers(0, (1 << 32) - 1), max_size=50)


@given(ORDINALS)
def test_a_set_becomes_an_array_and_a_set_again(ordinals: set[int]) -> None:
    posts = from_ordinals(np.array(list(ordinals), dtype=np.int64))
    assert posts == BitMap(ordinals)
    assert to_ordinals(posts).tolist() == sorted(ordinals)
    assert to_ordinals(posts).dtype == np.uint32


@given(ORDINALS, st.data())
def test_a_mask_goes_along_all_posts_or_along_some(ordinals: set[int], data: st.DataObject) -> None:
    posts = BitMap(ordinals)
    mask = data.draw(st.lists(st.booleans(), min_size=len(posts), max_size=len(posts)))
    chosen = [post for post, kept in zip(posts, mask, strict=True) if kept]
    assert from_mask(np.array(mask, dtype=np.bool_), posts) == BitMap(chosen)
    assert from_mask(np.array(mask, dtype=np.bool_)) == BitMap(at for at, kept in enumerate(mask) if kept)


def test_everything() -> None:
    assert everything(0) == BitMap()
    assert everything(70_000) == BitMap(range(70_000))
