"""Which source carries which volume, so that all of them are done soonest.

Sources work side by side; so a mix of them takes as long as the busiest one. For every mix of a few sources each volume
goes to the one that needs the fewest seconds for it. Then the busiest hands volumes to the others for as long as both
are done sooner, first those that cost the other least in proportion: of two sources this misses the best by less than a
volume, of more it is good. A source takes only what costs it at most twice the seconds of the best, so that nobody
fetches from far away what lies next door. The cheapest mix wins.

Pure: costs in, a choice out. What a second is made of is said by `plan`, what sources are like by `offers`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import numpy.typing as npt

SOURCES = 3
"""Sources of a mix that is tried, beside all of them together: of up to four sources, every mix is. Of more, the best
mix grows by one source at a time while that is cheaper."""

HELP = 2.0
"""How many times the seconds of the best source a volume may cost the source that helps out."""

WORTH = 0.05
"""The part of the seconds that each further source on the line has to save: it is another thing that may fail."""

SOONER = 1 - 1e-9
"""What volumes are not handed over for: the last digits of a float, which would never come to an end."""

Seconds = npt.NDArray[np.float64]
Choice = npt.NDArray[np.intp]


@dataclass(frozen=True, slots=True, eq=False)
class Costs:
    """What every source would need for every volume."""

    seconds: Seconds
    """By source and volume; infinite where it cannot carry it."""
    moved: npt.NDArray[np.int64]
    """Bytes, by source and volume; they decide where the seconds are the same."""
    start: Seconds
    """By source: before its first byte, once."""
    host: npt.NDArray[np.intp]
    """By source: a number of whose line it uses; sources of one host take turns."""
    line: npt.NDArray[np.bool_]
    """By source: whether its bytes come over the one line of this machine."""
    limit: float = 0.0
    """Bytes a second of that line; 0 is none."""


def choose(costs: Costs) -> Choice:
    """The source of every volume, by its number; each volume must have one that can carry it."""
    best = _cheapest(costs, _mixes(len(costs.start)))
    while True:  # of many sources not every mix was tried: let the best one grow
        used = set(np.unique(best).tolist())
        further = (tuple(sorted(used | {source})) for source in range(len(costs.start)) if source not in used)
        grown = _cheapest(costs, further, best)
        if grown is best:
            return best
        best = grown


def _cheapest(costs: Costs, mixes: Iterable[tuple[int, ...]], known: Choice | None = None) -> Choice:
    """The cheapest choice that these mixes allow; the known one where none of them is cheaper."""
    tried = [] if known is None else [known]
    tried += [choice for mix in mixes if (choice := _assign(costs, mix)) is not None]
    return min(tried, key=lambda choice: _cost(costs, choice))


def duration(costs: Costs, choice: Choice) -> float:
    """Seconds until the last source is done, and no fewer than the line takes for the bytes of all."""
    used = np.unique(choice)
    loads = costs.start + _sums(costs.seconds, choice)
    slowest = float(np.bincount(costs.host[used], weights=loads[used]).max(initial=0.0))
    if not costs.limit:
        return slowest
    moved = costs.moved[choice, np.arange(len(choice))]
    return max(slowest, float(moved[costs.line[choice]].sum()) / costs.limit)


def _mixes(count: int) -> Iterator[tuple[int, ...]]:
    sources = range(count)
    for size in range(1, min(SOURCES, count) + 1):
        yield from combinations(sources, size)
    if count > SOURCES:
        yield tuple(sources)


def _cost(costs: Costs, choice: Choice) -> tuple[float, int, tuple[int, ...]]:
    """What is compared of mixes: seconds with what further sources must save, then bytes, then the nearer sources."""
    used = np.unique(choice)
    seconds = duration(costs, choice) * (1 + WORTH * max(int(costs.line[used].sum()) - 1, 0))
    return seconds, int(costs.moved[choice, np.arange(len(choice))].sum()), tuple(used.tolist())


def _assign(costs: Costs, mix: tuple[int, ...]) -> Choice | None:
    """The source of every volume among those of a mix; None where one has no source."""
    sources = np.array(mix)
    seconds = costs.seconds[sources]
    best = seconds.min(axis=0)
    if not np.isfinite(best).all():
        return None
    moved = np.where(seconds == best, costs.moved[sources], np.iinfo(np.int64).max)
    return sources[_balance(seconds, costs.start[sources], costs.host[sources], moved.argmin(axis=0))]


def _balance(seconds: Seconds, start: Seconds, host: npt.NDArray[np.intp], choice: Choice) -> Choice:
    """Hand volumes of the busiest source to others, until no hand-over lets both be done sooner than it was."""
    may_help = seconds <= HELP * seconds.min(axis=0)
    loads = start + _sums(seconds, choice)
    while True:
        used = np.unique(choice)
        busiest = int(used[loads[used].argmax()])
        for helper in np.argsort(loads, kind="stable").tolist():
            volumes = np.flatnonzero((choice == busiest) & may_help[helper])
            if host[helper] == host[busiest] or not volumes.size:
                continue
            gives, takes = seconds[busiest, volumes], seconds[helper, volumes]
            order = np.argsort(takes / np.maximum(gives, 1e-9), kind="stable")
            later = np.maximum(loads[helper] + takes[order].cumsum(), loads[busiest] - gives[order].cumsum())
            if later[last := int(later.argmin())] < loads[busiest] * SOONER:
                choice[volumes[order[: last + 1]]] = helper
                loads = start + _sums(seconds, choice)
                break
        else:
            return choice


def _sums(seconds: Seconds, choice: Choice) -> Seconds:
    weights = seconds[choice, np.arange(len(choice))]
    return np.bincount(choice, weights=weights, minlength=len(seconds)).astype(np.float64)
