"""Real images and images made to break decoders, through a whole audit and build; and any folder given with --corpus."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from tagswarm.imaging.verdict import Reason
from tagswarm.release.audit.catalogue import CATALOGUE
from tagswarm.release.build import audit, build
from tagswarm.release.journal import Journal

CONFIG = """
format = "tagswarm.config/1"
[dataset]
id = "0123456789abcdef0123456789abcdef"
name = "corpus"
[release]
name = "2026"
issued = 2026-11-20
[[sources]]
site = "danbooru"
format = "danbooru_export"
rating_scheme = "gsqe-2022"
metadata = ["metadata/*.json"]
"""


def lay_out(folder: Path, dataset: Path) -> list[dict[str, Any]]:
    """Lay a folder of files out as the originals of a booru whose metadata claim what the names do."""
    rows = []
    for post, path in enumerate(sorted(p for p in folder.rglob("*") if p.is_file() and not p.is_symlink()), 1):
        data = path.read_bytes()
        ext = path.suffix.lower().lstrip(".")
        if not (2 <= len(ext) <= 4 and ext.isascii() and ext.isalnum()):
            ext = "bin"
        target = dataset / f"original/{post % 1000:04}/{post}.{ext}"
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(data)
        rows.append(
            {
                "id": post,
                "created_at": "2020-01-01 00:00:00 UTC",
                "rating": "g",
                "md5": hashlib.md5(data).hexdigest(),
                "file_ext": ext,
                "file_size": len(data),
                "tag_string": "no_humans",
                "tag_string_general": "no_humans",
                "tag_count": 1,
                "tag_count_general": 1,
            }
        )
    return rows


def write(dataset: Path, rows: list[dict[str, Any]], renditions: str = "") -> None:
    (dataset / "metadata").mkdir(exist_ok=True)
    (dataset / "metadata/posts000000000000.json").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (dataset / "release.toml").write_text(CONFIG + renditions)


def check_audit(dataset: Path) -> dict[str, int]:
    """Audit; every file is an image or has a typed reason, and every finding has a known name; counts by name."""
    outcome = audit(dataset)
    reasons = {*Reason, "timeout", "memory", "crash"}
    with Journal(dataset / ".tagswarm" / "journal.sqlite") as journal:
        for _, fact in journal.in_tree("original"):
            assert fact.digest is not None
            assert fact.look is not None
            if fact.look.reason is None:
                assert fact.look.width
                assert fact.look.height
            else:
                assert fact.look.reason in reasons
    assert all(group.name in CATALOGUE for group in outcome.summary.groups)
    return {group.name: group.count for group in outcome.summary.groups}


@pytest.mark.timeout(280)
def test_a_release_of_every_real_image(shared: Path, tmp_path: Path) -> None:
    rows = lay_out(shared / "corpus/real", tmp_path)
    for row in rows:  # one file there is a GIF named .png: the audit must say so, and its mending must end it
        path = tmp_path / f"original/{row['id'] % 1000:04}/{row['id']}.{row['file_ext']}"
        with Image.open(path) as image:
            row["image_width"], row["image_height"] = image.size
    write(tmp_path, rows, '[[renditions]]\nname = "512px"\n[[renditions]]\nname = "1280px"\n')
    found = check_audit(tmp_path)
    assert found.pop("wrong-extension") == 1
    assert set(found) <= {"duplicate-content", "extension-mismatch"}
    _mend(tmp_path, rows)
    outcome = build(tmp_path)
    assert outcome.audit.summary.errors == 0
    assert outcome.totals.files == 3 * len(rows)
    sums = b"".join(path.read_bytes() for path in sorted((tmp_path / "volumes").glob("*.sha256")))
    subprocess.run(["sha256sum", "--quiet", "-c", "-"], input=sums, cwd=tmp_path, check=True)
    for path in sorted((tmp_path / "512px").rglob("*.jpg")):
        with Image.open(path) as image:
            assert (image.size, image.mode) == ((512, 512), "RGB")


def _mend(dataset: Path, rows: list[dict[str, Any]]) -> None:
    for row in rows:
        path = dataset / f"original/{row['id'] % 1000:04}/{row['id']}.{row['file_ext']}"
        if path.read_bytes()[:4] == b"GIF8" and row["file_ext"] != "gif":
            path.rename(path.with_suffix(".gif"))
            row["file_ext"] = "gif"
    write(dataset, rows, (dataset / "release.toml").read_text().removeprefix(CONFIG))


@pytest.mark.timeout(280)
def test_no_file_of_the_torture_set_stops_the_audit(shared: Path, tmp_path: Path) -> None:
    rows = lay_out(shared / "corpus/torture", tmp_path)
    write(tmp_path, rows)
    found = check_audit(tmp_path)
    assert found["truncated"]
    assert found["undecodable"]
    assert not any(name.startswith("decode-") for name in found)


@pytest.mark.timeout(280)
def test_what_was_waived_of_the_torture_set_is_published(shared: Path, tmp_path: Path) -> None:
    folder = tmp_path / "some"
    shutil.copytree(shared / "corpus/torture/pngsuite", folder)
    rows = lay_out(folder, tmp_path / "set")
    write(tmp_path / "set", rows, '[[renditions]]\nname = "512px"\n')
    names = [name for name, kind in CATALOGUE.items() if kind.waivable and name in check_audit(tmp_path / "set")]
    with (tmp_path / "set/release.toml").open("a") as file:
        file.writelines(f'[[waivers]]\nfinding = "{name}"\nreason = "made to break decoders"\n' for name in names)
    outcome = build(tmp_path / "set")
    assert outcome.totals.files > len(rows)
    assert outcome.audit.summary.waived


@pytest.mark.timeout(280)
def test_any_folder(request: pytest.FixtureRequest, tmp_path: Path, repository: Path) -> None:
    """The folder of --corpus, or else the sample, whose files are clean."""
    folder = request.config.getoption("--corpus") or repository / "sample" / "original"
    write(tmp_path, lay_out(folder, tmp_path))
    check_audit(tmp_path)
