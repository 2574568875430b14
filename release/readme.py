"""The README of a release: what it is, what is in it, how to get it, and how to check it without our program.

Markdown from values; nothing here counts or writes.
"""

from __future__ import annotations

from collections.abc import Sequence

from tagswarm.manifests.models import RenditionEntry, Root, WaiverEntry
from tagswarm.manifests.paths import escape

from .statistics import Growth, Statistics

DOCUMENTS = """awk -F'"' '/"path":/{p=$4} /"sha256":/{print $4 "  " p}'"""
"""Prints the objects of a release.json as `sha256sum -c` reads them."""

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
    return "\n".join("| " + " | ".join(escape(str(cell)).replace("|", "\\|") for cell in line) + " |" for line in lines)


def _code(text: str) -> str:
    """Text from strangers as code, whatever it holds."""
    return f"`` {text} ``" if "`" in text else f"`{text}`"


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
    rows = [(_code(tag.name), tag.category.word, f"{tag.posts:,}") for tag in statistics.top_tags]
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
    chosen = entry.selection
    if isinstance(chosen, str):
        which = f", the posts of {_code(chosen)}"
    else:
        which = "" if chosen is None else f", ratings {', '.join(chosen)}"
    box = entry.transform.get("width")
    return f"{entry.transform['mode']} {box} px, {entry.transform['format']}, made from `{entry.made_from}/`{which}"


def _waivers(waivers: Sequence[WaiverEntry]) -> str:
    if not waivers:
        return ""
    rows = [(f"`{waiver.finding}`", waiver.reason, f"{waiver.count:,}") for waiver in waivers]
    return "## Known defects\n\nThe audit found these and the maintainer let them pass:\n\n" + _table(
        ("finding", "reason", "times"), rows
    )


def _download(root: Root) -> str:
    release = f"releases/{root.release}"
    lists = root.volumes[0].lists[0].path if root.volumes else "volumes/NAME.files"
    trees = "\n".join(f"rsync -rt $MIRROR/{entry.name} ." for entry in root.renditions)
    return (
        "## Getting it\n\n"
        "In an empty folder, with the address of a mirror; first the documents, which are small:\n\n"
        f"```sh\nMIRROR=rsync://HOST/{root.dataset.name}\n"
        f"rsync -rtR $MIRROR/./{release} .\nrsync -rt $MIRROR/volumes .\n```\n\n"
        "Then as many volumes as you like, each with a list of its files:\n\n"
        f"```sh\nrsync -t --files-from={lists} $MIRROR/ .\n```\n\n"
        f"{_torrents(root)}"
        f"Or whole trees, which hold the files of all releases:\n\n```sh\n{trees}\n```\n\n"
        f"The metadata are Parquet tables in `{release}/metadata/`. Posts that `{release}/withdrawn.jsonl` lists were "
        "taken back: their files may be missing, and nobody should keep them."
    )


def _torrents(root: Root) -> str:
    """How to get it by BitTorrent."""
    with_torrent = [volume for volume in root.volumes if volume.torrent is not None]
    if not with_torrent:
        return ""
    release = f"releases/{root.release}"
    some = "" if len(with_torrent) == len(root.volumes) else f" ({len(with_torrent):,} of {len(root.volumes):,})"
    old = (
        " A client that refuses them, or leaves a folder `.pad` behind, takes `volumes/NAME.compat.torrent`."
        if any(volume.compat is not None for volume in root.volumes)
        else ""
    )
    return (
        f"Or by BitTorrent: every volume{some} has a torrent, `volumes/NAME.torrent`, and all of them are in "
        f"`{release}/torrents.tar.zst`, with the trackers of this release. Give them all the same folder to save to: "
        f"each puts its files below `{root.dataset.name}/` in it, where they lie in the dataset, and keeps its "
        f"infohash in later releases.{old}\n\n"
    )


def _check(root: Root, keys: Sequence[str]) -> str:
    document = f"releases/{root.release}/release.json"
    checksums = root.volumes[0].checksums.path if root.volumes else "volumes/NAME.sha256"
    one_of = "\n# or, signed by another key:\n" if len(keys) > 1 else ""
    signed = one_of.join(f"minisign -Vm {document} -P {key}\n" for key in keys).rstrip()
    trust = (
        "A copy of this page proves nothing: compare the key with the one that the maintainer publishes elsewhere. The "
        f"trusted comment that minisign prints must say `release={root.release}` and `file=release.json`."
        if keys
        else "This dataset is not signed: compare this SHA-256 with one that you got from elsewhere."
    )
    return (
        "## Checking it without our program\n\n"
        f"The root, then the documents that it names, then the files of a volume:\n\n"
        f"```sh\n{signed or f'sha256sum {document}'}\n"
        f"{DOCUMENTS} {document} | sha256sum --quiet -c\n"
        f"sha256sum --quiet -c {checksums}\n```\n\n{trust}"
    )
