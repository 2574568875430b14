"""The facts of a release, whoever has signed it or not."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from tagswarm.manifests.errors import IncompleteBuild
from tagswarm.release.show import show
from tagswarm.release.sign import sign
from tests.publisher import following, key, small

A = key(1)


def test_a_build_that_is_not_signed_yet(tmp_path: Path) -> None:
    small(tmp_path, [A])
    shown = show(tmp_path)
    assert (shown.release, shown.newest, shown.expires) == ("2026", False, None)
    assert (shown.signature.state, shown.signature.trust) == ("unsigned", "unsigned")


def test_a_signed_release(tmp_path: Path) -> None:
    publisher = small(tmp_path, [A])
    result = sign(tmp_path, [A])
    shown = show(tmp_path)
    assert shown.root_sha256 == result.root_sha256
    assert shown.root_path == "releases/2026/release.json"
    assert (shown.newest, shown.issued, shown.expires) == (True, date(2026, 3, 1), date(2027, 4, 5))
    assert shown.totals.files == 60
    assert [(tree.entry.name, tree.volumes, tree.new_volumes) for tree in shown.renditions] == [
        ("1280px", 1, 1),
        ("512px", 1, 1),
        ("original", 1, 1),
    ]
    signature = shown.signature
    assert (signature.state, signature.signers, signature.keys_version) == ("signed", (A.public.name,), 1)
    following(publisher, [A])
    built = show(tmp_path, "2027").signature
    assert (built.state, built.trust) == ("unsigned", None)
    assert "not signed yet" in built.notes[0]
    sign(tmp_path, [A])
    shown = show(tmp_path)
    assert shown.previous is not None
    assert (shown.release, shown.previous.release) == ("2027", "2026")
    assert [tree.new_volumes for tree in shown.renditions] == [0, 0, 1]


def test_a_broken_signature_is_a_fact(tmp_path: Path) -> None:
    small(tmp_path, [A])
    sign(tmp_path, [A])
    path = tmp_path / "releases/2026/release.json.minisig"
    path.write_bytes(path.read_bytes().replace(b"seq=1", b"seq=2"))
    assert show(tmp_path).signature.state == "invalid"


def test_nothing_to_show(tmp_path: Path) -> None:
    with pytest.raises(IncompleteBuild):
        show(tmp_path)
