"""Captions: the order of tags, underscores, what is left out, and that nothing but the choices decides them."""

from __future__ import annotations

import csv
import dataclasses
import itertools
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tagswarm.manifests.errors import InvalidDocument
from tagswarm.manifests.records import Category, Post, RatingScheme
from tagswarm.mirror.exports.captions import Captions
from tagswarm.mirror.exports.style import KAOMOJI, NOISE, TEMPLATE, CaptionStyle
from tagswarm.mirror.exports.template import FIELDS, parse

POST = Post(
    site="booru.example",
    id=7,
    rating_scheme=RatingScheme.GSQE_2022,
    rating="s",
    created_at=datetime(2021, 5, 4, tzinfo=UTC),
)
TAGS = {
    Category.GENERAL: ("1girl", "solo", "long_hair", "^_^", "smile"),
    Category.CHARACTER: ("saber_(fate)", "mash"),
    Category.COPYRIGHT: ("fate_(series)",),
    Category.ARTIST: ("some_one", "two"),
    Category.META: ("highres", "translation_request"),
}


def caption(tags: dict[Category, tuple[str, ...]] = TAGS, post: Post = POST, **choices: Any) -> str:
    return Captions(CaptionStyle(**choices)).of(post, tags)


def general(*names: str) -> dict[Category, tuple[str, ...]]:
    return {Category.GENERAL: names}


def test_the_default_puts_who_and_by_whom_first() -> None:
    assert caption() == ("1girl, saber (fate), mash, fate (series), some one, two ||| solo, long hair, ^_^, smile")


@pytest.mark.parametrize(
    ("choices", "expected"),
    [
        ({"template": "{rating}, {count}, {year}"}, "sensitive, 1girl, 2021"),
        ({"template": "{count}, by {artist}"}, "1girl, by some one, by two"),
        ({"template": "{species}, by {contributor}, {count} ||| {general}"}, "1girl ||| solo, long hair, ^_^, smile"),
        ({"template": "{species} ||| {count}"}, "1girl"),
        ({"template": "{count} ||| {species}"}, "1girl"),
        ({"template": "{general}"}, "1girl, solo, long hair, ^_^, smile"),
        ({"template": "{meta}"}, "highres"),
        (
            {"template": "a drawing, {character};;;{copyright}, {count}"},
            "a drawing, saber (fate);;;mash;;;fate (series), 1girl",
        ),
        ({"template": "{count} ||| {species} ||| {year}"}, "1girl ||| ||| 2021"),
        ({"template": "{species} ||| {count} ||| {year}"}, "||| 1girl ||| 2021"),
        ({"template": "{count} ||| {year} ||| {species}"}, "1girl ||| 2021"),
        ({"template": "{character}", "expand_series": True}, "saber, fate, mash"),
        ({"template": "{character}, {copyright}", "expand_series": True}, "saber, fate, mash, fate (series)"),
        ({"template": "{character}", "escape_parens": True}, r"saber \(fate\), mash"),
        ({"template": "{character}", "spaces": False, "separator": " "}, "saber_(fate) mash"),
        ({"template": "{general}", "max_tags": 2}, "1girl, solo"),
        ({"template": "{general}", "exclude": ("*o*",)}, "1girl, ^_^, smile"),
        ({"template": "{general}", "exclude": ("?girl", "[s]olo", "s*e")}, "1girl, solo, long hair, ^_^"),
        ({"template": "{count} ||| {year}", "prefix": "art", "suffix": "end"}, "art, 1girl ||| 2021, end"),
        ({"template": "{species} ||| {count}", "prefix": "art"}, "art ||| 1girl"),
        ({"template": "{count} ||| {year}", "keep_separator": "@@"}, "1girl @@ 2021"),
        ({"template": "{species}"}, ""),
    ],
)
def test_choices(choices: dict[str, Any], expected: str) -> None:
    assert caption(**choices) == expected


def test_tags_without_a_category_count_as_general() -> None:
    assert caption({Category.UNKNOWN: ("2girls", "hat")}) == "2girls ||| hat"


@pytest.mark.parametrize(
    ("scheme", "rating", "word"),
    [
        (RatingScheme.SQE_2021, "s", "safe"),
        (RatingScheme.GSQE_2022, "s", "sensitive"),
        (RatingScheme.GSQE_2022, "g", "general"),
        (RatingScheme.GELBOORU, "safe", "safe"),
        (RatingScheme.GELBOORU, "e", "explicit"),
    ],
)
def test_the_word_of_a_rating_is_that_of_its_scheme(scheme: RatingScheme, rating: str, word: str) -> None:
    post = dataclasses.replace(POST, rating_scheme=scheme, rating=rating)
    assert caption(post=post, template="{rating}, {count}") == f"{word}, 1girl"


