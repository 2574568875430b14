"""The documents of a published dataset: root, latest, keys, volume manifests, withdrawals.

pydantic stands at this border and nowhere further in: a document is checked once, with its format, its limits and its
unknown keys, and is a frozen value from then on. Lines of a manifest, of which there are millions, are slotted
dataclasses read through one adapter. Every document begins with `format`, a name and a version; what is newer is
refused with a sentence.

Nothing here opens a file, checks a signature or compares documents with each other.
"""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, fields
from datetime import date
from typing import Annotated, Any, ClassVar, Literal, Self, TypeVar

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from . import codec, paths
from .errors import InvalidDocument, LimitExceeded, UnsupportedVersion

ROOT_LIMIT = 16 << 20
"""Bytes of a release.json."""
LATEST_LIMIT = 16 << 10
KEYS_LIMIT = 64 << 10
MANIFEST_LIMIT = 256 << 20
"""Bytes of a manifest when decompressed."""
MANIFEST_LINES = 200_000
"""Lines of a manifest: a volume has at most 50,000 images, and an archive and its index for each at the worst."""
LINE_LIMIT = 4096
"""Bytes of one line of a manifest or of the list of withdrawals."""

Sha256 = Annotated[str, Field(pattern=r"\A[0-9a-f]{64}\z")]
Name = Annotated[str, Field(pattern=r"\A[a-z0-9][a-z0-9._-]{0,63}\z")]
Size = Annotated[int, Field(ge=0, lt=1 << 63)]
DatasetId = Annotated[str, Field(pattern=r"\A[0-9a-f]{32}\z")]

Layout = Literal["loose", "tar", "zip"]
"""Loose files, or archives."""


