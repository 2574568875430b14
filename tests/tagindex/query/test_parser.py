"""Text to tree: names, values and groups, the places of errors, and queries that mean harm."""

from __future__ import annotations

import csv
import unicodedata
from pathlib import Path

import pytest

from tagswarm.manifests.errors import QuerySyntaxError
from tagswarm.tagindex.query.metatags import COUNT_SYNONYMS, NAMES, SYNONYMS
from tagswarm.tagindex.query.parser import DEEPEST, SPACES, parse, parse_raw
from tagswarm.tagindex.query.printing import infix, sexp
from tagswarm.tagindex.query.syntax import All, And, Metatag, Node, Not, Opt, Or, Tag, Wildcard, walk
from tests.tagindex.query.queries import hostile

A, B, C = Tag("a"), Tag("b"), Tag("c")


@pytest.mark.parametrize(
    ("text", "tree"),
    [
        ("", All()),
        (" \u3000\n", All()),
        ("A", A),
        ("a b", And((A, B))),
        ("a or b or c", Or((A, B, C))),
        ("a and b and c", And((A, B, C))),
        ("a b or c", Or((And((A, B)), C))),
        ("a (b c)", And((A, B, C))),
        ("-a", Not(A)),
        ("- a", Not(A)),
        ("-\n( a )", Not(A)),
        ("-(-a)", Not(Not(A))),
        ("~a", A),
        ("a ~b", And((A, B))),
        ("~a ~b", And((Opt(A), Opt(B)))),
        ("(~a ~b) ~c", And((And((Opt(A), Opt(B))), C))),
        ("(~a ~b) c", And((And((Opt(A), Opt(B))), C))),
        ("a*", Wildcard("a*")),
        ("or*", Wildcard("or*")),
        ("Not", Tag("not")),
        ("oreo android", And((Tag("oreo"), Tag("android")))),
        ("a or(b)", And((A, Tag("or(b)")))),
        ("or)", Tag("or)")),
        ("(a )b", And((A, B))),
        ('source:"a"b', And((Metatag("source", "a", quoted=True), B))),
        ('source:"a"or b', Or((Metatag("source", "a", quoted=True), B))),
        ("SOURCE:A", Metatag("source", "A")),
        ("source:", Metatag("source", "")),
        ("(source:)", Metatag("source", "")),
        ("source:\\ x\\", Metatag("source", " x\\")),
        ("source:a\\\u3000b", And((Metatag("source", "a\\"), B))),
        ("(note:(a)) b)", And((Metatag("note", "(a)"), Tag("b)")))),
        ("order:Comments_ASC", Metatag("order", "comment_count_asc")),
        ("order:Score", Metatag("order", "Score")),
        ("pixiv:5", Metatag("pixiv", "5")),
        ("scroe:5", Tag("scroe:5")),
        ("rating", Tag("rating")),
        ("rating*:s", Wildcard("rating*:s")),
        ("source:*x*", Metatag("source", "*x*")),
        ("(;( )", Tag(";(")),
        ("a\x1cb", Tag("a\x1cb")),
    ],
)
def test_trees(text: str, tree: Node) -> None:
    assert parse(text) == tree


@pytest.mark.parametrize(
    ("text", "place", "message"),
    [
        ("(a", "(", "never closed"),
        ("a (b", "(", "never closed"),
        ("(;()", "(", "never closed"),
        ("a )", ")", "closes nothing"),
        (")a", ")", "closes nothing"),
        ("a ()", "()", "nothing between these"),
        ("--a", "--", "one behind the other"),
        ("-~a", "-~", "one behind the other"),
        ("a -", "-", "nothing behind -"),
        ("a (b ~)", "~", "nothing behind ~"),
        ("a or", "or", "nothing behind or"),
        ("(a AND )", "AND", "nothing behind AND"),
        ("(a or)", "or", "nothing behind or"),
        ("a or and b", "or and", "nothing between and"),
        ("or a", "or", "reserved"),
        ("a or -and b", "-and", "reserved"),
        ("(or a)", "or", "reserved"),
        ("-or", "or", "reserved"),
        ('a source:"x y', '"x y', "never closed"),
        ("a source:'x", "'x", "never closed"),
        ('source:"c:\\x"', "\\", "backslash"),
    ],
)
def test_errors_name_the_problem_and_its_place(text: str, place: str, message: str) -> None:
    with pytest.raises(QuerySyntaxError, match=message) as caught:
        parse(text)
    error = caught.value
    assert text[slice(*error.span)] == place
    assert error.text == text
    assert error.hint
    assert error.hint.endswith((".", "b."))


