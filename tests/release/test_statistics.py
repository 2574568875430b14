"""The numbers of a release and the README that tells them."""

from __future__ import annotations

import subprocess
from datetime import date
from pathlib import Path

import pytest

from tagswarm.manifests.models import Dataset, RenditionEntry, Root, SourceEntry, Totals, WaiverEntry
from tagswarm.manifests.records import Category
from tagswarm.release import readme, statistics
from tagswarm.release.build import build
from tagswarm.release.statistics import Growth, Statistics, TopTag
from tests.collection import Collection


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (0, "0 bytes"),
        (999, "999 bytes"),
        (1000, "1 KB"),
        (123_456, "123 KB"),
        (999_700, "1 MB"),
        (3_400_000_000_000, "3.4 TB"),
    ],
)
def test_sizes_are_for_people(value: int, shown: str) -> None:
    assert readme.size(value) == shown


def test_the_numbers_are_those_of_the_posts(tmp_path: Path) -> None:
    collection = Collection.make(tmp_path / "set", 30, buckets=3)
    collection.write_config(name="2025")
    build(collection.root)
    counted = statistics.count(collection.root / "releases/2025/metadata")
    tags = [tag for row in collection.posts for tag in row["tag_string"].split()]
    assert counted.posts == 30
    assert counted.tag_instances == len(tags)
    assert counted.tags == len(set(tags))
    assert counted.tags_per_post == pytest.approx(len(tags) / 30)
    ratings = [row["rating"] for row in collection.posts]
    assert {rating: posts for _, rating, posts in counted.ratings} == {r: ratings.count(r) for r in set(ratings)}
    assert counted.top_tags[0].posts == max(tags.count(tag) for tag in set(tags))
    assert sum(instances for _, _, instances in counted.categories) == len(tags)
    days = sorted(row["created_at"][:10] for row in collection.posts)
    assert (str(counted.earliest), str(counted.latest)) == (days[0], days[-1])
    same = statistics.growth(
        "2025",
        collection.root / "releases/2025/metadata",
        collection.root / "releases/2025/metadata",
        files=0,
        size=0,
    )
    assert (same.posts, same.posts_gone, same.tag_instances, same.new_tags) == (0, 0, 0, 0)


ROOT = Root(
    dataset=Dataset(id="0" * 32, name="danbooru", title="Danbooru", licence="various"),
    release="2026",
    sequence=2,
    issued=date(2026, 11, 20),
    totals=Totals(posts=3, files=6, bytes=1_234_567, tags=4, tag_instances=9, volumes=2),
    sources=[SourceEntry(site="danbooru", format="danbooru_export", rating_scheme="gsqe-2022", posts=3, rejects=0)],
    renditions=[
        RenditionEntry(
            name="512px",
            site="danbooru",
            made_from="original",
            selection=["g"],
            transform={"mode": "pad", "width": 512, "height": 512, "format": "jpeg"},
            piece_length=65536,
            strategy="bucket",
            files=3,
            bytes=1000,
        )
    ],
    volumes=[],
    objects=[],
    waivers=[WaiverEntry(finding="truncated", reason="lost for ever | sadly", count=2)],
    generator="tagswarm",
)
STATISTICS = Statistics(
    posts=3,
    tags=4,
    tag_instances=9,
    ratings=(("gsqe-2022", "g", 2), ("gsqe-2022", "s", 1)),
    categories=((Category.GENERAL, 4, 9),),
    top_tags=(TopTag("danbooru", "1girl", Category.GENERAL, 3),),
    earliest=date(2005, 5, 24),
    latest=date(2026, 11, 1),
)
GROWTH = Growth(previous="2025", posts=1, posts_gone=0, files=2, bytes=500, tag_instances=-1, new_tags=1)


def test_the_readme_tells_all_of_it() -> None:
    text = readme.render(ROOT, STATISTICS, GROWTH, keys=["RWkey"]).decode()
    for said in (
        "# Danbooru 2026",
        "Licence: various",
        "| posts | 3 |",
        "1,234,567 (1.23 MB)",
        "| tags a post | 3.0 |",
        "| earliest upload | 2005-05-24 |",
        "| `g` general | 2 | 66.7 % |",
        "| `s` sensitive | 1 | 33.3 % |",
        "| `1girl` | general | 3 |",
        "## Added since 2025",
        "| tags on posts | -1 |",
        "ratings g",
        "lost for ever \\| sadly",
        "minisign -Vm releases/2026/release.json -P RWkey",
    ):
        assert said in text


def test_the_commands_of_a_readme_work(tmp_path: Path) -> None:
    collection = Collection.make(tmp_path / "set", 10, buckets=2)
    collection.write_config(name="2025")
    build(collection.root)
    text = (collection.root / "releases/2025/README.md").read_text()
    commands = [line for line in text.splitlines() if "sha256sum" in line and line.endswith((".sha256", "-c -"))]
    assert commands
    for command in commands:
        subprocess.run(["sh", "-euc", command], cwd=collection.root, check=True)