class Value(BaseModel):
    """A part of a document: frozen, and without keys that its version does not have."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class Document(Value):
    """A document with a format of its own."""

    @classmethod
    def format_name(cls) -> str:
        """The format with its version, as the document states it."""
        name: str = cls.model_fields["format"].default
        return name

    @classmethod
    def parse(cls, data: bytes, *, limit: int) -> Self:
        """Read a document of at most `limit` bytes.

        Raises:
            LimitExceeded: it is larger or deeper than it may be.
            UnsupportedVersion: its format is another one, or newer.
            InvalidDocument: it is malformed; the message names the key.
        """
        value = codec.parse(data, limit=limit)
        check_format(value, cls.format_name())
        try:
            return cls.model_validate_json(data)
        except ValidationError as failure:
            raise InvalidDocument(f"{cls.format_name()}: {_places(failure)}") from failure

    def render(self) -> bytes:
        """The document as it is published: readable JSON, the same bytes for the same value."""
        return codec.pretty(self.model_dump(mode="json", exclude_none=True))


def check_format(value: Any, expected: str) -> None:
    """Refuse a document whose `format` is not the expected one.

    Raises:
        InvalidDocument: there is no format.
        UnsupportedVersion: it is another format, or a newer version.
    """
    found = value.get("format") if isinstance(value, dict) else None
    if not isinstance(found, str):
        raise InvalidDocument(f"no format is stated; {expected} was expected")
    if found == expected:
        return
    name, _, version = expected.partition("/")
    if (
        found.startswith(name + "/")
        and found.partition("/")[2].isdecimal()
        and int(found.partition("/")[2]) > int(version)
    ):
        raise UnsupportedVersion(f"{paths.escape(found)} is newer than {expected}, the newest this program reads")
    raise UnsupportedVersion(
        f"{paths.escape(found)} was found where {expected} was expected",
        hint="This is another document; check the path.",
    )


def _places(failure: ValidationError) -> str:
    first = failure.errors(include_url=False, include_input=False)[:3]
    return "; ".join(f"{paths.escape('.'.join(map(str, e['loc'])) or 'document')}: {e['msg']}" for e in first)


class Object(Value):
    """A published file that is reached by its digest."""

    path: str
    """Relative to the dataset, with `/`."""
    size: Size
    sha256: Sha256


class PackedObject(Object):
    """A zstd-compressed file, with the digest of what is in it."""

    plain_sha256: Sha256


class VolumeEntry(Value):
    """What the root says of one volume."""

    name: Name
    rendition: Name
    generation: Name
    """The release that made the volume; later ones carry it over."""
    revision: Annotated[int, Field(ge=1)] = 1
    """Above 1 only after a purge."""
    layout: Layout
    files: Size
    """Files on the disk, archives where the layout is packed."""
    images: Size
    bytes: Size
    """Bytes of the files."""
    manifest: PackedObject
    checksums: Object
    lists: list[Object]
    """rsync lists of at most 20,000 lines each."""
    torrent: Object | None = None
    """The hybrid torrent; None of volumes of releases before there were torrents, and of those without a byte."""
    compat: Object | None = None
    """The v1 torrent without pads, where the maintainer has one made."""

    def documents(self) -> Iterator[Object]:
        """Every file of the volume that is not one of its images or archives."""
        yield self.manifest
        yield self.checksums
        yield from self.lists
        if self.torrent is not None:
            yield self.torrent
        if self.compat is not None:
            yield self.compat


class RenditionEntry(Value):
    """What the root says of one rendition."""

    name: Name
    site: Name
    made_from: str | None = None
    """The tree it was made from; None for the originals."""
    selection: list[str] | str | None = None
    """The ratings that were selected, or the query that selected; None means every post."""
    transform: dict[str, Any] | None = None
    """How; the engines stand in the manifests."""
    piece_length: Size
    strategy: str
    files: Size
    bytes: Size


class SourceEntry(Value):
    """Where the metadata of a site came from."""

    site: Name
    format: str
    rating_scheme: str
    posts: Size
    rejects: Size
    objects: list[Object] = []
    """The raw dumps, where they are published."""


class WaiverEntry(Value):
    """Findings that the maintainer let pass, by name."""

    finding: str
    reason: str
    count: Size


class Totals(Value):
    """The release in numbers."""

    posts: Size
    files: Size
    bytes: Size
    tags: Size
    """Tags that some post has."""
    tag_instances: Size
    volumes: Size


class Dataset(Value):
    """The long-lived collection."""

    id: DatasetId
    """128 random bits, chosen once."""
    name: Name
    title: str
    homepage: str | None = None
    licence: str | None = None
    contact: str | None = None


class Previous(Value):
    """The release before this one."""

    release: Name
    sequence: Annotated[int, Field(ge=1)]
    root_sha256: Sha256


class Root(Document):
    """release.json: everything in a release is reached from here by SHA-256."""

    format: Literal["tagswarm.release/1"] = "tagswarm.release/1"
    dataset: Dataset
    release: Name
    sequence: Annotated[int, Field(ge=1, lt=1 << 53)]
    issued: Annotated[date, Field(strict=False)]
    previous: Previous | None = None
    totals: Totals
    sources: list[SourceEntry]
    renditions: list[RenditionEntry]
    volumes: list[VolumeEntry]
    objects: list[Object]
    """Every other file of the release, sorted by path."""
    waivers: list[WaiverEntry]
    generator: str

    def all_objects(self) -> Iterator[Object]:
        """Every file the root vouches for by itself: artefacts, raw dumps, and the documents of volumes."""
        yield from self.objects
        for source in self.sources:
            yield from source.objects
        for volume in self.volumes:
            yield from volume.documents()


class Latest(Document):
    """latest.json: which release is the newest."""

    format: Literal["tagswarm.latest/1"] = "tagswarm.latest/1"
    dataset_id: DatasetId
    sequence: Annotated[int, Field(ge=1, lt=1 << 53)]
    release: Name
    root: Object
    issued: Annotated[date, Field(strict=False)]
    expires: Annotated[date, Field(strict=False)]
    """Advisory: past it a client warns and goes on."""


class Keys(Document):
    """keys.json: who may sign; signed by the list before it and by itself."""

    format: Literal["tagswarm.keys/1"] = "tagswarm.keys/1"
    dataset_id: DatasetId
    version: Annotated[int, Field(ge=1)]
    threshold: Annotated[int, Field(ge=1)] = 1
    keys: Annotated[list[str], Field(min_length=1, max_length=16)]
    """minisign public keys, the line that begins with RW."""


class VolumeHeader(Document):
    """The first line of a manifest."""

    format: Literal["tagswarm.volume/1"] = "tagswarm.volume/1"
    name: Name
    rendition: Name
    generation: Name
    revision: Annotated[int, Field(ge=1)] = 1
    layout: Layout
    site: Name
    piece_length: Size
    engine: str | None = None
    """What made most of the files of a rendition; a file made by another engine says so itself."""
    files: Size = 0
    images: Size = 0
    bytes: Size = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class FileEntry:
    """One line of a manifest: a file on the disk, or a member inside an archive of this volume."""

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    path: str
    """Of the file, or the name of the member inside its archive."""
    size: Size
    """Bytes."""
    sha256: Sha256
    root: Sha256 | None = None
    """BEP 52 pieces root of a file; None for an empty file and for members."""
    id: Size | None = None
    """The post; None for archives and their indexes."""
    version: Size | None = None
    """Of the file of the post; None means 1, the first."""
    kind: str | None = None
    """What the bytes are, whatever the name says: `png`, `jpeg`, `mp4`."""
    width: Size | None = None
    """Pixels, as displayed."""
    height: Size | None = None
    md5: str | None = None
    """As the booru claims it; it never verifies the file."""
    engine: str | None = None
    archive: str | None = None
    """The archive that holds this member."""
    offset: Size | None = None
    """Where the bytes of the member begin in the archive."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Withdrawal:
    """One line of withdrawn.jsonl: a post, or one file of it, that is taken back."""

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    site: str
    id: Size
    action: Literal["withdrawn", "purged", "replaced"]
    reason: str
    release: str
    """The release that took it back."""
    path: str | None = None
    """One file; None means every file of the post."""
    replaced_by: str | None = None


