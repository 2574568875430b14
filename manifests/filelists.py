"""The two lists of files in an info dictionary, the list of v1 and the tree of v2, read from bencode and made safe.

Every path that comes out names a place below the folder of the torrent: `..`, `.`, empty components, separators, NUL
and symbolic links (BEP 47) are refused. Names that are merely strange pass; `torrentlint` tells of them. Bytes that are
no UTF-8 become lone surrogates (PEP 383), so that `os.fsencode` gives them back; `paths.escape` such a path before it
is shown.

Nothing here knows a hash or an infohash. Sources: BEP 3, 47, 52.
"""

from __future__ import annotations

import re
from array import array
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise

from . import paths
from .bencode import Reader, Value, shown
from .errors import InvalidDocument, LimitExceeded, UnsafePath
from .merkle import NODE

ENTRY_TOKENS = 1_000
"""Tokens of what is said of one file."""

PATH_BYTES = 4_096
"""Bytes of a path: no system opens a longer one."""

PATH_DEPTH = 100
"""Components of a path, as libtorrent has it."""

PATHS_ROOM = 16 << 20
"""Bytes of memory for all paths of a torrent: a tree says a long prefix once and has it a hundred thousand times."""

FOLDERS = 100_000
"""Folders of a tree."""

_TREE = "info/file tree"
_UNSAFE = re.compile(rb"(?:\A|/)\.{0,2}(?:/|\Z)|[\\\0]")


@dataclass(slots=True)
class Files:
    """Rows of a list, column by column: a hundred thousand of them cost little."""

    paths: list[str] = field(default_factory=list)
    sizes: array[int] = field(default_factory=lambda: array("q"))
    """Bytes."""
    pads: bytearray = field(default_factory=bytearray)
    """1 for a pad (BEP 47)."""
    roots: list[bytes | None] = field(default_factory=list)
    """Pieces roots; None of an empty file. A list of v1 has none at all."""
    room: int = 0
    """Bytes of memory that the paths need at the worst."""

    def __len__(self) -> int:
        return len(self.paths)

    def rows(self) -> Iterator[tuple[str, int]]:
        """Path and size in bytes of every file that is no pad."""
        return ((path, size) for path, size, pad in zip(self.paths, self.sizes, self.pads, strict=True) if not pad)

    def add(self, path: str, size: int, *, pad: bool = False) -> None:
        """Append a row.

        Raises:
            LimitExceeded: the paths need too much memory.
        """
        self.room += len(path) if path.isascii() else 4 * len(path)
        if self.room > PATHS_ROOM:
            raise LimitExceeded(f"info: the paths need more than {PATHS_ROOM} bytes of memory")
        self.paths.append(path)
        self.sizes.append(size)
        self.pads.append(pad)


def read_list(reader: Reader) -> Files:
    """The list of v1 that is next.

    Raises:
        LimitExceeded, UnsafePath, InvalidDocument: as `torrentfile.parse` does.
    """
    files = Files()
    for number in reader.items():
        where = f"info/files/{number}"
        entry = reader.value(tokens=ENTRY_TOKENS)
        if not isinstance(entry, dict):
            raise InvalidDocument(f"{where}: is no dictionary")
        parts = entry.get(b"path.utf-8", entry.get(b"path"))
        size, attributes = size_of(entry, where), attributes_of(entry, where)
        files.add(safe_path(parts, where), size, pad=b"p" in attributes)
    return files


def read_tree(reader: Reader) -> Files:
    """The file tree of v2 that is next: its files in the order of the tree, with their roots.

    Raises:
        LimitExceeded, UnsafePath, InvalidDocument: as `torrentfile.parse` does.
    """
    files = Files()
    folders = 0
    stack = [(b"", reader.fields(ordered=True))]
    while stack:
        above, names = stack[-1]
        name = next(names, None)
        if name is None:
            stack.pop()
            continue
        path = _joined([above, name] if above else [name], _TREE)
        if reader.data.startswith(b"d0:", reader.at):
            _leaf(reader, path, files)
            continue
        folders += 1
        if folders > FOLDERS:
            raise LimitExceeded(f"{_TREE}: more than {FOLDERS} folders")
        stack.append((path, reader.fields(ordered=True)))
    return files


@dataclass(frozen=True, slots=True)
class _Node:
    """A place in the tree, for a message that is made only when it is needed."""

    path: bytes

    def __str__(self) -> str:
        return f"{_TREE}/{shown(self.path)}"


