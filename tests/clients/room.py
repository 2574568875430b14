"""A network of its own for programs that would otherwise look for peers: a namespace with a loopback and nothing else.

Whatever is started in it ends with it: the processes have their own numbers, and when the first one ends, or whoever
made the room is killed, the kernel ends the rest.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator, Sequence

NETWORK = "10.99.0"
"""Transmission takes no peer of 127.0.0.0/8, and clients tell peers apart by their address."""
ADDRESSES = 20
HERE = f"{NETWORK}.1"
"""Where tracker, web server and seeder listen."""
TRACKER = f"http://{HERE}:6969/announce"
WEB = f"http://{HERE}:8080/"


def clients() -> Iterator[str]:
    """Addresses of clients, each once."""
    return (f"{NETWORK}.{number}" for number in range(2, ADDRESSES + 1))


def command(program: Sequence[str]) -> list[str]:
    """The command line that runs a program in a room."""
    # Without root, a user namespace gives the right to make the others and keeps who we are: opentracker would want to
    # become another user if it found itself to be root, and there is none.
    user = [] if os.geteuid() == 0 else ["--user", "--map-current-user", "--keep-caps"]
    return ["setpriv", "--pdeathsig", "KILL", "unshare", *user, "--net", "--pid", "--fork", "--kill-child", *program]


def refusal() -> str | None:
    """Why there can be no room here."""
    tried = subprocess.run(command(["true"]), capture_output=True, text=True, check=False, timeout=30)
    if tried.returncode == 0:
        return None
    return (
        "Real clients run in a network namespace of their own, and this machine does not allow one: run the tests as root, or"
        f" allow unprivileged user namespaces (sysctl kernel.unprivileged_userns_clone=1). {tried.stderr.strip()}"
    )


def furnish() -> None:
    """Bring the loopback up, with all addresses; called in the room."""
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    for number in range(ADDRESSES):
        subprocess.run(["ip", "address", "add", f"{NETWORK}.{number + 1}/32", "dev", "lo"], check=True)
