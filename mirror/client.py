"""The client: a dataset that is reached at some addresses, and subsets of it that are planned and pulled.

::

    addresses -> sources -> a release that is believed -> file table -> plan -> pull -> lock

Everything that is decided is decided elsewhere: whom to believe in `catalog`, who carries what in `plan`, what becomes
of the bytes in `pipeline`. Here the parts are put together. Queries are answered by whoever calls: a subset comes here
as the posts of one site. Nothing here draws.
"""

from __future__ import annotations

import asyncio
import contextlib
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from tagswarm.manifests import filetables
from tagswarm.manifests.errors import IncompleteBuild, NoSource, TagswarmError, TransportError
from tagswarm.manifests.events import Notice, Report, silent
from tagswarm.manifests.manifest import Problem
from tagswarm.manifests.models import RenditionEntry
from tagswarm.manifests.paths import escape
from tagswarm.manifests.version import VERSION
from tagswarm.tagindex.reader import Index
from tagswarm.tagindex.subset import Subset

from . import lock, pipeline, posts, subset
from .access import Access, Use
from .cache import Cache
from .catalog import open_release
from .form import Form
from .lock import LOCK, Header, Lock, LockedDataset
from .memory import Memory
from .offers import Kind, Offer
from .pipeline import PullReport
from .plan import Plan, plan
from .selection import ANYBODY, Selection
from .store import Store
from .transports.address import kind_of, open_source
from .transports.base import Source, Transport
from .transports.compose import Failover, Retrying
from .transports.parallel import Parallel
from .transports.rate import Rate
from .trusted import Trusted

if TYPE_CHECKING:
    from .swarm import Settings

