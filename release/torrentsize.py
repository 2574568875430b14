"""How large the .torrent of a volume will be, from the paths and sizes of its files alone.

The length of a bencoded value follows from its shape, so the size of a hybrid torrent (BEP 52, every file padded to
whole pieces as BEP 47 says, pads named `.pad/<number of the file>-<bytes>`) is known before a byte is hashed. It is
exact but for one case: files with the same content share their piece layers, and the .torrent is smaller by as much.

Nothing here makes a torrent; who writes one checks the finished file.
"""

from __future__ import annotations

from collections.abc import Iterable

from tagswarm.manifests import paths

FRAME_LIMIT = 8_192
"""Bytes allowed for what does not depend on the files: the name, the keys, trackers and web seeds outside `info`."""

V1, V2 = 20, 32
"""Bytes of the hash of a piece: SHA-1, SHA-256."""

LAST_FILE = 99_999
"""A number of a file as long as any: a volume has at most 50,000 images."""


def torrent_size(files: Iterable[tuple[str, int]], piece_length: int, *, name: str) -> int:
    """Bytes of a torrent of `info` and `piece layers` alone, from (path, size in bytes) pairs in any order.

    `piece_length` is in bytes, `name` the folder that clients show. Files are numbered from 0 in the order of
    `paths.sort_key`, as the pads are named.
    """
    ordered = sorted(files, key=lambda file: paths.sort_key(file[0]))
    folders = {folder for path, _ in ordered for folder in folders_of(path)}
    entries = sum(entry_size(path, size, piece_length, number) for number, (path, size) in enumerate(ordered))
    pieces = V1 * sum(-(-size // piece_length) for _, size in ordered)  # `entry_size` counts these bytes already
    return (
        len("d4:infod9:file treede5:filesle12:meta versioni2e4:name12:piece lengthie6:pieces:e12:piece layersdee")
        + entries
        + sum(map(folder_size, folders))
        + _text(len(name.encode()))
        + _digits(piece_length)
        + _digits(pieces)
    )


def entry_size(path: str, size: int, piece_length: int, number: int = LAST_FILE) -> int:
    """What one file adds to a torrent in bytes, but for its folders: tree, list, pad, pieces and piece layer.

    With the largest `number` it is at most 5 bytes more than with any other.
    """
    components = path.encode().split(b"/")
    digits = _digits(size)
    total = _text(len(components[-1])) + len("d0:d6:lengthieee") + digits
    total += len("d6:lengthie4:pathlee") + digits + sum(_text(len(component)) for component in components)
    if not size:
        return total
    pieces, rest = divmod(size, piece_length)
    total += len("11:pieces root32:") + V2
    if rest:
        pad = piece_length - rest
        total += len("d4:attr1:p6:lengthie4:pathl4:.padee") + _digits(pad) + _text(_digits(number) + 1 + _digits(pad))
        pieces += 1
    if pieces > 1:
        total += len("32:") + V2 + _text(V2 * pieces)
    return total + V1 * pieces


def folders_of(path: str) -> list[str]:
    """Every folder above a file, the nearest last."""
    return [path[:at] for at, character in enumerate(path) if character == "/"]


def folder_size(folder: str) -> int:
    """What a folder adds to the file tree in bytes."""
    return _text(len(folder.rpartition("/")[2].encode())) + len("de")


def _text(length: int) -> int:
    """Bytes of a bencoded byte string of this length."""
    return _digits(length) + 1 + length


def _digits(number: int) -> int:
    return len(str(number))
