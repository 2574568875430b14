"""A published dataset as it lies on the disk: its root, its newest release, its keys, and whether they hold together.

Everything else of a release is reached from the root by SHA-256, so trust ends here: `establish` reads three small
documents and their signatures, and either returns a root to rely on, with how far it can be relied on, or raises. A
local tree has no memory, so a rollback of the whole tree, signatures and all, is not seen: whoever pulls remembers the
highest sequence.

Nothing here writes, and nothing here reads an object that the root names.
"""

from __future__ import annotations

import contextlib
import hashlib
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from . import disk, paths
from .errors import (
    FormatError,
    IncompleteBuild,
    InvalidDocument,
    SignatureInvalid,
    UnknownKey,
    UnsafePath,
)
from .models import KEYS_LIMIT, LATEST_LIMIT, ROOT_LIMIT, Keys, Latest, Root
from .signing import SIGNATURE_LIMIT, PublicKey
from .statements import KEYS, LATEST, ROOT, Standing, Statement, weigh

RELEASES = "releases"
SIGNATURE = ".minisig"

Trust = Literal["given", "first-use", "chain", "pinned", "unsigned"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Published:
    """A release that can be relied on as far as `trust` says."""

    root: Root
    root_sha256: str
    trust: Trust
    """`given`: signed by keys the caller gave; `first-use`: by the keys of keys.json; `chain`: named by the digest of a
    later, signed release; `pinned`: by the digest the caller gave; `unsigned`: by nothing."""
    signers: tuple[str, ...]
    """Key ids as minisign prints them."""
    threshold: int
    """Signatures a root needs; 0 where nothing is signed."""
    keys: Keys | None
    latest: Latest | None
    """latest.json as it lies there, which may be of another release, or a moment old."""
    newest: Statement | None
    """What the newest release is, as far as this tree says."""
    notes: tuple[str, ...]
    """Sentences for people: what this trust rests on and what is under way."""


def folder(release: str) -> str:
    """The folder of a release, relative to the dataset.

    Raises:
        UnsafePath: the name is none.
    """
    path = f"{RELEASES}/{release}"
    try:
        paths.check(f"{path}/{ROOT}")
    except FormatError as failure:
        raise UnsafePath(
            failure.message, hint="Give the name of a release as its folder in releases/ has it."
        ) from failure
    return path


def releases(dataset: Path) -> list[str]:
    """The names of the releases that have a root, by sequence.

    Raises:
        FormatError: a root is malformed: whoever counts sequences must not pass over it.
        StoreError: a root cannot be read.
    """
    names = sorted(path.parent.name for path in dataset.glob(f"{RELEASES}/*/{ROOT}"))
    return [name for _, name in sorted((read_root(dataset, name)[0].sequence, name) for name in names)]


def read_root(dataset: Path, release: str) -> tuple[Root, bytes]:
    """The root of a release and its bytes.

    Raises:
        IncompleteBuild: there is none.
        InvalidDocument: it is the root of another release, or malformed.
    """
    where = f"{folder(release)}/{ROOT}"
    if not (dataset / where).exists():
        raise IncompleteBuild(
            f"{dataset / where}: there is no such file; the release is not built, or not here",
            hint="Check its name; build the release with `tagswarm release build`, or fetch the rest of it.",
        )
    data = disk.read(dataset / where, limit=ROOT_LIMIT)
    with _named(where):
        root = Root.parse(data, limit=ROOT_LIMIT)
    if root.release != release:
        raise InvalidDocument(f"{where}: is the root of release {root.release}")
    return root, data


def read_latest(dataset: Path) -> Latest | None:
    """The latest.json of a dataset, or None where nothing was published yet."""
    data = read_bytes(dataset / LATEST, LATEST_LIMIT)
    with _named(LATEST):
        return None if data is None else Latest.parse(data, limit=LATEST_LIMIT)


def read_keys(dataset: Path) -> tuple[Keys, bytes] | None:
    """The keys.json of a dataset and its bytes, or None where nothing was signed yet."""
    data = read_bytes(dataset / KEYS, KEYS_LIMIT)
    with _named(KEYS):
        return None if data is None else (Keys.parse(data, limit=KEYS_LIMIT), data)


@contextlib.contextmanager
def _named(document: str) -> Iterator[None]:
    """Say in an error of the format which document it is about."""
    try:
        yield
    except FormatError as failure:
        raise type(failure)(f"{document}: {failure.message}", hint=failure.hint) from failure


def read_bytes(path: Path, limit: int) -> bytes | None:
    """The bytes of a file, or None where there is none."""
    return disk.read(path, limit=limit) if path.exists() or path.is_symlink() else None


def signature_name(document: str, key: PublicKey | None = None) -> str:
    """Where a signature of a document lies: `release.json.minisig`, of a further key `release.json.<KEYID>.minisig`."""
    return f"{document}{SIGNATURE}" if key is None else f"{document}.{key.name}{SIGNATURE}"


def signatures(dataset: Path, document: str) -> dict[str, bytes]:
    """Every signature file of a document by its path, all relative to the dataset."""
    path = dataset / document
    named = re.compile(re.escape(path.name) + r"(\.[0-9A-F]{1,16})?" + re.escape(SIGNATURE))
    names = sorted(found.name for found in path.parent.glob(f"{path.name}.*") if named.fullmatch(found.name))
    parent = document.removesuffix(path.name)
    return {parent + name: disk.read(path.with_name(name), limit=SIGNATURE_LIMIT) for name in names}


def public_keys(lines: Sequence[str]) -> list[PublicKey]:
    """The keys of a list, each once.

    Raises:
        InvalidDocument: a line is no public key of minisign.
    """
    return list(dict.fromkeys(PublicKey.parse(line) for line in lines))


def establish(
    dataset: Path, *, release: str | None = None, keys: Sequence[PublicKey] = (), pin: str | None = None
) -> Published:
    """Find a release and say how far it can be relied on.

    Args:
        dataset: the tree.
        release: its name; the newest where it is left out.
        keys: the keys of the maintainer, got elsewhere; without them those of keys.json are believed on first use.
        pin: the SHA-256 of the root, got elsewhere, as 64 hex digits with or without `sha256:`.

    Raises:
        SignatureInvalid: a signature is missing, forged or of another document, or the root is not the pinned or the
            published one.
        UnknownKey: only other keys signed.
        IncompleteBuild: there is no such release.
        FormatError: a document is malformed.
        StoreError: a document cannot be read.
    """
    if pin is not None:
        pin = _digest(pin)
    notes: list[str] = []
    listed = read_keys(dataset)
    trusted, threshold = _trusted(dataset, listed, list(keys), notes)
    latest = read_latest(dataset)
    newest = _newest(dataset, latest, trusted, None if listed is None else listed[0].dataset_id, notes)
    name = release or (newest.release if newest else None) or highest(dataset)
    root, data = read_root(dataset, name)
    said = Statement.of_root(root, data)
    _one_dataset(said.dataset, newest, listed)
    if newest is not None and newest.release == name and (newest.sha256, newest.number) != (said.sha256, said.number):
        raise SignatureInvalid(
            f"{folder(name)}/{ROOT}: is not the root that {LATEST} names",
            hint="The tree is being updated or was tampered with; update it again or get it from another source.",
        )
    if pin is not None and pin != said.sha256:
        raise SignatureInvalid(f"{folder(name)}/{ROOT}: its SHA-256 is {said.sha256}, the pinned one is {pin}")
    trust, signers = _weighed(
        dataset, said, data, trusted=trusted, threshold=threshold, newest=newest, pin=pin, given=keys
    )
    notes.extend(_caveats(trust, signers))
    return Published(
        root=root,
        root_sha256=said.sha256,
        trust=trust,
        signers=signers,
        threshold=threshold,
        keys=None if listed is None else listed[0],
        latest=latest,
        newest=newest,
        notes=tuple(notes),
    )


def _digest(pin: str) -> str:
    digest = pin.removeprefix("sha256:").lower()
    if not re.fullmatch(r"[0-9a-f]{64}", digest):
        raise InvalidDocument(
            f"{paths.escape(pin[:100])!r}: is no SHA-256 to pin",
            hint="Give the 64 hex digits that `sha256sum release.json` prints.",
        )
    return digest


def _trusted(
    dataset: Path, listed: tuple[Keys, bytes] | None, given: list[PublicKey], notes: list[str]
) -> tuple[list[PublicKey], int]:
    """The keys to believe and how many of them a root needs; given keys hand on to those they signed."""
    if listed is None:
        if given:
            notes.append(f"{KEYS} is missing: one signature of the given keys was taken to be enough")
        return given, 1 if given else 0
    keys, data = listed
    members = public_keys(keys.keys)
    standing = weigh(members + given, signatures(dataset, KEYS), data=data, expected=Statement.of_keys(keys, data))
    if standing.ahead:
        notes.append(f"{KEYS} is being replaced by version {standing.ahead[0].number}")
    else:
        require(KEYS, standing, [key for key in standing.signers if key in members], keys.threshold)
    if given and not set(given) & (set(standing.signers) | (set(members) if standing.ahead else set())):
        raise UnknownKey(
            f"{KEYS}: none of the given keys signed it",
            hint="Compare the key you gave with the one the maintainer publishes; this may be another dataset.",
        )
    return members, keys.threshold


def require(document: str, standing: Standing, signers: Sequence[PublicKey], threshold: int) -> None:
    """Let a document pass that enough keys have signed.

    Raises:
        UnknownKey: only other keys have signed it.
        SignatureInvalid: nobody has, or too few.
    """
    if len(signers) >= threshold:
        return
    if standing.strangers and not signers:
        raise UnknownKey(f"{document}: {standing.strangers[0]} was made by a key that is not trusted here")
    count = "no signature" if not signers else f"{len(signers)} of {threshold} signatures that are needed"
    raise SignatureInvalid(f"{document}: has {count}")


def _newest(
    dataset: Path, latest: Latest | None, trusted: list[PublicKey], dataset_id: str | None, notes: list[str]
) -> Statement | None:
    """What the newest release is: latest.json, or what its signature already says where it is being replaced."""
    texts = signatures(dataset, LATEST)
    if latest is None:
        if not (texts and trusted and dataset_id):
            return None
        nothing = Statement(dataset=dataset_id, file=LATEST, release=None, number=0, sha256="")
        standing = weigh(trusted, texts, data=None, expected=nothing)
        said = None
    else:
        said = Statement.of_latest(latest)
        if not trusted:
            return said
        standing = weigh(trusted, texts, data=disk.read(dataset / LATEST, limit=LATEST_LIMIT), expected=said)
    if said is not None and standing.signers:
        return said
    if not standing.ahead:
        require(LATEST, standing, standing.signers, 1)
        return said
    if said is not None and said.release is not None:  # the state before must have been a true one as well
        _, data = read_root(dataset, said.release)
        if hashlib.sha256(data).hexdigest() != said.sha256:
            raise SignatureInvalid(
                f"{LATEST}: names another root than that of release {said.release}, and is not signed"
            )
    ahead = standing.ahead[0]
    notes.append(
        f"{LATEST} is being replaced: its signature already names release {ahead.release}; "
        "`tagswarm release sign` finishes what was stopped there"
    )
    return ahead


def highest(dataset: Path) -> str:
    """The name of the release with the highest sequence.

    Raises:
        IncompleteBuild: there is none.
        FormatError: a root is malformed.
    """
    if not (names := releases(dataset)):
        raise IncompleteBuild(
            f"{dataset}: there is no release in it",
            hint="Give the folder that holds releases/; `tagswarm release build` makes the first one.",
        )
    return names[-1]


def _one_dataset(dataset_id: str, newest: Statement | None, listed: tuple[Keys, bytes] | None) -> None:
    others = [(LATEST, newest.dataset)] if newest else []
    others += [(KEYS, listed[0].dataset_id)] if listed else []
    for document, other in others:
        if other != dataset_id:
            raise SignatureInvalid(f"{document}: belongs to dataset {other}, the release to {dataset_id}")


def _weighed(
    dataset: Path,
    said: Statement,
    data: bytes,
    *,
    trusted: list[PublicKey],
    threshold: int,
    newest: Statement | None,
    pin: str | None,
    given: Sequence[PublicKey],
) -> tuple[Trust, tuple[str, ...]]:
    document = f"{folder(str(said.release))}/{ROOT}"
    texts = signatures(dataset, document)
    if not trusted:
        if pin is not None:
            return "pinned", ()
        if texts or signatures(dataset, LATEST) or signatures(dataset, KEYS):
            raise UnknownKey(
                f"{document}: there are signatures, but no {KEYS} says whose",
                hint="Give the public key of the maintainer.",
            )
        return "unsigned", ()
    standing = weigh(trusted, texts, data=data, expected=said)
    if len(standing.signers) < threshold and newest is not None and said.number < newest.number:
        return "chain", _by_chain(dataset, said, standing, threshold, given)
    require(document, standing, standing.signers, threshold)
    return "given" if given else "first-use", tuple(key.name for key in standing.signers)


def _by_chain(
    dataset: Path, said: Statement, standing: Standing, threshold: int, given: Sequence[PublicKey]
) -> tuple[str, ...]:
    """Reach an older root, signed by keys that were retired since, from the newest one, each naming the one before."""
    newest = establish(dataset, keys=given)
    root = newest.root
    while root.previous is not None and root.previous.sequence >= said.number:
        previous = root.previous
        root, data = read_root(dataset, previous.release)
        if hashlib.sha256(data).hexdigest() != previous.root_sha256:
            raise SignatureInvalid(
                f"{folder(previous.release)}/{ROOT}: is not the root that the release after it names"
            )
        if (previous.release, previous.root_sha256) == (said.release, said.sha256):
            return newest.signers
    require(f"{folder(str(said.release))}/{ROOT}", standing, standing.signers, threshold)
    return newest.signers


def _caveats(trust: Trust, signers: tuple[str, ...]) -> list[str]:
    names = ", ".join(signers)
    if trust == "first-use":
        advice = "compare it with the key the maintainer publishes elsewhere"
        return [f"trusted on first use: key {names} comes from {KEYS} of this very tree; {advice}"]
    if trust == "chain":
        return [f"signed by keys retired since; a later release, signed by {names}, names this root"]
    if trust == "pinned":
        return ["UNSIGNED, pinned: the root is the one whose SHA-256 was given"]
    if trust == "unsigned":
        return ["UNSIGNED: nothing says who made this release; pin it by the SHA-256 of its root"]
    return []
