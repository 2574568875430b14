"""The names of files: the grammar of loose files, what no tree may hold, the order of lists, and text safe to show.

A path is text relative to the dataset, its components joined by `/`. Paths of loose files are generated from a grammar
(`FilePath`); every other path, and every path from outside, passes `check`: one that passes names a file inside the
tree on Linux, macOS and Windows alike, and means nothing special to rsync, sha256sum, a shell or a terminal.

Nothing here touches a disk: whether a component is a link is asked where files are opened (`disk`).
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Self

from .errors import UnsafePath

BUCKETS = 1000
"""The bucket of a file is its id modulo this."""

PATH_LIMIT = 120
"""Bytes of a path in UTF-8, so that the trees lie anywhere on Windows, whose paths end at 260 characters."""

COMPONENT_LIMIT = 255
"""Bytes of one component in UTF-8, the limit of ext4, XFS, NTFS and APFS."""

_LOOSE = re.compile(r"([a-z0-9]+)/([0-9]{4})/(0|[1-9][0-9]{0,17})(?:\.v([1-9][0-9]{0,5}))?\.([a-z0-9]{2,4})")
_RESERVED = re.compile(
    r"(?:con|prn|aux|nul|conin\$|conout\$|clock\$|(?:com|lpt)[0-9¹²³]) *(?:\..*)?", re.IGNORECASE | re.DOTALL
)
_FORBIDDEN = frozenset('<>:"|?*')
"""What Windows cannot hold; the colon also makes drives and streams."""

_LEADING = frozenset(".-~#; ")
"""What no component begins with: a hidden file, an option, a home folder, a comment of rsync, a space tools trim."""

_HIDDEN = frozenset(("Cc", "Cf", "Cn", "Co", "Cs", "Zl", "Zp"))
"""Categories that a terminal obeys, nobody sees, or the next Unicode may change: control, format, unassigned, ..."""


@dataclass(frozen=True, slots=True)
class FilePath:
    """The path of a loose file: `512px/0000/1000.jpg`, and `512px/0000/1000.v2.jpg` for one that replaces it."""

    tree: str
    bucket: int
    id: int
    version: int
    """1 for the first file of a post, which has no suffix."""
    ext: str

    @classmethod
    def parse(cls, path: str) -> Self:
        """Read a path of the grammar `[a-z0-9]+/[0-9]{4}/[0-9]+(.v[0-9]+)?.[a-z0-9]{2,4}`.

        Numbers but the bucket have no leading zeros. A bucket that is not the right one is read as it stands; compare
        it with `right_bucket`.

        Raises:
            UnsafePath: it does not follow the grammar, or `check` refuses it.
        """
        match = _LOOSE.fullmatch(path)
        if match is None:
            check(path)
            raise UnsafePath(f"{escape(path)}: is not the path of a loose file")
        tree, bucket, post, version, ext = match.groups()
        if version == "1":
            raise UnsafePath(f"{escape(path)}: the first version of a file has no suffix")
        check(path)
        return cls(tree, int(bucket), int(post), int(version or 1), ext)

    @classmethod
    def of(cls, tree: str, post: int, ext: str, version: int = 1) -> Self:
        """The path of a file in its right bucket."""
        return cls(tree, post % BUCKETS, post, version, ext)

    @property
    def right_bucket(self) -> int:
        """The bucket this file belongs to: its id modulo 1000."""
        return self.id % BUCKETS

    def __str__(self) -> str:
        suffix = f".v{self.version}" if self.version > 1 else ""
        return f"{self.tree}/{self.bucket:04}/{self.id}{suffix}.{self.ext}"


@dataclass(frozen=True, slots=True)
class Problem:
    """What is wrong with a path."""

    path: str
    """As it was given; `escape` it before it is shown."""
    name: str
    """One of a few words, to be counted by: `absolute`, `control`, `case-twin`, ..."""
    detail: str
    """A sentence that is safe to show."""


def check(path: str, *, limit: int = PATH_LIMIT) -> None:
    """Let a path pass that names a file inside the tree on every system; `limit` in bytes of UTF-8.

    Raises:
        UnsafePath: it does not; the message names the first of its problems.
    """
    loose = _LOOSE.fullmatch(path)  # most paths are such, and only the name of their tree can be wrong
    if loose is not None and len(path) <= limit and not _RESERVED.fullmatch(loose[1]):
        return
    for problem in _problems(path, limit):
        raise UnsafePath(f"{escape(path)}: {problem.detail}")


def lint(paths: Iterable[str], *, limit: int = PATH_LIMIT) -> Iterator[Problem]:
    """Every problem of every path, and the paths that some system cannot tell from an earlier one of the set.

    Remembers every path and folder of the set. Problems come in the order of the paths.
    """
    names: dict[str, str] = {}
    files: set[str] = set()
    folders: set[str] = set()
    for path in paths:
        yield from _problems(path, limit)
        if path in files:
            yield Problem(path, "duplicate", "is in the set twice")
            continue
        parents = [path[:at] for at, character in enumerate(path) if character == "/"]
        if path in folders or not files.isdisjoint(parents):
            yield Problem(path, "file-and-folder", "is a file and a folder at once, or lies under a file")
        for name in (*parents, path):
            other = names.setdefault(folded(name), name)
            if other != name:
                same = unicodedata.normalize("NFC", other) == unicodedata.normalize("NFC", name)
                kind = "normal-twin" if same else "case-twin"
                yield Problem(path, kind, f"some systems cannot tell {escape(name)} from {escape(other)}")
                break
        files.add(path)
        folders.update(parents)


def sort_key(path: str) -> bytes:
    """The key that sorts paths by the tuple of their raw-byte components, as BitTorrent file trees are.

    No component holds a NUL, so a NUL in place of each `/` gives the same order as the tuples would.
    """
    return path.encode("utf-8", "surrogatepass").replace(b"/", b"\0")


def escape(text: str) -> str:
    r"""Text from outside, made safe to show: what a terminal would obey or hide becomes `\x1b` or `\u202e`.

    Lossy where the text holds such a sequence already: it is for people, not to be read back.
    """
    if text.isascii() and text.isprintable():
        return text
    return "".join(_visible(character) for character in text)


def _visible(character: str) -> str:
    if unicodedata.category(character) not in _HIDDEN:
        return character
    code = ord(character)
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def folded(path: str) -> str:
    """The same for paths that differ in case or normal form only (Unicode, definition D145)."""
    if path.isascii():
        return path.lower()
    return unicodedata.normalize("NFD", unicodedata.normalize("NFD", path).casefold())


def _problems(path: str, limit: int) -> Iterator[Problem]:
    if not path:
        yield Problem(path, "empty", "is empty")
        return
    if not path.isascii():
        yield from _beyond_ascii(path)
    elif not path.isprintable():
        yield Problem(path, "control", "holds a control character")
    if path[0] == "/":
        yield Problem(path, "absolute", "is absolute")
    if "\\" in path:
        yield Problem(path, "backslash", "holds a backslash, which separates folders on Windows")
    if len(path) > 1 and path[1] == ":" and path[0].isalpha():
        yield Problem(path, "drive", "begins with a drive")
    elif not _FORBIDDEN.isdisjoint(path):
        yield Problem(path, "forbidden", 'holds one of < > : " | ? *, which Windows cannot hold')
    size = len(path.encode("utf-8", "surrogatepass"))
    if size > limit:
        yield Problem(path, "too-long", f"is {size} bytes long, {limit} are allowed")
    for component in path.split("/"):
        yield from _component_problems(path, component)


def _component_problems(path: str, component: str) -> Iterator[Problem]:
    if not component:
        yield Problem(path, "empty-component", "holds an empty component")
    elif component in (".", ".."):
        yield Problem(path, "dots", f"holds the component {component}")
    elif component[0] in _LEADING:
        yield Problem(path, "leading", f"holds a component that begins with {component[0]!r}")
    elif component[-1] in ". ":
        yield Problem(path, "trailing", "holds a component that ends in a dot or a space, which Windows drops")
    elif _RESERVED.fullmatch(component):
        yield Problem(path, "reserved", f"holds the component {escape(component)}, a device on Windows")
    if len(component.encode("utf-8", "surrogatepass")) > COMPONENT_LIMIT:
        yield Problem(path, "long-component", f"holds a component of more than {COMPONENT_LIMIT} bytes")


def _beyond_ascii(path: str) -> Iterator[Problem]:
    categories = {unicodedata.category(character) for character in path}
    if "Cs" in categories:
        yield Problem(path, "encoding", "is not UTF-8")
    if categories & (_HIDDEN - {"Cs"}):
        yield Problem(path, "control", "holds a control, format, bidirectional, private or unassigned character")
    if unicodedata.normalize("NFC", path) != path:
        yield Problem(path, "not-nfc", "is not in the normal form NFC")
