"""The maintainer's list of what is taken back, and how lists of several years become one."""

from __future__ import annotations

from pathlib import Path

import pytest

from tagswarm.manifests.errors import ConfigInvalid
from tagswarm.manifests.models import Withdrawal, parse_withdrawals, render_withdrawals
from tagswarm.release import withdrawals

HEAD = "site,id,action,reason\n"


def read(tmp_path: Path, text: str) -> list[Withdrawal]:
    path = tmp_path / "withdrawals.csv"
    path.write_text(text, encoding="utf-8")
    return withdrawals.read(path, sites=["danbooru"], release="2026")


def test_a_list_is_read(tmp_path: Path) -> None:
    one, other = read(tmp_path, HEAD + 'danbooru,12,withdraw,"asked, kindly"\n\ndanbooru,7,purge,court order\n')
    assert (one.id, one.action, one.reason, one.release) == (12, "withdrawn", "asked, kindly", "2026")
    assert (other.id, other.action) == (7, "purged")


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("danbooru,12,withdraw", "3 fields"),
        ("danbooru,12,withdraw,a,b", "5 fields"),
        ("gelbooru,12,withdraw,a", "gelbooru"),
        ("danbooru,x,withdraw,a", "'x' is not the id"),
        ("danbooru,-1,withdraw,a", "'-1' is not the id"),
        ("danbooru,\N{ARABIC-INDIC DIGIT ONE},withdraw,a", "is not the id"),
        ("danbooru,12,delete,a", "delete"),
        ("danbooru,12,purge, ", "no reason"),
        ("danbooru,12,purge,a\x1b[31mb", "one line"),
        ("danbooru,12,purge," + "a" * 501, "500 characters"),
        ('danbooru,12,purge,"never closed', "is not CSV"),
        ("danbooru,12,purge," + "a" * 200_000, "is not CSV"),
    ],
)
def test_a_wrong_line_is_named(tmp_path: Path, line: str, said: str) -> None:
    with pytest.raises(ConfigInvalid, match=said) as refused:
        read(tmp_path, HEAD + line + "\n")
    assert "line 2" in str(refused.value)


@pytest.mark.parametrize("text", ["", "id,site,action,reason\n"])
def test_the_header_must_be_there(tmp_path: Path, text: str) -> None:
    with pytest.raises(ConfigInvalid, match="header"):
        read(tmp_path, text)


def test_the_longest_reason_can_be_read_back(tmp_path: Path) -> None:
    listed = read(tmp_path, HEAD + "danbooru,12,purge," + "\N{GRINNING FACE}" * withdrawals.REASON_LIMIT + "\n")
    assert parse_withdrawals(render_withdrawals(listed)) == listed


def taken(post: int, action: str, release: str, path: str | None = None) -> Withdrawal:
    return Withdrawal(site="danbooru", id=post, action=action, reason="r", release=release, path=path)  # type: ignore[arg-type]


def test_what_was_taken_back_keeps_its_release_unless_a_purge_goes_further() -> None:
    before = [taken(1, "withdrawn", "2025"), taken(2, "withdrawn", "2025")]
    now = [taken(1, "withdrawn", "2026"), taken(2, "purged", "2026"), taken(3, "withdrawn", "2026")]
    merged = {w.id: (w.action, w.release) for w in withdrawals.merge(before, now)}
    assert merged == {1: ("withdrawn", "2025"), 2: ("purged", "2026"), 3: ("withdrawn", "2026")}


def test_what_was_taken_back_stays_so_when_the_list_forgets_it() -> None:
    before = [taken(1, "purged", "2025"), taken(2, "replaced", "2025", "original/0002/2.png")]
    assert withdrawals.merge(before, []) == before
    assert withdrawals.merge(before, [taken(1, "withdrawn", "2026")]) == before


def test_the_published_list_reads_back() -> None:
    listed = withdrawals.merge([], [taken(5, "withdrawn", "2026"), taken(2, "replaced", "2026", "original/0002/2.png")])
    assert parse_withdrawals(render_withdrawals(listed)) == listed
    assert [w.id for w in listed] == [2, 5]
