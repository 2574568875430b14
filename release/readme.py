"""The README of a release: what it is, what is in it, how to get it, and how to check it without our program.

Markdown from values; nothing here counts or writes.
"""

from __future__ import annotations

from collections.abc import Sequence

from tagswarm.manifests.models import RenditionEntry, Root, WaiverEntry

from .statistics import Growth, Statistics

_UNITS = ("bytes", "KB", "MB", "GB", "TB")

_NUMBERS = frozenset(("files", "how much", "posts", "share", "size", "times"))
"""Columns that are set flush right."""

_WORDS = {
    ("sqe-2021", "s"): "safe",
    ("gelbooru", "safe"): "safe (older word)",
    "g": "general",
    "s": "sensitive",
    "q": "questionable",
    "e": "explicit",
    "": "none",
}


def size(value: int) -> str:
    """Bytes for people: powers of 1000, three digits at the most."""
    amount = float(value)
    for unit in _UNITS:
        if amount < 999.5 or unit == _UNITS[-1]:
            return f"{value} bytes" if unit == "bytes" else f"{amount:.3g} {unit}"
        amount /= 1000
    raise AssertionError


def render(root: Root, statistics: Statistics, growth: Growth | None, *, keys: Sequence[str]) -> bytes:
    """Write the README of a release."""
    dataset = root.dataset
    title = dataset.title or dataset.name
    parts = [
        f"# {title} {root.release}",
        _about(root),
        _numbers(root, statistics),
        _ratings(statistics),
        _top(statistics),
        _growth(growth),
        _renditions(root.renditions),
        _waivers(root.waivers),
        _download(root),
        _check(root, keys),
    ]
    return ("\n\n".join(part for part in parts if part) + "\n").encode()


def _about(root: Root) -> str:
    facts = [f"Release {root.release} of the dataset `{root.dataset.name}`, number {root.sequence}, of {root.issued}."]
    if root.dataset.homepage:
        facts.append(f"Homepage: {root.dataset.homepage}")
    if root.dataset.licence:
        facts.append(f"Licence: {root.dataset.licence}")
    if root.dataset.contact:
        facts.append(f"Contact: {root.dataset.contact}")
    sources = "; ".join(
        f"{source.site} ({source.format}, ratings of the scheme {source.rating_scheme}, {source.posts:,} posts)"
        for source in root.sources
    )
    return "  \n".join(facts) + f"\n\nMetadata: {sources}."


def _table(head: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    lines = [head, ["---:" if title in _NUMBERS else "---" for title in head], *rows]
    return "\n".join("| " + " | ".join(str(cell).replace("|", "\\|") for cell in line) + " |" for line in lines)


def _numbers(root: Root, statistics: Statistics) -> str:
    rows: list[tuple[str, object]] = [
        ("posts", f"{statistics.posts:,}"),
        ("files", f"{root.totals.files:,}"),
        ("bytes", f"{root.totals.bytes:,} ({size(root.totals.bytes)})"),
        ("volumes", f"{root.totals.volumes:,}"),
        ("different tags", f"{statistics.tags:,}"),
        ("tags on posts", f"{statistics.tag_instances:,}"),
        ("tags a post", f"{statistics.tags_per_post:.1f}"),
    ]
    if statistics.earliest is not None:
        rows += [("earliest upload", statistics.earliest), ("latest upload", statistics.latest)]
    return "## In numbers\n\n" + _table(("what", "how much"), rows)


def _ratings(statistics: Statistics) -> str:
    rows = [
        (
            f"`{rating or '-'}` {_WORDS.get((scheme, rating)) or _WORDS.get(rating, '')}",
            f"{posts:,}",
            _share(posts, statistics.posts),
        )
        for scheme, rating, posts in statistics.ratings
    ]
    return "## Ratings\n\n" + _table(("rating", "posts", "share"), rows) if rows else ""


def _share(part: int, whole: int) -> str:
    return f"{100 * part / whole:.1f} %" if whole else ""


def _top(statistics: Statistics) -> str:
    rows = [(f"`{tag.name}`", tag.category.word, f"{tag.posts:,}") for tag in statistics.top_tags]
    return "## Most frequent tags\n\n" + _table(("tag", "category", "posts"), rows) if rows else ""


def _growth(growth: Growth | None) -> str:
    if growth is None:
        return ""
    rows = [
        ("posts", f"{growth.posts:+,}"),
        ("posts no longer there", f"{growth.posts_gone:,}"),
        ("files", f"{growth.files:+,}"),
        ("bytes", f"{growth.bytes:+,} ({size(growth.bytes)})"),
        ("tags on posts", f"{growth.tag_instances:+,}"),
        ("new tags", f"{growth.new_tags:,}"),
    ]
    return f"## Added since {growth.previous}\n\n" + _table(("what", "how much"), rows)


def _renditions(renditions: Sequence[RenditionEntry]) -> str:
    rows = [(f"`{entry.name}/`", _how(entry), f"{entry.files:,}", size(entry.bytes)) for entry in renditions]
    return "## Files\n\n" + _table(("tree", "what", "files", "size"), rows)


def _how(entry: RenditionEntry) -> str:
    if entry.transform is None:
        return f"the originals of {entry.site}"
    ratings = f", ratings {', '.join(entry.selection)}" if entry.selection is not None else ""
    box = entry.transform.get("width")
    return f"{entry.transform['mode']} {box} px, {entry.transform['format']}, made from `{entry.made_from}/`{ratings}"


def _waivers(waivers: Sequence[WaiverEntry]) -> str:
    if not waivers:
        return ""
    rows = [(f"`{waiver.finding}`", waiver.reason, f"{waiver.count:,}") for waiver in waivers]
    return "## Known defects\n\nThe audit found these and the maintainer let them pass:\n\n" + _table(
        ("finding", "reason", "times"), rows
    )


def _download(root: Root) -> str:
    first = root.volumes[0].lists[0].path if root.volumes else "volumes/NAME.files"
    return (
        "## Getting a part of it\n\n"
        "Every volume has a list for rsync and a checksum file; take as many volumes as you like:\n\n"
        f"```\nrsync -t --files-from={first} rsync://HOST/{root.dataset.name}/ .\n```"
    )


def _check(root: Root, keys: Sequence[str]) -> str:
    first = root.volumes[0].checksums.path if root.volumes else "volumes/NAME.sha256"
    signed = (
        "\n".join(f"minisign -Vm releases/{root.release}/release.json -P {key}" for key in keys)
        if keys
        else "# this dataset is not signed: compare the SHA-256 of release.json with one from elsewhere"
    )
    return (
        "## Checking it without our program\n\n"
        f"```\nsha256sum --quiet -c {first}\n{signed}\n```\n\n"
        "`release.json` names the SHA-256 of every manifest, list and table of this release."
    )
