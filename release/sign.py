"""The signatures of a release, and its publication: what makes a built release the newest one.

Order is everything: the signatures of the root first, then latest.json with its own signature before it, so that a
reader sees the old release, or the new one, or a signed word that the new one is coming. Killed anywhere, the same
command finishes; run twice, it changes no byte, since Ed25519 draws no lots.

keys.json follows latest.json where it is rotated, because in that run both the old and the new keys sign: who still
holds the old list accepts the new release by the old key, and learns the new list afterwards. The first list precedes.

Last of all the feed and the list of torrents are copied to the top of the dataset. They are unsigned conveniences: what
they say is vouched for in the folder of the release.

Nothing here builds; of a release only its root is signed, everything else is reached from there by SHA-256.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from tagswarm.manifests import disk, manifest, published, signing
from tagswarm.manifests.errors import (
    ConfigInvalid,
    FormatError,
    IncompleteBuild,
    Rollback,
    SignatureInvalid,
    UnknownKey,
    Unreadable,
)
from tagswarm.manifests.events import Notice, Report, StepAdvanced, StepFinished, StepStarted, silent
from tagswarm.manifests.models import Keys, Latest, Object, Root
from tagswarm.manifests.signing import PublicKey, SecretKey
from tagswarm.manifests.statements import KEYS, LATEST, ROOT, Standing, Statement, weigh

from . import config, torrentlist

LOCK = ".tagswarm/lock"
"""Held by whoever changes a dataset, relative to it."""

FRESH = timedelta(days=400)
"""How long a release counts as fresh: a yearly one may be a month late. Advisory, it only makes clients warn."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SignResult:
    """What became of a release."""

    release: str
    sequence: int
    root_sha256: str
    signers: tuple[str, ...]
    """Ids of the keys that have signed the root by now; empty where the dataset is unsigned."""
    missing: int
    """Signatures that are still needed before the release is published."""
    published: bool
    """latest.json names this release."""
    written: tuple[str, ...]
    """Files that changed, in the order in which they did; relative to the dataset."""


def keygen(path: Path, *, password: str | None = None) -> PublicKey:
    """Write a new minisign key pair: the secret key at `path`, for its owner only, the public one at `path`.pub.

    Raises:
        Unreadable: one of them is there already, or cannot be written.
    """
    public_path = path.with_name(f"{path.name}.pub")
    for taken in (path, public_path):
        if os.path.lexists(taken):
            raise Unreadable(
                f"{taken}: is there already", hint="A key is never overwritten: give another path, or move it away."
            )
    key = SecretKey.generate()
    disk.create(path, key.render(password), mode=0o600)
    disk.create(public_path, key.public.render())
    return key.public


def sign(
    dataset: Path, secret_keys: Sequence[SecretKey], *, release: str | None = None, report: Report = silent
) -> SignResult:
    """Sign a built release and publish it as the newest one.

    Args:
        dataset: the tree, with its release.toml.
        secret_keys: keys whose public halves release.toml or the published keys.json names; none where the dataset is
            unsigned.
        release: the release of release.toml where it is left out.
        report: receives the events.

    Raises:
        IncompleteBuild: the release is not built, or not the next one after the published.
        IntegrityError: an object of the release is not what its root says.
        Rollback: the published release is a later one, or the same one with other contents.
        UnknownKey: a key is not one of this dataset, or one that is needed was not given.
        ConfigInvalid: release.toml has no keys though the dataset is signed, or a wrong one.
        DestinationLocked: another run holds the dataset.
    """
    settings = config.load(dataset)
    with disk.locked(dataset / LOCK):
        name = release or settings.release.name
        root, data = published.read_root(dataset, name)
        if root.dataset.id != settings.dataset.id:
            raise ConfigInvalid(
                f"dataset.id: {settings.dataset.id} is not the id of the built release, {root.dataset.id}",
                hint="The id never changes: put the old one back, or build the release again.",
            )
        _check_objects(dataset, root, report)
        return _Signing(dataset, settings.signing, root, data, report).run(secret_keys)


def _check_objects(dataset: Path, root: Root, report: Report) -> None:
    """Read everything the root vouches for by itself; the images were read when the manifests were made."""
    step = "check the build"
    objects = list(root.all_objects())
    report(StepStarted(step, len(objects), "documents"))
    read = 0
    for done, item in enumerate(objects, 1):
        read += manifest.check_object(dataset, item)
        report(StepAdvanced(step, done, read, item.path))
    report(StepFinished(step, len(objects), read))


