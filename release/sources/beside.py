"""Rows of the tables beside the posts in Danbooru's export: notes, comments, artist commentaries and users.

Only the name of a document tells which of them it holds.
Source: danbooru/danbooru `bigquery_export_service.rb`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from tagswarm.manifests.records import ArtistCommentary, Beside, Comment, Note, User

from . import fields
from .base import Malformed


def _note(site: str, row: Mapping[str, Any]) -> Note:
    return Note(
        site=site,
        id=fields.identifier(row),
        post_id=fields.identifier(row, "post_id"),
        body=fields.text(row, "body"),
        is_active=fields.flag(row, "is_active"),
        x=fields.score(row, "x"),
        y=fields.score(row, "y"),
        width=fields.score(row, "width"),
        height=fields.score(row, "height"),
        created_at=fields.instant(row, "created_at"),
        updated_at=fields.instant(row, "updated_at"),
    )


def _comment(site: str, row: Mapping[str, Any]) -> Comment:
    return Comment(
        site=site,
        id=fields.identifier(row),
        post_id=fields.identifier(row, "post_id"),
        creator_id=fields.reference(row, "creator_id"),
        body=fields.text(row, "body"),
        score=fields.score(row, "score"),
        is_deleted=fields.flag(row, "is_deleted"),
        created_at=fields.instant(row, "created_at"),
        updated_at=fields.instant(row, "updated_at"),
    )


def _commentary(site: str, row: Mapping[str, Any]) -> ArtistCommentary:
    return ArtistCommentary(
        site=site,
        id=fields.identifier(row),
        post_id=fields.identifier(row, "post_id"),
        original_title=fields.text(row, "original_title"),
        original_description=fields.text(row, "original_description"),
        translated_title=fields.text(row, "translated_title"),
        translated_description=fields.text(row, "translated_description"),
        created_at=fields.instant(row, "created_at"),
        updated_at=fields.instant(row, "updated_at"),
    )


def _user(site: str, row: Mapping[str, Any]) -> User:
    name = fields.text(row, "name")
    if name is None:
        raise Malformed("no-name", "the key name is missing")
    return User(site=site, id=fields.identifier(row), name=name)


READ: dict[str, Callable[[str, Mapping[str, Any]], Beside]] = {
    "notes": _note,
    "comments": _comment,
    "artist_commentaries": _commentary,
    "users": _user,
}
"""How a row of each table is read."""
