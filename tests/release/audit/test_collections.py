"""Real files and real metadata through the readers, the read pass and the audit: what was seeded is found, and nothing else."""

from __future__ import annotations

from pathlib import Path

from tagswarm.manifests import codec
from tagswarm.manifests.paths import escape
from tagswarm.release.audit import Finding, lines
from tagswarm.release.build import audit
from tests.collection import Collection
from tests.defects import DEFECTS, Seeded, seed


def findings(root: Path) -> list[Finding]:
    outcome = audit(root, workers=2)
    with outcome.findings_path.open("rb") as file:
        found = list(lines.parse(codec.read_lines(file, limit=1 << 24, line_limit=lines.LINE_LIMIT)))
    assert outcome.blocked == any(finding.blocks for finding in found)
    assert outcome.html_path.read_text(encoding="utf-8").startswith("<!doctype html>")
    return found


def names(seeded: Seeded, finding: Finding) -> bool:
    path = None if seeded.path is None else escape(seeded.path)
    told = seeded.word is None or seeded.word in f"{finding.message} {finding.path} {finding.evidence}"
    return finding.name == seeded.finding and seeded.id in {None, finding.id} and path in {None, finding.path} and told


def test_a_clean_collection_has_no_findings(tmp_path: Path) -> None:
    collection = Collection.make(tmp_path, 120)
    collection.write_config()
    assert findings(tmp_path) == []


def test_every_defect_is_named_and_nothing_else_is(tmp_path: Path) -> None:
    collection = Collection.make(tmp_path, 250, seed=5)
    collection.write_config()
    seeded = seed(collection, DEFECTS, seed=6)
    found = findings(tmp_path)
    assert [one for one in seeded if not any(names(one, finding) for finding in found)] == []
    explained = {one.finding for one in seeded} | {name for one in seeded for name in one.also}
    assert [finding for finding in found if finding.name not in explained] == []
