"""release.toml: what a maintainer decides, checked once and frozen.

The file is the whole configuration; there are no environment variables and no defaults that depend on the machine.
Nothing here looks at the tree of images: whether a path exists is found out by who reads it.
"""

from __future__ import annotations

import difflib
import re
import tomllib
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from tagswarm.imaging.transform import PRESETS, Transform
from tagswarm.manifests import disk, paths
from tagswarm.manifests.errors import ConfigInvalid, FormatError, QueryError, TagswarmError
from tagswarm.manifests.models import DatasetId, Layout, Name
from tagswarm.manifests.records import RatingScheme
from tagswarm.manifests.signing import PublicKey
from tagswarm.tagindex.query import parser

from . import urls
from .sources import FORMATS

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

FILE = "release.toml"
FORMAT = "tagswarm.config/1"
CONFIG_LIMIT = 1 << 20
URL_LIMIT = 500
"""Characters of a tracker or web seed."""
URLS_LIMIT = 3_000
"""Characters of all of them: `torrentsize.FRAME_LIMIT` counts on it."""

KIB, MIB, GIB = 1 << 10, 1 << 20, 1 << 30

RESERVED = frozenset({"metadata", "releases", "volumes"})


def _folder(value: str) -> str:
    """A name that is safe as a folder on every system."""
    try:
        paths.check(value)
    except FormatError as failure:
        raise ValueError(str(failure)) from failure
    return value


def _line(value: str) -> str:
    if not value.isprintable():
        raise ValueError("holds a line break or another character that is not shown; it is published as one line")
    return value


def _public_key(value: str) -> str:
    try:
        PublicKey.parse(value)
    except FormatError as failure:
        raise ValueError(str(failure)) from failure
    return value


def _tree(value: str) -> str:
    if not re.fullmatch(r"[a-z0-9]{1,32}", value):
        raise ValueError("a tree is one folder of lower case letters and digits, such as original or 512px")
    if value in RESERVED:
        raise ValueError(f"{value} is a folder of the release itself")
    return _folder(value)


def _query(value: str) -> str:
    """A query that can be read; whether the release has its tags is asked of the index."""
    try:
        parser.parse(value)
    except QueryError as failure:
        begin, end = failure.span
        where = f" at {value[begin:end]!r}" if value[begin:end] else ""
        raise ValueError(f"is no query: {failure.message}{where}") from failure
    return value


Tree = Annotated[str, AfterValidator(_tree)]
Line = Annotated[str, Field(max_length=1000), AfterValidator(_line)]
"""Text that is published for people to read."""
Rating = Literal["safe", "g", "s", "q", "e"]
"""A rating of some scheme."""


def _piece_length(value: int) -> int:
    if value & (value - 1) or not 16 * KIB <= value <= 16 * MIB:
        raise ValueError("a piece length is a power of two between 16384 and 16777216 bytes")
    return value


def _compat(value: object) -> object:
    return [] if value is False else value


