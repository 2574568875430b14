"""Columns of the index as Arrow tables, with the types of posts.parquet.

Nothing here reads a file.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from pyroaring import BitMap

from tagswarm.manifests.tables import SCHEMAS

from .bitmaps import to_ordinals
from .store import FLAGS, WORDS, Store

InOrder = Callable[[npt.NDArray[Any]], npt.NDArray[Any]]
"""Puts what goes along the ordinals in the order of a subset."""


def table(store: Store, posts: BitMap, in_order: InOrder, columns: Sequence[str]) -> Any:
    """Columns of some posts, which the index holds."""
    known = SCHEMAS["posts"]
    fields, arrays = [], []
    for name in columns:
        field = known.field(name) if name in known.names else pa.field(name, pa.int64())
        fields.append(field)
        arrays.append(_column(store, posts, in_order, name, field.type))
    return pa.table(arrays, schema=pa.schema(fields))


def _column(store: Store, posts: BitMap, in_order: InOrder, name: str, kind: Any) -> Any:
    if name in WORDS:
        words = np.full(len(posts), None, dtype=object)
        for word in store.words(name):
            words[_places(posts, store.word(name, word))] = word
        return pa.array(in_order(words), kind)
    if name in FLAGS:
        flags = np.zeros(len(posts), dtype=np.bool_)
        flags[_places(posts, store.flag(name))] = True
        return pa.array(in_order(flags), kind)
    if name in _CELLS:
        cells = _CELLS[name](store, posts)
        return pa.array(in_order(np.fromiter(cells, dtype=object, count=len(cells))), kind)
    values, nulls = store.values(name, posts) if name in store.columns else _nothing(len(posts))
    values, nulls = in_order(values), in_order(nulls)
    if name == "duration":
        return pa.array(values / 1000, kind, mask=nulls)
    return pa.array(values, pa.int64(), mask=nulls).cast(kind)


def _nothing(size: int) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.bool_]]:
    return np.zeros(size, dtype=np.int64), np.ones(size, dtype=np.bool_)


def _places(posts: BitMap, some: BitMap) -> npt.NDArray[np.intp]:
    return np.searchsorted(to_ordinals(posts), to_ordinals(posts & some))


def _md5s(store: Store, posts: BitMap) -> Sequence[str | None]:
    return store.md5s(posts)


def _sources(store: Store, posts: BitMap) -> Sequence[str | None]:
    found = dict(store.sources(posts))
    return [found.get(post) for post in posts]


def _tags(store: Store, posts: BitMap) -> Sequence[list[str]]:
    found: dict[int, list[str]] = {post: [] for post in posts}
    keys, ordinals = store.tags_of(posts)
    rows = {key: store.tag_of(key) for key in np.unique(keys).tolist()}
    for key, post in zip(keys.tolist(), ordinals.tolist(), strict=True):
        if row := rows[key]:
            found[post].append(row.name)
    return [sorted(names) for names in found.values()]


_CELLS: dict[str, Callable[[Store, BitMap], Sequence[Any]]] = {"md5": _md5s, "source": _sources, "tags": _tags}
