"""Every file of a folder is an image or has a typed reason, in a process with limits, which neither dies nor complains."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tagswarm.imaging.verdict import Reason

PARTS = 2


def sweep(folder: Path) -> list[dict[str, Any]]:
    script = Path(__file__).with_name("sweep.py")
    running = [
        subprocess.Popen(
            [sys.executable, "-W", "error", script, folder, str(part), str(PARTS)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for part in range(PARTS)
    ]
    lines: list[dict[str, Any]] = []
    for process in running:
        out, err = process.communicate(timeout=600)
        assert process.returncode == 0, (out.splitlines()[-1:], err)
        assert err == ""
        lines += [json.loads(line) for line in out.splitlines()]
    assert len(lines) == sum(1 for path in folder.rglob("*") if path.is_file())
    for line in lines:
        assert line["image"] or line["reason"] in list(Reason), line
        assert line["rendered"] == [512, 512] or line["refused"] in list(Reason), line
        assert len(line["detail"]) <= 200
        assert line["detail"].isprintable()
        assert "0x" not in line["detail"], "an address differs from run to run"
    return lines


def test_every_real_file_is_an_image_and_renders(shared: Path) -> None:
    lines = sweep(shared / "corpus/real")
    assert [line for line in lines if not line["image"] or not line["rendered"]] == []


def test_every_torture_file_is_an_image_or_has_a_reason(shared: Path) -> None:
    lines = sweep(shared / "corpus/torture")
    seen = {line["reason"] for line in lines}
    assert {Reason.CORRUPT, Reason.TRUNCATED, Reason.TOO_LARGE, Reason.UNSUPPORTED, Reason.NOT_AN_IMAGE} <= seen
    assert sum(line["image"] for line in lines) > len(lines) / 2
    for line in lines:
        if line["rendered"] and not line["image"]:  # the first frame of an animation whose others are broken
            assert line["kind"] == "apng", line


def test_every_file_of_the_given_corpus(request: pytest.FixtureRequest, repository: Path) -> None:
    """The folder of --corpus; without one, the sample of this repository."""
    assert sweep(request.config.getoption("--corpus") or repository / "sample" / "original")
