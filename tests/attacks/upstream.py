"""An upstream in memory that keeps the contract of a source, and the honest states of a dataset that it can be in.

A state is what a mirror would hold: the bytes of every document by path. Attacks change a copy of one; whoever is
attacked, a client today and a mirror tomorrow, only ever sees the source.
"""

from __future__ import annotations

import shutil
from collections.abc import AsyncGenerator, Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path

from tagswarm.manifests.errors import LimitExceeded
from tagswarm.manifests.models import LATEST_LIMIT, ROOT_LIMIT, Keys, Latest, Object, Root
from tagswarm.manifests.signing import SecretKey
from tagswarm.manifests.signing import sign as signature
from tagswarm.manifests.statements import Statement
from tagswarm.mirror.transports.base import Arrived, Failed, Item
from tagswarm.release.sign import sign
from tests.publisher import Publisher, following, key, small

A, B, C, SPARE, MALLORY = key(1), key(2), key(3), key(9), key(66)

Tree = dict[str, bytes]

ADDRESS = "https://upstream.example/small"


@dataclass
class Upstream:
    """A source that has what its tree has."""

    tree: Tree
    address: str = ADDRESS
    asked: list[str] = field(default_factory=list)
    """The paths of every `read` and `fetch`."""
    taken: int = 0
    """Bytes that were given out."""
    before_read: Callable[[Upstream], None] = lambda _: None
    """Called before every `read`: it may change the tree."""
    closed: bool = False

    async def read(self, path: str, *, limit: int) -> bytes | None:
        self.before_read(self)
        self.asked.append(path)
        data = self.tree.get(path)
        self.taken += min(limit, len(data or b""))
        if data is not None and len(data) > limit:
            raise LimitExceeded(f"{self.address}: {path}: larger than the {limit} bytes it may have")
        return data

    async def fetch(self, items: Iterable[Item], staging: Path) -> AsyncGenerator[Arrived | Failed, None]:
        for number, item in enumerate(items):
            self.asked.append(item.path)
            data = self.tree.get(item.path)
            if data is None:
                yield Failed(item, "missing")
                continue
            data = data[: item.size]  # no transport takes more than that
            self.taken += len(data)
            if len(data) < item.size:
                yield Failed(item, "cut")
                continue
            place = staging / f"item-{number}"
            place.write_bytes(data)
            yield Arrived(item, place)

    async def aclose(self) -> None:
        self.closed = True


def tree_of(dataset: Path) -> Tree:
    """Every document of a published dataset."""
    folders = ("releases", "volumes")
    return {
        path.relative_to(dataset).as_posix(): path.read_bytes()
        for path in sorted(dataset.rglob("*"))
        if path.is_file()
        and (path.parent == dataset or path.relative_to(dataset).parts[0] in folders)
        and path.name != "release.toml"
    }


@dataclass(frozen=True)
class History:
    """The states of a dataset in their order, by the name of the newest release, and how one became the next."""

    states: dict[str, Tree]
    steps: dict[str, list[Tree]]
    """Every state of the tree while a release was being signed, the last one complete."""

    def __getitem__(self, name: str) -> Tree:
        return dict(self.states[name])


@dataclass
class _Recorder:
    dataset: Path
    publisher: Publisher
    states: dict[str, Tree] = field(default_factory=dict)
    steps: dict[str, list[Tree]] = field(default_factory=dict)

    def publish(self, release: str, secrets: list[SecretKey]) -> None:
        """Sign, and take the tree to pieces again in the order in which it was written."""
        before = tree_of(self.dataset)
        result = sign(self.dataset, secrets)
        after = tree_of(self.dataset)
        stages = [before]
        for path in result.written:
            stages.append({**stages[-1], path: after.get(path, before.get(path, b""))})
        self.states[release] = after
        self.steps[release] = [*stages, after]

    def next(self, release: str, keys: list[SecretKey], secrets: list[SecretKey], threshold: int = 1) -> None:
        self.publisher.posts[int(release)] = ("1girl",)
        self.publisher.config(release, keys, threshold)
        self.publisher.release(release)
        self.publish(release, secrets)

    def history(self) -> History:
        shutil.rmtree(self.dataset)
        return History(self.states, self.steps)


