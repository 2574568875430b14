"""numpy, loaded when it is first used.

Loading it takes longer than everything else that `tagswarm count` does, and most queries, those of frequent tags, words
and flags, need no array. The modules that a query goes through import `np` and `npt` from here; types of arrays that
they name at their top are written as text.

Nothing here computes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
else:
    from importlib import import_module

    class _Late:
        """Stands for a module until something of it is asked for, and keeps what was."""

        def __init__(self, name: str) -> None:
            self._name = name

        def __getattr__(self, name: str) -> object:
            value = getattr(import_module(self._name), name)
            setattr(self, name, value)
            return value

    np, npt = _Late("numpy"), _Late("numpy.typing")

__all__ = ["np", "npt"]
