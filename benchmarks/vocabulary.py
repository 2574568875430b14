"""The words of a synthetic booru: tags with how common they are, what goes with what, aliases and implications.

The real tables are read where they lie (`danbooru.csv`, `cooccurrence.parquet`, `e621_tag_implications.csv`, and
`tags_by_year.csv` for the years of a series); else a small list stands in, continued by Zipf and Mandelbrot's law. Made
up are the tags that fewer than 25 posts have: no table names them, and nine of ten tags are such.

Nothing here draws a post.
"""

from __future__ import annotations

import csv
from bisect import bisect_left
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow.parquet as pq

SITE_POSTS = 8_600_000
"""Posts of Danbooru when `danbooru.csv` was counted."""
MEAN_TAGS = 32.4
"""Tags a post, before a tag that was drawn twice is counted once."""
MOST_COMMON = 0.72
KEPT = 0.4
"""Tags at least this common keep their share where the others are scaled to the mean."""
TAIL = 525_000
"""Made up tags of 1 to 24 posts; a third of them has none at 5 M posts, which leaves 500,000 tags with posts."""
PAIRS = 2_000
YEARS = tuple(range(2005, 2022))
YEAR_ENDS = (3_368_713, 3_734_659, 4_279_845, 5_020_995)
"""The last ids of 2018 to 2021; those of the years before follow from `YEAR_WEIGHTS`."""
YEAR_WEIGHTS = (19, 76, 79, 224, 246, 275, 297, 336, 307, 363, 401, 435, 496, 501)
"""Posts of 2005 to 2018, in proportion."""

GENERAL, ARTIST, COPYRIGHT, CHARACTER, META = 0, 1, 3, 4, 5
GIRLS = ("1girl", "2girls", "3girls", "4girls", "5girls", "6+girls")
BOYS = ("1boy", "2boys", "3boys", "4boys", "5boys", "6+boys")
PERSONS = (*GIRLS, *BOYS, "multiple_girls", "multiple_boys", "solo", "no_humans")
"""Tags that exclude each other and are drawn together."""

SMALL = """
0 1girl:699 solo:582 long_hair:506 breasts:400 looking_at_viewer:386 blush:342 smile:334 open_mouth:275 short_hair:263
0 simple_background:212 shirt:211 blue_eyes:205 large_breasts:184 long_sleeves:182 skirt:181 blonde_hair:179
0 multiple_girls:178 black_hair:175 white_background:174 brown_hair:173 hair_ornament:165 1boy:163 holding:157
0 gloves:157 dress:150 red_eyes:148 hat:140 bow:137 animal_ears:136 thighhighs:136 navel:134 ribbon:126 2girls:119
0 sitting:109 jacket:109 twintails:105 standing:105 blue_hair:99 green_eyes:99 white_shirt:98 full_body:94 tail:91
0 school_uniform:92 upper_body:90 multiple_boys:54 2boys:35 3girls:28 no_humans:17 4girls:13 6+girls:10 3boys:9
0 5girls:7 4boys:4 6+boys:4 5boys:2 monochrome:79 comic:70 sword:40 cat_ears:43 outdoors:60 sky:50 night:15
0 holding_sword:25 holding_umbrella:8
0 glasses:63 swimsuit:72 pantyhose:46 chibi:20 kimono:30 flower:75 umbrella:11 violin:1 serafuku:28 greyscale:62
5 highres:611 absurdres:207 commentary_request:200 translated:55 bad_id:60
3 original:136 touhou:105 kantai_collection:62 fate_(series):50 vocaloid:25 pokemon:30 idolmaster:28
4 hatsune_miku:15 hakurei_reimu:10 kirisame_marisa:9 cirno:5 remilia_scarlet:7 artoria_pendragon_(fate):6
1 ebifurya:1 kouji_(campus_life):1 haruyama_kazunori:1
"""
"""Category, then tags and how many of 1,000 posts have them: what stands in for the real table."""