def simple(folder: Path) -> History:
    """2026 and 2027 by key A; 2028 hands on to B; 2029 by B."""
    recorder = _Recorder(folder, small(folder, [A], torrents=True))
    recorder.publish("2026", [A])
    following(recorder.publisher, [A])
    recorder.publish("2027", [A])
    recorder.next("2028", [B], [A, B])
    recorder.next("2029", [B], [B])
    return recorder.history()


def spared(folder: Path) -> History:
    """The working key changes with every release, and the spare one is used each time and stays."""
    recorder = _Recorder(folder, small(folder, [A, SPARE]))
    recorder.publish("2026", [A, SPARE])
    recorder.next("2027", [B, SPARE], [A, B, SPARE])
    recorder.next("2028", [C, SPARE], [B, C, SPARE])
    return recorder.history()


def hurried(folder: Path) -> History:
    """The key changes with every release, and nothing else is kept."""
    recorder = _Recorder(folder, small(folder, [A]))
    recorder.publish("2026", [A])
    recorder.next("2027", [B], [A, B])
    recorder.next("2028", [C], [B, C])
    return recorder.history()


def guarded(folder: Path) -> History:
    """Two of three keys must sign; 2027 exchanges one of them."""
    recorder = _Recorder(folder, small(folder, [A, B, C], threshold=2))
    recorder.publish("2026", [A, B])
    recorder.next("2027", [A, B, SPARE], [A, B, SPARE], threshold=2)
    return recorder.history()


def unsigned(folder: Path) -> History:
    """Nobody signs; 2028 is the first that somebody does."""
    recorder = _Recorder(folder, small(folder))
    recorder.publish("2026", [])
    following(recorder.publisher)
    recorder.publish("2027", [])
    recorder.next("2028", [A], [A])
    return recorder.history()


def resign(tree: Tree, document: str, secret: SecretKey, statement: Statement, *, named: bool = False) -> None:
    """Put a signature beside a document, in the place of the one that is there or under the name of its key."""
    path = f"{document}.{secret.public.name}.minisig" if named else f"{document}.minisig"
    tree[path] = signature(secret, tree[document], statement.render())


def root_path(release: str) -> str:
    return f"releases/{release}/release.json"


def root_of(tree: Tree, release: str) -> Root:
    return Root.parse(tree[root_path(release)], limit=ROOT_LIMIT)


def latest_of(tree: Tree) -> Latest:
    return Latest.parse(tree["latest.json"], limit=LATEST_LIMIT)


def put_root(tree: Tree, root: Root, secret: SecretKey) -> None:
    """Make a root the newest release of a tree, all of it signed by one key."""
    path, data = root_path(root.release), root.render()
    tree[path] = data
    said = Statement.of_root(root, data)
    resign(tree, path, secret, said)
    latest = latest_of(tree).model_copy(
        update={
            "dataset_id": root.dataset.id,
            "sequence": root.sequence,
            "release": root.release,
            "root": Object(path=path, size=len(data), sha256=said.sha256),
        }
    )
    tree["latest.json"] = latest.render()
    resign(tree, "latest.json", secret, Statement.of_latest(latest))


def put_keys(tree: Tree, listed: Keys, secrets: list[SecretKey]) -> None:
    """Make a list of keys that of a tree, signed by these, the first one in the place where everybody looks."""
    drop(tree, "keys.json.")
    tree["keys.json"] = listed.render()
    for number, secret in enumerate(secrets):
        resign(tree, "keys.json", secret, Statement.of_keys(listed, listed.render()), named=bool(number))


def drop(tree: Tree, start: str) -> None:
    for path in [path for path in tree if path.startswith(start)]:
        del tree[path]
