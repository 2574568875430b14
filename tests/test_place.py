"""Where the index of a release is looked for."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tagswarm.manifests.errors import (
    IncompleteBuild,
    InvalidDocument,
    TagswarmError,
    Unreadable,
    UnsafePath,
)
from tagswarm.place import Place, find, is_address


def release(dataset: Path, name: str, sequence: int, *, index: bool = True) -> Path:
    folder = dataset / "releases" / name
    folder.mkdir(parents=True)
    (folder / "release.json").write_text(json.dumps({"release": name, "sequence": sequence}))
    if index:
        (folder / "index.sqlite").write_bytes(b"")
    return folder


def test_the_latest_release_is_taken(tmp_path: Path) -> None:
    for number, name in enumerate(("2026", "2027")):
        release(tmp_path, name, number + 1)
    (tmp_path / "latest.json").write_text(json.dumps({"release": "2026"}))
    assert find(tmp_path) == Place(tmp_path / "releases/2026/index.sqlite", "2026")
    assert find(tmp_path).tables == tmp_path / "releases/2026/metadata"
    assert find(tmp_path, "2027").name == "2027"


def test_the_highest_sequence_is_taken_where_nothing_is_the_latest_yet(tmp_path: Path) -> None:
    release(tmp_path, "a", 10)
    release(tmp_path, "b", 9)
    assert find(str(tmp_path)).name == "a"


def test_a_release_and_an_index_are_found_by_themselves(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = release(tmp_path, "2026", 1)
    assert find(folder) == find(folder / "index.sqlite") == find(tmp_path)
    monkeypatch.chdir(folder)
    assert find(".") == Place(Path("index.sqlite"), "2026")
    other = tmp_path / "mine.sqlite"
    other.write_bytes(b"")
    assert find(other).name == "mine.sqlite"


def test_an_index_is_not_taken_for_that_of_another_release(tmp_path: Path) -> None:
    folder = release(tmp_path, "2026", 1)
    assert find(folder / "index.sqlite", "2026").name == "2026"
    with pytest.raises(IncompleteBuild, match="is the index of 2026, not of 2027"):
        find(folder / "index.sqlite", "2027")


def test_what_is_missing_is_said_with_what_to_do(tmp_path: Path) -> None:
    folder = release(tmp_path, "2026", 1, index=False)
    (tmp_path / "empty").mkdir()
    for place, name, kind in (
        (tmp_path, None, IncompleteBuild),
        (folder, None, IncompleteBuild),
        (tmp_path, "1999", IncompleteBuild),
        (tmp_path / "empty", None, IncompleteBuild),
        (tmp_path / "nothing", None, Unreadable),
    ):
        with pytest.raises(TagswarmError) as caught:
            find(place, name)
        assert type(caught.value) is kind
        assert caught.value.hint


def test_the_dataset_of_a_release_is_known(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = release(tmp_path, "2026", 1)
    for place in (tmp_path, folder, folder / "index.sqlite"):
        assert find(place).dataset == tmp_path
    monkeypatch.chdir(folder)
    assert find(".").dataset == tmp_path
    other = tmp_path / "releases/2026/mine.sqlite"
    other.write_bytes(b"")
    assert find(other).dataset is None


@pytest.mark.parametrize("text", ["https://host/danbooru", "S3://bucket", "rsync://host/module", "me@host::module/x"])
def test_an_address_is_no_path(text: str) -> None:
    assert is_address(text)
    assert not is_address(Path(text))


@pytest.mark.parametrize("text", ["danbooru", "./a:b", "/data/https://x", "a b::c", "", "C:", "data/x::y"])
def test_a_path_is_no_address(text: str) -> None:
    assert not is_address(text)


@pytest.mark.parametrize("text", ["", "[]", '{"release": 7}', '{"other": "2026"}', "[" * 100_000, '{"release": "2026"'])
def test_a_malformed_latest_is_refused(tmp_path: Path, text: str) -> None:
    release(tmp_path, "2026", 1)
    (tmp_path / "latest.json").write_text(text)
    with pytest.raises(InvalidDocument, match="latest"):
        find(tmp_path)


@pytest.mark.parametrize("name", ["../2026", "a/b", "..", ""])
def test_the_name_of_a_release_is_no_path(tmp_path: Path, name: str) -> None:
    release(tmp_path, "2026", 1)
    (tmp_path / "latest.json").write_text(json.dumps({"release": name}))
    with pytest.raises(UnsafePath):
        find(tmp_path)
    with pytest.raises(UnsafePath):
        find(tmp_path, name)
