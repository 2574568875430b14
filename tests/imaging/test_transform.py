"""The geometry of every mode, and the document of a transform."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tagswarm.imaging.transform import PRESETS, Geometry, Transform, is_square
from tagswarm.manifests.errors import InvalidDocument


@pytest.mark.parametrize(
    ("transform", "size", "expected"),
    [
        (Transform(mode="pad", width=512), (1000, 500), Geometry((512, 256), (512, 512), (0, 128))),
        (Transform(mode="pad", width=512), (100, 50), Geometry((100, 50), (512, 512), (206, 231))),
        (Transform(mode="pad", width=512, upscale=True), (100, 50), Geometry((512, 256), (512, 512), (0, 128))),
        (Transform(mode="fit", width=512), (1000, 500), Geometry((512, 256), (512, 256), (0, 0))),
        (Transform(mode="fit", width=300, height=100), (1000, 500), Geometry((200, 100), (200, 100), (0, 0))),
        (Transform(mode="fit", width=512), (100_000, 1), Geometry((512, 1), (512, 1), (0, 0))),
        (Transform(mode="cover", width=512), (1000, 600), Geometry((853, 512), (853, 512), (0, 0))),
        (Transform(mode="crop", width=512), (1000, 600), Geometry((853, 512), (512, 512), (-171, 0))),
        (Transform(mode="crop", width=512), (300, 800), Geometry((300, 800), (300, 512), (0, -144))),
        (Transform(mode="long", width=1280), (2000, 3000), Geometry((853, 1280), (853, 1280), (0, 0))),
        (Transform(mode="short", width=512), (2000, 3000), Geometry((512, 768), (512, 768), (0, 0))),
        (Transform(mode="none"), (2000, 3000), Geometry((2000, 3000), (2000, 3000), (0, 0))),
        (PRESETS["1280px"], (2000, 2400), Geometry((853, 1024), (853, 1024), (0, 0))),
        (PRESETS["1280px"], (2000, 2600), Geometry((985, 1280), (985, 1280), (0, 0))),
        (PRESETS["1280px"], (900, 900), Geometry((900, 900), (900, 900), (0, 0))),
    ],
)
def test_geometry(transform: Transform, size: tuple[int, int], expected: Geometry) -> None:
    assert transform.geometry(*size) == expected


def test_the_class_of_squares_is_a_ratio_of_0_8_to_1_2() -> None:
    assert is_square(800, 1000)
    assert is_square(1200, 1000)
    assert not is_square(799, 1000)
    assert not is_square(1201, 1000)


def test_the_presets_are_pinned() -> None:
    """They are part of the published format: whoever changes them changes every digest of a rendition."""
    rest = {"background": "auto", "upscale": False, "format": "jpeg"}
    assert {name: preset.to_dict() for name, preset in PRESETS.items()} == {
        "512px": rest
        | {"mode": "pad", "width": 512, "height": 512, "square": 0, "quality": 90, "subsampling": "4:4:4"},
        "1280px": rest
        | {"mode": "long", "width": 1280, "height": 0, "square": 1024, "quality": 94, "subsampling": "4:2:0"},
    }


TRANSFORMS = st.builds(
    Transform,
    mode=st.sampled_from(["fit", "pad", "crop", "cover", "long", "short", "none"]),
    width=st.integers(1, 3000),
    height=st.integers(0, 3000),
    square=st.integers(0, 3000),
    format=st.sampled_from(["jpeg", "png", "webp"]),
    quality=st.integers(1, 100),
    subsampling=st.sampled_from(["4:4:4", "4:2:0"]),
    background=st.sampled_from(["white", "auto", "#00ff7f"]),
    upscale=st.booleans(),
)


@given(TRANSFORMS)
def test_a_transform_survives_json(transform: Transform) -> None:
    assert Transform.from_dict(json.loads(json.dumps(transform.to_dict()))) == transform


@given(TRANSFORMS, st.integers(1, 20_000), st.integers(1, 20_000))
def test_geometry_keeps_its_promises(transform: Transform, width: int, height: int) -> None:
    geometry = transform.geometry(width, height)
    assert min(*geometry.scaled, *geometry.canvas) >= 1
    box = (transform.width, transform.height or transform.width)
    if not transform.upscale:
        assert geometry.scaled <= (width, height)
        assert geometry.scaled[1] <= height
    if transform.mode == "pad":
        assert geometry.canvas == box
        assert min(geometry.offset) >= 0
    if transform.mode in ("fit", "crop"):
        assert geometry.canvas[0] <= box[0]
        assert geometry.canvas[1] <= box[1]
    turned = dataclasses.replace(transform, width=box[1], height=box[0])
    if transform.mode in ("fit", "pad", "cover", "crop"):
        assert turned.geometry(height, width).scaled == geometry.scaled[::-1], "a turned image is scaled alike"


@pytest.mark.parametrize(
    ("values", "key"),
    [
        ({}, "mode"),
        ({"mode": "stretch"}, "mode"),
        ({"mode": "fit"}, "width"),
        ({"mode": "fit", "width": 0}, "width"),
        ({"mode": "fit", "width": 30_000}, "width"),
        ({"mode": "fit", "width": "512"}, "width"),
        ({"mode": "fit", "width": 512.0}, "width"),
        ({"mode": "fit", "width": True}, "width"),
        ({"mode": "fit", "width": 512, "height": -1}, "height"),
        ({"mode": "fit", "width": 512, "quality": 0}, "quality"),
        ({"mode": "fit", "width": 512, "quality": 101}, "quality"),
        ({"mode": "fit", "width": 512, "format": "avif"}, "format"),
        ({"mode": "fit", "width": 512, "subsampling": "4:2:2"}, "subsampling"),
        ({"mode": "fit", "width": 512, "background": "black"}, "background"),
        ({"mode": "fit", "width": 512, "background": "#FFF"}, "background"),
        ({"mode": "fit", "width": 512, "upscale": 1}, "upscale"),
        ({"mode": "fit", "width": 512, "sharpen": True}, "sharpen"),
    ],
)
def test_a_bad_value_is_named(values: dict[str, Any], key: str) -> None:
    with pytest.raises(InvalidDocument, match=key):
        Transform.from_dict(values)


def test_the_extension_follows_the_format() -> None:
    made = [Transform(mode="none", format=name).extension for name in ("jpeg", "png", "webp")]
    assert made == ["jpg", "png", "webp"]
