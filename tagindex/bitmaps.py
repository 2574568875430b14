"""Sets of ordinals as Roaring bitmaps and as arrays, and the way between them.

Nothing here decides what is in a set.
"""

from __future__ import annotations

import array

from pyroaring import BitMap

from .late import np, npt


def from_ordinals(ordinals: npt.NDArray[np.integer]) -> BitMap:
    """The set of these ordinals, in any order."""
    buffer = array.array("I")  # the only type that is taken as a block: an array of numpy is iterated
    buffer.frombytes(np.ascontiguousarray(ordinals, dtype=np.uint32).tobytes())
    return BitMap(buffer)


def from_mask(mask: npt.NDArray[np.bool_], posts: BitMap | None = None) -> BitMap:
    """The ordinals where a mask holds: it goes along all posts, or along these in the order of ordinals."""
    return from_ordinals(np.flatnonzero(mask) if posts is None else to_ordinals(posts)[mask])


def to_ordinals(posts: BitMap) -> npt.NDArray[np.uint32]:
    """The members of a set in ascending order."""
    return np.frombuffer(posts.to_array(), dtype=np.uint32)


def everything(size: int) -> BitMap:
    """The set of the ordinals 0 to size - 1."""
    return BitMap(range(size))
