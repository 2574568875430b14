"""What there is to say of a step that is under way: how far it is, how fast, how long it will take, in a given width.

Pure: time is handed in and text comes out. Names from outside are escaped.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

from tagswarm.manifests.events import StepAdvanced, StepFinished
from tagswarm.manifests.paths import escape

WINDOW = 15.0
"""Seconds that a rate looks back: long enough to be steady, short enough to follow a change."""
BAR = 24
"""Columns of the bar."""


@dataclass(slots=True)
class Step:
    """How far one step is, and how fast it has been of late."""

    name: str
    total: int | None
    unit: str
    began: float
    """Seconds of the clock that is handed in; so are all times here."""
    total_bytes: int | None = None
    done: int = 0
    bytes: int = 0
    item: str = ""
    samples: deque[tuple[float, int, int]] = field(default_factory=deque)
    """Time, units and bytes at a few moments within the window, the oldest first."""

    def advance(self, event: StepAdvanced, now: float) -> None:
        """Take in how far the step has come."""
        self.done, self.bytes, self.item = event.done, event.bytes, event.item
        # The first event is where rates begin: what an earlier run did already says nothing of the speed of this one.
        if not self.samples or now - self.samples[-1][0] >= WINDOW / 50:
            self.samples.append((now, event.done, event.bytes))
        while len(self.samples) > 2 and now - self.samples[0][0] > WINDOW:
            self.samples.popleft()

    def rate(self, now: float) -> tuple[float, float]:
        """Units and bytes a second."""
        if not self.samples:
            return 0.0, 0.0
        since, done, size = self.samples[0]
        seconds = max(now - since, 1e-6)
        return max(0, self.done - done) / seconds, max(0, self.bytes - size) / seconds

    def left(self, now: float) -> float | None:
        """Seconds until the total is reached at this rate; None where nobody can tell."""
        rate, speed = self.rate(now)
        if now - self.began < 1:
            return None
        if self.total is not None and rate > 0:
            return max(0, self.total - self.done) / rate
        if self.total is None and self.total_bytes is not None and speed > 0:
            return max(0, self.total_bytes - self.bytes) / speed
        return None

    @property
    def fraction(self) -> float | None:
        """How much of it is done, 0 to 1; None where nobody can tell."""
        if self.total is None:
            return min(1.0, self.bytes / self.total_bytes) if self.total_bytes else None
        return min(1.0, self.done / self.total) if self.total else None


def amount(count: int) -> str:
    """Bytes for people, in powers of ten: `3.2 GB`."""
    size = float(count)
    for unit in ("bytes", "kB", "MB", "GB"):
        if size < 999.5:
            return f"{size:.0f} {unit}" if unit == "bytes" or size >= 99.95 else f"{size:.1f} {unit}"
        size /= 1000
    return f"{size:.1f} TB"


def units(count: int, unit: str) -> str:
    """A count with its unit, which is given in the plural."""
    if count == 1:
        unit = f"{unit.removesuffix('ies')}y" if unit.endswith("ies") else unit.removesuffix("s")
    return f"{count:,} {unit}"


def duration(seconds: float) -> str:
    """Seconds for people: `0:09`, `1:02:03`."""
    minutes, second = divmod(round(seconds), 60)
    hours, minute = divmod(minutes, 60)
    return f"{hours}:{minute:02}:{second:02}" if hours else f"{minute}:{second:02}"


def bar(fraction: float, *, ascii_only: bool = False) -> tuple[str, str]:
    """The full and the empty part of a bar."""
    full = round(min(max(fraction, 0.0), 1.0) * BAR)
    return ("#" * full, "." * (BAR - full)) if ascii_only else ("━" * full, "─" * (BAR - full))


def parts(step: Step, now: float, width: int, *, ascii_only: bool = False) -> list[tuple[str, str]]:
    """What to show of a step in `width` columns, as pieces of text, each with the word of its style.

    The name and how far it is always show; the bar, the time left, the rates and the current item follow while they
    fit.
    """
    rate, speed = step.rate(now)
    fraction = step.fraction
    left = step.left(now)
    # Each with the order in which it is given up when the columns run out, the last ones first.
    wanted: list[tuple[int, str, str]] = [(0, "name", escape(step.name))]
    if fraction is not None:
        full, empty = bar(fraction, ascii_only=ascii_only)
        wanted += [(4, "full", full), (4, "empty", empty), (1, "percent", f"{fraction:4.0%}")]
    if step.total is not None:
        wanted.append((2, "count", f"{step.done:,}/{units(step.total, step.unit)}"))
    elif step.done:
        wanted.append((1, "count", units(step.done, step.unit)))
    if step.bytes:
        wanted.append((6, "count", amount(step.bytes)))
    if speed:
        wanted.append((5, "rate", f"{amount(round(speed))}/s"))
    elif rate:
        wanted.append((5, "rate", f"{rate:,.0f} {step.unit}/s"))
    if left is not None:
        wanted.append((3, "left", f"{duration(left)} left"))
    elif fraction is None:
        wanted.append((3, "left", duration(now - step.began)))
    if step.item:
        wanted.append((7, "item", escape(step.item)))
    while len(wanted) > 1 and _columns(wanted) > width:
        last = max(order for order, _, _ in wanted)
        wanted = [part for part in wanted if part[0] != last]
    pieces: list[tuple[str, str]] = []
    for _, style, text in wanted:
        if pieces and style != "empty":
            pieces.append(("  ", ""))
        pieces.append((text, style))
    return pieces


def _columns(wanted: list[tuple[int, str, str]]) -> int:
    gaps = sum(2 for _, style, _ in wanted[1:] if style != "empty")
    return gaps + sum(_width(text) for _, _, text in wanted)


def _width(text: str) -> int:
    if text.isascii():
        return len(text)
    from rich.cells import cell_len  # noqa: PLC0415 - rich is loaded only where it is needed

    return cell_len(text)


def finished(event: StepFinished, step: Step | None, now: float) -> str:
    """What came of a step that is done, without its name."""
    said = [units(event.done, step.unit if step else "files")] if event.done else []
    if event.bytes:
        said.append(amount(event.bytes))
    if step and event.done and now - step.began >= 1:
        said.append(f"in {duration(now - step.began)}")
    if event.note:
        said.append(escape(event.note))
    return ", ".join(said) or "nothing to do"
