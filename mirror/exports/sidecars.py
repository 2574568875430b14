"""Images with a text file each, one tag a line, as Hydrus, Grabber and gallery-dl have it: `1000.jpg.txt`.

The extension of the image stays in the name, so that no two images share a text. Tags are as the booru spells them
unless spaces are asked for; namespaces tell characters, series and the rest apart. A general tag with a colon in it,
`re:zero`, looks like a namespace to some readers; it is left as it is.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from tagswarm.manifests.paths import BUCKETS
from tagswarm.manifests.records import Category

from .captions import Captions, rating_word
from .folder import Folder
from .sample import Sample, Skipped
from .style import KAOMOJI, one_line

NAMESPACES = {
    Category.CHARACTER: "character",
    Category.COPYRIGHT: "series",
    Category.ARTIST: "creator",
    Category.SPECIES: "species",
    Category.META: "meta",
}
"""The namespaces of Hydrus; other categories have none."""

ORDER = (*NAMESPACES, *sorted(set(Category) - set(NAMESPACES)))
"""The categories as they come in a file."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SidecarOptions:
    """How sidecars are written."""

    namespaces: bool = True
    """Write `character:`, `series:`, `creator:`, `species:`, `meta:` and `rating:`; without, no rating is written."""
    spaces: bool = False
    """Write spaces for underscores, but in kaomoji."""


def write(samples: Iterable[Sample], folder: Folder, options: SidecarOptions, _: Captions) -> Iterator[Skipped]:
    """Write the images and their texts, and yield what cannot be there."""
    for sample in samples:
        name = f"{sample.id % BUCKETS:04}/{sample.id}.{sample.extension}"
        skipped = folder.place(sample, name)
        if skipped is not None:
            yield skipped
            continue
        folder.write(f"{name}.txt", "".join(f"{line}\n" for line in dict.fromkeys(_lines(sample, options))).encode())


def _lines(sample: Sample, options: SidecarOptions) -> Iterator[str]:
    for category in ORDER:
        prefix = f"{NAMESPACES[category]}:" if options.namespaces and category in NAMESPACES else ""
        for name in sample.tags.get(category, ()):
            yield prefix + _text(name, spaces=options.spaces)
    if options.namespaces and (rating := rating_word(sample.post)):
        yield f"rating:{one_line(rating)}"


def _text(name: str, *, spaces: bool) -> str:
    text = one_line(name).strip()
    return text.replace("_", " ").strip() or text if spaces and name not in KAOMOJI else text
