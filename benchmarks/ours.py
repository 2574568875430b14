"""Our side of the queries: a probe is parsed, checked and evaluated on an open index."""

from __future__ import annotations

from datetime import UTC, datetime

from benchmarks.probes import Probe, Tag
from tagswarm.tagindex.query.check import check
from tagswarm.tagindex.query.evaluate import evaluate
from tagswarm.tagindex.query.parser import parse
from tagswarm.tagindex.reader import Index

WARM = Probe("", Tag("navel"))
"""Asked before the clock starts; no probe has its tag."""
NOW = datetime(2026, 1, 1, tzinfo=UTC)


def ask(index: Index, probe: Probe) -> int | tuple[int, ...]:
    """Answer a probe with our index: all of parsing, checking and evaluating."""
    text = probe.text
    answer = evaluate(check(parse(text), index, text=text, now=NOW, tz=UTC), index)
    if probe.order is None:
        return len(answer.posts)
    return tuple(int(post) for post in index.ids(answer.ordinals))
