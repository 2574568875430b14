"""The table of metatags, and the manual that is made from it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tagswarm.tagindex.query.metatags import (
    COUNT_SYNONYMS,
    FILETYPES,
    METATAGS,
    NAMES,
    ORDERS,
    REFUSED_ORDERS,
    SYNONYMS,
    Definition,
    definition,
)
from tagswarm.tagindex.query.values import Kind
from tagswarm.tagindex.store import NUMBERS, TABLES, WORDS


def row(found: Definition) -> str:
    """A metatag's line in the table of those that can be answered."""
    takes = found.kind.article if found.kind else ", ".join(f"`{word}`" for word in found.words) or "text"
    second = [name for name, meant in {**COUNT_SYNONYMS, **SYNONYMS}.items() if meant == found.name]
    names = ", ".join(f"`{name}:`" for name in (found.name, *second))
    needs = f" (needs {found.needs})" if found.needs else ""
    return f"| {names} | posts {found.does}{needs} | {takes} | `{found.example}` |"


def refusal(found: Definition) -> str:
    """A metatag's line in the table of those that cannot."""
    return f"| `{found.name}:` | {found.refusal} |"


@pytest.fixture(scope="module")
def page(repository: Path) -> str:
    return (repository / "docs" / "reference" / "query.md").read_text("utf-8")


def tables(page: str) -> list[str]:
    return [line for line in page.splitlines() if re.match(r"\| `[a-z0-9_]+:`", line)]


def test_the_manual_has_every_metatag(page: str) -> None:
    listed = [row(found) if found.answerable else refusal(found) for found in METATAGS.values()]
    controls = [row(METATAGS[name]) for name in ("order", "limit", "random")]
    assert sorted(tables(page)) == sorted(listed)
    assert set(controls) <= set(listed)


def test_the_manual_has_every_order(page: str) -> None:
    line = next(line for line in page.splitlines() if line.startswith("Orders: "))
    base = {re.sub("_(asc|desc)$", "", name) for name in ORDERS}
    assert set(re.findall("`([a-z0-9_]+)`", line)) == base
    for name in REFUSED_ORDERS:
        assert f"`order:{name}`" in page


def test_the_manual_has_every_type(page: str) -> None:
    for kind in Kind:
        if kind is not Kind.INTERVAL:
            assert f"| {kind.article} |" in page, kind


def test_definitions_agree_with_the_store() -> None:
    derived = {"md5", "mpixels", "ratio", "downvotes"}
    for found in METATAGS.values():
        assert found.does or found.refusal
        assert found.answerable == bool(found.example)
        if found.kind and found.name not in COUNT_SYNONYMS.values():
            assert found.column in {*NUMBERS, *WORDS, *derived}
        if found.needs and not found.name.endswith("_count"):
            assert found.needs in TABLES


def test_names_are_unique_and_lower_case() -> None:
    assert all(re.fullmatch("[a-z][a-z0-9_]*", name) for name in NAMES)
    assert not set(METATAGS) & (set(COUNT_SYNONYMS) | set(SYNONYMS))
    assert definition("pixiv") is METATAGS["pixiv_id"]
    assert len(set(FILETYPES)) == len(FILETYPES)


def test_synonyms_of_counts_are_plurals() -> None:
    assert COUNT_SYNONYMS["children"] == "child_count"
    assert COUNT_SYNONYMS["active_notes"] == "active_note_count"
    assert COUNT_SYNONYMS["series_pools"] == "series_pool_count"
    assert len(COUNT_SYNONYMS) == 19
