"""The order of an answer: every order is total, so the same query gives the same list on every machine.

Equal posts are put in the order of their ids, and posts of two sites with the same id in the order of their sites, in
the direction of the number that is compared. Posts without a value come last, but for the two orders of
the site that put them first when they ascend.

A random order is by a hash of (seed, site, id): the SplitMix64 finaliser of the id, started from the seed and the first
eight bytes of the SHA-256 of the site. It needs no generator and no state: the first n of a larger collection with the
same seed are these n with the new posts shuffled in.

Nothing here chooses posts, but the first of an order.
"""

from __future__ import annotations

from typing import TypeAlias

from pyroaring import BitMap

from tagswarm.tagindex.bitmaps import to_ordinals
from tagswarm.tagindex.late import np, npt
from tagswarm.tagindex.store import Ordinals, PoolRow, Store

from .conditions import InPool, Order
from .derived import numbers
from .texts import glob

Positions: TypeAlias = "npt.NDArray[np.int64]"

SAMPLE = 1 << 14
SPARE = 64
"""Numbers that are sorted to find a bound that the first ones lie below, and how many more than are expected."""

_GOLDEN = 0x9E3779B97F4A7C15


def _mixed(values: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint64]:
    values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return values ^ (values >> np.uint64(31))


def shuffled(seed: int, site: str, ids: npt.NDArray[np.int64]) -> npt.NDArray[np.uint64]:
    """The place of each post in the random order of a seed: no two posts of a site have the same."""
    import hashlib  # noqa: PLC0415 - it loads OpenSSL, for an order that few ask for

    start = int.from_bytes(hashlib.sha256(site.encode()).digest()[:8]) ^ (seed & (1 << 64) - 1)
    offset = _mixed(np.array([start], dtype=np.uint64) + _GOLDEN)
    return _mixed(ids.astype(np.uint64) * _GOLDEN + offset)


def _first(keys: npt.NDArray[np.generic], limit: int | None) -> Positions:
    """Where the smallest keys stand, the first of equals first; the whole is not sorted for the sake of a few."""
    if limit is None or limit * 4 >= len(keys):
        return np.argsort(keys, kind="stable")[:limit]
    if limit == 0:
        return np.zeros(0, dtype=np.int64)
    sample = np.sort(keys[:: len(keys) // SAMPLE + 1])
    bound = sample[min(2 * limit * len(sample) // len(keys) + SPARE, len(sample) - 1)]
    near = np.flatnonzero(keys <= bound)
    if len(near) < limit:  # the sample was not like the whole
        near = np.arange(len(keys))
    keys = keys[near]
    edge = np.partition(keys, limit - 1)[limit - 1]
    below = np.flatnonzero(keys < edge)
    level = np.flatnonzero(keys == edge)[: limit - len(below)]
    chosen = np.concatenate([below, level])
    best: Positions = near[chosen[np.argsort(keys[chosen], kind="stable")]]
    return best


def _by_id(posts: BitMap, store: Store, *, ascending: bool) -> Ordinals:
    ordinals = to_ordinals(posts)
    return ordinals[_places(posts, store, ascending=ascending)]


def _places(posts: BitMap, store: Store, *, ascending: bool) -> Positions | slice:
    """What puts things that go along the ordinals in the order of the ids: of one site, that is the order they have."""
    direction = slice(None, None, 1 if ascending else -1)
    if len(store.words("site")) <= 1:
        return direction
    return np.argsort(store.values("id", posts)[0], kind="stable")[direction]


def _by_number(posts: BitMap, store: Store, order: Order, limit: int | None) -> Ordinals:
    places = _places(posts, store, ascending=not order.descending)
    members = to_ordinals(posts)[places]
    values, nulls = numbers(store, order.by, posts)
    values, nulls = values[places], nulls[places]
    known = np.flatnonzero(~nulls)
    if len(known) < len(members):
        values = values[known]
    best = known[_first(-values if order.descending else values, limit)]
    if order.drops_nulls:
        return members[best]
    unknown = np.flatnonzero(nulls)
    parts = (unknown, best) if order.nulls_first else (best, unknown)
    return members[np.concatenate(parts)[:limit]]


def _by_md5(posts: BitMap, store: Store, order: Order) -> Ordinals:
    digests = dict(zip(posts, store.md5s(posts), strict=True))
    members = _by_id(posts, store, ascending=not order.descending).tolist()
    known = [(digest, post) for post in members if (digest := digests[post]) is not None]
    known.sort(key=lambda pair: pair[0], reverse=order.descending)  # stable both ways
    unknown = [post for post in members if digests[post] is None]
    return np.array([post for _, post in known] + unknown, dtype=np.uint32)


def random_order(posts: BitMap, store: Store, seed: int, limit: int | None = None) -> Ordinals:
    """The posts, or the first `limit` of them, in the random order of a seed."""
    members = to_ordinals(posts)
    ids, _ = store.values("id", posts)
    places = np.zeros(len(members), dtype=np.uint64)
    for site in store.words("site"):
        first, last = np.searchsorted(members, _bounds(store.word("site", site)))  # the posts of a site are neighbours
        places[first:last] = shuffled(seed, site, ids[first:last])
    return members[_first(places, limit)]


def _bounds(posts: BitMap) -> tuple[int, int]:
    return posts.min(), posts.max() + 1


def _by_list(posts: BitMap, store: Store, ids: tuple[int, ...]) -> Ordinals:
    rank = {id_: at for at, id_ in reversed(list(enumerate(ids)))}
    found, _ = store.values("id", posts)
    keys = np.array([rank.get(id_, len(ids)) for id_ in found.tolist()], dtype=np.int64)
    return to_ordinals(posts)[np.argsort(keys, kind="stable")]


def pool_matches(pool: PoolRow, wanted: InPool) -> bool:
    """Whether a pool is as described."""
    if wanted.id is not None:
        return pool.id == wanted.id
    if wanted.category is not None:
        return pool.category == wanted.category
    return wanted.name is None or glob(wanted.name)(pool.name)


def _by_pool(posts: BitMap, store: Store, wanted: InPool) -> Ordinals:
    places: dict[int, None] = {}
    for pool in store.pools():
        if pool_matches(pool, wanted):
            places.update(dict.fromkeys(post for post in pool.posts if post in posts))
    return np.array(list(places), dtype=np.uint32)


def arrange(posts: BitMap, store: Store, order: Order, *, seed: int = 0, limit: int | None = None) -> Ordinals:
    """The posts in an order, or the first `limit` of them.

    An order by `pool` has only the posts of the pool, and one that drops nulls only those with a value.
    """
    match order.by:
        case "id":
            return _by_id(posts, store, ascending=not order.descending)[:limit]
        case "md5":
            return _by_md5(posts, store, order)[:limit]
        case "random":
            return random_order(posts, store, seed, limit)
        case "custom":
            return _by_list(posts, store, order.ids)[:limit]
        case "pool":
            return _by_pool(posts, store, order.pool or InPool())[:limit]
        case _:
            return _by_number(posts, store, order, limit)
