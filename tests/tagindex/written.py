"""The rows of a store in memory as the tables of a release, and the index that is written from them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa

from tagswarm.manifests import tables
from tagswarm.tagindex import writer
from tagswarm.tagindex.reader import Index
from tests.tagindex.memory import SITE, MemoryStore

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
TIMES = ("created_at", "updated_at", "last_commented_at", "last_comment_bumped_at", "last_noted_at")


def written(store: MemoryStore, folder: Path) -> Index:
    """Write the tables and the index into a folder, and open it; `appeals` have no table and are left out."""
    metadata = folder / "metadata"
    metadata.mkdir(parents=True)
    (scheme,) = store.schemes
    posts = []
    for at, row in enumerate(store.rows):
        post = {name: row.get(name) for name in tables.SCHEMAS["posts"].names}
        post |= {name: _time(store._columns[name][at]) for name in TIMES}
        post |= {f"{role}_id": store._columns[f"{role}_id"][at] for role in ("uploader", "approver")}
        post |= {"rating_scheme": scheme.value, "source": row.get("source") or None, "tags": sorted(row["tags"])}
        post |= {"duplicate_tags": 0, "md5": row["md5"].rjust(32, "0") if row.get("md5") else None}
        posts.append(post)
    _write(metadata, "posts", posts)
    named = {row.name: {"category": int(row.category), "post_count": row.count} for row in store._tags.values()}
    sites = sorted({row["site"] for row in store.rows} or {SITE})
    _write(metadata, "tags", [{"site": sites[0], "name": name, **row} for name, row in sorted(named.items())])
    aliases = [
        {"site": SITE, "antecedent": old, "consequent": new, "status": "active"}
        for old, new in sorted(store._aliases.items())
    ]
    _write(metadata, "aliases", aliases)
    _write(metadata, "implications", [])
    for table in ("pools", "notes", "comments", "artist_commentaries"):
        if table in store.tables or table == "pools":
            rows = [{"id": at, **row, "site": SITE} for at, row in enumerate(store._others.get(table, ()), 1)]
            for row in rows if table == "artist_commentaries" else ():
                row["updated_at"] = _time(
                    store._columns["commentary_updated_at"][store._ordinals[SITE, row["post_id"]]]
                )
            _write(metadata, table, sorted(rows, key=lambda row: row["id"]))
    if "users" in store.tables:
        names = {
            store._columns[f"{role}_id"][at]: row[role]
            for at, row in enumerate(store.rows)
            for role in ("uploader", "approver")
            if row.get(role)
        }
        _write(
            metadata, "users", [{"site": SITE, "id": number, "name": name} for number, name in sorted(names.items())]
        )
    out = folder / "index.sqlite"
    writer.write(metadata, out, work=folder / "work")
    return Index.open(out)


def _time(microseconds: int | None) -> datetime | None:
    return None if microseconds is None else EPOCH + timedelta(microseconds=microseconds)


def _write(metadata: Path, table: str, rows: Sequence[Mapping[str, Any]]) -> None:
    schema = tables.SCHEMAS[table]
    cells = [{name: row.get(name) for name in schema.names} for row in rows]
    with tables.open_writer(metadata / tables.file_name(table), table) as file:
        file.write(pa.Table.from_pylist(cells, schema=schema))
