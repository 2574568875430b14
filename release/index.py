"""The index of a release, written once from its normalised tables and kept beside them under the state folder.

It decides nothing: the tables decide every byte of it, and they are read anew where a dump changes.
"""

from __future__ import annotations

from pathlib import Path

from tagswarm.manifests.events import Report, StepFinished
from tagswarm.tagindex import writer

from .dumps import Metadata

FILE_NAME = "index.sqlite"


def of(metadata: Metadata, report: Report) -> Path:
    """Give the index of normalised metadata, which is written where it is not there yet.

    Raises:
        FormatError: the tables are damaged.
        StoreError: the disk.
    """
    path = metadata.folder / FILE_NAME
    if path.exists():
        report(StepFinished(writer.STEP, 0, note="nothing new"))
    else:
        writer.write(metadata.folder, path, work=metadata.folder.with_name("work"), report=report)
    return path
