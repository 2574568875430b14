"""Tree to text and back."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tagswarm.manifests.errors import QuerySyntaxError
from tagswarm.tagindex.query.parser import parse, parse_raw
from tagswarm.tagindex.query.printing import TooLarge, cnf, infix, sexp, spelled
from tagswarm.tagindex.query.syntax import And, Metatag, Node, Not, Opt, Or, Tag, Wildcard, trimmed, without_options
from tests.tagindex.query.queries import hostile

# A name that closes what it never opened has no spelling inside of a group.
names = st.sampled_from(
    ["a", "b", "1girl", "foo_(bar)", ":)", ";(", ">:(", "re:zero", "not", "é", "foo(bar", "^_^", '"x"']
)
values = st.text(alphabet="ab()\"' :,.*é", max_size=6)
metatags = st.builds(Metatag, st.sampled_from(["source", "id", "note"]), values, st.just(True)) | st.builds(
    Metatag, st.sampled_from(["source", "order"]), st.text(alphabet="ab(\\ :.", max_size=6)
)
leaves = st.builds(Tag, names) | st.builds(Wildcard, st.sampled_from(["a*", "*_(x)", "*"])) | metatags


def lists(children: st.SearchStrategy[Node]) -> st.SearchStrategy[Node]:
    several = st.lists(children, min_size=2, max_size=4).map(tuple)
    return (
        st.builds(And, several) | st.builds(Or, several) | st.builds(Not, children) | st.builds(And, several.map(opted))
    )


def opted(children: tuple[Node, ...]) -> tuple[Node, ...]:
    return tuple(Opt(child) for child in children)


trees = st.recursive(leaves, lists, max_leaves=12).map(trimmed)


@given(trees)
def test_a_tree_printed_is_the_query_of_that_tree(tree: Node) -> None:
    assert parse(spelled(tree)) == tree


def test_whatever_parses_prints_to_a_query_that_means_the_same() -> None:
    """Values may gain quotes that they do not need; nothing else changes."""
    compared = 0
    for text in hostile(4_000, seed=7):
        try:
            tree = parse(text)
        except QuerySyntaxError:
            continue
        printed = spelled(tree)
        if any(word.endswith(")") for word in text.split()) or "\\" in text:
            continue  # names that close what they never opened, and backslashes beside odd spaces, have no spelling
        assert sexp(parse(printed)).replace('"', "") == sexp(tree).replace('"', ""), text
        assert spelled(parse(printed)) == printed
        compared += 1
    assert compared > 500


@pytest.mark.parametrize(
    ("text", "printed"),
    [
        ("source:foo\\ bar", "source:foo\\ bar"),
        ("(a (source:'b)'))", 'a source:"b)"'),
        ("a or (b note:(c)", "a or (b note:(c)"),
        ("-(x or note:(c)) y", "-(x or note:(c)) y"),
        ("a or (b ;( )", "a or (b ;( )"),
        ("((a))", "a"),
        ("~(a b) ~c", "~(a b) ~c"),
    ],
)
def test_spelling(text: str, printed: str) -> None:
    assert spelled(parse(text)) == printed


def test_a_bare_value_that_ends_in_a_parenthesis_is_quoted_inside_of_a_group() -> None:
    tree = Or((And((Metatag("note", "(a)"), Tag("b"))), Tag("c")))
    assert spelled(tree) == '(note:"(a)" b) or c'
    tree = Or((Tag("c"), And((Tag("b"), Metatag("note", "(a)")))))
    assert spelled(tree) == "c or (b note:(a))"
    assert parse(spelled(tree)) == tree


def test_the_raw_tree_keeps_its_lists() -> None:
    assert sexp(parse_raw("a or (b)")) == "(or (and a) (and (and b)))"
    assert infix(parse_raw("a and b and c")) == "a (b c)"


def test_alternatives_become_one_or() -> None:
    assert sexp(without_options(parse_raw("a ~b c ~(d e)"))) == "(and (or b (and d e)) a c)"


def test_the_normal_form_stops_where_it_explodes() -> None:
    pairs = " or ".join(f"(a{number} b{number})" for number in range(20))
    with pytest.raises(TooLarge):
        cnf(parse(pairs))
