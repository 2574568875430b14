"""The documents: golden vectors, what is newer, what is foreign, and bytes that are anything."""

from __future__ import annotations

import json
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tagswarm.manifests import models
from tagswarm.manifests.errors import FormatError, InvalidDocument, LimitExceeded, UnsafePath, UnsupportedVersion
from tagswarm.manifests.models import FileEntry, Keys, Latest, Object, VolumeHeader, Withdrawal

SHA = "0123456789abcdef" * 4
LATEST = Latest(
    dataset_id="0123456789abcdef" * 2,
    sequence=3,
    release="2026",
    root=Object(path="releases/2026/release.json", size=7, sha256=SHA),
    issued=date(2026, 11, 20),
    expires=date(2027, 12, 25),
)
GOLDEN_LATEST = f"""{{
  "format": "tagswarm.latest/1",
  "dataset_id": "0123456789abcdef0123456789abcdef",
  "sequence": 3,
  "release": "2026",
  "root": {{
    "path": "releases/2026/release.json",
    "size": 7,
    "sha256": "{SHA}"
  }},
  "issued": "2026-11-20",
  "expires": "2027-12-25"
}}
""".encode()
HEADER = VolumeHeader(
    name="512px-2026-0000",
    rendition="512px",
    generation="2026",
    layout="loose",
    site="danbooru",
    piece_length=65536,
    files=1,
    images=1,
    bytes=5,
)
ENTRY = FileEntry(path="512px/0001/1001.jpg", size=5, sha256=SHA, root=SHA, id=1001, kind="jpeg", width=512, height=512)
GOLDEN_MANIFEST = (
    b'{"format":"tagswarm.volume/1","name":"512px-2026-0000","rendition":"512px","generation":"2026","revision":1,'
    b'"layout":"loose","site":"danbooru","piece_length":65536,"files":1,"images":1,"bytes":5}\n'
    b'{"path":"512px/0001/1001.jpg","size":5,"sha256":"%(sha)b","root":"%(sha)b","id":1001,"kind":"jpeg",'
    b'"width":512,"height":512}\n' % {b"sha": SHA.encode()}
)


def numbered(data: bytes) -> list[tuple[int, bytes]]:
    return list(enumerate(data.splitlines(), 1))


def test_a_document_has_the_bytes_of_its_golden_vector() -> None:
    assert LATEST.render() == GOLDEN_LATEST
    assert Latest.parse(GOLDEN_LATEST, limit=models.LATEST_LIMIT) == LATEST


def test_a_manifest_has_the_bytes_of_its_golden_vector() -> None:
    assert b"".join(models.render_manifest(HEADER, [ENTRY])) == GOLDEN_MANIFEST
    assert models.parse_manifest(numbered(GOLDEN_MANIFEST)) == (HEADER, [ENTRY])


def test_what_is_newer_is_refused_with_a_sentence() -> None:
    newer = GOLDEN_LATEST.replace(b"latest/1", b"latest/2")
    with pytest.raises(UnsupportedVersion, match=r"newer than tagswarm\.latest/1") as refused:
        Latest.parse(newer, limit=models.LATEST_LIMIT)
    assert "newer tagswarm" in refused.value.hint


@pytest.mark.parametrize("found", ["tagswarm.keys/1", "tagswarm.latest/x", "other", "tagswarm.latest/0"])
def test_what_is_foreign_is_refused_with_another(found: str) -> None:
    foreign = GOLDEN_LATEST.replace(b"tagswarm.latest/1", found.encode())
    with pytest.raises(UnsupportedVersion, match="was found where"):
        Latest.parse(foreign, limit=models.LATEST_LIMIT)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"sequence": 0}, "sequence"),
        ({"sequence": "3"}, "sequence"),
        ({"sequence": 1 << 53}, "sequence"),
        ({"release": "../x"}, "release"),
        ({"release": "2026\n"}, "release"),
        ({"root": {"path": "x", "size": -1, "sha256": SHA}}, "root.size"),
        ({"root": {"path": "x", "size": 1, "sha256": SHA.upper()}}, "root.sha256"),
        ({"issued": "yesterday"}, "issued"),
        ({"more": 1}, "more"),
        ({"dataset_id": None}, "dataset_id"),
        ({"format": 7}, "no format"),
    ],
)
def test_a_wrong_value_is_named_with_its_key(change: dict[str, object], said: str) -> None:
    value = {**json.loads(GOLDEN_LATEST), **change}
    with pytest.raises(InvalidDocument, match=said):
        Latest.parse(json.dumps(value).encode(), limit=models.LATEST_LIMIT)


