"""tagswarm.lock: which posts of which release a subset holds, how its files were made, and what their bytes are.

With the lock and the release anybody makes the same folder again, years later: docs/reference/formats/lock.md. The
first line says where it comes from and vouches for the others; then comes one line a post, sorted by id, as long as
there are posts. So it is read and written line by line, however large the subset is.

Nothing here asks a network or looks at the files that a lock names.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Annotated, Any, BinaryIO, ClassVar, Literal

from pydantic import ConfigDict, Field, TypeAdapter, ValidationError

from tagswarm.imaging.transform import Transform
from tagswarm.manifests import codec, disk
from tagswarm.manifests.errors import FormatError, InvalidDocument, LimitExceeded
from tagswarm.manifests.models import DatasetId, Document, Name, Sha256, Size, Value
from tagswarm.manifests.paths import escape

from .file import File
from .form import PLACE, Form, Layout, post_of

LOCK = "tagswarm.lock"
"""Its name in the folder of a subset."""
HEADER_LIMIT = 1 << 20
"""Bytes of the first line."""
LINE_LIMIT = 4096
"""Bytes of the line of a post."""
LINES = 50_000_000
"""Lines at most: ten times the largest collection there is."""

Post = Annotated[int, Field(ge=0, lt=1 << 63)]
Place = Annotated[str, Field(pattern=PLACE)]
Text = Annotated[str, Field(max_length=255)]


class LockedDataset(Value):
    """The dataset that a subset comes from."""

    id: DatasetId
    name: Name


class Header(Document):
    """The first line: where the posts come from and how their files were made."""

    format: Literal["tagswarm.lock/1"] = "tagswarm.lock/1"
    dataset: LockedDataset
    release: Name
    sequence: Annotated[int, Field(ge=1, lt=1 << 53)]
    root_sha256: Sha256
    keys: tuple[Text, ...] = ()
    """The minisign public keys that had signed the root; none where it was unsigned."""
    rendition: Name
    query: str | None = None
    """As it was written; None where the posts were given by their ids."""
    canonical: str | None = None
    """The query in its one normal form."""
    seed: int | None = None
    """Of `order:random`."""
    now: Text | None = None
    """The moment that ages in the query are counted from, as in RFC 3339."""
    timezone: Text | None = None
    """In which the dates of the query lie."""
    layout: Layout
    transform: dict[str, Any] | None = None
    """How every image was made; None where the files are those of the release."""
    originals: bool = False
    """Whether the files that images were made from are kept beside them."""
    engines: tuple[Text, ...] = ()
    """Everything that made an image of this subset, with its version, sorted."""
    captions: dict[str, Any] | None = None
    """How the captions were written."""
    posts: Size = 0
    """Lines that follow."""
    bytes: Size = 0
    """Of all files that the lines name, without the originals."""
    sha256: Sha256 = hashlib.sha256().hexdigest()
    """Of all lines that follow, with their newlines."""
    generator: Text
    """The program that wrote it, with its version."""

    @property
    def form(self) -> Form:
        """The form of the folder.

        Raises:
            InvalidDocument: the transform is none that this program knows.
        """
        transform = None if self.transform is None else Transform.from_dict(self.transform)
        return Form(transform=transform, layout=self.layout, originals=self.originals)


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One post: the file of the release, and what was made of it: a file, a reason for none, or nothing yet."""

    __pydantic_config__: ClassVar = ConfigDict(extra="forbid", strict=True)

    id: Post
    version: Annotated[int, Field(ge=1)] = 1
    """Of the file of the release."""
    volume: Name
    path: Text
    """Of the file of the release; of a member its name in the archive."""
    archive: Text | None = None
    """The archive of a member."""
    source_size: Size
    """Bytes."""
    source_sha256: Sha256
    file: Place | None = None
    """Relative to the folder of the subset."""
    size: Size | None = None
    """Bytes."""
    sha256: Sha256 | None = None
    width: Annotated[int, Field(ge=1)] | None = None
    """Pixels; None where the file shows no image."""
    height: Annotated[int, Field(ge=1)] | None = None
    engine: Text | None = None
    """What made the image; None of a file of the release."""
    original: Place | None = None
    """The file of the release, where it is kept beside the image; relative to the folder of the subset."""
    skipped: Text | None = None
    """The reason why there is no image."""
    detail: Text | None = None

    @classmethod
    def of(cls, file: File) -> Entry:
        """A post that nothing was made of yet."""
        return cls(
            id=file.id,
            version=file.version,
            volume=file.volume,
            path=file.path,
            archive=file.archive,
            source_size=file.size,
            source_sha256=file.sha256,
        )

    def source(self) -> File:
        """The file of the release, as far as a lock knows it."""
        return File(
            id=self.id,
            path=self.path,
            size=self.source_size,
            sha256=self.source_sha256,
            volume=self.volume,
            version=self.version,
            archive=self.archive,
        )

    @property
    def pending(self) -> bool:
        """Whether its file has not come yet."""
        return self.file is None and self.skipped is None

    def line(self) -> bytes:
        """As it stands in the lock."""
        return codec.line({key: item for key, absent in _KEYS.items() if (item := getattr(self, key)) != absent})


