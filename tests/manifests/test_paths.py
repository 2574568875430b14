from __future__ import annotations

import re
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tagswarm.manifests import paths
from tagswarm.manifests.errors import UnsafePath
from tagswarm.manifests.paths import FilePath

DEVICES = ["con", "prn", "aux", "nul", "conin$", "conout$", "clock$"]
DEVICES += [f"{port}{digit}" for port in ("com", "lpt") for digit in "0123456789¹²³"]
PLACES = ["{}", "original/{}", "{}/1000.png", "original/{}/1000.png"]


def hostile_components() -> dict[str, str]:
    """Components that make any path hostile wherever they stand, with the reason."""
    names = dict.fromkeys([".", "..", "", " ", "...", "....", ". .", ".. "], "dots and blanks")
    names |= dict.fromkeys(["-rf", "--delete", "-", "~", "~root", "#a", ";a", " a", ".htaccess", ".git"], "leading")
    names |= dict.fromkeys(["a.", "a ", "a. .", "1000.png.", "1000.png "], "trailing")
    for device in DEVICES:
        names |= dict.fromkeys(
            [device, device.upper(), f"{device}.png", f"{device} .png", f"{device}.tar.gz"], "device"
        )
    names |= dict.fromkeys([f"a{character}b" for character in '<>:"|?*\\'], "forbidden")
    names |= dict.fromkeys([f"a{chr(code)}b" for code in (*range(32), *range(0x7F, 0xA0))], "control")
    bidi = [0x061C, 0x200E, 0x200F, *range(0x202A, 0x202F), *range(0x2066, 0x206A)]
    names |= dict.fromkeys([f"a{chr(code)}gnp.exe" for code in bidi], "bidi")
    unseen = [0x00AD, 0x200B, 0x200C, 0x200D, 0x2028, 0x2029, 0x2060, 0xFEFF, 0xFFF9, 0xE0001, 0xE0041, 0x1D173]
    names |= dict.fromkeys([f"a{chr(code)}b" for code in unseen], "unseen")
    other = [0xD800, 0xDCFF, 0xDFFF, 0xE000, 0xF8FF, 0xFFFE, 0xFFFF, 0x1FFFE, 0x10FFFF, 0x0378]
    names |= dict.fromkeys([f"a{chr(code)}b" for code in other], "surrogate, private, unassigned")
    decomposed = ["é", "ü", "が", "パ", "각", "Å"]
    names |= {unicodedata.normalize("NFD", name): "not NFC" for name in decomposed}
    names |= dict.fromkeys(["\u212b", "\u2126", "\u0340", "\u0958", "\u2adc"], "not NFC")
    names |= dict.fromkeys(["\x1b[31mred", "a\x1b]0;title\x07", "\x9b31m"], "terminal")
    names |= dict.fromkeys(["a" * 256, "é" * 128, "\U0001d54f" * 64, "a" * 300], "long")
    return names


def hostile_paths() -> list[str]:
    found = [place.format(name) for name in hostile_components() for place in PLACES]
    found += ["/", "//", "/etc/passwd", "//server/share/a", "a//b", "a/", "./a", "a/./b", "../a", "a/../b", "a/.."]
    found += ["C:", "C:/a", "c:\\a", "C:a", "\\\\server\\share", "\\\\?\\C:\\a", "\\\\.\\PhysicalDrive0", "a:stream"]
    found += ["..\\a", "a\\..\\b", "a\0.png", "a\nb", "a\r\nb", "file:///etc/passwd", "/".join("a" * 100)]
    return sorted(set(found))


HOSTILE = hostile_paths()


def test_the_corpus_is_large() -> None:
    assert len(HOSTILE) >= 400
    assert len(hostile_components()) >= 300


@pytest.mark.parametrize("path", HOSTILE, ids=ascii)
def test_a_hostile_name_is_refused(path: str) -> None:
    with pytest.raises(UnsafePath) as caught:
        paths.check(path)
    with pytest.raises(UnsafePath):
        FilePath.parse(path)
    assert re.fullmatch(r"[^\x00-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]*", caught.value.message)
    problems = list(paths.lint([path]))
    assert problems
    assert all(problem.path == path and paths.escape(problem.detail) == problem.detail for problem in problems)


@pytest.mark.parametrize(
    "path",
    [
        "512px/2026-0007.tar",
        "1280px/2020-3x4/M00.zip",
        "original/0000/1000.png",
        "original/0000/1000.v2.png",
        "volumes/original-2026-0007.jsonl.zst",
        "releases/2026/release.json.minisig",
        "README.md",
        "danbooru - 1 - copyright ~ a b (artist).jpg",
        "東方/博麗霊夢.png",
        "console/nullable.con",
        "com/com10.png",
        "a" * 120,
    ],
)
def test_an_honest_path_passes(path: str) -> None:
    paths.check(path)
    assert list(paths.lint([path])) == []


