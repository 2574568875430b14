"""Every damage that a depth can find is found and named, a whole tree has none, and what was not looked at is said."""

from __future__ import annotations

import dataclasses
import hashlib
import os
import random
import shutil
import subprocess
from collections.abc import Callable
from datetime import date
from pathlib import Path

import pytest

from tagswarm.manifests import infodict, torrentfile
from tagswarm.manifests.digest import digest_bytes
from tagswarm.manifests.errors import SignatureInvalid, SizeMismatch, TagswarmError, Unreadable
from tagswarm.manifests.events import Event, StepAdvanced, StepFinished, StepStarted
from tagswarm.manifests.infodict import Hashed
from tagswarm.manifests.manifest import Problem
from tagswarm.manifests.models import FileEntry, Withdrawal
from tagswarm.mirror import check
from tagswarm.mirror.check import Checked, Task, Wanted
from tagswarm.mirror.verify import VerifyReport, verify
from tagswarm.release.sign import sign
from tests.publisher import NAME, PIECE, SITE, Publisher, following, key, small

A = key(1)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("whole")
    small(path, [A])
    sign(path, [A])
    return path


@pytest.fixture
def tree(whole: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(whole, tmp_path / "tree"))


def kinds(report: VerifyReport) -> set[tuple[str, str]]:
    return {(problem.path, problem.kind) for problem in report.problems}


def some_file(tree: Path, folder: str = "original") -> str:
    return (
        next(p for p in sorted((tree / folder).rglob("*.png")) if p.stat().st_size > 1000).relative_to(tree).as_posix()
    )


def flip(path: Path, at: int = -1) -> None:
    data = bytearray(path.read_bytes())
    data[at] ^= 1
    path.write_bytes(data)


@pytest.mark.parametrize("depth", ["full", "fast", "sample"])
def test_a_whole_tree_has_no_problem(whole: Path, depth: str) -> None:
    report = verify(whole, depth=depth, extra=True, keys=[A.public], workers=1)  # type: ignore[arg-type]
    assert report.ok
    assert report.problems == ()
    assert report.signed_by == (A.public.name,)
    assert report.files == 30 + 20 + 1 + 3 * 3 + 7


def test_everything_is_read_in_full(whole: Path) -> None:
    report = verify(whole, workers=2)
    assert report.read == report.files
    assert any("trusted on first use" in note for note in report.notes)
    assert any("digest of an archive" in note for note in report.notes)


def test_sha256sum_agrees(whole: Path) -> None:
    for path in sorted(whole.glob("volumes/*.sha256")):
        subprocess.run(["sha256sum", "-c", "--quiet", "--strict", path], cwd=whole, check=True, timeout=20)


def test_a_flipped_bit_is_found_in_full_and_missed_fast(tree: Path) -> None:
    victim = some_file(tree)
    flip(tree / victim)
    assert kinds(verify(tree, workers=1)) == {(victim, "digest")}
    fast = verify(tree, depth="fast", workers=1)
    assert fast.ok
    assert any(note.startswith("contents not read") for note in fast.notes)


@pytest.mark.parametrize("depth", ["full", "fast", "sample"])
def test_missing_and_short_files_are_found_in_every_depth(tree: Path, depth: str) -> None:
    missing, short = some_file(tree), some_file(tree, "512px")
    (tree / missing).unlink()
    (tree / short).write_bytes((tree / short).read_bytes()[:-1])
    report = verify(tree, depth=depth, workers=1)  # type: ignore[arg-type]
    assert kinds(report) == {(missing, "missing"), (short, "size")}
    assert not report.ok


def test_two_files_of_equal_size_that_changed_places(tree: Path) -> None:
    one = tree / some_file(tree)
    other = tree / some_file(tree, "512px")
    size = min(one.stat().st_size, other.stat().st_size)
    publisher = Publisher(tree)
    for path in (one, other):
        path.write_bytes(path.read_bytes()[:size])
        entry = publisher.entry(path.relative_to(tree).as_posix(), 1)
        publisher.volume(f"{path.parent.parent.name}-2026-0000", "2026", [entry])
    republish(publisher)
    assert verify(tree, workers=1).ok
    data = one.read_bytes()
    one.write_bytes(other.read_bytes())
    other.write_bytes(data)
    assert kinds(verify(tree, workers=1)) == {(path.relative_to(tree).as_posix(), "digest") for path in (one, other)}


