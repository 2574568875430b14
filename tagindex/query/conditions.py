"""The leaves of a checked query: what a metatag asks of a collection, with its values read.

`check` makes these and `evaluate` answers them; the rest of a checked tree are the `All`, `Nothing`, `Tag`, `And`, `Or`
and `Not` of `syntax`. Nothing here reads a value or a collection.
"""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass

from tagswarm.tagindex.store import TagRow

from .syntax import Node, Span
from .values import Range


@dataclass(frozen=True, slots=True)
class Compare:
    """A number, a time or an MD5 against a range.

    `column` is one of `store.NUMBERS`, a count, `md5`, or one that is computed: `mpixels` is width times height in
    pixels, `ratio` is width by height in hundredths, rounded half away from zero, `downvotes` is the absolute value of
    `down_score`. The numbers of the range are integers in the units of the column, its ends always closed; those of
    `md5` are 32 lower case hex digits.

    `Eq`, `IsNull` and `NotNull` are never unknown; `Between`, `In` and `AnyOf` of a null are.
    """

    column: str
    range: Range


@dataclass(frozen=True, slots=True)
class Words:
    """Any of some words in a column of `store.WORDS`; no words, no posts."""

    column: str
    words: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Flag:
    """A flag of `store.FLAGS` that is set."""

    column: str


@dataclass(frozen=True, slots=True)
class Tagged:
    """Any of the tags that a wildcard matched, the most frequent first."""

    pattern: str
    tags: tuple[TagRow, ...]


@dataclass(frozen=True, slots=True)
class Source:
    r"""A source that a glob matches from end to end in any case (`*` is special, `\*` and `\\` are literal)."""

    pattern: str | None
    """In lower case; None asks for posts without a source."""


@dataclass(frozen=True, slots=True)
class InPool:
    """A post of any pool that is described; with nothing given, of any pool."""

    id: int | None = None
    name: str | None = None
    """In lower case, spaces are `_`; a glob where it has `*`."""
    category: str | None = None
    """`series` or `collection`."""


@dataclass(frozen=True, slots=True)
class Mentions:
    """A text of `notes`, `comments` or `artist_commentaries` that has these words, or matches a glob with `*`."""

    table: str
    text: str


@dataclass(frozen=True, slots=True)
class Commented:
    """A commentary of the artist: `any`, `translated` or `untranslated`."""

    kind: str


@dataclass(frozen=True, slots=True)
class By:
    """`uploader` or `approver` has this name, in any case."""

    column: str
    name: str


@dataclass(frozen=True, slots=True)
class ParentIs:
    """The post's parent is in the collection and the node selects it."""

    node: Node


@dataclass(frozen=True, slots=True)
class ChildIs:
    """The node selects a child of the post."""

    node: Node


Condition = Compare | Words | Flag | Tagged | Source | InPool | Mentions | Commented | By | ParentIs | ChildIs


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Test(Node):
    """A condition, and the metatag that asked for it."""

    __test__ = False  # the name is no invitation to pytest

    metatag: str
    """In full, for explaining; `*` for a wildcard."""
    condition: Condition
    span: Span = (0, 0)

    @property
    def label(self) -> Hashable:  # noqa: D102 - as in Node
        return self.metatag, self.condition


@dataclass(frozen=True, slots=True)
class Order:
    """How the answer is sorted; ties go by id in the direction of the key.

    `by` is `id`, a column of numbers or a count, or `md5`, `mpixels` (pixels), `aspect` (width by height), `random`,
    `custom` (the order of `ids`), `pool` (position in the pool, ascending).
    """

    by: str = "id"
    descending: bool = True
    nulls_first: bool = False
    drops_nulls: bool = False
    """Posts without the key are not in the answer."""
    ids: tuple[int, ...] = ()
    pool: InPool | None = None


@dataclass(frozen=True, slots=True)
class Checked:
    """A query that a collection can answer."""

    node: Node
    order: Order = Order()
    limit: int | None = None
    random: int | None = None
    """How many of the matches to draw."""
    notes: tuple[str, ...] = ()
    """What the asker should know of how the query was understood, a sentence each."""
