"""Which pieces carry which items, and what of the pieces that were had is believed."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tagswarm.manifests.digest import digest_bytes
from tagswarm.manifests.infodict import Hashed, hybrid, v1
from tagswarm.manifests.torrentfile import Links, Torrent, parse, render
from tagswarm.mirror.transports.base import Failed, Item
from tagswarm.mirror.transports.torrentcover import Covered, Placed, believed, cover

PIECE = 16_384
SIZES = st.lists(st.sampled_from([0, 1, 100, PIECE - 1, PIECE, PIECE + 1, 5 * PIECE + 1]), min_size=1, max_size=8)


def made(sizes: list[int], *, padded: bool) -> Torrent:
    files = {f"512px/0000/{number}.jpg": bytes(size) for number, size in enumerate(sizes)}
    if padded:
        info = hybrid("small", PIECE, [Hashed(path, digest_bytes(data, PIECE)) for path, data in files.items()])
    else:
        info = v1(
            "small", PIECE, [(path, len(data)) for path, data in files.items()], bytes(20) * -(-sum(sizes) // PIECE)
        )
    return parse(render(info.info, info.layers, Links()))


@given(SIZES.filter(any), st.booleans(), st.data())
def test_the_pieces_of_an_item_are_those_its_bytes_lie_in(sizes: list[int], padded: bool, data: st.DataObject) -> None:
    torrent = made(sizes, padded=padded)
    number = data.draw(st.integers(0, len(sizes) - 1))
    path = f"512px/0000/{number}.jpg"
    begin = data.draw(st.integers(0, sizes[number]))
    size = data.draw(st.integers(0, sizes[number] - begin))
    whole = Item(path=path, size=sizes[number], volume="v")
    member = Item(path="x", size=size, volume="v", archive=path, offset=begin)
    offset = next(entry.offset for entry in torrent.entries if entry.path == path)
    for item, low, high in ((whole, 0, sizes[number]), (member, begin, begin + size)):
        [found] = cover(torrent, [item])
        assert isinstance(found, Covered)
        assert set(found.pieces) == {
            (offset + at) // PIECE for at in (*range(low, high, PIECE), high - 1) if low < high
        }
        assert found.file.place == f"small/{path}"


def test_pads_and_neighbours_are_not_carried() -> None:
    torrent = made([100, 200], padded=True)
    [pad, *_] = [entry for entry in torrent.entries if entry.pad]
    items = [
        Item(path=pad.path, size=pad.size, volume="v"),
        Item(path="512px/0000/0.jpg", size=200, volume="v"),
        Item(path="512px/0000/1.jpg", size=200, volume="v"),
    ]
    kinds = [type(outcome) for outcome in cover(torrent, items)]
    assert kinds == [Failed, Failed, Covered]


@given(st.integers(0, 10 * PIECE), st.integers(1, 3), st.sets(st.integers(0, 14)))
def test_what_is_believed_lies_on_the_disk(size: int, links: int, had: set[int]) -> None:
    file = Placed("a", "small/a", 5 * PIECE + 1, 2 * PIECE, PIECE)
    found = believed(file, size, links, had)
    assert found <= had & set(range(2, 8))
    assert all(min((piece - 1) * PIECE, file.size) <= size for piece in found)
    if size == file.size and links == 1:
        assert found == had & set(range(2, 8))
    if size > file.size or (links > 1 and found != set(range(2, 8))):
        assert not found
