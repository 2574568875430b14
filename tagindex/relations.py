"""What follows from implications.

They are applied to posts by the booru when they are approved, so no query expands them. Nothing here knows aliases.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable


def implied(name: str, step: Callable[[str], Iterable[str]]) -> list[str]:
    """Every tag that a tag implies, itself left out, sorted; `step` gives what active implications say of one tag."""
    reached: set[str] = set()
    ends = [name]
    while ends:
        fresh = set(step(ends.pop())) - reached
        reached |= fresh
        ends.extend(fresh)
    return sorted(reached - {name})
