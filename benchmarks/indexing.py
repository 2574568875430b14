"""Write the index of some tables, and print how long it took, how large it is and how much memory was needed.

    python benchmarks/indexing.py TABLES OUT

TABLES is a folder that `benchmarks/synthesis.py` wrote. Budgets: 10 minutes, 2 GB, 2 bytes a tag of a post.
"""

from __future__ import annotations

import argparse
import resource
import tempfile
import time
from pathlib import Path

import pyarrow.compute as pc
import pyarrow.parquet as pq

from tagswarm.tagindex.writer import write


def main() -> None:
    """Build and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("tables", type=Path)
    parser.add_argument("out", type=Path)
    given = parser.parse_args()
    tags = pc.sum(pq.read_table(given.tables / "tags.parquet", columns=["post_count"])["post_count"]).as_py()
    begun = time.perf_counter()
    with tempfile.TemporaryDirectory(dir=given.out.parent) as folder:
        write(given.tables, given.out, work=Path(folder))
    seconds = time.perf_counter() - begun
    size = given.out.stat().st_size
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"{tags:,} tags in {seconds:.0f} s, peak memory {peak:.0f} MiB")
    print(f"{size / 1e6:.0f} MB, {size / tags:.2f} bytes a tag")


if __name__ == "__main__":
    main()
