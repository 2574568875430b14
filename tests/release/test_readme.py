"""The README of a release: what it tells to type works, and nothing from outside changes its shape."""

from __future__ import annotations

import re
import subprocess
from datetime import date
from pathlib import Path

from tagswarm.manifests import published
from tagswarm.manifests.records import Category
from tagswarm.release import readme
from tagswarm.release.sign import sign
from tagswarm.release.statistics import Statistics, TopTag
from tests.publisher import key, small

A = key(1)


def page(dataset: Path, *tags: str) -> str:
    """The README of the only release of a dataset, whose most frequent tags these are."""
    root, _ = published.read_root(dataset, "2026")
    top = tuple(TopTag(site="danbooru", name=tag, category=Category.GENERAL, posts=1) for tag in tags)
    counted = Statistics(
        posts=1,
        tags=len(tags),
        tag_instances=len(tags),
        ratings=(),
        categories=(),
        top_tags=top,
        earliest=date(2020, 1, 1),
        latest=date(2020, 1, 2),
    )
    return readme.render(root, counted, None, keys=[A.public.line]).decode()


def commands(text: str, heading: str) -> str:
    """The commands below a heading."""
    return "".join(re.findall(r"^```sh\n(.*?)^```$", text.partition(f"## {heading}\n")[2], re.MULTILINE | re.DOTALL))


def test_the_commands_that_check_hold_and_find_damage(tmp_path: Path) -> None:
    small(tmp_path, [A])
    sign(tmp_path, [A])
    script = commands(page(tmp_path, "solo"), "Checking it without our program")

    def check() -> subprocess.CompletedProcess[str]:
        whole = f"set -e -o pipefail\n{script}"
        return subprocess.run(["bash", "-c", whole], cwd=tmp_path, capture_output=True, text=True, check=False)

    assert check().returncode == 0
    assert "release=2026" in check().stdout
    listed = next(tmp_path.glob("volumes/*.files"))
    listed.write_bytes(b"changed\n")
    assert check().returncode == 1
    assert f"{listed.relative_to(tmp_path)}: FAILED" in check().stdout


def test_the_commands_that_fetch_bring_a_release_that_checks(tmp_path: Path) -> None:
    small(tmp_path / "here", [A])
    sign(tmp_path / "here", [A])
    text = page(tmp_path / "here")
    (tmp_path / "there").mkdir()
    script = commands(text, "Getting it").replace("rsync://HOST/small", str(tmp_path / "here"))
    for lines in (script, commands(text, "Checking it without our program")):
        subprocess.run(["bash", "-e", "-c", lines], cwd=tmp_path / "there", check=True, capture_output=True)


def test_a_tag_cannot_leave_its_cell(tmp_path: Path) -> None:
    small(tmp_path)
    text = page(tmp_path, "a|b", "c`<script>", "d\x1b[31m\ne")
    rows = [line for line in text.splitlines() if line.endswith("| general | 1 |")]
    assert rows == [
        "| `a\\|b` | general | 1 |",
        "| `` c`<script> `` | general | 1 |",
        "| `d\\x1b[31m\\x0ae` | general | 1 |",
    ]


def test_the_way_by_bittorrent_is_told_where_there_is_one(tmp_path: Path) -> None:
    small(tmp_path / "without", [A])
    assert "BitTorrent" not in page(tmp_path / "without")
    publisher = small(tmp_path / "with", [A], torrents=True)
    text = page(tmp_path / "with")
    assert "every volume has a torrent" in text
    assert "below `small/`" in text
    assert ".compat.torrent" not in text
    first, second, third = publisher.volumes
    bare = second.model_copy(update={"torrent": None})
    publisher.volumes = [first.model_copy(update={"compat": first.torrent}), bare, third]
    publisher.previous = None
    publisher.release("2026")
    text = page(tmp_path / "with")
    assert "every volume (2 of 3) has a torrent" in text
    assert "volumes/NAME.compat.torrent" in text
