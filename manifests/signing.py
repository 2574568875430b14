r"""Signatures in the format of minisign: Ed25519 over BLAKE2b, made and checked offline, readable by the stock tool.

A signature file is four lines: a comment nobody vouches for; algorithm, key id and signature in base64; a trusted
comment; and the global signature, which covers the signature and the trusted comment. So the last two lines alone are a
signed statement (`authenticate`), even while the file they speak of is being replaced.

Bytes are signed as they are written, never made canonical again. A file and its signature are refused in every spelling
but one (base64 without stray bits, lines ended by `\n`), so that no bit of it but the untrusted comment can change.

Nothing here decides whom to trust, and nothing here opens a file. Source: https://jedisct1.github.io/minisign/.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import NamedTuple, Self

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

from .errors import InvalidDocument, KeyLocked, LimitExceeded, SignatureInvalid, UnknownKey
from .paths import escape

SIGNATURE_LIMIT = 4096
"""Bytes of a signature file."""

KEY_LIMIT = 4096
"""Bytes of a key file."""

OPS_LIMIT = 1 << 20
"""scrypt operations for the keys written here: 0.1 s where `minisign -G` takes seconds and 1 GB."""

MEMORY_LIMIT = 32 << 20
"""Bytes of memory for scrypt, for the keys written here."""

MEMORY_CEILING = 1 << 30
"""Bytes of memory a key file may ask for: what `minisign -G` asks for."""

_PURE, _HASHED = b"Ed", b"ED"
_SCRYPT, _PLAIN = b"Sc", b"\0\0"
_BLAKE2 = b"B2"
_UNTRUSTED, _TRUSTED = "untrusted comment: ", "trusted comment: "


@dataclass(frozen=True, slots=True)
class PublicKey:
    """Whose signatures are believed."""

    id: bytes
    """8 bytes chosen at random with the key."""
    point: bytes
    """The Ed25519 public key, 32 bytes."""

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read the line that begins with `RW`, or a public key file of two lines.

        Raises:
            InvalidDocument: it is neither.
        """
        data = _base64(_payload(text), 42, "the public key")
        if data[:2] != _PURE:
            raise InvalidDocument("the public key is not one of minisign")
        return cls(data[2:10], data[10:])

    @property
    def line(self) -> str:
        """The key as people pass it on: 56 characters that begin with `RW`."""
        return base64.b64encode(_PURE + self.id + self.point).decode()

    @property
    def name(self) -> str:
        """The key id as minisign prints it: upper-case hex without leading zeros."""
        return _shown(self.id)

    def render(self) -> bytes:
        """The public key file."""
        return f"{_UNTRUSTED}minisign public key {self.name}\n{self.line}\n".encode()


@dataclass(frozen=True, slots=True)
class SecretKey:
    """What signs; its seed is never shown."""

    id: bytes
    """8 bytes, the same as those of the public key."""
    seed: bytes = field(repr=False)
    """The Ed25519 secret, 32 bytes."""

    @classmethod
    def generate(cls) -> Self:
        """A new key from the randomness of the system."""
        return cls(secrets.token_bytes(8), secrets.token_bytes(32))

    @classmethod
    def parse(cls, text: str, password: str | None = None) -> Self:
        """Read a secret key file of minisign; one made by `minisign -G` takes 1 GB of memory for some seconds.

        Raises:
            KeyLocked: it needs a password, another password, or more memory than there is.
            InvalidDocument: it is no secret key file, or damaged.
            LimitExceeded: it asks for more memory than minisign ever does.
        """
        data = _base64(_payload(text), 158, "the secret key")
        if data[:2] != _PURE or data[4:6] != _BLAKE2 or data[2:4] not in (_SCRYPT, _PLAIN):
            raise InvalidDocument("the secret key is not one of minisign")
        body = data[54:]
        locked = data[2:4] == _SCRYPT
        if locked:
            if password is None:
                raise KeyLocked("the secret key is protected by a password")
            operations, memory = int.from_bytes(data[38:46], "little"), int.from_bytes(data[46:54], "little")
            body = _xor(body, _stretch(password, data[6:38], operations, memory))
        key, point, checksum = cls(body[:8], body[8:40]), body[40:72], body[72:]
        unchecked = not locked and checksum == bytes(32)  # what `minisign -G -W` leaves there
        if not unchecked and not hmac.compare_digest(checksum, _checksum(body[:72])):
            if locked:
                raise KeyLocked("the password does not open the secret key")
            raise InvalidDocument("the secret key is damaged: its checksum does not match")
        if not hmac.compare_digest(point, key.public.point):
            raise InvalidDocument("the secret key is damaged: its halves do not belong together")
        return key

    @property
    def public(self) -> PublicKey:
        """The public key of this one."""
        return PublicKey(self.id, self.private().public_key().public_bytes_raw())

    def render(self, password: str | None = None) -> bytes:
        """The secret key file, protected where a password is given; each call salts anew."""
        body = self.id + self.seed + self.public.point
        body += _checksum(body)
        if password is None:
            algorithm, salt, operations, memory, kind = _PLAIN, bytes(32), 0, 0, "secret key"
        else:
            algorithm, salt, operations, memory = _SCRYPT, secrets.token_bytes(32), OPS_LIMIT, MEMORY_LIMIT
            body, kind = _xor(body, _stretch(password, salt, operations, memory)), "encrypted secret key"
        limits = operations.to_bytes(8, "little") + memory.to_bytes(8, "little")
        data = _PURE + algorithm + _BLAKE2 + salt + limits + body
        return f"{_UNTRUSTED}minisign {kind}\n{base64.b64encode(data).decode()}\n".encode()

    def private(self) -> Ed25519PrivateKey:
        """The key as `cryptography` knows it."""
        return Ed25519PrivateKey.from_private_bytes(self.seed)


