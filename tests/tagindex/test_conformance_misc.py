"""The cases that are no queries: names of tags, aliases, and what implications say and must not say."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from tagswarm.release.audit import relations as audited
from tagswarm.tagindex.query.check import lenient
from tagswarm.tagindex.query.parser import parse
from tagswarm.tagindex.query.printing import infix
from tagswarm.tagindex.query.syntax import Tag, trimmed, walk, without_options
from tagswarm.tagindex.relations import implied
from tagswarm.tagindex.tagnames import non_ascii, normalised, problem
from tests.tagindex.conformance import parametrize
from tests.tagindex.memory import MemoryStore

FINDINGS = {
    "circular": "implication-cycle",
    "transitive_redundant": "implication-redundant",
    "self": "implication-self",
    "endpoint_is_aliased": "implication-of-alias",
    "chain": "alias-chain",
}


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    parametrize(
        metafunc,
        name="tag_name_valid",
        resolved="alias_resolve",
        normal="normalize",
        closure="implied_by",
        invalid="relation_invalid",
        aliased="apply_alias_to_posts",
        brought="apply_implication_to_posts",
    )


def resolve(text: str, aliases: list[list[str]], tags: list[list[Any]]) -> list[str]:
    """The tags of a query after aliases and abbreviations, in their order."""
    rows = [{"antecedent_name": one, "consequent_name": other, "status": "active"} for one, other in aliases]
    dictionary = [{"name": name, "post_count": count, "category": 0} for name, count in tags]
    posts = [{"id": 1, "tags": [name for name, _ in tags]}]
    store = MemoryStore(posts, tag_aliases=rows, tags=dictionary)
    checked = lenient(parse(text), store, text=text, now=datetime(2021, 12, 31, tzinfo=UTC))
    return [node.name for node in walk(checked.node) if isinstance(node, Tag)]


def test_names(name: dict[str, Any]) -> None:
    text = normalised(name["input"])
    assert (problem(text) is None and not non_ascii(text)) == name["expect"]


def test_aliases(resolved: dict[str, Any]) -> None:
    found = resolve(" ".join(resolved["input"]), resolved["aliases"], resolved.get("tags", []))
    assert found == resolved["expect"]


def test_normalised_queries(normal: dict[str, Any]) -> None:
    tree = trimmed(without_options(parse(normal["input"])))
    if normal["aliases"] and normal.get("apply_aliases", True):
        assert resolve(normal["input"], normal["aliases"], []) == normal["expect"].split()
    else:
        assert infix(tree) == normal["expect"]


def test_what_a_tag_implies(closure: dict[str, Any]) -> None:
    active = [(one, other) for one, other, status in closure["implications"] if status == "active"]
    found = implied(closure["input"], lambda name: [other for one, other in active if one == name])
    assert found == sorted(closure["expect"])


def test_relations_that_contradict_each_other(invalid: dict[str, Any]) -> None:
    def graph(pairs: list[list[str]]) -> audited.Graph:
        return {one: sorted(other for first, other in pairs if first == one) for one, _ in sorted(pairs)}

    pairs = [*invalid["existing"], invalid["candidate"]]
    if invalid["relation"] == "alias":
        found = audited.of_aliases("danbooru", graph(pairs))
    else:
        found = audited.of_implications("danbooru", graph(pairs), graph(invalid.get("aliases", [])))
    assert FINDINGS[invalid["expect"]] in {finding.name for finding in found}


def test_aliases_of_posts(aliased: dict[str, Any]) -> None:
    for before, after in zip(aliased["posts"], aliased["expect"], strict=True):
        assert sorted(resolve(before, [aliased["alias"]], [])) == after.split()


def test_implications_of_posts(brought: dict[str, Any]) -> None:
    one, other = brought["implication"]
    for before, after in zip(brought["posts"], brought["expect"], strict=True):
        tags = set(before.split())
        tags.update(*(implied(tag, lambda name: [other] if name == one else []) for tag in sorted(tags)))
        assert sorted(tags) == after.split()
