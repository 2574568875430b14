"""A release that is believed, and its documents by their digests: in place, from the cache, or from its sources.

Whatever a source sends is measured and hashed before it is used, so it does not matter which one sends it. What is
damaged is dropped and asked for again, from the next source and once more from each. Why the root is believed is the
business of `catalog`; files of posts are that of the pipeline.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tagswarm.manifests import disk, paths, published
from tagswarm.manifests.errors import IncompleteBuild, IntegrityError, StoreError, TagswarmError, TransportError
from tagswarm.manifests.events import Notice, Report, StepFinished, StepStarted
from tagswarm.manifests.models import MANIFEST_LIMIT, Object, Root, parse_withdrawals

from .cache import Cache
from .judgement import Trust, Verdict
from .transports.base import Failed, Item, Source
from .transports.local import LocalSource
from .withdrawn import WITHDRAWN, Withdrawn

INDEX = "index.sqlite"

ROUNDS = 2
"""How often every source is asked for a document that did not come, or came damaged."""

_FINAL = ("missing", "refused", "unlisted")
"""Reasons that another round does not change."""


@dataclass(frozen=True, slots=True)
class Site:
    """Where a dataset is: a source, or a folder of this machine."""

    source: Source
    folder: Path | None = None

    @classmethod
    def of(cls, place: Source | Path) -> Site:
        """A place as callers name it."""
        return cls(LocalSource(place.absolute()), place.absolute()) if isinstance(place, Path) else cls(place)

    @property
    def address(self) -> str:
        """Without credentials."""
        return self.source.address


class Trusted:
    """A release that can be relied on as far as `trust` says.

    Attributes:
        root: the root.
        root_sha256: its SHA-256, what a lock records and `--pin` takes.
        release: its name.
        dataset_id: 32 hex digits.
        trust: what it rests on.
        signers: key ids as minisign prints them.
        keys: the public keys that have signed the root, the lines that begin with RW; none where it is unsigned.
        notes: sentences for people, to be escaped before they are shown.
        address: of the source that was believed.
        unheard: addresses of the sources that did not answer or were not believed.
    """

    def __init__(
        self,
        verdict: Verdict,
        sites: Sequence[Site],
        *,
        notes: tuple[str, ...],
        unheard: frozenset[str] = frozenset(),
        cache: Cache,
        offline: bool,
        report: Report,
    ) -> None:
        self.root: Root = verdict.root
        self.root_sha256 = verdict.found.root_sha256
        self.release: str = verdict.root.release
        self.dataset_id: str = verdict.root.dataset.id
        self.trust: Trust = verdict.trust
        self.signers = verdict.found.signers
        self.keys = tuple(key.line for key in verdict.keyring.all if key.name in verdict.found.signers)
        self.notes = notes
        self.unheard = unheard
        self.address = verdict.address
        self._sites = sites
        self._cache = cache
        self._offline = offline
        self._report = report

    def __repr__(self) -> str:
        return f"<Trusted {self.root.dataset.name} {self.release}: {self.trust}>"

    async def document(self, item: Object, *, check: bool = False) -> Path:
        """A file that the root names: where it lies, or in the cache; it is to be read and never to be changed.

        Args:
            item: as the root states it.
            check: hash it also where it was hashed before and nobody has touched it since.

        Raises:
            IntegrityError: every source that has it has something else.
            TransportError: no source has it, or it is not in the cache and nobody may be asked.
            UnsafePath: its name is none.
            StoreError: the disk did not do what was asked.
        """
        paths.check(item.path)
        failure: TagswarmError | None = None
        for site in self._sites:
            if site.folder is not None:
                try:
                    return await asyncio.to_thread(self._in_place, item, site.folder, check=check)
                except (IntegrityError, StoreError) as found:
                    failure = failure or found
        look = self._cache.check if check else self._cache.find
        if (entry := await asyncio.to_thread(look, item)) is not None:
            return entry
        sources = [site.source for site in self._sites if site.folder is None]
        if failure is not None and (self._offline or not sources):
            raise failure
        if self._offline:
            raise TransportError(
                f"{item.path}: is not in the cache, and nobody may be asked",
                hint="Run the command once without --offline.",
            )
        waiting = Notice(f"{item.path}: another run is fetching it already; waiting", "info")
        async with self._cache.held(item.sha256, lambda: self._report(waiting)) as staging:
            if (entry := await asyncio.to_thread(self._cache.find, item)) is not None:
                return entry
            return await self._fetch(item, sources, staging)

    async def index(self) -> Path:
        """The index.

        Raises:
            IncompleteBuild: the release has none.
        """
        return await self.document(self._named(INDEX))

    async def withdrawn(self) -> Withdrawn:
        """What was taken back; nothing where the release has no list.

        Raises:
            FormatError: the list is malformed.
        """
        if not any(item.path == self._path(WITHDRAWN) for item in self.root.objects):
            return Withdrawn()
        return Withdrawn.of(parse_withdrawals(await self._read(self._named(WITHDRAWN))))

    async def file_table(self, rendition: str) -> Path:
        """The table of all files of a rendition.

        Raises:
            IncompleteBuild: the release has no such rendition, or no tables.
        """
        from tagswarm.manifests.filerows import file_name  # noqa: PLC0415 - it loads pyarrow

        return await self.document(self._named(file_name(rendition)))

    async def torrent(self, volume: str) -> bytes:
        """The .torrent of a volume, by the name of the volume.

        Raises:
            IncompleteBuild: there is no such volume, or it has no torrent.
        """
        for entry in self.root.volumes:
            if entry.name == volume and entry.torrent is not None:
                return await self._read(entry.torrent)
        raise IncompleteBuild(
            f"release {self.release}: there is no torrent of {paths.escape(volume)}",
            hint="Fetch the volume another way.",
        )

    def _path(self, name: str) -> str:
        return f"{published.folder(self.release)}/{name}"

    def _named(self, name: str) -> Object:
        path = self._path(name)
        for item in self.root.objects:
            if item.path == path:
                return item
        raise IncompleteBuild(
            f"release {self.release}: has no {paths.escape(name)}",
            hint="It was built by an older tagswarm, or without it; ask the maintainer, or open another release.",
        )

    async def _read(self, item: Object) -> bytes:
        place = await self.document(item)
        data = await asyncio.to_thread(disk.read, place, limit=min(item.size, MANIFEST_LIMIT))
        if hashlib.sha256(data).hexdigest() == item.sha256:
            return data
        place = await self.document(item, check=True)
        return await asyncio.to_thread(disk.read, place, limit=min(item.size, MANIFEST_LIMIT))

    def _in_place(self, item: Object, folder: Path, *, check: bool) -> Path:
        with disk.open_beneath(folder, item.path):  # leads through no link
            pass
        place = folder / item.path
        if check or not self._cache.vouched(item, place):
            self._cache.vouch(item, place)
        return place

    async def _fetch(self, item: Object, sources: Sequence[Source], staging: Path) -> Path:
        """Ask one source after the other until the right bytes have come."""
        step = f"fetch {Path(item.path).name}"
        self._report(StepStarted(step, 1, "documents", item.size))
        wanted = Item(path=item.path, size=item.size, volume="")
        left, said, damaged = list(sources), dict[str, str](), False
        for _ in range(ROUNDS):
            for source in list(left):
                own = staging / hashlib.sha256(source.address.encode("utf-8", "surrogatepass")).hexdigest()[:16]
                disk.make_directory(own)
                async with contextlib.aclosing(source.fetch([wanted], own)) as outcomes:
                    outcome = await anext(outcomes, Failed(wanted, "unreachable", "the source said nothing"))
                if isinstance(outcome, Failed):
                    if outcome.reason == "disk":
                        raise StoreError(f"{item.path}: {outcome.detail}")
                    said[source.address] = f"{outcome.reason}: {outcome.detail}" if outcome.detail else outcome.reason
                    if outcome.reason in _FINAL:
                        left.remove(source)
                    continue
                try:
                    place = await asyncio.to_thread(self._cache.take, item, outcome.file)
                except IntegrityError as failure:
                    damaged, said[source.address] = True, failure.message
                    shutil.rmtree(own, ignore_errors=True)
                    continue
                self._report(StepFinished(step, 1, item.size))
                return place
        why = "; ".join(f"{address}: {text}" for address, text in said.items())
        if damaged:
            raise IntegrityError(
                f"{item.path}: what came is not what the release names: {why}",
                hint="The source is damaged, being updated or hostile: try again later or from another one.",
            )
        raise TransportError(f"{item.path}: no source has it: {why}")
