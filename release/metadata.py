"""From the dumps of boorus to the tables of a release, and a file of the rows that could not be read.

Every source is streamed once through the reader of its format. What two records say differently is decided here, in the
order of the sources and, inside of one, of the names of its files:

- a post that comes again is dropped and listed: `duplicate-row` where it says the same, `duplicate-post` where not;
- the category of a tag is that of the first table of tags that knows one; without, that of posts, of which one that is
  not general wins over general, and then the lowest number; conflicts are counted;
- the number of posts of a tag is counted; what a table of tags claims stays beside it;
- a pool of a table of pools wins over one that was put together from posts; relations that say the same are one;
- of notes, comments, commentaries and users the first with an id is kept; those of posts taken back are left out.

The same dumps give the same bytes, however the list of files was ordered. Memory is bounded by the number of tags,
relations and pools and by the texts beside the posts, and takes 40 bytes a post. The dumps are not copied here.
"""

from __future__ import annotations

import contextlib
import gc
import os
import shutil
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa

from tagswarm.manifests import disk, tables
from tagswarm.manifests.errors import ConfigInvalid
from tagswarm.manifests.events import Notice, Report, StepAdvanced, StepFinished, StepStarted, silent
from tagswarm.manifests.records import (
    Alias,
    Beside,
    Category,
    Implication,
    Pool,
    Post,
    RatingScheme,
    Reject,
    Relation,
    Tag,
    User,
)

from .beside_rows import TABLE_OF, BesideRows
from .post_runs import RUN, PostRuns
from .reject_log import FILE_NAME, RejectLog
from .sources import FORMATS, Reader, detect, documents
from .sources.formats import SCHEME_OF_SITE

STEP = "read metadata"
_REPORT_EVERY = 20_000


@dataclass(frozen=True, slots=True)
class SourceInput:
    """The dumps of one site in one format; what is None is read from them."""

    paths: Sequence[Path]
    format: str | None = None
    site: str | None = None
    scheme: RatingScheme | None = None


@dataclass(frozen=True, slots=True)
class SourceSummary:
    """What was read of a source."""

    format: str
    site: str
    scheme: RatingScheme
    documents: int
    rows: int
    """Lines, list elements or table rows that held something, rejected ones included."""
    posts: int
    """Read, those that came again included."""
    withheld: tuple[int, ...]
    """Ids of the posts that were taken back, one a row."""
    rejects: dict[str, int]
    """By reason."""
    ignored: tuple[str, ...]
    """Documents with tables that no record exists for, such as artists."""


@dataclass(frozen=True, slots=True)
class MetadataSummary:
    """What the tables hold."""

    sources: tuple[SourceSummary, ...]
    posts: int
    tags: int
    aliases: int
    implications: int
    pools: int
    beside: dict[str, int]
    """Rows of each table beside the posts, of those that a source has."""
    tag_instances: int
    """Pairs of a post and a tag."""
    duplicate_tags: int
    """Entries that named a tag of their post twice."""
    category_conflicts: int
    """Tags that sources or posts put into different categories."""
    rejects: dict[str, int]
    """By reason."""


@dataclass(slots=True)
class _Tag:
    """What is known of a tag so far."""

    listed: Category | None = None
    claimed: int | None = None
    told: set[Category] = field(default_factory=set)

    def add(self, tag: Tag) -> None:
        if tag.claimed_count is not None:
            if self.claimed is None:
                self.claimed = tag.claimed_count
            if self.listed in (None, Category.UNKNOWN):
                self.listed = tag.category
        if tag.category is not Category.UNKNOWN:
            self.told.add(tag.category)

    @property
    def category(self) -> Category:
        if self.listed not in (None, Category.UNKNOWN):
            return self.listed
        return min(self.told, key=lambda kind: (kind is Category.GENERAL, kind), default=Category.UNKNOWN)


