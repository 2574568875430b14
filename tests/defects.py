"""What goes wrong in real collections, one defect at a time: each breaks a `Collection` and says what must be found.

`DEFECTS` maps the name of a defect to the function that seeds it. Most are called as the finding of the audit that names
them; where several defects lead to one finding, `Seeded.finding` tells which. A post is part of one defect at most.
"""

from __future__ import annotations

import io
import json
import os
import random
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from tests.collection import Collection, Picture, Row, claim, md5, original, picture, pool, relation, set_tags, tag


@dataclass(frozen=True, slots=True, kw_only=True)
class Seeded:
    """A defect that was seeded and the finding that must name it."""

    finding: str
    id: int | None = None
    """The post it is about."""
    path: str | None = None
    """The file it is about, relative to the root, bytes that are no text as surrogates."""
    word: str | None = None
    """A tag, or the file of a bad row: what the finding must tell somewhere."""
    also: frozenset[str] = frozenset()
    """Findings that may rightly come with it."""

    def is_named_by(self, finding: str, post: int | None, path: str | None) -> bool:
        """Whether a finding names this defect, by its name and by all of post and path that are known here."""
        return finding == self.finding and self.id in (None, post) and self.path in (None, path)


Defect = Callable[[Collection, random.Random], Seeded]
DEFECTS: dict[str, Defect] = {}


def seed(collection: Collection, names: Iterable[str], *, seed: int = 0) -> list[Seeded]:
    """Seed these defects, each in another place, and write the metadata anew."""
    chance = random.Random(seed)
    seeded = [DEFECTS[name](collection, chance) for name in names]
    collection.count_tags()
    collection.write_metadata()
    return seeded


def _defect(name: str) -> Callable[[Defect], Defect]:
    def register(function: Defect) -> Defect:
        DEFECTS[name] = function
        return function

    return register


def _pick(collection: Collection, chance: random.Random, *exts: str) -> Row:
    """A post that no other defect uses; never the one with the last file, behind which nothing is missing."""
    rows = [
        row
        for row in collection.posts
        if row["id"] not in collection.taken and row["id"] < collection.last and (not exts or row["file_ext"] in exts)
    ]
    row = chance.choice(rows)
    collection.taken.add(row["id"])
    return row


def _free_id(collection: Collection, chance: random.Random) -> int:
    """An id that no post has, before the last and in a bucket that has a folder."""
    used = collection.taken.union(row["id"] for row in collection.posts)
    buckets = sorted(int(folder.name) for folder in (collection.root / "original").iterdir())
    free = [post for bucket in buckets for post in range(1000 + bucket, collection.last, 1000) if post not in used]
    post = chance.choice(free)
    collection.taken.add(post)
    return post


def _replace(collection: Collection, row: Row, data: bytes) -> str:
    """Put other bytes in the place of a file and let the post claim them."""
    path = collection.path(row)
    collection.put(path, data)
    row.update(md5=md5(data), file_size=len(data))
    return path


def _use(collection: Collection, row: Row, name: str, *, claimed: int | None = 1) -> None:
    """Give a post one more tag; `claimed` is its count in the table of tags, None leaves it out of the table."""
    set_tags(row, [*row["tag_string"].split(), name])
    if claimed is not None:
        collection.tags.append(tag(name, count=claimed))


# Files and posts


@_defect("missing-file")
def _missing_file(collection: Collection, chance: random.Random) -> Seeded:
    row = _pick(collection, chance)
    (collection.root / collection.path(row)).unlink()
    return Seeded(finding="missing-file", id=row["id"])


@_defect("no-file-claimed")
def _no_file_claimed(collection: Collection, chance: random.Random) -> Seeded:
    row = _pick(collection, chance)
    (collection.root / collection.path(row)).unlink()
    row.update(md5=None, file_ext=None, is_banned=True)
    return Seeded(finding="no-file-claimed", id=row["id"])


@_defect("orphan-file")
def _orphan_file(collection: Collection, chance: random.Random) -> Seeded:
    path = original(_free_id(collection, chance), "png")
    collection.put(path, picture(chance, "png").data)
    return Seeded(finding="orphan-file", path=path)


@_defect("past-end")
def _past_end(collection: Collection, chance: random.Random) -> Seeded:
    row = _pick(collection, chance) | {"id": max(row["id"] for row in collection.posts) + 1, "parent_id": None}
    collection.posts.append(row)
    collection.taken.add(row["id"])
    return Seeded(finding="past-end", id=row["id"], also=frozenset({"missing-file"}))


@_defect("duplicate-file")
def _duplicate_file(collection: Collection, chance: random.Random) -> Seeded:
    row = _pick(collection, chance, "jpg")
    collection.put(original(row["id"], "png"), picture(chance, "png").data)
    return Seeded(finding="duplicate-file", id=row["id"])


