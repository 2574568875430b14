"""The form of a subset folder: which file a post gets, where it lies, and what its bytes depend on.

Paths follow from the id and from nothing that a source or a tag says: `images/0000/1000.jpg` in buckets as a release
has them, or `images/1000.jpg`, and `originals/...` beside them. Nothing here touches a disk.
"""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass
from typing import Literal

from tagswarm.imaging.transform import Transform
from tagswarm.manifests.paths import BUCKETS

from .file import File

Layout = Literal["buckets", "flat"]
"""A folder for every 1000th post, as in a release, or one folder for all."""

IMAGES = "images"
ORIGINALS = "originals"

PLACE = rf"\A(?:{IMAGES}|{ORIGINALS})/(?:[0-9]{{4}}/)?(0|[1-9][0-9]{{0,18}})\.[a-z0-9]{{2,4}}\z"
"""The grammar of the paths of a subset, whose group is the post."""

_PLACE = re.compile(PLACE.removesuffix(r"\z") + r"\Z")
_EXTENSION = re.compile(r"\.([a-z0-9]{2,4})")


@dataclass(frozen=True, slots=True, kw_only=True)
class Form:
    """What is made of every file of a subset."""

    transform: Transform | None = None
    """None keeps files as they are, whatever they are."""
    layout: Layout = "buckets"
    originals: bool = False
    """Keep beside every image the file it was made from, and those that no image can be made from."""

    @property
    def recipe(self) -> str:
        """A digest of what an image depends on beside its source; a newer engine makes nothing anew."""
        values = None if self.transform is None else self.transform.to_dict()
        text = json.dumps(values, sort_keys=True)
        return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()

    def place(self, file: File) -> str:
        """Where the file of a post lies, relative to the folder."""
        extension = _extension(file) if self.transform is None else self.transform.extension
        return self._place(IMAGES, file.id, extension)

    def original(self, file: File) -> str | None:
        """Where the file it was made from is kept, where it is."""
        if self.transform is None or not self.originals:
            return None
        return self._place(ORIGINALS, file.id, _extension(file))

    def _place(self, folder: str, post: int, extension: str) -> str:
        bucket = f"{post % BUCKETS:04}/" if self.layout == "buckets" else ""
        return f"{folder}/{bucket}{post}.{extension}"


def post_of(place: str) -> int | None:
    """The post of a path of a subset, or None where it is none."""
    match = _PLACE.match(place)
    return None if match is None else int(match[1])


def _extension(file: File) -> str:
    match = _EXTENSION.fullmatch(file.path[file.path.rfind(".") :])
    return "bin" if match is None else match[1]
