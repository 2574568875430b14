"""What is remembered of a volume is what was seen of its files, and whatever is wrong with it costs a reading only."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from tagswarm.manifests import manifest
from tagswarm.manifests.models import VolumeEntry
from tagswarm.mirror.service.verified import Look, Verified, look
from tests.publisher import Publisher, small


@pytest.fixture
def publisher(tmp_path: Path) -> Publisher:
    return small(tmp_path / "tree", torrents=True)


def seen(publisher: Publisher, volume: VolumeEntry) -> Look:
    return look(publisher.dataset, volume, manifest.read(publisher.dataset, volume))


def files(publisher: Publisher, volume: VolumeEntry) -> list[Path]:
    return [publisher.dataset / file.path for file in manifest.read(publisher.dataset, volume).files if file.size]


def test_a_volume_that_nobody_touched_looks_the_same(publisher: Publisher) -> None:
    looks = [seen(publisher, volume) for volume in publisher.volumes]
    assert looks == [seen(publisher, volume) for volume in publisher.volumes]
    assert len({each.fingerprint for each in looks}) == len(looks)
    assert all(not each.problems and not each.absent for each in looks)


def rewritten(path: Path) -> None:
    path.write_bytes(path.read_bytes())


def replaced(path: Path) -> None:
    """Another file with the same bytes, size and time."""
    status = path.stat()
    path.with_name("new").write_bytes(path.read_bytes())
    path.with_name("new").replace(path)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


def touched(path: Path) -> None:
    os.utime(path, ns=(0, path.stat().st_mtime_ns + 1))


@pytest.mark.parametrize("change", [rewritten, replaced, touched], ids=lambda change: change.__name__)
def test_a_file_that_was_touched_changes_the_look(publisher: Publisher, change: object) -> None:
    volume = publisher.volumes[0]
    before = seen(publisher, volume)
    assert callable(change)
    change(files(publisher, volume)[-1])
    after = seen(publisher, volume)
    assert after.fingerprint != before.fingerprint
    assert not after.problems


def test_what_cannot_be_right_is_named_without_being_read(publisher: Publisher) -> None:
    volume = publisher.volumes[0]
    gone, short, folder, link, *_ = files(publisher, volume)
    gone.unlink()
    os.truncate(short, 1)
    folder.unlink()
    folder.mkdir()
    link.rename(link.with_name("elsewhere"))
    link.symlink_to("elsewhere")
    found = seen(publisher, volume)
    assert {(publisher.dataset / each.path, each.kind) for each in found.problems} == {
        (gone, "missing"),
        (short, "size"),
        (folder, "unreadable"),
        (link, "unreadable"),
    }
    assert found.absent == 1


def test_a_file_in_the_place_of_a_folder_is_a_missing_file(publisher: Publisher) -> None:
    volume = publisher.volumes[0]
    victim = files(publisher, volume)[0]
    victim.unlink()
    victim.parent.rmdir()
    victim.parent.write_bytes(b"")
    assert [each.kind for each in seen(publisher, volume).problems] == ["missing"]


def test_it_is_remembered_across_a_restart_and_forgotten_on_demand(publisher: Publisher, tmp_path: Path) -> None:
    one, other, *_ = publisher.volumes
    state = tmp_path / "seed.json"
    verified = Verified(state)
    verified.note(one, "1" * 64)
    verified.note(other, "2" * 64)
    again = Verified(state)
    assert again.holds(one, "1" * 64)
    assert not again.holds(one, "2" * 64)
    again.forget(one)
    last = Verified(state)
    assert not last.holds(one, "1" * 64)
    assert last.holds(other, "2" * 64)


def test_another_torrent_of_the_same_files_is_looked_at_again(publisher: Publisher) -> None:
    volume = publisher.volumes[0]
    assert volume.torrent is not None
    other = volume.model_copy(update={"torrent": volume.torrent.model_copy(update={"sha256": "0" * 64})})
    assert seen(publisher, volume).fingerprint != seen(publisher, other).fingerprint
    compat = volume.model_copy(update={"compat": volume.torrent})
    assert seen(publisher, volume).fingerprint != seen(publisher, compat).fingerprint


@pytest.mark.parametrize(
    "damage",
    [
        b"",
        b"{",
        b"\xff\x00" * 100,
        b'{"format": "tagswarm.verified/2", "volumes": {}}',
        b'{"format": "tagswarm.verified/1", "volumes": {"x": 7}}',
        b'{"format": "tagswarm.verified/1", "volumes": [1, 2]}',
    ],
)
def test_a_damaged_state_remembers_nothing(publisher: Publisher, tmp_path: Path, damage: bytes) -> None:
    state = tmp_path / "seed.json"
    Verified(state).note(publisher.volumes[0], "1" * 64)
    state.write_bytes(damage)
    verified = Verified(state)
    assert not verified.holds(publisher.volumes[0], "1" * 64)
    verified.note(publisher.volumes[0], "1" * 64)
    assert Verified(state).holds(publisher.volumes[0], "1" * 64)


def test_no_cut_state_claims_a_volume_that_the_whole_one_does_not(publisher: Publisher, tmp_path: Path) -> None:
    state = tmp_path / "seed.json"
    for volume in publisher.volumes:
        Verified(state).note(volume, seen(publisher, volume).fingerprint)
    whole = state.read_bytes()
    assert set(json.loads(whole)["volumes"]) == {volume.manifest.sha256 for volume in publisher.volumes}
    for size in range(len(whole) - 1):
        state.write_bytes(whole[:size])
        verified = Verified(state)
        assert not any(verified.holds(volume, seen(publisher, volume).fingerprint) for volume in publisher.volumes[:1])


def test_without_a_file_nothing_is_written(publisher: Publisher, tmp_path: Path) -> None:
    verified = Verified(None)
    verified.note(publisher.volumes[0], "1" * 64)
    assert verified.holds(publisher.volumes[0], "1" * 64)
    assert [path.name for path in tmp_path.iterdir()] == ["tree"]