ONSETS = ("", "b", "ch", "d", "f", "g", "h", "j", "k", "m", "n", "r", "s", "sh", "t", "ts", "w", "y", "z")
VOWELS = ("a", "i", "u", "e", "o")
SYLLABLES = tuple(onset + vowel for onset in ONSETS for vowel in VOWELS)

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """Tags in the order of their names; the arrays have one entry a tag."""

    names: list[str]
    categories: Integers
    shares: Floats
    """The part of all posts that shall have it."""
    claimed: Integers
    profiles: Integers
    """Row of `years` for each tag."""
    years: Floats
    """How much more common than over all years a tag is in each year of `YEARS`; row 0 is all ones."""
    starts: Integers
    """Where the arrows of each tag begin, and the number of all; arrow: a post with the tag gets the target too."""
    targets: Integers
    chances: Floats
    """Of each arrow; 1 where the tag implies the target."""
    base: Floats
    """The part of posts that get a tag by itself: what the arrows to it leave of its share."""
    aliases: list[tuple[str, str]]
    implications: list[tuple[str, str, str]]
    """Antecedent, consequent, status."""

    def at(self, name: str) -> int:
        """The number of a tag, or KeyError."""
        at = bisect_left(self.names, name)
        if at == len(self.names) or self.names[at] != name:
            raise KeyError(name)
        return at


def year_ends() -> Floats:
    """The last id of each year, where the last of all is `YEAR_ENDS[-1]`."""
    weights = np.cumsum(YEAR_WEIGHTS) / sum(YEAR_WEIGHTS)
    return np.concatenate([weights * YEAR_ENDS[0], YEAR_ENDS[1:]])


@dataclass(slots=True)
class _Tables:
    """What is read, or stands in for it, before it is put together."""

    tags: dict[str, tuple[int, int]]
    """Name to category and posts of `SITE_POSTS`."""
    aliases: dict[str, set[str]]
    implications: list[tuple[str, str, str]]
    pairs: list[tuple[str, str, int]]
    by_year: dict[str, list[int]]


def _read(data: Path) -> _Tables:
    tags, aliases = {}, defaultdict(set)
    with (data / "tags" / "danbooru.csv").open(newline="", encoding="utf-8") as file:
        for name, category, count, others in csv.reader(file):
            tags[name] = int(category), int(count)
            for alias in filter(None, others.split(",")):
                aliases[alias].add(name)
    with (data / "tags" / "e621_tag_implications.csv").open(newline="", encoding="utf-8") as file:
        rows = [(row["antecedent_name"], row["consequent_name"], row["status"]) for row in csv.DictReader(file)]
    pairs = pq.read_table(data / "tags" / "cooccurrence.parquet").to_pydict()
    with (data / "danbooru2020" / "tags_by_year.csv").open(newline="", encoding="utf-8") as file:
        found = csv.reader(file, delimiter=";", quotechar="'")
        by_year = {row[0]: [int(count) for count in row[2:18]] for row in found}
    return _Tables(tags, aliases, rows, list(zip(pairs["tag_a"], pairs["tag_b"], pairs["count"], strict=True)), by_year)


def _small(chance: np.random.Generator) -> _Tables:
    tags: dict[str, tuple[int, int]] = {}
    for line in SMALL.split("\n"):
        category, _, words = line.partition(" ")
        for word in words.split():
            name, _, share = word.rpartition(":")
            tags[name] = int(category), int(share) * SITE_POSTS // 1000
    ranks = np.arange(len(tags), 20_000)
    counts = (4.5e9 / (ranks + 50.0) ** 1.445).astype(np.int64)  # Zipf and Mandelbrot, as fitted to the real table
    kinds = chance.choice([ARTIST, CHARACTER, GENERAL, COPYRIGHT], len(ranks), p=[0.42, 0.29, 0.22, 0.07])
    invented = (name for name in _invented(chance, 2 * len(ranks)) if name not in tags)
    made = zip(invented, kinds.tolist(), counts.tolist(), strict=False)
    tags.update({name: (kind, max(count, 25)) for name, kind, count in made})
    return _Tables(
        tags, {"longhair": {"long_hair"}, "/lh": {"long_hair"}}, [("cat_ears", "animal_ears", "active")], [], {}
    )


