"""The tags of posts."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from tagswarm.manifests.records import Alias, Tag
from tagswarm.tagindex import tagnames
from tests.release.audit.world import SITE, World


@pytest.mark.parametrize(
    ("name", "rule"),
    [
        ("", "empty"),
        ("___", "empty"),
        ("a*b", "wildcard"),
        ("a,b", "comma"),
        *((f"{character}x", "begins") for character in "-~_`%(){}[]/"),
        ("x_", "ends with _"),
        ("a__b", "two"),
        ("a b", "space"),
        ("a\u202eb", "seen"),
        ("a\x07", "seen"),
        ("Long_Hair", "lower case"),
        ("pokemo\u0301n", "NFC"),
        ("a" * 171, "170"),
        ("star_(symbol", "balance"),
        ("a)_(", "balance"),
        ("rating:s", "rating: of a query"),
        ("ID:5", "lower case"),
        ("id:5", "id:"),
        ("char:x", "char:"),
        ("artist:x", "artist:"),
        ("deleted_comment_count:1", "deleted_comment_count:"),
        ("search", "reserved"),
        ("not", "reserved"),
    ],
)
def test_names_that_break_a_rule(name: str, rule: str) -> None:
    problem = tagnames.problem(name)
    assert problem is not None
    assert rule in problem


@pytest.mark.parametrize(
    "name",
    [
        "1girl", "a" * 170, ":)", ":(", ";)", ";(", ">:)", ">:(", ":d", "re:zero", "honkai:_star_rail", "rating:", "x/y", "o_o", "^_^",
        "sylvie_(the_question)", "ren'py", 'the_"a"', "\\m/", "pokémon", "初音ミク", "news", "android",
    ],
)  # fmt: skip
def test_names_that_are_good(name: str) -> None:
    assert tagnames.problem(name) is None


def test_every_tag_of_the_real_vocabulary_is_good(shared: Path) -> None:
    """140,782 tags that Danbooru let pass."""
    with (shared / "data" / "tags" / "danbooru.csv").open(encoding="utf-8", newline="") as file:
        names = [row[0] for row in csv.reader(file)]
    assert len(names) > 140_000
    assert [name for name in names if tagnames.problem(name) is not None or tagnames.non_ascii(name)] == []


def test_a_bad_tag_is_one_finding_with_its_first_posts(tmp_path: Path) -> None:
    world = World.clean(range(1, 41))
    for at in range(0, 40, 2):
        world.change(at, tags=("1girl", "old_name", "solo"))
    world.change(39, tags=("1girl", "only_here"))
    world.aliases = [
        Alias(site=SITE, antecedent="old_name", consequent="solo"),
        Alias(site=SITE, antecedent="1girl", consequent="solo", status="deleted"),
    ]
    world.tags = [tag for tag in world.tags if tag.name != "sky"]
    unknown = {
        finding.evidence["tag"]: finding for finding in world.findings(tmp_path) if finding.name == "unknown-tag"
    }
    assert set(unknown) == {"old_name", "only_here", "sky"}
    assert unknown["old_name"].id is None
    assert unknown["old_name"].evidence["posts"] == 20
    assert unknown["old_name"].evidence["ids"] == list(range(1, 20, 2))
    assert (unknown["only_here"].id, unknown["only_here"].evidence["posts"]) == (40, 1)
    (aliased,) = (finding for finding in world.findings(tmp_path) if finding.name == "aliased-tag-used")
    assert aliased.message == "the tag old_name of 20 posts is an alias of solo"
    assert aliased.evidence["alias_of"] == ["solo"]


def test_uses_are_counted_across_batches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tagswarm.manifests.tables.read_batches.__kwdefaults__", {"table": None, "rows": 7})
    world = World.clean(range(1, 41))
    for at in range(40):
        world.change(at, tags=("1girl", "ends_"))
    world.recount()
    (finding,) = world.findings(tmp_path)
    assert (finding.name, finding.evidence["posts"]) == ("invalid-tag-name", 40)
    assert finding.evidence["ids"] == list(range(1, 11))


def test_without_a_table_every_tag_is_known(tmp_path: Path) -> None:
    world = World.clean()
    world.tags = []
    assert world.findings(tmp_path) == []
    world.tags = [Tag(site="elsewhere", name="sky", claimed_count=2)]
    world.posts = [post for post in world.posts if post.site == SITE]
    world.tags = []
    assert world.findings(tmp_path) == []


def test_differing_counts_are_one_finding(tmp_path: Path) -> None:
    world = World.clean()
    world.tags = [
        Tag(site=SITE, name=tag.name, claimed_count=(tag.claimed_count or 0) + len(tag.name)) for tag in world.tags
    ]
    (finding,) = world.findings(tmp_path)
    assert finding.name == "tag-count-differs"
    assert finding.evidence["tags"] == len(world.tags)
    assert finding.evidence["largest"] == [
        "blue_sky: 10 claimed, 2 counted",
        "outdoors: 10 claimed, 2 counted",
        "1girl: 10 claimed, 5 counted",
        "solo: 7 claimed, 3 counted",
        "sky: 5 claimed, 2 counted",
    ]
