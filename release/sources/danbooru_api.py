"""Answers of Danbooru's API, `/posts.json`, `/tags.json` and others: a list, or one object.

As the export, with times that have an offset and a `media_asset` beside the post, which also tells the duration and,
where the post is not visible to everyone and says less itself, its digest and size. The addresses of its variants are
dropped: they follow from the digest. Source: danbooru/danbooru `post_policy.rb`; the wiki page `api:posts`.

Nothing here asks the API anything.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tagswarm.manifests.records import Record

from .base import Malformed
from .danbooru_export import DanbooruExport

_FROM_ASSET = ("md5", "file_ext", "file_size", "image_width", "image_height", "duration")


class DanbooruApi(DanbooruExport):
    """Reads posts with a media asset."""

    def post(self, row: Mapping[str, Any]) -> list[Record | Malformed]:
        """Read a post; what it lacks itself comes from its media asset."""
        asset = row.get("media_asset")
        if asset is None:
            return super().post(row)
        if not isinstance(asset, dict):
            raise Malformed("bad-value", "media_asset: no object")
        filled = {**row, **{key: asset.get(key) for key in _FROM_ASSET if row.get(key) is None}}
        filled["media_asset"] = {key: asset[key] for key in asset.keys() - {"variants", *_FROM_ASSET}}
        return super().post(filled)