def _invented(chance: np.random.Generator, number: int) -> list[str]:
    """Names of two words of two to four syllables, without a repetition."""
    rows = chance.integers(0, len(SYLLABLES), (number, 8)).tolist()
    lengths = chance.integers(2, 5, (number, 2)).tolist()
    made = (
        "".join(SYLLABLES[at] for at in row[:first]) + "_" + "".join(SYLLABLES[at] for at in row[4 : 4 + second])
        for row, (first, second) in zip(rows, lengths, strict=True)
    )
    return list(dict.fromkeys(made))


def load(data: Path | None, seed: int, *, tail: int = TAIL) -> Vocabulary:
    """Put a vocabulary together.

    Args:
        data: the folder with the real tables; None: the small list.
        seed: the same one gives the same words.
        tail: how many rare tags to make up.
    """
    chance = np.random.default_rng([seed, 0])
    tables = _small(chance) if data is None else _read(data)
    _invent(chance, tables, tail)
    names = sorted(tables.tags)
    number = {name: at for at, name in enumerate(names)}
    categories = np.array([tables.tags[name][0] for name in names], np.int64)
    claimed = np.array([tables.tags[name][1] for name in names], np.int64)
    shares = claimed / SITE_POSTS
    kept = shares >= KEPT
    shares = np.where(kept, shares, shares * (MEAN_TAGS - shares[kept].sum()) / shares[~kept].sum())
    shares = np.minimum(shares, MOST_COMMON)
    series = _series(tables)
    profiles, years = _profiles(tables, series, number)
    arrows = _arrows(tables, series, number, shares)
    sources, targets, chances = (np.array(column) for column in zip(*sorted(arrows.values()), strict=True))
    chances, base = _balanced(shares, sources, targets, chances)
    aliases = sorted(
        (alias, *found) for alias, found in tables.aliases.items() if len(found) == 1 and alias not in number
    )
    return Vocabulary(
        names=names,
        categories=categories,
        shares=shares,
        claimed=claimed,
        profiles=profiles,
        years=years,
        starts=np.searchsorted(sources, np.arange(len(names) + 1)),
        targets=targets,
        chances=chances,
        base=base,
        aliases=[(alias, target) for alias, target in aliases],
        implications=sorted((a, b, status) for a, b, status in tables.implications if a in number and b in number),
    )


