"""Sources to tables: sorted, without duplicates, counted, and the same bytes every time."""

from __future__ import annotations

import gzip
import json
import os
import random
import re
import subprocess
import sys
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
import zstandard

from tagswarm.manifests.errors import ConfigInvalid, Unreadable
from tagswarm.manifests.events import Event, Notice, StepFinished, StepStarted
from tagswarm.manifests.records import RatingScheme
from tagswarm.release.metadata import MetadataSummary, SourceInput, normalise

NAMES = [
    "aliases.parquet",
    "implications.parquet",
    "pools.parquet",
    "posts.parquet",
    "rejects.jsonl.zst",
    "tags.parquet",
]


def row(number: int, *tags: str, **more: Any) -> dict[str, Any]:
    return {"id": number, "rating": "g", "tag_string": " ".join(tags), "tag_string_general": " ".join(tags), **more}


def put(path: Path, *rows: dict[str, Any]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(entry) + "\n" for entry in rows))
    return path


def build(folder: Path, *sources: SourceInput, **options: Any) -> MetadataSummary:
    return normalise(sources, folder / "out", folder / "work", **options)


def table(folder: Path, name: str) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = pq.read_table(folder / "out" / f"{name}.parquet").to_pylist()
    return rows


def rejects(folder: Path) -> list[dict[str, Any]]:
    data = zstandard.ZstdDecompressor().decompressobj().decompress((folder / "out/rejects.jsonl.zst").read_bytes())
    lines = [json.loads(line) for line in data.splitlines()]
    assert lines[0] == {"format": "tagswarm.rejects/1"}
    return lines[1:]


def published(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted((folder / "out").iterdir())}


@pytest.fixture
def dumps(tmp_path: Path) -> Path:
    """A source of several documents with everything a release has to decide about."""
    folder = tmp_path / "dumps"
    noise = random.Random(3)
    ids = noise.sample(range(1, 2_000), 500)
    tags = [f"tag_{n:03}" for n in range(120)]
    made = [
        row(
            number, *sorted(noise.sample(tags, noise.randint(1, 30))), score=noise.randint(-5, 50), md5=f"{number:032x}"
        )
        for number in ids
    ]
    put(folder / "posts000.json", *made[:200], {"rating": "g"})
    (folder / "posts001.json.gz").write_bytes(
        gzip.compress(
            "".join(json.dumps(entry) + "\n" for entry in [*made[200:], made[0], {**made[1], "score": 99}]).encode()
        )
    )
    put(
        folder / "tags000.json",
        *({"id": n, "name": tag, "post_count": 7, "category": n % 2} for n, tag in enumerate(tags)),
    )
    put(
        folder / "tag_aliases.json", {"id": 1, "antecedent_name": "b", "consequent_name": "tag_001", "status": "active"}
    )
    put(folder / "tag_implications.json", {"id": 1, "antecedent_name": "tag_001", "consequent_name": "tag_002"})
    put(folder / "pools000.json", {"id": 9, "name": "p", "post_ids": [ids[3], ids[1]], "category": "series"})
    put(folder / "artists000.json", {"id": 1, "name": "not read"})
    return folder


def source(folder: Path, **more: Any) -> SourceInput:
    return SourceInput(sorted(folder.iterdir()), **more)


def test_tables_hold_everything_sorted(tmp_path: Path, dumps: Path) -> None:
    summary = build(tmp_path, source(dumps))
    posts = table(tmp_path, "posts")
    assert (summary.posts, len(posts)) == (500, 500)
    assert [post["id"] for post in posts] == sorted(post["id"] for post in posts)
    assert (summary.aliases, summary.implications, summary.pools) == (1, 1, 1)
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == NAMES
    assert not (tmp_path / "work" / "metadata").exists()
    assert {post["rating_scheme"] for post in posts} == {"gsqe-2022"}
    names = [tag["name"] for tag in table(tmp_path, "tags")]
    assert names == sorted(names)
    assert summary.sources[0].ignored == ("artists000.json",)