def _leaf(reader: Reader, raw: bytes, files: Files) -> None:
    """The file of a tree that is next, with its path."""
    where = _Node(raw)
    node = reader.value(tokens=ENTRY_TOKENS)
    entry = node.pop(b"") if isinstance(node, dict) else None
    if not isinstance(entry, dict) or node:
        raise InvalidDocument(f"{where}: is a file and a folder at once, or neither")
    size = size_of(entry, where)
    if b"p" in attributes_of(entry, where):
        raise InvalidDocument(f"{where}: a pad in a tree, which needs none")
    root = entry.get(b"pieces root") if size else None
    if size and (not isinstance(root, bytes) or len(root) != NODE or not any(root)):
        raise InvalidDocument(f"{where}: has no pieces root of {NODE} bytes that are not all zero")
    files.add(_text(raw), size)
    files.roots.append(root if isinstance(root, bytes) else None)


def padded(tree: Files, piece_length: int) -> Files:
    """The files of a tree with the pads that BEP 52 implies, named as libtorrent names them."""
    files = Files()
    for path, size in tree.rows():
        files.add(path, size)
        if missing := -size % piece_length:
            files.add(f".pad/{missing}", missing, pad=True)
    return files


def check_distinct(listed: Files) -> None:
    """Let a list of v1 pass that has no path twice and no file that is a folder too.

    Raises:
        InvalidDocument: it has one.
    """
    keys = sorted(paths.sort_key(path) for path, _ in listed.rows())
    for key, following in pairwise(keys):
        if key == following or following.startswith(key + b"\0"):
            path = shown(following.replace(b"\0", b"/"))
            raise InvalidDocument(f"info/files: {path} is there twice, or lies under a file")


def check_agree(listed: Files, tree: Files, piece_length: int) -> None:
    """Let a list of v1 pass that is the tree of v2 with its pads; after empty files and the last one they may lack.

    Raises:
        InvalidDocument: it is not.
    """
    offset = 0
    expected = tree.rows()
    for number, (path, size, pad) in enumerate(zip(listed.paths, listed.sizes, listed.pads, strict=True)):
        missing = -offset % piece_length
        fits = size == missing if pad else (not size or not missing) and next(expected, None) == (path, size)
        if not fits:
            raise InvalidDocument(f"info/files/{number}: {paths.escape(path)[:200]} is not what the file tree says")
        offset += size
    if next(expected, None) is not None:
        raise InvalidDocument("info/files: the file tree has more files")


def safe_path(parts: Value | None, where: object) -> str:
    """The path of a list of components, below the folder of the torrent.

    Raises:
        UnsafePath: it leaves that folder.
        LimitExceeded: no system can hold it.
        InvalidDocument: it is no list of strings.
    """
    components = parts if isinstance(parts, list) else []
    named = [part for part in components if isinstance(part, bytes)]
    if not named or len(named) < len(components):
        raise InvalidDocument(f"{where}: has no path")
    return _text(_joined(named, where, below=False))


def _joined(named: list[bytes], where: object, *, below: bool = True) -> bytes:
    """Components as a path; with `below`, the first is a path that passed already."""
    raw = b"/".join(named)
    if len(raw) > PATH_BYTES or len(named) > PATH_DEPTH:
        raise LimitExceeded(f"{where}: a path of {len(raw)} bytes and {len(named)} components")
    slashes = raw.count(b"/") - (named[0].count(b"/") if below and len(named) > 1 else 0)
    if slashes != len(named) - 1 or _UNSAFE.search(raw):
        raise UnsafePath(f"{where}: the path {shown(raw)} leaves the folder of the torrent", hint=_HOSTILE)
    return raw


_HOSTILE = "Do not use this torrent: no honest program writes such a path."


def _text(raw: bytes) -> str:
    return raw.decode("utf-8", "surrogateescape")


def size_of(entry: dict[bytes, Value], where: object) -> int:
    """The length of a file in bytes.

    Raises:
        InvalidDocument: it has none.
    """
    size = entry.get(b"length")
    if not isinstance(size, int) or size < 0:
        raise InvalidDocument(f"{where}: has no length of 0 bytes or more")
    return size


def attributes_of(entry: dict[bytes, Value], where: object) -> bytes:
    """The attributes of BEP 47: `p` a pad, `x` executable, `h` hidden.

    Raises:
        UnsafePath: it is a symbolic link.
        InvalidDocument: they are no string.
    """
    attributes = entry.get(b"attr", b"")
    if not isinstance(attributes, bytes):
        raise InvalidDocument(f"{where}: its attr is no string")
    if b"l" in attributes or b"symlink path" in entry:
        raise UnsafePath(f"{where}: is a symbolic link", hint="Links of torrents are never made or followed.")
    return attributes
