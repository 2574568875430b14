"""Posts among themselves: ratings, dates, parents, and the pools that name them.

Of all posts only ids and parents are kept, 16 bytes each; all else is judged batch by batch with array operations.
What a site may lack altogether (ratings, dates) is one finding with a count and the first ids where many posts do.

Nothing here looks at files or at the names of tags.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from tagswarm.manifests.records import RatingScheme

from .findings import EXAMPLES, Finding, found

COLUMNS = ["site", "id", "rating", "rating_scheme", "created_at", "parent_id", "duplicate_tags", "tags"]
"""What is read of a post."""

POOL_COLUMNS = ["site", "id", "name", "post_ids"]
"""What is read of a pool."""

EARLIEST: Final = datetime(2000, 1, 1, tzinfo=UTC)
"""No booru is older: an earlier date is a sentinel or of a wrong unit."""

Ids = npt.NDArray[np.int64]

_NONE = np.empty(0, dtype=np.int64)


@dataclass(slots=True)
class _Many:
    """Posts that lack something."""

    ids: list[Ids] = field(default_factory=list)

    def add(self, ids: Ids) -> None:
        if len(ids):
            self.ids.append(ids)

    def findings(self, name: str, message: str, site: str, posts: int) -> Iterator[Finding]:
        """A finding each; one for all where most posts of the site lack it: then its metadata have no such thing."""
        ids = np.concatenate([_NONE, *self.ids])
        if len(ids) <= max(EXAMPLES, posts // 2):
            yield from (found(name, message, site=site, post=post) for post in ids.tolist())
        else:
            examples = ids[:EXAMPLES].tolist()
            yield found(name, f"{len(ids)} posts: {message}", site=site, posts=len(ids), ids=examples)


def of_site(site: str, batches: Iterable[Any], issued: date, withdrawn: Ids = _NONE) -> Generator[Finding, None, Ids]:
    """The disagreements of a site's posts, from record batches with `COLUMNS` sorted by id; returns their ids.

    Args:
        site: the site.
        batches: its posts.
        issued: the day of the release; a post is at most a day younger, for time zones.
        withdrawn: sorted ids of posts that were taken back: a parent may be one of them.
    """
    latest = datetime.combine(issued, time(), UTC) + timedelta(days=2)
    ids, parents = [_NONE], [_NONE]
    unrated, undated = _Many(), _Many()
    for batch in batches:
        numbers = _numbers(batch["id"])
        ids.append(numbers)
        parents.append(_numbers(pc.fill_null(batch["parent_id"], -1)))
        unrated.add(numbers[_mask(pc.is_null(batch["rating"]))])
        undated.add(numbers[_mask(pc.is_null(batch["created_at"]))])
        yield from _rows(site, batch, numbers, latest)
    every = np.concatenate(ids)
    yield from unrated.findings("no-rating", "has no rating", site, len(every))
    yield from undated.findings("no-date", "has no date", site, len(every))
    yield from _parents(site, every, np.concatenate(parents), withdrawn)
    return every


def _numbers(column: Any) -> Ids:
    return np.asarray(pc.cast(column, pa.int64()).to_numpy(zero_copy_only=False), dtype=np.int64)


def _mask(column: Any) -> npt.NDArray[np.bool_]:
    return np.asarray(pc.fill_null(column, fill_value=False).to_numpy(zero_copy_only=False), dtype=np.bool_)


def _rows(site: str, batch: Any, ids: Ids, latest: datetime) -> Iterator[Finding]:
    """The findings about single rows of a batch, by post."""
    created = batch["created_at"]
    early = pc.less(created, pa.scalar(EARLIEST, created.type))
    late = pc.greater_equal(created, pa.scalar(latest, created.type))
    strange = _mask(pc.or_(early, late))
    untagged = _mask(pc.equal(pc.list_value_length(batch["tags"]), 0))
    doubled = _numbers(batch["duplicate_tags"])
    unrated = _out_of_scheme(batch)
    for at in np.flatnonzero(strange | untagged | (doubled > 0) | unrated).tolist():
        post = int(ids[at])
        if strange[at]:
            moment = created[at].as_py().isoformat()
            message = f"was made at {moment}, outside of {EARLIEST.date()} to {latest.date() - timedelta(days=1)}"
            yield found("date-out-of-range", message, site=site, post=post, created_at=moment)
        if unrated[at]:
            rating, scheme = batch["rating"][at].as_py(), batch["rating_scheme"][at].as_py()
            message = f"has the rating {rating}, which is none of the scheme {scheme}"
            yield found("unknown-rating", message, site=site, post=post, rating=rating, scheme=scheme)
        if untagged[at]:
            yield found("no-tags", "has no tags", site=site, post=post)
        if doubled[at]:
            count = int(doubled[at])
            yield found(
                "duplicate-tag",
                f"names {'1 tag' if count == 1 else f'{count} tags'} more than once",
                site=site,
                post=post,
                tags=count,
            )


def _out_of_scheme(batch: Any) -> npt.NDArray[np.bool_]:
    ratings, schemes = pc.cast(batch["rating"], pa.string()), pc.cast(batch["rating_scheme"], pa.string())
    known = pc.is_null(ratings)
    for scheme in RatingScheme:
        rated = pc.is_in(ratings, value_set=pa.array(scheme.ratings, pa.string()))
        known = pc.or_(known, pc.and_(pc.equal(schemes, scheme.value), rated))
    return ~_mask(known)


def _parents(site: str, ids: Ids, parents: Ids, withdrawn: Ids) -> Iterator[Finding]:
    """Parents that are missing, the post itself, or go in a circle; `parents` has -1 where there is none."""
    at = np.searchsorted(ids, parents)
    there = (
        (at < len(ids)) & (ids[np.minimum(at, len(ids) - 1)] == parents) if len(ids) else np.zeros(0, dtype=np.bool_)
    )
    for row in np.flatnonzero((parents != -1) & ~there & ~np.isin(parents, withdrawn)).tolist():
        parent = int(parents[row])
        yield found("dangling-parent", f"its parent {parent} is not here", site=site, post=int(ids[row]), parent=parent)
    own = ids == parents
    for post in ids[own].tolist():
        yield found("parent-self", "is its own parent", site=site, post=post)
    for circle in _circles(np.where(there & ~own, at, len(ids))):
        members = ids[circle].tolist()
        message = "is its own ancestor: " + " > ".join(map(str, [*members[:EXAMPLES], members[0]]))
        yield found("parent-cycle", message, site=site, post=members[0], posts=len(members), ids=members[:EXAMPLES])


def _circles(step: Ids) -> Iterator[list[int]]:
    """The circles of a function on 0..n-1, where n stands for an end; each from its smallest member on.

    After as many steps as there are points, everything that has not ended is on a circle, and every point of a circle
    is reached: so doubling the steps finds them in the logarithm of the number of posts.
    """
    ahead = np.append(step, len(step))
    for _ in range(len(step).bit_length()):
        ahead = ahead[ahead]
    left = set(np.unique(ahead[ahead != len(step)]).tolist())
    while left:
        first = min(left)
        circle = [first]
        while (following := int(step[circle[-1]])) != first:
            circle.append(following)
        left.difference_update(circle)
        yield circle


def of_pools(site: str, batches: Iterable[Any], ids: Ids) -> Iterator[Finding]:
    """The disagreements of a site's pools, from record batches with `POOL_COLUMNS`; `ids` are posts they may name."""
    for batch in batches:
        for pool, name, posts in zip(*(batch[column].to_pylist() for column in POOL_COLUMNS[1:]), strict=True):
            members, counts = np.unique(np.asarray(posts or [], dtype=np.int64), return_counts=True)
            title = f"the pool {pool}" + (f" ({name})" if name else "")
            evidence = {"pool": pool, "pool_name": name}
            gone = members[~np.isin(members, ids)]
            if len(gone):
                message = f"{title} names {_posts(len(gone))} that {'is' if len(gone) == 1 else 'are'} not here"
                first = gone[:EXAMPLES].tolist()
                yield found("dangling-pool-post", message, site=site, **evidence, posts=len(gone), ids=first)
            twice = members[counts > 1]
            if len(twice):
                first = twice[:EXAMPLES].tolist()
                message = f"{title} names {_posts(len(twice))} more than once"
                yield found("duplicate-pool-post", message, site=site, **evidence, posts=len(twice), ids=first)


def _posts(count: int) -> str:
    return "1 post" if count == 1 else f"{count} posts"
