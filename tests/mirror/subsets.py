"""What the tests of a pull share: a tree of real images, their files as a release lists them, and sources that fail."""

from __future__ import annotations

import asyncio
import hashlib
import os
import random
from collections.abc import AsyncGenerator, Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tagswarm.imaging.transform import Transform
from tagswarm.manifests import disk
from tagswarm.manifests.paths import FilePath
from tagswarm.mirror.file import File
from tagswarm.mirror.form import Form
from tagswarm.mirror.lock import Entry, Header, LockedDataset
from tagswarm.mirror.store import files_of
from tagswarm.mirror.transports.base import Arrived, Failed, Item, Reason
from tests.collection import EXTENSIONS, picture

SMALL = Form(transform=Transform(mode="pad", width=32, quality=80))
NATIVE = Form()


def listed(post: int, path: str, data: bytes, volume: str = "original-2026-0000", kind: str | None = None) -> File:
    """A file as a release lists it."""
    return File(id=post, path=path, size=len(data), sha256=hashlib.sha256(data).hexdigest(), volume=volume, kind=kind)


@dataclass
class Tree:
    """A dataset on the disk."""

    root: Path
    files: list[File] = field(default_factory=list)

    def add(self, post: int, data: bytes, ext: str = "bin", kind: str | None = None) -> File:
        """Write the file of a post."""
        path = str(FilePath.of("original", post, ext))
        (self.root / path).parent.mkdir(parents=True, exist_ok=True)
        (self.root / path).write_bytes(data)
        file = listed(post, path, data, kind=kind)
        self.files.append(file)
        return file


def images(root: Path, count: int, seed: int = 0) -> Tree:
    """A tree of `count` images in every format of a booru."""
    chance = random.Random(seed)
    tree = Tree(root)
    for post in range(1, count + 1):
        made = picture(chance, chance.choice(EXTENSIONS))
        tree.add(post, made.data, made.ext)
    return tree


def blobs(root: Path, count: int, size: int = 2000, seed: int = 0) -> Tree:
    """A tree of `count` files that are no images."""
    chance = random.Random(seed)
    tree = Tree(root)
    for post in range(1, count + 1):
        tree.add(post, chance.randbytes(size))
    return tree


Bring = Callable[[Item], bytes | Reason]
"""The bytes of an item, right or wrong, or why it does not come."""


@dataclass
class Script:
    """A source that does what a function says, some items at a time, and remembers what it was asked for."""

    bring: Bring
    width: int = 4
    pause: float = 0.0
    asked: list[Item] = field(default_factory=list)
    sent: int = 0
    open: int = 0
    """Fetches that have not ended."""

    async def fetch(self, items: Iterable[Item], staging: Path) -> AsyncGenerator[Arrived | Failed, None]:
        """Keep the contract of transports."""
        self.open += 1
        disk.make_directory(staging)
        try:
            for number, item in enumerate(items):
                self.asked.append(item)
                await asyncio.sleep(self.pause)
                found = self.bring(item)
                if isinstance(found, str):
                    yield Failed(item, found, "as the script says")
                else:
                    place = staging / f"{number}"
                    place.unlink(missing_ok=True)
                    place.write_bytes(found)
                    self.sent += 1
                    yield Arrived(item, place)
        finally:
            self.open -= 1


def honest(tree: Tree) -> Bring:
    """Every item as it lies in the tree."""
    return lambda item: (tree.root / item.path).read_bytes()


def header(form: Form) -> Header:
    """The first line of a lock."""
    return Header(
        dataset=LockedDataset(id="00112233445566778899aabbccddeeff", name="small"),
        release="2026",
        sequence=1,
        root_sha256="ab" * 32,
        rendition="original",
        query="1girl solo",
        layout=form.layout,
        transform=None if form.transform is None else form.transform.to_dict(),
        originals=form.originals,
        generator="tagswarm test",
    )


def check_whole(out: Path, entries: Sequence[Entry]) -> None:
    """Every file that the entries name lies there with its digest, and nothing else does."""
    named = {place: (size, digest) for entry in entries for place, size, digest in files_of(entry)}
    for place, (size, digest) in named.items():
        data = (out / place).read_bytes()
        assert (len(data), hashlib.sha256(data).hexdigest()) == (size, digest), place
    assert set(below(out)) - {"tagswarm.lock"} == set(named)


def below(out: Path) -> list[str]:
    """The files of a subset, without its state."""
    found = []
    for folder, folders, names in os.walk(out):
        folders[:] = [name for name in folders if name != ".tagswarm"]
        found += [Path(folder, name).relative_to(out).as_posix() for name in names]
    return sorted(found)
