"""Rows a second: a Danbooru2021+ dump into the tables of a release, against `jq` taking three keys out of each row.

    python benchmarks/metadata.py --rows 100000

The dump is made on the fly, the same for the same number of rows: 48 keys and 32 tags a row, 2 KB. `jq` parses, prints
id, rating and tag_string and does nothing else: it is the floor of what a parser in a pipe costs, not a
like-for-like peer.
Measured are CPU seconds, for other work on the machine does not change them much, and the memory of the whole process.
"""

from __future__ import annotations

import argparse
import json
import random
import resource
import subprocess
import tempfile
from itertools import accumulate
from pathlib import Path
from time import process_time

from tagswarm.manifests.records import RatingScheme
from tagswarm.release.metadata import SourceInput, normalise
from tagswarm.release.sources import FORMATS, documents

TAGS = 32
VOCABULARY = 60_000
CATEGORIES = ("general", "general", "general", "artist", "character", "copyright", "meta")


def vocabulary(random_source: random.Random) -> tuple[list[str], list[float]]:
    """Names of the length of real ones, with the counts of a Zipf-Mandelbrot law (q = 50, s = 1.445)."""
    names = [f"{random_source.getrandbits(24):06x}_{rank:06}" for rank in range(VOCABULARY)]
    return names, list(accumulate((rank + 50) ** -1.445 for rank in range(1, VOCABULARY + 1)))


def write_dump(path: Path, rows: int) -> None:
    random_source = random.Random(1)
    names, weights = vocabulary(random_source)
    category_of = {name: CATEGORIES[rank % len(CATEGORIES)] for rank, name in enumerate(names)}
    with path.open("w") as file:
        for number in range(1, rows + 1):
            tags = sorted(set(random_source.choices(names, cum_weights=weights, k=TAGS + 4)))[:TAGS]
            by_category: dict[str, list[str]] = {name: [] for name in CATEGORIES}
            for tag in tags:
                by_category[category_of[tag]].append(tag)
            md5 = f"{random_source.getrandbits(128):032x}"
            row = {
                "id": number,
                "created_at": f"20{10 + number % 12}-0{1 + number % 9}-1{number % 10}T03:08:07.342-05:00",
                "updated_at": "2021-04-23T14:32:09.521-04:00",
                "uploader_id": random_source.randrange(1, 900_000),
                "approver_id": None,
                "score": random_source.randrange(60),
                "up_score": random_source.randrange(60),
                "down_score": -random_source.randrange(4),
                "fav_count": random_source.randrange(200),
                "source": f"https://i.pximg.net/img-original/img/2020/10/26/20/46/42/{70_000_000 + number}_p0.jpg",
                "md5": md5,
                "rating": random_source.choice("ggsqe"),
                "image_width": random_source.randrange(400, 4_000),
                "image_height": random_source.randrange(400, 4_000),
                "file_ext": random_source.choice(("jpg", "jpg", "png")),
                "file_size": random_source.randrange(50_000, 5_000_000),
                "tag_string": " ".join(tags),
                **{f"tag_string_{name}": " ".join(found) for name, found in by_category.items()},
                "tag_count": len(tags),
                **{f"tag_count_{name}": len(found) for name, found in by_category.items()},
                "parent_id": None,
                "has_children": False,
                "has_active_children": False,
                "has_visible_children": False,
                "has_large": True,
                "is_pending": False,
                "is_flagged": False,
                "is_deleted": number % 20 == 0,
                "is_banned": False,
                "pixiv_id": 70_000_000 + number,
                "bit_flags": 0,
                "last_commented_at": None,
                "last_comment_bumped_at": None,
                "last_noted_at": None,
                "file_url": f"https://cdn.donmai.us/original/{md5[:2]}/{md5[2:4]}/{md5}.jpg",
                "large_file_url": f"https://cdn.donmai.us/sample/{md5[:2]}/{md5[2:4]}/sample-{md5}.jpg",
                "preview_file_url": f"https://cdn.donmai.us/180x180/{md5[:2]}/{md5[2:4]}/{md5}.jpg",
            }
            file.write(json.dumps(row, separators=(",", ":")) + "\n")


def jq_seconds(path: Path) -> float:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    command = ["jq", "-c", "[.id,.rating,.tag_string]", str(path)]
    subprocess.run(command, stdout=subprocess.DEVNULL, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def read_seconds(path: Path) -> float:
    start = process_time()
    reader = FORMATS["danbooru_export"].reader("danbooru", RatingScheme.GSQE_2022)
    for document in documents(path, path.name):
        for _ in reader.read(document):
            pass
    return process_time() - start


def normalise_seconds(path: Path, folder: Path) -> float:
    start = process_time()
    normalise([SourceInput([path])], folder / "out", folder / "work")
    return process_time() - start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--repeat", type=int, default=1, help="runs of each; the fastest counts")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        path = folder / "posts000000000000.json"
        write_dump(path, arguments.rows)
        print(f"{arguments.rows} rows, {path.stat().st_size / arguments.rows:.0f} bytes each")
        turns = range(arguments.repeat)
        peer = min(jq_seconds(path) for _ in turns)
        ours = {
            "read into records": min(read_seconds(path) for _ in turns),
            "read, sort, write the tables": min(normalise_seconds(path, folder) for _ in turns),
        }
        print(f"{'jq, three keys of each row':32}{arguments.rows / peer:>10.0f} rows/s")
        for what, seconds in ours.items():
            print(f"{what:32}{arguments.rows / seconds:>10.0f} rows/s{peer / seconds:>8.2f} of jq")
        print(f"peak memory {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MiB")


if __name__ == "__main__":
    main()
