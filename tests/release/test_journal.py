"""The journal and the walk of a tree: what is new, what is gone, and what is no file of a release."""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path

import pytest

from tagswarm.manifests.digest import digest_bytes
from tagswarm.manifests.errors import JournalCorrupt
from tagswarm.manifests.events import silent
from tagswarm.release import hashing, tree
from tagswarm.release.facts import FileFact, Look, PublishedFile, Stat
from tagswarm.release.journal import Journal

PIECE = 1 << 16


@pytest.fixture
def dataset(tmp_path: Path) -> Path:
    for post in (1, 2, 1001, 70002):
        path = tmp_path / f"original/{post % 1000:04}/{post}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"%d" % post)
    return tmp_path


def scan(dataset: Path, journal: Journal, *, rehash: bool = False) -> int:
    return hashing.scan(dataset, "original", journal, piece_length=PIECE, rehash=rehash, report=silent)


def note(dataset: Path, journal: Journal) -> None:
    for path, _ in list(journal.unread_paths("original", page=2)):
        stat = (dataset / path).stat()
        fact = FileFact(
            path=path,
            stat=Stat(size=stat.st_size, mtime_ns=stat.st_mtime_ns, inode=stat.st_ino),
            digest=digest_bytes((dataset / path).read_bytes(), PIECE),
            look=Look(kind="png", width=1, height=2, turned=True, frames=3, engine="e"),
        )
        with journal.batch():
            journal.note_read("original", int(Path(path).stem), fact)


def test_new_changed_and_gone_files_are_noticed(dataset: Path) -> None:
    with Journal(dataset / ".tagswarm/journal.sqlite") as journal:
        assert scan(dataset, journal) == 4
        assert journal.unread("original") == (4, 1 + 1 + 4 + 5)
        note(dataset, journal)
        assert journal.unread("original") == (0, 0)
        (dataset / "original/0001/1.png").write_bytes(b"changed")
        (dataset / "original/0002/70002.png").unlink()
        (dataset / "original/0002/3002.gif").write_bytes(b"new")
        scan(dataset, journal)
        assert [path for path, _ in journal.unread_paths("original")] == [
            "original/0001/1.png",
            "original/0002/3002.gif",
        ]
        assert [post for post, _ in journal.in_tree("original")] == [1, 2, 1001, 3002]


def test_a_folder_that_is_gone_takes_its_files_along(dataset: Path) -> None:
    with Journal(dataset / ".tagswarm/journal.sqlite") as journal:
        scan(dataset, journal)
        for path in (dataset / "original/0002").iterdir():
            path.unlink()
        (dataset / "original/0002").rmdir()
        scan(dataset, journal)
        assert [post for post, _ in journal.in_tree("original")] == [1, 1001]


def test_what_was_read_comes_back_whole(dataset: Path) -> None:
    with Journal(dataset / ".tagswarm/journal.sqlite") as journal:
        scan(dataset, journal)
        note(dataset, journal)
    with Journal(dataset / ".tagswarm/journal.sqlite") as journal:
        fact = journal.fact("original/0001/1001.png")
        assert fact is not None
        assert fact.digest == digest_bytes(b"1001", PIECE)
        assert fact.look == Look(kind="png", width=1, height=2, turned=True, frames=3, engine="e")
        assert fact.formerly is None


def test_another_piece_length_reads_a_file_again(dataset: Path) -> None:
    with Journal(dataset / ".tagswarm/journal.sqlite") as journal:
        scan(dataset, journal)
        note(dataset, journal)
        hashing.scan(dataset, "original", journal, piece_length=2 * PIECE, rehash=False, report=silent)
        assert journal.unread("original")[0] == 4


def test_rehash_forgets_nothing_until_it_has_read(dataset: Path) -> None:
    with Journal(dataset / ".tagswarm/journal.sqlite") as journal:
        scan(dataset, journal)
        note(dataset, journal)
        path = dataset / "original/0001/1.png"
        stat = path.stat()
        path.write_bytes(b"2")
        os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))
        scan(dataset, journal, rehash=True)
        scan(dataset, journal, rehash=True)  # stopped and begun again
        note(dataset, journal)
        facts = {fact.path: fact for _, fact in journal.in_tree("original")}
        assert facts["original/0001/1.png"].formerly == digest_bytes(b"1", PIECE).sha256
        assert facts["original/0002/2.png"].formerly is None


def test_files_with_the_same_bytes_are_listed_together(dataset: Path) -> None:
    (dataset / "original/0001/2001.png").write_bytes(b"1")
    with Journal(dataset / ".tagswarm/journal.sqlite") as journal:
        scan(dataset, journal)
        note(dataset, journal)
        ((sha256, paths),) = journal.duplicates("original")
        assert sha256 == digest_bytes(b"1", PIECE).sha256
        assert paths == ["original/0001/1.png", "original/0001/2001.png"]


