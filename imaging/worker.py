"""One worker process: it takes tasks from a socket, runs one function on each, and sends what came of it.

The process limits itself before it imports anything that touches a file from outside: address space, no core dumps,
death with its parent. A decoder that is fooled, crashes or eats memory takes this process with it and nothing else.

Nothing here supervises: who starts the process, how long a task may take and what becomes of a task whose worker died
is decided in `pool`. Run as `python -m tagswarm.imaging.worker FD MEMORY MODULE:FUNCTION`.
"""

from __future__ import annotations

import contextlib
import ctypes
import importlib
import resource
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from multiprocessing.connection import Connection
from queue import SimpleQueue
from typing import Any

from tagswarm.manifests.errors import TagswarmError

PR_SET_PDEATHSIG = 1


def limit(memory: int) -> None:
    """Limit this process: `memory` bytes of address space, no core dump, no life after its parent."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the parent decides what it means
    with contextlib.suppress(OSError, AttributeError):  # Linux only; elsewhere the closed socket ends the worker
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def serve(connection: Connection[Any, Any], function: Callable[[Any], Any]) -> None:
    """Answer every task with `(kind, value)`: `done` and its result, `raised` and our error, or why it has neither."""
    for task in _incoming(connection):
        try:
            answer = ("done", function(task))
        except MemoryError:
            answer = ("memory", "")
        except TagswarmError as error:
            answer = ("raised", error)
        except Exception as error:
            answer = ("crash", f"{type(error).__name__}: {error}"[:500])
        connection.send(answer)


def _incoming(connection: Connection[Any, Any]) -> Iterator[Any]:
    """Tasks until the socket is closed.

    A thread takes them in while others are worked on: a supervisor that hands over a large task would wait for a worker
    that hands over a large result, and so for ever.
    """
    tasks: SimpleQueue[list[Any]] = SimpleQueue()

    def take_in() -> None:
        while True:
            try:
                tasks.put([connection.recv()])
            except Exception:  # closed, or not to be read: either way this worker has come to its end
                tasks.put([])
                return

    threading.Thread(target=take_in, daemon=True).start()
    while received := tasks.get():
        yield received[0]


def main() -> None:
    """Serve the socket that the pool opened for this process."""
    descriptor, memory, name = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
    limit(memory)
    module, _, function = name.partition(":")
    with contextlib.suppress(BrokenPipeError, ConnectionResetError):
        serve(Connection(descriptor), getattr(importlib.import_module(module), function))


if __name__ == "__main__":
    main()
