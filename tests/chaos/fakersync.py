"""A program that stands in the place of rsync and misbehaves: put it first in PATH with `install`.

It takes the arguments of rsync, copies from a folder instead of a server, and then does what its fault says. What it can
do is what a server can do to an rsync that has holes, and more.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

VERSION = "3.5.0"


def install(folder: Path, tree: Path, fault: str, *, version: str = VERSION) -> Path:
    """Make a folder for PATH in which `rsync` has a fault and takes its files from `tree`."""
    folder.mkdir(parents=True, exist_ok=True)
    program = folder / "rsync"
    program.write_text(f"#!{sys.executable} -IS\n" + Path(__file__).read_text("utf-8") + "\nmain()\n", "utf-8")
    program.chmod(0o755)
    (folder / "settings.json").write_text(json.dumps({"tree": str(tree), "fault": fault, "version": version}))
    return folder


@dataclass
class Call:
    """One start of the program."""

    tree: Path
    """Where the files come from."""
    target: Path
    names: list[str]

    def copy(self, name: str, change: Callable[[bytes], bytes] = bytes) -> None:
        """Bring a file as rsync does: aside, then renamed; then tell."""
        source = self.tree / name
        if not source.is_file():
            say(f'rsync: [sender] link_stat "{name}" (in tree) failed: No such file or directory (2)', sys.stderr)
            return
        place = self.target / name
        place.parent.mkdir(parents=True, exist_ok=True)
        aside = place.with_name(f".{place.name}.Ab12Cd")
        aside.write_bytes(change(source.read_bytes()))
        aside.replace(place)
        self.tell(name)

    def tell(self, name: str) -> None:
        """Say that a file is done."""
        say(f">f+++++++++ 100 {name}")

    def all(self, change: Callable[[bytes], bytes] = bytes) -> None:
        """Bring every file."""
        for name in self.names:
            self.copy(name, change)


def say(line: str, stream: TextIO | None = None) -> None:
    print(line, file=stream or sys.stdout, flush=True)


def fine(call: Call) -> int:
    call.all()
    return 0


def extra(call: Call) -> int:
    """Files, folders and a thousand names that nobody asked for."""
    call.all()
    for number in range(1000):
        place = call.target / f"512px/9999/{number}.jpg"
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(b"extra")
        call.tell(f"512px/9999/{number}.jpg")
    (call.target / "deep/deeper").mkdir(parents=True)
    (call.target / ".bashrc").write_text("extra")
    return 0


def outside(call: Call) -> int:
    """Names that leave the folder."""
    call.all()
    for name in ("../evil", "../names", "512px/../../evil2"):
        (call.target / name).write_bytes(b"evil")
        call.tell(name)
    return 0


def links(call: Call) -> int:
    """Links in the place of files and of the folders above them."""
    for name in call.names:
        place = call.target / name
        top = call.target / name.split("/")[0]
        if not top.is_symlink() and name.startswith("512px/"):
            top.symlink_to(call.tree / "512px")
        elif not name.startswith("512px/"):
            place.parent.mkdir(parents=True, exist_ok=True)
            place.symlink_to(call.tree / name)
        call.tell(name)
    return 0


def hard(call: Call) -> int:
    """What is no regular file, in the place of files."""
    for number, name in enumerate(call.names):
        place = call.target / name
        place.parent.mkdir(parents=True, exist_ok=True)
        if number % 2:
            os.mkfifo(place)
        else:
            place.mkdir()
            (place / "inside").write_bytes(b"inside")
        call.tell(name)
    return 0


def wrong(call: Call) -> int:
    """Wrong bytes of the right length."""
    call.all(lambda data: bytes(byte ^ 1 for byte in data))
    return 0


def short(call: Call) -> int:
    call.all(lambda data: data[: len(data) // 2])
    return 0


def long(call: Call) -> int:
    call.all(lambda data: data + b"more")
    return 0


def modes(call: Call) -> int:
    """Files that anybody may run as their owner."""
    call.all()
    for name in call.names:
        if (call.target / name).is_file():
            (call.target / name).chmod(0o6777)
    return 0


def half(call: Call) -> int:
    """Success, and every second file is missing."""
    for name in call.names[::2]:
        call.copy(name)
    return 0


def half_partial(call: Call) -> int:
    half(call)
    return 23


def nothing(call: Call) -> int:
    """Every file is said to be done, and none is."""
    for name in call.names:
        call.tell(name)
    return 0


def backwards(call: Call) -> int:
    """Every file is said to be done before it is there."""
    for name in call.names:
        call.tell(name)
    time.sleep(0.3)
    call.all()
    return 0


def silent(call: Call) -> int:
    """Every file comes without a word."""
    sys.stdout = open(os.devnull, "w")  # noqa: SIM115, PTH123
    call.all()
    return 0


def hang(call: Call) -> int:
    for name in call.names[::2]:
        call.copy(name)
    time.sleep(3600)
    return 0


def deaf(call: Call) -> int:
    """It hangs, and so do its children, and none ends when it is told to."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    subprocess.Popen([sys.executable, "-IS", "-c", "import time; time.sleep(3600)"])
    time.sleep(3600)
    return 0


