"""The metadata of a dataset, normalised once, and not read again while neither the dumps nor the configuration change.

A folder under the state folder, named by a digest of all that decides its content, holds the tables, the rejects and
the compressed dumps. Nothing here reads a format: `sources` and `metadata` do.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import BinaryIO

from tagswarm.manifests import codec, disk, paths
from tagswarm.manifests.errors import ConfigInvalid, FormatError, JournalCorrupt
from tagswarm.manifests.events import Report, StepAdvanced, StepFinished, StepStarted
from tagswarm.manifests.models import Withdrawal
from tagswarm.manifests.statements import KEYS, LATEST
from tagswarm.manifests.torrentlist import TORRENTS
from tagswarm.manifests.version import VERSION

from . import metadata
from .config import Config, SourceTable
from .feed import FEED
from .stage import STATE

SUMMARY = "summary.json"
SUMMARY_LIMIT = 64 << 20
LEVEL = 9
"""Of zstd for raw dumps: they are compressed once and carried for years."""

PACKED = (".gz", ".xz", ".zst", ".bz2", ".zip")
"""Dumps that are carried as they are."""

_MADE = {(STATE,), ("releases",), ("volumes",), (LATEST,), (KEYS,), (TORRENTS,), (FEED,)}


@dataclass(frozen=True, slots=True)
class SourceSummary:
    """What was read of one source."""

    site: str
    format: str
    rating_scheme: str
    posts: int
    withheld: tuple[int, ...]
    """Ids of posts that were taken back, one a row: the rows stand in the raw dumps still."""
    rejects: int


@dataclass(frozen=True, slots=True)
class Metadata:
    """A folder of normalised metadata."""

    folder: Path
    sources: tuple[SourceSummary, ...]

    @property
    def tables(self) -> list[Path]:
        """The Parquet tables and the rejects, sorted."""
        return sorted(path for path in self.folder.iterdir() if path.suffix in {".parquet", ".zst"})

    def raw(self, number: int) -> list[Path]:
        """The raw dumps of a source by its number, sorted."""
        folder = self.folder / "raw" / f"{number:02}"
        return sorted(folder.iterdir()) if folder.is_dir() else []


def normalised(dataset: Path, config: Config, taken: Sequence[Withdrawal], report: Report) -> Metadata:
    """Read the metadata of all sources, or find it read already.

    Raises:
        ConfigInvalid: a glob matches nothing, or a file is of no known format.
        StoreError: the disk.
    """
    found = [_expand(dataset, source) for source in config.sources]
    gone = sorted({(w.site, w.id) for w in taken if w.path is None})
    key = _key(dataset, config, found, gone)
    folder = dataset / STATE / "metadata" / key
    if (folder / SUMMARY).exists():
        report(StepFinished("read metadata", 0, note="nothing new"))
    else:
        _forget(folder.parent)
        _read(dataset, config, found, gone=frozenset(gone), folder=folder, report=report)
    return Metadata(folder, _summaries(folder / SUMMARY))


def _summaries(path: Path) -> tuple[SourceSummary, ...]:
    data = disk.read(path, limit=SUMMARY_LIMIT)
    try:
        rows = codec.parse(data, limit=SUMMARY_LIMIT)
        return tuple(SourceSummary(**row | {"withheld": tuple(row["withheld"])}) for row in rows)
    except (FormatError, TypeError, KeyError) as failure:
        raise JournalCorrupt(f"{path}: {failure}") from failure


def _expand(dataset: Path, source: SourceTable) -> list[Path]:
    found: set[Path] = set()
    for pattern in source.metadata:
        if pattern.startswith("/") or ".." in Path(pattern).parts:
            raise ConfigInvalid(
                f"sources.metadata: {pattern!r} leaves the dataset", hint="Move or copy the dumps into it."
            )
        matched = {path for path in _matching(dataset, pattern) if path.is_file()}
        if not matched:
            raise ConfigInvalid(f"sources.metadata: {dataset / pattern}: there is no such file")
        found |= matched
    return sorted(found)


def _matching(dataset: Path, pattern: str) -> Iterator[Path]:
    """What a glob matches, without what a build makes itself: no release is made from documents of an earlier one."""
    try:
        for path in dataset.glob(pattern):
            if path.relative_to(dataset).parts[:1] not in _MADE:
                yield path
    except (ValueError, IndexError, NotImplementedError) as failure:
        raise ConfigInvalid(f"sources.metadata: {pattern!r} is not a glob: {failure}") from failure
    except OSError as failure:
        raise disk.error_of(failure, dataset / pattern) from failure


def _key(dataset: Path, config: Config, found: Sequence[list[Path]], gone: Sequence[tuple[str, int]]) -> str:
    """A digest of everything that decides the tables."""
    files = []
    for dumps in found:
        for path in dumps:
            stat = path.stat()
            files.append([path.relative_to(dataset).as_posix(), stat.st_size, stat.st_mtime_ns, stat.st_ino])
    sources = [[source.site, source.format, source.rating_scheme] for source in config.sources]
    parts = [len(dumps) for dumps in found]
    decides = [VERSION, config.release.publish_raw, sources, parts, files, gone]
    return hashlib.sha256(json.dumps(decides).encode()).hexdigest()[:32]


def _forget(folder: Path) -> None:
    """Remove what was read of dumps that have changed since, and what a stopped run left."""
    with disk.failures(folder):
        if folder.exists():
            shutil.rmtree(folder)


def _read(
    dataset: Path,
    config: Config,
    found: Sequence[list[Path]],
    *,
    gone: frozenset[tuple[str, int]],
    folder: Path,
    report: Report,
) -> None:
    inputs = [
        metadata.SourceInput(paths=dumps, format=source.format, site=source.site, scheme=source.rating_scheme)
        for source, dumps in zip(config.sources, found, strict=True)
    ]
    work = folder.with_name("work")
    read = metadata.normalise(inputs, folder, work, report, root=dataset, without=gone)
    if config.release.publish_raw:
        for number, dumps in enumerate(found):
            _carry(dumps, folder / "raw" / f"{number:02}", report)
    rows = [
        asdict(SourceSummary(s.site, s.format, s.scheme, s.posts, s.withheld, sum(s.rejects.values())))
        for s in read.sources
    ]
    disk.write(folder / SUMMARY, codec.pretty(rows))


def _carry(dumps: Sequence[Path], folder: Path, report: Report) -> None:
    """Put compressed copies of the raw dumps into a folder."""
    step = "pack raw metadata"
    report(StepStarted(step, len(dumps)))
    disk.make_directory(folder)
    done = 0
    for number, path in enumerate(dumps):
        name = path.name if path.suffix in PACKED else f"{path.name}.zst"
        if not _fits(name) or (folder / name).exists():
            name = f"dump-{number:04}{''.join(path.suffixes[-1:]) if path.suffix in PACKED else '.zst'}"
        with disk.open_read(path) as file, disk.failures(path), disk.Aside(folder / name) as aside:
            chunks = _chunks(file)
            for chunk in chunks if path.suffix in PACKED else codec.compress(chunks, level=LEVEL):
                aside.write(chunk)
            aside.commit()
        done += path.stat().st_size
        report(StepAdvanced(step, number + 1, done, item=path.name))
    report(StepFinished(step, len(dumps), done))


def _fits(name: str) -> bool:
    try:
        paths.check(f"releases/0000/metadata/raw/site/{name}")
    except FormatError:
        return False
    return True


def _chunks(file: BinaryIO) -> Iterator[bytes]:
    while chunk := file.read(1 << 20):
        yield chunk
