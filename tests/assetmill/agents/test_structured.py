"""Structured answers: paid for, kept, and refused with the place of the first difference."""

from __future__ import annotations

import pytest

from assetmill.agents.structured import read_answer
from assetmill.errors import OutputUnusable
from assetmill.plan.calls import ExpectedOutput
from assetmill.records import RunId
from assetmill.stage.engine import run_stage
from tests.assetmill.agents.workshop import Shop, by_turn
from tests.doubles import Body, message_item, stage_call

FORMAT: Body = {
    "type": "json_schema",
    "name": "palette",
    "schema": {
        "type": "object",
        "properties": {
            "title": {"type": "string"},
            "colours": {"type": "array", "items": {"type": "string", "pattern": "^#[0-9A-F]{6}$"}},
        },
        "required": ["title", "colours"],
        "additionalProperties": False,
    },
}


def test_an_answer_that_fits_is_the_stage_s_data(shop: Shop) -> None:
    shop.gateway.script = by_turn([message_item('{"title": "Dusk", "colours": ["#14213D"]}')])
    call = stage_call(tools=(), outputs=(), text_format=FORMAT)
    record = run_stage(call, shop.process(), RunId("run-1"))
    assert record.data == {"title": "Dusk", "colours": ["#14213D"]}


ANSWER = '{"title": "Dusk", "colours": ["#14213D"]}'


@pytest.mark.parametrize(
    "items",
    [
        [{**message_item("I look at the sky first."), "phase": "commentary"}, message_item(ANSWER)],
        [
            {**message_item("I look at the sky first."), "phase": "commentary"},
            {**message_item(ANSWER), "phase": "final_answer"},
            {**message_item("Was that all?"), "phase": "commentary"},
        ],
        [message_item(ANSWER.replace("Dusk", "Draft")), message_item(ANSWER)],
        [{**message_item(ANSWER), "phase": "commentary"}],
    ],
    ids=["before", "around", "two answers", "nothing else"],
)
def test_the_final_answer_is_read_and_not_what_was_said_on_the_way(shop: Shop, items: list[Body]) -> None:
    shop.gateway.script = by_turn(items)
    record = run_stage(stage_call(tools=(), outputs=(), text_format=FORMAT), shop.process(), RunId("run-1"))
    assert record.data == {"title": "Dusk", "colours": ["#14213D"]}


def test_a_text_holds_no_remarks_made_on_the_way(shop: Shop) -> None:
    remark = {**message_item("I count the lamps."), "phase": "commentary"}
    shop.gateway.script = by_turn([remark, message_item("Seven lamps."), message_item("All are lit.")])
    call = stage_call(tools=(), outputs=(ExpectedOutput("text", "lamps.md"),))
    services = shop.process()
    record = run_stage(call, services, RunId("run-1"))
    assert record.text == "Seven lamps.\nAll are lit."
    assert services.blobs.get(record.outputs[0].blob) == record.text.encode()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('{"title": "Dusk", "colours": ["#14213D", "blue"]}', r"at colours\[1\]: 'blue' does not match"),
        ('{"title": "Dusk"}', "at the answer: 'colours' is a required property"),
        ('{"title": 1, "colours": []}', "at title: 1 is not of type 'string'"),
        ("[1]", r"at the answer: \[1\] is not of type 'object'"),
        ("Here you are: {}", "is not JSON"),
        ("", "is not JSON"),
        ('{"title": NaN, "colours": []}', "NaN is no JSON"),
        ("[" * 100_000, "is not JSON"),
    ],
)
def test_an_answer_that_does_not_fit_is_kept_and_named(shop: Shop, text: str, words: str) -> None:
    shop.gateway.script = by_turn([message_item(text)])
    call = stage_call(tools=(), outputs=(), text_format=FORMAT)
    services = shop.process()
    with pytest.raises(OutputUnusable, match=words):
        run_stage(call, services, RunId("run-1"))
    assert services.ledger.read_raw(call.pipeline, call.fingerprint, 1, 1)
    attempt = services.ledger.newest_attempt(call.pipeline, call.fingerprint)
    assert attempt is not None
    assert attempt.verdict is not None
    assert attempt.verdict.error == "OutputUnusable"


def test_a_schema_that_points_elsewhere_is_not_fetched() -> None:
    schema = {"type": "object", "properties": {"a": {"$ref": "http://127.0.0.1:9/schema.json"}}}
    answer = read_answer('{"a": 1}', {"schema": schema})
    assert "cannot be followed" in answer.fault
