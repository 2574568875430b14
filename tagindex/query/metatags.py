"""Every metatag of the language: what it compares, what it needs, and why some cannot be answered here.

One table that the parser (which names are metatags), the check (what a value must be) and the manual
(docs/reference/query.md) are made from. Source: Danbooru's `PostQueryBuilder`; `site:` is ours.

Nothing here reads a value.
"""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType

from .conditions import Order
from .values import Kind


@dataclass(frozen=True, slots=True, kw_only=True)
class Definition:
    """What a metatag means."""

    name: str
    does: str
    """The end of a sentence that begins "posts", for the manual."""
    kind: Kind | None = None
    """What its values are, where it compares."""
    column: str = ""
    """The column that it compares, as `conditions.Compare` names them."""
    scale: int = 1
    """How many of the column's units make one of the value's."""
    needs: str = ""
    """The table beside the posts that it is answered from."""
    words: tuple[str, ...] = ()
    """The words it takes, where it takes no others."""
    example: str = ""
    refusal: str = ""
    """Why no release can answer it; empty where one can."""

    @property
    def answerable(self) -> bool:
        """Whether a release can answer it."""
        return not self.refusal


def _compare(name: str, kind: Kind, column: str, does: str, example: str, *, scale: int = 1) -> Definition:
    return Definition(name=name, kind=kind, column=column, does=does, example=example, scale=scale)


_INTEGERS = (
    ("id", "id", "with this number", "id:>=1000"),
    ("width", "width", "this many pixels wide", "width:>=1920"),
    ("height", "height", "this many pixels high", "height:<720"),
    ("score", "score", "of this score", "score:>50"),
    ("upvotes", "up_score", "with this many votes up", "upvotes:>10"),
    ("downvotes", "downvotes", "with this many votes down, counted from 0", "downvotes:0"),
    ("favcount", "fav_count", "that this many people have as a favourite", "favcount:100..200"),
    ("pixiv_id", "pixiv_id", "from this work on pixiv", "pixiv_id:any"),
    ("tagcount", "tag_count", "with this many tags", "tagcount:>=20"),
    ("gentags", "tag_count_general", "with this many general tags", "gentags:<10"),
    ("arttags", "tag_count_artist", "with this many tags of artists", "arttags:1"),
    ("copytags", "tag_count_copyright", "with this many tags of copyrights", "copytags:>1"),
    ("chartags", "tag_count_character", "with this many tags of characters", "chartags:0"),
    ("metatags", "tag_count_meta", "with this many meta tags", "metatags:>0"),
)

_RATINGS = ("general", "sensitive", "questionable", "explicit")
_STATUSES = ("pending", "flagged", "deleted", "banned", "active", "appealed", "modqueue")
FILETYPES = ("jpg", "png", "gif", "webp", "avif", "mp4", "webm", "swf", "zip")

COUNTED = MappingProxyType(
    {
        "comment": "comments",
        "note": "notes",
        "child": "",
        "pool": "pools",
        "series_pool": "pools",
        "collection_pool": "pools",
        "flag": "flags",
        "appeal": "appeals",
        "approval": "approvals",
        "replacement": "replacements",
        "disapproval": "disapprovals",
    }
)
"""What is counted, and the table it is counted from; children are counted from the posts themselves."""

_SPLIT = ("comment", "note", "child", "pool")
"""Whose active and deleted ones are counted apart too."""


def _plural(noun: str) -> str:
    return "children" if noun == "child" else f"{noun}s"


def _counts() -> dict[str, tuple[str, str, str]]:
    """The metatags that count: the noun, its table, and the synonym in the plural."""
    counts = {f"{noun}_count": (noun, table, _plural(noun)) for noun, table in COUNTED.items()}
    for noun in _SPLIT:
        for state in ("active", "deleted"):
            counts[f"{state}_{noun}_count"] = (f"{state} {noun}", COUNTED[noun], f"{state}_{_plural(noun)}")
    return counts


_COUNTS = _counts()

