"""What was taken back of a release: the signed list, asked about one file at a time.

A file on it may be absent, and a mirror deletes it. Nothing here deletes.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from tagswarm.manifests import manifest, published
from tagswarm.manifests.models import FileEntry, Root, Withdrawal, parse_withdrawals

WITHDRAWN = "withdrawn.jsonl"


@dataclass(frozen=True, slots=True)
class Withdrawn:
    """Posts and files that were taken back."""

    posts: frozenset[tuple[str, int]] = frozenset()
    """Site and id: every file of such a post."""
    files: frozenset[str] = frozenset()
    """Paths; of a member that of its archive, a slash and its name."""

    @classmethod
    def of(cls, withdrawals: Iterable[Withdrawal]) -> Self:
        """The same list, made to be asked."""
        listed = list(withdrawals)
        posts = frozenset((item.site, item.id) for item in listed if item.path is None)
        return cls(posts, frozenset(item.path for item in listed if item.path is not None))

    def has(self, site: str, file: FileEntry) -> bool:
        """Whether a file of a volume of this site was taken back."""
        path = file.path if file.archive is None else f"{file.archive}/{file.path}"
        return path in self.files or (site, file.id) in self.posts


def read(dataset: Path, root: Root) -> Withdrawn:
    """What a release takes back; nothing where it has no list.

    Raises:
        IntegrityError: the list is not the one the root names.
        FormatError: it is malformed.
        StoreError: it cannot be read.
    """
    name = f"{published.folder(root.release)}/{WITHDRAWN}"
    for item in root.objects:
        if item.path == name:
            return Withdrawn.of(parse_withdrawals(manifest.read_object(dataset, item)))
    return Withdrawn()
