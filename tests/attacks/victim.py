"""Who is attacked: a client with a memory and a cache of its own."""

from __future__ import annotations

import asyncio
import shutil
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from tagswarm.mirror.cache import Cache
from tagswarm.mirror.catalog import open_release
from tagswarm.mirror.memory import Memory, Trusts
from tagswarm.mirror.transports.base import Source
from tagswarm.mirror.trusted import Trusted

from .upstream import Tree, Upstream

TODAY = date(2027, 6, 1)


@dataclass
class Victim:
    """A client; `folder` holds all that it knows."""

    folder: Path

    @property
    def memory(self) -> Memory:
        return Memory(self.folder / "trust.json")

    @property
    def cache(self) -> Cache:
        return Cache(self.folder / "cache")

    @property
    def remembers(self) -> Trusts:
        return self.memory.read()

    def empty_cache(self) -> None:
        """Forget the documents, and nothing of what was seen."""
        shutil.rmtree(self.cache.folder, ignore_errors=True)

    def opens(self, *shown: Tree | Source | Path, **asked: Any) -> Trusted:
        """Open what is shown: trees at the usual address, or sources."""
        places = [Upstream(place) if isinstance(place, dict) else place for place in shown]
        options = {"cache": self.cache, "memory": self.memory, "today": TODAY, **asked}
        return asyncio.run(open_release(places, **options))
