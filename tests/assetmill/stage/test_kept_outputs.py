"""What was paid for is kept, also when it is not what was asked, damaged, or gone from its container."""

from __future__ import annotations

import pytest

from assetmill.agents.gateway import OnFrame, Response
from assetmill.errors import (
    OutputUnusable,
    StageFailed,
)
from assetmill.plan.calls import ExpectedOutput
from assetmill.records import RunId, StageRecord
from assetmill.stage.engine import run_stage
from assetmill.store import layout
from assetmill.store.memory import MemoryStore
from tests.assetmill.stage.processes import RUN, Crash, Start
from tests.doubles import ScriptedGateway, always, image_item, png, stage_call


def test_a_picture_that_is_not_as_asked_is_kept(
    process: Start, gateway: ScriptedGateway, backend: MemoryStore
) -> None:
    services = process()
    call = stage_call(outputs=(ExpectedOutput("picture", "hero.png", width=999),))
    with pytest.raises(OutputUnusable, match="64 px wide, not 999"):
        run_stage(call, services, RUN)
    attempt = services.ledger.newest_attempt(call.pipeline, call.fingerprint)
    assert attempt is not None
    assert attempt.verdict is not None
    assert services.blobs.get(attempt.verdict.kept[0].blob) == png()


def test_every_picture_of_a_response_is_kept(process: Start, gateway: ScriptedGateway) -> None:
    gateway.script = always(image_item(png(colour="red"), "ig_1"), image_item(png(colour="blue"), "ig_2"))
    record = run_stage(stage_call(), process(), RUN)
    assert [(asset.name, asset.role) for asset in record.outputs] == [
        ("hero.png", "output"),
        ("image-2.png", "candidate"),
    ]


@pytest.mark.parametrize("result", ["@@@not base64@@@", "", "AAAA"])
def test_a_damaged_picture_fails_the_stage_and_stays_in_the_raw_response(
    process: Start, gateway: ScriptedGateway, result: str
) -> None:
    services = process()
    gateway.script = always({**image_item(png()), "result": result})
    with pytest.raises((StageFailed, OutputUnusable)):
        run_stage(stage_call(), services, RUN)
    call = stage_call()
    raw = services.ledger.read_raw(call.pipeline, call.fingerprint, 1, 1)
    assert b'"ig_1"' in raw


def test_a_container_that_was_emptied_may_disappear(process: Start, gateway: ScriptedGateway) -> None:
    """The process dies between the harvest and the commit, and comes back when the container is gone."""
    code = {"type": "code_interpreter_call", "container_id": "cntr_1"}
    gateway.script = always(image_item(png()), code)
    gateway.containers["cntr_1"]["cfile_1"] = ("sums.csv", b"a,b\n")
    services = process(lease_s=1e-9)

    def die(record: StageRecord) -> StageRecord:
        raise Crash

    services.ledger.commit = die
    with pytest.raises(Crash):
        run_stage(stage_call(), services, RUN)
    gateway.containers.clear()
    record = run_stage(stage_call(), process(), RunId("run-2"))
    assert [asset.name for asset in record.outputs] == ["hero.png", "sums.csv"]


def test_a_container_that_is_gone_costs_only_what_was_asked_of_it(
    process: Start, gateway: ScriptedGateway
) -> None:
    code = {"type": "code_interpreter_call", "container_id": "cntr_gone"}
    gateway.script = always(image_item(png()), code)
    assert len(run_stage(stage_call(), process(), RUN).outputs) == 1
    wanted = (ExpectedOutput("picture", "hero.png"), ExpectedOutput("data", "sums.csv"))
    with pytest.raises(OutputUnusable, match="its container is gone"):
        run_stage(stage_call(outputs=wanted), process(), RUN)


@pytest.mark.parametrize(("streaming", "partial"), [(True, 2), (False, 0)])
def test_partial_pictures_that_were_asked_for_are_part_of_the_cost(
    process: Start, way: str, streaming: bool, partial: int
) -> None:
    tool = {**stage_call().tools[0], "partial_images": 2}
    record = run_stage(stage_call(tools=(tool,)), process(streaming=streaming), RUN)
    assert record.usage.partial_images == (2 if way == "stream" else partial)


def test_a_lost_partial_picture_stands_in_nobodys_way(
    process: Start, gateway: ScriptedGateway, backend: MemoryStore
) -> None:
    """The process dies before it closes the attempt, and the store loses what had passed by."""
    follow = gateway.follow_response

    def dying(response_id: str, *, deadline_s: float, on_frame: OnFrame | None) -> Response:
        follow(response_id, deadline_s=deadline_s, on_frame=on_frame)
        raise Crash

    gateway.status = "failed"
    gateway.script = always()
    gateway.follow_response = dying
    with pytest.raises(Crash):
        run_stage(stage_call(), process(lease_s=1e-9), RUN)
    gateway.follow_response = follow
    lost = [one.key for one in backend.list(layout.BLOBS) if backend.get(one.key) == png(8, 8)]
    for key in lost:
        backend.delete(key)
    assert lost

    def quiet(response_id: str, *, deadline_s: float, on_frame: OnFrame | None) -> Response:
        return follow(response_id, deadline_s=deadline_s, on_frame=None)

    gateway.follow_response = quiet
    with pytest.raises(StageFailed, match="it ended failed"):
        run_stage(stage_call(), process(), RunId("run-2"))
    assert len(gateway.posts) == 1


def test_a_container_file_that_the_store_has_lost_is_fetched_again(
    process: Start, gateway: ScriptedGateway, backend: MemoryStore
) -> None:
    code = {"type": "code_interpreter_call", "container_id": "cntr_1"}
    gateway.script = always(image_item(png()), code)
    gateway.containers["cntr_1"]["cfile_1"] = ("sums.csv", b"a,b\n")
    services = process(lease_s=1e-9)

    def die(*_: object, **__: object) -> StageRecord:
        raise Crash

    services.ledger.commit = die  # type: ignore[method-assign]
    with pytest.raises(Crash):
        run_stage(stage_call(), services, RUN)
    (lost,) = [one.key for one in backend.list(layout.BLOBS) if backend.get(one.key) == b"a,b\n"]
    backend.delete(lost)
    record = run_stage(stage_call(), process(), RunId("run-2"))
    assert [asset.name for asset in record.outputs] == ["hero.png", "sums.csv"]
    assert len(gateway.posts) == 1
