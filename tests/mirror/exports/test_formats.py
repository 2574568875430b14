"""What each export writes, to the letter where a reader depends on it."""

from __future__ import annotations

import dataclasses
import hashlib
import io
import json
import tarfile
import tomllib
from pathlib import Path
from typing import Any

import duckdb
import pyarrow.parquet as pq
import pytest
from PIL import Image

from tagswarm.manifests.errors import UnsafePath
from tagswarm.manifests.records import Category, Post, RatingScheme
from tagswarm.mirror.exports import table
from tagswarm.mirror.exports.imagefolder import ImagefolderOptions
from tagswarm.mirror.exports.kohya import CACHE, KohyaOptions
from tagswarm.mirror.exports.registry import export
from tagswarm.mirror.exports.sample import Sample
from tagswarm.mirror.exports.sidecars import SidecarOptions
from tagswarm.mirror.exports.style import CaptionStyle
from tagswarm.mirror.exports.table import COLUMNS, ParquetOptions, row
from tagswarm.mirror.exports.webdataset import WebdatasetOptions
from tests.mirror.exports.samples import DOT, dot, real

TAGS = {
    Category.GENERAL: ("solo", "long_hair", "^_^", "re:zero"),
    Category.CHARACTER: ("saber_(fate)",),
    Category.COPYRIGHT: ("fate",),
    Category.ARTIST: ("some\none",),
    Category.META: ("highres",),
    Category.LORE: ("trio_(lore)",),
}


@pytest.fixture(scope="module")
def samples(repository: Path) -> list[Sample]:
    return real(repository / "sample")


def test_an_imagefolder_names_its_files_beside_its_metadata(samples: list[Sample], tmp_path: Path) -> None:
    export(samples, tmp_path / "out", ImagefolderOptions(split="validation"))
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["export.json", "validation"]
    lines = (tmp_path / "out/validation/metadata.jsonl").read_text(encoding="utf-8").splitlines()
    assert len(lines) == len(samples)
    for line, sample in zip(map(json.loads, lines), samples, strict=True):
        assert list(line)[:2] == ["file_name", "text"]
        assert set(line) - {"file_name", "text"} == set(COLUMNS) - {"caption"}
        assert line["file_name"] == f"{sample.id % 1000:04}/{sample.id}.{sample.extension}"
        image = (tmp_path / "out/validation" / line["file_name"]).read_bytes()
        assert hashlib.sha256(image).hexdigest() == line["out_sha256"]


def test_sidecars_are_golden(tmp_path: Path) -> None:
    sample = dot(tmp_path, 41000, tags=TAGS)
    export([sample], tmp_path / "out", SidecarOptions())
    assert (tmp_path / "out/0000/41000.png.txt").read_text() == (
        "character:saber_(fate)\nseries:fate\ncreator:some one\nmeta:highres\n"
        "solo\nlong_hair\n^_^\nre:zero\ntrio_(lore)\nrating:general\n"
    )
    export([sample], tmp_path / "plain", SidecarOptions(namespaces=False, spaces=True))
    assert (tmp_path / "plain/0000/41000.png.txt").read_text() == (
        "saber (fate)\nfate\nsome one\nhighres\nsolo\nlong hair\n^_^\nre:zero\ntrio (lore)\n"
    )


def test_a_training_folder_is_flat_and_ready(samples: list[Sample], tmp_path: Path) -> None:
    export(samples, tmp_path / "out", KohyaOptions())
    images = tmp_path / "out/images"
    assert all(path.is_file() for path in images.iterdir())
    configuration = tomllib.loads((tmp_path / "out/dataset.toml").read_text(encoding="utf-8"))
    assert configuration == {
        "general": {
            "caption_extension": ".txt",
            "caption_separator": ",",
            "keep_tokens_separator": "|||",
            "secondary_separator": ";;;",
            "shuffle_caption": True,
        },
        "datasets": [
            {
                "batch_size": 1,
                "enable_bucket": True,
                "bucket_reso_steps": 64,
                "min_bucket_reso": 256,
                "max_bucket_reso": 2048,
                "resolution": 1024,
                "subsets": [{"image_dir": str(images), "num_repeats": 1, "cache_info": True}],
            }
        ],
    }
    cache = json.loads((images / CACHE).read_bytes())
    pictures = {str(path) for path in images.iterdir() if path.suffix in (".png", ".jpg", ".webp")}
    assert set(cache) == pictures
    assert len(pictures) == len(samples)
    for path, known in cache.items():
        with Image.open(path) as image:
            assert known["resolution"] == list(image.size)
        lines = Path(path).with_suffix(".txt").read_text(encoding="utf-8").splitlines()
        assert lines == [known["caption"]]


