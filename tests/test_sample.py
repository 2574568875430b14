"""The sample collection in the repository: what its tables say of the pictures is true, and each has its licence."""

from __future__ import annotations

import csv
import hashlib
import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from PIL import Image


@pytest.fixture(scope="module")
def sample(repository: Path) -> Path:
    return repository / "sample"


@pytest.fixture(scope="module")
def posts(sample: Path) -> dict[int, dict[str, Any]]:
    return {row["id"]: row for row in rows(sample, "posts")}


def rows(sample: Path, table: str) -> list[dict[str, Any]]:
    paths = sorted((sample / "metadata").glob(f"{table}0*.json"))
    return [json.loads(line) for path in paths for line in path.read_text(encoding="utf-8").strip().split("\n")]


def test_every_picture_has_its_licence_and_its_digest(sample: Path, posts: dict[int, dict[str, Any]]) -> None:
    with (sample / "licences.tsv").open(encoding="utf-8", newline="") as file:
        licences = list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))
    assert {int(row["id"]) for row in licences} == set(posts)
    assert {row["path"] for row in licences} == {
        path.relative_to(sample).as_posix() for path in (sample / "original").rglob("*.*")
    }
    notices = "".join(path.name for path in (sample / "licences").iterdir())
    for row in licences:
        assert hashlib.sha256((sample / row["path"]).read_bytes()).hexdigest() == row["sha256"]
        assert row["licence"].split(" ")[0] in notices
        assert row["author"]
        assert "@" in row["source"]


def test_what_the_posts_claim_is_true(sample: Path, posts: dict[int, dict[str, Any]]) -> None:
    for post, row in posts.items():
        path = sample / f"original/{post % 1000:04}/{post}.{row['file_ext']}"
        data = path.read_bytes()
        same = (hashlib.md5(data).hexdigest(), len(data)) == (row["md5"], row["file_size"])
        assert same
        with Image.open(path) as image:
            assert image.size == (row["image_width"], row["image_height"])
            clear = min(image.convert("RGBA").getchannel("A").tobytes()) < 250
            tags = set(row["tag_string"].split())
            assert clear is ("transparent_background" in tags)
            assert (getattr(image, "n_frames", 1) > 1) is ("animated" in tags)
        assert row["parent_id"] is None or posts[row["parent_id"]]["has_children"]


def test_tags_and_relations_agree_with_the_posts(sample: Path, posts: dict[int, dict[str, Any]]) -> None:
    counts = Counter(name for row in posts.values() for name in row["tag_string"].split())
    categories = {row["name"]: row["category"] for row in rows(sample, "tags")}
    assert {row["name"]: row["post_count"] for row in rows(sample, "tags")} == counts
    for row in posts.values():
        for number, kind in {0: "general", 1: "artist", 3: "copyright", 4: "character", 5: "meta"}.items():
            names = row[f"tag_string_{kind}"].split()
            assert len(names) == row[f"tag_count_{kind}"]
            assert {categories[name] for name in names} <= {number}
    for alias in rows(sample, "tag_aliases"):
        assert alias["antecedent_name"] not in counts
        assert alias["consequent_name"] in counts
    for implication in rows(sample, "tag_implications"):
        for row in posts.values():
            tags = row["tag_string"].split()
            assert implication["antecedent_name"] not in tags or implication["consequent_name"] in tags
    assert all(post in posts for pool in rows(sample, "pools") for post in pool["post_ids"])


def test_it_stays_small(sample: Path) -> None:
    sizes = [path.stat().st_size for path in sample.rglob("*") if path.is_file()]
    assert sum(sizes) < 7_000_000
    assert max(sizes) < 1_000_000


def test_tags_come_from_the_real_vocabulary(sample: Path, shared: Path) -> None:
    with (shared / "data" / "tags" / "danbooru.csv").open(encoding="utf-8", newline="") as file:
        real = {row[0]: int(row[1]) for row in csv.reader(file)}
    for row in rows(sample, "tags"):
        if row["category"] in (0, 5):
            assert real[row["name"]] == row["category"]
