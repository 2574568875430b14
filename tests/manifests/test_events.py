from __future__ import annotations

import dataclasses
import pickle
import typing

import pytest

from tagswarm.manifests import events

EVENTS: list[events.Event] = [
    events.StepStarted("read files", total=10),
    events.StepAdvanced("read files", done=3, bytes=300, item="original/0000/1000.png"),
    events.StepFinished("read files", done=10),
    events.Notice("something", facts={"files": 3}),
]


def test_the_examples_are_all_the_kinds() -> None:
    assert {type(event) for event in EVENTS} == set(typing.get_args(events.Event))


@pytest.mark.parametrize("event", EVENTS)
def test_an_event_is_a_frozen_value_that_travels(event: events.Event) -> None:
    field = dataclasses.fields(event)[0].name
    with pytest.raises(dataclasses.FrozenInstanceError):
        setattr(event, field, "other")
    assert pickle.loads(pickle.dumps(event)) == event


def test_the_silent_report_takes_every_event() -> None:
    report: events.Report = events.silent
    for event in EVENTS:
        report(event)
