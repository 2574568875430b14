"""Wrappers: they keep the contract over real transports, and decide as they say over one that is scripted."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncGenerator, AsyncIterator, Iterable, Sequence
from contextlib import aclosing, asynccontextmanager
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tagswarm.manifests import disk
from tagswarm.mirror.transports import compose
from tagswarm.mirror.transports.base import Arrived, Failed, Item, Reason, Transport
from tagswarm.mirror.transports.compose import GIVEN_UP, Failover, Record, Recording, Retrying
from tagswarm.mirror.transports.http import HttpSource
from tagswarm.mirror.transports.local import LocalSource
from tests.mirror.transports.conformance import Conformance, Opened, Tree, fetched, run
from tests.mirror.transports.servers import Web

ITEMS = [Item(path=f"{number}", size=1, volume="v") for number in range(40)]

Answer = Reason | None
"""What a script says of an item: a reason, or None where it comes."""


class Scripted:
    """A transport that does what it was told; it writes a real byte for what arrives."""

    def __init__(
        self, name: str, script: dict[str, Sequence[Answer]] | Answer = None, retry_after: float = 0.0
    ) -> None:
        self.name = name
        self.script = script
        self.retry_after = retry_after
        self.asked: list[str] = []
        self.closed = 0

    async def fetch(self, items: Iterable[Item], staging: Path) -> AsyncGenerator[Arrived | Failed, None]:
        try:
            for item in items:
                answer = self.script
                if isinstance(answer, dict):
                    turns = answer.get(item.path, (None,))
                    answer = turns[min(self.asked.count(item.path), len(turns) - 1)]
                self.asked.append(item.path)
                await asyncio.sleep(0)
                if answer is not None:
                    yield Failed(item, answer, f"{self.name} says {answer}", self.retry_after)
                    continue
                disk.write(staging / item.path, self.name[:1].encode(), sync=False)
                yield Arrived(item, staging / item.path)
        finally:
            self.closed += 1


class Sleeper:
    """Waits for nothing, and remembers for how long it should have."""

    def __init__(self) -> None:
        self.pauses: list[float] = []

    async def __call__(self, seconds: float) -> None:
        self.pauses.append(seconds)


def patient(transport: Transport, sleeper: Sleeper | None = None, **options: float) -> Retrying:
    return Retrying(transport, sleep=sleeper or Sleeper(), jitter=lambda: 1.0, **options)  # type: ignore[arg-type]


def ask(transport: Transport, staging: Path, items: Iterable[Item] = ITEMS) -> dict[str, str]:
    """The outcomes by path: the first letter of who brought it, or the reason."""
    outcomes = run(fetched(transport, items, staging))
    return {
        outcome.item.path: outcome.file.read_text() if isinstance(outcome, Arrived) else outcome.reason
        for outcome in outcomes
    }


class TestRetrying(Conformance):
    @pytest.fixture
    def opened(self, tree: Tree) -> Opened:
        @asynccontextmanager
        async def opened() -> AsyncIterator[Transport]:
            async with aclosing(LocalSource(tree.root)) as source:
                yield patient(source)

        return opened


class TestFailover(Conformance):
    """The first source has nothing, the second no ranges; the third has all."""

    @pytest.fixture
    def opened(self, web: Web, tree: Tree, tmp_path_factory: pytest.TempPathFactory) -> Opened:
        empty = tmp_path_factory.mktemp("empty")

        @asynccontextmanager
        async def opened() -> AsyncIterator[Transport]:
            async with aclosing(HttpSource(f"{web.address}/whole")) as source, aclosing(LocalSource(empty)) as none:
                yield Failover([none, source, LocalSource(tree.root)], width=100)

        return opened


class TestRecording(Conformance):
    @pytest.fixture
    def opened(self, tree: Tree) -> Opened:
        @asynccontextmanager
        async def opened() -> AsyncIterator[Transport]:
            async with aclosing(LocalSource(tree.root)) as source:
                yield Recording(source, Record("here"))

        return opened


class TestAllTogether(Conformance):
    @pytest.fixture
    def opened(self, web: Web, tree: Tree) -> Opened:
        @asynccontextmanager
        async def opened() -> AsyncIterator[Transport]:
            async with aclosing(HttpSource(web.address)) as first, aclosing(LocalSource(tree.root)) as second:
                failover = Failover([Recording(first, Record("web")), Recording(second, Record("disk"))], width=50)
                yield patient(failover)

        return opened


def test_only_what_may_heal_is_asked_for_again(tmp_path: Path) -> None:
    reasons: tuple[Reason, ...] = (
        "missing", "refused", "unreachable", "stalled", "cut", "damaged", "disk", "unlisted"
    )  # fmt: skip
    source = Scripted("s", {str(number): [reason] for number, reason in enumerate(reasons)})
    found = ask(patient(source), tmp_path, ITEMS[:8])
    assert [found[str(number)] for number in range(8)] == list(reasons)
    assert Counter(source.asked) == {"0": 1, "1": 1, "2": 3, "3": 3, "4": 3, "5": 3, "6": 1, "7": 1}


def test_what_heals_arrives_once(tmp_path: Path) -> None:
    source = Scripted("s", {"3": ["cut", None], "4": ["cut", "unreachable", None], "5": ["cut", "missing"]})
    sleeper = Sleeper()
    found = ask(patient(source, sleeper, pause=1), tmp_path)
    assert found == {item.path: "s" for item in ITEMS} | {"5": "missing"}
    assert sleeper.pauses == [1.0, 2.0]
    assert source.asked[40:] == ["3", "4", "5", "4"]


def test_pauses_grow_to_their_limit_and_no_further(tmp_path: Path) -> None:
    sleeper = Sleeper()
    ask(patient(Scripted("s", "unreachable"), sleeper, attempts=7, pause=1, longest=10), tmp_path)
    assert sleeper.pauses == [1.0, 2.0, 4.0, 8.0, 10.0, 10.0]


@given(st.floats(0, 1), st.integers(1, 6))
@settings(max_examples=30, deadline=None)
def test_pauses_are_between_half_and_all_of_their_length(jitter: float, attempts: int) -> None:
    sleeper = Sleeper()
    retrying = Retrying(
        Scripted("s", "cut"), attempts=attempts, pause=3, longest=1000, sleep=sleeper, jitter=lambda: jitter
    )
    [outcome] = run(fetched(retrying, ITEMS[:1], Path("nowhere")))
    assert isinstance(outcome, Failed)
    assert len(sleeper.pauses) == attempts - 1
    assert all(1.5 * 2**turn <= pause <= 3 * 2**turn for turn, pause in enumerate(sleeper.pauses))


def test_who_asks_to_be_left_alone_is_left_alone(tmp_path: Path) -> None:
    sleeper = Sleeper()
    source = Scripted("s", {"0": ["unreachable", None]}, retry_after=25)
    assert ask(patient(source, sleeper, longest=30), tmp_path, ITEMS[:1]) == {"0": "s"}
    assert sleeper.pauses == [25.0]
    source = Scripted("s", "unreachable", retry_after=31)
    assert ask(patient(source, sleeper, longest=30), tmp_path, ITEMS[:1]) == {"0": "unreachable"}
    assert source.asked == ["0"]


def test_a_source_that_is_down_is_not_remembered_without_bound(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compose, "RETRIED", 10)
    source = Scripted("s", "unreachable")
    assert ask(patient(source), tmp_path) == {item.path: "unreachable" for item in ITEMS}
    assert len(source.asked) == 40 + 10 + 10


def test_the_next_source_has_what_one_does_not(tmp_path: Path) -> None:
    first = Scripted("a", {"1": ["missing"], "2": ["refused"], "3": ["disk"], "4": ["unlisted"], "5": ["cut"]})
    second = Scripted("b", {"5": ["missing"]})
    third = Scripted("c", {"5": ["unlisted"]})
    found = ask(Failover([first, second, third]), tmp_path)
    assert {path: found.pop(path) for path in "12345"} == {"1": "b", "2": "b", "3": "disk", "4": "b", "5": "cut"}
    assert set(found.values()) == {"a"}
    assert second.asked == ["1", "2", "4", "5"]
    assert third.asked == ["5"]


def test_each_source_has_a_folder_of_its_own(tmp_path: Path) -> None:
    ask(Failover([Scripted("a", {"1": ["cut"]}), Scripted("b")]), tmp_path)
    assert [path.name for path in sorted((tmp_path / "1").iterdir())] == ["1"]
    assert not (tmp_path / "0" / "1").exists()


def test_the_failure_that_most_likely_heals_is_told(tmp_path: Path) -> None:
    def told(*sources: Transport) -> Failed:
        [outcome] = run(fetched(Failover(sources), ITEMS[:1], tmp_path))
        assert isinstance(outcome, Failed)
        return outcome

    assert told(Scripted("a", "stalled"), Scripted("b", "missing")).reason == "stalled"
    assert told(Scripted("a", "missing"), Scripted("b", "stalled")).reason == "stalled"
    assert told(Scripted("a", "missing"), Scripted("b", "unlisted")).reason == "missing"
    assert told(Scripted("a", "cut", 60), Scripted("b", "cut", 5)).retry_after == 5
    assert told().reason == "unlisted"


def test_a_source_that_fails_much_is_asked_last(tmp_path: Path) -> None:
    bad, good = Scripted("bad", "missing"), Scripted("good")
    assert set(ask(Failover([bad, good], width=10), tmp_path).values()) == {"g"}
    assert len(bad.asked) == 10
    half, good = Scripted("half", {str(number): ["missing"] for number in range(0, 40, 2)}), Scripted("good")
    ask(Failover([half, good], width=10), tmp_path)
    assert len(half.asked) == 40


def test_a_source_that_recovers_is_asked_first_again(tmp_path: Path) -> None:
    first = Scripted("a", {str(number): ["missing"] for number in range(10)})
    second = Scripted("b", {str(number): ["missing"] for number in range(10, 20)})
    found = ask(Failover([first, second], width=10), tmp_path)
    assert [found[str(number)] for number in (5, 15, 25, 35)] == ["b", "a", "a", "a"]


def test_a_dead_source_costs_a_few_failures(tmp_path: Path) -> None:
    dead, good = Scripted("dead", "unreachable"), Scripted("good")
    failover = Failover([dead, good])
    assert set(ask(failover, tmp_path).values()) == {"g"}
    assert len(dead.asked) == GIVEN_UP
    assert dead.closed == 1
    assert set(ask(failover, tmp_path).values()) == {"g"}
    assert len(dead.asked) == GIVEN_UP
    assert ask(Failover([dead], width=GIVEN_UP), tmp_path) == {item.path: "unreachable" for item in ITEMS}
    assert len(dead.asked) == 2 * GIVEN_UP, "in one call it is dead once for all slices"


def test_blame_makes_a_source_the_last(tmp_path: Path) -> None:
    lying, good = Scripted("lying"), Scripted("good")
    failover = Failover([lying, good])
    outcomes = run(fetched(failover, ITEMS[:3], tmp_path))
    assert isinstance(outcomes[0], Arrived)
    failover.blame(outcomes[0], tmp_path)
    assert set(ask(failover, tmp_path).values()) == {"g"}
    assert len(lying.asked) == 3


@given(
    st.lists(
        st.dictionaries(
            st.sampled_from([item.path for item in ITEMS]),
            st.lists(
                st.sampled_from(["missing", "cut", "disk", "unlisted", "unreachable", None]), min_size=1, max_size=3
            ),
        ),
        max_size=3,
    ),
    st.lists(st.sampled_from(ITEMS), max_size=60),
    st.integers(1, 20),
)
@settings(max_examples=60, deadline=None)
def test_every_item_has_one_outcome_whatever_the_sources_say(
    tmp_path_factory: pytest.TempPathFactory,
    scripts: list[dict[str, list[Answer]]],
    items: list[Item],
    width: int,
) -> None:
    staging = tmp_path_factory.mktemp("staging")
    sources = [Scripted(f"{number}", dict(script)) for number, script in enumerate(scripts)]
    outcomes = run(fetched(patient(Failover(sources, width=width)), iter(items), staging))
    assert Counter(outcome.item for outcome in outcomes) == Counter(items)
    for outcome in outcomes:
        if isinstance(outcome, Failed):
            for source in sources:  # nobody who was asked would have had it at last, unless the disk stood in the way
                turns = source.script.get(outcome.item.path, [None]) if isinstance(source.script, dict) else [None]
                assert outcome.reason == "disk" or any(turns)


def test_closing_early_closes_all_the_way_down(tmp_path: Path) -> None:
    source = Scripted("s")

    async def body() -> None:
        outcomes = patient(Failover([Recording(source, Record("s"))])).fetch(ITEMS, tmp_path)
        await anext(outcomes)
        await outcomes.aclose()
        assert source.closed == 1
        assert len(asyncio.all_tasks()) <= 2

    run(body())


def test_what_a_source_did_is_counted(tmp_path: Path) -> None:
    ticks = iter((10.0, 12.5, 20.0, 21.0))
    record = Record("https://host/a")
    recording = Recording(
        Scripted("s", {"1": ["missing"], "2": ["cut"], "3": ["cut"]}), record, clock=lambda: next(ticks)
    )
    ask(recording, tmp_path)
    assert (record.arrived, record.bytes, record.seconds) == (37, 37, 2.5)
    assert record.failed == {"missing": 1, "cut": 2}
    ask(recording, tmp_path, ITEMS[4:6])
    assert (record.arrived, record.seconds) == (39, 3.5)
