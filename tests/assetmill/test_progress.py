from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest

from assetmill.progress import LOGGER_NAME, EventHandler, StageEvent, emit


@pytest.fixture
def heard() -> Iterator[list[StageEvent]]:
    events: list[StageEvent] = []
    handler = EventHandler(events.append)
    logger = logging.getLogger(LOGGER_NAME)
    before = logger.level
    logger.setLevel(logging.DEBUG)
    logger.addHandler(handler)
    yield events
    logger.removeHandler(handler)
    logger.setLevel(before)


def test_a_listener_hears_the_event_that_was_emitted(heard: list[StageEvent]) -> None:
    event = StageEvent("finished", "hero", "run_1", seconds=1.25, cost_usd=0.05)
    emit(event)
    assert heard == [event]


def test_other_records_of_the_logger_go_by(heard: list[StageEvent]) -> None:
    logging.getLogger(LOGGER_NAME).warning("not an event")
    assert heard == []


def test_an_event_reads_well_in_a_plain_log() -> None:
    event = StageEvent("finished", "hero", "run_1", seconds=1.25, cost_usd=0.05, response_id="resp_1")
    assert str(event) == "hero: finished, 1.2 s, $0.0500, resp_1"
