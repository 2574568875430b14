"""A file table that says anything else than the manifests is named, and no true one is."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path

import pytest

from tagswarm.manifests import filerows, manifest
from tagswarm.manifests.manifest import Problem
from tagswarm.manifests.models import FileEntry, Root, VolumeEntry, Withdrawal
from tagswarm.mirror.tablecheck import FileTables
from tagswarm.mirror.verify import verify
from tagswarm.mirror.withdrawn import Withdrawn
from tests.publisher import SITE, Publisher, following, small

Lines = dict[str, list[FileEntry]]


@pytest.fixture
def publisher(tmp_path: Path) -> Publisher:
    """Two releases: the second has two volumes of originals."""
    return following(small(tmp_path))


def release(publisher: Publisher, withdrawn: Iterable[Withdrawal] = ()) -> Root:
    return publisher.release("2028", withdrawn=list(withdrawn))


def problems(dataset: Path, root: Root, withdrawn: Iterable[Withdrawal] = ()) -> list[Problem]:
    """What is found when every manifest is read."""
    taken, tables = Withdrawn.of(withdrawn), FileTables(dataset, root)
    return [
        *(p for volume in root.volumes for p in tables.compare(volume, manifest.read(dataset, volume), taken)),
        *tables.rest(),
    ]


def rewritten(publisher: Publisher, lines: Lines, tree: str = "original", site: str = SITE) -> Root:
    """A release whose table of originals holds these lines, and whose root vouches for it."""
    root = release(publisher)
    path = f"releases/2028/{filerows.file_name('original')}"
    with filerows.open_writer(publisher.dataset / path, rendition=tree, site=site) as add:
        for name, entries in lines.items():
            add(name, entries)
    written = publisher.write(path, (publisher.dataset / path).read_bytes())
    objects = [written if item.path == path else item for item in root.objects]
    changed = root.model_copy(update={"objects": objects})
    publisher.write("releases/2028/release.json", changed.render())
    return changed


def originals(publisher: Publisher) -> Lines:
    return {name: list(publisher.lines[name]) for name in ("original-2026-0000", "original-2027-0000")}


def test_true_tables_have_no_problem(publisher: Publisher) -> None:
    assert problems(publisher.dataset, release(publisher)) == []


def test_what_was_taken_back_is_not_in_a_true_table(publisher: Publisher) -> None:
    member = publisher.lines["1280px-2026-0000"][1]
    taken = [
        Withdrawal(site=SITE, id=5, action="withdrawn", reason="asked", release="2028"),
        Withdrawal(site=SITE, id=7, action="replaced", reason="x", release="2028", path="original/0007/7.png"),
        Withdrawal(
            site=SITE, id=1, action="replaced", reason="x", release="2028", path=f"{member.archive}/{member.path}"
        ),
    ]
    root = release(publisher, taken)
    assert problems(publisher.dataset, root, taken) == []
    told = problems(publisher.dataset, root)
    assert [problem.path.rpartition("/")[2] for problem in told] == [
        "1280px.parquet",
        "512px.parquet",
        "original.parquet",
    ]
    assert "first of post 1" in told[0].detail
    assert "first of post 5" in told[1].detail


def _other_size(lines: Lines) -> Lines:
    first, *rest = lines["original-2027-0000"]
    return {**lines, "original-2027-0000": [replace(first, size=first.size + 1), *rest]}


CHANGES: dict[str, tuple[Callable[[Lines], Lines], str]] = {
    "other-size": (_other_size, "its rows of original-2027-0000 are not the lines of the manifest, first of post 41"),
    "missing-row": (
        lambda lines: {**lines, "original-2026-0000": lines["original-2026-0000"][:-1]},
        "its rows of original-2026-0000 are not the lines of the manifest, first of post 30",
    ),
    "more-rows": (
        lambda lines: {**lines, "original-2026-0000": [*lines["original-2026-0000"], replace(lines["original-2026-0000"][0])]},
        "its rows of original-2026-0000 are not the lines of the manifest, first of post 1",
    ),
    "missing-volume": (
        lambda lines: {"original-2027-0000": lines["original-2027-0000"]},
        "its rows of original-2026-0000 are not the lines of the manifest, first of post 1",
    ),
    "last-volume-missing": (
        lambda lines: {"original-2026-0000": lines["original-2026-0000"]},
        "its rows of original-2027-0000 are not the lines of the manifest, first of post 41",
    ),
    "volume-too-many": (
        lambda lines: {**lines, "original-2028-0000": [lines["original-2026-0000"][0]]},
        "has rows of original-2028-0000 where no such volume comes",
    ),
    "other-order": (
        lambda lines: dict(reversed(lines.items())),
        "its rows of original-2026-0000 are not the lines of the manifest, first of post 1",
    ),
    "nothing": (lambda _: {}, "its rows of original-2026-0000 are not the lines of the manifest, first of post 1"),
}  # fmt: skip


@pytest.mark.parametrize("name", CHANGES)
def test_a_table_that_says_something_else_is_named_once(publisher: Publisher, name: str) -> None:
    change, detail = CHANGES[name]
    root = rewritten(publisher, change(originals(publisher)))
    path = "releases/2028/files/original.parquet"
    assert problems(publisher.dataset, root) == [Problem(path, "inconsistent", detail)]
    report = verify(publisher.dataset, release="2028", depth="fast", workers=1)
    assert [problem for problem in report.problems if problem.path == path] == [Problem(path, "inconsistent", detail)]


def test_a_table_of_another_rendition_or_site_is_named(publisher: Publisher) -> None:
    root = rewritten(publisher, originals(publisher), tree="512px")
    assert [problem.detail for problem in problems(publisher.dataset, root)] == ["is the table of 512px"]
    root = rewritten(publisher, originals(publisher), site="gelbooru")
    assert [problem.detail for problem in problems(publisher.dataset, root)] == [
        "its posts are of gelbooru, those of original-2026-0000 of danbooru"
    ]


def test_a_table_that_is_none_is_named(publisher: Publisher) -> None:
    root = release(publisher)
    path = f"releases/2028/{filerows.file_name('original')}"
    written = publisher.write(path, b"PAR1 no table at all PAR1")
    objects = [written if item.path == path else item for item in root.objects]
    told = problems(publisher.dataset, root.model_copy(update={"objects": objects}))
    assert [(problem.path, problem.kind) for problem in told] == [(path, "inconsistent")]
    assert str(publisher.dataset) not in told[0].detail


@pytest.mark.parametrize("damage", ["flip", "cut", "gone"])
def test_a_damaged_table_is_named_by_its_digest_alone(publisher: Publisher, damage: str) -> None:
    release(publisher)
    path = f"releases/2028/{filerows.file_name('original')}"
    place = publisher.dataset / path
    data = bytearray(place.read_bytes())
    data[100] ^= 1
    if damage == "gone":
        place.unlink()
    else:
        place.write_bytes(data if damage == "flip" else data[:-1])
    report = verify(publisher.dataset, release="2028", workers=1)
    kind = {"flip": "digest", "cut": "size", "gone": "missing"}[damage]
    assert [(problem.path, problem.kind) for problem in report.problems if problem.path == path] == [(path, kind)]


def test_rows_of_a_volume_whose_manifest_is_damaged_are_passed_over(publisher: Publisher) -> None:
    root = release(publisher)
    volume: VolumeEntry = next(volume for volume in root.volumes if volume.name == "original-2026-0000")
    (publisher.dataset / volume.manifest.path).write_bytes(b"")
    report = verify(publisher.dataset, release="2028", depth="fast", workers=1)
    assert {problem.path for problem in report.problems} == {"latest.json", volume.manifest.path}


def test_a_release_from_before_there_were_tables_has_no_problem(publisher: Publisher) -> None:
    root = release(publisher)
    shutil.rmtree(publisher.dataset / "releases/2028/files")
    older = root.model_copy(update={"objects": [item for item in root.objects if "/files/" not in item.path]})
    assert problems(publisher.dataset, older) == []
