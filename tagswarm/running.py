"""What is asynchronous, waited for: the plain functions of the API are made from the asynchronous ones here.

The work runs in a thread with an event loop of its own, so that it can be waited for in a notebook, too, where a loop
is running already.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from typing import Any, ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")


def run(work: Coroutine[Any, Any, T]) -> T:
    """Run it to its end and return what it returns; Ctrl-C cancels it, and its end is waited for."""
    stopping = threading.Event()
    stop: list[Callable[[], object]] = []

    async def cancellable() -> T:
        task, loop = asyncio.current_task(), asyncio.get_running_loop()
        assert task is not None
        stop.append(lambda: loop.call_soon_threadsafe(task.cancel))
        if stopping.is_set():
            task.cancel()
        return await work

    own = ThreadPoolExecutor(1, thread_name_prefix="tagswarm")
    try:
        return own.submit(asyncio.run, cancellable()).result()
    except BaseException:
        stopping.set()
        for cancel in stop:
            with contextlib.suppress(RuntimeError):  # its loop is closed: it has ended, and this is what it met
                cancel()
        raise
    finally:
        own.shutdown()


def blocking(work: Callable[P, Coroutine[Any, Any, T]], name: str) -> Callable[P, T]:
    """The function that waits for an asynchronous one: same arguments, same result, under another name."""

    @functools.wraps(work)
    def wait(*args: P.args, **kwargs: P.kwargs) -> T:
        return run(work(*args, **kwargs))

    wait.__name__ = name
    wait.__qualname__ = f"{work.__qualname__.rpartition('.')[0]}.{name}".lstrip(".")
    return wait
