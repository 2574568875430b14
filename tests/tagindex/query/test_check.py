"""The check: what is refused and what is said about it, aliases, ratings by scheme, orders and their kind."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from tagswarm.manifests.errors import (
    QueryError,
    QuerySyntaxError,
    UnanswerableMetatag,
    UnknownTag,
    UnknownWord,
    UnreadableValue,
)
from tagswarm.manifests.records import RatingScheme
from tagswarm.tagindex.query.check import check, lenient
from tagswarm.tagindex.query.conditions import (
    By,
    Checked,
    ChildIs,
    Commented,
    Compare,
    Condition,
    Flag,
    InPool,
    Mentions,
    Order,
    ParentIs,
    Source,
    Tagged,
    Test,
    Words,
)
from tagswarm.tagindex.query.metatags import METATAGS, ORDERS, REFUSED_ORDERS
from tagswarm.tagindex.query.parser import parse
from tagswarm.tagindex.query.printing import infix
from tagswarm.tagindex.query.syntax import All, And, Node, Not, Nothing, Or, Tag, walk
from tagswarm.tagindex.query.values import AnyOf, Between, Eq, In, IsNull, NotNull
from tagswarm.tagindex.store import TABLES
from tests.tagindex.memory import MemoryStore
from tests.tagindex.query.queries import hostile

NOW = datetime(2021, 12, 31, 12, tzinfo=UTC)
POST: dict[str, Any] = {
    "id": 1,
    "created_at": "2021-12-31T11:00:00Z",
    "updated_at": "2021-12-31T11:00:00Z",
    "rating": "s",
    "score": 3,
    "up_score": 5,
    "down_score": -2,
    "fav_count": 7,
    "image_width": 100,
    "image_height": 50,
    "file_size": 1000,
    "file_ext": "jpg",
    "duration": 1.5,
    "parent_id": 9,
    "pixiv_id": 42,
    "uploader": "albert",
    "approver": "albert",
    "last_noted_at": "2021-12-31T11:00:00Z",
    "last_commented_at": "2021-12-31T11:00:00Z",
    "last_comment_bumped_at": "2021-12-31T11:00:00Z",
    "tags": ["long_hair", "blue_eyes", "cat", "kitten_(cat)", "score_(music)", "re:zero", "hair_ribbon"],
}
ALIASES = [
    {"antecedent_name": "kitty", "consequent_name": "cat", "status": "active"},
    {"antecedent_name": "/lh", "consequent_name": "cat", "status": "active"},
    {"antecedent_name": "longhair", "consequent_name": "gone", "status": "active"},
    {"antecedent_name": "blue_eyes", "consequent_name": "azure_eyes", "status": "active"},
    {"antecedent_name": "hat", "consequent_name": "cat", "status": "deleted"},
]


def store(*schemes: RatingScheme, tables: tuple[str, ...] = TABLES, **changed: Any) -> MemoryStore:
    return MemoryStore(
        [POST | changed], schemes=schemes or (RatingScheme.GSQE_2022,), tables=tables, tag_aliases=ALIASES
    )


def checked(text: str, collection: MemoryStore | None = None, **options: Any) -> Checked:
    return check(parse(text), collection or store(), text=text, now=NOW, **options)


def condition(text: str, collection: MemoryStore | None = None) -> Condition:
    node = checked(text, collection).node
    assert isinstance(node, Test)
    return node.condition


def refused(kind: type[QueryError], text: str, collection: MemoryStore | None = None) -> QueryError:
    """The error for a query, whose place lies inside of it."""
    with pytest.raises(QueryError) as caught:
        checked(text, collection)
    error = caught.value
    assert type(error) is kind
    assert error.text == text
    start, end = error.span
    assert 0 <= start < end <= len(text)
    assert error.hint
    return error


# Tags


def test_aliases_and_abbreviations_are_replaced_wherever_a_tag_stands() -> None:
    answer = checked("kitty -(/lh or ~KITTY) /hr re:zero")
    cat = Tag("cat")
    assert answer.node == And((cat, Not(Or((cat, cat))), Tag("hair_ribbon"), Tag("re:zero")))
    assert "kitty is an alias: it stands for cat here." in answer.notes
    assert "/hr is an abbreviation: it stands for hair_ribbon here." in answer.notes
    assert checked("unaliased:blue_eyes").node == Tag("blue_eyes")


def test_unaliased_tags_may_look_like_anything() -> None:
    assert checked("unaliased:re:zero").node == Tag("re:zero")
    assert refused(UnknownTag, "unaliased:kitty").span == (0, 15)
    assert refused(UnknownWord, "unaliased:").hint == "It takes a tag."


@pytest.mark.parametrize(
    ("text", "place", "hint"),
    [
        ("blue_eye", "blue_eye", "Did you mean blue_eyes"),
        ("cat hat", "hat", "Did you mean"),
        ("long hair", "long", "Did you mean long_hair? The words of one tag are joined by _."),
        ("cat, long_hair", "cat,", "Did you mean cat? Terms stand beside each other without commas."),
        ("cat not long_hair", "not", "Posts are left out with a minus before a term, as in: -solo."),
        ("cat | long_hair", "|", "Alternatives are written: a or b."),
        ("scroe:>5", "scroe:>5", "Did you mean the metatag score:>5?"),
        ("artist:cat", "artist:cat", "Tags are written without their category: cat."),
        ("char:nobody", "char:nobody", "Tags are written without their category."),
        ("longhair", "longhair", "Did you mean"),
        ("blue_eyes", "blue_eyes", "Write unaliased:blue_eyes for posts"),
        ("qqqqqqqqqqq", "qqqqqqqqqqq", "--allow-unknown"),
        ("x" * 500, "x" * 500, "--allow-unknown"),
        ("zz*", "zz*", "--allow-unknown"),
    ],
)
def test_unknown_tags_are_refused_with_what_was_meant(text: str, place: str, hint: str) -> None:
    error = refused(UnknownTag, text)
    assert text[slice(*error.span)] == place
    assert hint in error.hint


def test_unknown_tags_suggest() -> None:
    error = refused(UnknownTag, "-(cat or long_hairs)")
    assert isinstance(error, UnknownTag)
    assert error.suggestions[0] == "long_hair"
    assert error.message == "no post has the tag long_hairs"


def test_unknown_tags_can_be_allowed() -> None:
    answer = checked("-blue_eye zz* cat", allow_unknown=True)
    assert answer.node == And((Not(Tag("blue_eye")), Test("zz*", Tagged("zz*", ())), Tag("cat")))
    assert answer.notes[0].startswith("No post has the tag blue_eye. Did you mean blue_eyes")
    assert answer.notes[1] == "No tag is like zz*."


def test_wildcards_stand_for_tags_and_say_for_how_many() -> None:
    found = condition("*cat*")
    assert isinstance(found, Tagged)
    assert [row.name for row in found.tags] == ["cat", "kitten_(cat)"]
    assert checked("*cat*").notes == ("*cat* stands for 2 tags.",)
    answer = checked("*cat*", widest=1)
    assert isinstance(answer.node, Test)
    assert isinstance(answer.node.condition, Tagged)
    assert len(answer.node.condition.tags) == 1
    assert answer.notes == ("*cat* is like 2 tags; the 1 most frequent are taken.",)


# Conditions


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("score:>5", Compare("score", Between(6))),
        ("upvotes:1,2", Compare("up_score", In((1, 2)))),
        ("downvotes:2", Compare("downvotes", Eq(2))),
        ("mpixels:0.5", Compare("mpixels", Between(475_000, 525_000))),
        ("ratio:16:9", Compare("ratio", Eq(178))),
        ("filesize:1k", Compare("file_size", Between(973, 1075))),
        ("duration:1:30", Compare("duration", Between(85_500, 94_500))),
        ("pixiv:none", Compare("pixiv_id", IsNull())),
        ("pixiv_id:<40,>50", Compare("pixiv_id", AnyOf((Between(None, 39), Between(51))))),
        ("md5:" + "AB" * 16, Compare("md5", Eq("ab" * 16))),
        ("date:>2021-12-30", Compare("created_at", Between(1_640_822_400_000_001))),
        ("age:<1d", Compare("created_at", Between(1_640_865_600_000_001))),
        ("children:>0", Compare("child_count", Between(1))),
        ("notes:0", Compare("note_count", Eq(0))),
        ("filetype:jpg,png", Words("file_ext", ("jpg", "png"))),
        ("site:danbooru", Words("site", ("danbooru",))),
        ("is:WEBM", Words("file_ext", ("webm",))),
        ("is:parent", Flag("has_children")),
        ("is:child", Compare("parent_id", NotNull())),
        ("has:parent", Compare("parent_id", NotNull())),
        ("has:children", Flag("has_children")),
        ("has:notes", Compare("active_note_count", Between(1))),
        ("has:commentary", Commented("any")),
        ("has:appeals", Compare("appeal_count", Between(1))),
        ("status:banned", Flag("is_banned")),
        ("parent:any", Compare("parent_id", NotNull())),
        ("parent:deleted", ParentIs(Test("status:deleted", Flag("is_deleted")))),
        ("child:pending", ChildIs(Test("status:pending", Flag("is_pending")))),
        ("child:any", Flag("has_children")),
        ("embedded:Y", Flag("has_embedded_notes")),
        ("source:HTTP://X", Source("http://x*")),
        ("source:x\\", Source("x\\\\*")),
        ("source:NONE", Source(None)),
        ('source:""', Source(None)),
        ('source:"none"', Source("none*")),
        ("pool:12", InPool(id=12)),
        ('pool:"Test B"', InPool(name="test_b")),
        ("pool:any", InPool()),
        ("pool:series", InPool(category="series")),
        ('pool:"series"', InPool(name="series")),
        ("note:hello", Mentions("notes", "hello")),
        ("commentary:TRUE", Commented("any")),
        ('commentary:"true"', Mentions("artist_commentaries", "true")),
        ("commentary:untranslated", Commented("untranslated")),
        ("user:Albert", By("uploader", "Albert")),
        ("approver:NONE", Compare("approver_id", IsNull())),
    ],
)
def test_metatags_become_conditions(text: str, expected: Condition) -> None:
    assert condition(text) == expected


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("status:any", ""),
        ("status:active", "-status:pending -status:flagged -status:deleted"),
        ("is:modqueue", "status:pending or status:flagged or status:appealed"),
        ("-is:active", "-(-status:pending -status:flagged -status:deleted)"),
        ("has:source", "-source:none"),
        ("parent:5", "id:5 or parent_id:5"),
        ("child:none", "-child:any"),
        ("embedded:off", "-embedded:true"),
        ("pool:none", "-pool:any"),
        ("commentary:false", "-commentary:true"),
        ("parent:none or kitty", "parent:none or cat"),
        ("order:score cat limit:5", "cat"),
        ("order:score", ""),
        ("~(cat order:score)", "cat"),
    ],
)
def test_what_is_left_to_answer_can_be_read(text: str, shown: str) -> None:
    assert infix(checked(text).node) == shown


@pytest.mark.parametrize(
    ("kind", "text", "place", "hint"),
    [
        (UnreadableValue, "-score:foo", "foo", "score:42"),
        (UnreadableValue, "score:", "score:", "whole number"),
        (UnreadableValue, "md5:xyz", "xyz", "an MD5"),
        (UnreadableValue, "date:2017", "2017", "date:2017-05-15"),
        (UnreadableValue, "filesize:1gb", "1gb", "filesize:200kb"),
        (UnreadableValue, "age:1:30", "1:30", "age:<1w"),
        (UnreadableValue, "cat limit:x", "x", "limit:100"),
        (UnreadableValue, "random:-1", "-1", "random:100"),
        (UnreadableValue, "limit:1,2", "1,2", "limit:100"),
        (UnknownWord, "status:delted", "delted", "Did you mean status:deleted?"),
        (UnknownWord, "is:any", "any", "It takes general"),
        (UnknownWord, "has:blah", "blah", "children"),
        (UnknownWord, "parent:garbage", "garbage", "the number of a post"),
        (UnknownWord, "child:5", "5", "parent:N"),
        (UnknownWord, "embedded:maybe", "maybe", "true"),
        (UnknownWord, "filetype:jpg,pgn", "jpg,pgn", "Did you mean filetype:png?"),
        (UnknownWord, "filetype:", "filetype:", "jpg"),
        (UnknownWord, "site:gelbooru", "gelbooru", "danbooru"),
        (UnknownWord, "rating:", "rating:", "It takes"),
        (UnknownWord, "order:scor", "scor", "Did you mean order:score?"),
        (UnknownWord, "pool:", "pool:", "a number"),
        (UnknownWord, "note:", "note:", "words"),
        (UnknownWord, "user:", "user:", "a name"),
        (UnanswerableMetatag, "cat -fav:me", "fav:me", "Leave it out"),
        (UnanswerableMetatag, "is:unmoderated", "is:unmoderated", "Leave it out"),
        (UnanswerableMetatag, "is:wiki_image", "is:wiki_image", "Leave it out"),
        (UnanswerableMetatag, "order:rank", "order:rank", "order:score"),
        (QueryError, "-order:score", "order:score", "outside of groups"),
        (QueryError, "cat or limit:5", "limit:5", "outside of groups"),
        (QueryError, "~cat ~order:score", "order:score", "outside of groups"),
        (QueryError, "limit:5 limit:6", "limit:6", "Keep one"),
        (QueryError, "order:score ordpool:5", "ordpool:5", "Keep one"),
        (QueryError, "id:>0 order:custom", "order:custom", "id:5,3,9"),
        (QueryError, "id:1,2 id:3 order:custom", "order:custom", "id:5,3,9"),
        (QueryError, "id:x order:custom", "order:custom", "id:5,3,9"),
        (QueryError, "order:custom", "order:custom", "id:5,3,9"),
    ],
)
def test_what_is_refused(kind: type[QueryError], text: str, place: str, hint: str) -> None:
    error = refused(kind, text)
    assert text[slice(*error.span)] == place
    assert hint in error.hint


@pytest.mark.parametrize(
    ("text", "table"),
    [
        *(("pool:1", "pools"), ("ordpool:1", "pools"), ("order:pools", "pools"), ("note:x", "notes"), ("has:notes", "notes")),
        *(("active_notes:1", "notes"), ("comment:x", "comments"), ("commentary:true", "artist_commentaries")),
        *(("has:commentary", "artist_commentaries"), ("user:x", "users"), ("status:appealed", "appeals"), ("flags:1", "flags")),
        *(("has:replacements", "replacements"), ("is:modqueue", "appeals")),
    ],
)  # fmt: skip
def test_a_missing_table_is_named(text: str, table: str) -> None:
    bare = MemoryStore([{"id": 1, "tags": ["cat"]}])
    assert f"the table {table}" in refused(UnanswerableMetatag, text, bare).message


def test_a_missing_column_is_named() -> None:
    bare = MemoryStore([{"id": 1, "tags": ["cat"]}])
    assert "column duration" in refused(UnanswerableMetatag, "duration:>5", bare).message
    assert "column width" in refused(UnanswerableMetatag, "mpixels:>5", bare).message
    assert checked("pixiv_id:any", bare).notes == ("No post of this release has a pixiv_id.",)
    assert checked("children:0", bare).node
    assert checked("order:score", bare).notes == (
        "No post of this release has a score: order:score leaves the order to id.",
    )
    assert checked("score:>5", MemoryStore([])).node


def test_every_metatag_that_can_be_answered_is() -> None:
    rich = store(is_deleted=True)
    absent = {"flag_count", "approval_count", "replacement_count", "disapproval_count"}
    for definition in METATAGS.values():
        if definition.answerable and definition.name not in absent:
            tag = {"unaliased": "cat"}.get(definition.name)
            text = f"{definition.name}:{tag}" if tag else definition.example
            assert checked(text, rich), text
        if not definition.answerable:
            assert definition.refusal in refused(UnanswerableMetatag, f"{definition.name}:x").message


# Ratings

SQE, GSQE, GELBOORU = RatingScheme.SQE_2021, RatingScheme.GSQE_2022, RatingScheme.GELBOORU


@pytest.mark.parametrize(
    ("text", "schemes", "letters"),
    [
        ("rating:s", (SQE,), ("s",)),
        ("rating:safe", (SQE,), ("s",)),
        ("rating:S,Explicit", (SQE,), ("s", "e")),
        ("rating:sensitive", (GSQE,), ("s",)),
        ("rating:g,s", (GSQE,), ("g", "s")),
        ("rating:safe", (GELBOORU,), ("safe",)),
        ("rating:general", (GELBOORU,), ("g",)),
        ("rating:q", (SQE, GSQE), ("q",)),
        ("rating:general", (SQE, GSQE), ("g",)),
        ("rating:s", (SQE, GSQE), ("s",)),
        ("rating:safe", (GSQE, GELBOORU), ("safe",)),
        ("is:sfw", (SQE,), ("s",)),
        ("is:sfw", (GSQE,), ("g", "s")),
        ("is:sfw", (GELBOORU,), ("safe", "g", "s")),
        ("is:nsfw", (GSQE,), ("q", "e")),
        ("is:safe", (SQE,), ("s",)),
        ("is:explicit", (GSQE,), ("e",)),
    ],
)
def test_rating_words_follow_the_scheme(text: str, schemes: tuple[RatingScheme, ...], letters: tuple[str, ...]) -> None:
    answer = checked(text, store(*schemes))
    assert isinstance(answer.node, Test)
    assert answer.node.condition == Words("rating", letters)
    told = text.startswith(("is:s", "is:n")) or (text == "rating:s" and len(schemes) > 1)
    assert bool(answer.notes) == told


@pytest.mark.parametrize(
    ("text", "schemes", "hint"),
    [
        ("rating:safe", (GSQE,), "Write rating:g, or rating:g,s to include sensitive."),
        ("rating:sfw", (GSQE,), "Write rating:g, or rating:g,s to include sensitive."),
        ("is:safe", (GSQE,), "Write rating:g, or rating:g,s to include sensitive."),
        ("rating:g", (SQE,), "Write rating:s for the safe posts."),
        ("rating:sensitive", (SQE,), "Write rating:s for the safe posts."),
        ("rating:safe", (SQE, GSQE), "Ask with the letter and the site"),
        ("rating:sensitive", (SQE, GSQE), "Ask with the letter and the site"),
        ("rating:suggestive", (GSQE,), "It takes g, s, q, e, general, sensitive, questionable, explicit."),
        ("rating:x", (SQE,), "It takes s, q, e, safe, questionable, explicit."),
    ],
)
def test_rating_words_of_other_schemes_are_refused(text: str, schemes: tuple[RatingScheme, ...], hint: str) -> None:
    assert hint in refused(UnknownWord, text, store(*schemes)).hint


def test_the_lenient_reading_takes_the_first_letter() -> None:
    answer = lenient(parse("rating:safe,xyz -score:foo"), store(), text="", now=NOW)
    assert answer.node == And((Test("rating:safe,xyz", Words("rating", ("s", "x"))), Not(Nothing())))


# Order, limit, random


@pytest.mark.parametrize(
    ("text", "order"),
    [
        ("", Order()),
        ("cat order:none", Order()),
        ("order:id", Order("id", descending=False)),
        ("order:ID_DESC", Order()),
        ("order:score ORDER:SCORE", Order("score")),
        ("order:downvotes", Order("down_score", descending=False)),
        ("order:downvotes_asc", Order("down_score")),
        ("order:favcount_desc", Order("fav_count")),
        ("order:portrait", Order("aspect", descending=False)),
        ("order:landscape", Order("aspect")),
        ("order:notes_asc", Order("note_count", descending=False)),
        ("order:note_asc", Order("last_noted_at", descending=False, nulls_first=True)),
        ("order:comment_asc", Order("last_commented_at", descending=False)),
        ("order:random", Order("random")),
        ("id:5,3,9 order:custom", Order("custom", ids=(5, 3, 9))),
        ("(cat id:5) order:custom", Order("custom", ids=(5,))),
        ("ordpool:12", Order("pool", descending=False, pool=InPool(id=12))),
        ("date:>2017-01-01", Order("created_at")),
        ("-age:<1d order:id_desc", Order("created_at")),
        ("age:<1d order:id", Order("created_at", descending=False)),
        ("age:<1d order:score", Order("score")),
        ("age:<1d order:none", Order()),
        ("cat or date:2017-01-01", Order("created_at")),
    ],
)
def test_orders(text: str, order: Order) -> None:
    assert checked(text).order == order


def test_the_order_of_dates_is_told() -> None:
    assert "in the order of its dates" in " ".join(checked("date:>2017-01-01").notes)
    assert not checked("date:>2017-01-01 order:score").notes


def test_notes_on_dates() -> None:
    assert "that day is not in it" in checked("date:2017-01-01..2017-12-31").notes[-1]
    assert "midnights" in " ".join(checked("date:2017-01-01,2017-01-02").notes)
    assert len(checked("date:2017-01-01...2018-01-01").notes) == 1


def test_every_order_is_known_and_every_live_one_refused() -> None:
    bare = store()
    for word in ORDERS:
        text = f"id:1 order:{word}" if word == "custom" else f"order:{word}"
        if not word.startswith(("artcomm", "flag", "approval", "replacement", "disapproval")):
            assert checked(text, bare).order.by
    for word in REFUSED_ORDERS:
        refused(UnanswerableMetatag, f"order:{word}")


def test_limit_and_random_are_numbers() -> None:
    answer = checked("limit:5 cat random:100 limit:5")
    assert (answer.limit, answer.random, answer.node) == (5, 100, Tag("cat"))
    assert checked("limit:0").limit == 0


def test_days_and_ages_follow_the_clock() -> None:
    text = "date:2021-12-31"
    answer = check(parse(text), store(), text=text, now=NOW, tz=ZoneInfo("Asia/Tokyo"))
    assert isinstance(answer.node, Test)
    assert isinstance(answer.node.condition, Compare)
    assert answer.node.condition.range == Between(1_640_876_400_000_000, 1_640_962_799_999_999)


def test_a_tree_that_was_checked_holds_no_metatag_and_no_alternative() -> None:
    """Hostile queries too; whatever is refused is refused with its place."""
    collection = store()
    kinds: set[type[Node]] = set()
    places = []
    for text in hostile(3_000, seed=3):
        try:
            tree = parse(text)
        except QuerySyntaxError:
            continue
        lenient_answer: Checked | None = None
        try:
            answer = checked(text, collection, allow_unknown=True)
            lenient_answer = lenient(tree, collection, text=text, now=NOW)
        except QueryError as error:
            places.append((text, error.span))
        else:
            kinds |= {type(node) for node in walk(answer.node)} | {type(node) for node in walk(lenient_answer.node)}
    assert kinds <= {All, And, Not, Nothing, Or, Tag, Test}
    assert [(text, (start, end)) for text, (start, end) in places if not 0 <= start < end <= len(text)] == []


def test_alternatives_of_200_pairs_stay_as_they_are() -> None:
    pairs = " or ".join(["(cat long_hair)"] * 200)
    assert len(checked(pairs).node.parts) == 200


@pytest.mark.parametrize("text", ["pool:nowhere", "-pool:99", "ordpool:nowhere", "user:nobody", "approver:nobody"])
def test_a_pool_or_a_person_that_nobody_knows_is_noted(text: str) -> None:
    known = MemoryStore(
        [{"id": 1, "uploader": "albert", "approver": "berta"}],
        pools=[{"id": 3, "name": "somewhere", "category": "series", "is_deleted": False, "post_ids": [1]}],
    )
    (note,) = check(parse(text), known, text=text, now=NOW).notes
    assert note.startswith("No p")
    for found in ("pool:somewhere", "pool:3", "pool:some*", "user:albert", "approver:berta"):
        assert check(parse(found), known, text=found, now=NOW).notes == ()


def test_what_is_longer_than_any_tag_is_quoted_by_its_beginning() -> None:
    for kind, text in ((UnknownTag, "a" * 100_000), (UnreadableValue, "limit:" + "1" * 100_000)):
        assert len(refused(kind, text).message) < 300
