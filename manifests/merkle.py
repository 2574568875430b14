"""The hash trees of BEP 52: 16 KiB blocks, a piece layer, a pieces root; in one pass over chunks of any size.

The leaves are the SHA-256 digests of the blocks of a file, the last block as short as it is. A tree is filled up to a
power of two: missing leaves are 32 zero bytes, missing nodes above them the roots of such zero subtrees. A file that is
no longer than a piece has the root of its own small tree and no piece layer; an empty file has no root at all.

Nothing here knows SHA-1, a file or a torrent. Source: https://www.bittorrent.org/beps/bep_0052.html, "pieces root".
"""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256

from .errors import InvalidDocument

BLOCK = 16_384
"""Bytes of a leaf; every piece length is this times a power of two."""

LONGEST_PIECE = 128 << 20
"""Bytes: no client takes longer pieces, and a reader holds one piece at a time."""

NODE = 32
"""Bytes of a node."""


def _zero_subtrees(heights: int) -> tuple[bytes, ...]:
    roots = [bytes(NODE)]
    while len(roots) < heights:
        roots.append(sha256(roots[-1] * 2).digest())
    return tuple(roots)


ZERO = _zero_subtrees(48)
"""The root of a subtree of zero leaves, by its height in levels above the leaves."""


def piece_height(piece_length: int) -> int:
    """Levels between the leaves and the piece layer, for a piece length in bytes.

    Raises:
        InvalidDocument: the piece length is no power of two, or shorter than a block, or longer than 128 MiB.
    """
    if not BLOCK <= piece_length <= LONGEST_PIECE or piece_length & (piece_length - 1):
        raise InvalidDocument(
            f"a piece length of {piece_length} bytes",
            hint="A piece length is a power of two from 16384 (16 KiB) to 134217728 (128 MiB).",
        )
    return (piece_length // BLOCK).bit_length() - 1


def climb(nodes: list[bytes], levels: int, height: int = 0) -> list[bytes]:
    """The nodes `levels` above these, which stand `height` levels above the leaves; gaps at the end are zero."""
    for level in range(height, height + levels):
        if len(nodes) & 1:
            nodes = [*nodes, ZERO[level]]
        pairs = iter(nodes)
        nodes = [sha256(left + right).digest() for left, right in zip(pairs, pairs, strict=True)]
    return nodes


def root_of(nodes: list[bytes], height: int = 0) -> bytes:
    """The root of the smallest whole tree over one node or more, which stand `height` levels above the leaves."""
    return climb(nodes, (len(nodes) - 1).bit_length(), height)[0]


def root_of_layer(layer: bytes, piece_length: int) -> bytes:
    """The pieces root that a piece layer belongs to: what a downloaded layer is checked against.

    Raises:
        InvalidDocument: the layer is empty or no row of 32-byte nodes, or the piece length is wrong.
    """
    if not layer or len(layer) % NODE:
        raise InvalidDocument(f"a piece layer of {len(layer)} bytes, which is no row of {NODE}-byte hashes")
    nodes = [layer[start : start + NODE] for start in range(0, len(layer), NODE)]
    return root_of(nodes, piece_height(piece_length))


@dataclass(frozen=True, slots=True)
class Tree:
    """What a torrent keeps of a file's tree."""

    root: bytes | None
    """The pieces root, 32 bytes; None of an empty file."""
    layer: bytes
    """The nodes of the piece layer, one after the other; empty where the file is no longer than a piece."""


class Hasher:
    """Hashes the tree of one file; fastest when every chunk but the last is a multiple of a block."""

    def __init__(self, piece_length: int) -> None:
        self._levels = piece_height(piece_length)
        self._width = piece_length // BLOCK
        self._open = sha256()  # the block whose end has not come yet, and how much of it has
        self._filled = 0
        self._leaves: list[bytes] = []  # of the piece that is not full yet
        self._layer: list[bytes] = []

    def update(self, data: bytes | memoryview) -> None:
        """Take the next bytes of the file."""
        view = memoryview(data)
        if self._filled:
            head = view[: BLOCK - self._filled]
            view = view[len(head) :]
            self._open.update(head)
            self._filled += len(head)
            if self._filled == BLOCK:
                self._close()
        whole = len(view) - len(view) % BLOCK
        if whole:
            self._add([sha256(view[start : start + BLOCK]).digest() for start in range(0, whole, BLOCK)])
        if whole < len(view):
            self._open.update(view[whole:])
            self._filled = len(view) - whole

    def finish(self) -> Tree:
        """The tree of all that was taken; the hasher is spent."""
        if self._filled:
            self._close()
        if not self._layer:
            return Tree(root_of(self._leaves) if self._leaves else None, b"")
        layer = self._layer + climb(self._leaves, self._levels) if self._leaves else self._layer
        return Tree(root_of(layer, self._levels), b"".join(layer) if len(layer) > 1 else b"")

    def _close(self) -> None:
        self._add([self._open.digest()])
        self._open = sha256()
        self._filled = 0

    def _add(self, leaves: list[bytes]) -> None:
        self._leaves += leaves
        full = len(self._leaves) - len(self._leaves) % self._width
        if full:
            self._layer += climb(self._leaves[:full], self._levels)
            del self._leaves[:full]