def test_the_limit_is_in_bytes_and_may_be_raised() -> None:
    name = "é" * 61
    with pytest.raises(UnsafePath, match="122 bytes"):
        paths.check(name)
    paths.check(name, limit=122)


@given(
    tree=st.from_regex(r"[a-z0-9]{1,12}", fullmatch=True).filter(lambda tree: tree not in DEVICES),
    post=st.integers(0, 10**18 - 1),
    version=st.integers(1, 999_999),
    ext=st.from_regex(r"[a-z0-9]{2,4}", fullmatch=True),
)
def test_a_file_path_comes_back(tree: str, post: int, version: int, ext: str) -> None:
    path = FilePath.of(tree, post, ext, version)
    assert FilePath.parse(str(path)) == path
    assert path.bucket == path.right_bucket == post % 1000
    assert re.fullmatch(r"[a-z0-9]+/\d{4}/\d+(\.v\d+)?\.[a-z0-9]{2,4}", str(path))
    paths.check(str(path))


def test_a_wrong_bucket_is_seen_not_refused() -> None:
    path = FilePath.parse("original/0007/1000.png")
    assert (path.bucket, path.right_bucket) == (7, 0)
    assert str(path) == "original/0007/1000.png"


@pytest.mark.parametrize(
    "path",
    [
        "Original/0000/1000.png",
        "original/000/1000.png",
        "original/00000/1000.png",
        "original/0000/01000.png",
        "original/0000/1000.PNG",
        "original/0000/1000.p",
        "original/0000/1000.jpegs",
        "original/0000/1000",
        "original/0000/1000.v1.png",
        "original/0000/1000.v0.png",
        "original/0000/1000.v02.png",
        "original/0000/1000.png\n",
        "original/0000/١٠٠٠.png",  # noqa: RUF001 - digits, but not those of the grammar
        "original/0000/-1.png",
        "original/0000/1.png/1.png",
        "0000/1000.png",
    ],
)
def test_what_is_not_the_grammar_is_refused(path: str) -> None:
    with pytest.raises(UnsafePath):
        FilePath.parse(path)


@pytest.mark.parametrize(
    ("given_paths", "name"),
    [
        (["a/1.png", "a/1.PNG"], "case-twin"),
        (["straße", "STRASSE"], "case-twin"),
        (["A/1.png", "a/2.png"], "case-twin"),
        (["ΑΣ", "ας"], "case-twin"),
        (["é", "e\u0301"], "normal-twin"),
        (["é/1", "e\u0301/2"], "normal-twin"),
        (["a", "a"], "duplicate"),
        (["a/1", "a"], "file-and-folder"),
        (["a", "a/1"], "file-and-folder"),
    ],
)
def test_twins_of_a_set_are_named(given_paths: list[str], name: str) -> None:
    assert name in {problem.name for problem in paths.lint(given_paths) if problem.path == given_paths[1]}


@given(st.sets(st.integers(0, 10**6)))
def test_generated_trees_have_no_problems(posts: set[int]) -> None:
    assert list(paths.lint(str(FilePath.of("original", post, "png")) for post in posts)) == []


@given(st.lists(st.text(st.characters(exclude_characters="\0", exclude_categories=()), min_size=1)))
def test_paths_sort_by_the_tuple_of_their_components(names: list[str]) -> None:
    def components(path: str) -> tuple[bytes, ...]:
        return tuple(path.encode("utf-8", "surrogatepass").split(b"/"))

    assert sorted(names, key=paths.sort_key) == sorted(names, key=components)


def test_siblings_sort_as_bittorrent_has_it() -> None:
    names = ["metadata.json", "metadata-x", "metadata/a"]
    assert sorted(names, key=paths.sort_key) == ["metadata/a", "metadata-x", "metadata.json"]


@given(st.text(st.characters(exclude_categories=())))
def test_escaped_text_obeys_no_terminal(text: str) -> None:
    shown = paths.escape(text)
    assert not {unicodedata.category(character) for character in shown} & {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}
    assert paths.escape(shown) == shown
    shown.encode()


def test_escape_shows_what_is_hidden_and_leaves_the_rest() -> None:
    assert paths.escape("a\x1b[31m\n\u202egnp\U000e0001") == r"a\x1b[31m\x0a\u202egnp\U000e0001"
    assert paths.escape(r"\m/ 東方 é [bold]") == r"\m/ 東方 é [bold]"


@given(st.text(st.characters(exclude_categories=()), max_size=20))
def test_only_our_error_leaves_and_what_passes_stays_inside(path: str) -> None:
    try:
        paths.check(path)
    except UnsafePath:
        return
    assert not path.startswith("/")
    assert all(part not in ("", ".", "..") for part in path.split("/"))
    assert "\\" not in path
    assert path.isprintable() or unicodedata.normalize("NFC", path) == path
    path.encode()
