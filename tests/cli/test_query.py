"""`tagswarm count`, `query`, `tags`, `stats`, `sample`, `explain`: what they say, to people, programs, pipes and shells."""

from __future__ import annotations

import json
import os
import pty
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner, Result

import tagswarm
from tagswarm.cli import tags as tags_command
from tagswarm.cli.charts import bar
from tagswarm.cli.main import program
from tagswarm.manifests.records import Category
from tests.collection import Collection, Row

TAGSWARM = str(Path(sys.executable).with_name("tagswarm"))
POSTS = 60


@pytest.fixture(scope="module")
def collection(tmp_path_factory: pytest.TempPathFactory) -> Collection:
    """A collection that was built."""
    made = Collection.make(tmp_path_factory.mktemp("query") / "data", POSTS, buckets=4)
    made.write_config(name="2025")
    assert CliRunner().invoke(program, ["release", "build", str(made.root), "--workers", "1", "-q"]).exit_code == 0
    return made


def run(collection: Collection, *args: str, **extra: Any) -> Result:
    environment = {"TAGSWARM_DATASET": str(collection.root), **extra.pop("env", {})}
    return CliRunner().invoke(program, list(args), env=environment, **extra)


def said(collection: Collection, *args: str, code: int = 0) -> str:
    ended = run(collection, *args)
    assert ended.exit_code == code, ended.output
    return ended.stdout


def told(collection: Collection, *args: str, code: int = 0) -> list[dict[str, Any]]:
    """Every object of a command with --json."""
    ended = run(collection, *args, "--json")
    assert (ended.exit_code, ended.stderr) == (code, ""), ended.output
    return [json.loads(line) for line in ended.stdout.splitlines()]


def on_terminal(collection: Collection, *args: str, columns: int = 100) -> str:
    """What a terminal shows, stdout and stderr together."""
    ours, theirs = pty.openpty()
    environment = {
        **os.environ,
        "TAGSWARM_DATASET": str(collection.root),
        "TERM": "xterm-256color",
        "COLUMNS": str(columns),
    }
    with subprocess.Popen(
        [TAGSWARM, *args], stdin=theirs, stdout=theirs, stderr=theirs, env=environment, close_fds=True
    ) as process:
        os.close(theirs)
        shown = b""
        while True:
            try:
                part = os.read(ours, 1 << 16)
            except OSError:  # the other side is closed
                break
            if not part:
                break
            shown += part
        process.wait(timeout=60)
    os.close(ours)
    return shown.decode()


def tagged(collection: Collection, name: str) -> list[Row]:
    return [row for row in collection.posts if name in row["tag_string"].split()]


def ids(rows: list[Row]) -> list[int]:
    return sorted((row["id"] for row in rows), reverse=True)


def test_count_is_a_number(collection: Collection) -> None:
    assert said(collection, "count") == f"{POSTS}\n"
    assert said(collection, "count", "smile") == f"{len(tagged(collection, 'smile'))}\n"
    assert said(collection, "count", "smile", "--limit", "2") == "2\n"
    (result,) = told(collection, "count", "smile", "-hat")
    wanted = [row for row in tagged(collection, "smile") if row not in tagged(collection, "hat")]
    assert result == {
        "event": "result",
        "query": "smile -hat",
        "release": "2025",
        "notes": [],
        "count": len(wanted),
        "posts": POSTS,
    }
    assert said(collection, "count", "smile", "-q") == ""


