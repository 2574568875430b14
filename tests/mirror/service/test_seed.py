"""Every volume that is whole is seeded as it lies, every other is named, and nothing in the tree is ever written."""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tagswarm.manifests import infodict, manifest, published, torrentfile
from tagswarm.manifests.digest import digest_bytes
from tagswarm.manifests.errors import DestinationLocked, StoreError
from tagswarm.manifests.events import Event, Notice, StepAdvanced, StepFinished, StepStarted
from tagswarm.manifests.infodict import Hashed
from tagswarm.manifests.models import VolumeEntry, Withdrawal
from tagswarm.mirror.service.choice import Choice
from tagswarm.mirror.service.place import Place, place
from tagswarm.mirror.service.seed import Seeder
from tagswarm.mirror.swarm import Settings, Swarm
from tagswarm.release.sign import sign
from tests.leecher import differing, fetch
from tests.publisher import NAME, PIECE, SITE, Publisher, following, key, small

A = key(1)
ALL = ["1280px-2026-0000", "512px-2026-0000", "original-2026-0000"]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("whole")
    small(path, [A], torrents=True)
    sign(path, [A])
    return path


@pytest.fixture
def tree(whole: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(whole, tmp_path / "a name of its own"))


class Told(list[Event]):
    """The events of a seeder."""

    def __init__(self, events: list[Event] | None = None) -> None:
        super().__init__(events or [])

    @property
    def warnings(self) -> list[str]:
        return [event.message for event in self if isinstance(event, Notice) and event.level == "warning"]

    @property
    def read(self) -> int:
        """Bytes that were read to verify them."""
        return sum(event.bytes for event in self if isinstance(event, StepFinished) and event.step == "verify")


@contextmanager
def seeder(
    tree: Path, told: Told | None = None, settings: Settings | None = None, home: Place | None = None
) -> Iterator[tuple[Seeder, Swarm]]:
    """A seeder of a tree that has adopted nothing yet."""
    with place(tree) as own, Swarm(settings or Settings.loopback(checks=False)) as swarm:
        report = (told if told is not None else Told()).append
        yield Seeder(tree, swarm, home or own, workers=1, report=report), swarm


def seeded(tree: Path, choice: Choice | None = None, *, rehash: bool = False) -> tuple[Seeder, Told]:
    """What is seeded of a tree, and what was told."""
    told = Told()
    with seeder(tree, told) as (found, _):
        found.adopt(published.establish(tree), choice or Choice(), rehash=rehash)
    return found, told


def volumes(tree: Path, *names: str) -> list[VolumeEntry]:
    return [volume for volume in published.establish(tree).root.volumes if not names or volume.name in names]


def a_file(tree: Path, volume: VolumeEntry) -> Path:
    """The largest file of a volume."""
    return tree / max(manifest.read(tree, volume).files, key=lambda file: file.size).path


def flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def contents(tree: Path) -> dict[str, tuple[int, bytes]]:
    """Time and digest of every file of a dataset."""
    return {
        str(path.relative_to(tree)): (path.stat().st_mtime_ns, hashlib.sha256(path.read_bytes()).digest())
        for path in sorted(tree.rglob("*"))
        if path.is_file() and ".tagswarm" not in path.relative_to(tree).parts
    }


def test_a_tree_of_any_name_is_seeded_whole_and_nothing_in_it_is_written(tree: Path, tmp_path: Path) -> None:
    before = contents(tree)
    with seeder(tree) as (found, swarm):
        found.adopt(published.establish(tree), Choice())
        assert (found.volumes, found.unseeded, found.absent, found.without) == (ALL, {}, 0, 0)
        assert all(each.whole for each in fetch(tree, volumes(tree), swarm.port, tmp_path / "copy"))
        serving = found.serving()
    assert (serving.volumes, serving.files) == (3, 51)
    assert not any(differing(tree, volume, tmp_path / "copy") for volume in volumes(tree))
    assert contents(tree) == before
    assert not list(tree.rglob(".pad"))


