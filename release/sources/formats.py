"""The metadata formats by name, as `release.toml` calls them."""

from __future__ import annotations

from tagswarm.manifests.records import RatingScheme

from .base import Format
from .booru_chars import BooruChars
from .danbooru_api import DanbooruApi
from .danbooru_export import DanbooruExport
from .danbooru_legacy import DanbooruLegacy
from .e621_api import E621Api
from .e621_export import E621Export
from .gelbooru import Gelbooru
from .gelbooru_xml import GelbooruXml
from .moebooru import Moebooru
from .safebooru_kaggle import SafebooruKaggle
from .tagcomplete import TagComplete

_ALL = ("posts", "tags", "aliases", "implications", "pools")
_EXPORT = (*_ALL, "notes", "comments", "artist_commentaries", "users")
_SQE, _GSQE, _GELBOORU = RatingScheme.SQE_2021, RatingScheme.GSQE_2022, RatingScheme.GELBOORU

FORMATS: dict[str, Format] = {
    entry.name: entry
    for entry in (
        Format(
            "danbooru_legacy",
            "Danbooru2017-2020 JSON lines",
            ("posts", "tags", "pools"),
            "danbooru",
            _SQE,
            DanbooruLegacy,
        ),
        Format("danbooru_export", "Danbooru export of 2021 and later", _EXPORT, "danbooru", _GSQE, DanbooruExport),
        Format("danbooru_api", "Danbooru API JSON", _ALL, "danbooru", _GSQE, DanbooruApi),
        Format("gelbooru", "Gelbooru and safebooru.org API JSON", ("posts", "tags"), None, _GELBOORU, Gelbooru),
        Format("gelbooru_xml", "Gelbooru and safebooru.org API XML", ("posts", "tags"), None, _GELBOORU, GelbooruXml),
        Format("moebooru", "Moebooru API JSON (yande.re, konachan)", ("posts", "tags"), None, _SQE, Moebooru),
        Format("e621_export", "e621 export tables", _ALL, "e621", _SQE, E621Export),
        Format("e621_api", "e621 API JSON", ("posts", "tags", "pools"), "e621", _SQE, E621Api),
        Format("safebooru_kaggle", "Kaggle Safebooru metadata table", ("posts",), "safebooru", _SQE, SafebooruKaggle),
        Format("booru_chars", "BOORU CHARS 2021 tables", ("posts", "tags"), "booru_chars", _SQE, BooruChars),
        Format("tagcomplete", "table of tags with aliases", ("tags", "aliases"), "danbooru", _SQE, TagComplete),
    )
}

SCHEME_OF_SITE = {"safebooru": _SQE, "konachan": _SQE, "yandere": _SQE, "e621": _SQE}
"""Where the site tells more about the ratings than the format does."""
