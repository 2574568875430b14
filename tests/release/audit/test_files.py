"""Posts and files walked together."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from tagswarm.release.audit.contents import Claim
from tagswarm.release.audit.files import Walk, claims
from tagswarm.release.facts import Stray
from tests.release.audit.world import SITE, World, sha256


@given(posts=st.sets(st.integers(0, 60)), files=st.sets(st.integers(0, 60)), withdrawn=st.sets(st.integers(0, 60)))
def test_every_post_without_a_file_and_every_file_without_a_post_is_named(
    posts: set[int], files: set[int], withdrawn: set[int]
) -> None:
    world = World()
    for post in files:
        world.put(f"original/{post % 1000:04}/{post}.png", b"bytes of %d" % post)
    rows = [Claim(post, None, "png", None, None, None) for post in sorted(posts)]
    walk = Walk(world, {}, {(SITE, post) for post in withdrawn})
    found = [(finding.name, finding.id) for finding in walk.originals(SITE, "original", rows)]
    last = max(files, default=None)
    expected: list[tuple[str, int]] = []
    for post in sorted(posts ^ files):
        if post in withdrawn:
            continue
        past = last is not None and post > last
        expected.append(("orphan-file" if post in files else "past-end" if past else "missing-file", post))
    assert found == expected


def test_a_version_replaces_the_file_before_it(tmp_path: Path) -> None:
    """The claims are those of the newest version; the older one stays for the volumes that have it."""
    world = World.clean((7, 8))
    old = world.posts[0]
    world.posts[0] = world.add(7, data=b"the newer bytes")
    del world.posts[-1]
    newer = world.files.pop("original/0007/7.png")
    world.put("original/0007/7.v2.png", b"the newer bytes")
    world.put("original/0007/7.png", b"bytes of 7")
    assert newer.digest is not None
    assert newer.digest.md5 != old.md5
    assert world.findings(tmp_path) == []
    world.put("original/0007/7.v2.jpg", b"a third")
    (finding,) = world.findings(tmp_path)
    assert (finding.name, finding.path) == ("duplicate-file", "original/0007/7.v2.jpg")
    assert finding.evidence == {"other": "original/0007/7.v2.png"}


def test_of_two_files_the_one_in_its_bucket_is_the_files_of_the_post(tmp_path: Path) -> None:
    world = World.clean((7, 8))
    world.put("original/0001/7.png", b"another")
    assert [(finding.name, finding.path) for finding in world.findings(tmp_path)] == [
        ("wrong-bucket", "original/0001/7.png"),
        ("duplicate-file", "original/0001/7.png"),
    ]


def test_the_right_place_of_a_misplaced_file_is_named(tmp_path: Path) -> None:
    world = World.clean((1000, 2001))
    fact = world.files.pop("original/0000/1000.png")
    assert fact.digest is not None
    world.put("original/0123/1000.png", b"bytes of 1000")
    (finding,) = world.findings(tmp_path)
    assert (finding.name, finding.evidence) == ("wrong-bucket", {"right_path": "original/0000/1000.png"})


def test_what_was_published_must_be_there(tmp_path: Path) -> None:
    world = World.clean((7, 8))
    world.published = {
        "original/0007/7.png": sha256(b"bytes of 7"),
        "original/0005/5.png": sha256(b"gone"),
        "original/0004/4.png": sha256(b"gone"),
        "original/0003/3.png": sha256(b"taken back"),
        "512px/0002/2.jpg": sha256(b"a rendition"),
        "256px/0002/2.jpg": sha256(b"of a tree that is no longer made"),
        "512px/2019-0001.tar": sha256(b"an archive"),
    }
    world.withdrawn = {(SITE, 3)}
    found = [(finding.name, finding.path) for finding in world.findings(tmp_path)]
    assert found == [
        ("published-file-missing", "512px/0002/2.jpg"),
        ("published-file-missing", "original/0004/4.png"),
        ("published-file-missing", "original/0005/5.png"),
    ]


def test_a_rendition_that_changed_after_publication_is_named(tmp_path: Path) -> None:
    world = World.clean((7, 8))
    world.put("512px/0007/7.jpg", b"made")
    world.published = {"512px/0007/7.jpg": sha256(b"published")}
    (finding,) = world.findings(tmp_path)
    assert (finding.name, finding.site, finding.id) == ("changed-after-publication", SITE, 7)


def test_a_withdrawn_post_needs_neither_row_nor_file(tmp_path: Path) -> None:
    world = World.clean((7, 8, 9))
    world.withdrawn = {(SITE, 7), (SITE, 8)}
    del world.posts[0]
    world.recount()
    del world.files["original/0008/8.png"]
    world.pools = []
    assert world.findings(tmp_path) == []


def test_strays_come_sorted_and_are_safe_to_show(tmp_path: Path) -> None:
    world = World.clean((7,))
    world.stray = [
        Stray(path="original/Thumbs.db", reason="stray-file"),
        Stray(path="original/0000/\x1b[2J\udcff", reason="unsafe-name", detail="holds a control character"),
    ]
    assert [(finding.path, finding.message) for finding in world.findings(tmp_path)] == [
        ("original/0000/\\x1b[2J\\udcff", "holds a control character"),
        ("original/Thumbs.db", "fits no layout"),
    ]


def test_duplicates_are_told_with_their_paths(tmp_path: Path) -> None:
    world = World.clean((1,))
    for post in range(2, 20):
        world.add(post, data=b"bytes of 1")
    world.recount()
    (finding,) = world.findings(tmp_path)
    assert finding.message == "has the same bytes as original/0002/2.png and 17 more"
    assert finding.evidence["files"] == 19
    assert finding.evidence["paths"] == sorted(world.files)[:10]


def test_claims_are_read_lazily() -> None:
    """A tree of millions is walked with one batch in hand."""
    taken: list[int] = []

    def batches() -> Iterator[dict[str, object]]:
        for post in range(1000):
            taken.append(post)
            yield {
                "id": _Column([post]),
                **{name: _Column([None]) for name in ("md5", "file_ext", "file_size", "width", "height")},
            }

    rows = claims(batches())
    assert next(rows).id == 0
    assert len(taken) == 1


class _Column:
    def __init__(self, values: list[object]) -> None:
        self._values = values

    def to_pylist(self) -> list[object]:
        return self._values