def test_each_volume_is_joined_as_soon_as_it_is_verified(tree: Path) -> None:
    told = Told()
    joined = []

    with seeder(tree, told) as (found, _):

        def report(event: Event) -> None:
            if isinstance(event, StepAdvanced) and event.step == "verify":
                joined.append(found.volumes)

        found._report = report
        found.adopt(published.establish(tree), Choice())
    assert joined == [ALL[:1], ALL[:2], ALL]


def test_what_was_verified_is_not_read_again(tree: Path) -> None:
    _, first = seeded(tree)
    assert first.read == sum(volume.bytes for volume in volumes(tree))
    found, second = seeded(tree)
    assert (found.volumes, second.read) == (ALL, 0)
    assert seeded(tree, rehash=True)[1].read == first.read
    changed = volumes(tree, ALL[1])[0]
    os.utime(a_file(tree, changed))
    found, third = seeded(tree)
    assert (found.volumes, third.read) == (ALL, changed.bytes)
    (tree / ".tagswarm/seed.json").write_bytes(b"\0" * 100)
    assert seeded(tree)[1].read == first.read


def test_a_damaged_file_keeps_its_volume_out_until_it_is_restored(tree: Path) -> None:
    victim = a_file(tree, volumes(tree, ALL[2])[0])
    flip(victim)
    found, told = seeded(tree)
    assert found.volumes == ALL[:2]
    (left,) = found.unseeded.values()
    assert (left.volume, left.reason, left.count) == (ALL[2], "damaged", 1)
    assert left.problems[0].path == victim.relative_to(tree).as_posix()
    (warning,) = told.warnings
    assert "restore the files from a good copy" in warning
    assert seeded(tree)[0].volumes == ALL[:2]
    flip(victim)
    found, told = seeded(tree)
    assert (found.volumes, told.read) == (ALL, volumes(tree, ALL[2])[0].bytes)


def test_a_damaged_archive_keeps_its_volume_out(tree: Path) -> None:
    flip(tree / "1280px/2026-0000.zip")
    found, _ = seeded(tree)
    assert found.volumes == ALL[1:]
    assert found.unseeded[ALL[0]].reason == "damaged"