SWARM = "torrent"
"""The address of the swarms of a release in plans and reports."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """How the posts of a subset were chosen, for its lock."""

    query: str | None = None
    canonical: str | None = None
    seed: int | None = None
    now: str | None = None
    timezone: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Pulled:
    """What a pull has left behind."""

    out: Path
    report: PullReport
    header: Header
    reproduced: lock.Reproduced | None = None
    """How the folder compares with the lock that it was pulled by, where there was one."""


class Client:
    """A release at some addresses; made by `connect`."""

    def __init__(
        self,
        trusted: Trusted,
        newest: Trusted,
        *,
        sources: Mapping[str, tuple[Kind, Source]],
        typed: Mapping[str, str],
        access: Access,
        opened: contextlib.AsyncExitStack,
        report: Report,
    ) -> None:
        self.trusted = trusted
        self._newest = newest
        self._sources = sources
        self._typed = typed
        self._access = access
        self._opened = opened
        self._report = report

    async def index(self) -> Path:
        """Where the index of the release lies."""
        return await self.trusted.index()

    def rendition(self, name: str | None = None) -> RenditionEntry:
        """A rendition by its name; the originals where it is left out.

        Raises:
            IncompleteBuild: the release has none of that name.
        """
        entries = self.trusted.root.renditions
        for entry in entries:
            if entry.name == name or (name is None and entry.made_from is None):
                return entry
        raise IncompleteBuild(
            f"release {self.trusted.release}: has no rendition {escape(name or '')}",
            hint=f"It has {', '.join(entry.name for entry in entries)}.",
        )

    async def select(self, ids: npt.ArrayLike, rendition: str | None = None) -> Selection:
        """Find the files of posts of the rendition's site."""
        chosen = self.rendition(rendition)
        table = filetables.open_files(await self.trusted.file_table(chosen.name))
        found = await asyncio.to_thread(table.find, ids)
        lists = [await self.trusted.withdrawn()]
        if self._newest.root_sha256 != self.trusted.root_sha256:
            lists.append(await self._newest.withdrawn())
        taken = frozenset(post for known in lists for site, post in known.posts if site == chosen.site)
        return Selection(rendition=chosen, found=found, taken_back=taken, here=np.zeros(len(found.ids), np.bool_))

    def plan(self, selection: Selection, form: Form, *, out: Path | None = None, use: Use | None = None) -> Plan:
        """Choose who carries what of a selection has to come.

        Args:
            selection: the files.
            form: what becomes of them.
            out: the folder that they go to, whose disk is asked for room.
            use: which sources.

        Raises:
            PlanError: no source may be used, or knows the files.
        """
        use = (use or Use()).spelt(self._typed)
        return plan(
            selection.absent,
            self.trusted.root.volumes,
            self.offers(use),
            piece_length=selection.rendition.piece_length,
            withdrawn=selection.taken_back,
            transports=use.only,
            forbid=use.forbid,
            prefer=use.prefer,
            limit=self._access.limit_rate,
            transform=form.transform,
            keep_originals=form.originals,
            free=None if out is None else _free(out),
        )

    def offers(self, use: Use) -> list[Offer]:
        """The sources as a plan knows them: those that are believed, and others that are named for it.

        A source whose documents nobody believes may still have the files, which are verified one by one.
        """
        named = {*use.only, *use.prefer}
        offers = [
            Offer(kind=kind, address=address)
            for address, (kind, _) in self._sources.items()
            if address not in self.trusted.unheard or address in named
        ]
        if self._access.swarm is not None:
            volumes = frozenset(volume.name for volume in self.trusted.root.volumes if volume.torrent is not None)
            offers.append(Offer(kind="torrent", address=SWARM, volumes=volumes))
        return offers

    async def pull(
        self,
        selection: Selection,
        chosen: Plan,
        out: Path,
        *,
        form: Form,
        origin: Origin | None = None,
        use: Use | None = None,
        jobs: int | None = None,
        index: Index | None = None,
        by: Lock | None = None,
    ) -> Pulled:
        """Bring a folder to hold a selection, and write its lock.

        Args:
            selection: the files.
            chosen: who carries what.
            out: the folder.
            form: what becomes of the files.
            origin: how the posts were chosen.
            use: which sources may step in where the planned one fails.
            jobs: processes that decode.
            index: of the release; what the folder keeps of its posts comes from it.
            by: the lock that the folder is to agree with.

        Raises:
            PlanError: there is nothing to pull, nobody may be asked for it, or the disk is too small.
            StoreError: the folder cannot be written.
        """
        self._allow(selection, chosen)
        with Store(out, report=self._report) as store:
            report = await pipeline.pull(
                selection.files(chosen),
                await self._transports(use or Use()),
                store,
                form=form,
                compose=_by_plan(chosen.carriers()),
                jobs=jobs,
                total=len(selection.ids),
                report=self._report,
            )
            same = None if by is None else lock.reproduced(by.entries(), store.entries())
            header = lock.write(out / LOCK, self._header(selection, form, origin or Origin()), store.entries)
            if index is not None:
                found = Subset.from_ids(index, selection.ids.tolist(), selection.rendition.site)
                await asyncio.to_thread(posts.keep, out, index, found)
        return Pulled(out=out, report=report, header=header, reproduced=same)

    async def repair(
        self,
        selection: Selection,
        chosen: Plan,
        lock_: Lock,
        *,
        problems: Iterable[Problem],
        use: Use | None = None,
        jobs: int | None = None,
    ) -> Pulled:
        """Fetch again what a verification of a folder found missing or damaged; the rest is left alone.

        Args:
            selection: the files of the posts concerned.
            chosen: who carries what.
            lock_: of the folder.
            problems: of the verification.
            use: which sources may step in.
            jobs: processes that decode.

        Raises:
            PlanError: none of the posts has a file, nobody may be asked for it, or the disk is too small.
            StoreError: the folder cannot be written.
        """
        self._allow(selection, chosen)
        out = lock_.path.parent
        with Store(out, report=self._report) as store:
            report = await subset.repair(
                selection.files(chosen),
                await self._transports(use or Use()),
                store,
                problems,
                form=lock_.form,
                compose=_by_plan(chosen.carriers()),
                jobs=jobs,
                report=self._report,
            )
            header = lock.write(lock_.path, lock_.header, store.entries)
        return Pulled(out=out, report=report, header=header)

    def _allow(self, selection: Selection, chosen: Plan) -> None:
        """See that a plan can be carried out.

        Raises:
            PlanError: it cannot.
        """
        refusal = chosen.room.refusal() if selection.here.any() else chosen.refusal()
        if refusal is not None:
            raise refusal
        if self._access.offline and any(share.kind != "local" for share in chosen.shares):
            raise NoSource(
                f"{chosen.files:,} files are not on this machine, and nobody may be asked",
                hint="Run the command without --offline.",
            )

    def _header(self, selection: Selection, form: Form, origin: Origin) -> Header:
        root = self.trusted.root
        return Header(
            dataset=LockedDataset(id=root.dataset.id, name=root.dataset.name),
            release=root.release,
            sequence=root.sequence,
            root_sha256=self.trusted.root_sha256,
            keys=self.trusted.keys,
            rendition=selection.rendition.name,
            query=origin.query,
            canonical=origin.canonical,
            seed=origin.seed,
            now=origin.now,
            timezone=origin.timezone,
            layout=form.layout,
            transform=None if form.transform is None else dict(form.transform.to_dict()),
            originals=form.originals,
            generator=f"tagswarm {VERSION}",
        )

    async def _transports(self, use: Use) -> dict[str, Transport]:
        """The sources that may be used, by their addresses; only here a swarm is joined."""
        use = use.spelt(self._typed)
        found: dict[str, Transport] = {}
        for offer in self.offers(use):
            if (use.only and not offer.is_one_of(use.only)) or offer.is_one_of(use.forbid):
                continue
            if self._access.offline and offer.kind != "local":
                continue
            if self._access.swarm is not None and offer.kind == "torrent":
                found[offer.address] = await self._swarm(self._access.swarm)
            else:
                found[offer.address] = self._sources[offer.address][1]
        return found

    async def _swarm(self, settings: Settings) -> Transport:
        from .swarm import Swarm  # noqa: PLC0415 - libtorrent is loaded where a swarm is joined
        from .transports.torrent import TorrentTransport  # noqa: PLC0415

        loop = asyncio.get_running_loop()

        def torrent(volume: str) -> bytes:
            try:
                return asyncio.run_coroutine_threadsafe(self.trusted.torrent(volume), loop).result()
            except TagswarmError as failure:
                raise KeyError(volume) from failure

        swarm = await asyncio.to_thread(Swarm, settings)
        self._opened.push_async_callback(asyncio.to_thread, swarm.close)
        return TorrentTransport(swarm, torrent, peers=self._access.peers)


