"""Is what a source shows the newest state of that dataset, as far as anybody can tell who has seen it before?

`published.establish` says whether the documents hold together and who signed them. What it cannot know stands here: a
rollback, another root under a number that was seen, another dataset at a known address, keys that were exchanged.

A number only ever grows, with one exception. Who stole a key can sign a release with the highest number there is, and
every honest one after it would be a rollback. So a newer list of keys, handed on by the old one, takes such a number
back: only if every key that signed the high one is gone from it, and a key that it brings has signed the lower one.

Values in, a value out; the documents are laid out in a folder for `establish` and removed again.
"""

from __future__ import annotations

import contextlib
import hashlib
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import Literal

from tagswarm.manifests import disk, published
from tagswarm.manifests.errors import (
    FormatError,
    IncompleteBuild,
    Rollback,
    SignatureInvalid,
    Stale,
    StoreError,
    TagswarmError,
    TrustError,
    UnknownKey,
)
from tagswarm.manifests.models import KEYS_LIMIT, LATEST_LIMIT, ROOT_LIMIT, Keys, Latest, Root
from tagswarm.manifests.published import Published
from tagswarm.manifests.signing import PublicKey
from tagswarm.manifests.statements import KEYS, LATEST, ROOT

from .keyring import Keyring
from .memory import Known, KnownRoot, Trusts, place

