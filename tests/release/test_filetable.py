"""The file tables of a real build: every post has its file, what is taken back or replaced has none."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from tagswarm.manifests import filerows, manifest, models
from tagswarm.manifests.errors import DigestMismatch
from tagswarm.manifests.events import Event, StepAdvanced, StepFinished, StepStarted
from tagswarm.manifests.filetables import FileTable, open_files
from tagswarm.manifests.models import Object, Root
from tagswarm.mirror import withdrawn
from tagswarm.mirror.file import File
from tagswarm.mirror.verify import verify
from tagswarm.release.build import build
from tests.collection import Collection, picture

CONFIG = '\n[[renditions]]\nname = "512px"\n[renditions.volumes]\nlayout = "{layout}"\narchive_files = 7\n'


def configure(collection: Collection, name: str, layout: str = "loose") -> None:
    collection.write_config(name=name, renditions=[])
    path = collection.root / "release.toml"
    path.write_text('withdrawals = "withdrawals.csv"\n' + path.read_text() + CONFIG.format(layout=layout))


def take_back(collection: Collection, *lines: str) -> None:
    (collection.root / "withdrawals.csv").write_text("\n".join(["site,id,action,reason", *lines, ""]))


@pytest.fixture
def collection(tmp_path: Path) -> Collection:
    made = Collection.make(tmp_path / "set", 40, buckets=4)
    take_back(made)
    configure(made, "2025")
    return made


def root_of(dataset: Path, release: str) -> Root:
    return Root.parse((dataset / "releases" / release / "release.json").read_bytes(), limit=models.ROOT_LIMIT)


def table_of(dataset: Path, release: str, tree: str) -> FileTable:
    return open_files(dataset / "releases" / release / filerows.file_name(tree))


def expected(dataset: Path, release: str, tree: str) -> list[File]:
    """The files of a tree as the manifests and the list of withdrawals tell them."""
    root = root_of(dataset, release)
    taken = withdrawn.read(dataset, root)
    files = [
        File(
            id=entry.id,
            path=entry.path,
            size=entry.size,
            sha256=entry.sha256,
            volume=volume.name,
            version=entry.version or 1,
            kind=entry.kind,
            width=entry.width,
            height=entry.height,
            archive=entry.archive,
            offset=entry.offset or 0,
        )
        for volume in root.volumes
        if volume.rendition == tree
        for entry in manifest.read(dataset, volume).entries
        if entry.id is not None and not taken.has("danbooru", entry)
    ]
    return sorted(files, key=lambda file: file.id)


def all_files(table: FileTable) -> list[File]:
    ids = [post for _, rows in table.by_volume() for post in rows.column("id").to_pylist()]
    assert len(ids) == table.rows
    return table.find(ids).files(File)


def objects(dataset: Path, release: str) -> Iterator[Object]:
    return (item for item in root_of(dataset, release).objects if "/files/" in item.path)


@pytest.mark.parametrize("layout", ["loose", "tar", "zip"])
def test_every_post_has_its_file_and_each_lies_where_the_table_says(collection: Collection, layout: str) -> None:
    configure(collection, "2025", layout)
    build(collection.root)
    listed = list(objects(collection.root, "2025"))
    assert [item.path for item in listed] == [f"releases/2025/files/{tree}.parquet" for tree in ("512px", "original")]
    for item in listed:
        manifest.check_object(collection.root, item)
    for tree in ("original", "512px"):
        table = table_of(collection.root, "2025", tree)
        assert (table.rendition, table.site) == (tree, "danbooru")
        files = all_files(table)
        assert files == expected(collection.root, "2025", tree)
        for file in files:
            with (collection.root / (file.archive or file.path)).open("rb") as opened:
                opened.seek(file.offset)
                data = opened.read(file.size)
            assert (len(data), hashlib.sha256(data).hexdigest()) == (file.size, file.sha256)
    assert {file.id for file in all_files(table_of(collection.root, "2025", "original"))} == {
        row["id"] for row in collection.posts
    }


@pytest.mark.parametrize("layout", ["loose", "zip"])
def test_a_later_release_lists_carried_volumes_and_leaves_out_what_is_gone(collection: Collection, layout: str) -> None:
    configure(collection, "2025", layout)
    build(collection.root)
    before = {tree: all_files(table_of(collection.root, "2025", tree)) for tree in ("original", "512px")}
    gone, purged = collection.posts[5]["id"], collection.posts[6]["id"]
    replaced = next(row for row in collection.posts[7:] if row["file_ext"] == "png")
    old = collection.path(replaced)
    new = picture(random.Random(99), "png")
    (collection.root / old.replace(".png", ".v2.png")).write_bytes(new.data)
    (collection.root / old).unlink()
    take_back(collection, f"danbooru,{gone},withdraw,asked", f"danbooru,{purged},purge,court order")
    configure(collection, "2026", layout)
    with (collection.root / "release.toml").open("a") as file:
        file.write('\n[[waivers]]\nfinding = "dimension-mismatch"\nreason = "a test lets it pass"\n')
    build(collection.root)
    for tree, files in before.items():
        table = table_of(collection.root, "2026", tree)
        now = {file.id: file for file in all_files(table)}
        assert list(now.values()) == expected(collection.root, "2026", tree)
        assert now.keys() == {file.id for file in files} - {gone, purged}
        assert now[replaced["id"]].version == 2
        assert table.find([gone, purged]).missing.tolist() == sorted([gone, purged])
        assert len({file.volume for file in now.values()}) > 1
    assert all_files(table_of(collection.root, "2025", "original")) == before["original"]
    report = verify(collection.root, release="2026", depth="fast", workers=1)
    assert not [problem for problem in report.problems if problem.kind == "inconsistent"]


def test_a_second_build_writes_the_same_tables(collection: Collection) -> None:
    build(collection.root)
    first = list(objects(collection.root, "2025"))
    assert not build(collection.root, workers=1).changed
    assert list(objects(collection.root, "2025")) == first


def test_a_tree_that_was_given_up_keeps_its_table(collection: Collection) -> None:
    build(collection.root)
    before = all_files(table_of(collection.root, "2025", "512px"))
    collection.write_config(name="2026", renditions=[])
    build(collection.root)
    table = table_of(collection.root, "2026", "512px")
    assert (all_files(table), table.site) == (before, "danbooru")


def test_a_tree_without_a_file_has_an_empty_table(collection: Collection) -> None:
    collection.write_config(name="2025", renditions=[])
    with (collection.root / "release.toml").open("a") as file:
        file.write('\n[[renditions]]\nname = "512px"\nquery = "id:<0"\n')
    build(collection.root)
    assert table_of(collection.root, "2025", "512px").rows == 0


def test_a_damaged_manifest_of_an_earlier_release_stops_the_build(collection: Collection) -> None:
    build(collection.root)
    volume = root_of(collection.root, "2025").volumes[0]
    configure(collection, "2026")
    build(collection.root)  # so that nothing else has to read it again
    path = collection.root / volume.manifest.path
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    with pytest.raises(DigestMismatch, match=volume.manifest.path):
        build(collection.root)


def test_the_step_is_reported_on_its_own(collection: Collection) -> None:
    told: list[Event] = []
    build(collection.root, report=told.append)
    mine = [event for event in told if getattr(event, "step", "") == "write file tables"]
    assert isinstance(mine[0], StepStarted)
    assert isinstance(mine[-1], StepFinished)
    assert {type(event) for event in mine[1:-1]} == {StepAdvanced}
    start, end = told.index(mine[0]), told.index(mine[-1])
    assert told[start : end + 1] == mine
    assert mine[0].total == mine[-1].done == root_of(collection.root, "2025").totals.files
