"""What a new stage asks of the store does not grow with what is there: nothing on its way is listed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from assetmill.agents.gateway import ResponseRequest
from assetmill.errors import StoreError
from assetmill.plan.calls import BoundInput, ExpectedOutput, StageCall
from assetmill.records import RunId
from assetmill.stage.engine import run_stage
from assetmill.store import layout
from assetmill.store.backend import ObjectHead
from assetmill.store.memory import MemoryStore
from tests.assetmill.stage.processes import RUN, Start, starting
from tests.doubles import Body, ScriptedGateway, citing, code_item, image_item, png, stage_call

PICTURE = stage_call(prompt="draw one")
TABLE = stage_call(
    prompt="write a table",
    tools=({"type": "code_interpreter"},),
    outputs=(ExpectedOutput("data", "table.csv"),),
)


class Listed(MemoryStore):
    """A store that notes what is listed."""

    def __init__(self) -> None:
        super().__init__()
        self.listed: list[str] = []

    def list(self, prefix: str, limit: int | None = None) -> Iterator[ObjectHead]:
        """Yield the objects whose key starts with `prefix`."""
        self.listed.append(prefix)
        return super().list(prefix, limit)


@pytest.fixture
def store() -> Listed:
    return Listed()


@pytest.fixture
def start(store: Listed, gateway: ScriptedGateway, tmp_path: Path) -> Start:
    def answer(request: ResponseRequest) -> Sequence[Body]:
        if "table" in str(request.input):
            return (code_item(), citing("cntr_1", cfile_1="table.csv"))
        return (image_item(png()),)

    gateway.script = answer
    gateway.containers["cntr_1"] = {"cfile_1": ("table.csv", b"a,b\n")}
    return starting(gateway, store, tmp_path)


@pytest.mark.parametrize("call", [PICTURE, TABLE], ids=["picture", "table"])
def test_a_new_stage_lists_nothing(start: Start, store: Listed, call: StageCall) -> None:
    services = start()
    first = replace(call, prompt=f"{call.prompt}, to see what the endpoint can do")
    run_stage(first, services, RUN)
    store.listed.clear()
    run_stage(call, services, RUN)
    assert store.listed == []


def test_neither_does_one_that_is_given_a_file(start: Start, store: Listed) -> None:
    services = start()
    for colour in ("teal", "red"):
        store.listed.clear()
        blob = services.blobs.put(png(colour=colour), "image/png")
        call = stage_call(prompt="edit it", inputs=(BoundInput("mug.png", "picture", blob),))
        run_stage(call, services, RUN)
    assert store.listed == []


def test_a_handle_of_old_is_found_without_a_listing(start: Start, store: Listed) -> None:
    services = start()
    blob = services.blobs.put(png(), "image/png")
    for number in range(3):
        call = stage_call(prompt=f"edit {number}", inputs=(BoundInput("mug.png", "picture", blob),))
        run_stage(call, start(), RUN)
    uploads = [entry.key for entry in store.list(layout.ROOT) if entry.key.startswith("v1/u/")]
    assert len(uploads) == 1


def test_a_lost_intent_whose_receipt_is_there_is_not_paid_again(
    start: Start, store: Listed, gateway: ScriptedGateway
) -> None:
    run_stage(PICTURE, start(), RUN)
    place = PICTURE.pipeline, PICTURE.fingerprint
    store.delete(layout.stage(*place))
    store.delete(layout.intent(*place, 1, 1))
    with pytest.raises(StoreError, match=r"is lost and its receipt .* is there; `assetmill repair`"):
        run_stage(PICTURE, start(), RunId("run-2"))
    assert len(gateway.posts) == 1
