"""The errors of tagswarm: one tree, a number a family, and nothing else decides an exit code.

::

    TagswarmError 1
     ├─ FormatError 10 ······· a document or a name is not what its format says
     │   ├─ UnsupportedVersion     newer than this program, or foreign
     │   ├─ InvalidDocument        malformed, with the place
     │   ├─ LimitExceeded          larger, deeper or longer than the format allows
     │   └─ UnsafePath             leaves the tree, or some system cannot hold it
     ├─ IntegrityError 11 ···· bytes are not what a digest says
     │   ├─ DigestMismatch
     │   └─ SizeMismatch
     ├─ QueryError 12 ········ a query cannot be answered as it stands; the place in its text is known
     │   ├─ QuerySyntaxError
     │   ├─ UnreadableValue        not of the type of its metatag
     │   ├─ UnknownWord            none of the words a metatag takes
     │   ├─ UnanswerableMetatag    a table is missing, or only a live site knows
     │   └─ UnknownTag             with what is spelled like it
     ├─ PlanError 13 ········· there is no way to fetch what was asked for
     │   ├─ NothingToPull          no file is left to be fetched
     │   ├─ NoSource               nobody who may be asked has it
     │   └─ DiskTooSmall           it would not fit
     ├─ TransportError 14 ···· the outside world did not answer as it should
     │   └─ ToolMissing            a program that is needed is not installed
     ├─ StoreError 15 ········ the disk
     │   ├─ DestinationLocked      another run holds it
     │   ├─ DiskFull
     │   ├─ Unreadable             a file or folder cannot be read or written
     │   └─ JournalCorrupt
     ├─ ReleaseError 16 ······ the release cannot be made as it stands
     │   ├─ ConfigInvalid          release.toml, with the key
     │   ├─ SourceChanged          a file changed while it was read
     │   ├─ AuditFailed            error findings that nobody waived
     │   └─ IncompleteBuild        a step that must come first has not been done
     └─ TrustError 17 ········ signatures and freshness
         ├─ SignatureInvalid
         ├─ UnknownKey
         ├─ KeyLocked              a secret key that cannot be opened
         ├─ Rollback
         └─ Stale                 nothing says that it is still the newest

Partial success is 3, usage is 2 and an interruption is 130: these are not exceptions. A class says what happened in its
message and what to do in `hint`; its attributes keep the parts typed. The base is no `ValueError`, so no careless
`except ValueError` swallows it.

This module does not print and does not exit.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

EXIT_OK = 0
EXIT_USAGE = 2
EXIT_PARTIAL = 3
EXIT_INTERRUPTED = 130


class TagswarmError(Exception):
    """Something cannot go on; the message says what and where, the hint what to do."""

    exit_code: ClassVar[int] = 1
    default_hint: ClassVar[str] = "Run the command again with -v and report what it prints."

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint if hint is not None else self.default_hint

    def __str__(self) -> str:
        return self.message

    def __reduce__(self) -> tuple[object, ...]:
        """Travel between processes whatever the parameters of the class are."""
        return _rebuilt, (type(self), self.message, vars(self))


def _rebuilt(kind: type[TagswarmError], message: str, parts: dict[str, object]) -> TagswarmError:
    error = kind.__new__(kind, message)
    vars(error).update(parts)
    return error


class FormatError(TagswarmError):
    """A document or a name is not what its format says."""

    exit_code = 10
    default_hint = "Fetch or build the document again; it is damaged or was not made by tagswarm."


class UnsupportedVersion(FormatError):
    """The document has a format or version this program does not know."""

    default_hint = "Install a newer tagswarm; documents of older versions stay readable."


class InvalidDocument(FormatError):
    """The document is malformed; the message names the place."""


class LimitExceeded(FormatError):
    """The document is larger, deeper or longer than its format allows."""

    default_hint = "No honest document is that large; get it from another source."


class UnsafePath(FormatError):
    """A path leaves the tree, or some system cannot hold it."""

    default_hint = "Rename the file to the layout of the dataset, for example original/0000/1000.png."


class IntegrityError(TagswarmError):
    """Bytes are not what a digest says."""

    exit_code = 11
    default_hint = "The file is damaged or was changed; restore it from a good copy."


class DigestMismatch(IntegrityError):
    """The digest of a file differs from the one that was promised."""

    def __init__(self, path: str, expected: str, actual: str) -> None:
        super().__init__(f"{path}: expected {expected}, found {actual}")
        self.path, self.expected, self.actual = path, expected, actual


class SizeMismatch(IntegrityError):
    """The size of a file, in bytes, differs from the one that was promised."""

    def __init__(self, path: str, expected: int, actual: int) -> None:
        super().__init__(f"{path}: expected {expected} bytes, found {actual}")
        self.path, self.expected, self.actual = path, expected, actual


class QueryError(TagswarmError):
    """A query cannot be answered as it stands; the place in its text is known."""

    exit_code = 12
    default_hint = "The whole language stands in docs/reference/query.md."

    def __init__(
        self, message: str, *, text: str = "", span: tuple[int, int] = (0, 0), hint: str | None = None
    ) -> None:
        super().__init__(message, hint=hint)
        self.text, self.span = text, span


class QuerySyntaxError(QueryError):
    """The text is no query: the message names the problem, the span its place."""


class UnreadableValue(QueryError):
    """The value of a metatag is not of its type."""


class UnknownWord(QueryError):
    """A metatag takes words and this is none of them, or not one of this release's rating scheme."""


