"""The first release.toml: what is found is in it, what is guessed is marked, and it can be built from as it stands."""

from __future__ import annotations

import gzip
import json
import shutil
import tomllib
from datetime import date
from pathlib import Path

import pytest

from tagswarm.manifests.errors import ConfigInvalid, TagswarmError
from tagswarm.manifests.records import RatingScheme
from tagswarm.release import config
from tagswarm.release.init import init
from tests.collection import Collection


@pytest.fixture(scope="module")
def collection(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("collection") / "my booru"
    Collection.make(path, 12, seed=5)
    return path


@pytest.fixture
def dataset(collection: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(collection, tmp_path / collection.name))


def test_a_collection_is_found(dataset: Path) -> None:
    path = init(dataset, issued=date(2026, 3, 1))
    found = config.load(dataset)
    assert path == dataset / "release.toml"
    assert (found.dataset.name, found.release.name, found.release.issued) == ("my-booru", "2026", date(2026, 3, 1))
    assert len(found.dataset.id) == 32
    (source,) = found.sources
    assert (source.site, source.originals, source.format) == ("danbooru", "original", "danbooru_export")
    assert source.rating_scheme is RatingScheme.GSQE_2022
    assert [rendition.name for rendition in found.renditions] == ["512px"]
    assert found.signing.keys == []


def test_the_table_of_torrents_needs_its_comment_signs_taken_away_only(dataset: Path) -> None:
    path = init(dataset)
    lines = path.read_text().splitlines()
    first = lines.index("# [torrents]")
    keys = ("# [torrents]", "# trackers = ", "# web_seeds = ", "# compat = ")
    table = [line.removeprefix("# ") if line.startswith(keys) else line for line in lines[first:]]
    path.write_text("\n".join(lines[:first] + table))
    torrents = config.load(dataset).torrents
    assert torrents.trackers
    assert torrents.parents() == ("https://example.org/",)
    assert torrents.compat == ["512px"]


def test_every_glob_matches_metadata_and_all_of_it_is_matched(dataset: Path) -> None:
    init(dataset)
    (source,) = config.load(dataset).sources
    matched = [path for glob in source.metadata for path in dataset.glob(glob)]
    assert sorted(matched) == sorted((dataset / "metadata").glob("*.json"))


def test_what_the_maintainer_says_is_taken(dataset: Path) -> None:
    init(dataset, name='A "Name"', site="mine", release="first", issued=date(2030, 1, 2))
    found = config.load(dataset)
    assert (found.dataset.name, found.sources[0].site) == ("a-name", "mine")
    assert (found.release.name, found.release.issued) == ("first", date(2030, 1, 2))


def test_the_year_is_the_name(dataset: Path) -> None:
    init(dataset)
    found = config.load(dataset)
    assert found.release.name == str(found.release.issued.year)


def test_nothing_is_overwritten_and_the_id_stays(dataset: Path) -> None:
    init(dataset)
    before = (dataset / "release.toml").read_bytes()
    with pytest.raises(ConfigInvalid, match="is there already"):
        init(dataset)
    assert (dataset / "release.toml").read_bytes() == before
    identity = config.load(dataset).dataset.id
    init(dataset, force=True)
    assert config.load(dataset).dataset.id == identity


def test_two_datasets_have_two_ids(collection: Path, tmp_path: Path) -> None:
    ids = set()
    for name in ("one", "two"):
        shutil.copytree(collection, tmp_path / name)
        init(tmp_path / name)
        ids.add(config.load(tmp_path / name).dataset.id)
    assert len(ids) == 2


def _rate(dataset: Path, rating: str) -> None:
    for path in (dataset / "metadata").glob("posts*.json"):
        rows = [json.loads(line) | {"rating": rating} for line in path.read_text().splitlines()]
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))


def test_ratings_without_a_g_prove_nothing(dataset: Path) -> None:
    _rate(dataset, "s")
    text = init(dataset).read_text()
    assert "CHECK THIS: none of the first 12 posts is rated g" in text
    assert config.load(dataset).sources[0].rating_scheme is RatingScheme.GSQE_2022  # the default of the format


def test_a_g_is_a_proof(dataset: Path) -> None:
    _rate(dataset, "g")
    assert "CHECK THIS" not in init(dataset).read_text()


def test_every_commented_key_can_be_used(dataset: Path) -> None:
    text = init(dataset).read_text()
    for line in text.splitlines():
        if line.startswith(("# homepage", "# licence =", "# contact")):
            text = text.replace(line, line.removeprefix("# "))
    start = text.index("# [[renditions]]")
    tail = "\n".join(line.removeprefix("# ") for line in text[start:].splitlines() if " = " in line or "[" in line)
    found = config.parse(tomllib.loads(text[:start] + tail))
    assert found.dataset.homepage == "https://example.org/my-booru"
    assert [rendition.name for rendition in found.renditions] == ["512px", "1280px"]
    assert found.waivers[0].finding == "missing-file"


def test_compressed_metadata_is_recognised(dataset: Path) -> None:
    for path in list((dataset / "metadata").iterdir()):
        path.with_name(path.name + ".gz").write_bytes(gzip.compress(path.read_bytes()))
        path.unlink()
    init(dataset)
    assert all(glob.endswith(".json.gz") for glob in config.load(dataset).sources[0].metadata)


def test_what_is_no_metadata_is_named(dataset: Path) -> None:
    (dataset / "licences.tsv").write_text("id\tlicence\n1\tCC0\n")
    assert '"licences.tsv"' in init(dataset).read_text()


def test_an_empty_folder_says_what_was_looked_for(tmp_path: Path) -> None:
    with pytest.raises(ConfigInvalid) as caught:
        init(tmp_path)
    assert ".jsonl" in caught.value.message
    assert "danbooru_export" in str(caught.value.hint)
    assert not list(tmp_path.iterdir())


def test_metadata_without_images_says_what_was_looked_for(dataset: Path) -> None:
    shutil.rmtree(dataset / "original")
    with pytest.raises(ConfigInvalid, match=r"original/0000/1000\.png"):
        init(dataset)


def test_another_name_of_the_tree(dataset: Path) -> None:
    (dataset / "original").rename(dataset / "pictures")
    init(dataset)
    found = config.load(dataset)
    assert (found.sources[0].originals, found.renditions[0].made_from) == ("pictures", "pictures")


def test_two_sites_have_two_trees(dataset: Path, shared: Path) -> None:
    shutil.copy(shared / "data/format_samples/e621_api.json", dataset / "metadata/e621.json")
    with pytest.raises(ConfigInvalid, match="e621"):
        init(dataset)
    shutil.copytree(dataset / "original", dataset / "e621")
    init(dataset)
    trees = {source.site: source.originals for source in config.load(dataset).sources}
    assert trees == {"danbooru": "original", "e621": "e621"}


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(TagswarmError):
        init(tmp_path / "nowhere")
