"""Two releases for real clients: sample/ and images of awkward sizes, published one year after the other.

The volumes of the second year lie in the directories of the first, so that torrents share folders. The tree `original` is
for the swarm: a tracker knows its torrents and a seeder has them. The tree `512px` is for web seeds: no peer has it.
"""

from __future__ import annotations

import hashlib
import io
import json
import shutil
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image

from tagswarm.manifests import manifest, models
from tagswarm.release.build import build
from tagswarm.release.sign import sign
from tests.publisher import key

from .download import Kind, Source

NAME = "sample"
"""Of the dataset, and so of the folder that every torrent makes."""
PIECE = 1 << 16
"""Bytes of a piece in both trees: several in a file, and several in a volume."""
BLOCK = 1 << 14
SIZES = (BLOCK - 1, BLOCK, BLOCK + 1, PIECE - 1, PIECE, PIECE + 1, 5 * PIECE, 5 * PIECE + 1)
"""Bytes of the added images: around the borders of blocks and pieces."""
ADDED = (9000, 9001, 9002, 9003, 9005, 9008, 9013, 9021)
"""The posts that have them; their directories hold posts of sample/ too."""
EMPTY = 9034
"""The post whose file has no bytes."""
CONFIG = """\
format = "tagswarm.config/1"
[dataset]
id = "00112233445566778899aabbccddeeff"
name = "{name}"
title = "Small"
[release]
name = "{year}"
issued = {year}-11-20
[[sources]]
site = "danbooru"
metadata = ["metadata/*.json"]
[sources.volumes]
piece_length = 65536
[[renditions]]
name = "512px"
[torrents]
trackers = ["{tracker}"]
web_seeds = ["{url}"]
compat = ["original", "512px"]
[[waivers]]
finding = "empty-file"
ids = [{empty}]
reason = "clients must make it as well"
[signing]
keys = ["{key}"]
"""


@dataclass(frozen=True, slots=True)
class Volume:
    """A volume as its clients see it."""

    name: str
    rendition: str
    files: dict[str, str]
    """SHA-256 by path below the save path, from the manifest."""
    torrents: dict[Kind, Path]

    @property
    def source(self) -> Source:
        """Where its files come from."""
        return "peers" if self.rendition == "original" else "web"


def publish(sample: Path, dataset: Path, *, tracker: str, url: str) -> list[Volume]:
    """Build and sign both releases of the dataset, which is served at `url`; the volumes of the second one."""
    rows = {post["id"]: post for path in sorted((sample / "metadata").glob("posts*.json")) for post in _lines(path)}
    first = {post["id"] for post in _lines(sample / "metadata/posts000000000000.json")}
    (dataset / "metadata").mkdir(parents=True)
    added = _awkward(next(iter(rows.values())))
    for year, ids in (("2026", sorted(first)), ("2027", sorted(rows.keys() - first))):
        posts = [rows[post] | {"parent_id": None} for post in ids]
        for post in posts:
            path = _path(post)
            (dataset / path).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(sample / path, dataset / path)
        for number, (post, data) in enumerate(added):
            if number % 2 == int(year) % 2:
                (dataset / _path(post)).parent.mkdir(parents=True, exist_ok=True)
                (dataset / _path(post)).write_bytes(data)
                posts.append(post)
        posts.sort(key=lambda post: int(post["id"]))
        (dataset / f"metadata/posts{year}.json").write_text("".join(f"{json.dumps(post)}\n" for post in posts))
        (dataset / "release.toml").write_text(
            CONFIG.format(name=NAME, year=year, tracker=tracker, url=url, empty=EMPTY, key=key(1).public.line)
        )
        build(dataset, workers=2)
        sign(dataset, [key(1)])
    root = models.Root.parse((dataset / "releases/2027/release.json").read_bytes(), limit=models.ROOT_LIMIT)
    return [_volume(dataset, entry) for entry in root.volumes]


def _lines(path: Path) -> Iterator[dict[str, Any]]:
    return map(json.loads, path.read_text().splitlines())


def _path(post: dict[str, Any]) -> str:
    return f"original/{post['id'] % 1000:04}/{post['id']}.{post['file_ext']}"


def _awkward(model: dict[str, Any]) -> list[tuple[dict[str, Any], bytes]]:
    """Posts of images of awkward sizes, and of one without a byte, in the directories of the others."""
    files = [(EMPTY, b""), *((post, _png(size)) for post, size in zip(ADDED, SIZES, strict=True))]
    return [
        (
            model
            | {
                "id": post,
                "md5": hashlib.md5(data, usedforsecurity=False).hexdigest(),
                "file_size": len(data),
                "file_ext": "png",
                "image_width": 8,
                "image_height": 8,
                "parent_id": None,
            },
            data,
        )
        for post, data in files
    ]


def _png(size: int) -> bytes:
    """An image of `size` bytes: a chunk that no decoder asks for fills it up, differently for every size."""
    drawn = io.BytesIO()
    Image.new("RGB", (8, 8), (size % 251, 80, 80)).save(drawn, "PNG")
    data = drawn.getvalue()
    filling = hashlib.shake_128(str(size).encode()).digest(size - len(data) - 12)
    chunk = b"teSt" + filling
    end = len(data) - 12  # IEND
    return data[:end] + struct.pack(">I", len(filling)) + chunk + struct.pack(">I", zlib.crc32(chunk)) + data[end:]


def _volume(dataset: Path, entry: models.VolumeEntry) -> Volume:
    assert entry.torrent is not None
    assert entry.compat is not None
    return Volume(
        name=entry.name,
        rendition=entry.rendition,
        files={f"{NAME}/{file.path}": file.sha256 for file in manifest.read(dataset, entry).files},
        torrents={"hybrid": dataset / entry.torrent.path, "compat": dataset / entry.compat.path},
    )
