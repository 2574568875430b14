"""A finding of the audit: one disagreement, named, with the evidence to act on it; and the reference page of all kinds.

The names and what they mean stand in `catalogue`. Nothing here looks for findings.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import groupby

from tagswarm.manifests.paths import escape

from .catalogue import CATALOGUE, Kind, Section, Severity

__all__ = ["CATALOGUE", "Evidence", "Finding", "Kind", "Section", "Severity", "found", "reference"]

Evidence = str | int | float | list[str] | list[int]

EXAMPLES = 10
"""How many posts a finding about many of them names."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One disagreement between the metadata, the files and the releases before."""

    name: str
    """A key of the catalogue."""
    severity: Severity
    message: str
    """What was found, in one sentence that is safe to show."""
    site: str | None = None
    id: int | None = None
    """The post, where the finding is about exactly one."""
    path: str | None = None
    """Relative to the dataset and safe to show: a name that is not plain text is escaped."""
    evidence: dict[str, Evidence] = field(default_factory=dict)
    """What was compared, as it was found: text from outside, to be escaped where it is shown."""
    waived: str | None = None
    """The reason of the waiver that lets it pass."""

    @property
    def kind(self) -> Kind:
        """What is known of findings of this name."""
        return CATALOGUE[self.name]

    @property
    def blocks(self) -> bool:
        """Whether it stands in the way of a build."""
        return self.severity is Severity.ERROR and self.waived is None


def found(
    name: str,
    message: str,
    /,
    *,
    site: str | None = None,
    post: int | None = None,
    path: str | None = None,
    severity: Severity | None = None,
    **evidence: Evidence | None,
) -> Finding:
    """Make a finding of the severity its kind usually has; evidence that is None is left out."""
    return Finding(
        name=name,
        severity=CATALOGUE[name].severity if severity is None else severity,
        message=escape(message),
        site=site,
        id=post,
        path=None if path is None else escape(path),
        evidence={key: value for key, value in evidence.items() if value is not None},
    )


_INTRODUCTION = """\
# Findings of the audit

<!-- Made from release/audit/catalogue.py by `make docs`; a test compares the two. -->

`tagswarm release audit` compares the metadata, the files and the releases before, and names every disagreement. It
writes the findings as JSON lines (`audit.jsonl.zst`) and as a page for people (`audit.html`); a clean collection has
none.

An **error** blocks `tagswarm release build` until it is mended or waived, a **warning** is worth a look, an **info** is
normal for collections of this kind. A waiver names a finding and a reason, and is published with the release:

```toml
[[waivers]]
finding = "truncated"
reason = "the source itself is cut; compared with the artist's page"
ids = [1525146]        # leave it out to waive every finding of that name
site = "danbooru"      # leave it out where it holds for every site
```

Findings that no manifest could be true over cannot be waived. A waiver that matches nothing is a finding itself.
"""


def reference() -> str:
    """The reference page of all kinds of findings, in Markdown."""
    parts = [_INTRODUCTION]
    for section, kinds in groupby(CATALOGUE.items(), key=lambda item: item[1].section):
        entries = list(kinds)
        parts.append(f"\n## {section}\n\n| name | severity | what it is |\n| --- | --- | --- |\n")
        parts += [f"| [`{name}`](#{name}) | {kind.severity} | {kind.title} |\n" for name, kind in entries]
        for name, kind in entries:
            parts.append(
                f"\n### {name}\n\n{kind.title} {kind.why}\n\n"
                f"- **Severity**: {kind.severity}\n"
                f"- **What to do**: {kind.fix}\n"
                f"- **If waived**: {kind.waived or 'It cannot be waived.'}\n"
            )
    return "".join(parts)
