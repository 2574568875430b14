"""The rows that could not be read, in one file: `rejects.jsonl.zst`, sorted by file and line whatever came first.

The file begins with a line `{"format": "tagswarm.rejects/1"}`; each line after it is one reject. Rejects are laid aside
while sources are read and put together at the end, so their number does not matter; posts that came again take 40 bytes
each until then.

Nothing here decides what a reject is.
"""

from __future__ import annotations

import heapq
from array import array
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from tagswarm.manifests import codec, disk
from tagswarm.manifests.records import Reject

from .post_runs import Duplicate

FORMAT = "tagswarm.rejects/1"
FILE_NAME = "rejects.jsonl.zst"
_LEVEL = 9


class RejectLog:
    """Collects the rejects of documents, which are named by numbers in the order they are read."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._names: list[str] = []
        self._spans: list[tuple[int, int]] = []
        self._reasons: list[Counter[str]] = []
        self._sites: list[str] = []
        self._again: list[array[int]] = [array("q") for _ in range(7)]
        disk.make_directory(path.parent)
        with disk.failures(path):
            self._file = path.open("w+b")

    def begin(self, name: str) -> int:
        """Begin a document and give its number."""
        with disk.failures(self._path):
            self._spans.append((self._file.tell(), 0))
        self._names.append(name)
        self._reasons.append(Counter())
        return len(self._names) - 1

    def add(self, reject: Reject) -> None:
        """Take a reject of the document begun last; they come in the order of its lines."""
        self._reasons[-1][reject.reason] += 1
        start, count = self._spans[-1]
        self._spans[-1] = start, count + 1
        with disk.failures(self._path):
            self._file.write(codec.line(_fields(reject)))

    def add_duplicate(self, duplicate: Duplicate) -> None:
        """Take a post that came again, of any document."""
        self._reasons[duplicate.document][_reason(identical=duplicate.identical)] += 1
        if not self._sites or self._sites[-1] != duplicate.site:
            self._sites.append(duplicate.site)
        values = (
            duplicate.document,
            duplicate.line,
            duplicate.id,
            duplicate.kept_document,
            duplicate.kept_line,
            len(self._sites) - 1,
            duplicate.identical,
        )
        for column, value in zip(self._again, values, strict=True):
            column.append(value)

    def reasons(self, documents: Iterable[int]) -> dict[str, int]:
        """Count the rejects of documents by reason."""
        total: Counter[str] = Counter()
        for document in documents:
            total.update(self._reasons[document])
        return dict(sorted(total.items()))

    def write(self, path: Path) -> None:
        """Write the file; the log is of no use afterwards."""
        with disk.Aside(path) as aside:
            for chunk in codec.compress(self._lines(), level=_LEVEL):
                aside.write(chunk)
            aside.commit()

    def close(self) -> None:
        """Close what was laid aside."""
        self._file.close()

    def _lines(self) -> Iterator[bytes]:
        yield codec.line({"format": FORMAT})
        columns = [np.frombuffer(column, dtype=np.int64) for column in self._again]
        order = np.lexsort((columns[2], columns[1], columns[0]))
        bounds = np.searchsorted(columns[0][order], np.arange(len(self._names) + 1))
        for document in sorted(range(len(self._names)), key=lambda number: (self._names[number], number)):
            mine = order[bounds[document] : bounds[document + 1]]
            yield from (line for _, line in heapq.merge(self._kept(document), self._duplicates(columns, mine)))

    def _kept(self, document: int) -> Iterator[tuple[int, bytes]]:
        start, count = self._spans[document]
        with disk.failures(self._path):
            self._file.flush()
            for _ in range(count):
                self._file.seek(start)
                line = self._file.readline()
                start += len(line)
                yield codec.parse(line, limit=1 << 20)["line"], line

    def _duplicates(self, columns: list[Any], rows: Any) -> Iterator[tuple[int, bytes]]:
        for row in rows:
            document, line, post, kept_document, kept_line, site, identical = (int(column[row]) for column in columns)
            detail = f"post {post} of {self._sites[site]} came first in {self._names[kept_document]}, line {kept_line}"
            reject = Reject(
                source=self._names[document], line=line, reason=_reason(identical=bool(identical)), detail=detail
            )
            yield line, codec.line(_fields(reject))


def _reason(*, identical: bool) -> str:
    return "duplicate-row" if identical else "duplicate-post"


def _fields(reject: Reject) -> dict[str, str | int]:
    return {
        "source": reject.source,
        "line": reject.line,
        "reason": reject.reason,
        "detail": reject.detail,
        "text": reject.text,
    }