COUNT_SYNONYMS = MappingProxyType({plural: name for name, (_, _, plural) in _COUNTS.items()})
"""`comments` for `comment_count`, and so on; the parser replaces them, also in the value of `order:`."""

SYNONYMS = MappingProxyType({"pixiv": "pixiv_id"})
"""Second names that stay in the tree as they were written."""

_LIVE = "only the live site knows who did it"
_REFUSED = {
    "fav": _LIVE,
    "ordfav": _LIVE,
    "favgroup": "groups of favourites are private to the live site",
    "ordfavgroup": "groups of favourites are private to the live site",
    "search": "saved searches are private to the live site",
    "upvote": _LIVE,
    "downvote": _LIVE,
    "flagger": _LIVE,
    "appealer": _LIVE,
    "disapproved": _LIVE,
    "commenter": _LIVE,
    "comm": _LIVE,
    "noter": _LIVE,
    "noteupdater": _LIVE,
    "artcomm": _LIVE,
    "commentaryupdater": _LIVE,
    "reacted": _LIVE,
    "exif": "no release carries the metadata inside of the files",
    "ai": "the tags that a model suggests are only on the live site",
    "pixelhash": "no release carries hashes of pixels",
}


def _definitions() -> list[Definition]:
    numbers = [_compare(name, Kind.INTEGER, column, does, example) for name, column, does, example in _INTEGERS]
    counts = [
        Definition(
            name=name,
            kind=Kind.INTEGER,
            column=name,
            needs=table,
            does=f"with this many {_plural(noun)}",
            example=f"{plural}:>0",
        )
        for name, (noun, table, plural) in _COUNTS.items()
    ]
    return [
        *numbers,
        _compare("md5", Kind.MD5, "md5", "whose file had this MD5", "md5:ecef68c44edb8a0d6a3070b5f8e8ee76"),
        _compare("mpixels", Kind.FLOAT, "mpixels", "of this many million pixels", "mpixels:>1.5", scale=1_000_000),
        _compare("ratio", Kind.RATIO, "ratio", "of this width by height, to two decimals", "ratio:16:9", scale=100),
        _compare("filesize", Kind.FILESIZE, "file_size", "whose file was this large", "filesize:>1mb"),
        _compare("date", Kind.DATE, "created_at", "posted on this day", "date:2017-01-01...2018-01-01"),
        _compare("age", Kind.AGE, "created_at", "posted this long before now", "age:<1mo"),
        _compare("duration", Kind.DURATION, "duration", "that play this long", "duration:>1m30s", scale=1000),
        Definition(name="filetype", kind=Kind.ENUM, column="file_ext", does="of this type", example="filetype:png,jpg"),
        Definition(name="rating", does="of this rating", example="rating:g,s"),
        Definition(
            name="is",
            words=(*_RATINGS, "safe", "sfw", "nsfw", *FILETYPES, "parent", "child", *_STATUSES),
            does="that are this",
            example="is:sfw",
        ),
        Definition(
            name="has",
            words=(
                *("parent", "child", "children", "source", "notes", "comments", "commentary", "pools"),
                *("appeals", "flags", "replacements"),
            ),
            does="that have this",
            example="has:source",
        ),
        Definition(name="status", words=(*_STATUSES, "any", "all"), does="in this state", example="status:deleted"),
        Definition(
            name="parent",
            words=("any", "none", *_STATUSES),
            does="with this number and their children; with a parent, without one, or with one in this state",
            example="parent:1234",
        ),
        Definition(
            name="child",
            words=("any", "none", *_STATUSES),
            does="with children, without any, or with one in this state",
            example="child:any",
        ),
        Definition(
            name="embedded",
            words=("true", "t", "yes", "y", "on", "1", "false", "f", "no", "n", "off", "0"),
            does="whose notes are drawn into the image",
            example="embedded:true",
        ),
        Definition(
            name="source",
            does="whose source begins so, in any case, `*` for anything; nothing or `none` for no source",
            example="source:https://www.pixiv.net/",
        ),
        Definition(
            name="pool",
            needs="pools",
            does="in this pool, by number, name or pattern; or `any`, `none`, `series`, `collection`",
            example="pool:1234",
        ),
        Definition(
            name="ordpool", needs="pools", does="in this pool, in the order of the pool", example="ordpool:1234"
        ),
        Definition(name="note", needs="notes", does="with these words in a note", example="note:hello"),
        Definition(name="comment", needs="comments", does="with these words in a comment", example="comment:*cute*"),
        Definition(
            name="commentary",
            needs="artist_commentaries",
            does="with these words in the commentary of the artist; or `true`, `false`, `translated`, `untranslated`",
            example="commentary:translated",
        ),
        Definition(name="user", needs="users", does="that this user uploaded; or `any`, `none`", example="user:albert"),
        Definition(
            name="approver", needs="users", does="that this user approved; or `any`, `none`", example="approver:none"
        ),
        Definition(name="unaliased", does="with exactly this tag, aliases left alone", example="unaliased:kitten"),
        Definition(name="site", does="of this site, in a release of several", example="site:danbooru"),
        *counts,
        Definition(name="order", does="in this order", example="order:score"),
        Definition(name="limit", does="up to this many, the first of the order", example="limit:100"),
        Definition(name="random", does="drawn at random, this many", example="random:100"),
        *(Definition(name=name, does="", refusal=refusal) for name, refusal in _REFUSED.items()),
    ]


