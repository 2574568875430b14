"""Keys that a command is given: files are opened and passwords asked for here, so that the library never has to."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from tagswarm.manifests import disk
from tagswarm.manifests.errors import FormatError, InvalidDocument, KeyLocked

if TYPE_CHECKING:
    from tagswarm.manifests.signing import PublicKey, SecretKey


WITHOUT = "Give --password-file FILE, or --no-password to go without one."


def secret_key(path: Path, password_file: Path | None) -> SecretKey:
    """Read a secret key of minisign; the password comes from a file, or from the person at the terminal.

    Raises:
        KeyLocked: it is protected, and there is neither a file nor a person, or the password is wrong.
        InvalidDocument: it is no secret key.
        Unreadable: a file cannot be read.
    """
    from tagswarm.manifests.signing import SecretKey  # noqa: PLC0415 - start-up stays quick

    text = _text(path)
    password = _first_line(password_file) if password_file else None
    try:
        return SecretKey.parse(text, password)
    except FormatError as failure:
        hint = (
            "A secret key is the file that `keygen` or `minisign -G` made; the one that ends in .pub is the other half."
        )
        raise type(failure)(f"{path}: {failure.message}", hint=hint) from failure
    except KeyLocked as failure:
        if password is None and not sys.stdin.isatty():
            hint = "Give --password-file FILE, or run it at a terminal, where you are asked."
            raise KeyLocked(f"{path}: {failure.message}", hint=hint) from failure
        if password is not None:
            raise
    return SecretKey.parse(text, click.prompt(f"Password of {path}", hide_input=True, err=True))


def public_key(given: str) -> PublicKey:
    """Read a public key: the line that begins with RW, or the name of a .pub file.

    Raises:
        InvalidDocument: it is neither.
        Unreadable: the file cannot be read.
    """
    from tagswarm.manifests.signing import PublicKey  # noqa: PLC0415 - start-up stays quick

    try:
        return PublicKey.parse(given if given.startswith("RW") else _text(Path(given)))
    except FormatError as failure:
        hint = "A public key is a line of 56 characters that begins with RW, or the .pub file that holds it."
        raise type(failure)(f"{given}: {failure.message}", hint=hint) from failure


def new_password(password_file: Path | None, *, without: bool) -> str | None:
    """The password for a key that is about to be made; None leaves it unprotected.

    Raises:
        KeyLocked: there is neither a file nor a person to ask.
    """
    if without:
        return None
    if password_file:
        if not (password := _first_line(password_file)):
            raise KeyLocked(f"{password_file}: its first line is empty, so there is no password", hint=WITHOUT)
        return password
    if not sys.stdin.isatty():
        raise KeyLocked("there is nobody to ask for a password", hint=WITHOUT)
    asked: str = click.prompt("Password", hide_input=True, confirmation_prompt=True, err=True)
    return asked


def _text(path: Path) -> str:
    from tagswarm.manifests.signing import KEY_LIMIT  # noqa: PLC0415 - start-up stays quick

    try:
        return disk.read(path, limit=KEY_LIMIT).decode()
    except UnicodeDecodeError as failure:
        raise InvalidDocument(f"{path}: is not a key file of minisign") from failure


def _first_line(path: Path) -> str:
    return (_text(path).splitlines() or [""])[0]
