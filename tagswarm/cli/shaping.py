"""The options that say what becomes of the files that are pulled: size, format, layout."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import click

from . import options

if TYPE_CHECKING:
    from tagswarm.mirror.form import Form

MODES = ("fit", "pad", "crop", "cover", "long", "short", "none")
_SIZE = re.compile(r"([0-9]{1,5})(?:x([0-9]{1,5}))?")


def _size(_: click.Context, __: click.Parameter, value: str | None) -> tuple[int, int] | None:
    if value is None:
        return None
    match = _SIZE.fullmatch(value)
    if match is None:
        raise click.BadParameter(f"{value!r} is no size: give 512, or 640x480.")
    return int(match[1]), int(match[2] or 0)


def shaping(command: options.F) -> options.F:
    """All of these options; a command hands what they gave to `form`."""
    for option in reversed(
        (
            click.option("--size", metavar="N|WxH", callback=_size, help="Resize to this box, or side, in pixels."),
            click.option(
                "--fit",
                type=click.Choice(MODES),
                help="How: inside the box, padded up to it, cropped to it, covering it, by the long or the short side, "
                "or not at all, to change the format only. [default: fit]",
            ),
            click.option("--format", "kind", type=click.Choice(["jpeg", "png", "webp"]), help="Of the images. [jpeg]"),
            click.option("--quality", type=click.IntRange(1, 100), metavar="N", help="Of JPEG and WebP. [90]"),
            click.option(
                "--background",
                metavar="COLOUR",
                help="Behind what is transparent, and around what is padded: auto, white or #rrggbb. [auto]",
            ),
            click.option("--upscale", is_flag=True, help="Enlarge what is smaller."),
            click.option(
                "--layout",
                type=click.Choice(["buckets", "flat"]),
                default="buckets",
                show_default=True,
                help="A folder for every 1000th post, as in a release, or one folder for all.",
            ),
            click.option("--keep-originals", is_flag=True, help="Keep what each image was made from beside it."),
        )
    ):
        command = option(command)
    return command


def form(given: dict[str, Any]) -> Form:
    """What the options gave, taken out of `given`."""
    from tagswarm.mirror.form import Form  # noqa: PLC0415 - start-up stays quick
    from tagswarm.resizing import Resize  # noqa: PLC0415

    size, fit, kind = given.pop("size"), given.pop("fit"), given.pop("kind")
    quality, background, upscale = given.pop("quality"), given.pop("background"), given.pop("upscale")
    layout, originals = given.pop("layout"), given.pop("keep_originals")
    chosen = {
        name: value
        for name, value in (("format", kind), ("quality", quality), ("background", background), ("upscale", upscale))
        if value
    }
    if size is None and fit != "none" and not (chosen and fit is None):
        if fit is not None:
            raise click.UsageError(f"--fit {fit} needs a --size.")
        if originals:
            raise click.UsageError("--keep-originals is for images that are made: give a --size.")
        return Form(layout=layout)
    width, height = size or (0, 0)
    mode: Any = fit or ("fit" if size else "none")
    return Form(transform=Resize(width, height, fit=mode, **chosen), layout=layout, originals=originals)
