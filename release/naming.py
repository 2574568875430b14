"""The names of images inside archives: by post id, or telling what is in the picture as BOORU CHARS does.

BOORU CHARS names an image `%website% - %id% - %copyright% ~ %characters% (%artist%)`, with ` [PNG]` after it where a
PNG was converted, and writes the longer lists into EXIF. Here a tag keeps its underscores, so that a space always
stands between tags; a name holds one dot, before its extension, because WebDataset cuts names at the first; and lists
are cut at whole tags until the name is short enough. Website and id make a name unique, whatever the lists say.

Nothing here writes a file, and nothing reads a name back as a source of metadata: a name is shortened and has lost what
some system cannot hold. Source: aperveyev/booru_processor, `BC_2021/BC__readme_EN.txt` and `SQL/BOORU_FNAME.pck`.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Self

from tagswarm.imaging.exif import Fields
from tagswarm.manifests import paths
from tagswarm.manifests.errors import InvalidDocument
from tagswarm.manifests.records import Category

WEBSITE_LIMIT = 28
"""Characters of the website: the first ` - ` of a name begins within its first 30."""
NAME_LIMIT = 100
"""Bytes of a name in UTF-8, extension included: what a tar of the format ustar can hold."""

UNKNOWN = ("misc", "unknown", "anonymous")
"""What stands for no copyright, no character and no artist."""

_CATEGORIES = (Category.COPYRIGHT, Category.CHARACTER, Category.ARTIST)
_NOWHERE = re.compile(r'[\s/\\<>:"|?*.]')
_NAME = re.compile(
    r"(?P<website>.{1,28}?) - (?P<id>[^ ]+(?: [0-9]+)?) - (?P<copyright>.+?) ~ (?P<characters>.+) "
    r"\((?P<artist>[^()]*)\)(?P<converted> \[PNG\])?\.(?P<ext>[a-z0-9]{2,4})"
)


@dataclass(frozen=True, slots=True)
class ImageName:
    """A name of BOORU CHARS in its parts; `str` puts them together and `parse` takes them apart."""

    website: str
    id: str
    """The post, with a suffix where there is more than one file of it."""
    copyright: str
    """Tags with spaces between them; so are the next two."""
    characters: str
    artist: str
    converted: bool = False
    """The original was a PNG."""
    ext: str = "jpg"

    def __str__(self) -> str:
        suffix = " [PNG]" if self.converted else ""
        lists = f"{self.copyright} ~ {self.characters} ({self.artist})"
        return f"{self.website} - {self.id} - {lists}{suffix}.{self.ext}"

    @classmethod
    def parse(cls, name: str) -> Self:
        """Take a name apart: website up to the first ` - `, copyright up to ` ~ `, artist in the last parentheses.

        Raises:
            InvalidDocument: it does not have all of these parts.
        """
        match = _NAME.fullmatch(name)
        if match is None:
            raise InvalidDocument(f"{paths.escape(name)}: is not `website - id - copyright ~ characters (artist).ext`")
        website, number, copyrights, characters, artist, converted, ext = match.groups()
        return cls(website, number, copyrights, characters, artist, converted is not None, ext)

    @classmethod
    def of(
        cls,
        website: str,
        file: paths.FilePath,
        tags: Mapping[Category, Iterable[str]],
        *,
        converted: bool = False,
    ) -> Self:
        """The name of a file of a post, at most `NAME_LIMIT` bytes long.

        Args:
            website: the site of the post.
            file: tells id, version and extension.
            tags: of the post, by category; copyright, character and artist are used, in the order given.
            converted: the original was a PNG.
        """
        lists = [
            [word for tag in tags.get(category, ()) if (word := _word(tag))] or [unknown]
            for category, unknown in zip(_CATEGORIES, UNKNOWN, strict=True)
        ]
        lists[2] = [artist.translate(_BRACKETS) for artist in lists[2]]
        site = _word(website.replace(".", "-")).lstrip("-~#;")[:WEBSITE_LIMIT] or "unknown"  # what no name begins with
        bare = cls(site, _number(file), "", "", "", converted, file.ext)
        _shorten(lists, NAME_LIMIT - len(str(bare).encode()))
        copyrights, characters, artists = map(" ".join, lists)
        return replace(bare, copyright=copyrights, characters=characters, artist=artists)


def by_id(file: paths.FilePath) -> str:
    """The name by post id, padded with zeros so that names sort as ids do: `000001000.jpg`, `000001000v2.jpg`."""
    return f"{_number(file, width=9)}.{file.ext}"


def exif_fields(site: str, post: int, tags: Mapping[Category, Iterable[str]]) -> Fields:
    """The EXIF fields of a post as BOORU CHARS fills them, with the whole lists of its tags, which come by category."""
    copyrights, characters, artists = (" ".join(tags.get(category, ())) for category in _CATEGORIES)
    return Fields.of(booru=site, fid=str(post), copyright=copyrights, characters=characters, artist=artists)


_BRACKETS = str.maketrans("()", "[]")
"""Parentheses inside an artist become brackets: so the last parentheses of a name hold the artists and nothing else."""


def _number(file: paths.FilePath, width: int = 0) -> str:
    return f"{file.id:0{width}}" + (f"v{file.version}" if file.version > 1 else "")


def _word(tag: str) -> str:
    """A tag as one word that every system can hold; no booru lets a tag begin with `-` or `~`, which separate here."""
    text = _NOWHERE.sub("_", unicodedata.normalize("NFC", tag))
    visible = "".join(character if paths.escape(character) == character else "_" for character in text)
    return unicodedata.normalize("NFC", visible).lstrip("-~")


def _shorten(lists: list[list[str]], limit: int) -> None:
    """Drop the last tag of the longest list until all fit; of single tags too long, the ends of the longest."""
    while (sizes := [len(" ".join(tags).encode()) for tags in lists]) and sum(sizes) > limit:
        several = [number for number, tags in enumerate(lists) if len(tags) > 1]
        longest = max(several or range(len(lists)), key=lambda number: sizes[number])
        if several:
            lists[longest].pop()
        else:
            lists[longest][0] = lists[longest][0][:-1]
