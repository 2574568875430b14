"""`tagswarm.Resize`: what is done to an image that is pulled, with the words of the command line."""

from __future__ import annotations

from tagswarm.imaging.transform import Format, Mode, Transform


def Resize(  # noqa: N802 - it makes a value, and reads as one where it is used
    width: int = 0,
    height: int = 0,
    *,
    fit: Mode = "fit",
    format: Format = "jpeg",  # noqa: A002 - the word of the command line
    quality: int = 90,
    background: str = "auto",
    upscale: bool = False,
) -> Transform:
    """How images are made: `Resize(512, fit="pad")`.

    Args:
        width: of the box, or of the side, in pixels; 0 with `fit="none"`.
        height: of the box in pixels; 0 stands for the width.
        fit: `fit` inside the box, `pad` it up to the box, `crop` the middle of it, `cover` it, make the `long` or the
            `short` side so long, or `none`: keep the size and change the format.
        format: `jpeg`, `png` or `webp`.
        quality: of JPEG and WebP, 1 to 100.
        background: behind what is transparent and around what is padded: `auto`, `white` or `#rrggbb`.
        upscale: enlarge what is smaller.

    Raises:
        InvalidDocument: a value is out of its range; the message names it.
    """
    return Transform(
        mode=fit,
        width=width,
        height=height,
        format=format,
        quality=quality,
        background=background,
        upscale=upscale,
    )
