"""The normalised records of a booru: posts, tags, aliases, implications, pools; and the schemes of its ratings.

Readers of every metadata format make these; the Parquet tables of a release (`tables`) hold them. An absent value is
None, never a sentinel: neither `"0"` nor 1970 nor an empty string stands for "none" here.

Nothing here reads a format or judges a value beyond its type.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import IntEnum, StrEnum


class RatingScheme(StrEnum):
    """What the letter `s` means: it changed, so the scheme stands beside every rating."""

    SQE_2021 = "sqe-2021"
    """s safe, q questionable, e explicit: Danbooru up to 2021, e621, Moebooru, the older Gelbooru and Safebooru."""
    GSQE_2022 = "gsqe-2022"
    """g general, s sensitive, q questionable, e explicit: Danbooru since 22 May 2022."""
    GELBOORU = "gelbooru"
    """The words general, sensitive, questionable, explicit, kept as g, s, q, e; the older word is kept as `safe`."""

    @property
    def ratings(self) -> tuple[str, ...]:
        """The ratings a post can have, mildest first."""
        return _RATINGS[self]


_RATINGS = {
    RatingScheme.SQE_2021: ("s", "q", "e"),
    RatingScheme.GSQE_2022: ("g", "s", "q", "e"),
    RatingScheme.GELBOORU: ("safe", "g", "s", "q", "e"),
}


class Category(IntEnum):
    """The categories of tags; the numbers are Danbooru's, and e621's where Danbooru has none."""

    UNKNOWN = -1
    GENERAL = 0
    ARTIST = 1
    CONTRIBUTOR = 2
    COPYRIGHT = 3
    CHARACTER = 4
    META = 5
    SPECIES = 6
    INVALID = 7
    LORE = 8
    DEPRECATED = 9
    CIRCLE = 10
    STYLE = 11

    @property
    def word(self) -> str:
        """The name in lower case."""
        return self.name.lower()


@dataclass(frozen=True, slots=True, kw_only=True)
class Post:
    """One post of a booru; (site, id) names it."""

    site: str
    id: int
    rating_scheme: RatingScheme
    rating: str | None = None
    created_at: datetime | None = None
    """With a time zone, always UTC; so are all times here."""
    updated_at: datetime | None = None
    uploader_id: int | None = None
    approver_id: int | None = None
    score: int | None = None
    up_score: int | None = None
    down_score: int | None = None
    """Negative or zero, as Danbooru stores it."""
    fav_count: int | None = None
    source: str | None = None
    md5: str | None = None
    """As claimed by the booru, lower case hex: it describes the file before any optimisation and never verifies one."""
    width: int | None = None
    """Pixels, as claimed."""
    height: int | None = None
    file_ext: str | None = None
    """As claimed, in lower case without the dot."""
    file_size: int | None = None
    """Bytes, as claimed."""
    duration: float | None = None
    """Seconds, of animations and videos."""
    parent_id: int | None = None
    has_children: bool | None = None
    is_pending: bool | None = None
    is_flagged: bool | None = None
    is_deleted: bool | None = None
    is_banned: bool | None = None
    pixiv_id: int | None = None
    has_embedded_notes: bool | None = None
    last_commented_at: datetime | None = None
    last_comment_bumped_at: datetime | None = None
    last_noted_at: datetime | None = None
    tags: tuple[str, ...] = ()
    """Without duplicates, sorted."""
    duplicate_tags: int = 0
    """How many entries of the record were dropped because they named a tag twice."""
    extra: str | None = None
    """Keys of the record that no column takes, as one JSON object; None where there are none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tag:
    """One tag of a site; `post_count` is counted in the release, the claim of the source is kept beside it."""

    site: str
    name: str
    category: Category = Category.UNKNOWN
    claimed_count: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Relation:
    """An alias or an implication: the antecedent stands for, or implies, the consequent."""

    site: str
    antecedent: str
    consequent: str
    status: str = "active"
    created_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Alias(Relation):
    """The antecedent is another name of the consequent."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Implication(Relation):
    """A post with the antecedent has the consequent too; already materialised in the posts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pool:
    """An ordered set of posts."""

    site: str
    id: int
    name: str | None = None
    category: str | None = None
    """`series` or `collection`."""
    description: str | None = None
    is_deleted: bool | None = None
    post_ids: tuple[int, ...] = ()
    created_at: datetime | None = None
    updated_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Note:
    """A translation laid over a part of an image."""

    site: str
    id: int
    post_id: int
    body: str | None = None
    is_active: bool | None = None
    x: int | None = None
    """Pixels, of the upper left corner on the original; so are the other three."""
    y: int | None = None
    width: int | None = None
    height: int | None = None
    created_at: datetime | None = None
    updated_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Comment:
    """What a user wrote below a post."""

    site: str
    id: int
    post_id: int
    creator_id: int | None = None
    body: str | None = None
    score: int | None = None
    is_deleted: bool | None = None
    created_at: datetime | None = None
    updated_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ArtistCommentary:
    """What the artist wrote where the image came from, and its translation."""

    site: str
    id: int
    post_id: int
    original_title: str | None = None
    original_description: str | None = None
    translated_title: str | None = None
    translated_description: str | None = None
    created_at: datetime | None = None
    updated_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class User:
    """The name behind the ids of uploaders and approvers."""

    site: str
    id: int
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Reject:
    """A row that could not be read, with its reason and where it stands."""

    source: str
    """The name of the file, relative to the dataset where it lies inside."""
    line: int
    """Line of a text format, or number of the record in a list, counted from 1."""
    reason: str
    """One of a few words, to be counted by: `not-json`, `no-id`, `ghost-row`, ..."""
    detail: str = ""
    text: str = field(default="", repr=False)
    """The row itself, at most 2,000 characters."""


Beside = Note | Comment | ArtistCommentary | User
"""The rows of the tables that a release has only where a source has them."""

Record = Post | Tag | Alias | Implication | Pool | Note | Comment | ArtistCommentary | User | Reject
