"""What a release changed is what was changed: posts, tags, files, volumes, withdrawals."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tagswarm.manifests import tables
from tagswarm.manifests.errors import DigestMismatch, IncompleteBuild
from tagswarm.manifests.models import Withdrawal
from tagswarm.release.diff import Counts, TagChange, diff
from tests.publisher import SITE, Publisher, following, small


def test_a_year_later(tmp_path: Path) -> None:
    following(small(tmp_path))
    found = diff(tmp_path, "2026", "2027")
    assert (found.old_sequence, found.new_sequence) == (1, 2)
    assert found.posts == Counts(added=10, carried=40)
    assert found.retagged == 0
    assert found.tags.counts == Counts(added=1, changed=1, carried=2)
    assert found.tags.instances == (60, 80)
    assert found.tags.new == (TagChange(site=SITE, name="smile", old=0, new=10),)
    assert found.tags.moved == (TagChange(site=SITE, name="1girl", old=20, new=30),)
    trees = {tree.name: tree for tree in found.renditions}
    assert trees["original"].volumes == Counts(added=1, carried=1)
    assert trees["original"].files == Counts(added=10, carried=30)
    size = sum(path.stat().st_size for post in range(41, 51) for path in (tmp_path / "original").rglob(f"{post}.png"))
    assert trees["original"].bytes.added == size
    assert trees["1280px"].files == Counts(carried=10)
    assert found.withdrawn == ()


def test_backwards_is_the_mirror_image(tmp_path: Path) -> None:
    following(small(tmp_path))
    found = diff(tmp_path, "2027", "2026")
    assert found.posts == Counts(removed=10, carried=40)
    assert found.tags.gone == (TagChange(site=SITE, name="smile", old=10, new=0),)
    assert {tree.name: tree.files.removed for tree in found.renditions} == {"original": 10, "512px": 0, "1280px": 0}


def test_a_release_does_not_differ_from_itself(tmp_path: Path) -> None:
    small(tmp_path)
    found = diff(tmp_path, "2026", "2026")
    assert found.posts == Counts(carried=40)
    assert all(tree.files == Counts(carried=tree.files.carried) for tree in found.renditions)


def test_a_purge_reissues_a_volume_and_is_listed(tmp_path: Path) -> None:
    publisher = small(tmp_path)
    del publisher.posts[7]
    left = [publisher.entry(f"original/{post:04}/{post}.png", post) for post in range(1, 31) if post != 7]
    kept = shutil.copytree(tmp_path / "volumes", tmp_path / "kept")
    publisher.volume("original-2026-0000", "2026", left)
    for path in (tmp_path / "volumes").glob("original-2026-0000.*"):
        path.rename(path.with_name(path.name.replace("0000.", "0000.r2.")))
    shutil.copytree(kept, tmp_path / "volumes", dirs_exist_ok=True)
    volume = publisher.volumes[-1]
    moved = {
        name: getattr(volume, name).model_copy(update={"path": getattr(volume, name).path.replace("0000.", "0000.r2.")})
        for name in ("manifest", "checksums")
    }
    publisher.volumes[-1] = volume.model_copy(update={**moved, "revision": 2})
    taken = Withdrawal(site=SITE, id=7, action="purged", reason="takedown", release="2027")
    publisher.release("2027", withdrawn=[taken])
    found = diff(tmp_path, "2026", "2027")
    original = next(tree for tree in found.renditions if tree.name == "original")
    assert original.volumes == Counts(changed=1)
    assert original.files == Counts(removed=1, carried=29)
    assert found.withdrawn == (taken,)
    assert found.posts == Counts(removed=1, carried=39)


def test_documents_are_checked(tmp_path: Path) -> None:
    following(small(tmp_path))
    path = tmp_path / "volumes/original-2027-0000.jsonl.zst"
    path.write_bytes(path.read_bytes()[:-1] + b"\0")
    with pytest.raises(DigestMismatch):
        diff(tmp_path, "2026", "2027")
    following_table = tmp_path / "releases/2027/metadata/posts.parquet"
    following_table.write_bytes(following_table.read_bytes()[:-1] + b"\0")
    with pytest.raises(DigestMismatch, match="posts"):
        diff(tmp_path, "2026", "2027")
    (tmp_path / "releases/2026/metadata/posts.parquet").unlink()
    with pytest.raises(IncompleteBuild, match="posts"):
        diff(tmp_path, "2026", "2027")


posts = st.dictionaries(
    st.integers(1, 40), st.lists(st.sampled_from(["a", "b", "c d"]), max_size=3, unique=True).map(sorted).map(tuple)
)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(posts, posts, st.integers(1, 7))
def test_posts_are_compared_as_sets_whatever_the_windows(
    tmp_path: Path,
    monkeypatch_rows: list[int],
    old: Mapping[int, tuple[str, ...]],
    new: Mapping[int, tuple[str, ...]],
    rows: int,
) -> None:
    monkeypatch_rows[0] = rows
    shutil.rmtree(tmp_path / "tree", ignore_errors=True)
    publisher = Publisher(tmp_path / "tree")
    for name, state in (("2026", old), ("2027", new)):
        publisher.posts = dict(state)
        publisher.release(name)
    found = diff(tmp_path / "tree", "2026", "2027")
    both = old.keys() & new.keys()
    changed = sum(old[post] != new[post] for post in both)
    assert found.posts == Counts(
        added=len(new.keys() - old.keys()),
        removed=len(old.keys() - new.keys()),
        changed=changed,
        carried=len(both) - changed,
    )
    assert found.retagged == changed


@pytest.fixture
def monkeypatch_rows(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Make batches as small as the one item of the list says."""
    rows = [1]
    read = tables.read_batches
    monkeypatch.setattr(tables, "read_batches", lambda path, *args, **more: read(path, *args, **more, rows=rows[0]))
    return rows