def test_tags_are_counted_and_claims_stay_beside(tmp_path: Path, dumps: Path) -> None:
    summary = build(tmp_path, source(dumps))
    counts: dict[str, int] = {}
    for post in table(tmp_path, "posts"):
        assert post["tags"] == sorted(set(post["tags"]))
        for tag in post["tags"]:
            counts[tag] = counts.get(tag, 0) + 1
    tags = table(tmp_path, "tags")
    assert {tag["name"]: tag["post_count"] for tag in tags} == counts
    assert {tag["claimed_count"] for tag in tags} == {7}
    assert summary.tag_instances == sum(counts.values())


def test_first_of_two_posts_is_kept_and_the_other_listed(tmp_path: Path, dumps: Path) -> None:
    summary = build(tmp_path, source(dumps))
    assert summary.rejects == {"duplicate-post": 1, "duplicate-row": 1, "no-id": 1}
    found = rejects(tmp_path)
    assert [(entry["source"], entry["line"], entry["reason"]) for entry in found] == [
        ("posts000.json", 201, "no-id"),
        ("posts001.json.gz", 301, "duplicate-row"),
        ("posts001.json.gz", 302, "duplicate-post"),
    ]
    assert found[2]["detail"].endswith("came first in posts000.json, line 2")
    assert 99 not in {post["score"] for post in table(tmp_path, "posts")}


@pytest.mark.parametrize("run", [1, 7, 64, 500, 10_000])
def test_external_sort_equals_sort_in_memory(tmp_path: Path, dumps: Path, run: int) -> None:
    build(tmp_path / "one", source(dumps))
    build(tmp_path / "two", source(dumps), run=run)
    assert published(tmp_path / "one") == published(tmp_path / "two")


def test_order_of_the_files_does_not_matter(tmp_path: Path, dumps: Path) -> None:
    paths = list(dumps.iterdir())
    build(tmp_path / "one", SourceInput(paths))
    random.Random(5).shuffle(paths)
    build(tmp_path / "two", SourceInput([*paths, paths[0]]))
    assert published(tmp_path / "one") == published(tmp_path / "two")


def test_order_of_sources_without_conflicts_does_not_matter(tmp_path: Path) -> None:
    one = SourceInput([put(tmp_path / "a" / "posts.json", row(5, "x"), row(3, "y"), {"rating": "q"})], site="b")
    two = SourceInput([put(tmp_path / "b" / "posts.json", row(4, "z"), {"rating": "q"})], site="a")
    build(tmp_path / "one", one, two, root=tmp_path)
    build(tmp_path / "two", two, one, root=tmp_path)
    assert published(tmp_path / "one") == published(tmp_path / "two")
    assert [(post["site"], post["id"]) for post in table(tmp_path / "one", "posts")] == [("a", 4), ("b", 3), ("b", 5)]
    assert [entry["source"] for entry in rejects(tmp_path / "one")] == ["a/posts.json", "b/posts.json"]


def test_bytes_do_not_depend_on_the_environment(tmp_path: Path, dumps: Path) -> None:
    build(tmp_path, source(dumps))
    program = (
        "import sys; from pathlib import Path; from tagswarm.release.metadata import *;"
        "normalise([SourceInput(sorted(Path(sys.argv[1]).iterdir()))], Path(sys.argv[2]), Path(sys.argv[3]))"
    )
    environment = {**os.environ, "TZ": "Pacific/Apia", "LC_ALL": "C", "PYTHONHASHSEED": "7", "PYTHONUTF8": "0"}
    other = tmp_path / "other"
    command = [sys.executable, "-c", program, str(dumps), str(other / "out"), str(other / "work")]
    subprocess.run(command, env=environment, check=True)
    assert published(tmp_path) == published(other)