class _Signing:
    """One run: the documents are settled first, then written in the order that a reader may meet them in."""

    def __init__(self, dataset: Path, table: config.SigningTable, root: Root, data: bytes, report: Report) -> None:
        self.dataset, self.root, self.data, self.report = dataset, root, data, report
        self.threshold = table.threshold
        try:
            self.keys = published.public_keys(table.keys)
        except FormatError as failure:
            raise ConfigInvalid(f"signing.keys: {failure}") from failure
        self.statement = Statement.of_root(root, data)
        self.written: list[str] = []
        listed = published.read_keys(dataset)
        self.old = listed[0] if listed else None
        self.old_keys = published.public_keys(self.old.keys if self.old else [])
        self.known = list(dict.fromkeys([*self.keys, *self.old_keys]))
        """In the order in which they take the places of signatures: those that are being retired come last."""

    def run(self, secret_keys: Sequence[SecretKey]) -> SignResult:
        latest = self._latest()
        self._follows(published.read_latest(self.dataset))
        if not self.keys:
            self._unsigned(secret_keys)
            self._write(LATEST, latest.render())
            self._copy()
            return self._result((), 0)
        secrets = self._sorted(secret_keys)
        keys = self._next_keys(secrets)
        root_path = f"{published.folder(self.root.release)}/{ROOT}"
        signers = self._sign(root_path, self.data, self.statement, secrets)
        missing = max(0, self.threshold - sum(key in self.keys for key in signers))
        if missing:
            self.report(
                Notice(f"{missing} more of the {self.threshold} signatures are needed: run this again with another key")
            )
            return self._result(signers, missing)
        if self.old is None:
            self._publish_keys(keys, secrets)
        self._publish(LATEST, latest.render(), Statement.of_latest(latest), secrets)
        if self.old is not None:
            self._publish_keys(keys, secrets)
        self._copy()
        return self._result(signers, 0)

    def _latest(self) -> Latest:
        path = f"{published.folder(self.root.release)}/{ROOT}"
        return Latest(
            dataset_id=self.root.dataset.id,
            sequence=self.root.sequence,
            release=self.root.release,
            root=Object(path=path, size=len(self.data), sha256=self.statement.sha256),
            issued=self.root.issued,
            expires=self.root.issued + FRESH,
        )

    def _follows(self, latest: Latest | None) -> None:
        """Let the release pass that is the published one or the next after it."""
        for said in self._said(latest):
            if said.dataset != self.root.dataset.id:
                raise ConfigInvalid(
                    f"{LATEST}: belongs to dataset {said.dataset}, the release to {self.root.dataset.id}"
                )
            if self.statement.number < said.number:
                raise Rollback(
                    f"release {self.root.release} has the sequence {self.root.sequence}, "
                    f"and {said.release} with {said.number} is published already",
                    hint="Sign the newer release; older ones keep the signatures they have.",
                )
            if self.statement.number == said.number and self.statement.sha256 != said.sha256:
                raise Rollback(
                    f"release {said.release} is signed and published with other contents (root {said.sha256})",
                    hint="What is published never changes: give the new contents a new release.name and build again.",
                )
        if latest is not None and latest.sequence == self.root.sequence:
            return
        previous = self.root.previous
        found = previous and (previous.release, previous.sequence, previous.root_sha256)
        wanted = latest and (latest.release, latest.sequence, latest.root.sha256)
        if found != wanted or self.root.sequence != (latest.sequence if latest else 0) + 1:
            raise IncompleteBuild(
                f"release {self.root.release} with the sequence {self.root.sequence} follows "
                f"{previous.release if previous else 'nothing'}, and "
                f"{latest.release if latest else 'nothing'} is what is published",
                hint="Sign the release before it first, or build this one again.",
            )

    def _said(self, latest: Latest | None) -> list[Statement]:
        """What is published, and what a run that was stopped has signed to be published."""
        said = [Statement.of_latest(latest)] if latest else []
        if texts := published.signatures(self.dataset, LATEST) if self.known else {}:
            before = Statement(dataset=self.root.dataset.id, file=LATEST, release=None, number=0, sha256="")
            try:
                said.extend(weigh(self.known, texts, data=None, expected=before).ahead)
            except (SignatureInvalid, FormatError):
                self.report(Notice(f"{LATEST}: its signature is damaged and is made anew"))
        return said

    def _unsigned(self, secret_keys: Sequence[SecretKey]) -> None:
        if secret_keys:
            raise ConfigInvalid(
                "signing.keys: is empty, so no key may sign",
                hint=f'Put the public key into release.toml: keys = ["{secret_keys[0].public.line}"] under [signing].',
            )
        if self.old is not None:
            raise ConfigInvalid(
                f"signing.keys: is empty, and {KEYS} says that this dataset is signed",
                hint="Put the keys back: readers would take an unsigned release for a forged one.",
            )
        self.report(
            Notice(
                f"UNSIGNED: release {self.root.release} is published without a signature; "
                f"readers can only pin its root, sha256:{self.statement.sha256}",
                facts={"root_sha256": self.statement.sha256},
            )
        )

    def _sorted(self, secret_keys: Sequence[SecretKey]) -> list[SecretKey]:
        """The given keys in the order of the known ones, each once."""
        given = {key.public: key for key in secret_keys}
        for public in given:
            if public not in self.known:
                raise UnknownKey(
                    f"key {public.name} is not one of this dataset",
                    hint=f'Add "{public.line}" to signing.keys in release.toml, or give another key.',
                )
        if not given:
            raise UnknownKey(
                f"no secret key was given, and release.toml names {', '.join(key.name for key in self.keys)}",
                hint="Give the file of the secret key; for an unsigned dataset remove signing.keys.",
            )
        return [given[public] for public in self.known if public in given]

    def _next_keys(self, secrets: Sequence[SecretKey]) -> Keys | None:
        """The list of keys to publish, None where the published one stands; enough keys of both lists must be given."""
        lines = [key.line for key in self.keys]
        if self.old and set(self.keys) == set(self.old_keys) and self.threshold == self.old.threshold:
            return None
        self._enough(secrets, self.keys, self.threshold, "release.toml")
        if self.old:
            self._enough(secrets, self.old_keys, self.old.threshold, f"the published {KEYS}")
        version = self.old.version + 1 if self.old else 1
        return Keys(dataset_id=self.root.dataset.id, version=version, threshold=self.threshold, keys=lines)

    def _enough(self, secrets: Sequence[SecretKey], keys: Sequence[PublicKey], needed: int, where: str) -> None:
        given = {secret.public for secret in secrets}
        if sum(key in given for key in keys) < needed:
            names = ", ".join(key.name for key in keys)
            raise UnknownKey(
                f"a new {KEYS} must be signed by {needed} of the keys of {where}: {names}",
                hint="Give all these secret keys together in this one run.",
            )

    def _publish_keys(self, keys: Keys | None, secrets: Sequence[SecretKey]) -> None:
        if keys is not None:
            data = keys.render()
            self._publish(KEYS, data, Statement.of_keys(keys, data), secrets)

    def _publish(self, document: str, data: bytes, statement: Statement, secrets: Sequence[SecretKey]) -> None:
        """Put a document in its place after its signatures, then drop the signatures of the one before."""
        kept = self._sign(document, data, statement, secrets)
        self._write(document, data)
        for path in published.signatures(self.dataset, document).keys() - kept.values():
            disk.remove(self.dataset / path)

    def _copy(self) -> None:
        """Put the feed and the list of torrents at the top, for those who come back to the same URL every year."""
        for path, data in torrentlist.copies(self.dataset, self.root, self.report):
            self._write(path, data)

    def _sign(
        self, document: str, data: bytes, statement: Statement, secrets: Sequence[SecretKey]
    ) -> dict[PublicKey, str]:
        """Write the signatures of a document and keep those it has; returns who signed it and in which file.

        The first of the known keys has the place where the stock minisign looks. It is written last: what lies there
        may still be the signature of the document before, or of a key that gets a place of its own.
        """
        texts = {
            standing.signers[0]: text
            for name, text in published.signatures(self.dataset, document).items()
            if (standing := self._standing(name, text, data, statement)) and standing.signers
        }
        texts |= {secret.public: signing.sign(secret, data, statement.render()) for secret in secrets}
        ordered = [key for key in self.known if key in texts]
        places = {key: published.signature_name(document, key if place else None) for place, key in enumerate(ordered)}
        for key in reversed(ordered):
            self._write(places[key], texts[key])
        return places

    def _standing(self, name: str, text: bytes, data: bytes, statement: Statement) -> Standing | None:
        try:
            return weigh(self.known, {name: text}, data=data, expected=statement)
        except (SignatureInvalid, FormatError):  # damaged, or of other bytes: it is made anew
            return None

    def _write(self, path: str, data: bytes) -> None:
        if disk.write_if_changed(self.dataset / path, data):
            self.written.append(path)

    def _result(self, signers: Iterable[PublicKey], missing: int) -> SignResult:
        return SignResult(
            release=self.root.release,
            sequence=self.root.sequence,
            root_sha256=self.statement.sha256,
            signers=tuple(key.name for key in signers),
            missing=missing,
            published=not missing,
            written=tuple(self.written),
        )
