"""`import tagswarm`: what is exported, and that it costs nothing until it is used."""

from __future__ import annotations

import subprocess
import sys

import pytest

import tagswarm


def test_what_is_exported() -> None:
    assert tagswarm.__all__ == ["QueryError", "Release", "Subset", "TagswarmError", "__version__", "open"]
    assert dir(tagswarm) == sorted(tagswarm.__all__)
    assert tagswarm.open.__module__ == "tagswarm.opening"
    assert issubclass(tagswarm.QueryError, tagswarm.TagswarmError)
    with pytest.raises(AttributeError, match="nonsense"):
        _ = tagswarm.nonsense  # type: ignore[attr-defined]


def test_public_names_say_what_they_are() -> None:
    for name in tagswarm.__all__:
        if name != "__version__":
            assert getattr(tagswarm, name).__doc__, name


def test_the_import_loads_nothing_else() -> None:
    code = (
        "import sys, tagswarm; print(sorted({'numpy', 'pyarrow', 'pyroaring', 'sqlite3', 'click'} & set(sys.modules)))"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert said == "[]\n"
