"""Draw docs/images/demo.svg, the picture of the README, from what the program really prints.

`python docs/picture.py` runs the commands on a copy of sample/ in a temporary folder, in colour and 100 columns wide.
It is run by hand when the output has changed: the picture shows ids and digests that differ with each run.
"""

from __future__ import annotations

import io
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from rich._export_format import CONSOLE_SVG_FORMAT
from rich.console import Console
from rich.text import Text

ROOT = Path(__file__).resolve().parent.parent
PICTURE = ROOT / "docs" / "images" / "demo.svg"
COLUMNS = 100

HIDDEN = [
    "tagswarm -q release init danbooru --name sample --release 2026 --issued 2026-11-20",
    "tagswarm -q release keygen maintainer.key --no-password",
    'sed -i "s|^keys = .*|keys = [\\"$(tail -1 maintainer.key.pub)\\"]|" danbooru/release.toml',
    "cp -p danbooru/original/0008/2008.png whole.png",
    "truncate -s 5000 danbooru/original/0008/2008.png",
]
SHOWN = [
    "tagswarm release audit danbooru",
    "cp -p whole.png danbooru/original/0008/2008.png",
    "tagswarm release build danbooru",
    "tagswarm release sign danbooru --key maintainer.key",
    "minisign -V -q -p maintainer.key.pub -m danbooru/releases/2026/release.json && echo verified",
    "cd danbooru && cat volumes/*.sha256 | sha256sum -c --quiet && echo all files are whole",
]


def screen(folder: Path) -> Text:
    """What a person sees who types the commands."""
    environment = {**os.environ, "FORCE_COLOR": "1", "TERM": "xterm-256color", "COLUMNS": str(COLUMNS)}
    environment["PATH"] = f"{Path(sys.executable).parent}:{environment['PATH']}"
    for command in HIDDEN:
        subprocess.run(["sh", "-c", command], cwd=folder, env=environment, check=True)
    seen = Text()
    for command in SHOWN:
        result = subprocess.run(
            ["sh", "-c", f"{command} 2>/dev/null"],
            cwd=folder,
            env=environment,
            stdout=subprocess.PIPE,
            text=True,
            check=False,
        )
        seen.append_text(Text.assemble(("$ ", "green"), (command, "bold"), "\n"))
        seen.append_text(Text.from_ansi(result.stdout))
        seen.append("\n" if result.stdout else "")
    seen.rstrip()
    return seen


def main() -> None:
    """Write the picture."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        shutil.copytree(ROOT / "sample", folder / "danbooru")
        seen = screen(folder)
    console = Console(record=True, width=COLUMNS, file=io.StringIO(), force_terminal=True)
    console.print(seen, soft_wrap=False)
    # The fonts of the reader: a picture in a README may fetch nothing.
    style = re.sub(r"@font-face \{\{.*?\}\}\s*", "", CONSOLE_SVG_FORMAT, flags=re.DOTALL)
    PICTURE.parent.mkdir(exist_ok=True)
    PICTURE.write_text(console.export_svg(title="tagswarm", code_format=style, unique_id="tagswarm"))


if __name__ == "__main__":
    main()
