"""What the workers of `test_pool.py` and `test_worker.py` are told to do; they import it by name, from this folder."""

from __future__ import annotations

import ctypes
import os
import resource
import signal
import time
from pathlib import Path

from tagswarm.manifests.errors import InvalidDocument

Job = tuple[str, int | float | str]
"""What to do, and with what."""
PR_GET_PDEATHSIG = 2


def do(job: Job) -> object:
    """Do a job: work, or whatever a decoder may do to its process."""
    match job:
        case "double", int(value):
            return 2 * value
        case "echo", str(text):
            return text
        case "exit", int(code):
            os._exit(code)
        case "kill", int(number):
            os.kill(os.getpid(), number)
        case "segfault", _:
            ctypes.string_at(0)
        case "hang", _:
            time.sleep(600)
        case "wait", float(seconds):
            time.sleep(seconds)
            return seconds
        case "allocate", int(size):
            return len(bytearray(size))
        case "raise", str(text):
            raise RuntimeError(text)
        case "refuse", str(text):
            raise InvalidDocument(text, hint="a hint")
        case "die once", str(path) if not Path(path).exists():
            Path(path).touch()
            os._exit(9)
        case "die once", _:
            return "alive"
        case "process", _:
            return os.getpid()
        case "unpicklable", _:
            return lambda: None
    raise AssertionError(job)


def limits(_: object) -> dict[str, object]:
    """What this process may do."""
    deadly = ctypes.c_int()
    ctypes.CDLL(None).prctl(PR_GET_PDEATHSIG, ctypes.byref(deadly))
    return {
        "memory": resource.getrlimit(resource.RLIMIT_AS),
        "core": resource.getrlimit(resource.RLIMIT_CORE),
        "interrupt ignored": signal.getsignal(signal.SIGINT) is signal.SIG_IGN,
        "dies with its parent": deadly.value == signal.SIGKILL,
        "threads of libvips": os.environ["VIPS_CONCURRENCY"],
        "streams": {str(Path(f"/proc/self/fd/{number}").readlink()) for number in range(3)},
    }
