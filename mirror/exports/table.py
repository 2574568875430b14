"""The rows of an export: one a sample, as JSON and as Parquet, with the names of columns that img2dataset made usual.

`sha256` and `original_width` speak of the source, as there; `out_sha256` and `width` of the finished image. Rows are in
the order of ids, in row groups, so that DuckDB and polars read only what a condition on the id needs. Where images are
asked for, each is a struct of `bytes` and `path`, which `datasets` casts to an image.

Parquet is loaded when the first row is written, not before.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC
from types import TracebackType
from typing import Any, Self

from tagswarm.manifests import disk
from tagswarm.manifests.errors import InvalidDocument
from tagswarm.manifests.paths import escape
from tagswarm.manifests.records import Category

from .captions import Captions
from .folder import Folder
from .sample import Sample, Skipped, read
from .style import DEFAULT, CaptionStyle

FORMAT = "tagswarm.samples/1"
ROW_GROUP = 1 << 13
"""Rows of a row group."""
IMAGE_GROUP = 32 << 20
"""Bytes of images of a row group."""

TAGS = (
    *(Category.GENERAL, Category.CHARACTER, Category.COPYRIGHT),
    *(Category.ARTIST, Category.SPECIES, Category.META),
)
"""The categories that have a column, `tags_general` and so on; `tags_other` takes the rest."""

_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")


@dataclass(frozen=True, slots=True, kw_only=True)
class ParquetOptions:
    """How a table is written."""

    captions: CaptionStyle = DEFAULT
    name: str = "samples"
    """Of the files: `samples-000000.parquet`."""
    images: bool = False
    """Also the bytes of the images."""
    rows_per_file: int = 1_000_000
    bytes_per_file: int = 512 << 20
    """Bytes of images after which the next file begins."""

    def __post_init__(self) -> None:
        check_name("name", self.name)
        check_least("rows_per_file", self.rows_per_file, 1)
        check_least("bytes_per_file", self.bytes_per_file, 1)


def check_name(key: str, name: str) -> None:
    """Let a name of files pass that no reader cuts short.

    Raises:
        InvalidDocument: it is none.
    """
    if not _NAME.fullmatch(name):
        raise InvalidDocument(
            f"{key} is {escape(name)!r}, expected small letters, digits, - and _", hint=f"Give another {key}."
        )


def check_least(key: str, value: int, least: int) -> None:
    """Let a number pass that is not too small.

    Raises:
        InvalidDocument: it is.
    """
    if value < least:
        raise InvalidDocument(f"{key} is {value}, expected {least} or more", hint=f"Give another {key}.")


def row(sample: Sample, caption: str) -> dict[str, Any]:
    """What is known of a sample, ready for JSON; every row has every column."""
    post = sample.post
    created = post.created_at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ") if post.created_at else None
    transform = json.dumps(dict(sample.transform), sort_keys=True) if sample.transform is not None else None
    other = [name for category in sorted(set(sample.tags) - set(TAGS)) for name in sample.tags[category]]
    return {
        "key": sample.key,
        "id": sample.id,
        "site": post.site,
        "caption": caption,
        "width": sample.width,
        "height": sample.height,
        "original_width": post.width,
        "original_height": post.height,
        "ext": sample.extension,
        "size": sample.size,
        "rating": post.rating,
        "rating_scheme": post.rating_scheme.value,
        "score": post.score,
        "created_at": created,
        "source": post.source,
        **{f"tags_{category.word}": list(sample.tags.get(category, ())) for category in TAGS},
        "tags_other": other,
        "md5": post.md5,
        "sha256": sample.source_sha256,
        "out_sha256": sample.sha256,
        "dataset": sample.dataset,
        "release": sample.release,
        "volume": sample.volume,
        "path": sample.path,
        "transform": transform,
    }


def schema(*, images: bool) -> Any:
    """The schema of the rows, which Arrow does not have to guess then."""
    import pyarrow as pa  # noqa: PLC0415  loading it takes longer than a small export

    numbers = {"width", "height", "original_width", "original_height", "score"}
    kinds: Mapping[str, Any] = {
        **dict.fromkeys(numbers, pa.int32()),
        **dict.fromkeys(("id", "size"), pa.int64()),
        "created_at": pa.timestamp("us", tz="UTC"),
        **dict.fromkeys((*(f"tags_{category.word}" for category in TAGS), "tags_other"), pa.list_(pa.string())),
    }
    columns = [pa.field(name, kinds.get(name, pa.string())) for name in COLUMNS]
    if images:
        columns.append(pa.field("image", pa.struct([("bytes", pa.large_binary()), ("path", pa.string())])))
    return pa.schema(columns, metadata={"format": FORMAT})


COLUMNS = (
    *("key", "id", "site", "caption", "width", "height", "original_width", "original_height", "ext", "size"),
    *("rating", "rating_scheme", "score", "created_at", "source"),
    *(f"tags_{category.word}" for category in TAGS),
    *("tags_other", "md5", "sha256", "out_sha256", "dataset", "release", "volume", "path", "transform"),
)
"""The columns in their order."""


class Table:
    """A Parquet file that is being written; leaving the block without `commit` drops it."""

    def __init__(self, aside: disk.Aside, *, images: bool = False) -> None:
        import pyarrow.parquet as pq  # noqa: PLC0415  see `schema`

        self.rows = 0
        self.size = 0
        """Bytes of the images in it."""
        self._aside = aside
        self._schema = schema(images=images)
        self._waiting: list[dict[str, Any]] = []
        self._waiting_size = 0
        self._writer = pq.ParquetWriter(
            aside.file,
            self._schema,
            version="2.6",
            data_page_version="1.0",
            compression="zstd",
            compression_level=3,
            use_dictionary=[name for name in self._dictionaries() if name != "image"],
            write_page_checksum=True,
        )

    def _dictionaries(self) -> list[str]:
        repeated = (
            "site",
            "ext",
            "rating",
            "rating_scheme",
            "dataset",
            "release",
            "volume",
            "transform",
            "width",
            "height",
        )
        return [*repeated, *(f"{name}.list.element" for name in COLUMNS if name.startswith("tags_"))]

    def __enter__(self) -> Self:
        self._aside.__enter__()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if self._writer.is_open:
            with disk.failures(self._aside.path):
                self._writer.close()
        self._aside.__exit__(kind, error, at)

    def add(self, facts: dict[str, Any], image: bytes | None = None) -> None:
        """Append a row, as `row` makes it."""
        size = len(image) if image is not None else 0
        if image is not None:
            facts = {**facts, "image": {"bytes": image, "path": f"{facts['key']}.{facts['ext']}"}}
        self._waiting.append(facts)
        self._waiting_size += size
        self.rows += 1
        self.size += size
        if len(self._waiting) >= ROW_GROUP or self._waiting_size >= IMAGE_GROUP:
            self._flush()

    def _flush(self) -> None:
        import pyarrow as pa  # noqa: PLC0415  see `schema`

        text = self._schema.set(COLUMNS.index("created_at"), pa.field("created_at", pa.string()))
        rows = pa.Table.from_pylist(self._waiting, schema=text).cast(self._schema)
        with disk.failures(self._aside.path):
            self._writer.write_table(rows, row_group_size=max(rows.num_rows, 1))
        self._waiting, self._waiting_size = [], 0

    def commit(self) -> None:
        """Write what waits and put the file in its place."""
        if self._waiting:
            self._flush()
        with disk.failures(self._aside.path):
            self._writer.close()
        self._aside.commit()


def write(samples: Iterable[Sample], folder: Folder, options: ParquetOptions, captions: Captions) -> Iterator[Skipped]:
    """Write the table of the samples in as many files as it needs, and yield what cannot be in it."""
    table: Table | None = None
    files = 0
    with ExitStack() as stack:  # drops the file that is not finished when something fails
        for sample in samples:
            image = read(sample) if options.images else None
            if isinstance(image, Skipped):
                yield image
                continue
            if table is None:
                file = folder.aside(f"{options.name}-{files:06}.parquet")
                table = stack.enter_context(Table(file, images=options.images))
                files += 1
            table.add(row(sample, captions.of(sample.post, sample.tags)), image)
            if table.rows >= options.rows_per_file or table.size >= options.bytes_per_file:
                table.commit()
                table = None
                stack.close()
        if table is not None:
            table.commit()