def test_links_are_not_followed(tree: Path) -> None:
    victim = some_file(tree)
    (tree / victim).rename(tree / "elsewhere.png")
    (tree / victim).symlink_to(tree / "elsewhere.png")
    for depth in ("full", "fast"):
        assert kinds(verify(tree, depth=depth, workers=1)) == {(victim, "unreadable")}


def republish(publisher: Publisher) -> None:
    """Publish the volumes of a publisher as an unsigned release 2026 in the place of the signed one."""
    tree = publisher.dataset
    for path in [*tree.rglob("*.minisig"), tree / "keys.json", tree / "latest.json"]:
        path.unlink(missing_ok=True)
    publisher.previous = None
    publisher.config("2026")
    publisher.release("2026")
    sign(tree, [])


DOCUMENTS = [
    "volumes/original-2026-0000.jsonl.zst",
    "volumes/original-2026-0000.sha256",
    "volumes/original-2026-0000.files",
]


@pytest.mark.parametrize("depth", ["full", "fast"])
@pytest.mark.parametrize("document", [*DOCUMENTS, "releases/2026/README.md", "releases/2026/withdrawn.jsonl"])
def test_a_damaged_document_is_named(tree: Path, document: str, depth: str) -> None:
    flip(tree / document, 5)
    report = verify(tree, depth=depth, workers=1)  # type: ignore[arg-type]
    if depth == "fast" and document.startswith("releases/2026/README"):
        assert report.ok  # fast reads the documents of volumes and what it needs itself
    elif depth == "full" or document.startswith("volumes"):
        assert kinds(report) == {(document, "digest")}


@pytest.mark.parametrize("document", DOCUMENTS)
def test_a_missing_document_is_named(tree: Path, document: str) -> None:
    (tree / document).unlink()
    report = verify(tree, workers=1)
    assert kinds(report) == {(document, "missing")}
    assert any("30 files were not checked" in note for note in report.notes) == document.endswith(".zst")


def test_every_single_damage_of_many_is_found(tree: Path) -> None:
    dice = random.Random(7)
    files = [
        p
        for name in ("original", "512px", "1280px", "volumes")
        for p in sorted((tree / name).rglob("*"))
        if p.is_file()
    ]
    expected = set()
    for path in dice.sample(files, 30):
        data = path.read_bytes()
        if not data:
            continue
        name = path.relative_to(tree).as_posix()
        what = dice.choice(["missing", "size", "digest"])
        if what == "missing":
            path.unlink()
        elif what == "size":
            path.write_bytes(data[: dice.randrange(len(data))])
        else:
            flip(path, dice.randrange(len(data)))
        expected.add((name, what))
    found = kinds(verify(tree, workers=2))
    manifests = {name for name, _ in expected if name.endswith(".zst")}
    if not manifests:
        assert found == expected
    assert {item for item in expected if item[0].startswith("volumes")} <= found


def test_withdrawn_files_may_be_absent_and_others_may_not(tmp_path: Path) -> None:
    publisher = small(tmp_path, [A])
    sign(tmp_path, [A])
    publisher.config("2027", [A])
    taken = [
        Withdrawal(site=SITE, id=3, action="withdrawn", reason="request", release="2027"),
        Withdrawal(site=SITE, id=4, action="replaced", reason="better", release="2027", path="original/0004/4.png"),
    ]
    publisher.release("2027", withdrawn=taken)
    sign(tmp_path, [A])
    for path in ("original/0003/3.png", "512px/0003/3.png", "original/0004/4.png"):
        (tmp_path / path).unlink()
    report = verify(tmp_path, workers=1)
    assert report.ok
    assert report.absent == 3
    (tmp_path / "512px/0004/4.png").unlink()
    assert kinds(verify(tmp_path, workers=1)) == {("512px/0004/4.png", "missing")}
    assert len(verify(tmp_path, release="2026", workers=1).problems) == 4