@dataclass(frozen=True, slots=True)
class Verified:
    """A signature that holds."""

    key: PublicKey
    """Who made it: where several must sign, count these."""
    trusted_comment: str


def sign(
    key: SecretKey, data: bytes, trusted_comment: str, *, untrusted_comment: str = "signature from tagswarm"
) -> bytes:
    """The signature file of these bytes, prehashed; the same bytes for the same input.

    Raises:
        InvalidDocument: a comment is not one line of printable ASCII, which is all that every tool accepts.
        LimitExceeded: the comments make the file longer than it may be.
    """
    for comment in (trusted_comment, untrusted_comment):
        if not (comment.isascii() and comment.isprintable()):
            raise InvalidDocument(
                f"{escape(comment)}: a comment of a signature is one line of printable ASCII",
                hint="Use plain English letters in the names that go into the comment.",
            )
    private = key.private()
    signature = private.sign(_prehash(data))
    statement = private.sign(signature + trusted_comment.encode())
    lines = (
        _UNTRUSTED + untrusted_comment,
        base64.b64encode(_HASHED + key.id + signature).decode(),
        _TRUSTED + trusted_comment,
        base64.b64encode(statement).decode(),
    )
    text = "".join(f"{line}\n" for line in lines).encode()
    if len(text) > SIGNATURE_LIMIT:
        raise LimitExceeded(f"the signature file would have {len(text)} bytes, {SIGNATURE_LIMIT} are allowed")
    return text


def verify(keys: Iterable[PublicKey], data: bytes, signature: bytes) -> Verified:
    """Check a signature file, prehashed or of the older kind, against the bytes it stands beside.

    The caller compares the trusted comment with the body: a signature of one file under another name is a good one.

    Raises:
        UnknownKey: it was made by none of these keys.
        SignatureInvalid: it does not belong to the bytes, or its trusted comment was changed.
        InvalidDocument: it is no signature file.
        LimitExceeded: it is longer than a signature file may be.
    """
    parts = _parse_signature(signature)
    key = _authenticated(keys, parts)
    message = _prehash(data) if parts.algorithm == _HASHED else data
    if not _holds(key, parts.signature, message):
        raise SignatureInvalid(f"the signature of key {key.name} does not belong to these bytes")
    return Verified(key, parts.trusted_comment)


def authenticate(keys: Iterable[PublicKey], signature: bytes) -> Verified:
    """Check a signature file by itself: its trusted comment was written by one of these keys.

    Says nothing of any file until `verify` is asked.

    Raises:
        UnknownKey: it was made by none of these keys.
        SignatureInvalid: its trusted comment was changed.
        InvalidDocument: it is no signature file.
        LimitExceeded: it is longer than a signature file may be.
    """
    parts = _parse_signature(signature)
    return Verified(_authenticated(keys, parts), parts.trusted_comment)


class _Signature(NamedTuple):
    algorithm: bytes
    key_id: bytes
    signature: bytes
    trusted_comment: str
    statement: bytes


