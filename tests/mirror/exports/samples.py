"""Samples to export: the posts and images of sample/, and posts made up around one tiny image."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tagswarm.imaging.probe import sniff
from tagswarm.manifests.records import Category, Post, RatingScheme
from tagswarm.mirror.exports.sample import Sample

TEXTS = {
    Category.GENERAL: "tag_string_general",
    Category.ARTIST: "tag_string_artist",
    Category.COPYRIGHT: "tag_string_copyright",
    Category.CHARACTER: "tag_string_character",
    Category.META: "tag_string_meta",
}
DOT = bytes.fromhex(
    "89504e470d0a1a0a0000000d4948445200000001000000010802000000907753de"
    "0000000c49444154789c63f8ffff3f0005fe02fe0def46b80000000049454e44ae426082"
)
"""A PNG of one white pixel."""


def rows(folder: Path, table: str) -> Iterator[dict[str, Any]]:
    for path in sorted((folder / "metadata").glob(f"{table}0*.json")):
        yield from map(json.loads, path.read_text().splitlines())


def real(folder: Path) -> list[Sample]:
    """A sample of every post of sample/, whose originals stand for finished images."""
    counts = {row["name"]: -row["post_count"] for row in rows(folder, "tags")}
    found = []
    for row in rows(folder, "posts"):
        file = folder / f"original/{row['id'] % 1000:04}/{row['id']}.{row['file_ext']}"
        data = file.read_bytes()
        digest = hashlib.sha256(data).hexdigest()
        post = Post(
            site="booru.example",
            id=row["id"],
            rating_scheme=RatingScheme.GSQE_2022,
            rating=row["rating"],
            created_at=datetime.strptime(row["created_at"], "%Y-%m-%d %H:%M:%S.%f UTC").replace(tzinfo=UTC),
            score=row["score"],
            source=row["source"],
            md5=row["md5"],
            width=row["image_width"],
            height=row["image_height"],
            tags=tuple(sorted(row["tag_string"].split())),
        )
        found.append(
            Sample(
                id=post.id,
                file=file,
                sha256=digest,
                size=len(data),
                width=post.width,
                height=post.height,
                kind=sniff(data).value,
                post=post,
                tags={
                    category: tuple(sorted(row[text].split(), key=lambda name: (counts[name], name)))
                    for category, text in TEXTS.items()
                },
                dataset="sample",
                release="2026",
                volume="original-2026-0001",
                path=f"original/{post.id % 1000:04}/{file.name}",
                source_sha256=digest,
            )
        )
    return sorted(found, key=lambda sample: sample.id)


def dot(folder: Path, post: int = 1, *, tags: dict[Category, tuple[str, ...]] | None = None, **known: Any) -> Sample:
    """A made up post whose image is a white pixel; `known` are fields of the sample."""
    file = folder / "dot.png"
    if not file.exists():
        file.write_bytes(DOT)
    digest = hashlib.sha256(DOT).hexdigest()
    facts: dict[str, Any] = {
        "id": post,
        "file": file,
        "sha256": digest,
        "size": len(DOT),
        "width": 1,
        "height": 1,
        "kind": "png",
        "post": Post(site="booru.example", id=post, rating_scheme=RatingScheme.GSQE_2022, rating="g"),
        "tags": tags or {Category.GENERAL: ("solo", "long_hair")},
        "dataset": "made-up",
        "release": "2026",
        "volume": "512px-2026-0001",
        "path": f"original/{post % 1000:04}/{post}.png",
        "source_sha256": "0" * 64,
        "transform": {"mode": "pad", "engine": "vips 8.18"},
    }
    return Sample(**(facts | known))
