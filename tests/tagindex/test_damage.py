"""Files that are no index, newer, cut off or damaged: told from each other, refused, never a crash."""

from __future__ import annotations

import random
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from tagswarm.manifests.errors import (
    DigestMismatch,
    InvalidDocument,
    TagswarmError,
    Unreadable,
    UnsupportedVersion,
)
from tagswarm.manifests.records import Category
from tagswarm.tagindex import pages
from tagswarm.tagindex.format import PAGE
from tagswarm.tagindex.reader import Index
from tests.tagindex.test_index import ALIASES, IMPLICATIONS, post, write


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small index with something in every part."""
    noise = random.Random(5)
    tags = [f"tag_{number}" for number in range(60)]
    site = {"site": "danbooru"}
    made = [
        post(
            number,
            *noise.sample(tags, 12),
            score=noise.randint(-9, 90),
            md5=f"{noise.getrandbits(128):032x}",
            source=f"https://example.com/{number}",
            uploader_id=1 if number % 7 else None,
            is_deleted=number % 9 == 0,
            rating="g" if number % 2 else "s",
        )
        for number in range(1, 2_500)
    ]
    return write(
        tmp_path_factory.mktemp("whole"),
        made,
        aliases=ALIASES,
        implications=IMPLICATIONS,
        pools=[{**site, "id": 1, "name": "p", "category": "series", "is_deleted": False, "post_ids": [3, 2]}],
        notes=[{**site, "id": 1, "post_id": 5, "body": "x", "is_active": True}],
        users=[{**site, "id": 1, "name": "a"}],
    )


QUESTIONS: list[Callable[[Index], object]] = [
    lambda index: (index.size, index.schemes, index.tables),
    lambda index: index.columns,
    lambda index: index.sites,
    lambda index: list(index.frequent()),
    lambda index: list(index.frequent(Category.GENERAL)),
    lambda index: [index.tag(f"tag_{number}") for number in range(61)],
    lambda index: [index.posting(row) for row in index.frequent()],
    lambda index: index.nearest("tag_999"),
    lambda index: index.tags_like("*1*"),
    lambda index: index.complete("tag_1"),
    lambda index: index.abbreviated("t5"),
    lambda index: index.alias("longhair"),
    lambda index: index.targets("miku"),
    lambda index: index.implied_by("long_hair"),
    lambda index: index.between("id", None, None),
    *(
        lambda index, name=name: (index.between(name, 1, 20), index.values(name)[0].tolist(), index.nulls(name))
        for name in ("score", "uploader_id", "tag_count", "pool_count")
    ),
    lambda index: [index.word("rating", word) for word in index.words("rating")],
    lambda index: index.word("rating", "q"),
    lambda index: index.flag("is_deleted"),
    lambda index: index.md5s(index.between("id", None, None)),
    lambda index: index.md5("0" * 32),
    lambda index: list(index.sources()),
    lambda index: list(index.pools()),
    lambda index: list(index.texts("notes")),
    lambda index: index.users("uploader", "a"),
    lambda index: index.counts_within(index.between("id", None, None))[1].tolist(),
    lambda index: index.tags_of(index.between("id", None, None))[1].tolist(),
]
"""Everything that an index can be asked."""


def everything(path: Path) -> list[object]:
    with Index.open(path) as index:
        return [ask(index) for ask in QUESTIONS]


@contextmanager
def changed(path: Path) -> Iterator[sqlite3.Connection]:
    """An index that somebody else changes and gives checksums that are right again."""
    with closing(sqlite3.connect(path)) as database, database:
        yield database
    pages.attach(path)


def test_what_is_no_index_is_told(tmp_path: Path, whole: Path) -> None:
    path = tmp_path / "x"
    with pytest.raises(Unreadable):
        Index.open(path)
    with pytest.raises(Unreadable):
        Index.open(tmp_path)
    for content in (b"", b"SQLite format 3\0", b"PAR1" * 100, b"\0" * 4_096):
        path.write_bytes(content)
        with pytest.raises(UnsupportedVersion, match="no index"):
            Index.open(path)
    path.unlink()
    with sqlite3.connect(path) as other:
        other.execute("CREATE TABLE tag (name)")
    other.close()
    with pytest.raises(UnsupportedVersion, match="another program"):
        Index.open(path)
    newer = bytearray(whole.read_bytes())
    newer[60:64] = (2).to_bytes(4, "big")
    path.write_bytes(newer)
    with pytest.raises(UnsupportedVersion, match="version 2"):
        Index.open(path)


def test_another_format_of_the_same_version_is_refused(tmp_path: Path, whole: Path) -> None:
    path = tmp_path / "index.sqlite"
    path.write_bytes(whole.read_bytes())
    with changed(path) as database:
        database.execute("UPDATE meta SET value = 'tagswarm.other/7' WHERE key = 'format'")
    with pytest.raises(UnsupportedVersion, match=r"tagswarm\.other/7"):
        Index.open(path)


def test_a_file_that_is_cut_off_or_too_long_is_refused(tmp_path: Path, whole: Path) -> None:
    content = whole.read_bytes()
    path = tmp_path / "index.sqlite"
    for size in (100, 8_191, 8_192, len(content) // 2, len(content) - 1):
        path.write_bytes(content[:size])
        with pytest.raises(InvalidDocument, match="bytes long") as refused:
            Index.open(path)
        assert "verify" in refused.value.hint
    path.write_bytes(content + b"\0")
    with pytest.raises(InvalidDocument, match="bytes long"):
        Index.open(path)


def test_a_tag_without_a_count_is_refused(tmp_path: Path, whole: Path) -> None:
    path = tmp_path / "index.sqlite"
    path.write_bytes(whole.read_bytes())
    with changed(path) as database:
        database.execute("PRAGMA writable_schema = 1")
        database.execute("UPDATE sqlite_master SET sql = replace(sql, ' NOT NULL', '') WHERE name = 'tag'")
        database.commit()
        database.execute("PRAGMA writable_schema = RESET")
        database.execute("UPDATE tag SET count = NULL")
    with Index.open(path) as index, pytest.raises(InvalidDocument, match="no name or no count"):
        list(index.frequent())


def flipped(content: bytearray, noise: random.Random) -> None:
    for _ in range(noise.choice((1, 1, 1, 40))):
        bit = noise.randrange(8 * len(content))
        content[bit // 8] ^= 1 << bit % 8


def zeroed(content: bytearray, noise: random.Random) -> None:
    at = noise.randrange(len(content) // PAGE) * PAGE
    content[at : at + PAGE] = bytes(PAGE)


def swapped(content: bytearray, noise: random.Random) -> None:
    one, other = (noise.randrange(len(content) // PAGE) * PAGE for _ in range(2))
    content[one : one + PAGE], content[other : other + PAGE] = (
        content[other : other + PAGE],
        content[one : one + PAGE],
    )


@pytest.mark.parametrize("damage", [flipped, zeroed, swapped])
def test_a_damaged_index_answers_rightly_or_refuses(
    tmp_path: Path, whole: Path, damage: Callable[[bytearray, random.Random], None]
) -> None:
    content = whole.read_bytes()
    path = tmp_path / "index.sqlite"
    good = everything(whole)
    noise = random.Random(11)
    refused: list[str] = []
    for _ in range(60):
        damaged = bytearray(content)
        damage(damaged, noise)
        path.write_bytes(damaged)
        try:
            opened = Index.open(path)
        except TagswarmError as failure:
            refused += [failure.message]
            continue
        with opened as index:
            for ask, right in zip(QUESTIONS, good, strict=True):
                try:
                    answer = ask(index)
                except TagswarmError as failure:
                    refused += [failure.message]
                else:
                    assert answer == right
    assert len(refused) > 30
    assert all(str(path) in message for message in refused)


@pytest.mark.parametrize("table", ["tag", "alias", "initials", "posting", "chunk", "number", "md5", "source", "meta"])
def test_the_digests_find_what_was_changed_in_a_part(tmp_path: Path, whole: Path, table: str) -> None:
    path = tmp_path / "index.sqlite"
    path.write_bytes(whole.read_bytes())
    with changed(path) as database:
        if table == "meta":
            database.execute("UPDATE meta SET value = 'x' WHERE key = 'sha256:tag'")
        else:
            (last,) = [row[1] for row in database.execute(f"PRAGMA table_info({table})")][-1:]
            database.execute(f"UPDATE {table} SET {last} = CAST({last} || x'00' AS BLOB)")
    with Index.open(path) as index, pytest.raises(DigestMismatch):
        index.check()


def test_rows_of_another_type_are_refused(tmp_path: Path, whole: Path) -> None:
    path = tmp_path / "index.sqlite"
    for statement in (
        "UPDATE posting SET data = 'text'",
        "UPDATE posting SET data = x''",
        "UPDATE chunk SET data = 7",
        "UPDATE number SET chunks = x'00'",
        "UPDATE tag SET count = 'many'",
        "DELETE FROM posting",
        "DELETE FROM chunk",
        "DROP TABLE word",
    ):
        path.write_bytes(whole.read_bytes())
        with changed(path) as database:
            database.execute(statement)
        with pytest.raises(InvalidDocument):
            everything(path)