def test_members_of_a_damaged_archive_are_named(tree: Path) -> None:
    flip(tree / "1280px/2026-0000.zip", 0)
    report = verify(tree, workers=1)
    assert [problem.kind for problem in report.problems] == ["digest", "digest"]
    assert any("000000001.png of post 1" in problem.detail for problem in report.problems)


def test_extra_files_are_listed_when_asked_for(tree: Path) -> None:
    (tree / "original/0001/Thumbs.db").write_bytes(b"x")
    (tree / "512px/9999").mkdir()
    (tree / "512px/9999/9999.png").write_bytes(b"x")
    (tree / "original/0001/folder").symlink_to(tree)
    assert verify(tree, workers=1).ok
    assert kinds(verify(tree, extra=True, workers=1)) == {
        ("original/0001/Thumbs.db", "extra"),
        ("512px/9999/9999.png", "extra"),
        ("original/0001/folder", "extra"),
    }


def test_a_sample_is_a_fraction_that_follows_the_seed(whole: Path) -> None:
    base = verify(whole, depth="fast", workers=1).read
    reads = {seed: verify(whole, depth="sample", sample=0.3, seed=seed, workers=1) for seed in (1, 2)}
    again = verify(whole, depth="sample", sample=0.3, seed=1, workers=2)
    assert (again.read, again.bytes) == (reads[1].read, reads[1].bytes)
    assert reads[1].bytes != reads[2].bytes
    assert base + 4 < reads[1].read < reads[1].files
    assert any("a probability of 0.3" in note for note in again.notes)


def test_a_sample_of_all_finds_all(tree: Path) -> None:
    victim = some_file(tree)
    flip(tree / victim)
    assert kinds(verify(tree, depth="sample", sample=1.0, workers=1)) == {(victim, "digest")}


def test_an_expired_release_still_verifies_and_says_so(whole: Path) -> None:
    report = verify(whole, today=date(2040, 1, 1), workers=1)
    assert report.ok
    assert any("was to be renewed by 2027-04-05" in note for note in report.notes)
    assert not any("renewed" in note for note in verify(whole, today=date(2026, 4, 1), workers=1).notes)


def test_an_older_release_is_verified_and_named_as_such(tmp_path: Path) -> None:
    publisher = small(tmp_path, [A])
    sign(tmp_path, [A])
    following(publisher, [A])
    sign(tmp_path, [A])
    report = verify(tmp_path, release="2026", workers=1)
    assert report.ok
    assert "release 2027 is newer than 2026" in report.notes


def test_an_unpublished_build_is_a_problem_of_latest(tmp_path: Path) -> None:
    small(tmp_path)
    report = verify(tmp_path, workers=1)
    assert kinds(report) == {("latest.json", "missing")}
    assert report.trust == "unsigned"


def test_a_bad_signature_stops_everything(tree: Path) -> None:
    flip(tree / "releases/2026/release.json", 60)
    with pytest.raises(TagswarmError):
        verify(tree, workers=1)
    (tree / "releases/2026/release.json.minisig").unlink()
    shutil.copy(tree / "latest.json.minisig", tree / "releases/2026/release.json.minisig")
    with pytest.raises(TagswarmError):
        verify(tree, workers=1)


def test_a_wrong_pin(whole: Path) -> None:
    with pytest.raises(SignatureInvalid, match="pinned"):
        verify(whole, pin="0" * 64, workers=1)


def test_progress_reaches_its_total(whole: Path) -> None:
    events: list[Event] = []
    report = verify(whole, workers=1, report=events.append)
    started, *advanced, finished = events
    assert isinstance(started, StepStarted)
    assert isinstance(finished, StepFinished)
    assert started.total == finished.done == report.files
    assert all(isinstance(event, StepAdvanced) for event in advanced)


Damage = Callable[[Publisher], None]


def _header(publisher: Publisher) -> None:
    volume = publisher.volumes[0]
    publisher.volumes[0] = volume.model_copy(update={"generation": "2025"})


def _count(publisher: Publisher) -> None:
    publisher.volumes[0] = publisher.volumes[0].model_copy(update={"bytes": 1})


