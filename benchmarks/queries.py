"""Fifty queries on our index and on its peers: every answer must agree, medians and ratios are printed.

    python benchmarks/queries.py TABLES INDEX [--work DIR] [--peers duck-lists,duck-pairs,sqlite,jq] [--report FILE]

TABLES is a folder that `benchmarks/synthesis.py` wrote, INDEX is made of it by `benchmarks/indexing.py`. Ours is timed
three ways: the first time a query is asked of an open index, again when its parts are in memory, and as a whole
process. A peer is asked once, after one query that is not counted; the files of all are in the page cache as far as it
holds them.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.ours import WARM, ask
from benchmarks.peer_duckdb import DuckLists, DuckPairs
from benchmarks.peer_jq import Jq
from benchmarks.peer_sqlite import SQLite
from benchmarks.peers import Answer, Tags, timed
from benchmarks.probes import PROBES, Probe
from tagswarm.tagindex.reader import Index

TAGSWARM = Path(sys.executable).with_name("tagswarm")
PEERS = ("duck-lists", "duck-pairs", "sqlite", "jq")


@dataclass(slots=True)
class Measured:
    """What one engine took: seconds a query, None where it gave up."""

    name: str
    seconds: list[float | None] = field(default_factory=list)
    note: str = ""


def ours(path: Path, repeat: int) -> tuple[list[Measured], list[Answer]]:
    """Our index, asked for the first time and again; and the answers, which all others must give."""
    opened = statistics.median(timed(lambda: Index.open(path).close())[0] for _ in range(5))
    first = Measured("tagswarm, first time", note=f"opened in {1000 * opened:.1f} ms")
    again = Measured("tagswarm, again", note=f"median of {repeat}")
    answers = []
    for probe in PROBES:
        with Index.open(path) as index:
            ask(index, WARM)  # modules are imported and the file is open
            seconds, answer = timed(partial(ask, index, probe))
            first.seconds.append(seconds)
            answers.append(answer)
            runs = [timed(partial(ask, index, probe))[0] for _ in range(repeat)]
            again.seconds.append(statistics.median(runs))
    return [first, again], answers


def processes(path: Path, answers: list[Answer], repeat: int) -> Measured:
    """`tagswarm count` as a whole process, of the queries that count."""
    found = Measured("tagswarm count, process", note=f"median of {repeat}")
    for probe, answer in zip(PROBES, answers, strict=True):
        if probe.order is not None:
            found.seconds.append(None)
            continue
        command = [str(TAGSWARM), "count", "--in", str(path), "--", probe.text]
        run = partial(subprocess.run, command, capture_output=True, text=True, check=True)
        runs = [timed(run) for _ in range(repeat)]
        _agree(found.name, probe, int("".join(filter(str.isdigit, runs[0][1].stdout))), answer)
        found.seconds.append(statistics.median(seconds for seconds, _ in runs))
    return found


def peer(name: str, engine: Any, answers: list[Answer], told: Callable[[str], None]) -> Measured:
    """Ask a peer everything once."""
    found = Measured(name)
    engine.answer(WARM)
    for probe, answer in zip(PROBES, answers, strict=True):
        try:
            seconds, theirs = engine.answer(probe)
        except TimeoutError:
            found.seconds.append(None)
            told(f"{name}: gave up {probe.text}")
            continue
        _agree(name, probe, theirs, answer)
        found.seconds.append(seconds)
    return found


def over_lines(tables: Path, tags: Tags, posts: int) -> Measured:
    """Grep and jq over the part of the posts that was exported, times what the whole is larger."""
    engine, check_with = Jq(tables, tags), DuckLists(tables, tags)
    found = Measured(engine.name, note=f"over {engine.rows:,} posts, times {posts / engine.rows:.1f}")
    for probe in PROBES:
        seconds, answer = engine.answer(probe)
        _agree(engine.name, probe, answer, check_with.answer(probe, engine.first)[1])
        found.seconds.append(seconds * posts / engine.rows)
    return found


def _agree(name: str, probe: Probe, theirs: Answer, answer: Answer) -> None:
    if theirs != answer:
        raise SystemExit(f"{name} does not agree on {probe.text}: {str(theirs)[:80]}, ours {str(answer)[:80]}")


def measure(tables: Path, index: Path, work: Path, peers: list[str], repeat: int) -> dict[str, Any]:
    """Ask all engines everything; returns a document of what came out."""
    tags = Tags(tables)
    with Index.open(index) as opened:
        posts = opened.size
    found, answers = ours(index, repeat)
    found.append(processes(index, answers, 3))
    makers: dict[str, Callable[[], Any]] = {
        "duck-lists": lambda: DuckLists(tables, tags),
        "duck-pairs": lambda: DuckPairs(tables, tags, work),
        "sqlite": lambda: SQLite(tables, tags, work),
    }
    for name in peers:
        if name == "jq":
            found.append(over_lines(tables, tags, posts))
        else:
            seconds, engine = timed(makers[name])
            print(f"{engine.name}: ready after {seconds:.0f} s", flush=True)
            found.append(peer(engine.name, engine, answers, print))
    return {
        "posts": posts,
        "tags": sum(tags.count.values()),
        "kinds": [probe.kind for probe in PROBES],
        "texts": [probe.text for probe in PROBES],
        "answers": [answer if isinstance(answer, int) else len(answer) for answer in answers],
        "engines": [{"name": each.name, "note": each.note, "seconds": each.seconds} for each in found],
    }


def rows(document: dict[str, Any]) -> list[list[str]]:
    """Of each engine the median of all, by kind, and how many times slower than ours the first time."""
    base = document["engines"][0]["seconds"]
    kinds = list(dict.fromkeys(document["kinds"]))
    table = [["engine", "median", "slowest", "times ours", *kinds]]
    for engine in document["engines"]:
        known = [seconds for seconds in engine["seconds"] if seconds is not None]
        ratios = [s / b for s, b in zip(engine["seconds"], base, strict=True) if s is not None]
        by_kind = [
            [s for s, kind in zip(engine["seconds"], document["kinds"], strict=True) if kind == each and s is not None]
            for each in kinds
        ]
        cells = [_time(statistics.median(known)), _time(max(known)), f"{statistics.median(ratios):,.1f}"]
        table.append([engine["name"], *cells, *(_time(statistics.median(part)) if part else "-" for part in by_kind)])
    return table


def _time(seconds: float) -> str:
    return f"{seconds:.2f} s" if seconds >= 1 else f"{1000 * seconds:.{2 if seconds < 0.01 else 0}f} ms"


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("tables", type=Path)
    parser.add_argument("index", type=Path)
    parser.add_argument("--work", type=Path, help="where the tables of the peers are kept for another run")
    parser.add_argument("--peers", default=",".join(PEERS))
    parser.add_argument("--repeat", type=int, default=11)
    parser.add_argument("--report", type=Path, help="write what was measured as JSON")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        work = given.work or Path(folder)
        work.mkdir(parents=True, exist_ok=True)
        names = [name for name in given.peers.split(",") if name]
        document = measure(given.tables, given.index, work, names, given.repeat)
    if given.report:
        given.report.write_text(json.dumps(document, indent=1) + "\n")
    for text, count in zip(document["texts"], document["answers"], strict=True):
        print(f"{count:>10,}  {text}")
    print(f"{document['posts']:,} posts, {document['tags']:,} tags")
    for row in rows(document):
        print("".join(f"{cell:>26}" if not at else f"{cell:>13}" for at, cell in enumerate(row)))


if __name__ == "__main__":
    main()
