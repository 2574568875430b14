"""The first release.toml of a dataset, written from what lies in it: trees of images, metadata, the ratings.

What is found is stated, what is guessed is marked `CHECK THIS`, and every key that a maintainer may want is there with
a sentence. Files are opened to be recognised, never read whole.

Nothing here judges the collection: that is for the audit.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import secrets
import tomllib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from itertools import islice
from pathlib import Path

from tagswarm.imaging.transform import PRESETS
from tagswarm.manifests import disk
from tagswarm.manifests.errors import ConfigInvalid, TagswarmError
from tagswarm.manifests.paths import escape
from tagswarm.manifests.records import Post, RatingScheme

from . import config, tree
from .sources import FORMATS, Sighting, detect, documents
from .sources.formats import SCHEME_OF_SITE

SUFFIXES = frozenset(
    ".json .jsonl .ndjson .csv .tsv .xml .tar .tgz .txz .tzst .gz .xz .zst .bz2".split()  # noqa: SIM905 - reads better
)
"""Names of files that may hold metadata; their content decides."""

DEPTH = 3
"""Folders below the dataset that are looked into for metadata."""

MEMBERS = 64
"""Members of an archive that are looked at."""

POSTS = 2_000
"""Posts of a file whose ratings are looked at."""

_OWN = ("latest.json", "keys.json", "torrents.json", "feed.xml")


@dataclass(slots=True)
class _Source:
    """The metadata of one site."""

    site: str
    files: dict[str, str] = field(default_factory=dict)
    """The format of each file by its path."""
    ratings: set[str] = field(default_factory=set)
    posts: int = 0
    """Posts whose rating was looked at."""


def init(
    dataset: Path,
    *,
    name: str | None = None,
    site: str | None = None,
    release: str | None = None,
    issued: date | None = None,
    force: bool = False,
) -> Path:
    """Write the release.toml of a dataset and return its path.

    Args:
        dataset: the folder of the collection.
        name: of the dataset; by default that of its folder.
        site: of all the metadata, where it is not the one that the format tells.
        release: name of the release; the year by default.
        issued: date of the release; today by default.
        force: replace a release.toml that is there. The id of the dataset stays.

    Raises:
        ConfigInvalid: there is a release.toml, or there are no originals or no metadata here.
        StoreError: the folder cannot be read or written.
    """
    path = dataset / config.FILE
    if path.exists() and not force:
        raise ConfigInvalid(
            f"{path}: is there already", hint="Edit it, or give --force to write it anew; the id of the dataset stays."
        )
    trees = _trees(dataset)
    found, unknown = _metadata(dataset, trees, site)
    originals = _assign(dataset, found, trees)
    day = issued or datetime.now(UTC).date()
    text = "\n".join(
        [
            _head(_identity(path), _slug(name or dataset.resolve().name), release or str(day.year), day),
            *(_source(source, originals[source.site]) for source in found),
            _unknown(unknown),
            _renditions(originals[found[0].site]),
            _torrents(_slug(name or dataset.resolve().name)),
            _TAIL,
        ]
    )
    try:
        config.parse(tomllib.loads(text), "init")
    except ConfigInvalid as failure:
        hint = "Give another --name, --site, --release or --issued."
        raise ConfigInvalid(failure.message, hint=hint) from failure
    disk.write(path, text.encode())
    return path


def _trees(dataset: Path) -> list[str]:
    """The folders that hold at least one file of the layout, sorted."""
    with disk.failures(dataset):
        names = sorted(entry.name for entry in dataset.iterdir() if entry.is_dir() and not entry.is_symlink())
    fitting = [name for name in names if re.fullmatch(r"[a-z0-9]{1,32}", name) and name not in config.RESERVED]
    return [name for name in fitting if any(found for _, found, _ in tree.buckets(dataset, name))]


def _metadata(dataset: Path, trees: list[str], site: str | None) -> tuple[list[_Source], dict[str, str]]:
    """The metadata by site, and the files that were not recognised with the reason."""
    sightings: dict[str, Sighting] = {}
    unknown: dict[str, str] = {}
    for path in _candidates(dataset, trees):
        try:
            if (seen := _recognise(dataset / path, path)) is not None:
                sightings[path] = seen
        except TagswarmError as failure:
            unknown[path] = failure.message.removeprefix(f"{path}: ")
    with_posts = {path: seen for path, seen in sightings.items() if "posts" in FORMATS[seen.format].tables}
    if not with_posts:
        raise ConfigInvalid(
            f"{dataset}: there is no metadata of posts; looked for files named {', '.join(sorted(SUFFIXES))} "
            f"down to {DEPTH} folders, and recognised {len(sightings)} of {len(sightings) + len(unknown)}",
            hint=f"Put the metadata below {dataset / 'metadata'}; the formats are: {', '.join(sorted(FORMATS))}.",
        )
    sites = {path: site or _site_of(seen) for path, seen in with_posts.items()}
    for path, named in sites.items():
        if named is None:
            raise ConfigInvalid(f"{path}: does not say of which site it is", hint="Give the site with --site.")
    only = next(iter(sites.values())) if len(set(sites.values())) == 1 else None
    sources: dict[str, _Source] = {}
    for path, seen in sorted(sightings.items()):
        where = sites.get(path) or only or _site_of(seen)
        if where is None:
            unknown[path] = "a table of tags that does not say of which site it is"
            continue
        source = sources.setdefault(where, _Source(where))
        source.files[path] = seen.format
        if path in with_posts:
            _look_at_ratings(dataset / path, path, source)
    return [source for _, source in sorted(sources.items()) if source.posts or source.site in sites.values()], unknown


def _candidates(dataset: Path, trees: list[str]) -> Iterator[str]:
    """Files that may hold metadata, sorted, relative to the dataset."""
    for folder, folders, names in os.walk(dataset):
        parts = Path(folder).relative_to(dataset).parts
        left_out = {*trees, "releases", "volumes"} if not parts else set()
        folders[:] = sorted(n for n in folders if not n.startswith(".") and n not in left_out)[:10_000]
        if len(parts) >= DEPTH:
            folders.clear()
        for name in sorted(names):
            if Path(name).suffix.lower() in SUFFIXES and not name.startswith(".") and (parts or name not in _OWN):
                yield "/".join((*parts, name))


def _recognise(path: Path, name: str) -> Sighting | None:
    """What the first document that tells anything says; an archive may begin with tables that nobody reads."""
    found = islice(documents(path, name), MEMBERS)
    return next((seen for document in found if (seen := detect(document)) is not None), None)


def _site_of(seen: Sighting) -> str | None:
    return seen.site or FORMATS[seen.format].default_site


def _look_at_ratings(path: Path, name: str, source: _Source) -> None:
    """Collect the ratings of the first posts of a file, read so that the letter g is let pass."""
    format_ = FORMATS[source.files[name]]
    gelbooru = format_.default_scheme is RatingScheme.GELBOORU
    reader = format_.reader(source.site, RatingScheme.GELBOORU if gelbooru else RatingScheme.GSQE_2022)
    read = (record for document in documents(path, name) for _, record in reader.read(document))
    for post in islice((record for record in read if isinstance(record, Post)), POSTS):
        source.posts += 1
        if post.rating is not None:
            source.ratings.add(post.rating)


def _assign(dataset: Path, sources: list[_Source], trees: list[str]) -> dict[str, str]:
    """The tree of the originals of each site: the one that is named like it, or the only one, or `original`."""
    free = [name for name in trees if name not in PRESETS]
    if not free:
        raise ConfigInvalid(
            f"{dataset}: there are no originals; looked for files such as original/0000/1000.png, in folders named by "
            "the id modulo 1000 with four digits",
            hint="Move the images to that layout; the tree may have another name of small letters and digits.",
        )
    assigned: dict[str, str] = {}
    for source in sources:
        rest = [name for name in free if name not in assigned.values()]
        own = re.sub(r"[^a-z0-9]", "", source.site)
        if not rest:
            raise ConfigInvalid(
                f"{dataset}: the metadata of {source.site} has no tree of its own; there are {', '.join(free)}",
                hint="Each site has its own tree of originals: name it like the site, or remove the metadata.",
            )
        assigned[source.site] = next((name for name in (own, "original") if name in rest), rest[0])
    return assigned


def _identity(path: Path) -> str:
    """The id of the dataset: the one it has, or 128 random bits."""
    with contextlib.suppress(TagswarmError):
        return config.load(path.parent).dataset.id
    return secrets.token_hex(16)


def _slug(name: str) -> str:
    return re.sub(r"[^a-z0-9._-]+", "-", name.lower()).strip("._-")[:64] or "dataset"


def _quoted(text: str) -> str:
    """A basic string of TOML; JSON escapes all that TOML wants escaped but one character."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def _listed(items: Iterable[str]) -> str:
    return "[" + ", ".join(map(_quoted, items)) + "]"


