"""One worker: how it limits itself, and what it answers."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from importlib import import_module
from multiprocessing import Pipe
from pathlib import Path
from typing import Any

import pytest

from tagswarm.imaging import pool, worker
from tagswarm.manifests.errors import InvalidDocument, TagswarmError

HERE = Path(__file__).parent


def test_a_worker_limits_itself_before_it_takes_a_task(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(HERE)
    monkeypatch.setenv("PYTHONPATH", str(HERE))
    monkeypatch.setenv("VIPS_CONCURRENCY", "7")
    limits: Callable[[object], dict[str, object]] = import_module("jobs").limits
    ((_, found),) = pool.run(limits, [None], workers=1, memory=700_000_000)
    assert found == {
        "memory": (700_000_000, 700_000_000),
        "core": (0, 0),
        "interrupt ignored": True,
        "dies with its parent": True,
        "threads of libvips": "1",
        "streams": {"/dev/null"},
    }


def answer(task: Any) -> Any:
    if isinstance(task, BaseException):
        raise task
    return [task]


@pytest.fixture
def ask() -> Iterator[Callable[[object], tuple[str, object]]]:
    """Ask a worker that runs `answer` in a thread; in the end its connection is closed, and it returns."""
    ours, theirs = Pipe()
    thread = threading.Thread(target=worker.serve, args=(theirs, answer), daemon=True)
    thread.start()

    def asked(task: object) -> tuple[str, object]:
        ours.send(task)
        reply: tuple[str, object] = ours.recv()
        return reply

    yield asked
    ours.close()
    thread.join(10)
    assert not thread.is_alive()
    theirs.close()


def test_answers_in_order(ask: Callable[[object], tuple[str, object]]) -> None:
    assert [ask(number) for number in range(5)] == [("done", [number]) for number in range(5)]


def test_what_goes_wrong_is_an_answer_too(ask: Callable[[object], tuple[str, object]]) -> None:
    assert ask(MemoryError()) == ("memory", "")
    assert ask(KeyError("no such chunk")) == ("crash", "KeyError: 'no such chunk'")
    kind, detail = ask(ValueError("long " * 1000))
    assert kind == "crash"
    assert isinstance(detail, str)
    assert len(detail) == 500
    kind, error = ask(InvalidDocument("what", hint="what to do"))
    assert kind == "raised"
    assert isinstance(error, TagswarmError)
    assert (str(error), error.hint) == ("what", "what to do")
    assert ask("still here") == ("done", ["still here"])
