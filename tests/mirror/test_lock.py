"""What a lock says is read as it was written, and nothing else is; what differs between two is found."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tagswarm.imaging.transform import Transform
from tagswarm.manifests.errors import FormatError, InvalidDocument, LimitExceeded, Unreadable, UnsupportedVersion
from tagswarm.mirror.file import File
from tagswarm.mirror.form import Form, post_of
from tagswarm.mirror.lock import (
    LOCK,
    Changes,
    Difference,
    Entry,
    Header,
    Lock,
    Reproduced,
    changes,
    difference,
    parse_entry,
    reproduced,
    write,
)
from tests.mirror.subsets import NATIVE, SMALL, header
from tests.test_docs import blocks

A, B, C = "aa" * 32, "bb" * 32, "cc" * 32


def wanted(post: int, sha256: str = A, **facts: Any) -> File:
    return File(id=post, path=f"original/{post % 1000:04}/{post}.png", size=9, sha256=sha256, volume="v", **facts)


def image(post: int, sha256: str = B, **facts: Any) -> Entry:
    made: dict[str, Any] = {"file": f"images/{post % 1000:04}/{post}.jpg", "size": 5, "sha256": sha256}
    made |= {"width": 3, "height": 2}
    return replace(Entry.of(wanted(post)), **made, engine="engine 1", **facts)


def skipped(post: int, reason: str = "animated") -> Entry:
    return replace(Entry.of(wanted(post)), skipped=reason, detail="3 frames")


def written(path: Path, entries: list[Entry], form: Form = SMALL) -> Lock:
    write(path, header(form), lambda: entries)
    return Lock(path)


ENTRIES = [image(1), skipped(2), Entry.of(wanted(7)), image(1000, original="originals/0000/1000.png")]


def test_a_lock_is_read_as_it_was_written(tmp_path: Path) -> None:
    lock = written(tmp_path / LOCK, ENTRIES)
    assert list(lock.entries()) == ENTRIES
    assert list(lock.entries()) == ENTRIES, "as often as one likes"
    assert (lock.header.posts, lock.header.bytes, lock.header.engines) == (4, 10, ("engine 1",))
    assert lock.form == SMALL
    assert [entry.id for entry in ENTRIES if entry.pending] == [7]
    before = (tmp_path / LOCK).read_bytes()
    write(tmp_path / LOCK, lock.header, lock.entries)
    assert (tmp_path / LOCK).read_bytes() == before


def test_a_lock_of_nothing(tmp_path: Path) -> None:
    assert list(written(tmp_path / LOCK, [], NATIVE).entries()) == []


def test_the_example_of_the_page_is_the_golden_vector(repository: Path, tmp_path: Path) -> None:
    page = repository / "docs/reference/formats/lock.md"
    (example,) = blocks(page, "json")
    (tmp_path / LOCK).write_bytes(example)
    lock = Lock(tmp_path / LOCK)
    entries = list(lock.entries())
    assert [(entry.id, entry.file is not None, entry.skipped, entry.pending) for entry in entries] == [
        (1000, True, None, False),
        (1001, False, "animated", False),
        (2001, False, None, True),
    ]
    write(tmp_path / "again", lock.header, lambda: entries)
    assert (tmp_path / "again").read_bytes() == example
    text = page.read_text()
    for key in [*Header.model_fields, *(found.name for found in dataclasses.fields(Entry))]:
        assert f"| `{key}` |" in text, key


IDS = st.integers(0, (1 << 63) - 1)
DIGESTS = st.binary(min_size=32, max_size=32).map(bytes.hex)


@st.composite
def entries(draw: st.DrawFn) -> Entry:
    post = draw(IDS)
    facts: dict[str, Any] = {
        "version": draw(st.integers(1, 9)),
        "archive": draw(st.none() | st.text(min_size=1, max_size=40)),
    }
    entry = replace(Entry.of(wanted(post, draw(DIGESTS))), path=draw(st.text(max_size=60)), **facts)
    match draw(st.integers(0, 2)):
        case 0:
            return entry
        case 1:
            return replace(
                entry, skipped=draw(st.sampled_from(["animated", "corrupt"])), detail=draw(st.text(max_size=50))
            )
        case _:
            size = draw(st.integers(0, 1 << 40))
            return replace(
                entry, file=f"images/{post}.webp", size=size, sha256=draw(DIGESTS), engine=draw(st.text(max_size=9))
            )


@given(entries())
def test_every_entry_survives_its_line(entry: Entry) -> None:
    line = entry.line()
    assert parse_entry(line) == entry
    assert parse_entry(line).line() == line
    assert line.count(b"\n") == 1


@given(IDS, st.sampled_from(["buckets", "flat"]), st.booleans(), st.text(max_size=12))
def test_every_place_leads_back_to_its_post(post: int, layout: Any, originals: bool, ending: str) -> None:
    form = Form(transform=SMALL.transform, layout=layout, originals=originals)
    file = replace(wanted(post), path=f"original/0000/1.{ending}")
    for place in (form.place(file), Form(layout=layout).place(file), form.original(file)):
        if place is not None:
            assert post_of(place) == post
            assert parse_entry(replace(Entry.of(file), file=place, size=1, sha256=A).line()).file == place
    assert (form.original(file) is not None) == originals


def test_a_recipe_follows_the_transform_alone() -> None:
    assert SMALL.recipe == Form(transform=SMALL.transform, layout="flat", originals=True).recipe
    others = [
        NATIVE,
        SMALL,
        Form(transform=Transform(mode="pad", width=33)),
        Form(transform=Transform(mode="fit", width=32)),
    ]
    assert len({form.recipe for form in others}) == len(others)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"id": -1}, "id"),
        ({"id": "1"}, "id"),
        ({"source_sha256": A.upper()}, "source_sha256"),
        ({"sha256": None}, "size and digest"),
        ({"file": None}, "has no file"),
        ({"skipped": "animated"}, "has no file"),
        ({"file": "../../etc/passwd"}, "file"),
        ({"file": "images/0001/2.jpg"}, "not the file of post 1"),
        ({"file": "images/0001/1.jpg\n"}, "file"),
        ({"file": "/images/0001/1.jpg"}, "file"),
        ({"original": "originals/0001/7.png"}, "not the file of post 1"),
        ({"width": None}, "a width and a height"),
        ({"width": 0}, "width"),
        ({"more": 1}, "more"),
        ({"size": 1 << 63}, "size"),
        ({"volume": "V"}, "volume"),
    ],
)
def test_a_malformed_line_is_refused(change: dict[str, Any], message: str) -> None:
    value = json.loads(image(1).line())
    value.update(change)
    line = json.dumps({key: item for key, item in value.items() if item is not None}).encode()
    with pytest.raises(InvalidDocument, match=message):
        parse_entry(line)


def line_changed(number: int, change: Callable[[bytes], bytes]) -> Callable[[list[bytes]], list[bytes]]:
    return lambda lines: [change(line) if at == number else line for at, line in enumerate(lines)]


BREAKS: dict[str, tuple[Callable[[list[bytes]], list[bytes]], type[FormatError], str]] = {
    "nothing": (lambda _: [], InvalidDocument, "line 1: is cut off"),
    "no lines": (lambda lines: lines[:1], InvalidDocument, "line 2: is cut off"),
    "the last line is gone": (lambda lines: lines[:-1], InvalidDocument, "line 5: is cut off"),
    "half of a line": (lambda lines: [*lines[:-1], lines[-1][:30]], InvalidDocument, "line 5: is cut off"),
    "a line more": (lambda lines: [*lines, lines[-1]], InvalidDocument, "first line vouches"),
    "another order": (
        lambda lines: [lines[0], lines[2], lines[1], *lines[3:]],
        InvalidDocument,
        "line 3: post 1 stands",
    ),
    "a line twice": (lambda lines: [*lines[:2], lines[1], *lines[3:]], InvalidDocument, "line 3: post 1 stands"),
    "a flipped digest": (
        line_changed(1, lambda line: line.replace(B.encode(), C.encode())),
        InvalidDocument,
        "vouches",
    ),
    "newer": (line_changed(0, lambda line: line.replace(b"lock/1", b"lock/2")), UnsupportedVersion, "newer"),
    "another document": (
        line_changed(0, lambda line: line.replace(b"lock/1", b"keys/1")),
        UnsupportedVersion,
        "expected",
    ),
    "an unknown key": (line_changed(0, lambda line: b'{"x":1,' + line[1:]), InvalidDocument, "line 1: .*x"),
    "a key twice": (line_changed(0, lambda line: b'{"release":"2026",' + line[1:]), InvalidDocument, "twice"),
    "a long first line": (line_changed(0, lambda line: line[:-1] + b" " * (1 << 20) + b"\n"), LimitExceeded, "line 1"),
    "a long line": (line_changed(2, lambda line: line[:-1] + b" " * 5000 + b"\n"), LimitExceeded, "line 3"),
    "an unknown transform": (line_changed(0, lambda line: line.replace(b'"pad"', b'"zoom"')), InvalidDocument, "mode"),
    "too many posts": (
        line_changed(0, lambda line: line.replace(b'"posts":4', b'"posts":50000001')),
        LimitExceeded,
        "50000001",
    ),
}


@pytest.mark.parametrize("name", BREAKS)
def test_a_lock_that_is_not_as_it_was_written_is_refused(tmp_path: Path, name: str) -> None:
    change, error, message = BREAKS[name]
    path = tmp_path / LOCK
    written(path, ENTRIES)
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(change(lines)))
    with pytest.raises(error, match=message) as caught:
        list(Lock(path).entries())
    assert str(path) in caught.value.message


@given(at=st.integers(0, 10_000), bit=st.integers(0, 7))
def test_every_flipped_bit_is_found_or_changes_only_what_the_first_line_tells(
    tmp_path_factory: pytest.TempPathFactory, at: int, bit: int
) -> None:
    path = tmp_path_factory.getbasetemp() / "flipped.lock"
    written(path, ENTRIES)
    data = bytearray(path.read_bytes())
    data[at % len(data)] ^= 1 << bit
    path.write_bytes(data)
    try:
        found = list(Lock(path).entries())
    except FormatError:
        return
    assert found == ENTRIES
    assert at % len(data) < data.index(b"\n")


def test_a_lock_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(Unreadable):
        Lock(tmp_path / LOCK)


def test_the_difference_of_two_queries() -> None:
    held = [image(1), image(2), image(3), skipped(4), Entry.of(wanted(5))]
    files = [wanted(post) for post in (9, 5, 4, 2)] + [wanted(3, B)]
    assert difference(held, files) == Difference(fetch=(3, 5, 9), remove=(1,), kept=2)
    assert difference(held, files, alike=False) == Difference(fetch=(2, 3, 4, 5, 9), remove=(1,), kept=0)
    assert difference([], []) == Difference((), (), 0)


@given(
    st.dictionaries(st.integers(0, 30), st.sampled_from([A, B])),
    st.dictionaries(st.integers(0, 30), st.sampled_from([A, B])),
)
def test_a_difference_is_what_sets_say(held: dict[int, str], asked: dict[int, str]) -> None:
    entries = [replace(image(post), source_sha256=digest) for post, digest in sorted(held.items())]
    found = difference(entries, [wanted(post, digest) for post, digest in asked.items()])
    same = {post for post in held if asked.get(post) == held[post]}
    assert found == Difference(tuple(sorted(set(asked) - same)), tuple(sorted(set(held) - set(asked))), len(same))


def test_what_a_release_has_no_more() -> None:
    held = [image(1), image(2), image(3)]
    assert changes(held, [wanted(3, B), wanted(1)]) == Changes(gone=(2,), replaced=(3,))


def test_what_was_made_again_is_compared() -> None:
    held = [image(1), image(2), skipped(3), image(4), image(5), image(6), Entry.of(wanted(7))]
    again = [
        image(1),
        replace(image(2), sha256=C, engine="engine 2"),
        skipped(3),
        skipped(5),
        Entry.of(wanted(6)),
        Entry.of(wanted(7)),
        image(8),
    ]
    found = reproduced(held, again)
    assert found == Reproduced(
        same=3, differing=(2, 5), absent=(4, 6), engines=(("engine 1", "engine 2"), ("engine 1", "none"))
    )
    assert not found.ok
    assert reproduced(held, held).ok