def test_a_document_has_a_limit() -> None:
    with pytest.raises(LimitExceeded):
        Latest.parse(GOLDEN_LATEST + b" " * models.LATEST_LIMIT, limit=models.LATEST_LIMIT)


def test_keys_are_at_least_one() -> None:
    with pytest.raises(InvalidDocument, match="keys"):
        Keys.parse(
            b'{"format":"tagswarm.keys/1","dataset_id":"%b","version":1,"keys":[]}' % (b"0" * 32),
            limit=models.KEYS_LIMIT,
        )


@pytest.mark.parametrize("path", ["../etc/passwd", "/etc/passwd", "a\\b", "512px/0001/1.jpg\n", "con", "a//b", ""])
def test_a_manifest_names_no_path_outside(path: str) -> None:
    line = json.dumps({"path": path, "size": 1, "sha256": SHA}).encode()
    with pytest.raises(UnsafePath):
        models.parse_manifest(numbered(GOLDEN_MANIFEST.splitlines()[0] + b"\n" + line))


def test_a_bad_line_is_named_by_its_number() -> None:
    with pytest.raises(InvalidDocument, match="line 3"):
        models.parse_manifest(numbered(GOLDEN_MANIFEST + b'{"path":"x"}\n'))
    with pytest.raises(LimitExceeded, match="line 3"):
        models.parse_manifest(numbered(GOLDEN_MANIFEST + b'{"path":"%b"}\n' % (b"x" * 5000)))


def test_a_line_of_a_manifest_holds_only_what_its_format_says() -> None:
    for change in ({"size": -1}, {"size": 1 << 63}, {"offset": -5}, {"sha256": "x"}, {"id": 10**30}):
        line = json.dumps({"path": "512px/0001/1001.jpg", "size": 5, "sha256": SHA} | change).encode()
        with pytest.raises(InvalidDocument, match=f"line 2: {next(iter(change))}"):
            models.parse_manifest([(1, GOLDEN_MANIFEST.splitlines()[0]), (2, line)])


def test_a_manifest_has_a_limit_of_lines() -> None:
    header, line = GOLDEN_MANIFEST.splitlines()
    with pytest.raises(LimitExceeded, match="200000 lines"):
        models.parse_manifest([(1, header), (2, line), (models.MANIFEST_LINES + 1, line)])


def test_withdrawals_read_back() -> None:
    listed = [Withdrawal(site="danbooru", id=1, action="purged", reason="r", release="2026", path="a/b.tar")]
    assert models.parse_withdrawals(models.render_withdrawals(listed)) == listed
    with pytest.raises(UnsupportedVersion):
        models.parse_withdrawals(b'{"format":"tagswarm.withdrawn/2"}\n')
    with pytest.raises(FormatError):
        models.parse_withdrawals(b"")


@given(st.binary(max_size=200), st.integers(0, len(GOLDEN_MANIFEST)))
def test_no_bytes_raise_anything_but_our_error(junk: bytes, at: int) -> None:
    for data in (junk, GOLDEN_MANIFEST[:at] + junk + GOLDEN_MANIFEST[at:]):
        for read in (
            lambda data: models.parse_manifest(numbered(data)),
            models.parse_withdrawals,
            lambda data: Latest.parse(data, limit=models.LATEST_LIMIT),
        ):
            try:
                read(data)
            except FormatError:
                continue
