"""How many seed each torrent: the trackers of the newest release are asked, and torrents.json at the top is renewed.

Of one tracker, and of all together, the largest number counts. The peers of a hybrid torrent announce both of its
infohashes to every tracker, so the lists overlap and a sum would count them many times. A tracker that has answered
and does not know a torrent has nobody who seeds it; a torrent that nobody was asked about keeps the numbers it had.

The one place of a release with a clock. Nothing that is signed changes.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from queue import Empty, SimpleQueue

from tagswarm.manifests import disk, published, torrentlist
from tagswarm.manifests.errors import ConfigInvalid, IncompleteBuild, TransportError
from tagswarm.manifests.events import Report, StepAdvanced, StepFinished, StepStarted, silent
from tagswarm.manifests.models import Root
from tagswarm.manifests.paths import escape
from tagswarm.manifests.torrentlist import TORRENTS, TorrentRow

from . import config, trackers
from .sign import LOCK
from .torrentlist import counted, frozen, living
from .trackers import Ask, Counts

SECONDS = 60.0
"""How long a tracker may take in all: 2,000 infohashes are 40 requests over HTTP."""

GRACE = 1.0
"""Seconds more until a tracker is given up that keeps no deadline of its own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TrackerAnswer:
    """What came of asking one tracker."""

    tracker: str
    known: int = 0
    """Torrents of which it has counted anybody: over UDP one that it never heard of is there as well, with zeros."""
    error: str | None = None
    """Why it did not answer; safe to show."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ScrapeResult:
    """What came of asking all of them."""

    release: str
    path: Path
    """The list that was renewed."""
    scraped_at: datetime
    """UTC, without a zone."""
    torrents: int
    unseeded: int
    """Torrents of which no tracker knows a seeder."""
    trackers: tuple[TrackerAnswer, ...]
    """In the order in which they were given."""

    @property
    def failed(self) -> tuple[TrackerAnswer, ...]:
        """Those that did not answer."""
        return tuple(answer for answer in self.trackers if answer.error is not None)


def utc() -> datetime:
    """Now, to the second."""
    return datetime.now(UTC).replace(microsecond=0, tzinfo=None)


def scrape(
    dataset: Path,
    *,
    urls: Sequence[str] = (),
    seconds: float = SECONDS,
    report: Report = silent,
    ask: Ask = trackers.ask,
    now: Callable[[], datetime] = utc,
) -> ScrapeResult:
    """Ask trackers for the peers of every torrent of the newest release, and write what they say.

    Args:
        dataset: the tree.
        urls: announce URLs to ask; those of release.toml where there are none.
        seconds: how long one tracker may take in all.
        report: receives the progress.
        ask: asks one tracker.
        now: tells the time, UTC without a zone.

    Raises:
        IncompleteBuild: nothing is published, or the newest release has no torrents.
        ConfigInvalid: there is no tracker to ask.
        TransportError: no tracker answered; the message names each.
        DestinationLocked: another run holds the dataset.
    """
    asked = tuple(dict.fromkeys(urls or config.load(dataset).torrents.trackers))
    if not asked:
        raise ConfigInvalid(
            "torrents.trackers: is empty, so there is nobody to ask",
            hint="Name a tracker with --tracker, or in release.toml before the next release is built.",
        )
    rows = _rows(dataset, _newest(dataset))
    answers = _ask_all(asked, sorted({infohash for row in rows for infohash in infohashes(row)}), seconds, report, ask)
    said = [answer for answer in answers.values() if isinstance(answer, dict)]
    if not said:
        failures = [str(answer) for answer in answers.values()]
        raise TransportError("; ".join(failures), hint="Try again later, or ask another tracker with --tracker.")
    moment = now()
    with disk.locked(dataset / LOCK):
        root = _newest(dataset)  # it may be another one than before, and this is about torrents, not about releases
        now_listed = counted(_rows(dataset, root), living(dataset, report))
        listed = renew(now_listed, {row.btih: strongest(row, said) for row in rows}, moment)
        disk.write(dataset / TORRENTS, torrentlist.render(listed))
    return ScrapeResult(
        release=root.release,
        path=dataset / TORRENTS,
        scraped_at=moment,
        torrents=len(listed),
        unseeded=sum(not row.seeders for row in listed),
        trackers=tuple(_summary(url, answers[url], rows) for url in asked),
    )


def infohashes(row: TorrentRow) -> list[bytes]:
    """By what trackers know a torrent: its infohash of v1, and the first 20 bytes of that of v2 (BEP 52)."""
    return [bytes.fromhex(infohash)[:20] for infohash in (row.btih, row.btih_v2) if infohash is not None]


def strongest(row: TorrentRow, said: Iterable[Mapping[bytes, Counts]]) -> Counts:
    """The largest numbers that any tracker gives for any infohash of a torrent."""
    found = Counts()
    for answer in said:
        for infohash in infohashes(row):
            found |= answer.get(infohash, found)
    return found


def renew(rows: Iterable[TorrentRow], counts: Mapping[str, Counts], moment: datetime) -> list[TorrentRow]:
    """The rows with new numbers, by infohash of v1; a row that has none stays as it is."""
    return [
        row.model_copy(
            update={
                "seeders": known.seeders,
                "leechers": known.leechers,
                "completed": known.completed,
                "stats_scraped_at": moment,
            }
        )
        if (known := counts.get(row.btih))
        else row
        for row in rows
    ]


def _newest(dataset: Path) -> Root:
    latest = published.read_latest(dataset)
    if latest is None:
        raise IncompleteBuild(
            f"{dataset}: nothing is published in it", hint="Run `tagswarm release sign` first: it writes the list."
        )
    return published.read_root(dataset, latest.release)[0]


def _rows(dataset: Path, root: Root) -> list[TorrentRow]:
    if rows := frozen(dataset, root):
        return rows
    raise IncompleteBuild(
        f"{published.folder(root.release)}: the release has no torrents",
        hint="It was built before there were any; the next release has them.",
    )


def _ask_all(
    urls: Sequence[str], hashes: Sequence[bytes], seconds: float, report: Report, ask: Ask
) -> dict[str, dict[bytes, Counts] | TransportError]:
    """Ask all trackers at the same time.

    Their threads are let go when the time is up, or the program is stopped: one may still wait for the system to look
    up a name.
    """
    said: SimpleQueue[tuple[str, dict[bytes, Counts] | Exception]] = SimpleQueue()

    def run(url: str) -> None:
        try:
            said.put((url, ask(url, hashes, seconds)))
        except Exception as failure:
            said.put((url, failure))

    step = "ask trackers"
    report(StepStarted(step, len(urls), "trackers"))
    until = time.monotonic() + seconds + GRACE
    for url in urls:
        threading.Thread(target=run, args=(url,), daemon=True).start()
    answers: dict[str, dict[bytes, Counts] | TransportError] = {}
    with suppress(Empty):
        while len(answers) < len(urls):
            url, answer = said.get(timeout=max(0.0, until - time.monotonic()))
            if isinstance(answer, Exception) and not isinstance(answer, TransportError):
                raise answer
            answers[url] = answer
            report(StepAdvanced(step, len(answers), item=url))
    late = {url: TransportError(f"{escape(url)}: no answer within {seconds:g} seconds") for url in urls}
    report(StepFinished(step, len(answers)))
    return late | answers


def _summary(url: str, answer: dict[bytes, Counts] | TransportError, rows: Iterable[TorrentRow]) -> TrackerAnswer:
    if isinstance(answer, TransportError):
        return TrackerAnswer(tracker=url, error=answer.message)
    return TrackerAnswer(tracker=url, known=sum(strongest(row, [answer]) != Counts() for row in rows))