_KEYS = {field.name: 1 if field.name == "version" else None for field in fields(Entry)}
"""Every key in its order, and the value that stands for its absence."""

_ENTRIES = TypeAdapter(Entry)


def parse_entry(line: bytes) -> Entry:
    """Read the line of a post.

    Raises:
        LimitExceeded: it is too long.
        InvalidDocument: it is malformed, or says two things at once.
    """
    if len(line) > LINE_LIMIT:
        raise LimitExceeded(f"longer than {LINE_LIMIT} bytes")
    try:
        entry = _ENTRIES.validate_json(line)
    except ValidationError as failure:
        first = failure.errors(include_url=False, include_input=False)[0]
        raise InvalidDocument(f"{escape('.'.join(map(str, first['loc'])) or 'line')}: {first['msg']}") from failure
    absent = [value is None for value in (entry.file, entry.size, entry.sha256)]
    if any(absent) != all(absent) or (entry.file is not None and entry.skipped is not None):
        raise InvalidDocument("a file has its size and digest, and a post that was skipped has no file")
    if (entry.width is None) != (entry.height is None):
        raise InvalidDocument("an image has a width and a height")
    for place in (entry.file, entry.original):
        if place is not None and post_of(place) != entry.id:
            raise InvalidDocument(f"{escape(place)}: is not the file of post {entry.id}")
    return entry


def write(path: Path, header: Header, entries: Callable[[], Iterable[Entry]]) -> Header:
    """Write a lock at once: readers see the old one or this one.

    Args:
        path: its place.
        header: what its first line says; counts, engines and digest are filled in here.
        entries: gives all posts sorted by id, each time it is called: they are gone through twice.

    Raises:
        StoreError: it cannot be written.
    """
    posts, size, digest, engines = 0, 0, hashlib.sha256(), set()
    for entry in entries():
        posts += 1
        size += entry.size or 0
        digest.update(entry.line())
        if entry.engine is not None:
            engines.add(entry.engine)
    found = {"posts": posts, "bytes": size, "sha256": digest.hexdigest(), "engines": tuple(sorted(engines))}
    header = header.model_copy(update=found)
    with disk.Aside(path) as aside:
        aside.write(codec.line(header.model_dump(mode="json", exclude_none=True)))
        for entry in entries():
            aside.write(entry.line())
        aside.commit()
    return header


class Lock:
    """A lock that is read: the header at once, the posts as they are asked for."""

    def __init__(self, path: Path) -> None:
        """Open a lock.

        Raises:
            Unreadable: it is not there, or cannot be read.
            FormatError: its first line is malformed; the message names the place.
        """
        self.path = path
        with disk.open_read(path) as file, _named(path, 1):
            self.header = Header.parse(_line(file, HEADER_LIMIT), limit=HEADER_LIMIT)
            self.form = self.header.form
            if self.header.posts > LINES:
                raise LimitExceeded(f"{self.header.posts} posts, at most {LINES} are read")

    def entries(self) -> Iterator[Entry]:
        """Every post, sorted by id. Only when the iteration has ended it is known that none was changed.

        Raises:
            Unreadable: a read failed.
            FormatError: a line is malformed, twice there or missing, or the digest is another one.
        """
        with disk.open_read(self.path) as file, disk.failures(self.path):
            with _named(self.path, 1):
                _line(file, HEADER_LIMIT)
            digest, last = hashlib.sha256(), -1
            for number in range(2, self.header.posts + 2):
                with _named(self.path, number):
                    line = _line(file, LINE_LIMIT)
                    digest.update(line)
                    entry = parse_entry(line)
                    if entry.id <= last:
                        raise InvalidDocument(f"post {entry.id} stands behind post {last}")
                    last = entry.id
                yield entry
            if file.read(1) or digest.hexdigest() != self.header.sha256:
                raise InvalidDocument(
                    f"{self.path}: its lines are not those that its first line vouches for",
                    hint="It was changed or damaged: restore it from a copy, or pull the query again.",
                )


