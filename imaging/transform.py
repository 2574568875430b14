"""How a rendition is made from an image: a frozen description that can be written down, and its geometry.

The geometry is exact integer arithmetic on the displayed size, so that every engine makes files of the same size.
Nothing here touches a pixel. The presets are part of the published format: a change of one changes every digest of a
rendition.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from fractions import Fraction
from math import floor
from types import MappingProxyType
from typing import Any, Literal, get_args

from tagswarm.manifests.errors import InvalidDocument

Mode = Literal["fit", "pad", "crop", "cover", "long", "short", "none"]
Format = Literal["jpeg", "png", "webp"]
Subsampling = Literal["4:4:4", "4:2:0"]

_COLOUR = re.compile(r"white|auto|#[0-9a-f]{6}")


def _check(good: bool, key: str, value: object, expected: str) -> None:
    if not good:
        raise InvalidDocument(
            f"transform: {key} is {value!r}, expected {expected}", hint=f"Mend {key} of the rendition."
        )


@dataclass(frozen=True, slots=True)
class Geometry:
    """Where the scaled image lies on its canvas; pixels, as displayed."""

    scaled: tuple[int, int]
    canvas: tuple[int, int]
    offset: tuple[int, int]
    """Of the scaled image from the left top of the canvas; negative where it is cropped."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Transform:
    """What is done to an image; every value that decides a byte of the output is in here.

    Raises:
        InvalidDocument: a value is out of its range; the message names the key.
    """

    mode: Mode
    """`fit` inside the box; `pad` the same, then filled up to the box; `cover` the box; `crop` the same, then its
    middle cut out; `long` or `short` side as long as `width`; `none` keeps the size."""
    width: int = 0
    """Of the box, or of the side, in pixels."""
    height: int = 0
    """Of the box in pixels; 0 stands for the width."""
    square: int = 0
    """With `long`: the long side of images whose ratio of width to height is within 0.8 and 1.2; 0 stands for the
    width."""
    format: Format = "jpeg"
    quality: int = 90
    """Of JPEG and WebP, 1 to 100."""
    subsampling: Subsampling = "4:4:4"
    """Of JPEG; lossy WebP is always 4:2:0."""
    background: str = "auto"
    """Behind transparent pixels and around a padded image: `white`, `#rrggbb`, or `auto`: white, but black behind white
    art."""
    upscale: bool = False
    """Enlarge what is smaller; otherwise it keeps its size, and `crop` cuts no more than there is."""

    def __post_init__(self) -> None:
        _check(self.mode in get_args(Mode), "mode", self.mode, ", ".join(get_args(Mode)))
        smallest = 0 if self.mode == "none" else 1
        _check(smallest <= self.width <= 20_000, "width", self.width, f"{smallest} to 20000 pixels")
        _check(0 <= self.height <= 20_000, "height", self.height, "0 to 20000 pixels")
        _check(0 <= self.square <= 20_000, "square", self.square, "0 to 20000 pixels")
        _check(self.format in get_args(Format), "format", self.format, ", ".join(get_args(Format)))
        _check(1 <= self.quality <= 100, "quality", self.quality, "1 to 100")
        _check(self.subsampling in get_args(Subsampling), "subsampling", self.subsampling, "4:4:4, 4:2:0")
        _check(_COLOUR.fullmatch(self.background) is not None, "background", self.background, "white, auto, #rrggbb")

    @property
    def extension(self) -> str:
        """Of the files this makes, without the dot."""
        return "jpg" if self.format == "jpeg" else self.format

    def geometry(self, width: int, height: int) -> Geometry:
        """Place an image of the displayed size `width` x `height`, both at least 1, on its canvas."""
        box = (self.width, self.height or self.width)
        factor = self._factor(width, height, box)
        if not self.upscale:
            factor = min(factor, Fraction(1))
        scaled = (_scale(width, factor), _scale(height, factor))
        if self.mode == "pad":
            canvas = box
        elif self.mode == "crop":
            canvas = (min(box[0], scaled[0]), min(box[1], scaled[1]))
        else:
            canvas = scaled
        return Geometry(scaled, canvas, ((canvas[0] - scaled[0]) // 2, (canvas[1] - scaled[1]) // 2))

    def _factor(self, width: int, height: int, box: tuple[int, int]) -> Fraction:
        factors = Fraction(box[0], width), Fraction(box[1], height)
        match self.mode:
            case "fit" | "pad":
                return min(factors)
            case "cover" | "crop":
                return max(factors)
            case "long":
                side = self.square if self.square and is_square(width, height) else self.width
                return Fraction(side, max(width, height))
            case "short":
                return Fraction(self.width, min(width, height))
            case "none":
                return Fraction(1)

    def to_dict(self) -> dict[str, str | int | bool]:
        """Every field by its name, for JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Transform:
        """Read what `to_dict` wrote; fields that are absent have their defaults.

        Raises:
            InvalidDocument: an unknown key, a missing mode, or a value of another type or out of its range.
        """
        types = {field.name: bool if field.name == "upscale" else type(field.default) for field in fields(cls)}
        types["mode"] = str
        for key, value in values.items():
            _check(key in types, str(key), value, f"one of the keys {', '.join(types)}")
            _check(type(value) is types[key], key, value, f"a value of type {types[key].__name__}")
        _check("mode" in values, "mode", None, ", ".join(get_args(Mode)))
        return cls(**values)


PRESETS: Mapping[str, Transform] = MappingProxyType(
    {
        "512px": Transform(mode="pad", width=512, height=512, quality=90, subsampling="4:4:4"),
        "1280px": Transform(mode="long", width=1280, square=1024, quality=94, subsampling="4:2:0"),
    }
)
"""The renditions by their names: Danbooru20xx's 512px letterbox and the 1280px samples of BOORU CHARS."""


def is_square(width: int, height: int) -> bool:
    """Whether an image is of the class 1x1 of BOORU CHARS: width to height within 1 +- 20 %."""
    return 5 * abs(width - height) <= height


def _scale(side: int, factor: Fraction) -> int:
    return max(1, floor(side * factor + Fraction(1, 2)))
