"""The imagefolder of `datasets`: images under the name of a split, and a `metadata.jsonl` beside them.

The metadata stands in the folder of the split and names its files relative to itself; elsewhere, or under another name,
it is not found. `text` is the caption, the other columns are those of `table`. Images lie in buckets, as in a release:
several thousand files in one folder are slow everywhere.

The tags of a category are one text with spaces, as the booru writes them: `datasets` guesses the type of a column from
its first 10 MB, and a list that is always empty there makes it refuse the first one that is not.

Source: Hugging Face `datasets`, "Create an image dataset".
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from tagswarm.manifests import codec
from tagswarm.manifests.paths import BUCKETS

from .captions import Captions
from .folder import Folder
from .sample import Sample, Skipped
from .style import DEFAULT, CaptionStyle
from .table import check_name, row


@dataclass(frozen=True, slots=True, kw_only=True)
class ImagefolderOptions:
    """How an imagefolder is written."""

    captions: CaptionStyle = DEFAULT
    split: str = "train"
    """The folder of the images: `train`, `validation` or `test`."""

    def __post_init__(self) -> None:
        check_name("split", self.split)


def write(
    samples: Iterable[Sample], folder: Folder, options: ImagefolderOptions, captions: Captions
) -> Iterator[Skipped]:
    """Write the images and their metadata, and yield what cannot be in it."""
    with folder.aside(f"{options.split}/metadata.jsonl") as metadata:
        for sample in samples:
            name = f"{sample.id % BUCKETS:04}/{sample.id}.{sample.extension}"
            skipped = folder.place(sample, f"{options.split}/{name}")
            if skipped is not None:
                yield skipped
                continue
            facts = row(sample, captions.of(sample.post, sample.tags))
            tags = {column: " ".join(value) for column, value in facts.items() if isinstance(value, list)}
            metadata.write(codec.line({"file_name": name, "text": facts.pop("caption"), **facts, **tags}))
        metadata.commit()
