"""The plan of a pull: which source carries what, what that moves and how long it takes, before a byte is fetched.

Every volume comes from one source. What a source needs for it is seconds: of its requests, of setting up the volume, of
the bytes that are wanted, of those that come along unasked, and of the .torrent. `mix` chooses from these. Which files
are wanted is known as arrays, a row a file; their names and digests are not needed here.

Pure: no disk, no network, no clock; the same files, volumes and offers in any order make the same plan. Nothing here
fetches, measures a source or knows which swarms live: who makes the offers says that.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np

from tagswarm.imaging.transform import Transform
from tagswarm.manifests.errors import NoSource, NothingToPull, PlanError
from tagswarm.manifests.models import VolumeEntry
from tagswarm.manifests.paths import escape

from . import mix, room
from .bills import Bill
from .offers import Kind, Offer, allowed
from .room import Room
from .wanted import Files, Flags, Load

NAMED = 20
"""Posts without a file that a plan names; it counts them all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """What one source carries of one volume."""

    source: str
    """The address of the offer."""
    kind: Kind
    volume: str
    files: int
    bytes: int
    """Wanted."""
    moved: int
    """Bytes of the files and of what comes along with them."""
    torrent_bytes: int
    """Of the .torrent, where it has to be fetched first."""
    requests: int
    """As the source counts them: files, runs of rsync, .torrent files."""
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """What one source carries altogether."""

    source: str
    kind: Kind
    measured: bool
    """Whether its speed is more than an assumption."""
    volumes: int
    files: int
    bytes: int
    moved: int
    torrent_bytes: int
    requests: int
    seconds: float
    """With its start."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """Who carries what; every file is in exactly one part."""

    parts: tuple[Part, ...] = field(repr=False)
    """By the order of sources, then by volume."""
    shares: tuple[Share, ...]
    """Of the sources that carry something; together they are the whole."""
    alone: tuple[Share, ...] = field(repr=False)
    """What each source that may be used would need for all that it has of these, if it were the only one."""
    files: int
    bytes: int
    """Wanted."""
    moved: int
    torrent_bytes: int
    requests: int
    seconds: float
    """Until the last source is done; they work side by side, but those of one host take turns."""
    withdrawn: tuple[int, ...]
    """Posts that were asked for and have been taken back; they are left out."""
    absent: int
    """Posts without a file in this rendition."""
    absent_named: tuple[int, ...]
    """The first of them."""
    room: Room

    @property
    def volumes(self) -> int:
        """Volumes that are touched."""
        return len(self.parts)

    @property
    def overhead(self) -> float:
        """Bytes moved, .torrent files included, for every byte wanted; 1 where nothing is wanted."""
        return (self.moved + self.torrent_bytes) / self.bytes if self.bytes else 1.0

    def carriers(self) -> dict[str, str]:
        """The address of the source of each volume."""
        return {part.volume: part.source for part in self.parts}

    def refusal(self) -> PlanError | None:
        """Why it should not be carried out: there is nothing to fetch, or the disk is too small."""
        if self.files:
            return self.room.refusal()
        counts = [("posts without a file in this rendition", self.absent), ("posts taken back", len(self.withdrawn))]
        why = ", ".join(f"{what}: {count:,}" for what, count in counts if count) or "no post was asked for"
        return NothingToPull(f"there is nothing to fetch: {why}")


def plan(
    wanted: Files,
    volumes: Iterable[VolumeEntry],
    offers: Sequence[Offer],
    *,
    piece_length: int,
    withdrawn: Collection[int] = (),
    transports: Collection[str] = (),
    forbid: Collection[str] = (),
    prefer: Collection[str] = (),
    limit: float = 0.0,
    torrents: Collection[str] = (),
    transform: Transform | None = None,
    keep_originals: bool = False,
    free: int | None = None,
) -> Plan:
    """Choose the cheapest mix of sources.

    Args:
        wanted: the files: what `FileTable.find` found, or some of it.
        volumes: what the root says of the volumes; those that are not touched do no harm.
        offers: the sources.
        piece_length: of the torrents of the rendition, in bytes.
        withdrawn: posts of this site that were taken back; where they are wanted, they are left out and named.
        transports: the only kinds or addresses to be used; none stands for all.
        forbid: kinds or addresses that are not used.
        prefer: kinds or addresses that carry every volume they have, whatever it costs.
        limit: bytes a second that the line may carry; 0 is none.
        torrents: volumes whose .torrent is here already.
        transform: what is made of the files; None keeps them as they are.
        keep_originals: whether they stay beside what is made of them.
        free: bytes of the disk; None where nobody asked.

    Raises:
        NoSource: no source may be used, or volumes have none; they are in its `volumes`.
        PlanError: the release has no such volume, or a word is neither a transport nor a source.
    """
    taken_back = np.fromiter(withdrawn, np.int64, len(withdrawn))
    asked = np.concatenate((wanted.ids, wanted.missing))
    absent = np.unique(wanted.missing[~np.isin(wanted.missing, taken_back)])
    load = Load.of(wanted, ~np.isin(wanted.ids, taken_back), {entry.name: entry for entry in volumes})
    bills: list[Bill] = []
    if load.names:
        usable = allowed(offers, transports=transports, forbid=forbid, prefer=prefer)
        bills = [Bill.of(offer, load, piece_length=piece_length, torrents=torrents, limit=limit) for offer in usable]
    choice, seconds = _choose(load, bills, prefer, limit)
    shares = [_share(bill, load, choice == number) for number, bill in enumerate(bills)]
    parts = [
        _part(bill, load, volume)
        for number, bill in enumerate(bills)
        for volume in np.flatnonzero(choice == number).tolist()
    ]
    files, size = int(load.files.sum()), int(load.bytes.sum())
    return Plan(
        parts=tuple(parts),
        shares=tuple(share for share in shares if share.volumes),
        alone=tuple(_share(bill, load, bill.carried) for bill in bills),
        files=files,
        bytes=size,
        moved=sum(share.moved for share in shares),
        torrent_bytes=sum(share.torrent_bytes for share in shares),
        requests=sum(share.requests for share in shares),
        seconds=seconds,
        withdrawn=tuple(np.unique(asked[np.isin(asked, taken_back)]).tolist()),
        absent=len(absent),
        absent_named=tuple(absent[:NAMED].tolist()),
        room=Room(
            staging=_staging(bills, load, choice, makes_images=transform is not None),
            result=room.result(files, size, transform, keep_originals=keep_originals),
            estimated=transform is not None,
            free=free,
        ),
    )


def _choose(load: Load, bills: Sequence[Bill], prefer: Collection[str], limit: float) -> tuple[mix.Choice, float]:
    """The bill of every volume, by its number, and the seconds of the whole."""
    if not load.names:
        return np.zeros(0, np.intp), 0.0
    carried = np.array([bill.carried for bill in bills])
    if not (found := carried.any(axis=0)).all():
        orphans = [load.names[volume] for volume in np.flatnonzero(~found).tolist()]
        raise NoSource(
            f"{len(orphans):,} of {len(load.names):,} volumes have no source that may be used, the first: "
            f"{escape(orphans[0])}",
            volumes=orphans,
        )
    preferred = np.array([bill.offer.is_one_of(prefer) for bill in bills], np.bool_)[:, None]
    barred = (carried & preferred).any(axis=0) & ~preferred
    costs = mix.Costs(
        seconds=np.where(carried & ~barred, np.array([bill.seconds for bill in bills]), np.inf),
        moved=np.array([bill.moved + bill.torrent_bytes for bill in bills]),
        start=np.array([bill.offer.manner.start_seconds for bill in bills]),
        host=np.unique([bill.offer.host for bill in bills], return_inverse=True)[1],
        line=np.array([bill.offer.manner.network for bill in bills], np.bool_),
        limit=limit,
    )
    choice = mix.choose(costs)
    return choice, mix.duration(costs, choice)


def _part(bill: Bill, load: Load, volume: int) -> Part:
    return Part(
        source=bill.offer.address,
        kind=bill.offer.kind,
        volume=load.names[volume],
        files=int(load.files[volume]),
        bytes=int(load.bytes[volume]),
        moved=int(bill.moved[volume]),
        torrent_bytes=int(bill.torrent_bytes[volume]),
        requests=int(bill.requests[volume]),
        seconds=float(bill.seconds[volume]),
    )


def _share(bill: Bill, load: Load, volumes: Flags) -> Share:
    """What a source needs for some of the volumes; nothing, not even its start, where there are none."""
    count = int(volumes.sum())
    start = bill.offer.manner.start_seconds if count else 0.0
    return Share(
        source=bill.offer.address,
        kind=bill.offer.kind,
        measured=bill.offer.measured,
        volumes=count,
        files=int(load.files[volumes].sum()),
        bytes=int(load.bytes[volumes].sum()),
        moved=int(bill.moved[volumes].sum()),
        torrent_bytes=int(bill.torrent_bytes[volumes].sum()),
        requests=int(bill.requests[volumes].sum()),
        seconds=start + float(bill.seconds[volumes].sum()),
    )


def _staging(bills: Sequence[Bill], load: Load, choice: mix.Choice, *, makes_images: bool) -> int:
    """Bytes in staging at the peak.

    What is kept as it is gets a second name in the result and takes no further room here.
    """
    moved, peak = 0, 0
    for number, bill in enumerate(bills):
        mine = choice == number
        moved += int(bill.moved[mine].sum())
        held = bill.moved[mine] if makes_images else (bill.moved - load.bytes)[mine]
        match bill.offer.manner.holds:
            case "all":
                peak += int(held.sum())
            case "volume":
                peak += int(held.max(initial=0))
            case "window":
                pass
    return peak + min(room.WINDOW, moved)
