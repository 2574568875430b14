"""A release in facts, for whoever draws them: what is in it, where it came from, who stands behind it.

Reads the root and its signatures; no volume and no table. A signature that does not hold is a fact here and an error in
`verify`.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Literal

from tagswarm.manifests import published
from tagswarm.manifests.errors import TrustError
from tagswarm.manifests.models import (
    Previous,
    RenditionEntry,
    Root,
    SourceEntry,
    Totals,
    VolumeEntry,
    WaiverEntry,
)
from tagswarm.manifests.statements import ROOT


@dataclass(frozen=True, slots=True, kw_only=True)
class SignatureState:
    """Who stands behind a release, in the eyes of this tree."""

    state: Literal["signed", "unsigned", "invalid"]
    trust: published.Trust | None
    """What it rests on; None where it rests on nothing: it is invalid, or not signed yet in a signed dataset."""
    signers: tuple[str, ...]
    """Key ids."""
    threshold: int
    """Signatures a root needs."""
    keys_version: int | None
    """Version of keys.json."""
    notes: tuple[str, ...]
    """Sentences; of an invalid signature, what is wrong."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RenditionShown:
    """One tree of images."""

    entry: RenditionEntry
    volumes: int
    new_volumes: int
    """Made by this release; the others are carried over."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """The facts of a release."""

    dataset_id: str
    dataset: str
    title: str
    homepage: str | None
    licence: str | None
    contact: str | None
    release: str
    sequence: int
    issued: date
    expires: date | None
    """Advisory, of latest.json; None where this release is not the newest."""
    newest: bool
    """latest.json names this release."""
    previous: Previous | None
    root_path: str
    root_sha256: str
    generator: str
    totals: Totals
    renditions: tuple[RenditionShown, ...]
    volumes: tuple[VolumeEntry, ...]
    sources: tuple[SourceEntry, ...]
    waivers: tuple[WaiverEntry, ...]
    signature: SignatureState


def show(dataset: Path, release: str | None = None) -> Shown:
    """The facts of a release; of the newest where none is named.

    Raises:
        IncompleteBuild: there is no such release.
        FormatError: its root is malformed.
        StoreError: it cannot be read.
    """
    latest = published.read_latest(dataset)
    name = release or (latest.release if latest else None) or published.highest(dataset)
    root, data = published.read_root(dataset, name)
    digest = hashlib.sha256(data).hexdigest()
    newest = latest is not None and (latest.release, latest.root.sha256) == (name, digest)
    return Shown(
        dataset_id=root.dataset.id,
        dataset=root.dataset.name,
        title=root.dataset.title,
        homepage=root.dataset.homepage,
        licence=root.dataset.licence,
        contact=root.dataset.contact,
        release=root.release,
        sequence=root.sequence,
        issued=root.issued,
        expires=latest.expires if latest and newest else None,
        newest=newest,
        previous=root.previous,
        root_path=f"{published.folder(name)}/{ROOT}",
        root_sha256=digest,
        generator=root.generator,
        totals=root.totals,
        renditions=tuple(_rendition(root, entry) for entry in root.renditions),
        volumes=tuple(root.volumes),
        sources=tuple(root.sources),
        waivers=tuple(root.waivers),
        signature=_signature(dataset, name),
    )


def _rendition(root: Root, entry: RenditionEntry) -> RenditionShown:
    mine = [volume for volume in root.volumes if volume.rendition == entry.name]
    new = sum(volume.generation == root.release for volume in mine)
    return RenditionShown(entry=entry, volumes=len(mine), new_volumes=new)


def _signature(dataset: Path, name: str) -> SignatureState:
    listed = published.read_keys(dataset)
    version = listed[0].version if listed else None
    try:
        found = published.establish(dataset, release=name)
    except TrustError as failure:
        started = published.signatures(dataset, f"{published.folder(name)}/{ROOT}")
        return SignatureState(
            state="invalid" if started else "unsigned",
            trust=None,
            signers=(),
            threshold=listed[0].threshold if listed else 0,
            keys_version=version,
            notes=(failure.message if started else "not signed yet: `tagswarm release sign` does",),
        )
    return SignatureState(
        state="unsigned" if found.trust == "unsigned" else "signed",
        trust=found.trust,
        signers=found.signers,
        threshold=found.threshold,
        keys_version=version,
        notes=found.notes,
    )
