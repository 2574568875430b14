"""What a process of `resize.py` does for one image: the same as ImageMagick's convert, by the means of a release."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from tagswarm.imaging.resize import PRESETS, Rendered, render

WHITE = replace(PRESETS["512px"], background="white")
"""As the peer does, so that both are held against one reference."""


def resize(task: tuple[str, str]) -> str | None:
    """Render a file to 512px into another; returns what is wrong with it."""
    source, target = task
    made = render(Path(source).read_bytes(), WHITE)
    if not isinstance(made, Rendered):
        return made.reason
    Path(target).write_bytes(made.data)
    return None