@_defect("wrong-bucket")
def _wrong_bucket(collection: Collection, chance: random.Random) -> Seeded:
    row = _pick(collection, chance)
    right = collection.path(row)
    wrong = right.replace(f"/{row['id'] % 1000:04}/", f"/{(row['id'] + 1) % 1000:04}/")
    collection.put(wrong, collection.read(right))
    (collection.root / right).unlink()
    return Seeded(finding="wrong-bucket", path=wrong, also=frozenset({"missing-file"}))


@_defect("duplicate-content")
def _duplicate_content(collection: Collection, chance: random.Random) -> Seeded:
    row = _pick(collection, chance, "jpg")
    other = _pick(collection, chance, "jpg")
    _replace(collection, other, collection.read(collection.path(row)))
    other.update(image_width=row["image_width"], image_height=row["image_height"])
    return Seeded(finding="duplicate-content", word=collection.path(other))


@_defect("stray-file")
def _stray_file(collection: Collection, chance: random.Random) -> Seeded:
    row = _pick(collection, chance)
    path = f"original/{row['id'] % 1000:04}/{row['id']}-copy.{row['file_ext']}"
    collection.put(path, b"Thumbs")
    return Seeded(finding="stray-file", path=path)


@_defect("unsafe-name")
def _unsafe_name(collection: Collection, chance: random.Random) -> Seeded:
    post = _free_id(collection, chance)
    name = chance.choice(
        (f"{post}:1.png", f"{post}\n.png", f"-{post}.png", f"{post}\x1b[2J.png", os.fsdecode(b"\xff%d.png" % post))
    )
    path = f"original/{post % 1000:04}/{name}"
    collection.put(path, picture(chance, "png").data)
    return Seeded(finding="unsafe-name", path=path)


@_defect("link")
def _link(collection: Collection, chance: random.Random) -> Seeded:
    path = original(_free_id(collection, chance), "png")
    (collection.root / path).symlink_to("/etc/hostname")
    return Seeded(finding="link", path=path)


@_defect("special-file")
def _special_file(collection: Collection, chance: random.Random) -> Seeded:
    path = original(_free_id(collection, chance), "png")
    os.mkfifo(collection.root / path)
    return Seeded(finding="special-file", path=path)


if os.geteuid() != 0:  # root reads everything

    @_defect("unreadable")
    def _unreadable(collection: Collection, chance: random.Random) -> Seeded:
        path = collection.path(_pick(collection, chance))
        (collection.root / path).chmod(0)
        return Seeded(finding="unreadable", path=path)


# What the bytes are


@_defect("empty-file")
def _empty_file(collection: Collection, chance: random.Random) -> Seeded:
    return Seeded(finding="empty-file", path=_replace(collection, _pick(collection, chance), b""))


