"""Whoever watches many stages hears what any of them waits for, and until when."""

from __future__ import annotations

import threading
import time
from concurrent.futures import Future, ThreadPoolExecutor

import pytest

from assetmill.agents.gateway import Response, ResponseRequest
from assetmill.errors import OutcomeUnknown, StageInDoubt, Throttled
from assetmill.money.budget import Ceiling
from assetmill.money.prices import estimate
from assetmill.outages import clock_time
from assetmill.records import RunId, StageRecord
from assetmill.stage.engine import run_stage
from assetmill.stage.services import Services
from assetmill.stage.waits import CurrentWaits
from tests.assetmill.stage.processes import RUN, Crash, Start, failing
from tests.doubles import ScriptedGateway, stage_call


def heard(services: Services) -> set[str]:
    """Return what is said while stages wait; it fills as they do."""
    said: set[str] = set()
    wait = services.wait

    def listening(seconds: float) -> None:
        said.add(services.waits.told())
        wait(seconds)

    services.wait = listening
    return said


def test_a_refused_request_is_said_with_its_next_try(process: Start, gateway: ScriptedGateway) -> None:
    services = process()
    said = heard(services)
    gateway.before = failing(Throttled("slow down", "", 429, 7.0))
    until = clock_time(services.clock() + 7.0)
    run_stage(stage_call(), services, RUN)
    assert f"tries again what was refused: 1 request until {until}" in said
    assert services.waits.told() == ""


def test_another_process_is_said_with_the_end_of_its_lease(process: Start, gateway: ScriptedGateway) -> None:
    gateway.before = failing(Crash())
    first = process(lease_s=300.0)
    with pytest.raises(Crash):
        run_stage(stage_call(), first, RUN)
    until = clock_time(first.clock() + 300.0)
    second = process()
    said = heard(second)
    with pytest.raises(StageInDoubt):
        run_stage(stage_call(), second, RunId("run-2"))
    assert f"waits for another process, which has 1 stage until {until}" in said
    assert second.waits.told() == ""


def test_a_response_that_reads_lag_behind_is_said(process: Start, gateway: ScriptedGateway) -> None:
    services = process(settle_s=30.0)
    said = heard(services)
    gateway.after = failing(OutcomeUnknown("lost"))
    until = clock_time(services.clock() + 30.0)
    lists, began = gateway.list_responses, services.clock()

    def lagging(conversation_id: str) -> tuple[Response, ...]:
        return lists(conversation_id) if services.clock() - began > 10.0 else ()

    gateway.list_responses = lagging
    run_stage(stage_call(), services, RUN)
    assert services.waits.told() == ""
    assert f"finds out what became of 1 request until {until}" in said


def test_room_under_a_ceiling_is_said_while_others_may_give_it_back(
    process: Start, gateway: ScriptedGateway
) -> None:
    price = estimate(stage_call())
    assert price is not None
    services = process(Ceiling("run/r", price.ceiling * 1.5))
    said, heard_of = set[str](), threading.Event()

    def waiting(seconds: float) -> None:
        said.add(services.waits.told())
        if "give back" in services.waits.told():
            heard_of.set()
        time.sleep(min(seconds, 0.01))

    def second_begins(_: ResponseRequest) -> None:
        """While one stage is paid for, the other asks for what it has reserved."""
        if not others:
            others.append(pool.submit(run_stage, stage_call(prompt="another"), services, RUN))
            assert heard_of.wait(20)

    services.wait, gateway.before = waiting, second_begins
    others: list[Future[StageRecord]] = []
    with ThreadPoolExecutor(1) as pool:
        run_stage(stage_call(), services, RUN)
        assert others[0].result(20).attempt == 1
    assert "waits for what stages at work may give back: 1 stage" in said


def test_all_waits_are_said_in_one_line() -> None:
    waits = CurrentWaits(lambda: 100.0)
    waits.note_quota("gpt-image-2", 160.0)
    with waits.waiting("retry", 130.0), waits.waiting("retry", 140.0), waits.waiting("outcome", 700.0):
        assert waits.told() == (
            f"waits for the quota of gpt-image-2 until {clock_time(160.0)}, "
            f"finds out what became of 1 request until {clock_time(700.0)}, "
            f"tries again what was refused: 2 requests until {clock_time(140.0)}"
        )
    waits.note_quota("gpt-image-2", 99.0)
    assert waits.told() == ""
