"""Who can carry which volumes, and what that costs: the offers that a plan chooses from.

A cost is seconds: for every request, for setting up a volume, for starting at all, and for every byte at a rate. What
nobody has measured is assumed, the same for everybody; `MANNERS` says what and why. Nothing here asks a source.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from math import inf
from types import MappingProxyType
from typing import Literal

from tagswarm.manifests.errors import NoSource, PlanError
from tagswarm.manifests.merkle import BLOCK
from tagswarm.manifests.paths import escape

Kind = Literal["local", "http", "s3", "rsync", "torrent"]
"""How a source is spoken to."""

Packed = Literal[
    "ranges",  # a member alone
    "pieces",  # every piece of the torrent that it touches
    "archives",  # the whole archive around it
    "none",  # not at all
]
"""What is moved to have a member of an archive."""

Holds = Literal[
    "window",  # what is under way or waits to be written
    "volume",  # what it moves of one volume
    "all",  # everything it moves, until the end
]
"""What lies in staging at a time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Manner:
    """How sources of one kind work, and what is assumed of them."""

    rate: float
    """Bytes a second."""
    request_seconds: float
    """Of a request while as many run as usual: its latency divided by their number."""
    volume_seconds: float = 0.0
    """To set up a volume, or a run for a list of its files."""
    start_seconds: float = 0.0
    """Before the first byte, once."""
    run_files: int = 0
    """Files of a request that carries a list; 0 where a request carries one file."""
    block: int = 1
    """Bytes in whose multiples a loose file comes."""
    packed: Packed = "ranges"
    holds: Holds = "window"
    network: bool = True
    """Whether its bytes come over the line of this machine."""


MANNERS: Mapping[Kind, Manner] = MappingProxyType(
    {
        # A copy from a disk that is not the fastest; a link is quicker still.
        "local": Manner(rate=300e6, request_seconds=0.0005, network=False),
        # One volunteer's web server: 32 Mbit/s for each of its users, 0.1 s a request, 16 of them at a time.
        "http": Manner(rate=4e6, request_seconds=0.1 / 16, start_seconds=0.3),
        # A storage service: more bytes a second, and a slower first byte.
        "s3": Manner(rate=10e6, request_seconds=0.16 / 16, start_seconds=0.5),
        # The same line as the web server. A run takes a connection, a list and a look at every file named in it; no
        # request a file. A member of an archive is nothing that rsync knows.
        "rsync": Manner(
            rate=4e6, request_seconds=0.0, volume_seconds=1.0, run_files=5_000, packed="none", holds="volume"
        ),
        # A few seeders together. Peers are found in some 10 s, by 100 volumes at a time. The last block of a file is
        # always whole, and a piece of an archive too.
        "torrent": Manner(
            rate=8e6,
            request_seconds=0.0,
            volume_seconds=0.1,
            start_seconds=10.0,
            block=BLOCK,
            packed="pieces",
            holds="all",
        ),
    }
)
"""What each kind is assumed to be like, far from the publisher and on a usual day."""

_HOST = re.compile(r"\[[^]]*\]|[^/:]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """A source, the volumes it has, and what is known of its speed."""

    kind: Kind
    address: str
    """As it is shown: without credentials, and no two offers have the same."""
    volumes: frozenset[str] | None = None
    """The names of those it has; None stands for all."""
    rate: float | None = None
    """Bytes a second, as measured or as limited; None where nobody knows."""
    request_seconds: float | None = None
    """Of a request among as many as usual, as measured; None where nobody knows."""
    packed: Packed | None = None
    """What is moved for a member of an archive, where it is not what its kind does: a web server without ranges."""

    def __post_init__(self) -> None:
        for name, value, least in (("rate", self.rate, 1.0), ("seconds of a request", self.request_seconds, 0.0)):
            if value is not None and not least <= value < inf:
                raise PlanError(
                    f"{escape(self.address)}: {value} is no {name}", hint="Measure again, or leave the source out."
                )

    @property
    def manner(self) -> Manner:
        """How sources of its kind work."""
        return MANNERS[self.kind]

    @property
    def members(self) -> Packed:
        """What is moved to have a member of an archive."""
        return self.packed or self.manner.packed

    @property
    def measured(self) -> bool:
        """Whether its rate is more than an assumption."""
        return self.rate is not None

    @property
    def host(self) -> str:
        """Whose line it uses: two sources of one host are no faster than one; trees and swarms are hosts themselves."""
        if self.kind in {"local", "torrent"}:
            return self.address
        rest = self.address.partition("://")[2] or self.address
        found = _HOST.match(rest)
        return found[0].casefold() if found else rest

    @property
    def order(self) -> tuple[int, str]:
        """The nearest kind first; it decides where nothing else does."""
        return list(MANNERS).index(self.kind), self.address

    def seconds_a_byte(self, limit: float) -> float:
        """Of the rate, where the line lets it be that fast; 0 is no limit."""
        rate = self.manner.rate if self.rate is None else self.rate
        return 1 / (min(rate, limit) if limit and self.manner.network else rate)

    def is_one_of(self, words: Collection[str]) -> bool:
        """Whether its kind or its address is among the words."""
        return self.kind in words or self.address in words


def allowed(
    offers: Sequence[Offer],
    *,
    transports: Collection[str] = (),
    forbid: Collection[str] = (),
    prefer: Collection[str] = (),
) -> tuple[Offer, ...]:
    """The offers that a person lets us use, the nearest kind first, whatever their order was.

    Args:
        offers: all of them; the same one twice is one.
        transports: the only kinds or addresses to be used; none stands for all.
        forbid: kinds or addresses that are not used.
        prefer: kinds or addresses that go first; they are only looked at.

    Raises:
        PlanError: a word is neither a kind nor the address of an offer, or two offers have one address.
        NoSource: none is left.
    """
    known = sorted(set(offers), key=lambda offer: offer.order)
    addresses = Counter(offer.address for offer in known)
    if twice := [address for address, count in addresses.items() if count > 1]:
        raise PlanError(f"{escape(twice[0])} is named twice, and differently", hint="Name every source once.")
    for word in sorted({*transports, *forbid, *prefer} - MANNERS.keys() - addresses.keys()):
        raise PlanError(f"{escape(word)} is no transport and no source", hint=f"There are {', '.join(MANNERS)}.")
    left = [offer for offer in known if not transports or offer.is_one_of(transports)]
    left = [offer for offer in left if not offer.is_one_of(forbid)]
    if not left:
        kinds = ", ".join(dict.fromkeys(offer.kind for offer in known))
        raise NoSource(f"none of the sources may be used: there is {kinds}" if kinds else "no source is known")
    return tuple(left)