def test_a_post_without_rating_and_date_leaves_no_gap() -> None:
    post = dataclasses.replace(POST, rating=None, created_at=None)
    assert caption(post=post, template="rated {rating}, from {year}, {count}") == "1girl"


def test_every_kaomoji_keeps_its_underscores() -> None:
    assert len(KAOMOJI) == 19
    for name in KAOMOJI:
        assert caption(general(name)) == name


@pytest.mark.parametrize("name", ["_", "__", "_a_", "a__b"])
def test_an_odd_underscore_never_leaves_an_empty_tag(name: str) -> None:
    assert next(text.strip() for text in caption(general(name, "hat")).split(","))


def test_implied_tags_go_when_what_implies_them_is_shown() -> None:
    implications = {"cat_ears": ["animal_ears"], "animal_ears": ["ears"], "a": ["b"], "b": ["a"]}
    style = CaptionStyle(drop_implied=True)
    made = Captions(style, implications)
    assert made.of(POST, general("cat_ears", "animal_ears", "ears", "hat")) == "cat ears, hat"
    assert made.of(POST, general("cat_ears", "ears")) == "cat ears"
    assert made.of(POST, general("a", "b")) == "a, b"
    hidden = {Category.META: ("cat_ears",), Category.GENERAL: ("ears",)}
    assert made.of(POST, hidden) == "ears"
    assert (
        Captions(CaptionStyle(drop_implied=True, exclude=("cat_ears",)), implications).of(
            POST, general("cat_ears", "ears")
        )
        == "ears"
    )


def test_doubtful_tags_are_named() -> None:
    made = Captions(CaptionStyle())
    made.of(POST, general("steins;gate", "a,b", "c|||d", "fine"))
    made.of(POST, {})
    assert made.doubtful == {"steins;gate": "semicolon", "a,b": "comma", "c|||d": "separator"}
    assert made.empty == 1


def test_a_caption_is_one_line_of_utf8() -> None:
    text = caption(general("a\nb", "c\u2028d", "e\ud800f", "g\x85h"))
    assert text == "a b, c d, e f, g h"


def test_a_shuffle_is_golden() -> None:
    """The digest of seed, id and tag decides, so this holds on every machine and in every version of Python."""
    assert caption(shuffle=1) == (
        "1girl, saber (fate), mash, fate (series), some one, two ||| ^_^, smile, solo, long hair"
    )


def test_shuffles_differ_by_seed_and_by_post() -> None:
    tags = general(*"abcdefgh")
    texts = {
        caption(tags, dataclasses.replace(POST, id=post), shuffle=seed)
        for post, seed in itertools.product(range(4), repeat=2)
    }
    assert len(texts) == 16
    assert {tuple(sorted(text.split(", "))) for text in texts} == {tuple("abcdefgh")}


@pytest.mark.parametrize(
    ("choices", "key"),
    [
        ({"template": "{nobody}"}, "unknown field nobody"),
        ({"template": "{Count}"}, "unknown field Count"),
        ({"template": "{count} {artist}"}, "more than one field"),
        ({"template": "{count"}, "brace alone"),
        ({"template": " , "}, "is empty"),
        ({"template": "a|||b|||c|||d"}, "more than two"),
        ({"template": "{count}\n"}, "template"),
        ({"separator": ""}, "separator"),
        ({"separator": "|||"}, "separator"),
        ({"prefix": "a\nb"}, "prefix"),
        ({"exclude": ("a\x1b",)}, "exclude"),
        ({"max_tags": 0}, "max_tags"),
    ],
)
def test_what_is_no_style_is_refused(choices: dict[str, Any], key: str) -> None:
    with pytest.raises(InvalidDocument, match=key) as refused:
        caption(**choices)
    assert refused.value.hint
    assert refused.value.message.isprintable()


@pytest.mark.parametrize(
    "values",
    [
        {"tempalte": "{count}"},
        {"spaces": 1},
        {"exclude": "tagme"},
        {"shuffle": True},
        {"max_tags": "3"},
        {"prefix": None},
    ],
)
def test_what_is_no_record_of_a_style_is_refused(values: dict[str, Any]) -> None:
    with pytest.raises(InvalidDocument):
        CaptionStyle.from_dict(values)


