"""Every damage of a pulled folder is found, none is invented, and exactly what is wrong is fetched again."""

from __future__ import annotations

import asyncio
import json
import os
import random
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tagswarm.manifests.errors import DestinationLocked, InvalidDocument, Unreadable
from tagswarm.manifests.events import Event, StepFinished
from tagswarm.manifests.manifest import Problem
from tagswarm.mirror import check, lock, subset
from tagswarm.mirror.form import Form
from tagswarm.mirror.lock import LOCK
from tagswarm.mirror.pipeline import PullReport, pull
from tagswarm.mirror.store import JOURNAL, STATE, Store
from tagswarm.mirror.subset import SubsetReport, repair, verify
from tests.mirror.subsets import SMALL, Script, Tree, below, check_whole, header, honest, images

FORM = Form(transform=SMALL.transform, originals=True)
COUNT = 40


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Tree:
    return images(tmp_path_factory.mktemp("tree"), COUNT)


@pytest.fixture(scope="module")
def whole(tree: Tree, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("whole")
    with Store(out) as store:
        asyncio.run(pull(tree.files, {"a": Script(honest(tree))}, store, form=FORM))
        lock.write(out / LOCK, header(FORM), store.entries)
    return out


@pytest.fixture
def out(whole: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(whole, tmp_path / "out", symlinks=True))


def kinds(report: SubsetReport) -> dict[str, str]:
    return {problem.path: problem.kind for problem in report.problems}


def flip(path: Path, at: int = -1) -> None:
    data = bytearray(path.read_bytes())
    data[at] ^= 1
    path.write_bytes(data)


def mended(out: Path, tree: Tree, report: SubsetReport) -> tuple[PullReport, Script]:
    source = Script(honest(tree))
    with Store(out) as store:
        files = [file for file in tree.files if file.id in report.damaged]
        form = lock.Lock(out / LOCK).form
        return asyncio.run(repair(files, {"a": source}, store, report.problems, form=form)), source


@pytest.mark.parametrize("depth", ["full", "fast", "sample"])
def test_a_whole_folder_has_no_problem(whole: Path, depth: Any) -> None:
    report = verify(whole, depth=depth, sample=0.5, extra=True, workers=1)
    assert report.ok
    assert (report.problems, report.extra, report.absent, report.believed) == ((), (), (), "journal")
    assert (report.posts, report.files) == (COUNT, 2 * COUNT)
    assert report.read == {"full": 2 * COUNT, "fast": 0}.get(depth, report.read)
    if depth == "sample":
        assert 0 < report.read < 2 * COUNT
    assert any("contents not read: 80 files" in note for note in report.notes) == (depth == "fast")
    assert json.loads(json.dumps(report.to_dict()))["ok"] is True


def test_no_clean_folder_is_called_damaged(whole: Path) -> None:
    for seed in range(20):
        assert verify(whole, depth="sample", sample=0.3, seed=seed, workers=1).ok


def test_another_seed_samples_other_files(whole: Path, tmp_path: Path) -> None:
    out = Path(shutil.copytree(whole, tmp_path / "out"))
    for path in below(out):
        if path.startswith("images"):
            flip(out / path)
    found = [verify(out, depth="sample", sample=0.2, seed=seed, workers=1).damaged for seed in (1, 1, 2)]
    assert found[0] == found[1] != found[2]


@pytest.mark.parametrize("hidden", [False, True], ids=["journal", "lock"])
def test_every_kind_of_damage_is_found_and_mended(tree: Tree, out: Path, hidden: bool) -> None:
    if hidden:
        shutil.rmtree(out / STATE)
    names = [path for path in below(out) if path.startswith("images")]
    flip(out / names[0])
    (out / names[1]).unlink()
    (out / names[2]).write_bytes((out / names[2]).read_bytes()[:-1])
    (out / names[3]).write_bytes(b"")
    (out / names[4]).unlink()
    (out / names[4]).symlink_to(out / names[5])
    (out / names[6]).unlink()
    (out / names[6]).mkdir()
    original = next(path for path in below(out) if path.startswith("originals/0030"))
    flip(out / original, 0)
    report = verify(out, workers=2)
    assert report.believed == ("lock" if hidden else "journal")
    expected = dict(
        zip([*names[:5], names[6]], ["digest", "missing", "size", "size", "unreadable", "unreadable"], strict=True)
    )
    assert kinds(report) == {**expected, original: "digest"}
    assert not report.ok
    assert report.damaged == tuple(sorted({int(Path(path).stem) for path in kinds(report)}))
    fast = verify(out, depth="fast", workers=1)
    assert kinds(fast) == {path: kind for path, kind in kinds(report).items() if kind != "digest"}
    done, source = mended(out, tree, report)
    assert done.ok
    assert sorted(item.path for item in source.asked) == sorted(
        file.path for file in tree.files if file.id in report.damaged
    )
    after = verify(out, workers=1, extra=True)
    assert (after.problems, after.extra, after.posts) == ((), (), COUNT)
    kept = list((out / STATE / "quarantine").iterdir())
    assert len(kept) == 6, "everything but what was missing"


def swapped(path: Path, other: Path, chance: random.Random) -> None:
    """The bytes of another file, in the size of this one."""
    own, found = path.read_bytes(), other.read_bytes()
    path.write_bytes(found[: len(own)] + bytes(max(0, len(own) - len(found))))


def flipped(path: Path, other: Path, chance: random.Random) -> None:
    flip(path, chance.randrange(path.stat().st_size))


def truncated(path: Path, other: Path, chance: random.Random) -> None:
    size = path.stat().st_size
    os.truncate(path, chance.choice([0, 1, size // 2, size - 1]))


def zeroed(path: Path, other: Path, chance: random.Random) -> None:
    data = path.read_bytes()
    page = 4096 * chance.randrange(-(-len(data) // 4096))
    path.write_bytes(data[:page] + bytes(len(data[page : page + 4096])) + data[page + 4096 :])


@pytest.mark.timeout(900)
@pytest.mark.parametrize("damage", [flipped, truncated, zeroed, swapped])
def test_random_damage_is_found_and_mended(
    request: pytest.FixtureRequest, tree: Tree, out: Path, damage: Callable[[Path, Path, random.Random], None]
) -> None:
    """With `--kills 250` these are 2,000 damages."""
    chance = random.Random(damage.__name__)
    for _ in range(request.config.getoption("kills") // 2):
        *expected, other = chance.sample([path for path in below(out) if path != LOCK], 5)
        for path in expected:
            damage(out / path, out / other, chance)
        report = verify(out, workers=1)
        assert [problem.path for problem in report.problems] == sorted(expected)
        done, _ = mended(out, tree, report)
        assert done.ok
        with Store(out) as store:
            check_whole(out, list(store.entries()))


def test_what_belongs_to_no_post_is_listed_when_it_is_asked_for(out: Path) -> None:
    for name in ("images/0001/1.txt", "images/0001/1.jpg.txt", "images/0002/2.npz"):
        (out / name).write_bytes(b"beside")
    strange = ("images/0001/1.png", "images/0001/notes.txt", "images/9999.jpg", "originals/x")
    for name in strange:
        (out / name).write_bytes(b"strange")
    (out / "images/link").symlink_to("/etc")
    report = verify(out, depth="fast", extra=True, workers=1)
    assert report.ok
    assert report.extra == tuple(sorted([*strange, "images/link"]))
    assert verify(out, depth="fast", workers=1).extra is None


def test_a_post_that_never_came_is_absent_and_no_damage(tree: Tree, tmp_path: Path) -> None:
    with Store(tmp_path) as store:
        source = Script(lambda item: "missing" if item.path == tree.files[3].path else honest(tree)(item))
        asyncio.run(pull(tree.files[:6], {"a": source}, store, form=FORM))
        lock.write(tmp_path / LOCK, header(FORM), store.entries)
    report = verify(tmp_path, workers=1)
    assert (report.ok, report.absent, report.files) == (True, (4,), 10)


def test_a_pull_that_did_not_end_is_no_damage(tree: Tree, out: Path) -> None:
    with Store(out) as store:
        asyncio.run(pull(tree.files[10:], {"a": Script(honest(tree))}, store, form=FORM))
    report = verify(out, workers=1, extra=True)
    assert (report.problems, report.extra) == ((), ())
    assert any("the last pull did not end" in note for note in report.notes)


def test_a_damaged_journal_is_said_and_the_lock_believed(out: Path) -> None:
    flip(out / STATE / JOURNAL, 0)
    report = verify(out, workers=1)
    assert (report.ok, report.believed) == (True, "lock")
    assert any("the journal is damaged" in note for note in report.notes)
    flip(out / LOCK)
    with pytest.raises(InvalidDocument):
        verify(out, workers=1)


def test_what_was_never_pulled(tmp_path: Path) -> None:
    with pytest.raises(Unreadable):
        verify(tmp_path)


def test_a_folder_that_is_in_use(out: Path) -> None:
    with Store(out), pytest.raises(DestinationLocked):
        verify(out)


def test_a_verification_that_was_stopped_goes_on(out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(check, "CHUNK_FILES", 4)
    monkeypatch.setattr(subset, "_EVERY", 1)
    flip(out / "images/0002/2.jpg")
    flip(out / "images/0039/39.jpg")
    whole = verify(out, workers=1)

    class Stop(Exception):
        pass

    def stop(event: Event) -> None:
        if getattr(event, "done", 0) >= 40 and not isinstance(event, StepFinished):
            raise Stop

    with pytest.raises(Stop):
        verify(out, workers=1, report=stop)
    again = verify(out, workers=1, resume=True)
    assert any("went on with an earlier one" in note for note in again.notes)
    assert (again.problems, again.files, again.read, again.bytes) == (
        whole.problems,
        whole.files,
        whole.read,
        whole.bytes,
    )
    assert not (out / STATE / subset.PROGRESS).exists()

    with pytest.raises(Stop):
        verify(out, workers=1, report=stop)
    with Store(out) as store:  # what there is to verify changed
        store._journal.forget([1])
    anew = verify(out, workers=1, resume=True)
    assert anew.files == whole.files - 2
    assert not any("went on" in note for note in anew.notes)


@pytest.mark.parametrize("state", [b"", b"{}", b"[]", b'{"format":"tagswarm.verify-progress/1"}\n', b"\xff" * 100])
def test_progress_that_cannot_be_read_is_none(out: Path, state: bytes) -> None:
    (out / STATE / subset.PROGRESS).write_bytes(state)
    assert verify(out, workers=1, resume=True).files == 2 * COUNT


def test_a_problem_that_is_no_file_of_a_subset_is_not_touched(out: Path, tree: Tree) -> None:
    secret = out / "notes.txt"
    secret.write_text("mine")
    with Store(out) as store, pytest.raises(InvalidDocument):
        asyncio.run(repair([], {}, store, [Problem("notes.txt", "digest")], form=FORM))
    assert secret.read_text() == "mine"


def test_a_repair_that_fails_leaves_the_damaged_file_in_quarantine(tree: Tree, out: Path) -> None:
    flip(out / "images/0002/2.jpg")
    bad = (out / "images/0002/2.jpg").read_bytes()
    report = verify(out, workers=1)
    with Store(out) as store:
        done = asyncio.run(
            repair(tree.files[1:2], {"a": Script(lambda _: "missing")}, store, report.problems, form=FORM)
        )
        assert [miss.id for miss in done.failed] == [2]
        assert (store.quarantined / "images_0002_2.jpg").read_bytes() == bad
    assert verify(out, workers=1).absent == (2,)
