"""The content of one file against its name, its claims and its past."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tagswarm.release.audit import Severity
from tagswarm.release.audit.contents import Claim, Subject, examine
from tagswarm.release.facts import FileFact, Look, Stat
from tests.release.audit.world import digest

DATA = b"the bytes of a file"
MADE = digest(DATA)
FACT = FileFact(
    path="original/0007/7.png",
    stat=Stat(size=len(DATA), mtime_ns=1, inode=1),
    digest=MADE,
    look=Look(kind="png", width=64, height=48),
)
CLAIM = Claim(7, MADE.md5, "png", MADE.size, 64, 48)
OTHER = "0" * 32


def found(
    fact: FileFact = FACT, row: Claim | None = CLAIM, *, ext: str = "png", published: str | None = None
) -> list[tuple[str, Severity]]:
    findings = list(examine(Subject("danbooru", 7, fact), ext, row, published))
    assert all(finding.id == 7 and finding.path == fact.path for finding in findings)
    return [(finding.name, finding.severity) for finding in findings]


def looked(**changes: object) -> FileFact:
    assert FACT.look is not None
    return replace(FACT, look=replace(FACT.look, **changes))  # type: ignore[arg-type]  # each test names fields of Look


def test_a_file_that_is_as_claimed_has_no_finding() -> None:
    assert found() == []
    assert found(row=None) == []
    assert found(row=Claim(7, None, None, None, None, None)) == []
    assert found(published=MADE.sha256) == []


@pytest.mark.parametrize(
    ("md5", "size", "expected"),
    [
        (MADE.md5, -7, [("size-mismatch", Severity.ERROR)]),
        (MADE.md5, 7, [("size-mismatch", Severity.ERROR)]),
        (None, 7, [("size-mismatch", Severity.WARNING)]),
        (OTHER, -7, [("size-mismatch", Severity.WARNING)]),
        (OTHER, 7, [("md5-stale", Severity.INFO)]),
        (OTHER, 0, [("md5-mismatch", Severity.ERROR)]),
        (OTHER, None, [("md5-stale", Severity.INFO)]),
        (None, None, []),
    ],
)
def test_size_and_md5(md5: str | None, size: int | None, expected: list[tuple[str, Severity]]) -> None:
    """`size`: how much more is claimed than the file has."""
    claimed = None if size is None else MADE.size + size
    assert found(row=replace(CLAIM, md5=md5, size=claimed)) == expected


def test_a_smaller_video_is_not_whole() -> None:
    """Nothing optimises a video, and no decoder vouches for it."""
    fact = looked(kind="mp4", width=None, height=None, reason="not-an-image")
    row = replace(CLAIM, ext="mp4", md5=OTHER, size=MADE.size + 7)
    assert found(fact, row, ext="mp4") == [
        ("not-an-image", Severity.INFO),
        ("size-mismatch", Severity.ERROR),
    ]


def test_what_is_broken_need_not_be_called_another_file() -> None:
    row = replace(CLAIM, md5=OTHER, size=MADE.size + 7)
    assert found(looked(reason="truncated", detail="3 bytes are missing"), row) == [("truncated", Severity.ERROR)]
    assert found(looked(reason="corrupt"), replace(CLAIM, md5=OTHER)) == [
        ("undecodable", Severity.ERROR),
        ("md5-mismatch", Severity.ERROR),
    ]


@pytest.mark.parametrize(
    ("kind", "ext", "claimed", "expected"),
    [
        ("png", "png", "png", []),
        ("apng", "png", "png", []),
        ("jpeg", "jpg", "jpeg", []),
        ("jpeg", "jpeg", "jpg", []),
        ("png", "jpg", "jpg", [("wrong-extension", Severity.ERROR)]),
        ("png", "jpg", "png", [("wrong-extension", Severity.ERROR)]),
        ("png", "png", "jpg", [("extension-mismatch", Severity.ERROR)]),
        ("png", "png", None, []),
        ("zip", "zip", "zip", [("not-an-image", Severity.INFO)]),
        ("zip", "mp4", "mp4", [("wrong-extension", Severity.ERROR)]),
        ("html", "jpg", "jpg", [("not-an-image", Severity.ERROR)]),
        ("eps", "jpg", "jpg", [("not-an-image", Severity.ERROR)]),
        ("unknown", "png", "png", [("not-an-image", Severity.ERROR)]),
        ("unknown", "bin", "bin", [("not-an-image", Severity.WARNING)]),
    ],
)
def test_types(kind: str, ext: str, claimed: str | None, expected: list[tuple[str, Severity]]) -> None:
    image = kind in {"png", "apng", "jpeg"}
    look = Look(kind=kind, reason=None if image else "not-an-image")
    assert found(replace(FACT, look=look), replace(CLAIM, ext=claimed), ext=ext) == expected


@pytest.mark.parametrize(
    ("turned", "claimed", "fits"),
    [
        (False, (64, 48), True),
        (False, (48, 64), False),
        (True, (64, 48), True),
        (True, (48, 64), True),
        (True, (64, 64), False),
    ],
)
def test_a_picture_may_be_claimed_as_stored_or_as_seen(turned: bool, claimed: tuple[int, int], fits: bool) -> None:
    names = found(looked(turned=turned), replace(CLAIM, width=claimed[0], height=claimed[1]))
    assert names == ([] if fits else [("dimension-mismatch", Severity.ERROR)])


@pytest.mark.parametrize(
    ("reason", "name"),
    [("timeout", "decode-timeout"), ("memory", "decode-memory"), ("crash", "decode-crash")],
)
def test_a_lost_decoder_says_nothing_of_the_type(reason: str, name: str) -> None:
    fact = replace(FACT, look=Look(kind="unknown", reason=reason))
    assert found(fact) == [(name, Severity.ERROR)]


def test_an_unknown_reason_of_a_file_without_digest_is_unreadable() -> None:
    for reason in ("unreadable", "timeout"):
        fact = replace(FACT, digest=None, look=Look(kind="unknown", reason=reason, detail="permission denied"))
        assert found(fact) == [("unreadable", Severity.ERROR)]
    assert found(replace(FACT, digest=None, look=None)) == []


def test_what_was_published_and_read_before_must_be_the_same() -> None:
    assert found(published=OTHER) == [("changed-after-publication", Severity.ERROR)]
    assert found(replace(FACT, formerly=OTHER)) == [("bit-rot", Severity.ERROR)]
    assert found(replace(FACT, formerly=MADE.sha256)) == []


def test_the_evidence_is_good_enough_to_act_on() -> None:
    (finding,) = examine(Subject("danbooru", 7, FACT), "png", replace(CLAIM, md5=OTHER), None)
    assert finding.evidence == {
        "size": MADE.size,
        "claimed_size": MADE.size,
        "md5": MADE.md5,
        "claimed_md5": OTHER,
        "sha256": MADE.sha256,
    }
