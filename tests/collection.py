"""Small collections made for tests: a tree of originals and the metadata of a booru, which agree with each other.

The metadata has the form of Danbooru's export since 2021. Everything follows from the seed: the same seed makes the same
bytes. `defects` breaks such a collection in one place at a time.
"""

from __future__ import annotations

import hashlib
import io
import json
import random
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from PIL import Image

Row = dict[str, Any]

CATEGORIES = {"general": 0, "artist": 1, "copyright": 3, "character": 4, "meta": 5}
"""The categories of tags with Danbooru's numbers, in the order of the export's columns."""

VOCABULARY = {
    "general": (
        "1girl 1boy solo long_hair short_hair blue_eyes brown_hair smile open_mouth looking_at_viewer standing sitting "
        "dress blue_dress shirt white_shirt hat witch_hat flower tulip outdoors sky blue_sky scenery no_humans "
        "white_background simple_background :d >_< full_body upper_body hair_ornament star_(symbol)"
    ),
    "artist": "kobayashi_(test) ito_hana mori_no_kuma",
    "copyright": "original touhou idolmaster_cinderella_girls ren'py",
    "character": "hakurei_reimu kirisame_marisa sylvie_(the_question) jeanne_d'arc_(fate)",
    "meta": "highres absurdres commentary_request translated",
}
VOCABULARY_BY_CATEGORY = {category: tuple(names.split()) for category, names in VOCABULARY.items()}
CATEGORY_OF = {name: category for category, names in VOCABULARY_BY_CATEGORY.items() for name in names}

ALIASES = {"1girls": "1girl", "female_solo": "solo", "longhair": "long_hair", "hakurei_reimu_(pc-98)": "hakurei_reimu"}
IMPLICATIONS = {
    "blue_dress": "dress",
    "white_shirt": "shirt",
    "witch_hat": "hat",
    "tulip": "flower",
    "blue_sky": "sky",
    "white_background": "simple_background",
    "absurdres": "highres",
    ":d": "smile",
}

SITE = "danbooru"
DATASET_ID = "0123456789abcdef0123456789abcdef"
FIRST_DAY = datetime(2012, 3, 1, tzinfo=UTC)
ISSUED = "2025-06-30"
"""The day of the release; the newest post is older."""

EXTENSIONS = ("jpg",) * 12 + ("png",) * 6 + ("gif", "webp")


def timestamp(moment: datetime) -> str:
    """A time as the export writes it."""
    return f"{moment:%Y-%m-%d %H:%M:%S}.{moment.microsecond // 1000:03} UTC"


def md5(data: bytes) -> str:
    """The claim a booru makes of a file."""
    return hashlib.md5(data, usedforsecurity=False).hexdigest()


@dataclass(frozen=True, slots=True)
class Picture:
    """An image file: its bytes and what a row says of them."""

    data: bytes
    ext: str
    width: int
    height: int


def picture(chance: random.Random, ext: str) -> Picture:
    """A smooth pattern of random colours, between 1 and 40 kB; two of them are never alike."""
    width, height = chance.randrange(48, 257, 8), chance.randrange(48, 257, 8)
    mode = chance.choice(("RGB", "RGB", "RGB", "L", "RGBA")) if ext == "png" else "RGB"
    bands = len(Image.new(mode, (1, 1)).getbands())
    seeds = Image.frombytes(mode, (6, 6), chance.randbytes(36 * bands))
    image = seeds.resize((width, height), Image.Resampling.BICUBIC)
    return Picture(encode(image, ext), ext, width, height)


def encode(image: Image.Image, ext: str) -> bytes:
    """An image as the file a booru would hold."""
    file = io.BytesIO()
    if ext == "jpg":
        image.save(file, "JPEG", quality=85)
    elif ext == "png":
        image.save(file, "PNG", compress_level=3)
    elif ext == "gif":
        image.quantize(64, dither=Image.Dither.NONE).save(file, "GIF")
    else:
        image.save(file, "WEBP", quality=80, method=0)
    return file.getvalue()


