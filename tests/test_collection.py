"""The collections that tests are run on: the same seed gives the same bytes, and a clean one agrees with itself."""

from __future__ import annotations

import hashlib
import io
import json
import os
import stat
from pathlib import Path

import pytest
from PIL import Image

from tests.collection import IMPLICATIONS, Collection
from tests.defects import DEFECTS, Seeded, seed

FORMATS = {"jpg": "JPEG", "png": "PNG", "gif": "GIF", "webp": "WEBP"}


def contents(root: Path) -> dict[str, str]:
    """Every entry of a tree: what kind it is, and its digest where it is a file."""
    found = {}
    for path in sorted(root.rglob("*")):
        mode = path.lstat().st_mode
        kind = str(stat.S_IFMT(mode))
        if path.is_symlink():
            kind += str(path.readlink())
        elif stat.S_ISREG(mode) and mode & 0o400:
            kind += hashlib.sha256(path.read_bytes()).hexdigest()
        found[os.fsdecode(path.relative_to(root))] = kind
    return found


def test_the_same_seed_makes_the_same_bytes(tmp_path: Path) -> None:
    for name in ("one", "two"):
        collection = Collection.make(tmp_path / name, 60, seed=3)
        collection.write_config()
        seed(collection, ["missing-file", "orphan-file", "truncated", "unknown-tag", "alias-cycle"], seed=4)
    assert contents(tmp_path / "one") == contents(tmp_path / "two")


def test_another_seed_makes_another_collection(tmp_path: Path) -> None:
    one, two = (Collection.make(tmp_path / str(number), 10, seed=number) for number in (1, 2))
    assert {row["md5"] for row in one.posts}.isdisjoint(row["md5"] for row in two.posts)


@pytest.mark.parametrize("count", [1, 2, 37, 300])
def test_a_clean_collection_agrees_with_itself(tmp_path: Path, count: int) -> None:
    collection = Collection.make(tmp_path, count)
    shards = sorted((tmp_path / "metadata").glob("posts*"))
    rows = [json.loads(line) for path in shards for line in path.read_text().strip().split("\n") if line]
    assert rows == collection.posts
    assert len({row["id"] for row in rows}) == len({row["md5"] for row in rows}) == count
    assert [row["created_at"] for row in rows] == sorted(row["created_at"] for row in rows)
    on_disk = sorted(path.relative_to(tmp_path).as_posix() for path in (tmp_path / "original").rglob("*.*"))
    assert on_disk == sorted(collection.path(row) for row in rows)
    for row in rows:
        data = collection.read(collection.path(row))
        assert (hashlib.md5(data).hexdigest(), len(data)) == (row["md5"], row["file_size"])
        with Image.open(io.BytesIO(data)) as image:
            image.load()
            assert (image.size, image.format) == ((row["image_width"], row["image_height"]), FORMATS[row["file_ext"]])
        names = row["tag_string"].split()
        assert len(names) == len(set(names)) == row["tag_count"]
        assert {IMPLICATIONS[name] for name in names if name in IMPLICATIONS} <= set(names)
        assert row["parent_id"] is None or row["parent_id"] < row["id"]
    for tag in collection.tags:
        assert tag["post_count"] == sum(tag["name"] in row["tag_string"].split() for row in rows)


@pytest.mark.parametrize("name", sorted(DEFECTS))
def test_every_defect_changes_the_collection(tmp_path: Path, name: str) -> None:
    collection = Collection.make(tmp_path, 60)
    before = contents(tmp_path)
    (defect,) = seed(collection, [name])
    after = contents(tmp_path)
    assert after != before
    if defect.path is not None and name != "unreadable":
        assert after.get(defect.path) != before.get(defect.path)
    if defect.id is not None:
        assert defect.id in {row["id"] for row in collection.posts}
    if defect.word is not None and name not in {"bad-row", "deep-row"}:
        texts = "".join(path.read_text() for path in (tmp_path / "metadata").iterdir())
        assert defect.word in texts or defect.word in after


def test_defects_do_not_meet(tmp_path: Path) -> None:
    collection = Collection.make(tmp_path, 200)
    seeded = seed(collection, [name for name in sorted(DEFECTS) for _ in range(2)])
    named = [item.id or item.path for item in seeded if item.id or item.path]
    assert len(named) == len(set(named))


def test_a_bomb_is_small_on_disk_and_large_in_memory(tmp_path: Path) -> None:
    collection = Collection.make(tmp_path, 20)
    (defect,) = seed(collection, ["decompression-bomb"])
    assert defect.path is not None
    data = collection.read(defect.path)
    assert len(data) < 30_000
    assert int.from_bytes(data[16:20], "big") == 13_000


def test_a_seeded_defect_is_named_by_its_finding_only() -> None:
    defect = Seeded(finding="orphan-file", path="original/0000/1000.png")
    assert defect.is_named_by("orphan-file", 1000, "original/0000/1000.png")
    assert not defect.is_named_by("orphan-file", 1000, "original/0000/2000.png")
    assert not defect.is_named_by("missing-file", 1000, "original/0000/1000.png")