def test_published_files_are_replaced_as_a_whole(tmp_path: Path) -> None:
    rows = [
        PublishedFile("original", "danbooru", 5, version, f"original/0005/5{suffix}.png", "0" * 64, "v")
        for version, suffix in ((1, ""), (2, ".v2"))
    ]
    packed = PublishedFile("512px", "danbooru", 5, 1, "000000005.jpg", "1" * 64, "w", "512px/2025-0000.tar")
    with Journal(tmp_path / "journal.sqlite") as journal:
        journal.note_published("a", [*rows, packed])
        assert journal.published_root() == "a"
        assert journal.published_of("original", 5) == rows
        assert journal.published("original/0005/5.v2.png") == rows[1]
        assert journal.published("000000005.jpg") is None
        assert list(journal.published_files()) == [packed, *rows]
        journal.note_published("b", [packed])
        assert list(journal.published_files()) == [packed]


@pytest.mark.parametrize("data", [b"this is no database" * 100, b"SQLite format 3\0" + bytes(4000)])
def test_a_damaged_journal_is_one_clear_error(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "journal.sqlite"
    path.write_bytes(data)
    with pytest.raises(JournalCorrupt) as refused, Journal(path):
        pass
    assert ".tagswarm" in refused.value.hint


@pytest.mark.parametrize("look", ["{", "[1]", "5"])
def test_a_damaged_line_is_one_clear_error(dataset: Path, look: str) -> None:
    path = dataset / ".tagswarm/journal.sqlite"
    with Journal(path) as journal:
        scan(dataset, journal)
        note(dataset, journal)
        with sqlite3.connect(path) as db:
            db.execute("UPDATE files SET look = ?", (look,))
        db.close()
        with pytest.raises(JournalCorrupt, match=r"original/0001/1\.png"):
            journal.fact("original/0001/1.png")


def test_text_that_is_not_utf8_is_one_clear_error(dataset: Path) -> None:
    path = dataset / ".tagswarm/journal.sqlite"
    with Journal(path) as journal:
        scan(dataset, journal)
        note(dataset, journal)
        with sqlite3.connect(path) as db:
            db.execute("UPDATE files SET md5 = CAST(x'ff' AS TEXT)")
        db.close()
        with pytest.raises(JournalCorrupt):
            journal.fact("original/0001/1.png")


def test_archives_of_a_release_are_no_strays(dataset: Path) -> None:
    archives = {"original/2025-0000.tar", "original/2025-0000.json", "original/2025-2010-1x1/M00.zip"}
    for path in archives | {"original/2025-0001.tar", "original/2025-2010-1x1/notes.txt"}:
        (dataset / path).parent.mkdir(exist_ok=True)
        (dataset / path).write_bytes(b"")
    with Journal(dataset / ".tagswarm/journal.sqlite") as journal:
        hashing.scan(
            dataset, "original", journal, piece_length=PIECE, rehash=False, report=silent, archives=frozenset(archives)
        )
        found = [stray.path for stray in journal.strays()]
    assert found == ["original/2025-0001.tar", "original/2025-2010-1x1/notes.txt"]


def test_a_scan_leaves_what_is_known_of_archives(dataset: Path) -> None:
    path = "original/2025-0000.tar"
    fact = FileFact(path=path, stat=Stat(size=1, mtime_ns=2, inode=3), digest=digest_bytes(b"a", PIECE))
    with Journal(dataset / ".tagswarm/journal.sqlite") as journal:
        with journal.batch():
            journal.note_read("original", None, fact)
        scan(dataset, journal)
        assert journal.fact(path) == fact
        assert list(journal.archives("original")) == [path, "original/2025-0000.json"]


def test_a_journal_of_another_version_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "journal.sqlite"
    with sqlite3.connect(path) as db:
        db.execute("PRAGMA user_version = 99")
    db.close()
    with pytest.raises(JournalCorrupt, match="version 99"), Journal(path):
        pass


def test_everything_that_is_no_file_of_the_layout_is_a_stray(dataset: Path) -> None:
    root = dataset / "original"
    (root / "Thumbs.db").write_bytes(b"")
    (root / "extra").mkdir()
    (root / "0001" / "inner").mkdir()
    (root / "0001" / "notes.txt.bak").write_bytes(b"")
    (root / "0001" / "4001.png").symlink_to("/etc/hostname")
    (root / "0003").symlink_to(root / "0002")
    os.mkfifo(root / "0001" / "5001.png")
    (root / "0001" / "6001\n.png").write_bytes(b"")
    Path(os.fsdecode(os.fsencode(root / "0001") + b"/7001\xff.png")).write_bytes(b"")
    with Journal(dataset / ".tagswarm/journal.sqlite") as journal:
        scan(dataset, journal)
        found = {stray.path.removeprefix("original/"): stray.reason for stray in journal.strays()}
    assert found == {
        "Thumbs.db": "stray-file",
        "extra": "stray-file",
        "0001/inner": "stray-file",
        "0001/notes.txt.bak": "stray-file",
        "0001/4001.png": "link",
        "0003": "link",
        "0001/5001.png": "special-file",
        "0001/6001\n.png": "unsafe-name",
        "0001/7001\udcff.png": "unsafe-name",
    }


def test_a_tree_that_is_a_link_is_not_followed(dataset: Path) -> None:
    (dataset / "original").rename(dataset / "elsewhere")
    (dataset / "original").symlink_to(dataset / "elsewhere")
    ((prefix, found, strays),) = tree.buckets(dataset, "original")
    assert (prefix, found, [stray.reason for stray in strays]) == ("original/", [], ["link"])
