"""One block of the posts of a synthetic booru, drawn column by column: the same seed and block give the same posts.

Every block has random numbers of its own, so that blocks can be drawn in any order, alone, and on any number of
processors. Which posts go into a block follows from the size of the whole alone.

Not drawn: that explicit tags go with explicit ratings, and what artist draws what. Nothing here writes a file.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from benchmarks.vocabulary import BOYS, GIRLS, PERSONS, YEAR_ENDS, YEARS, Floats, Integers, Vocabulary, year_ends
from tagswarm.manifests.tables import SCHEMAS

SITE = "danbooru"
BLOCK = 1 << 14
"""Posts of every block but the last."""
GAPS = 0.012
"""Ids that no post has."""
DENSE = 0.02
"""Tags more common than this are drawn post by post, the others by their number in the block."""
RICHNESS = 0.42
"""Sigma of the log-normal factor of how many tags a post has."""
FIRST_DAY = np.datetime64("2005-05-24", "us")
EXTENSIONS = (
    ("jpg", 0.7190),
    ("png", 0.2747),
    ("gif", 0.0019),
    ("jpeg", 0.0010),
    ("mp4", 0.0020),
    ("webm", 0.0008),
    ("zip", 0.0006),
)
"""With the videos and archives of ugoira last, from `MOVING` on."""
MOVING = 4
RATINGS = {
    "gsqe-2022": (("g", 0.137), ("s", 0.638), ("q", 0.130), ("e", 0.095)),
    "sqe-2021": (("s", 0.769), ("q", 0.145), ("e", 0.086)),
}
ASPECTS = ((0.0, 0.05, 0.25, 0.5, 0.75, 0.95, 1.0), (0.3, 0.56, 0.70, 0.76, 1.05, 1.74, 3.5))
"""Quantiles of width to height."""

Flags = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Block:
    """The posts of a block and how often each tag came."""

    posts: pa.RecordBatch
    """With the columns of posts.parquet."""
    tags: Integers
    """The number in the vocabulary of each tag of each post."""


class Generator:
    """Draws blocks.

    Args:
        vocabulary: the tags.
        posts: of the whole.
        seed: the same one gives the same posts.
        scheme: how posts are rated.
    """

    def __init__(self, vocabulary: Vocabulary, posts: int, seed: int, scheme: str = "gsqe-2022") -> None:
        self.vocabulary = vocabulary
        self.posts = posts
        self.blocks = -(-posts // BLOCK)
        self.scheme = scheme
        self._seed = seed
        self._last = round(posts / (1 - GAPS))
        self._names = pa.array(vocabulary.names)
        base = vocabulary.base.copy()
        self._persons = {name: vocabulary.at(name) for name in PERSONS}
        self._person_shares = {name: float(vocabulary.shares[at]) for name, at in self._persons.items()}
        base[list(self._persons.values())] = 0
        self._dense = np.flatnonzero(base > DENSE)
        self._dense_base = base[self._dense]
        base[self._dense] = 0
        self._rare = np.flatnonzero(base)
        self._rare_sums = np.cumsum(base[self._rare] * vocabulary.years[vocabulary.profiles[self._rare]].T, axis=1)

    def block(self, number: int) -> Block:
        """Draw a block; the first is 0."""
        chance = np.random.default_rng([self._seed, 1, number])
        start, stop = number * BLOCK, min((number + 1) * BLOCK, self.posts)
        first, last = start * self._last // self.posts, stop * self._last // self.posts
        ids = np.sort(chance.choice(last - first, stop - start, replace=False)) + first + 1
        place: Floats = np.multiply(ids, YEAR_ENDS[-1] / self._last, dtype=np.float64)
        keys = self._tags(chance, place)
        posts, tags = np.divmod(keys, len(self._names))
        ends = np.searchsorted(posts, np.arange(len(ids) + 1))
        listed = pa.ListArray.from_arrays(pa.array(ends, pa.int32()), self._names.take(pa.array(tags)))
        columns = {**_columns(chance, ids, place, self.scheme), "tags": listed}
        arrays = [_array(columns.get(field.name), field.type, len(ids)) for field in SCHEMAS["posts"]]
        return Block(pa.RecordBatch.from_arrays(arrays, schema=SCHEMAS["posts"]), tags)

    def _tags(self, chance: np.random.Generator, place: Floats) -> Integers:
        """Post * tags + tag of each pair, sorted: by post, and then by name."""
        count, width = len(place), len(self._names)
        drift = 0.78 + 0.37 * place / YEAR_ENDS[-1]
        spread = np.exp(RICHNESS * chance.standard_normal(count) - RICHNESS**2 / 2)
        richness = spread * drift / 0.965
        year = np.minimum(np.searchsorted(year_ends(), place), len(YEARS) - 1)
        drawn = [self._people(chance, count)]
        for at in range(year[0], year[-1] + 1):  # ids rise with time: the posts of a year lie together
            begin, end = np.searchsorted(year, [at, at + 1])
            drawn.append(self._common(chance, richness[begin:end], at) + begin * width)
            drawn.append(self._scattered(chance, richness[begin:end], at) + begin * width)
        keys = fresh = _distinct(np.concatenate(drawn))
        while len(fresh):
            brought = _distinct(self._followers(chance, fresh))
            found = np.minimum(np.searchsorted(keys, brought), len(keys) - 1)
            fresh = brought[keys[found] != brought]
            keys = np.sort(np.concatenate([keys, fresh]))
        return keys

    def _common(self, chance: np.random.Generator, richness: Floats, year: int) -> Integers:
        years = self.vocabulary.years[self.vocabulary.profiles[self._dense], year]
        odds = np.log1p(-np.minimum(self._dense_base * years, 0.72)).astype(np.float32)
        likely = -np.expm1(np.outer(richness.astype(np.float32), odds))
        post, tag = np.nonzero(chance.random(likely.shape, dtype=np.float32) < likely)
        keys: Integers = post * len(self._names) + self._dense[tag]
        return keys

    def _scattered(self, chance: np.random.Generator, richness: Floats, year: int) -> Integers:
        sums, posts = self._rare_sums[year], np.cumsum(richness)
        number = int(chance.poisson(sums[-1] * posts[-1])) if len(posts) else 0
        tag = np.searchsorted(sums, np.sort(chance.random(number)) * sums[-1], side="right")
        post = np.searchsorted(posts, chance.random(number) * posts[-1], side="right") if number else tag
        keys: Integers = (
            np.minimum(post, len(posts) - 1) * len(self._names) + self._rare[np.minimum(tag, len(sums) - 1)]
        )
        return keys

    def _followers(self, chance: np.random.Generator, keys: Integers) -> Integers:
        """The pairs that some pairs bring along."""
        words = self.vocabulary
        post, tag = np.divmod(keys, len(self._names))
        first, number = words.starts[tag], words.starts[tag + 1] - words.starts[tag]
        begins = np.cumsum(number) - number
        arrow = np.arange(number.sum()) + np.repeat(first - begins, number)
        brought: Integers = np.repeat(post, number) * len(self._names) + words.targets[arrow]
        return np.compress(chance.random(len(arrow)) < words.chances[arrow], brought)

    def _people(self, chance: np.random.Generator, count: int) -> Integers:
        """The tags that exclude each other: alone, in company, or nobody there."""
        share, width = self._person_shares, len(self._names)
        boy = min(0.1 * share["solo"], 0.5 * share["1boy"])
        girl = min(share["solo"] - boy, 0.9 * share["1girl"])
        kinds = chance.choice(4, count, p=[girl, boy, share["no_humans"], 1 - girl - boy - share["no_humans"]])
        found = [(kinds == 0, "1girl"), (kinds == 1, "1boy"), (kinds <= 1, "solo"), (kinds == 2, "no_humans")]
        others = 1 - girl - boy - share["no_humans"]
        for names, alone, many in ((GIRLS, girl, "multiple_girls"), (BOYS, boy, "multiple_boys")):
            odds = np.array([share[names[0]] - alone, *(share[name] for name in names[1:])]) / others
            odds /= max(1.0, odds.sum())
            pick = np.searchsorted(np.cumsum(odds), chance.random(count), side="right")
            found += [((kinds == 3) & (pick == at), name) for at, name in enumerate(names)]
            found.append(((kinds == 3) & (pick >= 1) & (pick < len(names)), many))
        return np.concatenate([np.flatnonzero(which) * width + self._persons[name] for which, name in found])


def _distinct(keys: Integers) -> Integers:
    """The keys sorted, each once; quicker than `numpy.unique` where most are distinct."""
    keys = np.sort(keys)
    return np.compress(np.diff(keys, prepend=-1) != 0, keys)


def _array(values: Any, kind: Any, count: int) -> Any:
    if values is None:
        return pa.nulls(count, kind)
    return (pa.array(values) if isinstance(values, np.ndarray) else values).cast(kind)


def _columns(chance: np.random.Generator, ids: Integers, place: Floats, scheme: str) -> dict[str, Any]:
    """All columns of posts but the tags."""
    count = len(ids)
    ends = np.concatenate([[0.0], year_ends()])
    days = np.array([FIRST_DAY, *(np.datetime64(f"{year}-12-31", "us") for year in YEARS)]).astype(np.int64)
    created = (np.interp(place, ends, days) + chance.exponential(6e8, count)).astype(np.int64)
    extensions = chance.choice(len(EXTENSIONS), count, p=[share for _, share in EXTENSIONS])
    moving = extensions >= MOVING
    lossless = extensions == 1
    ratio = np.exp(np.interp(chance.random(count), ASPECTS[0], np.log(ASPECTS[1])))
    pixels = np.exp(np.log(1.0e6) + 0.95 * chance.standard_normal(count))
    middle, sigma = np.where(lossless, np.log(0.83), np.log(0.27)), np.where(lossless, 0.63, 0.81)
    density = np.exp(middle + sigma * chance.standard_normal(count))
    score = np.round(np.exp(1.6 + 1.0 * chance.standard_normal(count))).astype(np.int64)
    score[chance.random(count) < 0.2] = 0
    down = chance.poisson(0.15, count)
    parent = np.arange(count) - chance.geometric(0.05, count)
    has_parent = (chance.random(count) < 0.12) & (parent >= 0)
    has_children = np.zeros(count, np.bool_)
    has_children[parent[has_parent]] = True
    pixiv = (place / YEAR_ENDS[-1] * 9.5e7 + chance.integers(1, 100_000, count)).astype(np.int64)
    origin = chance.random(count)
    times = {
        "updated_at": (created + chance.exponential(2e13, count).astype(np.int64), None),
        "last_commented_at": (created + chance.exponential(5e12, count).astype(np.int64), chance.random(count) < 0.15),
        "last_noted_at": (created + chance.exponential(5e12, count).astype(np.int64), chance.random(count) < 0.04),
    }
    stamps = {name: _some(values, there).cast(pa.timestamp("us", tz="UTC")) for name, (values, there) in times.items()}
    return {
        "site": pa.repeat(SITE, count),
        "id": ids,
        "rating_scheme": pa.repeat(scheme, count),
        "rating": _words(
            chance.choice(len(RATINGS[scheme]), count, p=[x for _, x in RATINGS[scheme]]), RATINGS[scheme]
        ),
        "created_at": pa.array(created).cast(pa.timestamp("us", tz="UTC")),
        **stamps,
        "last_comment_bumped_at": stamps["last_commented_at"],
        "uploader_id": (chance.pareto(0.6, count) * 40).astype(np.int64) % 700_000 + 1,
        "approver_id": _some((chance.pareto(0.8, count) * 10).astype(np.int64) % 3_000 + 1, chance.random(count) < 0.3),
        "score": score,
        "up_score": score + down,
        "down_score": -down,
        "fav_count": score + chance.geometric(0.2, count) - 1,
        "source": _sources(origin, pixiv),
        "md5": _digests(ids),
        "width": np.maximum(np.sqrt(pixels * ratio), 1).astype(np.int64),
        "height": np.maximum(np.sqrt(pixels / ratio), 1).astype(np.int64),
        "file_ext": _words(extensions, EXTENSIONS),
        "file_size": np.maximum(pixels * density, 100).astype(np.int64),
        "duration": pa.array(np.round(chance.exponential(12.0, count), 2), mask=~moving),
        "parent_id": _some(ids[np.maximum(parent, 0)], has_parent),
        "has_children": has_children,
        "is_pending": np.zeros(count, np.bool_),
        "is_flagged": chance.random(count) < 0.0005,
        "is_deleted": chance.random(count) < 0.055,
        "is_banned": chance.random(count) < 0.006,
        "pixiv_id": _some(pixiv, origin < 0.6),
        "has_embedded_notes": chance.random(count) < 0.01,
        "duplicate_tags": np.zeros(count, np.int64),
    }


def _some(values: Integers, there: Flags | None) -> Any:
    return pa.array(values, mask=None if there is None else ~there)


def _words(numbers: Integers, words: tuple[tuple[str, float], ...]) -> Any:
    return pa.array([word for word, _ in words]).take(pa.array(numbers))


def _digests(ids: Integers) -> Any:
    """The MD5 of each id."""
    text = b"".join(hashlib.md5(b"%d" % one).digest() for one in ids.tolist()).hex().encode()
    offsets = np.arange(len(ids) + 1, dtype=np.int32) * 32
    return pa.StringArray.from_buffers(len(ids), pa.py_buffer(offsets), pa.py_buffer(text))


def _sources(origin: Floats, pixiv: Integers) -> Any:
    """Six of ten from Pixiv, two from Twitter, the others elsewhere or unknown."""
    texts = [
        f"https://i.pximg.net/img-original/img/{number}_p0.jpg" if part < 0.6
        else f"https://twitter.com/i/web/status/{number * 97}" if part < 0.8
        else f"http://blog.example/{number}.html" if part < 0.9 else None
        for part, number in zip(origin.tolist(), pixiv.tolist(), strict=True)
    ]  # fmt: skip
    return pa.array(texts, pa.string())