def _checksums(publisher: Publisher) -> None:
    written = publisher.write("volumes/original-2026-0000.sha256", b"")
    publisher.volumes[0] = publisher.volumes[0].model_copy(update={"checksums": written})


def _lists(publisher: Publisher) -> None:
    written = publisher.write("volumes/original-2026-0000.files", b"original/0001/1.png\n")
    publisher.volumes[0] = publisher.volumes[0].model_copy(update={"lists": [written]})


@pytest.mark.parametrize("damage", [_header, _count, _checksums, _lists], ids=lambda damage: damage.__name__)
def test_signed_documents_that_disagree_are_named(tmp_path: Path, damage: Damage) -> None:
    publisher = small(tmp_path)
    damage(publisher)
    republish(publisher)
    report = verify(tmp_path, workers=1)
    assert {kind for _, kind in kinds(report)} == {"inconsistent"}
    assert all(path.startswith("volumes/original-2026-0000") for path, _ in kinds(report))


def test_a_member_outside_of_its_archive(tmp_path: Path) -> None:
    publisher = small(tmp_path)
    archive, *members = publisher.packed("1280px/2026-0000.zip", range(1, 11))
    short = publisher.write(archive.path, b"short")
    archive = FileEntry(path=archive.path, size=short.size, sha256=short.sha256)
    publisher.volume("1280px-2026-0000", "2026", [archive, *members], "zip")
    republish(publisher)
    assert kinds(verify(tmp_path, workers=1)) == {("1280px/2026-0000.zip", "inconsistent")}


def test_a_hostile_manifest_is_refused_before_it_costs_memory(tmp_path: Path) -> None:
    publisher = small(tmp_path)
    volume = publisher.volumes[0]
    huge = volume.manifest.model_copy(update={"size": 1 << 50})
    publisher.volumes[0] = volume.model_copy(update={"manifest": huge})
    os.truncate(tmp_path / volume.manifest.path, 1 << 40)  # a hole: it takes no room
    with pytest.raises(SizeMismatch):
        republish(publisher)
    report = verify(tmp_path, workers=1)
    assert (volume.manifest.path, "inconsistent") in kinds(report)
    assert any("are allowed" in problem.detail for problem in report.problems)


def test_a_member_may_claim_any_place_and_size(tmp_path: Path) -> None:
    publisher = small(tmp_path)
    archive, *members = publisher.packed("1280px/2026-0000.zip", range(1, 11))
    far = dataclasses.replace(members[0], offset=1 << 62, size=1 << 62)
    publisher.volume("1280px-2026-0000", "2026", [archive, far, *members[1:]], "zip")
    republish(publisher)
    damaged = bytearray((tmp_path / archive.path).read_bytes())
    damaged[40] ^= 1
    (tmp_path / archive.path).write_bytes(damaged)
    assert kinds(verify(tmp_path, workers=1)) >= {(archive.path, "inconsistent"), (archive.path, "digest")}


def test_a_problem_says_its_path_once(tree: Path) -> None:
    path = "volumes/original-2026-0000.sha256"
    (tree / path).write_bytes(b"")
    (problem,) = verify(tree, workers=1).problems
    assert (problem.path, path in problem.detail) == (path, False)


def _wanted(path: Path, data: bytes) -> Task:
    path.write_bytes(data)
    return Task(str(path.parent), (Wanted(path.name, len(data), hashlib.sha256(data).hexdigest()),))


def test_a_wrong_reading_is_repeated_before_it_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    task = _wanted(tmp_path / "1.png", b"right")
    readings = iter([(5, "0" * 64), (5, str(task.files[0].sha256))])
    monkeypatch.setattr(check, "sha256_file", lambda _: next(readings))
    found = check.check(task)
    assert found.problems == []
    assert len(found.second) == 1


def test_a_failed_reading_is_repeated_before_it_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    task = _wanted(tmp_path / "1.png", b"right")
    failures = iter([True, False])

    def read(file: object) -> tuple[int, str]:
        if next(failures):
            raise Unreadable("1.png: Input/output error")
        return 5, str(task.files[0].sha256)

    monkeypatch.setattr(check, "sha256_file", read)
    assert check.check(task) == Checked(files=1, read=1, bytes=5, second=["1.png: 1.png: Input/output error"])