def _line(file: BinaryIO, limit: int) -> bytes:
    line = file.readline(limit + 1)
    if len(line) > limit:
        raise LimitExceeded(f"longer than {limit} bytes")
    if not line.endswith(b"\n"):
        raise InvalidDocument("is cut off")
    return line


@contextmanager
def _named(path: Path, number: int) -> Iterator[None]:
    """Say in the message of a malformed line where it stands."""
    try:
        yield
    except FormatError as failure:
        raise type(failure)(f"{path}, line {number}: {failure.message}", hint=failure.hint) from failure


@dataclass(frozen=True, slots=True)
class Difference:
    """What is to be done to a subset so that it holds other posts; ids, sorted."""

    fetch: tuple[int, ...]
    remove: tuple[int, ...]
    kept: int


def difference(entries: Iterable[Entry], files: Iterable[File], *, alike: bool = True) -> Difference:
    """Compare the posts that a subset holds with the files that are wanted.

    Args:
        entries: of the subset.
        files: wanted.
        alike: whether its files were made as the wanted ones shall be; otherwise every one is made anew.
    """
    held = {entry.id: None if entry.pending or not alike else entry.source_sha256 for entry in entries}
    fetch: list[int] = []
    kept = 0
    for file in files:
        if held.pop(file.id, None) == file.sha256:
            kept += 1
        else:
            fetch.append(file.id)
    return Difference(tuple(sorted(fetch)), tuple(sorted(held)), kept)


@dataclass(frozen=True, slots=True)
class Changes:
    """What became of the posts of a lock in a release; ids, sorted."""

    gone: tuple[int, ...]
    """Withdrawn since, or never in it."""
    replaced: tuple[int, ...]
    """Their file is another one."""


def changes(entries: Iterable[Entry], files: Iterable[File]) -> Changes:
    """Compare the posts of a lock with their files in a release, in any order."""
    sources = {file.id: file.sha256 for file in files}
    gone, replaced = [], []
    for entry in entries:
        if (found := sources.get(entry.id)) is None:
            gone.append(entry.id)
        elif found != entry.source_sha256:
            replaced.append(entry.id)
    return Changes(tuple(sorted(gone)), tuple(sorted(replaced)))


@dataclass(frozen=True, slots=True)
class Reproduced:
    """What was made again from a lock, compared with it; ids, sorted."""

    same: int
    """Posts with the same bytes, or skipped for the same reason."""
    differing: tuple[int, ...]
    absent: tuple[int, ...]
    """They are not there, or not yet."""
    engines: tuple[tuple[str, str], ...]
    """Pairs of engines, that of the lock and this one's, whose images differ."""

    @property
    def ok(self) -> bool:
        """It is bit for bit the subset of the lock."""
        return not self.differing and not self.absent


def reproduced(expected: Iterable[Entry], made: Iterable[Entry]) -> Reproduced:
    """Compare the posts of a lock with those that were made now; both sorted by id."""
    same, differing, absent = 0, [], []
    engines: set[tuple[str, str]] = set()
    rest = iter(made)
    now = next(rest, None)
    for entry in expected:
        while now is not None and now.id < entry.id:
            now = next(rest, None)
        if now is None or now.id != entry.id or (now.pending and not entry.pending):
            absent.append(entry.id)
        elif _outcome(now) == _outcome(entry):
            same += 1
        else:
            differing.append(entry.id)
            if entry.engine != now.engine:
                engines.add((entry.engine or "none", now.engine or "none"))
    return Reproduced(same, tuple(differing), tuple(absent), tuple(sorted(engines)))


def _outcome(entry: Entry) -> tuple[str | None, ...]:
    return entry.file, entry.sha256, entry.skipped
