"""The conformance cases that the repository carries, and those of `--cases DIR`, by kind."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

CARRIED = Path(__file__).parent / "cases"


def rows(folder: Path) -> list[dict[str, Any]]:
    """Every case of every file of a folder."""
    texts = (file.read_text("utf-8") for file in sorted(folder.rglob("*.jsonl")))
    return [json.loads(line) for text in texts for line in text.split("\n") if line]


def parametrize(metafunc: pytest.Metafunc, **kinds: str) -> None:
    """Give each argument of a test the cases of a kind, one by one, by their ids; a further case replaces a carried one."""
    for argument, kind in kinds.items():
        if argument not in metafunc.fixturenames:
            continue
        further = metafunc.config.getoption("--cases")
        found = {
            row["id"]: row for folder in (CARRIED, further) if folder for row in rows(folder) if row["kind"] == kind
        }
        metafunc.parametrize(argument, [pytest.param(row, id=name) for name, row in found.items()])
