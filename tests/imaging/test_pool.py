"""Workers that die, hang, eat memory or fail: what becomes of their task, and that nobody else notices."""

from __future__ import annotations

import os
import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from importlib import import_module
from multiprocessing import Pipe
from pathlib import Path
from typing import Any

import pytest

from tagswarm.imaging import pool
from tagswarm.imaging.pool import Lost
from tagswarm.manifests.errors import InvalidDocument

HERE = Path(__file__).parent
Do = Callable[[Any], object]


@pytest.fixture
def do(monkeypatch: pytest.MonkeyPatch) -> Do:
    """The function of `jobs`, importable here and in the workers."""
    monkeypatch.syspath_prepend(HERE)
    monkeypatch.setenv("PYTHONPATH", str(HERE))
    function: Do = import_module("jobs").do
    return function


def alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    return True


def children() -> set[str]:
    """The processes that this one has started and that are not gone, whatever thread did it."""
    return {child for path in Path("/proc/self/task").glob("*/children") for child in path.read_text().split()}


def test_every_task_has_its_result_in_any_order(do: Do) -> None:
    before = children()
    found = list(pool.run(do, [("double", number) for number in range(200)], workers=2))
    assert sorted(found) == [(("double", number), 2 * number) for number in range(200)]
    assert children() == before


@pytest.mark.timeout(60)
def test_large_tasks_with_large_results_do_not_wait_for_each_other(do: Do) -> None:
    """A socket holds a few hundred kilobytes each way: neither side may wait for room while the other does."""
    jobs = [("echo", str(number) * 1_000_000) for number in range(10)]
    assert list(pool.run(do, jobs, workers=1)) == [(job, job[1]) for job in jobs]


