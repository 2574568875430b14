"""The file tables of a release: one a tree, with the file of every post in all volumes, carried ones too.

The rows are those of the manifests, read volume by volume, so that memory is bounded by the largest volume. Files of
posts that are taken back are left out, and files that another version has replaced. Nothing here reads an image.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

from tagswarm.manifests import filerows, manifest, published
from tagswarm.manifests.events import StepAdvanced, StepFinished, StepStarted
from tagswarm.manifests.models import FileEntry, Object, VolumeEntry, Withdrawal

from .trees import trees

if TYPE_CHECKING:
    from .stage import Stage
    from .work import Work


def write(work: Work, stage: Stage, volumes: Sequence[VolumeEntry], taken: Iterable[Withdrawal]) -> Iterator[Object]:
    """Write the table of every tree into the stage and say what the root says of each.

    Args:
        work: the dataset.
        stage: where the manifests of new volumes lie, and where the tables go.
        volumes: all of the release.
        taken: everything that the release takes back.

    Raises:
        IntegrityError: a manifest of an earlier release is not the one that was published.
        InvalidDocument: a manifest holds a number that no table can.
        StoreError: the disk.
    """
    sites = {tree.name: tree.source.site for tree in trees(work.config)}
    gone = _Gone(taken)
    step = "write file tables"
    work.report(StepStarted(step, total=sum(volume.images for volume in volumes)))
    files = 0
    for tree in sorted(sites | {volume.rendition: "" for volume in volumes}):
        mine = sorted((volume for volume in volumes if volume.rendition == tree), key=lambda volume: volume.name)
        site = sites.get(tree) or _site(stage, mine[0])
        path = f"{published.folder(stage.release)}/{filerows.file_name(tree)}"
        with filerows.open_writer(stage.folder / path, rendition=tree, site=site) as add:
            for volume in mine:
                read = manifest.read(stage.home(volume.manifest.path), volume)
                add(volume.name, (entry for entry in read.entries if not gone.has(read.header.site, entry)))
                files += volume.images
                work.report(StepAdvanced(step, files, 0, volume.name))
        yield stage.listed(path)
    work.report(StepFinished(step, files))


def _site(stage: Stage, volume: VolumeEntry) -> str:
    """Of a tree that release.toml does not have any more."""
    return manifest.read(stage.home(volume.manifest.path), volume).header.site


class _Gone:
    """What was taken back, asked about one line at a time."""

    def __init__(self, taken: Iterable[Withdrawal]) -> None:
        listed = list(taken)
        self._posts = {(item.site, item.id) for item in listed if item.path is None}
        self._paths = {item.path for item in listed if item.path is not None}

    def has(self, site: str, entry: FileEntry) -> bool:
        path = entry.path if entry.archive is None else f"{entry.archive}/{entry.path}"
        return (site, entry.id) in self._posts or path in self._paths
