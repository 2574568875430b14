"""The Python API on a real release: opened in place and at an address, asked, planned, pulled and looked after."""

from __future__ import annotations

import asyncio
import inspect
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click import Context
from click.testing import CliRunner

import tagswarm
from tagswarm.cli.main import program
from tagswarm.cli.question import complete_query
from tagswarm.manifests.errors import DigestMismatch, InvalidDocument, UnsafePath
from tagswarm.manifests.events import Event, Notice, StepFinished
from tagswarm.mirror.lock import Lock
from tests.mirror.transports.servers import Web, nginx
from tests.released import Released, release_sample

SMALL = tagswarm.Resize(64, fit="pad")
QUERY = "1girl solo -hat order:score"
POSTS = 39


@pytest.fixture(scope="module")
def dataset(repository: Path, tmp_path_factory: pytest.TempPathFactory) -> Released:
    return release_sample(repository, tmp_path_factory.mktemp("api") / "data")


@pytest.fixture(scope="module")
def web(dataset: Released, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Web]:
    with nginx(dataset.root, tmp_path_factory.mktemp("nginx")) as server:
        yield server


@pytest.fixture(autouse=True)
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody has opened anything yet."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "share"))


def tree(folder: Path) -> dict[str, bytes]:
    """Every file of a subset, without what only the program needs."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and ".tagswarm" not in path.parts
    }


# Opening.


def test_an_address_is_answered_from_the_cache(dataset: Released, web: Web) -> None:
    with tagswarm.open(dataset.root) as here:
        expected = list(here.query(QUERY))
    web.forget()
    with tagswarm.open(web.address) as release:
        assert (release.name, len(release)) == ("2026", 98)
        assert list(release.query(QUERY)) == expected
        assert len(expected) == POSTS
        assert any("first use" in note for note in release.notes)
    assert "/releases/2026/index.sqlite" in {line.path for line in web.lines()}
    web.forget()
    with tagswarm.open(web.address) as release:
        assert list(release.query(QUERY)) == expected
        assert release.notes == ()
    assert {line.path for line in web.lines()} == {"/latest.json", "/latest.json.minisig"}
    web.forget()
    with tagswarm.open(web.address, offline=True) as release:
        assert list(release.query(QUERY)) == expected
    assert web.lines() == []


def test_what_was_never_opened_is_not_there_offline(web: Web) -> None:
    with pytest.raises(tagswarm.TransportError, match="nothing of it is in the cache"):
        tagswarm.open(web.address, offline=True)


def test_an_address_is_believed_by_the_keys_that_are_given(web: Web, dataset: Released, tmp_path: Path) -> None:
    from tests.publisher import key

    with pytest.raises(tagswarm.TrustError):
        tagswarm.open(web.address, keys=[key(2).public.line])
    pub = tmp_path / "maintainer.pub"
    pub.write_bytes(key(1).public.render())
    for given in (dataset.key, pub.read_text()):
        with tagswarm.open(web.address, keys=[given], cache=tmp_path / "other") as release:
            assert not any("first use" in note for note in release.notes)
    assert (tmp_path / "other").is_dir()
    assert not (tmp_path / "cache").exists()
    with pytest.raises(InvalidDocument):
        tagswarm.open(web.address, keys=["RWnonsense"])


@pytest.mark.parametrize("address", ["ftp://host/data", "https://127.0.0.1:1/data", "s3://"])
def test_an_address_that_is_none_is_one_clear_error(address: str) -> None:
    with pytest.raises(tagswarm.TransportError) as caught:
        tagswarm.open(address)
    assert caught.value.hint


def test_the_release_of_an_address_is_named(web: Web) -> None:
    with tagswarm.open(web.address, "2026") as release:
        assert release.name == "2026"
    with pytest.raises(tagswarm.TagswarmError, match="1999"):
        tagswarm.open(web.address, "1999")
    with pytest.raises(UnsafePath):
        tagswarm.open(web.address, "../2026")


def test_notices_go_to_the_log_or_to_whoever_listens(
    web: Web, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "tagswarm")
    tagswarm.open(web.address).close()
    assert "first use" in caplog.text
    caplog.clear()
    events: list[Event] = []
    with tagswarm.open(web.address, report=events.append, trust_file=tmp_path / "nothing.json") as release:
        assert release.notes == tuple(event.message for event in events if isinstance(event, Notice))
    assert any("first use" in note for note in release.notes)
    assert caplog.text == ""


# Subsets.


def test_subsets_that_are_put_together_can_be_pulled(dataset: Released) -> None:
    with tagswarm.open(dataset.root) as release:
        left, right = release.query("1girl"), release.query("hat")
        for subset in (left & right, left | right, left - right, left.sample(3), release.subset(left.ids()[:2])):
            assert type(subset) is tagswarm.Subset
            assert subset.plan().files == len(subset)


def test_a_plan_and_a_pull_tell_what_they_do(dataset: Released, tmp_path: Path) -> None:
    with tagswarm.open(dataset.root) as release:
        subset = release.query(QUERY)
        plan = subset.plan(resize=SMALL, out=tmp_path / "out")
        assert isinstance(plan, tagswarm.Plan)
        assert (plan.files, plan.withdrawn, plan.absent) == (POSTS, (), 0)
        assert [(share.source, share.kind) for share in plan.shares] == [(str(dataset.root), "local")]
        assert plan.room.free
        assert not (tmp_path / "out").exists()
        report = subset.pull(tmp_path / "out", resize=SMALL)
    assert isinstance(report, tagswarm.Report)
    assert report.ok
    assert (report.posts, report.fetched, report.kept, report.failed) == (POSTS, POSTS, 0, ())
    assert report.files == POSTS - len(report.skipped)
    assert report.fetched_bytes == plan.bytes
    images = [path for path in (tmp_path / "out/images").rglob("*") if path.is_file()]
    assert len(images) == report.files
    assert report.bytes == sum(path.stat().st_size for path in images)
    assert repr(report) == f"<Report: {report.files} files, {report.bytes:,} bytes in {tmp_path / 'out'}>"
    with pytest.raises(AttributeError):
        report.files = 0  # type: ignore[misc]
    header = Lock(report.lock).header
    assert (header.query, header.release, header.root_sha256) == (QUERY, report.release, report.root_sha256)
    assert (header.canonical, header.seed, header.timezone, header.now) == ("1girl solo -hat", 0, "UTC", None)


def test_a_changed_subset_fetches_the_difference(dataset: Released, tmp_path: Path) -> None:
    with tagswarm.open(dataset.root) as release:
        subset = release.query("hat")
        first = subset.pull(tmp_path / "out", layout="flat")
        second = (subset - subset.sample(2)).pull(tmp_path / "out", layout="flat")
        third = subset.pull(tmp_path / "out", layout="flat")
    assert (first.fetched, second.fetched, second.kept, second.removed) == (6, 0, 4, 2)
    assert (third.fetched, third.kept) == (2, 4)
    assert Lock(first.lock).header.query == "hat"
    assert all(path.parent.name == "images" for path in (tmp_path / "out/images").iterdir())


def test_posts_that_no_query_answers_have_no_query_in_their_lock(dataset: Released, tmp_path: Path) -> None:
    with tagswarm.open(dataset.root) as release:
        report = release.query("hat").sample(2).pull(tmp_path / "out")
    assert Lock(report.lock).header.query is None


def test_all_ways_lead_to_the_same_folder(dataset: Released, web: Web, tmp_path: Path) -> None:
    def pulled(name: str, place: Path | str, **ways: Any) -> tagswarm.Report:
        with tagswarm.open(place) as release:
            report = release.query(QUERY).pull(tmp_path / name, resize=SMALL, **ways)
        assert report.ok
        return report

    pulled("local", dataset.root)
    assert {one.source for one in pulled("web", web.address).sources} == {web.address}
    both = pulled("both", dataset.root, sources=[web.address], forbid=["local"])
    assert {one.source for one in both.sources} == {web.address}
    folder = pulled("folder", dataset.root / "releases/2026", sources=[web.address], via=[web.address])
    assert {one.source for one in folder.sources} == {web.address}
    assert tree(tmp_path / "local") == tree(tmp_path / "web") == tree(tmp_path / "both") == tree(tmp_path / "folder")


def test_an_index_by_itself_is_pulled_where_a_source_is_named(dataset: Released, web: Web, tmp_path: Path) -> None:
    alone = tmp_path / "index.sqlite"
    alone.write_bytes((dataset.root / "releases/2026/index.sqlite").read_bytes())
    with tagswarm.open(alone) as release:
        subset = release.query("hat")
        with pytest.raises(tagswarm.TransportError, match="nobody knows where the files are") as caught:
            subset.plan()
        assert "sources=" in caught.value.hint
        assert subset.pull(tmp_path / "out", sources=[web.address]).fetched == 6


def test_another_index_than_that_of_the_release_is_refused(dataset: Released, tmp_path: Path) -> None:
    other = dataset.copy(tmp_path / "data")
    other.publish("2027", "danbooru,1000,withdraw,test\n")
    with tagswarm.open(other.root / "releases/2026/index.sqlite") as release:
        subset = release.query("1girl solo")
        assert subset.plan().files == 42  # by its name, and what was taken back since is left out
    moved = tmp_path / "index.sqlite"
    moved.write_bytes((dataset.root / "releases/2026/index.sqlite").read_bytes())
    with tagswarm.open(moved) as release, pytest.raises(DigestMismatch, match="where the posts were chosen"):
        release.query("hat").pull(tmp_path / "out", sources=[other.root])
    assert not (tmp_path / "out").exists()


def test_nothing_to_pull_and_no_such_rendition_are_errors(dataset: Released, tmp_path: Path) -> None:
    with tagswarm.open(dataset.root) as release:
        with pytest.raises(tagswarm.PlanError):
            release.query("hat -hat").pull(tmp_path / "out")
        with pytest.raises(tagswarm.TagswarmError, match="no rendition 9000px"):
            release.query("hat").plan("9000px")
        with pytest.raises(InvalidDocument, match="there is no form"):
            release.query("hat").pull(tmp_path / "out", export="zip")
        assert release.query("hat").plan("64px").files == 6
    assert not (tmp_path / "out/images").exists()


def test_a_file_that_does_not_come_is_in_the_report(dataset: Released, tmp_path: Path) -> None:
    other = dataset.copy(tmp_path / "data")
    with tagswarm.open(other.root) as release:
        post = release.query("hat").ids()[0]
        (gone,) = (other.root / "original").rglob(f"{post}.*")
        gone.unlink()
        report = release.query("hat").pull(tmp_path / "out")
        assert not report.ok
        assert [miss.id for miss in report.failed] == [post]
        assert (report.posts, report.files) == (6, 5)
        assert "1 did not come" in repr(report)
        gone.write_bytes((dataset.root / gone.relative_to(other.root)).read_bytes())
    mended = tagswarm.repair(tmp_path / "out", sources=[other.root])
    assert (mended.ok, mended.files, mended.fetched) == (True, 6, 1)


# Asynchronous, and in notebooks.


def test_it_can_be_awaited(dataset: Released, web: Web, tmp_path: Path) -> None:
    async def work() -> None:
        with tagswarm.open(web.address) as release:
            subset = release.query("hat")
            assert (await subset.aplan()).files == 6
            report = await subset.apull(tmp_path / "out", resize=SMALL)
            again = await tagswarm.apull_locked(report.lock, tmp_path / "again", sources=[dataset.root])
            assert again.reproduced is not None
            assert again.reproduced.ok
            next((tmp_path / "again/images").rglob("*.jpg")).unlink()
            assert (await tagswarm.arepair(tmp_path / "again", sources=[web.address])).fetched == 1

    asyncio.run(work())
    assert tree(tmp_path / "out") == tree(tmp_path / "again")


def test_it_can_be_waited_for_inside_a_running_loop(dataset: Released, tmp_path: Path) -> None:
    async def cell() -> tagswarm.Report:
        with tagswarm.open(dataset.root) as release:
            return release.query("hat").pull(tmp_path / "out")

    assert asyncio.run(cell()).files == 6


def test_events_reach_whoever_listens(dataset: Released, tmp_path: Path) -> None:
    events: list[Event] = []
    with tagswarm.open(dataset.root) as release:
        report = release.query("hat").pull(tmp_path / "out", report=events.append)
    assert StepFinished("pull", 6, report.fetched_bytes) in events
    assert report.notes == tuple(event.message for event in events if isinstance(event, Notice))
    assert any("first use" in note for note in report.notes)


# Folders.


@pytest.fixture
def subset(dataset: Released, tmp_path: Path) -> Path:
    with tagswarm.open(dataset.root) as release:
        return release.query("1girl solo").pull(tmp_path / "subset", resize=SMALL).folder


def test_samples_know_their_posts(dataset: Released, subset: Path) -> None:
    found = list(tagswarm.samples(subset))
    ids = [sample.id for sample in found]
    assert ids == sorted(ids)
    with tagswarm.open(dataset.root) as release:
        asked = release.subset(ids)
        table = asked.to_arrow(["id", "score", "tags"]).to_pylist()
    for sample, row in zip(found, table, strict=True):
        assert sample.path.stat().st_size == sample.size
        assert (sample.width, sample.height) == (64, 64)
        assert (sample.post.id, sample.post.score) == (row["id"], row["score"])
        assert sorted(tag for tags in sample.tags.values() for tag in tags) == sorted(row["tags"])
        assert "1girl" in sample.tags["general"]
        assert sample.caption.startswith("1girl")
    plain = next(tagswarm.samples(subset, tagswarm.CaptionStyle(template="{general}", max_tags=2)))
    assert len(plain.caption.split(", ")) == 2
    with pytest.raises(tagswarm.TagswarmError, match="there is no such file"):
        next(tagswarm.samples(subset / "images"))


def test_a_lock_is_pulled_again_elsewhere(web: Web, subset: Path, tmp_path: Path) -> None:
    report = tagswarm.pull_locked(
        subset / "tagswarm.lock",
        tmp_path / "again",
        sources=[web.address],
        cache=tmp_path / "c",
        trust_file=tmp_path / "t",
    )
    assert report.ok
    assert report.reproduced is not None
    assert report.reproduced.same == report.posts
    assert tree(subset) == tree(tmp_path / "again")
    with pytest.raises(tagswarm.TransportError, match="nobody knows"):
        tagswarm.pull_locked(subset / "tagswarm.lock", tmp_path / "third")


def test_damage_is_found_and_mended(dataset: Released, subset: Path) -> None:
    before = tree(subset)
    images = sorted(path for path in (subset / "images").rglob("*.jpg"))
    images[0].unlink()
    images[1].write_bytes(images[1].read_bytes()[:-1] + b"x")
    found = tagswarm.verify(subset)
    assert isinstance(found, tagswarm.SubsetReport)
    assert not found.ok
    assert {problem.path for problem in found.problems} == {str(path.relative_to(subset)) for path in images[:2]}
    assert len(tagswarm.verify(str(subset), depth="fast").problems) == 1
    report = tagswarm.repair(subset, sources=[dataset.root])
    assert (report.ok, report.fetched) == (True, 2)
    assert tagswarm.verify(subset, extra=True).ok
    assert tree(subset) == before
    whole = tagswarm.repair(subset)
    assert (whole.ok, whole.fetched, whole.files) == (True, 0, report.files)


@pytest.mark.parametrize("form", ["imagefolder", "webdataset", "parquet", "kohya", "sidecars"])
def test_every_export_is_made_and_made_again(subset: Path, tmp_path: Path, form: str) -> None:
    made = tagswarm.export(subset, form, to=tmp_path / "made")
    assert isinstance(made, tagswarm.Exported)
    assert made.samples == sum(1 for _ in tagswarm.samples(subset))
    with pytest.raises(tagswarm.StoreError, match="is there already"):
        tagswarm.export(subset, form, to=tmp_path / "made")
    tagswarm.export(subset, form, to=str(tmp_path / "made"), replace=True, copy=True)
    assert (tmp_path / "made/export.json").exists()


def test_the_options_of_an_export_are_keywords(subset: Path, tmp_path: Path) -> None:
    tagswarm.export(subset, "webdataset", to=tmp_path / "few", samples_per_shard=10, name="girls")
    assert (tmp_path / "few/girls-000001.tar").exists()
    style = tagswarm.CaptionStyle(prefix="photo of")
    tagswarm.export(subset, "kohya", to=tmp_path / "kohya", captions=style, repeats="3")
    tagswarm.export(subset, "kohya", to=tmp_path / "other", captions={"prefix": "photo of"}, repeats=3)
    assert tree(tmp_path / "kohya").keys() == tree(tmp_path / "other").keys()
    assert "num_repeats = 3" in (tmp_path / "kohya/dataset.toml").read_text()
    assert all(path.read_text().startswith("photo of") for path in (tmp_path / "kohya/images").glob("*.txt"))


@pytest.mark.parametrize(
    ("form", "options", "said"),
    [
        ("zip", {}, "there is no form 'zip'; there are imagefolder"),
        ("kohya", {"nonsense": 1}, "kohya has no option 'nonsense'; it has captions"),
        ("kohya", {"repeats": "many"}, "kohya: repeats: "),
        ("webdataset", {"samples_per_shard": 0}, "samples_per_shard"),
        ("webdataset", {"captions": {"nonsense": 1}}, "captions: nonsense"),
        ("webdataset", {"captions": 7}, "webdataset: captions: "),
    ],
)
def test_wrong_options_of_an_export_are_refused(subset: Path, form: str, options: dict[str, Any], said: str) -> None:
    with pytest.raises(InvalidDocument, match=said):
        tagswarm.export(subset, form, to=subset / "made", **options)
    assert not (subset / "made").exists()


def test_a_pull_exports_beside_the_images(dataset: Released, tmp_path: Path) -> None:
    with tagswarm.open(dataset.root) as release:
        report = release.query("hat").pull(tmp_path / "out", resize=SMALL, export="webdataset")
        assert report.exported is not None
        assert report.exported.folder == tmp_path / "out/webdataset"
        assert release.query("hat").sample(2).pull(tmp_path / "out", resize=SMALL, export="webdataset").exported
    found = tagswarm.verify(report.folder, extra=True)
    assert (found.ok, found.extra) == (True, ())


def test_the_awaited_and_the_waited_for_are_one() -> None:
    for plain, awaited in (
        (tagswarm.Subset.plan, tagswarm.Subset.aplan),
        (tagswarm.Subset.pull, tagswarm.Subset.apull),
        (tagswarm.pull_locked, tagswarm.apull_locked),
        (tagswarm.repair, tagswarm.arepair),
    ):
        assert inspect.signature(plain) == inspect.signature(awaited)
        assert inspect.iscoroutinefunction(awaited)
        assert not inspect.iscoroutinefunction(plain)


# The command line asks the same.


def test_commands_ask_an_address(dataset: Released, web: Web) -> None:
    def said(*words: str) -> str:
        ended = CliRunner().invoke(program, list(words))
        assert ended.exit_code == 0, ended.output
        return ended.stdout

    web.forget()
    assert said("count", QUERY, "--in", web.address) == f"{POSTS}\n"
    assert "/releases/2026/index.sqlite" in {line.path for line in web.lines()}
    web.forget()
    for command in (["count", QUERY], ["query", QUERY], ["sample", QUERY], ["stats", QUERY, "--json"], ["tags", "h"]):
        there, here = said(*command, "--in", web.address), said(*command, "--in", str(dataset.root))
        assert there == here
    row = "query", "hat order:id", "--columns", "id,score", "--release", "2026"
    assert said(*row, "--in", web.address) == said(*row, "--in", str(dataset.root))
    assert {line.path for line in web.lines()} == {"/latest.json", "/latest.json.minisig"}
    web.forget()
    assert said("count", "--in", web.address, "--offline") == "98\n"
    assert web.lines() == []


def test_a_command_says_whom_it_believes_and_what_it_fetches(web: Web) -> None:
    ended = CliRunner().invoke(program, ["count", "hat", "--in", web.address])
    assert ended.stdout == "6\n"
    assert "trusted on first use" in ended.stderr
    assert "fetch index.sqlite ... 1 document" in ended.stderr
    again = CliRunner().invoke(program, ["-q", "count", "hat", "--in", web.address])
    assert (again.exit_code, again.output) == (0, "")


def test_a_command_refuses_an_address_that_is_none(web: Web) -> None:
    for words, code in (
        (["count", "--in", "ftp://host/data"], 14),
        (["count", "--in", web.address, "--offline"], 14),
        (["count", "--in", f"{web.address}/nothing"], 16),
        (["count", "blue_hiar", "--in", web.address], 12),
    ):
        ended = CliRunner().invoke(program, words)
        assert (ended.exit_code, ended.stdout) == (code, "")
        assert "error: " in ended.stderr


def test_a_shell_that_completes_tags_asks_no_network(web: Web) -> None:
    context = Context(program.commands["count"])
    context.params = {"place": web.address}
    web.forget()
    assert complete_query(context, program.commands["count"].params[0], "lo") == []
    assert web.lines() == []
    tagswarm.open(web.address).close()
    assert "looking_at_viewer" in {item.value for item in complete_query(context, context.command.params[0], "lo")}