class _Table(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class DatasetTable(_Table):
    """[dataset]: what stays the same over the years."""

    id: DatasetId
    name: Annotated[Name, AfterValidator(_folder)]
    """Also of the folder that torrents put the files into; it stays the same."""
    title: Line = ""
    homepage: Line | None = None
    licence: Line | None = None
    contact: Line | None = None


class ReleaseTable(_Table):
    """[release]: what changes with each one."""

    name: Annotated[Name, AfterValidator(_folder)]
    issued: Annotated[date, Field(le=date(9999, 1, 1))]
    publish_raw: bool = True
    """Carry the raw dumps of the metadata, compressed, with the release."""


class VolumesTable(_Table):
    """How the files of a tree are grouped into volumes."""

    strategy: Literal["bucket", "id-range", "aspect-year"] = "bucket"
    layout: Layout = "loose"
    max_files: Annotated[int, Field(ge=1, le=50_000)] = 10_000
    """Images a volume."""
    max_bytes: Annotated[int, Field(ge=1)] = 16 * GIB
    piece_length: Annotated[int, AfterValidator(_piece_length)] = 256 * KIB
    """Bytes; fixed for all releases of a tree, or the torrents of unchanged files would change."""
    archive_files: Annotated[int, Field(ge=1, le=10_000)] = 1_000
    """Images an archive of a packed layout."""
    year_groups: list[int] = []
    """aspect-year: the last year of each group but the newest; [] makes each year a group."""

    @model_validator(mode="after")
    def _fits(self) -> VolumesTable:
        if self.strategy == "aspect-year" and self.layout == "loose":
            raise ValueError('the strategy aspect-year packs archives: set layout = "zip" or "tar"')
        return self


class SourceTable(_Table):
    """[[sources]]: the metadata of one site in one format, and the tree of its originals.

    A site whose metadata come in several formats has several, with the same originals; the first is trusted most.
    """

    site: Name
    metadata: Annotated[list[str], Field(min_length=1)]
    """Globs relative to the dataset, sorted when expanded."""
    format: str | None = None
    """A name of the reference page of formats; recognised by content where it is left out."""
    rating_scheme: Annotated[RatingScheme, Field(strict=False)] | None = None
    originals: Tree = "original"
    volumes: VolumesTable = VolumesTable(piece_length=MIB)

    @model_validator(mode="after")
    def _known(self) -> SourceTable:
        if self.format is not None and self.format not in FORMATS:
            raise ValueError(f"the format {self.format!r} is not one of {', '.join(sorted(FORMATS))}")
        return self


class RenditionTable(_Table):
    """[[renditions]]: a tree of images made from another one."""

    name: Tree
    made_from: Tree = Field(default="original", alias="from")
    ratings: Annotated[list[Rating], Field(min_length=1)] | None = None
    """Which posts: those with one of these ratings; every post where it is left out."""
    query: Annotated[Line, AfterValidator(_query)] | None = None
    """Which posts: those that a query answers, instead of `ratings`."""
    preset: str | None = None
    transform: dict[str, str | int | bool] | None = None
    naming: Literal["id", "booru-chars"] = "id"
    exif: bool = False
    """Write the BOORU CHARS fields of EXIF into the images."""
    volumes: VolumesTable = VolumesTable(piece_length=64 * KIB)

    @model_validator(mode="after")
    def _one_transform(self) -> RenditionTable:
        if self.query is not None and self.ratings is not None:
            raise ValueError("a rendition has ratings or a query, not both: write rating:g into the query")
        if self.preset is not None and self.transform is not None:
            raise ValueError("a rendition has a preset or a transform, not both")
        if self.transform is None and (self.preset or self.name) not in PRESETS:
            raise ValueError(f"there is no preset {self.preset or self.name!r}; there are {', '.join(sorted(PRESETS))}")
        if self.naming == "booru-chars" and self.volumes.layout == "loose":
            raise ValueError("names that tell the characters are for members of archives: set volumes.layout")
        self.recipe()
        return self

    def recipe(self) -> Transform:
        """How an image of this rendition is made."""
        if self.transform is not None:
            return Transform.from_dict(self.transform)
        return PRESETS[self.preset or self.name]


class TorrentsTable(_Table):
    """[torrents]: what stands in the torrents beside the files, and so can change from release to release."""

    trackers: list[Annotated[str, Field(max_length=URL_LIMIT), AfterValidator(urls.tracker)]] = []
    """Announce URLs, each a tier of its own; without any the swarm is found by DHT only."""
    web_seeds: list[Annotated[str, Field(max_length=URL_LIMIT), AfterValidator(urls.web_seed)]] = []
    """URLs at which the dataset itself is served; the last folder of each is the name of the dataset."""
    compat: Annotated[list[Tree], BeforeValidator(_compat)] = []
    """Trees whose volumes get a second torrent, v1 without pads; false for none."""

    @model_validator(mode="after")
    def _is_short(self) -> TorrentsTable:
        given = [*self.trackers, *self.web_seeds]
        if twice := sorted({url for url in given if given.count(url) > 1}):
            raise ValueError(f"{twice[0]!r} is there twice")
        if sum(map(len, given)) > URLS_LIMIT:
            raise ValueError(f"trackers and web_seeds have more than {URLS_LIMIT} characters; every torrent holds them")
        return self

    def parents(self) -> tuple[str, ...]:
        """What a torrent has for web seeds: clients append the name of the dataset and the path of a file (BEP 19)."""
        return tuple(map(urls.parent, self.web_seeds))


class WaiverTable(_Table):
    """[[waivers]]: findings that may stand, by name; published with the release."""

    finding: str
    reason: Annotated[Line, Field(min_length=3)]
    ids: list[int] | None = None
    """Only those of these posts; all of that name where it is left out."""
    site: Name | None = None


class SigningTable(_Table):
    """[signing]: who signs the releases of this dataset."""

    keys: list[Annotated[str, AfterValidator(_public_key)]] = []
    """minisign public keys, the line that begins with RW."""
    threshold: Annotated[int, Field(ge=1)] = 1


class Config(_Table):
    """The whole of release.toml."""

    format: Literal["tagswarm.config/1"]
    dataset: DatasetTable
    release: ReleaseTable
    sources: Annotated[list[SourceTable], Field(min_length=1)]
    renditions: list[RenditionTable] = []
    torrents: TorrentsTable = TorrentsTable()
    waivers: list[WaiverTable] = []
    signing: SigningTable = SigningTable()
    withdrawals: str | None = None
    """A CSV of what is taken back: `site,id,action,reason`, relative to the dataset."""

    @model_validator(mode="after")
    def _agrees(self) -> Config:
        trees = [source.originals for source in self.sites()] + [rendition.name for rendition in self.renditions]
        if twice := sorted({tree for tree in trees if trees.count(tree) > 1}):
            raise ValueError(f"the tree {twice[0]!r} is named twice: each site and each rendition has its own")
        for source in self.sources:
            first = self.source_of_site(source.site)
            if (source.originals, source.volumes) != (first.originals, first.volumes):
                raise ValueError(f"the sources of the site {source.site!r} name different originals or volumes")
        originals = {source.originals for source in self.sources}
        for rendition in self.renditions:
            if rendition.made_from not in originals:
                raise ValueError(
                    f"the rendition {rendition.name!r} is made from {rendition.made_from!r}, which no source has"
                )
        for number, waiver in enumerate(self.waivers):
            if waiver.site is not None and waiver.site not in {source.site for source in self.sources}:
                raise ValueError(f"waivers.{number}.site: there is no source for the site {waiver.site!r}")
        for seed in self.torrents.web_seeds:
            if urls.folder(seed) != self.dataset.name:
                raise ValueError(
                    f"torrents.web_seeds: the last folder of {seed!r} is not {self.dataset.name!r}: clients append the"
                    " name of the dataset to what stands before it, so serve the dataset under its name"
                )
        if unknown := sorted(set(self.torrents.compat) - set(trees)):
            raise ValueError(f"torrents.compat: there is no tree {unknown[0]!r}; there is {', '.join(trees)}")
        if self.signing.threshold > max(1, len(set(self.signing.keys))):
            raise ValueError("signing.threshold is larger than the number of signing.keys")
        return self

    def sites(self) -> list[SourceTable]:
        """The first source of each site, in their order: it speaks for the tree of the site."""
        return [source for source in self.sources if source is self.source_of_site(source.site)]

    def source_of_site(self, site: str) -> SourceTable:
        """The first source of a site."""
        return next(source for source in self.sources if source.site == site)

    def source_of(self, tree: str) -> SourceTable:
        """The source whose posts a tree shows."""
        for rendition in self.renditions:
            if rendition.name == tree:
                tree = rendition.made_from
        return next(source for source in self.sources if source.originals == tree)

    def volumes_of(self, tree: str) -> VolumesTable:
        """How a tree is grouped."""
        for rendition in self.renditions:
            if rendition.name == tree:
                return rendition.volumes
        return self.source_of(tree).volumes


def load(dataset: Path) -> Config:
    """Read the release.toml of a dataset.

    Raises:
        ConfigInvalid: it is missing or says something that cannot be; the message names the key.
    """
    path = dataset / FILE
    if not path.exists():
        raise ConfigInvalid(
            f"{path}: there is no such file", hint=f"Run `tagswarm release init {dataset}` to write one."
        )
    try:
        table = tomllib.loads(disk.read(path, limit=CONFIG_LIMIT).decode("utf-8-sig"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as failure:
        raise ConfigInvalid(f"{path}: is not TOML: {failure}") from failure
    except RecursionError as failure:
        raise ConfigInvalid(f"{path}: is nested too deep") from failure
    return parse(table, str(path))


def parse(table: dict[str, object], where: str = FILE) -> Config:
    """Check a table that was read from TOML.

    Raises:
        ConfigInvalid: a key is missing, unknown or wrong.
    """
    found = table.get("format")
    if found != FORMAT:
        raise ConfigInvalid(f"{where}: format: {found!r} was found where {FORMAT!r} was expected")
    try:
        return Config.model_validate(table)
    except ValidationError as failure:
        problems = [_problem(error) for error in failure.errors(include_url=False, include_input=False)[:5]]
        raise ConfigInvalid(f"{where}: " + "; ".join(problems)) from failure
    except TagswarmError as failure:
        raise ConfigInvalid(f"{where}: {failure}") from failure


_TABLES = (
    Config,
    DatasetTable,
    ReleaseTable,
    SourceTable,
    RenditionTable,
    VolumesTable,
    TorrentsTable,
    WaiverTable,
    SigningTable,
)
_KEYS = sorted({field.alias or name for table in _TABLES for name, field in table.model_fields.items()})


def _problem(error: ErrorDetails) -> str:
    """What is wrong with one key, for a person: the place, counted from 0 in lists, and a sentence."""
    key = str(error["loc"][-1]) if error["loc"] else ""
    match error["type"]:
        case "extra_forbidden":
            close = difflib.get_close_matches(key, _KEYS, 1)
            said = "there is no such key" + (f"; did you mean {close[0]}?" if close else "")
        case "missing":
            said = "is missing"
        case "string_pattern_mismatch" if key == "id":
            said = "must be 32 hex digits, as `init` writes them"
        case "string_pattern_mismatch":
            said = "must be a name: up to 64 characters a-z 0-9 . _ -, the first one a letter or a digit"
        case "too_short" | "string_too_short":
            said = f"must have a length of at least {error['ctx']['min_length']}"
        case "date_type":
            said = "must be a date without quotes, such as 2026-11-20"
        case _:
            said = error["msg"].removeprefix("Value error, ")
    place = paths.escape(".".join(map(str, error["loc"])))
    return f"{place}: {said}" if place else said
