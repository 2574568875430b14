"""Rejected rows as findings."""

from __future__ import annotations

from pathlib import Path

import pytest

from tagswarm.manifests import codec
from tagswarm.manifests.errors import FormatError, InvalidDocument
from tagswarm.manifests.records import Reject
from tagswarm.release.audit import Severity, rows
from tests.release.audit.world import SITE, World

CUT = '{"id":1525146,"tag_string":"1girl'


def found(*rejects: Reject, sites: tuple[str, ...] = (SITE,)) -> list[tuple[str, Severity, int | None]]:
    return [(finding.name, finding.severity, finding.id) for finding in rows.of_rejects(rejects, sites)]


@pytest.mark.parametrize(
    ("text", "post"),
    [
        (CUT, 1525146),
        (' {"id" : "12" , "x":1}', 12),
        ('<post height="1" id="77" md5="">', 77),
        ('{"tags":[{"id":"5"}]}', None),
        ('{"id":"x5"}', None),
        ("1,2,3", None),
        ("", None),
    ],
)
def test_the_post_of_a_bad_row_is_told_where_the_row_tells_it(text: str, post: int | None) -> None:
    assert found(Reject(source="a", line=1, reason="not-json", text=text)) == [("bad-row", Severity.ERROR, post)]


def test_a_post_that_came_again() -> None:
    detail = "post 1000 of danbooru came first in posts.json, line 3"
    (finding,) = rows.of_rejects(
        [Reject(source="b", line=9, reason="duplicate-post", detail=detail)], ("x", "danbooru")
    )
    assert (finding.name, finding.id, finding.site) == ("duplicate-post", 1000, "danbooru")
    assert finding.message == f"b, line 9: duplicate-post: {detail}"
    same = Reject(source="b", line=9, reason="duplicate-row", detail=detail)
    assert found(same) == [("duplicate-post", Severity.WARNING, 1000)]


def test_rows_without_a_post_are_counted_a_file() -> None:
    rejects = [Reject(source=source, line=line, reason="no-id") for source in "ba" for line in range(1, 16)]
    rejects.append(Reject(source="a", line=16, reason="ghost-row"))
    findings = list(rows.of_rejects(rejects, (SITE,)))
    assert [(finding.name, finding.message) for finding in findings] == [
        ("ghost-row", "a: 1 row without a post"),
        ("rows-without-id", "a: 15 rows without an id"),
        ("rows-without-id", "b: 15 rows without an id"),
    ]
    assert findings[1].evidence == {"source": "a", "rows": 15, "lines": list(range(1, 11))}


@pytest.mark.parametrize(
    ("reason", "name"),
    [("truncated-stream", "broken-dump"), ("corrupt-stream", "broken-dump"), ("decompression-bomb", "broken-dump"),
     ("unknown-rating", "unknown-rating"), ("bad-value", "bad-row"), ("a-reason-of-tomorrow", "bad-row")],
)  # fmt: skip
def test_every_reason_becomes_a_finding(reason: str, name: str) -> None:
    (finding,) = rows.of_rejects([Reject(source="a", line=2, reason=reason, detail="why", text="x" * 2000)], (SITE,))
    assert finding.name == name
    assert finding.evidence == {"source": "a", "line": 2, "reason": reason, "detail": "why", "text": "x" * 200}


def test_the_site_is_told_only_where_there_is_one() -> None:
    reject = Reject(source="a", line=1, reason="not-json")
    assert [finding.site for finding in rows.of_rejects([reject], (SITE,))] == [SITE]
    assert [finding.site for finding in rows.of_rejects([reject], (SITE, "other"))] == [None]


def test_a_damaged_file_of_rejects_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "rejects"
    for lines in ([b'{"a":1}\n'], [b"{\n"], [b"[]\n"]):
        path.write_bytes(b"".join(codec.compress(lines)))
        with pytest.raises(InvalidDocument):
            list(rows.read(path))
    path.write_bytes(b"nothing")
    with pytest.raises(FormatError):
        list(rows.read(path))


def test_what_was_written_is_read(tmp_path: Path) -> None:
    world = World.clean()
    world.rejects = [Reject(source="a", line=1, reason="not-json", detail="d", text=CUT)]
    folder = world.write(tmp_path)
    assert list(rows.read(folder / "rejects.jsonl.zst")) == world.rejects
