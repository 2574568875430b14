from __future__ import annotations

from hashlib import sha256
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tagswarm.manifests import merkle
from tagswarm.manifests.errors import InvalidDocument

PIECES = [merkle.BLOCK << shift for shift in range(4)]


def naive(data: bytes, piece_length: int) -> tuple[bytes | None, bytes]:
    """The definition of BEP 52, with every zero leaf of the whole tree hashed."""
    if not data:
        return None, b""
    level = [sha256(data[at : at + merkle.BLOCK]).digest() for at in range(0, len(data), merkle.BLOCK)]
    leaves = 1
    while leaves < len(level) or (len(data) > piece_length and leaves * merkle.BLOCK < piece_length):
        leaves *= 2
    level += [bytes(32)] * (leaves - len(level))
    layer, span = b"", merkle.BLOCK
    while True:
        if span == piece_length and len(data) > piece_length:
            layer = b"".join(level[: -(-len(data) // piece_length)])
        if len(level) == 1:
            return level[0], layer
        level = [sha256(level[at] + level[at + 1]).digest() for at in range(0, len(level), 2)]
        span *= 2


def hashed(chunks: list[bytes], piece_length: int) -> merkle.Tree:
    hasher = merkle.Hasher(piece_length)
    for chunk in chunks:
        hasher.update(chunk)
    return hasher.finish()


@pytest.mark.parametrize("piece_length", PIECES)
@pytest.mark.parametrize("blocks", range(10))
@pytest.mark.parametrize("extra", [-1, 0, 1])
def test_a_tree_is_the_one_of_the_definition(piece_length: int, blocks: int, extra: int) -> None:
    data = bytes(range(251)) * (blocks * merkle.BLOCK // 251 + 2)
    data = data[: max(0, blocks * merkle.BLOCK + extra)]
    tree = hashed([data], piece_length)
    assert (tree.root, tree.layer) == naive(data, piece_length)


@given(
    data=st.binary(max_size=200_000).map(lambda seed: seed * 3),
    cuts=st.lists(st.integers(0, 600_000), max_size=8),
    piece_length=st.sampled_from(PIECES),
)
def test_chunks_of_any_size_make_the_same_tree(data: bytes, cuts: list[int], piece_length: int) -> None:
    ends = sorted({0, len(data), *(cut % (len(data) + 1) for cut in cuts)})
    chunks = [data[start:end] for start, end in pairwise(ends)]
    tree = hashed(chunks, piece_length)
    assert (tree.root, tree.layer) == naive(data, piece_length)
    if tree.layer:
        assert merkle.root_of_layer(tree.layer, piece_length) == tree.root


def test_single_bytes_are_chunks_too() -> None:
    data = b"x" * (merkle.BLOCK + 3)
    assert hashed([data[at : at + 1] for at in range(len(data))], merkle.BLOCK) == hashed([data], merkle.BLOCK)


def test_a_zero_subtree_is_the_hash_of_two_smaller_ones() -> None:
    assert merkle.ZERO[0] == bytes(32)
    assert merkle.ZERO[1].hex() == "f5a5fd42d16a20302798ef6ed309979b43003d2320d9f0e8ea9831a92759fb4b"
    assert all(merkle.ZERO[at + 1] == sha256(merkle.ZERO[at] * 2).digest() for at in range(len(merkle.ZERO) - 1))


@pytest.mark.parametrize("piece_length", [-16384, 0, 1, 8192, 16383, 16385, 49152, 1 << 28])
def test_a_wrong_piece_length_is_refused(piece_length: int) -> None:
    with pytest.raises(InvalidDocument, match=f"{piece_length} bytes"):
        merkle.Hasher(piece_length)


@pytest.mark.parametrize("layer", [b"", b"x", bytes(33)])
def test_a_layer_that_is_no_row_of_nodes_is_refused(layer: bytes) -> None:
    with pytest.raises(InvalidDocument):
        merkle.root_of_layer(layer, merkle.BLOCK)
