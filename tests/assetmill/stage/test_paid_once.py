"""However often and from wherever a stage is asked for, it is posted once."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from assetmill.errors import (
    RunStopped,
)
from assetmill.fingerprint import digest
from assetmill.plan.calls import BoundInput, BoundKnowledge
from assetmill.records import BlobRef, RunId
from assetmill.stage.engine import run_stage
from assetmill.store.memory import MemoryStore
from tests.assetmill.stage.processes import RUN, Start, failing
from tests.doubles import ScriptedGateway, always, message_item, png, stage_call


def test_a_stage_is_paid_once_and_its_bytes_are_kept(process: Start, gateway: ScriptedGateway) -> None:
    services = process()
    record = run_stage(stage_call(), services, RUN)
    assert [asset.name for asset in record.outputs] == ["hero.png"]
    assert services.blobs.get(record.outputs[0].blob) == png()
    assert record.made_by[0].response_id.startswith("resp_")
    assert len(gateway.posts) == 1


def test_a_finished_stage_is_never_asked_for_again(process: Start, gateway: ScriptedGateway) -> None:
    first = run_stage(stage_call(), process(), RUN)
    gateway.before = failing(AssertionError("a second spend"))
    assert run_stage(stage_call(), process(), RunId("run-2")) == first
    assert len(gateway.posts) == 1


def test_the_intent_is_stored_before_the_post(
    process: Start, gateway: ScriptedGateway, backend: MemoryStore
) -> None:
    seen: list[int] = []
    gateway.before = lambda _: seen.append(len(list(backend.list("v1/i/"))))
    run_stage(stage_call(), process(), RUN)
    assert seen == [1]


def test_the_receipt_is_stored_before_the_first_poll(
    process: Start, gateway: ScriptedGateway, backend: MemoryStore
) -> None:
    receipts: list[int] = []
    follow = gateway.follow_response

    def watching(response_id: str, **options: object) -> object:
        receipts.append(len(list(backend.list("v1/c/"))))
        return follow(response_id, deadline_s=1, on_frame=None)

    gateway.follow_response = watching  # type: ignore[assignment]
    run_stage(stage_call(), process(), RUN)
    assert receipts == [1]


def test_two_threads_of_one_process_share_one_spend(process: Start, gateway: ScriptedGateway) -> None:
    services = process()
    with ThreadPoolExecutor(8) as pool:
        futures = [pool.submit(run_stage, stage_call(), services, RUN) for _ in range(8)]
    records = [future.result() for future in futures]
    assert len(gateway.posts) == 1
    assert len({record.made_by for record in records}) == 1


def test_two_processes_share_one_spend(process: Start, gateway: ScriptedGateway) -> None:
    with ThreadPoolExecutor(6) as pool:
        futures = [pool.submit(run_stage, stage_call(), process(lease_s=60), RUN) for _ in range(6)]
    records = [future.result() for future in futures]
    assert len(gateway.posts) == 1
    assert len({record.made_by for record in records}) == 1


def test_a_stopped_run_spends_nothing_more(process: Start, gateway: ScriptedGateway) -> None:
    services = process()
    services.stop.set()
    with pytest.raises(RunStopped):
        run_stage(stage_call(), services, RUN)
    assert gateway.posts == []


def test_inputs_and_knowledge_are_uploaded_once(
    process: Start, gateway: ScriptedGateway, tmp_path: Path
) -> None:
    path = tmp_path / "rules.md"
    path.write_bytes(b"# rules")
    ref = BlobRef(digest=digest(b"# rules"), size_bytes=7, media_type="text/markdown")
    file = BoundInput("rules.md", "container_file", ref, path=str(path))
    knowledge = BoundKnowledge("brand", digest(b"all"), (file,))
    tools = ({"type": "file_search", "knowledge": ["brand"]}, {"type": "code_interpreter"})
    gateway.script = always(message_item("done"))
    services = process()
    for prompt in ("one", "two"):
        call = stage_call(prompt=prompt, tools=tools, inputs=(file,), knowledge=(knowledge,), outputs=())
        assert run_stage(call, services, RUN).text == "done"
    assert gateway.uploads == ["rules.md"]
    assert len(gateway.stores) == 1
    assert services.blobs.get(ref) == b"# rules"
