"""The search cases of the booru's own tests: the evaluator gives its answers, and the check refuses what is no query.

Where the two differ on purpose the query is refused: unreadable values, unknown words, orders that need a live site.
There the lenient reading, which is for these cases only, must give the booru's answer all the same.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from tagswarm.manifests.errors import QueryError, QuerySyntaxError, UnanswerableMetatag
from tagswarm.tagindex.query.check import check, lenient
from tagswarm.tagindex.query.evaluate import count, evaluate
from tagswarm.tagindex.query.parser import parse
from tagswarm.tagindex.reader import Index
from tests.tagindex.conformance import CARRIED, parametrize, rows
from tests.tagindex.memory import MemoryStore
from tests.tagindex.written import written

MALFORMED = {"dbs-0025", "dbs-0026"}
"""Cases that are no query; the booru answers with nothing."""

REFUSED = {
    *(f"dbs-{number:04}" for number in range(27, 57) if number != 52),
    *(f"dbs-{number:04}" for number in (132, 133, 136, 325, 344, 345, 353, 359, 373)),
    *(f"dbs-{number:04}" for number in (480, 481, 482)),
    "dbs-0301",  # is:safe: the letter means something else in this scheme
    "dbs-0485",  # order:modqueue: only a live site knows it
}
"""Cases that the check refuses: unreadable values, unknown words, `order:custom` without a list.

Further cases, of `--cases`, are not listed here: there a refusal is right where the booru finds nothing, or everything.
"""


CARRIED_IDS = {row["id"] for row in rows(CARRIED)}


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    parametrize(metafunc, search="search", search_error="search_error")


def ids(store: MemoryStore, checked: Any) -> list[int]:
    answer = evaluate(checked, store, seed=1)
    found = [store.rows[at]["id"] for at in answer.ordinals]
    assert len(found) == len(answer) == len(answer.posts) == count(checked, store)
    return found


def test_search(search: dict[str, Any]) -> None:
    store, text = MemoryStore.of(search), search["query"] or ""
    clock: dict[str, Any] = {"now": datetime.fromisoformat(search["now"]), "tz": ZoneInfo(search["tz"])}
    try:
        tree = parse(text)
    except QuerySyntaxError as error:
        assert_refused(error, search, MALFORMED)
        assert search["expect_ids"] == []
        return
    assert search["id"] not in MALFORMED
    if not search.get("ruby_specific"):
        assert ids(store, lenient(tree, store, text=text, **clock)) == search["expect_ids"]
    try:
        checked = check(tree, store, text=text, allow_unknown=True, **clock)
    except QueryError as error:
        assert_refused(error, search, REFUSED)
        assert search.get("ruby_specific") or search["id"] in REFUSED or len(search["expect_ids"]) in {0, store.size}
        return
    assert search["id"] not in REFUSED
    assert not search.get("ruby_specific")
    assert ids(store, checked) == search["expect_ids"]


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[dict[str, Any]], Index]]:
    """Writes the index of a case's fixture; many cases have the same."""
    with contextlib.ExitStack() as opened:
        known: dict[str, Index] = {}

        def of(case: dict[str, Any]) -> Index:
            name = json.dumps([case["fixture"], case["needs"]])
            if name not in known:
                folder = tmp_path_factory.mktemp("index")
                known[name] = opened.enter_context(written(MemoryStore.of(case), folder))
            return known[name]

        yield of


def test_search_of_an_index(search: dict[str, Any], index: Callable[[dict[str, Any]], Index]) -> None:
    """The same answers from the file, in the strict reading."""
    text = search["query"] or ""
    store = index(search)
    try:
        clock: dict[str, Any] = {"now": datetime.fromisoformat(search["now"]), "tz": ZoneInfo(search["tz"])}
        checked = check(parse(text), store, text=text, allow_unknown=True, **clock)
    except UnanswerableMetatag:
        assert "appeals" in search["needs"]  # no release carries them
    except QueryError as error:
        assert_refused(error, search, REFUSED | MALFORMED)
    else:
        posts = MemoryStore.of(search).rows
        found = [posts[at]["id"] for at in evaluate(checked, store, seed=1).ordinals]
        assert found == search["expect_ids"]


def assert_refused(error: QueryError, search: dict[str, Any], known: set[str]) -> None:
    start, end = error.span
    assert 0 <= start <= end <= len(search["query"])
    if search["id"] in CARRIED_IDS and not search.get("ruby_specific"):
        assert search["id"] in known


def test_search_error(search_error: dict[str, Any]) -> None:
    text = search_error["query"]
    with pytest.raises(QueryError):
        check(parse(text), MemoryStore([{"id": 1}]), text=text, now=datetime.fromisoformat("2021-12-31T17:00:00Z"))
