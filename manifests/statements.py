"""What a signature says: the trusted comment as a statement about one file, and how many keys stand behind a document.

The stock minisign prints a trusted comment and compares it with nothing, so a good signature of last year's root passes
under this year's name. Here the comment is written from the document it stands for and compared with it again.

A statement is signed by itself too (`signing.authenticate`). A document and its signature are two files, and the
signature is replaced first: whoever meets the new signature beside the old document still learns, from a key he trusts,
what is coming.

Nothing here opens a file or decides which keys are trusted.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Self

from . import paths, signing
from .errors import SignatureInvalid, UnknownKey
from .models import Keys, Latest, Root
from .signing import PublicKey

ROOT, LATEST, KEYS = "release.json", "latest.json", "keys.json"

_RELEASE = re.compile(
    r"dataset=([0-9a-f]{32}) release=([a-z0-9][a-z0-9._-]{0,63}) seq=([1-9][0-9]{0,15})"
    r" file=(release\.json|latest\.json) sha256=([0-9a-f]{64})"
)
_KEYS = re.compile(r"dataset=([0-9a-f]{32}) version=([1-9][0-9]{0,15}) file=(keys\.json) sha256=([0-9a-f]{64})")


@dataclass(frozen=True, slots=True, kw_only=True)
class Statement:
    """One signed sentence: this file of this dataset is that state of it."""

    dataset: str
    file: str
    """`release.json`, `latest.json` or `keys.json`."""
    release: str | None
    """None of the list of keys, which belongs to no release."""
    number: int
    """The sequence of the release, or the version of the list of keys."""
    sha256: str
    """Of the root, also in the statement of `latest.json`; of the list of keys itself."""

    @classmethod
    def of_root(cls, root: Root, data: bytes) -> Self:
        """What the signature of a release.json says; `data` are its bytes."""
        digest = hashlib.sha256(data).hexdigest()
        return cls(dataset=root.dataset.id, file=ROOT, release=root.release, number=root.sequence, sha256=digest)

    @classmethod
    def of_latest(cls, latest: Latest) -> Self:
        """What the signature of a latest.json says: the root it names."""
        return cls(
            dataset=latest.dataset_id,
            file=LATEST,
            release=latest.release,
            number=latest.sequence,
            sha256=latest.root.sha256,
        )

    @classmethod
    def of_keys(cls, keys: Keys, data: bytes) -> Self:
        """What the signature of a keys.json says; `data` are its bytes."""
        digest = hashlib.sha256(data).hexdigest()
        return cls(dataset=keys.dataset_id, file=KEYS, release=None, number=keys.version, sha256=digest)

    @classmethod
    def parse(cls, comment: str) -> Self:
        """Read a trusted comment.

        Raises:
            SignatureInvalid: it is not one of tagswarm.
        """
        if match := _RELEASE.fullmatch(comment):
            dataset, release, number, file, digest = match.groups()
            return cls(dataset=dataset, file=file, release=release, number=int(number), sha256=digest)
        if match := _KEYS.fullmatch(comment):
            dataset, number, file, digest = match.groups()
            return cls(dataset=dataset, file=file, release=None, number=int(number), sha256=digest)
        raise SignatureInvalid(f"the trusted comment {paths.escape(comment[:200])!r} names no file of a dataset")

    def render(self) -> str:
        """The trusted comment: `dataset=<id> release=<name> seq=<n> file=<name> sha256=<hex>`, `version` for keys."""
        state = f"version={self.number}" if self.release is None else f"release={self.release} seq={self.number}"
        return f"dataset={self.dataset} {state} file={self.file} sha256={self.sha256}"


@dataclass(frozen=True, slots=True)
class Standing:
    """Who stands behind a document."""

    signers: tuple[PublicKey, ...]
    """The trusted keys that signed these bytes, each once, in the order of the keys."""
    ahead: tuple[Statement, ...]
    """What trusted keys have signed about a later state of the same file, newest first: it is being replaced."""
    strangers: tuple[str, ...]
    """Names of the signature files that none of the keys made."""


def weigh(
    keys: Iterable[PublicKey], signatures: Mapping[str, bytes], *, data: bytes | None, expected: Statement
) -> Standing:
    """Weigh the signatures of one document.

    Args:
        keys: the trusted ones; one that is listed twice counts once.
        signatures: the text of each signature file by its name.
        data: the bytes of the document; None where it is not there yet and only statements can be heard.
        expected: what the document says of itself. A signature of a trusted key that says the same number otherwise is
            refused; of an earlier number, it was left behind and counts for nothing.

    Raises:
        SignatureInvalid: a trusted key did not sign these bytes, or signed them as another file, release or sequence.
        FormatError: a signature file is none.
    """
    trusted = list(dict.fromkeys(keys))
    signers: set[PublicKey] = set()
    ahead: set[Statement] = set()
    strangers: list[str] = []
    for name, text in sorted(signatures.items()):
        try:
            authentic = signing.authenticate(trusted, text)
        except UnknownKey:
            strangers.append(name)
            continue
        except SignatureInvalid as failure:
            raise SignatureInvalid(f"{name}: {failure}") from failure
        if _belongs(authentic.key, data, text):
            _same(name, authentic.trusted_comment, expected)
            signers.add(authentic.key)
            continue
        try:
            said = Statement.parse(authentic.trusted_comment)
        except SignatureInvalid as failure:
            raise SignatureInvalid(f"{name}: {failure}") from failure
        if (said.dataset, said.file) != (expected.dataset, expected.file):
            raise SignatureInvalid(f"{name}: is the signature of {said.file} of dataset {said.dataset}")
        if said.number > expected.number:
            ahead.add(said)
        elif said.number == expected.number:
            raise SignatureInvalid(f"{name}: the signature of key {authentic.key.name} does not belong to these bytes")
    newest = sorted(ahead, key=lambda statement: (-statement.number, statement.sha256))
    return Standing(tuple(key for key in trusted if key in signers), tuple(newest), tuple(strangers))


def _belongs(key: PublicKey, data: bytes | None, text: bytes) -> bool:
    if data is None:
        return False
    try:
        signing.verify([key], data, text)
    except SignatureInvalid:
        return False
    return True


def _same(name: str, comment: str, expected: Statement) -> None:
    if comment != expected.render():
        raise SignatureInvalid(
            f"{name}: the trusted comment speaks of something else: {paths.escape(comment[:200])!r}, "
            f"where {expected.render()!r} was expected",
            hint="The file was renamed or taken from another release; get the release from another source.",
        )