texts = st.text(st.characters(exclude_categories=["Cs", "Cc", "Zl", "Zp"]), max_size=8)
names = st.text(st.sampled_from("ab_c():|;^oéア"), min_size=1, max_size=8)
marks = st.permutations(["|||", ";;;", ", ", " ", "@@"])
templates = st.lists(st.lists(st.sampled_from(FIELDS), min_size=1, max_size=3), min_size=1, max_size=3).map(
    lambda sections: " ||| ".join(", ".join(f"{{{field}}}" for field in section) for section in sections)
)


@st.composite
def styles(draw: st.DrawFn) -> CaptionStyle:
    separator, keep, secondary = draw(marks)[:3]
    return CaptionStyle(
        template=draw(templates),
        separator=separator,
        keep_separator=keep,
        secondary_separator=secondary,
        spaces=draw(st.booleans()),
        escape_parens=draw(st.booleans()),
        exclude=tuple(draw(st.lists(names, max_size=2))),
        expand_series=draw(st.booleans()),
        drop_implied=draw(st.booleans()),
        shuffle=draw(st.none() | st.integers()),
        max_tags=draw(st.none() | st.integers(1, 5)),
        prefix=draw(texts),
        suffix=draw(texts),
    )


posts = st.dictionaries(st.sampled_from(list(Category)), st.lists(names, max_size=5).map(tuple), max_size=4)


@given(styles())
def test_a_style_survives_its_record(style: CaptionStyle) -> None:
    assert CaptionStyle.from_dict(json.loads(json.dumps(style.to_dict()))) == style


@given(styles(), posts)
def test_the_same_choices_give_the_same_line(style: CaptionStyle, tags: dict[Category, tuple[str, ...]]) -> None:
    first = Captions(style).of(POST, tags)
    assert first == Captions(style).of(POST, tags)
    assert len(first.splitlines()) <= 1
    first.encode()


@given(st.lists(st.text(st.sampled_from("abc"), min_size=1, max_size=3), unique=True), st.integers(), st.integers(1, 9))
def test_a_shuffle_loses_nothing_and_a_limit_keeps_a_beginning(tags: list[str], seed: int, most: int) -> None:
    def made(**choices: Any) -> list[str]:
        text = caption(general(*tags), template="{general}", exclude=(), **choices)
        return text.split(", ") if text else []

    assert made() == tags
    assert sorted(made(shuffle=seed)) == sorted(tags)
    assert made(shuffle=seed, max_tags=most) == made(shuffle=seed)[:most]


@given(
    st.lists(st.sampled_from("abcdef"), unique=True),
    st.dictionaries(st.sampled_from("abcdef"), st.lists(st.sampled_from("abcdef"), max_size=3)),
)
def test_what_is_dropped_as_implied_can_be_inferred(tags: list[str], implications: dict[str, list[str]]) -> None:
    made = Captions(CaptionStyle(template="{general}", exclude=(), drop_implied=True), implications)
    kept = set(filter(None, made.of(POST, general(*tags)).split(", ")))
    closed, waiting = set(kept), list(kept)
    while waiting:
        for name in implications.get(waiting.pop(), ()):
            if name not in closed:
                closed.add(name)
                waiting.append(name)
    assert kept <= set(tags) <= closed


def test_the_noise_is_none_of_the_tags_that_describe_an_image(shared: Path) -> None:
    excluded = Captions(CaptionStyle())
    with (shared / "data" / "tags" / "danbooru.csv").open(encoding="utf-8", newline="") as file:
        known = [(row[0], int(row[1])) for row in csv.reader(file)]
    hidden = {name for name, category in known if category == 0 and not excluded._texts(name, "general")}
    assert hidden == set()
    meta = {name for name, category in known if category == 5}
    assert {"md5_mismatch", "bad_id", "translation_request", "chinese_commentary", "commentary"} <= {
        name for name in meta | {"commentary", "bad_id"} if not excluded._texts(name, "meta")
    }


def test_the_page_names_every_choice_and_field(repository: Path) -> None:
    page = (repository / "docs/reference/captions.md").read_text(encoding="utf-8")
    for field in dataclasses.fields(CaptionStyle):
        assert f"| `{field.name}` |" in page
    for name in FIELDS:
        assert f"`{{{name}}}`" in page
    for name in (*NOISE, *KAOMOJI):
        assert f" {name} " in page.replace("\n", " ").replace("`", " ")
    assert TEMPLATE in page


def test_a_template_of_three_sections_is_the_largest() -> None:
    assert [len(section) for section in parse("{count}, a ||| {general};;;{artist} ||| {meta}")] == [2, 1, 1]
