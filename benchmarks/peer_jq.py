"""The command line as a peer: grep for the rarest tag, then jq, over JSON lines."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

from benchmarks.peers import Answer, Tags, between, timed
from benchmarks.probes import And, Between, Like, Not, Or, Probe, Tag, Tree, Word, moment


class Jq:
    """grep for the rarest tag, then jq, over the first posts of Danbooru's export, as the set's own page recommends."""

    name = "grep and jq"

    def __init__(self, tables: Path, tags: Tags) -> None:
        self._path = tables / "posts.jsonl"
        self._tags = tags
        lines = self._path.read_bytes().splitlines()
        self.rows = len(lines)
        self.first = int(json.loads(lines[-1])["id"])
        """The last id of the part."""

    def answer(self, probe: Probe) -> tuple[float, Answer]:
        """Seconds and the answer over its part of the posts."""
        children = probe.tree.children if isinstance(probe.tree, And) else (probe.tree,)
        named = [child.name for child in children if isinstance(child, Tag)]
        rarest = min(named, key=lambda name: self._tags.count.get(name, 0), default="")
        keys = [probe.order.column, "id"] if probe.order else ["id"]
        shown = "[" + ", ".join(f".{key}" for key in keys) + "]|@tsv"
        program = f'(.tag_string|split(" ")) as $t|select({self._where(probe.tree)})|{shown}'
        way = "nr" if probe.order and probe.order.descending else "n"
        sort = f"|sort -k1,1{way} -k2,2{way}|head -{probe.order.limit}" if probe.order else ""
        command = f'grep -F -e "$1" "$2"|jq -r "$3"{sort}'
        arguments = ["sh", "-c", command, "sh", rarest, str(self._path), program]
        seconds, done = timed(lambda: subprocess.run(arguments, capture_output=True, check=True, env=_PLAIN))
        rows = done.stdout.split(b"\n")[:-1]
        return seconds, len(rows) if probe.order is None else tuple(int(row.split(b"\t")[1]) for row in rows)

    def _where(self, tree: Tree) -> str:
        names = {"width": "image_width", "height": "image_height"}
        match tree:
            case Tag(name):
                return f"($t|index({json.dumps(name)}) != null)"
            case Like(pattern):
                head, _, tail = pattern.partition("*")
                return f"any($t[]; startswith({json.dumps(head)}) and endswith({json.dumps(tail)}))"
            case Word(column, value):
                return f".{column} == {json.dumps(value)}"
            case Between(column, low, high):
                return between("." + names.get(column, column), low, high, _jq_value).replace(" AND ", " and ")
            case And(children):
                return "(" + " and ".join(map(self._where, children)) + ")"
            case Or(children):
                return "(" + " or ".join(map(self._where, children)) + ")"
            case Not(child):
                return f"({self._where(child)}|not)"


_PLAIN = {"LC_ALL": "C", "PATH": "/usr/local/bin:/usr/bin:/bin"}


def _jq_value(column: str, number: int) -> str:
    return json.dumps(f"{moment(number):%Y-%m-%d}") if column == ".created_at" else str(number)
