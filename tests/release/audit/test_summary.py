"""Findings in numbers, and as lines for programs."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tagswarm.manifests import codec
from tagswarm.manifests.errors import FormatError
from tagswarm.release.audit import CATALOGUE, Finding, Severity, Tally, found, lines, summarise

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
FINDINGS = st.builds(
    Finding,
    name=st.sampled_from(sorted(CATALOGUE)),
    severity=st.sampled_from(Severity),
    message=TEXT,
    site=st.none() | TEXT,
    id=st.none() | st.integers(0, 2**62),
    path=st.none() | TEXT,
    evidence=st.dictionaries(
        TEXT,
        st.one_of(
            TEXT, st.integers(-(2**62), 2**62), st.lists(TEXT, max_size=3), st.lists(st.integers(0, 9), max_size=3)
        ),
    ),
    waived=st.none() | TEXT,
)


def packed(findings: Iterable[Finding]) -> bytes:
    return b"".join(codec.compress(lines.render(findings)))


@given(st.lists(FINDINGS, max_size=30))
def test_the_numbers_add_up(findings: list[Finding]) -> None:
    summary = summarise(findings)
    assert summary.total == len(findings) == sum(group.count for group in summary.groups)
    assert summary.errors + summary.warnings + summary.infos + summary.waived == len(findings)
    assert summary.blocked == any(finding.blocks for finding in findings) == bool(summary.blocking())
    assert sum(summary.blocking().values()) == summary.errors
    assert sum(waived.count for waived in summary.waivers()) == summary.waived
    assert summary.clean == (not findings)
    assert [group.severity for group in summary.groups] == sorted(
        (group.severity for group in summary.groups), key=list(Severity).index
    )
    for group in summary.groups:
        assert all((finding.name, finding.severity) == (group.name, group.severity) for finding in group.examples)


@given(st.lists(FINDINGS, max_size=30))
def test_what_is_written_is_read(findings: list[Finding]) -> None:
    data = packed(findings)
    assert list(lines.parse(codec.read_lines(data, limit=1 << 24, line_limit=lines.LINE_LIMIT))) == findings
    assert packed(findings) == data


def test_the_first_findings_are_kept_and_those_that_stand_before_those_that_pass() -> None:
    one = found("truncated", "x")
    findings = [replace(one, id=at, waived="why" if at < 5 else None) for at in range(100)]
    tally = Tally(examples=10)
    assert list(tally.watch(findings)) == findings
    (group,) = tally.summary().groups
    assert (group.count, group.waived, group.blocks) == (100, 5, True)
    assert [finding.id for finding in group.examples] == list(range(5, 15))


def test_one_name_may_be_of_two_severities() -> None:
    mild = found("size-mismatch", "x", severity=Severity.INFO)
    summary = summarise([mild, found("size-mismatch", "x", severity=Severity.ERROR), mild])
    assert [(group.severity, group.count) for group in summary.groups] == [(Severity.ERROR, 1), (Severity.INFO, 2)]
    assert summary.blocking() == {"size-mismatch": 1}


def test_waivers_are_told_by_name_and_reason() -> None:
    one = found("truncated", "x")
    findings = [replace(one, waived=reason) for reason in ("b", "a", "b")] + [
        replace(found("orphan-file", "x"), waived="c")
    ]
    assert [(waived.name, waived.reason, waived.count) for waived in summarise(findings).waivers()] == [
        ("orphan-file", "c", 1),
        ("truncated", "a", 1),
        ("truncated", "b", 2),
    ]


def test_the_example_of_the_format_page_is_what_is_written(repository: Path) -> None:
    page = (repository / "docs" / "reference" / "formats" / "audit.md").read_text(encoding="utf-8")
    match = re.search(r"^```json\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    assert match
    findings = [
        Finding(
            name="size-mismatch",
            severity=Severity.ERROR,
            message="has 13 bytes, 12 are claimed",
            site="danbooru",
            id=1000,
            path="original/0000/1000.png",
            evidence={"size": 13, "claimed_size": 12},
            waived="compared with the artist's page",
        ),
        found("stray-file", "a file outside the buckets", path="original/Thumbs.db"),
    ]
    assert b"".join(lines.render(findings)) == match[1].encode()


@pytest.mark.parametrize(
    "line",
    [
        b"[]",
        b"{}",
        b'{"finding":"no-such","severity":"error","message":"x"}',
        b'{"finding":"truncated","severity":"fatal","message":"x"}',
        b'{"finding":"truncated","severity":"error"}',
        b'{"finding":"truncated","severity":"error","message":"x","more":1}',
        b"7",
    ],
)
def test_what_is_no_finding_is_refused(line: bytes) -> None:
    with pytest.raises(FormatError, match="line 2"):
        list(lines.parse([(1, b'{"format":"tagswarm.audit/1"}'), (2, line)]))


def test_another_format_is_refused() -> None:
    for first in (b'{"format":"tagswarm.audit/2"}', b'{"format":"tagswarm.volume/1"}', b"{}"):
        with pytest.raises(FormatError):
            list(lines.parse([(1, first)]))
    with pytest.raises(FormatError):
        list(lines.parse([]))