@dataclass(slots=True)
class Collection:
    """A collection on disk, with its rows in memory; after rows were changed, `write_metadata` puts them on disk."""

    root: Path
    last: int
    """The largest id that has a file."""
    posts: list[Row] = field(default_factory=list)
    tags: list[Row] = field(default_factory=list)
    aliases: list[Row] = field(default_factory=list)
    implications: list[Row] = field(default_factory=list)
    pools: list[Row] = field(default_factory=list)
    lines: list[str] = field(default_factory=list)
    """Written as they are behind the rows of the last shard of posts."""
    taken: set[int] = field(default_factory=set)
    """Posts that play a part in a defect, so that no other defect picks them."""

    @classmethod
    def make(cls, root: Path, count: int = 100, *, seed: int = 0, buckets: int = 20) -> Collection:
        """Make a clean collection of `count` posts with one file each, spread over `buckets` buckets.

        The ids have gaps, the dates follow the ids, some posts have parents and some are in pools.
        """
        chance = random.Random(seed)
        numbers = [
            thousand + bucket
            for thousand in range(1000, 1000 * count // buckets * 2 + 3000, 1000)
            for bucket in range(buckets)
        ]
        ids = sorted(chance.sample(numbers, count))
        collection = cls(root, ids[-1])
        moment = FIRST_DAY
        for post in ids:
            moment += timedelta(days=4000 / count * chance.uniform(0.1, 1.5))
            made = picture(chance, chance.choice(EXTENSIONS))
            collection.put(original(post, made.ext), made.data)
            collection.posts.append(_post(chance, post, moment, made))
        collection._relate(chance)
        collection.count_tags()
        collection.write_metadata()
        return collection

    def path(self, row: Row) -> str:
        """Where the file of a post lies, relative to the root."""
        return original(row["id"], row["file_ext"])

    def read(self, path: str) -> bytes:
        """The bytes of a file."""
        return (self.root / path).read_bytes()

    def put(self, path: str, data: bytes) -> None:
        """Write a file of the tree."""
        target = self.root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(data)

    def count_tags(self) -> None:
        """Make the table of tags from the posts, with true counts; rows that name other tags are kept."""
        counts = Counter(name for row in self.posts for name in row["tag_string"].split())
        others = [row for row in self.tags if row["name"] not in CATEGORY_OF]
        names = sorted(name for name in counts if name in CATEGORY_OF)
        self.tags = [tag(name, CATEGORIES[CATEGORY_OF[name]], counts[name]) for name in names] + others

    def write_metadata(self) -> None:
        """Write every table, the posts in two shards."""
        half = len(self.posts) // 2
        self._table("posts000000000000", self.posts[:half])
        self._table("posts000000000001", self.posts[half:], self.lines)
        self._table("tags000000000000", [{"id": at, **row} for at, row in enumerate(self.tags, 1)])
        self._table("tag_aliases000000000000", [{"id": at, **row} for at, row in enumerate(self.aliases, 1)])
        self._table("tag_implications000000000000", [{"id": at, **row} for at, row in enumerate(self.implications, 1)])
        self._table("pools000000000000", [{"id": at, **row} for at, row in enumerate(self.pools, 1)])

    def write_config(self, *, name: str = "2025", renditions: Iterable[str] = ()) -> None:
        """Write a release.toml that fits the collection."""
        text = (
            f'format = "tagswarm.config/1"\n\n[dataset]\nid = "{DATASET_ID}"\nname = "test"\n\n'
            f'[release]\nname = "{name}"\nissued = {ISSUED}\n\n'
            f'[[sources]]\nsite = "{SITE}"\nmetadata = ["metadata/*.json"]\nrating_scheme = "gsqe-2022"\n'
        )
        text += "".join(f'\n[[renditions]]\nname = "{rendition}"\n' for rendition in renditions)
        (self.root / "release.toml").write_text(text, encoding="utf-8")

    def _table(self, name: str, rows: Iterable[Row], lines: Iterable[str] = ()) -> None:
        text = [json.dumps(row, ensure_ascii=False, separators=(",", ":")) for row in rows]
        path = self.root / "metadata" / f"{name}.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("".join(f"{line}\n" for line in (*text, *lines)), encoding="utf-8", newline="\n")

    def _relate(self, chance: random.Random) -> None:
        """Give some posts a parent, make two pools and the tables of relations."""
        for at, row in enumerate(self.posts):
            if at and chance.random() < 0.1:
                parent = self.posts[chance.randrange(at)]
                row["parent_id"] = parent["id"]
                for key in ("has_children", "has_active_children", "has_visible_children"):
                    parent[key] = True
        self.aliases = [relation(antecedent, consequent) for antecedent, consequent in ALIASES.items()]
        self.aliases.append(relation("dress", "1girl", status="deleted"))
        self.implications = [relation(antecedent, consequent) for antecedent, consequent in IMPLICATIONS.items()]
        ids = [row["id"] for row in self.posts]
        for kind in ("series", "collection"):
            self.pools.append(pool(f"A_{kind}", chance.sample(ids, min(5, len(ids))), kind))


def original(post: int, ext: str) -> str:
    """Where the original of a post belongs, relative to the root."""
    return f"original/{post % 1000:04}/{post}.{ext}"


def tag(name: str, category: int = 0, count: int = 0) -> Row:
    """A row of the table of tags."""
    moment = timestamp(FIRST_DAY)
    return {
        "name": name,
        "post_count": count,
        "category": category,
        "created_at": moment,
        "updated_at": moment,
        "is_deprecated": False,
        "words": name.split("_"),
    }


def relation(antecedent: str, consequent: str, *, status: str = "active") -> Row:
    """A row of the table of aliases or of implications."""
    moment = timestamp(FIRST_DAY)
    return {
        "antecedent_name": antecedent,
        "consequent_name": consequent,
        "creator_id": 1,
        "forum_topic_id": None,
        "status": status,
        "created_at": moment,
        "updated_at": moment,
    }


def pool(name: str, ids: list[int], category: str = "series") -> Row:
    """A row of the table of pools."""
    moment = timestamp(FIRST_DAY)
    return {
        "name": name,
        "description": "",
        "post_ids": ids,
        "category": category,
        "is_active": True,
        "is_deleted": False,
        "post_count": len(ids),
        "created_at": moment,
        "updated_at": moment,
    }


def set_tags(row: Row, names: Iterable[str]) -> None:
    """Give a post these tags, in every column that tells them; names outside the vocabulary are general."""
    names = sorted(names)
    row["tag_string"] = " ".join(names)
    row["tag_count"] = len(names)
    for category in CATEGORIES:
        those = [name for name in names if CATEGORY_OF.get(name, "general") == category]
        row[f"tag_string_{category}"] = " ".join(those)
        row[f"tag_count_{category}"] = len(those)


def claim(row: Row, made: Picture) -> None:
    """Let a post claim these bytes."""
    row.update(image_width=made.width, image_height=made.height, file_ext=made.ext)
    row.update(md5=md5(made.data), file_size=len(made.data))


def _post(chance: random.Random, post: int, moment: datetime, made: Picture) -> Row:
    names = set(chance.sample(VOCABULARY_BY_CATEGORY["general"], chance.randint(4, 14)))
    names |= {chance.choice(VOCABULARY_BY_CATEGORY[kind]) for kind in ("artist", "copyright", "character")}
    names |= {name for name in VOCABULARY_BY_CATEGORY["meta"] if chance.random() < 0.2}
    names |= {IMPLICATIONS[name] for name in names if name in IMPLICATIONS}
    up, down = int(chance.lognormvariate(1.5, 1)), -chance.choice((0, 0, 0, 1))
    row: Row = {
        "id": post,
        "created_at": timestamp(moment),
        "updated_at": timestamp(moment + timedelta(hours=chance.randrange(1, 500))),
        "uploader_id": chance.randint(1, 9),
        "approver_id": None,
        "score": up + down,
        "up_score": up,
        "down_score": down,
        "fav_count": up + chance.randrange(5),
        "source": f"https://art.example/works/{post}",
        "rating": chance.choice("gggsssqe"),
        "parent_id": None,
        "has_children": False,
        "has_active_children": False,
        "has_visible_children": False,
        "has_large": made.width > 850,
        "is_pending": False,
        "is_flagged": False,
        "is_deleted": chance.random() < 0.05,
        "is_banned": False,
        "pixiv_id": None,
        "bit_flags": 0,
    }
    claim(row, made)
    set_tags(row, names)
    return row
