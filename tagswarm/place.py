"""Where the index of a release lies on this machine: in a dataset, in the folder of a release, or by itself.

Reads the names of releases and nothing more, with nothing that takes time to load: `tagswarm count` answers before a
model of these documents would be imported. Whether a release can be trusted is asked of `manifests.published`.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tagswarm.manifests import disk
from tagswarm.manifests.errors import IncompleteBuild, InvalidDocument, Unreadable, UnsafePath
from tagswarm.manifests.paths import check, escape

INDEX = "index.sqlite"
ROOT = "release.json"
RELEASES = "releases"
LATEST = "latest.json"
_LATEST_LIMIT = 1 << 20
_ROOT_LIMIT = 64 << 20

_ADDRESS = re.compile(r"[a-z][a-z0-9+.-]*://|[a-z0-9.@_-]+::", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Place:
    """A release on the disk, as far as its index needs one."""

    index: Path
    name: str
    """The release, as its folder says; of an index that lies by itself the name of its file."""

    @property
    def tables(self) -> Path:
        """The folder of the Parquet tables; it may be missing."""
        return self.index.parent / "metadata"

    @property
    def dataset(self) -> Path | None:
        """The folder of the dataset; None of an index that lies by itself."""
        folder = self.index.absolute().parent
        return folder.parent.parent if folder.parent.name == RELEASES and self.index.name == INDEX else None


def is_address(path: Path | str) -> bool:
    """Whether it is `https://...`, `s3://...`, `rsync://...`, `host::module`, and no path of this machine."""
    return isinstance(path, str) and _ADDRESS.match(path) is not None


def find(path: Path | str, release: str | None = None) -> Place:
    """The index of a release.

    Args:
        path: a dataset, of which the latest release is taken, else the one with the highest sequence; the folder of a
            release; or an index.
        release: the name of another release of the dataset.

    Raises:
        Unreadable: there is no such file or folder.
        IncompleteBuild: there is no release, or it has no index.
        FormatError: a document of the release is malformed, or the name is none.
    """
    place = Path(path)
    if place.is_file():
        found = Place(place, place.resolve().parent.name if place.name == INDEX else place.name)
        if release is not None and release != found.name:
            raise IncompleteBuild(
                f"{escape(str(place))}: is the index of {escape(found.name)}, not of {escape(release)}",
                hint="Give the folder of the dataset, or leave the name of the release out.",
            )
        return found
    if not place.is_dir():
        raise Unreadable(
            f"{escape(str(place))}: no such file or folder", hint="Give the folder of a dataset or of a release."
        )
    if release is None and ((place / ROOT).exists() or (place / INDEX).exists()):
        folder = place
    else:
        folder = place / RELEASES / _folder(_newest(place) if release is None else release)
    if not (folder / INDEX).is_file():
        what = "has no index" if folder.is_dir() else "there is no such release"
        raise IncompleteBuild(
            f"{escape(str(folder))}: {what}",
            hint="Build it again with `tagswarm release build`, or fetch index.sqlite of the release.",
        )
    return Place(folder / INDEX, folder.resolve().name)


def _folder(name: str) -> str:
    """The name of a release, which is one folder and leads nowhere else.

    Raises:
        UnsafePath: it is none.
    """
    if not name or "/" in name:
        raise UnsafePath(f"{escape(name)!r}: is no name of a release", hint="Give its name as `releases` has it.")
    check(f"{RELEASES}/{name}/{INDEX}")
    return name


def _newest(dataset: Path) -> str:
    """The release that latest.json names, or the one with the highest sequence where nothing is signed yet."""
    if (dataset / LATEST).exists():
        return str(_key(dataset / LATEST, _LATEST_LIMIT, "release", str))
    roots = sorted((dataset / RELEASES).glob(f"*/{ROOT}"))
    if not roots:
        raise IncompleteBuild(
            f"{escape(str(dataset))}: holds no release",
            hint="Name the folder of a dataset with --in or in TAGSWARM_DATASET; `tagswarm release build` makes one.",
        )
    return max((_key(path, _ROOT_LIMIT, "sequence", int), path.parent.name) for path in roots)[1]


def _key(path: Path, limit: int, name: str, kind: type) -> Any:
    try:
        value = json.loads(disk.read(path, limit=limit))[name]
    except (ValueError, KeyError, TypeError, RecursionError) as failure:
        raise InvalidDocument(f"{escape(str(path))}: is no document of a release") from failure
    if type(value) is not kind:
        raise InvalidDocument(f"{escape(str(path))}: {name}: is not what the format says")
    return value