def test_the_release_is_found_in_every_way(collection: Collection, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TAGSWARM_DATASET", raising=False)
    folder = collection.root / "releases" / "2025"
    for place in (collection.root, folder, folder / "index.sqlite"):
        ended = CliRunner().invoke(program, ["count", "--in", str(place)])
        assert (ended.exit_code, ended.stdout) == (0, f"{POSTS}\n")
        if place.is_dir():
            monkeypatch.chdir(place)
            assert CliRunner().invoke(program, ["count"]).stdout == f"{POSTS}\n"
    assert CliRunner().invoke(program, ["count", "--in", str(collection.root), "--release", "2025"]).exit_code == 0
    assert CliRunner().invoke(program, ["count", "--in", str(collection.root), "--release", "1999"]).exit_code == 16
    assert CliRunner().invoke(program, ["count", "--in", "https://host/danbooru"]).exit_code == 14
    monkeypatch.chdir(collection.root / "original")
    ended = CliRunner().invoke(program, ["count"])
    assert ended.exit_code == 16
    assert "--in" in ended.stderr


def test_an_error_points_at_the_place(collection: Collection) -> None:
    ended = run(collection, "count", "solo smlie")
    assert (ended.exit_code, ended.stdout) == (12, "")
    message, line, marks, *rest = ended.stderr.splitlines()
    assert message.startswith("error: ")
    assert line.strip() == "solo smlie"
    assert marks.index("^") == line.index("smlie")
    assert marks.count("^") == len("smlie")
    assert "smile" in "\n".join(rest)
    (error,) = told(collection, "count", "solo smlie", code=12)
    assert (error["error"], error["query"], error["span"]) == ("UnknownTag", "solo smlie", [5, 10])
    assert error["suggestions"][0] == "smile"


@pytest.mark.parametrize(
    ("query", "place", "kind"),
    [
        ("solo (smile", "(", "QuerySyntaxError"),
        ("solo or", "or", "QuerySyntaxError"),
        ("score:many", "many", "UnreadableValue"),
        ("rating:safe", "safe", "UnknownWord"),
        ("fav:me", "fav:me", "UnanswerableMetatag"),
        ("note:a", "note:a", "UnanswerableMetatag"),
        ("smile order:best", "best", "UnknownWord"),
    ],
)
def test_every_kind_of_mistake_is_12_with_its_place(collection: Collection, query: str, place: str, kind: str) -> None:
    (error,) = told(collection, "query", query, code=12)
    begin, end = error["span"]
    assert (error["error"], error["query"][begin:end]) == (kind, place)
    assert error["hint"]
    assert "^" in run(collection, "query", query).stderr


def test_a_terminal_shows_the_place_in_red(collection: Collection) -> None:
    shown = on_terminal(collection, "count", "solo smlie")
    assert "\x1b[1;31msmlie\x1b[0m" in shown
    assert "\x1b[1;31m         ^^^^^\x1b[0m" in shown
    assert "\x1b[2J" not in on_terminal(collection, "count", "\x1b[2J")


def test_unknown_tags_can_be_allowed(collection: Collection) -> None:
    ended = run(collection, "count", "smile", "-smlie", "--allow-unknown")
    assert (ended.exit_code, ended.stdout) == (0, f"{len(tagged(collection, 'smile'))}\n")
    assert ended.stderr.startswith("note: ")
    assert "smlie" in told(collection, "count", "smlie", "--allow-unknown")[0]["notes"][0]


def test_query_lists_ids_in_order(collection: Collection) -> None:
    assert said(collection, "query", "smile") == "".join(f"{post}\n" for post in ids(tagged(collection, "smile")))
    best = sorted(collection.posts, key=lambda row: (row["score"], row["id"]), reverse=True)
    assert said(collection, "query", "order:score limit:7").split() == [str(row["id"]) for row in best[:7]]
    assert said(collection, "query", "order:score", "--limit", "7").split() == [str(row["id"]) for row in best[:7]]
    assert said(collection, "query", "smile -smile") == ""


def test_columns_come_as_tsv_and_json_lines(collection: Collection) -> None:
    by_id = {row["id"]: row for row in collection.posts}
    head, *lines = said(collection, "query", "order:score limit:9", "--columns", "id, score,rating,tags").splitlines()
    assert head == "id\tscore\trating\ttags"
    assert len(lines) == 9
    for line in lines:
        post, score, rating, tags = line.split("\t")
        row = by_id[int(post)]
        assert (score, rating, tags) == (str(row["score"]), row["rating"], row["tag_string"])
    text = said(collection, "query", "order:score limit:9", "--columns", "id,md5,is_deleted", "--format", "jsonl")
    for line in map(json.loads, text.splitlines()):
        assert line == {
            "id": line["id"],
            "md5": by_id[line["id"]]["md5"],
            "is_deleted": by_id[line["id"]]["is_deleted"],
        }
    *posts, result = told(collection, "query", "order:score limit:9", "--columns", "id,score")
    assert posts[0] == {"event": "post", "id": int(lines[0].split()[0]), "score": int(lines[0].split()[1])}
    assert (result["event"], result["count"]) == ("result", 9)


def test_files_are_written_as_their_name_says(collection: Collection, tmp_path: Path) -> None:
    wanted = ids(tagged(collection, "smile"))
    for name in ("a.txt", "a.tsv", "a.jsonl", "a.parquet"):
        ended = run(collection, "query", "smile", "-o", str(tmp_path / name))
        assert ended.exit_code == 0, ended.output
        assert ended.stdout == f"written: {tmp_path / name}, {len(wanted)} posts\n"
    assert (tmp_path / "a.txt").read_text().split() == [str(post) for post in wanted]
    assert (tmp_path / "a.tsv").read_text().split() == ["id", *(str(post) for post in wanted)]
    assert [json.loads(line)["id"] for line in (tmp_path / "a.jsonl").read_text().splitlines()] == wanted
    assert pq.read_table(tmp_path / "a.parquet")["id"].to_pylist() == wanted
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.jsonl", "a.parquet", "a.tsv", "a.txt"]
    ended = run(
        collection, "query", "smile", "-o", str(tmp_path / "b.parquet"), "--columns", "id,tags,created_at", "-q"
    )
    assert (ended.exit_code, ended.output) == (0, "")
    found = pq.read_table(tmp_path / "b.parquet").to_pylist()
    assert [row["id"] for row in found] == wanted
    assert found[0]["tags"] == next(r["tag_string"].split() for r in collection.posts if r["id"] == wanted[0])


def test_an_empty_answer_is_a_whole_file(collection: Collection, tmp_path: Path) -> None:
    assert (
        run(collection, "query", "smile -smile", "-o", str(tmp_path / "a.parquet"), "--columns", "id,tags").exit_code
        == 0
    )
    assert pq.read_table(tmp_path / "a.parquet").num_rows == 0
    assert said(collection, "query", "smile -smile", "--columns", "id,tags") == "id\ttags\n"


@pytest.mark.parametrize(
    "args",
    [
        ("--columns", "id,nonsense"),
        ("--columns", ""),
        ("--format", "parquet"),
        ("--format", "ids", "--columns", "id"),
        ("--format", "nonsense"),
    ],
)
def test_wrong_options_of_query_are_2(collection: Collection, args: tuple[str, ...]) -> None:
    ended = run(collection, "query", "smile", *args)
    assert (ended.exit_code, ended.stdout) == (2, "")


def test_a_file_that_cannot_be_written_is_told(collection: Collection, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    ended = run(collection, "query", "smile", "-o", str(tmp_path / "file" / "a.tsv"))
    assert ended.exit_code == 15
    assert "Traceback" not in ended.stderr


def test_the_index_alone_answers(collection: Collection, tmp_path: Path) -> None:
    shutil.copy(collection.root / "releases" / "2025" / "index.sqlite", tmp_path / "mine.sqlite")
    place = ("--in", str(tmp_path / "mine.sqlite"))
    query = ("query", "order:score limit:5")
    whole = said(collection, *query, "--columns", "id,score,rating,created_at,md5,tags")
    assert said(collection, *query, "--columns", "id,score,rating,created_at,md5,tags", *place) == whole
    ended = run(collection, *query, "--columns", "id,extra", *place)
    assert ended.exit_code == 2
    assert "extra" in ended.stderr


def test_index_and_tables_of_different_releases_are_refused(collection: Collection, tmp_path: Path) -> None:
    other = Collection.make(tmp_path / "data", 10, buckets=2)
    other.write_config(name="2025")
    assert CliRunner().invoke(program, ["release", "build", str(other.root), "-q"]).exit_code == 0
    index = other.root / "releases" / "2025" / "index.sqlite"
    index.unlink()
    shutil.copy(collection.root / "releases" / "2025" / "index.sqlite", index)
    ended = run(collection, "query", "--columns", "id,tags", "--in", str(other.root))
    assert ended.exit_code == 10
    assert "different releases" in ended.stderr


def test_a_pipe_whose_reader_leaves_is_no_error(collection: Collection) -> None:
    command = f"{TAGSWARM} query --in '{collection.root}' --columns id,tags,source | head -1; exit ${{PIPESTATUS[0]}}"
    ended = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=False, timeout=60)
    assert ended.returncode in (0, 141)
    assert (ended.stdout, ended.stderr) == ("id\ttags\tsource\n", "")


def test_a_terminal_gets_a_table(collection: Collection) -> None:
    shown = on_terminal(collection, "query", "order:score limit:3", "--columns", "id,score,rating")
    assert "\t" not in shown
    assert "score" in shown.splitlines()[0]
    assert len(shown.splitlines()) == 4


def test_samples_repeat(collection: Collection) -> None:
    first = said(collection, "sample", "-n", "8", "--seed", "7").split()
    assert len(set(first)) == 8
    assert said(collection, "sample", "-n", "8", "--seed", "7").split() == first
    assert said(collection, "sample", "-n", "8", "--seed", "8").split() != first
    assert said(collection, "sample", "-n", "5", "--seed", "7").split() == first[:5]
    assert set(said(collection, "sample", "-n", "999", "smile").split()) == {
        str(n) for n in ids(tagged(collection, "smile"))
    }


def test_tags_are_found_by_prefix_glob_alias_and_category(collection: Collection) -> None:
    counts = Counter(name for row in collection.posts for name in row["tag_string"].split())

    def names(*args: str) -> list[str]:
        head, *lines = said(collection, "tags", *args).splitlines()
        assert head.split("\t") == ["tag", "category", "posts", "among", "aliases", "implies"]
        for line in lines:
            name, _, posts, *_ = line.split("\t")
            assert int(posts) == counts[name]
        return [line.split("\t")[0] for line in lines]

    by_count = sorted(counts, key=lambda name: (-counts[name], name))
    assert names("--limit", "5") == by_count[:5]
    assert names("blue_") == [name for name in by_count if name.startswith("blue_")]
    assert names("*_hair") == [name for name in by_count if name.endswith("_hair")]
    assert names("*HAIR*", "--min-count", "3") == [name for name in by_count if "hair" in name and counts[name] >= 3]
    assert names("longh") == ["long_hair"]
    assert set(names("--category", "artist")) == {"kobayashi_(test)", "ito_hana", "mori_no_kuma"}
    assert names("nothing_like_it") == []
    (result,) = told(collection, "tags", "long_hair")
    assert result["tags"][0]["aliases"] == ["longhair"]
    (result,) = told(collection, "tags", "blue_dress")
    assert result["tags"][0]["implies"] == ["dress"]


def test_tags_that_come_together(collection: Collection) -> None:
    together = Counter(name for row in tagged(collection, "smile") for name in row["tag_string"].split())
    (result,) = told(collection, "tags", "--with", "smile", "--limit", "400")
    assert {tag["name"]: tag["among"] for tag in result["tags"]} == dict(together)
    assert result["tags"][0]["name"] == "smile"
    numbers = [tag["among"] for tag in result["tags"]]
    assert numbers == sorted(numbers, reverse=True)
    (result,) = told(collection, "tags", "blue_*", "--with", "smile")
    assert {tag["name"] for tag in result["tags"]} == {name for name in together if name.startswith("blue_")}
    assert "share" in on_terminal(collection, "tags", "--with", "smile", "--limit", "3")
    assert run(collection, "tags", "--with", "smlie").exit_code == 12


def test_words_of_categories_are_those_of_records() -> None:
    assert sorted(tags_command.CATEGORIES) == sorted(category.word for category in Category)


def test_stats_count_what_is_there(collection: Collection) -> None:
    (result,) = told(collection, "stats", "smile")
    rows = tagged(collection, "smile")
    assert result["posts"] == len(rows)
    assert result["ratings"] == dict(Counter(row["rating"] for row in rows))
    assert result["years"] == dict(Counter(row["created_at"][:4] for row in rows))
    assert result["claimed_bytes"] == sum(row["file_size"] for row in rows)
    page = said(collection, "stats", "smile")
    for title in ("Ratings", "Years", "Files", "Longer side", "Tags: general"):
        assert title in page
    shown = on_terminal(collection, "stats", "smile")
    assert shown.index("in common") < shown.index("█")
    assert said(collection, "stats", "smile -smile").startswith("0 posts\n")


@pytest.mark.parametrize("width", ["12", "40", "300"])
def test_pages_fit_any_terminal(collection: Collection, width: str) -> None:
    for args in (("stats", "smile"), ("explain", "smile -hat")):
        ended = run(collection, *args, env={"COLUMNS": width})
        assert ended.exit_code == 0
        assert all(line == line.rstrip() for line in ended.stdout.splitlines())


def test_bars_show_what_is_little() -> None:
    assert [bar(part, 100, 10) for part in (0, 1, 50, 100)] == ["", "▏", "█████", "██████████"]
    assert [bar(part, 100, 10, ascii_only=True) for part in (0, 1, 50, 100)] == ["", "#", "#####", "##########"]
    assert bar(0, 0, 10) == ""


def test_explain_shows_how_a_query_was_understood(collection: Collection) -> None:
    counts = {name: len(tagged(collection, name)) for name in ("smile", "hat", "long_hair")}
    (result,) = told(collection, "explain", "smile -(hat or longhair) order:score limit:3")
    assert result["understood"] == "smile -(hat or long_hair)"
    assert (result["count"], result["order"]) == (3, "score, largest first")
    parts = {part["query"]: part["posts"] for part in result["parts"]}
    assert parts["smile"] == counts["smile"]
    assert parts["-hat"] == POSTS - counts["hat"]
    assert parts["-long_hair"] == POSTS - counts["long_hair"]
    assert parts["all of"] >= result["count"]
    assert [part["depth"] for part in result["parts"]] == [0, 1, 1, 2, 2]
    assert all(step["seconds"] >= 0 for step in result["steps"])
    page = said(collection, "explain", "smile -(hat or longhair) order:score limit:3")
    for line in ("Parts", "Steps", "understood  smile -(hat or long_hair)", "3 posts of "):
        assert line in page


def test_other_spellings_are_read(collection: Collection) -> None:
    either = said(collection, "query", "smile or hat")
    assert said(collection, "query", "{smile ~ hat}", "--dialect", "gelbooru") == either
    assert said(collection, "query", "( ~smile ~hat ) status:any", "--dialect", "e621") == either


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("count lo", "long_hair"),
        ("count smile -lo", "-long_hair"),
        ("count 'smile lo", "smile long_hair"),
        ("query --limit 3 'smile (lo", "smile (long_hair"),
        ("tags lo", "long_hair"),
        ("tags --with 'smile lo", "smile long_hair"),
    ],
)
def test_a_shell_completes_tags(collection: Collection, words: str, expected: str) -> None:
    environment = {
        **os.environ,
        "TAGSWARM_DATASET": str(collection.root),
        "_TAGSWARM_COMPLETE": "bash_complete",
        "COMP_WORDS": f"tagswarm {words}",
        "COMP_CWORD": str(words.partition("'")[0].count(" ") + 1),
    }
    ended = subprocess.run([TAGSWARM], env=environment, capture_output=True, text=True, check=True, timeout=60)
    offered = [line.partition(",")[2] for line in ended.stdout.splitlines()]
    assert expected in offered


