from __future__ import annotations

import hashlib
import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tagswarm.manifests import paths, textlists
from tagswarm.manifests.errors import InvalidDocument, UnsafePath

DIGEST = hashlib.sha256(b"").hexdigest()
loose = st.builds(
    lambda tree, post, ext: str(paths.FilePath.of(tree, post, ext)),
    st.sampled_from(["original", "512px"]),
    st.integers(0, 10**7),
    st.sampled_from(["png", "jpg"]),
)
digests = st.binary(min_size=32, max_size=32).map(bytes.hex)


@given(st.dictionaries(loose, digests))
def test_checksums_come_back_sorted(entries: dict[str, str]) -> None:
    data = textlists.render_checksums(entries.items())
    assert textlists.parse_checksums(data) == sorted(entries.items(), key=lambda entry: paths.sort_key(entry[0]))
    assert textlists.render_checksums(reversed(entries.items())) == data


def test_the_golden_lines() -> None:
    entries = [("a/0.png", DIGEST), ("a.b/0 é.png", DIGEST), ("a-c/0.png", DIGEST)]
    expected = f"{DIGEST}  a/0.png\n{DIGEST}  a-c/0.png\n{DIGEST}  a.b/0 é.png\n"
    assert textlists.render_checksums(entries) == expected.encode()


def test_sha256sum_takes_the_file_and_finds_a_changed_one(tmp_path: Path) -> None:
    assert shutil.which("sha256sum"), "the coreutils must be installed: apt-get install coreutils"
    entries = []
    for name in ("original/0000/1000.png", "original/0001/1.v2.png", "names/ü (a ~ b) [c] $x'y.png"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(name)
        entries.append((name, hashlib.sha256(name.encode()).hexdigest()))
    command = ["sha256sum", "--check", "--strict", "--quiet", "-"]
    lines = textlists.render_checksums(entries)
    assert subprocess.run(command, input=lines, cwd=tmp_path, check=False).returncode == 0
    made = subprocess.run(["sha256sum", *dict(entries)], cwd=tmp_path, check=True, capture_output=True)
    assert textlists.parse_checksums(made.stdout) == entries
    (tmp_path / "original/0000/1000.png").write_text("changed")
    failed = subprocess.run(command, input=lines, cwd=tmp_path, check=False, capture_output=True)
    assert failed.returncode == 1
    assert b"original/0000/1000.png: FAILED" in failed.stdout


@pytest.mark.parametrize(
    ("data", "place"),
    [
        (b"\n", "line 1"),
        (f"{DIGEST}  a\n\n".encode(), "line 2"),
        (f"{DIGEST}  a\nsome words\n".encode(), "line 2"),
        (f"{DIGEST.upper()}  a\n".encode(), "line 1"),
        (f"{DIGEST} a\n".encode(), "line 1"),
        (f"{DIGEST[1:]}  a\n".encode(), "line 1"),
        (f"{DIGEST}  a\n{DIGEST}  a\n".encode(), "line 2"),
        (f"{DIGEST}  a\n{DIGEST} *a\n".encode(), "line 2"),
    ],
)
def test_a_bad_line_is_named(data: bytes, place: str) -> None:
    with pytest.raises(InvalidDocument, match=place):
        textlists.parse_checksums(data)


@pytest.mark.parametrize("name", [b"../a", b"/a", b"a\rb", b"a\\nb", b"\xff", b"#a", b"-a", b"con"])
def test_a_name_that_is_not_safe_is_refused(name: bytes) -> None:
    with pytest.raises(UnsafePath):
        textlists.parse_checksums(DIGEST.encode() + b"  " + name + b"\n")
    with pytest.raises(UnsafePath):
        textlists.render_checksums([(name.decode("utf-8", "surrogateescape"), DIGEST)])
    with pytest.raises(UnsafePath):
        textlists.split_files([name.decode("utf-8", "surrogateescape")])


def test_what_is_no_digest_is_not_written() -> None:
    with pytest.raises(InvalidDocument):
        textlists.render_checksums([("a", DIGEST.upper())])


@given(st.sets(loose), st.integers(1, 7))
def test_lists_are_a_sorted_partition(names: set[str], lines: int) -> None:
    blocks = textlists.split_files(names, lines=lines)
    assert all(1 <= block.count(b"\n") <= lines for block in blocks)
    assert [block.count(b"\n") for block in blocks[:-1]] == [lines] * (len(blocks) - 1)
    assert b"".join(blocks).decode().splitlines() == sorted(names, key=paths.sort_key)


def test_a_list_has_at_most_twenty_thousand_lines() -> None:
    blocks = textlists.split_files(str(paths.FilePath.of("a", post, "png")) for post in range(45_000))
    assert [block.count(b"\n") for block in blocks] == [20_000, 20_000, 5_000]


def test_nothing_makes_no_list() -> None:
    assert textlists.split_files([]) == []
    assert textlists.render_checksums([]) == b""
    assert textlists.parse_checksums(b"") == []


def test_a_path_twice_is_refused() -> None:
    with pytest.raises(InvalidDocument, match="twice"):
        textlists.split_files(["a", "b", "a"])
    with pytest.raises(InvalidDocument, match="twice"):
        textlists.render_checksums([("a", DIGEST), ("a", DIGEST)])
