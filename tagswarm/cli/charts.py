"""Histograms in a terminal: a row for each value, with a bar, its number and its share."""

from __future__ import annotations

from collections.abc import Iterable

from rich.console import Console
from rich.text import Text

from tagswarm.manifests.paths import escape

from .pointing import columns

BAR = 30
"""Columns of the longest bar; fewer in a narrow terminal."""
EIGHTHS = " ▏▎▍▌▋▊▉█"


def bar(part: int, most: int, width: int, *, ascii_only: bool = False) -> str:
    """A bar whose length is to `width` as `part` is to `most`; what is not zero is never empty."""
    eighths = max(round(8 * width * part / most), 1) if part and most else 0
    full, rest = divmod(eighths, 8)
    if ascii_only:
        return "#" * max(round(eighths / 8), bool(part))
    return "█" * full + (EIGHTHS[rest] if rest else "")


def histogram(console: Console, title: str, rows: Iterable[tuple[str, int, str]], total: int) -> None:
    """A histogram under its title; nothing where there are no rows.

    Args:
        console: where to.
        title: what the values are.
        rows: name, number and the number as text.
        total: what the shares are of.
    """
    named = [(escape(name), number, text) for name, number, text in rows]
    if not named:
        return
    label = max(columns(name) for name, _, _ in named)
    digits = max(len(text) for _, _, text in named)
    width = max(4, min(BAR, console.width - label - digits - 14))
    most = max(number for _, number, _ in named)
    ascii_only = not console.encoding.lower().startswith("utf")
    console.print(Text(title, "bold"), soft_wrap=True)
    for name, number, text in named:
        drawn = bar(number, most, width, ascii_only=ascii_only)
        share = f"{100 * number / total:5.1f} %" if total else ""
        gap = " " * (label - columns(name))
        line = Text.assemble(
            f"  {name}{gap}  {text:>{digits}}  ", (f"{share}  ", "bright_black"), (drawn, "cyan"), no_wrap=True
        )
        line.rstrip()
        console.print(line, soft_wrap=True)