WITHDRAWN_FORMAT = "tagswarm.withdrawn/1"

_FILES: TypeAdapter[FileEntry] = TypeAdapter(FileEntry)
_WITHDRAWALS: TypeAdapter[Withdrawal] = TypeAdapter(Withdrawal)
_FILE_KEYS = tuple(field.name for field in fields(FileEntry))
_WITHDRAWAL_KEYS = tuple(field.name for field in fields(Withdrawal))


def render_manifest(header: VolumeHeader, entries: Iterable[FileEntry]) -> Iterator[bytes]:
    """The lines of a manifest: the header, then one line a file in the order given."""
    yield codec.line(header.model_dump(mode="json", exclude_none=True))
    for entry in entries:
        yield _line(entry, _FILE_KEYS)


def parse_manifest(lines: Iterable[tuple[int, bytes]]) -> tuple[VolumeHeader, list[FileEntry]]:
    """Read the numbered lines of a manifest; every path passes `paths.check`.

    Raises:
        FormatError: any of its kinds, with the number of the line.
    """
    numbered = iter(lines)
    _, first = next(numbered, (1, b""))
    header = VolumeHeader.parse(first, limit=LINE_LIMIT)
    entries: list[FileEntry] = []
    for number, line in numbered:
        if number > MANIFEST_LINES:
            raise LimitExceeded(f"the manifest has more than {MANIFEST_LINES} lines")
        entries.append(_entry(_FILES, number, line))
    for entry in entries:
        paths.check(entry.path)
        if entry.archive is not None:
            paths.check(entry.archive)
    return header, entries


def render_withdrawals(withdrawals: Iterable[Withdrawal]) -> bytes:
    """withdrawn.jsonl: a header, then one line a withdrawal in the order given."""
    head = codec.line({"format": WITHDRAWN_FORMAT})
    return head + b"".join(_line(withdrawal, _WITHDRAWAL_KEYS) for withdrawal in withdrawals)


def parse_withdrawals(data: bytes) -> list[Withdrawal]:
    """Read withdrawn.jsonl.

    Raises:
        FormatError: any of its kinds, with the number of the line.
    """
    lines = io.BytesIO(data)  # read line by line: the first bad one ends it, however many follow
    check_format(codec.parse(lines.readline(), limit=LINE_LIMIT), WITHDRAWN_FORMAT)
    return [_entry(_WITHDRAWALS, number, line.removesuffix(b"\n")) for number, line in enumerate(lines, 2)]


def _line(value: Any, keys: tuple[str, ...]) -> bytes:
    return codec.line({key: item for key in keys if (item := getattr(value, key)) is not None})


E = TypeVar("E")


def _entry(adapter: TypeAdapter[E], number: int, line: bytes) -> E:
    if len(line) > LINE_LIMIT:
        raise LimitExceeded(f"line {number}: longer than {LINE_LIMIT} bytes")
    try:
        return adapter.validate_json(line)
    except ValidationError as failure:
        raise InvalidDocument(f"line {number}: {_places(failure)}") from failure
