"""What a command has done, said to people: drawn from the values that the library returns.

Text that comes from outside is escaped here or was when the value was made; nothing is ever read as markup. Nothing
here asks the library for more. What is in a release, and what changed between two, is drawn by `overview`.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.text import Text

from tagswarm.manifests.paths import escape
from tagswarm.release.audit.catalogue import Severity

from .output import facts
from .page import indented, pairs, say
from .steps import amount, units

if TYPE_CHECKING:
    from tagswarm.manifests.signing import PublicKey
    from tagswarm.mirror.verify import VerifyReport
    from tagswarm.release.audit.findings import Finding
    from tagswarm.release.audit.summary import Group, Summary
    from tagswarm.release.outcome import AuditOutcome, BuildOutcome
    from tagswarm.release.scrape import ScrapeResult
    from tagswarm.release.sign import SignResult

EXAMPLES = {Severity.ERROR: 5, Severity.WARNING: 2, Severity.INFO: 1}
"""Findings of a group that the terminal shows; the report has more."""
PROBLEMS = 20
"""Problems that the terminal shows of a verification."""

STYLES = {Severity.ERROR: "bold red", Severity.WARNING: "yellow", Severity.INFO: "blue"}


def written(console: Console, path: Path, dataset: Path) -> None:
    """After `init`."""
    say(console, "green", f"written: {escape(str(path))}")
    say(console, "", f"Read it through, then: tagswarm release audit {escape(str(dataset))}")


def audit(console: Console, outcome: AuditOutcome, dataset: Path) -> None:
    """After `audit`: every group of findings, the worst first, and what to do next."""
    summary = outcome.summary
    for group in summary.groups:
        _group(console, group)
    say(console, "green" if not outcome.blocked else "bold red", _count(summary))
    if not summary.clean:
        say(console, "", f"all of them: {escape(str(outcome.findings_path))}")
    say(console, "", f"report: {escape(str(outcome.html_path))}")
    if outcome.blocked:
        say(console, "", "Errors block the build: mend them, or waive them by name in release.toml.")
    else:
        say(console, "", f"Next: tagswarm release build {escape(str(dataset))}")


def audit_failed(outcome: AuditOutcome) -> str:
    """The sentence of an audit whose errors block the build; empty where none does."""
    if not outcome.blocked:
        return ""
    return f"the audit found {units(outcome.summary.errors, 'errors')}; see {outcome.html_path}"


def audit_facts(outcome: AuditOutcome) -> dict[str, object]:
    """What `--json` tells of an audit: the counts; the findings themselves lie in the file that it names."""
    summary = outcome.summary
    groups = [
        {"finding": group.name, "severity": group.severity, "count": group.count, "waived": group.waived}
        for group in summary.groups
    ]
    return {
        "blocked": outcome.blocked,
        "errors": summary.errors,
        "warnings": summary.warnings,
        "infos": summary.infos,
        "waived": summary.waived,
        "groups": groups,
        "findings_path": outcome.findings_path,
        "html_path": outcome.html_path,
    }


def build_facts(outcome: BuildOutcome) -> dict[str, object]:
    """What `--json` tells of a build."""
    return {**facts(outcome), "audit": audit_facts(outcome.audit)}


def _count(summary: Summary) -> str:
    if summary.clean:
        return "no findings: metadata and files agree"
    counts = [
        units(summary.errors, "errors"),
        units(summary.warnings, "warnings"),
        f"{summary.infos:,} for information",
        f"{summary.waived:,} waived",
    ]
    return ", ".join(counts)


def _group(console: Console, group: Group) -> None:
    standing = group.count - group.waived
    count = f" ({group.count:,}{f', {group.waived:,} waived' if group.waived else ''})"
    style = STYLES[group.severity] if standing else "bright_black"
    console.print(Text.assemble((f"{group.severity:<8}", style), (group.name, "bold"), count))
    indented(console, Text(group.kind.title), 8)
    for finding in group.examples[: EXAMPLES[group.severity]]:
        indented(console, Text(f"- {_finding(finding)}"), 8)
    if group.count > (shown := min(len(group.examples), EXAMPLES[group.severity])):
        indented(console, Text(f"- and {group.count - shown:,} more, in the report", "bright_black"), 8)
    if group.severity is not Severity.INFO and standing:
        indented(console, Text.assemble(("what to do: ", "bold"), group.kind.fix), 8)


def _finding(finding: Finding) -> str:
    where = finding.path or (f"post {finding.id}" if finding.id is not None else "")
    said = finding.message if not where or where in finding.message else f"{where}: {finding.message}"
    return f"{said} (waived: {escape(finding.waived)})" if finding.waived else said


def build(console: Console, outcome: BuildOutcome, dataset: Path) -> None:
    """After `build`: what was done, and what is in the release now."""
    totals = outcome.totals
    headline = (
        f"release {outcome.release} is built" if outcome.changed else f"release {outcome.release} was built already"
    )
    say(console, "green", headline if outcome.changed else f"{headline}: nothing has changed")
    pairs(
        console,
        [
            ("files read", f"{outcome.files_read:,}"),
            ("images made", f"{outcome.images_made:,}"),
            ("volumes", f"{outcome.volumes_new:,} new, {outcome.volumes_carried:,} carried over"),
            ("posts", f"{totals.posts:,} with {totals.tag_instances:,} tags, {totals.tags:,} different ones"),
            ("images", f"{totals.files:,}, {amount(totals.bytes)}"),
            ("audit", _count(outcome.audit.summary)),
            ("root", f"{escape(str(outcome.root_path))}"),
            ("sha256", outcome.root_sha256),
        ],
    )
    say(console, "", f"Next: tagswarm release sign {escape(str(dataset))}")


def signed(console: Console, outcome: SignResult) -> None:
    """After `sign`."""
    if outcome.missing:
        say(console, "yellow", f"release {outcome.release} still needs {units(outcome.missing, 'signatures')}")
    elif outcome.signers:
        say(console, "green", f"release {outcome.release} is signed and the latest")
    else:
        say(console, "yellow", f"release {outcome.release} is the latest, and UNSIGNED")
    pairs(
        console,
        [
            ("signed by", ", ".join(outcome.signers) or "nobody"),
            ("sequence", str(outcome.sequence)),
            ("root sha256", outcome.root_sha256),
            ("written", ", ".join(map(escape, outcome.written)) or "nothing: it was signed already"),
        ],
    )


def verified(console: Console, outcome: VerifyReport) -> None:
    """After `verify`: the problems first, then what the verdict rests on."""
    for problem in outcome.problems[:PROBLEMS]:
        detail = f": {escape(problem.detail)}" if problem.detail else ""
        console.print(Text.assemble((f"{problem.kind:<12}", "bold red"), escape(problem.path), detail), soft_wrap=True)
    if outcome.problem_count > PROBLEMS:
        say(console, "bold red", f"and {outcome.problem_count - PROBLEMS:,} more; --json lists them")
    if outcome.ok:
        say(console, "green", f"release {outcome.release} holds")
    else:
        say(console, "bold red", f"release {outcome.release}: {units(outcome.problem_count, 'problems')}")
    pairs(
        console,
        [
            ("signed by", ", ".join(outcome.signed_by) or "nobody: UNSIGNED"),
            ("files", f"{outcome.files:,} checked, {outcome.read:,} of them read ({amount(outcome.bytes)})"),
            ("root sha256", outcome.root_sha256),
        ],
    )
    for note in outcome.notes:
        indented(console, Text(f"note: {escape(note)}", "yellow" if "UNSIGNED" in note else ""), 0)


def verify_failed(outcome: VerifyReport) -> str:
    """The sentence of a verification that found problems; empty where everything holds."""
    if outcome.ok:
        return ""
    first = outcome.problems[0]
    count = units(outcome.problem_count, "problems")
    return f"release {outcome.release} has {count}, the first: {first.kind} {first.path}"


def scraped(console: Console, outcome: ScrapeResult) -> None:
    """After `scrape`: the trackers that did not answer, then what the others said."""
    for failure in scrape_failures(outcome):
        say(console, "yellow", f"no answer: {failure}")
    seeded = outcome.torrents - outcome.unseeded
    count = units(outcome.torrents, "torrents")
    say(console, "green", f"release {outcome.release}: {seeded:,} of {count} with a seeder")
    pairs(
        console,
        [
            *((escape(answer.tracker), f"knows {answer.known:,}") for answer in outcome.trackers if not answer.error),
            ("written", escape(str(outcome.path))),
        ],
    )


def scrape_failures(outcome: ScrapeResult) -> list[str]:
    """The trackers that did not answer, each with the reason."""
    return [answer.error for answer in outcome.trackers if answer.error]


def key_made(console: Console, path: Path, public: PublicKey) -> None:
    """After `keygen`: where the key is, and the line for release.toml."""
    say(console, "green", f"written: {escape(str(path))} (secret, keep it) and {escape(str(path))}.pub")
    say(console, "", "In release.toml:")
    say(console, "", f'  [signing]\n  keys = ["{public.line}"]')
