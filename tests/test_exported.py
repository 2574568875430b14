"""`import tagswarm`: what is exported, that it is documented, and that it costs nothing until it is used."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

import tagswarm


def test_what_is_exported() -> None:
    assert sorted(tagswarm.__all__) == tagswarm.__all__ == dir(tagswarm)
    assert {"open", "Release", "Subset", "Resize", "Report", "pull_locked", "verify", "repair", "export", "samples"} < {
        *tagswarm.__all__
    }
    assert tagswarm.open.__module__ == "tagswarm.opening"
    assert issubclass(tagswarm.QueryError, tagswarm.TagswarmError)
    with pytest.raises(AttributeError, match="nonsense"):
        _ = tagswarm.nonsense  # type: ignore[attr-defined]


def test_every_public_name_is_there_and_says_what_it_is() -> None:
    for name in tagswarm.__all__:
        found = getattr(tagswarm, name)
        if name != "__version__":
            assert found.__doc__, name
        if name[0].islower():  # a module of that name would take its place once it is imported
            assert not (Path(tagswarm.__file__).parent / f"{name}.py").exists()


def test_all_that_is_exported_is_documented_and_nothing_else(repository: Path) -> None:
    page = (repository / "docs/reference/python.md").read_text()
    heads = re.findall(r"^## (?:class )?(?!Errors)(\w+)", page, re.MULTILINE)
    errors = re.findall(r"^\| `(\w+)` \|", page, re.MULTILINE)
    assert sorted(heads + errors) == [name for name in tagswarm.__all__ if name != "__version__"]


def test_the_import_loads_nothing_else() -> None:
    code = (
        "import sys, tagswarm; print(sorted({'numpy', 'pyarrow', 'pyroaring', 'sqlite3', 'click', 'asyncio'}"
        " & set(sys.modules)))"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert said == "[]\n"


def test_a_query_of_a_folder_loads_nothing_of_a_network() -> None:
    code = (
        "import sys, tagswarm.subset, tagswarm.opening;"
        "print(sorted({'aiohttp', 'libtorrent', 'pydantic', 'pyarrow', 'PIL', 'pyvips'} & set(sys.modules)))"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert said == "[]\n"
