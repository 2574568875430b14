"""What is in a release, and what changed between two, drawn for people."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.console import Console
from rich.text import Text

from tagswarm.manifests.paths import escape

from .page import indented, pairs, say, table
from .steps import amount, units

if TYPE_CHECKING:
    from tagswarm.release.diff import Counts, ReleaseDiff, TagChange
    from tagswarm.release.show import RenditionShown, Shown, SignatureState

TAGS = 10
"""Tags that the terminal names in each list."""
VOLUMES = 20
"""Volumes that the terminal lists; `--json` has all."""


def shown(console: Console, outcome: Shown) -> None:
    """After `show`."""
    totals = outcome.totals
    newest = ", the latest" if outcome.newest else ""
    say(console, "bold", f"{escape(outcome.title or outcome.dataset)}, release {outcome.release}{newest}")
    pairs(
        console,
        [
            ("dataset", f"{outcome.dataset} ({outcome.dataset_id})"),
            ("sequence", f"{outcome.sequence}{_after(outcome)}"),
            ("issued", f"{outcome.issued}{f', fresh until {outcome.expires}' if outcome.expires else ''}"),
            ("homepage", escape(outcome.homepage or "")),
            ("licence", escape(outcome.licence or "")),
            ("contact", escape(outcome.contact or "")),
            ("posts", f"{totals.posts:,} with {totals.tag_instances:,} tags, {totals.tags:,} different ones"),
            ("images", f"{totals.files:,}, {amount(totals.bytes)}, in {units(totals.volumes, 'volumes')}"),
            ("torrents", _torrents(outcome)),
            ("root", outcome.root_path),
            ("sha256", outcome.root_sha256),
            ("made by", escape(outcome.generator)),
        ],
    )
    _signature(console, outcome.signature)
    say(console, "bold", "Renditions")
    head = ("tree", "from", "images", "size", "volumes", "new")
    table(console, head, (_rendition(entry) for entry in outcome.renditions), left=2)
    say(console, "bold", "Sources")
    sources = (
        (source.site, source.format, source.rating_scheme, f"{source.posts:,}", f"{source.rejects:,}")
        for source in outcome.sources
    )
    table(console, ("site", "format", "ratings", "posts", "rejected rows"), sources, left=3)
    say(console, "bold", "Volumes")
    rows = (
        (volume.name, volume.generation, volume.layout, f"{volume.images:,}", amount(volume.bytes))
        for volume in outcome.volumes[:VOLUMES]
    )
    table(console, ("name", "made by", "layout", "images", "size"), rows, left=3)
    if len(outcome.volumes) > VOLUMES:
        say(console, "bright_black", f"  and {len(outcome.volumes) - VOLUMES:,} more; --json lists them")
    if outcome.waivers:
        say(console, "bold", "Waivers")
        table(
            console,
            ("finding", "reason", "findings"),
            ((waiver.finding, escape(waiver.reason), f"{waiver.count:,}") for waiver in outcome.waivers),
            left=2,
        )


def _after(outcome: Shown) -> str:
    return f", after {outcome.previous.release}" if outcome.previous else ", the first"


def _torrents(outcome: Shown) -> str:
    have = sum(volume.torrent is not None for volume in outcome.volumes)
    compat = sum(volume.compat is not None for volume in outcome.volumes)
    also = f"; {compat:,} with another one for old clients" if compat else ""
    return f"of {have:,} of {units(len(outcome.volumes), 'volumes')}{also}" if have or compat else ""


def _rendition(shown_rendition: RenditionShown) -> tuple[str, ...]:
    entry = shown_rendition.entry
    made_from = entry.made_from or ""
    if isinstance(entry.selection, str):
        made_from += f", {escape(entry.selection)}"
    elif entry.selection is not None:
        made_from += f", rated {' '.join(entry.selection)}"
    new = f"{shown_rendition.new_volumes:,}"
    return (entry.name, made_from, f"{entry.files:,}", amount(entry.bytes), f"{shown_rendition.volumes:,}", new)


def _signature(console: Console, signature: SignatureState) -> None:
    styles = {"signed": "green", "unsigned": "yellow", "invalid": "bold red"}
    by = f" by {', '.join(signature.signers)}" if signature.signers else ""
    said = signature.state.upper() if signature.state != "signed" else "signed"
    say(console, styles[signature.state], f"{said}{by}")
    for note in signature.notes:
        indented(console, Text(escape(note)), 2)


def difference(console: Console, outcome: ReleaseDiff) -> None:
    """After `diff`."""
    say(console, "bold", f"from release {outcome.old} to release {outcome.new}")
    rows = [("posts", *_counts(outcome.posts)), ("tags", *_counts(outcome.tags.counts))]
    for rendition in outcome.renditions:
        rows.append((f"{rendition.name} images", *_counts(rendition.files)))
        sizes = rendition.bytes
        rows.append(
            (f"{rendition.name} size", *map(amount, (sizes.added, sizes.removed, sizes.changed, sizes.carried)))
        )
        rows.append((f"{rendition.name} volumes", *_counts(rendition.volumes)))
    table(console, ("", "new", "gone", "changed", "the same"), rows)
    before, after = outcome.tags.instances
    pairs(
        console,
        [
            ("tags on posts", f"{before:,} before, {after:,} now"),
            ("retagged", units(outcome.retagged, "posts") if outcome.retagged else ""),
            ("new tags", _tags(outcome.tags.new)),
            ("tags gone", _tags(outcome.tags.gone)),
            ("moved most", _tags(outcome.tags.moved)),
        ],
    )
    for withdrawal in outcome.withdrawn[:VOLUMES]:
        what = withdrawal.path or f"{withdrawal.site} post {withdrawal.id}"
        indented(console, Text(f"{withdrawal.action}: {escape(what)}: {escape(withdrawal.reason)}"), 2)
    if len(outcome.withdrawn) > VOLUMES:
        say(console, "bright_black", f"  and {len(outcome.withdrawn) - VOLUMES:,} more taken back; --json lists them")


def _counts(counts: Counts) -> tuple[str, ...]:
    return tuple(f"{count:,}" for count in (counts.added, counts.removed, counts.changed, counts.carried))


def _tags(changes: tuple[TagChange, ...]) -> str:
    named = [f"{escape(change.name)} {change.new - change.old:+,}" for change in changes[:TAGS]]
    more = [f"and {len(changes) - TAGS:,} more"] if len(changes) > TAGS else []
    return ", ".join([*named, *more])
