"""The documentation says what the program does: generated pages, fields, keys, golden vectors, links."""

from __future__ import annotations

import dataclasses
import importlib.util
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest
from pydantic import BaseModel

from tagswarm.imaging.transform import Transform
from tagswarm.manifests import models, signing, statements, textlists, torrentlist
from tagswarm.manifests.errors import TagswarmError
from tagswarm.release import config

FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
EXAMPLE_KEY = signing.SecretKey(bytes(range(8)), bytes(range(32)))


def blocks(page: Path, language: str) -> list[bytes]:
    """The fenced blocks of a page in one language."""
    return [text.encode() for found, text in FENCE.findall(page.read_text()) if found == language]


@pytest.fixture(scope="session")
def formats(repository: Path) -> Path:
    return repository / "docs" / "reference" / "formats"


@pytest.fixture(scope="session")
def generate(repository: Path) -> Iterator[ModuleType]:
    """docs/generate.py, which is in no package."""
    spec = importlib.util.spec_from_file_location("generate", repository / "docs" / "generate.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    yield module
    del sys.modules[spec.name]


@pytest.mark.parametrize("name", ["errors.md", "cli.md", "findings.md", "python.md"])
def test_generated_pages_are_up_to_date(generate: ModuleType, name: str) -> None:
    assert set(generate.PAGES) == {"errors.md", "cli.md", "findings.md", "python.md"}
    assert (generate.REFERENCE / name).read_text() == generate.PAGES[name](), "run `make docs`"


def test_error_page_has_every_class_and_code(generate: ModuleType) -> None:
    page = generate.error_page()
    for found in generate.error_classes():
        if found is not TagswarmError:
            assert f"| `{found.__name__}` |" in page
        assert re.search(rf"^\| {found.exit_code} \|", page, re.MULTILINE)
    for code in (0, 2, 3, 130):
        assert re.search(rf"^\| {code} \|", page, re.MULTILINE)


def tables(model: type[BaseModel]) -> Iterator[tuple[str, str]]:
    """Every key of a model and of the tables in it, as (table, key)."""
    for name, field in model.model_fields.items():
        key = field.alias or name
        yield model.__name__, key
        for inner in (field.annotation, *getattr(field.annotation, "__args__", ())):
            if isinstance(inner, type) and issubclass(inner, BaseModel):
                yield from tables(inner)


def test_every_key_of_release_toml_is_explained(repository: Path) -> None:
    page = (repository / "docs/reference/release-toml.md").read_text()
    headed = re.findall(r"^#+ .*$|^\| `([a-z_]+)` \|", page, re.MULTILINE)
    keys = set(tables(config.Config))
    assert len(keys) > 30
    for table, key in keys:
        assert key in headed or re.search(rf"^#+ .*\b{key}\b", page, re.MULTILINE), f"{table}: {key}"
    for key in (field.name for field in dataclasses.fields(Transform)):
        assert key in headed, f"transform: {key}"
    known = {key for _, key in keys} | {field.name for field in dataclasses.fields(Transform)}
    assert {key for key in headed if key} <= known, "the page names a key that is none"


def test_example_of_release_toml_is_one(repository: Path) -> None:
    import tomllib

    (example,) = blocks(repository / "docs/reference/release-toml.md", "toml")
    found = config.parse(tomllib.loads(example.decode()))
    assert found.renditions[0].recipe().width == 512


@pytest.mark.parametrize(
    ("page", "document", "limit"),
    [
        ("release.md", models.Root, models.ROOT_LIMIT),
        ("latest.md", models.Latest, models.LATEST_LIMIT),
        ("keys.md", models.Keys, models.KEYS_LIMIT),
    ],
)
def test_example_of_a_format_is_its_golden_vector(
    formats: Path, page: str, document: type[models.Document], limit: int
) -> None:
    (example,) = blocks(formats / page, "json")
    assert document.parse(example, limit=limit).render() == example


@pytest.mark.parametrize(
    ("page", "documents"),
    [
        (
            "release.md",
            [
                models.Root,
                models.Dataset,
                models.Previous,
                models.Totals,
                models.SourceEntry,
                models.RenditionEntry,
                models.VolumeEntry,
                models.PackedObject,
                models.WaiverEntry,
            ],
        ),
        ("latest.md", [models.Latest]),
        ("keys.md", [models.Keys]),
        ("torrents.md", [torrentlist.TorrentRow]),
    ],
)
def test_every_field_of_a_format_is_explained(formats: Path, page: str, documents: list[type[BaseModel]]) -> None:
    text = (formats / page).read_text()
    for document in documents:
        for key in document.model_fields:
            assert f"`{key}`" in text, f"{page}: {document.__name__}.{key}"


def test_example_of_withdrawals_is_its_golden_vector(formats: Path) -> None:
    (example,) = blocks(formats / "withdrawn.md", "json")
    assert models.render_withdrawals(models.parse_withdrawals(example)) == example
    text = (formats / "withdrawn.md").read_text()
    for key in (field.name for field in dataclasses.fields(models.Withdrawal)):
        assert f"`{key}`" in text


def test_example_of_a_list_of_torrents_is_its_golden_vector(formats: Path) -> None:
    (example,) = blocks(formats / "torrents.md", "json")
    assert torrentlist.render(torrentlist.parse(example)) == example


def test_example_of_latest_names_the_example_of_release(formats: Path) -> None:
    (root,) = blocks(formats / "release.md", "json")
    (latest,) = blocks(formats / "latest.md", "json")
    said = statements.Statement.of_latest(models.Latest.parse(latest, limit=models.LATEST_LIMIT))
    made = statements.Statement.of_root(models.Root.parse(root, limit=models.ROOT_LIMIT), root)
    assert (said.sha256, said.number, said.release, said.dataset) == (
        made.sha256,
        made.number,
        made.release,
        made.dataset,
    )


def test_example_of_a_signature_is_its_golden_vector(formats: Path) -> None:
    (latest,) = blocks(formats / "latest.md", "json")
    signature = blocks(formats / "latest.md", "text")[-1]
    said = statements.Statement.of_latest(models.Latest.parse(latest, limit=models.LATEST_LIMIT))
    assert signing.sign(EXAMPLE_KEY, latest, said.render()) == signature
    (keys,) = blocks(formats / "keys.md", "json")
    assert models.Keys.parse(keys, limit=models.KEYS_LIMIT).keys == [EXAMPLE_KEY.public.line]


def test_examples_of_plain_lists_are_golden_vectors(formats: Path) -> None:
    checksums, files = blocks(formats / "lists.md", "text")
    entries = textlists.parse_checksums(checksums)
    assert textlists.render_checksums(reversed(entries)) == checksums
    assert textlists.split_files(path for path, _ in entries) == [files]


def pages(repository: Path) -> list[Path]:
    return [repository / "README.md", repository / "CHANGELOG.md", *sorted((repository / "docs").rglob("*.md"))]


def test_every_link_leads_somewhere(repository: Path) -> None:
    for page in pages(repository):
        text = re.sub(r"```.*?```", "", page.read_text(), flags=re.DOTALL)
        for target in LINK.findall(text):
            if "://" in target:
                continue
            path, _, anchor = target.partition("#")
            found = (page.parent / path).resolve() if path else page
            assert found.exists(), f"{page.relative_to(repository)}: {target}"
            if anchor and found.suffix == ".md":
                assert anchor in anchors(found), f"{page.relative_to(repository)}: {target}"


def anchors(page: Path) -> set[str]:
    """The anchors of the headings of a page, as they are made where it is shown."""
    heads = re.findall(r"^#+ (.+)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", head.lower()).replace(" ", "-") for head in heads}


def test_every_page_is_reached_from_the_index(repository: Path) -> None:
    index = (repository / "docs/README.md").read_text()
    for page in sorted((repository / "docs").rglob("*.md")):
        if page.parent != repository / "docs":
            assert f"({page.relative_to(repository / 'docs')})" in index, page
