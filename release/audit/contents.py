"""What one file holds: against its name, against what its row claims, and against what it was before.

The claims of a row are those of the file before it was optimised without loss. So another MD5 proves nothing by itself
and another size little; the picture must be the claimed one, and so must every byte of a file that is never decoded.

Nothing here opens a file: what was read of it is a fact already.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from tagswarm.imaging.kind import Kind, extensions, is_image
from tagswarm.manifests.digest import FileDigest
from tagswarm.release.facts import FileFact, Look

from .findings import Evidence, Finding, Section, Severity, found

_REASONS = {
    "empty": ("empty-file", "has no bytes"),
    "truncated": ("truncated", "ends before its end"),
    "corrupt": ("undecodable", "cannot be decoded whole"),
    "unsupported": ("unsupported", "is of a variant that nothing here decodes"),
    "too-large": ("decompression-bomb", "is too large to be decoded"),
    "too-many-frames": ("too-many-frames", "has too many frames"),
    "timeout": ("decode-timeout", "took too long to decode"),
    "memory": ("decode-memory", "took too much memory to decode"),
    "crash": ("decode-crash", "ended the process that decoded it"),
}
"""The finding for each reason why an image was not seen whole, and its words."""

_PROMISES = frozenset(ext for kind in Kind if is_image(kind) for ext in extensions(kind))
"""Extensions that promise an image."""


@dataclass(frozen=True, slots=True)
class Claim:
    """What a row says of its file."""

    id: int
    md5: str | None
    ext: str | None
    size: int | None
    """Bytes."""
    width: int | None
    """Pixels."""
    height: int | None


@dataclass(frozen=True, slots=True)
class Subject:
    """The file a finding is about."""

    site: str
    id: int
    fact: FileFact

    def found(
        self, name: str, message: str, /, severity: Severity | None = None, **evidence: Evidence | None
    ) -> Finding:
        """Make a finding about this file."""
        return found(name, message, site=self.site, post=self.id, path=self.fact.path, severity=severity, **evidence)


def examine(subject: Subject, ext: str, row: Claim | None, published: str | None) -> Iterator[Finding]:
    """Every disagreement about the content of a file.

    Args:
        subject: the file.
        ext: the extension of its name, without the dot.
        row: what its row claims; None for files that no row describes, such as superseded versions.
        published: the SHA-256 that an earlier release published under this path.
    """
    digest, look = subject.fact.digest, subject.fact.look
    if digest is None:
        yield from _unread(subject, look)
        return
    yield from _history(subject, digest, published)
    broken = False
    if look is not None:
        for finding in _looked(subject, ext, digest, look, row):
            broken = broken or (finding.severity is Severity.ERROR and finding.kind.section is Section.IMAGES)
            yield finding
    if row is not None:
        whole = look is not None and look.reason is None
        yield from _measured(subject, digest, row, whole=whole, broken=broken)


def _unread(subject: Subject, look: Look | None) -> Iterator[Finding]:
    if look is None:  # not read yet: files the build wrote and has not come back to
        return
    name = "changed-while-read" if look.reason == "changed-while-read" else "unreadable"
    yield subject.found(name, look.detail or "its bytes could not be read")


def _history(subject: Subject, digest: FileDigest, published: str | None) -> Iterator[Finding]:
    formerly = subject.fact.formerly
    if formerly is not None and formerly != digest.sha256:
        message = "changed though its size, time and inode did not"
        yield subject.found("bit-rot", message, sha256=digest.sha256, formerly=formerly)
    if published is not None and published != digest.sha256:
        message = "is not the file that was published under this name"
        yield subject.found("changed-after-publication", message, sha256=digest.sha256, published=published)


def _looked(subject: Subject, ext: str, digest: FileDigest, look: Look, row: Claim | None) -> Iterator[Finding]:
    kind = Kind(look.kind)
    if look.reason in _REASONS:
        name, words = _REASONS[look.reason]
        message = f"{words}: {look.detail}" if look.detail else words
        yield subject.found(name, message, content=kind.value, size=digest.size)
    if look.reason == "not-an-image" or kind not in {Kind.EMPTY, Kind.UNKNOWN}:
        yield from _typed(subject, kind, ext, row.ext if row else None)
    if row and row.width and row.height and look.width and look.height:
        yield from _sized(subject, look, (look.width, look.height), (row.width, row.height))


def _typed(subject: Subject, kind: Kind, ext: str, claimed: str | None) -> Iterator[Finding]:
    """The type by content against the name and the claim; a name that is wrong explains a claim that differs."""
    fits = extensions(kind)
    words: dict[str, Any] = {"content": kind.value, "extension": ext, "claimed": claimed}
    if not is_image(kind) and ext in _PROMISES:
        message = f"its name promises {ext}, its content is {kind.value}"
        yield subject.found("not-an-image", message, Severity.ERROR, **words)
    elif not fits:
        yield subject.found("not-an-image", "its content is of no known type", Severity.WARNING, **words)
    elif ext not in fits:
        message = f"its name says {ext}, its content is {kind.value}"
        yield subject.found("wrong-extension", message, right_extension=fits[0], **words)
    else:
        if not is_image(kind):
            yield subject.found("not-an-image", f"its content is {kind.value}, as its name says", **words)
        if claimed is not None and claimed not in fits:
            message = f"{claimed} is claimed, its name and its content are {kind.value}"
            yield subject.found("extension-mismatch", message, **words)


def _sized(subject: Subject, look: Look, shown: tuple[int, int], claimed: tuple[int, int]) -> Iterator[Finding]:
    """Width and height in pixels: the claim may be of the picture as it is stored or as it is seen."""
    if claimed == shown or (look.turned and claimed == shown[::-1]):
        return
    yield subject.found(
        "dimension-mismatch",
        f"shows {shown[0]} x {shown[1]} pixels, {claimed[0]} x {claimed[1]} are claimed",
        width=shown[0],
        height=shown[1],
        claimed_width=claimed[0],
        claimed_height=claimed[1],
    )


def _measured(subject: Subject, digest: FileDigest, row: Claim, *, whole: bool, broken: bool) -> Iterator[Finding]:
    """Size and MD5 against the claims; of a file known to be broken, it is no news that both differ."""
    same_md5 = None if row.md5 is None else row.md5 == digest.md5
    same_size = None if row.size is None else row.size == digest.size
    if broken and same_md5 is False and not same_size:
        return
    evidence: dict[str, Any] = {
        "size": digest.size,
        "claimed_size": row.size,
        "md5": digest.md5,
        "claimed_md5": row.md5,
        "sha256": digest.sha256,
    }
    if same_md5 is False and same_size:
        yield subject.found("md5-mismatch", f"has the claimed {digest.size} bytes and another MD5", **evidence)
    elif same_md5 is False and row.size is None:
        yield subject.found("md5-stale", "has another MD5 than is claimed", **evidence)
    elif row.size is not None and not same_size:
        severity = _gravity(digest.size, row.size, same_md5=same_md5, whole=whole)
        name = "md5-stale" if severity is Severity.INFO else "size-mismatch"
        yield subject.found(name, f"has {digest.size} bytes, {row.size} are claimed", severity, **evidence)


def _gravity(size: int, claimed: int, *, same_md5: bool | None, whole: bool) -> Severity:
    """How bad another size is: only of an image that was seen whole is a smaller file with another MD5 normal."""
    if same_md5:
        return Severity.ERROR
    if same_md5 is None or size > claimed:
        return Severity.WARNING
    return Severity.INFO if whole else Severity.ERROR
