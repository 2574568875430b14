"""Publish, mirror and use large tagged image collections."""

from tagswarm.manifests.errors import TagswarmError
from tagswarm.manifests.version import VERSION

__version__ = VERSION

__all__ = ["TagswarmError", "__version__"]
