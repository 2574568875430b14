"""Find out whether a file is an image that decodes whole: every pixel, every frame up to a limit, in strict mode.

The order is cheap and safe first: kind by content, size from the header, end by structure, and only then a decoder. It
runs in a worker process with limits of memory and time; nothing here starts one (`pool` does). Decoding without an
error does not prove that the bytes are the right ones: nearly half of all files with a flipped byte decode. A digest
proves that.
"""

from __future__ import annotations

from .kind import Kind, is_image
from .orientation import orientation
from .probe import sniff
from .source import open_source, refusal
from .structure import measure, truncation
from .verdict import Image, Limits, Reason, Refusal

__all__ = ["Image", "Limits", "Reason", "Refusal", "admit", "inspect"]

_DEFAULT = Limits()


def inspect(data: bytes, limits: Limits = _DEFAULT) -> Image | Refusal:
    """Decode a file whole and say what it is, or why it is refused; never raises for what the bytes hold."""
    kind = admit(data, limits)
    if isinstance(kind, Refusal):
        return kind
    try:
        source = open_source(data, kind, limits)
        if refused := check_size(kind, source.width, source.height, source.frames, limits):
            return refused
        frames = min(source.frames, max(1, limits.max_animation_pixels // (source.width * source.height)))
        source.decode(frames, limits)
        return Image(
            kind=kind,
            width=source.width,
            height=source.height,
            frames=source.frames,
            frames_decoded=frames,
            colour=source.colour,
            bands=source.bands,
            depth=source.depth,
            has_alpha=source.has_alpha,
            icc=source.icc,
            orientation=orientation(data, kind),
            engine=source.engine,
        )
    except Exception as error:
        return refusal(kind, error)


def admit(data: bytes, limits: Limits) -> Kind | Refusal:
    """The kind of a file that may be given to a decoder, or why not; nothing is decoded."""
    kind = sniff(data)
    if kind is Kind.EMPTY:
        return Refusal(kind, Reason.EMPTY, "0 bytes")
    if kind is Kind.HEIF:
        return Refusal(kind, Reason.UNSUPPORTED, "HEIF with HEVC: no decoder is shipped")
    if not is_image(kind):
        return Refusal(kind, Reason.NOT_AN_IMAGE, f"the content is {kind}")
    size = measure(data, kind)
    if size is not None and (refused := check_size(kind, *size, 1, limits)):
        return refused
    if missing := truncation(data, kind):
        return Refusal(kind, Reason.TRUNCATED, missing)
    return kind


def check_size(kind: Kind, width: int, height: int, frames: int, limits: Limits) -> Refusal | None:
    """Refuse what is larger than the limits, or has no pixels."""
    if width <= 0 or height <= 0:
        return Refusal(kind, Reason.CORRUPT, f"{width} x {height} pixels")
    if width * height > limits.max_pixels:
        return Refusal(kind, Reason.TOO_LARGE, f"{width} x {height} pixels, more than {limits.max_pixels}")
    if frames > limits.max_frames:
        return Refusal(kind, Reason.TOO_MANY_FRAMES, f"{frames} frames, more than {limits.max_frames}")
    return None