class _Records:
    """Everything but the posts, which fits into memory."""

    def __init__(self) -> None:
        self.tags: dict[tuple[str, str], _Tag] = {}
        self.relations: dict[type[Relation], set[Relation]] = {Alias: set(), Implication: set()}
        self.pools: dict[tuple[str, int], Pool] = {}
        self.beside: dict[str, BesideRows] = {}

    def add_beside(self, row: Beside) -> bool:
        """Take a note, a comment, a commentary or a user; False where its id came before."""
        table = TABLE_OF[type(row)]
        if table not in self.beside:
            self.beside[table] = BesideRows(table)
        return self.beside[table].add(row)

    def add_tag(self, tag: Tag) -> None:
        self.tags.setdefault((tag.site, tag.name), _Tag()).add(tag)

    def add_pool(self, pool: Pool) -> str | None:
        """Take a pool; give the reason where it is to be rejected."""
        key = pool.site, pool.id
        known = self.pools.get(key)
        if known is None or (known.name is None and pool.name is not None):
            self.pools[key] = pool
        elif known.name is None:
            posts = tuple(sorted({*known.post_ids, *pool.post_ids}))
            self.pools[key] = Pool(site=pool.site, id=pool.id, category=known.category or pool.category, post_ids=posts)
        elif pool.name is not None:
            return "duplicate-row" if pool == known else "duplicate-pool"
        return None


def normalise(
    sources: Sequence[SourceInput],
    out: Path,
    work: Path,
    report: Report = silent,
    *,
    root: Path | None = None,
    without: AbstractSet[tuple[str, int]] = frozenset(),
    run: int = RUN,
) -> MetadataSummary:
    """Read all sources and write `posts.parquet` and the other tables, and `rejects.jsonl.zst`, into `out`.

    Args:
        sources: what to read, the most trusted first.
        out: the folder of the tables.
        work: a folder of our own for what does not fit into memory, about 600 bytes a post; removed at the end.
        report: told how far it is.
        root: the folder file names are given relative to; the deepest common one where it is left out.
        without: (site, id) of posts that are left out because they were taken back.
        run: posts sorted at a time.

    Raises:
        ConfigInvalid: a format, or the site of one, cannot be told from the files.
        StoreError: the disk.
    """
    folder = work / "metadata"
    _clear(folder)
    log = RejectLog(folder / "rejects.jsonl")
    try:
        runs, records = PostRuns(folder / "runs", run), _Records()
        reading = _Reading(log, runs, records, without, report)
        base = root or _common([path for source in sources for path in source.paths])
        size = sum(_size(path) for source in sources for path in source.paths)
        report(StepStarted(STEP, total=None, unit="rows", bytes=size))
        with _rare_collections():
            read = [reading.source(source, base) for source in sources]
        report(StepFinished(STEP, reading.rows, reading.bytes))
        summary = _write(out, runs, records, log)
        reasons = [log.reasons(range(part.first, part.end)) for part in read]
        log.write(out / FILE_NAME)
    finally:
        log.close()
        _clear(folder)
    total: Counter[str] = Counter()
    for counted in reasons:
        total.update(counted)
    return MetadataSummary(
        sources=tuple(part.summary(counted) for part, counted in zip(read, reasons, strict=True)),
        duplicate_tags=reading.duplicate_tags,
        rejects=dict(sorted(total.items())),
        **summary,
    )


@contextlib.contextmanager
def _rare_collections() -> Iterator[None]:
    """Let the collector of cycles look at every 100,000th object only: rows make many objects and no cycles.

    At every 700th, as is the default, it takes a sixth of the time.
    """
    before = gc.get_threshold()
    gc.set_threshold(100_000, *before[1:])
    try:
        yield
    finally:
        gc.set_threshold(*before)


def _clear(folder: Path) -> None:
    with disk.failures(folder):
        if folder.exists():
            shutil.rmtree(folder)


def _common(paths: Sequence[Path]) -> Path:
    return Path(os.path.commonpath([path.absolute().parent for path in paths])) if paths else Path()


