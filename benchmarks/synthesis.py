"""Write the metadata of a synthetic booru: the normalised tables of a release, and on request Danbooru's export.

    python benchmarks/synthesis.py OUT [--posts 5000000] [--seed 0] [--data ../shared/data] [--export 100000]

The statistics are those of Danbooru2021: 162 M tags on 5 M posts, names, frequencies and co-occurrence of the real
tags where their tables lie in `--data`. The same seed and number of posts give the same bytes. What
came out is printed beside what the real set has. No images are made, and no defects.
"""

from __future__ import annotations

import argparse
import json
import resource
import sys
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.blocks import SITE, Block, Generator
from benchmarks.vocabulary import TAIL, Integers, Vocabulary, load
from tagswarm.manifests.tables import SCHEMAS, file_name, open_writer

DATA = Path(__file__).resolve().parents[2] / "shared" / "data"
CATEGORIES = {0: "general", 1: "artist", 3: "copyright", 4: "character", 5: "meta"}
EXPECTED = (
    ("tags a post, mean", "32.1"),
    ("standard deviation", "14.6"),
    ("percentiles 1/5/50/95/99", "9/13/30/59/78"),
    ("most tags of a post", "200"),
    ("tags with posts", "500,000 at 5 M posts"),
    ("share of the 10 most frequent", "12.7 %"),
    ("100", "40 %"),
    ("1,000", "75 %"),
    ("10,000", "94 %"),
    ("posts with 1girl", "70 %"),
    ("posts with solo", "58 %"),
    ("general/character/meta/copyright/artist", "85.5/4.3/4.0/3.9/2.3 %"),
    ("rated g/s/q/e", "13.7/63.8/13.0/9.5 %"),
    ("jpg/png", "72.0/27.6 %"),
    ("deleted", "5.5 %"),
    ("file size, mean", "0.87 MB"),
)
"""What the real sets have."""


@dataclass(slots=True)
class Summary:
    """What was drawn so far."""

    counts: Integers
    """Posts of each tag of the vocabulary."""
    lengths: Integers = field(default_factory=lambda: np.zeros(1024, np.int64))
    """Posts by their number of tags."""
    ids: list[Integers] = field(default_factory=list)
    ratings: Counter[str] = field(default_factory=Counter)
    extensions: Counter[str] = field(default_factory=Counter)
    deleted: int = 0
    file_bytes: int = 0

    @property
    def posts(self) -> int:
        """How many."""
        return int(self.lengths.sum())

    def add(self, block: Block) -> None:
        """Count a block."""
        posts = block.posts
        self.counts += np.bincount(block.tags, minlength=len(self.counts))
        self.lengths += np.bincount(posts["tags"].value_lengths().to_numpy(), minlength=len(self.lengths))
        self.ids.append(posts["id"].to_numpy())
        for column, counter in (("rating", self.ratings), ("file_ext", self.extensions)):
            counter.update({row["values"]: row["counts"] for row in posts[column].value_counts().to_pylist()})
        self.deleted += posts["is_deleted"].true_count
        self.file_bytes += int(posts["file_size"].to_numpy().sum())

    def facts(self, vocabulary: Vocabulary) -> list[str]:
        """The values of `EXPECTED` in their order."""
        posts, tags = self.posts, int(self.counts.sum())
        sizes = np.arange(len(self.lengths))
        mean = tags / posts
        deviation = np.sqrt((self.lengths * (sizes - mean) ** 2).sum() / posts)
        below = np.cumsum(self.lengths) / posts
        ranked = np.cumsum(np.sort(self.counts)[::-1]) / tags
        by_category = {kind: self.counts[vocabulary.categories == kind].sum() / tags for kind in CATEGORIES}
        return [
            f"{mean:.1f}",
            f"{deviation:.1f}",
            "/".join(str(int(np.searchsorted(below, part))) for part in (0.01, 0.05, 0.5, 0.95, 0.99)),
            f"{np.flatnonzero(self.lengths).max()}",
            f"{np.count_nonzero(self.counts):,}",
            *(f"{100 * ranked[top - 1]:.1f} %" for top in (10, 100, 1_000, 10_000)),
            *(f"{100 * self.counts[vocabulary.at(name)] / posts:.1f} %" for name in ("1girl", "solo")),
            "/".join(f"{100 * by_category[kind]:.1f}" for kind in (0, 4, 5, 3, 1)) + " %",
            "/".join(f"{100 * self.ratings[word] / posts:.1f}" for word in "gsqe") + " %",
            "/".join(f"{100 * self.extensions[word] / posts:.1f}" for word in ("jpg", "png")) + " %",
            f"{100 * self.deleted / posts:.1f} %",
            f"{self.file_bytes / posts / 1e6:.2f} MB",
        ]


