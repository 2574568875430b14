"""All checks together: a clean collection has no findings, and every kind of finding is found by its name."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tagswarm.manifests import torrentlint
from tagswarm.manifests.errors import IncompleteBuild
from tagswarm.manifests.events import Event, StepFinished, StepStarted
from tagswarm.manifests.records import Alias, Implication, Pool, Reject, Tag
from tagswarm.release.audit import CATALOGUE, Section, audit
from tagswarm.release.facts import FileFact, Look, Stray
from tests.release.audit.world import SITE, World, configuration

Defect = Callable[[World], object]


def _reread(reason: str) -> Defect:
    def change(world: World) -> None:
        path = world.path(1)
        fact = world.files[path]
        world.files[path] = FileFact(path=path, stat=fact.stat, look=Look(kind="unknown", reason=reason, detail="why"))

    return change


def _seen(**look: object) -> Defect:
    return lambda world: world.look(1, **look)


def _lost(world: World) -> None:
    del world.files[world.path(1)]


def _never_there(world: World) -> None:
    _lost(world)
    world.change(1, md5=None, file_ext=None)


def _reposted(world: World) -> None:
    world.add(5000, data=b"bytes of 7")
    world.recount()


def _untagged(world: World) -> None:
    world.change(1, tags=())
    world.recount()


def _wrong_bucket(world: World) -> None:
    fact = world.files.pop(world.path(1))
    world.files["original/0001/1000.png"] = replace(fact, path="original/0001/1000.png")


def _tagged(world: World, *names: str, table: bool = True) -> None:
    world.change(1, tags=tuple(sorted({*world.posts[1].tags, *names})))
    if table:
        world.recount()


def _alias(antecedent: str, consequent: str) -> Alias:
    return Alias(site=SITE, antecedent=antecedent, consequent=consequent)


def _implication(antecedent: str, consequent: str) -> Implication:
    return Implication(site=SITE, antecedent=antecedent, consequent=consequent)


def _rejected(reason: str) -> Defect:
    return lambda world: world.rejects.append(Reject(source="posts.json", line=3, reason=reason, detail="a detail"))


def _changed(**claims: object) -> Defect:
    return lambda world: world.change(1, **claims)


def _stray(reason: str) -> Defect:
    return lambda world: world.stray.append(Stray(path=f"original/0000/{reason}", reason=reason))


def _waived_in_vain(world: World) -> None:
    world.config = configuration(waivers=[{"finding": "missing-file", "reason": "for nothing"}])


DEFECTS: dict[str, Defect] = {
    "missing-file": _lost,
    "past-end": lambda world: world.files.pop(world.path(-1)),
    "no-file-claimed": _never_there,
    "orphan-file": lambda world: world.put("original/0002/2.png", b"an orphan"),
    "duplicate-file": lambda world: world.put("original/0000/1000.jpg", b"another"),
    "wrong-bucket": _wrong_bucket,
    "published-file-missing": lambda world: world.published.update({"original/0003/3.png": "0" * 64}),
    "duplicate-content": _reposted,
    "changed-after-publication": lambda world: world.published.update({world.path(1): "0" * 64}),
    "bit-rot": lambda world: world.files.update(
        {world.path(1): replace(world.files[world.path(1)], formerly="0" * 64)}
    ),
    "md5-mismatch": _changed(md5="0" * 32),
    "md5-stale": _changed(md5="0" * 32, file_size=99),
    "size-mismatch": _changed(file_size=3),
    "dimension-mismatch": _changed(width=65),
    "wrong-extension": _seen(kind="jpeg"),
    "extension-mismatch": _changed(file_ext="jpg"),
    "empty-file": _seen(kind="empty", reason="empty"),
    "truncated": _seen(reason="truncated"),
    "undecodable": _seen(reason="corrupt"),
    "unsupported": _seen(reason="unsupported"),
    "decompression-bomb": _seen(reason="too-large"),
    "too-many-frames": _seen(reason="too-many-frames"),
    "decode-timeout": _seen(kind="unknown", reason="timeout"),
    "decode-memory": _seen(kind="unknown", reason="memory"),
    "decode-crash": _seen(kind="unknown", reason="crash"),
    "not-an-image": _seen(kind="html", reason="not-an-image"),
    "stray-file": _stray("stray-file"),
    "unsafe-name": _stray("unsafe-name"),
    "link": _stray("link"),
    "special-file": _stray("special-file"),
    "unreadable": _reread("unreadable"),
    "changed-while-read": _reread("changed-while-read"),
    "bad-row": _rejected("not-json"),
    "broken-dump": _rejected("truncated-stream"),
    "duplicate-post": _rejected("duplicate-post"),
    "ghost-row": _rejected("ghost-row"),
    "rows-without-id": _rejected("no-id"),
    "unknown-rating": _rejected("unknown-rating"),
    "no-rating": _changed(rating=None),
    "date-out-of-range": lambda world: world.change(1, created_at=world.posts[1].created_at.replace(year=1999)),  # type: ignore[union-attr]
    "no-date": _changed(created_at=None),
    "no-tags": _untagged,
    "duplicate-tag": _changed(duplicate_tags=1),
    "unknown-tag": lambda world: _tagged(world, "unlisted", table=False),
    "invalid-tag-name": lambda world: _tagged(world, "rating:s"),
    "non-ascii-tag": lambda world: _tagged(world, "pokémon"),
    "aliased-tag-used": lambda world: _tagged(world, "1girls"),
    "tag-count-differs": lambda world: world.tags.append(Tag(site=SITE, name="unused", claimed_count=7)),
    "alias-self": lambda world: world.aliases.append(_alias("a", "a")),
    "alias-chain": lambda world: world.aliases.extend((_alias("a", "b"), _alias("b", "c"))),
    "alias-cycle": lambda world: world.aliases.extend((_alias("a", "b"), _alias("b", "a"))),
    "ambiguous-alias": lambda world: world.aliases.extend((_alias("a", "b"), _alias("a", "c"))),
    "implication-self": lambda world: world.implications.append(_implication("a", "a")),
    "implication-cycle": lambda world: world.implications.extend((_implication("a", "b"), _implication("b", "a"))),
    "implication-redundant": lambda world: world.implications.append(_implication("blue_sky", "outdoors")),
    "implication-of-alias": lambda world: world.implications.append(_implication("1girls", "solo")),
    "parent-self": lambda world: world.change(1, parent_id=world.posts[1].id),
    "parent-cycle": lambda world: (
        world.change(1, parent_id=world.posts[2].id),
        world.change(2, parent_id=world.posts[1].id),
    ),
    "dangling-parent": _changed(parent_id=999_999),
    "dangling-pool-post": lambda world: world.pools.append(Pool(site=SITE, id=2, post_ids=(7, 8))),
    "duplicate-pool-post": lambda world: world.pools.append(Pool(site=SITE, id=2, post_ids=(7, 7))),
    "unused-waiver": _waived_in_vain,
}


def test_every_kind_has_a_defect() -> None:
    """All but those that only a build can find."""
    found_later = {"rendition-failed", "unknown-withdrawal", *torrentlint.LINTS}
    assert DEFECTS.keys() == CATALOGUE.keys() - found_later


def test_a_clean_collection_has_no_findings(tmp_path: Path) -> None:
    assert World.clean().findings(tmp_path) == []


@pytest.mark.parametrize("name", DEFECTS)
def test_a_defect_is_named_and_nothing_else_is(name: str, tmp_path: Path) -> None:
    world = World.clean()
    DEFECTS[name](world)
    findings = world.findings(tmp_path)
    names = {finding.name for finding in findings}
    assert names == {name}
    for finding in findings:
        assert finding.message
        assert finding.evidence or finding.path or finding.id is not None


@given(
    ids=st.lists(st.integers(0, 10**12), unique=True, max_size=30),
    ext=st.sampled_from(("png", "jpg", "gif", "webp")),
)
@settings(deadline=None, max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_clean_collections_of_any_ids_have_no_findings(ids: list[int], ext: str, tmp_path: Path) -> None:
    world = World.clean(sorted(ids), ext)
    assert world.findings(tmp_path) == []


_ON_FILES = sorted(
    name for name in DEFECTS if CATALOGUE[name].section in {Section.FILES, Section.BYTES, Section.IMAGES}
)
_OTHERS = sorted(DEFECTS.keys() - set(_ON_FILES) - {"unreadable", "changed-while-read"})


@given(
    on_files=st.sampled_from(_ON_FILES),
    others=st.sets(st.sampled_from(_OTHERS), max_size=8),
    seed=st.integers(0, 9),
)
@settings(deadline=None, max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_the_order_is_that_of_the_collection(on_files: str, others: set[str], seed: int, tmp_path: Path) -> None:
    """The same defects give the same findings, in whatever order rows and files were handed over."""
    world = World.clean()
    for name in [on_files, *sorted(others)]:
        DEFECTS[name](world)
    first = world.findings(tmp_path)
    chance = random.Random(seed)
    chance.shuffle(world.posts)
    chance.shuffle(world.stray)
    files = list(world.files.items())
    chance.shuffle(files)
    world.files = dict(files)
    assert world.findings(tmp_path) == first


def test_two_sites_keep_to_their_trees(tmp_path: Path) -> None:
    world = World.clean((7, 1000))
    world.config = configuration(
        sources=[
            {"site": "yandere", "metadata": ["m/*"], "originals": "yandere"},
            {"site": SITE, "metadata": ["m/*"]},
        ]
    )
    world.posts.append(replace(world.posts[0], site="yandere"))
    world.put("yandere/0007/7.png", b"bytes of 7")
    world.put("yandere/0008/8.png", b"an orphan")
    found = world.findings(tmp_path)
    assert [(finding.name, finding.site, finding.path) for finding in found] == [
        ("orphan-file", "yandere", "yandere/0008/8.png")
    ]


def test_a_site_without_posts_is_audited_too(tmp_path: Path) -> None:
    world = World()
    world.put("original/0008/8.png", b"an orphan")
    assert world.names(tmp_path) == ["orphan-file"]


def test_rows_of_a_foreign_site_are_refused(tmp_path: Path) -> None:
    world = World.clean((7,))
    world.posts.append(replace(world.posts[0], site="elsewhere", id=8))
    with pytest.raises(IncompleteBuild, match="elsewhere"):
        world.findings(tmp_path)


def test_progress_is_told(tmp_path: Path) -> None:
    world, events = World.clean(), list[Event]()
    found = audit(world.config, world.write(tmp_path), world, published={}, withdrawn=set(), report=events.append)
    assert list(found) == []
    started = [event.step for event in events if isinstance(event, StepStarted)]
    finished = [event.step for event in events if isinstance(event, StepFinished)]
    assert started == finished
    assert "compare posts and files" in started