class UnanswerableMetatag(QueryError):
    """The release cannot answer the metatag: it needs a table that is not there, or a live site."""


class UnknownTag(QueryError):
    """No post has the tag; `suggestions` are spelled like it."""

    def __init__(
        self,
        message: str,
        *,
        text: str = "",
        span: tuple[int, int] = (0, 0),
        suggestions: Sequence[str] = (),
        hint: str | None = None,
    ) -> None:
        super().__init__(message, text=text, span=span, hint=hint)
        self.suggestions = tuple(suggestions)


class PlanError(TagswarmError):
    """There is no way to fetch what was asked for; nothing has been fetched."""

    exit_code = 13
    default_hint = "Ask for other posts, or allow other sources."


class NothingToPull(PlanError):
    """No file is left to be fetched: no post matched, none has a file in this rendition, or all were taken back."""

    default_hint = "Ask for other posts, or for another rendition."


class NoSource(PlanError):
    """Nobody who may be asked has the files."""

    default_hint = "Name a source with --from, or allow more transports."

    def __init__(self, message: str, *, volumes: Sequence[str] = (), hint: str | None = None) -> None:
        super().__init__(message, hint=hint)
        self.volumes = tuple(volumes)


class DiskTooSmall(PlanError):
    """The disk has no room for the result and for what is under way; both sizes are in bytes."""

    default_hint = "Free some space, choose another disk, or ask for fewer posts or smaller images."

    def __init__(self, message: str, *, needed: int = 0, free: int = 0, hint: str | None = None) -> None:
        super().__init__(message, hint=hint)
        self.needed, self.free = needed, free


class TransportError(TagswarmError):
    """The outside world did not answer as it should."""

    exit_code = 14
    default_hint = "Try again later or from another source."


class ToolMissing(TransportError):
    """A program that is needed is not installed."""

    default_hint = "Install it with the package manager of the system."


class StoreError(TagswarmError):
    """The disk did not do what was asked."""

    exit_code = 15
    default_hint = "Check the disk and its permissions, then run the same command again: it goes on where it stopped."


class DestinationLocked(StoreError):
    """Another run holds the dataset."""

    default_hint = "Wait for the other run to end, or stop it; a lock of a dead run is taken over by itself."


class DiskFull(StoreError):
    """The disk has no room for the next write."""

    default_hint = "Free some space and run the same command again: it goes on where it stopped."


class Unreadable(StoreError):
    """A file or folder cannot be read or written."""


class JournalCorrupt(StoreError):
    """The journal of a build is damaged."""

    default_hint = "Delete the folder .tagswarm and run the same command again: every file is read anew."


class ReleaseError(TagswarmError):
    """The release cannot be made as it stands."""

    exit_code = 16
    default_hint = "Mend what the message names and run the same command again."


class ConfigInvalid(ReleaseError):
    """release.toml says something that cannot be; the message names the key."""

    default_hint = "Mend the key in release.toml; docs/reference/release-toml.md lists them all."


class SourceChanged(ReleaseError):
    """A file changed while it was read."""

    default_hint = "Let nothing write to the tree during a build, then run the same command again."


class AuditFailed(ReleaseError):
    """The audit has error findings that nobody waived."""

    default_hint = "Mend the files or the metadata, or waive a finding by name in release.toml."

    def __init__(self, message: str, *, findings: Sequence[str] = (), hint: str | None = None) -> None:
        super().__init__(message, hint=hint)
        self.findings = tuple(findings)


class IncompleteBuild(ReleaseError):
    """A step that must come first has not been done."""

    default_hint = "Run `tagswarm release build` first."


class TrustError(TagswarmError):
    """A signature, a key or the freshness of a release is not as it must be."""

    exit_code = 17
    default_hint = "Do not use these files; ask the maintainer, or get them from another source."


class SignatureInvalid(TrustError):
    """The signature does not belong to the bytes and the key."""


class UnknownKey(TrustError):
    """The signature was made by a key that is not trusted here."""


class KeyLocked(TrustError):
    """The secret key cannot be opened."""

    default_hint = "Give the password of the key, or another key file."


class Rollback(TrustError):
    """The release is older than one that was already seen."""


class Stale(TrustError):
    """Nothing says that the release is still the newest."""

    default_hint = "Ask another source, or leave --strict-freshness out: what is there is still what was signed."