def test_table_of_tags_wins_over_posts_and_conflicts_are_counted(tmp_path: Path) -> None:
    posts = put(
        tmp_path / "posts.json",
        row(1, "a", "b"),
        {"id": 2, "rating": "g", "tag_string": "a b c", "tag_string_artist": "a b", "tag_string_general": "c"},
        {"id": 3, "rating": "g", "tag_string": "c", "tag_string_character": "c"},
    )
    tags = put(tmp_path / "tags.json", {"id": 1, "name": "b", "category": 3, "post_count": 50})
    summary = build(tmp_path, SourceInput([posts, tags]))
    categories = {tag["name"]: tag["category"] for tag in table(tmp_path, "tags")}
    assert categories == {"a": 1, "b": 3, "c": 4}
    assert summary.category_conflicts == 3


def test_sites_do_not_mix(tmp_path: Path, request: pytest.FixtureRequest) -> None:
    data = request.path.parent / "sources" / "data"
    summary = build(tmp_path, SourceInput([data / "BC_posts.tsv", data / "BC_tags.tsv"]), run=2)
    assert [(post["site"], post["id"]) for post in table(tmp_path, "posts")] == [
        ("danbooru", 3010101), ("danbooru", 3010102), ("sankaku", 77),
    ]  # fmt: skip
    counts = {(tag["site"], tag["name"]): tag["post_count"] for tag in table(tmp_path, "tags")}
    assert counts["danbooru", "1girl"] == 2
    assert ("sankaku", "1girl") not in counts
    assert counts["sankaku", "strange"] == 0
    assert summary.sources[0].format == "booru_chars"


def test_pool_of_a_table_wins_over_the_posts(tmp_path: Path) -> None:
    legacy = [{"id": "1", "rating": "s", "tags": [], "pools": ["9", "8", "series", "collection"]}]
    pools = put(tmp_path / "pools.json", {"id": 9, "name": "p", "post_ids": [2, 1], "category": "series"})
    sources = [SourceInput([put(tmp_path / "l.json", *legacy)]), SourceInput([pools])]
    for order, name in ((sources, "one"), (sources[::-1], "two")):
        build(tmp_path / name, *order)
        assert [(pool["id"], pool["name"], pool["post_ids"]) for pool in table(tmp_path / name, "pools")] == [
            (8, None, [1]),
            (9, "p", [2, 1]),
        ]


def test_pool_that_comes_again_is_listed(tmp_path: Path) -> None:
    pool = {"id": 9, "name": "p", "post_ids": [2, 1], "category": "series"}
    build(tmp_path, SourceInput([put(tmp_path / "pools.json", pool, pool, {**pool, "post_ids": [5]})]))
    assert [(entry["line"], entry["reason"]) for entry in rejects(tmp_path)] == [
        (2, "duplicate-row"),
        (3, "duplicate-pool"),
    ]


def test_posts_that_were_taken_back_leave_no_trace(tmp_path: Path) -> None:
    secret = row(2, "secret_tag", rating="z", source="https://secret")
    build(
        tmp_path, SourceInput([put(tmp_path / "posts.json", row(1, "a"), secret)]), without=frozenset({("danbooru", 2)})
    )
    assert [post["id"] for post in table(tmp_path, "posts")] == [1]
    assert [tag["name"] for tag in table(tmp_path, "tags")] == ["a"]
    assert rejects(tmp_path) == []


def test_format_site_and_scheme_are_recorded(tmp_path: Path, samples: Path) -> None:
    sources = [
        SourceInput([samples / "danbooru2017-2020_legacy.jsonl"]),
        SourceInput([samples / "safebooru_dapi.xml"]),
        SourceInput([samples / "gelbooru_dapi.json"]),
        SourceInput([samples / "moebooru.json"], site="mirror_of_konachan"),
        SourceInput([samples / "danbooru_api_2023.json"], site="danbooru_2023", scheme=RatingScheme.GSQE_2022),
    ]
    summary = build(tmp_path, *sources)
    assert [(part.format, part.site, part.scheme.value) for part in summary.sources] == [
        ("danbooru_legacy", "danbooru", "sqe-2021"),
        ("gelbooru_xml", "safebooru", "sqe-2021"),
        ("gelbooru", "gelbooru", "gelbooru"),
        ("moebooru", "mirror_of_konachan", "sqe-2021"),
        ("danbooru_api", "danbooru_2023", "gsqe-2022"),
    ]
    assert summary.rejects == {}
    assert {post["rating"] for post in table(tmp_path, "posts") if post["site"] == "gelbooru"} == {"safe"}


