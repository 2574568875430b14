"""The fifty queries that every engine is asked: one tree each, written in the languages of the engines.

The tree is neutral: `text` writes it in the query language of boorus, `engines` in SQL and for jq.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime


@dataclass(frozen=True, slots=True)
class Tag:
    """Posts with a tag."""

    name: str


@dataclass(frozen=True, slots=True)
class Like:
    """Posts with any tag that a glob matches."""

    pattern: str


@dataclass(frozen=True, slots=True)
class Word:
    """Posts with a word in a column."""

    column: str
    value: str


@dataclass(frozen=True, slots=True)
class Between:
    """Posts with a number between two, both included; None leaves an end open."""

    column: str
    low: int | None = None
    high: int | None = None


@dataclass(frozen=True, slots=True)
class And:
    """All of these."""

    children: tuple[Tree, ...]


@dataclass(frozen=True, slots=True)
class Or:
    """Any of these."""

    children: tuple[Tree, ...]


@dataclass(frozen=True, slots=True)
class Not:
    """What the child is not."""

    child: Tree


Tree = Tag | Like | Word | Between | And | Or | Not


@dataclass(frozen=True, slots=True)
class Order:
    """The first so many posts by a column, ties by id in the same direction."""

    column: str
    descending: bool
    limit: int


@dataclass(frozen=True, slots=True)
class Probe:
    """One question: how many posts, or the ids of the first where an order is given."""

    kind: str
    tree: Tree
    order: Order | None = None

    @property
    def text(self) -> str:
        """The question in the language of boorus."""
        text = _text(self.tree, outer=True)
        if self.order is None:
            return text
        name = METATAGS[self.order.column]
        return f"{text} order:{name}{'' if self.order.descending else '_asc'} limit:{self.order.limit}"


METATAGS = {
    "id": "id",
    "score": "score",
    "fav_count": "favcount",
    "width": "width",
    "height": "height",
    "file_size": "filesize",
    "created_at": "date",
    "rating": "rating",
    "file_ext": "filetype",
}
"""Column to the metatag that asks for it."""


def moment(micros: int) -> datetime:
    """A time as the columns have it."""
    return datetime.fromtimestamp(micros / 1e6, UTC)


def _text(tree: Tree, *, outer: bool = False) -> str:
    match tree:
        case Tag(name):
            return name
        case Like(pattern):
            return pattern
        case Word(column, value):
            return f"{METATAGS[column]}:{value}"
        case Between(column, low, high):
            low_text, high_text = (_number(column, end) for end in (low, high))
            if high is None:
                return f"{METATAGS[column]}:>={low_text}"
            return (
                f"{METATAGS[column]}:{low_text}..{high_text}"
                if low is not None
                else f"{METATAGS[column]}:<={high_text}"
            )
        case And(children):
            text = " ".join(_text(child) for child in children)
        case Or(children):
            text = " or ".join(_text(child) for child in children)
        case Not(child):
            return f"-{_text(child)}"
    return text if outer else f"({text})"


def _number(column: str, value: int | None) -> str:
    if column == "created_at" and value is not None:
        return f"{moment(value):%Y-%m-%d}"
    return str(value)


def _leaf(word: str) -> Tree:
    if word.startswith("-"):
        return Not(_leaf(word[1:]))
    if "|" in word:
        return Or(tuple(_leaf(part) for part in word.split("|")))
    return Like(word) if "*" in word else Tag(word)


def _all(words: str, *others: Tree) -> Tree:
    """Words to a tree: `a -b c|d` is a, not b, and c or d; a `*` makes a glob."""
    children = (*(_leaf(word) for word in words.split()), *others)
    return children[0] if len(children) == 1 else And(children)


def _since(year: int) -> Between:
    return Between("created_at", int(datetime(year, 1, 1, tzinfo=UTC).timestamp()) * 1_000_000)


_PLAIN = {
    "one tag": ("1girl", "touhou", "chibi", "violin", "hatsune_miku", "highres"),
    "two": (
        "1girl solo",
        "touhou sword",
        "cat_ears glasses",
        "long_hair -1girl",
        "hatsune_miku twintails",
        "comic monochrome",
    ),
    "three": (
        "1girl solo smile",
        "touhou hat -comic",
        "blue_eyes blonde_hair thighhighs",
        "outdoors sky night",
        "swimsuit flower -comic",
    ),
    "four": (
        "1girl solo long_hair blue_eyes",
        "1girl solo white_background full_body",
        "touhou 1girl hat -comic",
        "1girl long_hair blue_hair|green_eyes",
        "glasses school_uniform black_hair -monochrome",
        "multiple_girls smile blush -solo",
        "1boy sword gloves jacket",
        "original 1girl umbrella outdoors",
        "kimono flower hair_ornament -chibi",
        "animal_ears tail thighhighs red_eyes",
    ),
    "five and six": (
        "1girl solo long_hair blue_eyes smile -comic",
        "1girl solo standing full_body white_background simple_background",
        "twintails pantyhose skirt hair_ornament 1girl highres",
        "touhou long_hair hat bow blonde_hair smile",
    ),
    "or": (
        "hatsune_miku|hakurei_reimu|kirisame_marisa",
        "cat_ears|animal_ears tail|ribbon solo",
        "monochrome|greyscale -comic",
    ),
    "not": ("solo -1girl", "-1girl -1boy -no_humans", "1girl -monochrome|greyscale", "-highres"),
    "wildcard": ("blue_*", "1girl solo *_(fate)", "sword -holding_*"),
}

PROBES = (
    *(Probe(kind, _all(words)) for kind, lines in _PLAIN.items() for words in lines),
    Probe("range", Between("score", 20)),
    Probe("range", _all("1girl solo -comic", Between("score", 20), _since(2015))),
    Probe("range", And((Between("width", 2000), Between("height", 2000)))),
    Probe("range", _all("touhou", Word("rating", "g"), Word("file_ext", "png"))),
    Probe("range", _all("1girl", Word("rating", "s"), Between("score", 10, 30))),
    Probe("order", _all("1girl solo"), Order("score", descending=True, limit=20)),
    Probe("order", _all("touhou"), Order("fav_count", descending=True, limit=100)),
    Probe("order", _all("cat_ears"), Order("score", descending=False, limit=20)),
    Probe("order", _all("solo", Word("rating", "g")), Order("file_size", descending=True, limit=10)),
)
