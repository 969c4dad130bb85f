"""Stages whose service is a script in this process, so that what is measured is the engine and the store."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

from assetmill.agents.gateway import ResponseRequest
from assetmill.plan.calls import ExpectedOutput, StageCall
from assetmill.records import RunId
from assetmill.settings import Settings
from assetmill.stage.engine import run_stage
from assetmill.stage.services import Services, Wait
from assetmill.store.backend import Backend
from tests.doubles import Body, ScriptedGateway, citing, code_item, image_item, png, stage_call


def picture(number: str) -> StageCall:
    """Return a stage that draws one picture."""
    return stage_call(variant=f"number={number}", prompt=f"draw mug {number}")


def table(number: str) -> StageCall:
    """Return a stage whose file comes from a container."""
    return stage_call(
        variant=f"number={number}",
        prompt=f"write table {number}",
        tools=({"type": "code_interpreter"},),
        outputs=(ExpectedOutput("data", "table.csv"),),
    )


def answer(request: ResponseRequest) -> Sequence[Body]:
    """Answer as the stage asks: with a file of a container, or with a picture."""
    if "table" in str(request.input):
        return (code_item(), citing("cntr_1", cfile_1="table.csv"))
    return (image_item(png()),)


def walk(store: Backend, home: Path, calls: Sequence[StageCall]) -> tuple[float, float]:
    """Run stages one after the other; return the milliseconds of CPU and the store's requests of each."""
    gateway, settings = ScriptedGateway(answer), Settings(profile="bench", home=home, configs=home)
    gateway.containers["cntr_1"] = {"cfile_1": ("table.csv", b"a,b\n1,2\n")}

    def connect(_: Settings, __: Wait) -> ScriptedGateway:
        return gateway

    services = Services(settings, store, connect, ())
    # A new one each time: it loads, and asks the store for, what all need.
    run_stage(stage_call(prompt=f"the first at {time.time_ns()}"), services, RunId("run-bench"))
    asked, started = store.requests, time.process_time()
    for call in calls:
        run_stage(call, services, RunId("run-bench"))
    used_ms = (time.process_time() - started) * 1000 / len(calls)
    asked = store.requests - asked
    services.close()
    return used_ms, asked / len(calls)
