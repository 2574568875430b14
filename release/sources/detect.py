"""Which format is it, and which site? Read from the first rows of a document, by signs that no two formats share.

The name of a file decides nothing here. What is unknown or could be two formats is refused with what was seen, and the
maintainer names the format in `release.toml`.
"""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, cast
from urllib.parse import urlsplit

from tagswarm.manifests.errors import ConfigInvalid

from .base import Malformed, TableNames
from .json_rows import json_rows
from .rows import comma_cells
from .stream import Document
from .xml_rows import xml_rows

_ROWS = 20
_HEAD = 1 << 18
"""Bytes of a document that are looked at."""

_SITES = {
    "donmai.us": "danbooru",
    "gelbooru.com": "gelbooru",
    "safebooru.org": "safebooru",
    "konachan.com": "konachan",
    "konachan.net": "konachan",
    "yande.re": "yandere",
    "e621.net": "e621",
}
_HINT = "Name the format with the key `format` of the source in release.toml."


@dataclass(frozen=True, slots=True)
class Sighting:
    """What the first rows of a document tell; None where they do not."""

    format: str
    site: str | None


def detect(document: Document) -> Sighting | None:
    """Recognise the format of a document; None where it holds no row, or a table that no format reads.

    The document is read from: open it again to read its rows.

    Raises:
        ConfigInvalid: the format is unknown, with what was seen.
    """
    if TableNames.ignored(document.name) or TableNames.beside(document.name) is not None:
        return None
    head = document.stream.read(_HEAD).removeprefix(b"\xef\xbb\xbf")
    stripped = head.lstrip()
    if not stripped:
        return None
    start = Document(document.name, cast("Any", io.BufferedReader(cast("Any", io.BytesIO(head)), _HEAD)))
    if stripped.startswith(b"<"):
        return _of_xml(start)
    if stripped[:1] in (b"{", b"["):
        return _of_json(start, is_list=stripped.startswith(b"["), page=b'"@attributes"' in stripped[:4_096])
    return Sighting(_of_table(start.name, stripped), None)


def _site(rows: Sequence[Mapping[str, Any]]) -> str | None:
    for row in rows:
        for key in ("file_url", "preview_url", "sample_url"):
            host = urlsplit(str(row.get(key) or "")).hostname or ""
            site = next(
                (site for domain, site in _SITES.items() if host == domain or host.endswith(f".{domain}")), None
            )
            if site is not None:
                return site
    return None


def _of_xml(document: Document) -> Sighting:
    rows = [value for _, _, value in islice(xml_rows(document), _ROWS) if isinstance(value, dict)]
    if any(row["@element"] in ("post", "tag") for row in rows):
        return Sighting("gelbooru_xml", _site(rows))
    raise ConfigInvalid(f"{document.name}: XML that has neither posts nor tags", hint=_HINT)


def _of_json(document: Document, *, is_list: bool, page: bool) -> Sighting:
    rows = [value for _, _, value in islice(json_rows(document), _ROWS) if isinstance(value, dict)]
    for row in rows:
        found = _of_object(row, is_list=is_list, page=page)
        if found is not None:
            return Sighting(found, _site(rows))
    seen = f"objects with the keys {', '.join(sorted(rows[0])[:16])}" if rows else "JSON without objects"
    raise ConfigInvalid(f"{document.name}: no metadata format is known that holds {seen}", hint=_HINT)


def _of_object(row: Mapping[str, Any], *, is_list: bool, page: bool) -> str | None:
    tags = row.get("tags")
    danbooru = "danbooru_api" if is_list else "danbooru_export"
    if "tag_string" in row or "tag_string_general" in row:
        return "danbooru_api" if "media_asset" in row else danbooru
    if isinstance(tags, list) and isinstance(row.get("id"), str):
        return "danbooru_legacy" if all(isinstance(tag, dict) and "category" in tag for tag in tags) else None
    if isinstance(tags, dict) and "file" in row:
        return "e621_api"
    if isinstance(tags, str) or tags is None:
        if {"directory", "image"} & row.keys() and {"md5", "hash"} & row.keys():
            return "gelbooru"
        if isinstance(tags, str) and isinstance(row.get("created_at"), int):
            return "moebooru"
    if {"name", "count", "type"} <= row.keys():
        return "gelbooru" if page or not isinstance(row.get("ambiguous"), bool) else "moebooru"
    if {"name", "post_count", "category"} <= row.keys():
        return "e621_api" if "related_tags" in row else danbooru
    if {"antecedent_name", "consequent_name"} <= row.keys() or {"post_ids", "name"} <= row.keys():
        return danbooru
    if {"rating", "image_width", "md5"} & row.keys() and "id" in row:
        # a row of which little is left, such as that of a banned post: the next one tells
        return None
    return None


def _of_table(name: str, head: bytes) -> str:
    first = head.split(b"\n", 1)[0].decode("utf-8", "replace").strip()
    columns = {column.strip() for column in first.split("\t")}
    if {"BOORU", "FID"} <= {column.upper() for column in columns}:
        return "booru_chars"
    try:
        cells = comma_cells(first)
    except Malformed:
        cells = []
    header = {cell.strip() for cell in cells}
    if {"sample_url", "preview_url", "tags"} <= header:
        return "safebooru_kaggle"
    if (
        {"id", "tag_string", "change_seq"} <= header
        or {"antecedent_name", "consequent_name", "status"} <= header
        or {"id", "name", "category", "post_count"} <= header
        or {"id", "name", "post_ids", "category"} <= header
    ):
        return "e621_export"
    if len(cells) == 4 and cells[1].strip().isdigit() and cells[2].strip().isdigit():
        return "tagcomplete"
    raise ConfigInvalid(f"{name}: no metadata format is known that begins with {first[:120]!r}", hint=_HINT)