def _parse_signature(data: bytes) -> _Signature:
    if len(data) > SIGNATURE_LIMIT:
        raise LimitExceeded(f"the signature file has {len(data)} bytes, {SIGNATURE_LIMIT} are allowed")
    try:
        lines = data.decode().removesuffix("\n").split("\n")
    except UnicodeDecodeError as failure:
        raise InvalidDocument("the signature file is not UTF-8") from failure
    if len(lines) != 4 or not lines[0].startswith(_UNTRUSTED) or not lines[2].startswith(_TRUSTED):
        raise InvalidDocument("the signature file has not the four lines of minisign")
    comment = lines[2].removeprefix(_TRUSTED)
    if any(unicodedata.category(character) in ("Cc", "Cf") for character in comment if character != "\t"):
        raise InvalidDocument("the trusted comment holds a control character")  # minisign itself writes tabs
    main = _base64(lines[1], 74, "the signature")
    if main[:2] not in (_PURE, _HASHED):
        raise InvalidDocument("the signature is not one of minisign")
    return _Signature(main[:2], main[2:10], main[10:], comment, _base64(lines[3], 64, "the global signature"))


def _authenticated(keys: Iterable[PublicKey], parts: _Signature) -> PublicKey:
    """The key that made the global signature; ids are no secret, so several keys may claim one."""
    named = [key for key in keys if key.id == parts.key_id]
    if not named:
        raise UnknownKey(f"the signature was made by key {_shown(parts.key_id)}, which is not trusted here")
    statement = parts.signature + parts.trusted_comment.encode()
    for key in named:
        if _holds(key, parts.statement, statement):
            return key
    raise SignatureInvalid(f"the trusted comment was not written by key {_shown(parts.key_id)}")


def _holds(key: PublicKey, signature: bytes, message: bytes) -> bool:
    try:
        Ed25519PublicKey.from_public_bytes(key.point).verify(signature, message)
    except (InvalidSignature, ValueError):
        return False
    return True


def _prehash(data: bytes) -> bytes:
    return hashlib.blake2b(data).digest()


def _checksum(body: bytes) -> bytes:
    return hashlib.blake2b(_PURE + body, digest_size=32).digest()


def _shown(key_id: bytes) -> str:
    return f"{int.from_bytes(key_id, 'little'):X}"


def _payload(text: str) -> str:
    """The base64 of a key file of two lines, or of a line alone."""
    if len(text) > KEY_LIMIT:
        raise LimitExceeded(f"the key file has more than {KEY_LIMIT} characters")
    lines = text.strip().splitlines()
    if len(lines) > 1 + lines[0].startswith(_UNTRUSTED) if lines else True:
        raise InvalidDocument("the key is not one line of base64 after an untrusted comment")
    return lines[-1]


def _base64(text: str, size: int, what: str) -> bytes:
    """Decode in the one spelling that encoding gives; the decoder alone ignores stray bits in the last digit."""
    try:
        data = base64.b64decode(text, validate=True)
    except ValueError as failure:
        raise InvalidDocument(f"{what} is not base64") from failure
    if len(data) != size or base64.b64encode(data).decode() != text:
        raise InvalidDocument(f"{what} is not {size} bytes in base64")
    return data


def _xor(left: bytes, right: bytes) -> bytes:
    return bytes(a ^ b for a, b in zip(left, right, strict=True))


def _stretch(password: str, salt: bytes, operations: int, memory: int) -> bytes:
    """The 104 bytes that hide a secret key, by scrypt with the parameters that libsodium picks for these limits.

    Source: libsodium, crypto_pwhash_scryptsalsa208sha256, `pickparams`.
    """
    if memory > MEMORY_CEILING or operations > 1 << 32:
        raise LimitExceeded("the secret key asks for more memory or time than any made by minisign")
    operations = max(operations, 32_768)
    block = 8
    if operations < memory // 32:
        cost, lanes = operations // (block * 4), 1
    else:
        cost, lanes = memory // (block * 128), 0
    exponent = next(n for n in range(1, 64) if 1 << n > cost // 2)
    if not lanes:
        lanes = max(1, min(0x3FFFFFFF, operations // 4 >> exponent) // block)
    try:
        return Scrypt(salt=salt, length=104, n=1 << exponent, r=block, p=lanes).derive(password.encode())
    except (MemoryError, ValueError) as failure:
        raise KeyLocked(f"the secret key needs {(1 << exponent) * block * 128 >> 20} MiB of free memory") from failure
