"""The few shapes that every page for people is made of: a sentence, a paragraph set in, pairs, a table.

All of them fold or wrap in a narrow terminal and none reads markup.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Sequence

from rich.console import Console, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text


def say(console: Console, style: str, text: str) -> None:
    """A sentence; the terminal wraps it, so that a path in it can be copied."""
    console.print(Text(text, style), soft_wrap=True)


def indented(console: Console, text: Text, columns: int) -> None:
    """A paragraph whose lines all begin in the same column."""
    _draw(console, Padding(text, (0, 0, 0, columns)))


def pairs(console: Console, rows: Iterable[tuple[str, str]]) -> None:
    """Names and values in two columns; rows without a value are left out, and a long value goes on below itself."""
    grid = Table.grid(padding=(0, 2, 0, 0))
    grid.add_column(style="bright_black", no_wrap=True)
    grid.add_column(overflow="fold")
    for name, value in rows:
        if value:
            grid.add_row(Text(f"  {name}"), Text(value))
    _draw(console, grid)


def table(
    console: Console,
    head: Sequence[str],
    rows: Iterable[Sequence[str]],
    *,
    left: int = 1,
    numbers: Container[int] | None = None,
) -> None:
    """A table. Nothing is shown where there are no rows.

    Args:
        console: where to.
        head: the titles of the columns.
        rows: as many cells each.
        left: the first columns hold words, and the others numbers.
        numbers: which columns hold numbers, counted from 0, where it is not the last ones.
    """
    grid = Table(box=None, padding=(0, 2, 0, 0), header_style="bright_black", pad_edge=False)
    grid.add_column("")
    for number, title in enumerate(head):
        right = number >= left if numbers is None else number in numbers
        grid.add_column(title, justify="right" if right else "left", overflow="fold")
    for row in rows:
        grid.add_row("", *(Text(cell) for cell in row))
    if grid.rows:
        _draw(console, grid)


def _draw(console: Console, shape: RenderableType) -> None:
    """Print a shape; in a file or a pipe without the blanks that fill its lines."""
    if console.is_terminal:
        console.print(shape)
        return
    with console.capture() as captured:
        console.print(shape)
    say(console, "", "\n".join(line.rstrip() for line in captured.get().splitlines()))
