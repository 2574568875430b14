"""Everything at full scale: metadata, index, queries on all engines; writes docs/explanation/performance.md.

    python benchmarks/scale.py [--posts 5000000] [--folder DIR] [--page FILE]

Each step is a process of its own, so that its memory is its own. A temporary folder in DIR takes 10 GB at 5 M posts.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import platform
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.queries import PEERS, rows

HERE = Path(__file__).resolve().parent
PAGE = HERE.parent / "docs" / "explanation" / "performance.md"


DICTIONARY = ("posting", "tag", "tag_name", "alias", "implication", "initials", "spelling")
"""The tables of the index that are about tags."""


@dataclass(frozen=True, slots=True)
class Ran:
    """What a step took."""

    seconds: float
    peak: int
    """Bytes of memory."""
    output: str


def run(script: str, *arguments: object) -> Ran:
    """Run a benchmark as a process and show what it prints."""
    command = [sys.executable, str(HERE / script), *map(str, arguments)]
    print("$", script, *arguments, flush=True)
    begun = time.perf_counter()
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        output = process.stdout.read()
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    seconds = time.perf_counter() - begun
    print(output, flush=True)
    if process.returncode:
        raise SystemExit(f"{script} failed")
    return Ran(seconds, usage.ru_maxrss * 1024, output)


def machine() -> str:
    """Processors and memory, in words."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    cores = len(os.sched_getaffinity(0))
    versions = ", ".join(f"{name} {version(name)}" for name in ("pyarrow", "pyroaring", "duckdb"))
    return (
        f"{cores} processors and {memory:.0f} GiB of memory,\nLinux on {platform.machine()}, "
        f"Python {platform.python_version()}, {versions}, SQLite {sqlite3.sqlite_version}"
    )


def median(document: dict[str, Any], engine: str, kind: str | None = None, *, to: str | None = None) -> float | None:
    """The median seconds of an engine, of one kind of queries, or of the ratio to another engine."""
    by_name = {each["name"]: each["seconds"] for each in document["engines"]}
    if engine not in by_name:
        return None
    base = by_name[to] if to else [1.0] * len(document["kinds"])
    found = [
        seconds / other
        for seconds, other, each in zip(by_name[engine], base, document["kinds"], strict=True)
        if seconds is not None and (kind is None or each == kind)
    ]
    return float(statistics.median(found))


def budgets(document: dict[str, Any], index: Path, built: Ran) -> list[list[str]]:
    """The budgets of the design and what was measured."""
    first, again = "tagswarm, first time", "tagswarm, again"
    table = [["what", "budget", "measured"]]

    def row(what: str, budget: str, value: float | None, form: str, factor: float = 1) -> None:
        if value is not None:
            table.append([what, budget, form.format(value * factor)])

    row(
        "boolean query of four terms, median, asked the first time",
        "2 ms",
        median(document, first, "four"),
        "{:.2f} ms",
        1e3,
    )
    row("the same, asked again", "2 ms", median(document, again, "four"), "{:.2f} ms", 1e3)
    for peer, budget in (("DuckDB, lists", "100 times"), ("DuckDB, pairs", ""), ("SQLite", "20 times")):
        row(
            f"the same in {peer}, to ours the first time",
            budget,
            median(document, peer, "four", to=first),
            "{:,.0f} times",
        )
    whole = "tagswarm count, process"
    row("`tagswarm count` as a whole process", "150 ms", median(document, whole), "{:.0f} ms", 1e3)
    sizes = parts(index)
    lists = sum(sizes.get(name, 0) for name in DICTIONARY)
    row(
        "size of the index for a tag of a post: lists and dictionary",
        "2 bytes",
        lists / document["tags"],
        "{:.2f} bytes",
    )
    row("the same, with all other columns", "", sum(sizes.values()) / document["tags"], "{:.2f} bytes")
    row("time to build it", "10 min", built.seconds / 60, "{:.1f} min")
    row("memory to build it", "2 GB", built.peak / 1e9, "{:.2f} GB")
    return table


