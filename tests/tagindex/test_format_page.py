"""The page of the format, followed to the letter by a reader that knows nothing of ours: sqlite3 and a Roaring library."""

from __future__ import annotations

import hashlib
import itertools
import re
import sqlite3
import struct
import subprocess
import sys
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyroaring
import pytest

from tagswarm.tagindex import format as written
from tagswarm.tagindex.reader import Index
from tagswarm.tagindex.spelling import signature
from tests.tagindex.test_index import ALIASES, IMPLICATIONS, post, write

PROGRAM = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Posts enough for tags above and below the limit of lists of gaps, with something in every table."""
    noise = np.random.default_rng(5)
    site = {"site": "danbooru"}
    made = [
        post(
            number,
            "1girl",
            *(f"tag_{key}" for key in noise.integers(0, 90, 7)),
            score=int(noise.integers(-9, 9_000)),
            md5=noise.bytes(16).hex() if number % 5 else None,
            source=f"https://example.com/{number}" if number % 3 else None,
            uploader_id=1 if number % 7 else None,
            is_deleted=number % 9 == 0,
            rating="g" if number % 2 else "s",
        )
        for number in range(1, 12_000)
    ]
    commentary = {"original_title": "a", "translated_description": "b"}
    return write(
        tmp_path_factory.mktemp("page"),
        made,
        aliases=ALIASES,
        implications=IMPLICATIONS,
        pools=[{**site, "id": 1, "name": "p", "category": "series", "is_deleted": False, "post_ids": [3, 2, 900]}],
        notes=[{**site, "id": n, "post_id": 1 + n % 50, "body": f"x{n}", "is_active": n % 2 == 0} for n in range(1, 9)],
        artist_commentaries=[{**site, "id": 1, "post_id": 5, **commentary}],
        users=[{**site, "id": 1, "name": "A b"}],
    )


@pytest.fixture
def database(path: Path) -> Iterator[sqlite3.Connection]:
    found = sqlite3.connect(f"file:{path}?mode=ro&immutable=1", uri=True)
    yield found
    found.close()


@pytest.fixture
def index(path: Path) -> Iterator[Index]:
    with Index.open(path) as opened:
        yield opened


def numbers(data: bytes) -> tuple[list[int], bytes]:
    """The numbers a blob begins with, and the rest of the blob."""
    count, width, delta, exceptions, base, low, step = struct.unpack_from("<IBBxxIqqQ", data)
    stored = max(count - delta, 0)
    body = 36 + (stored * width + 7) // 8
    bits = int.from_bytes(data[36:body], "little")
    u = [bits >> width * i & (1 << width) - 1 for i in range(stored)]
    places = struct.unpack_from(f"<{exceptions}I", data, body)
    for place, value in zip(places, struct.unpack_from(f"<{exceptions}Q", data, body + 4 * exceptions), strict=True):
        u[place] = value
    found = [base + step * each for each in u]
    if delta:
        found = list(itertools.accumulate((low + step * each for each in u), initial=base))
    return [(each + (1 << 63)) % (1 << 64) - (1 << 63) for each in found], data[body + 12 * exceptions :]


def texts(data: bytes) -> list[str]:
    lengths, rest = numbers(data)
    joined = zlib.decompress(rest)
    ends = list(itertools.accumulate(lengths))
    assert sum(lengths) == len(joined)
    return [joined[end - length : end].decode() for length, end in zip(lengths, ends, strict=True)]


def test_the_header_and_the_facts(path: Path, database: sqlite3.Connection, index: Index) -> None:
    header = path.read_bytes()[:100]
    assert int.from_bytes(header[68:72], "big") == 0x74677369
    assert int.from_bytes(header[60:64], "big") == 1
    assert database.execute("PRAGMA page_size").fetchone() == (8_192,)
    facts = dict(database.execute("SELECT key, value FROM meta"))
    assert facts["format"] == "tagswarm.index/1"
    assert (facts["posts"], facts["schemes"]) == (str(index.size), "gsqe-2022")
    assert facts["tables"] == "artist_commentaries notes pools users"
    assert database.execute("PRAGMA integrity_check").fetchall() == [("ok",)]


def test_every_table_and_its_key_are_on_the_page(repository: Path, database: sqlite3.Connection) -> None:
    page = (repository / "docs/reference/formats/index.md").read_text()
    rows = dict(re.findall(r"^\| `(\w+)` \| ((?:\*{0,2}`\w+`\*{0,2}(?:, )?)+) \|", page, re.MULTILINE))
    names = [name for (name,) in database.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")]
    assert sorted(names) == sorted(rows) == sorted(["meta", *written.TABLES])
    for table, columns in rows.items():
        found = database.execute(f"PRAGMA table_info({table})").fetchall()
        assert re.findall(r"`(\w+)`", columns) == [row[1] for row in found]
        key = [row[1] for row in sorted(found, key=lambda row: row[5]) if row[5]]
        assert re.findall(r"\*\*`(\w+)`\*\*", columns) == key
        if table != "meta":
            state = hashlib.sha256()
            for row in database.execute(f"SELECT * FROM {table} ORDER BY {', '.join(key)}"):
                for value in row:
                    data = value if isinstance(value, bytes) else str(value).encode()
                    state.update(b"~" if value is None else str(len(data)).encode() + b":" + data + b",")
            facts = database.execute("SELECT value FROM meta WHERE key = ?", (f"sha256:{table}",))
            assert facts.fetchone() == (state.hexdigest(),)


def run(program: str, folder: Path, *words: str) -> str:
    (folder / "example.py").write_text(program)
    command = [sys.executable, str(folder / "example.py"), *words]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def test_the_page_finds_a_damaged_page(repository: Path, tmp_path: Path, path: Path) -> None:
    program = PROGRAM.findall((repository / "docs/reference/formats/index.md").read_text())[0]
    content = bytearray(path.read_bytes())
    assert len(content) % 8_196 == 4
    assert run(program, tmp_path, str(path)) == "whole\n"
    for at in (20_000, len(content) - 5, len(content) - 1):
        content[at] ^= 1
        (tmp_path / "index.sqlite").write_bytes(content)
        assert run(program, tmp_path, str(tmp_path / "index.sqlite")) == "damaged\n"
        content[at] ^= 1


@pytest.mark.parametrize("name", ["1girl", "tag_0", "tag_89"])
def test_the_example_of_the_page_reads_the_posts_of_a_tag(
    repository: Path, tmp_path: Path, path: Path, index: Index, name: str
) -> None:
    page = (repository / "docs/reference/formats/index.md").read_text()
    tag = index.tag(name)
    assert tag is not None
    assert [int(word) for word in run(PROGRAM.findall(page)[1], tmp_path, str(path), name).split()] == list(
        index.posting(tag)
    )
    assert (tag.count > 1_024) == (name == "1girl")


def test_sets_are_portable_bitmaps(database: sqlite3.Connection, index: Index) -> None:
    for column, value, count, posts in database.execute("SELECT * FROM word"):
        found = pyroaring.BitMap.deserialize(posts)
        assert len(found) == count
        assert found == index.word(column, value)
    for column, count, posts in database.execute("SELECT * FROM flag"):
        assert len(index.flag(column)) == count == len(pyroaring.BitMap.deserialize(posts))
    for column, posts in database.execute("SELECT * FROM nulls"):
        assert index.nulls(column) == pyroaring.BitMap.deserialize(posts)


def test_columns_of_numbers(database: sqlite3.Connection, index: Index) -> None:
    rows = database.execute("SELECT * FROM number").fetchall()
    assert {"id", "score", "uploader_id", "tag_count", "note_count", "pool_count"} <= {row[0] for row in rows}
    for column, key, low, high, present, nulls, chunks in rows:
        null = pyroaring.BitMap.deserialize(nulls)
        least, rest = numbers(chunks)
        most, rest = numbers(rest)
        held, rest = numbers(rest)
        assert (rest, len(least), sum(held)) == (b"", -(-index.size // 65_536), present)
        values: list[int] = []
        for chunk in range(len(least)):
            found = database.execute("SELECT data FROM chunk WHERE key = ?", (key * 2**24 + chunk,)).fetchone()
            part, rest = numbers(found[0]) if found else ([], b"")
            assert (rest, len(part)) == (b"", held[chunk])
            assert (min(part, default=0), max(part, default=0)) == (least[chunk], most[chunk])
            values += part
        assert (min(values, default=None), max(values, default=None)) == (low, high)
        expected, none = index.values(column)
        assert set(null) == set(np.flatnonzero(none).tolist())
        assert values == expected[~none].tolist()


def test_md5s_sources_pools_texts_and_users(database: sqlite3.Connection, index: Index) -> None:
    digests: list[str | None] = [None] * index.size
    for first, data in database.execute("SELECT first, data FROM md5"):
        ordinals, rest = numbers(data)
        for place, ordinal in enumerate(ordinals):
            digests[ordinal] = bytes([first, *rest[15 * place : 15 * place + 15]]).hex()
    assert digests == index.md5s(pyroaring.BitMap(range(index.size)))
    sources: list[tuple[int, str]] = []
    for block, data in database.execute("SELECT block, data FROM source ORDER BY block"):
        places, rest = numbers(data)
        sources += zip([block * 8_192 + place for place in places], texts(rest), strict=True)
    assert sources == list(index.sources())
    (pool,) = database.execute("SELECT posts FROM pool").fetchone()
    assert numbers(pool) == ([2, 1, 899], b"")
    for kind, fields in (("notes", 1), ("artist_commentaries", 4)):
        found: list[Any] = []
        for (data,) in database.execute("SELECT data FROM text WHERE kind = ? ORDER BY number", (kind,)):
            posts, rest = numbers(data)
            active, rest = numbers(rest)
            parts = zip(*[iter(texts(rest))] * fields, strict=True)
            found += zip(posts, parts, map(bool, active), strict=True)
        assert found == [(text.post, text.fields, text.active) for text in index.texts(kind)]
    assert database.execute("SELECT * FROM user").fetchall() == [("danbooru", 1, "A b", "a_b")]


def test_signatures_have_the_bits_of_the_page(repository: Path, database: sqlite3.Connection) -> None:
    names = [name for (name,) in database.execute("SELECT name FROM tag ORDER BY key")]
    names += [name for (name,) in database.execute("SELECT name FROM alias ORDER BY name, target")]
    found: list[int] = []
    for first, data in database.execute("SELECT first, data FROM spelling ORDER BY first"):
        assert first == len(found) + 1
        body = data
        found += struct.unpack(f"<{len(body) // 8}Q", body)
    assert found == [signature_of_the_page(name) for name in names]
    for name in ("a(b)_12 é", "zz::++", "eeeeee", "0123", "{}~"):
        assert signature(name) == signature_of_the_page(name)


def signature_of_the_page(name: str) -> int:
    runs = [(character, 3) for character in "aeionrstl"] + [(character, 1) for character in "bcdfghjkmpquvwxyz"]
    runs += [("0123456789", 2), ("_ ", 3)]
    bits = at = 0
    for characters, width in runs:
        bits |= ((1 << min(sum(name.count(each) for each in characters), width)) - 1) << at
        at += width
    known = "".join(characters for characters, _ in runs)
    for character in name:
        if character not in known:
            bits |= 1 << (63 if ord(character) >= 128 else 49 + ord(character) % 15)
    return bits