def test_a_file_that_never_reads_alike_shows_both_digests(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    task = _wanted(tmp_path / "1.png", b"right")
    readings = iter([(5, "a" * 64), (5, "b" * 64)])
    monkeypatch.setattr(check, "sha256_file", lambda _: next(readings))
    (problem,) = check.check(task).problems
    assert isinstance(problem, Problem)
    assert "a" * 64 in problem.detail
    assert "b" * 64 in problem.detail


def test_a_folder_in_the_place_of_a_file(tree: Path) -> None:
    victim = some_file(tree)
    (tree / victim).unlink()
    (tree / victim).mkdir()
    for depth in ("full", "fast"):
        assert kinds(verify(tree, depth=depth, workers=1)) == {(victim, "unreadable")}


def made(dataset: Path, name: str, change: str) -> bytes:
    """A torrent of the files of a volume, right but for one thing."""
    paths = (dataset / f"volumes/{name}.files").read_text().splitlines()
    length = 2 * PIECE if change == "piece length" else PIECE
    hashed = [Hashed(path, digest_bytes((dataset / path).read_bytes(), length)) for path in paths]
    match change:
        case "other bytes":
            at = next(number for number, file in enumerate(hashed) if file.digest.size)
            data = bytearray((dataset / paths[at]).read_bytes())
            data[0] ^= 1
            hashed[at] = Hashed(paths[at], digest_bytes(bytes(data), length))
        case "longer":
            hashed[0] = Hashed(paths[0], digest_bytes((dataset / paths[0]).read_bytes() + b"!", length))
        case "a file less":
            hashed.pop()
        case "a file more":
            hashed.append(Hashed("original/0099/99.png", digest_bytes(b"more", length)))
    write = infodict.v2 if change == "v2" else infodict.v1_canonical if change == "v1" else infodict.hybrid
    info = write("other" if change == "name" else NAME, length, hashed)
    return torrentfile.render(info.info, info.layers, torrentfile.Links())


TORRENT_CHANGES = {
    "nothing": None,
    "name": "its folder is other, not small",
    "piece length": "its pieces have 131072 bytes, the manifest says 65536",
    "other bytes": "another size or pieces root",
    "longer": "another size or pieces root",
    "a file less": "is missing",
    "a file more": "original/0099/99.png is not in the manifest",
    "v1": "is a v1 torrent, not a hybrid one",
    "v2": "is a v2 torrent, not a hybrid one",
    "garbage": "byte 0",
}


@pytest.mark.parametrize("change", TORRENT_CHANGES)
def test_a_torrent_that_is_not_of_its_manifest_is_named(tmp_path: Path, change: str) -> None:
    publisher = small(tmp_path, torrents=True)
    volume = next(volume for volume in publisher.volumes if volume.rendition == "original")
    data = b"garbage" if change == "garbage" else made(tmp_path, volume.name, change)
    written = publisher.write(f"volumes/{volume.name}.torrent", data)
    changed = volume.model_copy(update={"torrent": written})
    publisher.volumes = [changed if other == volume else other for other in publisher.volumes]
    republish(publisher)
    report = verify(tmp_path, depth="fast", workers=1)
    said = TORRENT_CHANGES[change]
    if said is None:
        assert report.ok
        return
    assert {(problem.path, problem.kind) for problem in report.problems} == {(written.path, "inconsistent")}
    assert any(said in problem.detail for problem in report.problems)


def test_a_torrent_that_is_gone_or_damaged_is_named(tmp_path: Path) -> None:
    publisher = small(tmp_path, [A], torrents=True)
    sign(tmp_path, [A])
    report = verify(tmp_path, depth="fast", workers=1)
    assert report.ok
    assert report.files == 30 + 20 + 1 + 3 * 4 + 7
    first, second, third = (item.path for volume in publisher.volumes if (item := volume.torrent) is not None)
    flip(tmp_path / first)
    (tmp_path / second).unlink()
    (tmp_path / third).write_bytes(b"")
    assert kinds(verify(tmp_path, depth="fast")) == {(first, "digest"), (second, "missing"), (third, "size")}