def test_dreambooth_folders_carry_their_repeats(tmp_path: Path) -> None:
    style = CaptionStyle(keep_separator="@@", separator=" ", spaces=False)
    options = KohyaOptions(
        concept="my cat", repeats=10, resolution=1536, batch_size=4, cache_sizes=False, captions=style
    )
    export([dot(tmp_path, 3)], tmp_path / "out", options)
    assert sorted(path.name for path in (tmp_path / "out/10_my cat").iterdir()) == ["3.png", "3.txt"]
    found = tomllib.loads((tmp_path / "out/dataset.toml").read_text())
    assert found["general"]["keep_tokens_separator"] == "@@"
    assert found["general"]["caption_separator"] == " "
    (group,) = found["datasets"]
    assert (group["resolution"], group["max_bucket_reso"], group["batch_size"]) == (1536, 3072, 4)
    assert group["subsets"][0]["num_repeats"] == 10
    assert group["subsets"][0]["cache_info"] is False


def test_a_post_without_tags_has_a_caption_file_with_a_line(tmp_path: Path) -> None:
    made = export([dot(tmp_path, 3, tags={Category.META: ("highres",)})], tmp_path / "out", KohyaOptions())
    assert (tmp_path / "out/images/3.txt").read_bytes() == b"\n"
    assert made.empty_captions == 1


def test_sizes_that_nobody_knows_are_not_made_up(tmp_path: Path) -> None:
    export([dot(tmp_path, 3), dot(tmp_path, 4, width=None, height=None)], tmp_path / "out", KohyaOptions())
    assert not (tmp_path / "out/images" / CACHE).exists()
    (group,) = tomllib.loads((tmp_path / "out/dataset.toml").read_text())["datasets"]
    assert group["subsets"][0]["cache_info"] is False


def test_what_the_trainer_does_not_read_is_left_out(tmp_path: Path) -> None:
    made = export([dot(tmp_path, 3), dot(tmp_path, 4, kind="gif")], tmp_path / "out", KohyaOptions())
    assert [(found.id, found.reason) for found in made.skipped] == [(4, "unsupported")]


def test_a_folder_with_an_odd_name_is_written_as_it_is(tmp_path: Path) -> None:
    odd = tmp_path / 'a "b" \\ \x7f é'
    export([dot(tmp_path, 3)], odd / "out", KohyaOptions())
    (group,) = tomllib.loads((odd / "out/dataset.toml").read_text(encoding="utf-8"))["datasets"]
    assert Path(group["subsets"][0]["image_dir"]) == odd / "out/images"
    with pytest.raises(UnsafePath, match="is not UTF-8"):
        export([dot(tmp_path, 3)], tmp_path / "b\udcff", KohyaOptions())


def test_a_shard_is_golden(tmp_path: Path) -> None:
    """The digest of a whole shard: no clock, no owner, no order but that of the ids."""
    export([dot(tmp_path, post, tags=TAGS) for post in (1, 20, 3_000_000_000)], tmp_path / "out", WebdatasetOptions())
    data = (tmp_path / "out/samples-000000.tar").read_bytes()
    assert len(data) % tarfile.RECORDSIZE == 0
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        assert [member.name for member in tar] == [
            f"{key}.{kind}" for key in ("000000001", "000000020", "3000000000") for kind in ("png", "txt", "json")
        ]
        assert {(m.mode, m.uid, m.gid, m.uname, m.gname, m.mtime) for m in tar} == {(0o644, 0, 0, "", "", 0)}
        assert tar.extractfile("000000001.png").read() == DOT  # type: ignore[union-attr]
    assert hashlib.sha256(data).hexdigest() == "17443397fc6a82056e51292b65edaf04312f021d940b9f4a93adad104646c817"