@pytest.fixture
def samples(shared: Path) -> Path:
    """The folder of real records."""
    return shared / "data" / "format_samples"


def test_export_of_2021_needs_its_scheme_and_is_never_confused(tmp_path: Path) -> None:
    path = put(tmp_path / "posts.json", row(1, rating="s"), row(2, rating="g"))
    summary = build(tmp_path, SourceInput([path], scheme=RatingScheme.SQE_2021))
    assert [(post["rating"], post["rating_scheme"]) for post in table(tmp_path, "posts")] == [
        ("s", "sqe-2021"),
        (None, "sqe-2021"),
    ]
    assert summary.rejects == {"unknown-rating": 1}
    assert (summary.sources[0].rows, summary.sources[0].posts) == (2, 2)


def test_several_formats_in_one_source_are_refused(tmp_path: Path) -> None:
    one = put(tmp_path / "a.json", row(1))
    (tmp_path / "b.csv").write_text("id,name,category,post_count\n")
    with pytest.raises(ConfigInvalid, match=r"danbooru_export in a.json, e621_export in b.csv"):
        build(tmp_path, SourceInput([one, tmp_path / "b.csv"]))


def test_site_that_no_record_tells_is_asked_for(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_text('[{"id": 1, "tags": "a", "created_at": 5, "rating": "s"}]')
    with pytest.raises(ConfigInvalid, match="moebooru does not tell the site") as caught:
        build(tmp_path, SourceInput([path]))
    assert "`site`" in caught.value.hint


def test_nothing_to_read_is_refused(tmp_path: Path) -> None:
    (tmp_path / "empty.json").write_bytes(b"")
    with pytest.raises(ConfigInvalid, match=r"no metadata was found in empty.json"):
        build(tmp_path, SourceInput([tmp_path / "empty.json"]))
    with pytest.raises(ConfigInvalid, match="not one of"):
        build(tmp_path, SourceInput([tmp_path / "empty.json"], format="nonsense"))
    with pytest.raises(Unreadable):
        build(tmp_path, SourceInput([tmp_path / "missing.json"]))
    assert not (tmp_path / "work" / "metadata").exists()


def test_empty_source_of_a_named_format_gives_empty_tables(tmp_path: Path) -> None:
    (tmp_path / "empty.json").write_bytes(b"")
    summary = build(tmp_path, SourceInput([tmp_path / "empty.json"], format="danbooru_export"))
    assert (summary.posts, summary.tags, summary.rejects) == (0, 0, {})
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == NAMES


def test_truncated_dump_is_read_as_far_as_it_goes(tmp_path: Path, dumps: Path) -> None:
    packed = (dumps / "posts001.json.gz").read_bytes()
    (dumps / "posts001.json.gz").write_bytes(packed[: len(packed) // 2])
    summary = build(tmp_path, source(dumps))
    assert summary.rejects == {"no-id": 1, "truncated-stream": 1}
    assert 200 < summary.posts < 500


def test_progress_is_told(tmp_path: Path, dumps: Path) -> None:
    events: list[Event] = []
    build(tmp_path, source(dumps), report=events.append)
    assert isinstance(events[0], StepStarted)
    finished = [event for event in events if isinstance(event, StepFinished)]
    assert finished[0].done == 503 + 120 + 3
    assert [event.message for event in events if isinstance(event, Notice)] == [
        "artists000.json: this table is not read"
    ]


def test_tables_beside_the_posts_are_sorted_and_without_what_was_taken_back(tmp_path: Path, dumps: Path) -> None:
    note = {"body": "a", "is_active": True}
    put(dumps / "notes000.json", *({"id": n, "post_id": 5 + n % 2, **note} for n in (3, 1, 2)), {"id": 2, "post_id": 9})
    put(dumps / "notes001.json", {"id": 4, "body": "of no post"})
    put(dumps / "users000.json", {"id": 2, "name": "b"}, {"id": 1, "name": "a b"})
    summary = build(tmp_path, source(dumps), without={("danbooru", 6)})
    assert summary.beside == {"notes": 1, "users": 2}
    assert [(row["id"], row["post_id"], row["body"]) for row in table(tmp_path, "notes")] == [(2, 5, "a")]
    assert table(tmp_path, "users") == [
        {"site": "danbooru", "id": 1, "name": "a b"},
        {"site": "danbooru", "id": 2, "name": "b"},
    ]
    assert not (tmp_path / "out" / "comments.parquet").exists()
    assert [(entry["reason"], entry["source"]) for entry in rejects(tmp_path) if "notes" in entry["source"]] == [
        ("duplicate-row", "notes000.json"),
        ("no-id", "notes001.json"),
    ]
    again = build(tmp_path / "again", source(dumps))
    assert (again.beside["notes"], again.rejects["duplicate-row"]) == (3, summary.rejects["duplicate-row"])


def test_rows_of_all_runs_are_gathered_in_pieces(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, dumps: Path) -> None:
    build(tmp_path / "one", source(dumps))
    monkeypatch.setattr("tagswarm.release.post_runs.ROW_GROUP", 10)
    build(tmp_path / "two", source(dumps), run=50)
    assert published(tmp_path / "one") == published(tmp_path / "two")


def _pairs(found: list[dict[str, Any]]) -> Iterator[tuple[str, int]]:
    return ((entry["source"], entry["line"]) for entry in found)


def test_rejects_are_sorted_by_file_and_line(tmp_path: Path) -> None:
    bad = [
        {"rating": "g"},
        row(1, "a"),
        {"id": "x", "rating": "g"},
        row(1, "b"),
        {"id": -1, "rating": "g"},
        row(1, "a"),
    ]
    paths = [put(tmp_path / name / "posts.json", *bad) for name in ("b", "a", "c")]
    build(tmp_path, *(SourceInput([path]) for path in paths))
    found = list(_pairs(rejects(tmp_path)))
    assert found == sorted(found)
    assert len(found) == 3 * 3 + 3 * 3 - 1
    assert list(islice(found, 3)) == [("a/posts.json", 1), ("a/posts.json", 2), ("a/posts.json", 3)]


def test_example_of_the_page_is_what_is_written(tmp_path: Path, repository: Path) -> None:
    page = (repository / "docs" / "reference" / "formats" / "metadata.md").read_text()
    (tmp_path / "posts.json").write_text(page.split("The row of a dump `")[1].split("`")[0] + "\n")
    build(tmp_path, SourceInput([tmp_path / "posts.json"]))
    (post,) = table(tmp_path, "posts")
    expected = json.loads(page.split("```json\n")[1].split("```")[0])
    assert {key: value for key, value in post.items() if value is not None} == expected


def test_reasons_of_the_page_are_those_of_the_readers(repository: Path) -> None:
    page = (repository / "docs" / "reference" / "formats" / "metadata.md").read_text()
    listed = set(
        re.findall(r"`([a-z-]+)`", "".join(re.findall(r"^\| (`[^|]*)\|", page.split("| reason |")[1], re.MULTILINE)))
    )
    sources = [
        *(repository / "release" / "sources").glob("*.py"),
        repository / "release" / "metadata.py",
        repository / "release" / "reject_log.py",
    ]
    code = "".join(path.read_text() for path in sources)
    raised = set(
        re.findall(r'(?:Malformed|Failure|_fail|_broken|BrokenArchive)\((?:outer, |[^()]*?")?"([a-z][a-z-]+)"', code)
    )
    assert raised - listed == set()
    assert {reason for reason in listed if f'"{reason}"' not in code} == set()