METATAGS = MappingProxyType({definition.name: definition for definition in _definitions()})
"""Every metatag by its name."""

NAMES = frozenset((*METATAGS, *COUNT_SYNONYMS, *SYNONYMS))
"""Every name that makes a word with a colon a metatag."""


def definition(name: str) -> Definition:
    """The metatag of a name, or of a second name."""
    return METATAGS[SYNONYMS.get(name, name)]


def _both(name: str, by: str, *, nulls_first: bool = False, drops_nulls: bool = False) -> dict[str, Order]:
    down = Order(by, drops_nulls=drops_nulls)
    up = Order(by, descending=False, nulls_first=nulls_first, drops_nulls=drops_nulls)
    return {name: down, f"{name}_desc": down, f"{name}_asc": up}


def _orders() -> dict[str, Order]:
    orders = {
        "id": Order("id", descending=False),
        "id_desc": Order("id"),
        "id_asc": Order("id", descending=False),
        "none": Order("id"),
        "random": Order("random"),
        "custom": Order("custom"),
        "portrait": Order("aspect", descending=False),
        "landscape": Order("aspect"),
    }
    columns = {
        "score": "score",
        "upvotes": "up_score",
        "favcount": "fav_count",
        "change": "updated_at",
        "created_at": "created_at",
        "md5": "md5",
        "mpixels": "mpixels",
        "filesize": "file_size",
        "duration": "duration",
        "tagcount": "tag_count",
        "gentags": "tag_count_general",
        "arttags": "tag_count_artist",
        "copytags": "tag_count_copyright",
        "chartags": "tag_count_character",
        "metatags": "tag_count_meta",
        "comment": "last_commented_at",
        **{name: name for name in _COUNTS},
    }
    for name, column in columns.items():
        orders |= _both(name, column)
    # Votes down are stored below zero: the most of them is the least number.
    orders |= {
        "downvotes": Order("down_score", descending=False),
        "downvotes_desc": Order("down_score", descending=False),
        "downvotes_asc": Order("down_score"),
    }
    orders |= _both("comment_bumped", "last_comment_bumped_at", nulls_first=True)
    orders |= _both("note", "last_noted_at", nulls_first=True)
    orders |= _both("artcomm", "commentary_updated_at", drops_nulls=True)
    return orders


ORDERS = MappingProxyType(_orders())
"""What `order:` can say."""

REFUSED_ORDERS = MappingProxyType(
    {
        "rank": "it ranks by the last two days of the live site",
        "modqueue": "the queue of the moderators is only on the live site",
        "disapproved": _LIVE,
    }
)
"""What only a live site can order by, and why."""
