"""A profile is judged by what it does, not by its name (trap 11)."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageCms

from tagswarm.imaging.decode import inspect
from tagswarm.imaging.icc import Icc, classify
from tagswarm.imaging.resize import Rendered, Transform, render
from tagswarm.imaging.verdict import Image as Verdict

SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
KEEP = Transform(mode="none", format="png")


def profiles(folder: Path) -> dict[str, bytes]:
    found = {}
    for path in sorted(folder.rglob("*.png")):
        with Image.open(path) as image:
            if profile := image.info.get("icc_profile"):
                found[path.name] = profile
    return found


def test_srgb_is_recognised() -> None:
    assert classify(SRGB, "rgb") is Icc.SRGB


def test_a_profile_of_another_colour_model_counts_as_none() -> None:
    assert classify(SRGB, "grey") is Icc.NONE
    assert classify(SRGB, "cmyk") is Icc.NONE


def test_a_name_proves_nothing() -> None:
    where = SRGB.index(b"rXYZ")
    start = int.from_bytes(SRGB[where + 4 : where + 8], "big")
    wide = SRGB[: start + 8] + b"\0\0\xa0\0" + SRGB[start + 12 :]
    assert classify(wide, "rgb") is Icc.OTHER


def test_no_profile_and_rubbish_are_none() -> None:
    for profile in (None, b"", b"rubbish", SRGB[:100], SRGB[:200], b"\0" * 400):
        assert classify(profile, "rgb") is Icc.NONE


@given(st.integers(0, len(SRGB)), st.binary(min_size=1, max_size=12))
def test_damage_is_no_error(where: int, new: bytes) -> None:
    assert classify(SRGB[:where] + new + SRGB[where + len(new) :], "rgb") in set(Icc)


def test_wide_gamut_profiles_are_others(shared: Path) -> None:
    judged = {name: classify(p, "rgb") for name, p in profiles(shared / "corpus/real/jxl-widegamut").items()}
    assert judged
    for name, verdict in judged.items():
        assert verdict is Icc.OTHER or name.startswith("sRGB"), name


def test_a_wide_gamut_file_looks_as_lcms_says(shared: Path) -> None:
    path = next((shared / "corpus/real/jxl-widegamut").rglob("P3-sRGB-red.png"))
    with Image.open(path) as image:
        profile = ImageCms.ImageCmsProfile(io.BytesIO(image.info["icc_profile"]))
        srgb = ImageCms.createProfile("sRGB")
        expected = ImageCms.profileToProfile(
            image.convert("RGB"), profile, srgb, renderingIntent=ImageCms.Intent.RELATIVE_COLORIMETRIC
        )
    made = render(path.read_bytes(), KEEP)
    assert isinstance(made, Rendered)
    assert expected is not None
    found = np.asarray(Image.open(io.BytesIO(made.data)), np.float64)
    difference = abs(found - np.asarray(expected, np.float64)).mean()
    untouched = abs(np.asarray(Image.open(path).convert("RGB"), np.float64) - np.asarray(expected, np.float64)).mean()
    assert difference < 1 < untouched


def test_a_broken_profile_does_not_stop_an_image() -> None:
    buffer = io.BytesIO()
    Image.new("RGB", (9, 9), (200, 100, 50)).save(buffer, "PNG", icc_profile=SRGB[:128] + b"\xff" * 300)
    verdict = inspect(buffer.getvalue())
    assert isinstance(verdict, Verdict)
    assert verdict.icc is Icc.NONE
    made = render(buffer.getvalue(), KEEP)
    assert isinstance(made, Rendered)
    assert Image.open(io.BytesIO(made.data)).convert("RGB").getpixel((4, 4)) == (200, 100, 50)