def test_damage_that_keeps_the_look_of_a_file_is_found_by_a_rehash_only(tree: Path) -> None:
    seeded(tree)
    victim = a_file(tree, volumes(tree, ALL[1])[0])
    status = victim.stat()
    flip(victim)
    os.utime(victim, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert seeded(tree)[0].volumes == ALL
    found, _ = seeded(tree, rehash=True)
    assert (found.volumes, found.unseeded[ALL[1]].reason) == ([ALL[0], ALL[2]], "damaged")


def test_missing_and_short_files_are_named_and_nothing_of_their_volume_is_read(tree: Path) -> None:
    volume = volumes(tree, ALL[2])[0]
    files = [tree / file.path for file in manifest.read(tree, volume).files if file.size]
    for path in files[:12]:
        path.unlink()
    os.truncate(files[12], 1)
    found, told = seeded(tree)
    assert found.volumes == ALL[:2]
    left = found.unseeded[ALL[2]]
    assert (left.reason, left.count, len(left.problems)) == ("incomplete", 13, 10)
    assert "volumes/original-2026-0000.files" in left.advice
    assert told.read == sum(each.bytes for each in volumes(tree, *ALL[:2]))


def test_a_partial_mirror_is_no_error(tree: Path) -> None:
    shutil.rmtree(tree / "original")
    shutil.rmtree(tree / "512px")
    for path in (tree / "volumes").glob("512px-*"):  # here the documents are missing too
        path.unlink()
    found, told = seeded(tree)
    assert (found.volumes, found.absent, found.unseeded, told.warnings) == (ALL[:1], 2, {}, [])


@pytest.mark.parametrize("suffix", [".jsonl.zst", ".torrent"])
@pytest.mark.parametrize("damage", ["missing", "flipped"])
def test_a_volume_without_a_sound_document_is_named(tree: Path, suffix: str, damage: str) -> None:
    document = tree / f"volumes/{ALL[1]}{suffix}"
    document.unlink() if damage == "missing" else flip(document)
    found, _ = seeded(tree)
    assert found.volumes == [ALL[0], ALL[2]]
    left = found.unseeded[ALL[1]]
    assert left.reason == "documents"
    assert left.problems[0].path == document.relative_to(tree).as_posix()


def test_volumes_of_before_there_were_torrents_are_counted(tmp_path: Path) -> None:
    publisher = small(tmp_path, [A])
    sign(tmp_path, [A])
    publisher.torrents = True
    following(publisher, [A])
    sign(tmp_path, [A])
    found, _ = seeded(tmp_path)
    assert (found.volumes, found.without, found.unseeded) == (["original-2027-0000"], 3, {})


def test_a_volume_that_lacks_withdrawn_files_only_is_named_as_such(tmp_path: Path) -> None:
    publisher = small(tmp_path, [A], torrents=True)
    sign(tmp_path, [A])
    publisher.config("2027", [A])
    taken = Withdrawal(site=SITE, id=3, action="withdrawn", reason="request", release="2027")
    publisher.release("2027", withdrawn=[taken])
    sign(tmp_path, [A])
    assert seeded(tmp_path)[0].volumes == ALL
    (tmp_path / "original/0003/3.png").unlink()
    found, _ = seeded(tmp_path)
    assert (found.volumes, found.unseeded[ALL[2]].reason) == (ALL[:2], "withdrawn")
    (tmp_path / "original/0004/4.png").unlink()
    assert seeded(tmp_path)[0].unseeded[ALL[2]].reason == "incomplete"


def republish(publisher: Publisher, name: str, torrent: bytes) -> None:
    """Give a volume another torrent, which the root vouches for."""
    written = publisher.write(f"volumes/{name}.torrent", torrent)
    publisher.volumes = [
        each.model_copy(update={"torrent": written}) if each.name == name else each for each in publisher.volumes
    ]
    publisher.previous = None
    publisher.release("2026")
    sign(publisher.dataset, [])


def hashed(tree: Path, volume: VolumeEntry) -> list[Hashed]:
    files = manifest.read(tree, volume).files
    return [Hashed(file.path, digest_bytes((tree / file.path).read_bytes(), PIECE)) for file in files]


def test_a_torrent_of_other_files_is_refused_though_it_is_signed(tmp_path: Path) -> None:
    publisher = small(tmp_path, torrents=True)
    republish(publisher, ALL[2], (tmp_path / f"volumes/{ALL[1]}.torrent").read_bytes())
    found, _ = seeded(tmp_path)
    left = found.unseeded[ALL[2]]
    assert (found.volumes, left.reason, left.count) == (ALL[:2], "refused", 50)


def test_a_torrent_with_another_folder_is_refused(tmp_path: Path) -> None:
    publisher = small(tmp_path, torrents=True)
    made = infodict.hybrid("other", PIECE, hashed(tmp_path, publisher.volumes[0]))
    republish(publisher, ALL[2], torrentfile.render(made.info, made.layers, torrentfile.Links()))
    found, _ = seeded(tmp_path)
    assert (found.volumes, found.unseeded[ALL[2]].reason) == (ALL[:2], "refused")


@pytest.mark.parametrize(
    ("choice", "names"),
    [
        (Choice(names=("512px-*",)), ALL[1:2]),
        (Choice(names=("512px-*", "original-2026-0000")), ALL[1:]),
        (Choice(renditions=("original", "1280px")), [ALL[0], ALL[2]]),
        (Choice(names=("*-2026-*",), renditions=("512px",)), ALL[1:2]),
        (Choice(most=2), ALL[:2]),
        (Choice(names=("nothing",)), []),
    ],
)
def test_volumes_are_chosen_by_name_rendition_and_number(tree: Path, choice: Choice, names: list[str]) -> None:
    found, told = seeded(tree, choice)
    assert found.volumes == names
    assert told.read == sum(volume.bytes for volume in volumes(tree) if volume.name in names)


def test_only_volumes_that_lie_here_are_counted_against_the_most(tree: Path) -> None:
    shutil.rmtree(tree / "1280px")
    found, _ = seeded(tree, Choice(most=1))
    assert (found.volumes, found.absent) == (ALL[1:2], 1)


def test_a_file_that_is_written_while_it_is_read_keeps_its_volume_out(tree: Path) -> None:
    told = Told()
    victim = a_file(tree, volumes(tree, ALL[1])[0])
    with seeder(tree, told) as (found, _):

        def report(event: Event) -> None:
            if isinstance(event, StepStarted) and event.step == "verify":
                os.utime(victim)

        found._report = report
        found.adopt(published.establish(tree), Choice())
        assert (found.volumes, found.unseeded[ALL[1]].reason) == ([ALL[0], ALL[2]], "changed")
    assert seeded(tree)[1].read == volumes(tree, ALL[1])[0].bytes


@pytest.mark.parametrize("checks", [False, True], ids=["unchecked", "checked"])
def test_nothing_wrong_is_accepted_of_a_file_that_was_damaged_since(tree: Path, tmp_path: Path, checks: bool) -> None:
    told = Told()
    victim, volume = a_file(tree, volumes(tree, ALL[2])[0]), volumes(tree, ALL[2])[0]
    with seeder(tree, told, Settings.loopback(checks=checks)) as (found, swarm):
        found.adopt(published.establish(tree), Choice())
        flip(victim)
        before = contents(tree)
        (fetched,) = fetch(tree, [volume], swarm.port, tmp_path / "copy", seconds=2)
        assert not fetched.whole
        found.tend()
        assert (ALL[2] in found.volumes) is not checks
        if checks:
            assert found.unseeded[ALL[2]].problems[0].path == victim.relative_to(tree).as_posix()
            assert any("is taken out and read again" in warning for warning in told.warnings)
        assert contents(tree) == before
    wrong = differing(tree, volume, tmp_path / "copy")
    assert victim.relative_to(tree).as_posix() in wrong
    assert volume.torrent is not None
    for entry in torrentfile.parse((tree / volume.torrent.path).read_bytes()).entries:
        pieces = range(entry.offset // PIECE, -(-(entry.offset + entry.size) // PIECE))
        assert entry.path not in wrong or not fetched.had.issuperset(pieces)


@pytest.mark.parametrize("checks", [False, True], ids=["unchecked", "checked"])
def test_a_file_that_went_away_since_takes_its_volume_out(tree: Path, tmp_path: Path, checks: bool) -> None:
    victim = a_file(tree, volumes(tree, ALL[1])[0])
    with seeder(tree, settings=Settings.loopback(checks=checks)) as (found, swarm):
        found.adopt(published.establish(tree), Choice())
        victim.unlink()
        fetch(tree, volumes(tree, ALL[1]), swarm.port, tmp_path / "copy", seconds=2)
        found.tend()
        assert (found.volumes, found.unseeded[ALL[1]].reason) == ([ALL[0], ALL[2]], "incomplete")
    assert not victim.exists()


def test_pieces_that_the_torrent_is_wrong_about_are_not_tried_for_ever(tmp_path: Path) -> None:
    publisher = small(tmp_path / "tree", torrents=True)
    tree = publisher.dataset
    volume = publisher.volumes[0]
    files = hashed(tree, volume)
    made = infodict.hybrid(NAME, PIECE, files)
    info = made.info.replace(files[-1].digest.pieces, bytes(len(files[-1].digest.pieces)))
    assert info != made.info
    republish(publisher, ALL[2], torrentfile.render(info, made.layers, torrentfile.Links()))
    told = Told()
    with seeder(tree, told, Settings.loopback(checks=True)) as (found, swarm):
        found.adopt(published.establish(tree), Choice())
        assert found.volumes == ALL
        for number in range(2):
            fetch(tree, volumes(tree, ALL[2]), swarm.port, tmp_path / f"copy{number}", seconds=2)
            found.tend()
        assert (found.volumes, found.unseeded[ALL[2]].reason) == (ALL[:2], "changed")


def test_a_new_release_is_added_while_the_others_go_on(tmp_path: Path) -> None:
    publisher = small(tmp_path / "tree", [A], torrents=True)
    tree = publisher.dataset
    sign(tree, [A])
    told = Told()
    with seeder(tree, told) as (found, swarm):
        found.adopt(published.establish(tree), Choice())
        joined = dict(found._joined)
        following(publisher, [A])
        sign(tree, [A])
        publisher.volumes = [volume for volume in publisher.volumes if volume.name != ALL[0]]
        publisher.config("2028", [A])
        publisher.release("2028")
        sign(tree, [A])
        read = told.read
        found.adopt(published.establish(tree), Choice())
        assert found.volumes == [ALL[1], ALL[2], "original-2027-0000"]
        assert all(found._joined[name][1] is joined[name][1] for name in ALL[1:])
        new = volumes(tree, "original-2027-0000")
        assert told.read == read + new[0].bytes
        assert fetch(tree, new, swarm.port, tmp_path / "copy")[0].whole


def test_one_seeder_a_tree(tree: Path) -> None:
    with place(tree), pytest.raises(DestinationLocked, match="in use by another run"), place(tree):
        pass
    with place(tree):
        pass


def test_a_tree_that_cannot_be_written_is_seeded_and_not_remembered(tree: Path, tmp_path: Path) -> None:
    (tree / ".tagswarm").rmdir() if not any((tree / ".tagswarm").iterdir()) else shutil.rmtree(tree / ".tagswarm")
    (tree / ".tagswarm").write_bytes(b"")  # for root, too, nothing can be made in it
    with place(tree) as home:
        assert home.state is None
        assert "cannot be remembered" in str(home.note)
        links = home.links
    assert not links.exists()
    for _ in range(2):
        told = Told()
        with seeder(tree, told) as (found, swarm):
            found.adopt(published.establish(tree), Choice())
            assert found.volumes == ALL
            assert all(each.whole for each in fetch(tree, volumes(tree), swarm.port, tmp_path / "copy"))
        assert told.read == sum(volume.bytes for volume in volumes(tree))
    assert (tree / ".tagswarm").read_bytes() == b""


@pytest.mark.parametrize("planted", [".tagswarm", ".tagswarm/swarm", ".tagswarm/seed.lock"])
def test_links_that_came_with_a_tree_lead_nowhere(tree: Path, tmp_path: Path, planted: str) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    name = published.establish(tree).root.dataset.name
    for precious in (name, "seed.lock", "seed.json"):
        (outside / precious).write_bytes(b"precious")
    shutil.rmtree(tree / ".tagswarm", ignore_errors=True)
    link = tree / planted
    link.parent.mkdir(exist_ok=True)
    link.symlink_to(outside / "seed.lock" if planted.endswith("lock") else outside)
    with seeder(tree) as (found, swarm):
        found.adopt(published.establish(tree), Choice())
        assert all(each.whole for each in fetch(tree, volumes(tree), swarm.port, tmp_path / "copy"))
    assert {path.name: path.read_bytes() for path in outside.iterdir()} == dict.fromkeys(
        (name, "seed.lock", "seed.json"), b"precious"
    )


def test_where_not_even_a_link_can_be_made_it_is_told(
    tree: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.rmtree(tree / ".tagswarm", ignore_errors=True)
    (tree / ".tagswarm").write_bytes(b"")
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "nothing"))
    with pytest.raises(StoreError, match="folder for temporary files"), place(tree):
        pass


def test_a_state_that_can_no_longer_be_written_costs_only_the_memory(tree: Path) -> None:
    told = Told()
    (tree / ".tagswarm/seed.json").mkdir(parents=True)
    with seeder(tree, told) as (found, _):
        found.adopt(published.establish(tree), Choice())
        assert found.volumes == ALL
    (warning,) = told.warnings
    assert "no longer remembered" in warning


def test_a_tree_that_was_moved_is_found_again(tree: Path, tmp_path: Path) -> None:
    seeded(tree)
    moved = tree.rename(tmp_path / "moved")
    with seeder(moved) as (found, swarm):
        found.adopt(published.establish(moved), Choice())
        assert all(each.whole for each in fetch(moved, volumes(moved), swarm.port, tmp_path / "copy"))
