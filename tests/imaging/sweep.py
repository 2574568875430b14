"""Inspect and render every file of a folder in this one process, under the memory limit of a worker; one JSON line a file.

Run by `test_corpus.py` as a process of its own: `python sweep.py FOLDER PART PARTS`.
"""

from __future__ import annotations

import json
import resource
import sys
from pathlib import Path

resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
resource.setrlimit(resource.RLIMIT_AS, (1_500_000_000, 1_500_000_000))

from tagswarm.imaging.decode import inspect  # noqa: E402 - the limit comes first, as in a worker
from tagswarm.imaging.resize import PRESETS, Rendered, render  # noqa: E402
from tagswarm.imaging.verdict import Image  # noqa: E402

folder, part, parts = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
for path in sorted(p for p in folder.rglob("*") if p.is_file())[part::parts]:
    data = path.read_bytes()
    verdict, rendered = inspect(data), render(data, PRESETS["512px"])
    line = {
        "path": str(path.relative_to(folder)),
        "kind": verdict.kind,
        "image": isinstance(verdict, Image),
        "reason": None if isinstance(verdict, Image) else verdict.reason,
        "detail": "" if isinstance(verdict, Image) else verdict.detail,
        "size": [verdict.width, verdict.height] if isinstance(verdict, Image) else None,
        "rendered": [rendered.width, rendered.height] if isinstance(rendered, Rendered) else None,
        "refused": None if isinstance(rendered, Rendered) else rendered.reason,
    }
    print(json.dumps(line), flush=True)