@dataclass(slots=True)
class _Part:
    """What was read of one source: its documents are those with the numbers `first` to `end`."""

    format: str
    reader: Reader
    first: int
    end: int = 0
    rows: int = 0
    posts: int = 0
    withheld: list[int] = field(default_factory=list)

    def summary(self, reasons: dict[str, int]) -> SourceSummary:
        return SourceSummary(
            format=self.format,
            site=self.reader.site,
            scheme=self.reader.scheme,
            documents=self.end - self.first,
            rows=self.rows,
            posts=self.posts,
            withheld=tuple(self.withheld),
            rejects=reasons,
            ignored=tuple(self.reader.ignored),
        )


class _Reading:
    """The one pass over all sources."""

    def __init__(
        self, log: RejectLog, runs: PostRuns, records: _Records, without: AbstractSet[tuple[str, int]], report: Report
    ) -> None:
        self._log, self._runs, self._records, self._report = log, runs, records, report
        self.bytes = 0
        """Of the files that are done."""
        self._at: Callable[[], int] = _nowhere
        """How far the file that is being read is."""
        self._without = without
        self._documents = 0
        self.rows = 0
        self.duplicate_tags = 0

    def source(self, source: SourceInput, root: Path) -> _Part:
        paths = sorted({path.absolute() for path in source.paths}, key=lambda path: _name(path, root))
        name, reader = _reader(source, paths, root)
        part = _Part(name, reader, self._documents)
        for path in paths:
            for document in documents(path, _name(path, root)):
                number = self._begin(document.name)
                self._at = document.position
                self._read(part, number, document.name, reader.read(document))
            self.bytes += _size(path)
            self._at = _nowhere
        self._read(part, self._documents - 1, "", reader.finish())
        part.end = self._documents
        for ignored in reader.ignored:
            self._report(Notice(f"{ignored}: this table is not read", level="info"))
        return part

    def _begin(self, name: str) -> int:
        self._documents += 1
        return self._log.begin(name)

    def _read(self, part: _Part, document: int, name: str, located: Iterator[tuple[int, Any]]) -> None:
        last = withheld = 0
        add = self._runs.add
        for line, record in located:
            if line == withheld and line:  # findings and tags of a post that was taken back
                continue
            if line != last:
                last = line
                part.rows += 1
                self.rows += 1
                if not self.rows % _REPORT_EVERY:
                    self._report(StepAdvanced(STEP, self.rows, self.bytes + self._at()))
            kind = record.__class__
            if kind is Post:
                if self._without and (record.site, record.id) in self._without:
                    withheld = line
                    part.withheld.append(record.id)
                    continue
                add(record, document, line)
                part.posts += 1
                self.duplicate_tags += record.duplicate_tags
            elif kind is Tag:
                self._records.add_tag(record)
            elif kind is Reject:
                self._log.add(record)
            elif kind is Pool:
                reason = self._records.add_pool(record)
                if reason is not None:
                    detail = f"pool {record.id} of {record.site} came before"
                    self._log.add(Reject(source=name, line=line, reason=reason, detail=detail))
            elif kind in TABLE_OF:
                self._beside(record, name, line)
            else:
                self._records.relations[kind].add(record)

    def _beside(self, record: Beside, name: str, line: int) -> None:
        if not isinstance(record, User) and (record.site, record.post_id) in self._without:
            return
        if not self._records.add_beside(record):
            detail = f"row {record.id} of {record.site} came before"
            self._log.add(Reject(source=name, line=line, reason="duplicate-row", detail=detail))


def _nowhere() -> int:
    return 0


def _size(path: Path) -> int:
    """Bytes of a file; whoever opens it says what is wrong with one that is not there."""
    return path.stat().st_size if path.is_file() else 0


def _name(path: Path, root: Path) -> str:
    return Path(os.path.relpath(path, root.absolute())).as_posix()