def _globs(files: Iterable[str], all_files: Iterable[str]) -> list[str]:
    """Globs for numbered shards, and for files that differ in a number only, as long as they match nothing else."""
    mine, others = set(files), set(all_files)
    globs: set[str] = set()
    for path in sorted(mine):
        pattern, shards = re.subn(r"\d{6,}(?=\D*$)", "*", path)
        if not shards:
            pattern = re.sub(r"\d+(?=\D*$)", "*", path)
        matcher = re.compile(re.escape(pattern).replace(r"\*", "[^/]*"))
        matched = {other for other in others if matcher.fullmatch(other)}
        plain = not any(character in path for character in "*?[")
        globs.add(
            pattern if plain and (shards or len(matched) > 1) and matched <= mine else re.sub(r"([*?[])", r"[\1]", path)
        )
    return sorted(globs)


def _head(identity: str, name: str, release: str, issued: date) -> str:
    return f"""\
# What this release is made of. Every key is explained in docs/reference/release-toml.md.
format = "{config.FORMAT}"

# A CSV of posts to take back, with the header site,id,action,reason; the action is withdraw or purge.
# withdrawals = "withdrawals.csv"

[dataset]
# Chosen once, at random; it ties all releases together. Never change it.
id = "{identity}"
# Small letters, digits, dots, dashes.
name = {_quoted(name)}
# For people.
title = {_quoted(name)}
# homepage = "https://example.org/{name}"
# licence = "the licence, or who owns what"
# contact = "how to reach you"

[release]
# A new name for each release; a signed release never changes.
name = {_quoted(release)}
# The date that is written into the release; nothing else in it comes from a clock.
issued = {issued.isoformat()}
# Carry the raw metadata with the release, compressed.
publish_raw = true
"""


