"""The libraries that the exports are for load them: `datasets` and `webdataset`, each in a process of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tagswarm.manifests.records import Category
from tagswarm.mirror.exports.imagefolder import ImagefolderOptions
from tagswarm.mirror.exports.registry import export
from tagswarm.mirror.exports.sample import Sample
from tagswarm.mirror.exports.style import CaptionStyle
from tagswarm.mirror.exports.table import ParquetOptions
from tagswarm.mirror.exports.webdataset import WebdatasetOptions
from tests.mirror.exports.samples import dot, real


@pytest.fixture(scope="module")
def samples(repository: Path) -> list[Sample]:
    return real(repository / "sample")


def answer(code: str, folder: Path) -> Any:
    """What a script prints, as JSON, run in a folder without a network."""
    home = {"HF_HOME": str(folder / "cache"), "HF_HUB_OFFLINE": "1", "HF_DATASETS_OFFLINE": "1"}
    quiet = "import datasets\ndatasets.disable_progress_bars()\n" if "datasets." in code else ""
    command = [sys.executable, "-c", f"import json\n{quiet}{code}"]
    ended = subprocess.run(
        command, cwd=folder, env={**os.environ, **home}, capture_output=True, text=True, timeout=120, check=False
    )
    assert ended.returncode == 0, ended.stderr
    return json.loads(ended.stdout)


def test_datasets_loads_an_imagefolder(samples: list[Sample], tmp_path: Path) -> None:
    export(samples, tmp_path / "out", ImagefolderOptions())
    found = answer(
        """
loaded = datasets.load_dataset("imagefolder", data_dir="out")
rows = loaded["train"]
print(json.dumps({
    "splits": list(loaded), "columns": rows.column_names, "kind": type(rows.features["image"]).__name__,
    "rows": [[row["id"], row["image"].size, row["text"], row["tags_general"], row["score"]] for row in rows],
}))
""",
        tmp_path,
    )
    assert found["splits"] == ["train"]
    assert found["kind"] == "Image"
    assert found["columns"][:2] == ["image", "text"]
    assert "label" not in found["columns"]
    assert len(found["rows"]) == len(samples)
    for (post, size, text, tags, score), sample in zip(found["rows"], samples, strict=True):
        assert post == sample.id
        assert size == [sample.width, sample.height]
        assert text
        assert tags.split() == list(sample.tags[Category.GENERAL])
        assert score == sample.post.score


def test_datasets_loads_columns_that_are_empty_for_long(tmp_path: Path) -> None:
    """Types are guessed from the first 10 MB: a list that is empty there used to break the rest."""
    tags: dict[Category, tuple[str, ...]] = {Category.GENERAL: ("solo",)}
    posts = [dot(tmp_path, post, tags=tags) for post in range(1, 1400)]
    last = dot(tmp_path, 1400, tags={**tags, Category.SPECIES: ("cat",), Category.LORE: ("trio_(lore)", "x")})
    style = CaptionStyle(prefix="x" * 8000)
    export([*posts, last], tmp_path / "out", ImagefolderOptions(captions=style))
    assert (tmp_path / "out/train/metadata.jsonl").stat().st_size > 10 << 20
    found = answer(
        """
rows = datasets.load_dataset("imagefolder", data_dir="out", split="train")
print(json.dumps([len(rows), rows[0]["tags_species"], rows[-1]["tags_species"], rows[-1]["tags_other"]]))
""",
        tmp_path,
    )
    assert found == [1400, "", "cat", "trio_(lore) x"]


def test_datasets_loads_parquet_with_images(samples: list[Sample], tmp_path: Path) -> None:
    export(samples, tmp_path / "out", ParquetOptions(images=True, rows_per_file=40))
    found = answer(
        """
rows = datasets.load_dataset("parquet", data_files="out/*.parquet", split="train")
rows = rows.cast_column("image", datasets.Image())
print(json.dumps([[row["id"], row["image"].size, row["tags_general"]] for row in rows]))
""",
        tmp_path,
    )
    assert found == [
        [sample.id, [sample.width, sample.height], list(sample.tags[Category.GENERAL])] for sample in samples
    ]


def test_webdataset_loads_shards(samples: list[Sample], tmp_path: Path) -> None:
    export(samples, tmp_path / "out", WebdatasetOptions(samples_per_shard=40))
    found = answer(
        """
import webdataset
rows = webdataset.WebDataset("out/samples-{000000..000002}.tar", shardshuffle=False).decode("pil")
kinds = ("png", "jpg", "webp")
print(json.dumps([
    [row["__key__"], next(row[kind].size for kind in kinds if kind in row), row["txt"], row["json"]] for row in rows
]))
""",
        tmp_path,
    )
    assert len(found) == len(samples)
    for (key, size, text, facts), sample in zip(found, samples, strict=True):
        assert key == sample.key == facts["key"] == f"{sample.id:09}"
        assert size == [sample.width, sample.height]
        assert text == facts["caption"]
        assert facts["tags_character"] == list(sample.tags[Category.CHARACTER])


def test_datasets_loads_shards_of_one_kind_of_image(samples: list[Sample], tmp_path: Path) -> None:
    images = [sample for sample in samples if sample.extension == "png"]
    export(images, tmp_path / "out", WebdatasetOptions(samples_per_shard=40))
    found = answer(
        """
rows = datasets.load_dataset("webdataset", data_files="out/*.tar", split="train")
print(json.dumps([[row["__key__"], row["png"].size, row["json"]["id"]] for row in rows]))
""",
        tmp_path,
    )
    assert found == [[sample.key, [sample.width, sample.height], sample.id] for sample in images]
