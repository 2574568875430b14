"""torrents.json: every torrent of a release with its infohashes, sizes and, where somebody asked, its peers.

A JSON array with an object a torrent and no head, because that is the shape of the lists that other archives publish,
and the names of the first keys are theirs: what reads those lists reads ours. Each object states the format itself.

Nothing here opens a file or knows how a list is made.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, datetime
from typing import Annotated, Literal

from pydantic import Field, TypeAdapter, ValidationError

from . import codec
from .errors import InvalidDocument
from .models import Name, Sha256, Size, Value, check_format
from .paths import escape

TORRENTS = "torrents.json"
"""Its name, in the folder of a release and at the top of a dataset."""

LIST_LIMIT = 64 << 20
"""Bytes: 20,000 torrents with the longest magnet links."""

FORMAT = "tagswarm.torrents/1"

Infohash = Annotated[str, Field(pattern=r"\A[0-9a-f]{40}\z")]


class TorrentRow(Value):
    """One torrent. The keys up to `partially_broken` are those of the torrents.json of Anna's Archive."""

    format: Literal["tagswarm.torrents/1"] = "tagswarm.torrents/1"
    url: str
    """Where the .torrent is: absolute where the dataset has a URL, otherwise the same as `path`."""
    top_level_group_name: Name
    """The dataset."""
    group_name: Name
    """The rendition."""
    display_name: str
    """The name of the .torrent."""
    added_to_torrents_list_at: Annotated[date, Field(strict=False)]
    """When the first release with this torrent was issued."""
    is_metadata: bool = False
    btih: Infohash
    """The infohash of v1."""
    magnet_link: str
    torrent_size: Size
    """Bytes of the .torrent."""
    num_files: Size
    """Without pads."""
    data_size: Size
    """Bytes of these files."""
    obsolete: bool = False
    """Always false: a torrent that another one took the place of is not in the list."""
    embargo: bool = False
    seeders: Size | None = None
    """None where nobody asked, as the next two."""
    leechers: Size | None = None
    completed: Size | None = None
    stats_scraped_at: Annotated[datetime, Field(strict=False)] | None = None
    """UTC, without a zone."""
    partially_broken: bool = False
    btih_v2: Sha256 | None = None
    """The infohash of v2; None of a compat torrent."""
    volume: Name
    rendition: Name
    generation: Name
    """The release that made the volume."""
    revision: Annotated[int, Field(ge=1)] = 1
    """Above 1 only after a purge."""
    compat: bool = False
    """v1 without pads, for clients that take no other."""
    path: str
    """Of the .torrent, relative to the dataset."""
    sha256: Sha256
    """Of the .torrent."""


_ROWS: TypeAdapter[list[TorrentRow]] = TypeAdapter(list[TorrentRow])


def render(rows: Iterable[TorrentRow]) -> bytes:
    """The list in the order given, one torrent a line."""
    lines = [codec.line(row.model_dump(mode="json")).rstrip(b"\n") for row in rows]
    return b"[\n" + b",\n".join(lines) + b"\n]\n" if lines else b"[]\n"


def parse(data: bytes) -> list[TorrentRow]:
    """Read a list.

    Raises:
        LimitExceeded: it is larger than it may be.
        UnsupportedVersion: the format of a torrent is another one, or newer.
        InvalidDocument: it is malformed; the message names the torrent, counted from 0, and the key.
    """
    value = codec.parse(data, limit=LIST_LIMIT)
    if not isinstance(value, list):
        raise InvalidDocument(f"{FORMAT}: a list of torrents is an array")
    for row in value:
        check_format(row, FORMAT)
    try:
        return _ROWS.validate_json(data)
    except ValidationError as failure:
        first = failure.errors(include_url=False, include_input=False)[0]
        place = escape(".".join(map(str, first["loc"])))
        raise InvalidDocument(f"{FORMAT}: {place}: {first['msg']}") from failure
