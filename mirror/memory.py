"""What was seen before: which keys, which release, from where. One small file of a user, shared by all projects.

A published tree cannot say that it was put back to an older state, or that its keys were exchanged; whoever has seen
more can. The file is `trust.json`, "tagswarm.trust/1": readable JSON, written as a whole under a lock. A damaged one is
refused and never passed over in silence: to forget is what an attacker would want.

Nothing here judges a release; `judgement` does, with what is remembered here.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field

from tagswarm.manifests import disk, paths
from tagswarm.manifests.errors import DestinationLocked, FormatError, InvalidDocument, UnknownKey
from tagswarm.manifests.models import DatasetId, Document, Name, Sha256, Value

from .cache import default_folder

FILE = "trust.json"
LIMIT = 16 << 20
"""Bytes of the file."""

ADDRESSES = 32
"""Addresses that are remembered of a dataset, the last ones used."""

_PATIENCE = 10.0
"""Seconds that a change waits for another process; each takes milliseconds."""

_ID = re.compile(r"[0-9a-f]{32}")
_PREFIX = re.compile(r"[0-9a-f]{4,32}")
_ADDRESS = re.compile(r"[a-z][a-z0-9+.-]*://.|/|[^/:]+::", re.IGNORECASE)
_CREDENTIALS = re.compile(r"^([A-Za-z][A-Za-z0-9+.-]*://)[^/@]*@")


class KnownKeys(Value):
    """The newest list of keys that was believed, as it was published: it is weighed again whenever it is used."""

    document: str
    """keys.json."""
    signatures: dict[str, str]
    """Its signature files by their paths."""


class KnownRoot(Value):
    """A release that was believed."""

    release: Name
    sequence: Annotated[int, Field(ge=1, lt=1 << 53)]
    sha256: Sha256
    """Of its root."""
    signers: list[str]
    """Key ids; empty where it was unsigned."""


class Known(Value):
    """All that is remembered of one dataset."""

    id: DatasetId
    name: str
    keys: KnownKeys | None = None
    """None of an unsigned dataset, or of one that was only added by hand."""
    added: list[str] = Field(default_factory=list)
    """Public keys that a person vouched for, the line that begins with RW."""
    roots: list[KnownRoot] = Field(default_factory=list)
    """By sequence; the last one is the newest release that was seen."""
    addresses: list[str] = Field(default_factory=list)
    """Where it was found, the last one used at the end; without credentials."""
    first_seen: Annotated[date, Field(strict=False)] | None = None
    last_seen: Annotated[date, Field(strict=False)] | None = None

    @property
    def newest(self) -> KnownRoot | None:
        """The release with the highest sequence."""
        return self.roots[-1] if self.roots else None


class Trusts(Document):
    """The file as a value; a change makes a new one."""

    format: Literal["tagswarm.trust/1"] = "tagswarm.trust/1"
    datasets: list[Known] = Field(default_factory=list)
    """By id."""
    addresses: dict[str, list[str]] = Field(default_factory=dict)
    """Public keys that a person vouched for before the dataset at an address was ever seen."""

    def of(self, dataset_id: str) -> Known | None:
        """What is known of a dataset."""
        return next((known for known in self.datasets if known.id == dataset_id), None)

    def at(self, address: str) -> Known | None:
        """What is known of the dataset at an address."""
        return next((known for known in self.datasets if address in known.addresses), None)

    def find(self, text: str) -> Known:
        """The one dataset that a person means.

        Args:
            text: its id, at least 4 digits of it, its name, or an address of it.

        Raises:
            UnknownKey: none is known by that, or several are.
        """
        exact = [known for known in self.datasets if text in (known.id, known.name) or place(text) in known.addresses]
        if not exact and _PREFIX.fullmatch(text):
            exact = [known for known in self.datasets if known.id.startswith(text)]
        if len(exact) == 1:
            return exact[0]
        if exact:
            raise UnknownKey(
                f"{paths.escape(text)}: {len(exact)} datasets are known by that: "
                + ", ".join(known.id for known in exact),
                hint="Give the id of the one that is meant.",
            )
        raise UnknownKey(
            f"{paths.escape(text)}: no such dataset is known",
            hint="`tagswarm trust list` shows those that are; one becomes known when it is first opened.",
        )

    def with_known(self, known: Known) -> Self:
        """The same with this in the place of what was known of the dataset; keys of its addresses move into it."""
        waiting = {address: keys for address, keys in self.addresses.items() if address in known.addresses}
        moved = [*known.added, *(key for keys in waiting.values() for key in keys)]
        made = known.model_copy(
            update={
                "added": list(dict.fromkeys(moved)),
                "roots": sorted(known.roots, key=lambda root: root.sequence),
                "addresses": known.addresses[-ADDRESSES:],
            }
        )
        others = [
            other.model_copy(update={"addresses": [one for one in other.addresses if one not in made.addresses]})
            for other in self.datasets
            if other.id != made.id
        ]
        rest = {address: keys for address, keys in self.addresses.items() if address not in waiting}
        return self._made([*others, made], rest)

    def with_keys(self, address: str, keys: Sequence[str]) -> Self:
        """The same with these as the keys of an address whose dataset is not known; without any it is forgotten."""
        rest = {other: known for other, known in self.addresses.items() if other != address}
        return self._made(self.datasets, {**rest, address: list(keys)} if keys else rest)

    def vouched(self, text: str, key: str) -> Self:
        """The same after a person vouched for a public key.

        Args:
            text: a dataset that is known, the id of one that is not, or an address.
            key: the line that begins with RW.

        Raises:
            UnknownKey: it is none of these.
        """
        if _ID.fullmatch(text) and self.of(text) is None:
            return self.with_known(Known(id=text, name="", added=[key]))
        if _ADDRESS.match(text) and self.at(place(text)) is None:
            keys = [*self.addresses.get(place(text), []), key]
            return self.with_keys(place(text), list(dict.fromkeys(keys)))
        known = self.find(text)
        return self.with_known(known.model_copy(update={"added": [*known.added, key]}))

    def unvouched(self, text: str, key: str) -> Self:
        """The same without a public key that a person vouched for.

        Raises:
            UnknownKey: nobody vouched for it there.
        """
        address = place(text)
        known = None if address in self.addresses else self.find(text)
        keys = self.addresses[address] if known is None else known.added
        if key not in keys:
            raise UnknownKey(
                f"{paths.escape(text)}: nobody vouched for the key {paths.escape(key)} there",
                hint="`tagswarm trust show` lists them; `tagswarm trust reset` forgets those of a keys.json.",
            )
        rest = [one for one in keys if one != key]
        return self.with_keys(address, rest) if known is None else self._made(self._with(known, {"added": rest}), None)

    def removed(self, text: str) -> Self:
        """The same without anything of a dataset, or of an address whose dataset was never seen.

        Raises:
            UnknownKey: neither is known.
        """
        if place(text) in self.addresses:
            return self.with_keys(place(text), [])
        known = self.find(text)
        return self._made([other for other in self.datasets if other.id != known.id], None)

    def reset(self, text: str) -> Self:
        """The same without what was learned from a dataset; what a person said of it stays, and its addresses.

        Raises:
            UnknownKey: it is not known.
        """
        return self._made(self._with(self.find(text), {"keys": None, "roots": []}), None)

    def _with(self, known: Known, update: dict[str, object]) -> list[Known]:
        return [other.model_copy(update=update) if other.id == known.id else other for other in self.datasets]

    def _made(self, datasets: Sequence[Known], addresses: Mapping[str, list[str]] | None) -> Self:
        ordered = sorted(datasets, key=lambda known: known.id)
        kept = self.addresses if addresses is None else addresses
        return self.model_copy(update={"datasets": ordered, "addresses": dict(sorted(kept.items()))})


def place(address: str) -> str:
    """An address as it is remembered: without the `/` at its end, and without credentials."""
    return _CREDENTIALS.sub(r"\1", address.rstrip("/") or address)


class Memory:
    """The file.

    Args:
        path: by default `tagswarm/trust.json` in XDG_DATA_HOME, or in `~/.local/share`.
    """

    def __init__(self, path: Path | None = None) -> None:
        self.path = path or default_folder("XDG_DATA_HOME", ".local/share") / FILE

    def read(self) -> Trusts:
        """What is remembered; nothing where there is no file yet.

        Raises:
            FormatError: it is damaged, or newer than this program.
            StoreError: it cannot be read.
        """
        if not self.path.exists() and not self.path.is_symlink():
            return Trusts()
        try:
            return Trusts.parse(disk.read(self.path, limit=LIMIT), limit=LIMIT)
        except InvalidDocument as failure:
            raise InvalidDocument(
                f"{self.path}: {failure.message}",
                hint="Put a good copy of it back, or move it away: then every dataset is new again.",
            ) from failure
        except FormatError as failure:
            raise type(failure)(f"{self.path}: {failure.message}", hint=failure.hint) from failure

    def change(self, edit: Callable[[Trusts], Trusts]) -> Trusts:
        """Change what is remembered, from what it is at that moment, and return it.

        Raises:
            FormatError: it is damaged, or newer than this program.
            StoreError: it cannot be read or written.
        """
        lock = self.path.with_name(f"{self.path.name}.lock")
        ends = time.monotonic() + _PATIENCE
        while True:
            try:
                with disk.locked(lock):
                    changed = edit(self.read())
                    disk.write_if_changed(self.path, changed.render())
                    return changed
            except DestinationLocked:
                if time.monotonic() > ends:
                    raise
                time.sleep(0.01)
