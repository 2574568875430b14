"""All exports alike: whole or not there, the same bytes each time, and every sample that is left out is named."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tagswarm.manifests import disk
from tagswarm.manifests.errors import DestinationLocked, DiskFull, InvalidDocument, StoreError, Unreadable, UnsafePath
from tagswarm.manifests.events import Event, StepAdvanced, StepFinished, StepStarted
from tagswarm.manifests.records import Category
from tagswarm.mirror.exports import folder
from tagswarm.mirror.exports.kohya import KohyaOptions
from tagswarm.mirror.exports.registry import EXPORTS, export
from tagswarm.mirror.exports.sample import Sample
from tagswarm.mirror.exports.sidecars import SidecarOptions
from tagswarm.mirror.exports.table import COLUMNS, ParquetOptions
from tests.mirror.exports.samples import DOT, dot, real

NAMES = sorted(EXPORTS)


def tree(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture
def dots(tmp_path: Path) -> list[Sample]:
    return [dot(tmp_path, post) for post in range(1, 6)]


def test_the_names_are_those_that_are_promised() -> None:
    assert NAMES == ["imagefolder", "kohya", "parquet", "sidecars", "webdataset"]
    for name, form in EXPORTS.items():
        assert form.name == name
        form.options()


@pytest.mark.parametrize("name", NAMES)
def test_the_same_samples_give_the_same_bytes(repository: Path, tmp_path: Path, name: str) -> None:
    samples = real(repository / "sample")[:20]
    first = export(samples, tmp_path / "out", EXPORTS[name].options())
    assert first.folder == tmp_path / "out"
    (tmp_path / "out").rename(tmp_path / "first")
    export(iter(samples), tmp_path / "out", EXPORTS[name].options(), copy=True)
    assert tree(tmp_path / "first") == tree(tmp_path / "out")
    assert first.samples == 20
    assert first.bytes == sum(sample.size for sample in samples)
    assert first.files == len(tree(tmp_path / "out"))
    assert not any(path.name.startswith(disk.TEMPORARY) for path in tmp_path.rglob("*"))


@pytest.mark.parametrize("name", NAMES)
def test_the_record_says_what_was_made(dots: list[Sample], tmp_path: Path, name: str) -> None:
    samples = [*dots, dot(tmp_path, 6, kind="mp4"), dot(tmp_path, 7, tags={Category.GENERAL: ("steins;gate",)})]
    made = export(samples, tmp_path / "out", EXPORTS[name].options())
    record = json.loads((tmp_path / "out" / folder.RECORD).read_bytes())
    assert record["format"] == "tagswarm.export/1"
    assert (record["export"], record["dataset"], record["release"]) == (name, "made-up", "2026")
    assert (record["samples"], record["bytes"]) == (made.samples, made.bytes) == (6, 6 * len(DOT))
    assert record["skipped"] == [{"id": 6, "reason": "no-image"}]
    assert (
        record["doubtful_tags"] == dict(made.doubtful) == ({} if name == "sidecars" else {"steins;gate": "semicolon"})
    )
    assert set(record["options"]) == {field.name for field in dataclasses.fields(EXPORTS[name].options)}


@pytest.mark.parametrize("name", NAMES)
def test_an_id_that_comes_twice_is_named(dots: list[Sample], tmp_path: Path, name: str) -> None:
    other = dataclasses.replace(dots[2], post=dataclasses.replace(dots[2].post, site="other.example"))
    made = export([*dots[:3], other, *dots[3:]], tmp_path / "out", EXPORTS[name].options())
    assert made.samples == 5
    assert [(found.id, found.reason) for found in made.skipped] == [(3, "same-id")]
    assert "other.example" in made.skipped[0].detail


def test_samples_out_of_order_are_refused(dots: list[Sample], tmp_path: Path) -> None:
    with pytest.raises(InvalidDocument, match="post 4 comes after post 5"):
        export(reversed(dots), tmp_path / "out", SidecarOptions())
    assert sorted(path.name for path in tmp_path.iterdir()) == ["dot.png"]


@pytest.mark.parametrize("name", NAMES)
def test_a_file_that_is_gone_cut_or_changed_is_left_out_and_named(
    dots: list[Sample], tmp_path: Path, name: str
) -> None:
    (tmp_path / "cut.png").write_bytes(DOT[:-1])
    (tmp_path / "bad\x1b.png").write_bytes(bytes([DOT[0] ^ 1]) + DOT[1:])
    (tmp_path / "link.png").symlink_to(tmp_path / "dot.png")
    samples = [
        *dots,
        dot(tmp_path, 6, file=tmp_path / "gone.png"),
        dot(tmp_path, 7, file=tmp_path / "cut.png"),
        dot(tmp_path, 8, file=tmp_path / "bad\x1b.png"),
        dot(tmp_path, 9, file=tmp_path / "link.png"),
        dot(tmp_path, 10),
    ]
    options = ParquetOptions(images=True) if name == "parquet" else EXPORTS[name].options()
    made = export(samples, tmp_path / "out", options, copy=True)
    assert [(found.id, found.reason) for found in made.skipped] == [
        (6, "unreadable"),
        (7, "changed"),
        (8, "changed"),
        (9, "unreadable"),
    ]
    assert all(found.detail.isprintable() for found in made.skipped)
    assert made.samples == 6
    assert not any(b"bad" in data for path, data in tree(tmp_path / "out").items() if path.endswith(".jsonl"))


@pytest.mark.parametrize("name", NAMES)
def test_an_export_of_nothing_is_an_error(tmp_path: Path, name: str) -> None:
    video = dot(tmp_path, 1, kind="webm")
    for samples, message in [([], "nothing to export"), ([video], "nothing to export: 1 no-image")]:
        with pytest.raises(StoreError, match=message):
            export(samples, tmp_path / "out", EXPORTS[name].options())
        assert sorted(path.name for path in tmp_path.iterdir()) == ["dot.png"]


@pytest.mark.parametrize("name", sorted({"imagefolder", "kohya", "sidecars"}))
def test_images_are_linked_and_copied_on_request(dots: list[Sample], tmp_path: Path, name: str) -> None:
    linked = export(dots, tmp_path / "linked", EXPORTS[name].options())
    assert linked.linked == 5
    images = list((tmp_path / "linked").rglob("*.png"))
    assert all(path.samefile(tmp_path / "dot.png") for path in images)
    copied = export(dots, tmp_path / "copied", EXPORTS[name].options(), copy=True)
    assert copied.linked == 0
    images = list((tmp_path / "copied").rglob("*.png"))
    assert len(images) == 5
    assert not any(path.samefile(tmp_path / "dot.png") for path in images)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 1 MB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(folder)], check=False)
    if mounted.returncode:
        pytest.skip("only root can mount a file system of its own")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def test_another_file_system_gets_copies(dots: list[Sample], tmp_path: Path, small_disk: Path) -> None:
    made = export(dots, small_disk / "out", SidecarOptions())
    assert (made.samples, made.linked) == (5, 0)
    assert (small_disk / "out/0001/1.png").read_bytes() == DOT


@pytest.mark.parametrize("name", NAMES)
def test_a_full_disk_is_one_clear_error_and_nothing_is_left(repository: Path, small_disk: Path, name: str) -> None:
    options = ParquetOptions(images=True) if name == "parquet" else EXPORTS[name].options()
    with pytest.raises(DiskFull, match="the disk is full"):
        export(real(repository / "sample"), small_disk / "out", options)
    assert not list(small_disk.iterdir())


def test_a_taken_place_is_refused_and_only_an_export_is_replaced(dots: list[Sample], tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    export(dots[:1], out, SidecarOptions())
    with pytest.raises(Unreadable, match="is there already"):
        export(dots, out, SidecarOptions())
    made = export(dots, out, KohyaOptions(), replace=True)
    assert made.samples == 5
    assert not (out / "0001").exists()
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "thesis.txt").write_text("years of work")
    for replace in (False, True):
        with pytest.raises(Unreadable, match="is there already"):
            export(dots, mine, SidecarOptions(), replace=replace)
    assert (mine / "thesis.txt").read_text() == "years of work"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["dot.png", "mine", "out"]


def test_a_failure_leaves_the_earlier_export(dots: list[Sample], tmp_path: Path) -> None:
    export(dots, tmp_path / "out", SidecarOptions())
    before = tree(tmp_path / "out")

    def broken() -> Iterator[Sample]:
        yield dots[0]
        raise KeyboardInterrupt

    for form in EXPORTS.values():
        with pytest.raises(KeyboardInterrupt):
            export(broken(), tmp_path / "out", form.options(), replace=True)
        assert tree(tmp_path / "out") == before
        assert sorted(path.name for path in tmp_path.iterdir()) == ["dot.png", "out"]


def test_two_runs_do_not_share_a_folder(dots: list[Sample], tmp_path: Path) -> None:
    def nested() -> Iterator[Sample]:
        with pytest.raises(DestinationLocked):
            export(dots, tmp_path / "out", SidecarOptions())
        yield from dots

    assert export(nested(), tmp_path / "out", SidecarOptions()).samples == 5


KILLED = """
import os, signal, sys
from pathlib import Path
from tagswarm.mirror.exports.registry import EXPORTS, export
from tests.mirror.exports.samples import dot