def _reader(source: SourceInput, paths: list[Path], root: Path) -> tuple[str, Reader]:
    """Make the reader of a source from what is given and what its files tell."""
    name, site = source.format, source.site
    if name is not None and name not in FORMATS:
        raise ConfigInvalid(f"format {name!r} is not one of {', '.join(FORMATS)}")
    if name is None or (site is None and FORMATS[name].default_site is None):
        seen, told = _detected(paths, root)
        name, site = name or seen, site or told
    entry = FORMATS[name]
    site = site or entry.default_site
    if site is None:
        hint = "Name the site with the key `site` of the source in release.toml."
        raise ConfigInvalid(f"{_name(paths[0], root)}: the format {name} does not tell the site", hint=hint)
    scheme = source.scheme or SCHEME_OF_SITE.get(site, entry.default_scheme)
    return name, entry.reader(site, scheme)


def _detected(paths: list[Path], root: Path) -> tuple[str, str | None]:
    """Recognise the format of all files of a source, and its site where they tell one."""
    found: dict[str, str] = {}
    site = None
    for path in paths:
        for document in documents(path, _name(path, root)):
            seen = detect(document)
            if seen is not None:
                found.setdefault(seen.format, document.name)
                site = site or seen.site
                break
    if len(found) == 1:
        return next(iter(found)), site
    hint = "Give each format a source of its own in release.toml, or name the format with its key `format`."
    if not found:
        names = ", ".join(_name(path, root) for path in paths[:3])
        raise ConfigInvalid(f"no metadata was found in {names or 'an empty list of files'}", hint=hint)
    said = ", ".join(f"{name} in {place}" for name, place in sorted(found.items()))
    raise ConfigInvalid(f"one source has several formats: {said}", hint=hint)


def _write(out: Path, runs: PostRuns, records: _Records, log: RejectLog) -> dict[str, Any]:
    """Write the tables and count what they hold."""
    instances = 0
    with tables.open_writer(out / tables.file_name("posts"), "posts") as posts:
        for site in runs.sites:
            for piece in runs.merge(site, log.add_duplicate):
                posts.write(piece)
    conflicts = 0
    with tables.open_writer(out / tables.file_name("tags"), "tags") as tags:
        counts = {(site, name): count for site in runs.sites for name, count in runs.tag_counts(site).items()}
        rows = []
        for key in sorted(records.tags.keys() | counts.keys()):
            known = records.tags.get(key) or _Tag()
            conflicts += len(known.told) > 1
            instances += counts.get(key, 0)
            rows.append((*key, known.category.value, counts.get(key, 0), known.claimed))
        _fill(tags, rows)
    written = {}
    for table, kind in (("aliases", Alias), ("implications", Implication)):
        ordered = sorted(records.relations[kind], key=_relation_order)
        with tables.open_writer(out / tables.file_name(table), table) as writer:
            _fill(writer, [(r.site, r.antecedent, r.consequent, r.status, r.created_at) for r in ordered])
        written[table] = len(ordered)
    with tables.open_writer(out / tables.file_name("pools"), "pools") as pools:
        names = pools.schema.names
        _fill(pools, [tuple(getattr(pool, name) for name in names) for _, pool in sorted(records.pools.items())])
    beside = {}
    for table, rows_beside in sorted(records.beside.items()):
        with tables.open_writer(out / tables.file_name(table), table) as writer:
            for piece in rows_beside.sorted():
                writer.write(piece)
        beside[table] = writer.rows
    return {
        "posts": posts.rows,
        "tags": tags.rows,
        **written,
        "pools": pools.rows,
        "beside": beside,
        "tag_instances": instances,
        "category_conflicts": conflicts,
    }


def _relation_order(relation: Relation) -> tuple[str, str, str, str, float]:
    created = relation.created_at.timestamp() if relation.created_at else float("-inf")
    return relation.site, relation.antecedent, relation.consequent, relation.status, created


def _fill(writer: tables.TableWriter, rows: list[tuple[Any, ...]]) -> None:
    for start in range(0, len(rows), tables.ROW_GROUP):
        columns = zip(*rows[start : start + tables.ROW_GROUP], strict=True)
        arrays = [pa.array(column, kind.type) for column, kind in zip(columns, writer.schema, strict=True)]
        writer.write(pa.table(arrays, schema=writer.schema))
