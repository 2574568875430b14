"""One process of `resize.py`: render every file of a list to 512px into a folder; imports what a worker does."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

from tagswarm.imaging.resize import PRESETS, Rendered, render

WHITE = replace(PRESETS["512px"], background="white")
"""As the peer does, so that both are held against one reference."""


def main() -> None:
    listing, target = Path(sys.argv[1]), Path(sys.argv[2])
    for line in listing.read_text().splitlines():
        path = Path(line)
        made = render(path.read_bytes(), WHITE)
        assert isinstance(made, Rendered), (path, made)
        (target / f"{path.stem}.jpg").write_bytes(made.data)


if __name__ == "__main__":
    main()
