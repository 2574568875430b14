"""A small publisher: real documents and real files of a dataset, without an image, a decoder or a build."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from functools import cache
from pathlib import Path

import pyarrow as pa

from tagswarm.manifests import codec, filerows, infodict, tables, textlists, torrentfile
from tagswarm.manifests.digest import digest_bytes
from tagswarm.manifests.infodict import Hashed
from tagswarm.manifests.models import (
    Dataset,
    FileEntry,
    Object,
    PackedObject,
    Previous,
    RenditionEntry,
    Root,
    Totals,
    VolumeEntry,
    VolumeHeader,
    Withdrawal,
    render_manifest,
    render_withdrawals,
)
from tagswarm.manifests.paths import FilePath, sort_key
from tagswarm.manifests.signing import SecretKey
from tagswarm.mirror.withdrawn import Withdrawn

DATASET_ID = "00112233445566778899aabbccddeeff"
NAME = "small"
PIECE = 65536
SITE = "danbooru"


@cache
def key(number: int) -> SecretKey:
    """The same key for the same number."""
    digest = hashlib.blake2b(f"key {number}".encode()).digest()
    return SecretKey(digest[:8], digest[32:])


def content(name: str) -> bytes:
    """Bytes of a file that follow from its name; some files are larger than a read, and one in nine is empty."""
    seed = hashlib.sha256(name.encode()).digest()
    return b"" if seed[0] % 9 == 0 else (seed * 9000)[: 32 + seed[1] * 1100]


@dataclass
class Publisher:
    """Writes releases into one tree, each with the volumes of those before."""

    dataset: Path
    torrents: bool = False
    """Whether volumes get torrents, and their files the roots that go with them."""
    trackers: tuple[str, ...] = ()
    volumes: list[VolumeEntry] = field(default_factory=list)
    lines: dict[str, list[FileEntry]] = field(default_factory=dict)
    """Of the manifests of the volumes."""
    previous: Previous | None = None
    posts: dict[int, tuple[str, ...]] = field(default_factory=dict)

    def config(self, release: str, keys: Sequence[SecretKey] = (), threshold: int = 1) -> None:
        """Write the release.toml."""
        lines = [secret.public.line for secret in keys]
        (self.dataset / "release.toml").write_text(
            f'format = "tagswarm.config/1"\n[dataset]\nid = "{DATASET_ID}"\nname = "{NAME}"\n'
            f'[release]\nname = "{release}"\nissued = {release}-03-01\n'
            f'[[sources]]\nsite = "{SITE}"\nmetadata = ["metadata/*.json"]\n'
            f"[signing]\nkeys = {json.dumps(lines)}\nthreshold = {threshold}\n"
        )

    def write(self, path: str, data: bytes) -> Object:
        """Write one file of the dataset."""
        place = self.dataset / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(data)
        return Object(path=path, size=len(data), sha256=hashlib.sha256(data).hexdigest())

    def loose(self, tree: str, ids: Iterable[int], version: int = 1) -> list[FileEntry]:
        """Write loose files and give their lines."""
        entries = []
        for post in ids:
            path = str(FilePath.of(tree, post, "png", version))
            written = self.write(path, content(path))
            entries.append(FileEntry(path=path, size=written.size, sha256=written.sha256, id=post))
        return entries

    def entry(self, path: str, post: int) -> FileEntry:
        """The line of a file that is there."""
        data = (self.dataset / path).read_bytes()
        return FileEntry(path=path, size=len(data), sha256=hashlib.sha256(data).hexdigest(), id=post)

    def packed(self, path: str, ids: Iterable[int]) -> list[FileEntry]:
        """Write an archive, here the members one after the other, and give its line and theirs."""
        data, members = b"", []
        for post in ids:
            body = content(f"member {post}") + b"."
            digest = hashlib.sha256(body).hexdigest()
            members.append(
                FileEntry(path=f"{post:09}.png", size=len(body), sha256=digest, id=post, archive=path, offset=len(data))
            )
            data += body
        written = self.write(path, data)
        return [FileEntry(path=path, size=written.size, sha256=written.sha256), *members]

    def volume(
        self,
        name: str,
        release: str,
        entries: Sequence[FileEntry],
        layout: str = "loose",
        *,
        hashed: Sequence[Hashed] | None = None,
    ) -> VolumeEntry:
        """Write the documents of a volume and add it to the dataset; its files are read for a torrent unless hashed."""
        files = sorted((e for e in entries if e.archive is None), key=lambda entry: sort_key(entry.path))
        torrent = None
        if self.torrents:
            hashed = hashed or [
                Hashed(e.path, digest_bytes((self.dataset / e.path).read_bytes(), PIECE)) for e in files
            ]
            roots = {file.path: file.digest.root for file in hashed}
            files = [replace(entry, root=roots[entry.path]) for entry in files]
            torrent = self._torrent(name, hashed)
        members = [entry for entry in entries if entry.archive is not None]
        numbers = {
            "files": len(files),
            "images": len(members) or len(files),
            "bytes": sum(entry.size for entry in files),
        }
        shared = {"name": name, "rendition": name.partition("-")[0], "generation": release, "layout": layout}
        header = VolumeHeader.model_validate({**shared, **numbers, "site": SITE, "piece_length": PIECE})
        plain = b"".join(render_manifest(header, [*files, *members]))
        manifest = self.write(f"volumes/{name}.jsonl.zst", b"".join(codec.compress([plain])))
        checksums = self.write(
            f"volumes/{name}.sha256", textlists.render_checksums((entry.path, entry.sha256) for entry in files)
        )
        blocks = textlists.split_files(entry.path for entry in files)
        volume = VolumeEntry.model_validate(
            {
                **shared,
                **numbers,
                "manifest": PackedObject(**manifest.model_dump(), plain_sha256=hashlib.sha256(plain).hexdigest()),
                "checksums": checksums,
                "lists": [self.write(f"volumes/{name}.files", block) for block in blocks],
                "torrent": torrent,
            }
        )
        self.lines[name] = [*files, *members]
        self.volumes = [*(other for other in self.volumes if other.name != name), volume]
        return volume

    def _torrent(self, name: str, hashed: Sequence[Hashed]) -> Object:
        made = infodict.hybrid(NAME, PIECE, hashed)
        links = torrentfile.Links(trackers=tuple((url,) for url in self.trackers), comment=name)
        return self.write(f"volumes/{name}.torrent", torrentfile.render(made.info, made.layers, links))

    def release(self, name: str, *, withdrawn: Sequence[Withdrawal] = ()) -> Root:
        """Write a release of all volumes so far, and let the next one follow it."""
        folder = f"releases/{name}"
        objects = [
            self.write(f"{folder}/README.md", f"# {name}\n".encode()),
            self.write(f"{folder}/withdrawn.jsonl", render_withdrawals(withdrawn)),
            *self._tables(folder),
            *self._file_tables(folder, Withdrawn.of(withdrawn)),
        ]
        renditions = sorted({volume.rendition for volume in self.volumes})
        root = Root(
            dataset=Dataset(id=DATASET_ID, name=NAME, title="Small"),
            release=name,
            sequence=self.previous.sequence + 1 if self.previous else 1,
            issued=date(int(name), 3, 1),
            previous=self.previous,
            totals=Totals(
                posts=len(self.posts),
                files=sum(volume.images for volume in self.volumes),
                bytes=sum(volume.bytes for volume in self.volumes),
                tags=len({tag for tags in self.posts.values() for tag in tags}),
                tag_instances=sum(map(len, self.posts.values())),
                volumes=len(self.volumes),
            ),
            sources=[],
            renditions=[
                RenditionEntry(name=tree, site=SITE, piece_length=PIECE, strategy="bucket", files=0, bytes=0)
                for tree in renditions
            ],
            volumes=sorted(self.volumes, key=lambda volume: volume.name),
            objects=sorted(objects, key=lambda item: item.path),
            waivers=[],
            generator="tagswarm test",
        )
        written = self.write(f"{folder}/release.json", root.render())
        self.previous = Previous(release=name, sequence=root.sequence, root_sha256=written.sha256)
        return root

    def _tables(self, folder: str) -> list[Object]:
        counts: dict[str, int] = {}
        for tags in self.posts.values():
            for tag in tags:
                counts[tag] = counts.get(tag, 0) + 1
        posts = [
            {"site": SITE, "id": post, "rating_scheme": "gsqe-2022", "tags": list(tags), "duplicate_tags": 0}
            for post, tags in sorted(self.posts.items())
        ]
        names = [{"site": SITE, "name": tag, "category": 0, "post_count": counts[tag]} for tag in sorted(counts)]
        return [self._table(folder, "posts", posts), self._table(folder, "tags", names)]

    def _file_tables(self, folder: str, taken: Withdrawn) -> Iterator[Object]:
        """The table of each rendition, without what is taken back."""
        for tree in sorted({volume.rendition for volume in self.volumes}):
            path = f"{folder}/{filerows.file_name(tree)}"
            with filerows.open_writer(self.dataset / path, rendition=tree, site=SITE) as add:
                for volume in sorted(self.volumes, key=lambda volume: volume.name):
                    if volume.rendition == tree:
                        add(volume.name, [e for e in self.lines[volume.name] if not taken.has(SITE, e)])
            yield self.write(path, (self.dataset / path).read_bytes())

    def _table(self, folder: str, name: str, rows: Sequence[Mapping[str, object]]) -> Object:
        path = f"{folder}/metadata/{tables.file_name(name)}"
        with tables.open_writer(self.dataset / path, name) as writer:
            writer.write(pa.Table.from_pylist(list(rows), schema=tables.SCHEMAS[name]))
        return self.write(path, (self.dataset / path).read_bytes())


def small(dataset: Path, keys: Sequence[SecretKey] = (), threshold: int = 1, *, torrents: bool = False) -> Publisher:
    """A dataset with the release 2026, built and not yet signed: two loose volumes and a packed one."""
    publisher = Publisher(dataset, torrents=torrents)
    publisher.posts = {post: ("1girl", "solo") if post % 2 else ("no_humans",) for post in range(1, 41)}
    publisher.volume("original-2026-0000", "2026", publisher.loose("original", range(1, 31)))
    publisher.volume("512px-2026-0000", "2026", publisher.loose("512px", range(1, 21)))
    publisher.volume("1280px-2026-0000", "2026", publisher.packed("1280px/2026-0000.zip", range(1, 11)), "zip")
    publisher.config("2026", keys, threshold)
    publisher.release("2026")
    return publisher


def following(publisher: Publisher, keys: Sequence[SecretKey] = (), threshold: int = 1) -> Publisher:
    """The release 2027 of that dataset, built and not yet signed."""
    publisher.posts |= dict.fromkeys(range(41, 51), ("1girl", "smile"))
    publisher.volume("original-2027-0000", "2027", publisher.loose("original", range(41, 51)))
    publisher.config("2027", keys, threshold)
    publisher.release("2027")
    return publisher
