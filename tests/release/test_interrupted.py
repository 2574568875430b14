"""A build that is stopped: killed at random moments, on a full disk, with files that change or cannot be read."""

from __future__ import annotations

import hashlib
import multiprocessing
import random
import shutil
import subprocess
import time
from collections.abc import Callable, Iterable, Iterator
from multiprocessing.context import ForkServerProcess
from pathlib import Path

import pytest

from tagswarm.imaging.transform import PRESETS
from tagswarm.manifests import codec, disk, models
from tagswarm.manifests.errors import DiskFull, SourceChanged, StoreError
from tagswarm.manifests.models import Root
from tagswarm.release import hashing
from tagswarm.release.build import audit, build
from tagswarm.release.facts import FileFact
from tagswarm.release.renditions import Rendering, make
from tests.collection import Collection

KILLS = 50
_SERVER = multiprocessing.get_context("forkserver")  # one import of everything, not one a kill
_SERVER.set_forkserver_preload(["tagswarm.release.build"])


def published(dataset: Path) -> dict[str, str]:
    return {
        path.relative_to(dataset).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(dataset.rglob("*"))
        if path.is_file() and ".tagswarm" not in path.parts
    }


def check_whole(dataset: Path) -> list[str]:
    """Every release that is there is whole: every object, every manifest, every file; returns their names."""
    found = []
    for folder in sorted((dataset / "releases").glob("*")):
        root = Root.parse((folder / "release.json").read_bytes(), limit=models.ROOT_LIMIT)
        for listed in root.all_objects():
            assert hashlib.sha256((dataset / listed.path).read_bytes()).hexdigest() == listed.sha256, listed.path
        for volume in root.volumes:
            lines = codec.read_lines((dataset / volume.manifest.path).read_bytes(), limit=1 << 30, line_limit=4096)
            for entry in models.parse_manifest(lines)[1]:
                if entry.archive is None:
                    data = (dataset / entry.path).read_bytes()
                    assert hashlib.sha256(data).hexdigest() == entry.sha256, entry.path
        found.append(root.release)
    return found


def _configured(collection: Collection, name: str) -> None:
    collection.write_config(name=name, renditions=["512px"])
    with (collection.root / "release.toml").open("a") as file:
        file.write('\n[[renditions]]\nname = "1280px"\n[renditions.volumes]\nlayout = "zip"\narchive_files = 20\n')
        file.write('\n[torrents]\ntrackers = ["udp://tracker.example:6969"]\ncompat = ["512px", "1280px"]\n')


@pytest.fixture
def halfway(tmp_path: Path) -> Path:
    """A dataset with a signed release of 2025, and as many new files for 2026."""
    collection = Collection.make(tmp_path / "set", 32, buckets=4)
    rows = collection.posts
    later = {collection.path(row): collection.read(collection.path(row)) for row in rows[16:]}
    for path in later:
        (collection.root / path).unlink()
    collection.posts = rows[:16]
    ids = {row["id"] for row in collection.posts}
    kept = {id(row): row["parent_id"] for row in rows}
    for row in collection.posts:
        row["parent_id"] = row["parent_id"] if row["parent_id"] in ids else None
    pools, collection.pools = collection.pools, []
    collection.count_tags()
    collection.write_metadata()
    _configured(collection, "2025")
    build(collection.root)
    (collection.root / "releases/2025/release.json.minisig").write_text("signed\n")
    for path, data in later.items():
        collection.put(path, data)
    collection.posts, collection.pools = rows, pools
    for row in rows:
        row["parent_id"] = kept[id(row)]
    collection.count_tags()
    collection.write_metadata()
    _configured(collection, "2026")
    return collection.root


def _started(dataset: Path) -> ForkServerProcess:
    process = _SERVER.Process(target=build, args=(dataset,), kwargs={"workers": 2})
    process.start()
    return process


@pytest.mark.timeout(600)
def test_a_build_killed_at_fifty_moments_ends_as_an_undisturbed_one(halfway: Path, tmp_path: Path) -> None:
    undisturbed = tmp_path / "undisturbed"
    shutil.copytree(halfway, undisturbed)
    process = _started(undisturbed)
    begun = time.monotonic()
    process.join()
    duration = time.monotonic() - begun
    assert process.exitcode == 0
    expected = published(undisturbed)
    chance = random.Random(2026)
    kills = 0
    dataset = tmp_path / "disturbed"
    while kills < KILLS:
        if not dataset.exists():
            shutil.copytree(halfway, dataset)
        process = _started(dataset)
        process.join(chance.uniform(0, duration))
        process.kill()
        process.join()
        if process.exitcode == 0:
            assert published(dataset) == expected
            shutil.rmtree(dataset)
        else:
            kills += 1
            assert check_whole(dataset) in (["2025"], ["2025", "2026"])
    if not dataset.exists():
        shutil.copytree(halfway, dataset)
    build(dataset, workers=1)
    assert published(dataset) == expected
    assert check_whole(dataset) == ["2025", "2026"]
    assert not list((dataset / "original").rglob(f"{disk.TEMPORARY}*"))


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 3 MB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=3m", "tmpfs", str(folder)], check=False)
    if mounted.returncode:
        pytest.skip("only root can mount a file system of its own")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def test_a_full_disk_is_one_clear_error_and_the_build_goes_on_later(small_disk: Path) -> None:
    collection = Collection.make(small_disk / "set", 24, buckets=2)
    _configured(collection, "2025")
    ballast = small_disk / "ballast"
    left = shutil.disk_usage(small_disk).free
    ballast.write_bytes(bytes(max(0, left - 300_000)))
    with pytest.raises(DiskFull, match="the disk is full"):
        build(collection.root, workers=1)
    assert not (collection.root / "releases").exists()
    assert not (collection.root / "volumes").exists()
    ballast.unlink()
    build(collection.root, workers=1)
    assert check_whole(collection.root) == ["2025"]


