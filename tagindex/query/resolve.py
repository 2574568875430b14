"""Metatags to conditions: values read, words known, tables and columns there, or an error that says what to write.

Nothing here walks a tree or orders an answer.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence

from tagswarm.manifests.errors import QueryError, UnanswerableMetatag, UnknownWord, UnreadableValue
from tagswarm.manifests.records import RatingScheme
from tagswarm.tagindex.store import Store

from . import ratings, values
from .conditions import (
    By,
    ChildIs,
    Commented,
    Compare,
    Condition,
    Flag,
    InPool,
    Mentions,
    ParentIs,
    Source,
    Test,
    Words,
)
from .metatags import FILETYPES, METATAGS, Definition, definition
from .order import pool_matches
from .printing import infix
from .suggest import close, enumerated, shortened
from .syntax import All, And, Metatag, Node, Not, Nothing, Or, Span
from .values import Between, Clock, Eq, In, IsNull, Kind, NotNull, ValueProblem

_FLAGS = {"pending": "is_pending", "flagged": "is_flagged", "deleted": "is_deleted", "banned": "is_banned"}
_HAS = {
    "notes": "active_note_count",
    "comments": "active_comment_count",
    "pools": "active_pool_count",
    "appeals": "appeal_count",
    "flags": "flag_count",
    "replacements": "replacement_count",
}
_MADE_OF: dict[str, tuple[str, ...]] = {
    **dict.fromkeys(("mpixels", "aspect", "ratio"), ("width", "height")),
    "downvotes": ("down_score",),
    **dict.fromkeys(("child_count", "active_child_count", "deleted_child_count"), ()),
}
"""Columns that are computed, and the ones they are computed from."""
_OFTEN_ABSENT = frozenset(("parent_id", "pixiv_id", "uploader_id", "approver_id", "md5"))
"""Columns that are empty for good reasons: a collection without a single parent can still be asked for parents."""
_LONGEST_LIST = 12
"""Words that a hint lists."""
_DIGITS = re.compile(r"[0-9]{1,18}")


def place(metatag: Metatag, text: str) -> Span:
    """Where the value of a metatag stands; the whole metatag where it has none."""
    colon = text.find(":", *metatag.span)
    return (colon + 1, metatag.span[1]) if 0 <= colon < metatag.span[1] - 1 else metatag.span


class Resolver:
    """Reads the metatags of one query for one store.

    Args:
        store: the collection.
        clock: of dates and ages.
        text: the query, for the places of errors.
        lenient: answer as Danbooru does: what cannot be read, or is not known, is true of no post.
    """

    def __init__(self, store: Store, clock: Clock, text: str, *, lenient: bool = False) -> None:
        self.store = store
        self.clock = clock
        self.text = text
        self.lenient = lenient
        self.schemes: Collection[RatingScheme] = store.schemes or {RatingScheme.GSQE_2022}
        self.notes: dict[str, None] = {}

    def resolve(self, metatag: Metatag) -> Node:
        """The condition of a metatag.

        Raises:
            UnreadableValue: the value is not of its type.
            UnknownWord: it is none of the words that the metatag takes.
            UnanswerableMetatag: a table or a column is missing, or only a live site knows.
        """
        try:
            return self._resolve(metatag)
        except QueryError:
            if self.lenient:
                return Nothing(metatag.span)
            raise

    def note(self, text: str) -> None:
        """Tell the asker something, once."""
        self.notes.setdefault(text)

    def _resolve(self, metatag: Metatag) -> Node:
        known = definition(metatag.name)
        if known.refusal:
            raise self.unanswerable(metatag, known.refusal)
        if known.kind is not None:
            return self._words(metatag, "file_ext") if known.kind is Kind.ENUM else self._compare(metatag, known)
        word = metatag.value.lower()
        match known.name:
            case "rating":
                return self._rating(metatag, self._items(metatag))
            case "is":
                return self._is(metatag, word)
            case "has":
                return self._has(metatag, word)
            case "status":
                return All(metatag.span) if word in {"any", "all"} else self._status(metatag, word)
            case "parent":
                return self._parent(metatag, word)
            case "child":
                return self._child(metatag, word)
            case "embedded":
                return self._embedded(metatag, word)
            case "source":
                return self._source(metatag)
            case "pool" | "ordpool":
                return self._pool(metatag)
            case "note" | "comment" | "commentary":
                return self._text(metatag, known)
            case "user" | "approver":
                return self._person(metatag)
            case "site":
                return self._words(metatag, "site")
            case "unaliased":
                raise self.unknown_word(metatag, "", ("a tag",))
        raise AssertionError(metatag.name)

    # Errors

    def unanswerable(self, metatag: Metatag, why: str, hint: str | None = None) -> UnanswerableMetatag:
        """The error for what this release, or any, does not know."""
        shown = f"{metatag.name}:{metatag.value}" if metatag.name in {"is", "status", "order"} else f"{metatag.name}:"
        hint = hint or "Leave it out: it would be neither true nor false of any post."
        return UnanswerableMetatag(f"{shown} cannot be answered: {why}", text=self.text, span=metatag.span, hint=hint)

    def unreadable(self, metatag: Metatag, why: str, hint: str) -> UnreadableValue:
        """The error for a value that is not of its type."""
        where = place(metatag, self.text)
        return UnreadableValue(f"{metatag.name}: cannot read its value: {why}", text=self.text, span=where, hint=hint)

    def unknown_word(self, metatag: Metatag, word: str, words: Sequence[str], also: str = "") -> UnknownWord:
        """The error for a word that a metatag does not take."""
        listed = ", ".join(words[:_LONGEST_LIST]) + (", ..." if len(words) > _LONGEST_LIST else "")
        nearest = close(word, words)
        meant = f"Did you mean {metatag.name}:{nearest}? " if nearest else ""
        message = f"{metatag.name}: has no word {word!r}" if word else f"{metatag.name}: needs a word behind it"
        hint = f"{meant}It takes {listed}{also}."
        return UnknownWord(message, text=self.text, span=place(metatag, self.text), hint=hint)

    def require_table(self, metatag: Metatag, table: str) -> None:
        """Refuse a metatag whose table the release does not carry."""
        if not self.lenient and table not in self.store.tables:
            raise self.unanswerable(metatag, f"it needs the table {table}, which this release does not carry")

    def require_column(self, metatag: Metatag, column: str) -> None:
        """Refuse a metatag whose numbers no post of the release has; an order by them is told to be one by id."""
        if self.lenient or not self.store.size:
            return
        for needed in _MADE_OF.get(column, (column,)):
            if needed in self.store.columns:
                continue
            if needed in _OFTEN_ABSENT:
                self.note(f"No post of this release has a {needed}.")
                continue
            table = METATAGS[needed].needs if needed in METATAGS else ""
            if table:
                raise self.unanswerable(metatag, f"it needs the table {table}, which this release does not carry")
            if metatag.name != "order":
                raise self.unanswerable(metatag, f"no post of this release has a value in the column {needed}")
            self.note(f"No post of this release has a {needed}: {metatag.name}:{metatag.value} leaves the order to id.")

    # Values

    @staticmethod
    def _leaf(metatag: Metatag, condition: Condition, shown: str | None = None) -> Test:
        return Test(shown or infix(metatag), condition, metatag.span)

    def _items(self, metatag: Metatag) -> tuple[str, ...]:
        """The words of a list."""
        listed = values.parse(metatag.value, Kind.ENUM, self.clock)
        assert isinstance(listed, In), "as every list of words"
        return tuple(map(str, listed.values))

    def _compare(self, metatag: Metatag, known: Definition) -> Node:
        assert known.kind is not None, "asked by those that compare"
        try:
            comparison = values.parse(metatag.value, known.kind, self.clock)
        except ValueProblem as problem:
            examples = enumerated(f"{metatag.name}:{example}" for example in known.kind.example.split(", ")[:3])
            hint = f"It takes {known.kind.article}, for example {examples}."
            raise self.unreadable(metatag, str(problem), hint) from None
        self.require_column(metatag, known.column)
        if known.kind is Kind.DATE:
            self._note_midnights(metatag, comparison)
        return self._leaf(metatag, Compare(known.column, values.in_units(comparison, known.scale)))

    def _note_midnights(self, metatag: Metatag, comparison: values.Range) -> None:
        if isinstance(comparison, In):
            self.note(f"date:{metatag.value} lists midnights, not days: it finds only posts of those instants.")
        elif ".." in metatag.value and "..." not in metatag.value and isinstance(comparison, Between):
            self.note(f"date:{metatag.value} ends as its last day begins: that day is not in it.")

    # Words

    def _words(self, metatag: Metatag, column: str) -> Node:
        present = self.store.words(column)
        known = [*present, *(word for word in FILETYPES if word not in present)] if column == "file_ext" else present
        items = self._items(metatag)
        for word in items or ("",):
            if word not in known and not self.lenient:
                raise self.unknown_word(metatag, word, known)
        return self._leaf(metatag, Words(column, items))

    def _rating(self, metatag: Metatag, items: Sequence[str]) -> Node:
        if self.lenient:
            return self._leaf(metatag, Words("rating", tuple(word[:1] for word in items)))
        found: list[str] = []
        for word in items or ("",):
            try:
                named = ratings.ratings(word, self.schemes)
            except ratings.RatingProblem as problem:
                where = place(metatag, self.text)
                raise UnknownWord(
                    f"{metatag.name}:{metatag.value}: {problem}", text=self.text, span=where, hint=problem.hint
                ) from None
            for rating in named:
                meanings = ratings.meaning(rating, self.schemes)
                if len(meanings) > 1:
                    self.note(f"rating:{rating} means {enumerated(meanings, 'and')}, by the site of the post.")
            found += named
        return self._leaf(metatag, Words("rating", tuple(dict.fromkeys(found))))

    def _is(self, metatag: Metatag, word: str) -> Node:
        match word:
            case "sfw" | "nsfw":
                found = ratings.sfw(self.schemes) if word == "sfw" else ratings.nsfw()
                self.note(f"is:{word} is rating:{','.join(found)} in this release.")
                return self._leaf(metatag, Words("rating", found))
            case "safe" | "general" | "sensitive" | "questionable" | "explicit":
                node = self._rating(metatag, (word,))
                if word == "safe" and isinstance(node, Test) and isinstance(node.condition, Words):
                    self.note(f"is:safe is rating:{','.join(node.condition.words)} in this release.")
                return node
            case "parent":
                return self._leaf(metatag, Flag("has_children"))
            case "child":
                return self._leaf(metatag, Compare("parent_id", NotNull()))
            case "wiki_image":
                raise self.unanswerable(metatag, "no release carries the wiki")
            case _ if word in FILETYPES:
                return self._leaf(metatag, Words("file_ext", (word,)))
            case _:
                return self._status(metatag, word)

    def _has(self, metatag: Metatag, word: str) -> Node:
        match word:
            case "parent":
                return self._leaf(metatag, Compare("parent_id", NotNull()))
            case "child" | "children":
                return self._leaf(metatag, Flag("has_children"))
            case "source":
                return Not(self._leaf(metatag, Source(None), "source:none"), metatag.span)
            case "commentary":
                self.require_table(metatag, "artist_commentaries")
                return self._leaf(metatag, Commented("any"))
            case _ if word in _HAS:
                return self._some(metatag, _HAS[word])
            case _:
                raise self.unknown_word(metatag, word, METATAGS["has"].words)

    def _some(self, metatag: Metatag, column: str, shown: str | None = None) -> Node:
        self.require_column(metatag, column)
        return self._leaf(metatag, Compare(column, Between(low=1)), shown)

    def _status(self, metatag: Metatag, word: str) -> Node:
        match word:
            case "pending" | "flagged" | "deleted" | "banned":
                return self._leaf(metatag, Flag(_FLAGS[word]), f"status:{word}")
            case "active":
                flags = [self._status(metatag, state) for state in ("pending", "flagged", "deleted")]
                return And(tuple(Not(flag, metatag.span) for flag in flags), metatag.span)
            case "appealed":
                return self._some(metatag, "appeal_count", "status:appealed")
            case "modqueue":
                states = tuple(self._status(metatag, state) for state in ("pending", "flagged", "appealed"))
                return Or(states, metatag.span)
            case "unmoderated":
                raise self.unanswerable(metatag, "it depends on who asks")
            case _:
                raise self.unknown_word(metatag, word, METATAGS[metatag.name].words, self._also(metatag))

    @staticmethod
    def _also(metatag: Metatag) -> str:
        return {"parent": ", or the number of a post", "child": "; the children of a post are parent:N"}.get(
            metatag.name, ""
        )

    def _parent(self, metatag: Metatag, word: str) -> Node:
        self.require_column(metatag, "parent_id")
        if _DIGITS.fullmatch(word):
            itself = self._leaf(metatag, Compare("id", Eq(int(word))), f"id:{word}")
            children = self._leaf(metatag, Compare("parent_id", Eq(int(word))), f"parent_id:{word}")
            return Or((itself, children), metatag.span)
        if word in {"any", "none"}:
            return self._leaf(metatag, Compare("parent_id", NotNull() if word == "any" else IsNull()))
        return self._leaf(metatag, ParentIs(self._status(metatag, word)))

    def _child(self, metatag: Metatag, word: str) -> Node:
        if word in {"any", "none"}:
            flag = self._leaf(metatag, Flag("has_children"), "child:any")
            return flag if word == "any" else Not(flag, metatag.span)
        return self._leaf(metatag, ChildIs(self._status(metatag, word)))

    def _embedded(self, metatag: Metatag, word: str) -> Node:
        words = METATAGS["embedded"].words
        if word not in words:
            raise self.unknown_word(metatag, word, words)
        flag = self._leaf(metatag, Flag("has_embedded_notes"), "embedded:true")
        return flag if words.index(word) < len(words) // 2 else Not(flag, metatag.span)

    # Texts

    def _source(self, metatag: Metatag) -> Node:
        value = metatag.value.lower()
        if not value or (value == "none" and not metatag.quoted):
            return self._leaf(metatag, Source(None))
        if (len(value) - len(value.rstrip("\\"))) % 2:
            value += "\\"  # or it would take the star behind it for a literal one
        return self._leaf(metatag, Source(f"{value}*"))

    def _pool(self, metatag: Metatag) -> Node:
        self.require_table(metatag, "pools")
        word = metatag.value.lower()
        if metatag.name == "pool" and not metatag.quoted and word in {"any", "none"}:
            some = self._leaf(metatag, InPool(), "pool:any")
            return some if word == "any" else Not(some, metatag.span)
        wanted = self.pool(metatag)
        if not any(pool_matches(pool, wanted) for pool in self.store.pools()):
            self.note(f"No pool of this release matches {metatag.name}:{shortened(metatag.value)}.")
        return self._leaf(metatag, wanted)

    def pool(self, metatag: Metatag) -> InPool:
        """The pools that `pool:` or `ordpool:` names."""
        name = metatag.value.lower().replace(" ", "_")
        if not name:
            raise self.unknown_word(metatag, "", ("a number", "a name", "a pattern with *"))
        if _DIGITS.fullmatch(name):
            return InPool(id=int(name))
        if metatag.name == "pool" and not metatag.quoted and name in {"series", "collection"}:
            return InPool(category=name)
        return InPool(name=name)

    def _text(self, metatag: Metatag, known: Definition) -> Node:
        self.require_table(metatag, known.needs)
        word = "" if metatag.quoted or known.name != "commentary" else metatag.value.lower()
        match word:
            case "true" | "any":
                return self._leaf(metatag, Commented("any"))
            case "false" | "none":
                return Not(self._leaf(metatag, Commented("any"), "commentary:true"), metatag.span)
            case "translated" | "untranslated":
                return self._leaf(metatag, Commented(word))
        if not metatag.value.strip():
            raise self.unknown_word(metatag, "", ("words", "a pattern with *"))
        if "*" not in metatag.value:
            self.note(f"{known.name}: compares the stems of English words, which is an approximation.")
        return self._leaf(metatag, Mentions(known.needs, metatag.value))

    def _person(self, metatag: Metatag) -> Node:
        role = "uploader" if metatag.name == "user" else "approver"
        word = metatag.value.lower()
        if word in {"any", "none"} and not metatag.quoted:
            self.require_column(metatag, f"{role}_id")
            return self._leaf(metatag, Compare(f"{role}_id", NotNull() if word == "any" else IsNull()))
        if not word:
            raise self.unknown_word(metatag, "", ("a name", "any", "none"))
        self.require_table(metatag, "users")
        name = metatag.value.replace(" ", "_")
        if not self.store.users(role, name):
            self.note(f"No post of this release has the {role} {metatag.value}.")
        return self._leaf(metatag, By(role, name))
