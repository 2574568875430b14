"""A release that can be relied on, and its documents: from sources that are asked, or from what is remembered of them.

The small signed documents are taken from each source and judged (`snapshot`, `judgement`); the newest release that any
of them shows and that can be believed is opened, and what was seen is remembered. From then on every byte is reached by
the SHA-256 that the root states, from whatever source, through a cache that all projects share.

Where nothing has changed, only latest.json and its signature are asked for; offline, nothing is. A dataset in a folder
of this machine is read where it lies, after the same checks. Files of posts are no business of this module.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from itertools import combinations
from pathlib import Path

from tagswarm.manifests import published
from tagswarm.manifests.errors import (
    FormatError,
    IncompleteBuild,
    Rollback,
    SignatureInvalid,
    Stale,
    StoreError,
    TagswarmError,
    TransportError,
    TrustError,
    UnknownKey,
)
from tagswarm.manifests.events import Notice, Report, silent
from tagswarm.manifests.models import LATEST_LIMIT, ROOT_LIMIT, Latest
from tagswarm.manifests.signing import PublicKey
from tagswarm.manifests.statements import LATEST, ROOT

from . import judgement, snapshot
from .cache import Cache
from .judgement import Asked, Verdict
from .keyring import Keyring
from .memory import Memory, Trusts
from .transports.base import Source
from .trusted import Site, Trusted

__all__ = ["Trusted", "open_release"]


@dataclass(frozen=True, slots=True)
class _Heard:
    """A source that is believed."""

    site: Site
    verdict: Verdict
    documents: Mapping[str, bytes]


async def open_release(
    source: Source | Path | Sequence[Source | Path],
    *,
    cache: Cache,
    memory: Memory,
    release: str | None = None,
    keys: Sequence[PublicKey] = (),
    pin: str | None = None,
    offline: bool = False,
    strict_freshness: bool = False,
    today: date,
    report: Report = silent,
) -> Trusted:
    """Open a release and say how far it can be relied on.

    Args:
        source: the dataset: a source, a folder of this machine, or several of them, of which the one with the newest
            release wins. Whoever made a source closes it, once no document is asked for any more.
        cache: where documents are kept.
        memory: what was seen before; what is believed now is remembered there.
        release: its name; the newest where it is left out. An older one is opened when it is named.
        keys: the keys of the maintainer, got elsewhere.
        pin: the SHA-256 of the root, got elsewhere, for an unsigned dataset.
        offline: ask nobody.
        strict_freshness: refuse a release that was to be renewed by now, instead of saying so.
        today: what freshness is judged by.
        report: receives the events.

    Raises:
        TrustError: no source can be believed; of several, or where they contradict each other, the message names them.
        IncompleteBuild: there is no such release.
        FormatError: a document is malformed or larger than it may be, or what is remembered is damaged.
        TransportError: no source answers, or nothing is cached of it and it may not be asked.
        StoreError: the cache cannot be read or written.
    """
    sites = [Site.of(place) for place in (source if isinstance(source, Sequence) else [source])]
    trusts = await asyncio.to_thread(memory.read)
    asked = Asked(release=release, keys=tuple(keys), pin=pin, today=today, strict=strict_freshness, offline=offline)
    outcomes = await asyncio.gather(*(_hear(site, cache, trusts, asked) for site in sites), return_exceptions=True)
    heard: list[_Heard] = []
    failures: dict[str, TagswarmError] = {}
    for site, outcome in zip(sites, outcomes, strict=True):
        if isinstance(outcome, _Heard):
            heard.append(outcome)
        elif isinstance(outcome, TagswarmError):
            failures[site.address] = outcome
        else:
            raise outcome
    if not heard:
        said = list(failures.values())
        raise next((failure for failure in said if isinstance(failure, TrustError)), said[0])
    heard, strangers = _of_one_dataset(heard)
    await _agree(heard, asked)
    best = max(heard, key=lambda one: (one.verdict.sequence if release is None else 0, one.verdict.keyring.version))
    notes = [
        *best.verdict.notes,
        *_behind(best, heard),
        *(f"not used: {failure.message}" for failure in failures.values()),
        *(f"not used: {one.site.address}: is dataset {one.verdict.root.dataset.id}" for one in strangers),
    ]
    addresses = [one.site.address for one in heard if one is not best] + [best.site.address]
    try:
        await asyncio.to_thread(memory.change, lambda now: judgement.remembering(now, best.verdict, addresses, today))
    except StoreError as failure:
        report(Notice(f"what was seen could not be remembered: {failure.message}"))
    await asyncio.to_thread(_keep, heard, cache)
    order = [best.site, *(site for site in sites if site is not best.site)]  # by its digest a document is from anywhere
    return Trusted(
        best.verdict,
        order,
        notes=tuple(notes),
        unheard=frozenset([*failures, *(one.site.address for one in strangers)]),
        cache=cache,
        offline=offline,
        report=report,
    )


async def _hear(site: Site, cache: Cache, trusts: Trusts, asked: Asked) -> _Heard:
    """Ask a source and judge it; twice if it is not believed, since a publication may have been under way."""
    try:
        documents = await _cached(site, cache, trusts, asked)
        if documents is not None:
            try:
                verdict = await asyncio.to_thread(judgement.judge, site.address, documents, trusts, asked)
                return _Heard(site, verdict, documents)
            except TrustError:
                if asked.offline:
                    raise
        try:
            return await _asked(site, cache, trusts, asked)
        except (Rollback, Stale):
            raise
        except TrustError:
            return await _asked(site, cache, trusts, asked)
    except (TrustError, FormatError, IncompleteBuild) as failure:
        if failure.message.startswith(f"{site.address}: "):
            raise
        raise judgement.named(site.address, failure) from failure


async def _cached(site: Site, cache: Cache, trusts: Trusts, asked: Asked) -> dict[str, bytes] | None:
    """The documents that are at hand and still those of the source; None where it is to be asked for all of them."""
    if site.folder is not None:
        return None
    documents = await asyncio.to_thread(cache.documents, site.address)
    there = documents is not None and _wanted(documents, asked.release) in documents
    if asked.offline:
        if documents is None or not there:
            what = f"release {asked.release} of it" if documents is not None and asked.release else "nothing of it"
            raise TransportError(
                f"{site.address}: {what} is in the cache, and nobody may be asked",
                hint="Run the command once without --offline.",
            )
        return documents
    if documents is None or not there:
        return None
    keyring = Keyring.of(judgement.known_at(trusts, site.address, documents), asked.keys)
    return documents if await snapshot.unchanged(site.source, keyring, documents) else None


def _wanted(documents: Mapping[str, bytes], release: str | None) -> str:
    """The path of the root that is to be opened; none where the documents do not say."""
    if release is None:
        if LATEST not in documents:
            return ""
        release = Latest.parse(documents[LATEST], limit=LATEST_LIMIT).release
    return f"{published.folder(release)}/{ROOT}"


async def _asked(site: Site, cache: Cache, trusts: Trusts, asked: Asked) -> _Heard:
    release = asked.release
    if release is None and site.folder is not None and not (site.folder / LATEST).exists():
        release = await asyncio.to_thread(published.highest, site.folder)

    def known_root(digest: str) -> bytes | None:
        return cache.read(digest, limit=ROOT_LIMIT)

    async def gather(keyring: Keyring) -> dict[str, bytes]:
        return await snapshot.gather(site.source, keyring, release=release, known_root=known_root)

    keyring = Keyring.of(judgement.known_at(trusts, site.address, {}), asked.keys)
    documents = await gather(keyring)
    fuller = Keyring.of(judgement.known_at(trusts, site.address, documents), asked.keys)
    if fuller != keyring:  # a known dataset at a new address: now it is known which signatures to ask for
        documents = await gather(fuller)
    verdict = await asyncio.to_thread(judgement.judge, site.address, documents, trusts, asked)
    return _Heard(site, verdict, documents)


def _of_one_dataset(heard: list[_Heard]) -> tuple[list[_Heard], list[_Heard]]:
    """Those of the one dataset that is known, and the others; all of them where none or several are known."""
    known = {one.verdict.root.dataset.id for one in heard if one.verdict.before is not None}
    mine = [one for one in heard if one.verdict.root.dataset.id in known]
    return (mine, [one for one in heard if one not in mine]) if len(known) == 1 else (heard, [])


async def _agree(heard: Sequence[_Heard], asked: Asked) -> None:
    """Refuse sources that contradict each other, where each alone would have been believed.

    Raises:
        SignatureInvalid: they have different datasets, or different releases under one number.
        UnknownKey: nobody knows whose keys are right.
    """
    for one, other in combinations(sorted(heard, key=lambda each: each.verdict.keyring.version), 2):
        pair = f"{one.site.address} and {other.site.address}"
        hint = "Give the key of the maintainer with --key, or leave the source out that you do not trust."
        first, second = one.verdict, other.verdict
        if first.root.dataset.id != second.root.dataset.id:
            raise SignatureInvalid(f"{pair}: are different datasets", hint="Name sources of one dataset.")
        if (first.keyring.kept is None) != (second.keyring.kept is None):
            raise UnknownKey(f"{pair}: one is signed and the other is not", hint=hint)
        try:
            await _handed_on(first.keyring, other, asked)
        except TrustError as failure:
            raise UnknownKey(f"{pair}: show different keys, and none of them is known", hint=hint) from failure
        roots = dict(_roots(first))
        for number, sha256 in _roots(second):
            if roots.get(number, sha256) != sha256:
                raise SignatureInvalid(f"{pair}: have different releases with the sequence {number}", hint=hint)


async def _handed_on(older: Keyring, newer: _Heard, asked: Asked) -> None:
    """See that the keys of one source are those that the keys of another handed on to.

    Raises:
        TrustError: they are not.
    """
    try:
        older.follow(newer.verdict.keyring.documents)
    except TrustError:
        if asked.offline:
            raise
        # it was heard by somebody who did not know whose signatures to ask for
        older.follow(await snapshot.gather(newer.site.source, older, release=newer.verdict.root.release))


def _roots(verdict: Verdict) -> Iterator[tuple[int, str]]:
    """The roots that a source stands for, by sequence."""
    yield verdict.root.sequence, verdict.found.root_sha256
    if (newest := verdict.found.newest) is not None:
        yield newest.number, newest.sha256


def _behind(best: _Heard, heard: Sequence[_Heard]) -> Iterator[str]:
    for other in heard:
        newest = other.verdict.found.newest
        if newest is not None and newest.number < best.verdict.sequence:
            yield f"{other.site.address} is behind: release {newest.release} is the newest there"


def _keep(heard: Sequence[_Heard], cache: Cache) -> None:
    """Keep the documents of the sources that are believed, with the roots of other releases while they still hold."""
    for one in heard:
        if one.site.folder is not None:
            continue
        before = cache.documents(one.site.address) or {}
        kept = dict(one.documents)
        if before.get(LATEST) == kept.get(LATEST):
            kept = {path: data for path, data in before.items() if path.startswith(f"{published.RELEASES}/")} | kept
        if kept != before:
            cache.keep(one.site.address, kept)