def samples(folder):
    for post in range(1, 100):
        yield dot(folder, post)
    os.kill(os.getpid(), signal.SIGKILL)

folder = Path(sys.argv[1])
export(samples(folder), folder / "out", EXPORTS[sys.argv[2]].options())
"""


@pytest.mark.parametrize("name", NAMES)
def test_a_kill_leaves_no_half_export_and_the_next_run_clears_it(repository: Path, tmp_path: Path, name: str) -> None:
    dot(tmp_path)
    command = [sys.executable, "-c", KILLED, str(tmp_path), name]
    ended = subprocess.run(command, cwd=repository, timeout=60, check=False)
    assert ended.returncode == -signal.SIGKILL
    assert not (tmp_path / "out").exists()
    assert (tmp_path / f"{disk.TEMPORARY}out").is_dir()
    samples = [dot(tmp_path, post) for post in range(1, 4)]
    export(samples, tmp_path / "out", EXPORTS[name].options())
    killed = tree(tmp_path / "out")
    shutil.rmtree(tmp_path / "out")
    export(samples, tmp_path / "out", EXPORTS[name].options())
    assert tree(tmp_path / "out") == killed
    assert sorted(path.name for path in tmp_path.iterdir()) == ["dot.png", "out"]


def test_it_tells_how_far_it_is(dots: list[Sample], tmp_path: Path) -> None:
    events: list[Event] = []
    export(
        [*dots, dot(tmp_path, 9, file=tmp_path / "gone")],
        tmp_path / "out",
        SidecarOptions(),
        total=6,
        report=events.append,
    )
    started, *advanced, finished = events
    assert started == StepStarted("export sidecars", 6, "images")
    assert [event.done for event in advanced if isinstance(event, StepAdvanced)] == [1, 2, 3, 4, 5, 5]
    assert finished == StepFinished("export sidecars", 5, 5 * len(DOT))


@pytest.mark.parametrize(
    "values",
    [
        ("imagefolder", {"split": "../train"}),
        ("webdataset", {"name": "a.b"}),
        ("webdataset", {"samples_per_shard": 0}),
        ("webdataset", {"bytes_per_shard": 0}),
        ("parquet", {"name": ""}),
        ("parquet", {"rows_per_file": 0}),
        ("parquet", {"bytes_per_file": -1}),
        ("kohya", {"repeats": 0}),
        ("kohya", {"batch_size": 0}),
        ("kohya", {"resolution": 8}),
        ("kohya", {"concept": "a/b"}),
    ],
)
def test_options_out_of_their_range_are_refused(values: tuple[str, dict[str, object]]) -> None:
    name, options = values
    with pytest.raises(InvalidDocument, match=next(iter(options))):
        EXPORTS[name].options(**options)  # type: ignore[arg-type]


def test_a_concept_is_a_name_that_every_system_can_hold() -> None:
    with pytest.raises(UnsafePath):
        KohyaOptions(concept='a"b')


def test_nothing_heavy_is_loaded_before_it_is_needed(repository: Path) -> None:
    code = (
        "import sys, tagswarm.mirror.exports.registry\n"
        "print(sorted({'pyarrow', 'numpy', 'datasets', 'webdataset', 'pyvips', 'PIL', 'libtorrent'} & set(sys.modules)))"
    )
    made = subprocess.run([sys.executable, "-c", code], cwd=repository, capture_output=True, text=True, check=True)
    assert made.stdout.strip() == "[]"


def test_no_bytes_are_those_of_another_file(repository: Path, tmp_path: Path) -> None:
    samples = real(repository / "sample")
    for name in ("imagefolder", "kohya", "sidecars"):
        export(samples, tmp_path / name, EXPORTS[name].options())
        found = {
            hashlib.sha256(data).hexdigest(): path
            for path, data in tree(tmp_path / name).items()
            if path.rpartition(".")[2] in ("png", "jpg", "webp")
        }
        assert set(found) == {sample.sha256 for sample in samples}


def test_the_pages_name_every_option_column_and_reason(repository: Path, tmp_path: Path) -> None:
    page = (repository / "docs/how-to/export-for-training.md").read_text(encoding="utf-8")
    sections = dict(zip(*[iter(re.split(r"^## (.*)$", page, flags=re.MULTILINE)[1:])] * 2, strict=True))
    assert sorted(sections) == NAMES
    for name, form in EXPORTS.items():
        options = re.findall(r"^\| `([a-z_]+)` \|", sections[name], re.MULTILINE)
        assert options == [field.name for field in dataclasses.fields(form.options)]
    page = (repository / "docs/reference/formats/export.md").read_text(encoding="utf-8")
    export([dot(tmp_path)], tmp_path / "out", SidecarOptions())
    record = json.loads((tmp_path / "out" / folder.RECORD).read_bytes())
    reasons = ("no-image", "same-id", "unreadable", "changed", "too-large", "unsupported")
    for word in (*record, *COLUMNS, "image", *reasons):
        assert f"`{word}`" in page
