"""What is taken back: the maintainer's list, and what becomes of it in withdrawn.jsonl.

A withdrawn post leaves the metadata and is hidden by every client and mirror; its old volumes stay as they are. A
purge leaves the old volumes too: they are reissued without the post. A replaced file is withdrawn by its path. Once
taken back is always taken back: every release carries the list of those before it.

Nothing here deletes a file.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from tagswarm.manifests import disk
from tagswarm.manifests.errors import ConfigInvalid
from tagswarm.manifests.models import Withdrawal

LIST_LIMIT = 64 << 20
REASON_LIMIT = 500
"""Characters; with them a line of withdrawn.jsonl stays far below the limit of its format."""
HEADER = ["site", "id", "action", "reason"]
ACTIONS = ("withdraw", "purge")


def read(path: Path, *, sites: Sequence[str], release: str) -> list[Withdrawal]:
    """Read the maintainer's CSV: a header `site,id,action,reason`, then one line a post.

    Raises:
        ConfigInvalid: a line is wrong; the message names it.
    """
    try:
        text = disk.read(path, limit=LIST_LIMIT).decode("utf-8-sig")
    except UnicodeDecodeError as failure:
        raise ConfigInvalid(f"{path}: is not UTF-8: {failure}") from failure
    rows = csv.reader(io.StringIO(text), strict=True)
    try:
        return list(_read(rows, path, sites=sites, release=release))
    except csv.Error as failure:
        raise ConfigInvalid(f"{path}: line {rows.line_num}: is not CSV: {failure}") from failure


def _read(rows: Any, path: Path, *, sites: Sequence[str], release: str) -> Iterator[Withdrawal]:
    if next(rows, None) != HEADER:
        raise ConfigInvalid(f"{path}: line 1: the header must be {','.join(HEADER)}")
    for row in rows:
        where = f"{path}: line {rows.line_num}"
        if not row:
            continue
        if len(row) != len(HEADER):
            raise ConfigInvalid(f"{where}: has {len(row)} fields, not {len(HEADER)}; quote a reason that holds a comma")
        site, post, action, reason = (field.strip() for field in row)
        if site not in sites:
            raise ConfigInvalid(f"{where}: there is no source for the site {site!r}; there is {', '.join(sites)}")
        if not (post.isascii() and post.isdecimal() and len(post) < 19):
            raise ConfigInvalid(f"{where}: {post!r} is not the id of a post")
        if action not in ACTIONS:
            raise ConfigInvalid(f"{where}: the action is {action!r}; it can be {' or '.join(ACTIONS)}")
        if not reason:
            raise ConfigInvalid(f"{where}: no reason is given; it is published with the list")
        if len(reason) > REASON_LIMIT or not reason.isprintable():
            raise ConfigInvalid(f"{where}: the reason must be one line of at most {REASON_LIMIT} characters")
        yield Withdrawal(
            site=site,
            id=int(post),
            action="purged" if action == "purge" else "withdrawn",
            reason=reason,
            release=release,
        )


def merge(before: Iterable[Withdrawal], now: Iterable[Withdrawal]) -> list[Withdrawal]:
    """The list of a release: what was taken back before keeps its release, unless a purge goes further; sorted."""
    merged: dict[tuple[str, int, str], Withdrawal] = {}
    for withdrawal in [*before, *now]:
        key = (withdrawal.site, withdrawal.id, withdrawal.path or "")
        known = merged.get(key)
        if known is None or (known.action == "withdrawn" and withdrawal.action == "purged"):
            merged[key] = withdrawal
    return [merged[key] for key in sorted(merged)]
