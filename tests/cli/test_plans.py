"""A plan on a page and as JSON."""

from __future__ import annotations

import dataclasses
import io
import json
from pathlib import Path

import pytest
from rich.console import Console

from tagswarm.cli import plans
from tagswarm.mirror.offers import MANNERS, Offer
from tagswarm.mirror.plan import Part, Plan, Share
from tagswarm.mirror.plan import plan as planned
from tagswarm.mirror.room import Room
from tests.planned import entry, wanted

PART = Part(
    source="https://h\x1b/d",
    kind="http",
    volume="512px-2026-0007",
    files=3,
    bytes=210_000,
    moved=210_000,
    torrent_bytes=0,
    requests=3,
    seconds=0.0608,
)
SHARE = Share(
    source=PART.source,
    kind="http",
    measured=True,
    volumes=1,
    files=3,
    bytes=210_000,
    moved=210_000,
    torrent_bytes=0,
    requests=3,
    seconds=0.36,
)
SWARM = dataclasses.replace(
    SHARE,
    source="torrent",
    kind="torrent",
    measured=False,
    moved=245_760,
    torrent_bytes=575_000,
    requests=1,
    seconds=70.2,
)
PLAN = Plan(
    parts=(PART,),
    shares=(SHARE,),
    alone=(SHARE, SWARM),
    files=3,
    bytes=210_000,
    moved=210_000,
    torrent_bytes=0,
    requests=3,
    seconds=0.36,
    withdrawn=(17,),
    absent=2000,
    absent_named=tuple(range(100, 120)),
    room=Room(staging=210_000, result=222_288, estimated=True, free=300_000),
)


def drawn(found: Plan, width: int = 120) -> str:
    console = Console(file=io.StringIO(), width=width, highlight=False)
    plans.plan(console, found)
    file = console.file
    assert isinstance(file, io.StringIO)
    return file.getvalue()


def test_the_page_has_what_is_chosen_and_what_the_others_would_need() -> None:
    page = drawn(PLAN)
    assert page.startswith("3 files, 210 kB, in 1 volume; less than a second\n")
    assert "Each source alone" in page
    (swarm,) = (line for line in page.splitlines() if line.lstrip().startswith("torrent "))
    assert swarm.split() == ["torrent", "1", "3", "210", "kB", "246", "kB", "575", "kB", "1", "1:10*"]
    assert "assumed" in page
    assert "1 post taken back: 17" in page
    assert "2,000 posts without one in this rendition: 100, 101, 102, 103, 104, 105, 106, 107, 108, 109, ..." in page
    assert "about 222 kB, and 210 kB on the way; 300 kB are free" in page


def test_text_from_outside_is_escaped() -> None:
    assert "\x1b" not in drawn(PLAN)
    assert "h\\x1b/d" in drawn(PLAN)


@pytest.mark.parametrize("width", [40, 80, 200])
def test_no_line_is_wider_than_the_terminal(width: int) -> None:
    table = [line for line in drawn(PLAN, width).splitlines() if line.startswith(" ") and "assumed" not in line]
    assert max(map(len, table)) <= width


def test_nothing_to_fetch_is_said() -> None:
    empty = dataclasses.replace(PLAN, parts=(), shares=(), alone=(), files=0, bytes=0, moved=0, seconds=0)
    assert drawn(empty).startswith("nothing to fetch\n")
    assert plans.facts(empty)["refused"] == {
        "error": "NothingToPull",
        "message": "there is nothing to fetch: posts without a file in this rendition: 2,000, posts taken back: 1",
    }


def test_the_facts_are_json_and_have_every_number() -> None:
    found = json.loads(json.dumps(plans.facts(PLAN)))
    assert found["sources"][0]["kind"] == "http"
    assert [share["seconds"] for share in found["alone"]] == [0.4, 70.2]
    assert found["parts"][0]["volume"] == PART.volume
    assert found["overhead"] == 1
    assert found["disk"] == {
        "staging": 210_000, "result": 222_288, "estimated": True, "needed": 432_288, "free": 300_000,
    }  # fmt: skip
    assert found["refused"]["error"] == "DiskTooSmall"
    whole = {field.name for field in dataclasses.fields(Plan)} - {"shares", "room"}
    assert whole < set(found)


@pytest.mark.parametrize("files", [1, 5000])
def test_the_examples_of_the_documentation_are_what_is_drawn(repository: Path, files: int) -> None:
    names = [f"512px-2026-{number:04}" for number in range(20)]
    offers = [Offer(kind="http", address="https://host/danbooru"), Offer(kind="torrent", address="torrent")]
    found = planned(wanted(*((name, files) for name in names)), map(entry, names), offers, piece_length=65_536)
    page = (repository / "docs/explanation/plan.md").read_text()
    assert f"```text\n{drawn(found, 100).rstrip()}\n```" in page


def test_the_documentation_has_the_speeds_that_are_assumed(repository: Path) -> None:
    page = (repository / "docs/explanation/plan.md").read_text()
    rows = [line.split("|") for line in page.splitlines() if line.startswith("| ")][2:]
    assert [row[2].strip() for row in rows] == [f"{manner.rate / 1e6:.0f} MB" for manner in MANNERS.values()]
