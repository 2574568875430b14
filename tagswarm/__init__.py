"""Publish, mirror and use large tagged image collections.

`tagswarm.open` opens a release, `Release.query` answers with a `Subset` of its posts, and everything that can go wrong
is a `TagswarmError`. The names are loaded when they are first used, so that `import tagswarm` costs nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tagswarm.manifests.errors import TagswarmError
from tagswarm.manifests.version import VERSION

if TYPE_CHECKING:
    from tagswarm.manifests.errors import QueryError
    from tagswarm.opening import Release
    from tagswarm.opening import open_release as open  # noqa: A004 - tagswarm.open is the name
    from tagswarm.tagindex.subset import Subset

__version__ = VERSION

__all__ = ["QueryError", "Release", "Subset", "TagswarmError", "__version__", "open"]

_PLACES = {
    "QueryError": ("tagswarm.manifests.errors", "QueryError"),
    "Release": ("tagswarm.opening", "Release"),
    "Subset": ("tagswarm.tagindex.subset", "Subset"),
    "open": ("tagswarm.opening", "open_release"),
}


if not TYPE_CHECKING:  # a type checker that saw it would let every name pass

    def __getattr__(name: str) -> object:
        """Load a public name (PEP 562)."""
        if name not in _PLACES:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        from importlib import import_module  # noqa: PLC0415 - see above

        module, attribute = _PLACES[name]
        value: object = getattr(import_module(module), attribute)
        globals()[name] = value
        return value


def __dir__() -> list[str]:
    return sorted(__all__)