def write(
    out: Path,
    posts: int,
    *,
    seed: int = 0,
    data: Path | None = None,
    tail: int = TAIL,
    export: int = 0,
    scheme: str = "gsqe-2022",
) -> tuple[Summary, Vocabulary]:
    """Write the tables into a folder.

    Args:
        out: where they go.
        posts: how many.
        seed: the same one gives the same bytes.
        data: the folder of the real tags; None: a small list stands in.
        tail: rare tags to make up.
        export: how many posts, the first, to write as `posts.jsonl` too, in the form of Danbooru's export of 2021.
        scheme: how posts are rated.
    """
    out.mkdir(parents=True, exist_ok=True)
    vocabulary = load(data, seed, tail=tail)
    generator = Generator(vocabulary, posts, seed, scheme)
    summary = Summary(np.zeros(len(vocabulary.names), np.int64))
    with open_writer(out / file_name("posts"), "posts") as writer, (out / "posts.jsonl").open("w") as lines:
        for block in map(generator.block, range(generator.blocks)):
            left = export - summary.posts
            summary.add(block)
            writer.write(block.posts)
            if left > 0:
                lines.writelines(exported(block, vocabulary, left))
    if not export:
        (out / "posts.jsonl").unlink()
    _write(out, "tags", _tags(vocabulary, summary.counts))
    _write(out, "aliases", [(one, other, "active") for one, other in vocabulary.aliases])
    _write(out, "implications", vocabulary.implications)
    _write(out, "pools", _pools(np.concatenate(summary.ids), seed))
    return summary, vocabulary


def _write(out: Path, table: str, rows: Any) -> None:
    """Write a small table; relations are given as antecedent, consequent, status."""
    schema = SCHEMAS[table]
    if isinstance(rows, list):
        columns = dict(zip(("antecedent", "consequent", "status"), zip(*rows, strict=True), strict=True))
        rows = {name: pa.array(values, pa.string()) for name, values in columns.items()}
    count = len(next(iter(rows.values())))
    rows["site"] = pa.repeat(SITE, count)
    arrays = [rows.get(each.name, pa.nulls(count, each.type)).cast(each.type) for each in schema]
    with open_writer(out / file_name(table), table) as writer:
        writer.write(pa.Table.from_arrays(arrays, schema=schema))


def _tags(vocabulary: Vocabulary, counts: Integers) -> dict[str, Any]:
    used = np.flatnonzero(counts)
    return {
        "name": pa.array(vocabulary.names).take(pa.array(used)),
        "category": pa.array(vocabulary.categories[used]),
        "post_count": pa.array(counts[used]),
        "claimed_count": pa.array(vocabulary.claimed[used]),
    }


def _pools(ids: Integers, seed: int) -> dict[str, Any]:
    """One pool for 250 posts, of 20 posts in the mean, in any order."""
    chance = np.random.default_rng([seed, 2])
    count = max(len(ids) // 250, 1)
    sizes = np.minimum(chance.geometric(1 / 20, count), len(ids))
    numbers = np.arange(1, count + 1)
    members = [ids[chance.choice(len(ids), size, replace=False, shuffle=True)] for size in sizes.tolist()]
    return {
        "id": pa.array(numbers),
        "name": pa.array([f"Pool_{number}" for number in numbers.tolist()]),
        "category": pa.array(["series", "collection"]).take(pa.array((chance.random(count) < 0.4).astype(np.int64))),
        "is_deleted": pa.array(chance.random(count) < 0.03),
        "post_ids": pa.array(members, pa.list_(pa.int64())),
    }


def exported(block: Block, vocabulary: Vocabulary, limit: int) -> Iterator[str]:
    """The first posts of a block as lines of Danbooru's export of 2021, which leaves columns of null out."""
    category = dict(zip(vocabulary.names, vocabulary.categories.tolist(), strict=True))
    renamed = {"width": "image_width", "height": "image_height"}
    absent = {"site", "rating_scheme", "tags", "duplicate_tags", "extra", "has_embedded_notes", "duration"}
    for post in block.posts.slice(0, limit).to_pylist():
        row = {renamed.get(name, name): value for name, value in post.items() if name not in absent}
        for name, value in row.items():
            if name.endswith("_at") and value is not None:
                row[name] = f"{value:%Y-%m-%d %H:%M:%S.%f} UTC"
        row["tag_string"] = " ".join(post["tags"])
        row["tag_count"] = len(post["tags"])
        for number, word in CATEGORIES.items():
            names = [name for name in post["tags"] if category[name] == number]
            row |= {f"tag_string_{word}": " ".join(names), f"tag_count_{word}": len(names)}
        row["bit_flags"] = int(post["has_embedded_notes"])
        yield (
            json.dumps({name: value for name, value in row.items() if value is not None}, separators=(",", ":")) + "\n"
        )


def main() -> None:
    """Write, and print what came out."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("--posts", type=int, default=5_000_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--data", type=Path, default=DATA if DATA.is_dir() else None)
    parser.add_argument("--export", type=int, default=0, help="also write so many posts as posts.jsonl")
    parser.add_argument("--scheme", choices=("gsqe-2022", "sqe-2021"), default="gsqe-2022")
    given = parser.parse_args()
    begun = time.perf_counter()
    summary, vocabulary = write(
        given.out,
        given.posts,
        seed=given.seed,
        data=given.data,
        export=given.export,
        scheme=given.scheme,
    )
    seconds = time.perf_counter() - begun
    for (what, real), ours in zip(EXPECTED, summary.facts(vocabulary), strict=True):
        print(f"{what:42}{ours:>28}   real {real}")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    written = sum(path.stat().st_size for path in given.out.glob("*.parquet"))
    print(f"{summary.posts:,} posts, {summary.counts.sum():,} tags, {written / 1e6:.0f} MB in {seconds:.0f} s")
    print(f"peak memory {peak:.0f} MiB")


if __name__ == "__main__":
    main()