def _source(source: _Source, originals: str) -> str:
    formats = sorted(set(source.files.values()))
    globs = _globs(source.files, source.files)
    if len(formats) == 1:
        kind = f"# {FORMATS[formats[0]].title}.\nformat = {_quoted(formats[0])}"
    else:
        kind = f"# Several formats, so each file is recognised by its content: {', '.join(formats)}."
    scheme, why = _scheme(source)
    return f"""\
[[sources]]
# The booru whose ids the files bear.
site = {_quoted(source.site)}
# Where its metadata lies, relative to this file; * stands for any part of a name.
metadata = {_listed(globs)}
{kind}
# What the letters of the ratings mean: sqe-2021, gsqe-2022 or gelbooru.
# {why}
rating_scheme = "{scheme}"
# The tree of its images: {originals}/0000/1000.png is the file of post 1000.
originals = "{originals}"

[sources.volumes]
# How the files are grouped, each group with its own manifest and torrent: bucket, id-range or aspect-year.
strategy = "bucket"
# loose files, or packed: tar or zip.
layout = "loose"
# A volume has at most this many images and bytes.
max_files = 10000
max_bytes = {16 * config.GIB}
# Bytes of a piece of a torrent; it can never be changed for a tree that is published.
piece_length = {config.MIB}
"""


def _scheme(source: _Source) -> tuple[RatingScheme, str]:
    """The scheme of the ratings and how it is known."""
    formats = [FORMATS[name] for name in source.files.values() if "posts" in FORMATS[name].tables]
    default = SCHEME_OF_SITE.get(source.site, formats[0].default_scheme)
    if default is RatingScheme.GELBOORU:
        return default, "The format says its ratings in words."
    if "g" in source.ratings:
        return RatingScheme.GSQE_2022, "Known: posts are rated g, which came with gsqe-2022."
    meaning = "s is sensitive" if default is RatingScheme.GSQE_2022 else "s is safe"
    return default, (
        f"CHECK THIS: none of the first {source.posts} posts is rated g, so the usual scheme of the format was taken, "
        f"in which {meaning}."
    )


def _unknown(unknown: dict[str, str]) -> str:
    if not unknown:
        return ""
    lines = [f"#   {json.dumps(path)}: {escape(reason)}" for path, reason in sorted(unknown.items())[:20]]
    more = [f"#   and {len(unknown) - 20} more"] if len(unknown) > 20 else []
    return "\n".join(["# Not taken for metadata:", *lines, *more, ""])


def _renditions(originals: str) -> str:
    return f"""\
[[renditions]]
# Images made from the originals; the name is also that of the tree.
name = "512px"
from = "{originals}"
# Which posts, by rating or by a query in the language of the booru; every post where both are left out.
# ratings = ["g", "s"]
# query = "rating:g,s score:>=20 -comic"
# How: the preset of the same name, another preset, or a transform of your own.
preset = "512px"

[renditions.volumes]
strategy = "bucket"
layout = "loose"
max_files = 10000
piece_length = {64 * config.KIB}

# [[renditions]]
# name = "1280px"
# from = "{originals}"
# preset = "1280px"
"""


def _torrents(name: str) -> str:
    return f"""\
# [torrents]
# Where clients ask for each other, each a tier of its own; they can be changed with every release.
# trackers = ["udp://tracker.example.org:6969/announce"]
# Where the dataset is served over HTTP: the last folder must be its name.
# web_seeds = ["https://example.org/{name}/"]
# Trees that get a second torrent for old clients, at the price of a second reading of their files.
# compat = ["512px"]
"""


_TAIL = """\
# Findings of the audit that may stand, by name; they are published with the release.
# [[waivers]]
# finding = "missing-file"
# reason = "taken down by the artist before the crawl"
# ids = [1000, 1001]

[signing]
# The public keys of `tagswarm release keygen`, the lines that begin with RW; without any the release is UNSIGNED.
keys = []
# How many of them must sign a release.
threshold = 1
"""
