"""Whose signatures are believed of one dataset, before it is asked and after it has shown its list of keys.

A list that was believed once hands on to the next: as many of its keys as it demands must have signed the new one (the
rule of TUF's roots, and of docs/reference/formats/keys.md). Lists are not published in a chain, so whoever missed some
follows as long as enough keys of the last one it saw have signed the newest, or one that a person vouched for.

Nothing here reads a file or a network.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Self

from tagswarm.manifests.errors import FormatError, InvalidDocument, SignatureInvalid, UnknownKey
from tagswarm.manifests.models import KEYS_LIMIT, Keys
from tagswarm.manifests.published import public_keys, require
from tagswarm.manifests.signing import PublicKey
from tagswarm.manifests.statements import KEYS, Statement, weigh

from .memory import Known, KnownKeys


@dataclass(frozen=True, slots=True)
class Keyring:
    """The last list that was believed, and the keys that a person vouched for."""

    kept: KnownKeys | None = None
    anchors: tuple[PublicKey, ...] = ()

    @classmethod
    def of(cls, known: Known | None, anchors: tuple[PublicKey, ...] = ()) -> Self:
        """What is remembered of a dataset, and the keys that were given besides.

        Raises:
            InvalidDocument: what is remembered is damaged.
        """
        added = public_keys(known.added) if known else []
        return cls(known.keys if known else None, tuple(dict.fromkeys([*anchors, *added])))

    @property
    def listed(self) -> Keys | None:
        """The list as a value."""
        if self.kept is None:
            return None
        try:
            return Keys.parse(self.kept.document.encode(), limit=KEYS_LIMIT)
        except FormatError as failure:
            raise InvalidDocument(f"the {KEYS} that is remembered: {failure.message}") from failure

    @property
    def members(self) -> list[PublicKey]:
        """The keys of the list."""
        listed = self.listed
        return public_keys(listed.keys) if listed else []

    @property
    def all(self) -> list[PublicKey]:
        """Every key that something is believed of."""
        return list(dict.fromkeys([*self.members, *self.anchors]))

    @property
    def version(self) -> int:
        """Of the list; 0 where none is known."""
        listed = self.listed
        return listed.version if listed else 0

    @property
    def documents(self) -> dict[str, bytes]:
        """The list and its signatures, by path."""
        if self.kept is None:
            return {}
        return {KEYS: self.kept.document.encode()} | {
            path: text.encode() for path, text in self.kept.signatures.items()
        }

    def follow(self, documents: Mapping[str, bytes]) -> Self:
        """Go over to the list that a source shows, if it is newer and was handed on; whether it holds is not said.

        Args:
            documents: of the source, by path. An older list than the known one counts for nothing: its source is
                behind, or would like to be believed so.

        Raises:
            UnknownKey: none of the keys that are known has signed the new list.
            SignatureInvalid: too few of them have, or the list is another one under a version that is known.
            FormatError: a document is malformed.
        """
        data = documents.get(KEYS)
        if data is None:
            return self
        try:
            shown = Keys.parse(data, limit=KEYS_LIMIT)
        except FormatError as failure:
            raise type(failure)(f"{KEYS}: {failure.message}", hint=failure.hint) from failure
        listed = self.listed
        if listed is not None and shown.dataset_id != listed.dataset_id:
            raise SignatureInvalid(f"{KEYS}: belongs to dataset {shown.dataset_id}, not to {listed.dataset_id}")
        if listed is not None and shown.version <= listed.version:
            if shown.version == listed.version and data != self.documents[KEYS]:
                raise SignatureInvalid(f"{KEYS}: its version {shown.version} was seen before and said something else")
            return self
        texts = {path: text for path, text in documents.items() if path.startswith(f"{KEYS}.")}
        if listed is not None:
            self._handed_on(listed, shown, data, texts)
        return replace(self, kept=KnownKeys(document=data.decode(), signatures=_texts(texts)))

    def _handed_on(self, listed: Keys, shown: Keys, data: bytes, texts: Mapping[str, bytes]) -> None:
        standing = weigh(self.all, texts, data=data, expected=Statement.of_keys(shown, data))
        if any(key in self.anchors for key in standing.signers):
            return
        members = self.members
        try:
            require(KEYS, standing, [key for key in standing.signers if key in members], listed.threshold)
        except (UnknownKey, SignatureInvalid) as failure:
            raise type(failure)(
                f"{failure.message}; its version {shown.version} must be signed by {listed.threshold} of the keys of "
                f"version {listed.version}, which is known: {', '.join(key.name for key in members)}",
                hint="Get the new public key from where the maintainer publishes it and `tagswarm trust add` it; "
                "if you cannot, do not use this source.",
            ) from failure


def _texts(signatures: Mapping[str, bytes]) -> dict[str, str]:
    try:
        return {path: text.decode() for path, text in sorted(signatures.items())}
    except UnicodeDecodeError as failure:
        raise InvalidDocument(f"{KEYS}: a signature file is not UTF-8") from failure
