"""WebDataset shards: tar files of samples, each an image, its caption and its facts under one key.

The key is the id of the post with leading zeros, so it is the same in every export and holds no dot, at which readers
cut names. The three members of a sample stand together. Beside each shard lie its facts as Parquet and a count, under
the names that img2dataset gives them. Shards are numbered without gaps; a shard that is cut off is never there.

The tar is POSIX ustar without a clock or an owner (POSIX.1-2017, pax, "ustar Interchange Format"): the same samples
give the same bytes.
"""

from __future__ import annotations

import tarfile
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass

from tagswarm.manifests import codec

from .captions import Captions
from .folder import Folder
from .sample import Sample, Skipped, read
from .style import DEFAULT, CaptionStyle
from .table import Table, check_least, check_name, row


@dataclass(frozen=True, slots=True, kw_only=True)
class WebdatasetOptions:
    """How shards are cut."""

    captions: CaptionStyle = DEFAULT
    name: str = "samples"
    """Of the shards: `samples-000000.tar`."""
    samples_per_shard: int = 10_000
    bytes_per_shard: int = 512 << 20
    """Bytes after which a shard takes no further sample."""

    def __post_init__(self) -> None:
        check_name("name", self.name)
        check_least("samples_per_shard", self.samples_per_shard, 1)
        check_least("bytes_per_shard", self.bytes_per_shard, 1)


class _Shard:
    """One tar that is being written, with the table and the count that lie beside it."""

    def __init__(self, folder: Folder, name: str, stack: ExitStack) -> None:
        self.samples = 0
        self.size = 0
        """Bytes of the tar so far."""
        self._folder = folder
        self._name = name
        self._tar = stack.enter_context(folder.aside(f"{name}.tar"))
        self._table = stack.enter_context(Table(folder.aside(f"{name}.parquet")))

    def add(self, sample: Sample, image: bytes, caption: str) -> None:
        facts = row(sample, caption)
        self._member(f"{sample.key}.{sample.extension}", image)
        self._member(f"{sample.key}.txt", caption.encode())
        self._member(f"{sample.key}.json", codec.line(facts))
        self._table.add(facts)
        self.samples += 1

    def _member(self, name: str, data: bytes) -> None:
        header = tarfile.TarInfo(name)  # mode 0644, and zero or nothing for time, owner and group
        header.size = len(data)
        block = header.tobuf(tarfile.USTAR_FORMAT, "utf-8", "strict")
        for part in (block, data, bytes(-len(data) % tarfile.BLOCKSIZE)):
            self._tar.write(part)
            self.size += len(part)

    def finish(self) -> None:
        """End the tar and put all three files in their places."""
        end = 2 * tarfile.BLOCKSIZE
        self._tar.write(bytes(end + -(self.size + end) % tarfile.RECORDSIZE))
        self._tar.commit()
        self._table.commit()
        stats = {"count": self.samples, "successes": self.samples, "status_dict": {"success": self.samples}}
        self._folder.write(f"{self._name}_stats.json", codec.pretty(stats))


def write(
    samples: Iterable[Sample], folder: Folder, options: WebdatasetOptions, captions: Captions
) -> Iterator[Skipped]:
    """Write the shards of the samples, and yield what cannot be in them."""
    shard: _Shard | None = None
    shards = 0
    with ExitStack() as stack:  # drops the shard that is not finished when something fails
        for sample in samples:
            image = read(sample)
            if isinstance(image, Skipped):
                yield image
                continue
            if shard is None:
                shard = _Shard(folder, f"{options.name}-{shards:06}", stack)
                shards += 1
            shard.add(sample, image, captions.of(sample.post, sample.tags))
            if shard.samples >= options.samples_per_shard or shard.size >= options.bytes_per_shard:
                shard.finish()
                shard = None
                stack.close()
        if shard is not None:
            shard.finish()
