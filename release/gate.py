"""The audit gate: every finding written down, for people and for programs, and the word whether the build may go on.

Nothing here looks for findings (`audit`) or decides what may pass: the maintainer does, in release.toml.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import chain
from typing import TYPE_CHECKING

from tagswarm.manifests import codec, disk
from tagswarm.manifests.paths import FilePath

from . import outcome
from .audit import checks, lines, page, waivers
from .audit.findings import Finding, found
from .audit.summary import Tally
from .journal import Journal
from .stage import STATE
from .trees import trees

if TYPE_CHECKING:
    from .selection import Failure
    from .torrents import Linted
    from .work import Work


def write(work: Work, failures: Sequence[Failure] = (), lints: Sequence[Linted] = ()) -> outcome.AuditOutcome:
    """Audit the dataset and write down what was found.

    Args:
        work: the dataset, its files read.
        failures: what came out only when the renditions were made.
        lints: what came out only when the torrents were made.

    Raises:
        ConfigInvalid: a waiver names no finding, or one that cannot be waived.
    """
    folder = work.dataset / STATE / "audit"
    findings = checks.audit(
        work.config,
        work.metadata.folder,
        work.journal,
        published=_Published(work),
        withdrawn=work.gone,
        report=work.report,
    )
    tally = Tally()
    judged = waivers.waive(chain(findings, _unknown(work), _failed(failures), _unfit(lints)), work.config.waivers)
    with disk.Aside(folder / "audit.jsonl.zst") as aside:
        for chunk in codec.compress(lines.render(tally.watch(judged))):
            aside.write(chunk)
        aside.commit()
    summary = tally.summary()
    disk.write(folder / "audit.html", page.html(summary, work.config).encode())
    return outcome.AuditOutcome(
        summary=summary,
        findings_path=folder / "audit.jsonl.zst",
        html_path=folder / "audit.html",
        blocked=summary.blocked,
    )


def _unknown(work: Work) -> Iterator[Finding]:
    """The posts that this release is the first to take back, and that neither it nor an earlier one ever had."""
    rows = {(source.site, post) for source in work.metadata.sources for post in source.withheld}
    before = set() if work.previous is None else {(item.site, item.id) for item in work.previous.withdrawals()}
    places = [(tree.source.site, tree) for tree in trees(work.config)]
    for item in work.taken:
        key = (item.site, item.id)
        if item.path is not None or key in rows or key in before:
            continue
        mine = [tree for site, tree in places if site == item.site]
        if not any(
            work.journal.published_of(tree.name, item.id) or work.journal.newest_version(tree.name, item.id)
            for tree in mine
        ):
            yield found(
                "unknown-withdrawal",
                "is taken back, and nobody knows it",
                site=item.site,
                post=item.id,
                action=item.action,
                reason=item.reason,
            )


def _failed(failures: Sequence[Failure]) -> Iterator[Finding]:
    for failure in failures:
        yield found(
            "rendition-failed",
            f"no image could be made: {failure.reason}",
            site=failure.site,
            post=failure.id,
            path=failure.path,
            reason=failure.reason,
            detail=failure.detail or None,
        )


def _unfit(lints: Sequence[Linted]) -> Iterator[Finding]:
    for lint in lints:
        yield found(lint.name, lint.detail, path=lint.path, volume=lint.volume)


class _Published(Mapping[str, str]):
    """SHA-256 by path of the published originals that must still be there: those neither taken back nor replaced."""

    def __init__(self, work: Work) -> None:
        self._journal: Journal = work.journal
        self._gone = work.gone
        self._paths = {withdrawal.path for withdrawal in work.taken if withdrawal.path is not None}
        self._trees = {source.originals for source in work.config.sources}

    def __getitem__(self, path: str) -> str:
        known = self._journal.published(path)
        if known is None or path in self._paths or (known.site, known.id) in self._gone:
            raise KeyError(path)
        return known.sha256

    def __iter__(self) -> Iterator[str]:
        for file in self._journal.published_files():
            if file.archive is not None or file.tree not in self._trees:
                continue
            if (
                file.path not in self._paths
                and (file.site, file.id) not in self._gone
                and not self._is_replaced(file.path)
            ):
                yield file.path

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def _is_replaced(self, path: str) -> bool:
        """Whether the tree has a newer version of the file: the old one may go."""
        name = FilePath.parse(path)
        return self._journal.newest_version(name.tree, name.id) > name.version