@_defect("truncated")
def _truncated(collection: Collection, chance: random.Random) -> Seeded:
    row = _pick(collection, chance, "jpg", "png")
    data = collection.read(collection.path(row))
    return Seeded(finding="truncated", path=_replace(collection, row, data[: len(data) * 3 // 5]))


@_defect("undecodable")
def _undecodable(collection: Collection, chance: random.Random) -> Seeded:
    row = _pick(collection, chance, "png")
    data = bytearray(collection.read(collection.path(row)))
    start = data.index(b"IDAT") + 4
    data[start : start + 16] = bytes(16)
    return Seeded(finding="undecodable", path=_replace(collection, row, bytes(data)))


@_defect("flipped-bit")
def _flipped_bit(collection: Collection, chance: random.Random) -> Seeded:
    """The booru's MD5 and size are those of the file as it was: only a reader of every byte sees the one bit."""
    row = _pick(collection, chance)
    path = collection.path(row)
    data = bytearray(collection.read(path))
    data[chance.randrange(len(data) // 2, len(data))] ^= 1 << chance.randrange(8)
    collection.put(path, bytes(data))
    return Seeded(finding="md5-mismatch", id=row["id"], also=frozenset({"undecodable", "truncated"}))


@_defect("wrong-extension")
def _wrong_extension(collection: Collection, chance: random.Random) -> Seeded:
    row = _pick(collection, chance, "jpg")
    made = picture(chance, "png")
    claim(row, Picture(made.data, "jpg", made.width, made.height))
    collection.put(collection.path(row), made.data)
    return Seeded(finding="wrong-extension", path=collection.path(row))


@_defect("disguised-program")
def _disguised_program(collection: Collection, chance: random.Random) -> Seeded:
    """PostScript that calls itself a JPEG: a program, to decoders that follow the content."""
    data = f"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n% {chance.random()}\nshowpage\n".encode()
    path = _replace(collection, _pick(collection, chance, "jpg"), data)
    return Seeded(finding="not-an-image", path=path, also=frozenset({"wrong-extension"}))


@_defect("not-an-image")
def _not_an_image(collection: Collection, chance: random.Random) -> Seeded:
    row = _pick(collection, chance, "jpg")
    (collection.root / collection.path(row)).unlink()
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as ugoira:
        for frame in range(2):
            ugoira.writestr(zipfile.ZipInfo(f"{frame:06}.jpg"), picture(chance, "jpg").data)
    row["file_ext"] = "zip"
    return Seeded(finding="not-an-image", path=_replace(collection, row, archive.getvalue()))


@_defect("decompression-bomb")
def _decompression_bomb(collection: Collection, chance: random.Random) -> Seeded:
    """A PNG of 13,000 x 13,000 pixels in 20 kB."""
    row = _pick(collection, chance, "png")
    side = 13_000
    comment = b"Comment\0" + str(row["id"]).encode()
    chunks = (
        (b"IHDR", struct.pack(">IIBBBBB", side, side, 1, 0, 0, 0, 0)),
        (b"tEXt", comment),
        (b"IDAT", zlib.compress(bytes((side // 8 + 1) * side))),
        (b"IEND", b""),
    )
    data = b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body)) for kind, body in chunks
    )
    row.update(image_width=side, image_height=side)
    return Seeded(finding="decompression-bomb", path=_replace(collection, row, data))


# What a post claims


@_defect("size-mismatch")
def _size_mismatch(collection: Collection, chance: random.Random) -> Seeded:
    row = _pick(collection, chance)
    row["file_size"] -= 7
    return Seeded(finding="size-mismatch", id=row["id"])


@_defect("md5-stale")
def _md5_stale(collection: Collection, chance: random.Random) -> Seeded:
    """The claims are those of the file before it was optimised."""
    row = _pick(collection, chance)
    row.update(md5=md5(chance.randbytes(16)), file_size=row["file_size"] * 5 // 4)
    return Seeded(finding="md5-stale", id=row["id"], also=frozenset({"size-mismatch"}))


@_defect("dimension-mismatch")
def _dimension_mismatch(collection: Collection, chance: random.Random) -> Seeded:
    row = _pick(collection, chance)
    row["image_width"] += 1
    return Seeded(finding="dimension-mismatch", id=row["id"])


@_defect("date-out-of-range")
def _date_out_of_range(collection: Collection, chance: random.Random) -> Seeded:
    row = _pick(collection, chance)
    row["created_at"] = chance.choice(("1999-12-31 23:59:59.000 UTC", "2199-01-01 00:00:00.000 UTC"))
    return Seeded(finding="date-out-of-range", id=row["id"])


@_defect("no-date")
def _no_date(collection: Collection, chance: random.Random) -> Seeded:
    row = _pick(collection, chance)
    row["created_at"] = None
    return Seeded(finding="no-date", id=row["id"])


@_defect("unknown-rating")
def _unknown_rating(collection: Collection, chance: random.Random) -> Seeded:
    row = _pick(collection, chance)
    row["rating"] = "x"
    return Seeded(finding="unknown-rating", id=row["id"], also=frozenset({"no-rating"}))


@_defect("no-rating")
def _no_rating(collection: Collection, chance: random.Random) -> Seeded:
    row = _pick(collection, chance)
    row["rating"] = None
    return Seeded(finding="no-rating", id=row["id"])


# Rows


@_defect("duplicate-post")
def _duplicate_post(collection: Collection, chance: random.Random) -> Seeded:
    row = _pick(collection, chance)
    collection.lines.append(json.dumps(row | {"score": row["score"] + 1}))
    return Seeded(finding="duplicate-post", id=row["id"])


@_defect("bad-row")
def _bad_row(collection: Collection, chance: random.Random) -> Seeded:
    line = json.dumps(_pick(collection, chance))
    collection.lines.append(line[: len(line) // 2])
    return Seeded(finding="bad-row", word="posts000000000001.json")


@_defect("deep-row")
def _deep_row(collection: Collection, chance: random.Random) -> Seeded:
    collection.lines.append(f'{{"id":{_free_id(collection, chance)},"source":{"[" * 100_000}')
    return Seeded(finding="bad-row", word="posts000000000001.json")


# Tags


@_defect("unknown-tag")
def _unknown_tag(collection: Collection, chance: random.Random) -> Seeded:
    row = _pick(collection, chance)
    name = f"unlisted_{row['id']}"
    _use(collection, row, name, claimed=None)
    return Seeded(finding="unknown-tag", word=name)


@_defect("invalid-tag-name")
def _invalid_tag_name(collection: Collection, chance: random.Random) -> Seeded:
    row = _pick(collection, chance)
    name = chance.choice(("two__lines_{}", "ends_{}_", "-minus_{}", "star_*_{}", "rating:{}", "(open_{}")).format(
        row["id"]
    )
    _use(collection, row, name)
    return Seeded(finding="invalid-tag-name", word=name)


@_defect("non-ascii-tag")
def _non_ascii_tag(collection: Collection, chance: random.Random) -> Seeded:
    row = _pick(collection, chance)
    name = f"pokémon_{row['id']}"
    _use(collection, row, name)
    return Seeded(finding="non-ascii-tag", word=name)


@_defect("duplicate-tag")
def _duplicate_tag(collection: Collection, chance: random.Random) -> Seeded:
    row = _pick(collection, chance)
    name = f"twice_{row['id']}"
    _use(collection, row, name)
    row["tag_string_general"] += f" {name}"
    row["tag_string"] += f" {name}"
    return Seeded(finding="duplicate-tag", id=row["id"])


@_defect("no-tags")
def _no_tags(collection: Collection, chance: random.Random) -> Seeded:
    row = _pick(collection, chance)
    set_tags(row, [])
    return Seeded(finding="no-tags", id=row["id"])


@_defect("tag-count-differs")
def _tag_count_differs(collection: Collection, chance: random.Random) -> Seeded:
    row = _pick(collection, chance)
    _use(collection, row, f"miscounted_{row['id']}", claimed=7)
    return Seeded(finding="tag-count-differs")


@_defect("aliased-tag-used")
def _aliased_tag_used(collection: Collection, chance: random.Random) -> Seeded:
    row = _pick(collection, chance)
    name = f"former_{row['id']}"
    _use(collection, row, name)
    collection.aliases.append(relation(name, "solo"))
    return Seeded(finding="aliased-tag-used", word=name)


# Relations


def _aliases(name: str, shape: str, *also: str) -> None:
    """Register a defect of the aliases, written as `a>b b>c`; each letter becomes a name of its own."""

    @_defect(name)
    def _seed(collection: Collection, chance: random.Random) -> Seeded:
        mark = _free_id(collection, chance)
        collection.aliases += [relation(*(f"{end}_{mark}" for end in edge.split(">"))) for edge in shape.split()]
        return Seeded(finding=name, word=f"a_{mark}", also=frozenset(also))


def _implications(name: str, shape: str, *also: str) -> None:
    """Register a defect of the implications, written like those of the aliases."""

    @_defect(name)
    def _seed(collection: Collection, chance: random.Random) -> Seeded:
        mark = _free_id(collection, chance)
        collection.implications += [relation(*(f"{end}_{mark}" for end in edge.split(">"))) for edge in shape.split()]
        return Seeded(finding=name, word=f"a_{mark}", also=frozenset(also))


_aliases("alias-self", "a>a", "alias-cycle", "alias-chain")
_aliases("alias-chain", "a>b b>c")
_aliases("alias-cycle", "a>b b>c c>a", "alias-chain")
_implications("implication-self", "a>a", "implication-cycle")
_implications("implication-cycle", "a>b b>c c>a", "implication-redundant")
_implications("implication-redundant", "a>b b>c a>c")


@_defect("implication-of-alias")
def _implication_of_alias(collection: Collection, chance: random.Random) -> Seeded:
    name = f"renamed_{_free_id(collection, chance)}"
    collection.aliases.append(relation(name, "1girl"))
    collection.implications.append(relation(name, "solo"))
    return Seeded(finding="implication-of-alias", word=name)


@_defect("dangling-parent")
def _dangling_parent(collection: Collection, chance: random.Random) -> Seeded:
    row = _pick(collection, chance)
    row["parent_id"] = _free_id(collection, chance)
    return Seeded(finding="dangling-parent", id=row["id"])


@_defect("parent-self")
def _parent_self(collection: Collection, chance: random.Random) -> Seeded:
    row = _pick(collection, chance)
    row["parent_id"] = row["id"]
    return Seeded(finding="parent-self", id=row["id"], also=frozenset({"parent-cycle"}))


@_defect("parent-cycle")
def _parent_cycle(collection: Collection, chance: random.Random) -> Seeded:
    first, second = sorted((_pick(collection, chance), _pick(collection, chance)), key=lambda row: row["id"])
    first["parent_id"], second["parent_id"] = second["id"], first["id"]
    return Seeded(finding="parent-cycle", id=first["id"])


@_defect("dangling-pool-post")
def _dangling_pool_post(collection: Collection, chance: random.Random) -> Seeded:
    missing = _free_id(collection, chance)
    collection.pools.append(pool(f"Lost_{missing}", [_pick(collection, chance)["id"], missing]))
    return Seeded(finding="dangling-pool-post", word=str(missing))


@_defect("duplicate-pool-post")
def _duplicate_pool_post(collection: Collection, chance: random.Random) -> Seeded:
    post = _pick(collection, chance)["id"]
    collection.pools.append(pool(f"Twice_{post}", [post, post]))
    return Seeded(finding="duplicate-pool-post", word=str(post))