Trust = Literal["given", "remembered", "first-use", "chain", "pinned", "unsigned"]
"""How far a release can be relied on: as `published.Trust` has it, and `remembered`: signed by keys that were believed
before."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What is wanted, and what was given to rely on."""

    release: str | None = None
    keys: tuple[PublicKey, ...] = ()
    pin: str | None = None
    today: date
    strict: bool = False
    """Refuse what is past its date instead of warning."""
    offline: bool = False
    """Nothing newer can be asked for, so an old state that was believed once is told and used."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """A release of a source that can be relied on."""

    address: str
    found: Published
    trust: Trust
    keyring: Keyring
    before: Known | None
    """What was known of the dataset."""
    recovered: bool
    """A high number is taken back: it was signed by keys that are retired now."""
    notes: tuple[str, ...]

    @property
    def root(self) -> Root:
        """Of the release."""
        return self.found.root

    @property
    def sequence(self) -> int:
        """Of the newest release that the source knows."""
        return self.found.newest.number if self.found.newest else self.root.sequence


def known_at(trusts: Trusts, address: str, documents: Mapping[str, bytes]) -> Known | None:
    """What is known of the dataset at an address, or of the one that its documents say they are."""
    if (known := trusts.at(place(address))) is not None:
        return known
    claimed = claimed_id(documents)
    return None if claimed is None else trusts.of(claimed)


def claimed_id(documents: Mapping[str, bytes]) -> str | None:
    """The dataset that documents say they are of, believed by nobody; None where they do not say it.

    That all of them say the same is seen by `published.establish`.
    """
    with contextlib.suppress(FormatError):  # a malformed one is named when it is judged
        if LATEST in documents:
            return Latest.parse(documents[LATEST], limit=LATEST_LIMIT).dataset_id
        if KEYS in documents:
            return Keys.parse(documents[KEYS], limit=KEYS_LIMIT).dataset_id
        for path, data in sorted(documents.items()):
            if path.endswith(f"/{ROOT}"):
                return Root.parse(data, limit=ROOT_LIMIT).dataset.id
    return None


def judge(address: str, documents: Mapping[str, bytes], trusts: Trusts, asked: Asked) -> Verdict:
    """Believe what a source shows, or say why not.

    Raises:
        Rollback: the source is behind what was seen.
        SignatureInvalid: a signature is missing, forged or of something else, or what was seen under this number, at
            this address or under this version of keys was another thing.
        UnknownKey: only other keys signed, or a new list of keys was not handed on by the known one.
        Stale: nothing says that it is still the newest, and that was asked for.
        IncompleteBuild: there is no such release.
        FormatError: a document is malformed.
    """
    try:
        return _judged(address, documents, trusts, asked)
    except TagswarmError as failure:
        if failure.message.startswith(f"{address}: "):
            raise
        raise named(address, failure) from failure


def named(address: str, failure: TagswarmError) -> TagswarmError:
    """The same failure with the source that it is about."""
    if not isinstance(failure, (TrustError, FormatError, IncompleteBuild)):
        return failure
    return type(failure)(f"{address}: {failure.message}", hint=failure.hint)


def _judged(address: str, documents: Mapping[str, bytes], trusts: Trusts, asked: Asked) -> Verdict:
    known = known_at(trusts, address, documents)
    anchors = (*asked.keys, *published.public_keys(trusts.addresses.get(place(address), [])))
    before = Keyring.of(known, anchors)
    keyring = before.follow(documents)
    if known is not None:
        _same_dataset(known, claimed_id(documents))
    believed = asked.keys or tuple(before.all)
    settled = {**_without_keys(documents), **(keyring.documents or _keys(documents))}
    try:
        found = _established(settled, asked, believed)
    except TrustError as failure:
        if known is None:
            raise
        again = _seen_before(known, documents, asked)
        if again is None:
            if (older := _older(known, documents, asked)) is not None:
                raise older from failure
            raise
        found = again
    if known is not None:
        _same_dataset(known, found.root.dataset.id)
    elif trusts.of(found.root.dataset.id) is not None:  # it passed itself off as another one to be new
        raise SignatureInvalid(f"its documents are not all of dataset {found.root.dataset.id}")
    recovered = known is not None and _recovered(known, found, before, keyring)
    notes = [*found.notes, *_fresh(found, asked)]
    if known is not None:
        notes += _remembered(known, found, asked, recovered=recovered)
    else:
        notes += _first_seen(trusts, found)
    return Verdict(
        address=address,
        found=found,
        trust=_trust(found, asked, before),
        keyring=keyring,
        before=known,
        recovered=recovered,
        notes=tuple(notes),
    )


def _keys(documents: Mapping[str, bytes]) -> dict[str, bytes]:
    return {path: data for path, data in documents.items() if path == KEYS or path.startswith(f"{KEYS}.")}


def _without_keys(documents: Mapping[str, bytes]) -> dict[str, bytes]:
    keys = _keys(documents)
    return {path: data for path, data in documents.items() if path not in keys}


def _same_dataset(known: Known, claimed: str | None) -> None:
    if claimed is not None and claimed != known.id:
        raise SignatureInvalid(
            f"dataset {claimed} lies where {known.name} ({known.id}) was before",
            hint="If the maintainer has put another dataset there, forget the old one: `tagswarm trust remove "
            f"{known.id}`.",
        )


def _claimed(documents: Mapping[str, bytes]) -> Latest | None:
    """latest.json as it stands there, believed by nobody."""
    with contextlib.suppress(FormatError, KeyError):
        return Latest.parse(documents[LATEST], limit=LATEST_LIMIT)
    return None


def _older(known: Known, documents: Mapping[str, bytes], asked: Asked) -> Rollback | None:
    """What is to be said of documents that do not hold and are of an older release: keys retired since signed it."""
    claimed = _claimed(documents)
    if claimed is None or asked.release or known.newest is None or claimed.sequence >= known.newest.sequence:
        return None
    return _rollback(known.newest, claimed.release, claimed.sequence)


def _seen_before(known: Known, documents: Mapping[str, bytes], asked: Asked) -> Published | None:
    """An older release whose keys were retired since, if it is the very one that was believed once.

    Only where it is asked for by its name, or where nobody can be asked for a newer one.
    """
    claimed = _claimed(documents)
    name = asked.release or (claimed.release if claimed is not None and asked.offline else None)
    seen = next((root for root in known.roots if root.release == name and root.signers), None)
    if seen is None or asked.keys or asked.pin:
        return None
    path = f"{published.folder(seen.release)}/{ROOT}"
    if path not in documents or hashlib.sha256(documents[path]).hexdigest() != seen.sha256:
        return None
    found = _established({path: documents[path]}, replace(asked, release=seen.release, pin=seen.sha256), ())
    note = "its source is not believed any more, but it is the release that was believed before"
    return replace(found, trust="given", signers=tuple(seen.signers), notes=(note,))


def _rollback(newest: KnownRoot, release: str, sequence: int) -> Rollback:
    return Rollback(
        f"shows release {release} (sequence {sequence}) as the newest, and {newest.release} "
        f"(sequence {newest.sequence}) was seen before",
        hint=f"The source is behind or holds something back. Ask another, or name the release: --release {release}.",
    )


def _established(documents: Mapping[str, bytes], asked: Asked, believed: Sequence[PublicKey]) -> Published:
    with tempfile.TemporaryDirectory(prefix="tagswarm-") as name:
        tree = Path(name)
        for path, data in documents.items():
            disk.write(tree / path, data, sync=False)
        try:
            return published.establish(tree, release=asked.release, keys=believed, pin=asked.pin)
        except StoreError:
            raise
        except TagswarmError as failure:  # its folder is nobody's business
            raise type(failure)(
                failure.message.replace(f"{tree}/", "").replace(str(tree), "it"), hint=failure.hint
            ) from failure


def _trust(found: Published, asked: Asked, before: Keyring) -> Trust:
    if found.trust != "given":
        return found.trust
    return "given" if asked.keys or before.kept is None else "remembered"


def _recovered(known: Known, found: Published, before: Keyring, keyring: Keyring) -> bool:
    """Whether the newest release takes back a number that was seen; see above."""
    seen = known.newest
    if seen is None or not seen.signers or found.newest is None or found.root.release != found.newest.release:
        return False
    if (found.root.sequence, found.root_sha256) == (seen.sequence, seen.sha256) or found.root.sequence > seen.sequence:
        return False
    now, then = {key.name for key in keyring.members}, {key.name for key in before.members}
    brought = now - then
    return (
        keyring.version > before.version > 0
        and not now & set(seen.signers)
        and any(signer in brought for signer in found.signers)
    )


def _remembered(known: Known, found: Published, asked: Asked, *, recovered: bool) -> list[str]:
    """Hold a release against those that were seen; returns what is to be said.

    Raises:
        Rollback: the newest one of the source is older.
        SignatureInvalid: one that was seen was another.
        UnknownKey: it is unsigned, and those before were not.
    """
    root = found.root
    if found.trust in ("unsigned", "pinned") and any(seen.signers for seen in known.roots):
        raise UnknownKey(
            "is unsigned, and the releases before it were signed",
            hint="Ask another source. If the maintainer has stopped signing, `tagswarm trust reset` forgets the keys.",
        )
    if recovered:
        high = known.roots[-1]
        by = "it was signed by keys that the maintainer has retired since"
        return [f"release {high.release} (sequence {high.sequence}) is taken back: {by}"]
    notes = []
    for seen in known.roots:
        same = seen.sequence == root.sequence or seen.release == root.release
        if same and (seen.sequence, seen.release, seen.sha256) != (root.sequence, root.release, found.root_sha256):
            raise SignatureInvalid(
                f"release {root.release} (sequence {root.sequence}) has the root {found.root_sha256}, and was seen "
                f"with {seen.sha256} as release {seen.release} (sequence {seen.sequence})",
                hint="A published release never changes: ask another source, and the maintainer which one is right.",
            )
        newest = found.newest
        if newest is not None and newest.number == seen.sequence and newest.sha256 != seen.sha256:
            raise SignatureInvalid(f"{LATEST} names another root for sequence {seen.sequence} than was seen before")
    number = found.newest.number if found.newest else root.sequence
    if known.newest is not None and number < known.newest.sequence:
        if asked.release is None and not asked.offline:
            raise _rollback(known.newest, root.release, number)
        notes.append(f"a newer release, {known.newest.release}, was seen before; this source does not have it")
    if found.trust == "unsigned" and not any(seen.sha256 == found.root_sha256 for seen in known.roots):
        notes.append(f"release {root.release} was not seen before, and nothing but this source vouches for it")
    if not known.roots or any(seen.signers for seen in known.roots) or not found.signers:
        return notes
    return [*notes, f"signed for the first time: key {', '.join(found.signers)} was not known before"]


def _fresh(found: Published, asked: Asked) -> list[str]:
    notes = []
    if found.newest is not None and found.root.sequence < found.newest.number:
        notes.append(f"release {found.newest.release} is newer than {found.root.release}")
    latest = found.latest
    if latest is not None and asked.today > latest.expires:
        late = f"{LATEST} was to be renewed by {latest.expires}: there may be a newer release elsewhere"
        if asked.strict:
            raise Stale(late)
        notes.append(late)
    return notes


def _first_seen(trusts: Trusts, found: Published) -> list[str]:
    """What is to be said of a dataset that nobody has seen before."""
    root, notes = found.root, []
    if found.trust == "unsigned":
        notes.append(f"pinned on first use: the root of release {root.release} is {found.root_sha256}")
    notes += [
        f"another dataset is known by the name {known.name}: {known.id}; this one is {root.dataset.id}"
        for known in trusts.datasets
        if known.name == root.dataset.name and known.id != root.dataset.id
    ]
    return notes


def remembering(trusts: Trusts, verdict: Verdict, addresses: Sequence[str], today: date) -> Trusts:
    """What is remembered once a release was believed; what another process has learned meanwhile stays."""
    found, dataset = verdict.found, verdict.root.dataset
    known = trusts.of(dataset.id) or Known(id=dataset.id, name=dataset.name, first_seen=today)
    root = KnownRoot(
        release=found.root.release,
        sequence=found.root.sequence,
        sha256=found.root_sha256,
        signers=list(found.signers) if found.trust not in ("unsigned", "pinned") else [],
    )
    others = [] if verdict.recovered else [seen for seen in known.roots if seen.sequence != root.sequence]
    judged_by = verdict.before.keys if verdict.before else None
    keys = verdict.keyring.kept if known.keys == judged_by else known.keys
    used = list(dict.fromkeys(map(place, addresses)))
    return trusts.with_known(
        known.model_copy(
            update={
                "name": dataset.name,
                "keys": keys,
                "roots": [*others, root],
                "addresses": [*(one for one in known.addresses if one not in used), *used],
                "first_seen": known.first_seen or today,
                "last_seen": max(today, known.last_seen or today),
            }
        )
    )