@pytest.mark.parametrize(
    ("options", "expected"),
    [({"samples_per_shard": 2}, [2, 2, 1]), ({"bytes_per_shard": 1}, [1] * 5), ({"samples_per_shard": 5}, [5])],
)
def test_shards_are_numbered_without_gaps(tmp_path: Path, options: dict[str, Any], expected: list[int]) -> None:
    posts: list[Sample] = []
    for post in range(1, 6):
        posts += [dot(tmp_path, post * 10), dot(tmp_path, post * 10 + 1, file=tmp_path / "gone")]
    made = export(posts, tmp_path / "out", WebdatasetOptions(name="cats", **options))
    assert len(made.skipped) == 5
    for number, count in enumerate(expected):
        stem = tmp_path / "out" / f"cats-{number:06}"
        with tarfile.open(f"{stem}.tar") as tar:
            keys = [name.partition(".")[0] for name in tar.getnames()]
        assert len(keys) == 3 * count
        assert pq.read_table(f"{stem}.parquet")["key"].to_pylist() == keys[::3]
        assert json.loads(Path(f"{stem}_stats.json").read_bytes())["successes"] == count
    assert len(list((tmp_path / "out").glob("*.tar"))) == len(expected)


def test_rows_have_every_column_and_its_type(samples: list[Sample], tmp_path: Path) -> None:
    export([dot(tmp_path, 1, tags=TAGS), *samples], tmp_path / "out", ParquetOptions())
    found = pq.ParquetFile(tmp_path / "out/samples-000000.parquet")
    assert tuple(found.schema_arrow.names) == COLUMNS
    assert found.schema_arrow.metadata[b"format"] == table.FORMAT.encode()
    assert {found.metadata.row_group(0).column(at).compression for at in range(len(COLUMNS))} == {"ZSTD"}
    rows: list[dict[str, Any]] = found.read().to_pylist()
    assert rows[0]["tags_other"] == ["trio_(lore)"]
    assert rows[0]["transform"] == '{"engine": "vips 8.18", "mode": "pad"}'
    for line, sample in zip(rows[1:], samples, strict=True):
        assert line["created_at"] == sample.post.created_at
        assert (line["original_width"], line["width"]) == (sample.post.width, sample.width)
        assert line["tags_artist"] == list(sample.tags[Category.ARTIST])
        assert (line["sha256"], line["out_sha256"]) == (sample.source_sha256, sample.sha256)
    assert set(row(samples[0], "")) == set(COLUMNS)


def test_columns_that_are_empty_keep_their_types(tmp_path: Path) -> None:
    bare = Post(site="booru.example", id=1, rating_scheme=RatingScheme.SQE_2021)
    sample = dataclasses.replace(dot(tmp_path), post=bare, width=None, height=None, transform=None)
    export([sample], tmp_path / "out", ParquetOptions())
    found = pq.read_table(tmp_path / "out/samples-000000.parquet")
    assert found.schema.equals(table.schema(images=False))
    (line,) = found.to_pylist()
    assert (line["rating"], line["created_at"], line["transform"], line["width"]) == (None, None, None, None)


def test_duckdb_reads_only_the_row_groups_of_an_id(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(table, "ROW_GROUP", 10)
    export([dot(tmp_path, post) for post in range(1, 101)], tmp_path / "out", ParquetOptions(rows_per_file=50))
    files = sorted((tmp_path / "out").glob("*.parquet"))
    assert [path.name for path in files] == ["samples-000000.parquet", "samples-000001.parquet"]
    groups = pq.ParquetFile(files[0]).metadata
    assert [groups.row_group(at).column(1).statistics.min for at in range(groups.num_row_groups)] == [1, 11, 21, 31, 41]
    with duckdb.connect() as connection:
        found = connection.execute(
            f"SELECT id, caption FROM '{tmp_path}/out/*.parquet' WHERE id BETWEEN 49 AND 52 ORDER BY id"
        ).fetchall()
    assert found == [(post, "solo, long hair") for post in range(49, 53)]


def test_images_in_a_table_are_the_right_ones(samples: list[Sample], tmp_path: Path) -> None:
    export(samples, tmp_path / "out", ParquetOptions(images=True, bytes_per_file=1 << 20))
    files = sorted((tmp_path / "out").glob("*.parquet"))
    assert len(files) > 2
    for path in files:
        for line in pq.read_table(path).to_pylist():
            assert hashlib.sha256(line["image"]["bytes"]).hexdigest() == line["out_sha256"]
            assert line["image"]["path"] == f"{line['key']}.{line['ext']}"