def test_without_a_task_no_worker_is_started(do: Do, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(subprocess, "Popen")
    assert list(pool.run(do, [])) == []


def test_of_a_thousand_tasks_only_the_three_that_are_poison_are_lost(do: Do) -> None:
    jobs: list[tuple[str, int]] = [("double", number) for number in range(1000)]
    jobs[3], jobs[500], jobs[998] = ("kill", signal.SIGKILL), ("hang", 0), ("segfault", 0)
    outcomes = dict(pool.run(do, jobs, workers=2, seconds=lambda job: 0.4 if job == ("hang", 0) else 30.0))
    assert len(outcomes) == 1000
    lost = {job: outcome for job, outcome in outcomes.items() if isinstance(outcome, Lost)}
    assert lost == {
        ("kill", signal.SIGKILL): Lost("crash", "the worker ended with -9"),
        ("hang", 0): Lost("timeout", "more than 0.4 s"),
        ("segfault", 0): Lost("crash", "the worker ended with -11"),
    }
    assert all(outcomes[job] == 2 * job[1] for job in jobs if job[0] == "double")


def test_who_waited_behind_a_dying_task_is_not_blamed(do: Do) -> None:
    jobs = [("exit", 7), *(("double", number) for number in range(pool.AHEAD + 3))]
    found = dict(pool.run(do, jobs, workers=1, retries=0))
    assert [job for job, outcome in found.items() if isinstance(outcome, Lost)] == [("exit", 7)]
    assert len(found) == len(jobs)


def test_a_worker_that_dies_costs_its_task_one_retry(do: Do, tmp_path: Path) -> None:
    job = ("die once", str(tmp_path / "once"))
    assert list(pool.run(do, [job], workers=1)) == [(job, "alive")]
    (tmp_path / "once").unlink()
    assert list(pool.run(do, [job], workers=1, retries=0)) == [(job, Lost("crash", "the worker ended with 9"))]


def test_a_task_may_take_its_own_time(do: Do) -> None:
    jobs = [("wait", 0.9), ("wait", 0.8)]
    found = dict(pool.run(do, jobs, workers=2, retries=0, seconds=lambda job: 30.0 if job == jobs[0] else 0.2))
    assert found == {jobs[0]: 0.9, jobs[1]: Lost("timeout", "more than 0.2 s")}


def test_the_clock_of_a_task_starts_when_it_is_in_hand(do: Do) -> None:
    """Four tasks lie with one worker: the last has waited longer than it may take."""
    jobs = [("wait", 0.5 + number / 1000) for number in range(pool.AHEAD)]
    assert dict(pool.run(do, jobs, workers=1, seconds=1.9)) == {job: job[1] for job in jobs}


def test_memory_is_limited(do: Do) -> None:
    jobs = [("allocate", 10_000_000), ("allocate", 900_000_000)]
    found = dict(pool.run(do, jobs, workers=1, memory=600_000_000))
    assert found == {jobs[0]: 10_000_000, jobs[1]: Lost("memory")}


def test_an_exception_is_a_crash_of_its_task_and_of_no_process(do: Do) -> None:
    jobs = [("process", 1), ("raise", "a decoder gave up"), ("process", 2)]
    found = dict(pool.run(do, jobs, workers=1))
    assert found[jobs[1]] == Lost("crash", "RuntimeError: a decoder gave up")
    assert found[jobs[0]] == found[jobs[2]]


def test_a_result_that_cannot_be_sent_is_a_crash(do: Do) -> None:
    jobs = [("unpicklable", 0), ("double", 1)]
    found = dict(pool.run(do, jobs, workers=1))
    assert isinstance(found[jobs[0]], Lost)
    assert found[jobs[1]] == 2


def test_an_error_of_ours_ends_the_run(do: Do) -> None:
    before = children()
    with pytest.raises(InvalidDocument, match="not this release") as caught:
        list(pool.run(do, [("refuse", "not this release"), *(("double", n) for n in range(50))], workers=2))
    assert caught.value.hint == "a hint"
    assert children() == before


def test_closing_early_leaves_no_process(do: Do) -> None:
    results = pool.run(do, [("process", 1), ("process", 2), *[("hang", 0)] * 20], workers=2)
    process = next(results)[1]
    assert isinstance(process, int)
    assert alive(process)
    assert isinstance(results, Iterator)
    results.close()  # type: ignore[attr-defined]
    assert not alive(process)


def test_tasks_are_pulled_a_few_ahead(do: Do) -> None:
    pulled = 0

    def jobs() -> Iterable[tuple[str, int]]:
        nonlocal pulled
        for number in range(10_000):
            pulled += 1
            yield "double", number

    results = pool.run(do, jobs(), workers=2)
    assert pulled == 0
    for done, _ in enumerate(results, 1):
        assert pulled <= done + 2 * pool.AHEAD
        if done == 100:
            break
    results.close()  # type: ignore[attr-defined]


@pytest.mark.usefixtures("do")
def test_workers_die_with_their_parent() -> None:
    script = """
from jobs import do
from tagswarm.imaging import pool
for _, process in pool.run(do, [("process", 1), ("process", 2), ("hang", 0), ("hang", 1)], workers=2):
    print(process, flush=True)
"""
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        workers = [int(parent.stdout.readline()) for _ in range(2)]
        parent.kill()
    end = time.monotonic() + 10
    while any(map(alive, workers)) and time.monotonic() < end:
        time.sleep(0.01)
    assert not any(map(alive, workers))


@pytest.mark.timeout(60)
def test_tasks_that_are_made_while_others_are_worked_on(do: Do) -> None:
    """An iterator that has nothing at the moment says so, and is asked again when it is woken."""
    given: queue.SimpleQueue[int | None] = queue.SimpleQueue()
    read, wake = Pipe(duplex=False)

    def jobs() -> Iterator[tuple[str, int] | pool.Later]:
        while True:
            try:
                number = given.get_nowait()
            except queue.Empty:
                yield pool.LATER
                continue
            if number is None:
                return
            yield ("double", number)

    def give() -> None:
        for number in range(50):
            given.put(number)
            wake.send_bytes(b".")
            if number % 10 == 0:
                time.sleep(0.05)
        given.put(None)
        wake.send_bytes(b".")

    before = children()
    giving = threading.Thread(target=give)
    giving.start()
    found = sorted(pool.run(do, jobs(), workers=2, wake=read))
    giving.join()
    read.close()
    wake.close()
    assert found == [(("double", number), 2 * number) for number in range(50)]
    assert children() == before


@pytest.mark.parametrize("limit", ["RLIMIT_NOFILE", "RLIMIT_NPROC"])
def test_a_system_without_room_for_a_process_is_one_clear_error(limit: str) -> None:
    """Asked of a process of its own, of a user without other processes: limits count all that a user has."""
    program = f"""
import os, resource
from tagswarm.imaging import pool
from tagswarm.manifests.errors import StoreError
if os.getuid() == 0:
    os.setuid(65_500)
opened = max(map(int, os.listdir("/proc/self/fd")))
resource.setrlimit(resource.{limit}, (opened if "{limit}" == "RLIMIT_NOFILE" else 0,) * 2)
try:
    list(pool.run(len, ["a", "b"], workers=2))
except StoreError as error:
    print(error.message, "|", error.hint)
"""
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=30, check=True)
    assert ran.stdout.startswith("no worker process can be started: ")
    assert "ulimit" in ran.stdout
    assert ran.stderr == ""
