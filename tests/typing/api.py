"""The public API as a type checker sees it: `make lint` checks this module under mypy --strict, nothing runs it."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import assert_type

import numpy as np
import numpy.typing as npt

import tagswarm


def ask(path: Path) -> npt.NDArray[np.int64]:
    with tagswarm.open(path) as release:
        assert_type(release, tagswarm.Release)
        assert_type(len(release), int)
        assert_type(release.name, str)
        subset = release.query("1girl solo -comic rating:g", now=datetime(2026, 11, 20, tzinfo=UTC), seed=7)
        assert_type(subset, tagswarm.Subset)
        both = (subset & release.query("smile")) | (subset - release.query("hat", allow_unknown=True))
        assert_type(both, tagswarm.Subset)
        assert_type(len(both), int)
        for post in both:
            assert_type(post, int)
        assert_type(both.sample(100, seed=7), tagswarm.Subset)
        return both.ids()


def refuse(path: str) -> tuple[int, int]:
    try:
        tagswarm.open(path, release="2026").query("(")
    except tagswarm.QueryError as error:
        assert_type(error.span, tuple[int, int])
        return error.span
    except tagswarm.TagswarmError as error:
        assert_type(error.exit_code, int)
    return 0, 0
