"""A collection as the audit sees it: normalised tables and the facts of its files, all in memory but the tables."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa

from tagswarm.imaging.kind import Kind, extensions
from tagswarm.manifests import codec, disk, tables
from tagswarm.manifests.digest import FileDigest, digest_bytes
from tagswarm.manifests.paths import FilePath
from tagswarm.manifests.records import Alias, Implication, Pool, Post, RatingScheme, Reject, Tag
from tagswarm.release import config, reject_log
from tagswarm.release.audit import Finding, audit, waive
from tagswarm.release.config import Config
from tagswarm.release.facts import FileFact, Look, Stat, Stray

SITE = "danbooru"
MADE = datetime(2019, 5, 24, 12, tzinfo=UTC)
PIECE = 1 << 14
KIND = {ext: kind for kind in Kind for ext in extensions(kind)} | {"png": Kind.PNG, "jpg": Kind.JPEG, "zip": Kind.ZIP}


def configuration(**changes: Any) -> Config:
    """A configuration with one source and one rendition."""
    table: dict[str, Any] = {
        "format": "tagswarm.config/1",
        "dataset": {"id": "0" * 32, "name": "test", "title": "A <b>test</b>"},
        "release": {"name": "2020", "issued": datetime(2020, 1, 1, tzinfo=UTC).date()},
        "sources": [{"site": SITE, "metadata": ["metadata/*"]}],
        "renditions": [{"name": "512px"}],
    }
    return config.parse(table | changes)


def digest(data: bytes) -> FileDigest:
    return digest_bytes(data, PIECE)


@dataclass(slots=True)
class World:
    """Change any of it, then ask for the findings."""

    posts: list[Post] = field(default_factory=list)
    tags: list[Tag] = field(default_factory=list)
    aliases: list[Alias] = field(default_factory=list)
    implications: list[Implication] = field(default_factory=list)
    pools: list[Pool] = field(default_factory=list)
    rejects: list[Reject] = field(default_factory=list)
    files: dict[str, FileFact] = field(default_factory=dict)
    stray: list[Stray] = field(default_factory=list)
    published: dict[str, str] = field(default_factory=dict)
    withdrawn: set[tuple[str, int]] = field(default_factory=set)
    config: Config = field(default_factory=configuration)

    @classmethod
    def clean(cls, ids: Sequence[int] = (7, 1000, 1001, 2000, 4321), ext: str = "png") -> World:
        """Posts with a file each, tags with true counts, and relations that hold."""
        world = cls()
        for at, post in enumerate(ids):
            world.add(post, ext, data=b"bytes of %d" % post, at=at)
        world.recount()
        world.aliases = [Alias(site=SITE, antecedent="1girls", consequent="1girl")]
        world.implications = [
            Implication(site=SITE, antecedent="blue_sky", consequent="sky"),
            Implication(site=SITE, antecedent="sky", consequent="outdoors"),
        ]
        world.pools = [Pool(site=SITE, id=1, name="A_pool", post_ids=tuple(ids[:3]))]
        return world

    def add(self, post: int, ext: str = "png", *, data: bytes, at: int = 0, **changes: Any) -> Post:
        """Add a post and its file."""
        made = digest(data)
        row = Post(
            site=SITE,
            id=post,
            rating_scheme=RatingScheme.GSQE_2022,
            rating="gsqe"[at % 4],
            created_at=MADE + timedelta(days=at),
            md5=made.md5,
            width=64,
            height=48,
            file_ext=ext,
            file_size=made.size,
            tags=("1girl", "blue_sky", "outdoors", "sky") if at % 2 else ("1girl", "solo"),
        )
        row = replace(row, **changes)
        self.posts.append(row)
        self.put(str(FilePath.of("original", post, ext)), data)
        return row

    def put(self, path: str, data: bytes, **look: Any) -> FileFact:
        """Put a file into the tree; its content is what its name says unless `look` says otherwise."""
        made = digest(data)
        kind = KIND[path.rpartition(".")[2]]
        fact = FileFact(
            path=path,
            stat=Stat(size=len(data), mtime_ns=1, inode=1),
            digest=made,
            look=Look(**{"kind": kind.value, "width": 64, "height": 48} | look),
        )
        self.files[path] = fact
        return fact

    def path(self, at: int) -> str:
        """The path of the file of a post by its place."""
        row = self.posts[at]
        return str(FilePath.of("original", row.id, row.file_ext or "png"))

    def look(self, at: int, **changes: Any) -> None:
        """Change what was seen of a file."""
        fact = self.files[self.path(at)]
        assert fact.look is not None
        self.files[fact.path] = replace(fact, look=replace(fact.look, **changes))

    def change(self, at: int, **changes: Any) -> Post:
        """Change what a post claims."""
        self.posts[at] = replace(self.posts[at], **changes)
        return self.posts[at]

    def recount(self) -> None:
        """Make the table of tags from the posts."""
        counts: dict[str, int] = defaultdict(int)
        for post in self.posts:
            for tag in post.tags:
                counts[tag] += 1
        self.tags = [Tag(site=SITE, name=name, claimed_count=count) for name, count in sorted(counts.items())]

    # Facts

    def in_tree(self, tree: str) -> Iterator[tuple[int, FileFact]]:
        named = [(FilePath.parse(path).id, path) for path in self.files if path.startswith(f"{tree}/")]
        for post, path in sorted(named):
            yield post, self.files[path]

    def fact(self, path: str) -> FileFact | None:
        return self.files.get(path)

    def strays(self) -> Iterator[Stray]:
        yield from sorted(self.stray, key=lambda stray: stray.path)

    def duplicates(self, tree: str) -> Iterator[tuple[str, list[str]]]:
        shared: dict[str, list[str]] = defaultdict(list)
        for _, fact in self.in_tree(tree):
            if fact.digest is not None:
                shared[fact.digest.sha256].append(fact.path)
        for sha256, paths in sorted(shared.items()):
            if len(paths) > 1:
                yield sha256, sorted(paths)

    # Tables

    def write(self, folder: Path) -> Path:
        """Write the tables as a release has them."""
        counts: dict[tuple[str, str], int] = defaultdict(int)
        for post in self.posts:
            for name in post.tags:
                counts[post.site, name] += 1
        given = {(tag.site, tag.name): tag for tag in self.tags}
        for key in counts:
            given.setdefault(key, Tag(site=key[0], name=key[1]))
        rows: dict[str, list[dict[str, Any]]] = {
            "posts": [asdict(post) for post in sorted(self.posts, key=lambda post: (post.site, post.id))],
            "tags": [asdict(tag) | {"post_count": counts[key]} for key, tag in sorted(given.items())],
            "aliases": [asdict(relation) for relation in self.aliases],
            "implications": [asdict(relation) for relation in self.implications],
            "pools": [asdict(pool) for pool in self.pools],
        }
        folder.mkdir(exist_ok=True)
        for name, values in rows.items():
            schema = tables.SCHEMAS[name]
            if name in {"aliases", "implications"}:
                values.sort(key=lambda row: (row["site"], row["antecedent"], row["consequent"]))
            plain = [{key: _plain(row[key]) for key in schema.names} for row in values]
            with tables.open_writer(folder / tables.file_name(name), name) as writer:
                writer.write(pa.Table.from_pylist(plain, schema=schema))
        lines = [codec.line({"format": reject_log.FORMAT}), *(codec.line(asdict(reject)) for reject in self.rejects)]
        disk.write(folder / reject_log.FILE_NAME, b"".join(codec.compress(lines)))
        return folder

    def findings(self, folder: Path) -> list[Finding]:
        """Everything the audit finds, waivers applied."""
        found = audit(
            self.config,
            self.write(folder),
            self,
            published=self.published,
            withdrawn=self.withdrawn,
        )
        return list(waive(found, self.config.waivers))

    def names(self, folder: Path) -> list[str]:
        return [finding.name for finding in self.findings(folder)]


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else str(value) if isinstance(value, RatingScheme) else value


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
