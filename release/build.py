"""From a tree of images and metadata to a release: the steps, in their order.

metadata -> normalised tables -> one read pass a file -> **audit gate** -> renditions -> volumes -> artefacts -> root.
Every step goes on where it was stopped, does nothing twice, and leaves what is published alone until the whole
release is made.

Nothing is signed here, and `latest.json` is not touched: that is for `sign`.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from tagswarm.manifests import codec, disk
from tagswarm.manifests.errors import AuditFailed, ConfigInvalid, ReleaseError, Unreadable
from tagswarm.manifests.events import Notice, Report, StepFinished, StepStarted, silent
from tagswarm.manifests.models import Dataset as DatasetValue
from tagswarm.manifests.models import (
    Object,
    Previous,
    RenditionEntry,
    Root,
    SourceEntry,
    Totals,
    VolumeEntry,
    WaiverEntry,
    Withdrawal,
    render_withdrawals,
)
from tagswarm.manifests.paths import escape
from tagswarm.manifests.version import VERSION

from . import (
    choice,
    dumps,
    filetable,
    gate,
    hashing,
    history,
    readme,
    selection,
    statistics,
    torrentlist,
    weights,
    withdrawals,
)
from . import config as configuration
from .assembly import Assembly
from .audit import waivers
from .config import Config
from .history import Release
from .journal import Journal
from .outcome import AuditOutcome, BuildOutcome
from .selection import Failure
from .stage import STATE, Stage, check_places, check_release
from .torrents import Torrents
from .trees import trees
from .work import Work


def audit(dataset: Path, *, workers: int | None = None, rehash: bool = False, report: Report = silent) -> AuditOutcome:
    """Compare metadata and files and name every disagreement; files that are known already are not read again.

    Args:
        dataset: the folder with release.toml.
        workers: processes that read, by default one a processor.
        rehash: read every file again, whatever its size and mtime say.
        report: receives the progress.

    Raises:
        ConfigInvalid: release.toml is wrong.
        StoreError: the disk.
    """
    with _opened(dataset, workers, report) as work:
        _read(work, rehash=rehash)
        return gate.write(work)


def build(dataset: Path, *, workers: int | None = None, rehash: bool = False, report: Report = silent) -> BuildOutcome:
    """Make the release that release.toml describes, or go on making it.

    Args:
        dataset: the folder with release.toml.
        workers: processes that read and render, by default one a processor.
        rehash: read every file again, whatever its size and mtime say.
        report: receives the progress.

    Raises:
        ConfigInvalid: release.toml is wrong, or contradicts what was published.
        AuditFailed: error findings that nobody waived; the report says which.
        ReleaseError: the release is published and this build would change it.
        StoreError: the disk.
    """
    with _opened(dataset, workers, report) as work:
        _keeps_promises(work)
        _still_there(work)
        _has_places(work)
        choice.check(work, trees(work.config))
        files_read = _read(work, rehash=rehash)
        audited = _pass(gate.write(work))
        images_made, failed = selection.make_renditions(work)
        if failed:
            audited = _pass(gate.write(work, failed))
        return _assemble(work, audited, failed, files_read, images_made)


@contextmanager
def _opened(dataset: Path, workers: int | None, report: Report) -> Iterator[Work]:
    _can_be_named(dataset)
    config = configuration.load(dataset)
    waivers.check(config.waivers)  # a misspelt one is told now, not after every file was read
    with disk.locked(dataset / STATE / "lock"), Journal(dataset / STATE / "journal.sqlite") as journal:
        previous = history.newest(dataset, config.dataset.id, before=config.release.name)
        history.note(previous, journal)
        taken = _taken(dataset, config, previous)
        metadata = dumps.normalised(dataset, config, taken, report)
        yield Work(dataset, config, journal, previous, taken, metadata, workers, report)


def _can_be_named(dataset: Path) -> None:
    try:
        str(dataset.absolute()).encode()
    except UnicodeEncodeError as failure:
        raise Unreadable(
            f"{escape(str(dataset))}: the name of the folder is not UTF-8", hint="Rename the folder, or one above it."
        ) from failure


def _taken(dataset: Path, config: Config, previous: Release | None) -> list[Withdrawal]:
    before = [] if previous is None else previous.withdrawals()
    if config.withdrawals is None:
        return withdrawals.merge(before, [])
    sites = [source.site for source in config.sources]
    now = withdrawals.read(dataset / config.withdrawals, sites=sites, release=config.release.name)
    return withdrawals.merge(before, now)


def _read(work: Work, *, rehash: bool) -> int:
    files = 0
    archives = history.archives(work.dataset, work.config, work.previous, work.journal)
    for source in work.config.sites():
        length = source.volumes.piece_length
        tree = source.originals
        hashing.scan(
            work.dataset,
            tree,
            work.journal,
            piece_length=length,
            rehash=rehash,
            report=work.report,
            archives=archives,
        )
        files += hashing.read_tree(
            work.dataset, tree, work.journal, piece_length=length, workers=work.workers, report=work.report
        )
    return files


def _pass(outcome: AuditOutcome) -> AuditOutcome:
    """The gate: nothing goes on while an error stands that nobody waived."""
    if outcome.blocked:
        names = outcome.summary.blocking()
        listed = ", ".join(f"{name} ({count:,})" for name, count in names.items())
        raise AuditFailed(f"the audit found errors: {listed}; see {outcome.html_path}", findings=list(names))
    return outcome


def _keeps_promises(work: Work) -> None:
    """Refuse what would break a published tree.

    Raises:
        ConfigInvalid: the dataset was published with another name, or a tree with another piece length or transform.
    """
    name = work.config.dataset.name
    if work.previous is not None and work.previous.root.dataset.name != name:
        raise ConfigInvalid(
            f"dataset.name: {name}, but published as {work.previous.root.dataset.name}",
            hint="Put the old name back: it is the folder in every torrent. A new title can be given at any time.",
        )
    for entry in [] if work.previous is None else work.previous.root.renditions:
        for tree in trees(work.config):
            if tree.name != entry.name:
                continue
            if tree.volumes.piece_length != entry.piece_length:
                raise ConfigInvalid(
                    f"{tree.name}: piece_length: {tree.volumes.piece_length}, but published as {entry.piece_length}",
                    hint="Put the old value back: torrents of unchanged files keep their infohash only with it.",
                )
            transform = None if tree.transform is None else tree.transform.to_dict()
            if transform != entry.transform:
                raise ConfigInvalid(
                    f"{tree.name}: transform: is another one than was published",
                    hint="Published files never change: give the new rendition a new name.",
                )


def _still_there(work: Work) -> None:
    """Refuse to carry over what is no longer here.

    Only what nothing else looks at: the audit misses originals, and a lost image of a rendition is made again.

    Raises:
        ReleaseError: archives, or files of a rendition that release.toml no longer has, are gone.
    """
    previous = work.previous
    if previous is None:
        return
    watched = {tree.name for tree in trees(work.config) if tree.volumes.layout == "loose"}
    carried = (entry for entry in previous.root.volumes if entry.layout != "loose" or entry.rendition not in watched)
    lost = sorted(
        path
        for volume in carried
        for path in previous.paths(volume)
        if not os.path.lexists(work.dataset / path) and not _is_taken(work, volume, path)
    )
    if lost:
        listed = ", ".join(lost[:3]) + (", ..." if len(lost) > 3 else "")
        raise ReleaseError(
            f"{len(lost):,} files that release {previous.root.release} published are no longer here: {listed}",
            hint="Restore them from a mirror or a backup: a release carries over what was published before it.",
        )


def _is_taken(work: Work, volume: VolumeEntry, path: str) -> bool:
    """Whether the post of a loose file is taken back, so that the file may go."""
    if volume.layout != "loose":
        return False
    known = work.journal.published(path)
    return known is not None and ((known.site, known.id) in work.gone or path in {w.path for w in work.taken})


def _has_places(work: Work) -> None:
    """Refuse a dataset that what is made could not be put into."""
    made = trees(work.config)
    packed = [tree.name for tree in made if tree.volumes.layout != "loose"]
    rendered = [tree.name for tree in made if tree.rendition is not None]
    check_places(work.dataset, moved=["releases", "volumes", *packed], written=rendered)
    check_release(work.dataset, work.config.release.name)


def _assemble(
    work: Work, audited: AuditOutcome, failed: Sequence[Failure], files_read: int, images_made: int
) -> BuildOutcome:
    """Write everything into the stage and put it in its place."""
    config, report = work.config, work.report
    stage = Stage(work.dataset, config.release.name)
    volumes = Assembly(work, stage)
    new = volumes.write()
    carried = volumes.carried()
    torrents = Torrents(work, stage)
    entries = sorted(torrents.add([*carried, *new]), key=lambda entry: entry.name)
    bundle = torrents.bundle(entries)
    if bundle.lints:
        audited = _pass(gate.write(work, failed, bundle.lints))
    taken = _all_taken(work, volumes)
    file_tables = list(filetable.write(work, stage, entries, taken))
    index = weights.weighed(work)
    step = "write release"
    report(StepStarted(step, unit="artefacts"))
    counted = statistics.count(work.metadata.folder)
    folder = f"releases/{config.release.name}"
    objects = [
        *_tables(work, stage, folder),
        *file_tables,
        stage.adopt(f"{folder}/index.sqlite", index),
        stage.adopt(f"{folder}/audit.jsonl.zst", audited.findings_path),
        stage.adopt(f"{folder}/audit.html", audited.html_path),
        stage.write(f"{folder}/withdrawn.jsonl", [render_withdrawals(taken)]),
        bundle.written,
        *torrentlist.write(work, stage, bundle.rows),
        stage.write(f"{folder}/filelist.txt.zst", codec.compress(_file_list(stage, entries))),
    ]
    root = Root(
        dataset=DatasetValue(**config.dataset.model_dump()),
        release=config.release.name,
        sequence=1 if work.previous is None else work.previous.root.sequence + 1,
        issued=config.release.issued,
        previous=_previous(work),
        totals=Totals(
            posts=counted.posts,
            files=sum(entry.images for entry in entries),
            bytes=sum(entry.bytes for entry in entries),
            tags=counted.tags,
            tag_instances=counted.tag_instances,
            volumes=len(entries),
        ),
        sources=_sources(work, stage, folder),
        renditions=_renditions(work, entries),
        volumes=entries,
        objects=objects,
        waivers=[
            WaiverEntry(finding=waived.name, reason=waived.reason, count=waived.count)
            for waived in audited.summary.waivers()
        ],
        generator=f"tagswarm {VERSION}",
    )
    text = readme.render(root, counted, _growth(work, new), keys=config.signing.keys)
    root = root.model_copy(
        update={"objects": sorted([*objects, stage.write(f"{folder}/README.md", [text])], key=lambda o: o.path)}
    )
    written = stage.write(f"{folder}/release.json", [root.render()])
    changed = stage.commit(volumes.archives)
    if held := volumes.purged_bytes():
        listed = ", ".join(held[:5]) + (", ..." if len(held) > 5 else "")
        report(Notice(f"{len(held)} files here still hold purged posts; delete them: {listed}"))
    withheld = sum(len(source.withheld) for source in work.metadata.sources)
    if withheld and config.release.publish_raw:
        rows = "1 row" if withheld == 1 else f"{withheld:,} rows"
        report(Notice(f"the raw dumps publish {rows} of posts taken back; cut them out, or set publish_raw = false"))
    report(StepFinished(step, len(root.objects)))
    return BuildOutcome(
        release=root.release,
        sequence=root.sequence,
        root_path=work.dataset / written.path,
        root_sha256=written.sha256,
        changed=changed,
        files_read=files_read,
        images_made=images_made,
        volumes_new=len(new),
        volumes_carried=len(carried),
        totals=root.totals,
        audit=audited,
    )


def _tables(work: Work, stage: Stage, folder: str) -> list[Object]:
    return [stage.adopt(f"{folder}/metadata/{table.name}", table) for table in work.metadata.tables]


def _sources(work: Work, stage: Stage, folder: str) -> list[SourceEntry]:
    entries = []
    for number, source in enumerate(work.metadata.sources):
        raw = work.metadata.raw(number) if work.config.release.publish_raw else []
        objects = [stage.adopt(f"{folder}/metadata/raw/{number:02}-{source.site}/{dump.name}", dump) for dump in raw]
        entries.append(
            SourceEntry(
                site=source.site,
                format=source.format,
                rating_scheme=source.rating_scheme,
                posts=source.posts,
                rejects=source.rejects,
                objects=objects,
            )
        )
    return entries


def _renditions(work: Work, entries: list[VolumeEntry]) -> list[RenditionEntry]:
    rows = []
    for tree in trees(work.config):
        mine = [entry for entry in entries if entry.rendition == tree.name]
        rows.append(
            RenditionEntry(
                name=tree.name,
                site=tree.source.site,
                made_from=None if tree.transform is None else tree.source.originals,
                selection=tree.query if tree.ratings is None else sorted(tree.ratings),
                transform=None if tree.transform is None else tree.transform.to_dict(),
                piece_length=tree.volumes.piece_length,
                strategy=tree.volumes.strategy,
                files=sum(entry.images for entry in mine),
                bytes=sum(entry.bytes for entry in mine),
            )
        )
    return rows


def _all_taken(work: Work, volumes: Assembly) -> list[Withdrawal]:
    return withdrawals.merge(work.taken, volumes.taken_back())


def _previous(work: Work) -> Previous | None:
    if work.previous is None:
        return None
    root = work.previous.root
    return Previous(release=root.release, sequence=root.sequence, root_sha256=work.previous.sha256)


def _growth(work: Work, new: list[VolumeEntry]) -> statistics.Growth | None:
    """What this release added; None for a first one, and where the tables of the last one are no longer here."""
    if work.previous is None or not (work.previous.folder / "metadata" / "posts.parquet").is_file():
        return None
    return statistics.growth(
        work.previous.root.release,
        work.previous.folder / "metadata",
        work.metadata.folder,
        files=sum(entry.images for entry in new if entry.revision == 1),
        size=sum(entry.bytes for entry in new if entry.revision == 1),
    )


def _file_list(stage: Stage, entries: list[VolumeEntry]) -> Iterator[bytes]:
    """The paths of all files, volume by volume; the lists of the volumes hold them sorted already."""
    for entry in entries:
        for listed in entry.lists:
            yield disk.read(stage.home(listed.path) / listed.path, limit=listed.size)
