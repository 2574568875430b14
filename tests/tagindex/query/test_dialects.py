"""Queries as Gelbooru and e621 spell them."""

from __future__ import annotations

import pytest

from tagswarm.manifests.errors import QueryError, QuerySyntaxError, UnanswerableMetatag, UnknownWord
from tagswarm.tagindex.query.dialects import DIALECTS, parse_dialect
from tagswarm.tagindex.query.metatags import ORDERS
from tagswarm.tagindex.query.parser import DEEPEST, parse
from tagswarm.tagindex.query.printing import sexp
from tagswarm.tagindex.query.syntax import And, Metatag, Not, Tag, trimmed, walk, without_options
from tests.tagindex.query.queries import hostile


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("", ""),
        ("Long_Hair -cat", "long_hair -cat"),
        ("{a ~ b}", "a or b"),
        ("{ a ~ -b ~ c* } d", "(a or -b or c*) d"),
        ("-{a ~ b} d", "-(a or b) d"),
        ("{a}", "a"),
        ("{a_(x) ~ b}", "a_(x) or b"),
        ("sort:score:desc", "order:score_desc"),
        ("sort:score", "order:score_desc"),
        ("sort:id:asc a", "order:id_asc a"),
        ("sort:updated:asc", "order:change_asc"),
        ("sort:random", "order:random"),
        ("rating:safe -rating:explicit", "rating:safe -rating:explicit"),
        ("score:>=10 width:100..200", "score:>=10 width:100..200"),
        ("re:zero", "re:zero"),
        ("-", None),
        ("~", None),
        ("}", None),
        ("--a", None),
        ("a~", None),
        ("{a b}", None),
        ("{a ~ }", None),
        ("{~ a}", None),
        ("{a ~ ~ b}", None),
        ("{}", None),
        ("{ }", None),
        ("{a", None),
        ("{a ~ {b ~ c}}", None),
        ("sort:rank", None),
        ("sort:score:up", None),
    ],
)
def test_gelbooru(text: str, meant: str | None) -> None:
    same("gelbooru", text, meant)


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("status:any", "status:any"),
        ("", "-status:deleted"),
        ("a", "a -status:deleted"),
        ("( a b )", "a b -status:deleted"),
        ("-( a b ) status:any", "-(a b) status:any"),
        ("~( a b ) ~( c d )", "((a b) or (c d)) -status:deleted"),
        ("~a ~b c -status:pending", "(a or b) c -status:pending"),
        ("( ~a ~b ) ( ~c ~d ) status:any", "(a or b) (c or d) status:any"),
        ("order:score a", "a -status:deleted order:score_desc"),
        ("-order:score a", "a -status:deleted order:score_asc"),
        ("order:id status:any", "status:any order:id_asc"),
        ("-order:id status:any", "status:any order:id_desc"),
        ("order:landscape -order:portrait status:any", "status:any order:landscape order:landscape"),
        ("( order:score_asc a ) status:any", "a status:any order:score_asc"),
        ("a ( order:score ) status:any", "a status:any order:score_desc"),
        ("-( a limit:5 ) status:any", "-a status:any limit:5"),
        ("type:PNG status:any", "filetype:PNG status:any"),
        ("filesize:1000 status:any", "filesize:950..1050 status:any"),
        ("filesize:>1000 status:any", "filesize:>1000 status:any"),
        ("filesize:x status:any", "filesize:x status:any"),
        ("ischild:true -hassource:false status:any", "is:child -(-has:source) status:any"),
        ("inpool:false status:any", "-pool:any status:any"),
        ("( a", None),
        ("a )", None),
        ("( )", None),
        ("a -", None),
        ("--a", None),
        ("~-a", None),
        ("order:hot", None),
        ("randseed:5", None),
        ("ischild:maybe", None),
    ],
)
def test_e621(text: str, meant: str | None) -> None:
    same("e621", text, meant)


def same(dialect: str, text: str, meant: str | None) -> None:
    """What a query of a dialect means, in the language itself; None for what is refused."""
    if meant is not None:
        tree = trimmed(without_options(parse_dialect(text, dialect)))
        assert sexp(tree) == sexp(trimmed(without_options(parse(meant))))
        return
    with pytest.raises(QueryError) as caught:
        parse_dialect(text, dialect)
    start, end = caught.value.span
    assert isinstance(caught.value, QuerySyntaxError | UnknownWord | UnanswerableMetatag)
    assert caught.value.text == text
    assert 0 <= start < end <= len(text)
    assert caught.value.hint


def test_words_and_parentheses_of_the_language_are_names_there() -> None:
    names = tuple(Tag(name) for name in ("or", "and", "(a)", "not"))
    assert parse_dialect("or and (a) not", "gelbooru") == And(names)
    assert parse_dialect("or and (a) not", "e621") == And((*names, Not(Metatag("status", "deleted"))))


def test_the_language_itself_is_a_dialect() -> None:
    assert parse_dialect("a or (b c)", "danbooru") == parse("a or (b c)")


def test_an_unknown_dialect_is_refused() -> None:
    with pytest.raises(UnknownWord, match="szurubooru") as caught:
        parse_dialect("a", "szurubooru")
    assert caught.value.hint == "Take danbooru, gelbooru or e621."


@pytest.mark.parametrize("dialect", DIALECTS)
def test_hostile_queries_are_parsed_or_refused(dialect: str) -> None:
    places = []
    for text in hostile(5_000, seed=11):
        try:
            tree = parse_dialect(text, dialect)
        except QueryError as error:
            places.append((text, error.span))
            continue
        orders = [node.value.lower() for node in walk(tree) if isinstance(node, Metatag) and node.name == "order"]
        assert dialect == "danbooru" or set(orders) <= set(ORDERS)
    assert places
    assert [(text, (start, end)) for text, (start, end) in places if not 0 <= start < end <= len(text)] == []


def test_groups_are_as_deep_as_the_limit() -> None:
    assert parse_dialect("( " * DEEPEST + "a status:any" + " )" * DEEPEST, "e621") == parse("a status:any")
    with pytest.raises(QuerySyntaxError, match="deep"):
        parse_dialect("( " * 10_000 + "a" + " )" * 10_000, "e621")