@contextlib.asynccontextmanager
async def connect(access: Access, *, today: date, report: Report = silent) -> AsyncIterator[Client]:
    """Open a dataset at its addresses; what was opened is closed with the block.

    Args:
        access: where, and whom to believe.
        today: what freshness is judged by.
        report: receives the events.

    Raises:
        TrustError: no address can be believed.
        TransportError: none answers.
        FormatError: a document is malformed.
        StoreError: the cache cannot be used.
    """
    rate = Rate(access.limit_rate)
    async with contextlib.AsyncExitStack() as opened:
        sources: dict[str, tuple[Kind, Source]] = {}
        typed: dict[str, str] = {}
        for address in dict.fromkeys(access.addresses):
            source, kind = open_source(address, rate=rate), kind_of(address)
            opened.push_async_callback(source.aclose)
            typed[address] = source.address
            sources[source.address] = kind, source
        if not sources:
            raise TransportError("no address of a dataset is given", hint="Name one with --from.")
        places = [Path(address) if kind == "local" else source for address, (kind, source) in sources.items()]

        async def release(name: str | None) -> Trusted:
            return await open_release(
                places,
                cache=Cache(access.cache),
                memory=Memory(access.trust_file),
                release=name,
                keys=access.keys,
                pin=access.pin if name == access.release else None,
                offline=access.offline,
                strict_freshness=access.strict_freshness,
                today=today,
                report=report,
            )

        trusted = await release(access.release)
        for note in trusted.notes:
            report(Notice(note, "info"))
        newest = trusted if access.release is None else await _newest(release, trusted)
        yield Client(trusted, newest, sources=sources, typed=typed, access=access, opened=opened, report=report)


async def _newest(release: Callable[[str | None], Awaitable[Trusted]], trusted: Trusted) -> Trusted:
    """The newest release, for what it takes back of older ones; the named one where that cannot be had."""
    try:
        return await release(None)
    except TagswarmError:
        return trusted


def _by_plan(carriers: Mapping[str, str]) -> pipeline.Compose:
    """Every volume comes from the source that the plan gave it to; what fails there is asked of the others."""

    def compose(sources: Mapping[str, Transport]) -> Transport:
        teams = {
            first: Retrying(
                Failover(
                    sorted(sources.values(), key=lambda source: source is not sources.get(first)),
                    width=pipeline.SLICE_FILES,
                )
            )
            for first in {*carriers.values(), ANYBODY}
        }
        # A file that a look at the folder took for being here may have to come after all: anybody is asked for it.
        return Parallel(teams, lambda item: carriers.get(item.volume, ANYBODY))

    return compose


def _free(out: Path) -> int:
    """Bytes that are free where a folder is or will be."""
    place = out.absolute()
    while not place.exists():
        place = place.parent
    return shutil.disk_usage(place).free