def straggler(call: Call) -> int:
    """It ends, and a child of it does not."""
    call.all()
    subprocess.Popen([sys.executable, "-IS", "-c", "import time; time.sleep(3600)"])
    return 0


def flood(call: Call) -> int:
    """Words without an end, and no file."""
    while True:
        os.write(1, b"x" * 65536)


def flood_errors(call: Call) -> int:
    while True:
        os.write(2, b"rsync: [sender] what\n" * 3000)


def ansi(call: Call) -> int:
    """Words that a terminal would obey."""
    say("\x1b[31m\x1b]0;evil\x07@ERROR: \x1b[2J", sys.stderr)
    say("@ERROR: \x1b[2J evil", sys.stderr)
    return 5


def endless(call: Call) -> int:
    """The first file has no end."""
    place = call.target / call.names[0]
    place.parent.mkdir(parents=True, exist_ok=True)
    with place.open("wb", buffering=0) as file:
        try:
            while True:
                file.write(bytes(1 << 16))
        except OSError as failure:
            say(f'rsync: [receiver] write failed on "{place}": {failure.strerror} ({failure.errno})', sys.stderr)
            return 11


def much(call: Call) -> int:
    """More bytes are moved than anybody asked for."""
    moved = 0
    while True:
        moved += 1 << 24
        say(f"\r {moved}  1%  1.00MB/s    0:00:00")
        time.sleep(0.001)


def killed(call: Call) -> int:
    half(call)
    os.kill(os.getpid(), signal.SIGKILL)
    return 0


def planted(call: Call) -> int:
    """Links in the folder for what breaks off, where the next run would follow them."""
    [partial] = [Path(word.partition("=")[2]) for word in sys.argv if word.startswith("--partial-dir=")]
    shutil.rmtree(partial)
    if random.random() < 0.5:
        partial.symlink_to(call.tree)
    else:
        partial.mkdir()
        for name in call.names[:5]:
            (partial / Path(name).name).symlink_to(call.tree / name)
    return 12


def code(number: int) -> Callable[[Call], int]:
    """Nothing comes, and the program ends so."""
    return lambda _: number


FAULTS: dict[str, Callable[[Call], int]] = {
    **{
        function.__name__: function
        for function in (
            fine, extra, outside, links, hard, wrong, short, long, modes, half, half_partial, nothing, backwards, silent,
            hang, deaf, straggler, flood, flood_errors, ansi, endless, much, killed, planted,
        )
    },
    **{f"code{number}": code(number) for number in (1, 2, 3, 5, 10, 11, 12, 13, 20, 23, 24, 30, 35, 99)},
}  # fmt: skip


def main() -> None:
    """Behave as the settings beside the program say."""
    settings = json.loads(Path(__file__).with_name("settings.json").read_text())
    if sys.argv[1:] == ["--version"]:
        say(f"rsync  version {settings['version']}  protocol version 32")
        return
    assert sys.argv[-3] == "--"
    [names] = [word.partition("=")[2] for word in sys.argv if word.startswith("--files-from=")]
    listed = Path(names).read_bytes().decode().removesuffix("\0").split("\0")
    sys.exit(FAULTS[settings["fault"]](Call(Path(settings["tree"]), Path(sys.argv[-1]), listed)))
