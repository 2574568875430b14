# ruff: noqa: S608 - the statements are put together of constants of this module
"""The dictionary of an open index: tags by name, prefix, glob, initials and spelling, and their relations."""

from __future__ import annotations

import re
from collections.abc import Iterator

from tagswarm.manifests.errors import InvalidDocument
from tagswarm.manifests.records import Category

from .late import np, npt
from .opened import Opened, told
from .spelling import allowed, likeness, signature
from .store import TagRow

_LOOKED_AT = 2_000
"""Names whose signature is near enough that are compared, the nearest first."""
_TAG = "SELECT key, name, category, count FROM tag"
_SURROGATE = re.compile("[\ud800-\udfff]")
_LAST = "\U0010ffff"
_LONGEST = 1 << 10
"""Bytes of a name in the tables of a release."""
_CATEGORIES = {category.value: category for category in Category}


class Names(Opened):
    """The tags of a release and what they are called."""

    @told
    def tag(self, name: str) -> TagRow | None:
        """The tag of exactly this name."""
        return next(self._tags(f"{_TAG} WHERE name = ?", plain(name)), None)

    def _tags(self, statement: str, *values: str | int) -> Iterator[TagRow]:
        for key, name, category, count in self.database.execute(statement, values):
            if name is None or count is None:  # no table holds one: a damaged page does
                raise InvalidDocument(f"the tag {key} has no name or no count")
            yield TagRow(key, name, _CATEGORIES.get(category, Category.UNKNOWN), count)

    @told
    def tag_of(self, key: int) -> TagRow | None:
        """The tag with a key."""
        return next(self._tags(f"{_TAG} WHERE key = ?", key), None)

    def frequent(self, category: Category | None = None) -> Iterator[TagRow]:
        """The tags of a category, or of all, the most frequent first, then by name; read as they are asked for."""
        after = 0
        while rows := self._after(after, category):
            yield from rows
            after = rows[-1].key

    @told
    def _after(self, key: int, category: Category | None) -> list[TagRow]:
        if category is None:
            return list(self._tags(f"{_TAG} WHERE key > ? ORDER BY key LIMIT 1000", key))
        where = f"{_TAG} WHERE key > ? AND category = ? ORDER BY key LIMIT 1000"
        return list(self._tags(where, key, int(category)))

    @told
    def alias(self, name: str) -> str | None:
        """What an active alias stands for; None where there is none, and where two sites or rows say different tags."""
        found = self.targets(name)
        return found[0] if len(found) == 1 else None

    @told
    def targets(self, name: str) -> list[str]:
        """Everything that an active alias stands for, sorted: more than one where the release contradicts itself."""
        return [
            target for (target,) in self.database.execute("SELECT target FROM alias WHERE name = ?", (plain(name),))
        ]

    @told
    def aliases_of(self, name: str) -> list[str]:
        """The active aliases of a tag, sorted."""
        return [alias for (alias,) in self.database.execute("SELECT name FROM alias WHERE target = ?", (name,))]

    @told
    def implied_by(self, name: str) -> list[str]:
        """The tags that a tag brings along, in one step, sorted."""
        found = self.database.execute("SELECT consequent FROM implication WHERE antecedent = ?", (name,))
        return [consequent for (consequent,) in found]

    @told
    def implying(self, name: str) -> list[str]:
        """The tags that bring a tag along, in one step, sorted."""
        found = self.database.execute("SELECT antecedent FROM implication WHERE consequent = ?", (name,))
        return [antecedent for (antecedent,) in found]

    @told
    def tags_like(self, pattern: str) -> list[TagRow]:
        """The tags a glob matches (`*` alone is special), the most frequent first, then by name."""
        if len(pattern) - pattern.count("*") > _LONGEST:
            return []
        glob = re.sub(r"\*+", "*", plain(pattern)).replace("[", "[[]").replace("?", "[?]")
        return list(self._tags(f"{_TAG} WHERE key IN (SELECT key FROM tag WHERE name GLOB ?) ORDER BY key", glob))

    @told
    def complete(self, prefix: str, limit: int = 20) -> list[TagRow]:
        """The tags whose names begin so, the most frequent first."""
        if not prefix:
            return list(self._tags(f"{_TAG} ORDER BY key LIMIT ?", limit))
        keys = "SELECT key FROM tag WHERE name >= ? AND name < ? ORDER BY key LIMIT ?"
        begin = plain(prefix)
        found = self._tags(f"{_TAG} WHERE key IN ({keys}) ORDER BY key", begin, begin + _LAST, limit)
        return list(found)

    @told
    def complete_alias(self, prefix: str, limit: int = 20) -> list[tuple[str, str]]:
        """The active aliases that begin so and what they stand for, sorted by name."""
        statement = "SELECT name, target FROM alias WHERE name >= ? AND name < ? ORDER BY name, target LIMIT ?"
        begin = plain(prefix)
        return list(self.database.execute(statement, (begin, begin + _LAST, limit)))

    @told
    def abbreviated(self, initials: str) -> TagRow | None:
        """The most frequent tag whose words begin with these letters."""
        statement = f"{_TAG} WHERE key = (SELECT tag FROM initials WHERE letters = ?)"
        return next(self._tags(statement, plain(initials)), None)

    @told
    def nearest(self, name: str, limit: int = 5) -> list[str]:
        """Names of tags, and of aliases, that are spelled like this one, the best first.

        What an ambiguous alias may stand for comes before all, and names that only begin like it come last.
        """
        found = [(-1, 0, target) for target in self.targets(name)]
        within = allowed(name)
        wanted = np.uint64(signature(name))
        blocks = []
        for (data,) in self.database.execute("SELECT data FROM spelling ORDER BY first"):
            blocks.append(np.frombuffer(data, "<u8"))
        differ = np.bitwise_count(np.concatenate(blocks) ^ wanted) if blocks else np.empty(0, np.uint8)
        near = np.flatnonzero(differ <= 2 * within)
        near = near[np.argsort(differ[near], kind="stable")][:_LOOKED_AT]
        for place, other in self._named(near + 1):
            away = likeness(name, other, within)
            if away:
                found.append((away, place, other))
        found += [(within + 1, row.key, row.name) for row in self.complete(name, limit) if name and row.name != name]
        return list(dict.fromkeys(other for _, _, other in sorted(found)))[:limit]

    def _named(self, places: npt.NDArray[np.intp]) -> Iterator[tuple[int, str]]:
        """The names at these places of the spelling: tags by their keys, then aliases by their order."""
        tags = int(self.facts.get("tags", "0"))
        keys = places[places <= tags].tolist()
        marks = ",".join("?" * len(keys))
        yield from self.database.execute(f"SELECT key, name FROM tag WHERE key IN ({marks})", keys)
        rest = set((places[places > tags] - tags).tolist())
        if rest:
            names = self.database.execute("SELECT name FROM alias ORDER BY name, target")
            yield from ((tags + at, name) for at, (name,) in enumerate(names, 1) if at in rest)


def plain(text: str) -> str:
    """A text that SQLite can be asked for: half a surrogate pair is in no name."""
    return _SURROGATE.sub("\ufffd", text)


def folded(name: str) -> str:
    """The name of a user as it is compared: in lower case, `_` for spaces."""
    return plain(name).lower().replace(" ", "_")
