"""Publish, mirror and use large tagged image collections.

`tagswarm.open` opens a release, `Release.query` answers with a `Subset` of its posts, and `Subset.pull` brings their
files into a folder, verified and resized, and returns a `Report`. Of such a folder `samples` gives the images, `export`
writes what a trainer reads, `verify` and `repair` look after it, and `pull_locked` makes it again elsewhere. Everything
that can go wrong is a `TagswarmError`.

The names are loaded when they are first used, so that `import tagswarm` costs nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tagswarm.manifests.errors import TagswarmError
from tagswarm.manifests.version import VERSION

if TYPE_CHECKING:
    from tagswarm.exporting import export
    from tagswarm.folders import apull_locked, arepair, pull_locked, repair, verify
    from tagswarm.manifests.errors import (
        FormatError,
        IntegrityError,
        PlanError,
        QueryError,
        StoreError,
        TransportError,
        TrustError,
    )
    from tagswarm.manifests.records import Category, Post
    from tagswarm.mirror.exports.registry import Exported
    from tagswarm.mirror.exports.style import CaptionStyle
    from tagswarm.mirror.plan import Plan
    from tagswarm.mirror.subset import SubsetReport
    from tagswarm.mirror.swarm import Settings as SwarmSettings
    from tagswarm.opening import Release
    from tagswarm.opening import open_release as open  # noqa: A004 - tagswarm.open is the name
    from tagswarm.report import Report
    from tagswarm.resizing import Resize
    from tagswarm.sample import Sample, samples
    from tagswarm.subset import Subset
    from tagswarm.ways import Reaching, Trusting, Ways

__version__ = VERSION

__all__ = [
    "CaptionStyle",
    "Category",
    "Exported",
    "FormatError",
    "IntegrityError",
    "Plan",
    "PlanError",
    "Post",
    "QueryError",
    "Reaching",
    "Release",
    "Report",
    "Resize",
    "Sample",
    "StoreError",
    "Subset",
    "SubsetReport",
    "SwarmSettings",
    "TagswarmError",
    "TransportError",
    "TrustError",
    "Trusting",
    "Ways",
    "__version__",
    "apull_locked",
    "arepair",
    "export",
    "open",
    "pull_locked",
    "repair",
    "samples",
    "verify",
]

_PLACES = {
    "CaptionStyle": ("tagswarm.mirror.exports.style", "CaptionStyle"),
    "Category": ("tagswarm.manifests.records", "Category"),
    "Exported": ("tagswarm.mirror.exports.registry", "Exported"),
    "FormatError": ("tagswarm.manifests.errors", "FormatError"),
    "IntegrityError": ("tagswarm.manifests.errors", "IntegrityError"),
    "Plan": ("tagswarm.mirror.plan", "Plan"),
    "PlanError": ("tagswarm.manifests.errors", "PlanError"),
    "Post": ("tagswarm.manifests.records", "Post"),
    "QueryError": ("tagswarm.manifests.errors", "QueryError"),
    "Reaching": ("tagswarm.ways", "Reaching"),
    "Release": ("tagswarm.opening", "Release"),
    "Report": ("tagswarm.report", "Report"),
    "Resize": ("tagswarm.resizing", "Resize"),
    "Sample": ("tagswarm.sample", "Sample"),
    "StoreError": ("tagswarm.manifests.errors", "StoreError"),
    "Subset": ("tagswarm.subset", "Subset"),
    "SubsetReport": ("tagswarm.mirror.subset", "SubsetReport"),
    "SwarmSettings": ("tagswarm.mirror.swarm", "Settings"),
    "TransportError": ("tagswarm.manifests.errors", "TransportError"),
    "TrustError": ("tagswarm.manifests.errors", "TrustError"),
    "Trusting": ("tagswarm.ways", "Trusting"),
    "Ways": ("tagswarm.ways", "Ways"),
    "apull_locked": ("tagswarm.folders", "apull_locked"),
    "arepair": ("tagswarm.folders", "arepair"),
    "export": ("tagswarm.exporting", "export"),
    "open": ("tagswarm.opening", "open_release"),
    "pull_locked": ("tagswarm.folders", "pull_locked"),
    "repair": ("tagswarm.folders", "repair"),
    "samples": ("tagswarm.sample", "samples"),
    "verify": ("tagswarm.folders", "verify"),
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
