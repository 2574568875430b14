"""The place of a seeder in a tree: its lock, what it remembers, and the name under which its torrents find the files.

The folder in every torrent of a dataset has the dataset's name, and the tree on this disk may have any: a link in a
folder of ours gives it the other name. A tree that cannot be written is seeded too, from a link elsewhere.
"""

from __future__ import annotations

import contextlib
import errno
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tagswarm.manifests import disk
from tagswarm.manifests.errors import DestinationLocked, StoreError

HOME = ".tagswarm"
"""The folder of a tree that holds what is ours and not the dataset's."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a seeder keeps what is its own."""

    links: Path
    """A folder with a link to the dataset, named as the folder in its torrents."""
    state: Path | None
    """Where it is remembered what was verified; None where nothing can be written."""
    note: str | None = None
    """A sentence for people where that is so."""


@contextlib.contextmanager
def place(dataset: Path) -> Iterator[Place]:
    """Hold the lock of the only seeder of a tree, and the folders it needs.

    Where the tree cannot be written, or a link would lead out of it, a temporary folder takes the link to the dataset,
    and nothing is remembered.

    Raises:
        DestinationLocked: another process seeds the tree.
    """
    home = dataset / HOME
    with contextlib.ExitStack() as stack:
        try:
            _refuse_links(home, home / "swarm")
            stack.enter_context(disk.locked(home / "seed.lock"))
            disk.make_directory(home / "swarm")
        except DestinationLocked as failure:
            raise DestinationLocked(
                failure.message, hint="One process seeds a whole tree; stop the other first."
            ) from failure
        except StoreError as failure:
            note = f"{failure.message}; what is verified cannot be remembered, so the next start reads every file again"
            with disk.failures("the folder for temporary files"):
                links = stack.enter_context(tempfile.TemporaryDirectory(prefix="tagswarm-"))
            yield Place(Path(links), None, note)
        else:
            yield Place(home / "swarm", home / "seed.json")


def _refuse_links(*folders: Path) -> None:
    """What came with a tree from a stranger must not lead what is written here to another place."""
    for folder in folders:
        with disk.failures(folder):
            if folder.is_symlink():
                raise OSError(errno.ELOOP, "")
