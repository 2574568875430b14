"""Whether an ICC profile is sRGB, something else, or nothing that can be used.

Most profiles that are met are sRGB under one of fifty names, and leaving those alone saves a third of the time of a
resize. A name proves nothing, so the profile itself is measured: its three colorants and its tone curve at four points.

A profile that is damaged, or of another colour model than the pixels, counts as none: viewers ignore it too. Source:
ICC.1:2022. Nothing here converts a colour.
"""

from __future__ import annotations

import math
import struct
from enum import StrEnum


class Icc(StrEnum):
    """What the profile of an image amounts to."""

    NONE = "none"
    """No profile, or one that cannot be used: the pixels are taken as sRGB."""
    SRGB = "srgb"
    OTHER = "other"
    """Pixels are converted to sRGB."""


_MODELS = {"grey": b"GRAY", "rgb": b"RGB ", "cmyk": b"CMYK"}
_COLORANTS = {  # sRGB adapted to D50, as IEC 61966-2-1 profiles carry them
    b"rXYZ": (0.4361, 0.2225, 0.0139),
    b"gXYZ": (0.3851, 0.7169, 0.0971),
    b"bXYZ": (0.1431, 0.0606, 0.7141),
}
_POINTS = (0.05, 0.25, 0.5, 0.75)
_COLORANT_TOLERANCE = 0.004
_CURVE_TOLERANCE = 0.004


def classify(profile: bytes | None, colour: str) -> Icc:
    """Judge a profile for pixels of the colour model `grey`, `rgb` or `cmyk`."""
    if not profile or len(profile) < 132 or profile[36:40] != b"acsp" or profile[16:20] != _MODELS.get(colour):
        return Icc.NONE
    try:
        tags = _tags(profile)
        if not tags:
            return Icc.NONE
        return Icc.SRGB if colour == "rgb" and _is_srgb(tags) else Icc.OTHER
    except (struct.error, ValueError, ArithmeticError):
        return Icc.NONE


def _tags(profile: bytes) -> dict[bytes, bytes]:
    (count,) = struct.unpack_from(">I", profile, 128)
    tags = {}
    for at in range(132, 132 + 12 * min(count, 100), 12):
        name, start, length = struct.unpack_from(">4sII", profile, at)
        if start + length > len(profile):
            raise ValueError(name)
        tags[name] = profile[start : start + length]
    return tags


def _is_srgb(tags: dict[bytes, bytes]) -> bool:
    if b"A2B0" in tags:  # a lookup table wins over the colorants
        return False
    for name, expected in _COLORANTS.items():
        if name not in tags or name.replace(b"XYZ", b"TRC") not in tags:
            return False
        found = (value / 65536 for value in struct.unpack_from(">3i", tags[name], 8))
        if any(abs(a - b) > _COLORANT_TOLERANCE for a, b in zip(found, expected, strict=True)):
            return False
        curve = tags[name.replace(b"XYZ", b"TRC")]
        if any(abs(_evaluate(curve, x) - _linear(x)) > _CURVE_TOLERANCE for x in _POINTS):
            return False
    return True


def _linear(x: float) -> float:
    """The light of an sRGB value (IEC 61966-2-1)."""
    return x / 12.92 if x <= 0.04045 else float(((x + 0.055) / 1.055) ** 2.4)


def _evaluate(curve: bytes, x: float) -> float:
    """The light that a `curv` or `para` tag gives for a value of 0 to 1 (ICC.1:2022 10.6 and 10.18)."""
    if curve[:4] == b"para":
        (form,) = struct.unpack_from(">H", curve, 8)
        if form == 0:
            return _power(x, struct.unpack_from(">i", curve, 12)[0] / 65536)
        if form != 3:  # no profile of sRGB is written in the other forms: they are left to conversion
            return -1.0
        g, a, b, c, d = (value / 65536 for value in struct.unpack_from(">5i", curve, 12))
        return _power(a * x + b, g) if x >= d else c * x
    count = int.from_bytes(curve[8:12], "big")
    if curve[:4] != b"curv" or count > 65536:
        raise ValueError(curve[:4])
    if count == 0:
        return x
    values: tuple[int, ...] = struct.unpack_from(f">{count}H", curve, 12)
    if count == 1:
        return _power(x, values[0] / 256)
    position = x * (count - 1)
    low = int(position)
    high = min(low + 1, count - 1)
    return (values[low] + (values[high] - values[low]) * (position - low)) / 65535.0


def _power(base: float, exponent: float) -> float:
    return math.pow(max(base, 0.0), exponent)
