"""Which volumes of a release a mirror wants."""

from __future__ import annotations

from dataclasses import dataclass
from fnmatch import fnmatchcase

from tagswarm.manifests.models import Root, VolumeEntry


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """Which volumes of a release are wanted."""

    names: tuple[str, ...] = ()
    """Patterns of a shell, one of which the name must match; all where there are none."""
    renditions: tuple[str, ...] = ()
    most: int | None = None
    """At most so many of those that lie there, the first by name."""

    def of(self, root: Root) -> list[VolumeEntry]:
        """The volumes of a release, sorted by name, that are chosen by name and rendition."""
        return [
            volume
            for volume in sorted(root.volumes, key=lambda volume: volume.name)
            if (not self.names or any(fnmatchcase(volume.name, name) for name in self.names))
            and (not self.renditions or volume.rendition in self.renditions)
        ]
