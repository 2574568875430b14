"""The small signed documents of a source: keys.json, latest.json, the roots that matter, and their signatures.

They are asked for in the order in which a publication may be met half-way: the list of keys before latest.json, which
is written before it; each document before its signatures, which are written before it (docs/adr/0004). Each has a
limit, so that a source without an end is left. What they say is read only to know what to ask for next.

Nothing here believes any of them; `judgement` does.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from typing import TypeVar

from tagswarm.manifests.errors import FormatError, IncompleteBuild, SignatureInvalid, UnknownKey
from tagswarm.manifests.models import KEYS_LIMIT, LATEST_LIMIT, ROOT_LIMIT, Keys, Latest, Root
from tagswarm.manifests.published import folder, public_keys, signature_name
from tagswarm.manifests.signing import SIGNATURE_LIMIT, PublicKey, authenticate
from tagswarm.manifests.statements import KEYS, LATEST, ROOT, Statement, weigh

from .keyring import Keyring
from .transports.base import Source

D = TypeVar("D", Keys, Latest, Root)

CHAIN_LIMIT = 64 << 20
"""Bytes of roots after which an older release is no longer looked for."""


async def gather(
    source: Source,
    keyring: Keyring,
    *,
    release: str | None = None,
    known_root: Callable[[str], bytes | None] = lambda _: None,
) -> dict[str, bytes]:
    """The documents that a source has, by path.

    Args:
        source: who is asked.
        keyring: what is known of the dataset; it tells which signature files may be there, for nothing lists them.
        release: the name of a release; the newest where it is left out.
        known_root: gives the bytes of a root by its SHA-256 where they are at hand.

    Raises:
        IncompleteBuild: the source has no such release, or nothing at all.
        FormatError: a document is malformed or larger than it may be.
        TransportError: the source does not answer as it should.
    """
    return await _Gathering(source, keyring, known_root).run(release)


async def unchanged(source: Source, keyring: Keyring, before: Mapping[str, bytes]) -> bool:
    """Whether a source still has the same latest.json, signed by a key that is known; two requests at most.

    Raises:
        FormatError: it is larger than it may be.
        TransportError: the source does not answer as it should.
    """
    signature = signature_name(LATEST)
    if LATEST not in before or await source.read(LATEST, limit=LATEST_LIMIT) != before[LATEST]:
        return False
    text = await source.read(signature, limit=SIGNATURE_LIMIT)
    return text == before.get(signature) and (text is None or _made_by(keyring.all, text))


class _Gathering:
    def __init__(self, source: Source, keyring: Keyring, known_root: Callable[[str], bytes | None]) -> None:
        self.source, self.keyring, self.known_root = source, keyring, known_root
        self.candidates = keyring.all
        self.threshold = 1
        self.found: dict[str, bytes] = {}

    async def run(self, release: str | None) -> dict[str, bytes]:
        await self._keys()
        latest = await self._latest()
        for name in self._names(release, latest):
            await self._root(name)
        if release is not None and latest is not None and latest.release != release:
            await self._chain(release, latest)
        return self.found

    async def _keys(self) -> None:
        data = await self._take(KEYS, KEYS_LIMIT)
        needed = 1
        if data is not None:
            listed = _parsed(Keys, KEYS, data)
            self.candidates = list(dict.fromkeys([*self.candidates, *public_keys(listed.keys)]))
            self.threshold = listed.threshold
            follows = self.keyring.kept is not None and listed.version > self.keyring.version
            needed = len(self.candidates) if follows or self.keyring.anchors else listed.threshold
        if (kept := self.keyring.listed) is not None:
            self.threshold = max(self.threshold, kept.threshold)
        await self._signatures(KEYS, needed)

    async def _latest(self) -> Latest | None:
        data = await self._take(LATEST, LATEST_LIMIT)
        await self._signatures(LATEST, 1)
        return None if data is None else _parsed(Latest, LATEST, data)

    def _names(self, release: str | None, latest: Latest | None) -> list[str]:
        """The releases whose roots are needed: the wanted one, and both where latest.json is just being replaced."""
        if latest is None:
            if release is not None:
                return [release]
            raise IncompleteBuild(
                f"there is no {LATEST}",
                hint="Check the address: it ends where latest.json lies. Of a dataset without one, name the release.",
            )
        ahead: list[str] = []
        texts = {path: text for path, text in self.found.items() if path.startswith(f"{LATEST}.")}
        with contextlib.suppress(SignatureInvalid, FormatError):  # what is wrong with them is said by the judgement
            said = Statement.of_latest(latest)
            standing = weigh(self.candidates, texts, data=self.found[LATEST], expected=said)
            ahead = [] if standing.signers else [str(statement.release) for statement in standing.ahead[:1]]
        names = [release] if release is not None else []
        names += [latest.release, *ahead] if ahead or release is None else []
        return list(dict.fromkeys(names))

    async def _root(self, name: str) -> None:
        path = f"{folder(name)}/{ROOT}"
        if await self._take(path, ROOT_LIMIT) is None:
            raise IncompleteBuild(
                f"release {name}: there is no {path}",
                hint="Check the name of the release; the source may not have it, or not yet.",
            )
        await self._signatures(path, self.threshold)

    async def _chain(self, release: str, latest: Latest) -> None:
        """The roots from the newest release down to an older one, as far as they are there.

        Only where the older one is not signed by keys of today: then each root vouches for the one before it.
        """
        if not self.candidates or self._signed(release):
            return
        left, name, digest = CHAIN_LIMIT, str(latest.release), latest.root.sha256
        before = latest.sequence + 1
        while name != release and left > 0:
            path = f"{folder(name)}/{ROOT}"
            data = self.known_root(digest) or await self.source.read(path, limit=ROOT_LIMIT)
            if data is None or hashlib.sha256(data).hexdigest() != digest:
                return
            self.found[path] = data
            await self._signatures(path, self.threshold)
            root = _parsed(Root, path, data)
            if root.previous is None or root.sequence >= before:
                return
            left, before = left - len(data), root.sequence
            name, digest = root.previous.release, root.previous.root_sha256

    def _signed(self, release: str) -> bool:
        path = f"{folder(release)}/{ROOT}"
        data = self.found[path]
        texts = {name: text for name, text in self.found.items() if name.startswith(f"{path}.")}
        with contextlib.suppress(SignatureInvalid, FormatError):
            said = Statement.of_root(_parsed(Root, path, data), data)
            standing = weigh(self.candidates, texts, data=data, expected=said)
            return len(standing.signers) >= self.threshold
        return True  # the judgement says what is wrong with it

    async def _signatures(self, document: str, needed: int) -> None:
        """The signature that everybody looks at, and those of single keys where it may not be enough."""
        main = await self._take(signature_name(document), SIGNATURE_LIMIT)
        if needed <= 1 and main is not None and _made_by(self.candidates, main):
            return
        names = sorted({signature_name(document, key) for key in self.candidates})
        await _all(self._take(name, SIGNATURE_LIMIT) for name in names)

    async def _take(self, path: str, limit: int) -> bytes | None:
        data = await self.source.read(path, limit=limit)
        if data is not None:
            self.found[path] = data
        return data


async def _all(reads: Iterable[Awaitable[bytes | None]]) -> None:
    """Wait for all of them, then raise what the first one raised."""
    for outcome in await asyncio.gather(*reads, return_exceptions=True):
        if isinstance(outcome, BaseException):
            raise outcome


def _made_by(keys: Sequence[PublicKey], text: bytes) -> bool:
    try:
        authenticate(keys, text)
    except (UnknownKey, SignatureInvalid, FormatError):
        return False
    return True


def _parsed(kind: type[D], path: str, data: bytes) -> D:
    try:
        return kind.parse(data, limit=len(data))  # no more was taken than its limit
    except FormatError as failure:
        raise type(failure)(f"{path}: {failure.message}", hint=failure.hint) from failure
