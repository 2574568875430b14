"""The kinds of files that are met where images should be, the extensions each may carry, and which of them are decoded.

The kind is what the bytes are, whatever the name says; `probe.sniff` finds it. Nothing here reads bytes.
"""

from __future__ import annotations

from enum import StrEnum


class Kind(StrEnum):
    """What a file is by its content."""

    PNG = "png"
    APNG = "apng"
    """An animated PNG: an `acTL` chunk stands before the image data."""
    JPEG = "jpeg"
    GIF = "gif"
    WEBP = "webp"
    AVIF = "avif"
    BMP = "bmp"
    TIFF = "tiff"
    PSD = "psd"
    ICO = "ico"
    TGA = "tga"
    DDS = "dds"
    PNM = "pnm"
    JP2 = "jp2"
    """JPEG 2000, in its container or as a bare codestream."""
    JXL = "jxl"
    HEIF = "heif"
    SVG = "svg"
    PDF = "pdf"
    EPS = "eps"
    """PostScript of any sort."""
    SWF = "swf"
    MP4 = "mp4"
    MOV = "mov"
    WEBM = "webm"
    MKV = "mkv"
    AVI = "avi"
    FLV = "flv"
    MPEG = "mpeg"
    ASF = "asf"
    MP3 = "mp3"
    OGG = "ogg"
    WAV = "wav"
    ZIP = "zip"
    """Also an ugoira: the frames of an animation in a zip."""
    RAR = "rar"
    SEVEN_ZIP = "7z"
    GZIP = "gzip"
    XZ = "xz"
    ZSTD = "zstd"
    HTML = "html"
    XML = "xml"
    TEXT = "text"
    EMPTY = "empty"
    UNKNOWN = "unknown"


_EXTENSIONS: dict[Kind, tuple[str, ...]] = {
    Kind.APNG: ("png", "apng"),
    Kind.JPEG: ("jpg", "jpeg", "jpe", "jfif"),
    Kind.BMP: ("bmp", "dib"),
    Kind.TIFF: ("tif", "tiff"),
    Kind.PNM: ("pnm", "pbm", "pgm", "ppm"),
    Kind.JP2: ("jp2", "j2k", "j2c", "jpf", "jpx"),
    Kind.AVIF: ("avif", "avifs"),
    Kind.HEIF: ("heif", "heic", "hif"),
    Kind.EPS: ("eps", "ps", "ai"),
    Kind.PDF: ("pdf", "ai"),
    Kind.MP4: ("mp4", "m4v", "m4a", "3gp"),
    Kind.MOV: ("mov", "qt"),
    Kind.MPEG: ("mpg", "mpeg"),
    Kind.ASF: ("wmv", "asf", "wma"),
    Kind.OGG: ("ogg", "ogv", "oga", "opus"),
    Kind.ZIP: ("zip", "cbz"),
    Kind.RAR: ("rar", "cbr"),
    Kind.GZIP: ("gz", "tgz"),
    Kind.ZSTD: ("zst",),
    Kind.HTML: ("html", "htm"),
    Kind.TEXT: ("txt",),
    Kind.EMPTY: (),
    Kind.UNKNOWN: (),
}

_IMAGES = frozenset(
    {
        *(Kind.PNG, Kind.APNG, Kind.JPEG, Kind.GIF, Kind.WEBP, Kind.AVIF),
        *(Kind.BMP, Kind.TIFF, Kind.PSD, Kind.ICO, Kind.TGA, Kind.DDS, Kind.PNM, Kind.JP2, Kind.JXL),
    }
)


def extensions(kind: Kind) -> tuple[str, ...]:
    """The extensions a file of this kind may carry, in lower case without the dot, the usual one first."""
    return _EXTENSIONS.get(kind, (kind.value,))


def is_image(kind: Kind) -> bool:
    """Whether files of this kind are decoded: raster images, never documents that can run or include something."""
    return kind in _IMAGES
