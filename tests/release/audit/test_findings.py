"""The catalogue and its reference page."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tagswarm.release.audit import CATALOGUE, Finding, Section, Severity, found, reference


def test_the_reference_page_is_that_of_the_catalogue(repository: Path) -> None:
    page = repository / "docs" / "reference" / "findings.md"
    assert page.read_text(encoding="utf-8") == reference(), "run `make docs`"


@pytest.mark.parametrize("name", CATALOGUE)
def test_a_kind_is_described_in_sentences(name: str) -> None:
    kind = CATALOGUE[name]
    assert re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", name)
    for text in (kind.title, kind.why, kind.fix, kind.waived or "."):
        assert text.endswith(".")
        assert re.match(r"[A-Z.]|(aria2|libtorrent|qBittorrent|rtorrent) ", text)
    assert f"### {name}\n" in reference()


def test_sections_stand_together() -> None:
    order = [kind.section for kind in CATALOGUE.values()]
    assert order == sorted(order, key=list(Section).index)


def test_only_what_no_manifest_could_be_true_over_cannot_be_waived() -> None:
    assert {name for name, kind in CATALOGUE.items() if not kind.waivable} == {
        "changed-after-publication",
        "changed-while-read",
        "duplicate-file",
        "link",
        "published-file-missing",
        "special-file",
        "unreadable",
        "unsafe-name",
        "unused-waiver",
        "wrong-bucket",
    }


def test_a_finding_is_safe_to_show() -> None:
    finding = found("stray-file", "is \x1b[2J", path="original/\udcff\u202e.png", detail=None, text="\x07")
    assert finding.message == "is \\x1b[2J"
    assert finding.path == "original/\\udcff\\u202e.png"
    assert finding.evidence == {"text": "\x07"}


def test_an_error_blocks_until_it_is_waived() -> None:
    assert found("truncated", "x").blocks
    assert not found("duplicate-content", "x").blocks
    assert not Finding(name="truncated", severity=Severity.ERROR, message="x", waived="why").blocks


def test_the_page_renders_the_same_twice() -> None:
    assert reference() == reference()
    assert reference().count("\n## ") == len(Section)
