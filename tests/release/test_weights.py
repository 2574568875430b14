"""The index of a release: it knows every post and what each rendition weighs, also where files were carried over."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tagswarm.manifests import codec, models
from tagswarm.manifests.models import Root
from tagswarm.release.build import build
from tagswarm.tagindex.reader import Index
from tests.collection import Collection


def weights(dataset: Path, release: str) -> dict[str, dict[int, int]]:
    """Bytes by post in each tree, as the manifests of all volumes have them."""
    root = Root.parse((dataset / "releases" / release / "release.json").read_bytes(), limit=models.ROOT_LIMIT)
    found: dict[str, dict[int, int]] = {}
    for volume in root.volumes:
        data = (dataset / volume.manifest.path).read_bytes()
        lines = codec.read_lines(data, limit=1 << 30, line_limit=models.LINE_LIMIT)
        for entry in models.parse_manifest(lines)[1]:
            if entry.id is not None:
                found.setdefault(volume.rendition, {})[entry.id] = entry.size
    return found


@pytest.mark.parametrize("layout", ["loose", "tar"])
def test_the_index_of_a_release_knows_what_every_rendition_weighs(tmp_path: Path, layout: str) -> None:
    made = Collection.make(tmp_path / "set", 30, buckets=3)
    for name in ("2025", "2026"):
        made.write_config(name=name, renditions=["512px"])
        config = made.root / "release.toml"
        config.write_text(f'{config.read_text()}\n[renditions.volumes]\nlayout = "{layout}"\n')
        build(made.root)
        expected = weights(made.root, name)
        assert set(expected) == {"original", "512px"}
        with Index.open(made.root / "releases" / name / "index.sqlite") as index:
            index.check()
            ids = index.ids(np.arange(index.size, dtype=np.uint32)).tolist()
            for tree, sizes in expected.items():
                values, null = index.values(f"bytes:{tree}")
                known = zip(ids, values.tolist(), null.tolist(), strict=True)
                assert {post: size for post, size, none in known if not none} == sizes