def test_a_file_that_changes_while_it_is_read_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "original/0001/1.png"
    path.parent.mkdir(parents=True)
    path.write_bytes(b"first")
    read = hashing._read

    def meanwhile(*arguments: object) -> object:
        outcome = read(*arguments)  # type: ignore[arg-type]
        path.write_bytes(b"second!")
        return outcome

    monkeypatch.setattr(hashing, "_read", meanwhile)
    fact = hashing.read(hashing.Reading(str(tmp_path), "original/0001/1.png", 5, 1 << 20))
    assert fact.digest is None
    assert fact.look is not None
    assert fact.look.reason == "changed-while-read"


def test_an_original_that_changed_before_its_rendition_is_refused(tmp_path: Path) -> None:
    source = tmp_path / "1.png"
    source.write_bytes(b"other bytes than were read")
    task = Rendering(
        path="512px/0001/1.jpg",
        id=1,
        source=str(source),
        source_sha256="0" * 64,
        target=str(tmp_path / "1.jpg"),
        transform=PRESETS["512px"],
        piece_length=1 << 16,
    )
    with pytest.raises(SourceChanged):
        make(task)
    assert not (tmp_path / "1.jpg").exists()


def test_a_tree_that_is_not_there_is_one_clear_error(tmp_path: Path) -> None:
    collection = Collection.make(tmp_path / "set", 5, buckets=2)
    collection.write_config(name="2025")
    shutil.rmtree(collection.root / "original")
    with pytest.raises(StoreError, match="original: no such file or folder"):
        audit(collection.root)


def test_a_file_that_went_or_became_a_link_after_it_was_listed_is_unreadable(tmp_path: Path) -> None:
    folder = tmp_path / "original/0001"
    folder.mkdir(parents=True)
    (tmp_path / "secret").write_bytes(b"not of this tree")
    (folder / "1001.png").symlink_to(tmp_path / "secret")
    for name in ("1.png", "1001.png"):
        fact = hashing.read(hashing.Reading(str(tmp_path), f"original/0001/{name}", 16, 1 << 20))
        assert fact.digest is None
        assert fact.look is not None
        assert fact.look.reason == "unreadable"


def test_an_unreadable_file_is_read_again_once_it_can_be(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    collection = Collection.make(tmp_path / "set", 5, buckets=2)
    collection.write_config(name="2025")
    path = collection.path(collection.posts[0])
    data = collection.read(path)

    def gone(tasks: Iterable[hashing.Reading], workers: int | None) -> Iterator[FileFact]:
        (collection.root / path).unlink(missing_ok=True)
        yield from facts_of(tasks, workers)

    facts_of = hashing.facts_of
    monkeypatch.setattr(hashing, "facts_of", gone)
    assert "unreadable" in audit(collection.root).summary.blocking()
    monkeypatch.undo()
    collection.put(path, data)
    assert audit(collection.root).summary.clean


class _Fails:
    """Makes the k-th call through the door to the disk fail, in this process; counts the calls."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, at: int) -> None:
        self.calls = 0
        self.at = at
        for owner, name in (
            (disk.Aside, "write"),
            (disk.Aside, "commit"),
            (disk, "rename"),
            (disk, "remove"),
            (disk, "make_directory"),
            (disk, "sync_directory"),
        ):
            monkeypatch.setattr(owner, name, self._failing(getattr(owner, name)))

    def _failing(self, function: Callable[..., object]) -> Callable[..., object]:
        def call(*arguments: object, **named: object) -> object:
            self.calls += 1
            if self.calls == self.at:
                raise DiskFull("the test: the disk is full")
            return function(*arguments, **named)

        return call


def test_a_disk_that_fails_at_any_call_leaves_the_old_or_the_new_release(
    halfway: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    undisturbed = tmp_path / "undisturbed"
    shutil.copytree(halfway, undisturbed)
    with monkeypatch.context() as patch:
        counted = _Fails(patch, 0)
        build(undisturbed, workers=1)
    expected = published(undisturbed)
    assert counted.calls > 60
    dataset = tmp_path / "disturbed"
    shutil.copytree(halfway, dataset)
    build(dataset, workers=1)  # so that each attempt fails where the stage is written and put in its place, not before
    shutil.rmtree(dataset / "releases/2026")
    for at in range(1, counted.calls + 1):
        with monkeypatch.context() as patch:
            _Fails(patch, at)
            try:
                build(dataset, workers=1)
            except DiskFull:
                assert check_whole(dataset) in (["2025"], ["2025", "2026"])
            else:
                assert published(dataset) == expected
                break
        if (dataset / "releases/2026").exists():
            shutil.rmtree(dataset / "releases/2026")
    build(dataset, workers=1)
    assert published(dataset) == expected
