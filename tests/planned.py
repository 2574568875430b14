"""What a plan is made from, without a release: entries of volumes, and how many files of each are wanted."""

from __future__ import annotations

import numpy as np

from tagswarm.manifests.models import Layout, Object, PackedObject, VolumeEntry
from tagswarm.mirror.wanted import Wanted

ZEROS = "0" * 64


def entry(
    name: str, *, files: int = 5000, mean: int = 70_000, layout: Layout = "loose", torrent: int | None = 575_000
) -> VolumeEntry:
    """A volume; one of archives has a thousand members in each."""
    other = Object(path=f"volumes/{name}.sha256", size=1, sha256=ZEROS)
    archives = {"loose": files, "zip": -(-files // 1000), "tar": 2 * -(-files // 1000)}[layout]
    return VolumeEntry(
        name=name,
        rendition="512px",
        generation="2026",
        layout=layout,
        files=archives,
        images=files,
        bytes=files * mean,
        manifest=PackedObject(path="m", size=1, sha256=ZEROS, plain_sha256=ZEROS),
        checksums=other,
        lists=[],
        torrent=None if torrent is None else Object(path="t", size=torrent, sha256=ZEROS),
    )


def wanted(*volumes: tuple[str, int], size: int = 70_000, missing: tuple[int, ...] = ()) -> Wanted:
    """So many files of one size of each volume."""
    names = [name for name, _ in volumes]
    codes = np.repeat(np.arange(len(names)), [count for _, count in volumes])
    return Wanted(
        ids=np.arange(1, len(codes) + 1, dtype=np.int64),
        sizes=np.full(len(codes), size, np.int64),
        volumes=codes.astype(np.int32),
        names=names,
        missing=np.array(missing, np.int64),
    )