def _invent(chance: np.random.Generator, tables: _Tables, tail: int) -> None:
    """Add the rare tags, of 1 to 24 posts by a Pareto law; half of the characters carry the name of a series."""
    kinds = chance.choice([GENERAL, ARTIST, CHARACTER, COPYRIGHT], tail, p=[0.25, 0.45, 0.22, 0.08]).tolist()
    counts = np.minimum((1.0 - chance.random(tail)) ** (-1 / 0.75), 24).astype(np.int64).tolist()
    copyrights = [(name, count) for name, (category, count) in tables.tags.items() if category == COPYRIGHT]
    weights = np.array([count for _, count in copyrights], np.float64)
    owners = chance.choice(len(copyrights), tail, p=weights / weights.sum()).tolist()
    named = (chance.random(tail) < 0.5).tolist()
    free = (name for name in _invented(chance, tail + tail // 4) if name not in tables.tags)
    for name, kind, count, owner, has_series in zip(free, kinds, counts, owners, named, strict=False):
        full = f"{name}_({copyrights[owner][0]})" if kind == CHARACTER and has_series else name
        tables.tags[full] = kind, count


def _series(tables: _Tables) -> dict[str, str]:
    """The copyright of each character that tells it by its name, or is mostly seen with it."""
    best: dict[str, tuple[int, str]] = {}
    for first, second, count in tables.pairs:
        for one, other in ((first, second), (second, first)):
            kinds = tables.tags.get(one, (-1, 0))[0], tables.tags.get(other, (-1, 0))[0]
            if kinds == (CHARACTER, COPYRIGHT) and count > 0.5 * tables.tags[one][1]:
                best[one] = max(best.get(one, (0, "")), (count, other))
    found = {name: other for name, (_, other) in best.items()}
    for name, (category, _) in tables.tags.items():
        ending = name[name.rfind("(") + 1 : -1]
        if category == CHARACTER and name.endswith(")") and tables.tags.get(ending, (-1, 0))[0] == COPYRIGHT:
            found[name] = ending
    return found


def _profiles(tables: _Tables, series: dict[str, str], number: dict[str, int]) -> tuple[Integers, Floats]:
    posts = np.diff(year_ends(), prepend=0.0) / YEAR_ENDS[-1]
    rows, profiles = [np.ones(len(YEARS))], np.zeros(len(number), np.int64)
    for name, counts in sorted(tables.by_year.items()):
        if tables.tags.get(name, (-1, 0))[0] == COPYRIGHT and sum(counts) >= 100:
            share = np.array([*counts, counts[-1]]) / posts  # 2021 was not over when they were counted: as 2020
            profiles[number[name]] = len(rows)
            rows.append(share / (share * posts).sum())
    for character, owner in series.items():
        profiles[number[character]] = profiles[number[owner]]
    return profiles, np.array(rows)


def _arrows(
    tables: _Tables, series: dict[str, str], number: dict[str, int], shares: Floats
) -> dict[tuple[int, int], tuple[int, int, float]]:
    """From rarer tags to more common ones, so that they never run in a circle."""
    implied = [(one, other) for one, other, status in tables.implications if status == "active"]
    implied = [pair for pair in implied if {tables.tags.get(name, (-1, 0))[0] for name in pair} == {GENERAL}]
    arrows = {}
    for one, other in (*implied, *series.items()):
        a, b = number[one], number[other]
        if shares[a] < 0.9 * shares[b] and not {one, other} & set(PERSONS):
            arrows[a, b] = a, b, 1.0
    strong = []
    for first, second, count in tables.pairs:
        if first not in number or second not in number or {first, second} & set(PERSONS):
            continue
        a, b = sorted((number[first], number[second]), key=lambda at: (shares[at], at))
        lift = count * SITE_POSTS / (tables.tags[first][1] * tables.tags[second][1])
        if shares[a] < shares[b] and lift > 1 and (a, b) not in arrows:
            strong.append((count * np.log(lift), a, b, count / (shares[a] * SITE_POSTS)))
    for _, a, b, together in sorted(strong, reverse=True)[:PAIRS]:
        chance = (min(together, 0.95) - shares[b]) / (1 - shares[b])
        if chance > 0:
            arrows[a, b] = a, b, float(chance)
    return arrows


def _balanced(shares: Floats, sources: Integers, targets: Integers, chances: Floats) -> tuple[Floats, Floats]:
    """The chances, lowered where the arrows would make a tag too common, and what is left to chance alone."""
    sure = chances == 1.0
    by_rule = np.bincount(targets[sure], shares[sources[sure]], len(shares))
    by_pair = np.bincount(targets[~sure], (shares[sources] * chances)[~sure], len(shares))
    room = np.clip(0.8 * shares - by_rule, 0, None)
    fitting = np.minimum(1.0, np.divide(room, by_pair, out=np.ones_like(room), where=by_pair > 0))
    chances = np.where(sure, chances, chances * fitting[targets])
    missed = np.zeros(len(shares))
    np.add.at(missed, targets, np.log1p(-np.minimum(shares[sources] * chances, 0.99)))
    brought = -np.expm1(missed)
    return chances, np.maximum((shares - brought) / (1 - brought), 0.02 * shares)