def parts(index: Path) -> dict[str, int]:
    """Bytes of each table of the index, the largest first."""
    with contextlib.closing(sqlite3.connect(index)) as base:
        return dict(base.execute("SELECT name, sum(pgsize) FROM dbstat GROUP BY name ORDER BY 2 DESC, 1"))


def drawn(table: list[list[str]]) -> str:
    """A table of Markdown."""
    head, *body = table
    lines = [head, ["---"] + ["---:"] * (len(head) - 1), *body]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def page(document: dict[str, Any], index: Path, made: Ran, built: Ran, work: Path, *, load: float) -> str:
    """What was measured, for people."""
    engines = document["engines"]
    notes = "".join(f"- {each['name']}: {each['note']}.\n" for each in engines if each["note"])
    kinds = [f"{kind} ({document['kinds'].count(kind)})" for kind in dict.fromkeys(document["kinds"])]
    counted = [["query", "posts", *(each["name"] for each in engines)]]
    for at, (text, count) in enumerate(zip(document["texts"], document["answers"], strict=True)):
        cells = [each["seconds"][at] for each in engines]
        counted.append(
            [f"`{text}`".replace("|", "\\|"), f"{count:,}", *("-" if one is None else _time(one) for one in cells)]
        )
    sizes = {name: (work / name).stat().st_size for name in ("pairs.parquet", "peer.sqlite") if (work / name).exists()}
    stores = "".join(f", `{name}` {size / 1e6:,.0f} MB" for name, size in sizes.items())
    largest = ", ".join(f"`{name}` {size / 1e6:,.0f} MB" for name, size in list(parts(index).items())[:5])
    return f"""# Performance

Measured on {datetime.now(UTC):%d %B %Y} by `make scale`, on {machine()}.
The load average was {load:.1f} before it began, of other programs.

The collection is made up: {document["posts"]:,} posts with {document["tags"]:,} tags, by the words and
frequencies of Danbooru (`benchmarks/synthesis.py`: {made.seconds:.0f} s and {made.peak / 1e6:.0f} MB of memory).
All engines are asked the same fifty queries; a run in which two of them disagree about an answer fails. Times are those
of this machine, the ratios travel.

## Budgets

{drawn(budgets(document, index, built))}
## Engines

Medians of the time a query takes, of all and by kind: {", ".join(kinds)}.
*Times ours* is the median of the ratios to the first time that our index is asked.

{drawn(rows(document))}
{notes}- DuckDB, lists: the tables of the release as they are, `list_contains` on both processors.
- DuckDB, pairs: a Parquet table of tag and post sorted by both, joined; made beforehand.
- SQLite: a table of tag and post that is its own index, and posts with an index a column; the fastest of three or four
  plans counts.
- grep and jq: the way of the set's own page, over JSON lines.

On disk: the index {index.stat().st_size / 1e6:,.0f} MB{stores}. The largest tables of the index: {largest}.

## Queries

{drawn(counted)}"""


def _time(seconds: float) -> str:
    return f"{seconds:.1f} s" if seconds >= 1 else f"{1000 * seconds:.{2 if seconds < 0.01 else 0}f} ms"


def main() -> None:
    """Run all and write the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--posts", type=int, default=5_000_000)
    parser.add_argument("--folder", type=Path, help="where the temporary folder is made")
    parser.add_argument("--page", type=Path, default=PAGE)
    parser.add_argument("--peers", default=",".join(PEERS))
    given = parser.parse_args()
    load = os.getloadavg()[0]
    with tempfile.TemporaryDirectory(dir=given.folder) as folder:
        tables, work = Path(folder) / "tables", Path(folder) / "work"
        work.mkdir()
        index, report = work / "index.sqlite", work / "report.json"
        made = run("synthesis.py", tables, "--posts", given.posts, "--export", min(given.posts, 100_000))
        built = run("indexing.py", tables, index)
        run("queries.py", tables, index, "--work", work, "--peers", given.peers, "--report", report)
        given.page.write_text(page(json.loads(report.read_text()), index, made, built, work, load=load))
    print(f"wrote {given.page}")


if __name__ == "__main__":
    main()