def test_every_node_knows_its_place() -> None:
    text = "  a -(B or c*) ~source:'x y' ~(d)"
    places = {sexp(node): text[slice(*node.span)] for node in walk(parse(text))}
    assert places["a"] == "a"
    assert places["b"] == "B"
    assert places["(wildcard c*)"] == "c*"
    assert places["(not (or b (wildcard c*)))"] == "-(B or c*)"
    assert places['source:"x y"'] == "source:'x y'"
    assert places["(opt d)"] == "~(d)"
    assert places["(or b (wildcard c*))"] == "B or c*"


def test_every_name_makes_a_metatag() -> None:
    for name in NAMES:
        meant = COUNT_SYNONYMS.get(name, name)
        assert parse(f"{name.upper()}:x") == Metatag(meant, "x")
        assert parse(name) == Tag(name)
    assert not set(SYNONYMS) & set(COUNT_SYNONYMS)


def test_white_space_is_that_of_unicode() -> None:
    import re

    ours = {chr(code) for code in range(0x11000) if re.fullmatch(f"[{SPACES}]", chr(code))}
    theirs = {chr(code) for code in range(0x11000) if unicodedata.category(chr(code)) in {"Zs", "Zl", "Zp"}}
    assert ours == theirs | set("\t\n\x0b\x0c\r\x85")
    for space in ours:
        assert parse(f"a{space}or{space}b") == Or((A, B))


def test_every_real_tag_is_itself(shared: Path) -> None:
    """140,782 tags, alone and in parentheses, where two emoticons need a space behind them."""
    with (shared / "data" / "tags" / "danbooru.csv").open(encoding="utf-8", newline="") as file:
        names = [row[0] for row in csv.reader(file)]
    assert len(names) > 140_000
    assert [name for name in names if parse(name) != Tag(name)] == []
    assert [name for name in names if name not in {";(", ">:("} and parse(f"({name})") != Tag(name)] == []
    for name in (";(", ">:("):
        assert parse(f"({name} )") == Tag(name)
        with pytest.raises(QuerySyntaxError):
            parse(f"({name})")


def test_groups_are_as_deep_as_the_limit_and_no_deeper() -> None:
    deep = "-(a or " * DEEPEST + "b" + ")" * DEEPEST
    tree = parse(deep)
    assert tree == parse(deep)
    assert hash(tree) == hash(parse(deep))
    assert repr(tree)
    assert infix(tree) == deep
    for depth in (DEEPEST + 1, 10_000):
        with pytest.raises(QuerySyntaxError, match="deep") as caught:
            parse("(" * depth + "a" + ")" * depth)
        assert caught.value.span == (DEEPEST, DEEPEST + 1)


@pytest.mark.parametrize("operator", [" ", " or ", " and "])
def test_long_queries_are_only_long(operator: str) -> None:
    count = 20_000
    text = operator.join(f"tag{number}" for number in range(count))
    assert len(parse(text).parts) == count
    raw = parse_raw(text)
    assert sum(isinstance(node, Tag) for node in walk(raw)) == count
    assert raw == parse_raw(text)
    assert infix(parse(text)) == text.replace(" and ", " ")


def test_hostile_queries_are_parsed_or_refused(pytestconfig: pytest.Config) -> None:
    """As many as `--queries` says; none ends in anything but a tree or the one error, with its place in the text."""
    places = []
    for text in hostile(pytestconfig.getoption("--queries"), seed=20261120):
        try:
            parse(text)
        except QuerySyntaxError as error:
            places.append((text, error.span))
    assert [(text, (start, end)) for text, (start, end) in places if not 0 <= start < end <= len(text)] == []
    assert places
