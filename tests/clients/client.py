"""What a client is to the tests: started, given downloads, asked whether it is done, and stopped."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import ClassVar, Protocol

from .download import Download


class Client(Protocol):
    """A client that was given downloads."""

    name: ClassVar[str]
    addresses: ClassVar[int]
    """That it needs of its own."""

    def __init__(self, home: Path, addresses: list[str]) -> None:
        """Start it, with a folder for what it keeps."""

    def version(self) -> str:
        """What it says of itself."""

    def begin(self, download: Download) -> None:
        """Give it a download; a refusal is noted in it."""

    def done(self, download: Download) -> bool:
        """Whether it says that it is complete."""

    def gave_up(self, download: Download) -> str | None:
        """Why it does not go on."""

    def log(self) -> str:
        """The end of what it said."""

    def stop(self) -> None:
        """End it."""


def said(*words: str | Path) -> str:
    """All that a program says."""
    result = subprocess.run(words, capture_output=True, text=True, check=False, timeout=30)
    return result.stdout + result.stderr


def number(text: str) -> str:
    """The version in a text, of at most three numbers."""
    found = re.search(r"\d+\.\d+(\.\d+)?", text)
    assert found is not None, text
    return found[0]
