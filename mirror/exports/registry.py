"""All exports by their names, and the one function that makes any of them.

Samples come in the order of their ids, so that an id that comes twice is seen without remembering them all, and so that
the same subset gives the same bytes. They are taken one at a time: five million never lie in memory.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

from tagswarm.manifests.errors import InvalidDocument
from tagswarm.manifests.events import Report, StepAdvanced, StepFinished, StepStarted, silent

from . import folder, imagefolder, kohya, sidecars, table, webdataset
from .captions import Captions
from .sample import Sample, Skipped, nothing
from .style import DEFAULT

Options = (
    imagefolder.ImagefolderOptions
    | webdataset.WebdatasetOptions
    | table.ParquetOptions
    | kohya.KohyaOptions
    | sidecars.SidecarOptions
)


@dataclass(frozen=True, slots=True)
class Export:
    """A form that a subset can be put into."""

    name: str
    summary: str
    """For people, in a line."""
    options: type[Options]
    """The class of its options, whose defaults are sensible."""
    write: Callable[[Iterable[Sample], folder.Folder, Any, Captions], Iterator[Skipped]]
    """Writes samples into a folder and yields those it cannot take; the third value is an instance of `options`."""


EXPORTS: Mapping[str, Export] = MappingProxyType(
    {
        export.name: export
        for export in (
            Export(
                "imagefolder",
                "images and metadata.jsonl, for datasets.load_dataset",
                imagefolder.ImagefolderOptions,
                imagefolder.write,
            ),
            Export("webdataset", "tar shards keyed by post id", webdataset.WebdatasetOptions, webdataset.write),
            Export("parquet", "a table of the facts, with the images if asked", table.ParquetOptions, table.write),
            Export("kohya", "images, captions and dataset.toml, for sd-scripts", kohya.KohyaOptions, kohya.write),
            Export("sidecars", "images with one tag a line beside them", sidecars.SidecarOptions, sidecars.write),
        )
    }
)
"""The exports by their names."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Exported:
    """What an export made."""

    export: str
    folder: Path
    samples: int
    """How many are in it."""
    bytes: int
    """Of their images."""
    files: int
    """How many were written, links included."""
    linked: int
    """How many of them are hard links, which take no space."""
    skipped: tuple[Skipped, ...]
    doubtful: Mapping[str, str]
    """Tags in which a reader of captions may see a separator, with the kind of it."""
    empty_captions: int


def export(
    samples: Iterable[Sample],
    to: Path,
    options: Options,
    *,
    implications: Mapping[str, Collection[str]] | None = None,
    replace: bool = False,
    copy: bool = False,
    total: int | None = None,
    report: Report = silent,
) -> Exported:
    """Put samples into the form that the class of the options stands for.

    Args:
        samples: in the ascending order of their ids.
        to: the folder to make; it must be new or empty.
        options: those of one of the `EXPORTS`.
        implications: what tags imply directly, for captions that leave implied tags out.
        replace: put it in the place of an earlier export.
        copy: copy images even where they can be linked.
        total: how many samples there are, where that is known, for the display.
        report: is told how far it is.

    Raises:
        StoreError: the folder is taken or cannot be written to, the disk is full, or no sample is left to write.
        InvalidDocument: the samples are not in order.
    """
    chosen = next(export for export in EXPORTS.values() if type(options) is export.options)
    captions = Captions(getattr(options, "captions", DEFAULT), implications)
    step = f"export {chosen.name}"
    report(StepStarted(step, total, "images"))
    taking = _Taking(samples, step, report)
    with folder.making(to, replace=replace, copy=copy) as made:
        skipped = []
        for found in chosen.write(taking, made, options, captions):
            taking.drop()
            skipped.append(found)
        skipped = sorted([*skipped, *taking.skipped], key=lambda found: found.id)
        if taking.first is None or not taking.done:
            raise nothing(Counter(found.reason for found in skipped), made.home)
        made.record(
            {
                "export": chosen.name,
                "dataset": taking.first.dataset,
                "release": taking.first.release,
                "options": _plain(options),
                "samples": taking.done,
                "bytes": taking.bytes,
                "skipped": [{"id": found.id, "reason": found.reason} for found in skipped],
                "doubtful_tags": dict(sorted(captions.doubtful.items())),
                "empty_captions": captions.empty,
            }
        )
    report(StepFinished(step, taking.done, taking.bytes))
    return Exported(
        export=chosen.name,
        folder=made.home,
        samples=taking.done,
        bytes=taking.bytes,
        files=made.files,
        linked=made.linked,
        skipped=tuple(skipped),
        doubtful=dict(sorted(captions.doubtful.items())),
        empty_captions=captions.empty,
    )


def _plain(options: Options) -> dict[str, Any]:
    style = getattr(options, "captions", None)
    return {**asdict(options), **({"captions": style.to_dict()} if style is not None else {})}


class _Taking:
    """The samples that a writer is given: images, in order, each id once; the others are put aside with a reason."""

    def __init__(self, samples: Iterable[Sample], step: str, report: Report) -> None:
        self.first: Sample | None = None
        self.done = 0
        self.bytes = 0
        self.skipped: list[Skipped] = []
        self._samples = samples
        self._step = step
        self._report = report
        self._last: Sample | None = None

    def __iter__(self) -> Iterator[Sample]:
        last = -1
        for sample in self._samples:
            if sample.id < last:
                raise InvalidDocument(
                    f"post {sample.id} comes after post {last}", hint="Give the samples in the order of their ids."
                )
            if sample.id == last:
                self.skipped.append(Skipped(sample.id, "same-id", f"{sample.post.site}: another post has the same id"))
                continue
            last = sample.id
            if sample.extension is None:
                self.skipped.append(Skipped(sample.id, "no-image", f"of the kind {sample.kind}"))
                continue
            self.first = self.first or sample
            self._last = sample
            self.done += 1
            self.bytes += sample.size
            yield sample
            self._report(StepAdvanced(self._step, self.done, self.bytes, sample.key))

    def drop(self) -> None:
        """Count the sample that was given last no more: the writer could not take it."""
        if self._last is not None:
            self.done -= 1
            self.bytes -= self._last.size
