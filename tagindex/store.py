"""What the evaluator of queries asks of an index: posting lists, words, columns and the texts beside them.

Posts have ordinals 0 to size - 1 in the order of (site, id); every set is a Roaring bitmap of ordinals. `reader.Index`
is the store on disk; tests have one in memory. Nothing here evaluates, and nothing here knows a file.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeAlias

from pyroaring import BitMap

from tagswarm.manifests.records import Category, RatingScheme

from .late import np, npt

Ordinals: TypeAlias = "npt.NDArray[np.uint32]"

NUMBERS = (
    "id",
    "created_at",
    "updated_at",
    "score",
    "up_score",
    "down_score",
    "fav_count",
    "width",
    "height",
    "file_size",
    "duration",
    "parent_id",
    "pixiv_id",
    "uploader_id",
    "approver_id",
    "last_commented_at",
    "last_comment_bumped_at",
    "last_noted_at",
    "commentary_updated_at",
    "tag_count",
    "tag_count_general",
    "tag_count_artist",
    "tag_count_copyright",
    "tag_count_character",
    "tag_count_meta",
)
"""Columns of 64-bit integers: times in microseconds since 1970 UTC, durations in milliseconds, sizes in bytes.

Any may be null but `id` and the tag counts. Counts of a table that the release carries are columns too, never null,
named as the metatags that ask for them: `note_count`, `active_note_count`, `pool_count`, ..."""

WORDS = ("site", "rating", "file_ext")
"""Columns of a few words, one bitmap a word; a post without a word is in none."""

FLAGS = ("is_pending", "is_flagged", "is_deleted", "is_banned", "has_children", "has_embedded_notes")
"""Columns of yes and no, one bitmap each: yes; null counts as no."""

TABLES = ("pools", "notes", "comments", "artist_commentaries", "users", "appeals")
"""Tables beside the posts that a release may carry."""


@dataclass(frozen=True, slots=True)
class TagRow:
    """A tag of the dictionary."""

    key: int
    """Names its posting list inside this index."""
    name: str
    category: Category
    count: int
    """Posts that have it, always more than 0."""


@dataclass(frozen=True, slots=True)
class Text:
    """A text beside a post: a note, a comment, a commentary."""

    post: int
    """Ordinal."""
    fields: tuple[str, ...]
    """One for notes and comments; four for commentaries: original title and description, translated title and
    description."""
    active: bool = True


@dataclass(frozen=True, slots=True)
class PoolRow:
    """A pool and its posts in their order."""

    id: int
    name: str
    category: str
    """`series` or `collection`."""
    deleted: bool
    posts: Sequence[int]
    """Ordinals; posts the release does not have are left out."""


class Store(Protocol):
    """A collection of posts that queries are answered from."""

    @property
    def size(self) -> int:
        """How many posts there are."""

    @property
    def schemes(self) -> frozenset[RatingScheme]:
        """The rating schemes of the posts."""

    @property
    def tables(self) -> frozenset[str]:
        """Which of `TABLES` the release carries."""

    @property
    def columns(self) -> frozenset[str]:
        """Which of `NUMBERS`, and of the counts, hold a value of some post."""

    def tag(self, name: str) -> TagRow | None:
        """The tag of exactly this name."""

    def tag_of(self, key: int) -> TagRow | None:
        """The tag with a key."""

    def alias(self, name: str) -> str | None:
        """What an active alias stands for."""

    def tags_like(self, pattern: str) -> list[TagRow]:
        """The tags a glob matches (`*` alone is special), the most frequent first, then by name."""

    def abbreviated(self, initials: str) -> TagRow | None:
        """The most frequent tag whose words begin with these letters."""

    def nearest(self, name: str, limit: int = 5) -> list[str]:
        """Names of tags, and of aliases, that are spelled like this one, the best first."""

    def posting(self, tag: TagRow) -> BitMap:
        """The posts that have a tag."""

    def frequent(self, category: Category) -> Iterator[TagRow]:
        """The tags of a category, the most frequent first, then by name; read as far as they are asked for."""

    def counts_within(self, posts: BitMap) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
        """The keys of the tags that any of these posts has, and how many of the posts have each."""

    def tags_of(self, posts: BitMap) -> tuple[npt.NDArray[np.int64], Ordinals]:
        """The pairs of a tag and one of these posts that has it: keys and ordinals, sorted by both."""

    def word(self, column: str, value: str) -> BitMap:
        """The posts with this word in a column of `WORDS`."""

    def words(self, column: str) -> Sequence[str]:
        """The words that some post has in a column of `WORDS`, sorted."""

    def flag(self, column: str) -> BitMap:
        """The posts with a flag of `FLAGS`."""

    def nulls(self, column: str) -> BitMap:
        """The posts without a value in a column of numbers, of `source` or of `md5`."""

    def between(self, column: str, low: int | None, high: int | None) -> BitMap:
        """The posts whose number is at least `low` and at most `high`; None leaves an end open, nulls are never in."""

    def values(self, column: str, posts: BitMap | None = None) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.bool_]]:
        """The numbers of these posts, or of all, in the order of ordinals, and where they are null: 0 stands there."""

    def md5(self, value: str) -> BitMap:
        """The posts whose claimed MD5 is this, 32 lower case hex digits."""

    def md5s(self, posts: BitMap) -> list[str | None]:
        """The claimed MD5s of these posts in the order of ordinals."""

    def sources(self, posts: BitMap | None = None) -> Iterator[tuple[int, str]]:
        """Ordinal and source of every one of these posts, or of all, that has one, in the order of ordinals."""

    def pools(self) -> Iterator[PoolRow]:
        """Every pool, sorted by id."""

    def texts(self, table: str) -> Iterator[Text]:
        """Every text of `notes`, `comments` or `artist_commentaries`, sorted by post."""

    def users(self, column: str, name: str) -> BitMap:
        """The posts whose `uploader` or `approver` has this name, in any case."""
