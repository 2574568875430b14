"""What a subset keeps of its posts, so that it can be exported without a network: their rows, and the tags they have.

Three tables in `.tagswarm/`, of the kinds a release has: `posts.parquet`, sorted by id, with the columns that the index
holds, `tags.parquet` with every tag that some of the posts has, its category and its count in the release, and
`implications.parquet` with what these tags imply. They are made anew with every pull.

Nothing here fetches, and nothing here opens an image.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from tagswarm.imaging.kind import Kind, extensions
from tagswarm.manifests import tables
from tagswarm.manifests.errors import IncompleteBuild
from tagswarm.manifests.events import Report, silent
from tagswarm.manifests.records import Category, Post, RatingScheme
from tagswarm.tagindex.bitmaps import from_ordinals
from tagswarm.tagindex.reader import Index
from tagswarm.tagindex.store import Store
from tagswarm.tagindex.subset import COLUMNS, Subset

from .exports import registry
from .exports.registry import Exported, Options
from .exports.sample import Sample
from .lock import LOCK, Entry, Lock
from .store import STATE

PIECE = 20_000
"""Posts whose tags are put together at a time."""

_KINDS = {extension: kind for kind in reversed(Kind) for extension in extensions(kind)}
"""What a file of a subset is by its name: an ordinary image is meant where several kinds share an extension."""


def keep(out: Path, store: Index, posts: Subset) -> None:
    """Write the tables of a subset from the index of its release.

    Args:
        out: the folder of the subset.
        store: the index.
        posts: of one site.

    Raises:
        StoreError: they cannot be written.
    """
    schema = tables.SCHEMAS["posts"]
    ordinals = np.sort(posts.ordinals)  # posts are numbered by site and id
    scheme = min(store.schemes, default=RatingScheme.GSQE_2022)
    stored = [name for name in schema.names if name in COLUMNS]
    with tables.open_writer(_path(out, "posts"), "posts") as writer:
        for start in range(0, len(ordinals), PIECE):
            piece = ordinals[start : start + PIECE]
            found = Subset(store, from_ordinals(piece), piece).to_arrow(stored)
            given: dict[str, Any] = {name: found[name] for name in stored}
            given["rating_scheme"] = pa.array([scheme.value] * len(piece))
            given["duplicate_tags"] = pa.array([0] * len(piece), pa.int32())
            absent = {name: pa.nulls(len(piece), schema.field(name).type) for name in schema.names if name not in given}
            writer.write(pa.table({name: (given | absent)[name] for name in schema.names}))
    keys, _ = store.counts_within(posts.posts)
    rows = sorted((row for key in keys.tolist() if (row := store.tag_of(key))), key=lambda row: row.name)
    site = next(iter(store.words("site")), "") if not len(ordinals) else _site(store, int(ordinals[0]))
    with tables.open_writer(_path(out, "tags"), "tags") as writer:
        named = tables.SCHEMAS["tags"]
        writer.write(
            pa.table(
                {
                    "site": pa.array([site] * len(rows), pa.string()),
                    "name": pa.array([row.name for row in rows], pa.string()),
                    "category": pa.array([int(row.category) for row in rows], pa.int8()),
                    "post_count": pa.array([row.count for row in rows], pa.int64()),
                    "claimed_count": pa.nulls(len(rows), named.field("claimed_count").type),
                }
            )
        )

    with tables.open_writer(_path(out, "implications"), "implications") as writer:
        found = sorted(_implied(store, [row.name for row in rows]))
        writer.write(
            pa.Table.from_pylist(
                [
                    {"site": site, "antecedent": name, "consequent": implied, "status": "active"}
                    for name, implied in found
                ],
                schema=tables.SCHEMAS["implications"],
            )
        )


def _implied(index: Index, names: Iterable[str]) -> Iterator[tuple[str, str]]:
    """What tags imply in one step, and what these imply, each pair once."""
    waiting = list(names)
    seen = set(waiting)
    while waiting:
        name = waiting.pop()
        for implied in index.implied_by(name):
            yield name, implied
            if implied not in seen:
                seen.add(implied)
                waiting.append(implied)


def export(
    out: Path, to: Path, options: Options, *, replace: bool = False, copy: bool = False, report: Report = silent
) -> Exported:
    """Put a subset into the form that the class of the options stands for.

    Args:
        out: the folder of the subset.
        to: the folder to make; it must be new or empty.
        options: those of one of the `exports.registry.EXPORTS`.
        replace: put it in the place of an earlier export.
        copy: copy images even where they can be linked.
        report: is told how far it is.

    Raises:
        IncompleteBuild: the folder of the subset has no lock, or no tables.
        FormatError: one of these is malformed.
        StoreError: the folder is taken or cannot be written to, the disk is full, or no sample is left to write.
    """
    return registry.export(
        samples(out),
        to,
        options,
        implications=implications(out),
        replace=replace,
        copy=copy,
        total=Lock(out / LOCK).header.posts,
        report=report,
    )


def implications(out: Path) -> dict[str, list[str]]:
    """What the tags of a subset imply in one step.

    Raises:
        IncompleteBuild: the folder has no lock, or no tables.
        FormatError: the table is malformed.
        StoreError: it cannot be read.
    """
    _complete(out)
    found: dict[str, list[str]] = {}
    columns = ["antecedent", "consequent"]
    for batch in tables.read_batches(_path(out, "implications"), columns, table="implications"):
        for row in batch.to_pylist():
            found.setdefault(row["antecedent"], []).append(row["consequent"])
    return found


def samples(out: Path) -> Iterator[Sample]:
    """Every image of a subset with what is known of its post, sorted by id.

    Raises:
        IncompleteBuild: the folder has no lock, or no tables.
        FormatError: one of them is malformed.
        StoreError: one of them cannot be read.
    """
    _complete(out)
    lock = Lock(out / LOCK)
    places = _places(out)
    rows = _posts(out)
    post = next(rows, None)
    for entry in lock.entries():
        while post is not None and post.id < entry.id:
            post = next(rows, None)
        if entry.file is not None and post is not None and post.id == entry.id:
            yield _sample(out, lock, entry, post, places)


def _complete(out: Path) -> None:
    """See that a folder has all that an export needs.

    Raises:
        IncompleteBuild: it has not.
    """
    for path in (out / LOCK, *(_path(out, table) for table in ("posts", "tags", "implications"))):
        if not path.exists():
            raise IncompleteBuild(
                f"{path}: there is no such file",
                hint="Give a folder that `tagswarm pull` made, and pull into it again.",
            )


def _sample(out: Path, lock: Lock, entry: Entry, post: Post, places: Mapping[str, tuple[Category, int]]) -> Sample:
    grouped: defaultdict[Category, list[str]] = defaultdict(list)
    for tag in sorted(post.tags, key=lambda name: (places.get(name, _NOWHERE)[1], name)):
        grouped[places.get(tag, _NOWHERE)[0]].append(tag)
    made = lock.header.transform
    file, size, sha256 = entry.file, entry.size, entry.sha256
    assert file is not None and size is not None and sha256 is not None  # noqa: PT018 - a lock has all or none
    return Sample(
        id=entry.id,
        file=out / file,
        sha256=sha256,
        size=size,
        width=entry.width,
        height=entry.height,
        kind=_KINDS.get(file.rpartition(".")[2], Kind.UNKNOWN).value,
        post=post,
        tags={category: tuple(names) for category, names in sorted(grouped.items())},
        dataset=lock.header.dataset.name,
        release=lock.header.release,
        volume=entry.volume,
        path=entry.path,
        source_sha256=entry.source_sha256,
        transform=None if made is None else {**made, **({"engine": entry.engine} if entry.engine else {})},
    )


_NOWHERE = (Category.UNKNOWN, 0)


def _places(out: Path) -> dict[str, tuple[Category, int]]:
    """The category of every tag, and a number by which the most frequent comes first."""
    return {
        row["name"]: (Category(row["category"]), -row["post_count"])
        for batch in tables.read_batches(_path(out, "tags"), ["name", "category", "post_count"], table="tags")
        for row in batch.to_pylist()
    }


def _posts(out: Path) -> Iterator[Post]:
    names = {field.name for field in fields(Post)}
    for batch in tables.read_batches(_path(out, "posts"), table="posts"):
        for row in batch.to_pylist():
            known = {key: value for key, value in row.items() if key in names}
            scheme = RatingScheme(known.pop("rating_scheme"))
            yield Post(**(known | {"tags": tuple(row["tags"]), "rating_scheme": scheme}))


def _site(store: Store, ordinal: int) -> str:
    return next((site for site in store.words("site") if ordinal in store.word("site", site)), "")


def _path(out: Path, table: str) -> Path:
    return out / STATE / tables.file_name(table)
