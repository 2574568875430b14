"""Findings that the maintainer lets pass."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tagswarm.manifests.errors import ConfigInvalid
from tagswarm.release.audit import CATALOGUE, Finding, Severity, found, waive
from tagswarm.release.config import WaiverTable

FINDINGS = [
    found("truncated", "x", site="danbooru", post=1),
    found("truncated", "x", site="danbooru", post=2),
    found("truncated", "x", site="yandere", post=1),
    found("stray-file", "x", path="original/x"),
]


def waiver(finding: str, ids: list[int] | None = None, site: str | None = None, reason: str = "because") -> WaiverTable:
    return WaiverTable(finding=finding, reason=reason, ids=ids, site=site)


def passed(*waivers: WaiverTable) -> list[bool]:
    found = list(waive(FINDINGS, waivers))
    assert [finding.name for finding in found[:4]] == [finding.name for finding in FINDINGS]
    return [finding.waived is not None for finding in found[:4]]


def test_a_waiver_marks_what_it_names() -> None:
    assert passed() == [False, False, False, False]
    assert passed(waiver("truncated")) == [True, True, True, False]
    assert passed(waiver("truncated", ids=[1])) == [True, False, True, False]
    assert passed(waiver("truncated", site="danbooru")) == [True, True, False, False]
    assert passed(waiver("truncated", ids=[1], site="yandere")) == [False, False, True, False]
    assert passed(waiver("stray-file"), waiver("truncated", ids=[2])) == [False, True, False, True]


def test_findings_about_no_single_post_are_waived_without_ids_only() -> None:
    assert passed(waiver("stray-file", ids=[1])) == [False, False, False, False]


def test_the_first_waiver_that_fits_gives_the_reason() -> None:
    waivers = [waiver("truncated", ids=[1], reason="the first"), waiver("truncated", reason="the second")]
    assert [finding.waived for finding in waive(FINDINGS, waivers)] == ["the first", "the second", "the first", None]


def test_a_waiver_that_matches_nothing_is_a_finding() -> None:
    waivers = [waiver("truncated"), waiver("unknown-tag"), waiver("truncated", ids=[99, 98], site="danbooru")]
    *_, first, second = waive(FINDINGS, waivers)
    assert (first.name, first.severity) == ("unused-waiver", Severity.WARNING)
    assert first.evidence == {"finding": "truncated", "reason": "because", "ids": [98, 99]}
    assert first.site == "danbooru"
    assert second.evidence == {"finding": "unknown-tag", "reason": "because"}


@pytest.mark.parametrize("name", sorted(name for name, kind in CATALOGUE.items() if not kind.waivable))
def test_what_cannot_be_waived_is_refused_at_once(name: str) -> None:
    begun = []

    def findings() -> Iterator[Finding]:
        begun.append(True)
        yield FINDINGS[0]

    with pytest.raises(ConfigInvalid, match=f"waivers, number 2: {name} cannot be waived") as caught:
        waive(findings(), [waiver("truncated"), waiver(name)])
    assert caught.value.hint == CATALOGUE[name].fix
    assert begun == []


def test_a_name_that_no_finding_has_is_refused() -> None:
    with pytest.raises(ConfigInvalid, match=r"number 1: there is no finding 'mising-file'"):
        waive([], [waiver("mising-file")])
