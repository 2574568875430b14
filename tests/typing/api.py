"""The public API as a type checker sees it: `make lint` checks this module under mypy --strict, nothing runs it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import assert_type

import numpy as np
import numpy.typing as npt

import tagswarm


def ask(path: Path) -> npt.NDArray[np.int64]:
    with tagswarm.open(path) as release:
        assert_type(release, tagswarm.Release)
        assert_type(len(release), int)
        assert_type(release.name, str)
        assert_type(release.notes, tuple[str, ...])
        subset = release.query("1girl solo -comic rating:g", now=datetime(2026, 11, 20, tzinfo=UTC), seed=7)
        assert_type(subset, tagswarm.Subset)
        both = (subset & release.query("smile")) | (subset - release.query("hat", allow_unknown=True))
        assert_type(both, tagswarm.Subset)
        assert_type(len(both), int)
        for post in both:
            assert_type(post, int)
        assert_type(both.sample(100, seed=7), tagswarm.Subset)
        assert_type(release.subset([1, 2, 3]), tagswarm.Subset)
        assert_type(subset.tags(tagswarm.Category.CHARACTER)[0].name, str)
        return both.ids()


def refuse(path: str) -> tuple[int, int]:
    try:
        tagswarm.open(path, release="2026").query("(")
    except tagswarm.QueryError as error:
        assert_type(error.span, tuple[int, int])
        return error.span
    except tagswarm.TagswarmError as error:
        assert_type(error.exit_code, int)
    return 0, 0


def reach() -> tagswarm.Release:
    trusting: tagswarm.Trusting = {"pin": "0" * 64, "offline": True}
    tagswarm.open("https://host/danbooru", keys=["RW..."], cache="cache", report=print)
    tagswarm.open("https://host/danbooru", key="RW...")  # type: ignore[call-arg]
    return tagswarm.open("s3://bucket/danbooru", **trusting)


def pull(subset: tagswarm.Subset, out: Path) -> tagswarm.Report:
    square = tagswarm.Resize(512, fit="pad")
    tagswarm.Resize(512, fit="squeeze")  # type: ignore[arg-type]
    plan = subset.plan("512px", resize=square, sources=["rsync://host/danbooru", out], prefer=["rsync"])
    assert_type(plan, tagswarm.Plan)
    assert_type(plan.bytes, int)
    report = subset.pull(out, resize=square, layout="flat", export="webdataset", limit_rate=5_000_000, jobs=2)
    assert_type(report, tagswarm.Report)
    assert_type(report.ok, bool)
    assert_type(report.lock, Path)
    assert_type([miss.reason for miss in report.failed], list[str])
    swarm = tagswarm.SwarmSettings(listen=("127.0.0.1:0",), dht=False)
    ways: tagswarm.Ways = {"torrents": swarm, "peers": [("127.0.0.1", 6881)]}
    subset.pull(out, **ways)
    subset.pull(out, torrents=True, forbid=["http"])
    subset.pull(out, layout="heap")  # type: ignore[arg-type]
    subset.pull(out, speed=1)  # type: ignore[call-arg]
    subset.pull()  # type: ignore[call-arg]
    return report


async def pull_in_a_loop(subset: tagswarm.Subset, out: str) -> None:
    assert_type(await subset.aplan(via=["http"]), tagswarm.Plan)
    assert_type(await subset.apull(out), tagswarm.Report)
    reaching: tagswarm.Reaching = {"sources": ["https://host/danbooru"], "release": "2026"}
    assert_type(await tagswarm.apull_locked("tagswarm.lock", out, **reaching), tagswarm.Report)
    assert_type(await tagswarm.arepair(out, **reaching), tagswarm.Report)


def look_after(folder: str) -> Iterator[str]:
    assert_type(tagswarm.pull_locked("tagswarm.lock", folder, sources=["https://host/danbooru"]), tagswarm.Report)
    found = tagswarm.verify(folder, depth="sample", sample=0.1)
    assert_type(found, tagswarm.SubsetReport)
    tagswarm.verify(folder, depth="deep")  # type: ignore[arg-type]
    if not found.ok:
        assert_type(tagswarm.repair(folder, sources=["https://host/danbooru"], keys=["RW..."]), tagswarm.Report)
    made = tagswarm.export(folder, "kohya", to="train", repeats=10, captions=tagswarm.CaptionStyle(max_tags=75))
    assert_type(made, tagswarm.Exported)
    for sample in tagswarm.samples(folder, tagswarm.CaptionStyle(template="{general}")):
        assert_type(sample, tagswarm.Sample)
        assert_type(sample.path, Path)
        assert_type(sample.tags["character"], tuple[str, ...])
        assert_type(sample.post, tagswarm.Post)
        yield sample.caption
