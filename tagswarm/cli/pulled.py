"""What came of a pull or a repair, for people and for programs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from rich.console import Console

from tagswarm.manifests.paths import escape
from tagswarm.mirror.client import Pulled
from tagswarm.mirror.exports.registry import Exported
from tagswarm.mirror.lock import LOCK
from tagswarm.mirror.pipeline import Miss

from .page import pairs, say, table
from .steps import amount, duration, units

SHOWN = 5
"""Posts that are named of each reason."""


def is_whole(done: Pulled) -> bool:
    """Whether every file came and, where a lock was followed, is the one of the lock."""
    return done.report.ok and (done.reproduced is None or done.reproduced.ok)


def facts(done: Pulled) -> dict[str, object]:
    """What `--json` tells."""
    report = done.report
    return {
        "ok": is_whole(done),
        "folder": done.out,
        "release": done.header.release,
        "root_sha256": done.header.root_sha256,
        "posts": done.header.posts,
        "wanted": report.wanted,
        "kept": report.kept,
        "fetched": report.fetched,
        "bytes": report.bytes,
        "made_bytes": report.made_bytes,
        "sources": [
            {
                "source": one.source,
                "files": one.files,
                "bytes": one.bytes,
                "seconds": round(one.seconds, 3),
                "failed": dict(one.failed),
            }
            for one in report.sources
        ],
        "failed": report.failed,
        "skipped": report.skipped,
        "damaged": report.damaged,
        "removed": report.pruned.removed,
        "left_changed": report.pruned.changed,
        "remade": report.remade,
        "reproduced": done.reproduced,
    }


def pulled(console: Console, done: Pulled, made: Exported | None = None) -> None:
    """After `pull` and `repair`."""
    report, changed = done.report, len(done.report.pruned.changed)
    say(console, "bold", f"{units(done.header.posts, 'posts')} in {escape(str(done.out))}")
    pairs(
        console,
        [
            ("fetched", f"{units(report.fetched, 'files')}, {amount(report.bytes)}" if report.fetched else ""),
            ("made", f"{amount(report.made_bytes)} of images" if done.header.transform else ""),
            ("kept", units(report.kept, "files") + " were here already" if report.kept else ""),
            ("removed", units(report.pruned.removed, "posts") if report.pruned.removed else ""),
            ("left", f"{units(changed, 'files')} that were changed since" if changed else ""),
            (
                "wrong bytes",
                f"came {report.damaged:,} times, were dropped and asked for again" if report.damaged else "",
            ),
            ("lock", escape(str(done.out / LOCK))),
            (
                "exported",
                f"{units(made.samples, 'images')} as {made.export}, {escape(str(made.folder))}" if made else "",
            ),
        ],
    )
    if len([one for one in report.sources if one.files]) > 1:
        rows = [
            (escape(one.source), f"{one.files:,}", amount(one.bytes), duration(one.seconds)) for one in report.sources
        ]
        table(console, ("source", "files", "bytes", "time"), rows)
    _misses(console, "skipped", report.skipped)
    _misses(console, "failed", report.failed)
    same = done.reproduced
    if same is not None and same.ok:
        say(console, "green", f"the same, to the last byte, as the lock says: {units(same.same, 'posts')}")
    elif same is not None:
        say(
            console,
            "red",
            f"not as the lock says: {_named(same.differing)} differ, {_named(same.absent)} are not there",
        )
        for ours, theirs in same.engines:
            say(
                console,
                "",
                f"  the lock was made by {escape(ours)}, this by {escape(theirs)}: other versions, other bytes",
            )


def failed(done: Pulled) -> str:
    """A sentence where not all came."""
    if done.report.failed:
        return f"{units(len(done.report.failed), 'files')} did not come"
    return "" if is_whole(done) else "the files are not those of the lock"


def _misses(console: Console, what: str, misses: Iterable[Miss]) -> None:
    reasons = Counter(miss.reason for miss in misses)
    for reason, count in reasons.most_common():
        first = [str(miss.id) for miss in misses if miss.reason == reason][:SHOWN]
        more = ", ..." if count > len(first) else ""
        say(console, "" if what == "skipped" else "red", f"  {what}: {count:,} {reason}: {', '.join(first)}{more}")


def _named(ids: tuple[int, ...]) -> str:
    if not ids:
        return "none"
    return f"{len(ids):,} ({', '.join(map(str, ids[:SHOWN]))}{', ...' if len(ids) > SHOWN else ''})"