def test_a_shell_is_told_nothing_where_there_is_no_index(tmp_path: Path) -> None:
    environment = {
        **os.environ,
        "_TAGSWARM_COMPLETE": "bash_complete",
        "COMP_WORDS": "tagswarm count lo",
        "COMP_CWORD": "2",
    }
    environment["TAGSWARM_DATASET"] = str(tmp_path)
    ended = subprocess.run([TAGSWARM], env=environment, capture_output=True, text=True, check=True, timeout=60)
    assert (ended.stdout.strip(), ended.stderr) == ("", "")


def test_counting_loads_nothing_that_takes_long(collection: Collection) -> None:
    code = (
        "import sys\nfrom tagswarm.cli.main import program\n"
        f"try:\n    program.main(['count', 'smile -hat rating:g', '--in', {str(collection.root)!r}])\n"
        "except SystemExit:\n    pass\n"
        "print(sorted({'rich', 'numpy', 'pyarrow', 'pydantic', 'zoneinfo', 'pyvips', 'asyncio'} & set(sys.modules)))"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ended.stdout.splitlines()[1] == "[]"


def test_python_asks_the_same(collection: Collection) -> None:
    with tagswarm.open(collection.root) as release:
        assert (len(release), release.name) == (POSTS, "2025")
        smiling, hats = release.query("smile order:id"), release.query("hat")
        assert list(smiling) == sorted(row["id"] for row in tagged(collection, "smile"))
        assert smiling.ids().tolist() == list(smiling)
        assert set(smiling - hats) == set(smiling) - set(hats)
        assert release.subset(list(smiling)[:3]).to_arrow(["id"])["id"].to_pylist() == list(smiling)[:3]
        assert [tag.name for tag in release.tags("longh")] == ["long_hair"]
        assert release.tags(among=smiling, limit=1)[0].among == len(smiling)
        with pytest.raises(tagswarm.QueryError) as caught:
            release.query("smile (")
        assert caught.value.text[slice(*caught.value.span)] == "("


def test_ids_of_several_sites_are_told_apart(tmp_path: Path) -> None:
    both = Collection.make(tmp_path / "data", 12, buckets=2)
    other = Collection.make(tmp_path / "data" / "other", 8, buckets=2, seed=1)
    (other.root / "original").rename(both.root / "elsewhere")
    both.write_config(name="2025")
    config = both.root / "release.toml"
    config.write_text(
        f'{config.read_text()}\n[[sources]]\nsite = "e621"\nformat = "danbooru_export"\nrating_scheme = "gsqe-2022"\n'
        'originals = "elsewhere"\nmetadata = ["other/metadata/*.json"]\n'
    )
    assert CliRunner().invoke(program, ["release", "build", str(both.root), "-q"]).exit_code == 0
    ended = run(both, "query", "order:id")
    assert len(ended.stdout.split()) == 20
    assert ended.stderr == "note: the release has several sites: --columns site,id tells their posts apart\n"
    head, *lines = said(both, "query", "site:e621 order:id", "--columns", "site,id").splitlines()
    assert (head, len(lines)) == ("site\tid", 8)
    assert all(line.startswith("e621\t") for line in lines)
    assert [post["site"] for post in told(both, "query", "site:e621 limit:2")[:2]] == ["e621", "e621"]
    with tagswarm.open(both.root) as release:
        some = other.posts[0]["id"]
        assert release.subset([some], site="e621").to_arrow(["site", "id"]).to_pylist() == [
            {"site": "e621", "id": some}
        ]
        with pytest.raises(tagswarm.QueryError):
            release.subset([some])


def test_an_order_that_nobody_sees_is_not_told(collection: Collection) -> None:
    assert run(collection, "count", "date:>=2012-01-01").stderr == ""
    assert run(collection, "query", "date:>=2012-01-01").stderr.startswith("note: The answer is in the order")
