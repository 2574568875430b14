"""Names of images: short enough, safe everywhere, told apart, and taken apart again."""

from __future__ import annotations

import csv
import re
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tagswarm.imaging.exif import Fields
from tagswarm.manifests import paths
from tagswarm.manifests.errors import InvalidDocument
from tagswarm.manifests.paths import FilePath
from tagswarm.manifests.records import Category
from tagswarm.release.naming import NAME_LIMIT, ImageName, by_id, exif_fields

FILE = FilePath.of("1280px", 1234567, "jpg")
C, P, A = Category.COPYRIGHT, Category.CHARACTER, Category.ARTIST

TAGS = st.dictionaries(st.sampled_from((C, P, A, Category.GENERAL)), st.lists(st.text(max_size=40), max_size=6))
WEBSITES = st.sampled_from(("danbooru", "yande.re", "a-b_c.d", "x" * 64)) | st.text(min_size=1, max_size=40)
FILES = st.builds(FilePath.of, st.just("1280px"), st.integers(0, 10**9), st.just("jpg"), st.integers(1, 3))


def name_of(copyrights: list[str], characters: list[str], artists: list[str], *, converted: bool = False) -> str:
    return str(ImageName.of("danbooru", FILE, {C: copyrights, P: characters, A: artists}, converted=converted))


def test_the_pattern_of_booru_chars() -> None:
    tags = ["vocaloid"], ["hatsune_miku", "kagamine_rin"], ["wokada"]
    assert name_of(*tags) == "danbooru - 1234567 - vocaloid ~ hatsune_miku kagamine_rin (wokada).jpg"
    assert name_of(*tags, converted=True).endswith(" (wokada) [PNG].jpg")


def test_what_is_not_known_has_a_word() -> None:
    assert name_of([], [], []) == "danbooru - 1234567 - misc ~ unknown (anonymous).jpg"


@pytest.mark.parametrize(
    ("tag", "word"),
    [
        ("fate/grand_order", "fate_grand_order"),
        ("re:zero", "re_zero"),
        ("dr._stone", "dr__stone"),
        ("steins;gate", "steins;gate"),
        ("who?", "who_"),
        ('"x"|<y>*\\', "_x___y___"),
        ("poke\u0301mon", "pokémon"),
        ("a\u202eb\x07", "a_b_"),
        ("two words", "two_words"),
        ("-~minus", "minus"),
        ("ganyu_(genshin_impact)", "ganyu_(genshin_impact)"),
    ],
)
def test_what_some_system_cannot_hold_is_replaced(tag: str, word: str) -> None:
    assert ImageName.of("danbooru", FILE, {C: [tag]}).copyright == word


def test_parentheses_are_left_to_the_artist_alone_at_the_end() -> None:
    name = ImageName.of("danbooru", FILE, {P: ["ganyu_(genshin_impact)"], A: ["wada_(arc)", "b_(c)"]})
    assert str(name).endswith("~ ganyu_(genshin_impact) (wada_[arc] b_[c]).jpg")
    assert ImageName.parse(str(name)) == name


def test_lists_are_cut_at_whole_tags_the_longest_first() -> None:
    characters = [f"character_{number:02}" for number in range(20)]
    name = name_of(["one", "two"], characters, ["someone"])
    assert len(name) <= NAME_LIMIT
    kept = ImageName.parse(name).characters.split()
    assert kept == characters[: len(kept)]
    assert len(name) + len(" character_00") > NAME_LIMIT
    assert "one two ~" in name
    assert "(someone)" in name


def test_a_single_tag_too_long_loses_its_end() -> None:
    name = name_of(["c" * 170], ["あ" * 60], ["a"])
    assert len(name.encode()) <= NAME_LIMIT
    assert re.fullmatch(r"danbooru - 1234567 - c{20,} ~ あ{8,} \(a\)\.jpg", name)


def test_names_by_id() -> None:
    assert by_id(FILE) == "001234567.jpg"
    assert by_id(FilePath.of("original", 7, "png", 2)) == "000000007v2.png"
    assert by_id(FilePath.of("original", 10**10, "png")) == "10000000000.png"


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        (
            "Safebooru - 123456 - sword art online ~ asuna yuuki (abec).jpg",
            ("Safebooru", "123456", "sword art online", "asuna yuuki", "abec", False),
        ),
        (
            "yande-re - 7 - misc ~ unknown (anonymous) [PNG].jpg",
            ("yande-re", "7", "misc", "unknown", "anonymous", True),
        ),
        (
            "Konachan - 5 001 - a - b ~ c (d) ~ e (f).jpg",
            ("Konachan", "5 001", "a - b", "c (d) ~ e", "f", False),
        ),
    ],
)
def test_names_of_the_dataset_are_taken_apart(name: str, parts: tuple[object, ...]) -> None:
    parsed = ImageName.parse(name)
    assert (
        parsed.website,
        parsed.id,
        parsed.copyright,
        parsed.characters,
        parsed.artist,
        parsed.converted,
    ) == parts
    assert str(parsed) == name


@pytest.mark.parametrize(
    "name",
    [
        "",
        "000001000.jpg",
        "a - 1 - b (c).jpg",
        "a - 1 - b ~ c.jpg",
        f"{'w' * 29} - 1 - b ~ c (d).jpg",
        "a - 1 - b ~ c (d)",
    ],
)
def test_other_names_are_refused(name: str) -> None:
    with pytest.raises(InvalidDocument):
        ImageName.parse(name)


@given(WEBSITES, FILES, TAGS, st.booleans())
def test_any_tags_make_a_safe_name_that_is_taken_apart_again(website, file, tags, converted) -> None:  # type: ignore[no-untyped-def]
    name = ImageName.of(website, file, tags, converted=converted)
    text = str(name)
    paths.check(text)
    assert len(text.encode()) <= NAME_LIMIT
    assert text.count(".") == 1
    assert "/" not in text
    assert ImageName.parse(text) == name
    assert ImageName.of(website, file, tags, converted=converted) == name


@example(";#site", [FILE], {})
@given(WEBSITES, st.lists(FILES, unique=True, max_size=8), TAGS)
def test_no_system_takes_two_names_for_one(website, files, tags) -> None:  # type: ignore[no-untyped-def]
    for names in ([str(ImageName.of(website, file, tags)) for file in files], [by_id(file) for file in files]):
        assert not list(paths.lint(names))


def test_every_real_tag_makes_a_name(shared: Path) -> None:
    with (shared / "data/tags/danbooru.csv").open(newline="", encoding="utf-8") as file:
        names = [row[0] for row in csv.reader(file) if row[1] in {"1", "3", "4"}]
    assert len(names) > 50_000
    for tag in names[::7]:
        name = ImageName.of("danbooru", FILE, {C: [tag], P: [tag], A: [tag]})
        paths.check(str(name))
        assert ImageName.parse(str(name)) == name


def test_exif_has_the_whole_lists() -> None:
    characters = [f"character_{number}" for number in range(50)]
    assert exif_fields("danbooru", 7, {C: ["fate/zero"], P: characters, A: ["x_(y)", "z"]}) == Fields(
        make="fate/zero [x_(y) z]",
        model=" ".join(characters),
        software="danbooru - 7",
        artist="x_(y) z",
        copyright="fate/zero",
    )
    assert exif_fields("danbooru", 7, {}) == Fields(software="danbooru - 7")
