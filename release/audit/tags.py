"""The tags of posts: against the table of tags, the rules of names, and the aliases.

A bad tag is one finding with a count and the first posts, however many posts have it. Each name is judged once a site;
of the instances, of which there are hundreds of millions, only those of bad names are looked at, with array operations.

Nothing here changes a tag.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from tagswarm.tagindex import tagnames

from .findings import EXAMPLES, Finding, found

COLUMNS = ["site", "id", "tags"]
"""What is read of a post."""

TABLE_COLUMNS = ["site", "name", "post_count", "claimed_count"]
"""What is read of a tag."""


@dataclass(slots=True)
class _Use:
    """How often a tag is used, and the first posts that have it."""

    count: int = 0
    ids: list[int] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Table:
    """The table of tags of a site, as it was given with the metadata."""

    names: AbstractSet[str]
    """Empty where no table was given: then any tag is known."""
    differing: int
    """Tags whose claimed count is not the counted one."""
    claimed: int
    counted: int
    examples: Sequence[str]
    """The largest differences, in words."""


def table(batches: Iterable[Any]) -> Table:
    """Read a site's table of tags from batches with `TABLE_COLUMNS`; a tag that only posts name claims no count."""
    names: set[str] = set()
    differing = claimed = counted = 0
    largest: list[tuple[int, str, int, int]] = []
    for batch in batches:
        rows = batch.filter(pc.is_valid(batch["claimed_count"]))
        if not rows.num_rows:
            continue
        words = pc.cast(rows["name"], pa.string()).to_pylist()
        names.update(words)
        ours = np.asarray(pc.fill_null(rows["post_count"], 0).to_numpy(zero_copy_only=False), dtype=np.int64)
        theirs = np.asarray(rows["claimed_count"].to_numpy(zero_copy_only=False), dtype=np.int64)
        claimed, counted = claimed + int(theirs.sum()), counted + int(ours.sum())
        distance = np.abs(theirs - ours)
        differing += int(np.count_nonzero(distance))
        first = np.argsort(-distance, kind="stable")[:EXAMPLES].tolist()
        largest += [(-int(distance[at]), words[at], int(theirs[at]), int(ours[at])) for at in first if distance[at]]
        largest = sorted(largest)[:EXAMPLES]
    examples = [f"{name}: {said} claimed, {there} counted" for _, name, said, there in largest]
    return Table(frozenset(names), differing, claimed, counted, examples)


def of_site(site: str, batches: Iterable[Any], given: Table, aliases: Mapping[str, Sequence[str]]) -> Iterator[Finding]:
    """The disagreements of the tags that the posts of a site have, by name.

    Args:
        site: the site.
        batches: its posts, as record batches with `COLUMNS`.
        given: its table of tags.
        aliases: its active aliases.
    """

    def suspect(name: str) -> bool:
        return (
            name in aliases
            or (bool(given.names) and name not in given.names)
            or tagnames.non_ascii(name)
            or tagnames.problem(name) is not None
        )

    for name, use in sorted(_uses(batches, suspect).items()):
        yield from _named(site, name, use, given, aliases.get(name, ()))
    if given.differing:
        yield found(
            "tag-count-differs",
            f"{given.differing} tags have another number of posts than is claimed",
            site=site,
            tags=given.differing,
            claimed=given.claimed,
            counted=given.counted,
            largest=list(given.examples),
        )


def _named(site: str, name: str, use: _Use, given: Table, targets: Sequence[str]) -> Iterator[Finding]:
    only = use.ids[0] if use.count == 1 else None
    posts = f"the tag {name} of {'1 post' if use.count == 1 else f'{use.count} posts'}"

    def of(kind: str, message: str, **evidence: Any) -> Finding:
        return found(
            kind, f"{posts} {message}", site=site, post=only, tag=name, posts=use.count, ids=use.ids, **evidence
        )

    if given.names and name not in given.names:
        yield of("unknown-tag", "is not in the table of tags")
    if (problem := tagnames.problem(name)) is not None:
        yield of("invalid-tag-name", problem, rule=problem)
    if tagnames.non_ascii(name):
        yield of("non-ascii-tag", "is not ASCII")
    if targets:
        yield of("aliased-tag-used", f"is an alias of {targets[0]}", alias_of=list(targets))


def _uses(batches: Iterable[Any], suspect: Callable[[str], bool]) -> dict[str, _Use]:
    """The uses of every suspect name; the first posts are those that come first."""
    judged: dict[str, bool] = {}
    uses: dict[str, _Use] = {}
    for batch in batches:
        lists = batch["tags"]
        encoded = _encoded(lists.flatten())
        names = encoded.dictionary.to_pylist()
        for name in names:
            if name not in judged:
                judged[name] = suspect(name)
        bad = np.fromiter((judged[name] for name in names), dtype=np.bool_, count=len(names))
        if not bad.any():
            continue
        codes = np.asarray(encoded.indices.to_numpy(zero_copy_only=False))
        at = np.flatnonzero(bad[codes])
        at = at[np.argsort(codes[at], kind="stable")]
        rows = np.asarray(pc.list_parent_indices(lists).to_numpy(zero_copy_only=False))
        ids = np.asarray(batch["id"].to_numpy(zero_copy_only=False))
        starts = np.unique(codes[at], return_index=True)[1]
        for run in np.split(at, starts[1:]):
            if len(run):
                use = uses.setdefault(names[codes[run[0]]], _Use())
                use.count += len(run)
                use.ids += ids[rows[run[: EXAMPLES - len(use.ids)]]].tolist()
    return uses


def _encoded(values: Any) -> Any:
    return values if pa.types.is_dictionary(values.type) else pc.dictionary_encode(values)
