"""The parser cases of the booru's own tests, and what its parser printed for 180 queries and more."""

from __future__ import annotations

from typing import Any

import pytest

from tagswarm.manifests.errors import QuerySyntaxError
from tagswarm.tagindex.query.parser import parse, parse_raw
from tagswarm.tagindex.query.printing import cnf, infix, sexp
from tests.tagindex.conformance import parametrize


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    parametrize(metafunc, normal="parse_cnf", printed="parse_infix", executed="parse_executed")


def refused(text: str) -> None:
    """Where the booru finds nothing, without a word, there is an error here, and it points at something."""
    for parser in (parse, parse_raw):
        with pytest.raises(QuerySyntaxError) as caught:
            parser(text)
        start, end = caught.value.span
        assert caught.value.text == text
        assert 0 <= start < end <= len(text)


def test_normal_form(normal: dict[str, Any]) -> None:
    text = normal["query"] or ""
    if normal["expect"] == "none":
        refused(text)
        return
    assert sexp(cnf(parse_raw(text))) == normal["expect"]
    assert sexp(cnf(parse(text))) == normal["expect"]


def test_infix(printed: dict[str, Any]) -> None:
    text = printed["query"] or ""
    if printed["expect"] == "none":
        refused(text)
    else:
        assert infix(parse_raw(text)) == printed["expect"]


def test_what_the_real_parser_printed(executed: dict[str, Any]) -> None:
    text = executed["query"] or ""
    if executed["tree"] == "none":
        refused(text)
        return
    tree = parse_raw(text)
    assert sexp(tree) == executed["tree"]
    assert infix(tree) == executed["infix"]
    if executed["cnf"] is not None:
        assert sexp(cnf(tree)) == executed["cnf"]
        assert cnf(parse(text)) == cnf(tree)
