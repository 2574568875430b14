"""Room on the disk: what stays of the files, as they are or as images that are made of them."""

from __future__ import annotations

from typing import Any

import pytest

from tagswarm.imaging.transform import Transform
from tagswarm.manifests.errors import DiskTooSmall
from tagswarm.mirror.room import BYTES_A_PIXEL, FILE, Room, result

BOX = 512 * 512


def made(*, keep_originals: bool = False, **transform: Any) -> int:
    """Bytes of ten files of a megabyte each."""
    return result(10, 10_000_000, Transform(**transform), keep_originals=keep_originals)


def test_files_that_stay_as_they_are() -> None:
    assert result(10, 10_000_000, None, keep_originals=False) == 10_000_000 + 10 * FILE
    assert result(10, 10_000_000, None, keep_originals=True) == 10_000_000 + 10 * FILE
    assert made(mode="none") == 10_000_000 + 10 * FILE
    assert result(0, 0, None, keep_originals=True) == 0


def test_images_of_a_box() -> None:
    for kind in ("jpeg", "webp", "png"):
        assert made(mode="pad", width=512, format=kind) == 10 * (round(BOX * BYTES_A_PIXEL[kind]) + FILE)
    assert made(mode="fit", width=512, height=256) < made(mode="fit", width=512)
    assert made(mode="cover", width=512) > made(mode="crop", width=512)
    assert made(mode="pad", width=512, quality=100) > made(mode="pad", width=512, quality=90)
    assert made(mode="pad", width=512, format="png", quality=100) == made(mode="pad", width=512, format="png")


def test_originals_that_stay_beside_them() -> None:
    assert made(mode="pad", width=512, keep_originals=True) == made(mode="pad", width=512) + 10_000_000 + 10 * FILE


@pytest.mark.parametrize(("free", "refused"), [(None, False), (100, False), (99, True)])
def test_a_disk_is_too_small_or_not(free: int | None, refused: bool) -> None:
    refusal = Room(staging=40, result=60, estimated=True, free=free).refusal()
    assert isinstance(refusal, DiskTooSmall) == refused
    if refusal is not None:
        assert refusal.message == "about 100 bytes are needed and the disk has 99 bytes free"
        assert refusal.exit_code == 13
