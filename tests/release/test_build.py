"""A build of real files: what comes out, what a second one leaves alone, and what a later release takes over."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
import tarfile
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest

from tagswarm.manifests import codec, models
from tagswarm.manifests.digest import digest_bytes
from tagswarm.manifests.errors import (
    AuditFailed,
    ConfigInvalid,
    DestinationLocked,
    DigestMismatch,
    ReleaseError,
    SizeMismatch,
    StoreError,
    Unreadable,
)
from tagswarm.manifests.events import Event, Notice, StepFinished, StepStarted
from tagswarm.manifests.models import FileEntry, Root, VolumeHeader, Withdrawal
from tagswarm.manifests.paths import escape
from tagswarm.release.build import audit, build
from tagswarm.release.journal import Journal
from tagswarm.release.sign import sign
from tests.collection import Collection, picture
from tests.defects import DEFECTS, Seeded, seed


def snapshot(dataset: Path) -> dict[str, str]:
    """The published part of a dataset: SHA-256 by path."""
    return {
        path.relative_to(dataset).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(dataset.rglob("*"))
        if path.is_file() and ".tagswarm" not in path.parts
    }


def root_of(dataset: Path, release: str) -> Root:
    return Root.parse((dataset / "releases" / release / "release.json").read_bytes(), limit=models.ROOT_LIMIT)


def manifest(dataset: Path, path: str) -> tuple[VolumeHeader, list[FileEntry]]:
    lines = codec.read_lines((dataset / path).read_bytes(), limit=1 << 30, line_limit=models.LINE_LIMIT)
    return models.parse_manifest(lines)


def entries_of(dataset: Path, release: str) -> list[FileEntry]:
    return [e for v in root_of(dataset, release).volumes for e in manifest(dataset, v.manifest.path)[1]]


def withdrawn(dataset: Path, release: str) -> list[Withdrawal]:
    return models.parse_withdrawals((dataset / "releases" / release / "withdrawn.jsonl").read_bytes())


def configure(collection: Collection, name: str = "2025", extra: str = "", *, renditions: str = "") -> None:
    """Write a release.toml with what a test wants besides the ordinary."""
    collection.write_config(name=name, renditions=["512px"] if not renditions else [])
    path = collection.root / "release.toml"
    path.write_text(extra + path.read_text() + renditions)


@pytest.fixture
def collection(tmp_path: Path) -> Collection:
    made = Collection.make(tmp_path / "set", 40, buckets=4)
    configure(made)
    return made


def test_every_file_is_in_exactly_one_volume_with_its_digests(collection: Collection) -> None:
    outcome = build(collection.root, workers=2)
    entries = entries_of(collection.root, "2025")
    originals = {e.path: e for e in entries if e.path.startswith("original/")}
    on_disk = sorted(p.relative_to(collection.root).as_posix() for p in (collection.root / "original").rglob("*.*"))
    assert sorted(originals) == on_disk
    assert len(entries) == len({e.path for e in entries}) == outcome.totals.files
    for entry in entries:
        data = (collection.root / entry.path).read_bytes()
        found = digest_bytes(data, 1 << 20)
        assert (entry.size, entry.sha256) == (len(data), found.sha256)
        if entry.path in originals:
            assert entry.root == found.root
    assert outcome.files_read == len(originals)
    assert outcome.audit.summary.clean


def test_sha256sum_accepts_every_checksum_file_and_the_lists_name_the_same_files(collection: Collection) -> None:
    build(collection.root)
    for volume in root_of(collection.root, "2025").volumes:
        subprocess.run(
            ["sha256sum", "--quiet", "--strict", "-c", volume.checksums.path], cwd=collection.root, check=True
        )
        listed = b"".join((collection.root / part.path).read_bytes() for part in volume.lists).decode().splitlines()
        _, entries = manifest(collection.root, volume.manifest.path)
        assert listed == [entry.path for entry in entries]


def test_every_object_of_the_root_is_there_with_its_digest(collection: Collection) -> None:
    outcome = build(collection.root)
    assert hashlib.sha256(outcome.root_path.read_bytes()).hexdigest() == outcome.root_sha256
    root = root_of(collection.root, "2025")
    listed = {o.path for o in root.all_objects()}
    folder = collection.root / "releases" / "2025"
    there = {p.relative_to(collection.root).as_posix() for p in folder.rglob("*") if p.is_file()}
    assert there - listed == {"releases/2025/release.json"}
    for listed_object in root.all_objects():
        data = (collection.root / listed_object.path).read_bytes()
        assert (len(data), hashlib.sha256(data).hexdigest()) == (listed_object.size, listed_object.sha256)


def test_a_second_build_reads_no_image_and_changes_no_byte(collection: Collection) -> None:
    build(collection.root)
    before = snapshot(collection.root)
    times = {path: (collection.root / path).stat().st_mtime_ns for path in before}
    outcome = build(collection.root)
    assert (outcome.files_read, outcome.images_made, outcome.changed) == (0, 0, False)
    assert snapshot(collection.root) == before
    assert {path: (collection.root / path).stat().st_mtime_ns for path in before} == times


def test_only_what_is_new_is_read(collection: Collection) -> None:
    build(collection.root)
    path = collection.path(collection.posts[0])
    data = collection.read(path)
    (collection.root / path).unlink()
    collection.put(path, data)  # another inode: it may be another file
    assert build(collection.root).files_read == 1


def test_rehash_reads_everything_and_finds_rot(collection: Collection) -> None:
    build(collection.root)
    row = next(row for row in collection.posts if row["file_ext"] == "png")
    path = collection.root / collection.path(row)
    stat = path.stat()
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    with path.open("r+b") as file:  # the same inode
        file.write(data)
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    assert not audit(collection.root).blocked
    outcome = audit(collection.root, rehash=True)
    assert "bit-rot" in outcome.summary.blocking()


@pytest.mark.parametrize(
    "environment", [{"TZ": "Asia/Tokyo", "LC_ALL": "C"}, {"TZ": "America/New_York", "LANG": "C.UTF-8"}]
)
def test_worker_count_time_zone_and_locale_change_no_byte(
    collection: Collection, tmp_path: Path, environment: dict[str, str]
) -> None:
    other = tmp_path / "other"
    shutil.copytree(collection.root, other)
    build(collection.root, workers=1)
    code = "import sys; from pathlib import Path; from tagswarm.release import build as b; b.build(Path(sys.argv[1]), workers=3)"
    clean = {key: value for key, value in os.environ.items() if not key.startswith("LC_")}
    subprocess.run([sys.executable, "-P", "-c", code, str(other)], check=True, env={**clean, **environment})
    assert snapshot(other) == snapshot(collection.root)


def test_a_later_release_carries_volumes_over_and_makes_new_ones_for_new_files(tmp_path: Path) -> None:
    more = Collection.make(tmp_path / "set", 60, buckets=4)
    rows, later = more.posts[:50], more.posts[50:]
    kept = {more.path(row): more.read(more.path(row)) for row in later}
    for path in kept:
        (more.root / path).unlink()
    more.posts = rows
    _without_loose_ends(more)
    configure(more)
    build(more.root)
    first = root_of(more.root, "2025")
    published = snapshot(more.root)
    (more.root / "releases/2025/release.json.minisig").write_text("signed\n")
    for path, data in kept.items():
        more.put(path, data)
    more.posts = rows + later
    _without_loose_ends(more)
    configure(more, "2026")
    outcome = build(more.root)
    second = root_of(more.root, "2026")
    assert second.sequence == 2
    assert second.previous is not None
    assert (
        second.previous.root_sha256
        == hashlib.sha256((more.root / "releases/2025/release.json").read_bytes()).hexdigest()
    )
    assert outcome.files_read == len(later)
    assert [v for v in second.volumes if v.generation == "2025"] == first.volumes
    new = [e.path for v in second.volumes if v.generation == "2026" for e in manifest(more.root, v.manifest.path)[1]]
    assert sorted(p for p in new if p.startswith("original/")) == sorted(kept)
    now = snapshot(more.root)
    metadata = ("metadata/", "release.toml")
    assert all(now[path] == digest for path, digest in published.items() if not path.startswith(metadata))
    assert "Added since 2025" in (more.root / "releases/2026/README.md").read_text()


def _without_loose_ends(collection: Collection) -> None:
    """Relations and counts that fit the posts that are there."""
    ids = {row["id"] for row in collection.posts}
    for row in collection.posts:
        if row["parent_id"] not in ids:
            row["parent_id"] = None
    for pool in collection.pools:
        pool["post_ids"] = [post for post in pool["post_ids"] if post in ids]
    collection.count_tags()
    collection.write_metadata()


def test_a_signed_release_is_never_changed(collection: Collection) -> None:
    build(collection.root)
    (collection.root / "releases/2025/release.json.minisig").write_text("signed\n")
    before = snapshot(collection.root)
    assert not build(collection.root).changed
    configuration = (collection.root / "release.toml").read_text()
    (collection.root / "release.toml").write_text(configuration.replace("512px", "1280px"))
    with pytest.raises(ReleaseError, match="2025 is published"):
        build(collection.root)
    (collection.root / "release.toml").write_text(configuration)
    kept = {path: digest for path, digest in snapshot(collection.root).items() if not path.startswith("1280px/")}
    assert kept == before


def test_a_release_that_is_not_signed_may_be_built_anew(collection: Collection) -> None:
    build(collection.root)
    configuration = (collection.root / "release.toml").read_text()
    (collection.root / "release.toml").write_text(configuration.replace("512px", "1280px"))
    assert build(collection.root).changed
    names = {path.name for path in (collection.root / "volumes").iterdir()}
    assert any(name.startswith("1280px-2025") for name in names)
    assert not any(name.startswith("512px") for name in names)


def test_a_replaced_file_has_a_new_name_and_its_old_one_is_withdrawn(collection: Collection) -> None:
    build(collection.root)
    old = next(collection.path(row) for row in collection.posts if row["file_ext"] == "png")
    new = old.replace(".png", ".v2.png")
    collection.put(new, collection.read(old) + b"")
    (collection.root / new).write_bytes(_another_png(collection))
    (collection.root / old).unlink()
    configure(collection, "2026")
    waive(collection, "dimension-mismatch")
    build(collection.root)
    by_path = {w.path: w for w in withdrawn(collection.root, "2026")}
    assert by_path[old].replaced_by == new
    small = old.replace("original/", "512px/").replace(".png", ".jpg")
    assert by_path[small].replaced_by == small.replace(".jpg", ".v2.jpg")
    paths = {entry.path for entry in entries_of(collection.root, "2026")}
    assert {old, new, small} <= paths  # the old volume stays as it was


def _another_png(collection: Collection) -> bytes:
    import random

    return picture(random.Random(99), "png").data


def waive(collection: Collection, *names: str) -> None:
    with (collection.root / "release.toml").open("a") as file:
        for name in names:
            file.write(f'\n[[waivers]]\nfinding = "{name}"\nreason = "a test lets it pass"\n')


def test_a_file_that_changed_after_publication_is_refused(collection: Collection) -> None:
    build(collection.root)
    path = next(collection.path(row) for row in collection.posts if row["file_ext"] == "png")
    collection.put(path, _another_png(collection))
    configure(collection, "2026")
    with pytest.raises(AuditFailed) as refused:
        build(collection.root)
    assert "changed-after-publication" in refused.value.findings


def test_a_published_file_that_is_gone_is_refused(collection: Collection) -> None:
    build(collection.root)
    path = collection.path(collection.posts[3])
    (collection.root / path).unlink()
    configure(collection, "2026")
    with pytest.raises(AuditFailed) as refused:
        build(collection.root)
    assert "published-file-missing" in refused.value.findings


def test_a_lost_rendition_is_made_again_with_the_same_bytes(collection: Collection) -> None:
    build(collection.root)
    before = snapshot(collection.root)
    lost = min((collection.root / "512px").rglob("*.jpg"))
    lost.unlink()
    configure(collection, "2026")
    assert build(collection.root).images_made == 1
    assert snapshot(collection.root)[lost.relative_to(collection.root).as_posix()] in before.values()


@pytest.mark.parametrize("layout", ["loose", "tar", "zip"])
def test_a_withdrawn_post_leaves_the_metadata_and_a_purged_one_its_volumes(tmp_path: Path, layout: str) -> None:
    collection = Collection.make(tmp_path / "set", 40, buckets=4)
    rendition = f'\n[[renditions]]\nname = "512px"\n[renditions.volumes]\nlayout = "{layout}"\narchive_files = 7\n'
    configure(collection, "2025", 'withdrawals = "withdrawals.csv"\n', renditions=rendition)
    listed = collection.root / "withdrawals.csv"
    listed.write_text("site,id,action,reason\n")
    build(collection.root)
    first = root_of(collection.root, "2025")
    gone, purged = collection.posts[5], collection.posts[6]
    listed.write_text(
        f"site,id,action,reason\ndanbooru,{gone['id']},withdraw,asked\ndanbooru,{purged['id']},purge,court order\n"
    )
    configure(collection, "2026", 'withdrawals = "withdrawals.csv"\n', renditions=rendition)
    told: list[Event] = []
    build(collection.root, report=told.append)
    second = root_of(collection.root, "2026")
    assert second.totals.posts == first.totals.posts - 2
    by_id = {(w.id, w.path): w.action for w in withdrawn(collection.root, "2026")}
    assert by_id[gone["id"], None] == "withdrawn"
    assert by_id[purged["id"], None] == "purged"
    ids = {entry.id for entry in entries_of(collection.root, "2026")}
    assert gone["id"] in ids
    assert purged["id"] not in ids
    revised = [volume for volume in second.volumes if volume.revision == 2]
    assert {volume.rendition for volume in revised} == {"original", "512px"}
    assert any(isinstance(event, Notice) and "purged" in event.message for event in told)
    for volume in revised:
        subprocess.run(["sha256sum", "--quiet", "-c", volume.checksums.path], cwd=collection.root, check=True)
    _members_are_ranges(collection.root, entries_of(collection.root, "2026"))
    before = snapshot(collection.root)
    assert not build(collection.root).changed
    assert snapshot(collection.root) == before


def _members_are_ranges(dataset: Path, entries: list[FileEntry]) -> None:
    for entry in entries:
        if entry.archive is None:
            continue
        assert entry.offset is not None
        with (dataset / entry.archive).open("rb") as file:
            file.seek(entry.offset)
            assert hashlib.sha256(file.read(entry.size)).hexdigest() == entry.sha256


def test_packed_originals_are_read_by_stock_tools(tmp_path: Path) -> None:
    collection = Collection.make(tmp_path / "set", 30, buckets=3)
    rendition = (
        '\n[[renditions]]\nname = "1280px"\nexif = true\nnaming = "booru-chars"\n'
        '[renditions.volumes]\nstrategy = "aspect-year"\nlayout = "zip"\n'
        '\n[[renditions]]\nname = "512px"\n[renditions.volumes]\nlayout = "tar"\n'
    )
    configure(collection, renditions=rendition)
    build(collection.root)
    _members_are_ranges(collection.root, entries_of(collection.root, "2025"))
    zips = sorted((collection.root / "1280px").rglob("*.zip"))
    names = [name for path in zips for name in zipfile.ZipFile(path).namelist()]
    assert len(names) == 30
    assert all(name.startswith("danbooru - ") for name in names)
    for path in zips:
        with zipfile.ZipFile(path) as archive:
            assert archive.testzip() is None
    (tar,) = sorted((collection.root / "512px").rglob("*.tar"))
    with tarfile.open(tar) as archive:
        members = archive.getnames()
    assert len(members) == 30
    index = json.loads(tar.with_suffix(".json").read_text())
    assert sorted(index["files"]) == sorted(members)


def test_a_rendition_selects_by_rating(collection: Collection) -> None:
    rendition = '\n[[renditions]]\nname = "512px"\nratings = ["g"]\n'
    configure(collection, renditions=rendition)
    build(collection.root)
    general = {row["id"] for row in collection.posts if row["rating"] == "g"}
    made = {entry.id for entry in entries_of(collection.root, "2025") if entry.path.startswith("512px/")}
    assert made == general


def test_another_transform_or_piece_length_needs_another_name(collection: Collection) -> None:
    build(collection.root)
    other = '\n[[renditions]]\nname = "512px"\ntransform = { mode = "fit", width = 256 }\n'
    configure(collection, "2026", renditions=other)
    with pytest.raises(ConfigInvalid, match="512px: transform"):
        build(collection.root)
    longer = '\n[[renditions]]\nname = "512px"\n[renditions.volumes]\npiece_length = 262144\n'
    configure(collection, "2026", renditions=longer)
    with pytest.raises(ConfigInvalid, match="512px: piece_length"):
        build(collection.root)


def test_what_is_waived_is_published_and_what_it_means_happens(collection: Collection) -> None:
    (broken,) = seed(collection, ["truncated"])
    (orphan,) = seed(collection, ["orphan-file"], seed=1)
    configure(collection)
    with pytest.raises(AuditFailed) as refused:
        build(collection.root)
    assert set(refused.value.findings) == {"truncated", "orphan-file"}
    assert not (collection.root / "releases").exists()
    waive(collection, "truncated", "orphan-file")
    build(collection.root)
    root = root_of(collection.root, "2025")
    assert {(w.finding, w.count) for w in root.waivers} == {("truncated", 1), ("orphan-file", 1)}
    paths = {entry.path for entry in entries_of(collection.root, "2025")}
    assert orphan.path not in paths
    assert broken.path in paths
    assert not any(e.id == broken.id and e.path.startswith("512px/") for e in entries_of(collection.root, "2025"))
    assert "a test lets it pass" in (collection.root / "releases/2025/README.md").read_text()


def test_the_journal_lost_costs_time_and_nothing_else(collection: Collection) -> None:
    build(collection.root)
    before = snapshot(collection.root)
    shutil.rmtree(collection.root / ".tagswarm")
    assert not build(collection.root).changed
    assert snapshot(collection.root) == before


PACKED = ['layout = "zip"', 'layout = "tar"', 'layout = "zip"\nstrategy = "aspect-year"']


def pack(collection: Collection, volumes: str, name: str = "2025") -> None:
    """Let originals and renditions be packed."""
    table = f"\n[sources.volumes]\n{volumes}\narchive_files = 7\n"
    configure(
        collection, name, renditions=table + '\n[[renditions]]\nname = "512px"' + table.replace("sources", "renditions")
    )


@pytest.mark.parametrize("volumes", PACKED)
def test_archives_among_the_originals_are_no_strays_and_are_made_once(collection: Collection, volumes: str) -> None:
    pack(collection, volumes)
    build(collection.root)
    before = snapshot(collection.root)
    times = {path: (collection.root / path).stat().st_mtime_ns for path in before}
    assert not build(collection.root).changed
    assert snapshot(collection.root) == before
    assert {path: (collection.root / path).stat().st_mtime_ns for path in before} == times
    sign(collection.root, [])
    shutil.rmtree(collection.root / ".tagswarm")
    assert not build(collection.root).changed
    assert not list((collection.root / ".tagswarm" / "archives").rglob("*.*"))
    pack(collection, volumes, "2026")
    assert build(collection.root).volumes_new == 0


def test_a_lost_archive_is_not_carried_over(collection: Collection) -> None:
    pack(collection, PACKED[0])
    build(collection.root)
    lost = min((collection.root / "512px").rglob("*.zip"))
    lost.unlink()
    pack(collection, PACKED[0], "2026")
    with pytest.raises(ReleaseError, match=lost.name):
        build(collection.root)
    assert not (collection.root / "releases" / "2026").exists()


def test_a_rendition_that_was_given_up_keeps_its_published_files(collection: Collection) -> None:
    build(collection.root)
    collection.write_config(name="2026")
    assert build(collection.root).volumes_carried == 2
    collection.write_config(name="2027")
    shutil.rmtree(collection.root / "512px")
    with pytest.raises(ReleaseError, match="no longer here"):
        build(collection.root)


def test_a_release_that_another_follows_is_not_built_again(collection: Collection) -> None:
    build(collection.root)
    configure(collection, "2026")
    build(collection.root)
    before = snapshot(collection.root)
    configure(collection, "2025")
    with pytest.raises(ReleaseError, match="2026 follows it"):
        build(collection.root)
    configure(collection, "2026")
    assert not build(collection.root).changed
    assert snapshot(collection.root) == before


def test_a_name_that_is_part_of_another_takes_nothing_from_it(collection: Collection) -> None:
    configure(collection, "2025-1")
    build(collection.root)
    volumes = sorted((collection.root / "volumes").iterdir())
    configure(collection, "1")
    build(collection.root)
    assert sorted((collection.root / "volumes").iterdir()) == volumes


def test_a_new_release_begins_where_the_published_one_ends(collection: Collection) -> None:
    build(collection.root)
    sign(collection.root, [])
    configure(collection, "2026")
    folder = collection.root / "releases" / "2025"
    place = folder / "release.json"
    data = place.read_text()
    place.write_text(data.replace('"name": "test"', '"name": "else"'))
    with pytest.raises(DigestMismatch, match=r"releases/2025/release\.json"):
        build(collection.root)
    place.write_text(data)
    folder.rename(collection.root / "lost")
    for name in ("2025", "2026"):
        configure(collection, name)
        with pytest.raises(ReleaseError, match=r"releases/2025: latest\.json names"):
            build(collection.root)


def test_a_manifest_of_another_size_is_named(collection: Collection) -> None:
    build(collection.root)
    manifest_path = collection.root / root_of(collection.root, "2025").volumes[0].manifest.path
    manifest_path.write_bytes(manifest_path.read_bytes() + b"x")
    shutil.rmtree(collection.root / ".tagswarm")
    configure(collection, "2026")
    with pytest.raises(SizeMismatch, match=manifest_path.name):
        build(collection.root)


@pytest.mark.parametrize("link", ["512px", "512px/0001", "volumes", "releases"])
def test_nothing_is_written_through_a_link(collection: Collection, tmp_path: Path, link: str) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (collection.root / link).parent.mkdir(exist_ok=True)
    (collection.root / link).symlink_to(outside)
    with pytest.raises(Unreadable, match=link):
        build(collection.root)
    assert not list(outside.iterdir())


def test_a_waiver_of_nothing_is_told_before_anything_is_read(collection: Collection) -> None:
    waive(collection, "duplicate-file")
    told: list[Event] = []
    with pytest.raises(ConfigInvalid, match="cannot be waived"):
        build(collection.root, report=told.append)
    assert told == []


def test_the_maintainer_hears_that_raw_dumps_hold_what_was_taken_back(collection: Collection) -> None:
    (collection.root / "w.csv").write_text(
        f"site,id,action,reason\ndanbooru,{collection.posts[0]['id']},purge,court order\n"
    )
    configure(collection, extra='withdrawals = "w.csv"\n')
    told: list[Event] = []
    build(collection.root, report=told.append)
    assert any(isinstance(event, Notice) and "raw dumps publish 1 row" in event.message for event in told)


def test_no_step_begins_inside_another(collection: Collection) -> None:
    told: list[Event] = []
    build(collection.root, report=told.append)
    begun = [event.step for event in told if isinstance(event, StepStarted)]
    assert {"read original", "write index", "write release"} <= set(begun)
    open_step = None
    for event in told:
        if isinstance(event, StepStarted):
            assert open_step is None, event
            open_step = event.step
        elif isinstance(event, StepFinished):
            assert open_step in (None, event.step)  # what has nothing to do only ends
            open_step = None


def test_a_withdrawal_of_a_post_that_nobody_knows_is_a_warning(collection: Collection) -> None:
    """Known is what has a row, a file, or was published or taken back before."""

    def unknown() -> list[int | None]:
        found = audit(collection.root).summary.groups
        return [each.id for group in found if group.name == "unknown-withdrawal" for each in group.examples]

    row, file = collection.posts[0], collection.posts[1]
    listed = collection.root / "w.csv"
    listed.write_text("site,id,action,reason\n")
    configure(collection, "2025", extra='withdrawals = "w.csv"\n')
    build(collection.root)
    (collection.root / collection.path(row)).unlink()
    collection.posts.remove(file)
    collection.write_metadata()
    lines = "".join(f"danbooru,{post},withdraw,asked\n" for post in (row["id"], file["id"], 77_777_777))
    listed.write_text("site,id,action,reason\n" + lines)
    configure(collection, "2026", extra='withdrawals = "w.csv"\n')
    assert unknown() == [77_777_777]
    build(collection.root)
    configure(collection, "2027", extra='withdrawals = "w.csv"\n')
    assert unknown() == []


def test_the_folder_of_a_release_that_no_build_made_is_left_alone(collection: Collection) -> None:
    notes = collection.root / "releases" / "2025" / "notes.txt"
    notes.parent.mkdir(parents=True)
    notes.write_text("mine")
    with pytest.raises(ReleaseError, match=r"no build made: notes\.txt"):
        build(collection.root)
    assert notes.read_text() == "mine"
    notes.unlink()
    assert build(collection.root).changed
    assert (notes.parent / "release.json").is_file()


def test_a_glob_takes_in_nothing_that_a_build_made(collection: Collection) -> None:
    path = collection.root / "release.toml"
    path.write_text(path.read_text().replace("metadata/*.json", "**/*.json"))
    build(collection.root)
    sign(collection.root, [])
    assert not build(collection.root).changed


@pytest.mark.parametrize("pattern", ["", ".", "metadata/**x", "x" * 5000])
def test_what_is_no_glob_is_said_so(collection: Collection, pattern: str) -> None:
    path = collection.root / "release.toml"
    path.write_text(path.read_text().replace("metadata/*.json", pattern))
    with pytest.raises((ConfigInvalid, StoreError)):
        build(collection.root)


def test_a_folder_whose_name_is_not_utf8_is_refused(collection: Collection, tmp_path: Path) -> None:
    named = tmp_path / os.fsdecode(b"set\xff")
    collection.root.rename(named)
    with pytest.raises(Unreadable, match="not UTF-8"):
        build(named)


def test_two_builds_at_once_are_refused(collection: Collection) -> None:
    from tagswarm.manifests import disk

    with disk.locked(collection.root / ".tagswarm" / "lock"), pytest.raises(DestinationLocked):
        build(collection.root)


def test_a_file_without_a_change_is_known_by_stat(collection: Collection) -> None:
    told: list[Event] = []
    build(collection.root)
    audit(collection.root, report=told.append)
    notes = {event.step: event.note for event in told if isinstance(event, StepFinished)}
    assert notes["read original"] == notes["read metadata"] == "nothing new"


def test_piece_hashes_are_kept_for_the_torrents(collection: Collection) -> None:
    build(collection.root)
    with Journal(collection.root / ".tagswarm" / "journal.sqlite") as journal:
        for tree, length in (("original", 1 << 20), ("512px", 1 << 16)):
            for _, fact in journal.in_tree(tree):
                assert fact.digest == digest_bytes((collection.root / fact.path).read_bytes(), length)


def names(seeded: Seeded, finding: str, post: int | None, path: str | None) -> bool:
    """Whether a finding names a defect; paths in findings are escaped."""
    shown = None if seeded.path is None else escape(seeded.path)
    return replace(seeded, path=shown).is_named_by(finding, post, path)


@pytest.mark.parametrize("name", sorted(DEFECTS))
def test_each_defect_is_found_and_named(tmp_path: Path, name: str) -> None:
    collection = Collection.make(tmp_path / "set", 30, buckets=3)
    (seeded,) = seed(collection, [name])
    collection.write_config(name="2025")
    outcome = audit(collection.root)
    found = [finding for group in outcome.summary.groups for finding in group.examples]
    assert any(names(seeded, f.name, f.id, f.path) for f in found), (seeded, found)
    assert {f.name for f in found} <= {seeded.finding, *seeded.also}


def test_each_of_a_thousand_defects_is_found_and_named(tmp_path: Path) -> None:
    collection = Collection.make(tmp_path / "set", 2500, buckets=40)
    collection.write_config(name="2025")
    assert audit(collection.root).summary.clean
    cheap = [name for name in sorted(DEFECTS) if name not in {"decompression-bomb", "unreadable"}]
    chosen = [cheap[number % len(cheap)] for number in range(1000)]
    seeded = seed(collection, chosen, seed=7)
    outcome = audit(collection.root)
    lines = codec.read_lines(outcome.findings_path.read_bytes(), limit=1 << 30, line_limit=1 << 20)
    found = [json.loads(line) for number, line in lines if number > 1]
    missed = [s for s in seeded if not any(names(s, f["finding"], f.get("id"), f.get("path")) for f in found)]
    assert missed == []
    expected = {s.finding for s in seeded}.union(*(s.also for s in seeded))
    assert {f["finding"] for f in found} <= expected
